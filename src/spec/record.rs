//! How records become JSON, and JSON becomes records again. One walk for all of them, over the parts that a record names:
//! derived code for each type was four times as large.

use crate::error::{Error, Result};
use crate::spec::json::{self, Reader, tree};
use crate::spec::map::{Map, Set};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::{Deref, DerefMut};

/// A piece of a record.
pub trait Part {
    /// Appends it as JSON.
    fn write(&self, text: &mut String);

    /// Becomes what comes next, or what stands for nothing (`None`). False if that is something else.
    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool;
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
    let mut json = Reader::new(text);
    record.read(Some(&mut json)) && json.is_over()
}

/// The same for a document of somebody else's, whose error says what is wrong where in it: `line 3, column 7: root.path is
/// missing`.
pub fn from_document(record: &mut dyn Part, text: &str) -> Result<()> {
    let mut json = Reader::new(text);
    json.is_strict = true;
    if record.read(Some(&mut json)) && json.is_over() {
        return Ok(());
    }
    let (line, column) = tree::place(text, json.at());
    Err(Error::new(format_args!("line {line}, column {column}: {}", json.complaint())))
}

/// What most records of a kind have in common: the text of an empty one. What stands in another one as it stands here is not
/// read: of the parts of a container's record few were ever asked for.
pub struct Usual {
    /// Its parts, each with a comma before it, and the bracket behind the last one.
    text: String,
    /// Where each part ends, and where its name begins among the names.
    parts: Vec<(usize, usize)>,
    /// The part that is passed over.
    passed: usize,
}

impl Usual {
    /// The one of an empty record. In others the part with the name `passed` is passed over, whatever is in it.
    pub fn of(empty: &dyn Record, passed: &str) -> Self {
        let mut usual = Self { text: String::new(), parts: Vec::new(), passed: usize::MAX };
        let (mut names, mut name_at) = (empty.names().split(' '), 0);
        empty.each(&mut |part| {
            let name = names.next().unwrap_or_default();
            if name == passed {
                usual.passed = usual.parts.len();
            }
            usual.text.extend([",\"", name, "\":"]);
            part.write(&mut usual.text);
            usual.parts.push((usual.text.len(), name_at));
            name_at += name.len() + 1;
        });
        usual.text.push('}');
        usual
    }
}

/// [`from_json`] for a record that is as empty as the one that is usual, where one is given.
pub fn from_json_as(record: &mut dyn Record, text: &str, usual: Option<&Usual>) -> bool {
    let mut json = Reader::new(text);
    read_record(record, Some(&mut json), usual) && json.is_over()
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

fn read_record(record: &mut dyn Record, json: Option<&mut Reader<'_>>, usual: Option<&Usual>) -> bool {
    let Some(json) = json else { return false };
    let Some(start) = json.enter() else { return false };
    let all = record.names();
    // What is before `alike` in the usual text is here, too.
    let (mut names, mut at, mut from, mut alike) = (all, 0, 0, 0);
    let mut is_read = true;
    record.each_mut(&mut |part| {
        let mut is_passed = false;
        if let Some(usual) = usual
            && let Some((to, name_at)) = usual.parts.get(at)
        {
            if alike <= from {
                alike = from + json.alike(usual.text.get(from..).unwrap_or_default());
            }
            is_passed = at == usual.passed;
            let before = core::mem::replace(&mut from, *to);
            at += 1;
            // The comma behind it is the same, or the bracket: nothing is missing.
            if *to < alike {
                return json.pass(to - before);
            }
            names = all.get(*name_at..).unwrap_or_default();
        }
        if !is_read {
            return;
        }
        let own = names;
        let mut is_there = json.find_first(&mut names, start);
        if is_passed {
            is_read = !is_there || json.skip();
            return;
        }
        if is_there && json.peek() == b'n' {
            // null is nothing. What else begins like this is no value, and found to be none.
            is_there = json.word() != "null";
        }
        is_read = part.read(is_there.then_some(&mut *json));
        if !is_read {
            json.blame(own.split(' ').next().unwrap_or_default(), is_there);
        }
    });
    is_read && json.leave()
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

/// A list that is missing is empty: the record is older than it. A single part is a list of one: old images have a command of
/// one word as a text.
fn read_list(list: &mut dyn List, json: Option<&mut Reader<'_>>) -> bool {
    let Some(json) = json else { return true };
    let mut add = |json: &mut Reader<'_>| list.add().is_some_and(|part| part.read(Some(json)));
    if !json.take(b'[') {
        return !json.is_strict && add(json);
    }
    while json.next(b']') {
        if !add(json) {
            return false;
        }
    }
    true
}

/// Which of the words it is.
pub fn read_word(json: Option<&mut Reader<'_>>, words: &str) -> Option<usize> {
    crate::spec::words::place(words, &json?.string()?)
}

/// A whole number.
fn read_number(json: Option<&mut Reader<'_>>) -> Option<i128> {
    let word = json?.word();
    word.parse::<u64>().map(i128::from).or_else(|_| word.parse::<i64>().map(i128::from)).ok()
}

impl<R: Record> Part for R {
    fn write(&self, text: &mut String) {
        write_record(self, text);
    }

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        read_record(self, json, None)
    }
}

impl Part for String {
    fn write(&self, text: &mut String) {
        text.push_str(&json::to_string(self));
    }

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        let read = json.and_then(Reader::string);
        let is_read = read.is_some();
        *self = read.unwrap_or_default();
        is_read
    }
}

impl Part for bool {
    fn write(&self, text: &mut String) {
        text.push_str(if *self { "true" } else { "false" });
    }

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        let word = json.map_or("", Reader::word);
        *self = word == "true";
        *self || word == "false"
    }
}

macro_rules! numbers {
    ($($number:ty)*) => { $(
        impl Part for $number {
            fn write(&self, text: &mut String) {
                let _ = write!(text, "{self}"); // a String takes everything
            }

            fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
                let read = read_number(json).and_then(|number| Self::try_from(number).ok());
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

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        json.is_none() || self.insert(T::default()).read(json)
    }
}

/// A record that may be missing, and is an empty one then.
#[derive(Default)]
pub struct OrEmpty<T>(T);

impl<T> Deref for OrEmpty<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for OrEmpty<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Part> Part for OrEmpty<T> {
    fn write(&self, text: &mut String) {
        self.0.write(text);
    }

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        json.is_none() || self.0.read(json)
    }
}

impl<T: Part + Default> Part for Vec<T> {
    fn write(&self, text: &mut String) {
        write_list(self, text);
    }

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        read_list(self, json)
    }
}

/// An object of texts, or of what counts as one.
fn read_map<'a>(
    json: Option<&mut Reader<'a>>,
    value: fn(&mut Reader<'a>) -> Option<String>,
) -> Option<Map<String, String>> {
    let json = json?;
    json.enter()?;
    let mut all = Vec::new();
    while json.next(b'}') {
        let key = json.string().filter(|_| json.take(b':'))?;
        all.push((key, value(json)?));
    }
    Some(Map::of(all))
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

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        let read = read_map(json, Reader::string);
        let is_read = read.is_some();
        *self = read.unwrap_or_default();
        is_read
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

    fn read(&mut self, json: Option<&mut Reader<'_>>) -> bool {
        let empty = |json: &mut Reader<'_>| (json.peek() == b'{' && json.skip()).then(String::new);
        let read = read_map(json, empty);
        let is_read = read.is_some();
        self.extend(read.unwrap_or_default().into_iter().map(|(key, _)| (key, ())));
        is_read
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
    (@list $first:literal $($word:literal)*) => { concat!($first, $(" ", $word),*) };
    ($($of:ident { $($which:ident = $word:literal),* })*) => { $(
        impl $of {
            pub(crate) const EACH: &[Self] = &[$(Self::$which),*];
            pub(crate) const WORDS: &str = words!(@list $($word)*);

            /// The one that this word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                $crate::spec::words::place(Self::WORDS, word).map(|at| Self::EACH[at])
            }

            /// The word that stands for it in records.
            pub fn word(self) -> &'static str {
                $crate::spec::words::at(Self::WORDS, self as usize)
            }
        }

        impl $crate::spec::record::Part for $of {
            fn write(&self, text: &mut alloc::string::String) {
                text.extend(["\"", self.word(), "\""]);
            }

            fn read(&mut self, json: Option<&mut $crate::spec::json::Reader<'_>>) -> bool {
                let found = $crate::spec::record::read_word(json, Self::WORDS);
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
        let mut state = *State::created();
        state.error = "\"x\"\n".into();
        state.health = Some(Checked { status: Verdict::Healthy, ..Checked::default() });
        let text = to_json(&state);
        assert_eq!(
            text,
            "{\"version\":4,\"status\":\"created\",\"pid\":0,\"started\":0,\"started_up\":null,\"finished\":0,\"exit_code\":0,\
             \"oom_killed\":false,\"error\":\"\\\"x\\\"\\n\",\"restarts\":0,\"was_stopped\":false,\
             \"ended_with_host\":null,\"health\":{\"status\":\"healthy\",\"failing_streak\":0,\"log\":[]},\"networks\":[],\"ports\":[]}"
        );
        let mut again = *State::created();
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
    fn as_most_of_its_kind() {
        let empty = crate::spec::Spec::default();
        let usual = Usual::of(&empty, "env");
        let mut spec = crate::spec::Spec { env: alloc::vec!["A=}".into()], umask: 18, ..Default::default() };
        spec.labels.insert("a".into(), "b".into());
        let text = to_json(&spec);
        let blanks = text.replace(",\"", " ,\n\"").replace(':', ": ");
        let turned = alloc::format!("{{\"after\":[\"x\"],{}", &text[1..]).replace(",\"after\":[]", "");
        for (text, after) in [(&text, 0), (&blanks, 0), (&turned, 1)] {
            let mut again = crate::spec::Spec::default();
            assert!(from_json_as(&mut again, text, Some(&usual)), "{text}");
            assert!(again.env.is_empty() && again.after.len() == after);
            (again.env, again.after) = (spec.env.clone(), Vec::new());
            assert_eq!(to_json(&again), to_json(&spec));
        }
        for end in 0..text.len() {
            assert!(!from_json_as(&mut crate::spec::Spec::default(), &text[..end], Some(&usual)), "{end}");
        }
        for (from, to) in
            [("\"tty\":false", "\"tty\":falsey"), ("\"version\":0", "\"version\":0x"), ("[\"A=}\"]", "[\"A=}]")]
        {
            let text = text.replace(from, to);
            assert!(!from_json_as(&mut crate::spec::Spec::default(), &text, Some(&usual)), "{text}");
        }
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

    #[test]
    fn many_labels_in_the_worst_order() {
        let mut text = String::from("{\"0\":\"first\"");
        for at in (1..300_000).rev() {
            let _ = write!(text, ",\"{at:06}\":\"\"");
        }
        text.push_str(",\"0\":\"last\"}");
        let mut labels: Map<String, String> = Map::new();
        // Were each put in its place in turn, this would take minutes.
        assert!(labels.read(Some(&mut Reader::new(&text))));
        assert!(labels.len() == 300_000 && labels.get("0").is_some_and(|value| value == "last"));
    }
}
