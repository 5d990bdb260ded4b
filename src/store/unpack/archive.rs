//! The stream of an archive: its entries one after the other, and their content.

use super::Limits;
use crate::error::{Error, Result};
use crate::kernel::hex::Hash;
use crate::kernel::io::Source;
use crate::store::tar::{self, Entry, Parser, Step, shown};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const BUFFER_BYTES: usize = 256 << 10;

/// An archive that is being read.
pub struct Archive<'a> {
    pub stream: Stream<'a>,
    parser: Parser,
    blocks_max: u64,
    blocks_left: u64,
    /// Name of the entry before.
    last: Vec<u8>,
}

impl<'a> Archive<'a> {
    /// `hashes`: whether [`Archive::finish`] is to tell the digest.
    pub fn new(source: &'a mut dyn Source, limits: &Limits, hashes: bool) -> Self {
        let (blocks_max, last) = (limits.entries_max, Vec::new());
        let stream = Stream::new(source, limits.bytes_max, hashes);
        Self { stream, parser: Parser::default(), blocks_max, blocks_left: blocks_max, last }
    }

    /// The next entry, `None` at the end of the archive. Its content follows in the stream: all of it must be taken, and
    /// then [`Archive::end`] be called.
    pub fn next(&mut self) -> Result<Option<Box<Entry>>> {
        let mut zeros = 0;
        while zeros < 2 {
            let mut block = [0; tar::BLOCK_BYTES];
            let last = &self.last;
            match self.stream.block(&mut block)? {
                // Some writers leave the end marker out.
                0 if !self.parser.inside() && (zeros > 0 || !last.is_empty()) => break,
                tar::BLOCK_BYTES => {}
                _ if last.is_empty() && !self.parser.inside() => return Err(Error::new("not a tar archive")),
                _ => return Err(Error::new(format_args!("the archive ends in the middle of a header{}", after(last)))),
            }
            let step = self.parser.block(&block);
            let entry = match step.map_err(|e| e.reword(&|what| format!("{what}{}", after(last))))? {
                Step::More if zeros == 0 => None,
                Step::Zeros if !self.parser.inside() => {
                    zeros += 1;
                    None
                }
                Step::Entry(entry) if zeros == 0 => Some(entry),
                _ => return Err(Error::new(format_args!("a block of zeros between headers{}", after(last)))),
            };
            self.blocks_left = self
                .blocks_left
                .checked_sub(1)
                .ok_or_else(|| Error::new(format_args!("the archive has more than {} entries", self.blocks_max)))?;
            if entry.is_some() {
                return Ok(entry);
            }
        }
        Ok(None)
    }

    /// Goes on behind the content of an entry.
    pub fn end(&mut self, entry: &mut Entry) -> Result<()> {
        self.last = core::mem::take(&mut entry.name);
        self.stream.end_of_content(tar::padding(entry.stored))
    }

    /// Reads what stands behind the archive, because it belongs to the digest. That is empty if nobody wanted it.
    pub fn finish(&mut self) -> Result<String> {
        while !self.stream.some(u64::MAX)?.is_empty() {}
        Ok(self.stream.hash.take().map_or(String::new(), Hash::end))
    }
}

fn after(last: &[u8]) -> String {
    if last.is_empty() { String::new() } else { format!(" (after {})", shown(last)) }
}

/// The uncompressed archive: buffered, hashed, counted.
pub struct Stream<'a> {
    source: &'a mut dyn Source,
    buf: Vec<u8>,
    at: usize,
    end: usize,
    hash: Option<Hash>,
    bytes_max: u64,
    bytes_left: u64,
}

impl<'a> Stream<'a> {
    fn new(source: &'a mut dyn Source, bytes_max: u64, hashes: bool) -> Self {
        let (hash, buf) = (hashes.then(Hash::default), vec![0; BUFFER_BYTES]);
        Self { source, buf, at: 0, end: 0, hash, bytes_max, bytes_left: bytes_max }
    }

    /// The next bytes, `max` at most; none at the end.
    fn some(&mut self, max: u64) -> Result<&[u8]> {
        if self.at == self.end {
            self.end = self.source.read(&mut self.buf)?;
            self.at = 0;
            if let Some(hash) = &mut self.hash {
                hash.add(&self.buf[..self.end]);
            }
            self.bytes_left = self
                .bytes_left
                .checked_sub(self.end as u64)
                .ok_or_else(|| Error::new(format_args!("the archive has more than {} bytes", self.bytes_max)))?;
        }
        let from = self.at;
        self.at += max.min((self.end - from) as u64) as usize;
        Ok(&self.buf[from..self.at])
    }

    /// Fills a block and says how much of it there was.
    fn block(&mut self, block: &mut tar::Block) -> Result<usize> {
        let mut filled = 0;
        while filled < block.len() {
            let bytes = self.some((block.len() - filled) as u64)?;
            if bytes.is_empty() {
                break;
            }
            block[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        }
        Ok(filled)
    }

    /// Passes the next bytes of the entry's content on.
    pub fn content(&mut self, entry: &Entry, bytes: u64, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut left = bytes;
        while left > 0 {
            let bytes = self.some(left)?;
            if bytes.is_empty() {
                return Err(Error::new(format_args!("the archive ends in the middle of {}", shown(&entry.name))));
            }
            left -= bytes.len() as u64;
            take(bytes)?;
        }
        Ok(())
    }

    pub fn skip(&mut self, entry: &Entry) -> Result<()> {
        self.content(entry, entry.stored, &mut |_| Ok(()))
    }

    /// Skips the zeros after the content. At the very end of an archive they may be missing.
    fn end_of_content(&mut self, mut padding: usize) -> Result<()> {
        while padding > 0 {
            match self.some(padding as u64)?.len() {
                0 => break,
                n => padding -= n,
            }
        }
        Ok(())
    }
}
