//! JSON read from the front, without making anything of what nobody asks for. A record of ours has its parts in the order in
//! which they are asked for; a tree of all of them, which others' documents need, took ten times as long.

use super::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
pub use miniserde::json::to_string;
pub use value::{Array, Number, Object, Value};

pub mod tree;
mod value;

/// Where the first byte is that ends a text in quotes or stands for something else in it. Eight bytes at a time.
fn mark(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const QUOTES: u64 = ONES * b'"' as u64;
    const ESCAPES: u64 = ONES * b'\\' as u64;
    let is_mark = |b: &u8| matches!(b, 0..b' ' | b'"' | b'\\');
    let mut at = 0;
    for word in bytes.as_chunks().0 {
        let word = u64::from_le_bytes(*word);
        let (quote, escape) = (word ^ QUOTES, word ^ ESCAPES);
        // Where one of them is 0 the highest bit is set, and nowhere below the first such byte.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        if (zeros(quote) | zeros(escape) | zeros(word & (ONES * 0xe0))) & (ONES << 7) != 0 {
            break;
        }
        at += 8;
    }
    bytes[at..].iter().position(is_mark).map(|found| at + found)
}

/// A place in a text. What is passed over need only have its quotes and brackets in pairs.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The way to the part of a record that is not what it has to be, the last step first; and whether it is there at all.
    blamed: Vec<&'static str>,
    is_there: bool,
    /// Whether one thing is no list of one.
    pub is_strict: bool,
}

impl<'a> Reader<'a> {
    /// At the first value.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, blamed: Vec::new(), is_there: true, is_strict: false }
    }

    /// The next byte that is no blank, and stays; 0 at the end.
    pub fn peek(&mut self) -> u8 {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                byte => return byte.copied().unwrap_or(0),
            }
        }
    }

    /// Whether nothing is left.
    pub fn is_over(&mut self) -> bool {
        self.peek() == 0 && self.at == self.text.len()
    }

    /// Goes on behind the byte, if it is the next one.
    pub fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == byte;
        self.at += usize::from(is_next);
        is_next
    }

    /// Goes on behind the word (`null`, a number), and returns it.
    pub fn word(&mut self) -> &'a str {
        self.peek();
        let rest = &self.text[self.at..];
        let len = rest.bytes().position(|b| !matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'+' | b'.'));
        let word = rest.split_at(len.unwrap_or(rest.len())).0;
        self.at += word.len();
        word
    }

    /// Goes on behind the text in quotes, and returns it as it is written there.
    fn quoted(&mut self) -> Option<&'a str> {
        if !self.take(b'"') {
            return None;
        }
        let start = self.at;
        loop {
            self.at += mark(self.text.as_bytes().get(self.at..)?)? + 1;
            match self.text.as_bytes()[self.at - 1] {
                b'"' => return self.text.get(start..self.at - 1),
                b'\\' => self.at += 1,
                _ => return None,
            }
        }
    }

    /// Goes on behind a text.
    pub fn string(&mut self) -> Option<String> {
        let quoted = self.quoted()?;
        if quoted.as_bytes().contains(&b'\\') {
            let Some(Value::String(text)) = tree::value(&["\"", quoted, "\""].concat()) else { return None };
            return Some(text);
        }
        Some(quoted.to_owned())
    }

    /// Between two values of an object or a list that ends with `end`: goes to the next one, or behind the end (`false`).
    pub fn next(&mut self, end: u8) -> bool {
        if self.take(end) {
            return false;
        }
        self.take(b',');
        true
    }

    /// Goes on behind a value, and returns it as it is written there.
    pub fn value(&mut self) -> Option<&'a str> {
        self.peek();
        let start = self.at;
        if self.skip() { self.text.get(start..self.at) } else { None }
    }

    /// What has been passed since a place.
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Offset of the place, in bytes.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Remembers that a part of a record is not what it has to be, or not there.
    pub fn blame(&mut self, name: &'static str, is_there: bool) {
        if self.blamed.is_empty() {
            self.is_there = is_there;
        }
        self.blamed.push(name);
    }

    /// What is wrong, after the first error.
    pub fn complaint(&self) -> String {
        if self.blamed.is_empty() {
            return String::from("this is not JSON");
        }
        let mut path = String::new();
        for name in self.blamed.iter().rev() {
            text::add(&mut path, ".", name);
        }
        path + if self.is_there { " is not what it has to be" } else { " is missing" }
    }

    /// Goes on behind a value. False when there is none.
    pub fn skip(&mut self) -> bool {
        let mut depth = 0usize;
        loop {
            let is_there = match self.peek() {
                b'"' => self.quoted().is_some(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                    true
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => !self.word().is_empty(),
            };
            if !is_there || depth == 0 {
                return is_there;
            }
        }
    }

    /// Goes on to the value that has this name in the object whose first name comes at `start`; false, and stays, when none has.
    /// We are between two values of it.
    pub fn find(&mut self, name: &str, start: usize) -> bool {
        let from = self.at;
        let mut is_second_round = false;
        loop {
            let before = self.at;
            let is_in = !is_second_round || before < from;
            if is_in && self.next(b'}') {
                let Some(found) = self.quoted().filter(|_| self.take(b':')) else { break };
                if found == name {
                    return true;
                }
                if !self.skip() {
                    break;
                }
            } else if is_second_round {
                break;
            } else {
                (is_second_round, self.at) = (true, start);
            }
        }
        self.at = from;
        false
    }

    /// [`Reader::find`] for the first of some names with a blank after each, which is taken off. Quick where that comes next.
    pub fn find_first(&mut self, names: &mut &str, start: usize) -> bool {
        let text = &self.text.as_bytes()[self.at..];
        let quote = usize::from(text.first() == Some(&b','));
        let mut len = 0;
        while names.as_bytes().get(len).is_some_and(|byte| *byte != b' ' && text.get(quote + 1 + len) == Some(byte)) {
            len += 1;
        }
        let is_next = names.as_bytes().get(len) == Some(&b' ')
            && text.get(quote) == Some(&b'"')
            && text.get(quote + 1 + len..quote + 3 + len) == Some(b"\":");
        if !is_next {
            len = names.bytes().position(|byte| byte == b' ').unwrap_or(names.len());
        }
        let (name, rest) = names.split_at(len);
        *names = rest.get(1..).unwrap_or_default();
        if is_next {
            self.at += quote + 3 + len;
        }
        is_next || self.find(name, start)
    }

    /// How many bytes from here on are the same as in this text. Eight at a time.
    pub fn alike(&self, other: &str) -> usize {
        let (mut at, text, other) = (0, &self.text.as_bytes()[self.at..], other.as_bytes());
        for (a, b) in text.as_chunks().0.iter().zip(other.as_chunks().0) {
            if u64::from_ne_bytes(*a) != u64::from_ne_bytes(*b) {
                break;
            }
            at += 8;
        }
        at + text[at..].iter().zip(&other[at..]).take_while(|(a, b)| a == b).count()
    }

    /// Goes on behind so many bytes, which are known to be whole values.
    pub fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Goes into an object, and tells where that is.
    pub fn enter(&mut self) -> Option<usize> {
        self.take(b'{').then_some(self.at)
    }

    /// Goes on behind the object that we are in, between two of its values.
    pub fn leave(&mut self) -> bool {
        while self.next(b'}') {
            if self.quoted().is_none() || !self.take(b':') || !self.skip() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_in_any_order() {
        let mut json = Reader::new(" {\"a\": 1 , \"b\":{\"x\":[\"}\\\"\",{}]},\"c\":\"\\u0041\\n\", \"d\" : null}\n");
        let start = json.enter().unwrap();
        assert!(json.find("c", start) && json.string().unwrap() == "A\n");
        let mut names = "a b x d c ";
        let mut is_next = || json.find_first(&mut names, start).then(|| json.skip());
        assert_eq!([is_next(), is_next(), is_next(), is_next()], [Some(true), Some(true), None, Some(true)]);
        assert!(is_next() == Some(true) && is_next().is_none() && json.at > start);
        assert!(!json.find("x", start) && json.find("a", start) && json.word() == "1");
        assert!(json.find("b", start) && json.skip() && json.find("d", start) && json.word() == "null");
        assert!(!json.find("e", start) && json.leave() && json.is_over());
    }

    #[test]
    fn the_end_of_a_text_wherever_it_is() {
        for length in 0..20 {
            for place in 0..length {
                for (byte, is_mark) in
                    [(b'"', true), (b'\\', true), (0, true), (0x1f, true), (b' ', false), (b'!', false), (0xff, false)]
                {
                    let mut bytes = alloc::vec![b'#'; length];
                    bytes[place] = byte;
                    assert_eq!(mark(&bytes), is_mark.then_some(place), "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_no_value() {
        let text = "{\"a\":[1,{\"b\":\"c\\\\\"}],\"d\":true}";
        for end in 0..text.len() {
            assert!(!Reader::new(&text[..end]).skip(), "{end}");
        }
        let mut whole = Reader::new(text);
        assert!(whole.skip() && whole.is_over());
        assert!(!Reader::new("]").skip() && !Reader::new(",").skip() && Reader::new("\"a\nb\"").string().is_none());
        assert!(Reader::new("\"\\\"").string().is_none() && Reader::new("\"\\x\"").string().is_none());
    }
}
