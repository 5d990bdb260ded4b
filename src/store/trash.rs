//! Half-made and half-deleted things. Making happens in `tmp/`, deleting in `trash/`, and a rename is the moment of truth.

use super::Store;
use crate::error::{Result, Tried};
use crate::kernel::{at, file, hex};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

/// A directory being made in `tmp/`. The flock on it tells sweepers that its maker lives.
pub struct Draft {
    /// Its name in `tmp/`.
    pub name: String,
    /// The directory.
    pub dir: OwnedFd,
    tmp: OwnedFd,
}

/// Makes an empty, locked directory in `tmp/`.
pub fn draft(store: &Store) -> Result<Draft> {
    draft_in(store.dir("tmp")?, "").map_err(|e| store.locate("tmp", e))
}

/// The same in a directory that need not be the store's. Its name begins with `prefix`.
pub fn draft_in(tmp: OwnedFd, prefix: &str) -> Result<Draft> {
    let links = |dir: &OwnedFd| Ok(fstat(dir).tried("look at a new directory")?.st_nlink);
    loop {
        let name = prefix.to_owned() + &hex::encode(&hex::random(8));
        // A sweeper may come between any two of these calls: it takes the lock, or the directory. Then another one is made.
        let dir = match file::make_dir_at(tmp.as_fd(), &name, 0o700) {
            Err(error) if error.is(Errno::NOENT) && links(&tmp)? > 0 => continue,
            other => other?,
        };
        match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN) => continue,
            other => other.tried("lock a new directory")?,
        }
        if links(&dir)? > 0 {
            return Ok(Draft { name, dir, tmp });
        }
    }
}

impl Draft {
    /// Moves the finished directory to its place; `EXIST` or `NOTEMPTY` when there is one already.
    pub fn place(self, into: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
        at::rename_into(self.tmp.as_fd(), &self.name, into, name).tried(format_args!("put {name} in its place"))?;
        Ok(self.dir)
    }

    /// Gives up: removes it.
    pub fn discard(self) {
        // What cannot be removed now is removed by the next sweep.
        let _ = file::remove_tree(self.tmp.as_fd(), &self.name);
    }
}

/// Takes `name` out of `dir` in one step; the content is deleted by [`sweep`]. False when it is not there.
pub fn throw(store: &Store, dir: BorrowedFd<'_>, name: &str) -> Result<bool> {
    let trash = store.dir("trash")?;
    let there = format!("{name}.{}", hex::encode(&hex::random(4)));
    match at::rename_into(dir, name, trash.as_fd(), &there) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(crate::error::Error::os(format_args!("remove {name}"), errno)),
    }
}

/// Deletes what is in `trash/`, and in `tmp/` what no living process is making. Errors stay: the next sweep tries again.
pub fn sweep(store: &Store) -> Result<()> {
    let trash = store.dir("trash")?;
    let _ = flock(&trash, FlockOperation::LockShared); // tells [`left`]; nothing depends on it
    each(store, &mut |dir, _, name| drop(file::remove_tree(dir, name)))
}

/// What a killed command left in `tmp/` and `trash/`: nobody makes or deletes it at this moment.
pub fn left(store: &Store) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let trash = store.dir("trash")?;
    let is_swept = flock(&trash, FlockOperation::NonBlockingLockExclusive).is_err();
    each(store, &mut |dir, place, name| {
        if !(is_swept && place == TRASH) && file::exists_at(dir, name) {
            left.push([place, "/", name].concat());
        }
    })?;
    Ok(left)
}

const TRASH: &str = "trash";

/// Shows what lies in `trash/` and `tmp/`, but for what a living process is making: the directory, what it is called, and a name
/// in it. Nobody takes it for himself meanwhile.
fn each(store: &Store, see: &mut dyn FnMut(BorrowedFd<'_>, &str, &str)) -> Result<()> {
    for place in [TRASH, "tmp"] {
        let dir = store.dir(place)?;
        for name in &file::names(dir.as_fd())? {
            let made = if place == TRASH { None } else { file::open_dir_at(dir.as_fd(), name).ok() };
            let is_ours = |dir: &OwnedFd| flock(dir, FlockOperation::NonBlockingLockExclusive).is_ok();
            if made.as_ref().is_none_or(is_ours) {
                see(dir.as_fd(), place, name);
            }
        }
    }
    Ok(())
}
