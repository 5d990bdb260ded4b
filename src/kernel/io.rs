//! Bytes in and out: the two stream traits, their file versions, and whole-buffer helpers.

use crate::error::{Error, Result, Tried};
use alloc::vec;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// Copies as many bytes as there are and fit, and tells how many.
pub fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    to[..n].copy_from_slice(&from[..n]);
    n
}

/// The highest bit of each byte that is a newline is set, up to the first of them.
fn newlines(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const NEWLINE: u64 = b'\n' as u64;
    // Only a byte that is 0 now borrows from its highest bit; what comes after the first one does not matter.
    let other = u64::from_le_bytes(word) ^ (ONES * NEWLINE);
    other.wrapping_sub(ONES) & !other & (ONES << 7)
}

/// The place of the first newline. Eight bytes at a time, where the library goes from byte to byte.
pub fn newline(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    let mut at = 0;
    for word in words {
        let found = newlines(*word);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    rest.iter().position(|byte| *byte == b'\n').map(|end| at + end)
}

/// Short pieces of text that are to be written together.
#[derive(Default)]
pub struct Gathered {
    bytes: Vec<u8>,
    filled: usize,
}

impl Gathered {
    /// With room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], filled: 0 }
    }

    /// For how many bytes there is room left.
    pub fn room(&self) -> usize {
        self.bytes.len() - self.filled
    }

    /// What is there.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.filled]
    }

    /// Only so many of the bytes stay.
    pub fn cut(&mut self, bytes: usize) {
        self.filled = bytes;
    }

    /// Adds what there is room for up to the first newline, that included, and tells how many bytes these were, and
    /// whether there was one. In a third of the time that a search and a memcpy(3) take for lines of 100 bytes.
    pub fn add(&mut self, from: &[u8]) -> (usize, bool) {
        let to = &mut self.bytes[self.filled..];
        let (words, _) = from.as_chunks();
        let (places, _) = to.as_chunks_mut();
        let (mut at, mut found) = (0, 0);
        // Walked, not indexed: what is compiled for size calls a function for each index.
        for (word, place) in words.iter().zip(places) {
            *place = *word;
            found = newlines(*word);
            if found != 0 {
                at += found.trailing_zeros() as usize / 8 + 1;
                break;
            }
            at += 8;
        }
        let mut is_whole = found != 0;
        if !is_whole {
            for (byte, place) in from[at..].iter().zip(&mut to[at..]) {
                *place = *byte;
                at += 1;
                is_whole = *byte == b'\n';
                if is_whole {
                    break;
                }
            }
        }
        self.filled += at;
        (at, is_whole)
    }
}

/// Something that gives bytes until it answers 0.
pub trait Source {
    /// Fills some of the buffer; 0 means the end.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize>;
}

/// Something that takes bytes.
pub trait Sink {
    /// Takes all of them.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
}

/// An open file, pipe or socket as source or sink; `name` is for its errors.
pub struct File<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// What errors call it.
    pub name: &'a str,
}

impl Source for File<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        read(self.fd, buf).tried_to("read", self.name)
    }
}

impl Sink for File<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        write_all(self.fd, bytes).tried_to("write", self.name)
    }
}

/// A source or a sink that tells how many bytes have passed so far, after each step.
pub struct Counted<'a, T: ?Sized> {
    inner: &'a mut T,
    progress: &'a mut dyn FnMut(u64),
    /// How many have passed.
    pub bytes: u64,
}

impl<'a, T: ?Sized> Counted<'a, T> {
    /// Nothing has passed yet.
    pub fn new(inner: &'a mut T, progress: &'a mut dyn FnMut(u64)) -> Self {
        Self { inner, progress, bytes: 0 }
    }

    fn tell(&mut self, more: usize) {
        self.bytes += more as u64;
        (self.progress)(self.bytes);
    }
}

impl Source for Counted<'_, dyn Source + '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buf)?;
        self.tell(n);
        Ok(n)
    }
}

impl Sink for Counted<'_, dyn Sink + '_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.write(bytes)?;
        self.tell(bytes.len());
        Ok(())
    }
}

/// A byte slice as source.
impl Source for &[u8] {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = buf.len().min(self.len());
        buf[..n].copy_from_slice(&self[..n]);
        *self = &self[n..];
        Ok(n)
    }
}

/// A vector as sink.
impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// read(2), tried again after a signal.
pub fn read(fd: impl AsFd, buf: &mut [u8]) -> core::result::Result<usize, Errno> {
    read_of(fd.as_fd(), buf)
}

fn read_of(fd: BorrowedFd<'_>, buf: &mut [u8]) -> core::result::Result<usize, Errno> {
    loop {
        match rustix::io::read(fd, &mut *buf) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// write(2) until all is written. For blocking descriptors.
pub fn write_all(fd: impl AsFd, bytes: &[u8]) -> core::result::Result<(), Errno> {
    write_all_to(fd.as_fd(), bytes)
}

fn write_all_to(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> core::result::Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Everything that is left in a descriptor, but not more than `max_bytes`.
pub fn read_to_end(fd: BorrowedFd<'_>, max_bytes: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while read_more(fd, &mut all)? > 0 {
        if all.len() > max_bytes {
            return Err(Error::os("read", Errno::FBIG));
        }
    }
    Ok(all)
}

/// Appends what one read(2) gives, at most as much as there is already (at first 8 KiB), and tells how much that is. Nothing
/// is written into the room for it before: a fresh page costs more than most of what is read.
pub fn read_more(fd: BorrowedFd<'_>, all: &mut Vec<u8>) -> Result<usize> {
    if all.capacity() - all.len() < 4096 {
        all.reserve(all.len().max(8192));
    }
    loop {
        match rustix::io::read(fd, rustix::buffer::spare_capacity(all)) {
            Err(Errno::INTR) => {}
            other => return other.tried("read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newlines_are_found_wherever_they_are() {
        for length in 0..40 {
            for first in 0..=length {
                for other in [0, 0x0b, 0x8a, 0xff, b'\n'] {
                    // Before the first one nothing is taken for it; after it nothing matters.
                    let mut bytes = alloc::vec![if other == b'\n' { 0x09 } else { other }; length];
                    bytes[first..].fill(b'\n');
                    assert_eq!(newline(&bytes), (first < length).then_some(first));
                    let mut gathered = Gathered::new(42);
                    assert_eq!(gathered.add(b"> "), (2, false));
                    let end = length.min(first + 1);
                    assert_eq!(gathered.add(&bytes), (end, first < length));
                    assert_eq!(gathered.bytes()[2..], bytes[..end]);
                    assert_eq!(gathered.room(), 40 - end);
                }
            }
        }
    }
}
