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
use crate::kernel::io::{self, Gathered};
use crate::kernel::time;
use crate::spec;
use crate::store::journal::{self, From, Reader};
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, pread};

/// A line is cut into pieces of this size, so that memory stays bounded.
const LINE_BYTES_MAX: usize = 16 << 10;
/// How many bytes of records are written at once.
pub const RECORDS_BYTES: usize = 128 << 10;
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

    /// Appends the records that were gathered: none is left. Those that do not fit into the file any more go to the next one.
    pub fn append(&mut self, records: &mut Gathered) -> Result<()> {
        let mut rest: &[u8] = records.bytes();
        let mut result = Ok(());
        while !rest.is_empty() && result.is_ok() {
            let fits = self.fitting(rest);
            if fits == 0
                && let Ok(file) = journal::rotate(self.dir.as_fd(), NAME, self.files_max)
            {
                (self.file, self.bytes, self.is_torn) = (Some(file), 0, false);
                continue;
            }
            // No other file could be made: rather one that is too large than nothing.
            let (now, later) = rest.split_at(if fits == 0 { rest.len() } else { fits });
            result = self.write(now).tried("write the log");
            rest = later;
        }
        records.cut(0);
        result
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
            None => io::newline(records).map_or(records.len(), |end| end + 1),
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

    /// Makes records of what the container wrote: of whole lines at once, of an unfinished one when it is long enough. They
    /// are added to `records`; when those are many they are appended to the log. What is left there is the caller's to append.
    pub fn write(&mut self, log: &mut Log, mut bytes: &[u8], records: &mut Gathered) -> Result<()> {
        let mut result = Ok(());
        if log.file.is_none() {
            return result;
        }
        let mut head = head(self.name);
        while !bytes.is_empty() {
            if records.room() < HEAD_BYTES + LINE_BYTES_MAX + 1 {
                result = result.and(log.append(records));
            }
            let begin = records.bytes().len();
            let room = LINE_BYTES_MAX - self.partial.len();
            let window = &bytes[..bytes.len().min(room)];
            head[KIND] = b'F';
            records.add(&head);
            records.add(&self.partial);
            let (taken, is_whole) = records.add(window);
            if !is_whole && taken < room {
                records.cut(begin);
                self.partial.extend_from_slice(window);
                break;
            }
            if !is_whole {
                records.bytes()[begin + KIND] = b'P';
                records.add(b"\n");
            }
            if !self.partial.is_empty() {
                self.partial = Vec::new();
            }
            bytes = &bytes[taken..];
        }
        result
    }

    /// At the end of the stream: what is left becomes a piece without a newline.
    pub fn finish(&mut self, log: &mut Log, records: &mut Gathered) -> Result<()> {
        let partial = core::mem::take(&mut self.partial);
        let before = log.append(records);
        if !partial.is_empty() {
            for part in [&head(self.name)[..], &partial, b"\n"] {
                records.add(part);
            }
        }
        before.and(log.append(records))
    }
}

/// Bytes of a record before its content, and the place of the kind among them.
const HEAD_BYTES: usize = 40;
const KIND: usize = 38;

/// How the pieces of lines of this moment begin.
fn head(stream: &str) -> [u8; HEAD_BYTES] {
    let mut head = [b' '; HEAD_BYTES];
    head[..30].copy_from_slice(time::rfc3339(time::now()).as_bytes());
    head[31..KIND - 1].copy_from_slice(stream.as_bytes());
    head[KIND] = b'P';
    head
}

/// One record of a log.
pub struct Record<'a> {
    /// Whether it came from the standard error.
    pub is_stderr: bool,
    /// Whether a newline follows the content.
    pub is_whole: bool,
    /// RFC 3339 with nine digits.
    pub time: &'a [u8],
    /// The bytes as the container wrote them; of a whole line with its newline, if that was given.
    pub content: &'a [u8],
}

/// Reads one record, given with or without its newline. `None` for a torn one, as a power cut can leave: readers skip it.
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
    let mut content = &line[40..];
    if !is_whole {
        content = content.strip_suffix(b"\n").unwrap_or(content);
    }
    Some(Record { is_stderr, is_whole, time: &line[..30], content })
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
    use alloc::vec;

    #[test]
    fn records_come_back() {
        // What was read at once, and how often; then what the records have, in which kinds.
        let long = [b'x'; LINE_BYTES_MAX];
        let mut longer = long.to_vec();
        longer.extend_from_slice(b"y\n");
        for (read, times, wanted) in [
            (&b"a \xff b\nc"[..], 1, &[(&b"a \xff b"[..], true), (b"c", false)][..]),
            (b"\n", 2, &[(b"", true), (b"", true)]),
            (b"ab", 3, &[(b"ababab", false)]),
            (b"ab\nc", 2, &[(b"ab", true), (b"cab", true), (b"c", false)]),
            (&long, 1, &[(&long, false)]),
            (&longer, 2, &[(&long, false), (b"y", true), (&long, false), (b"y", true)]),
            (b"", 1, &[]),
        ] {
            let file = rustix::fs::memfd_create(c"log", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
            let dir = rustix::io::dup(&file).unwrap();
            let asked = spec::Log { is_kept: false, ..spec::Log::default() };
            let mut log = Log { file: Some(file), ..Log::open(dir, &asked).unwrap() };
            let (mut stream, mut records) = (Stream::new("stderr"), Gathered::new(RECORDS_BYTES));
            for _ in 0..times {
                stream.write(&mut log, read, &mut records).unwrap();
            }
            stream.finish(&mut log, &mut records).unwrap();
            let mut text = vec![0; log.bytes as usize];
            assert_eq!(pread(log.file.unwrap(), &mut text, 0), Ok(text.len()));
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            assert!(lines.len() == wanted.len() + 1 && lines[wanted.len()].is_empty());
            for (line, (content, is_whole)) in lines.into_iter().zip(wanted) {
                let record = parse(line).unwrap();
                assert!(record.is_stderr && record.is_whole == *is_whole && record.content == *content);
            }
        }
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
