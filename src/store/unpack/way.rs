//! The ways to directories of the tree that is being filled: found by the kernel, inside (openat2(2)).

use crate::kernel::at;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// Longest path for one kernel call (`PATH_MAX` with its NUL).
const PATH_BYTES_MAX: usize = 4095;

/// The answer of a kernel call.
pub type Answer<T> = core::result::Result<T, Errno>;

/// Symlinks lead where they would with this directory as root.
pub const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
/// There are no symlinks.
pub const BELOW: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// A path's parent and its last component.
pub fn cut(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// openat2(2), tried again when something was renamed meanwhile (see `file::open_in_root`; names here are bytes).
pub fn open_below(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags, how: ResolveFlags) -> Answer<OwnedFd> {
    let path = at::c_bytes(if path.is_empty() { b"." } else { path })?;
    for _ in 0..32 {
        match openat2(dir, &*path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// A directory by its path below the root, symlinks resolved as `how` says. A path longer than one call can take
/// is walked in pieces, and only the first of them may have symlinks.
pub fn resolve(root: BorrowedFd<'_>, path: &[u8], how: ResolveFlags) -> Answer<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut left = path;
    let mut at = None;
    while left.len() > PATH_BYTES_MAX {
        let slash = left[..PATH_BYTES_MAX].iter().rposition(|b| *b == b'/').ok_or(Errno::NAMETOOLONG)?;
        at = Some(match &at {
            None => open_below(root, &left[..slash], flags, how)?,
            Some(fd) => open_below(OwnedFd::as_fd(fd), &left[..slash], flags, BELOW)?,
        });
        left = &left[slash + 1..];
    }
    match &at {
        None => open_below(root, left, flags, how),
        Some(fd) => open_below(fd.as_fd(), left, flags, BELOW),
    }
}
