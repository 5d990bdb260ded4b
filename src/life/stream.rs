//! monitor: bytes between the container and whoever started it in the foreground, with the log in the middle.

use super::control;
use super::log;
use crate::error::Result;
use crate::kernel::process;
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

/// Bytes moved at once.
const CHUNK_BYTES: usize = 64 << 10;

/// One output stream of a container. A reader that is slow holds the container back, as a pipe would; one that is gone
/// is forgotten.
pub struct Output {
    /// Non-blocking; `None` after its end.
    source: Option<OwnedFd>,
    client: Option<OwnedFd>,
    pending: Vec<u8>,
    log: log::Stream,
}

impl Output {
    /// A stream from `source`, to the log as `name`, and to `client` while it listens. Both must be non-blocking.
    pub fn new(source: Option<OwnedFd>, client: Option<OwnedFd>, name: &'static str) -> Self {
        let client = client.filter(|_| source.is_some());
        Self { source, client, pending: Vec::new(), log: log::Stream::new(name) }
    }

    /// Adds what this stream waits for.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        match (&self.source, &self.client) {
            (_, Some(client)) if !self.pending.is_empty() => {
                fds.push(PollFd::from_borrowed_fd(client.as_fd(), PollFlags::OUT));
            }
            (Some(source), _) => fds.push(PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN)),
            _ => {}
        }
    }

    /// Moves what can be moved now. `is_last`: the container has ended, so what is not there now never comes.
    pub fn pump(&mut self, log: &mut log::Log, is_last: bool) -> Result<()> {
        let mut result = Ok(());
        self.flush();
        // At the end everything is taken in, as much as a pipe holds: a reader that is stuck must not hold the truth back.
        while (is_last || self.pending.is_empty())
            && let Some(source) = &self.source
        {
            match control::read_some(source.as_fd(), CHUNK_BYTES) {
                None if !is_last => return result,
                Some(bytes) if !bytes.is_empty() => {
                    result = result.and(self.log.write(log, &bytes));
                    if self.client.is_some() {
                        self.pending.extend_from_slice(&bytes);
                        self.flush();
                    }
                    if !is_last {
                        return result; // everybody gets a turn
                    }
                }
                _ => {
                    result = result.and(self.log.finish(log));
                    self.source = None;
                    self.flush();
                }
            }
        }
        result
    }

    fn flush(&mut self) {
        while !self.pending.is_empty()
            && let Some(client) = &self.client
        {
            match rustix::io::write(client, &self.pending) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.client = None, // EPIPE: nobody reads any more
            }
        }
        if self.client.is_none() {
            self.pending.clear();
        }
        if self.source.is_none() {
            self.client = None; // closing it is how the reader learns of the end
        }
    }

    /// After the end: passes on what its reader has not taken yet, however long that takes.
    pub fn linger(&mut self) {
        while let Some(client) = &self.client {
            let mut fds = [PollFd::from_borrowed_fd(client.as_fd(), PollFlags::OUT)];
            process::wait_for(&mut fds, -1);
            self.flush();
        }
    }
}

/// The way of keystrokes: from the starter's pipe to the terminal's master.
pub struct Keyboard {
    source: Option<OwnedFd>,
    /// The terminal's master (non-blocking).
    pub master: OwnedFd,
    pending: Vec<u8>,
}

impl Keyboard {
    /// Keystrokes from `source` (non-blocking), if anybody types.
    pub fn new(source: Option<OwnedFd>, master: OwnedFd) -> Self {
        Self { source, master, pending: Vec::new() }
    }

    /// Adds what this stream waits for.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        if !self.pending.is_empty() {
            fds.push(PollFd::from_borrowed_fd(self.master.as_fd(), PollFlags::OUT));
        } else if let Some(source) = &self.source {
            fds.push(PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN));
        }
    }

    /// Moves what can be moved now.
    pub fn pump(&mut self) {
        if self.pending.is_empty()
            && let Some(source) = &self.source
        {
            match control::read_some(source.as_fd(), CHUNK_BYTES) {
                Some(bytes) if bytes.is_empty() => self.source = None,
                Some(bytes) => self.pending = bytes,
                None => {}
            }
        }
        while !self.pending.is_empty() {
            match rustix::io::write(&self.master, &self.pending) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.pending.clear(), // EIO: nobody holds the other side
            }
        }
    }
}
