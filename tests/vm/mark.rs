//! Writes a line to a place of a disk past its file system, directly and without a flush: in the disk's write log it stands
//! exactly where it was said, and it makes nothing else durable. (busybox dd cannot: where its buffer does not fit it goes
//! on without O_DIRECT.)
//!
//! `mark DEVICE OFFSET TEXT`

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

const O_DIRECT: i32 = 0o40_000;
const SECTOR_BYTES: usize = 512;

#[repr(align(4096))]
struct Sector([u8; SECTOR_BYTES]);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, device, offset, text] = &words[..] else { panic!("mark DEVICE OFFSET TEXT") };
    let mut sector = Sector([0; SECTOR_BYTES]);
    sector.0[..text.len()].copy_from_slice(text.as_bytes());
    let disk = OpenOptions::new().write(true).custom_flags(O_DIRECT).open(device).unwrap();
    disk.write_all_at(&sector.0, offset.parse().unwrap()).unwrap();
}
