//! Names of containers: a symlink per name. Making it is the atomic reservation; a link to a container that does not
//! exist is left over from a crash and may be replaced.

use super::Store;
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file, hex};
use alloc::string::String;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FlockOperation, RenameFlags, flock, fsync, renameat_with};
use rustix::io::Errno;

/// Reserves the name for the container. Its directory must be in place already.
pub fn reserve(store: &Store, name: &str, id: &str) -> Result<()> {
    match at::symlink(id, store.names.as_fd(), name) {
        Err(Errno::EXIST) => {}
        other => return other.tried(format_args!("reserve the name {name}")),
    }
    // Taken, or left over. Whoever changes an existing link does so under this lock.
    let _lock = lock(store)?;
    loop {
        free(store, name)?;
        match at::symlink(id, store.names.as_fd(), name) {
            Err(Errno::EXIST) => {} // somebody without the lock was faster; now it has a living holder
            other => return other.tried(format_args!("reserve the name {name}")),
        }
    }
}

/// Removes a name that leads nowhere; an error for one that is taken.
fn free(store: &Store, name: &str) -> Result<()> {
    if !file::exists_at(store.names.as_fd(), name) {
        return Ok(());
    }
    if let Some(holder) = holder(store, name)
        && file::exists_at(store.containers.as_fd(), &holder)
    {
        return Err(Error::new(format_args!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". \
             You have to remove (or rename) that container to be able to reuse that name."
        )));
    }
    match at::remove(store.names.as_fd(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::os(format_args!("replace the stale name {name}"), errno)),
    }
}

/// Makes a container's name another one, in one step and durably.
pub fn rename(store: &Store, old: &str, new: &str, id: &str) -> Result<()> {
    let _lock = lock(store)?;
    if holder(store, old).as_deref() != Some(id) {
        return Err(Error::new(format_args!("the name {old} does not lead to container {id}")));
    }
    let take_over = || {
        let (old, new) = (at::c(old)?, at::c(new)?);
        renameat_with(&store.names, &*old, &store.names, &*new, RenameFlags::NOREPLACE)
    };
    loop {
        free(store, new)?;
        match take_over() {
            Err(Errno::EXIST) => {} // somebody without the lock was faster
            other => break other.tried(format_args!("rename {old} to {new}"))?,
        }
    }
    fsync(&store.names).tried("sync the names")
}

/// The name that leads to a container, for when its record does not tell. Looks at every name.
pub fn of(store: &Store, id: &str) -> Result<Option<String>> {
    for name in &file::names(store.names.as_fd())? {
        if holder(store, name).as_deref() == Some(id) {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

/// Gives the name back, if it is still this container's.
pub fn release(store: &Store, name: &str, id: &str) -> Result<()> {
    let _lock = lock(store)?;
    if holder(store, name).as_deref() != Some(id) {
        return Ok(());
    }
    match at::remove(store.names.as_fd(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::os(format_args!("release the name {name}"), errno)),
    }
}

/// The id that the name stands for. Names with a slash are no names, whatever they would resolve to.
pub fn holder(store: &Store, name: &str) -> Option<String> {
    if name.contains('/') || name == "." || name == ".." {
        return None;
    }
    file::link_target(store.names.as_fd(), name).filter(|id| hex::is(id, 64))
}

fn lock(store: &Store) -> Result<rustix::fd::OwnedFd> {
    let own = file::open_dir_at(store.root.as_fd(), "names")?;
    flock(&own, FlockOperation::LockExclusive).tried("lock the names")?;
    Ok(own)
}
