//! monitor: bytes between the container and whoever is attached to it, with the log in the middle.

use super::control;
use super::log;
use crate::error::Result;
use crate::kernel::io::Gathered;
use crate::kernel::process;
use alloc::vec;
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::termios::Winsize;

/// Bytes that are read at once, and what a pipe(7) has room for at first.
const CHUNK_BYTES: usize = 64 << 10;
/// The same of what people type.
const TYPED_BYTES: usize = 4 << 10;
/// So much of a stream is moved before everything else gets its turn. An empty line is a record of 41 bytes in the log.
const TURN_BYTES: usize = 128 << 10;
/// The same at the end: as much as a pipe holds.
const LAST_BYTES: usize = 1 << 20;
/// So much may wait for one reader before it holds the container, and with it the other readers, back: docker's limit.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// What bytes pass through on their way to the log. A container that is silent has none.
#[derive(Default)]
pub struct Buffers {
    chunk: Vec<u8>,
    records: Gathered,
}

impl Buffers {
    /// Whether they take up memory.
    pub fn are_there(&self) -> bool {
        !self.chunk.is_empty()
    }

    fn make(&mut self) -> (&mut [u8], &mut Gathered) {
        if !self.are_there() {
            *self = Self { chunk: vec![0; CHUNK_BYTES], records: Gathered::new(log::RECORDS_BYTES) };
        }
        (&mut self.chunk, &mut self.records)
    }
}

/// One who reads along.
struct Reader {
    /// The client whose it is.
    of: u32,
    /// Non-blocking.
    to: OwnedFd,
    waiting: Vec<u8>,
    /// How much of that it has taken.
    taken: usize,
}

impl Reader {
    /// Gives it these bytes after all that waits, as far as it takes them now. An error is the end.
    fn give(&mut self, bytes: &[u8]) -> core::result::Result<(), Errno> {
        if self.waiting.is_empty() {
            let taken = control::write_some(self.to.as_fd(), bytes)?;
            self.waiting.extend_from_slice(&bytes[taken..]);
            return Ok(());
        }
        self.waiting.extend_from_slice(bytes);
        self.taken += control::write_some(self.to.as_fd(), &self.waiting[self.taken..])?;
        if self.taken == self.waiting.len() {
            (self.waiting, self.taken) = (Vec::new(), 0);
        } else if self.taken > WAITING_BYTES_MAX / 2 {
            self.waiting.drain(..core::mem::take(&mut self.taken));
        }
        Ok(())
    }
}

/// One output stream of a container. A reader that is slow holds the container back, as a pipe would; one that is gone
/// is forgotten.
pub struct Output {
    /// Non-blocking; `None` after its end.
    source: Option<OwnedFd>,
    /// Whether it was given a larger pipe.
    is_wide: bool,
    readers: Vec<Reader>,
    log: log::Stream,
}

impl Output {
    /// A stream from `source` (non-blocking) to the log as `name`.
    pub fn new(source: Option<OwnedFd>, name: &'static str) -> Self {
        Self { source, is_wide: false, readers: Vec::new(), log: log::Stream::new(name) }
    }

    /// From now on it goes to this pipe, too, until the client is forgotten. The pipe must be non-blocking.
    pub fn add(&mut self, of: u32, to: OwnedFd) {
        if self.source.is_some() {
            self.readers.push(Reader { of, to, waiting: Vec::new(), taken: 0 });
        }
    }

    /// A client has left.
    pub fn forget(&mut self, of: u32) {
        self.readers.retain(|reader| reader.of != of);
    }

    /// Adds what this stream waits for. Returns which of them tells that there is something to read.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) -> Option<usize> {
        for reader in &self.readers {
            if !reader.waiting.is_empty() {
                fds.push(PollFd::from_borrowed_fd(reader.to.as_fd(), PollFlags::OUT));
            }
        }
        let source = self.source.as_ref().filter(|_| !self.is_held_back())?;
        fds.push(PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN));
        Some(fds.len() - 1)
    }

    /// Whether somebody still reads it.
    pub fn has_reader(&self) -> bool {
        !self.readers.is_empty()
    }

    fn is_held_back(&self) -> bool {
        self.readers.iter().any(|reader| reader.waiting.len() - reader.taken >= WAITING_BYTES_MAX)
    }

    /// Moves what can be moved now. `is_ready`: there is something to read; `is_last`: the container has ended, so what is
    /// not there now never comes.
    pub fn pump(&mut self, log: &mut log::Log, buffers: &mut Buffers, is_ready: bool, is_last: bool) -> Result<()> {
        self.give(b"");
        let mut result = Ok(());
        if self.source.is_none() || !is_last && (self.is_held_back() || !is_ready) {
            return result;
        }
        let (chunk, records) = buffers.make();
        let mut moved = 0;
        // At the end everything is taken in, as much as a pipe holds: a reader that is stuck must not hold the truth back, nor
        // who has outlived the container and writes on.
        let mut has_ended = is_last;
        while moved < if is_last { LAST_BYTES } else { TURN_BYTES }
            && (is_last || !self.is_held_back())
            && let Some(source) = &self.source
        {
            let Some(n) = control::read_some(source.as_fd(), chunk) else { break };
            if n == CHUNK_BYTES && !self.is_wide {
                control::widen(source.as_fd());
                for reader in &self.readers {
                    control::widen(reader.to.as_fd());
                }
                self.is_wide = true;
            }
            result = result.and(self.log.write(log, &chunk[..n], records));
            if !self.readers.is_empty() {
                result = result.and(log.append(records)); // nobody has seen what is not in the log
            }
            self.give(&chunk[..n]);
            moved += n;
            has_ended |= n == 0;
            if n == 0 || n < CHUNK_BYTES && !is_last {
                break;
            }
        }
        if has_ended {
            result = result.and(self.log.finish(log, records));
            self.source = None;
            self.give(b"");
        }
        result.and(log.append(records))
    }

    fn give(&mut self, bytes: &[u8]) {
        let is_open = self.source.is_some();
        // Closing the pipe is how its reader learns of the end.
        self.readers.retain_mut(|reader| reader.give(bytes).is_ok() && (is_open || !reader.waiting.is_empty()));
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
        for output in &mut *outputs {
            output.give(b"");
        }
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
            self.sources.retain(|source| {
                let mut buf = [0; TYPED_BYTES];
                loop {
                    let n = control::read_some(source.as_fd(), &mut buf);
                    self.waiting.extend_from_slice(&buf[..n.unwrap_or(0)]);
                    if n != Some(TYPED_BYTES) || self.waiting.len() >= CHUNK_BYTES {
                        return n != Some(0);
                    }
                }
            });
        }
        match control::write_some(sink.as_fd(), &self.waiting) {
            Ok(n) => drop(self.waiting.drain(..n)),
            Err(_) if rustix::termios::isatty(sink) => self.waiting.clear(), // nobody holds its other side now; somebody may again
            Err(_) => self.close(),                                          // those who send learn it from their pipes
        }
    }
}
