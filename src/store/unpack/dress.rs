//! What an unpacked file gets besides its content: owner, mode, times, extended attributes. chown(2), xattr(7)

use crate::error::{Result, Tried};
use crate::kernel::at;
use crate::store::tar::{self, Entry, Kind, Time, shown};
use alloc::ffi::CString;
use alloc::format;
use core::ffi::CStr;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::fs::{chmodat, chownat, fchmod, fchown, fsetxattr, utimensat};
use rustix::io::Errno;

type Answer<T> = core::result::Result<T, Errno>;

/// Marks a directory as one that hides what is below it.
pub fn set_opaque(fd: &OwnedFd) -> Answer<()> {
    match fsetxattr(fd, c"trusted.overlay.opaque", b"y", XattrFlags::empty()) {
        // In a user namespace overlays have their marks elsewhere (option userxattr).
        Err(Errno::PERM) => fsetxattr(fd, c"user.overlay.opaque", b"y", XattrFlags::empty()),
        other => other,
    }
}

/// The attribute with the ACL that new entries of a directory inherit. acl(5)
pub const DEFAULT_ACL: &CStr = c"system.posix_acl_default";

/// Sets it, where there are ACLs and we may.
pub fn set_acl(dir: &OwnedFd, acl: &[u8]) -> Answer<()> {
    match fsetxattr(dir, DEFAULT_ACL, acl, XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
        other => other,
    }
}

/// An owner that our user namespace does not have is left out: the file stays ours. The host's has every one.
fn unless_unmapped(answer: Answer<()>) -> Answer<()> {
    if answer == Err(Errno::INVAL) { Ok(()) } else { answer }
}

/// The times of a file as the archive says them.
pub fn times(mtime: Time) -> Timestamps {
    let moment = Timespec { tv_sec: mtime.seconds, tv_nsec: i64::from(mtime.nanoseconds) };
    Timestamps { last_access: moment, last_modification: moment }
}

/// Who owns what is unpacked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Whom the archive names.
    Kept,
    /// What is new belongs to root.
    Root,
    /// What is new belongs to whom the kernel gives it: us.
    Ours,
}

/// An owner and a group, where there is one to set.
pub type Owner = Option<(Uid, Gid)>;

impl Owners {
    /// The owner of an entry; `is_new` unless it is a directory that was there.
    pub fn of(self, entry: &Entry, is_new: bool) -> Owner {
        match self {
            Self::Kept => Some((Uid::from_raw(entry.uid), Gid::from_raw(entry.gid))),
            Self::Root if is_new => Some((Uid::ROOT, Gid::ROOT)),
            Self::Root | Self::Ours => None,
        }
    }
}

/// Owner, attributes and mode of an open file or directory, in the order in which they do not undo each other:
/// chown(2) drops setuid bits and capabilities, an ACL changes the mode. `strict`: an attribute that we may not set is an
/// error. `made`: the mode that it was certainly made with.
pub fn dress(fd: &OwnedFd, entry: &Entry, owner: Owner, strict: bool, made: Option<u32>) -> Result<()> {
    let what = |verb: &str| format!("set the {verb} of {}", shown(&entry.name));
    if let Some((uid, gid)) = owner {
        unless_unmapped(fchown(fd, Some(uid), Some(gid))).tried_with(|| what("owner"))?;
    }
    for (name, value) in entry.xattrs.iter().filter(|(name, _)| tar::travels(name) && *name != DEFAULT_ACL.to_bytes()) {
        let set = |name: CString| fsetxattr(fd, &*name, value, XattrFlags::empty());
        match at::c_bytes(name).and_then(set) {
            // tmpfs before 6.6 has no user attributes. A capability must not be lost silently.
            Err(Errno::OPNOTSUPP) if name != b"security.capability" => {}
            Err(Errno::PERM | Errno::OPNOTSUPP) if !strict => {}
            other => other.tried_with(|| what(&format!("attribute {}", shown(name))))?,
        }
    }
    if made == Some(entry.mode & 0o1777) && entry.xattrs.is_empty() {
        return Ok(()); // nothing has changed it
    }
    fchmod(fd, Mode::from(entry.mode)).tried_with(|| what("mode"))
}

/// The same for what cannot be opened: symlinks, pipes, devices. Their attributes are not worth the way through /proc.
/// `alone`: nobody else writes here. Otherwise the mode must have come with the making.
pub fn dress_at(parent: &OwnedFd, name: &CStr, entry: &Entry, owners: Owners, alone: bool) -> Result<()> {
    let what = |verb: &str| format!("set the {verb} of {}", shown(&entry.name));
    if let Some((uid, gid)) = owners.of(entry, true) {
        let done = chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
        unless_unmapped(done).tried_with(|| what("owner"))?;
    }
    if entry.kind != Kind::Symlink && alone {
        // This would follow a symlink, but we have just made the pipe or device.
        chmodat(parent, name, Mode::from(entry.mode), AtFlags::empty()).tried_with(|| what("mode"))?;
    }
    utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).tried_with(|| what("time"))
}
