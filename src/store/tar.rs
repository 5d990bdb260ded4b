//! The tar format, in bytes only: ustar and v7 headers, pax records, and GNU's long names, base-256 numbers and sparse
//! files. POSIX.1-2001 "pax Interchange Format"; the GNU tar manual, "Tar Internals".
//!
//! Reading is a state machine that is fed blocks; it has never heard of a file. All input is hostile.

mod emit;
mod pax;
#[cfg(test)]
mod tests;

pub use emit::emit;

use crate::error::{Error, Result};
use crate::spec::map::Map;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use pax::{Pax, Sparse};

/// Everything in a tar archive is a multiple of this many bytes.
pub const BLOCK_BYTES: usize = 512;
/// Longest name or link target. Far above `PATH_MAX`, because a tree can be deeper than one path can say.
pub const NAME_BYTES_MAX: usize = 64 << 10;
/// Longest pax or long-name record. Extended attributes travel in it, and the kernel allows 64 KiB for each.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Most regions of data in one sparse file.
pub const REGIONS_MAX: usize = 1 << 20;
/// Errors show this much of a name.
const SHOWN_CHARS_MAX: usize = 200;

/// One block of an archive.
pub type Block = [u8; BLOCK_BYTES];

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of an entry that came before.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A type flag that stands for nothing we know.
    Other(u8),
}

/// A moment: seconds since 1970 UTC, rounded down, and nanoseconds after that.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// A piece of a sparse file that is not a hole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes of the entry's content it takes.
    pub bytes: u64,
}

/// One entry, everything that stands before its content.
pub struct Entry {
    /// The name as the archive has it: not checked, except that it is neither empty nor too long.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The target of a hard or symbolic link, empty otherwise.
    pub link: Vec<u8>,
    /// Bytes of content that follow in the archive (then zeros up to the next block).
    pub stored: u64,
    /// Bytes of the file; more than `stored` when it is sparse.
    pub size: u64,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Owner; never -1, which chown(2) takes for "leave it".
    pub uid: u32,
    /// Group; never -1.
    pub gid: u32,
    /// Time of the last change of the content.
    pub mtime: Time,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes by name, sorted.
    pub xattrs: Map<Vec<u8>, Vec<u8>>,
    /// Where the stored bytes belong, ascending and within `size`; `None` when the file is not sparse.
    pub regions: Option<Vec<Region>>,
}

impl Entry {
    /// An entry with this name and nothing else.
    pub fn new(name: Vec<u8>, kind: Kind) -> Self {
        Self {
            name,
            kind,
            link: Vec::new(),
            stored: 0,
            size: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            device: (0, 0),
            xattrs: Map::new(),
            regions: None,
        }
    }
}

/// The zeros between content of so many bytes and the next block.
pub fn padding(stored: u64) -> usize {
    (stored.wrapping_neg() % BLOCK_BYTES as u64) as usize
}

/// A name for a message: no control characters, nothing that turns the direction of writing, and not too much of it.
pub fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for (at, c) in String::from_utf8_lossy(name).chars().enumerate() {
        if at == SHOWN_CHARS_MAX {
            text.push('…');
            break;
        }
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// The name as a path below the root: no slash at its ends, no empty and no `.` component. The root itself is empty.
/// A name with `..` or a NUL byte is refused; it would be an attack or an accident, and both are worth an error.
pub fn path(name: &[u8]) -> Result<Vec<u8>> {
    if name.contains(&0) {
        return Err(Error::new(format_args!("the name {} contains a NUL byte", shown(name))));
    }
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Error::new(format_args!("the name {} contains \"..\"", shown(name)))),
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    Ok(path)
}

/// Whether an extended attribute may travel in an archive. What steers overlayfs, and every other security module's
/// label, belongs to one host.
pub fn travels(xattr: &[u8]) -> bool {
    let user = xattr.starts_with(b"user.") && !xattr.starts_with(b"user.overlay.");
    let others: [&[u8]; 3] = [b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default"];
    user || others.contains(&xattr)
}

/// What a block completed.
pub enum Step {
    /// Nothing yet: give the next block.
    More,
    /// A block of zeros where a header could be: two of them end the archive.
    Zeros,
    /// An entry. `stored` bytes and their padding stand before the next block for the parser.
    Entry(Box<Entry>),
}

/// Reads headers. Content goes past it: see [`Step::Entry`].
#[derive(Default)]
pub struct Parser {
    state: State,
    /// Some header was valid, so this is a tar archive.
    seen: bool,
    global: Pax,
    /// From the pax header before this entry, on top of `global`.
    local: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

#[derive(Default)]
enum State {
    #[default]
    Header,
    /// A pax header or a long name.
    Record { flag: u8, size: usize, bytes: Vec<u8> },
    /// GNU's old sparse map goes on in extension blocks.
    OldMap(Box<Entry>),
    /// A pax 1.0 sparse map stands before the content: decimal numbers, each on a line.
    NewMap(Box<Entry>, SparseMap),
}

/// What was read of a pax 1.0 sparse map.
#[derive(Default)]
struct SparseMap {
    /// How many regions there are.
    count: Option<u64>,
    /// Where the next one begins.
    offset: Option<u64>,
    /// The number that is being read.
    digits: Option<u64>,
}

impl Parser {
    /// Whether the archive may not end here.
    pub fn inside(&self) -> bool {
        !matches!(self.state, State::Header)
            || self.local.is_some()
            || self.long_name.is_some()
            || self.long_link.is_some()
    }

    /// Takes the next block that is not content.
    pub fn block(&mut self, block: &Block) -> Result<Step> {
        match mem::take(&mut self.state) {
            State::Header => self.header(block),
            State::Record { flag, size, mut bytes } => {
                bytes.extend_from_slice(&block[..(size - bytes.len()).min(BLOCK_BYTES)]);
                if bytes.len() < size {
                    self.state = State::Record { flag, size, bytes };
                } else {
                    self.record(flag, bytes)?;
                }
                Ok(Step::More)
            }
            State::OldMap(mut entry) => {
                // 21 regions, then a byte that says whether another block follows.
                add_regions(&mut entry, &block[..504])?;
                if block[504] == 0 {
                    return finish(entry);
                }
                self.state = State::OldMap(entry);
                Ok(Step::More)
            }
            State::NewMap(entry, map) => self.map_block(block, entry, map),
        }
    }

    fn header(&mut self, block: &Block) -> Result<Step> {
        if block.iter().all(|b| *b == 0) {
            return Ok(Step::Zeros);
        }
        if !checksum_is_right(block) {
            return Err(Error::new(if self.seen { "damaged header (wrong checksum)" } else { "not a tar archive" }));
        }
        self.seen = true;
        let flag = block[156];
        if matches!(flag, b'x' | b'X' | b'g' | b'L' | b'K') {
            let size = length(&block[124..136])?;
            if size > RECORD_BYTES_MAX as u64 {
                return Err(Error::new(format_args!("a header record is larger than {RECORD_BYTES_MAX} bytes")));
            }
            if size == 0 {
                self.record(flag, Vec::new())?;
            } else {
                self.state = State::Record { flag, size: size as usize, bytes: Vec::new() };
            }
            return Ok(Step::More);
        }
        let pax = self.local.take().unwrap_or_else(|| self.global.clone());
        self.entry(block, flag, pax)
    }

    /// A complete pax header, long name or long link.
    fn record(&mut self, flag: u8, mut bytes: Vec<u8>) -> Result<()> {
        match flag {
            b'g' => {
                self.global.read(&bytes)?;
                // These describe one file; kept for all that follow they would also pile up.
                self.global.xattrs.clear();
                self.global.sparse = Sparse::default();
            }
            b'x' | b'X' => {
                // Always from the global one: a second local header replaces the first, and memory stays bounded.
                let mut local = self.global.clone();
                local.read(&bytes)?;
                self.local = Some(local);
            }
            _ => {
                if bytes.last() == Some(&0) {
                    bytes.pop();
                }
                *(if flag == b'L' { &mut self.long_name } else { &mut self.long_link }) = Some(bytes);
            }
        }
        Ok(())
    }

    fn entry(&mut self, block: &Block, flag: u8, mut pax: Pax) -> Result<Step> {
        let (long_name, long_link) = (self.long_name.take(), self.long_link.take());
        let name = pax.sparse.name.take().or(pax.path.take()).or(long_name).unwrap_or_else(|| header_name(block));
        let mut entry = Box::new(Entry::new(name, kind(flag)));
        if entry.kind == Kind::File && entry.name.ends_with(b"/") {
            entry.kind = Kind::Directory; // how v7 says it
        }
        if matches!(entry.kind, Kind::HardLink | Kind::Symlink) {
            entry.link = pax.link.take().or(long_link).unwrap_or_else(|| text(&block[157..257]).to_vec());
        }
        if entry.name.is_empty() || entry.name.len().max(entry.link.len()) > NAME_BYTES_MAX {
            return Err(Error::new(format_args!(
                "{}: no name, or one of more than {NAME_BYTES_MAX} bytes",
                shown(&entry.name)
            )));
        }
        if let Err(error) = read_numbers(&mut entry, block, &pax) {
            return Err(error.reword(&|what| format!("{}: {}", shown(&entry.name), what)));
        }
        entry.xattrs = mem::take(&mut pax.xattrs);
        if flag == b'S' {
            add_regions(&mut entry, &block[386..482])?;
            if block[482] != 0 {
                self.state = State::OldMap(entry);
                return Ok(Step::More);
            }
        } else if entry.kind == Kind::File && (pax.sparse.major, pax.sparse.minor) == (1, 0) {
            entry.size = pax.sparse.size.unwrap_or(entry.size);
            entry.regions = Some(Vec::new());
            self.state = State::NewMap(entry, SparseMap::default());
            return Ok(Step::More);
        } else if entry.kind == Kind::File && pax.sparse.size.is_some() {
            entry.size = pax.sparse.size.unwrap_or(0);
            entry.regions = Some(mem::take(&mut pax.sparse.regions));
        }
        finish(entry)
    }

    fn map_block(&mut self, block: &Block, mut entry: Box<Entry>, mut map: SparseMap) -> Result<Step> {
        let bad = || Error::new("damaged map of a sparse file");
        entry.stored = entry.stored.checked_sub(BLOCK_BYTES as u64).ok_or_else(bad)?;
        let regions = entry.regions.get_or_insert_default();
        for byte in block {
            match (byte, map.digits.take()) {
                (b'0'..=b'9', digits) => {
                    let more = digits.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(u64::from(byte - b'0')));
                    map.digits = Some(more.ok_or_else(bad)?);
                }
                (b'\n', Some(number)) => {
                    match (map.count, map.offset.take()) {
                        (None, _) if number > REGIONS_MAX as u64 => return Err(bad()),
                        (None, _) => map.count = Some(number),
                        (_, None) => map.offset = Some(number),
                        (_, Some(offset)) => regions.push(Region { offset, bytes: number }),
                    }
                    if map.offset.is_none() && map.count == Some(regions.len() as u64) {
                        return finish(entry);
                    }
                }
                _ => return Err(bad()),
            }
        }
        self.state = State::NewMap(entry, map);
        Ok(Step::More)
    }
}

/// What the header, or the pax records before it, say in numbers.
fn read_numbers(entry: &mut Entry, block: &Block, pax: &Pax) -> Result<()> {
    entry.mode = (number(&block[100..108])? & 0o7777) as u32;
    for (to, known, field) in [(&mut entry.uid, pax.uid, &block[108..116]), (&mut entry.gid, pax.gid, &block[116..124])]
    {
        *to = if let Some(id) = known { id } else { owner(field)? };
    }
    entry.mtime = match pax.mtime {
        Some(time) => time,
        None => Time { seconds: number(&block[136..148])?, nanoseconds: 0 },
    };
    // Links, devices and directories have no content, whatever their size says: that is how everybody reads them.
    if matches!(entry.kind, Kind::File | Kind::Other(_)) {
        entry.stored = if let Some(size) = pax.size { size } else { length(&block[124..136])? };
    }
    if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
        entry.device = (device(&block[329..337])?, device(&block[337..345])?);
    }
    entry.size = if block[156] == b'S' { length(&block[483..495])? } else { entry.stored };
    Ok(())
}

/// The entry, if its sparse map is a possible one.
fn finish(entry: Box<Entry>) -> Result<Step> {
    if let Some(regions) = &entry.regions {
        let (mut end, mut stored, mut is_possible) = (0u64, 0u64, true);
        for region in regions {
            is_possible &= end <= region.offset;
            end = region.offset.saturating_add(region.bytes);
            stored = stored.saturating_add(region.bytes);
        }
        // Where the sum is too large, the end is behind every size.
        if !is_possible || end > entry.size || stored != entry.stored {
            return Err(Error::new(format_args!("{}: damaged map of a sparse file", shown(&entry.name))));
        }
    }
    if entry.size > i64::MAX as u64 || entry.stored > i64::MAX as u64 {
        return Err(Error::new(format_args!("{}: impossible size", shown(&entry.name))));
    }
    Ok(Step::Entry(entry))
}

/// Regions of a GNU sparse header: offset and length in twelve bytes each; an empty one ends the list.
fn add_regions(entry: &mut Entry, map: &[u8]) -> Result<()> {
    let regions = entry.regions.get_or_insert_default();
    for pair in map.chunks_exact(24) {
        if pair[0] == 0 || pair[12] == 0 {
            break;
        }
        regions.push(Region { offset: length(&pair[..12])?, bytes: length(&pair[12..])? });
    }
    if regions.len() > REGIONS_MAX {
        return Err(Error::new(format_args!("{}: more than {REGIONS_MAX} regions", shown(&entry.name))));
    }
    Ok(())
}

fn kind(flag: u8) -> Kind {
    match flag {
        0 | b'0' | b'7' | b'S' => Kind::File, // 7: contiguous, on systems that had it
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => Kind::Other(other),
    }
}

/// The name field, with ustar's prefix before it. GNU's own headers ("ustar  ") keep other things there.
fn header_name(block: &Block) -> Vec<u8> {
    let name = text(&block[..100]);
    let prefix = if block[257..263] == *b"ustar\0" { text(&block[345..500]) } else { b"" };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or(field)
}

/// A number field: octal digits with spaces or NULs around them, or GNU's base-256: the first bit set, then a signed
/// big-endian number. An empty field is 0, as old archives have it.
fn number(field: &[u8]) -> Result<i64> {
    let bad = || Error::new("damaged number in a header");
    if field[0] & 0x80 != 0 {
        let negative = field[0] & 0x40 != 0;
        let first = if negative { field[0] } else { field[0] & 0x7f };
        let mut value: i64 = if negative { -1 } else { 0 };
        for byte in core::iter::once(&first).chain(&field[1..]) {
            value = value.checked_mul(256).and_then(|v| v.checked_add(i64::from(*byte))).ok_or_else(bad)?;
        }
        return Ok(value);
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|b| matches!(b, 0 | b' ')).unwrap_or(digits.len());
    let mut value = 0;
    for digit in &digits[..end] {
        match digit {
            b'0'..=b'7' => value = value * 8 + i64::from(digit - b'0'), // twelve digits at most: no overflow
            _ => return Err(bad()),
        }
    }
    Ok(value)
}

fn length(field: &[u8]) -> Result<u64> {
    u64::try_from(number(field)?).map_err(|_| Error::new("negative size in a header"))
}

fn owner(field: &[u8]) -> Result<u32> {
    owner_in_range(number(field)?)
}

fn owner_in_range(number: i64) -> Result<u32> {
    match u32::try_from(number) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(Error::new(format_args!("impossible owner {number}"))),
    }
}

fn device(field: &[u8]) -> Result<u32> {
    u32::try_from(number(field)?).map_err(|_| Error::new("impossible device number"))
}

/// The sum of all bytes with spaces in place of the sum itself; some old programs added signed bytes.
fn checksum_is_right(block: &Block) -> bool {
    let Ok(wanted) = number(&block[148..156]) else { return false };
    let (mut unsigned, mut signed) = (0i64, 0i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte as i8);
    }
    wanted == unsigned || wanted == signed
}
