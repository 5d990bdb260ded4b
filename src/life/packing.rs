//! command: a child that writes an archive while we read it, or to a file. It may enter namespaces; we do not.

use super::control::{self, Message};
use super::program;
use crate::error::{Error, Result};
use crate::kernel::{io, process, sys};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// A child's work: writes something to the sink.
pub type Writer<'a> = dyn FnMut(&mut dyn io::Sink) -> Result<()> + 'a;

/// Runs `writer` in a child whose output is what `reader` reads. Errors of the writer win: the reader's is their echo.
pub fn packed(writer: &mut Writer<'_>, reader: &mut dyn FnMut(&mut dyn io::Source) -> Result<()>) -> Result<()> {
    let (read, write) = control::pipe()?;
    control::widen(write.as_fd());
    let mut read = Some(read);
    let mut work = || writer(&mut io::File { fd: write.as_fd(), name: "the archive" });
    let (child, sync) = spawn(0, &mut work, &mut || drop(read.take()))?;
    drop(write);
    let Some(read) = read else { sys::exit(1) };
    let got = reader(&mut io::File { fd: read.as_fd(), name: "the packed layer" });
    drop(read); // a writer that is not done gets EPIPE, and ends
    match (await_writer(&child, sync.as_fd()), got) {
        (Err(error), Err(got)) if error.is(rustix::io::Errno::PIPE) => Err(got),
        (Err(error), _) => Err(error),
        (Ok(()), got) => got,
    }
}

/// Has a child do this work, in new `namespaces` (`CLONE_NEW*`), and waits for it.
pub fn in_child(namespaces: u32, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let (child, sync) = spawn(namespaces, work, &mut || ())?;
    await_writer(&child, sync.as_fd())
}

/// A child that does this work, in new `namespaces`. `close` closes, in it, what only the parent may hold.
pub fn spawn(
    namespaces: u32,
    work: &mut dyn FnMut() -> Result<()>,
    close: &mut dyn FnMut(),
) -> Result<(process::Child, OwnedFd)> {
    let (sync, child_sync) = control::pair()?;
    let mut moved = Some(sync);
    let child = process::spawn(namespaces, None, &mut || {
        drop(moved.take());
        close();
        match work() {
            Ok(()) => sys::exit(0),
            Err(error) => program::fail(child_sync.as_fd(), error),
        }
    })?;
    match moved {
        Some(sync) => Ok((child, sync)),
        None => sys::exit(1),
    }
}

/// Waits until the child is done, and tells what it reported.
pub fn await_writer(child: &process::Child, sync: BorrowedFd<'_>) -> Result<()> {
    let code = process::wait(child.pidfd.as_fd());
    match control::receive(sync)? {
        Some((Message::Failed(error), _)) => Err(error),
        _ if code == 0 => Ok(()),
        _ => Err(Error::new("the process that handles the archive was killed")),
    }
}
