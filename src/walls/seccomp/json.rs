//! A reader of JSON (RFC 8259) that knows where everything stands, so that whoever wrote a profile can be told the line.
#![allow(clippy::unnecessary_box_returns)] // an error of `Read` is one word wide

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Lists and objects inside each other; a profile needs five.
const DEPTH_MAX: usize = 32;

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
    /// `true` or `false`: no profile has one.
    Bool,
    /// A number; `None` when it is not a whole one from 0 to 2⁶⁴-1.
    Number(Option<u64>),
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
            _ if self.word("true") || self.word("false") => Value::Bool,
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
        Ok(Value::Number(self.text[from..self.at].parse().ok()))
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
