//! Volumes: `volumes/<name>/_data`. Nothing here is ever removed on the way of something else.

use super::{Store, events, trash};
use crate::error::{Error, Result};
use crate::kernel::{file, time};
use alloc::format;
use alloc::string::String;
use rustix::fd::AsFd;
use rustix::fs::AtFlags;
use rustix::io::Errno;

/// Makes the volume when it is missing, and tells the path of its data.
pub fn ensure(store: &Store, name: &str) -> Result<String> {
    let volumes = store.dir("volumes")?;
    let make = || -> Result<()> {
        let dir = file::make_dir_at(volumes.as_fd(), name, 0o701)?;
        file::make_dir_at(dir.as_fd(), "_data", 0o755).map(drop)
    };
    make().map_err(|e| store.locate(&format!("volumes/{name}"), e))?;
    Ok(path(store, name))
}

/// The path of a volume's data.
pub fn path(store: &Store, name: &str) -> String {
    format!("{}/volumes/{name}/_data", store.root_path)
}

/// When the volume was made, in nanoseconds since 1970; `None` when there is none of this name.
pub fn created(store: &Store, name: &str) -> Result<Option<i64>> {
    match rustix::fs::statat(store.dir("volumes")?, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat.st_mtime * time::SECOND)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(store.locate("volumes", Error::os(format!("look at {name}"), errno))),
    }
}

/// Removes a volume with its data; one that does not exist is fine.
pub fn remove(store: &Store, name: &str) -> Result<()> {
    if trash::throw(store, store.dir("volumes")?.as_fd(), name)? {
        events::volume(store, "destroy", name);
    }
    Ok(())
}
