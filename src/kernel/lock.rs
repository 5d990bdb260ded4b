//! Locks on bytes of a file: open-file-description locks, fcntl(2). The kernel drops them with the last descriptor,
//! however its holder dies.

use super::{at, sys};
use crate::error::{Error, Result, Tried};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Opens (and makes, when missing) the lock file `name`.
pub fn open(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    at::make(dir, name, OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW, 0o600).tried_to("open", name)
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
    match at::open(dir, name, OFlags::RDONLY | OFlags::NOFOLLOW) {
        Ok(file) => sys::ofd_locked(file.as_fd(), byte).tried_to("ask for the lock", name),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(Error::tried("open", name, errno)),
    }
}
