//! Volumes: `volumes/<name>/_data`, and `volume.json` beside it. Nothing here is ever removed on the way of something else.

use super::{Store, containers, events, trash};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, fault, file, hex, time};
use crate::spec::Spec;
use crate::spec::map::Map;
use crate::spec::order;
use crate::spec::record::{from_json, record, to_json};
use crate::spec::text;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation};
use rustix::io::Errno;

/// docker's label of a volume that nobody named.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";
const RECORD: &str = "volume.json";

/// What is known about a volume.
#[derive(Default)]
pub struct Volume {
    /// Nanoseconds since 1970 UTC.
    pub created: i64,
    /// Its labels, [`ANONYMOUS`] among them.
    pub labels: Map<String, String>,
}

record! { Volume { created, labels } }

/// Opens the volume's directory; makes it when it is missing, which the second part of the answer tells. `labels` are
/// those of a new one. Nobody removes it meanwhile; afterwards only a record that names it keeps it.
pub fn ensure(store: &Store, name: &str, labels: Map<String, String>) -> Result<(OwnedFd, bool)> {
    let volumes = lock(store, false)?;
    let make = || -> Result<(OwnedFd, bool)> {
        let dir = file::make_dir_at(volumes.as_fd(), name, 0o701)?;
        fault::point("volume:named");
        let is_new = !file::exists_at(dir.as_fd(), "_data");
        if is_new {
            let record = to_json(&Volume { created: time::now(), labels });
            file::replace_at(dir.as_fd(), RECORD, record.as_bytes(), false)?;
            fault::point("volume:noted");
            file::make_dir_at(dir.as_fd(), "_data", 0o755)?;
            events::volume(store, "create", name);
        }
        Ok((dir, is_new))
    };
    make().map_err(|e| store.locate(&format!("volumes/{name}"), e))
}

/// The path of a volume's data.
pub fn path(store: &Store, name: &str) -> String {
    format!("{}/volumes/{name}/_data", store.root_path)
}

/// What is known about a volume; `None` when there is none of this name.
pub fn get(store: &Store, name: &str) -> Result<Option<Volume>> {
    let volumes = store.dir("volumes")?;
    let stat = match at::stat(volumes.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(store.locate("volumes", Error::os(format_args!("look at {name}"), errno))),
    };
    let path = format!("{name}/{RECORD}");
    let text = match file::read_at(volumes.as_fd(), &path, file::RECORD_BYTES_MAX) {
        // One that was made before there were records.
        Ok(text) if !containers::is_blank(&text) => text,
        Err(error) if !error.is(Errno::NOENT) => return Err(store.locate("volumes", error)),
        // Or one whose making a power cut ended, before anybody was told of it.
        _ => {
            return Ok(Some(Volume { created: stat.st_mtime * time::SECOND, labels: labels_of(hex::is(name, 64)) }));
        }
    };
    let mut known = Volume::default();
    if !core::str::from_utf8(&text).is_ok_and(|text| from_json(&mut known, text)) {
        return Err(Error::new(format_args!("the record {}/volumes/{path} is damaged", store.root_path)));
    }
    Ok(Some(known))
}

/// The labels of a new volume that nobody labelled.
pub fn labels_of(is_anonymous: bool) -> Map<String, String> {
    let mut labels = Map::new();
    if is_anonymous {
        labels.insert(ANONYMOUS.to_owned(), String::new());
    }
    labels
}

/// The names of all volumes, in order.
pub fn names(store: &Store) -> Result<Vec<String>> {
    let names = file::names(store.dir("volumes")?.as_fd())?;
    Ok(order::sorted(names.into_iter().filter(|name| !name.starts_with('.')).collect(), &|a, b| a < b))
}

/// Whether a container mounts a volume.
pub fn is_mounted(spec: &Spec, name: &str) -> bool {
    spec.mounts.iter().any(|mount| mount.is_volume() && mount.source == name)
}

/// Holds off the removal of volumes, or (`exclusive`) everybody who makes or finds one for a container whose record
/// names it already. Until the answer is dropped; forked processes share the lock. Who locks images locks them before.
fn lock(store: &Store, exclusive: bool) -> Result<OwnedFd> {
    let volumes = store.dir("volumes")?;
    let operation = if exclusive { FlockOperation::LockExclusive } else { FlockOperation::LockShared };
    wait_for(&volumes, operation)?;
    Ok(volumes)
}

/// flock(2) of volumes.
pub fn wait_for(dir: &OwnedFd, operation: FlockOperation) -> Result<()> {
    super::wait_for(dir, operation, "lock the volumes")
}

/// The ids of containers that mount a volume, other than `but`, each with a comma before it but the first.
fn users(store: &Store, name: &str, but: &str) -> Result<String> {
    let mut users = String::new();
    for id in &containers::ids(store)? {
        // No look that finishes a removal: it would wait for the lock that we hold.
        match containers::open(store, id) {
            Ok(container) if id != but && is_mounted(&container.spec, name) => {
                text::add(&mut users, ", ", id);
            }
            Err(error) if file::exists_at(store.containers.as_fd(), id) && !containers::is_going(store, id) => {
                return Err(Error::new(format_args!("cannot tell whether volume {name} is in use: {error}")));
            }
            _ => {}
        }
    }
    Ok(users)
}

/// Removes a volume with its data, unless a container uses it; false when it does not exist. The error is docker's, with
/// the ids of those containers. A container whose record cannot be read may use it, too.
pub fn remove(store: &Store, name: &str) -> Result<bool> {
    let lock = lock(store, true)?;
    if !file::exists_at(lock.as_fd(), name) {
        return Ok(false);
    }
    let users = users(store, name, "")?;
    if !users.is_empty() {
        return Err(Error::new(format_args!("remove {name}: volume is in use - [{users}]")));
    }
    let is_gone = throw(store, &lock, name)?;
    rustix::fs::fsync(&lock).tried("sync the volumes")?; // before its content goes: what comes back would be half of it
    Ok(is_gone)
}

/// Removes a volume together with the container that it was made for. It stays if another one may use it.
pub fn remove_with(store: &Store, name: &str, container: &str) -> Result<()> {
    let lock = lock(store, true)?;
    match users(store, name, container) {
        Ok(users) if users.is_empty() => throw(store, &lock, name).map(drop),
        _ => Ok(()),
    }
}

fn throw(store: &Store, volumes: &OwnedFd, name: &str) -> Result<bool> {
    let is_gone = trash::throw(store, volumes.as_fd(), name)?;
    if is_gone {
        events::volume(store, "destroy", name);
    }
    Ok(is_gone)
}
