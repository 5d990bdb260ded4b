//! The log of a container, in the line format that Kubernetes' runtimes write:
//!
//! ```text
//! 2026-11-21T23:20:13.431986999Z stdout F a whole line
//! 2026-11-21T23:20:13.432000001Z stderr P a piece of a line whose rest follows, or never came
//! ```
//!
//! The content is the container's bytes as they are; only a newline ends a record.

use crate::error::{Result, Tried};
use crate::kernel::{io, time};
use alloc::vec;
use alloc::vec::Vec;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{SeekFrom, seek};

/// A line is cut into pieces of this size, so that memory stays bounded.
const LINE_BYTES_MAX: usize = 16 << 10;

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
    pub fn write(&mut self, log: &OwnedFd, bytes: &[u8]) -> Result<()> {
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
        io::write_all(log, &out).tried("write the log")
    }

    /// At the end of the stream: what is left becomes a piece without a newline.
    pub fn finish(&mut self, log: &OwnedFd) -> Result<()> {
        if self.partial.is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        self.record(&mut out, &time::rfc3339(time::now()), b'P');
        io::write_all(log, &out).tried("write the log")
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

/// Where the last `count` records of a log begin, in bytes. Reads backwards, no more than it must.
pub fn tail_offset(log: BorrowedFd<'_>, count: u64) -> Result<u64> {
    const BLOCK_BYTES: u64 = 64 << 10;
    let mut end = seek(log, SeekFrom::End(0)).tried("read the log")?;
    let mut buf = vec![0u8; BLOCK_BYTES as usize];
    let mut newlines = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        let block = &mut buf[..(end - start) as usize];
        seek(log, SeekFrom::Start(start)).tried("read the log")?;
        let mut filled = 0;
        while filled < block.len() {
            match io::read(log, &mut block[filled..]).tried("read the log")? {
                0 => break,
                n => filled += n,
            }
        }
        for at in (0..filled).rev() {
            if block[at] == b'\n' {
                // The newline at the very end closes the last record; the one before it begins it.
                newlines += 1;
                if newlines == count + 1 {
                    return Ok(start + at as u64 + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
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
