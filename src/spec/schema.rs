//! Parts of somebody else's document that are kept as they are written there. Whether each value is what it has to be is found
//! when they are read, by a table; it is taken out when somebody asks for it. A structure with a field for each is ten times
//! as much code.

use super::json::Reader;
use super::map::Map;
use super::record::Part;
use alloc::string::String;
use alloc::vec::Vec;

/// What the table says of an object: a line with its name, and its values as `name:kind`, or `name!kind` for one that must not be
/// missing. A kind is another object of the table, `text`, `bool`, a type of numbers, `any`; in front of it `[` makes that a
/// list of them, and `{` an object of them with any names.
fn values(table: &'static str, object: &str) -> &'static str {
    let line = table.lines().find_map(|line| line.strip_prefix(object)?.strip_prefix(' '));
    line.unwrap_or_default()
}

/// Takes the value that comes next, if it is of the kind. `None` is one that is missing. An object is put into the order of the
/// table, with null for what is missing: nothing is looked for behind the long values that stand last there.
pub fn read(text: &mut String, json: Option<&mut Reader<'_>>, table: &'static str, kind: &'static str) -> bool {
    text.clear();
    let Some(json) = json else { return true };
    if !kind.starts_with(['[', '{']) {
        return pass_object(json, table, values(table, kind), Some(text));
    }
    json.peek();
    let start = json.at();
    let is_right = pass(json, table, kind);
    text.push_str(json.since(start));
    is_right
}

/// Goes on behind a value, if it is of the kind.
fn pass(json: &mut Reader<'_>, table: &'static str, kind: &'static str) -> bool {
    if let Some(kind) = kind.strip_prefix('[') {
        return json.take(b'[') && pass_all(json, b']', &mut |json| pass(json, table, kind));
    }
    if let Some(kind) = kind.strip_prefix('{') {
        let mut one = |json: &mut Reader<'_>| json.string().is_some() && json.take(b':') && pass(json, table, kind);
        return json.enter().is_some() && pass_all(json, b'}', &mut one);
    }
    match kind {
        "any" => json.skip(),
        "text" => json.string().is_some(),
        "bool" => matches!(json.word(), "true" | "false"),
        "i32" => json.word().parse::<i32>().is_ok(),
        "u32" => json.word().parse::<u32>().is_ok(),
        "i64" => json.word().parse::<i64>().is_ok(),
        "u64" => json.word().parse::<u64>().is_ok(),
        object => pass_object(json, table, values(table, object), None),
    }
}

fn pass_all(json: &mut Reader<'_>, end: u8, one: &mut dyn FnMut(&mut Reader<'_>) -> bool) -> bool {
    while json.next(end) {
        if !one(json) {
            return false;
        }
    }
    true
}

fn pass_object(
    json: &mut Reader<'_>,
    table: &'static str,
    values: &'static str,
    mut kept: Option<&mut String>,
) -> bool {
    let Some(start) = json.enter() else { return false };
    for value in values.split(' ') {
        let (may_lack, (name, kind)) = match value.split_once('!') {
            Some(value) => (false, value),
            None => (true, value.split_once(':').unwrap_or_default()),
        };
        let is_there = json.find(name, start) && (json.peek() != b'n' || json.word() != "null");
        let at = json.at();
        let is_right = if is_there { pass(json, table, kind) } else { may_lack };
        if !is_right {
            json.blame(name, is_there);
            return false;
        }
        if let Some(kept) = &mut kept {
            let before = if kept.is_empty() { "{\"" } else { ",\"" };
            kept.extend([before, name, "\":", if is_there { json.since(at) } else { "null" }]);
        }
    }
    if let Some(kept) = kept {
        kept.push('}');
    }
    json.leave()
}

/// A value that is what the table wants it to be, as it is written. Empty for one that is missing, or null.
#[derive(Clone, Copy, Default)]
pub struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// A whole document.
    pub const fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// The one that is called so in an object, or in an object in that: `memory.limit`.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        path.split('.').fold(self, |object, name| {
            let mut json = Reader::new(object.0);
            let is_there = json.enter().is_some_and(|start| json.find(name, start));
            let text = if is_there { json.value() } else { None };
            Self(text.filter(|text| *text != "null").unwrap_or_default())
        })
    }

    /// Whether it is there.
    pub const fn is_there(self) -> bool {
        !self.0.is_empty()
    }

    /// As it is written.
    pub const fn json(self) -> &'a str {
        self.0
    }

    /// A number, or a text that is one of a few words, as it is written, but without its quotes: none of these is written with
    /// a `\`.
    pub fn word(self) -> &'a str {
        self.0.trim_matches('"')
    }

    /// A text; a number or a word as it is written.
    pub fn text(self) -> String {
        Reader::new(self.0).string().unwrap_or_else(|| self.0.into())
    }

    /// A number, where there is one.
    pub fn number(self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// A number that is not negative.
    pub fn natural(self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// Whether it is `true`.
    pub fn is_true(self) -> bool {
        self.0 == "true"
    }

    /// The values of a list.
    pub fn list(self) -> List<'a> {
        List(self.0.strip_prefix('[').unwrap_or("]"))
    }

    /// Whether it is a list with nothing in it, or no list.
    pub fn is_empty(self) -> bool {
        self.list().next().is_none()
    }

    /// Becomes this value, if it is there.
    fn fill<T: Part + Default>(self) -> T {
        let mut part = T::default();
        if self.is_there() {
            part.read(Some(&mut Reader::new(self.0)));
        }
        part
    }

    /// A list of texts.
    pub fn texts(self) -> Vec<String> {
        self.fill()
    }

    /// An object of texts with any names.
    pub fn map(self) -> Map<String, String> {
        self.fill()
    }
}

/// What is left of a list.
pub struct List<'a>(&'a str);

impl<'a> Iterator for List<'a> {
    type Item = Value<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Value<'a>> {
        let mut json = Reader::new(self.0);
        let value = if json.next(b']') { json.value() } else { None };
        self.0 = value.map_or("]", |_| self.0.get(json.at()..).unwrap_or_default());
        value.map(Value)
    }
}

/// `kept! { TABLE: Hooks = "Hooks" }` makes types of parts that are kept so, with their kinds.
macro_rules! kept {
    ($table:ident: $($(#[$about:meta])* $kept:ident = $kind:literal)*) => { $(
        $(#[$about])*
        #[derive(Default)]
        pub struct $kept(alloc::string::String);

        impl $kept {
            /// All of it.
            pub fn value(&self) -> $crate::spec::schema::Value<'_> {
                $crate::spec::schema::Value::of(&self.0)
            }

            /// [`Value::at`]($crate::spec::schema::Value::at)
            pub fn at(&self, path: &str) -> $crate::spec::schema::Value<'_> {
                self.value().at(path)
            }
        }

        impl $crate::spec::record::Part for $kept {
            fn write(&self, text: &mut alloc::string::String) {
                text.push_str(if self.0.is_empty() { "null" } else { &self.0 });
            }

            fn read(&mut self, json: Option<&mut $crate::spec::json::Reader<'_>>) -> bool {
                $crate::spec::schema::read(&mut self.0, json, $table, $kind)
            }
        }
    )* };
}

pub(crate) use kept;

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Box name!text size:u32 flags:{bool more:[Box rest:any\nPoint x!i64";

    fn read_as(kind: &'static str, text: &str) -> Option<String> {
        let (mut kept, mut json) = (String::from("old"), Reader::new(text));
        (read(&mut kept, Some(&mut json), TABLE, kind) && json.is_over()).then_some(kept)
    }

    #[test]
    fn what_the_table_says() {
        for (right, kept) in [
            (" {\"name\":\"a\"}", "{\"name\":\"a\",\"size\":null,\"flags\":null,\"more\":null,\"rest\":null}"),
            (
                "{\"size\":4294967295,\"other\":[],\"name\":\"\",\"flags\":{\"a\":true,\"b\":false}}",
                "{\"name\":\"\",\"size\":4294967295,\"flags\":{\"a\":true,\"b\":false},\"more\":null,\"rest\":null}",
            ),
            (
                "{\"rest\":[{}],\"name\":\"a\",\"size\":null,\"flags\":{},\"more\":[{\"name\":\"b\"},{\"name\":\"c\",\"more\":[]}]}",
                "{\"name\":\"a\",\"size\":null,\"flags\":{},\"more\":[{\"name\":\"b\"},{\"name\":\"c\",\"more\":[]}],\"rest\":[{}]}",
            ),
        ] {
            assert_eq!(read_as("Box", right).as_deref(), Some(kept));
            assert_eq!(read_as("Box", kept).as_deref(), Some(kept));
        }
        assert_eq!(read_as("[bool", " [true, false]").as_deref(), Some("[true, false]"));
        assert_eq!(read_as("{u32", "{\"b\":1,\"a\":2}").as_deref(), Some("{\"b\":1,\"a\":2}"));
        for wrong in [
            "",
            "null",
            "[]",
            "{}",
            "{\"name\":null}",
            "{\"name\":1}",
            "{\"name\":\"a\",\"size\":-1}",
            "{\"name\":\"a\",\"size\":4294967296}",
            "{\"name\":\"a\",\"size\":\"1\"}",
            "{\"name\":\"a\",\"flags\":{\"a\":0}}",
            "{\"name\":\"a\",\"flags\":[]}",
            "{\"name\":\"a\",\"more\":{\"name\":\"b\"}}",
            "{\"name\":\"a\",\"more\":[{}]}",
            "{\"name\":\"a\",\"rest\":}",
            "{\"name\":\"a\"",
        ] {
            assert!(read_as("Box", wrong).is_none(), "{wrong}");
        }
        assert!(read_as("Point", "{\"x\":-9223372036854775808}").is_some());
        let mut kept = String::from("old");
        assert!(read(&mut kept, None, TABLE, "Point") && kept.is_empty());
    }

    #[test]
    fn values_are_found() {
        let all = Value::of(
            "{\"a\" : {\"b\":{\"c\": -5}, \"n\":null},\"l\":[1, \"\\u0041\",{}],\"y\":true,\"m\":{\"\\u006b2\":\"w\",\"k\":\"v\"},\"t\":[\"x\"]}",
        );
        assert_eq!(all.at("a.b.c").number(), Some(-5));
        assert!(all.at("a.b.c").natural().is_none() && all.at("y").is_true());
        assert!(!all.at("a.n").is_there() && !all.at("a.x.y").is_there() && !all.at("l.x").is_there());
        let list: Vec<String> = all.at("l").list().map(Value::text).collect();
        assert_eq!(list, ["1", "A", "{}"]);
        let map = all.at("m").map();
        let map: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(map, [("k", "v"), ("k2", "w")]);
        assert_eq!(all.at("t").texts(), ["x"]);
        assert!(all.at("y").is_empty() && all.at("x").is_empty() && !all.at("t").is_empty());
        assert!(Value::of("[]").is_empty() && Value::of("[ ]").is_empty() && all.at("t").list().nth(1).is_none());
        assert_eq!([Value::of("\"ab\"").word(), Value::of("-1").word(), Value::of("").word()], ["ab", "-1", ""]);
        assert!(all.at("x").text().is_empty());
        assert!(all.at("x").texts().is_empty() && all.at("x").map().is_empty());
    }
}
