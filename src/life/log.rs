//! The log of a container, in the line format that Kubernetes' runtimes write:
//!
//! ```text
//! 2026-11-21T23:20:13.431986999Z stdout F a whole line
//! 2026-11-21T23:20:13.432000001Z stderr P a piece of a line whose rest follows, or never came
//! ```
//!
//! The content is the container's bytes as they are; only a newline ends a record. How the files follow each other is
//! the journal's (`store/journal.rs`).

use crate::error::{Result, Tried};
use crate::kernel::{io, time};
use crate::spec;
use crate::store::journal::{self, From, Reader};
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, pread};

/// A line is cut into pieces of this size, so that memory stays bounded.
const LINE_BYTES_MAX: usize = 16 << 10;
/// What the files are called in the container's directory.
const NAME: &str = "log";

/// monitor: the log that is being written.
pub struct Log {
    /// The container's directory.
    dir: OwnedFd,
    /// `None`: nothing is kept.
    file: Option<OwnedFd>,
    /// Bytes in the file.
    bytes: u64,
    /// Bytes that a file may have; 0 is no limit.
    bytes_max: u64,
    files_max: u32,
    /// Whether the file ends in the middle of a record: a full disk, a power cut.
    is_torn: bool,
}

impl Log {
    /// Opens the log in a container's directory, to go on after what is there.
    pub fn open(dir: OwnedFd, asked: &spec::Log) -> Result<Self> {
        let (bytes_max, files_max) = (asked.max_bytes, asked.max_files);
        let mut log = Self { dir, file: None, bytes: 0, bytes_max, files_max, is_torn: false };
        if asked.is_kept {
            let file = journal::append(log.dir.as_fd(), NAME).tried("open the log")?;
            log.bytes = rustix::fs::fstat(&file).tried("look at the log")?.st_size as u64;
            let mut last = [b'\n'];
            if log.bytes > 0 {
                // What cannot be read is taken for torn: an empty line does no harm.
                log.is_torn = pread(&file, &mut last, log.bytes - 1) != Ok(1) || last != [b'\n'];
            }
            log.file = Some(file);
        }
        Ok(log)
    }

    /// Appends records. Those that do not fit into the file any more go to the next one.
    fn append(&mut self, records: &[u8]) -> Result<()> {
        let mut rest = records;
        while !rest.is_empty() {
            let fits = self.fitting(rest);
            if fits == 0
                && let Ok(file) = journal::rotate(self.dir.as_fd(), NAME, self.files_max)
            {
                (self.file, self.bytes, self.is_torn) = (Some(file), 0, false);
                continue;
            }
            // No other file could be made: rather one that is too large than nothing.
            let (now, later) = rest.split_at(if fits == 0 { rest.len() } else { fits });
            self.write(now).tried("write the log")?;
            rest = later;
        }
        Ok(())
    }

    /// Bytes of the first records that fit into the file; one that is larger than a file fits into an empty one.
    fn fitting(&self, records: &[u8]) -> usize {
        let room = self.bytes_max.saturating_sub(self.bytes);
        if self.bytes_max == 0 || records.len() as u64 <= room {
            return records.len();
        }
        let in_room = records[..room as usize].iter().rposition(|byte| *byte == b'\n');
        match in_room {
            Some(end) => end + 1,
            None if self.bytes > 0 => 0,
            None => records.iter().position(|byte| *byte == b'\n').map_or(records.len(), |end| end + 1),
        }
    }

    fn write(&mut self, records: &[u8]) -> core::result::Result<(), Errno> {
        let Some(file) = &self.file else { return Ok(()) };
        if self.is_torn {
            io::write_all(file, b"\n")?;
            self.is_torn = false;
        }
        let done = io::write_all(file, records);
        self.is_torn = done.is_err();
        self.bytes += records.len() as u64;
        done
    }
}

/// What one stream has said of a line that is not finished.
pub struct Stream {
    name: &'static str,
    partial: Vec<u8>,
}

impl Stream {
    /// `stdout` or `stderr`
    pub fn new(name: &'static str) -> Self {
        Self { name, partial: Vec::new() }
    }

    /// Appends what the container wrote: whole lines at once, an unfinished one when it is long enough.
    pub fn write(&mut self, log: &mut Log, bytes: &[u8]) -> Result<()> {
        if log.file.is_none() {
            return Ok(());
        }
        let stamp = time::rfc3339(time::now());
        let mut out = Vec::with_capacity(bytes.len() + 64);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LINE_BYTES_MAX - self.partial.len();
            let window = &rest[..rest.len().min(room)];
            if let Some(end) = window.iter().position(|b| *b == b'\n') {
                self.partial.extend_from_slice(&rest[..end]);
                self.record(&mut out, &stamp, b'F');
                rest = &rest[end + 1..];
            } else {
                self.partial.extend_from_slice(window);
                rest = &rest[window.len()..];
                if self.partial.len() == LINE_BYTES_MAX {
                    self.record(&mut out, &stamp, b'P');
                }
            }
        }
        log.append(&out)
    }

    /// At the end of the stream: what is left becomes a piece without a newline.
    pub fn finish(&mut self, log: &mut Log) -> Result<()> {
        let mut out = Vec::new();
        if !self.partial.is_empty() {
            self.record(&mut out, &time::rfc3339(time::now()), b'P');
        }
        log.append(&out)
    }

    fn record(&mut self, out: &mut Vec<u8>, stamp: &str, kind: u8) {
        out.extend_from_slice(stamp.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&[b' ', kind, b' ']);
        out.append(&mut self.partial);
        out.push(b'\n');
    }
}

/// One record of a log.
pub struct Record<'a> {
    /// Whether it came from the standard error.
    pub is_stderr: bool,
    /// Whether a newline follows the content.
    pub is_whole: bool,
    /// RFC 3339 with nine digits.
    pub time: &'a str,
    /// The bytes as the container wrote them.
    pub content: &'a [u8],
}

/// Reads one record, given without its newline. `None` for a torn one, as a power cut can leave: readers skip it.
pub fn parse(line: &[u8]) -> Option<Record<'_>> {
    // time, stream and kind are of fixed or known length: 30 + 1 + 6 + 1 + 1 + 1
    if line.len() < 40 || line[30] != b' ' || line[37] != b' ' || line[39] != b' ' {
        return None;
    }
    let is_stderr = match &line[31..37] {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    let is_whole = match line[38] {
        b'F' => true,
        b'P' => false,
        _ => return None,
    };
    Some(Record { is_stderr, is_whole, time: core::str::from_utf8(&line[..30]).ok()?, content: &line[40..] })
}

/// Reads the log in a container's directory: all of it, or from where the last `tail` lines begin, of both streams
/// together. Its lines are for [`parse`].
pub fn read(dir: OwnedFd, tail: Option<u64>) -> Result<Reader> {
    // On the way back: whether more of a line of this stream was met already.
    let mut has_more = [false; 2];
    let mut begins_last = |line: &[u8]| {
        let Some(record) = parse(line) else { return false };
        let is_same = core::mem::replace(&mut has_more[usize::from(record.is_stderr)], true);
        record.is_whole || !is_same
    };
    let from = tail.map_or(From::Start, |count| From::End(count, &mut begins_last));
    Reader::open(dir, NAME, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let mut stream = Stream::new("stderr");
        let mut out = Vec::new();
        stream.partial = b"a \xff b".to_vec();
        stream.record(&mut out, "2026-11-21T23:20:13.431986999Z", b'P');
        let record = parse(&out[..out.len() - 1]).unwrap();
        assert!(record.is_stderr && !record.is_whole && record.content == b"a \xff b");
        assert_eq!(record.time, "2026-11-21T23:20:13.431986999Z");
        assert!(stream.partial.is_empty());
    }

    #[test]
    fn torn_records_are_no_records() {
        assert!(parse(b"").is_none());
        assert!(parse(&[0; 100]).is_none());
        assert!(parse(b"2026-11-21T23:20:13.431986999Z stdout F").is_none());
        assert!(parse(b"2026-11-21T23:20:13.431986999Z stdxxx F x").is_none());
        assert!(parse(b"2026-11-21T23:20:13.431986999Z stdout F ").unwrap().content.is_empty());
    }
}
