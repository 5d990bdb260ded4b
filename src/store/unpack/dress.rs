//! What an unpacked file gets besides its content: owner, mode, times, extended attributes. chown(2), xattr(7)

use crate::error::{Result, Tried};
use crate::store::tar::{self, Entry, Kind, Time, shown};
use alloc::format;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::fs::{chmodat, chownat, fchmod, fchown, fsetxattr, futimens, utimensat};
use rustix::io::Errno;

type Answer<T> = core::result::Result<T, Errno>;

/// Marks a directory as one that hides what is below it.
pub fn set_opaque(fd: &OwnedFd) -> Answer<()> {
    match fsetxattr(fd, "trusted.overlay.opaque", b"y", XattrFlags::empty()) {
        // In a user namespace overlays have their marks elsewhere (option userxattr).
        Err(Errno::PERM) => fsetxattr(fd, "user.overlay.opaque", b"y", XattrFlags::empty()),
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

/// Owner, attributes, mode and time of an open file or directory, in the order in which they do not undo each other:
/// chown(2) drops setuid bits and capabilities, an ACL changes the mode.
pub fn dress(fd: &OwnedFd, entry: &Entry, with_time: bool) -> Result<()> {
    let what = |verb: &str| format!("set the {verb} of {}", shown(&entry.name));
    let (uid, gid) = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
    unless_unmapped(fchown(fd, uid, gid)).tried_with(|| what("owner"))?;
    for (name, value) in entry.xattrs.iter().filter(|(name, _)| tar::travels(name)) {
        match fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
            // tmpfs before 6.6 has no user attributes. A capability must not be lost silently.
            Err(Errno::OPNOTSUPP) if name != b"security.capability" => {}
            other => other.tried_with(|| what(&format!("attribute {}", shown(name))))?,
        }
    }
    fchmod(fd, Mode::from(entry.mode)).tried_with(|| what("mode"))?;
    if with_time {
        futimens(fd, &times(entry.mtime)).tried_with(|| what("time"))?;
    }
    Ok(())
}

/// The same for what cannot be opened: symlinks, pipes, devices. Their attributes are not worth the way through /proc.
pub fn dress_at(parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<()> {
    let what = |verb: &str| format!("set the {verb} of {}", shown(&entry.name));
    let (uid, gid) = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
    unless_unmapped(chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)).tried_with(|| what("owner"))?;
    if entry.kind != Kind::Symlink {
        // This would follow a symlink, but we have just made the pipe or device, and nobody else writes here.
        chmodat(parent, name, Mode::from(entry.mode), AtFlags::empty()).tried_with(|| what("mode"))?;
    }
    utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).tried_with(|| what("time"))
}
