//! The functions of templates: Go's own, and the ones docker adds.

use super::super::human::{behind, part, visible};
use super::super::shape;
use super::{Seen, case};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use mydocker::spec::json::{Array, Number, Value};
use mydocker::spec::text;

/// Most spaces that a format may ask for in one place.
const PAD_MAX: usize = 1024;
/// Deepest value that is printed.
const DEPTH_MAX: usize = 64;
/// Most bytes that printing one value may take.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// What a function is called with.
pub struct Args<'a> {
    /// The first argument; nil stands for one that is not there.
    first: &'a Value,
    /// The second one.
    second: &'a Value,
    /// All of them.
    all: &'a [Seen<'a>],
}

impl<'a> Args<'a> {
    /// All but the first.
    fn rest(&self) -> &'a [Seen<'a>] {
        self.all.get(1..).unwrap_or_default()
    }
}

type Answer = Result<Value, String>;

/// A function of templates: its name, the fewest and the most arguments that it takes, and what it does.
pub type Function = (&'static str, u8, u8, fn(&Args<'_>) -> Answer);

const ANY: u8 = u8::MAX;

const FUNCTIONS: [Function; 23] = [
    ("and", 0, ANY, |_| Ok(Value::Null)), // these two stop early, so that they are the evaluator's
    ("or", 0, ANY, |_| Ok(Value::Null)),
    ("eq", 2, ANY, |a| {
        let mut equal = false;
        for right in a.rest() {
            equal |= equals(a.first, right)?;
        }
        Ok(Value::Bool(equal))
    }),
    ("ne", 2, 2, |a| equals(a.first, a.second).map(|equal| Value::Bool(!equal))),
    ("lt", 2, 2, |a| compared(a, Ordering::is_lt)),
    ("le", 2, 2, |a| compared(a, Ordering::is_le)),
    ("gt", 2, 2, |a| compared(a, Ordering::is_gt)),
    ("ge", 2, 2, |a| compared(a, Ordering::is_ge)),
    ("not", 1, 1, |a| Ok(Value::Bool(!truth(a.first)))),
    ("len", 1, 1, |a| length(a.first).map(|length| Value::Number(Number::U64(length as u64)))),
    ("index", 1, ANY, |a| index(a.first, a.rest())),
    ("slice", 1, ANY, |a| slice(a.first, a.rest())),
    ("join", 2, 2, |a| join(a.first, string(a.second)?)),
    ("split", 2, 2, |a| Ok(split(string(a.first)?, string(a.second)?))),
    ("pad", 3, 3, |a| {
        Ok(pad(string(a.first)?, natural(a.second)?, natural(a.rest().get(1).map_or(&Value::Null, |third| third))?))
    }),
    ("truncate", 2, 2, |a| Ok(Value::String(beginning(string(a.first)?, natural(a.second)?).to_owned()))),
    ("upper", 1, 1, |a| Ok(Value::String(case::convert(string(a.first)?, true)))),
    ("lower", 1, 1, |a| Ok(Value::String(case::convert(string(a.first)?, false)))),
    ("title", 1, 1, |a| Ok(Value::String(title(string(a.first)?)))),
    ("json", 1, 1, |a| {
        let mut text = String::new();
        shape::write(&mut text, a.first, None);
        Ok(Value::String(text))
    }),
    ("print", 0, ANY, |a| Ok(print(a.all, false))),
    ("println", 0, ANY, |a| Ok(print(a.all, true))),
    ("printf", 1, ANY, |a| printf(string(a.first)?, a.rest())),
];

/// The function of this name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|(known, ..)| *known == name)
}

/// Calls a function.
pub fn call((name, min, max, run): &Function, all: &[Seen<'_>]) -> Answer {
    if all.len() < usize::from(*min) || *max != ANY && all.len() > usize::from(*max) {
        let at_least = if min == max { "" } else { "at least " };
        return Err(format!("wrong number of args for {name}: want {at_least}{min} got {}", all.len()));
    }
    let arg = |at: usize| all.get(at).map_or(&Value::Null, |arg| arg);
    run(&Args { first: arg(0), second: arg(1), all })
}

/// What `if` takes for true: everything but null, false, 0 and the empty ones.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(Number::U64(number)) => *number != 0,
        Value::Number(Number::I64(number)) => *number != 0,
        Value::Number(Number::F64(number)) => number.abs() > 0.0,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

/// The Go type that docker would have had, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(Number::F64(_)) => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Appends the value as Go prints it: `text`, `3`, `true`, `[a b]`, `map[a:b]`; `null` is what nil looks like here.
pub fn show(out: &mut String, value: &Value, null: &str, depth: usize) {
    if depth > DEPTH_MAX || out.len() > VALUE_BYTES_MAX {
        out.push('…');
        return;
    }
    match value {
        Value::Null => out.push_str(null),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => {
            let text = number.to_string();
            out.push_str(text.strip_suffix(".0").unwrap_or(&text));
        }
        Value::String(text) => out.push_str(text),
        Value::Array(all) => {
            out.push('[');
            for (at, value) in all.iter().enumerate() {
                out.push_str(if at > 0 { " " } else { "" });
                show(out, value, "<nil>", depth + 1);
            }
            out.push(']');
        }
        Value::Object(all) => {
            if let Some(fields) = shape::fields(all) {
                // Go prints a structure without the names of its fields.
                for (at, (_, value)) in fields.into_iter().enumerate() {
                    out.push(if at > 0 { ' ' } else { '{' });
                    show(out, value, "<nil>", depth + 1);
                }
                out.push('}');
                return;
            }
            out.push_str("map[");
            for (at, (key, value)) in all.iter().enumerate() {
                out.push_str(if at > 0 { " " } else { "" });
                out.push_str(key);
                out.push(':');
                match value {
                    // In a map that is a structure without fields: a member of a set.
                    Value::Object(member) if member.is_empty() => out.push_str("{}"),
                    value => show(out, value, "<nil>", depth + 1),
                }
            }
            out.push(']');
        }
    }
}

fn shown(value: &Value) -> String {
    let mut text = String::new();
    show(&mut text, value, "<nil>", 0);
    text
}

/// A string argument; nil stands for an empty one, as a nil Go field would be.
fn string(value: &Value) -> Result<&str, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(""),
        other => Err(format!("wrong type for value; expected string; got {}", kind(other))),
    }
}

fn natural(value: &Value) -> Result<usize, String> {
    match value {
        Value::Number(Number::U64(number)) => Ok(usize::try_from(*number).unwrap_or(usize::MAX)),
        other => Err(format!("wrong type for value; expected a natural number; got {}", shown(other))),
    }
}

/// The first so many characters.
fn beginning(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| part(text, 0, end))
}

fn title(text: &str) -> String {
    let mut first = true;
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        out.push(if first { case::upper(char) } else { char });
        first = !case::is_in_word(char) && !matches!(char, '_' | '\'');
    }
    out
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) => Ok(text.len()),
        Value::Array(all) => Ok(all.len()),
        Value::Object(all) => Ok(all.len()),
        other => Err(format!("len of type {}", kind(other))),
    }
}

/// `index .X "key" 0 …`. A key that a map does not have gives "", as in docker's map[string]string.
fn index(value: &Value, keys: &[Seen<'_>]) -> Answer {
    let mut value = value;
    for key in keys {
        value = match (value, &**key) {
            (Value::Object(map), Value::String(key)) => match map.get(key) {
                Some(value) => value,
                None => return Ok(Value::String(String::new())),
            },
            (Value::Null, Value::String(_)) => return Ok(Value::String(String::new())),
            (Value::Array(list), key) => {
                let at = natural(key)?;
                list.get(at).ok_or_else(|| format!("index out of range: {at}"))?
            }
            (Value::Object(_), key) => return Err(format!("value has type {}; should be string", kind(key))),
            (Value::Null, _) => return Err("index of untyped nil".to_owned()),
            (other, _) => return Err(format!("can't index item of type {}", kind(other))),
        };
    }
    Ok(value.clone())
}

/// `slice .X 1 3`, in bytes for strings.
fn slice(value: &Value, bounds: &[Seen<'_>]) -> Answer {
    let mut ends = Vec::new();
    for bound in bounds {
        ends.push(natural(bound)?);
    }
    let length = length(value)?;
    let (from, to) = match ends[..] {
        [] => (0, length),
        [from] => (from, length),
        [from, to] => (from, to),
        _ => return Err("too many slice indexes".to_owned()),
    };
    let found = match value {
        Value::String(text) => text.get(from..to).map(|text| Value::String(text.to_owned())),
        Value::Array(list) => list.get(from..to).map(|list| Value::Array(list.to_vec())),
        other => return Err(format!("can't slice item of type {}", kind(other))),
    };
    found.ok_or_else(|| format!("index out of range: {to}"))
}

fn join(list: &Value, separator: &str) -> Answer {
    match list {
        Value::Null => Ok(Value::String(String::new())),
        Value::Array(all) => {
            let mut text = String::new();
            for (at, value) in all.iter().enumerate() {
                text.push_str(if at > 0 { separator } else { "" });
                show(&mut text, value, "<nil>", 0);
                if text.len() > VALUE_BYTES_MAX {
                    return Err("output is too long".to_owned());
                }
            }
            Ok(Value::String(text))
        }
        other => Err(format!("wrong type for value; expected []string; got {}", kind(other))),
    }
}

fn split(text: &str, separator: &str) -> Value {
    let mut pieces = Array::new();
    let mut push = |piece: &str| pieces.push(Value::String(piece.to_owned()));
    let mut rest = text;
    if separator.is_empty() {
        while !rest.is_empty() {
            let first = beginning(rest, 1);
            push(first);
            rest = behind(rest, first.len());
        }
    } else {
        while let Some((before, after)) = text::cut(rest, separator) {
            push(before);
            rest = after;
        }
        push(rest);
    }
    Value::Array(pieces)
}

fn pad(text: &str, before: usize, after: usize) -> Value {
    let mut out = String::new();
    if !text.is_empty() {
        fill(&mut out, " ", before);
        out.push_str(text);
        fill(&mut out, " ", after);
    }
    Value::String(out)
}

/// Appends the same so many times, within reason.
fn fill(out: &mut String, with: &str, count: usize) {
    for _ in 0..count.min(PAD_MAX) {
        out.push_str(with);
    }
}

fn equals(left: &Value, right: &Value) -> Result<bool, String> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            Err("non-comparable type".to_owned())
        }
        _ => order(left, right).map(Ordering::is_eq),
    }
}

fn compared(args: &Args<'_>, holds: fn(Ordering) -> bool) -> Answer {
    order(args.first, args.second).map(|order| Value::Bool(holds(order)))
}

fn order(left: &Value, right: &Value) -> Result<Ordering, String> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => Ok(match (whole(left), whole(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => float(left).total_cmp(&float(right)),
        }),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

/// A whole number as what compares as it does: what is below zero comes first.
fn whole(number: &Number) -> Option<(bool, u64)> {
    match *number {
        Number::U64(number) => Some((true, number)),
        Number::I64(number) => Some((number >= 0, number as u64)),
        Number::F64(_) => None,
    }
}

#[allow(clippy::cast_precision_loss)] // as Go does when only one side is a float
fn float(number: &Number) -> f64 {
    match *number {
        Number::U64(number) => number as f64,
        Number::I64(number) => number as f64,
        Number::F64(number) => number,
    }
}

/// Go's Sprint and Sprintln: the first puts a space only between two operands that are no strings.
fn print(all: &[Seen<'_>], line: bool) -> Value {
    let mut text = String::new();
    let mut was_string = true;
    for (at, value) in all.iter().enumerate() {
        let is_string = matches!(**value, Value::String(_));
        if at > 0 && (line || !(is_string || was_string)) {
            text.push(' ');
        }
        was_string = is_string;
        show(&mut text, value, "<nil>", 0);
    }
    if line {
        text.push('\n');
    }
    Value::String(text)
}

/// %s %v %d %q %t %x with `-`, `0`, width and precision; everything else as Go complains about it.
fn printf(format: &str, args: &[Seen<'_>]) -> Answer {
    let mut out = String::new();
    let mut args = args;
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(part(rest, 0, at));
        rest = behind(rest, at + 1);
        let (mut left, mut zeros) = (false, false);
        while let Some(flag @ (b'-' | b'+' | b'#' | b' ' | b'0')) = rest.bytes().next() {
            left |= flag == b'-';
            zeros |= flag == b'0';
            rest = behind(rest, 1);
        }
        let width = number(&mut rest);
        let mut precision = None;
        if rest.starts_with('.') {
            rest = behind(rest, 1);
            precision = Some(number(&mut rest));
        }
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            return Ok(Value::String(out));
        };
        rest = behind(rest, verb.len_utf8());
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some((value, more)) = args.split_first() else {
            out.extend(["%!", verb.encode_utf8(&mut [0; 4]), "(MISSING)"]);
            continue;
        };
        args = more;
        let whole = verb_text(verb, value);
        let mut text = whole.as_str();
        if let (Some(precision), 's' | 'v' | 'q') = (precision, verb) {
            text = beginning(text, precision);
        }
        let missing = width.min(PAD_MAX).saturating_sub(text.chars().count());
        if left {
            out.push_str(text);
            fill(&mut out, " ", missing);
        } else if zeros && matches!(**value, Value::Number(_)) {
            if let Some(digits) = text.strip_prefix('-') {
                out.push('-');
                text = digits;
            }
            fill(&mut out, "0", missing);
            out.push_str(text);
        } else {
            fill(&mut out, " ", missing);
            out.push_str(text);
        }
        if out.len() > VALUE_BYTES_MAX {
            return Err("output is too long".to_owned());
        }
    }
    out.push_str(rest);
    for (at, value) in args.iter().enumerate() {
        out.push_str(if at == 0 { "%!(EXTRA " } else { ", " });
        out.push_str(&named(value));
    }
    if !args.is_empty() {
        out.push(')');
    }
    Ok(Value::String(out))
}

/// The digits at the beginning, and leaves what is behind them; 0 for none and for more than a number has.
fn number(rest: &mut &str) -> usize {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    let digits = part(rest, 0, count);
    *rest = behind(rest, count);
    digits.parse().unwrap_or(0)
}

/// `string=text`
fn named(value: &Value) -> String {
    format!("{}={}", kind(value), shown(value))
}

fn verb_text(verb: char, value: &Value) -> String {
    match (verb, value) {
        ('v', _)
        | ('s', Value::String(_) | Value::Array(_) | Value::Object(_))
        | ('d', Value::Number(Number::U64(_) | Number::I64(_)))
        | ('t', Value::Bool(_)) => shown(value),
        ('q', Value::String(text)) => {
            format!("\"{}\"", visible(&text::replace(&text::replace(text, "\\", "\\\\"), "\"", "\\\"")))
        }
        ('q', Value::Array(all)) => {
            let mut text = String::new();
            for value in all {
                text.push(if text.is_empty() { '[' } else { ' ' });
                text.push_str(&verb_text('q', value));
            }
            if all.is_empty() { "[]".to_owned() } else { text + "]" }
        }
        ('x', Value::Number(Number::U64(number))) => format!("{number:x}"),
        ('x', Value::String(text)) => mydocker::kernel::hex::encode(text.as_bytes()),
        (_, Value::Null) => format!("%!{verb}(<nil>)"),
        _ => format!("%!{verb}({})", named(value)),
    }
}
