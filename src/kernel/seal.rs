//! The program's own file, out of reach: whoever is inside a container may get hold of `/proc/<pid>/exe` of a process of
//! ours on its way in, and must not be able to write through it (CVE-2019-5736).

use super::{at, sys};
use crate::error::{Error, Result, Tried};
use alloc::ffi::CString;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, OFlags, SealFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

const OURSELVES: &str = "/proc/self/exe";

/// Executes this program anew from a read-only place, unless that is where it runs already. Returns when it is, with all
/// descriptors closed but the standard streams and the `kept` ones behind them: a monitor would hold what we inherited open
/// for ever.
pub fn ensure(argv: &[CString], envp: &[CString], kept: u32) -> Result<()> {
    let what = "seal our own program file";
    let own = at::open(rustix::fs::CWD, OURSELVES, OFlags::RDONLY).map_err(|errno| match errno {
        Errno::NOENT => {
            Error::new("there is no /proc here, which is needed for all that runs: mount -t proc proc /proc")
        }
        _ => Error::os(what, errno),
    })?;
    let is_read_only = rustix::fs::fstatvfs(&own).tried(what)?.f_flag.contains(StatVfsMountFlags::RDONLY);
    if is_read_only || rustix::fs::fcntl_get_seals(&own).is_ok_and(|seals| seals.contains(SealFlags::WRITE)) {
        drop(own);
        sys::close_from(3_i32.saturating_add_unsigned(kept), false);
        return Ok(());
    }
    let sealed = match read_only_mount() {
        // An older kernel, or a file that is not in our mount namespace.
        Err(_) => memory_copy(&own),
        other => other,
    };
    let errno = sys::execve_fd(sealed.tried(what)?.as_fd(), argv, envp);
    Err(Error::os("execute our own sealed program file", errno))
}

/// A detached read-only mount of the file: 20 µs. Kernels from 5.12 on.
fn read_only_mount() -> sys::Answer<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(rustix::fs::CWD, at::c(OURSELVES)?.as_c_str(), flags)?;
    sys::mount_setattr(tree.as_fd(), false, u64::from(linux_raw_sys::general::MOUNT_ATTR_RDONLY), 0, 0)?;
    Ok(tree)
}

/// A copy in memory that is sealed against every change.
fn memory_copy(own: &OwnedFd) -> sys::Answer<OwnedFd> {
    let copy = rustix::fs::memfd_create(c"mydocker", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    while rustix::fs::sendfile(&copy, own, None, 1 << 30)? > 0 {}
    rustix::fs::fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(copy)
}
