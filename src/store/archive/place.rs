//! Where the parts of an image archive are: files of a directory, or of a tar that can be read at any place.

use crate::error::{Error, Result, Tried};
use crate::kernel::io::{self, Source};
use crate::kernel::{at, file, hex};
use crate::store::tar::{self, BLOCK_BYTES, Kind, Parser, Step, shown};
use crate::store::unpack::Limits;
use crate::store::{Store, gzip};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, OFlags, SeekFrom, fstat};
use rustix::io::Errno;

/// Files in one archive, and bytes of their names. A large collection of images has hundreds.
const PARTS_MAX: usize = 100_000;
const NAMES_BYTES_MAX: usize = 8 << 20;
/// Links from one name to another.
const LINKS_MAX: usize = 8;
/// As much as there is.
const WHOLE: u64 = u64::MAX;
const BUFFER_BYTES: usize = 256 << 10;

/// An archive, open.
pub struct Place {
    /// A directory's descriptor, or the tar's.
    fd: Rc<OwnedFd>,
    /// The files of a tar; `None` for a directory.
    parts: Option<Vec<Part>>,
}

struct Part {
    name: String,
    offset: u64,
    bytes: u64,
    /// Another name that this one stands for.
    link: Option<String>,
}

/// One file of an archive, as a source.
pub struct Piece {
    fd: Rc<OwnedFd>,
    at: u64,
    left: u64,
}

impl Piece {
    /// What is still to be read.
    pub fn bytes(&self) -> u64 {
        self.left
    }
}

impl Source for Piece {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let max = self.left.min(buf.len() as u64) as usize;
        let n = rustix::io::pread(&*self.fd, &mut buf[..max], self.at).tried("read the archive")?;
        if n == 0 && max > 0 && self.left < WHOLE / 2 {
            return Err(Error::new("the archive became shorter while it was read"));
        }
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

/// Opens an archive: a directory, or a tar, compressed or not, in a file or a pipe. What cannot be read at any place is
/// first written to a file in the store that has no name.
pub fn open(store: &Store, fd: OwnedFd, limits: &Limits, progress: &mut dyn FnMut(u64)) -> Result<Place> {
    let stat = fstat(&fd).tried("look at the archive")?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let mut fd = Rc::new(fd);
    if kind == FileType::Directory {
        return Ok(Place { fd, parts: None });
    }
    if kind != FileType::RegularFile || gzip::open(&mut whole(&fd), u64::MAX)?.is_packed() {
        fd = Rc::new(spool(store, &fd, limits, progress)?);
    }
    let parts = Some(index(&fd)?);
    Ok(Place { fd, parts })
}

fn whole(fd: &Rc<OwnedFd>) -> Piece {
    Piece { fd: Rc::clone(fd), at: 0, left: WHOLE }
}

/// The plain bytes of a stream in a file without a name: it goes when we do.
fn spool(store: &Store, from: &OwnedFd, limits: &Limits, progress: &mut dyn FnMut(u64)) -> Result<OwnedFd> {
    let tmp = store.dir("tmp")?;
    let name = hex::encode(&hex::random(8));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let to = at::make(tmp.as_fd(), &name, flags, 0o600).tried("make a file for the archive")?;
    let _ = at::remove(tmp.as_fd(), &name, AtFlags::empty()); // a sweeper may have been faster
    // A file may have been read from already, a pipe has no other place.
    let _ = rustix::fs::seek(from, SeekFrom::Start(0));
    let mut source = io::File { fd: from.as_fd(), name: "the archive" };
    let mut source = io::Counted::<dyn Source>::new(&mut source, progress);
    let mut plain = gzip::open(&mut source, limits.ratio_max)?;
    let mut buf = vec![0; BUFFER_BYTES];
    let mut left = limits.bytes_max;
    loop {
        let n = plain.read(&mut buf)?;
        if n == 0 {
            return Ok(to);
        }
        left = left
            .checked_sub(n as u64)
            .ok_or_else(|| Error::new(format_args!("the archive has more than {} bytes", limits.bytes_max)))?;
        io::write_all(&to, &buf[..n]).tried("copy the archive into the store")?;
    }
}

/// The files of a tar, from its headers alone.
fn index(fd: &Rc<OwnedFd>) -> Result<Vec<Part>> {
    let size = fstat(&**fd).tried("look at the archive")?.st_size as u64;
    let (mut parts, mut names_bytes) = (Vec::new(), 0);
    let (mut parser, mut at, mut zeros) = (Parser::default(), 0, 0);
    while zeros < 2 {
        let mut block = [0; BLOCK_BYTES];
        if at == size && !parser.inside() && at > 0 {
            break; // some writers leave the end marker out
        }
        let ends = || Error::new("the archive ends in the middle of a header");
        match rustix::io::pread(&**fd, &mut block, at).tried("read the archive")? {
            BLOCK_BYTES => at += BLOCK_BYTES as u64,
            _ => return Err(if at == 0 { Error::new("not a tar archive") } else { ends() }),
        }
        let entry = match parser.block(&block)? {
            Step::More => continue,
            Step::Zeros => {
                zeros += 1;
                continue;
            }
            Step::Entry(entry) => entry,
        };
        let offset = at;
        at = at.saturating_add(entry.stored).saturating_add(tar::padding(entry.stored) as u64);
        if offset.saturating_add(entry.stored) > size {
            return Err(Error::new(format_args!("the archive ends in the middle of {}", shown(&entry.name))));
        }
        at = at.min(size); // the zeros after the last file may be missing
        let Ok(name) = String::from_utf8(tar::path(&entry.name)?) else { continue };
        let target = String::from_utf8_lossy(&entry.link);
        let link = match entry.kind {
            Kind::File if entry.regions.is_none() => None,
            Kind::Symlink => Some(clean(&format!("/{name}/.."), &target)),
            Kind::HardLink => Some(clean("/", &target)),
            _ => continue,
        };
        names_bytes += name.len() + link.as_ref().map_or(0, String::len);
        if parts.len() == PARTS_MAX || names_bytes > NAMES_BYTES_MAX {
            return Err(Error::new(format_args!("this is no image archive: it has more than {PARTS_MAX} files")));
        }
        parts.push(Part { name, offset, bytes: entry.stored, link });
    }
    Ok(parts)
}

/// A path in an archive without `.`, `..` and slashes at its ends.
fn clean(base: &str, path: &str) -> String {
    file::absolute(base, path)[1..].to_owned()
}

impl Place {
    /// The file of this name; `None` when there is none.
    pub fn find(&self, name: &str) -> Result<Option<Piece>> {
        let mut name = clean("/", name);
        let Some(parts) = &self.parts else {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
            let fd = match file::open_in_root(self.fd.as_fd(), &name, flags) {
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                other => other.tried(format_args!("open {name}"))?,
            };
            let stat = fstat(&fd).tried(format_args!("look at {name}"))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(Error::new(format_args!("{name} is not a file")));
            }
            return Ok(Some(Piece { fd: Rc::new(fd), at: 0, left: stat.st_size as u64 }));
        };
        for _ in 0..LINKS_MAX {
            // The last one of a name wins, as in all archives.
            let Some(part) = parts.iter().rev().find(|part| part.name == name) else { return Ok(None) };
            match &part.link {
                None => return Ok(Some(Piece { fd: Rc::clone(&self.fd), at: part.offset, left: part.bytes })),
                Some(link) => name.clone_from(link),
            }
        }
        Err(Error::new(format_args!("{} is a link that leads nowhere", shown(name.as_bytes()))))
    }

    /// The whole content of a small file; `None` when there is none.
    pub fn document(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        let Some(mut piece) = self.find(name)? else { return Ok(None) };
        if piece.bytes() > bytes_max {
            let name = shown(name.as_bytes());
            return Err(Error::new(format_args!("{name} has {} bytes, {bytes_max} are allowed", piece.bytes())));
        }
        let mut all = vec![0; piece.bytes() as usize];
        let mut filled = 0;
        while filled < all.len() {
            filled += piece.read(&mut all[filled..])?;
        }
        Ok(Some(all))
    }
}

/// Whether the file begins like an archive of images, and not like one of a root file system; whether the directory is an
/// image layout. The file's position stays.
pub fn is_of_images(fd: OwnedFd) -> (bool, OwnedFd) {
    if fstat(&fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
        return (file::exists_at(fd.as_fd(), "index.json") && file::exists_at(fd.as_fd(), "blobs"), fd);
    }
    let fd = Rc::new(fd);
    let is = looks(&mut whole(&fd)).unwrap_or(false); // what cannot be read so is left to who reads it whole
    let Ok(fd) = Rc::try_unwrap(fd) else { unreachable!() };
    (is, fd)
}

fn looks(source: &mut dyn Source) -> Result<bool> {
    let mut plain = gzip::open(source, u64::MAX)?;
    let mut parser = Parser::default();
    loop {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            match plain.read(&mut block[filled..])? {
                0 => return Ok(false),
                n => filled += n,
            }
        }
        match parser.block(&block)? {
            Step::More => {}
            Step::Zeros => return Ok(false),
            Step::Entry(entry) => {
                let path = tar::path(&entry.name)?;
                let path = String::from_utf8_lossy(&path);
                let end = path.bytes().position(|b| matches!(b, b'/' | b'.')).unwrap_or(path.len());
                match &*path {
                    "" | "blobs" | "blobs/sha256" => {}
                    "oci-layout" | "index.json" | "manifest.json" | "repositories" => return Ok(true),
                    path => return Ok(path.starts_with("blobs/sha256/") || hex::is(&path[..end], 64)),
                }
            }
        }
    }
}
