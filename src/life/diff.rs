//! command: what a container has changed in its root file system: the overlay's upper directory against the layers below.
//! Read from the disk, whether it runs or not: overlayfs.rst tells how deletions are written down there.

use super::commit::is_ours;
use crate::error::{Error, Result, Tried};
use crate::kernel::file::{self, is_directory};
use crate::kernel::process;
use crate::spec::order;
use crate::store::Store;
use crate::store::containers::Container;
use crate::store::tar::shown;
use crate::store::unpack::is_whiteout;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, fgetxattr, openat2, statat};
use rustix::io::Errno;

/// A path that was added (`A`), changed (`C`) or deleted (`D`).
pub struct Change {
    /// From the root, with a NUL before each component where a slash is shown: that sorts a directory right before what is
    /// in it.
    pub path: Vec<u8>,
    /// The letter.
    pub kind: u8,
}

/// A directory that is still to be compared.
struct Pair {
    /// From the root, with a slash before each component.
    path: Vec<u8>,
    /// The layers in which it is to be seen, the uppermost first.
    layers: Vec<usize>,
    /// Whether all that is below is hidden unless it is here, too.
    hides: bool,
}

impl Pair {
    /// The path of something in it.
    fn with(&self, name: &CStr) -> Vec<u8> {
        [&self.path, b"/".as_slice(), name.to_bytes()].concat()
    }
}

/// What a container has added, changed and deleted, with the directories that this changed. Where we mount something of
/// ours is left out.
pub fn diff(store: &Store, container: &Container) -> Result<Vec<Change>> {
    let spec = &container.spec;
    if let Some(path) = &spec.rootfs {
        let why = format!("it has no image but {path} as its root (--rootfs): there is nothing to compare it with");
        return Err(Error::new(format_args!("cannot tell what container {} changed: {why}", spec.name)));
    }
    let upper = file::open_dir_at(container.dir.as_fd(), "upper")?;
    let mut layers = Vec::new();
    for layer in spec.layers.iter().rev() {
        layers.push(file::open_dir(&format!("{}/layers/{layer}/diff", store.root_path))?);
    }
    let is_first = process::is_in_first_user_namespace();
    let opaque = if is_first { c"trusted.overlay.opaque" } else { c"user.overlay.opaque" };
    let look = Look { upper, layers, opaque };
    let mut changes = Vec::new();
    let all = (0..look.layers.len()).collect();
    let mut left = alloc::vec![Pair { path: Vec::new(), layers: all, hides: false }];
    while let Some(pair) = left.pop() {
        look.compare(&pair, &mut left, &mut changes)?;
    }
    for at in 0..changes.len() {
        let mut path = changes[at].path.clone();
        while let Some(end @ 1..) = path.iter().rposition(|b| *b == 0) {
            path.truncate(end);
            changes.push(Change { path: path.clone(), kind: b'C' });
        }
    }
    // Of equal ones the first stays, which says more.
    let mut told: Vec<Change> = Vec::new();
    for change in order::sorted(changes, &|a, b| a.path < b.path) {
        match told.last() {
            Some(last) if last.path == change.path => continue,
            // An image without /etc gets one for our files.
            Some(last) if is_new_etc(last) && !change.path.starts_with(b"\0etc\0") => drop(told.pop()),
            _ => {}
        }
        told.push(change);
    }
    if told.last().is_some_and(is_new_etc) {
        told.pop();
    }
    Ok(told)
}

fn is_new_etc(change: &Change) -> bool {
    change.path == b"\0etc" && change.kind == b'A'
}

struct Look {
    upper: OwnedFd,
    /// The uppermost first.
    layers: Vec<OwnedFd>,
    /// The attribute of a directory that hides all below.
    opaque: &'static CStr,
}

impl Look {
    fn compare(&self, pair: &Pair, left: &mut Vec<Pair>, changes: &mut Vec<Change>) -> Result<()> {
        let Some(here) = open(&self.upper, &pair.path)? else { return Ok(()) };
        let hides = pair.hides || self.is_opaque(&here);
        let mut below = Vec::new();
        for at in &pair.layers {
            if let Some(fd) = open(&self.layers[*at], &pair.path)? {
                below.push((*at, fd));
            }
        }
        for (name, _) in file::entries(here.as_fd())? {
            let path = pair.with(&name);
            if is_ours(&String::from_utf8_lossy(&path[1..])) {
                continue;
            }
            let Some(new) = look(&here, &name)? else { continue };
            let (old, layers) = self.old(&below, &name)?;
            let kind = match (old, is_whiteout(&new)) {
                (Some(_), true) => b'D',
                (None, false) => b'A',
                (Some(old), false) if differs(&old, &new) => b'C',
                _ => 0,
            };
            if kind != 0 {
                changes.push(Change { path: key(&path), kind });
            }
            if is_directory(&new) {
                left.push(Pair { path, layers, hides });
            }
        }
        for (_, fd) in if hides { below.as_slice() } else { &[] } {
            for (name, _) in file::entries(fd.as_fd())? {
                if look(&here, &name)?.is_none() && self.old(&below, &name)?.0.is_some() {
                    changes.push(Change { path: key(&pair.with(&name)), kind: b'D' });
                }
            }
        }
        Ok(())
    }

    /// What the layers show under this name, and, if it is a directory, those that it is to be seen in.
    fn old(&self, below: &[(usize, OwnedFd)], name: &CStr) -> Result<(Option<Stat>, Vec<usize>)> {
        let (mut found, mut layers) = (None, Vec::new());
        for (at, fd) in below {
            let Some(stat) = look(fd, name)? else { continue };
            let is_directory = is_directory(&stat);
            if is_whiteout(&stat) || (found.is_some() && !is_directory) {
                break;
            }
            if is_directory {
                layers.push(*at);
            }
            found = found.or(Some(stat));
            if !is_directory || open(fd, name.to_bytes())?.is_some_and(|fd| self.is_opaque(&fd)) {
                break;
            }
        }
        Ok((found, layers))
    }

    fn is_opaque(&self, dir: &OwnedFd) -> bool {
        let mut value = [0u8; 8];
        matches!(fgetxattr(dir, self.opaque, &mut value[..]), Ok(1) if value[0] == b'y')
    }
}

/// A directory below another one; `None` when it has just gone, or has become something else.
fn open(top: &OwnedFd, path: &[u8]) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let name = CString::new(if path.is_empty() { b"." } else { path }).unwrap_or_default(); // the kernel's have no NUL
    match openat2(top, name.as_c_str(), flags, Mode::empty(), inside) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        other => other.tried_with(|| format!("open /{}", shown(path))).map(Some),
    }
}

fn look(dir: &OwnedFd, name: &CStr) -> Result<Option<Stat>> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        other => other.tried_with(|| format!("look at {}", shown(name.to_bytes()))).map(Some),
    }
}

fn key(path: &[u8]) -> Vec<u8> {
    path.iter().map(|b| if *b == b'/' { 0 } else { *b }).collect()
}

/// As docker: the time and size of a directory tell nothing of itself.
fn differs(old: &Stat, new: &Stat) -> bool {
    let of_all = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let of_files = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    of_all(old) != of_all(new) || !is_directory(new) && of_files(old) != of_files(new)
}
