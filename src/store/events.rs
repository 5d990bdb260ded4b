//! What happens to containers, images and volumes: a line for each event in `<run>/events`, appended in one write by
//! whoever does it. Nobody waits for anybody here, and nothing fails when this does. The lines are docker's JSON.

use super::{Store, journal};
use crate::error::Result;
use crate::kernel::{file, io, time};
use crate::spec::Spec;
use crate::store::journal::{From, Reader};
use alloc::collections::BTreeMap;
use alloc::format;

use miniserde::{Serialize, json};
use rustix::fs::{CWD, SeekFrom, renameat, seek};
use rustix::io::Errno;

/// What the file is called, and how large it may be; the one before it is kept, too.
const NAME: &str = "events";
const FILE_BYTES_MAX: u64 = 1 << 20;
/// An event whose labels make it longer goes without them.
const LINE_BYTES_MAX: usize = 32 << 10;

/// The words of an event, as docker's API has them.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "status")]
    status: &'a str,
    #[serde(rename = "id")]
    id: &'a str,
    #[serde(rename = "from")]
    from: &'a str,
    #[serde(rename = "Type")]
    kind: &'a str,
    #[serde(rename = "Action")]
    action: &'a str,
    #[serde(rename = "Actor")]
    actor: Actor<'a>,
    #[serde(rename = "scope")]
    scope: &'a str,
    #[serde(rename = "time")]
    seconds: i64,
    #[serde(rename = "timeNano")]
    nanoseconds: i64,
}

#[derive(Serialize)]
struct Actor<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Attributes")]
    attributes: BTreeMap<&'a str, &'a str>,
}

/// Something happened to a container. `more`: attributes besides its image, its name and its labels.
pub fn container(store: &Store, action: &str, spec: &Spec, more: &[(&str, &str)]) {
    let mut attributes: BTreeMap<&str, &str> = BTreeMap::new();
    let labels_bytes: usize = spec.labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    if labels_bytes < LINE_BYTES_MAX {
        for (key, value) in &spec.labels {
            attributes.insert(key, value);
        }
    }
    attributes.insert("image", &spec.image);
    attributes.insert("name", &spec.name);
    for (key, value) in more {
        attributes.insert(key, value);
    }
    tell(store, "container", action, &spec.id, attributes);
}

/// Something happened to an image, known by `id` and `name`.
pub fn image(store: &Store, action: &str, id: &str, name: &str) {
    let id = format!("sha256:{}", id.trim_start_matches("sha256:"));
    let name = if name.is_empty() { id.as_str() } else { name };
    let mut attributes = BTreeMap::new();
    attributes.insert("name", name);
    tell(store, "image", action, &id, attributes);
}

/// Something happened to a volume.
pub fn volume(store: &Store, action: &str, name: &str) {
    let mut attributes = BTreeMap::new();
    attributes.insert("driver", "local");
    tell(store, "volume", action, name, attributes);
}

fn tell(store: &Store, kind: &str, action: &str, id: &str, attributes: BTreeMap<&str, &str>) {
    let now = time::now();
    let is_volume = kind == "volume"; // docker's older fields know none
    let line = Line {
        status: if is_volume { "" } else { action },
        id: if is_volume { "" } else { id },
        from: attributes.get("image").copied().unwrap_or_default(),
        kind,
        action,
        actor: Actor { id, attributes },
        scope: "local",
        seconds: now / time::SECOND,
        nanoseconds: now,
    };
    let mut line = json::to_string(&line);
    line.push('\n');
    let _ = append(store, line.as_bytes()); // a full disk, a store that is only read: nobody's command fails for this
}

fn append(store: &Store, line: &[u8]) -> core::result::Result<(), Errno> {
    let path = format!("{}/{NAME}", store.run_path);
    let file = match journal::append(CWD, &path) {
        Err(Errno::NOENT) => {
            let _ = file::make_dirs(&store.run_path, 0o700); // the next line tells
            journal::append(CWD, &path)?
        }
        other => other?,
    };
    // One write, which nothing of others comes between; a half one is a line that is passed over.
    io::write_all(&file, line)?;
    let end = seek(&file, SeekFrom::Current(0))?;
    // Of all who write to a file, just one crosses a multiple of its size.
    if end / FILE_BYTES_MAX != (end - line.len() as u64) / FILE_BYTES_MAX {
        renameat(CWD, path.as_str(), CWD, format!("{path}.1").as_str())?;
    }
    Ok(())
}

/// Reads the events, from the oldest one or from now on. The lines are JSON.
pub fn read(store: &Store, from_now: bool) -> Result<Reader> {
    let dir = file::make_dirs(&store.run_path, 0o700)?;
    let mut any = |_: &[u8]| true;
    Reader::open(dir, NAME, if from_now { From::End(0, &mut any) } else { From::Start })
}
