//! Text to tree: the lexer and the parser of templates (Go's text/template/parse, the part that is used here).

use super::functions::is_function;
use miniserde::json::{self, Value};

/// Deepest nesting of blocks and parentheses.
const DEPTH_MAX: usize = 64;

/// A stretch of the template's text, for messages.
#[derive(Clone, Copy)]
pub struct Span {
    /// Where a message points to.
    pub at: usize,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// One piece of a template.
pub enum Node {
    /// Copied as it is.
    Text(String),
    /// `{{pipe}}`.
    Show(Pipe),
    /// `{{if}}` or `{{with}}`.
    If(Branch, bool),
    /// `{{range}}`.
    Range(Branch),
}

/// A block with a condition.
pub struct Branch {
    /// The condition, or what is ranged over.
    pub pipe: Pipe,
    /// When it holds.
    pub then: Vec<Node>,
    /// When it does not.
    pub otherwise: Vec<Node>,
}

/// `$a, $b := command | command`.
pub struct Pipe {
    /// The variables on the left, with their `$`.
    pub names: Vec<String>,
    /// `:=`, as opposed to `=`.
    pub declares: bool,
    /// In order.
    pub commands: Vec<Command>,
}

/// A function or value with its arguments.
pub struct Command {
    /// The first is what is called.
    pub terms: Vec<Term>,
    /// All of it.
    pub span: Span,
}

/// One operand.
pub struct Term {
    /// Where it starts from.
    pub base: Base,
    /// `.Field.Sub` behind it.
    pub fields: Vec<String>,
    /// All of it.
    pub span: Span,
}

/// What a term starts from.
pub enum Base {
    /// `.`
    Dot,
    /// `$` or `$name`.
    Variable(String),
    /// A string, number, true, false or nil.
    Literal(Value),
    /// A function's name.
    Function(String),
    /// `(pipe)`.
    Group(Pipe),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Dot,
    Field(String),
    Variable(String),
    Word(String),
    Text(String),
    Number(String),
    Mark(&'static str), // | ( ) := = ,
}

#[derive(Clone)]
struct Item {
    token: Token,
    start: usize,
    end: usize,
}

enum Piece {
    Text(String),
    Action(Vec<Item>, usize),
}

/// A message without its `template: :LINE: `, and where it points to.
pub struct Fault(pub usize, pub String);

type Parse<T> = Result<T, Fault>;

fn fault<T>(at: usize, what: impl Into<String>) -> Parse<T> {
    Err(Fault(at, what.into()))
}

/// The tree of a template.
pub fn parse(text: &str) -> Parse<Vec<Node>> {
    let mut parser = Parser { pieces: pieces(text)?.into_iter(), names: Vec::new(), depth: 0, end: text.len() };
    let (nodes, stop) = parser.block()?;
    match stop {
        Stop::Eof => Ok(nodes),
        Stop::End(at) => fault(at, "unexpected {{end}}"),
        Stop::Else(_, at) => fault(at, "unexpected {{else}}"),
    }
}

/// Splits the text at its actions; `{{-` and `-}}` eat the space beside them.
fn pieces(text: &str) -> Parse<Vec<Piece>> {
    let mut pieces = Vec::new();
    let (mut at, mut trim) = (0, false);
    loop {
        let open = text[at..].find("{{").map_or(text.len(), |found| at + found);
        let inside = (open + 2).min(text.len());
        let dash = text[inside..].strip_prefix('-').is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']));
        let mut plain = &text[at..open];
        if trim {
            plain = plain.trim_start();
        }
        if dash {
            plain = plain.trim_end();
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.to_owned()));
        }
        if open == text.len() {
            return Ok(pieces);
        }
        let start = if dash { inside + 2 } else { inside };
        if text[start..].starts_with("/*") {
            let Some(close) = text[start..].find("*/").map(|found| start + found + 2) else {
                return fault(open, "unclosed comment");
            };
            let rest = &text[close..];
            (at, trim) = if rest.starts_with("}}") {
                (close + 2, false)
            } else if let Some(tail) =
                rest.trim_start().strip_prefix("-}}").filter(|_| rest.starts_with([' ', '\t', '\n']))
            {
                (text.len() - tail.len(), true)
            } else {
                return fault(open, "comment ends before closing delimiter");
            };
            continue;
        }
        let (items, end, dash) = action(text, start)?;
        pieces.push(Piece::Action(items, open + 2));
        (at, trim) = (end, dash);
    }
}

/// The tokens of one action, where the text goes on, and whether it ended with ` -}}`.
fn action(text: &str, mut at: usize) -> Parse<(Vec<Item>, usize, bool)> {
    let mut items = Vec::new();
    loop {
        let spaced = text[at..].trim_start_matches([' ', '\t', '\r', '\n']);
        let gap = text.len() - at - spaced.len();
        at += gap;
        if gap > 0 && spaced.starts_with("-}}") {
            return Ok((items, at + 3, true));
        }
        if spaced.starts_with("}}") {
            return Ok((items, at + 2, false));
        }
        let Some(first) = spaced.chars().next() else { return fault(at, "unclosed action") };
        let word = |from: usize| {
            let rest = &text[from..];
            from + rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        };
        let follows = spaced.chars().nth(1).unwrap_or(' ');
        let (token, end) = match first {
            '"' => string(text, at)?,
            '`' => match spaced[1..].find('`') {
                Some(close) => (Token::Text(spaced[1..=close].to_owned()), at + close + 2),
                None => return fault(at, "unterminated raw quoted string"),
            },
            '.' if follows.is_alphabetic() || follows == '_' => {
                let end = word(at + 1);
                (Token::Field(text[at + 1..end].to_owned()), end)
            }
            '.' if !follows.is_ascii_digit() => (Token::Dot, at + 1),
            '$' => {
                let end = word(at + 1);
                (Token::Variable(text[at..end].to_owned()), end)
            }
            ':' if follows == '=' => (Token::Mark(":="), at + 2),
            '=' | '|' | '(' | ')' | ',' => {
                let mark = ["=", "|", "(", ")", ","].into_iter().find(|mark| mark.starts_with(first));
                (Token::Mark(mark.unwrap_or_default()), at + 1)
            }
            '0'..='9' | '+' | '-' | '.' => {
                let rest = &spaced[1..];
                let digits = rest.find(|c: char| !c.is_alphanumeric() && c != '.').unwrap_or(rest.len());
                (Token::Number(spaced[..=digits].to_owned()), at + 1 + digits)
            }
            _ if first.is_alphabetic() || first == '_' => {
                let end = word(at);
                (Token::Word(text[at..end].to_owned()), end)
            }
            other => {
                let shown = super::super::human::visible(&other.to_string());
                return fault(at, format!("unrecognized character in action: U+{:04X} '{shown}'", other as u32));
            }
        };
        items.push(Item { token, start: at, end });
        at = end;
    }
}

/// A quoted string with Go's escapes.
fn string(text: &str, start: usize) -> Parse<(Token, usize)> {
    let mut value = String::new();
    let mut rest = text[start + 1..].char_indices();
    while let Some((at, char)) = rest.next() {
        match char {
            '"' => return Ok((Token::Text(value), start + 1 + at + 1)),
            '\n' => break,
            '\\' => value.push(match rest.next().map(|(_, escape)| escape) {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some(same @ ('\\' | '"' | '\'')) => same,
                Some(kind @ ('x' | 'u')) => {
                    let digits: String = rest.by_ref().take(if kind == 'x' { 2 } else { 4 }).map(|(_, c)| c).collect();
                    match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                        Some(char) => char,
                        None => return fault(start, "invalid syntax in a quoted string"),
                    }
                }
                None => break,
                Some(_) => return fault(start, "invalid syntax in a quoted string"),
            }),
            other => value.push(other),
        }
    }
    fault(start, "unterminated quoted string")
}

/// Why a block ended.
enum Stop {
    Eof,
    End(usize),
    /// The tokens behind `else`.
    Else(Vec<Item>, usize),
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    /// Variables in scope.
    names: Vec<String>,
    depth: usize,
    end: usize,
}

impl Parser {
    fn block(&mut self) -> Parse<(Vec<Node>, Stop)> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (items, at) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(items, at) => (items, at),
            };
            let word = match items.first().map(|item| &item.token) {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            let rest = || items[1..].to_vec();
            match word {
                "end" if items.len() > 1 => return fault(at, "unexpected input in end"),
                "end" => return Ok((nodes, Stop::End(at))),
                "else" => return Ok((nodes, Stop::Else(rest(), at))),
                "if" | "with" | "range" => nodes.push(self.control(word, rest(), at)?),
                "break" | "continue" | "define" | "template" | "block" => {
                    return fault(at, format!("{{{{{word}}}}} is not supported"));
                }
                _ => nodes.push(Node::Show(self.action(items, at, "command", 1)?)),
            }
        }
        Ok((nodes, Stop::Eof))
    }

    fn deeper(&mut self, at: usize) -> Parse<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { fault(at, "nested too deeply") } else { Ok(()) }
    }

    fn control(&mut self, word: &str, items: Vec<Item>, at: usize) -> Parse<Node> {
        self.deeper(at)?;
        let scope = self.names.len();
        let pipe = self.action(items, at, word, if word == "range" { 2 } else { 1 })?;
        let inner = self.names.len();
        let (then, mut stop) = self.block()?;
        self.names.truncate(inner);
        let mut otherwise = Vec::new();
        if let Stop::Else(items, at) = stop {
            match items.first().map(|item| item.token.clone()) {
                None => (otherwise, stop) = self.block()?,
                Some(Token::Word(chained)) if word != "range" && (chained == "if" || chained == "with") => {
                    // The chained block's {{end}} closes both.
                    otherwise = vec![self.control(&chained, items[1..].to_vec(), at)?];
                    stop = Stop::End(at);
                }
                Some(_) => return fault(at, "unexpected input in else"),
            }
        }
        match stop {
            Stop::End(_) => {}
            Stop::Eof => return fault(self.end, "unexpected EOF"),
            Stop::Else(_, at) => return fault(at, "expected end; found {{else}}"),
        }
        self.names.truncate(scope);
        self.depth -= 1;
        let branch = Branch { pipe, then, otherwise };
        Ok(match word {
            "range" => Node::Range(branch),
            _ => Node::If(branch, word == "with"),
        })
    }

    /// A whole action as one pipe.
    fn action(&mut self, items: Vec<Item>, at: usize, context: &str, names_max: usize) -> Parse<Pipe> {
        let mut items = Items { all: items, next: 0, at };
        let pipe = self.pipe(&mut items, context, names_max)?;
        match items.peek() {
            None => Ok(pipe),
            Some(item) => fault(item.start, format!("unexpected {} in {context}", item.shown())),
        }
    }

    fn pipe(&mut self, items: &mut Items, context: &str, names_max: usize) -> Parse<Pipe> {
        let (names, declares) = items.declaration(names_max);
        if !declares && let Some(name) = names.iter().find(|name| !self.names.contains(name)) {
            return fault(items.at, format!("undefined variable \"{name}\""));
        }
        let mut commands = Vec::new();
        loop {
            let terms = self.terms(items, context)?;
            let (Some(first), Some(last)) = (terms.first(), terms.last()) else {
                return fault(items.at, format!("missing value for {context}"));
            };
            if !commands.is_empty() && matches!(first.base, Base::Literal(_) | Base::Dot) && first.fields.is_empty() {
                return fault(first.span.at, "non executable command in pipeline");
            }
            let span = Span { at: first.span.start, start: first.span.start, end: last.span.end };
            commands.push(Command { terms, span });
            if !items.take(&Token::Mark("|")) {
                break;
            }
        }
        if declares {
            self.names.extend_from_slice(&names);
        }
        Ok(Pipe { names, declares, commands })
    }

    fn terms(&mut self, items: &mut Items, context: &str) -> Parse<Vec<Term>> {
        let mut terms = Vec::new();
        while let Some(item) = items.peek().cloned() {
            if matches!(item.token, Token::Mark("|" | ")")) {
                break;
            }
            items.next += 1;
            let mut fields = Vec::new();
            let base = match item.token {
                Token::Dot => Base::Dot,
                Token::Field(ref name) => {
                    fields.push(name.clone());
                    Base::Dot
                }
                Token::Variable(name) if name == "$" || self.names.contains(&name) => Base::Variable(name),
                Token::Variable(name) => return fault(item.start, format!("undefined variable \"{name}\"")),
                Token::Text(text) => Base::Literal(Value::String(text)),
                Token::Number(text) => Base::Literal(number(&text, item.start)?),
                Token::Word(word) => match word.as_str() {
                    "true" | "false" => Base::Literal(Value::Bool(word == "true")),
                    "nil" => Base::Literal(Value::Null),
                    _ if is_function(&word) => Base::Function(word),
                    _ => return fault(item.start, format!("function \"{word}\" not defined")),
                },
                Token::Mark("(") => {
                    self.deeper(item.start)?;
                    let pipe = self.pipe(items, "parenthesized pipeline", 0)?;
                    if !items.take(&Token::Mark(")")) {
                        return fault(item.start, "unclosed left paren");
                    }
                    self.depth -= 1;
                    Base::Group(pipe)
                }
                Token::Mark(_) => return fault(item.start, format!("unexpected {} in {context}", item.shown())),
            };
            let mut span = Span { at: item.start, start: item.start, end: items.before() };
            // A field that touches what is before it belongs to it; Go points its messages at the first such field.
            while let Some(Item { token: Token::Field(name), start, end }) = items.peek().cloned()
                && start == span.end
            {
                if span.at == span.start {
                    span.at = start;
                }
                fields.push(name);
                span.end = end;
                items.next += 1;
            }
            terms.push(Term { base, fields, span });
        }
        Ok(terms)
    }
}

/// JSON's numbers are the ones that are needed, and their parser is in the binary anyway.
fn number(text: &str, at: usize) -> Parse<Value> {
    match json::from_str(text) {
        Ok(number @ Value::Number(_)) => Ok(number),
        _ => fault(at, format!("bad number syntax: \"{text}\"")),
    }
}

/// The tokens of one action and how far they have been read.
struct Items {
    all: Vec<Item>,
    next: usize,
    at: usize,
}

impl Items {
    fn peek(&self) -> Option<&Item> {
        self.all.get(self.next)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek().is_some_and(|item| item.token == *token);
        self.next += usize::from(found);
        found
    }

    /// Where the token read last ends.
    fn before(&self) -> usize {
        self.next.checked_sub(1).and_then(|last| self.all.get(last)).map_or(self.at, |item| item.end)
    }

    /// `$x :=`, `$x =` or `$i, $x :=` if the action begins so.
    fn declaration(&mut self, names_max: usize) -> (Vec<String>, bool) {
        let mut names = Vec::new();
        let mut at = self.next;
        while let Some(Token::Variable(name)) = self.all.get(at).map(|item| &item.token)
            && names.len() < names_max
        {
            names.push(name.clone());
            match self.all.get(at + 1).map(|item| &item.token) {
                Some(Token::Mark(",")) => at += 2,
                Some(Token::Mark(mark @ (":=" | "="))) => {
                    self.next = at + 2;
                    return (names, *mark == ":=");
                }
                _ => break,
            }
        }
        (Vec::new(), false)
    }
}

impl Item {
    fn shown(&self) -> String {
        let text = match &self.token {
            Token::Dot => ".",
            Token::Mark(mark) => mark,
            Token::Field(text) => return format!("<.{text}>"),
            Token::Variable(text) | Token::Word(text) | Token::Text(text) | Token::Number(text) => text,
        };
        format!("\"{text}\"")
    }
}
