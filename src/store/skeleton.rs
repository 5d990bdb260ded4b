//! The skeleton of a layer's archive: all of it but the content of its files. With the unpacked tree it gives the archive
//! again, byte for byte, so that a layer leaves under the digest that it came with, whoever packed it.
//!
//! The file is `MAGIC`, the bytes of the archive (u64, little endian), and then pieces, each with a letter before it.

use super::tar::{self, BLOCK_BYTES, Block, Entry, Kind, Parser, Step, shown};
use crate::error::{Error, Result, Tried};
use crate::kernel::io::{self, Sink, Source};
use crate::kernel::{at, file};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// The file in a layer's directory.
pub const NAME: &str = "skeleton";
const MAGIC: &[u8; 8] = b"bones 1\n";
const HEAD_BYTES: usize = 16;
/// A block as the difference to the one before: runs of zeros (their count) and of others (their count, and they).
const BLOCK: u8 = b'b';
/// Here stands what the file of the last header holds.
const CONTENT: u8 = b'c';
/// Zeros up to the next block.
const PADDING: u8 = b'p';
/// A count (u32, little endian), and so many bytes as they are.
const RAW: u8 = b'r';
const BUFFER_BYTES: usize = 64 << 10;
/// A longer path is walked in pieces (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4000;

/// What both sides do with blocks, so that they agree on which are headers.
#[derive(Default)]
struct Headers {
    parser: Parser,
    zeros: u32,
}

impl Headers {
    /// Takes the next block that is not content. Two of zeros end the archive; what follows is junk that was hashed.
    fn block(&mut self, block: &Block) -> Result<Option<Box<Entry>>> {
        if self.zeros == 2 {
            return Ok(None);
        }
        match self.parser.block(block)? {
            Step::Zeros => self.zeros += 1,
            Step::Entry(entry) => return Ok(Some(entry)),
            Step::More => {}
        }
        Ok(None)
    }
}

/// Whether the entry is a file in the unpacked tree. What is not kept there is kept in the skeleton.
fn is_in_tree(entry: &Entry) -> bool {
    entry.kind == Kind::File && !entry.name.split(|b| *b == b'/').any(|part| part.starts_with(b".wh."))
}

/// A source that writes the skeleton of what is read through it.
pub struct Recorder<'a> {
    source: &'a mut dyn Source,
    to: OwnedFd,
    out: Vec<u8>,
    headers: Headers,
    /// No archive, as whoever reads it will say: nothing is written any more.
    is_lost: bool,
    before: Block,
    /// What is collected of a block, or of the padding.
    block: Block,
    filled: usize,
    /// Content that is still to come, and whether the tree keeps it.
    left: u64,
    in_tree: bool,
    padding: usize,
    bytes: u64,
}

impl<'a> Recorder<'a> {
    /// Writes to the file [`NAME`] in the layer's directory.
    pub fn new(source: &'a mut dyn Source, layer: BorrowedFd<'_>) -> Result<Box<Self>> {
        let to = file::create_at(layer, NAME, &[0; HEAD_BYTES], 0o600)?;
        Ok(Box::new(Self {
            source,
            to,
            out: Vec::with_capacity(BUFFER_BYTES + 2 * BLOCK_BYTES),
            headers: Headers::default(),
            is_lost: false,
            before: [0; BLOCK_BYTES],
            block: [0; BLOCK_BYTES],
            filled: 0,
            left: 0,
            in_tree: false,
            padding: 0,
            bytes: 0,
        }))
    }

    /// To be called when all has been read: only then is it a skeleton.
    pub fn finish(&mut self) -> Result<()> {
        let rest = self.block;
        self.raw(&rest[..self.filled])?;
        self.flush()?;
        let head = [*MAGIC, self.bytes.to_le_bytes()].concat();
        rustix::io::pwrite(&self.to, &head, 0).tried(format_args!("write {NAME}")).map(drop)
    }

    fn flush(&mut self) -> Result<()> {
        io::write_all(&self.to, &self.out).tried(format_args!("write {NAME}"))?;
        self.out.clear();
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        for part in bytes.chunks(BUFFER_BYTES) {
            self.out.push(RAW);
            self.out.extend_from_slice(&(part.len() as u32).to_le_bytes());
            self.out.extend_from_slice(part);
            self.flush()?;
        }
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() && !self.is_lost {
            if self.left > 0 {
                let n = self.left.min(bytes.len() as u64) as usize;
                if !self.in_tree {
                    self.raw(&bytes[..n])?;
                }
                self.left -= n as u64;
                bytes = &bytes[n..];
                continue;
            }
            let wanted = if self.padding > 0 { self.padding } else { BLOCK_BYTES };
            let n = io::copy(bytes, &mut self.block[self.filled..wanted]);
            self.filled += n;
            bytes = &bytes[n..];
            if self.filled == wanted {
                self.filled = 0;
                self.full()?;
            }
        }
        Ok(())
    }

    /// A block or the padding is complete.
    fn full(&mut self) -> Result<()> {
        let block = self.block;
        if self.padding > 0 {
            let padding = &block[..core::mem::take(&mut self.padding)];
            if padding.iter().any(|byte| *byte != 0) {
                return self.raw(padding);
            }
            self.out.push(PADDING);
        } else {
            self.out.push(BLOCK);
            encode(&block, &self.before, &mut self.out);
            self.before = block;
            let Ok(entry) = self.headers.block(&block) else {
                self.is_lost = true;
                return Ok(());
            };
            if let Some(entry) = entry {
                (self.left, self.padding) = (entry.stored, tar::padding(entry.stored));
                self.in_tree = is_in_tree(&entry);
                if self.left > 0 && self.in_tree {
                    self.out.push(CONTENT);
                }
            }
        }
        if self.out.len() > BUFFER_BYTES { self.flush() } else { Ok(()) }
    }
}

impl Source for Recorder<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.source.read(buf)?;
        self.take(&buf[..n])?;
        Ok(n)
    }
}

/// Runs of zeros and of others, in which the block differs from the one before.
fn encode(block: &Block, before: &Block, out: &mut Vec<u8>) {
    let differs = |at: usize| block[at] != before[at];
    let mut at = 0;
    while at < BLOCK_BYTES {
        let start = at;
        while at < BLOCK_BYTES && at - start < 255 && !differs(at) {
            at += 1;
        }
        let other = at;
        while at < BLOCK_BYTES && at - other < 255 && differs(at) {
            at += 1;
        }
        out.extend_from_slice(&[(other - start) as u8, (at - other) as u8]);
        out.extend((other..at).map(|at| block[at] ^ before[at]));
    }
}

/// Reads a skeleton.
struct Reader {
    fd: OwnedFd,
    buf: Vec<u8>,
    at: usize,
    end: usize,
}

impl Reader {
    /// Opens the skeleton and tells the bytes of the archive.
    fn open(layer: BorrowedFd<'_>) -> Result<(Self, u64)> {
        let fd = at::open(layer, NAME, OFlags::RDONLY);
        let fd = fd.tried(format_args!("open {NAME}"))?;
        let mut reader = Self { fd, buf: vec![0; BUFFER_BYTES], at: 0, end: 0 };
        let (magic, size): ([u8; 8], [u8; 8]) = (reader.array()?, reader.array()?);
        if magic != *MAGIC {
            return Err(damaged());
        }
        Ok((reader, u64::from_le_bytes(size)))
    }

    /// The next bytes, `max` at most; none at the end.
    fn some(&mut self, max: usize) -> Result<&[u8]> {
        if self.at == self.end {
            self.end = io::read(&self.fd, &mut self.buf).tried(format_args!("read {NAME}"))?;
            self.at = 0;
        }
        let from = self.at;
        self.at = self.end.min(from.saturating_add(max));
        Ok(&self.buf[from..self.at])
    }

    fn exact(&mut self, into: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            let some = self.some(into.len() - filled)?;
            if some.is_empty() {
                return Err(damaged());
            }
            filled += io::copy(some, &mut into[filled..]);
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Changes a block into the one after it.
    fn block(&mut self, block: &mut Block) -> Result<()> {
        let mut at = 0;
        while at < BLOCK_BYTES {
            let [same, differ] = self.array()?;
            let start = at + usize::from(same);
            at = start + usize::from(differ);
            let mut bytes = [0; 255];
            self.exact(&mut bytes[..usize::from(differ)])?;
            for (to, byte) in block.get_mut(start..at).ok_or_else(damaged)?.iter_mut().zip(bytes) {
                *to ^= byte;
            }
        }
        Ok(())
    }
}

fn damaged() -> Error {
    Error::new(format_args!("its {NAME} is damaged"))
}

/// The bytes of the archive that the layer in this directory came from; `NOENT` where that was not recorded.
pub fn archive_bytes(layer: BorrowedFd<'_>) -> Result<u64> {
    Reader::open(layer).map(|(_, bytes)| bytes)
}

/// Writes the archive that the layer in this directory came from, in small pieces too. Whether it is the same one, its
/// sha256 must tell: a tree that was changed gives another, and an archive with two files of one name cannot be told.
pub fn rebuild(layer: BorrowedFd<'_>, sink: &mut dyn Sink) -> Result<()> {
    let (mut reader, _) = Reader::open(layer)?;
    let root = file::open_dir_at(layer, "diff")?;
    let (mut headers, mut entry) = (Headers::default(), None);
    let mut block = [0; BLOCK_BYTES];
    let mut buf = vec![0; BUFFER_BYTES];
    loop {
        let Some(letter) = reader.some(1)?.first().copied() else { return Ok(()) };
        match (letter, &entry) {
            (BLOCK, _) => {
                reader.block(&mut block)?;
                if let Some(next) = headers.block(&block)? {
                    entry = Some(next);
                }
                sink.write(&block)?;
            }
            (CONTENT, Some(entry)) => content(root.as_fd(), entry, &mut buf, sink)?,
            (PADDING, Some(entry)) => sink.write(&[0; BLOCK_BYTES][..tar::padding(entry.stored)])?,
            (RAW, _) => {
                let mut left = u32::from_le_bytes(reader.array()?) as usize;
                while left > 0 {
                    let some = reader.some(left)?;
                    if some.is_empty() {
                        return Err(damaged());
                    }
                    left -= some.len();
                    sink.write(some)?;
                }
            }
            _ => return Err(damaged()),
        }
    }
}

/// What an entry's file holds; of a sparse one the pieces that the archive has.
fn content(root: BorrowedFd<'_>, entry: &Entry, buf: &mut [u8], sink: &mut dyn Sink) -> Result<()> {
    let what = |verb: &str| format!("{verb} {}", shown(&entry.name));
    let fd = open(root, &tar::path(&entry.name)?).tried_with(|| what("open"))?;
    let whole = [tar::Region { offset: 0, bytes: entry.stored }];
    for region in entry.regions.as_deref().unwrap_or(&whole) {
        let (mut at, end) = (region.offset, region.offset + region.bytes);
        while at < end {
            let max = buf.len().min((end - at) as usize);
            let n = rustix::io::pread(&fd, &mut buf[..max], at).tried_with(|| what("read"))?;
            if n == 0 {
                return Err(Error::new(format_args!("{} is shorter than it was", shown(&entry.name))));
            }
            sink.write(&buf[..n])?;
            at += n as u64;
        }
    }
    Ok(())
}

/// A file of the tree, by the path that the archive has for it: symlinks on the way are followed inside the tree.
fn open(root: BorrowedFd<'_>, path: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    const FILE: OFlags =
        OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut left = path;
    let mut way_to: Option<OwnedFd> = None;
    loop {
        let dir = way_to.as_ref().map_or(root, AsFd::as_fd);
        if left.len() <= PATH_BYTES_MAX {
            return openat2(dir, &*at::c_bytes(left)?, FILE, Mode::empty(), how);
        }
        let slash = left[..PATH_BYTES_MAX].iter().rposition(|b| *b == b'/').ok_or(Errno::NAMETOOLONG)?;
        let way = at::c_bytes(&left[..slash])?;
        way_to = Some(openat2(dir, &*way, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), how)?);
        left = &left[slash + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back() {
        let mut blocks = [[0; BLOCK_BYTES]; 4];
        for (at, byte) in blocks[1].iter_mut().enumerate() {
            *byte = (at * 7 % 5) as u8;
        }
        blocks[2] = [0xff; BLOCK_BYTES];
        let (mut out, mut before) = (Vec::new(), [0; BLOCK_BYTES]);
        for block in &blocks {
            encode(block, &before, &mut out);
            before = *block;
        }
        let mut at = 0;
        let mut block = [0; BLOCK_BYTES];
        for wanted in &blocks {
            let mut position = 0;
            while position < BLOCK_BYTES {
                let (same, differ) = (usize::from(out[at]), usize::from(out[at + 1]));
                for n in 0..differ {
                    block[position + same + n] ^= out[at + 2 + n];
                }
                position += same + differ;
                at += 2 + differ;
            }
            assert_eq!(block, *wanted);
        }
        assert_eq!(at, out.len());
    }
}
