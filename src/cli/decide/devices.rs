//! Devices of the host: from flags to [`Device`]s.

use super::super::args::Parsed;
use super::super::human::visible;
use super::super::read;
use super::bad;
use mydocker::error::{self, Result};
use mydocker::kernel::file;
use mydocker::spec::Device;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::FileType;
use rustix::io::Errno;

/// Directories of /dev that hold no devices of the host that could be meant.
const SKIPPED: [&[u8]; 6] = [b"pts", b"shm", b"fd", b"mqueue", b".udev", b".lxc"];
/// How deep a directory of devices is searched for one.
const DEPTH_MAX: usize = 8;

/// What `--device` asks for; of two with the same place inside the later one counts.
pub fn devices(parsed: &Parsed) -> Result<Vec<Device>> {
    let mut all: Vec<Device> = Vec::new();
    for device in parsed.read_all("device", read::device::device)? {
        let missing = |why: &str| {
            let source = visible(&device.source);
            bad(format!("error gathering device information while adding custom device \"{source}\": {why}"))
        };
        let stat = rustix::fs::stat(device.source.as_str()).map_err(|errno| missing(&error::text(errno)))?;
        let is_fine = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice | FileType::BlockDevice => true,
            FileType::Directory => file::open_dir(&device.source).is_ok_and(|dir| has_node(dir.as_fd(), DEPTH_MAX)),
            _ => false,
        };
        if !is_fine {
            return Err(missing("not a device node"));
        }
        all.retain(|other| other.target != device.target);
        all.push(device);
    }
    Ok(all)
}

fn has_node(dir: BorrowedFd<'_>, depth_left: usize) -> bool {
    let entries = file::entries(dir).unwrap_or_default(); // a directory that cannot be read has none for us
    entries.iter().any(|(name, kind)| match kind {
        FileType::CharacterDevice | FileType::BlockDevice => true,
        FileType::Directory if depth_left > 0 && !SKIPPED.contains(&name.to_bytes()) => name
            .to_str()
            .is_ok_and(|name| file::open_dir_at(dir, name).is_ok_and(|sub| has_node(sub.as_fd(), depth_left - 1))),
        _ => false,
    })
}

/// Whether a path leads to a disk.
pub fn is_disk(path: &str) -> core::result::Result<(), Errno> {
    let stat = rustix::fs::stat(path)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice { Ok(()) } else { Err(Errno::NOTBLK) }
}
