//! From a directory to an archive. The same tree always gives the same bytes: names are sorted, and nothing of this
//! moment or this process goes in.
//!
//! The tree may belong to a hostile container that is still running: nothing is followed, nothing is trusted twice.

use super::tar::{self, Entry, Kind, Time, shown};
use crate::error::{Error, Result, Tried};
use crate::kernel::io::{self, Sink};
use crate::kernel::{at, file, process};
use crate::spec::map::Map;
use crate::spec::order;
use alloc::ffi::CString;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Stat};
use rustix::fs::{fgetxattr, flistxattr, fstat, major, minor, openat, openat2, readlinkat, seek, statat};
use rustix::io::Errno;

/// Directories that are open at the same time. Further up they are closed, and opened again on the way back.
const OPEN_DIRECTORIES_MAX: usize = 64;
/// Files whose other names are still to come. Beyond these, the names of one file become files of their own.
const HARD_LINKS_MAX: usize = 1_000_000;
const BUFFER_BYTES: usize = 256 << 10;
/// What the kernel allows for the value of one attribute, and for all their names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const XATTR_BYTES_MAX: usize = 64 << 10;

/// What the archive is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The upper directory of an overlay as an OCI layer: its whiteouts become `.wh.` entries.
    Layer,
    /// A tree as it is.
    Flat,
}

/// Writes the tree below `dir` as a tar archive. `dir` itself has no entry. `skip` is asked with each path below `dir`,
/// no slash at its end; an entry that it wants skipped is left out with all that is in it. Sockets are always skipped,
/// and what is mounted in the tree is an empty directory. An entry that vanishes meanwhile is left out.
pub fn pack(dir: BorrowedFd<'_>, form: Form, skip: &dyn Fn(&str) -> bool, sink: &mut dyn Sink) -> Result<()> {
    let mut walk = Walk::new(form, skip, sink);
    let top = openat(dir, c".", DIRECTORY, Mode::empty()).tried("open the directory to pack")?;
    let stat = fstat(&top).tried("look at the directory to pack")?;
    let notes = walk.attributes(&top)?;
    walk.enter(top, &stat, &notes)?;
    walk.finish().map(drop)
}

/// Writes one entry of a directory, with all that is in it and is mounted in it (but for the kernel's own file systems),
/// as a tar archive in which it is called `called`. `skip` as for [`pack`], with paths that begin so. Returns the bytes of
/// its regular files.
pub fn pack_entry(
    dir: &OwnedFd,
    name: &CStr,
    called: &str,
    skip: &dyn Fn(&str) -> bool,
    sink: &mut dyn Sink,
) -> Result<u64> {
    let mut walk = Walk::new(Form::Flat, skip, sink);
    (walk.across, walk.path) = (true, called.as_bytes().to_vec());
    walk.add(dir, name, FileType::Unknown)?;
    walk.finish()
}

/// Whether the kernel makes up what is in this file system: nothing to be copied.
pub fn is_made_up(fd: impl AsFd) -> bool {
    // linux/magic.h: proc, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs, securityfs, bpf
    const MAGIC: [u32; 10] = [
        0x9fa0, 0x62656572, 0x0027e0eb, 0x63677270, 0x1cd1, 0x19800202, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11,
    ];
    rustix::fs::fstatfs(fd).is_ok_and(|found| MAGIC.contains(&(found.f_type as u32)))
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// Not blocking, in case it is a pipe by now.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
const SAME_MOUNT: ResolveFlags = ResolveFlags::NO_XDEV.union(ResolveFlags::BENEATH).union(ResolveFlags::NO_SYMLINKS);

/// The archive, buffered: a file's content is read right into the buffer.
struct Out<'a> {
    sink: &'a mut dyn Sink,
    buf: Vec<u8>,
    filled: usize,
}

impl Out<'_> {
    fn flush(&mut self) -> Result<()> {
        self.sink.write(&self.buf[..mem::take(&mut self.filled)])
    }

    /// Some room at the end of the buffer, `max` bytes at most. The caller adds what it filled to `filled`.
    fn room(&mut self, max: u64) -> Result<&mut [u8]> {
        if self.filled == self.buf.len() {
            self.flush()?;
        }
        let end = self.buf.len().min(self.filled.saturating_add(usize::try_from(max).unwrap_or(usize::MAX)));
        Ok(&mut self.buf[self.filled..end])
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let n = io::copy(bytes, self.room(bytes.len() as u64)?);
            self.filled += n;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    fn zeros(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            let room = self.room(count)?;
            room.fill(0);
            let n = room.len();
            self.filled += n;
            count -= n as u64;
        }
        Ok(())
    }
}

/// A directory on the way from the top to where we are.
struct Level {
    /// Closed when the way is long; the last one is always open.
    fd: Option<Rc<OwnedFd>>,
    id: (u64, u64),
    /// Length of its path.
    path_bytes: usize,
    /// What is still to do, last first.
    left: Vec<Child>,
}

/// A name in a directory.
struct Child {
    name: CString,
    kind: FileType,
    whiteout: bool,
}

/// Attributes of a file or directory, and what overlayfs has noted there.
#[derive(Default)]
struct Notes {
    xattrs: Map<Vec<u8>, Vec<u8>>,
    /// Hides all that is below.
    opaque: bool,
    /// May contain whiteouts that are empty files with an attribute, as overlays in overlays have them.
    file_whiteouts: bool,
}

struct Walk<'a> {
    form: Form,
    /// Whether what is mounted in the tree belongs to it.
    across: bool,
    /// Bytes of regular files so far.
    bytes: u64,
    skip: &'a dyn Fn(&str) -> bool,
    out: Out<'a>,
    stack: Vec<Level>,
    /// Where we are: an entry of the directory on top of the stack.
    path: Vec<u8>,
    links: Links,
    /// For lists and values of attributes.
    scratch: Vec<u8>,
    /// What the names of overlayfs's own attributes begin with: another one in a user namespace.
    overlay: &'static str,
}

/// The files that have names still to come, in lists by the ends of their inode numbers: there may be a million.
#[derive(Default)]
struct Links {
    lists: Vec<Vec<Link>>,
    count: usize,
}

struct Link {
    id: (u64, u64),
    first: Vec<u8>,
    left: usize,
}

impl Links {
    /// One name of a file that has `others`. Whether it was met before: then its first name is put into `first`.
    fn meet(&mut self, id: (u64, u64), others: usize, name: &[u8], first: &mut Vec<u8>) -> bool {
        if self.lists.is_empty() {
            self.lists.resize_with(4096, Vec::new);
        }
        let list = &mut self.lists[id.1 as usize % 4096];
        if let Some(at) = list.iter().position(|link| link.id == id) {
            first.clone_from(&list[at].first);
            list[at].left -= 1;
            if list[at].left == 0 {
                list.swap_remove(at);
                self.count -= 1;
            }
            return true;
        }
        if self.count < HARD_LINKS_MAX {
            list.push(Link { id, first: name.to_vec(), left: others });
            self.count += 1;
        }
        false
    }
}

impl<'a> Walk<'a> {
    fn new(form: Form, skip: &'a dyn Fn(&str) -> bool, sink: &'a mut dyn Sink) -> Self {
        Self {
            form,
            across: false,
            bytes: 0,
            skip,
            out: Out { sink, buf: vec![0; BUFFER_BYTES], filled: 0 },
            stack: Vec::new(),
            path: Vec::new(),
            links: Links::default(),
            scratch: vec![0; XATTR_BYTES_MAX],
            overlay: if process::is_in_first_user_namespace() { "trusted.overlay." } else { "user.overlay." },
        }
    }

    /// Everything that is left to do, and the end of the archive.
    fn finish(mut self) -> Result<u64> {
        while let Some(level) = self.stack.last_mut() {
            match level.left.pop() {
                Some(name) => self.entry(&name)?,
                None => self.leave()?,
            }
        }
        self.out.zeros(2 * tar::BLOCK_BYTES as u64)?;
        self.out.flush()?;
        Ok(self.bytes)
    }

    fn entry(&mut self, next: &Child) -> Result<()> {
        let Some(Level { fd: Some(dir), path_bytes, .. }) = self.stack.last() else { return Ok(()) };
        let dir = Rc::clone(dir);
        self.path.truncate(*path_bytes);
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(next.name.to_bytes());
        if (self.skip)(&String::from_utf8_lossy(&self.path)) {
            return Ok(());
        }
        if next.whiteout {
            return self.mark(next.name.to_bytes());
        }
        if self.form == Form::Layer && next.name.to_bytes().starts_with(b".wh.") {
            return Err(Error::new(format_args!(
                "{}: a layer cannot hold a name that begins with .wh.",
                shown(&self.path)
            )));
        }
        match self.add(&dir, &next.name, next.kind) {
            Err(error) if error.is(Errno::NOENT) => Ok(()), // removed since the directory was read
            other => other,
        }
    }

    fn add(&mut self, dir: &OwnedFd, name: &CStr, kind: FileType) -> Result<()> {
        match kind {
            FileType::RegularFile => self.file(dir, name),
            FileType::Directory => self.directory(dir, name),
            _ => self.special(dir, name),
        }
    }

    fn file(&mut self, dir: &OwnedFd, name: &CStr) -> Result<()> {
        let fd = openat(dir, name, FILE, Mode::empty()).tried_with(|| self.what("open"))?;
        let stat = fstat(&fd).tried_with(|| self.what("look at"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::new(format_args!("{}: it changed while it was packed", shown(&self.path))));
        }
        let mut entry = self.describe(Kind::File, &stat);
        if self.linked(&mut entry, &stat) {
            return self.emit(&entry);
        }
        entry.xattrs = self.attributes(&fd)?.xattrs;
        entry.stored = stat.st_size as u64;
        self.bytes += entry.stored;
        self.emit(&entry)?;
        let (mut at, size) = (0, entry.stored);
        // Holes are written as zeros, but not read: a layer is no place for sparse entries (image specification, layer.md).
        while (stat.st_blocks as u64) * 512 < size && at < size {
            let end_of_hole = match seek(&fd, SeekFrom::Data(at)) {
                Ok(data) => data.min(size),
                Err(Errno::NXIO) => size,
                Err(_) => break, // a file system that knows no holes
            };
            self.out.zeros(end_of_hole - at)?;
            let end_of_data = seek(&fd, SeekFrom::Hole(end_of_hole)).unwrap_or(size).min(size);
            let _ = seek(&fd, SeekFrom::Start(end_of_hole)); // a regular file, and a place in it
            self.content(&fd, end_of_data.saturating_sub(end_of_hole))?;
            at = end_of_data.max(end_of_hole);
        }
        self.content(&fd, size - at)?;
        self.out.zeros(tar::padding(size) as u64)
    }

    /// The next bytes of a file. Of one that is being written the header has said the size: the rest is cut off, or zeros.
    fn content(&mut self, fd: &OwnedFd, mut left: u64) -> Result<()> {
        while left > 0 {
            match io::read(fd, self.out.room(left)?).tried_with(|| self.what("read"))? {
                0 => break,
                n => {
                    self.out.filled += n;
                    left -= n as u64;
                }
            }
        }
        self.out.zeros(left)
    }

    fn directory(&mut self, dir: &OwnedFd, name: &CStr) -> Result<()> {
        let mut opened = openat2(dir, name, DIRECTORY, Mode::empty(), SAME_MOUNT);
        if self.across && matches!(opened, Err(Errno::XDEV)) {
            opened = openat(dir, name, DIRECTORY, Mode::empty());
            if opened.as_ref().is_ok_and(is_made_up) {
                opened = Err(Errno::XDEV);
            }
        }
        match opened {
            Err(Errno::XDEV) => {
                // A mount point: what is mounted there is not ours to pack.
                let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).tried_with(|| self.what("look at"))?;
                let entry = self.describe(Kind::Directory, &stat);
                self.emit(&entry)
            }
            opened => {
                let fd = opened.tried_with(|| self.what("open"))?;
                let stat = fstat(&fd).tried_with(|| self.what("look at"))?;
                let mut notes = self.attributes(&fd)?;
                let mut entry = self.describe(Kind::Directory, &stat);
                entry.xattrs = mem::take(&mut notes.xattrs);
                self.emit(&entry)?;
                self.enter(fd, &stat, &notes)
            }
        }
    }

    /// Symlinks, devices and pipes; and whatever the file system did not want to tell the type of.
    fn special(&mut self, dir: &OwnedFd, name: &CStr) -> Result<()> {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).tried_with(|| self.what("look at"))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return self.file(dir, name),
            FileType::Directory => return self.directory(dir, name),
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            _ => return Ok(()),
        };
        let mut entry = self.describe(kind, &stat);
        if !self.linked(&mut entry, &stat) {
            if kind == Kind::Symlink {
                entry.link = readlinkat(dir, name, Vec::new()).tried_with(|| self.what("read"))?.into_bytes();
            }
            if matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
                entry.device = (major(stat.st_rdev), minor(stat.st_rdev));
            }
        }
        self.emit(&entry)
    }

    /// Goes down into a directory: reads its names, and writes first what hides things below it.
    fn enter(&mut self, fd: OwnedFd, stat: &Stat, notes: &Notes) -> Result<()> {
        let path_bytes = self.path.len();
        if notes.opaque {
            self.path.extend_from_slice(if path_bytes == 0 { b".wh..opq" } else { b"/.wh..opq" });
            self.mark(b".wh..opq")?;
            self.path.truncate(path_bytes);
        }
        let mut left = Vec::new();
        for (name, kind) in file::entries(fd.as_fd()).map_err(|e| e.reword(&|what| self.what(what)))? {
            let whiteout = self.form == Form::Layer && self.is_whiteout(&fd, &name, kind, notes);
            left.push(Child { name, kind, whiteout });
        }
        // The next one is taken from the end: whiteouts first, then by name.
        let left = order::sorted(left, &|a, b| (a.whiteout, &b.name) < (b.whiteout, &a.name));
        self.stack.push(Level { fd: Some(Rc::new(fd)), id: id(stat), path_bytes, left });
        if let Some(far) = self.stack.len().checked_sub(OPEN_DIRECTORIES_MAX + 1) {
            self.stack[far].fd = None;
        }
        Ok(())
    }

    /// Goes back up, to where `..` leads, if that is still the directory that we came from.
    fn leave(&mut self) -> Result<()> {
        let Some(Level { fd: Some(below), .. }) = self.stack.pop() else { return Ok(()) };
        let Some(level) = self.stack.last_mut() else { return Ok(()) };
        if level.fd.is_none() {
            let what = || format!("go back to {}", shown(&self.path[..level.path_bytes]));
            let fd = openat(&*below, c"..", DIRECTORY, Mode::empty()).tried_with(what)?;
            if id(&fstat(&fd).tried_with(what)?) != level.id {
                return Err(Error::new(format_args!("{}: it was moved while it was packed", what())));
            }
            level.fd = Some(Rc::new(fd));
        }
        Ok(())
    }

    /// What all kinds of entries have.
    fn describe(&self, kind: Kind, stat: &Stat) -> Entry {
        let mut name = self.path.clone();
        if kind == Kind::Directory {
            name.push(b'/');
        }
        let mut entry = Entry::new(name, kind);
        (entry.mode, entry.uid, entry.gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        entry.mtime = Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 };
        entry
    }

    /// Turns the entry into a hard link if the file is in the archive already under another name.
    fn linked(&mut self, entry: &mut Entry, stat: &Stat) -> bool {
        let others = (stat.st_nlink as usize).saturating_sub(1); // its type differs between architectures
        if others == 0 {
            return false;
        }
        let is_known = self.links.meet(id(stat), others, &entry.name, &mut entry.link);
        if is_known {
            entry.kind = Kind::HardLink;
        }
        is_known
    }

    /// An empty file `.wh.NAME` beside where we are.
    fn mark(&mut self, name: &[u8]) -> Result<()> {
        let dir = &self.path[..self.path.len() - name.len()];
        self.emit(&Entry::new([dir, b".wh.", name].concat(), Kind::File))
    }

    fn emit(&mut self, entry: &Entry) -> Result<()> {
        let mut header = Vec::new();
        tar::emit(entry, &mut header)?;
        self.out.write(&header)
    }

    /// The extended attributes that travel; for a layer, also what overlayfs keeps in them.
    fn attributes(&mut self, fd: &OwnedFd) -> Result<Notes> {
        let mut notes = Notes::default();
        let size = match flistxattr(fd, &mut self.scratch[..]) {
            Err(Errno::OPNOTSUPP) => 0,
            other => other.tried_with(|| self.what("list the attributes of"))?,
        };
        let names = self.scratch[..size].to_vec();
        for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            let note = if self.form == Form::Layer { name.strip_prefix(self.overlay.as_bytes()) } else { None };
            if matches!(note, Some(b"redirect" | b"metacopy")) {
                let what = shown(name);
                return Err(Error::new(format_args!("{}: an overlay with {what} is not a layer", shown(&self.path))));
            }
            if note != Some(b"opaque") && !tar::travels(name) {
                continue;
            }
            let c_name = at::c_bytes(name).tried_with(|| self.what("read the attributes of"))?;
            let value = match fgetxattr(fd, &*c_name, &mut self.scratch[..]) {
                Err(Errno::NODATA) => continue, // removed meanwhile
                size => &self.scratch[..size.tried_with(|| self.what("read the attributes of"))?],
            };
            match note {
                Some(_) => (notes.opaque, notes.file_whiteouts) = (value == b"y", value == b"x"),
                None => notes.xattrs.insert(name.to_vec(), value.to_vec()),
            }
        }
        Ok(notes)
    }

    /// Whether this entry of an overlay's upper directory only hides one below it: a device 0:0, or, where the directory
    /// says that there are such, an empty file with an attribute.
    fn is_whiteout(&self, dir: &OwnedFd, name: &CStr, kind: FileType, notes: &Notes) -> bool {
        match kind {
            FileType::CharacterDevice | FileType::Unknown => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::CharacterDevice && s.st_rdev == 0),
            FileType::RegularFile if notes.file_whiteouts => openat(dir, name, FILE, Mode::empty()).is_ok_and(|fd| {
                let mark = at::c(&[self.overlay, "whiteout"].concat());
                mark.is_ok_and(|mark| fgetxattr(&fd, &*mark, &mut [0u8; 16][..]).is_ok())
            }),
            _ => false,
        }
    }

    fn what(&self, verb: &str) -> String {
        format!("{verb} {}", shown(&self.path))
    }
}

fn id(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
