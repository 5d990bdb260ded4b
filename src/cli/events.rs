//! `events`.

use super::args::Parsed;
use super::shape::{is_in, picked};
use super::template::{Template, unescape};
use super::{OK, human, open_store, print, read};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::kernel::{process, time};
use mydocker::spec::json::tree;
use mydocker::spec::json::{Number, Value};
use mydocker::spec::text;
use mydocker::store::{events, journal};
use rustix::event::{PollFd, PollFlags};

const FILTERS: &str = "container event image label network type volume";

/// Which events are shown.
struct Wanted<'a> {
    since: Option<i64>,
    until: Option<i64>,
    filters: Vec<(&'a str, &'a str)>,
}

/// `events [--since TIME] [--until TIME] [-f KEY=VALUE] [--format FORMAT]`
pub fn events(parsed: &Parsed) -> Result<u8> {
    let moment = |key: &str| parsed.read(key, |text| read::moment::moment(text, time::now()));
    let (since, until) = (moment("since")?, moment("until")?);
    let typed = parsed.all("filter");
    let mut filters = Vec::new();
    for text in &typed {
        filters.push(filter(text)?);
    }
    let format = unescape(parsed.last("format").unwrap_or_default());
    let is_json = matches!(format.as_str(), "json" | "{{json .}}");
    let template = Template::parse(if is_json { "" } else { &format })?;
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
            let Some(event) = Event::read(line.trim_ascii_end()).filter(|event| wanted.has(event)) else { continue };
            let shown = if is_json {
                event.text
            } else if format.is_empty() {
                event.line()
            } else {
                template.render(&event.value())?
            };
            text.extend([&shown, "\n"]);
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
    let bad = || Error::new(format_args!("bad format of filter '{}' (expected name=value)", human::visible(text)));
    let (key, value) = text.split_once('=').ok_or_else(bad)?;
    if is_in(FILTERS, key) {
        return Ok((key, value));
    }
    Err(Error::new(format_args!(
        "invalid filter '{}': known are {}",
        human::visible(key),
        text::replace(FILTERS, " ", ", ")
    )))
}

impl Wanted<'_> {
    /// Different keys must all fit, of one key any value.
    fn has(&self, event: &Event) -> bool {
        for (key, _) in &self.filters {
            let mut fits = false;
            for (other, value) in &self.filters {
                fits |= key == other && event.fits(key, value);
            }
            if !fits {
                return false;
            }
        }
        self.since.is_none_or(|since| event.at >= since) && self.until.is_none_or(|until| event.at <= until)
    }
}

/// An event as it was read.
struct Event {
    text: String,
    at: i64,
    all: Value,
}

impl Event {
    /// `None` for a line that a kill has torn.
    #[inline(never)]
    fn read(line: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(line).ok()?;
        let mut event = Self { text: text.to_owned(), at: 0, all: tree::value(text)? };
        match event.find(&["timeNano"]) {
            Some(Value::Number(Number::I64(at))) => event.at = *at,
            Some(Value::Number(Number::U64(at))) => event.at = *at as i64,
            _ => {}
        }
        matches!(event.all, Value::Object(_)).then_some(event)
    }

    /// What is at the end of a path through the objects.
    fn find(&self, path: &[&str]) -> Option<&Value> {
        let mut value = &self.all;
        for key in path {
            let Value::Object(object) = value else { return None };
            value = object.get(*key)?;
        }
        Some(value)
    }

    fn word(&self, path: &[&str]) -> &str {
        if let Some(Value::String(text)) = self.find(path) { text } else { "" }
    }

    fn id(&self) -> &str {
        self.word(&["Actor", "ID"])
    }

    fn attribute(&self, key: &str) -> &str {
        self.word(&["Actor", "Attributes", key])
    }

    /// docker's line: time, type, action, id, and the attributes.
    fn line(&self) -> String {
        let (kind, action) = (self.word(&["Type"]), self.word(&["Action"]));
        let mut line = format!("{} {kind} {action} {}", time::rfc3339(self.at), self.id());
        if let Some(Value::Object(all)) = self.find(&["Actor", "Attributes"])
            && !all.is_empty()
        {
            let mut before = " (";
            for key in all.keys() {
                line.extend([before, key, "=", self.attribute(key)]);
                before = ", ";
            }
            line.push(')');
        }
        human::visible(&line)
    }

    /// What templates see: the fields by the names of docker's structure.
    fn value(&self) -> Value {
        let names = "Status status,ID id,From from,Type Type,Action Action,Actor Actor,Scope scope,Time time,\
                     TimeNano timeNano,";
        Value::Object(picked(names, &self.all))
    }

    #[inline(never)]
    fn fits(&self, key: &str, value: &str) -> bool {
        let (kind, id) = (self.word(&["Type"]), self.id());
        // docker's `exec_start: ls` and `health_status: healthy` go by either name, and images by that without a tag.
        let is = |text: &str, end: Option<(&str, &str)>| text == value || end.is_some_and(|(first, _)| first == value);
        match key {
            "type" => kind == value,
            "event" => {
                let action = self.word(&["Action"]);
                is(action, text::cut(action, ": "))
            }
            "image" => {
                let name = self.attribute(if kind == key { "name" } else { "image" });
                is(name, name.rsplit_once(':'))
                    || kind == key && id.strip_prefix("sha256:").unwrap_or(id).starts_with(value)
            }
            "container" | "network" | "volume" => {
                let is_named = kind != "volume" && self.attribute("name").starts_with(value);
                kind == key && (id.starts_with(value) || is_named)
            }
            _ => match value.split_once('=') {
                Some((label, value)) => {
                    self.find(&["Actor", "Attributes", label]).is_some() && self.attribute(label) == value
                }
                None => self.find(&["Actor", "Attributes", value]).is_some(),
            },
        }
    }
}
