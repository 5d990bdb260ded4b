//! `events`.

use super::args::Parsed;
use super::template::{Template, unescape};
use super::{OK, human, object, open_store, print, read};
use miniserde::json::{self, Number, Object, Value};
use mydocker::error::{Error, Result};
use mydocker::kernel::{process, time};
use mydocker::store::{events, journal};
use rustix::event::{PollFd, PollFlags};

const FILTERS: [&str; 6] = ["container", "event", "image", "label", "type", "volume"];

/// What an event looks like.
enum Form {
    Line,
    Json,
    Template(Template),
}

/// Which events are shown.
struct Wanted<'a> {
    since: Option<i64>,
    until: Option<i64>,
    filters: Vec<(&'a str, &'a str)>,
}

/// `events [--since TIME] [--until TIME] [-f KEY=VALUE] [--format FORMAT]`
pub fn events(parsed: &Parsed) -> Result<u8> {
    let now = time::now();
    let moment = |key: &str| parsed.read(key, |text| read::moment::moment(text, now));
    let (since, until) = (moment("since")?, moment("until")?);
    let filters = parsed.all("filter").into_iter().map(filter).collect::<Result<Vec<_>>>()?;
    let form = match parsed.last("format").unwrap_or_default() {
        "" => Form::Line,
        "json" | "{{json .}}" => Form::Json,
        format => Form::Template(Template::parse(&unescape(format))?),
    };
    let store = open_store()?;
    // With a time, also what was before; without any, only what comes.
    let mut reader = events::read(&store, since.is_none() && until.is_none())?;
    let wanted = Wanted { since, until, filters };
    let watch = reader.watch()?;
    loop {
        // Asked for before the look: what happened before it is certainly seen.
        let left_ms = until.map_or(-1, time::ms_until);
        let mut text = String::new();
        while let Some(line) = reader.line()? {
            text.push_str(&show(line, &wanted, &form)?);
        }
        print(&text)?;
        if left_ms == 0 {
            return Ok(OK);
        }
        process::wait_for(&mut [PollFd::new(&watch, PollFlags::IN)], left_ms);
        journal::calm(&watch);
    }
}

fn filter(text: &str) -> Result<(&str, &str)> {
    let bad = || Error::new(format!("bad format of filter '{}' (expected name=value)", human::visible(text)));
    let (key, value) = text.split_once('=').ok_or_else(bad)?;
    if FILTERS.contains(&key) {
        return Ok((key, value));
    }
    let key = human::visible(key);
    Err(Error::new(format!("invalid filter '{key}': known are {}", FILTERS.join(", "))))
}

/// The text of an event; empty for one that is not wanted, and for a line that a kill has torn.
fn show(line: &[u8], wanted: &Wanted<'_>, form: &Form) -> Result<String> {
    let Some(text) = core::str::from_utf8(line).ok() else { return Ok(String::new()) };
    let Ok(Value::Object(event)) = json::from_str(text) else { return Ok(String::new()) };
    let at = match event.get("timeNano") {
        Some(Value::Number(Number::I64(at))) => *at,
        Some(Value::Number(Number::U64(at))) => *at as i64,
        _ => 0,
    };
    let is_in_time = wanted.since.is_none_or(|since| at >= since) && wanted.until.is_none_or(|until| at <= until);
    let event = Event { at, event: &event };
    if !is_in_time || !event.fits(&wanted.filters) {
        return Ok(String::new());
    }
    Ok(match form {
        Form::Json => text.to_owned(),
        Form::Line => event.line(),
        Form::Template(template) => template.render(&event.value())?,
    } + "\n")
}

/// An event as it was read.
struct Event<'a> {
    at: i64,
    event: &'a Object,
}

impl Event<'_> {
    fn word(&self, key: &str) -> &str {
        string(self.event, key)
    }

    fn actor(&self) -> Option<&Object> {
        as_object(self.event.get("Actor")?)
    }

    fn id(&self) -> &str {
        self.actor().map_or("", |actor| string(actor, "ID"))
    }

    fn attributes(&self) -> Option<&Object> {
        as_object(self.actor()?.get("Attributes")?)
    }

    fn attribute(&self, key: &str) -> &str {
        self.attributes().map_or("", |all| string(all, key))
    }

    /// docker's line: time, type, action, id, and the attributes.
    fn line(&self) -> String {
        let (kind, action) = (self.word("Type"), self.word("Action"));
        let mut line = format!("{} {kind} {action} {}", time::rfc3339(self.at), self.id());
        let attributes = self.attributes().into_iter().flat_map(|all| all.keys());
        let shown: Vec<String> = attributes.map(|key| format!("{key}={}", self.attribute(key))).collect();
        if !shown.is_empty() {
            line = format!("{line} ({})", shown.join(", "));
        }
        human::visible(&line)
    }

    /// What templates see: the fields by the names of docker's structure.
    fn value(&self) -> Value {
        let names = [
            ("Status", "status"),
            ("ID", "id"),
            ("From", "from"),
            ("Type", "Type"),
            ("Action", "Action"),
            ("Actor", "Actor"),
            ("Scope", "scope"),
            ("Time", "time"),
            ("TimeNano", "timeNano"),
        ];
        object(
            names.into_iter().map(|(name, key)| (name, self.event.get(key).cloned().unwrap_or(Value::Null))).collect(),
        )
    }

    /// Different keys must all fit, of one key any value.
    fn fits(&self, filters: &[(&str, &str)]) -> bool {
        filters.iter().all(|(key, _)| filters.iter().any(|(other, value)| key == other && self.fits_one(key, value)))
    }

    fn fits_one(&self, key: &str, value: &str) -> bool {
        let (kind, id) = (self.word("Type"), self.id());
        let untagged = |name: &str| name.rsplit_once(':').map_or(name.to_owned(), |(name, _)| name.to_owned());
        match key {
            "type" => kind == value,
            "event" => {
                let action = self.word("Action");
                // docker's `exec_start: ls` and `health_status: healthy` go by either name.
                action == value || action.split_once(": ").is_some_and(|(first, _)| first == value)
            }
            "container" => kind == key && (id.starts_with(value) || self.attribute("name").starts_with(value)),
            "volume" => kind == key && id.starts_with(value),
            "image" => {
                let name = self.attribute(if kind == "image" { "name" } else { "image" });
                name == value
                    || untagged(name) == value
                    || kind == key && id.trim_start_matches("sha256:").starts_with(value)
            }
            _ => match value.split_once('=') {
                Some((label, value)) => {
                    self.attributes().is_some_and(|all| all.contains_key(label)) && self.attribute(label) == value
                }
                None => self.attributes().is_some_and(|all| all.contains_key(value)),
            },
        }
    }
}

fn as_object(value: &Value) -> Option<&Object> {
    if let Value::Object(object) = value { Some(object) } else { None }
}

fn string<'a>(object: &'a Object, key: &str) -> &'a str {
    if let Some(Value::String(text)) = object.get(key) { text } else { "" }
}
