//! command: copies files between the host and a container, as a tar archive through a pipe. The host's side is ours; a
//! child that sees nothing but the container's files has the other one.
//!
//! The container may be hostile, and change its files meanwhile. So that child has only the powers that files need and no
//! way to open a device, it resolves every path inside the container's root, and it follows nothing on the way to what it
//! makes. On the host nothing is followed below the place that the caller named (CVE-2018-15664, CVE-2019-14271).

use super::packing::{await_writer, in_child, spawn};
use super::{control, exec, stop};
use crate::error::{Error, Result, Tried};
use crate::kernel::file::{self, Found, is_directory};
use crate::kernel::{io, process, sys};
use crate::spec::Status;
use crate::spec::text::join;
use crate::store::Store;
use crate::store::containers::Container;
use crate::store::tar::{Entry, Kind, shown};
use crate::store::unpack::{Limits, Owners, Target, Unpacked};
use crate::store::{gzip, pack, unpack};
use crate::walls;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, StatVfsMountFlags, StatxFlags, fstat, fstatvfs, openat, statx,
};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

/// What is asked of a copy.
pub struct Copy<'a> {
    /// The container as it was typed, for messages.
    pub word: &'a str,
    /// The path in the container, as typed.
    pub inside: &'a str,
    /// The path on the host, as typed and made absolute; without one the archive itself comes from standard input, or
    /// goes to standard output.
    pub outside: Option<(&'a str, String)>,
    /// Whether numbers of users and groups are kept.
    pub keeps_owners: bool,
    /// Whether a source that is a symlink stands for its target.
    pub follows: bool,
}

/// What was copied.
pub struct Copied {
    /// Bytes of regular files, if anybody counted them.
    pub content: Option<u64>,
    /// Bytes of the archive.
    pub transferred: u64,
    /// What was not copied, and why; safe to print.
    pub left_out: Vec<String>,
}

/// What a path says about what it leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Plain,
    /// `…/`: a directory.
    Slash,
    /// `…/.`: what is in a directory.
    Content,
}

/// A path that somebody typed, made absolute.
struct Path {
    text: String,
    ending: Ending,
}

impl Path {
    /// As docker: `..` counts in the text, before any symlink is followed.
    fn new(typed: &str, absolute: String) -> Self {
        let last = typed.trim_end_matches('/').rsplit('/').next();
        let ending = match last {
            Some(".") => Ending::Content,
            _ if absolute == "/" => Ending::Content,
            _ if typed.ends_with('/') => Ending::Slash,
            _ => Ending::Plain,
        };
        Self { text: absolute, ending }
    }

    /// The last component; `.` when the content is meant.
    fn name(&self) -> &str {
        match self.ending {
            Ending::Content => ".",
            _ => self.text.rsplit('/').next().unwrap_or("."),
        }
    }

    fn parent(&self) -> &str {
        match self.text.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        }
    }
}

/// Copies from the container to the host. `progress` is told how much of the archive has passed.
pub fn out_of(
    store: &Store,
    container: &mut Container,
    copy: &Copy<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Copied> {
    let outside = copy.outside.as_ref().map(|(typed, absolute)| Path::new(typed, absolute.clone()));
    let destination = outside.as_ref().map(destination_on_host).transpose()?;
    let side = Side::take(store, container)?;
    let source = Path::new(copy.inside, file::absolute("/", copy.inside));
    // The entries of an archive that somebody else unpacks have the source's name, those of ours none.
    let called = if destination.is_some() { "." } else { source.name() };
    let mut work = |to: BorrowedFd<'_>| -> Result<()> {
        let root = side.enter(store, container, false)?;
        let found = source_in(root.as_fd(), &source, copy)?;
        let sink = &mut io::File { fd: to, name: "the archive" };
        let skip = devices_of(&root, &found, called)?;
        pack::pack_entry(&found.dir, &found.name, called, &|path| path.starts_with(&skip), sink).map(drop)
    };
    let Some(destination) = destination else {
        in_child(0, &mut || work(sys::stdout()))?;
        return Ok(Copied { content: None, transferred: 0, left_out: Vec::new() });
    };
    let (read, write) = control::pipe()?;
    let mut read = Some(read);
    let (child, sync) = spawn(0, &mut || work(write.as_fd()), &mut || drop(read.take()))?;
    drop(write);
    let Some(read) = read else { sys::exit(1) };
    let mut archive = io::File { fd: read.as_fd(), name: "the archive" };
    let mut counted = io::Counted::<dyn io::Source>::new(&mut archive, progress);
    let owners = if copy.keeps_owners { Owners::Kept } else { Owners::Ours };
    let mut is_directory = false;
    let got = unpack::copy(&mut counted, owners, &mut |first| {
        is_directory = first.kind == Kind::Directory;
        destination.target(&source, first, &mut |parent| not_on_host(parent))
    });
    let transferred = counted.bytes;
    drop(read); // a child that is not done gets EPIPE, and ends
    let Unpacked { bytes, left_out, .. } = match (await_writer(&child, sync.as_fd()), got) {
        (Err(error), Err(got)) if error.is(Errno::PIPE) => return Err(got),
        (Err(error), _) => return Err(error),
        (Ok(()), got) => got?,
    };
    Ok(Copied { content: (!is_directory).then_some(bytes), transferred, left_out })
}

/// Copies from the host to the container. `progress` is told how much of the archive has passed.
pub fn into(
    store: &Store,
    container: &mut Container,
    copy: &Copy<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Copied> {
    let source = match &copy.outside {
        Some((typed, absolute)) => {
            let path = Path::new(typed, absolute.clone());
            let found = source_on_host(&path, copy.follows)?;
            Some((path, found))
        }
        None => None,
    };
    let side = Side::take(store, container)?;
    let path = Path::new(copy.inside, file::absolute("/", copy.inside));
    let (read, write) = control::pipe()?;
    let (notes, child_notes) = control::pipe()?;
    let mut work = || -> Result<()> {
        let root = side.enter(store, container, true)?;
        let destination = destination_in(root.as_fd(), &path, copy)?;
        let archive = &mut io::File { fd: read.as_fd(), name: "the archive" };
        let owners = if copy.keeps_owners || source.is_none() { Owners::Kept } else { Owners::Root };
        let got = match &source {
            Some((path, _)) => unpack::copy(archive, owners, &mut |first| {
                destination.target(path, first, &mut |parent| not_in(copy, parent))
            }),
            None => {
                destination.whole(root.as_fd(), copy)?; // before anybody has to write anything
                let mut plain = gzip::open(archive, Limits::default().ratio_max)?;
                unpack::copy(&mut plain, owners, &mut |_| destination.whole(root.as_fd(), copy))
            }
        }?;
        // As much as a pipe holds; nobody reads before we are done.
        let text = join(&got.left_out, "\n");
        io::write_all(&child_notes, &text.as_bytes()[..text.len().min(NOTES_BYTES_MAX)]).tried("tell what was left out")
    };
    let mut moved = Some((write, notes));
    let (child, sync) = spawn(0, &mut work, &mut || drop(moved.take()))?;
    drop((read, child_notes));
    let Some((write, notes)) = moved else { sys::exit(1) };
    let mut archive = io::File { fd: write.as_fd(), name: "the archive" };
    let mut counted = io::Counted::<dyn io::Sink>::new(&mut archive, progress);
    let packed = match &source {
        Some((_, found)) => pack::pack_entry(&found.dir, &found.name, ".", &|_| false, &mut counted).map(Some),
        None => pour(&mut io::File { fd: sys::stdin(), name: "the standard input" }, &mut counted).map(|()| None),
    };
    let transferred = counted.bytes;
    drop(write);
    let done = await_writer(&child, sync.as_fd());
    let content = match (packed, done) {
        (Err(error), _) if !error.is(Errno::PIPE) => return Err(error),
        (packed, done) => {
            done?;
            packed.unwrap_or_default()
        }
    };
    let notes = io::read_to_end(notes.as_fd(), 2 * NOTES_BYTES_MAX)?;
    let mut left_out = Vec::new();
    for note in String::from_utf8_lossy(&notes).lines() {
        left_out.push(note.to_owned());
    }
    Ok(Copied { content, transferred, left_out })
}

/// A pipe holds so much without anybody reading it. pipe(7)
const NOTES_BYTES_MAX: usize = 4096;
const BUFFER_BYTES: usize = 64 << 10;

/// All that the source gives.
fn pour(source: &mut dyn io::Source, sink: &mut dyn io::Sink) -> Result<()> {
    let mut buf = alloc::vec![0; BUFFER_BYTES];
    loop {
        match source.read(&mut buf)? {
            0 => return Ok(()),
            n => sink.write(&buf[..n])?,
        }
    }
}

/// How a child of ours comes to see the container's files.
enum Side {
    /// By entering the namespaces of this process.
    Running(OwnedFd),
    /// By mounting them for itself; nobody starts the container meanwhile.
    Stopped { _change: OwnedFd },
}

impl Side {
    fn take(store: &Store, container: &Container) -> Result<Self> {
        if let Ok(init) = exec::open_init(store, container) {
            return Ok(Self::Running(init));
        }
        let change = container.await_change(store)?;
        if !stop::is_running(store, container)? {
            return Ok(Self::Stopped { _change: change });
        }
        // Somebody has started it while we waited.
        exec::open_init(store, container).map(Self::Running).map_err(|error| match container.state(store) {
            Ok(state) if state.status == Status::Restarting => {
                Error::new(format_args!("container {} is restarting: try again when it runs", container.spec.name))
            }
            _ => error,
        })
    }

    /// child: becomes a process that sees the container's files and can do nothing but to read and (`writes`) write them.
    /// Ids are the container's own.
    fn enter(&self, store: &Store, container: &mut Container, writes: bool) -> Result<OwnedFd> {
        let spec = &mut container.spec;
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable); // it knows no other error
        let root = match self {
            Self::Running(init) => {
                let mut kinds = ThreadNameSpaceType::MOUNT;
                if spec.ids.is_some() {
                    kinds |= ThreadNameSpaceType::USER;
                }
                move_into_thread_name_spaces(init.as_fd(), kinds).map_err(|errno| match errno {
                    Errno::SRCH => Error::new(format_args!("container {} has just ended: try again", spec.name)),
                    errno => Error::os("enter the container", errno),
                })?;
                if spec.ids.is_some() {
                    walls::ids::enter()?;
                }
                walls::mount::view(writes)?
            }
            Self::Stopped { .. } => {
                rustix::process::fchdir(&container.dir).tried("enter the container's directory")?;
                walls::mount::view_alone(store, spec, writes)?
            }
        };
        walls::privs::keep_for_files()?;
        Ok(root)
    }
}

/// child: what is to be copied out of the container.
fn source_in(root: BorrowedFd<'_>, path: &Path, copy: &Copy<'_>) -> Result<Box<Found>> {
    let found = match file::find_in_root(root, &path.text, copy.follows || path.ending != Ending::Plain) {
        Err(Errno::NOENT) => return Err(not_in(copy, copy.inside)),
        other => other.tried_to("look at", copy.inside)?,
    };
    if found.stat.is_none() {
        return Err(not_in(copy, copy.inside));
    }
    expect_directory(path, &found)?;
    refuse_made_up(&found.dir, &path.text)?;
    Ok(found)
}

fn source_on_host(path: &Path, follows: bool) -> Result<Box<Found>> {
    let what = || format!("lstat {}", path.text);
    let found = file::find_in_root(file::open_dir("/")?.as_fd(), &path.text, follows || path.ending != Ending::Plain)
        .tried_with(what)?;
    if found.stat.is_none() {
        return Err(Error::os(what(), Errno::NOENT));
    }
    expect_directory(path, &found)?;
    Ok(found)
}

fn expect_directory(path: &Path, found: &Found) -> Result<()> {
    if path.ending != Ending::Plain && !found.stat.as_ref().is_some_and(is_directory) {
        return Err(Error::os(format_args!("lstat {}/", path.text), Errno::NOTDIR));
    }
    Ok(())
}

/// What the kernel makes up has no size that an archive could tell before the content.
fn refuse_made_up(dir: &OwnedFd, path: &str) -> Result<()> {
    if pack::is_made_up(dir) {
        let why = "the kernel makes up what is there; 'mydocker exec' with cat, tee or dd can copy it";
        return Err(Error::new(format_args!("cannot copy {path}: {why}")));
    }
    Ok(())
}

/// What the paths of the container's devices begin with in an archive of its whole root, from which docker leaves them
/// out; otherwise nothing that a path begins with.
fn devices_of(root: &OwnedFd, found: &Found, called: &str) -> Result<String> {
    let root = fstat(root).tried("look at the container's root")?;
    let is_root = found.stat.as_ref().is_some_and(|stat| (stat.st_dev, stat.st_ino) == (root.st_dev, root.st_ino));
    Ok(if is_root { format!("{called}/dev/") } else { "/".to_owned() })
}

/// Where something is copied to.
struct Destination<'a> {
    path: &'a Path,
    /// `Err`: its directory is not there.
    found: core::result::Result<Box<Found>, Errno>,
}

/// As docker's two commands in one: what is there decides what an archive's root becomes.
fn destination_on_host(path: &Path) -> Result<Destination<'_>> {
    let found = file::find_in_root(file::open_dir("/")?.as_fd(), &path.text, true);
    match found.as_deref() {
        Err(&Errno::NOENT) => return Err(not_on_host(path.parent())),
        Ok(Found { stat: Some(stat), .. }) => {
            if is_device(stat) {
                let text = &path.text;
                let what = "must be a directory or a regular file: got a device";
                return Err(Error::new(format_args!("invalid output path: \"{text}\" {what}")));
            }
            if path.ending != Ending::Plain && !is_directory(stat) {
                return Err(Error::os(format_args!("lstat {}/", path.text), Errno::NOTDIR));
            }
        }
        _ => {}
    }
    Ok(Destination { path, found })
}

fn not_on_host(parent: &str) -> Error {
    Error::new(format_args!("invalid output path: directory \"{parent}\" does not exist"))
}

fn not_in(copy: &Copy<'_>, path: &str) -> Error {
    Error::new(format_args!("Could not find the file {path} in container {}", copy.word))
}

fn is_device(stat: &Stat) -> bool {
    matches!(FileType::from_raw_mode(stat.st_mode), FileType::CharacterDevice | FileType::BlockDevice)
}

/// child: looks at the destination in the container.
fn destination_in<'a>(root: BorrowedFd<'_>, path: &'a Path, copy: &Copy<'_>) -> Result<Destination<'a>> {
    let found = file::find_in_root(root, &path.text, true);
    if let Ok(Found { stat: Some(stat), .. }) = found.as_deref()
        && is_device(stat)
    {
        let what = "must be a directory or a regular file: got a device";
        return Err(Error::new(format_args!("destination \"{}:{}\" {what}", copy.word, copy.inside)));
    }
    if let Ok(found) = &found {
        let open = match &found.stat {
            Some(stat) if is_directory(stat) => open_directory(found),
            _ => process::duplicate(&found.dir),
        }?;
        refuse_made_up(&open, &path.text)?;
        refuse_read_only(root, &open)?;
    }
    Ok(Destination { path, found })
}

fn open_directory(found: &Found) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(&found.dir, found.name.as_c_str(), flags, Mode::empty())
        .tried_with(|| format!("open {}", shown(found.name.to_bytes())))
}

/// docker's words, where writing could only say "read-only file system".
fn refuse_read_only(root: BorrowedFd<'_>, dir: &OwnedFd) -> Result<()> {
    let what = "look at the destination";
    if !fstatvfs(dir).tried(what)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let mount =
        |fd: BorrowedFd<'_>| statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map(|stat| stat.stx_mnt_id);
    let is_root = mount(root).tried(what)? == mount(dir.as_fd()).tried(what)?;
    Err(Error::new(if is_root { "container rootfs is marked read-only" } else { "mounted volume is marked read-only" }))
}

impl Destination<'_> {
    /// Where the root of an archive of `source` goes. `first` is its entry. `missing` is the error for a directory that
    /// is not there.
    fn target(&self, source: &Path, first: &Entry, missing: &mut dyn FnMut(&str) -> Error) -> Result<Target> {
        let Path { text, ending } = self.path;
        let found = match &self.found {
            Err(Errno::NOENT) => return Err(missing(self.path.parent())),
            Err(errno) => return Err(Error::tried("look at", text, *errno)),
            Ok(found) => found,
        };
        let from_directory = first.kind == Kind::Directory;
        match &found.stat {
            Some(stat) if is_directory(stat) => {
                let content = source.ending == Ending::Content;
                let base = if content { Vec::new() } else { source.name().as_bytes().to_vec() };
                return Ok(Target { root: open_directory(found)?, base, is_there: content, follows: false });
            }
            Some(_) if from_directory && *ending == Ending::Plain => return Err(Error::new("cannot copy directory")),
            None if *ending == Ending::Content => return Err(missing(text)),
            _ if !from_directory && *ending != Ending::Plain => return Err(Error::new("no such directory")),
            _ => {}
        }
        let base = found.name.to_bytes().to_vec();
        Ok(Target { root: process::duplicate(&found.dir)?, base, is_there: false, follows: false })
    }

    /// child: where an archive goes that somebody else made: into a directory of the container. In its names, symlinks of
    /// the container are followed, as they would be there.
    fn whole(&self, root: BorrowedFd<'_>, copy: &Copy<'_>) -> Result<Target> {
        if !matches!(self.found.as_deref(), Ok(Found { stat: Some(stat), .. }) if is_directory(stat)) {
            return Err(Error::new(format_args!("destination \"{}:{}\" must be a directory", copy.word, copy.inside)));
        }
        let base = self.path.text.trim_start_matches('/').as_bytes().to_vec();
        Ok(Target { root: process::duplicate(root)?, base, is_there: true, follows: true })
    }
}
