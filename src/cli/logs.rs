//! `logs`.

use super::args::Parsed;
use super::{OK, open_store, read};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use mydocker::error::{Error, Result};
use mydocker::kernel::io::{self, Gathered};
use mydocker::kernel::{process, sys, time};
use mydocker::life::control::{self, Message};
use mydocker::life::log::{self, Record};
use mydocker::life::stop;
use mydocker::store::Store;
use mydocker::store::containers::{self, Container};
use mydocker::store::journal::{self, Reader};
use rustix::event::{PollFd, PollFlags};
use rustix::fd::AsFd;

/// Bytes that are written at once: a pipe's fill, so that its reader works while we do.
const CHUNK_BYTES: usize = 64 << 10;
/// More than that and a record.
const OUT_BYTES: usize = 512 << 10;

/// `logs [-f] [-t] [-n N] [--since TIME] [--until TIME] [--details] CONTAINER`
pub fn logs(parsed: &Parsed) -> Result<u8> {
    let moment = |key: &str| parsed.read(key, |text| read::moment::moment(text, time::now()));
    let (since, until) = (moment("since")?, moment("until")?);
    let store = open_store()?;
    let container = containers::find(&store, parsed.word(0))?;
    if !container.spec.log.is_kept {
        let (name, driver) = (&container.spec.name, &container.spec.log.driver);
        let why = format!("container {name} was made with --log-driver {driver}, which keeps nothing");
        return Err(Error::new(format_args!("configured logging driver does not support reading: {why}")));
    }
    // Anything that is no number means all, as docker has it.
    let tail = parsed.last("tail").and_then(|text| text.parse().ok());
    let reader = log::read(process::duplicate(&container.dir)?, tail)?;
    let mut copier = Copier {
        since: since.map(time::rfc3339),
        until: until.map(time::rfc3339),
        with_times: parsed.on("timestamps"),
        with_details: parsed.on("details"),
        is_inside: [false; 2],
        is_shown: [true; 2],
        out: Gathered::new(OUT_BYTES),
        is_out_stderr: false,
    };
    if parsed.on("follow") {
        follow(&store, &container, reader, &mut copier, until)?;
    } else {
        copier.copy(&mut { reader })?;
    }
    Ok(OK)
}

/// Copies what is there and what comes, until the container has ended or a moment has come.
fn follow(
    store: &Store,
    container: &Container,
    mut reader: Reader,
    copier: &mut Copier,
    until: Option<i64>,
) -> Result<()> {
    let watch = reader.watch()?;
    let monitor = stop::dial(store, container)?;
    if let Some(monitor) = &monitor {
        let _ = control::send(monitor.as_fd(), &Message::Wait); // one that has just ended hangs up, which is an answer too
    }
    loop {
        // The end is asked for before the copy: what was written before it is certainly copied.
        let left_ms = until.map_or(-1, time::ms_until);
        let is_over = left_ms == 0 || monitor.as_ref().is_none_or(|monitor| process::readable(monitor.as_fd(), 0));
        copier.copy(&mut reader)?;
        if is_over {
            return Ok(());
        }
        let mut fds = vec![PollFd::new(&watch, PollFlags::IN)];
        fds.extend(monitor.as_ref().map(|monitor| PollFd::new(monitor, PollFlags::IN)));
        process::wait_for(&mut fds, left_ms);
        journal::calm(&watch);
    }
}

/// Copies records to our two streams, in as few writes as possible.
struct Copier {
    /// No line before this, in the log's own words: their order is that of time.
    since: Option<String>,
    /// No line after this.
    until: Option<String>,
    with_times: bool,
    with_details: bool,
    /// Whether the last piece of each stream left its line unfinished, and whether that line is shown.
    is_inside: [bool; 2],
    is_shown: [bool; 2],
    out: Gathered,
    is_out_stderr: bool,
}

impl Copier {
    /// Copies what is in the log now.
    fn copy(&mut self, reader: &mut Reader) -> Result<()> {
        while let Some(line) = reader.line()? {
            // One that a power cut has torn is none.
            if let Some(record) = log::parse(line) {
                self.record(&record)?;
            }
        }
        self.flush()
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let stream = usize::from(record.is_stderr);
        let is_first = !self.is_inside[stream];
        self.is_inside[stream] = !record.is_whole;
        if is_first {
            self.is_shown[stream] = self.since.as_deref().is_none_or(|since| record.time >= since.as_bytes())
                && self.until.as_deref().is_none_or(|until| record.time <= until.as_bytes());
        }
        if !self.is_shown[stream] {
            return Ok(());
        }
        if record.is_stderr != self.is_out_stderr || self.out.room() < OUT_BYTES - CHUNK_BYTES {
            self.flush()?;
            self.is_out_stderr = record.is_stderr;
        }
        if is_first && self.with_times {
            self.out.add(record.time);
            self.out.add(b" ");
        }
        if is_first && self.with_details {
            self.out.add(b" "); // docker's list of labels to log with each line, which is empty
        }
        self.out.add(record.content);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let to = if self.is_out_stderr { sys::stderr() } else { sys::stdout() };
        let done = io::write_all(to, self.out.bytes()).map_err(|errno| Error::os("write our output", errno));
        self.out.cut(0);
        done
    }
}
