//! `--filter` of `ps`.

use super::{Row, networks, state_word};
use crate::cli::args::boolean;
use crate::cli::filter;
use crate::cli::human::escaped;
use crate::cli::inspect::verdict;
use crate::cli::shape::is_in;
use crate::cli::{ports, read};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::spec::{MountKind, Protocol, Publish, Status, port, text};
use mydocker::store::{Store, containers, networks as known};

const KEYS: &str = "ancestor before exited expose health id is-task label name network publish since status volume";
const STATES: &str = "created running paused restarting removing exited dead";
const VERDICTS: &str = "starting healthy unhealthy none";

/// One filter, and what is known beforehand.
pub struct Filter {
    asked: filter::Filter,
    /// For `before` and `since`: when that container was made, and its id.
    other: Option<(i64, String)>,
    /// For `publish` and `expose`: the first and last port.
    ports: Option<(u32, u32, Protocol)>,
}

impl Filter {
    /// Whether it is about containers that do not run.
    pub fn wants_all(&self) -> bool {
        matches!(self.asked.key, "status" | "exited")
    }

    /// Reads `key=value`.
    pub fn parse(store: &Store, typed: &str) -> Result<Self> {
        let mut read = Self { asked: filter::parse(typed, KEYS)?, other: None, ports: None };
        let value = read.asked.value.as_str();
        let one_of = |words: &str| {
            if is_in(words, value) { String::new() } else { format!("one of {}", text::replace(words, " ", ", ")) }
        };
        let mut why = String::new();
        match read.asked.key {
            "status" => why = one_of(STATES),
            "health" => why = one_of(VERDICTS),
            "exited" if value.parse::<i32>().is_err() => why.push_str("it is not a whole number"),
            "is-task" if boolean(value).is_none() => why.push_str("true or false"),
            "publish" | "expose" => {
                read.ports = port::range(value);
                if read.ports.is_none() {
                    why.push_str("PORT[-PORT][/PROTOCOL] is expected");
                }
            }
            "before" | "since" => {
                let spec = containers::find(store, value)?.spec;
                read.other = Some((spec.created, spec.id));
            }
            "network" => {
                if let Ok(network) = known::find(store, value) {
                    read.asked.value = network.name; // it was an id
                }
            }
            _ => {}
        }
        if why.is_empty() {
            Ok(read)
        } else {
            Err(Error::new(format_args!("Invalid filter '{}': {why}", escaped(typed))))
        }
    }

    /// Whether it has one of these ports. A published one has a number here and one in the container, and scripts ask for
    /// either: docker has meant the one and the other.
    fn has_port(&self, row: &Row) -> bool {
        let Some((first, last, protocol)) = self.ports else { return false };
        let fits = |port: u32, of: Protocol| of == protocol && (first..=last).contains(&port);
        let spec = &row.spec;
        if self.asked.key == "expose" {
            return spec.exposed.iter().any(|text| port::read(text).is_some_and(|(port, of)| fits(port, of)));
        }
        let is_asked = |asked: &Publish| {
            let (first, last) = (asked.host_first, asked.host_last);
            fits(asked.port, asked.protocol) || first == last && fits(first, asked.protocol)
        };
        spec.ports.iter().any(is_asked)
            || ports::of(spec, &row.state).iter().any(|bound| {
                !bound.ip.is_empty() && (fits(bound.port, bound.protocol) || fits(bound.host_port, bound.protocol))
            })
    }

    fn fits(&self, row: &Row) -> bool {
        let (spec, value) = (&row.spec, self.asked.value.as_str());
        let matches = |text: &str| text == value || self.asked.matches(text);
        let other = |fits: &dyn Fn(i64) -> bool| {
            self.other.as_ref().is_some_and(|(created, id)| *id != spec.id && fits(*created))
        };
        match self.asked.key {
            "id" => matches(&spec.id),
            "name" => matches(&spec.name) || matches(&format!("/{}", spec.name)),
            "status" => state_word(&row.state, row.is_paused) == value,
            "exited" => row.state.status == Status::Exited && value.parse() == Ok(row.state.exit_code),
            "label" => read::has_label(&spec.labels, value),
            "ancestor" => is_ancestor(&spec.image, &spec.image_id, value),
            "before" => other(&|created| spec.created < created),
            "since" => other(&|created| spec.created > created),
            "health" => row.state.health.as_ref().map_or("none", |checked| verdict(checked.status)) == value,
            "volume" => {
                spec.mounts.iter().any(|m| m.kind != MountKind::Tmpfs && (m.source == value || m.target == value))
            }
            "network" => networks(spec).split(',').any(|name| name == value) || super::network_name(spec) == value,
            "is-task" => boolean(value) == Some(false),
            _ => self.has_port(row),
        }
    }
}

/// Whether a container fits.
pub fn fits(filters: &[Filter], row: &Row) -> bool {
    let mut keys = Vec::new();
    for filter in filters {
        keys.push(filter.asked.key);
    }
    filter::all_fit(&keys, &|at| filters[at].fits(row))
}

fn is_ancestor(image: &str, image_id: &str, value: &str) -> bool {
    let digits = value.strip_prefix("sha256:").unwrap_or(value);
    image == value
        || image.strip_suffix(":latest") == Some(value)
        || value.strip_suffix(":latest") == Some(image)
        || digits.len() >= 4 && image_id.starts_with(digits)
}
