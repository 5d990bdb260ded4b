//! From an archive to a directory: one layer, or a whole root file system, as overlayfs wants to find it below.
//!
//! The archive is hostile. Nothing outside the directory is touched, whatever names, links and numbers say: every path
//! is resolved by the kernel inside the directory (openat2(2), `RESOLVE_IN_ROOT`), and no last component is ever followed.

mod archive;
mod dress;
mod refuse;
mod way;

pub use dress::Owners;

use super::tar::{self, Entry, Kind, Region, Time, shown};
use crate::error::{Error, Result, Tried};
use crate::kernel::io::{self, Source};
use crate::kernel::{at, file, sys};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use archive::{Archive, Stream};
use core::ffi::CStr;
use dress::{DEFAULT_ACL, dress, dress_at, set_acl, set_opaque, times};
use refuse::{refuse_other_kind, unwanted};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Stat, fchmod, ftruncate, linkat};
use rustix::fs::{futimens, makedev, mkdirat, mknodat, openat, renameat, seek, statat, symlinkat, unlinkat, utimensat};
use rustix::io::Errno;
use way::{Answer, BELOW, INSIDE, cut, open_below, resolve};

/// So much of a large file is on its way to the disk while more is unpacked: all of a layer has to be there in the end.
const SYNCED_BYTES_MIN: usize = 1 << 20;
/// A shorter run of zeros is written: a block of most file systems.
const HOLE_BYTES_MIN: usize = 4096;
/// More than any image that fits the disks we know.
const BYTES_MAX: u64 = 64 << 30;
/// What honest archives reach only with one huge file of zeros (see gzip.rs: the first GiB is free).
const RATIO_MAX: u64 = 200;
/// Each can cost an inode; the largest images have about a tenth of that.
const ENTRIES_MAX: u64 = 10_000_000;
/// Directory names are kept until the end, for their times.
const DIRECTORY_NAMES_BYTES_MAX: usize = 256 << 20;
/// The names of opaque directories are, too.
const OPAQUE_BYTES_MAX: usize = 1 << 20;
/// A walk through a tree passes over what lies deeper than one path can say, and we count nothing near that.
const COUNTED_PATH_BYTES_MAX: usize = 3000;
/// Entries that were left out and are told by name.
const LEFT_OUT_MAX: usize = 100;

/// Unpacks plain bytes into an empty directory: [`unpack`], or the same in another process.
pub type Unpacker = fn(source: &mut dyn Source, into: BorrowedFd<'_>, limits: &Limits) -> Result<Unpacked>;

/// What an archive may cost, and who unpacks it.
pub struct Limits {
    /// Bytes of the uncompressed archive.
    pub bytes_max: u64,
    /// Uncompressed bytes for each compressed one: for `gzip::open`.
    pub ratio_max: u64,
    /// Entries and header records.
    pub entries_max: u64,
    /// Who unpacks a layer.
    pub unpacker: Unpacker,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: BYTES_MAX, ratio_max: RATIO_MAX, entries_max: ENTRIES_MAX, unpacker: unpack }
    }
}

/// What was unpacked.
#[derive(Default)]
pub struct Unpacked {
    /// sha256 of the whole uncompressed stream: 64 hexadecimal digits.
    pub diff_id: String,
    /// Sum of the sizes of all regular files.
    pub bytes: u64,
    /// What was not made, and why: devices that could do harm, sockets, unknown types. For a person; safe to print.
    pub left_out: Vec<String>,
    /// Paths of directories that hide what is below them.
    pub opaque: Vec<Vec<u8>>,
    /// What [`file::tally`] would find, but for its fourth number; `None` when only a walk can tell.
    pub tally: Option<[u64; 3]>,
}

/// Unpacks a tar archive into the empty directory `into`, and reads `source` to its end. The source gives plain bytes:
/// `gzip::open` stands before it. Needs root, if only of a user namespace: owners and devices that
/// it does not have are left out. What the archive does not say of `into`
/// itself stays as it is. After an error the directory is half full: the caller removes it.
pub fn unpack(source: &mut dyn Source, into: BorrowedFd<'_>, limits: &Limits) -> Result<Unpacked> {
    let got = unpack_files(source, into, limits, true)?;
    mark_opaque(into, &got.opaque)?;
    Ok(got)
}

/// The same without what needs more power than making files does: the caller marks the opaque directories afterwards
/// ([`mark_opaque`]). `hashes`: whether the digest is wanted; otherwise it is empty.
pub fn unpack_files(source: &mut dyn Source, into: BorrowedFd<'_>, limits: &Limits, hashes: bool) -> Result<Unpacked> {
    let mut archive = Archive::new(source, limits, hashes);
    let first = archive.next()?;
    // What is made has the archive's mode from the start: no mask and no ACL of the store's own directories has a say.
    let _ = rustix::fs::fremovexattr(into, DEFAULT_ACL); // mostly there is none
    let umask = rustix::process::umask(Mode::empty());
    let done = fill(&mut Tree::new(into), &mut archive, first);
    rustix::process::umask(umask);
    done
}

/// Marks directories as ones that hide what is below them. In a layer that was just unpacked, nobody else writes there.
pub fn mark_opaque(root: BorrowedFd<'_>, paths: &[Vec<u8>]) -> Result<()> {
    for path in paths {
        let mark = || -> Answer<()> {
            let dir = match resolve(root, path, INSIDE) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()), // a later entry replaced it
                other => other?,
            };
            set_opaque(&openat(&dir, c".", DIRECTORY, Mode::empty())?)
        };
        mark().tried_with(|| format!("make the directory {} opaque", shown(path)))?;
    }
    Ok(())
}

/// Makes this entry and all that follow it.
fn fill(tree: &mut Tree<'_>, archive: &mut Archive<'_>, first: Option<Box<Entry>>) -> Result<Unpacked> {
    let mut next = first;
    while let Some(mut entry) = next {
        if let Some(Target { base, .. }) = tree.target {
            // `a` in the directory `b` is `b/a` from here on, also in what is said about it.
            let inside = |name: &[u8]| [base, &b"/"[..], name].concat();
            entry.name = tar::path(&inside(&entry.name))?;
            if entry.kind == Kind::HardLink {
                entry.link = inside(&entry.link);
            }
        }
        tree.add(&entry, &mut archive.stream)?;
        archive.end(&mut entry)?;
        next = archive.next()?;
    }
    tree.set_directory_times()?;
    if tree.left_out_more > 0 {
        tree.left_out.push(format!("and {} more", tree.left_out_more));
    }
    let diff_id = archive.finish()?;
    let (left_out, opaque) = (core::mem::take(&mut tree.left_out), core::mem::take(&mut tree.opaque));
    Ok(Unpacked { diff_id, bytes: tree.bytes, left_out, opaque, tally: tree.tally })
}

/// Where the entries of an archive go that is copied into a living tree.
pub struct Target {
    /// A directory. Nothing outside of it is touched.
    pub root: OwnedFd,
    /// The path from there that the archive's own root (`.`) stands for; empty for the directory itself.
    pub base: Vec<u8>,
    /// Whether that is there already, and stays as it is.
    pub is_there: bool,
    /// Whether symlinks on the way to an entry are followed, inside the root. Otherwise they are an error.
    pub follows: bool,
}

/// Copies what is in a tar archive (plain bytes) to where `place` says, once it has seen the first entry. What is in the
/// tree stays, unless an entry has its name; a directory never takes the place of something else, nor the other way round.
/// Names that begin with `.wh.` are names like others. Others may change the tree meanwhile, with ill will.
pub fn copy(
    source: &mut dyn Source,
    owners: Owners,
    place: &mut dyn FnMut(&Entry) -> Result<Target>,
) -> Result<Unpacked> {
    // What cannot be opened gets its whole mode when it is made: nobody can put a symlink there before a second step.
    let umask = rustix::process::umask(Mode::empty());
    let done = copy_all(source, owners, place);
    rustix::process::umask(umask);
    done
}

fn copy_all(
    source: &mut dyn Source,
    owners: Owners,
    place: &mut dyn FnMut(&Entry) -> Result<Target>,
) -> Result<Unpacked> {
    let limits = Limits { bytes_max: u64::MAX, entries_max: u64::MAX, ..Limits::default() };
    let mut archive = Archive::new(source, &limits, false);
    let first = archive.next()?;
    let target = first.as_deref().map(place).transpose()?;
    let Some(target) = target else { return Ok(Unpacked::default()) };
    let mut tree = Tree::new(target.root.as_fd());
    (tree.target, tree.owners) = (Some(&target), owners);
    if !target.follows {
        tree.how = BELOW;
    }
    fill(&mut tree, &mut archive, first)
}

/// What a directory gets when all is in it.
struct Directory {
    path: Vec<u8>,
    mtime: Time,
    /// The ACL that new files inherit: not those of the archive.
    default_acl: Option<Vec<u8>>,
}

/// The directory that is being filled.
struct Tree<'a> {
    root: BorrowedFd<'a>,
    /// How paths below the root are resolved.
    how: ResolveFlags,
    /// Where a copy goes in the root; `None` for a layer.
    target: Option<&'a Target>,
    owners: Owners,
    /// The directory of the last entry and its path: the next entry is usually in it too.
    last_parent: Option<(Vec<u8>, Rc<OwnedFd>)>,
    directories: Vec<Directory>,
    directory_names_bytes: usize,
    /// Paths of directories that are to hide what is below them, once everything is there.
    opaque: Vec<Vec<u8>>,
    opaque_bytes: usize,
    bytes: u64,
    /// Names, link counts and bytes as [`file::tally`] has them, until something is replaced.
    tally: Option<[u64; 3]>,
    left_out: Vec<String>,
    left_out_more: u64,
}

/// Where a directory that was replaced waits for its removal. No entry can have this name.
const REPLACED: &str = ".wh..wh.replaced";

impl<'a> Tree<'a> {
    fn new(root: BorrowedFd<'a>) -> Self {
        Self {
            root,
            how: INSIDE,
            target: None,
            owners: Owners::Kept,
            last_parent: None,
            directories: Vec::new(),
            directory_names_bytes: 0,
            opaque: Vec::new(),
            opaque_bytes: 0,
            bytes: 0,
            tally: Some([0; 3]),
            left_out: Vec::new(),
            left_out_more: 0,
        }
    }

    /// Counts a new name of something with so many names before, or of a directory.
    fn count(&mut self, names_before: Option<u64>, bytes: u64) {
        if let Some([names, links, sum]) = &mut self.tally {
            *names += 1;
            // Each of them has one more now, and there is one more that has them all.
            *links += names_before.map_or(0, |names| 2 * names + 1);
            *sum = sum.wrapping_add(bytes);
        }
    }

    /// Makes one entry. Reads all of its content, or fails.
    fn add(&mut self, entry: &Entry, stream: &mut Stream<'_>) -> Result<()> {
        let path = tar::path(&entry.name)?;
        let (parent, name) = cut(&path);
        let marks = |part: &[u8]| self.target.is_none() && part.starts_with(b".wh.");
        if self.target.is_none() && parent.split(|b| *b == b'/').any(|part| part.starts_with(b".wh..wh.")) {
            return stream.skip(entry); // AUFS kept its own things there
        }
        if parent.split(|b| *b == b'/').any(marks) {
            return Err(Error::new(format_args!("{}: a whiteout cannot be a directory", shown(&entry.name))));
        }
        if marks(name) {
            self.whiteout(parent, &name[4..])
                .map_err(|e| e.reword(&|what| format!("{}: {}", shown(&entry.name), what)))?;
            return stream.skip(entry);
        }
        if self.target.is_some_and(|target| target.is_there && target.base == path) && entry.kind == Kind::Directory {
            return Ok(());
        }
        if path.is_empty() {
            if entry.kind != Kind::Directory {
                return Err(Error::new(format_args!("{}: the root can only be a directory", shown(&entry.name))));
            }
            let root = openat(self.root, c".", DIRECTORY, Mode::empty()).tried("open the root directory")?;
            return self.dress_directory(path, &root, entry, false);
        }
        if let Some(why) = unwanted(entry) {
            self.leave_out(entry, why);
            return stream.skip(entry);
        }
        let parent = self.parent(parent).tried_with(|| format!("reach the directory of {}", shown(&path)))?;
        let name = &*at::c_bytes(name).tried_with(|| format!("name {}", shown(&path)))?;
        let what = |verb: &str| format!("{verb} {}", shown(&path));
        if self.target.is_some() {
            refuse_other_kind(&parent, name, &path, entry)?;
        }
        match entry.kind {
            Kind::Directory => {
                let replace = self.target.is_none();
                let (made, is_new) =
                    self.directory(&parent, &path, replace).tried_with(|| what("make the directory"))?;
                self.dress_directory(path, &made, entry, is_new)
            }
            Kind::File => self.file(&parent, name, entry, stream),
            Kind::HardLink => self.hard_link(&parent, name, entry),
            Kind::Symlink => {
                self.make(&parent, name, &mut || symlinkat(at::c_bytes(&entry.link)?.as_c_str(), &*parent, name))
                    .tried_with(|| what("make the symlink"))?;
                self.count(Some(0), entry.link.len() as u64);
                dress_at(&parent, name, entry, self.owners, self.target.is_none())
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo | Kind::Other(_) => {
                let (kind, device) = match entry.kind {
                    Kind::Fifo => (FileType::Fifo, 0),
                    _ => (FileType::CharacterDevice, makedev(entry.device.0, entry.device.1)),
                };
                let mode = Mode::from(entry.mode);
                match self.make(&parent, name, &mut || mknodat(&*parent, name, kind, mode, device)) {
                    // In a user namespace nobody may make a device, and the container gets its own /dev.
                    Err(Errno::PERM) if entry.kind != Kind::Fifo => {
                        self.leave_out(entry, "no permission to make devices");
                        Ok(())
                    }
                    other => {
                        other.tried_with(|| what("make"))?;
                        self.count(Some(0), 0);
                        dress_at(&parent, name, entry, self.owners, self.target.is_none())
                    }
                }
            }
        }
    }

    /// The directory at this path; missing ones are made.
    fn parent(&mut self, path: &[u8]) -> Answer<Rc<OwnedFd>> {
        if let Some((last, fd)) = &self.last_parent {
            if last == path {
                return Ok(Rc::clone(fd));
            }
            // One step down from the last one, unless it is a symlink, is what the whole way would find too.
            let (above, name) = cut(path);
            if above == last {
                match open_below(fd.as_fd(), name, OFlags::PATH | OFlags::DIRECTORY, BELOW) {
                    Ok(fd) => return Ok(self.remember(path, fd)),
                    Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        match resolve(self.root, path, self.how) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            other => return Ok(self.remember(path, other?)),
        }
        let mut fd = resolve(self.root, b"", self.how)?;
        let mut end = 0;
        for name in path.split(|b| *b == b'/') {
            end += name.len();
            fd = match open_below(fd.as_fd(), name, OFlags::PATH | OFlags::DIRECTORY, BELOW) {
                Err(Errno::LOOP | Errno::NOTDIR) => match resolve(self.root, &path[..end], self.how) {
                    Err(Errno::NOTDIR | Errno::NOENT) => self.directory(&fd, &path[..end], false)?.0,
                    other => other?,
                },
                Err(Errno::NOENT) => self.directory(&fd, &path[..end], false)?.0,
                other => other?,
            };
            end += 1;
        }
        Ok(self.remember(path, fd))
    }

    fn remember(&mut self, path: &[u8], fd: OwnedFd) -> Rc<OwnedFd> {
        let fd = Rc::new(fd);
        self.last_parent = Some((path.to_vec(), Rc::clone(&fd)));
        fd
    }

    /// Makes a directory, or keeps the one that is there. A whiteout of the same archive hides only what lies below,
    /// so together the two are an opaque directory. Anything else is replaced if `replace`. Says whether it is new.
    fn directory(&mut self, parent: &OwnedFd, path: &[u8], replace: bool) -> Answer<(OwnedFd, bool)> {
        let name = &*at::c_bytes(cut(path).1)?;
        let mut opaque = false;
        let mut made = mkdirat(parent, name, Mode::from(0o755));
        if made == Err(Errno::EXIST) {
            let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            opaque = self.target.is_none() && is_whiteout(&stat);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                return Ok((openat(parent, name, DIRECTORY, Mode::empty())?, false));
            }
            if !replace && !opaque {
                return Err(Errno::NOTDIR);
            }
            self.clear(parent, name)?;
            made = mkdirat(parent, name, Mode::from(0o755));
        }
        made?;
        self.count(None, 0);
        self.tally = self.tally.filter(|_| path.len() <= COUNTED_PATH_BYTES_MAX);
        let fd = openat(parent, name, DIRECTORY, Mode::empty())?;
        if self.target.is_some() {
            fchmod(&fd, Mode::from(0o755))?; // whatever a default ACL says
        }
        if opaque {
            self.hide_below(path)?;
        }
        Ok((fd, true))
    }

    /// `.wh.NAME` as overlayfs says it, or the mark of an opaque directory.
    fn whiteout(&mut self, parent: &[u8], name: &[u8]) -> Result<()> {
        if matches!(name, b"" | b"." | b"..") {
            return Err(Error::new("a whiteout without a name"));
        }
        if name.starts_with(b".wh.") && name != b".wh..opq" {
            return Ok(()); // AUFS's own
        }
        let fd = self.parent(parent).tried("reach its directory")?;
        let c_name = &*at::c_bytes(name).tried("make the whiteout")?;
        let made = match name {
            b".wh..opq" => self.hide_below(parent),
            name => match mknodat(&*fd, c_name, FileType::CharacterDevice, Mode::empty(), 0) {
                Ok(()) => {
                    self.count(Some(0), 0);
                    Ok(())
                }
                // What this archive put there stays and hides the lower one by itself, a directory when opaque.
                Err(Errno::EXIST) => match statat(&*fd, c_name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                        self.hide_below(&[parent, b"/", name].concat())
                    }
                    other => other.map(drop),
                },
                other => other,
            },
        };
        made.tried("make the whiteout")
    }

    /// Notes that this directory hides what is below it.
    fn hide_below(&mut self, path: &[u8]) -> Answer<()> {
        self.opaque_bytes += path.len() + 1;
        if self.opaque_bytes > OPAQUE_BYTES_MAX {
            return Err(Errno::TOOBIG);
        }
        self.opaque.push(path.to_vec());
        Ok(())
    }

    fn file(&mut self, parent: &OwnedFd, name: &CStr, entry: &Entry, stream: &mut Stream<'_>) -> Result<()> {
        let what = |verb: &str| format!("{verb} {}", shown(&entry.name));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // In a living tree somebody else could open it, before it is whose it is to be.
        let made = self.target.is_none().then_some(entry.mode);
        let open = || openat(parent, name, flags, Mode::from(made.unwrap_or(0o600)));
        let opened = match open() {
            Err(Errno::EXIST) => self.clear(parent, name).and_then(|()| open()),
            other => other,
        };
        let fd = opened.tried_with(|| what("make"))?;
        let whole = [Region { offset: 0, bytes: entry.stored }];
        let mut has_holes = entry.regions.is_some();
        let mut waiting = 0;
        for region in entry.regions.as_deref().unwrap_or(&whole) {
            if region.offset > 0 {
                seek(&fd, SeekFrom::Start(region.offset)).tried_with(|| what("seek in"))?;
            }
            stream.content(entry, region.bytes, &mut |bytes| {
                // Nothing but zeros stays a hole: a sparse file must not fill the disk by being packed and unpacked.
                if bytes.len() >= HOLE_BYTES_MIN && bytes.iter().all(|byte| *byte == 0) {
                    has_holes = true;
                    return seek(&fd, SeekFrom::Current(bytes.len() as i64)).map(drop).tried_with(|| what("seek in"));
                }
                waiting += bytes.len();
                if waiting > SYNCED_BYTES_MIN && self.target.is_none() {
                    waiting = 0;
                    sys::begin_to_sync(fd.as_fd(), 0);
                }
                io::write_all(&fd, bytes).tried_with(|| what("write"))
            })?;
        }
        if has_holes {
            ftruncate(&fd, entry.size).tried_with(|| what("set the size of"))?;
        }
        self.bytes = self.bytes.saturating_add(entry.size);
        self.count(Some(0), entry.size);
        dress(&fd, entry, self.owners.of(entry, true), self.target.is_none(), made)?;
        futimens(&fd, &times(entry.mtime)).tried_with(|| what("set the time of"))
    }

    /// A second name for what an earlier entry made.
    fn hard_link(&mut self, parent: &OwnedFd, name: &CStr, entry: &Entry) -> Result<()> {
        let what = || format!("link {} to {}", shown(&entry.name), shown(&entry.link));
        let target = tar::path(&entry.link)?;
        let (target_parent, target_name) = cut(&target);
        let target_parent = resolve(self.root, target_parent, self.how).tried_with(what)?;
        let target_name = &*at::c_bytes(target_name).tried_with(what)?;
        // An empty name is the root directory itself.
        let looked = if target_name.is_empty() { c"." } else { target_name };
        let stat = statat(&target_parent, looked, AtFlags::SYMLINK_NOFOLLOW).tried_with(what)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory || is_whiteout(&stat) {
            return Err(Error::new(format_args!("{}: it is not a file", what())));
        }
        if statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino))
        {
            return Ok(()); // a link to itself; making room for it would remove the only one
        }
        // Without AT_SYMLINK_FOLLOW, linkat(2) links a symlink itself.
        let link = || linkat(&target_parent, target_name, parent, name, AtFlags::empty());
        self.make(parent, name, &mut { link }).tried_with(what)?;
        #[allow(clippy::useless_conversion)] // narrower on other machines
        self.count(Some(u64::from(stat.st_nlink)), stat.st_size as u64);
        Ok(())
    }

    /// Makes something, after removing what is there.
    fn make(&mut self, parent: &OwnedFd, name: &CStr, make: &mut dyn FnMut() -> Answer<()>) -> Answer<()> {
        match make() {
            Err(Errno::EXIST) => self.clear(parent, name).and_then(|()| make()),
            other => other,
        }
    }

    /// Removes what is there, a tree too.
    fn clear(&mut self, parent: &OwnedFd, name: &CStr) -> Answer<()> {
        (self.last_parent, self.tally) = (None, None); // it may go away with it
        match unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            other => return other,
        }
        if self.target.is_some() {
            return Err(Errno::ISDIR);
        }
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY) => {}
            other => return other,
        }
        renameat(parent, name, parent, at::c(REPLACED)?.as_c_str())?;
        file::remove_tree(parent.as_fd(), REPLACED).map_err(|e| e.errno.unwrap_or(Errno::IO))
    }

    fn dress_directory(&mut self, path: Vec<u8>, fd: &OwnedFd, entry: &Entry, is_new: bool) -> Result<()> {
        dress(fd, entry, self.owners.of(entry, is_new), self.target.is_none(), None)?;
        let default_acl = entry.xattrs.get(DEFAULT_ACL.to_bytes()).cloned();
        self.directory_names_bytes += path.len() + default_acl.as_ref().map_or(0, Vec::len);
        if self.directory_names_bytes > DIRECTORY_NAMES_BYTES_MAX {
            return Err(Error::new("the archive has too many directories"));
        }
        self.directories.push(Directory { path, mtime: entry.mtime, default_acl });
        Ok(())
    }

    /// Last of all, because every entry in a directory changes its time, and what is made in it inherits its default ACL.
    fn set_directory_times(&mut self) -> Result<()> {
        for Directory { path, mtime, default_acl } in core::mem::take(&mut self.directories) {
            let (parent, name) = cut(&path);
            let tried = |answer: Answer<()>| answer.tried_with(|| format!("set the time of {}", shown(&path)));
            let Ok(name) = at::c_bytes(if name.is_empty() { b"." } else { name }) else { continue }; // it was made
            let name = &*name;
            let parent = match &self.last_parent {
                Some((last, fd)) if last == parent => Rc::clone(fd),
                _ => match resolve(self.root, parent, self.how) {
                    Ok(fd) => self.remember(parent, fd),
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue, // a later entry replaced it
                    Err(errno) => return tried(Err(errno)),
                },
            };
            match statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                    if let Some(acl) = default_acl {
                        let dir = openat(&*parent, name, DIRECTORY, Mode::empty());
                        let done = dir.and_then(|dir| set_acl(&dir, &acl));
                        done.tried_with(|| format!("set the default ACL of {}", shown(&path)))?;
                    }
                    tried(utimensat(&*parent, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW))?;
                }
                _ => {} // replaced, too
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, entry: &Entry, why: &str) {
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(format!("{} ({why})", shown(&entry.name)));
        } else {
            self.left_out_more += 1;
        }
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Whether this is overlayfs' mark of something deleted.
pub fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}
