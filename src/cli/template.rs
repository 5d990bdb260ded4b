//! `--format`: the part of Go's text/template that docker's users type, over JSON values.

mod case;
mod functions;
mod parse;

use super::human::{behind, part, visible};
use super::shape;
use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use functions::{Function, VALUE_BYTES_MAX, call, kind, show, truth};
use mydocker::error::{Error, Result};
use mydocker::spec::json::{Number, Object, Value};
use mydocker::spec::text;
use parse::{Base, Branch, Command, Fault, Node, Pipe, Span, Term};

/// Longest text of a template.
const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// Most bytes that one rendering may give.
const OUTPUT_BYTES_MAX: usize = VALUE_BYTES_MAX;
/// Most nodes that one rendering may visit: `range 1000000000` comes to an end.
const STEPS_MAX: usize = 4_000_000;
/// Exit code of a template that cannot be parsed (docker's).
const EXIT_SYNTAX: u8 = 64;

/// A parsed template.
pub struct Template<'a> {
    text: &'a str,
    nodes: Vec<Node<'a>>,
}

type Seen<'a> = Cow<'a, Value>;

impl<'a> Template<'a> {
    /// Reads a template. A syntax error asks for exit code 64.
    pub fn parse(text: &'a str) -> Result<Self> {
        let fail = |at: usize, what: &str| {
            let line = part(text, 0, at.min(text.len())).matches('\n').count() + 1;
            Error::new(format_args!("template parsing error: template: :{line}: {what}")).exit(EXIT_SYNTAX)
        };
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(fail(0, "the template is longer than 64 KiB"));
        }
        let nodes = parse::parse(text).map_err(|Fault(fault)| fail(fault.0, &fault.1))?;
        Ok(Self { text, nodes })
    }

    /// The text for a value. An unknown field and the like ask for exit code 1.
    pub fn render(&self, value: &Value) -> Result<String> {
        self.run(value, false)
    }

    /// The heading of a table: `headers` has the words of the fields, and the functions leave them alone.
    pub fn render_header(&self, headers: &Value) -> Result<String> {
        self.run(headers, true)
    }

    fn run(&self, value: &Value, header: bool) -> Result<String> {
        let variables = vec![("$", Cow::Borrowed(value))];
        let mut run = Run { text: self.text, out: String::new(), variables, header, steps: 0 };
        run.all(&self.nodes, &Cow::Borrowed(value))?;
        Ok(run.out)
    }
}

/// One rendering.
struct Run<'a> {
    text: &'a str,
    out: String,
    variables: Vec<(&'a str, Seen<'a>)>,
    header: bool,
    steps: usize,
}

impl<'a> Run<'a> {
    fn fail(&self, span: Span, why: &str) -> Error {
        let before = part(self.text, 0, span.at);
        let (line, start) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |at| at + 1));
        let (column, source) = (span.at - start, visible(part(self.text, span.start, span.end)));
        Error::new(format_args!(
            "template parsing error: template: :{line}:{column}: executing \"\" at <{source}>: {why}"
        ))
        .exit(1)
    }

    fn all(&mut self, nodes: &'a [Node<'a>], dot: &Seen<'a>) -> Result<()> {
        let scope = self.variables.len();
        for node in nodes {
            self.steps += 1;
            if self.steps > STEPS_MAX || self.out.len() > OUTPUT_BYTES_MAX {
                return Err(Error::new("template parsing error: template: the output is too long").exit(1));
            }
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Show(pipe) => {
                    if let Some(text) = plain(pipe, dot) {
                        self.out.push_str(text);
                        continue;
                    }
                    let value = self.pipe(pipe, dot)?;
                    if pipe.names.is_empty() {
                        // What is there and null is a nil pointer; a key that a map does not have is made here.
                        let null = if matches!(value, Cow::Borrowed(_)) { "<nil>" } else { "<no value>" };
                        show(&mut self.out, &value, null, 0);
                    } else {
                        self.bind(pipe, &[value]);
                    }
                }
                Node::If(branch, with) => self.condition(branch, *with, dot)?,
                Node::Range(branch) => self.range(branch, dot)?,
            }
        }
        self.variables.truncate(scope);
        Ok(())
    }

    fn condition(&mut self, branch: &'a Branch<'a>, with: bool, dot: &Seen<'a>) -> Result<()> {
        let scope = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        self.bind(&branch.pipe, core::slice::from_ref(&value));
        if truth(&value) {
            self.all(&branch.then, if with { &value } else { dot })?;
        } else {
            self.all(&branch.otherwise, dot)?;
        }
        self.variables.truncate(scope);
        Ok(())
    }

    fn range(&mut self, branch: &'a Branch<'a>, dot: &Seen<'a>) -> Result<()> {
        let value = self.pipe(&branch.pipe, dot)?;
        let mut keys = Vec::new();
        let count = match &*value {
            Value::Null => 0,
            Value::Array(list) => list.len(),
            Value::Object(map) => {
                keys.extend(map.keys().cloned());
                keys.len()
            }
            Value::Number(Number::U64(count)) => *count as usize,
            Value::String(_) if self.header => 1,
            other => {
                let mut shown = String::new();
                show(&mut shown, other, "<nil>", 0);
                return Err(self.fail(whole_span(&branch.pipe), &format!("range can't iterate over {shown}")));
            }
        };
        for at in 0..count {
            let number = || Cow::Owned(Value::Number(Number::U64(at as u64)));
            let item = inside(&value, &|value| match value {
                Value::Array(list) => list.get(at),
                Value::Object(map) => map.get(keys.get(at)?),
                Value::Number(_) => None,
                other => Some(other), // a word of the header
            });
            let item = item.unwrap_or_else(number);
            let key = keys.get(at).map_or_else(number, |key| Cow::Owned(Value::String(key.clone())));
            self.turn(branch, key, &item)?;
        }
        if count == 0 { self.all(&branch.otherwise, dot) } else { Ok(()) }
    }

    /// One turn of a range.
    fn turn(&mut self, branch: &'a Branch<'a>, key: Seen<'a>, value: &Seen<'a>) -> Result<()> {
        let scope = self.variables.len();
        self.steps += 1;
        if branch.pipe.names.len() == 2 {
            self.bind(&branch.pipe, &[key, value.clone()]);
        } else {
            self.bind(&branch.pipe, core::slice::from_ref(value));
        }
        if self.steps > STEPS_MAX {
            return Err(Error::new("template parsing error: template: too many turns of a range").exit(1));
        }
        self.all(&branch.then, value)?;
        self.variables.truncate(scope);
        Ok(())
    }

    /// Gives the pipe's variables their values.
    fn bind(&mut self, pipe: &'a Pipe<'a>, values: &[Seen<'a>]) {
        for (name, value) in pipe.names.iter().zip(values) {
            match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
                Some(known) if !pipe.declares => known.1.clone_from(value),
                _ => self.variables.push((name, value.clone())),
            }
        }
    }

    fn pipe(&mut self, pipe: &'a Pipe<'a>, dot: &Seen<'a>) -> Result<Seen<'a>> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Cow::Owned(Value::Null)))
    }

    fn command(&mut self, command: &'a Command<'a>, dot: &Seen<'a>, piped: Option<Seen<'a>>) -> Result<Seen<'a>> {
        let Some((first, rest)) = command.terms.split_first() else { return Ok(Cow::Owned(Value::Null)) };
        if let Base::Function(function) = first.base {
            if matches!(function.0, "and" | "or") {
                return self.either(function.0, command, dot, piped);
            }
            let mut args = Vec::with_capacity(rest.len() + 1);
            for term in rest {
                args.push(self.term(term, dot)?);
            }
            args.extend(piped);
            return self.function(function, &args, command.span);
        }
        if rest.is_empty() && piped.is_none() {
            return self.term(first, dot);
        }
        if let (Base::Dot | Base::Variable(_), Some((last, fields)), [argument]) =
            (&first.base, first.fields.split_last(), rest)
            && *last == "Label"
        {
            let row = self.base(&first.base, dot)?;
            let row = self.fields(row, fields, first.span)?;
            let name = self.term(argument, dot)?;
            return Ok(if self.header { name } else { Cow::Owned(label(&row, &name)) });
        }
        let source = part(self.text, first.span.start, first.span.end);
        Err(self.fail(first.span, &format!("can't give argument to non-function {source}")))
    }

    /// `and` and `or`: the first argument that decides, else the last one.
    fn either(
        &mut self,
        name: &str,
        command: &'a Command<'a>,
        dot: &Seen<'a>,
        piped: Option<Seen<'a>>,
    ) -> Result<Seen<'a>> {
        let mut last = None;
        for term in command.terms.iter().skip(1) {
            let value = self.term(term, dot)?;
            if truth(&value) == (name == "or") {
                return Ok(value);
            }
            last = Some(value);
        }
        piped
            .or(last)
            .ok_or_else(|| self.fail(command.span, &format!("wrong number of args for {name}: want at least 1 got 0")))
    }

    fn function(&self, function: &'static Function, args: &[Seen<'a>], span: Span) -> Result<Seen<'a>> {
        let name = function.0;
        if self.header && !shape::is_in("print printf println eq ne not pad", name) {
            // The heading of {{json .Names}} is NAMES.
            for arg in args {
                if let Value::String(_) = **arg {
                    return Ok(arg.clone());
                }
            }
            return Ok(Cow::Owned(Value::String(String::new())));
        }
        let answer = call(function, args);
        answer.map(Cow::Owned).map_err(|why| self.fail(span, &format!("error calling {name}: {why}")))
    }

    fn base(&mut self, base: &'a Base<'a>, dot: &Seen<'a>) -> Result<Seen<'a>> {
        Ok(match base {
            Base::Dot => dot.clone(),
            Base::Variable(name) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => value.clone(),
                None => Cow::Owned(Value::Null), // the parser has refused unknown ones
            },
            Base::Literal(value) => Cow::Borrowed(value),
            Base::Group(pipe) => {
                self.steps += 1;
                self.pipe(pipe, dot)?
            }
            Base::Function(_) => Cow::Owned(Value::Null),
        })
    }

    fn term(&mut self, term: &'a Term<'a>, dot: &Seen<'a>) -> Result<Seen<'a>> {
        let value = match &term.base {
            Base::Function(function) => self.function(function, &[], term.span)?,
            other => self.base(other, dot)?,
        };
        self.fields(value, &term.fields, term.span)
    }

    /// `.A.B` of a value.
    fn fields(&self, mut value: Seen<'a>, names: &[&'a str], span: Span) -> Result<Seen<'a>> {
        for (at, name) in names.iter().enumerate() {
            let found = inside(&value, &|value| match value {
                Value::Object(map) => map.get(spelled(map, name)),
                _ => None,
            });
            value = match (found, &*value) {
                (Some(found), _) => found,
                _ if self.header => Cow::Owned(Value::String(name.to_ascii_uppercase())),
                (None, Value::Object(_)) if at > 0 && shape::is_map(names[at - 1]) => Cow::Owned(Value::Null),
                (None, other) => {
                    let why = match other {
                        Value::Object(_) => format!("map has no entry for key \"{name}\""),
                        Value::Null => format!("nil pointer evaluating interface {{}}.{name}"),
                        other => format!("can't evaluate field {name} in type {}", kind(other)),
                    };
                    return Err(self.fail(span, &why));
                }
            };
        }
        Ok(value)
    }
}

/// The text that `{{.Name}}` stands for: most of what lists show is that.
fn plain<'a>(pipe: &Pipe<'_>, dot: &'a Value) -> Option<&'a str> {
    let ([], [command], Value::Object(map)) = (&pipe.names[..], &pipe.commands[..], dot) else { return None };
    let [Term { base: Base::Dot, fields, .. }] = &command.terms[..] else { return None };
    match (&fields[..], fields.first().and_then(|name| map.get(*name))) {
        ([_], Some(Value::String(text))) => Some(text),
        _ => None,
    }
}

/// What `find` finds in a value.
fn inside<'a>(value: &Seen<'a>, find: &dyn for<'b> Fn(&'b Value) -> Option<&'b Value>) -> Option<Seen<'a>> {
    match value {
        Cow::Borrowed(value) => find(value).map(Cow::Borrowed),
        Cow::Owned(value) => find(value).cloned().map(Cow::Owned),
    }
}

/// docker's structures have ID where its JSON has Id, and templates use both.
fn spelled<'a>(map: &Object, name: &'a str) -> &'a str {
    if name == "ID" && !map.contains_key(name) { "Id" } else { name }
}

fn whole_span(pipe: &Pipe<'_>) -> Span {
    match (pipe.commands.first(), pipe.commands.last()) {
        (Some(first), Some(last)) => Span { end: last.span.end, ..first.span },
        _ => Span { at: 0, start: 0, end: 0 },
    }
}

/// `{{.Label "k"}}` of a row: looked up in its `Labels`, a map or the text `a=b,c=d`.
fn label(row: &Value, name: &Value) -> Value {
    let (Value::Object(row), Value::String(name)) = (row, name) else { return Value::Null };
    match row.get("Labels") {
        Some(Value::Object(labels)) => labels.get(name).cloned().unwrap_or_else(|| Value::String(String::new())),
        Some(Value::String(labels)) => {
            let found = labels.split(',').filter_map(|label| label.split_once('=')).find(|(key, _)| key == name);
            Value::String(found.map_or(String::new(), |(_, value)| value.to_owned()))
        }
        _ => Value::String(String::new()),
    }
}

/// `\t` and `\n` outside of actions become a tab and a newline, as docker decodes a `--format` (but not `inspect`'s).
pub fn unescape(format: &str) -> String {
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    while !rest.is_empty() {
        let open = text::find(rest, "{{").unwrap_or(rest.len());
        out.push_str(&text::replace(&text::replace(part(rest, 0, open), "\\t", "\t"), "\\n", "\n"));
        rest = behind(rest, open);
        let close = text::find(rest, "}}").map_or(rest.len(), |at| at + 2);
        out.push_str(part(rest, 0, close));
        rest = behind(rest, close);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mydocker::spec::json::tree;

    const DATA: &str = r#"{"Name":"/p1","State":{"Pid":7,"Running":true,"Health":null,"Error":""},
        "Args":["a","b"],"Labels":{"x.y":"1","a":"b"},"Empty":[],"Nothing":null,"Float":0.5,
        "Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"18080"},{"HostIp":"::","HostPort":"18081"}],"81/udp":null}}"#;

    fn render(text: &str) -> String {
        let data = tree::value(DATA).unwrap();
        match Template::parse(text).and_then(|template| template.render(&data)) {
            Ok(text) => text,
            Err(error) => format!("{} {error}", error.code.unwrap_or_default()),
        }
    }

    #[test]
    fn values_and_fields() {
        for (text, want) in [
            ("x {{.Name}} y{{ .State.Pid }}", "x /p1 y7"),
            (
                "{{.Args}} {{.Labels}} {{.Labels.no}} {{.Nothing}} {{.Float}} {{.State}}",
                "[a b] map[a:b x.y:1] <no value> <nil> 0.5 {true 7  <nil>}",
            ),
            ("{{json .Args}}{{json .State.Error}}{{json .Nothing}}", "[\"a\",\"b\"]\"\"null"),
            ("{{.Name | upper | printf \"%s!\"}}", "/P1!"),
            ("a {{- .State.Pid -}} \n b{{/* note */}}c {{- /* note */ -}} d", "a7bcd"),
            ("{{\"q\\\"\\n\"}}{{`raw\\n`}}{{-3}}{{1.5}}{{true}}", "q\"\nraw\\n-31.5true"),
            ("{{$.Name}}{{with .State}}{{.Pid}}{{$.Name}}{{end}}", "/p17/p1"),
            ("{{$x := .Name}}{{$x}}{{$x = \"n\"}}{{$x}}", "/p1n"),
        ] {
            assert_eq!(render(text), want, "{text}");
        }
    }

    #[test]
    fn control() {
        for (text, want) in [
            ("{{range .Args}}<{{.}}>{{end}}", "<a><b>"),
            ("{{range $i, $v := .Args}}{{$i}}={{$v}} {{end}}", "0=a 1=b "),
            ("{{range $v := .Args}}{{$v}}{{end}}", "ab"),
            ("{{range $k, $v := .Labels}}{{$k}}:{{$v}};{{end}}", "a:b;x.y:1;"),
            ("{{range .Empty}}x{{else}}none{{end}}{{range .Nothing}}x{{else}}none{{end}}", "nonenone"),
            (
                "{{range $p, $c := .Ports}}{{$p}} -> {{range $c}}{{.HostPort}} {{end}}{{end}}",
                "80/tcp -> 18080 18081 81/udp -> ",
            ),
            ("{{if .State.Health}}{{.State.Health.Status}}{{else if .State.Running}}up{{else}}down{{end}}", "up"),
            ("{{if and .State.Health .State.Health.Status}}x{{end}}{{if or .Nothing .Name}}y{{end}}", "y"),
            (
                "{{if not .State.Error}}fine{{end}}{{if eq .State.Pid 1 7}}!{{end}}{{if ne .Name \"x\"}}!{{end}}",
                "fine!!",
            ),
            ("{{if and (ge .State.Pid 7) (lt .Float 1)}}yes{{end}}{{range 3}}{{.}}{{end}}", "yes012"),
        ] {
            assert_eq!(render(text), want, "{text}");
        }
    }

    #[test]
    fn functions() {
        for (text, want) in [
            ("{{index .Args 1}}{{index .Labels \"x.y\"}}[{{index .Labels \"no\"}}]", "b1[]"),
            ("{{(index (index .Ports \"80/tcp\") 0).HostPort}}{{index .Ports \"80/tcp\" 1 \"HostIp\"}}", "18080::"),
            (
                "{{join .Args \", \"}} {{split \"a/b\" \"/\"}} {{len .Args}}{{len .Name}}{{len .Nothing}}",
                "a, b [a b] 230",
            ),
            ("{{title \"some text\"}}{{lower \"ABC\"}}{{truncate .Name 2}}{{pad .Name 1 2}}|", "Some Textabc/p /p1  |"),
            ("{{println .Name 1}}{{print 1 2 \"a\" 3}}", "/p1 1\n1 2a3"),
            ("{{printf \"%-5s|%3d|%v|%q|%05d|%%\" .Name 7 .Args \"a\" 42}}", "/p1  |  7|[a b]|\"a\"|00042|%"),
            ("{{printf \"%d\" .Name}}{{printf \"%s\"}}", "%!d(string=/p1)%!s(MISSING)"),
            ("{{slice .Name 1 3}}{{.Label \"a\"}}", "p1b"),
        ] {
            assert_eq!(render(text), want, "{text}");
        }
    }

    #[test]
    fn refusals() {
        let prefix = "template parsing error: template: :1:";
        for (text, want) in [
            ("{{", "64 # unclosed action"),
            ("{{.Name", "64 # unclosed action"),
            ("{{bogus .Name}}", "64 # function \"bogus\" not defined"),
            ("{{if .Name}}x", "64 # unexpected EOF"),
            ("{{end}}", "64 # unexpected {{end}}"),
            ("ä{{ä}}", "64 # function \"ä\" not defined"),
            ("{{€}}", "64 # unrecognized character in action: U+20AC '€'"),
            ("{{}}", "64 # missing value for command"),
            ("{{$x}}", "64 # undefined variable \"$x\""),
            ("{{(.Name}}", "64 # unclosed left paren"),
            ("{{.Name | \"x\"}}", "64 # non executable command in pipeline"),
            ("{{.Bogus}}", "1 #2: executing \"\" at <.Bogus>: map has no entry for key \"Bogus\""),
            ("x{{.State.Bogus}}", "1 #9: executing \"\" at <.State.Bogus>: map has no entry for key \"Bogus\""),
            (
                "{{.State.Health.Status}}",
                "1 #8: executing \"\" at <.State.Health.Status>: nil pointer evaluating interface {}.Status",
            ),
            ("{{.Name.X}}", "1 #7: executing \"\" at <.Name.X>: can't evaluate field X in type string"),
            (
                "{{index .Args 5}}",
                "1 #2: executing \"\" at <index .Args 5>: error calling index: index out of range: 5",
            ),
            ("{{range .Name}}{{end}}", "1 #8: executing \"\" at <.Name>: range can't iterate over /p1"),
        ] {
            assert_eq!(render(text), want.replace('#', prefix), "{text}");
        }
        assert!(render("{{range 999999999}}{{end}}").starts_with("1 template parsing error"));
        assert!(render("{{range 999999999}}aaaaaaaaaaaaaaaaaaaaaaa{{end}}").len() < 100);
        assert!(render(&"{{if .Name}}".repeat(5000)).contains("nested too deeply"));
        assert!(render(&format!("{{{{{}", "(".repeat(60_000))).starts_with("64 "));
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("{{.A}}\\t{{join .B \"\\n\"}}\\n"), "{{.A}}\t{{join .B \"\\n\"}}\n");
    }
}
