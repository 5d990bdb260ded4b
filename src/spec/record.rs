//! How records become JSON, and JSON becomes records again. One walk for all of them, over the parts that a record names:
//! derived code for each type was four times as large.

use crate::spec::map::{Map, Set};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use miniserde::json::{self, Number, Value};

/// A piece of a record.
pub trait Part {
    /// Appends it as JSON.
    fn write(&self, text: &mut String);

    /// Becomes what was read, `None` where there was nothing. False if that is something else.
    fn read(&mut self, json: Option<Value>) -> bool;
}

/// A structure that is kept as a JSON object. Implemented by [`record!`].
pub trait Record {
    /// The names of its parts in the object, a blank after each.
    fn names(&self) -> &'static str;

    /// Shows its parts in that order.
    fn each(&self, see: &mut dyn FnMut(&dyn Part));

    /// The same for whoever changes them.
    fn each_mut(&mut self, see: &mut dyn FnMut(&mut dyn Part));
}

/// The record as a line of JSON.
pub fn to_json(record: &dyn Part) -> String {
    let mut text = String::new();
    record.write(&mut text);
    text
}

/// Fills the record from JSON. False if that is not such a record; then anything may be in it.
pub fn from_json(record: &mut dyn Part, text: &str) -> bool {
    json::from_str(text).is_ok_and(|json| record.read(Some(json)))
}

/// Texts as parts of an object, without its braces.
pub fn texts(parts: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in parts {
        text.extend([if text.is_empty() { "\"" } else { ",\"" }, name, "\":", &json::to_string(value)]);
    }
    text
}

fn write_record(record: &dyn Record, text: &mut String) {
    let mut names = record.names().split(' ');
    let mut before = "{\"";
    record.each(&mut |part| {
        text.extend([before, names.next().unwrap_or_default(), "\":"]);
        part.write(text);
        before = ",\"";
    });
    text.push_str(if before == "{\"" { "{}" } else { "}" });
}

fn read_record(record: &mut dyn Record, json: Option<Value>) -> bool {
    let Some(Value::Object(mut object)) = json else { return false };
    let mut names = record.names().split(' ');
    let mut is_read = true;
    record.each_mut(&mut |part| {
        let json = object.get_mut(names.next().unwrap_or_default());
        is_read &= part.read(json.map(|json| core::mem::replace(json, Value::Null)));
    });
    is_read
}

/// A list of parts of one kind.
trait List {
    /// The part at a position.
    fn at(&self, at: usize) -> Option<&dyn Part>;

    /// One more part.
    fn add(&mut self) -> Option<&mut dyn Part>;
}

impl<T: Part + Default> List for Vec<T> {
    fn at(&self, at: usize) -> Option<&dyn Part> {
        self.get(at).map(|part| part as &dyn Part)
    }

    fn add(&mut self) -> Option<&mut dyn Part> {
        self.push(T::default());
        self.last_mut().map(|part| part as &mut dyn Part)
    }
}

fn write_list(list: &dyn List, text: &mut String) {
    let mut at = 0;
    while let Some(part) = list.at(at) {
        text.push(if at == 0 { '[' } else { ',' });
        part.write(text);
        at += 1;
    }
    text.push_str(if at == 0 { "[]" } else { "]" });
}

/// A list that is missing is empty: the record is older than it.
fn read_list(list: &mut dyn List, json: Option<Value>) -> bool {
    let Some(json) = json else { return true };
    let Value::Array(read) = json else { return false };
    let mut is_read = true;
    for json in read {
        is_read &= list.add().is_some_and(|part| part.read(Some(json)));
    }
    is_read
}

/// Which of the words it is.
pub fn read_word(json: Option<&Value>, words: &[&str]) -> Option<usize> {
    let Some(Value::String(read)) = json else { return None };
    words.iter().position(|word| word == read)
}

impl<R: Record> Part for R {
    fn write(&self, text: &mut String) {
        write_record(self, text);
    }

    fn read(&mut self, json: Option<Value>) -> bool {
        read_record(self, json)
    }
}

impl Part for String {
    fn write(&self, text: &mut String) {
        text.push_str(&json::to_string(self));
    }

    fn read(&mut self, json: Option<Value>) -> bool {
        let Some(Value::String(read)) = json else { return false };
        *self = read;
        true
    }
}

impl Part for bool {
    fn write(&self, text: &mut String) {
        text.push_str(if *self { "true" } else { "false" });
    }

    fn read(&mut self, json: Option<Value>) -> bool {
        let Some(Value::Bool(read)) = json else { return false };
        *self = read;
        true
    }
}

macro_rules! numbers {
    ($($number:ty)*) => { $(
        impl Part for $number {
            fn write(&self, text: &mut String) {
                let _ = write!(text, "{self}"); // a String takes everything
            }

            fn read(&mut self, json: Option<Value>) -> bool {
                let read = match json {
                    Some(Value::Number(Number::U64(number))) => Self::try_from(number).ok(),
                    Some(Value::Number(Number::I64(number))) => Self::try_from(number).ok(),
                    _ => None,
                };
                *self = read.unwrap_or_default();
                read.is_some()
            }
        }
    )* };
}

numbers! { i32 u32 i64 u64 }

impl<T: Part + Default> Part for Option<T> {
    fn write(&self, text: &mut String) {
        match self {
            Some(part) => part.write(text),
            None => text.push_str("null"),
        }
    }

    fn read(&mut self, json: Option<Value>) -> bool {
        match json {
            None | Some(Value::Null) => true,
            json => self.insert(T::default()).read(json),
        }
    }
}

impl<T: Part + Default> Part for Vec<T> {
    fn write(&self, text: &mut String) {
        write_list(self, text);
    }

    fn read(&mut self, json: Option<Value>) -> bool {
        read_list(self, json)
    }
}

impl Part for Map<String, String> {
    fn write(&self, text: &mut String) {
        let mut before = '{';
        for (key, value) in self {
            text.push(before);
            key.write(text);
            text.push(':');
            value.write(text);
            before = ',';
        }
        text.push_str(if before == '{' { "{}" } else { "}" });
    }

    fn read(&mut self, json: Option<Value>) -> bool {
        let Some(Value::Object(read)) = json else { return false };
        for (key, json) in read {
            let Value::String(value) = json else { return false };
            self.insert(key, value);
        }
        true
    }
}

/// A set is an object of empty objects, as image specifications have it.
impl Part for Set<String> {
    fn write(&self, text: &mut String) {
        let mut before = '{';
        for key in self.keys() {
            text.push(before);
            key.write(text);
            text.push_str(":{}");
            before = ',';
        }
        text.push_str(if before == '{' { "{}" } else { "}" });
    }

    fn read(&mut self, json: Option<Value>) -> bool {
        let Some(Value::Object(read)) = json else { return false };
        for (key, json) in read {
            let Value::Object(_) = json else { return false };
            self.insert(key, ());
        }
        true
    }
}

/// `record! { Health { test, retries } }` makes structures records. In JSON a part has the field's name, or the one that is
/// given: `kind = "type"`.
macro_rules! record {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    ($($record:ident { $($field:ident $(= $name:literal)?),* })*) => { $(
        impl $crate::spec::record::Record for $record {
            fn names(&self) -> &'static str {
                concat!($(record!(@name $field $($name)?), " "),*)
            }

            fn each(&self, see: &mut dyn FnMut(&dyn $crate::spec::record::Part)) {
                let Self { $($field),* } = self;
                $(see($field);)*
            }

            fn each_mut(&mut self, see: &mut dyn FnMut(&mut dyn $crate::spec::record::Part)) {
                let Self { $($field),* } = self;
                $(see($field);)*
            }
        }
    )* };
}

/// `words! { Network { None = "none", Host = "host" } }`: what is one of a few things is a word in a record.
macro_rules! words {
    ($($of:ident { $($which:ident = $word:literal),* })*) => { $(
        impl $of {
            pub(crate) const EACH: &[Self] = &[$(Self::$which),*];
            pub(crate) const WORDS: &[&str] = &[$($word),*];

            /// The one that this word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::WORDS.iter().position(|known| *known == word).map(|at| Self::EACH[at])
            }

            /// The word that stands for it in records.
            pub fn word(self) -> &'static str {
                Self::WORDS[self as usize]
            }
        }

        impl $crate::spec::record::Part for $of {
            fn write(&self, text: &mut alloc::string::String) {
                text.extend(["\"", self.word(), "\""]);
            }

            fn read(&mut self, json: Option<miniserde::json::Value>) -> bool {
                let found = $crate::spec::record::read_word(json.as_ref(), Self::WORDS);
                *self = found.map_or(*self, |at| Self::EACH[at]);
                found.is_some()
            }
        }
    )* };
}

pub(crate) use {record, words};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Checked, IdRange, Mount, Restart, State, Verdict};

    #[test]
    fn there_and_back() {
        let mut state = State::created();
        state.error = "\"x\"\n".into();
        state.health = Some(Checked { status: Verdict::Healthy, ..Checked::default() });
        let text = to_json(&state);
        assert_eq!(
            text,
            "{\"version\":4,\"status\":\"created\",\"pid\":0,\"started\":0,\"finished\":0,\"exit_code\":0,\
             \"oom_killed\":false,\"error\":\"\\\"x\\\"\\n\",\"restarts\":0,\"was_stopped\":false,\
             \"health\":{\"status\":\"healthy\",\"failing_streak\":0,\"log\":[]},\"networks\":[],\"ports\":[]}"
        );
        let mut again = State::created();
        assert!(from_json(&mut again, &text));
        assert_eq!(to_json(&again), text);
        let mut spec = crate::spec::Spec::default();
        spec.labels.insert("a".into(), "b".into());
        spec.mounts = alloc::vec![Mount::default(), Mount { source: "/x".into(), ..Mount::default() }];
        let mut again = crate::spec::Spec::default();
        assert!(from_json(&mut again, &to_json(&spec)));
        assert_eq!(to_json(&again), to_json(&spec));
    }

    #[test]
    fn what_is_no_record() {
        let mut ids = IdRange::default();
        assert!(from_json(&mut ids, "{\"size\":2,\"more\":[],\"first\":4294967295}") && ids.first == u32::MAX);
        for wrong in ["", "[]", "{}", "{\"first\":1}", "{\"first\":1,\"size\":null}", "{\"first\":-1,\"size\":1}"] {
            assert!(!from_json(&mut ids, wrong), "{wrong}");
        }
        assert!(!from_json(&mut ids, "{\"first\":4294967296,\"size\":1}"));
        let mut restart = Restart::default();
        assert!(
            from_json(&mut restart, "{\"policy\":\"always\",\"retries_max\":1}") && restart.policy.word() == "always"
        );
        assert!(!from_json(&mut restart, "{\"policy\":\"Always\",\"retries_max\":1}"));
    }
}
