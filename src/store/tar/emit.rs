//! Writing headers: ustar, and pax for what does not fit.

use super::{BLOCK_BYTES, Block, Entry, Kind, NAME_BYTES_MAX, RECORD_BYTES_MAX, Time, padding, shown};
use crate::error::{Error, Result};
use crate::kernel::io;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Appends the header of an entry: one ustar block, and before it a pax header with what does not fit there.
/// The same entry always gives the same bytes. `stored` is the size; `regions` are not written.
pub fn emit(entry: &Entry, out: &mut Vec<u8>) -> Result<()> {
    let records = pax_records(entry);
    if records.len() > RECORD_BYTES_MAX || entry.name.len().max(entry.link.len()) > NAME_BYTES_MAX {
        let name = shown(&entry.name);
        return Err(Error::new(format_args!(
            "{name}: its name or its extended attributes are too large for an archive"
        )));
    }
    if !records.is_empty() {
        let base = entry.name.strip_suffix(b"/").unwrap_or(&entry.name).rsplit(|b| *b == b'/').next().unwrap_or(b"");
        let name = [b"PaxHeaders/", &base[..base.len().min(80)]].concat();
        let mut pax = Entry::new(name, Kind::Other(b'x'));
        (pax.stored, pax.mode) = (records.len() as u64, 0o644);
        out.extend_from_slice(&ustar(&pax));
        out.extend_from_slice(&records);
        out.resize(out.len() + padding(records.len() as u64), 0);
    }
    out.extend_from_slice(&ustar(entry));
    Ok(())
}

/// What a ustar header can say of the entry; what does not fit is cut, or zero (then pax says it).
pub(super) fn ustar(entry: &Entry) -> Block {
    let mut block = [0u8; BLOCK_BYTES];
    let (prefix, name) = split(&entry.name).unwrap_or((b"", entry.name.get(..100).unwrap_or(&entry.name)));
    put(&mut block, 0, name);
    octal(&mut block, 100, 7, u64::from(entry.mode));
    octal(&mut block, 108, 7, u64::from(entry.uid));
    octal(&mut block, 116, 7, u64::from(entry.gid));
    octal(&mut block, 124, 11, entry.stored);
    octal(&mut block, 136, 11, entry.mtime.seconds.try_into().unwrap_or(0));
    block[156] = match entry.kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
        Kind::Other(flag) => flag,
    };
    put(&mut block, 157, entry.link.get(..100).unwrap_or(&entry.link));
    put(&mut block, 257, b"ustar\x0000");
    octal(&mut block, 329, 7, u64::from(entry.device.0));
    octal(&mut block, 337, 7, u64::from(entry.device.1));
    put(&mut block, 345, prefix);
    put(&mut block, 148, b"        ");
    let sum = block.iter().map(|b| u64::from(*b)).sum();
    octal(&mut block, 148, 6, sum);
    block
}

/// Puts the bytes at a place of the block.
pub(super) fn put(block: &mut Block, at: usize, bytes: &[u8]) {
    io::copy(bytes, &mut block[at..]);
}

/// So many octal digits at a place of the block; zero when the number does not fit. The NUL behind them is there.
pub(super) fn octal(block: &mut Block, at: usize, digits: u32, number: u64) {
    let mut left = if fits(number, digits) { number } else { 0 };
    for place in block[at..at + digits as usize].iter_mut().rev() {
        *place = b'0' + (left & 7) as u8;
        left >>= 3;
    }
}

fn fits(number: u64, digits: u32) -> bool {
    number >> (3 * digits) == 0
}

/// The prefix and name fields for a name, if they can hold it.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((b"", name));
    }
    // The slash between them is not stored, and the name field may not be empty (a directory ends with a slash).
    let slash = (name.len() - 101..(name.len() - 1).min(156)).find(|at| name[*at] == b'/' && *at > 0)?;
    Some((&name[..slash], &name[slash + 1..]))
}

/// The pax records for what ustar cannot say: sorted by key, none if it can say all.
fn pax_records(entry: &Entry) -> Vec<u8> {
    let mut records = Vec::new();
    for (name, value) in &entry.xattrs {
        let mut key = b"SCHILY.xattr.".to_vec();
        for byte in name {
            match byte {
                b'=' => key.extend_from_slice(b"%3D"),
                b'%' => key.extend_from_slice(b"%25"),
                byte => key.push(*byte),
            }
        }
        pax_record(&mut records, &key, value);
    }
    if !fits(u64::from(entry.gid), 7) {
        pax_record(&mut records, b"gid", format!("{}", entry.gid).as_bytes());
    }
    if entry.link.len() > 100 {
        pax_record(&mut records, b"linkpath", &entry.link);
    }
    let Time { seconds, nanoseconds } = entry.mtime;
    if nanoseconds != 0 || !u64::try_from(seconds).is_ok_and(|s| fits(s, 11)) {
        pax_record(&mut records, b"mtime", time_text(seconds, nanoseconds).as_bytes());
    }
    if split(&entry.name).is_none() {
        pax_record(&mut records, b"path", &entry.name);
    }
    if !fits(entry.stored, 11) {
        pax_record(&mut records, b"size", format!("{}", entry.stored).as_bytes());
    }
    if !fits(u64::from(entry.uid), 7) {
        pax_record(&mut records, b"uid", format!("{}", entry.uid).as_bytes());
    }
    records
}

/// The reverse of `time`: before 1970 the fraction counts away from zero too.
fn time_text(seconds: i64, nanoseconds: u32) -> String {
    match (seconds, nanoseconds) {
        (_, 0) => format!("{seconds}"),
        (0.., _) => format!("{seconds}.{nanoseconds:09}"),
        _ => format!("-{}.{:09}", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds),
    }
}

pub(super) fn pax_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3; // space, equals sign, newline
    let mut size = rest + 1;
    while size != rest + size.ilog10() as usize + 1 {
        size = rest + size.ilog10() as usize + 1;
    }
    records.extend_from_slice(format!("{size} ").as_bytes());
    records.extend_from_slice(&[key, b"=", value, b"\n"].concat());
}
