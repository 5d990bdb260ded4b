//! Mounts by descriptor: detached copies, new instances, where they go, and what they may do. open_tree(2),
//! fsopen(2), move_mount(2), mount_setattr(2).

use crate::error::{Error, Result, Tried};
use crate::kernel::sys::Answer;
use crate::kernel::{at, file, sys};
use alloc::ffi::CString;
use alloc::format;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::Errno;
use rustix::mount as api;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags};

/// nosuid, nodev, noexec: what is not a place for programs.
pub const PLAIN: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The same, and read-only.
pub const READ_ONLY: MountAttrFlags = PLAIN.union(MountAttrFlags::MOUNT_ATTR_RDONLY);

/// A detached copy of a mount, or of a directory or file of one. open_tree(2)
pub fn clone_tree(dir: BorrowedFd<'_>, path: &str, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    at::c(path).and_then(|c| api::open_tree(dir, c.as_c_str(), flags)).tried_to("use", path)
}

/// Mounts a detached tree on what `target` refers to.
pub fn attach(tree: &OwnedFd, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    api::move_mount(tree, c"", target, c"", flags).tried("attach a mount")
}

/// An option of a file system to be; a flag where there is no value.
pub fn set(fs: &OwnedFd, key: &str, value: &str) -> Answer<()> {
    let key = at::c(key)?;
    if value.is_empty() {
        return api::fsconfig_set_flag(fs, key.as_c_str());
    }
    api::fsconfig_set_string(fs, key.as_c_str(), at::c(value)?.as_c_str())
}

/// A new file system instance, detached.
pub fn filesystem(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let mount = || -> Answer<OwnedFd> {
        let fs = api::fsopen(at::c(kind)?.as_c_str(), FsOpenFlags::FSOPEN_CLOEXEC)?;
        if options.first().is_none_or(|(key, _)| *key != "source") {
            set(&fs, "source", kind)?; // what the first column of `mount` shows
        }
        for (key, value) in options {
            set(&fs, key, value)?;
        }
        api::fsconfig_create(&fs)?;
        api::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    mount().tried_to("mount", kind)
}

/// A directory at the top of the root that we mount on. Made when missing; a symlink is refused, as it would let an image
/// choose what we hide and protect.
pub fn place(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    match at::make_dir(root, name, 0o755) {
        Ok(()) | Err(Errno::EXIST | Errno::ROFS) => {}
        Err(errno) => return Err(Error::os(format_args!("make /{name}"), errno)),
    }
    at::open(root, name, flags).tried(format_args!("use /{name} of the image as a directory"))
}

/// An existing file at the path, or a new empty one.
pub fn file_place(root: BorrowedFd<'_>, path: &str) -> core::result::Result<OwnedFd, Errno> {
    match file::open_in_root(root, path, OFlags::PATH) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = file::make_dirs_in_root(root, parent, 0o755)?;
    // Not waiting: somebody who shares a volume may put a FIFO there at this moment.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    match at::make(parent.as_fd(), name, flags, 0o644) {
        Ok(_) => {}
        // A dangling symlink: resolv.conf in many images. Its target is made inside the root; if not, the link goes.
        Err(Errno::LOOP) => {
            at::remove(parent.as_fd(), name, AtFlags::empty())?;
            drop(at::make(parent.as_fd(), name, flags | OFlags::EXCL, 0o644)?);
        }
        Err(errno) => return Err(errno),
    }
    at::open(parent.as_fd(), name, OFlags::PATH | OFlags::NOFOLLOW)
}

/// What is at the path, not followed if it is a symlink.
pub fn existing(mount: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    match at::open(mount.as_fd(), path, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::tried("look at", path, errno)),
    }
}

/// Covers a directory: nothing in it, nothing can be made in it.
pub fn empty_directory() -> Result<OwnedFd> {
    filesystem("tmpfs", &[("size", "0"), ("mode", "555")], READ_ONLY)
}

/// Read-only from here on. The mount is attached already; nobody else is in this namespace yet.
pub fn protect(tree: &OwnedFd) -> Result<()> {
    restrict(tree, false, raw::MS_RDONLY, "make a mount read-only")
}

/// The same with everything that is mounted below it, where the kernel can do that (from 5.12 on).
pub fn protect_all(tree: &OwnedFd) -> Result<()> {
    restrict(tree, true, raw::MS_RDONLY, "make a mount read-only")
}

/// No device node in the tree, or in what is mounted below it, can be opened from here on.
pub fn close_devices(tree: &OwnedFd) -> Result<()> {
    restrict(tree, true, raw::MS_NODEV, "close the devices of a mount")
}

/// For a tree that files are only copied from or (`writes`) to. Kernels before 5.12 cannot do it: there the copying is as
/// careful, but without this second line.
pub fn restrict_copy(tree: &OwnedFd, writes: bool) -> Result<()> {
    let flags = raw::MS_NODEV | if writes { 0 } else { raw::MS_RDONLY };
    match sys::mount_setattr(tree.as_fd(), true, u64::from(flags), 0, 0) {
        Err(Errno::NOSYS) => Ok(()),
        other => other.tried("protect what is mounted"),
    }
}

/// Whether this kernel can make a whole tree of mounts read-only.
pub fn can_protect_all() -> bool {
    // A descriptor that no mount stands for: ENOSYS comes before EBADF and EINVAL.
    sys::mount_setattr(rustix::fs::CWD, true, 0, 0, 0) != Err(Errno::NOSYS)
}

fn restrict(tree: &OwnedFd, recursive: bool, flag: u32, what: &str) -> Result<()> {
    change(tree, recursive, flag, 0).tried(what)
}

/// Sets and clears flags of mount(2) that are attributes of an attached mount.
pub fn change(tree: &OwnedFd, recursive: bool, set: u32, clear: u32) -> Answer<()> {
    let (on, off) = attributes(set, clear);
    match sys::mount_setattr(tree.as_fd(), recursive, on, off, 0) {
        // Kernels before 5.12: remount it, keeping its other flags, which fstatvfs(3) tells with the same bits.
        Err(Errno::NOSYS) => {
            let keep = rustix::fs::fstatvfs(tree)?.f_flag.bits() as u32;
            let flags = api::MountFlags::from_bits_retain(keep & SAME_BITS & !clear | raw::MS_BIND | set);
            own_path(tree).and_then(|path| api::mount_remount(path.as_c_str(), flags, c""))
        }
        other => other,
    }
}

/// `ro`, `nosuid`, `nodev` and `noexec`: mount(2) and mount_setattr(2) have the same bits for them.
const SAME_BITS: u32 = raw::MS_RDONLY | raw::MS_NOSUID | raw::MS_NODEV | raw::MS_NOEXEC;
/// What mount(2) and mount_setattr(2) have different bits for.
static OTHER_BITS: [(u32, u32); 4] = [
    (raw::MS_NOSYMFOLLOW, raw::MOUNT_ATTR_NOSYMFOLLOW),
    (raw::MS_NODIRATIME, raw::MOUNT_ATTR_NODIRATIME),
    (raw::MS_NOATIME, raw::MOUNT_ATTR_NOATIME),
    (raw::MS_STRICTATIME, raw::MOUNT_ATTR_STRICTATIME),
];

/// Flags of mount(2) as mount_setattr(2) wants them: to be set, and to be cleared.
pub fn attributes(set: u32, clear: u32) -> (u64, u64) {
    let (mut on, mut off) = (set & SAME_BITS, clear & SAME_BITS);
    for (flag, attribute) in &OTHER_BITS {
        on |= if set & flag == 0 { 0 } else { *attribute };
        off |= if clear & flag == 0 { 0 } else { *attribute };
    }
    // How times of access are kept is one number there, of which nothing or all is replaced; 0 is `relatime`.
    if (set | clear) & (raw::MS_NOATIME | raw::MS_STRICTATIME | raw::MS_RELATIME) != 0 {
        off |= raw::MOUNT_ATTR__ATIME;
    }
    (u64::from(on), u64::from(off))
}

/// Whether what is mounted here appears on the host, too: in this namespace only those mounts are shared that were asked
/// to be. proc_pid_mountinfo(5)
pub fn is_shared(place: &OwnedFd) -> Result<bool> {
    let line = file::mount_of(place.as_fd())?;
    let tags = crate::spec::text::cut(&line, " - ").map_or(&*line, |(tags, _)| tags);
    Ok(tags.split(' ').skip(6).any(|tag| tag.starts_with("shared:")))
}

/// Whether the descriptor is a directory's.
pub fn is_directory(fd: &OwnedFd) -> Result<bool> {
    let stat = rustix::fs::fstat(fd).tried("look at the mount point")?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// The path by which calls without descriptors find a mount.
fn own_path(tree: &OwnedFd) -> Answer<CString> {
    at::c(&format!("/proc/self/fd/{}", tree.as_raw_fd()))
}

/// Nothing that is mounted in this namespace from now on appears elsewhere, nor the other way round.
pub fn make_private() -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    api::mount_change(c"/", private).tried("make the mounts private")
}

/// Who sees what is mounted below the tree from now on. mount_namespaces(7)
pub fn propagate(tree: &OwnedFd, how: MountPropagationFlags) -> Result<()> {
    let what = "set the propagation of a mount";
    let (kind, recursive) = (how.difference(MountPropagationFlags::REC), how.contains(MountPropagationFlags::REC));
    match sys::mount_setattr(tree.as_fd(), recursive, 0, 0, u64::from(kind.bits())) {
        Err(Errno::NOSYS) => own_path(tree).and_then(|path| api::mount_change(path.as_c_str(), how)).tried(what),
        other => other.tried(what),
    }
}

/// The ids on disk stand for those of a user namespace: 0 becomes the first of its range. Only for a detached tree.
pub fn map_ids(tree: &OwnedFd, ids: BorrowedFd<'_>, what: &str) -> Result<()> {
    match sys::mount_map_ids(tree.as_fd(), false, ids) {
        Err(errno @ (Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP)) => Err(no_id_maps(what, errno)),
        other => other.tried_to("map the ids of", what),
    }
}

/// What to say where mounts cannot map ids.
pub fn no_id_maps(what: &str, errno: Errno) -> Error {
    let why = "id-mapped mounts need Linux 5.19, and 6.3 where the store is on tmpfs; without --userns it works";
    Error::os(format_args!("cannot map the ids of {what}: {why}"), errno)
}
