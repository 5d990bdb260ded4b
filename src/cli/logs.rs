//! `logs`.

use super::args::Parsed;
use super::{OK, open_store};
use mydocker::error::{Error, Result, Tried};
use mydocker::kernel::{io, process, sys};
use mydocker::life::control::{self, Message};
use mydocker::life::{log, stop};
use mydocker::store::containers;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{SeekFrom, inotify, seek};

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// `logs [-f] [--tail N] CONTAINER`
pub fn logs(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let container = containers::find(&store, &parsed.words[0])?;
    let file = containers::open_log(container.dir.as_fd(), false)?;
    // Anything that is no number means all, as docker has it.
    if let Some(count) = parsed.last("tail").and_then(|text| text.parse::<u64>().ok()) {
        let at = log::tail_offset(file.as_fd(), count)?;
        seek(&file, SeekFrom::Start(at)).tried("read the log")?;
    }
    let mut copier = Copier { rest: Vec::new(), out: Vec::new(), is_out_stderr: false };
    if !parsed.on("follow") {
        copier.copy(file.as_fd())?;
        return Ok(OK);
    }
    let path = format!("{}/containers/{}/log", store.root_path, container.spec.id);
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).tried("watch the log")?;
    inotify::add_watch(&watch, path.as_str(), inotify::WatchFlags::MODIFY).tried("watch the log")?;
    let monitor = stop::dial(&store, &container)?;
    if let Some(monitor) = &monitor {
        let _ = control::send(monitor.as_fd(), &Message::Wait); // one that has just ended hangs up, which is an answer too
    }
    loop {
        // The end is asked for before the copy: what was written before it is certainly copied.
        let is_over = monitor.as_ref().is_none_or(|monitor| process::readable(monitor.as_fd(), 0));
        copier.copy(file.as_fd())?;
        if is_over {
            return Ok(OK);
        }
        let mut fds = vec![PollFd::new(&watch, PollFlags::IN)];
        fds.extend(monitor.as_ref().map(|monitor| PollFd::new(monitor, PollFlags::IN)));
        process::wait_for(&mut fds, -1);
        let mut events = [0u8; 4096];
        while rustix::io::read(&watch, &mut events).is_ok_and(|n| n > 0) {} // only that there were some matters
    }
}

/// Copies records to our two streams, in as few writes as possible.
struct Copier {
    rest: Vec<u8>,
    out: Vec<u8>,
    is_out_stderr: bool,
}

impl Copier {
    /// Copies what is in the log from its current position on.
    fn copy(&mut self, file: BorrowedFd<'_>) -> Result<()> {
        let mut buf = vec![0u8; CHUNK_BYTES];
        loop {
            let n = io::read(file, &mut buf).tried("read the log")?;
            if n == 0 {
                return self.flush();
            }
            let mut data = std::mem::take(&mut self.rest);
            data.extend_from_slice(&buf[..n]);
            let mut from = 0;
            while let Some(length) = data[from..].iter().position(|b| *b == b'\n') {
                self.record(&data[from..from + length])?;
                from += length + 1;
            }
            data.drain(..from);
            self.rest = data;
        }
    }

    fn record(&mut self, line: &[u8]) -> Result<()> {
        let Some(record) = log::parse(line) else { return Ok(()) };
        if record.is_stderr != self.is_out_stderr || self.out.len() > CHUNK_BYTES {
            self.flush()?;
            self.is_out_stderr = record.is_stderr;
        }
        self.out.extend_from_slice(record.content);
        if record.is_whole {
            self.out.push(b'\n');
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let to = if self.is_out_stderr { sys::stderr() } else { sys::stdout() };
        let done = io::write_all(to, &self.out).map_err(|errno| Error::os("write our output", errno));
        self.out.clear();
        done
    }
}
