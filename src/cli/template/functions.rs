//! The functions of templates: Go's own, and the ones docker adds.

use super::super::human::visible;
use super::super::shape;
use miniserde::json::{Number, Value};

/// Most spaces that a format may ask for in one place.
const PAD_MAX: usize = 1024;
/// Deepest value that is printed.
const DEPTH_MAX: usize = 64;
/// Most bytes that printing one value may take.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

const FUNCTIONS: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not", "or", "pad", "print",
    "printf", "println", "slice", "split", "title", "truncate", "upper",
];

/// Whether there is such a function.
pub fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

type Answer = Result<Value, String>;

/// Calls a function; `and` and `or` are the evaluator's, because they stop early.
pub fn call(name: &str, args: &[&Value]) -> Answer {
    let (min, max) = match name {
        "json" | "upper" | "lower" | "title" | "len" | "not" => (1, 1),
        "index" | "slice" | "printf" => (1, usize::MAX),
        "join" | "split" | "truncate" | "ne" | "lt" | "le" | "gt" | "ge" => (2, 2),
        "pad" => (3, 3),
        "eq" => (2, usize::MAX),
        _ => (0, usize::MAX),
    };
    if args.len() < min || args.len() > max {
        let wants = if min == max { format!("{min}") } else { format!("at least {min}") };
        return Err(format!("wrong number of args for {name}: want {wants} got {}", args.len()));
    }
    Ok(match (name, args) {
        ("json", [value]) => {
            let mut text = String::new();
            shape::write(&mut text, value, None);
            Value::String(text)
        }
        ("upper", [value]) => Value::String(string(value)?.chars().flat_map(char::to_uppercase).collect()),
        ("lower", [value]) => Value::String(string(value)?.chars().flat_map(char::to_lowercase).collect()),
        ("title", [value]) => Value::String(title(string(value)?)),
        ("len", [value]) => length(value)?,
        ("not", [value]) => Value::Bool(!truth(value)),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, bounds @ ..]) => slice(value, bounds)?,
        ("join", [list, separator]) => join(list, string(separator)?)?,
        ("split", [text, separator]) => split(string(text)?, string(separator)?),
        ("truncate", [text, count]) => Value::String(string(text)?.chars().take(natural(count)?).collect()),
        ("pad", [text, before, after]) => pad(string(text)?, natural(before)?, natural(after)?),
        ("eq", [left, rights @ ..]) => {
            let mut equal = false;
            for right in rights {
                equal |= equals(left, right)?;
            }
            Value::Bool(equal)
        }
        ("ne", [left, right]) => Value::Bool(!equals(left, right)?),
        ("lt", [left, right]) => Value::Bool(order(left, right)?.is_lt()),
        ("le", [left, right]) => Value::Bool(order(left, right)?.is_le()),
        ("gt", [left, right]) => Value::Bool(order(left, right)?.is_gt()),
        ("ge", [left, right]) => Value::Bool(order(left, right)?.is_ge()),
        ("print", all) => Value::String(print(all, false)),
        ("println", all) => Value::String(print(all, true)),
        ("printf", [format, rest @ ..]) => Value::String(printf(string(format)?, rest)?),
        _ => return Err(format!("no such function: {name}")),
    })
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
                show(out, value, "<nil>", depth + 1);
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

fn title(text: &str) -> String {
    let mut first = true;
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if first {
            out.extend(char.to_uppercase());
        } else {
            out.push(char);
        }
        first = !char.is_alphanumeric() && !matches!(char, '_' | '\'');
    }
    out
}

fn length(value: &Value) -> Answer {
    let length = match value {
        Value::Null => 0,
        Value::String(text) => text.len(),
        Value::Array(all) => all.len(),
        Value::Object(all) => all.len(),
        other => return Err(format!("len of type {}", kind(other))),
    };
    Ok(Value::Number(Number::U64(length as u64)))
}

/// `index .X "key" 0 …`. A key that a map does not have gives "", as in docker's map[string]string.
fn index(value: &Value, keys: &[&Value]) -> Answer {
    let mut value = value;
    for key in keys {
        value = match (value, key) {
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
fn slice(value: &Value, bounds: &[&Value]) -> Answer {
    let bounds = bounds.iter().map(|bound| natural(bound)).collect::<Result<Vec<_>, _>>()?;
    let Value::Number(Number::U64(length)) = length(value)? else { return Ok(Value::Null) };
    let (from, to) = match bounds[..] {
        [] => (0, length as usize),
        [from] => (from, length as usize),
        [from, to] => (from, to),
        _ => return Err("too many slice indexes".to_owned()),
    };
    let range = || format!("index out of range: {to}");
    Ok(match value {
        Value::String(text) => Value::String(text.get(from..to).ok_or_else(range)?.to_owned()),
        Value::Array(list) => Value::Array(list.get(from..to).ok_or_else(range)?.iter().cloned().collect()),
        other => return Err(format!("can't slice item of type {}", kind(other))),
    })
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
    let piece = |text: &str| Value::String(text.to_owned());
    Value::Array(if separator.is_empty() {
        text.chars().map(|char| Value::String(char.to_string())).collect()
    } else {
        text.split(separator).map(piece).collect()
    })
}

fn pad(text: &str, before: usize, after: usize) -> Value {
    let space = |count: usize| " ".repeat(count.min(PAD_MAX));
    Value::String(if text.is_empty() { String::new() } else { space(before) + text + &space(after) })
}

fn equals(left: &Value, right: &Value) -> Result<bool, String> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            Err("non-comparable type".to_owned())
        }
        _ => order(left, right).map(core::cmp::Ordering::is_eq),
    }
}

fn order(left: &Value, right: &Value) -> Result<core::cmp::Ordering, String> {
    #[allow(clippy::cast_precision_loss)] // as Go does when only one side is a float
    let float = |number: &Number| match number {
        Number::U64(number) => *number as f64,
        Number::I64(number) => *number as f64,
        Number::F64(number) => *number,
    };
    let whole = |number: &Number| match number {
        Number::U64(number) => Some(i128::from(*number)),
        Number::I64(number) => Some(i128::from(*number)),
        Number::F64(_) => None,
    };
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => Ok(match (whole(left), whole(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => float(left).total_cmp(&float(right)),
        }),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

/// Go's Sprint and Sprintln: the first puts a space only between two operands that are no strings.
fn print(all: &[&Value], line: bool) -> String {
    let mut text = String::new();
    let is_string = |value: &Value| matches!(value, Value::String(_));
    for (at, value) in all.iter().enumerate() {
        if at > 0 && (line || (!is_string(value) && !is_string(all[at - 1]))) {
            text.push(' ');
        }
        show(&mut text, value, "<nil>", 0);
    }
    if line {
        text.push('\n');
    }
    text
}

/// %s %v %d %q %t %x with `-`, `0`, width and precision; everything else as Go complains about it.
fn printf(format: &str, args: &[&Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut args = args.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let spec = rest.trim_start_matches(['-', '+', '#', ' ', '0']);
        let flags = &rest[..rest.len() - spec.len()];
        let (width, spec) = digits(spec);
        let (precision, spec) = match spec.strip_prefix('.') {
            Some(spec) => (Some(digits(spec).0.unwrap_or(0)), digits(spec).1),
            None => (None, spec),
        };
        let Some(verb) = spec.chars().next() else {
            out.push_str("%!(NOVERB)");
            return Ok(out);
        };
        rest = &spec[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = args.next() else {
            out.extend(["%!", verb.encode_utf8(&mut [0; 4]), "(MISSING)"]);
            continue;
        };
        let mut text = verb_text(verb, value);
        if let Some(precision) = precision.filter(|_| matches!(verb, 's' | 'v' | 'q')) {
            text = text.chars().take(precision).collect();
        }
        let fill = width.unwrap_or(0).min(PAD_MAX).saturating_sub(text.chars().count());
        let zeros = flags.contains('0') && !flags.contains('-') && matches!(value, Value::Number(_));
        let signed = if zeros { text.strip_prefix('-') } else { None };
        let sign = if signed.is_some() { "-" } else { "" };
        let text = signed.unwrap_or(&text);
        let fill = (if zeros { "0" } else { " " }).repeat(fill);
        let parts = if flags.contains('-') { [sign, text, &fill] } else { [sign, &fill, text] };
        out.extend(parts);
        if out.len() > VALUE_BYTES_MAX {
            return Err("output is too long".to_owned());
        }
    }
    out.push_str(rest);
    let extra: Vec<String> = args.map(|value| format!("{}={}", kind(value), shown(value))).collect();
    if !extra.is_empty() {
        out.extend(["%!(EXTRA ", &extra.join(", "), ")"]);
    }
    Ok(out)
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (text[..text.len() - rest.len()].parse().ok(), rest)
}

fn verb_text(verb: char, value: &Value) -> String {
    match (verb, value) {
        ('v', _)
        | ('s', Value::String(_) | Value::Array(_) | Value::Object(_))
        | ('d', Value::Number(Number::U64(_) | Number::I64(_)))
        | ('t', Value::Bool(_)) => shown(value),
        ('q', Value::String(text)) => format!("\"{}\"", visible(&text.replace('\\', "\\\\").replace('"', "\\\""))),
        ('q', Value::Array(all)) => {
            format!("[{}]", all.iter().map(|value| verb_text('q', value)).collect::<Vec<_>>().join(" "))
        }
        ('x', Value::Number(Number::U64(number))) => format!("{number:x}"),
        ('x', Value::String(text)) => mydocker::kernel::hex::encode(text.as_bytes()),
        (_, Value::Null) => format!("%!{verb}(<nil>)"),
        _ => format!("%!{verb}({}={})", kind(value), shown(value)),
    }
}
