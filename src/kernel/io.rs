//! Bytes in and out: the two stream traits, their file versions, and whole-buffer helpers.

use crate::error::{Error, Result, Tried};
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

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
    let mut filled = 0;
    loop {
        if all.len() - filled < 4096 {
            all.resize(all.len().max(4096) * 2, 0);
        }
        match read(fd, &mut all[filled..]).tried("read")? {
            0 => break,
            n => filled += n,
        }
        if filled > max_bytes {
            return Err(Error::os("read", Errno::FBIG));
        }
    }
    all.truncate(filled);
    Ok(all)
}
