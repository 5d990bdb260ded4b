//! System calls on a name in a directory. rustix takes names of every type, and has the way from a string to what the
//! kernel wants once for each of its calls and each type: 200 bytes every time. Here it is once.

use super::sys::Answer;
use alloc::ffi::CString;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

/// A name or a path as the kernel takes it.
pub fn c(name: &str) -> Answer<CString> {
    c_bytes(name.as_bytes())
}

/// The same for what need not be UTF-8.
pub fn c_bytes(name: &[u8]) -> Answer<CString> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

/// openat(2), close-on-exec.
pub fn open(dir: BorrowedFd<'_>, name: &str, flags: OFlags) -> Answer<OwnedFd> {
    make(dir, name, flags, 0)
}

/// openat(2), close-on-exec; `mode` is for a new file.
pub fn make(dir: BorrowedFd<'_>, name: &str, flags: OFlags, mode: u32) -> Answer<OwnedFd> {
    rustix::fs::openat(dir, c(name)?.as_c_str(), flags | OFlags::CLOEXEC, Mode::from(mode))
}

/// mkdirat(2).
pub fn make_dir(dir: BorrowedFd<'_>, name: &str, mode: u32) -> Answer<()> {
    rustix::fs::mkdirat(dir, c(name)?.as_c_str(), Mode::from(mode))
}

/// unlinkat(2): `AtFlags::REMOVEDIR` for a directory, no flags for anything else.
pub fn remove(dir: BorrowedFd<'_>, name: &str, flags: AtFlags) -> Answer<()> {
    rustix::fs::unlinkat(dir, c(name)?.as_c_str(), flags)
}

/// renameat(2) in one directory.
pub fn rename(dir: BorrowedFd<'_>, from: &str, to: &str) -> Answer<()> {
    rename_into(dir, from, dir, to)
}

/// renameat(2) from one directory into another.
pub fn rename_into(dir: BorrowedFd<'_>, from: &str, into: BorrowedFd<'_>, to: &str) -> Answer<()> {
    rustix::fs::renameat(dir, c(from)?.as_c_str(), into, c(to)?.as_c_str())
}

/// linkat(2), following symlinks: another name for the file at a path.
pub fn link(path: &str, dir: BorrowedFd<'_>, name: &str) -> Answer<()> {
    rustix::fs::linkat(CWD, c(path)?.as_c_str(), dir, c(name)?.as_c_str(), AtFlags::SYMLINK_FOLLOW)
}

/// symlinkat(2).
pub fn symlink(target: &str, dir: BorrowedFd<'_>, name: &str) -> Answer<()> {
    rustix::fs::symlinkat(c(target)?.as_c_str(), dir, c(name)?.as_c_str())
}

/// stat(2) of a path, following symlinks.
pub fn look(path: &str) -> Answer<Stat> {
    stat(CWD, path, AtFlags::empty())
}

/// fstatat(2): `AtFlags::SYMLINK_NOFOLLOW`, or no flags to follow symlinks.
pub fn stat(dir: BorrowedFd<'_>, name: &str, flags: AtFlags) -> Answer<Stat> {
    rustix::fs::statat(dir, c(name)?.as_c_str(), flags)
}
