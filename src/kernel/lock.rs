//! Locks on bytes of a file: open-file-description locks, fcntl(2). The kernel drops them with the last descriptor,
//! however its holder dies.

use super::sys;
use crate::error::{Error, Result, Tried};
use alloc::format;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// Opens (and makes, when missing) the lock file `name`.
pub fn open(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    openat(dir, name, OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::from(0o600))
        .tried_with(|| format!("open {name}"))
}

/// Takes the byte; false when somebody else has it.
pub fn take(file: BorrowedFd<'_>, byte: i64) -> Result<bool> {
    sys::ofd_lock(file, byte).tried("lock")
}

/// Takes the byte, waiting for its turn.
pub fn wait(file: BorrowedFd<'_>, byte: i64) -> Result<()> {
    sys::ofd_lock_wait(file, byte).tried("lock")
}

/// Whether somebody holds the byte of the lock file `name`; a file that does not exist is held by nobody.
pub fn held(dir: BorrowedFd<'_>, name: &str, byte: i64) -> Result<bool> {
    match openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(file) => sys::ofd_locked(file.as_fd(), byte).tried_with(|| format!("ask for the lock {name}")),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(Error::os(format!("open {name}"), errno)),
    }
}
