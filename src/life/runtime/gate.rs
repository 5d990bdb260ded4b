//! What a created container waits at until it is started: a FIFO in its directory. fifo(7)

use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file, io};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mknodat};
use rustix::io::Errno;

const NAME: &str = "start";

/// create: makes the gate, and opens it for the one who waits: who holds it for both can wait for ever.
pub fn make(dir: BorrowedFd<'_>) -> Result<OwnedFd> {
    let what = "make the gate of the container";
    mknodat(dir, c"start", FileType::Fifo, Mode::from(0o600), 0).tried(what)?;
    at::open(dir, NAME, OFlags::RDWR).tried(what)
}

/// Whether nobody has started it yet.
pub fn is_closed(dir: BorrowedFd<'_>) -> bool {
    file::exists_at(dir, NAME)
}

/// child: waits until it is opened.
pub fn wait(gate: BorrowedFd<'_>) -> Result<()> {
    match io::read(gate, &mut [0]) {
        Ok(1) => Ok(()),
        other => Err(Error::os("wait for the start", other.err().unwrap_or(Errno::PIPE))),
    }
}

/// start: opens it. False when somebody else has.
pub fn open(dir: BorrowedFd<'_>) -> Result<bool> {
    let what = "open the gate of the container";
    let gate = match at::open(dir, NAME, OFlags::WRONLY | OFlags::NONBLOCK) {
        Err(Errno::NOENT) => return Ok(false),
        gate => gate.tried(what)?, // nobody waits: ENXIO
    };
    // Of two who start it at once one takes the name away.
    match at::remove(dir, NAME, AtFlags::empty()) {
        Err(Errno::NOENT) => return Ok(false),
        done => done.tried(what)?,
    }
    io::write_all(gate.as_fd(), &[0]).tried(what).map(|()| true)
}
