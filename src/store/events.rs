//! What happens to containers, images, volumes and networks: a line for each event in `<run>/events`, appended in one
//! write by whoever does it. Nobody waits for anybody here, and nothing fails when this does. The lines are docker's JSON.

use super::{Store, journal};
use crate::error::Result;
use crate::kernel::{at, file, io, time};
use crate::spec::map::Map;
use crate::spec::record::{texts, to_json};
use crate::spec::{Attached, Spec};
use crate::store::journal::{From, Reader};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use rustix::fs::{CWD, SeekFrom, seek};
use rustix::io::Errno;

/// What the file is called, and how large it may be; the one before it is kept, too.
const NAME: &str = "events";
const FILE_BYTES_MAX: u64 = 1 << 20;
/// An event whose labels make it longer goes without them.
const LINE_BYTES_MAX: usize = 32 << 10;

type Attributes = Map<String, String>;

/// Something happened to a container. `more`: attributes besides its image, its name and its labels.
pub fn container(store: &Store, action: &str, spec: &Spec, more: &[(&str, &str)]) {
    let mut labels_bytes = 0;
    for (key, value) in &spec.labels {
        labels_bytes += key.len() + value.len();
    }
    let mut attributes = if labels_bytes < LINE_BYTES_MAX { spec.labels.clone() } else { Attributes::new() };
    for words in [&[("image", spec.image.as_str()), ("name", &spec.name)], more] {
        for (key, value) in words {
            attributes.insert((*key).to_owned(), (*value).to_owned());
        }
    }
    tell(store, "container", action, &spec.id, &attributes);
}

/// Something happened to an image, known by `id` and `name`.
pub fn image(store: &Store, action: &str, id: &str, name: &str) {
    let id = format!("sha256:{}", id.strip_prefix("sha256:").unwrap_or(id));
    let name = if name.is_empty() { id.as_str() } else { name };
    let mut attributes = Attributes::new();
    attributes.insert("name".to_owned(), name.to_owned());
    tell(store, "image", action, &id, &attributes);
}

/// Something happened to a volume.
pub fn volume(store: &Store, action: &str, name: &str) {
    let mut attributes = Attributes::new();
    attributes.insert("driver".to_owned(), "local".to_owned());
    tell(store, "volume", action, name, &attributes);
}

/// Something happened to a network, or to a container on it ("" where it is about none).
pub fn network(store: &Store, action: &str, id: &str, name: &str, container: &str) {
    let mut attributes = Attributes::new();
    for (key, value) in [("name", name), ("type", "bridge"), ("container", container)] {
        if !value.is_empty() {
            attributes.insert(key.to_owned(), value.to_owned());
        }
    }
    tell(store, "network", action, id, &attributes);
}

/// A container came to some networks with its start, or left them with its end.
pub fn networks(store: &Store, action: &str, container: &str, attached: &[Attached]) {
    for one in attached {
        network(store, action, &one.network_id, &one.network, container);
    }
}

/// An event in the words of docker's API.
fn tell(store: &Store, kind: &str, action: &str, id: &str, attributes: &Attributes) {
    let now = time::now();
    let old = |word| if matches!(kind, "volume" | "network") { "" } else { word }; // docker's older fields
    let from = attributes.get("image").map_or("", String::as_str);
    let about = texts(&[("status", old(action)), ("id", old(id)), ("from", from), ("Type", kind), ("Action", action)]);
    let (actor, attributes, seconds) = (texts(&[("ID", id)]), to_json(attributes), now / time::SECOND);
    let line = format!(
        "{{{about},\"Actor\":{{{actor},\"Attributes\":{attributes}}},\"scope\":\"local\",\"time\":{seconds},\"timeNano\":{now}}}\n"
    );
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
        at::rename(CWD, &path, &format!("{path}.1"))?;
    }
    Ok(())
}

/// Reads the events, from the oldest one or from now on. The lines are JSON.
pub fn read(store: &Store, from_now: bool) -> Result<Reader> {
    let dir = file::make_dirs(&store.run_path, 0o700)?;
    let mut any = |_: &[u8]| true;
    Reader::open(dir, NAME, if from_now { From::End(0, &mut any) } else { From::Start })
}
