//! Extended headers: pax records (pax(1), POSIX.1-2017) with the xattrs of star and the sparse maps of GNU tar.
#![allow(missing_docs)] // the fields are named after the records

use super::{REGIONS_MAX, Region, Time, owner_in_range, shown};
use crate::error::{Error, Result};
use crate::spec::map::Map;
use alloc::format;
use alloc::vec::Vec;

/// What pax headers say.
#[derive(Clone, Default)]
pub struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<Time>,
    pub xattrs: Map<Vec<u8>, Vec<u8>>,
    pub sparse: Sparse,
}

/// The three ways in which GNU tar describes a sparse file with pax records.
#[derive(Clone, Default)]
pub struct Sparse {
    pub major: u64,
    pub minor: u64,
    pub name: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub regions: Vec<Region>,
    pub offset: u64,
}

impl Pax {
    /// Reads "LENGTH KEY=VALUE\n" records; the length counts itself too.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<()> {
        let bad = || Error::new("damaged pax header");
        while !bytes.is_empty() {
            let space = bytes.iter().take(8).position(|b| *b == b' ').ok_or_else(bad)?;
            let size = decimal(&bytes[..space])? as usize;
            if size <= space + 1 || size > bytes.len() || bytes[size - 1] != b'\n' {
                return Err(bad());
            }
            let record = &bytes[space + 1..size - 1];
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(bad)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            self.set(key, value).map_err(|e| e.reword(&|what| format!("{} in the pax record {}", what, shown(key))))?;
            bytes = &bytes[size..];
        }
        Ok(())
    }

    /// An empty value takes an earlier (global) one back; an empty extended attribute is one.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let sparse = &mut self.sparse;
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.insert(unescape(name), value.to_vec());
        }
        // As text: patterns of bytes are compared byte by byte, in code.
        match core::str::from_utf8(key).unwrap_or("") {
            "path" => self.path = text(value),
            "linkpath" => self.link = text(value),
            "size" => self.size = number(value)?,
            "uid" | "gid" => {
                let to = if key[0] == b'u' { &mut self.uid } else { &mut self.gid };
                *to = number(value)?.map(|id| owner_in_range(id as i64)).transpose()?;
            }
            "mtime" => self.mtime = if value.is_empty() { None } else { Some(time(value)?) },
            "GNU.sparse.major" => sparse.major = decimal(value)?,
            "GNU.sparse.minor" => sparse.minor = decimal(value)?,
            "GNU.sparse.name" => sparse.name = text(value),
            "GNU.sparse.size" | "GNU.sparse.realsize" => sparse.size = number(value)?,
            "GNU.sparse.offset" => sparse.offset = decimal(value)?,
            "GNU.sparse.numbytes" => {
                sparse.regions.push(Region { offset: sparse.offset, bytes: decimal(value)? });
            }
            "GNU.sparse.map" => sparse.regions = map(value)?,
            _ => {}
        }
        if self.sparse.regions.len() > REGIONS_MAX || self.xattrs.len() > XATTRS_MAX {
            return Err(Error::new("too many values"));
        }
        Ok(())
    }
}

fn text(value: &[u8]) -> Option<Vec<u8>> {
    if value.is_empty() { None } else { Some(value.to_vec()) }
}

fn number(value: &[u8]) -> Result<Option<u64>> {
    if value.is_empty() { Ok(None) } else { decimal(value).map(Some) }
}

/// Numbers with commas between them: offset and length of each region.
fn map(text: &[u8]) -> Result<Vec<Region>> {
    let (mut regions, mut offset) = (Vec::new(), None);
    for number in text.split(|b| *b == b',') {
        if number.is_empty() {
            continue;
        }
        let number = decimal(number)?;
        match offset.take() {
            None => offset = Some(number),
            Some(offset) => regions.push(Region { offset, bytes: number }),
        }
    }
    Ok(regions)
}

/// Most extended attributes of one entry; listxattr(2) of Linux cannot name more than 64 KiB of them.
const XATTRS_MAX: usize = 4096;

/// A decimal number without sign that an `i64` holds.
fn decimal(text: &[u8]) -> Result<u64> {
    let mut number = if text.is_empty() { None } else { Some(0i64) };
    for byte in text {
        let digit = if byte.is_ascii_digit() { Some(i64::from(byte - b'0')) } else { None };
        number = number.and_then(|n| n.checked_mul(10)?.checked_add(digit?));
    }
    number.map(|n| n as u64).ok_or_else(|| Error::new("damaged number"))
}

/// Seconds with a sign and any number of decimals; what is finer than a nanosecond is cut off.
pub(super) fn time(text: &[u8]) -> Result<Time> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let mut halves = text.splitn(2, |b| *b == b'.');
    let seconds = decimal(halves.next().unwrap_or(b""))? as i64;
    let fraction = halves.next().unwrap_or(b"");
    let mut nanoseconds = 0;
    for at in 0..fraction.len().max(9) {
        let digit = fraction.get(at).unwrap_or(&b'0');
        if !digit.is_ascii_digit() {
            return Err(Error::new("damaged number"));
        }
        if at < 9 {
            nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
        }
    }
    Ok(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// GNU tar and star write `=` in the name of an attribute as `%3D`, and `%` as `%25`.
pub(super) fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'%', [b'3', b'D', tail @ ..]) => (b'=', tail),
            (b'%', [b'2', b'5', tail @ ..]) => (b'%', tail),
            (byte, tail) => (*byte, tail),
        };
        plain.push(byte);
        rest = tail;
    }
    plain
}
