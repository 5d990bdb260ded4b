//! A whole document of JSON (RFC 8259) as a tree that knows where everything stands, so that whoever wrote a profile can be told
//! the line; and as the tree that programs get ([`value`]). miniserde's reader next to this one would be 9 KB.
#![allow(clippy::unnecessary_box_returns)] // an error of `Read` is one word wide

use crate::spec::json;
use crate::spec::map::Map;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Lists and objects inside each other: what is read may be anybody's, and each takes a part of the stack.
const DEPTH_MAX: usize = 128;

/// What is wrong, and where in the text (bytes).
pub struct Wrong {
    /// Offset in bytes.
    pub at: usize,
    /// A part of a sentence.
    pub what: String,
}

/// The result of reading. The error is one word wide.
pub type Read<T> = Result<T, Box<Wrong>>;

/// A value and where it begins.
pub struct Node<'a> {
    /// Offset in bytes.
    pub at: usize,
    /// The value.
    pub value: Value<'a>,
}

/// A value.
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Node<'a>>),
    /// An object, in the order of the text.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Reads a whole document.
pub fn read(text: &str) -> Read<Node<'_>> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.node(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.expected("the end")),
    }
}

/// A document without its places. `None` when it is none, or has a number that is too large.
pub fn value(text: &str) -> Option<json::Value> {
    own(&read(text).ok()?.value)
}

fn own(value: &Value) -> Option<json::Value> {
    Some(match value {
        Value::Null => json::Value::Null,
        Value::Bool(is_so) => json::Value::Bool(*is_so),
        Value::Number(text) => json::Value::Number(number(text)?),
        Value::Text(text) => json::Value::String((**text).into()),
        Value::List(nodes) => {
            let mut list = json::Array::new();
            for node in nodes {
                list.push(own(&node.value)?);
            }
            json::Value::Array(list)
        }
        Value::Object(fields) => {
            let mut entries = Vec::with_capacity(fields.len());
            for (name, node) in fields {
                entries.push(((**name).into(), own(&node.value)?));
            }
            json::Value::Object(Map::of(entries))
        }
    })
}

/// What is whole stays so as long as there are bits for it.
fn number(text: &str) -> Option<json::Number> {
    match (text.parse(), text.parse()) {
        (Ok(number), _) => Some(json::Number::U64(number)),
        (_, Ok(number)) => Some(json::Number::I64(number)),
        _ => Some(fraction(text)).filter(|number| number.is_finite()).map(json::Number::F64),
    }
}

/// Nineteen digits and the power of ten behind them, which is exact up to 10²²: the nearest of all numbers needs 10 KB of tables.
fn fraction(text: &str) -> f64 {
    let (digits, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    // One that does not fit is as good as any that is too large.
    let mut power = power.parse().unwrap_or(if power.starts_with('-') { -9999 } else { 9999 });
    let (mut whole, mut behind) = (0u64, 0i32);
    for byte in digits.bytes() {
        match byte {
            b'.' => behind = 1,
            b'-' => {}
            _ if whole >= u64::MAX / 10 => power += 1 - behind,
            digit => {
                whole = whole * 10 + u64::from(digit - b'0');
                power -= behind;
            }
        }
    }
    let (mut scale, mut ten, mut left) = (1.0, 10.0, power.unsigned_abs());
    while left > 0 {
        if left % 2 == 1 {
            scale *= ten;
        }
        ten *= ten;
        left /= 2;
    }
    #[allow(clippy::cast_precision_loss)] // that is the point
    let number = whole as f64;
    let number = match (whole, power < 0) {
        (0, _) => 0.0,
        (_, true) => number / scale,
        (_, false) => number * scale,
    };
    if text.starts_with('-') { -number } else { number }
}

/// Line and column of an offset, both from 1; a column is a character.
pub fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong(&self, what: &str) -> Box<Wrong> {
        Box::new(Wrong { at: self.at, what: what.into() })
    }

    fn expected(&self, what: &str) -> Box<Wrong> {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let what = match found {
            None => format!("expected {what}, but the text ends"),
            Some(found) => format!("expected {what}, not {found:?}"),
        };
        Box::new(Wrong { at: self.at, what })
    }

    /// Takes a byte if it is next, after white space.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn node(&mut self, depth: usize) -> Read<Node<'a>> {
        self.space();
        let at = self.at;
        if depth > DEPTH_MAX {
            return Err(self.wrong("too deep"));
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ if self.word("null") => Value::Null,
            _ if self.word("true") => Value::Bool(true),
            _ if self.word("false") => Value::Bool(false),
            _ => return Err(self.expected("a value")),
        };
        Ok(Node { at, value })
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn list(&mut self, depth: usize) -> Read<Value<'a>> {
        let mut nodes = Vec::new();
        self.at += 1;
        if self.take(b']') {
            return Ok(Value::List(nodes));
        }
        loop {
            nodes.push(self.node(depth + 1)?);
            if self.take(b']') {
                return Ok(Value::List(nodes));
            }
            if !self.take(b',') {
                return Err(self.expected("',' or ']'"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value<'a>> {
        let mut fields = Vec::new();
        self.at += 1;
        if self.take(b'}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in quotes"));
            }
            let name = self.string()?;
            if !self.take(b':') {
                return Err(self.expected("':'"));
            }
            fields.push((name, self.node(depth + 1)?));
            if self.take(b'}') {
                return Ok(Value::Object(fields));
            }
            if !self.take(b',') {
                return Err(self.expected("',' or '}'"));
            }
        }
    }

    fn digits(&mut self) -> bool {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > from
    }

    fn number(&mut self) -> Read<Value<'a>> {
        let from = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let first = self.at;
        let mut fine = self.digits() && (self.at == first + 1 || self.text.as_bytes()[first] != b'0');
        if fine && self.peek() == Some(b'.') {
            self.at += 1;
            fine = self.digits();
        }
        if fine && matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            fine = self.digits();
        }
        if !fine {
            return Err(self.wrong("not a number"));
        }
        Ok(Value::Number(&self.text[from..self.at]))
    }

    fn string(&mut self) -> Read<Cow<'a, str>> {
        let opened = self.at;
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let from = self.at;
            while self.peek().is_some_and(|byte| byte != b'"' && byte != b'\\' && byte >= b' ') {
                self.at += 1;
            }
            // Only ASCII stops the loop, so these are boundaries of characters.
            let plain = &self.text[from..self.at];
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let one = self.escape()?;
                    text.to_mut().push(one);
                }
                Some(_) => return Err(self.wrong("a control character in a string")),
                None => {
                    self.at = opened;
                    return Err(self.wrong("a string without its end"));
                }
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(same @ (b'"' | b'\\' | b'/')) => char::from(same),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.escaped_unit()?,
            _ => {
                self.at -= 2;
                return Err(self.wrong("an unknown escape in a string"));
            }
        })
    }

    /// What follows `\u`: a character, or the first half of one that UTF-16 has in two. Half a character is none.
    fn escaped_unit(&mut self) -> Read<char> {
        let first = self.hex()?;
        let rest = self.at;
        if (0xd800..0xdc00).contains(&first) && self.word("\\u") {
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let whole = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(whole).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = rest;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Read<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let mut number = 0;
        for digit in digits {
            let Some(digit) = char::from(*digit).to_digit(16) else {
                return Err(self.wrong("not four hexadecimal digits"));
            };
            number = number * 16 + digit;
        }
        if digits.is_empty() {
            return Err(self.wrong("not four hexadecimal digits"));
        }
        self.at += 4;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(text: &str) -> miniserde::Result<miniserde::json::Value> {
        miniserde::json::from_str(text)
    }

    #[test]
    fn numbers_are_what_others_read() {
        let same = |text: &str| {
            let own = value(text).map(|value| json::to_string(&value));
            assert_eq!(own, theirs(text).ok().map(|value| json::to_string(&value)), "{text}");
        };
        for text in ["0", "-0", "1", "-1", "18446744073709551615", "18446744073709551616", "-9223372036854775808"] {
            same(text);
        }
        for text in ["-9223372036854775809", "0.1", "-2.50", "1e2", "1E+22", "3e-22", "0e99999999999", "1e-99999999999"]
        {
            same(text);
        }
        for text in ["1e400", "1e99999999999", "12345678901234567890123", "0.000000000000000000001234", "1e-5000"] {
            same(text);
        }
        for text in ["01", "1.", ".5", "1e", "+1", "--1", "0x1", "NaN", "1.2.3", "-", "1 2"] {
            assert!(value(text).is_none(), "{text}");
        }
        for text in ["1.5e300", "4.25e-300"] {
            let Some(json::Value::Number(json::Number::F64(found))) = value(text) else { panic!("{text}") };
            assert!((found / text.parse::<f64>().unwrap() - 1.0).abs() < 1e-14, "{text}: {found}");
        }
    }

    #[test]
    fn documents_are_what_others_read() {
        let text = r#" {"b":[1,{"x":null},[],{}],"a":"\u00e9\n\ud83d\ude00\/","a":true,"":false} "#;
        let own = value(text).map(|value| json::to_string(&value)).unwrap();
        assert_eq!(own, json::to_string(&theirs(text).unwrap()));
        for end in 0..text.trim_end().len() {
            assert!(value(&text[..end]).is_none(), "{end}");
        }
        let nested = |depth: usize| value(&["[".repeat(depth), "]".repeat(depth)].concat());
        assert!(nested(DEPTH_MAX + 1).is_some() && nested(DEPTH_MAX + 2).is_none() && nested(100_000).is_none());
    }
}
