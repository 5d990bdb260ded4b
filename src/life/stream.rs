//! monitor: bytes between the container and whoever is attached to it, with the log in the middle.

use super::control;
use super::log;
use crate::error::Result;
use crate::kernel::process;
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::termios::Winsize;

/// Bytes moved at once.
const CHUNK_BYTES: usize = 64 << 10;
/// So much may wait for one reader before it holds the container, and with it the other readers, back: docker's limit.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// One who reads along.
struct Reader {
    /// The client whose it is.
    of: u32,
    /// Non-blocking.
    to: OwnedFd,
    waiting: Vec<u8>,
}

/// One output stream of a container. A reader that is slow holds the container back, as a pipe would; one that is gone
/// is forgotten.
pub struct Output {
    /// Non-blocking; `None` after its end.
    source: Option<OwnedFd>,
    readers: Vec<Reader>,
    log: log::Stream,
}

impl Output {
    /// A stream from `source` (non-blocking) to the log as `name`.
    pub fn new(source: Option<OwnedFd>, name: &'static str) -> Self {
        Self { source, readers: Vec::new(), log: log::Stream::new(name) }
    }

    /// From now on it goes to this pipe, too, until the client is forgotten. The pipe must be non-blocking.
    pub fn add(&mut self, of: u32, to: OwnedFd) {
        if self.source.is_some() {
            self.readers.push(Reader { of, to, waiting: Vec::new() });
        }
    }

    /// A client has left.
    pub fn forget(&mut self, of: u32) {
        self.readers.retain(|reader| reader.of != of);
    }

    /// Adds what this stream waits for.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        for reader in &self.readers {
            if !reader.waiting.is_empty() {
                fds.push(PollFd::from_borrowed_fd(reader.to.as_fd(), PollFlags::OUT));
            }
        }
        if let Some(source) = &self.source
            && !self.is_held_back()
        {
            fds.push(PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN));
        }
    }

    /// Whether somebody still reads it.
    pub fn has_reader(&self) -> bool {
        !self.readers.is_empty()
    }

    fn is_held_back(&self) -> bool {
        self.readers.iter().any(|reader| reader.waiting.len() >= WAITING_BYTES_MAX)
    }

    /// Moves what can be moved now. `is_last`: the container has ended, so what is not there now never comes.
    pub fn pump(&mut self, log: &mut log::Log, is_last: bool) -> Result<()> {
        let mut result = Ok(());
        self.flush();
        // At the end everything is taken in, as much as a pipe holds: a reader that is stuck must not hold the truth back.
        while (is_last || !self.is_held_back())
            && let Some(source) = &self.source
        {
            match control::read_some(source.as_fd(), CHUNK_BYTES) {
                None if !is_last => return result,
                Some(bytes) if !bytes.is_empty() => {
                    result = result.and(self.log.write(log, &bytes));
                    for reader in &mut self.readers {
                        reader.waiting.extend_from_slice(&bytes);
                    }
                    self.flush();
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
        let is_open = self.source.is_some();
        // Closing the pipe is how its reader learns of the end.
        self.readers.retain_mut(|reader| {
            control::write_some(&reader.to, &mut reader.waiting).is_ok() && (is_open || !reader.waiting.is_empty())
        });
    }
}

/// After the end: passes on what readers have not taken yet, however long that takes.
pub fn linger(outputs: &mut [Output]) {
    loop {
        let mut fds = Vec::new();
        for output in &*outputs {
            output.watch(&mut fds);
        }
        if fds.is_empty() {
            return;
        }
        process::wait_for(&mut fds, -1);
        drop(fds);
        outputs.iter_mut().for_each(Output::flush);
    }
}

/// What the container reads: what all who are attached type or send.
pub struct Input {
    /// Non-blocking.
    sources: Vec<OwnedFd>,
    /// A terminal's master, or a pipe's write end (non-blocking); `None` when the container reads nothing, or no more.
    sink: Option<OwnedFd>,
    waiting: Vec<u8>,
}

impl Input {
    /// What goes to `sink`.
    pub fn new(sink: Option<OwnedFd>) -> Self {
        Self { sources: Vec::new(), sink, waiting: Vec::new() }
    }

    /// One more who types; its pipe must be non-blocking.
    pub fn add(&mut self, source: OwnedFd) {
        if self.sink.is_some() {
            self.sources.push(source);
        }
    }

    /// The container finds the end of its input.
    pub fn close(&mut self) {
        *self = Self::new(None);
    }

    /// The terminal, if it is one, has another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        if let Some(sink) = &self.sink {
            let _ = rustix::termios::tcsetwinsize(sink, size); // a pipe has none; the terminal may be gone
        }
    }

    /// Adds what this stream waits for.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        match &self.sink {
            Some(sink) if !self.waiting.is_empty() => {
                fds.push(PollFd::from_borrowed_fd(sink.as_fd(), PollFlags::OUT));
            }
            _ => {
                for source in &self.sources {
                    fds.push(PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN));
                }
            }
        }
    }

    /// Moves what can be moved now.
    pub fn pump(&mut self) {
        let Some(sink) = &self.sink else { return };
        if self.waiting.is_empty() {
            self.sources.retain(|source| match control::read_some(source.as_fd(), CHUNK_BYTES) {
                Some(bytes) => {
                    self.waiting.extend_from_slice(&bytes);
                    !bytes.is_empty()
                }
                None => true,
            });
        }
        if control::write_some(sink, &mut self.waiting).is_err() {
            if rustix::termios::isatty(sink) {
                self.waiting.clear(); // nobody holds its other side now; somebody may again
            } else {
                self.close(); // those who send learn it from their pipes
            }
        }
    }
}
