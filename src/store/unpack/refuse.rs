//! What of an archive is not made, and why.

use crate::error::{Error, Result};
use crate::store::tar::{Entry, Kind, shown};
use core::ffi::CStr;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, statat};

/// In a copy a directory stays one, and what is none never becomes one.
pub fn refuse_other_kind(parent: &OwnedFd, name: &CStr, path: &[u8], entry: &Entry) -> Result<()> {
    let Ok(there) = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
    match (FileType::from_raw_mode(there.st_mode) == FileType::Directory, entry.kind == Kind::Directory) {
        (true, false) => {
            Err(Error::new(format_args!("cannot overwrite directory \"{}\" with non-directory", shown(path))))
        }
        (false, true) => {
            Err(Error::new(format_args!("cannot overwrite non-directory \"{}\" with directory", shown(path))))
        }
        _ => Ok(()),
    }
}

/// Why this entry is not made, if so. The devices that every container has anyway do no harm.
pub fn unwanted(entry: &Entry) -> Option<&'static str> {
    match (entry.kind, entry.device) {
        (Kind::CharDevice, (1, 3 | 5 | 7 | 8 | 9) | (5, 0..=2)) => None,
        (Kind::CharDevice | Kind::BlockDevice, _) => Some("device"),
        (Kind::Other(_), _) => Some("socket or unknown type"),
        _ => None,
    }
}
