//! Text to tree: the lexer and the parser of templates (Go's text/template/parse, the part that is used here).

use super::super::human::{behind, part, visible};
use super::super::shape::is_in;
use super::case;
use super::functions::{Function, function};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::spec::json::Value;
use mydocker::spec::json::tree;
use mydocker::spec::text;

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
pub enum Node<'a> {
    /// Copied as it is.
    Text(&'a str),
    /// `{{pipe}}`.
    Show(Pipe<'a>),
    /// `{{if}}` or `{{with}}`.
    If(Branch<'a>, bool),
    /// `{{range}}`.
    Range(Branch<'a>),
}

/// A block with a condition.
#[derive(Default)]
pub struct Branch<'a> {
    /// The condition, or what is ranged over.
    pub pipe: Pipe<'a>,
    /// When it holds.
    pub then: Vec<Node<'a>>,
    /// When it does not.
    pub otherwise: Vec<Node<'a>>,
}

/// `$a, $b := command | command`.
#[derive(Default)]
pub struct Pipe<'a> {
    /// The variables on the left, with their `$`.
    pub names: Vec<&'a str>,
    /// `:=`, as opposed to `=`.
    pub declares: bool,
    /// In order.
    pub commands: Vec<Command<'a>>,
}

/// A function or value with its arguments.
pub struct Command<'a> {
    /// The first is what is called.
    pub terms: Vec<Term<'a>>,
    /// All of it.
    pub span: Span,
}

/// One operand.
pub struct Term<'a> {
    /// Where it starts from.
    pub base: Base<'a>,
    /// `.Field.Sub` behind it.
    pub fields: Vec<&'a str>,
    /// All of it.
    pub span: Span,
}

/// What a term starts from.
pub enum Base<'a> {
    /// `.`
    Dot,
    /// `$` or `$name`.
    Variable(&'a str),
    /// A string, number, true, false or nil.
    Literal(Value),
    /// A function.
    Function(&'static Function),
    /// `(pipe)`.
    Group(Pipe<'a>),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// What is outside of actions.
    Text,
    /// `{{`
    Open,
    /// `}}`
    Close,
    Dot,
    Field,
    Variable,
    Word,
    Quoted,
    Raw,
    Number,
    /// `| ( ) , =`, and `:` for `:=`.
    Mark(u8),
    End,
}

/// A token as it was typed.
#[derive(Clone, Copy)]
struct Item<'a> {
    kind: Kind,
    text: &'a str,
    start: usize,
}

/// Where a message points to, and the message without its `template: :LINE: `. One word wide, as [`mydocker::error::Error`].
pub struct Fault(pub Box<(usize, String)>);

type Parse<T> = Result<T, Fault>;

#[inline(never)]
fn fault<T>(at: usize, what: &str) -> Parse<T> {
    Err(Fault(Box::new((at, what.to_owned()))))
}

/// The tree of a template.
pub fn parse(text: &str) -> Parse<Vec<Node<'_>>> {
    let mut parser = Parser { items: lex(text)?, next: 0, names: Vec::new(), depth: 0, at: 0, stop: "" };
    let nodes = parser.block()?;
    match parser.stop {
        "" => Ok(nodes),
        word => fault(parser.at, &format!("unexpected {{{{{word}}}}}")),
    }
}

/// Bytes of the characters at the beginning of a text that fit.
fn run(text: &str, fits: &dyn Fn(char) -> bool) -> usize {
    text.char_indices().find(|(_, char)| !fits(*char)).map_or(text.len(), |(end, _)| end)
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n')
}

/// Splits the text into tokens; `{{-` and `-}}` eat the space beside them.
fn lex(text: &str) -> Parse<Vec<Item<'_>>> {
    let mut items = Vec::new();
    let (mut at, mut trim) = (0, false);
    loop {
        let open = text::find(behind(text, at), "{{").map_or(text.len(), |found| at + found);
        let inside = (open + 2).min(text.len());
        let dash = behind(text, inside).strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space));
        let mut plain = part(text, at, open);
        if trim {
            plain = plain.trim_start();
        }
        if dash {
            plain = plain.trim_end();
        }
        if !plain.is_empty() {
            items.push(Item { kind: Kind::Text, text: plain, start: at });
        }
        let kind = if open == text.len() { Kind::End } else { Kind::Open };
        let start = if dash { inside + 2 } else { inside };
        if !behind(text, start).starts_with("/*") {
            items.push(Item { kind, text: "", start: open });
            if kind == Kind::End {
                return Ok(items);
            }
            (at, trim) = action(text, start, &mut items)?;
            continue;
        }
        let Some(close) = text::find(behind(text, start), "*/").map(|found| start + found + 2) else {
            return fault(open, "unclosed comment");
        };
        let rest = behind(text, close);
        let spaces = run(rest, &is_space);
        trim = spaces > 0 && behind(rest, spaces).starts_with("-}}");
        if !trim && !rest.starts_with("}}") {
            return fault(open, "comment ends before closing delimiter");
        }
        at = close + if trim { spaces + 3 } else { 2 };
    }
}

/// The tokens of one action, where the text goes on, and whether it ended with ` -}}`.
fn action<'a>(text: &'a str, mut at: usize, items: &mut Vec<Item<'a>>) -> Parse<(usize, bool)> {
    loop {
        let gap = run(behind(text, at), &is_space);
        at += gap;
        let rest = behind(text, at);
        let trims = gap > 0 && rest.starts_with("-}}");
        if trims || rest.starts_with("}}") {
            items.push(Item { kind: Kind::Close, text: "", start: at });
            return Ok((at + if trims { 3 } else { 2 }, trims));
        }
        let (kind, length) = token(rest, at)?;
        items.push(Item { kind, text: part(rest, 0, length), start: at });
        at += length;
    }
}

/// What token the text begins with, and its length.
fn token(text: &str, at: usize) -> Parse<(Kind, usize)> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return fault(at, "unclosed action") };
    let follows = chars.next().unwrap_or(' ');
    let is_in_word = |char: char| case::is_in_word(char) || char == '_';
    let begins_word = |char: char| is_in_word(char) && !char.is_ascii_digit();
    let length = |fits: &dyn Fn(char) -> bool| first.len_utf8() + run(behind(text, first.len_utf8()), fits);
    Ok(match first {
        '"' => (Kind::Quoted, unquoted(text, at)?.1),
        '`' => match behind(text, 1).find('`') {
            Some(close) => (Kind::Raw, close + 2),
            None => return fault(at, "unterminated raw quoted string"),
        },
        '.' if begins_word(follows) => (Kind::Field, length(&is_in_word)),
        '.' if !follows.is_ascii_digit() => (Kind::Dot, 1),
        '$' => (Kind::Variable, length(&is_in_word)),
        ':' if follows == '=' => (Kind::Mark(b':'), 2),
        '=' | '|' | '(' | ')' | ',' => (Kind::Mark(first as u8), 1),
        '0'..='9' | '+' | '-' | '.' => (Kind::Number, length(&|char| case::is_in_word(char) || char == '.')),
        _ if begins_word(first) => (Kind::Word, length(&is_in_word)),
        _ => {
            let shown = visible(part(text, 0, first.len_utf8()));
            return fault(at, &format!("unrecognized character in action: U+{:04X} '{shown}'", first as u32));
        }
    })
}

/// A quoted string with Go's escapes, and the length of what was typed.
fn unquoted(text: &str, at: usize) -> Parse<(String, usize)> {
    let mut value = String::new();
    let mut chars = behind(text, 1).chars();
    loop {
        let char = match chars.next() {
            Some('"') => return Ok((value, text.len() - chars.as_str().len())),
            Some('\\') => match chars.next() {
                Some('n') => Some('\n'),
                Some('t') => Some('\t'),
                Some('r') => Some('\r'),
                Some(same @ ('\\' | '"' | '\'')) => Some(same),
                Some(kind @ ('x' | 'u')) => {
                    let rest = chars.as_str();
                    let digits = rest.get(..if kind == 'x' { 2 } else { 4 }).unwrap_or(rest);
                    chars = behind(rest, digits.len()).chars();
                    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
                }
                None => break,
                Some(_) => None,
            },
            None | Some('\n') => break,
            other => other,
        };
        let Some(char) = char else { return fault(at, "invalid syntax in a quoted string") };
        value.push(char);
    }
    fault(at, "unterminated quoted string")
}

struct Parser<'a> {
    items: Vec<Item<'a>>,
    /// The item that is read next.
    next: usize,
    /// Variables in scope.
    names: Vec<&'a str>,
    depth: usize,
    /// Where the action begins that was read last.
    at: usize,
    /// What ended the last block: `end`, `else`, or nothing for the end of the text.
    stop: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Item<'a> {
        self.items[self.next]
    }

    /// Goes over the next item if it is of this kind.
    fn take(&mut self, kind: Kind) -> bool {
        let found = self.peek().kind == kind;
        self.next += usize::from(found);
        found
    }

    fn block(&mut self) -> Parse<Vec<Node<'a>>> {
        let mut nodes = Vec::new();
        loop {
            let item = self.peek();
            if item.kind == Kind::Text {
                nodes.push(Node::Text(item.text));
                self.next += 1;
                continue;
            }
            self.at = item.start;
            self.stop = "";
            if item.kind == Kind::End {
                return Ok(nodes);
            }
            self.next += 1;
            let first = self.peek();
            let word = if first.kind == Kind::Word { first.text } else { "" };
            match word {
                "end" | "else" => {
                    self.next += 1;
                    if word == "end" && !self.take(Kind::Close) {
                        return fault(self.at, "unexpected input in end");
                    }
                    self.stop = word;
                    return Ok(nodes);
                }
                "if" | "with" | "range" => self.control(word, &mut nodes)?,
                _ if is_in("break continue define template block", word) => {
                    return fault(self.at, &format!("{{{{{word}}}}} is not supported"));
                }
                _ => {
                    let mut pipe = Pipe::default();
                    self.action(&mut pipe, "command", 1)?;
                    nodes.push(Node::Show(pipe));
                }
            }
        }
    }

    fn deeper(&mut self, at: usize) -> Parse<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { fault(at, "nested too deeply") } else { Ok(()) }
    }

    /// A block whose word is the next item.
    fn control(&mut self, word: &str, nodes: &mut Vec<Node<'a>>) -> Parse<()> {
        self.next += 1;
        self.deeper(self.at)?;
        let ranges = word == "range";
        let scope = self.names.len();
        let mut branch = Branch::default();
        self.action(&mut branch.pipe, word, if ranges { 2 } else { 1 })?;
        let inner = self.names.len();
        branch.then = self.block()?;
        self.names.truncate(inner);
        if self.stop == "else" {
            let next = self.peek().text;
            if self.take(Kind::Close) {
                branch.otherwise = self.block()?;
            } else if !ranges && is_in("if with", next) {
                self.control(next, &mut branch.otherwise)?; // its {{end}} closes both
            } else {
                return fault(self.at, "unexpected input in else");
            }
        }
        if self.stop != "end" {
            let is_over = self.stop.is_empty();
            return fault(self.at, if is_over { "unexpected EOF" } else { "expected end; found {{else}}" });
        }
        self.names.truncate(scope);
        self.depth -= 1;
        nodes.push(if ranges { Node::Range(branch) } else { Node::If(branch, word == "with") });
        Ok(())
    }

    /// The rest of an action as one pipe.
    fn action(&mut self, pipe: &mut Pipe<'a>, context: &str, names_max: usize) -> Parse<()> {
        self.pipe(pipe, context, names_max)?;
        if self.take(Kind::Close) { Ok(()) } else { self.unexpected(context) }
    }

    fn unexpected<T>(&self, context: &str) -> Parse<T> {
        let item = self.peek();
        fault(item.start, &format!("unexpected \"{}\" in {context}", item.text))
    }

    fn pipe(&mut self, pipe: &mut Pipe<'a>, context: &str, names_max: usize) -> Parse<()> {
        self.declaration(pipe, names_max);
        if !pipe.declares {
            for name in &pipe.names {
                self.known(name, self.at)?;
            }
        }
        loop {
            let mut terms = Vec::new();
            self.terms(&mut terms, context)?;
            let (Some(first), Some(last)) = (terms.first(), terms.last()) else {
                return fault(self.at, &format!("missing value for {context}"));
            };
            let is_value = matches!(first.base, Base::Literal(_) | Base::Dot) && first.fields.is_empty();
            if is_value && !pipe.commands.is_empty() {
                return fault(first.span.at, "non executable command in pipeline");
            }
            let span = Span { at: first.span.start, start: first.span.start, end: last.span.end };
            pipe.commands.push(Command { terms, span });
            if !self.take(Kind::Mark(b'|')) {
                break;
            }
        }
        if pipe.declares {
            self.names.extend_from_slice(&pipe.names);
        }
        Ok(())
    }

    fn known(&self, name: &str, at: usize) -> Parse<()> {
        if self.names.contains(&name) { Ok(()) } else { fault(at, &format!("undefined variable \"{name}\"")) }
    }

    /// `$x :=`, `$x =` or `$i, $x :=` if the action begins so.
    fn declaration(&mut self, pipe: &mut Pipe<'a>, names_max: usize) {
        let start = self.next;
        while self.peek().kind == Kind::Variable && pipe.names.len() < names_max {
            pipe.names.push(self.peek().text);
            self.next += 1;
            pipe.declares = self.take(Kind::Mark(b':'));
            if pipe.declares || self.take(Kind::Mark(b'=')) {
                return;
            }
            if !self.take(Kind::Mark(b',')) {
                break;
            }
        }
        self.next = start;
        pipe.names.clear();
    }

    fn terms(&mut self, terms: &mut Vec<Term<'a>>, context: &str) -> Parse<()> {
        loop {
            let item = self.peek();
            if matches!(item.kind, Kind::Close | Kind::Mark(b'|' | b')')) {
                return Ok(());
            }
            let base = self.base(item, context)?;
            let mut fields = Vec::new();
            if item.kind == Kind::Field {
                fields.push(behind(item.text, 1));
            }
            let before = self.items[self.next - 1];
            let mut span = Span { at: item.start, start: item.start, end: before.start + before.text.len() };
            // A field that touches what is before it belongs to it; Go points its messages at the first such field.
            loop {
                let next = self.peek();
                if next.kind != Kind::Field || next.start != span.end {
                    break;
                }
                if span.at == span.start {
                    span.at = next.start;
                }
                fields.push(behind(next.text, 1));
                span.end += next.text.len();
                self.next += 1;
            }
            terms.push(Term { base, fields, span });
        }
    }

    /// What the item stands for, which is read.
    fn base(&mut self, item: Item<'a>, context: &str) -> Parse<Base<'a>> {
        let Item { text, start, .. } = item;
        if matches!(item.kind, Kind::Mark(b',' | b'=' | b':')) {
            return self.unexpected(context);
        }
        self.next += 1;
        Ok(match item.kind {
            Kind::Variable => {
                if text != "$" {
                    self.known(text, start)?;
                }
                Base::Variable(text)
            }
            Kind::Quoted => Base::Literal(Value::String(unquoted(text, start)?.0)),
            Kind::Raw => Base::Literal(Value::String(part(text, 1, text.len() - 1).to_owned())),
            Kind::Number => Base::Literal(number(text, start)?),
            Kind::Word => match (text, function(text)) {
                ("true" | "false", _) => Base::Literal(Value::Bool(text == "true")),
                ("nil", _) => Base::Literal(Value::Null),
                (_, Some(function)) => Base::Function(function),
                _ => return fault(start, &format!("function \"{text}\" not defined")),
            },
            Kind::Mark(_) => {
                self.deeper(start)?;
                let mut pipe = Pipe::default();
                self.pipe(&mut pipe, "parenthesized pipeline", 0)?;
                if !self.take(Kind::Mark(b')')) {
                    return fault(start, "unclosed left paren");
                }
                self.depth -= 1;
                Base::Group(pipe)
            }
            _ => Base::Dot,
        })
    }
}

/// JSON's numbers are the ones that are needed, and their parser is in the binary anyway.
fn number(text: &str, at: usize) -> Parse<Value> {
    match tree::value(text) {
        Some(number @ Value::Number(_)) => Ok(number),
        _ => fault(at, &format!("bad number syntax: \"{text}\"")),
    }
}
