//! Files and directories by descriptor: whole-file reads, replacement by rename, removal of trees, and paths that are
//! resolved inside a root that is not trusted.

use super::{at, hex, io};
use crate::error::{Error, Result, Tried};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, StatxFlags};
use rustix::fs::{fsync, openat, openat2, readlinkat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// No record of ours is larger than this.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Opens a directory by path.
pub fn open_dir(path: &str) -> Result<OwnedFd> {
    at::open(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY).tried_to("open", path)
}

/// Opens a directory inside another one, never through a symlink.
pub fn open_dir_at(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    at::open(dir, name, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW).tried_to("open", name)
}

/// Makes a directory and its missing parents (all with `mode`), and opens it.
pub fn make_dirs(path: &str, mode: u32) -> Result<OwnedFd> {
    match open_dir(path) {
        Err(error) if error.is(Errno::NOENT) => {}
        other => return other,
    }
    make_path(path, mode)?;
    open_dir(path)
}

/// Its parents are looked at only where they turn out to be missing: most of the time only the last name is.
fn make_path(path: &str, mode: u32) -> Result<()> {
    let make = || at::make_dir(CWD, path, mode);
    let mut made = make();
    if let (Err(Errno::NOENT), Some(parent)) = (made, path.rfind('/').filter(|parent| *parent > 0)) {
        make_path(&path[..parent], mode)?;
        made = make();
    }
    match made {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Error::tried("make the directory", path, errno)),
    }
}

/// Makes a directory if it is missing, and opens it.
pub fn make_dir_at(dir: BorrowedFd<'_>, name: &str, mode: u32) -> Result<OwnedFd> {
    match at::make_dir(dir, name, mode) {
        Ok(()) | Err(Errno::EXIST) => open_dir_at(dir, name),
        Err(errno) => Err(Error::tried("make the directory", name, errno)),
    }
}

/// The whole content of a small file (`max_bytes` at most).
pub fn read_at(dir: BorrowedFd<'_>, name: &str, max_bytes: usize) -> Result<Vec<u8>> {
    let file = at::open(dir, name, OFlags::RDONLY).tried_to("open", name)?;
    io::read_to_end(file.as_fd(), max_bytes).map_err(|e| e.said(format!("read {name}")))
}

/// The same for what its reader knows to be whole, as a record in JSON is, or what the kernel gives in one piece: when there is
/// less than there was room for, nobody asks whether there is more.
pub fn read_small_at(dir: BorrowedFd<'_>, name: &str, max_bytes: usize) -> Result<Vec<u8>> {
    let file = at::open(dir, name, OFlags::RDONLY).tried_to("open", name)?;
    let mut all = Vec::new();
    loop {
        let count = io::read_more(file.as_fd(), &mut all).map_err(|e| e.said(format!("read {name}")))?;
        if all.len() > max_bytes {
            return Err(Error::tried("read", name, Errno::FBIG));
        }
        if count == 0 || all.len() < all.capacity() {
            return Ok(all);
        }
    }
}

/// The whole content of a file by path, as text (invalid UTF-8 replaced).
pub fn read_text(path: &str) -> Result<String> {
    text_at(CWD, path)
}

/// The same for a file in a directory.
pub fn text_at(dir: BorrowedFd<'_>, name: &str) -> Result<String> {
    let bytes = read_at(dir, name, RECORD_BYTES_MAX)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Makes a file that must not exist yet, with this content.
pub fn create_at(dir: BorrowedFd<'_>, name: &str, bytes: &[u8], mode: u32) -> Result<OwnedFd> {
    let file = at::make(dir, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode).tried_to("make", name)?;
    io::write_all(&file, bytes).tried_to("write", name)?;
    Ok(file)
}

/// Puts a file with this content in place of `name` in one step: readers see the old one or the new one.
/// With `sync` it is on disk, its name too, before this returns.
pub fn replace_at(dir: BorrowedFd<'_>, name: &str, bytes: &[u8], sync: bool) -> Result<()> {
    let beside = format!(".{name}.{}", hex::encode(&hex::random(4)));
    let put = || {
        let file = create_at(dir, &beside, bytes, 0o644)?;
        if sync {
            fsync(&file).tried_to("sync", name)?;
        }
        at::rename(dir, &beside, name).tried_to("rename to", name)
    };
    let done = put();
    if done.is_err() {
        let _ = at::remove(dir, &beside, AtFlags::empty()); // it may not exist; the first error is the one to tell
    }
    if sync && done.is_ok() {
        fsync(dir).tried_to("sync the directory of", name)?;
    }
    done
}

/// Makes the file at this path, or a new one in its place, in one step when `fill` has written all of it; after an error
/// there is what was before. What is there and is no regular file (a pipe, /dev/null) is written to.
pub fn put(path: &str, mode: u32, fill: &mut dyn FnMut(BorrowedFd<'_>) -> Result<()>) -> Result<()> {
    let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
    let dir = open_dir(if dir.is_empty() { "/" } else { dir })?;
    let there = at::stat(CWD, path, AtFlags::empty()).ok().map(|stat| FileType::from_raw_mode(stat.st_mode));
    if there.is_some_and(|kind| kind != FileType::RegularFile) {
        return fill(at::open(CWD, path, OFlags::WRONLY | OFlags::NOCTTY).tried_to("open", path)?.as_fd());
    }
    let beside = format!(".{name}.{}", hex::encode(&hex::random(4)));
    // A file without a name goes when we are killed; not every file system can.
    let nameless = at::make(dir.as_fd(), ".", OFlags::WRONLY | OFlags::TMPFILE, mode);
    let is_nameless = nameless.is_ok();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let made = nameless.or_else(|_| at::make(dir.as_fd(), &beside, flags, mode));
    let file = made.tried_to("make", path)?;
    let mut put = || -> Result<()> {
        fill(file.as_fd())?;
        if there.is_some() {
            fsync(&file).tried_to("sync", path)?; // a power cut must not take the old one and the new one
        }
        if is_nameless {
            let own = format!("/proc/self/fd/{}", file.as_raw_fd());
            at::link(&own, dir.as_fd(), &beside).tried_to("make", path)?;
        }
        at::rename(dir.as_fd(), &beside, name).tried_to("rename to", path)
    };
    let done = put();
    if done.is_err() {
        let _ = at::remove(dir.as_fd(), &beside, AtFlags::empty()); // it may not exist; the first error is the one to tell
    }
    done
}

/// Writes over the beginning of an existing file and pads with blanks to its old length, so that no new block is needed.
pub fn overwrite_at(dir: BorrowedFd<'_>, name: &str, bytes: &[u8]) -> Result<()> {
    let file = at::open(dir, name, OFlags::WRONLY | OFlags::NOFOLLOW).tried_to("open", name)?;
    let old = rustix::fs::fstat(&file).tried_to("look at", name)?.st_size as usize;
    let mut padded = bytes.to_vec();
    padded.resize(old.max(bytes.len()), b' ');
    io::write_all(&file, &padded).tried_to("write", name)
}

/// Writes a string to an existing file, as the files of /proc and /sys want it: in one write.
pub fn write_at(dir: BorrowedFd<'_>, name: &str, text: &str) -> core::result::Result<(), Errno> {
    let file = at::open(dir, name, OFlags::WRONLY)?;
    rustix::io::write(&file, text.as_bytes()).map(drop)
}

/// The target of a symlink, if `name` is one.
pub fn link_target(dir: BorrowedFd<'_>, name: &str) -> Option<String> {
    readlinkat(dir, at::c(name).ok()?.as_c_str(), Vec::new()).ok().and_then(|target| target.into_string().ok())
}

/// The path of what is found at a path, without symlinks; `None` if it has none any more, or one that is not UTF-8.
pub fn real_path(path: &str) -> core::result::Result<Option<String>, Errno> {
    let found = at::open(CWD, path, OFlags::PATH)?;
    let path = link_target(CWD, &format!("/proc/self/fd/{}", found.as_raw_fd()));
    Ok(path.filter(|path| path.starts_with('/') && exists_at(CWD, path)))
}

/// The names in a directory, without `.` and `..`, in the kernel's order. Names that are not UTF-8 are left out.
pub fn names(dir: BorrowedFd<'_>) -> Result<Vec<String>> {
    let all = entries(dir)?;
    Ok(all.into_iter().filter_map(|(name, _)| name.into_string().ok()).collect())
}

/// The entries of a directory, without `.` and `..`, in the kernel's order.
/// Opens the directory anew, so that the position of `dir` does not matter.
pub fn entries(dir: BorrowedFd<'_>) -> Result<Vec<(CString, FileType)>> {
    let own = at::open(dir, ".", OFlags::DIRECTORY | OFlags::RDONLY).tried("open a directory")?;
    let mut room = [const { MaybeUninit::uninit() }; 8192];
    let mut iter = RawDir::new(own, &mut room);
    let mut all = Vec::new();
    while let Some(entry) = iter.next() {
        let entry = entry.tried("read a directory")?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            all.push((name.to_owned(), entry.file_type()));
        }
    }
    Ok(all)
}

/// Removes a file or a whole tree; a name that does not exist is fine. Symlinks are removed, never followed, and
/// a directory that is a mount point of this mount namespace stops it with `EBUSY`.
pub fn remove_tree(dir: BorrowedFd<'_>, name: &str) -> Result<()> {
    remove(dir, &at::c(name).tried("remove")?).tried_to("remove", name)
}

fn remove(dir: BorrowedFd<'_>, name: &core::ffi::CStr) -> core::result::Result<(), Errno> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    // Depth first with our own stack: the depth of a hostile tree must not become the depth of our calls. Descriptors
    // are kept for a bounded number of levels only: deeper directories are first moved up to the top.
    const DEPTH_MAX: usize = 64;
    let open = |dir: BorrowedFd<'_>, name: &core::ffi::CStr| {
        openat(dir, name, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
    };
    // Somebody else may be removing the same tree: a directory that is gone is empty.
    let list = |fd: &OwnedFd| match entries(fd.as_fd()) {
        Err(error) if error.is(Errno::NOENT) => Ok(Vec::new()),
        other => other.map_err(|e| e.errno.unwrap_or(Errno::IO)),
    };
    let top = match open(dir, name) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let left = list(&top)?;
    let mut stack = alloc::vec![(top, name.to_owned(), left)];
    let mut moved = 0u64;
    while let Some((fd, _, left)) = stack.last_mut() {
        let Some((child, kind)) = left.pop() else {
            let (fd, name, _) = stack.pop().unwrap_or_else(|| unreachable!());
            let parent = stack.last().map_or(dir, |(fd, ..)| fd.as_fd());
            // Something may have been moved up here meanwhile, or made by somebody: look again before giving up.
            match unlinkat(parent, name.as_c_str(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::NOTEMPTY) => {
                    let left = list(&fd)?;
                    stack.push((fd, name, left));
                }
                Err(errno) => return Err(errno),
            }
            continue;
        };
        if kind != FileType::Directory {
            match unlinkat(fd.as_fd(), child.as_c_str(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        match unlinkat(fd.as_fd(), child.as_c_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::NOTEMPTY) => {}
            Err(errno) => return Err(errno),
        }
        let sub = match open(fd.as_fd(), &child) {
            Ok(sub) => sub,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno),
        };
        if stack.len() >= DEPTH_MAX {
            moved += 1;
            let flat = format!(".deep-{moved}-{}", hex::encode(&hex::random(4)));
            let (last, top) = (&stack[stack.len() - 1].0, &stack[0].0);
            renameat(last, child.as_c_str(), top, at::c(&flat)?.as_c_str())?;
            continue;
        }
        let left = list(&sub)?;
        stack.push((sub, child, left));
    }
    Ok(())
}

/// Bytes of everything in a tree that is no directory; what has several names counts for each of them in equal parts. What
/// disappears meanwhile, or lies deeper than a path can tell, is left out.
pub fn tree_bytes(root: BorrowedFd<'_>) -> Result<u64> {
    let mut bytes = 0;
    each_below(root, &mut |stat| {
        #[allow(clippy::useless_conversion)] // narrower on other machines
        let names = |stat: &Stat| u64::from(stat.st_nlink).max(1);
        bytes += stat.map_or(0, |stat| stat.st_size as u64 / names(stat));
    })?;
    Ok(bytes)
}

/// How much there is in a tree: names, the link counts of all that are no directories, and their bytes, each summed up over
/// the names. Two trees with the same files, and the same hard links between them, have the same numbers. The fourth one
/// is the bytes of regular files, each once.
pub fn tally(root: BorrowedFd<'_>) -> Result<[u64; 4]> {
    let mut tally = [0; 4];
    each_below(root, &mut |stat| {
        tally[0] += 1;
        if let Some(stat) = stat {
            #[allow(clippy::useless_conversion)] // narrower on other machines
            let names = u64::from(stat.st_nlink).max(1);
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            tally[1] += names;
            tally[2] += stat.st_size as u64;
            tally[3] += if is_file { stat.st_size as u64 / names } else { 0 };
        }
    })?;
    Ok(tally)
}

/// Calls `see` for each name in a tree, in no order; for a directory without its attributes.
fn each_below(root: BorrowedFd<'_>, see: &mut dyn FnMut(Option<&Stat>)) -> Result<()> {
    let mut left = alloc::vec![Vec::from(*b".")];
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW;
    while let Some(path) = left.pop() {
        let Ok(dir) = open_inside(root, &path, flags) else { continue };
        for (name, kind) in entries(dir.as_fd())? {
            if kind == FileType::Directory {
                see(None);
                left.push([&path, &b"/"[..], name.as_bytes()].concat());
            } else if let Ok(stat) = statat(&dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
                see(Some(&stat));
            }
        }
    }
    Ok(())
}

const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
/// As many as the kernel follows in one path. path_resolution(7)
const SYMLINKS_MAX: u32 = 40;

/// Opens a path inside a root that is not trusted: `/`, `..` and symlinks all stay in it (openat2(2), RESOLVE_IN_ROOT).
pub fn open_in_root(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> core::result::Result<OwnedFd, Errno> {
    open_inside(root, path.as_bytes(), flags)
}

fn open_inside(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> core::result::Result<OwnedFd, Errno> {
    let path = CString::new(if path.is_empty() { b"." } else { path }).map_err(|_| Errno::INVAL)?;
    let mut tries_left = 32; // EAGAIN: something was renamed meanwhile, and the kernel cannot vouch for `..`
    loop {
        match openat2(root, path.as_c_str(), flags | OFlags::CLOEXEC, Mode::empty(), INSIDE) {
            Err(Errno::AGAIN) if tries_left > 0 => tries_left -= 1,
            other => return other,
        }
    }
}

/// Opens a device in this process's root; `None` when it is not the one with these numbers. `what` is tried: to open it,
/// and to look at it.
pub fn open_device(path: &str, flags: OFlags, numbers: (u32, u32), what: [&str; 2]) -> Result<Option<OwnedFd>> {
    let device = open_in_root(open_dir("/")?.as_fd(), path, flags).tried(what[0])?;
    let stat = rustix::fs::fstat(&device).tried(what[1])?;
    let is_it = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == numbers;
    Ok(is_it.then_some(device))
}

/// Reads a file of a root that is not trusted, `max_bytes` at most; only regular files (a FIFO would block us).
pub fn read_in_root(root: BorrowedFd<'_>, path: &str, max_bytes: usize) -> Result<Vec<u8>> {
    let file = open_in_root(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).tried_to("open", path)?;
    let stat = rustix::fs::fstat(&file).tried_to("look at", path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::new(format_args!("{path} is not a regular file")));
    }
    io::read_to_end(file.as_fd(), max_bytes).map_err(|e| e.said(format!("read {path}")))
}

/// Makes the directories of a path inside a root that is not trusted, where they are missing, and opens the last one.
/// Symlinks on the way are followed inside the root.
pub fn make_dirs_in_root(root: BorrowedFd<'_>, path: &str, mode: u32) -> core::result::Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match open_in_root(root, path, flags) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let mut done = String::new();
    let mut parent = open_in_root(root, ".", flags)?;
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        done.push('/');
        done.push_str(part);
        parent = match open_in_root(root, &done, flags) {
            Err(Errno::NOENT) => {
                // A dangling symlink makes this EEXIST, and then the second open says ENOENT: nothing is made for it.
                match at::make_dir(parent.as_fd(), part, mode) {
                    Ok(()) | Err(Errno::EXIST) => open_in_root(root, &done, flags)?,
                    Err(errno) => return Err(errno),
                }
            }
            other => other?,
        };
    }
    Ok(parent)
}

/// A name in a directory, found in a root that is not trusted.
pub struct Found {
    /// The directory; for the root itself, and for a path that ends in `..`, it is what was meant.
    pub dir: OwnedFd,
    /// The name in it, `.` for `dir` itself.
    pub name: CString,
    /// What is there, a symlink only if it was not to be followed; `None` when there is nothing.
    pub stat: Option<Stat>,
}

/// Finds a path that may not be there, but for its last component. Where that is a symlink and `follow` says so, the
/// symlink's target is found, also one that is not there. Every step stays inside the root, and nothing found is opened.
pub fn find_in_root(root: BorrowedFd<'_>, path: &str, follow: bool) -> core::result::Result<Box<Found>, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut path = path.as_bytes().to_vec();
    for _ in 0..SYMLINKS_MAX {
        while path.last() == Some(&b'/') {
            path.pop();
        }
        let cut = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        let name = CString::new(&path[cut..]).map_err(|_| Errno::INVAL)?;
        if matches!(name.to_bytes(), b"" | b"." | b"..") {
            let dir = open_inside(root, &path, flags)?;
            let stat = Some(rustix::fs::fstat(&dir)?);
            return Ok(Box::new(Found { dir, name: c".".to_owned(), stat }));
        }
        let dir = open_inside(root, &path[..cut], flags)?;
        let stat = match statat(&dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => None,
            stat => Some(stat?),
        };
        if !follow || stat.is_none_or(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Symlink) {
            return Ok(Box::new(Found { dir, name, stat }));
        }
        let target = readlinkat(&dir, name.as_c_str(), Vec::new())?.into_bytes();
        path.truncate(if target.starts_with(b"/") { 0 } else { cut });
        path.extend(target);
    }
    Err(Errno::LOOP)
}

/// What the kernel says of the mount that an open file or directory is on. proc_pid_mountinfo(5)
pub fn mount_of(place: BorrowedFd<'_>) -> Result<String> {
    let what = "look at the mount point";
    let stat = rustix::fs::statx(place, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).tried(what)?;
    let id = format!("{} ", stat.stx_mnt_id);
    let text = read_text("/proc/self/mountinfo")?;
    let line = text.lines().find(|line| line.starts_with(&id));
    line.map(ToOwned::to_owned).ok_or_else(|| Error::os(what, Errno::NOENT))
}

/// Whether there is something at this name.
pub fn exists_at(dir: BorrowedFd<'_>, name: &str) -> bool {
    at::stat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// A path without `//`, `/./` and a slash at its end, made absolute against `base`; `..` is resolved in the text.
pub fn absolute(base: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether this is a directory.
pub fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths() {
        assert_eq!(absolute("/a/b", "c"), "/a/b/c");
        assert_eq!(absolute("/a/b", "../c/./d/"), "/a/c/d");
        assert_eq!(absolute("/a", "/x//y/../z"), "/x/z");
        assert_eq!(absolute("/a", "../../../.."), "/");
    }
}
