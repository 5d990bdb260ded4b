//! Devices of the host: from flags to [`Device`]s.

use super::super::read;
use super::{Job, keep_last, wrongs};
use alloc::borrow::ToOwned;
use mydocker::error::{self, Result};
use mydocker::kernel::{at, file};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::FileType;
use rustix::io::Errno;

/// Directories of /dev that hold no devices of the host that could be meant.
const SKIPPED: [&[u8]; 6] = [b"pts", b"shm", b"fd", b"mqueue", b".udev", b".lxc"];
/// How deep a directory of devices is searched for one.
const DEPTH_MAX: usize = 8;

/// What `--device` asks for; of two with the same place inside the later one counts.
pub fn devices(job: &mut Job<'_>) -> Result<()> {
    let all = &mut job.made.spec.devices;
    job.parsed.list("device", read::device::device, all)?;
    for device in &*all {
        let why = match at::look(&device.source) {
            Ok(stat) if has_device(&device.source, FileType::from_raw_mode(stat.st_mode)) => continue,
            Ok(_) => "not a device node".to_owned(),
            Err(errno) => error::text(errno),
        };
        let what = "error gathering device information while adding custom device \"{}\": {}";
        return Err(wrongs(what, &[&device.source, &why]));
    }
    keep_last(all, &|one, later| one.target == later.target);
    Ok(())
}

/// Whether a path is a device, or a directory with one in it.
fn has_device(path: &str, kind: FileType) -> bool {
    match kind {
        FileType::Directory => file::open_dir(path).is_ok_and(|dir| has_node(dir.as_fd(), DEPTH_MAX)),
        kind => is_device(kind),
    }
}

fn is_device(kind: FileType) -> bool {
    matches!(kind, FileType::CharacterDevice | FileType::BlockDevice)
}

fn has_node(dir: BorrowedFd<'_>, depth_left: usize) -> bool {
    // A directory that cannot be read has none for us.
    for (name, kind) in file::entries(dir).unwrap_or_default() {
        let is_searched = kind == FileType::Directory && depth_left > 0 && !SKIPPED.contains(&name.to_bytes());
        let has_one = |name: &str| file::open_dir_at(dir, name).is_ok_and(|sub| has_node(sub.as_fd(), depth_left - 1));
        if is_device(kind) || is_searched && name.to_str().is_ok_and(has_one) {
            return true;
        }
    }
    false
}

/// Whether a path leads to a disk.
pub fn is_disk(path: &str) -> core::result::Result<(), Errno> {
    let stat = at::look(path)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice { Ok(()) } else { Err(Errno::NOTBLK) }
}
