//! The bytes inside a stream that may be compressed: gzip (RFC 1952, RFC 1951) and zstd are unpacked, anything else passes
//! unchanged, and the formats that we know but do not read are refused by name.

use super::zstd::Zstd;
use crate::error::{Error, Result};
use crate::kernel::io::{self, Source};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

const INPUT_BYTES: usize = 64 << 10;
/// A power of two, and at least the 32 KiB that deflate may look back.
const WINDOW_BYTES: usize = 64 << 10;
/// The ratio is looked at after this much output: a file of zeros, such as a database allocates, compresses 1000 : 1
/// in honest archives, and a bomb of this size hurts nobody.
const RATIO_FREE_BYTES: u64 = 1 << 30;
/// Longest gzip header; its file name and comment have no limit of their own.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// A source that gives the uncompressed bytes of another one.
pub struct Plain<'a> {
    input: Input<'a>,
    packing: Packing,
}

/// What was done to the bytes.
enum Packing {
    None,
    Gzip(Box<Gzip>),
    Zstd(Zstd),
}

/// Looks at the first bytes of `source` and chooses. More than `ratio_max` bytes out for each byte in is an error;
/// deflate itself ends at 1032.
pub fn open(source: &mut dyn Source, ratio_max: u64) -> Result<Plain<'_>> {
    let mut input = Input { source, buf: vec![0; INPUT_BYTES], at: 0, end: 0, taken: 0, given: 0, ratio_max };
    while input.end < 10 && input.more()? {}
    let start = &input.buf[..input.end];
    let is = |magic: &[u8]| start.starts_with(magic);
    if is(b"\xfd7zXZ\0") {
        return Err(Error::new("this is an xz archive: unpack it first (xz -d)"));
    }
    // A tar archive may begin with a file named BZh9, but not with the block magic (the digits of pi) after that.
    if is(b"BZh") && start.get(4..10) == Some(b"\x31\x41\x59\x26\x53\x59") {
        return Err(Error::new("this is a bzip2 archive: unpack it first (bzip2 -d)"));
    }
    let packing = if is(b"\x1f\x8b") {
        Packing::Gzip(Box::new(Gzip {
            place: Place::Header,
            inflate: DecompressorOxide::new(),
            window: vec![0; WINDOW_BYTES],
            from: 0,
            to: 0,
            member_bytes: 0,
            crc: Crc::new(),
        }))
    // The second one: a zstd frame that decoders skip, as some writers put first.
    } else if is(b"\x28\xb5\x2f\xfd")
        || (start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == *b"\x2a\x4d\x18")
    {
        Packing::Zstd(Zstd::default())
    } else {
        Packing::None
    };
    Ok(Plain { input, packing })
}

/// A text of at most [`WINDOW_BYTES`] that the build has packed (RFC 1951, without a header).
pub fn text(packed: &[u8]) -> String {
    let mut window = vec![0; WINDOW_BYTES];
    let (_, _, bytes) = inflate(&mut DecompressorOxide::new(), packed, &mut window, 0, true);
    window.truncate(bytes);
    String::from_utf8(window).unwrap_or_default()
}

/// The one place where the decoder is called, so that it is there once. A look back must not reach before the start of a
/// window that has not been full yet.
#[inline(never)]
fn inflate(
    state: &mut DecompressorOxide,
    packed: &[u8],
    window: &mut [u8],
    at: usize,
    is_first: bool,
) -> (TINFLStatus, usize, usize) {
    let flags = TINFL_FLAG_HAS_MORE_INPUT | if is_first { TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF } else { 0 };
    decompress(state, packed, window, at, flags)
}

impl Plain<'_> {
    /// Whether the source is compressed.
    pub fn is_packed(&self) -> bool {
        !matches!(self.packing, Packing::None)
    }
}

impl Source for Plain<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        match &mut self.packing {
            Packing::Gzip(gzip) => gzip.read(&mut self.input, buf),
            Packing::Zstd(zstd) => zstd.read(&mut self.input, buf),
            Packing::None => self.input.read(buf),
        }
    }
}

/// The compressed side, buffered.
pub struct Input<'a> {
    source: &'a mut dyn Source,
    buf: Vec<u8>,
    at: usize,
    end: usize,
    /// Bytes that the source has given.
    taken: u64,
    /// Bytes that came out of them.
    given: u64,
    ratio_max: u64,
}

impl Input<'_> {
    /// Reads more behind what is there; false at the end.
    fn more(&mut self) -> Result<bool> {
        if self.at == self.end {
            (self.at, self.end) = (0, 0);
        }
        let n = self.source.read(&mut self.buf[self.end..])?;
        self.end += n;
        self.taken += n as u64;
        Ok(n > 0)
    }

    /// Whether the end is reached.
    pub fn is_empty(&mut self) -> Result<bool> {
        Ok(self.at == self.end && !self.more()?)
    }

    /// Takes the next bytes, `max` at most; none at the end.
    pub fn some(&mut self, max: usize) -> Result<&[u8]> {
        if self.at == self.end {
            self.more()?;
        }
        let from = self.at;
        self.at = self.end.min(from.saturating_add(max));
        Ok(&self.buf[from..self.at])
    }

    /// Notes that so many more bytes came out; an error when that is too many for what went in.
    pub fn count(&mut self, given: u64) -> Result<()> {
        self.given += given;
        if self.given > RATIO_FREE_BYTES && self.given / self.taken.max(1) > self.ratio_max {
            return Err(Error::new(format_args!("unpacks to more than {} times its size: refused", self.ratio_max)));
        }
        Ok(())
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if self.at == self.end {
            return self.source.read(buf);
        }
        let n = io::copy(&self.buf[self.at..self.end], buf);
        self.at += n;
        Ok(n)
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        if self.at == self.end && !self.more()? {
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(self.buf[self.at - 1]))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?.ok_or_else(ends_early)?;
        }
        Ok(bytes)
    }
}

/// What the next bytes of the input are.
enum Place {
    Header,
    Data,
    /// After a member: another one, padding, or the end.
    Between,
    End,
}

struct Gzip {
    place: Place,
    inflate: DecompressorOxide,
    window: Vec<u8>,
    /// What of the window is not yet read: `from..to`.
    from: usize,
    to: usize,
    member_bytes: u64,
    crc: Crc,
}

impl Gzip {
    fn read(&mut self, input: &mut Input<'_>, buf: &mut [u8]) -> Result<usize> {
        while self.from == self.to {
            match self.place {
                Place::Header => self.header(input)?,
                Place::Data => self.fill(input)?,
                Place::Between => self.between(input)?,
                Place::End => return Ok(0),
            }
        }
        let n = io::copy(&self.window[self.from..self.to], buf);
        self.from += n;
        Ok(n)
    }

    /// A member's header, RFC 1952 section 2.3.
    fn header(&mut self, input: &mut Input<'_>) -> Result<()> {
        self.crc.restart();
        let mut left = HEADER_BYTES_MAX;
        let mut next = || {
            left = left.checked_sub(1).ok_or_else(|| Error::new("damaged gzip header (too long)"))?;
            let byte = input.byte()?.ok_or_else(ends_early)?;
            self.crc.add(&[byte]);
            Ok(byte)
        };
        let mut fixed = [0; 10];
        for byte in &mut fixed {
            *byte = next()?;
        }
        let flags = fixed[3];
        if fixed[..3] != [0x1f, 0x8b, 8] || flags & 0xe0 != 0 {
            return Err(Error::new("damaged gzip header"));
        }
        if flags & 4 != 0 {
            for _ in 0..u16::from_le_bytes([next()?, next()?]) {
                next()?;
            }
        }
        for text in [8, 16] {
            while flags & text != 0 && next()? != 0 {}
        }
        if flags & 2 != 0 && input.bytes()? != (self.crc.value() as u16).to_le_bytes() {
            return Err(Error::new("damaged gzip header (wrong checksum)"));
        }
        self.crc.restart();
        self.inflate.init();
        (self.from, self.to, self.member_bytes) = (0, 0, 0);
        self.place = Place::Data;
        Ok(())
    }

    /// Unpacks something. Only called when all of the window has been read.
    fn fill(&mut self, input: &mut Input<'_>) -> Result<()> {
        if input.is_empty()? {
            return Err(ends_early());
        }
        if self.to == WINDOW_BYTES {
            self.to = 0;
        }
        let is_first = self.member_bytes < WINDOW_BYTES as u64;
        let packed = &input.buf[input.at..input.end];
        let (status, taken, given) = inflate(&mut self.inflate, packed, &mut self.window, self.to, is_first);
        input.at += taken;
        self.from = self.to;
        self.to += given;
        self.crc.add(&self.window[self.from..self.to]);
        self.member_bytes += given as u64;
        input.count(given as u64)?;
        match status {
            TINFLStatus::Done => self.trailer(input),
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => Ok(()),
            _ => Err(Error::new("damaged gzip data")),
        }
    }

    fn trailer(&mut self, input: &mut Input<'_>) -> Result<()> {
        let sum = u32::from_le_bytes(input.bytes()?);
        let size = u32::from_le_bytes(input.bytes()?);
        if sum != self.crc.value() || size != self.member_bytes as u32 {
            return Err(Error::new("damaged gzip data (wrong checksum)"));
        }
        self.place = Place::Between;
        Ok(())
    }

    fn between(&mut self, input: &mut Input<'_>) -> Result<()> {
        let mut byte = input.byte()?;
        if byte == Some(0x1f) {
            input.at -= 1; // `byte` has just taken it from the buffer
            self.place = Place::Header;
            return Ok(());
        }
        // Zeros are padding, as tapes have it.
        while let Some(0) = byte {
            byte = input.byte()?;
        }
        if byte.is_some() {
            return Err(Error::new("junk after the end of the gzip data"));
        }
        self.place = Place::End;
        Ok(())
    }
}

fn ends_early() -> Error {
    Error::new("the gzip data ends too early")
}

/// CRC-32 of ISO 3309, eight bytes at a time. The tables are made when needed: 8 KiB less in the binary.
struct Crc {
    tables: Box<[[u32; 256]; 8]>,
    register: u32,
}

impl Crc {
    fn new() -> Self {
        let mut tables = Box::new([[0; 256]; 8]);
        for at in 0..256usize {
            let mut value = at as u32;
            for _ in 0..8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            }
            tables[0][at] = value;
        }
        for at in 0..256 {
            for table in 1..8 {
                let value = tables[table - 1][at];
                tables[table][at] = value >> 8 ^ tables[0][(value & 255) as usize];
            }
        }
        Self { tables, register: u32::MAX }
    }

    fn restart(&mut self) {
        self.register = u32::MAX;
    }

    fn value(&self) -> u32 {
        !self.register
    }

    fn add(&mut self, bytes: &[u8]) {
        let tables = &self.tables;
        let mut register = self.register;
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            let mixed = u64::from_le_bytes(*eight) ^ u64::from(register);
            // Written out: as a loop it stays one here, and takes twice as long.
            let part = |n: usize| tables[7 - n][usize::from((mixed >> (8 * n)) as u8)];
            register = part(0) ^ part(1) ^ part(2) ^ part(3) ^ part(4) ^ part(5) ^ part(6) ^ part(7);
        }
        for byte in rest {
            register = register >> 8 ^ tables[0][usize::from(register as u8 ^ byte)];
        }
        self.register = register;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time, so that every boundary is met.
    struct Drops<'a>(&'a [u8], usize);

    impl Source for Drops<'_> {
        fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
            let n = buf.len().min(self.1);
            self.0.read(&mut buf[..n])
        }
    }

    fn all(bytes: &[u8], step: usize) -> Result<Vec<u8>> {
        let mut drops = Drops(bytes, step);
        let mut plain = open(&mut drops, 200)?;
        let (mut out, mut buf) = (Vec::new(), [0; 1000]);
        loop {
            match plain.read(&mut buf)? {
                0 => return Ok(out),
                n => out.extend_from_slice(&buf[..n]),
            }
        }
    }

    /// A member with stored blocks.
    fn member(flags: u8, optional: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3], optional].concat();
        for chunk in content.chunks(50_000) {
            let size = chunk.len() as u16;
            bytes.push(0);
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&(!size).to_le_bytes());
            bytes.extend_from_slice(chunk);
        }
        bytes.extend_from_slice(&[1, 0, 0, 255, 255]);
        let mut crc = Crc::new();
        crc.add(content);
        bytes.extend_from_slice(&crc.value().to_le_bytes());
        bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
        bytes
    }

    #[test]
    fn checksum() {
        let mut crc = Crc::new();
        crc.add(b"123456789");
        assert_eq!(crc.value(), 0xcbf4_3926);
        crc.restart();
        crc.add(b"1234");
        crc.add(b"56789");
        assert_eq!(crc.value(), 0xcbf4_3926);
    }

    #[test]
    fn members_headers_and_padding() {
        let content: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect();
        let first = member(0, b"", &content);
        let mut header = vec![0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3];
        let mut optional = b"\x03\0abcname\0comment\0".to_vec();
        header.extend_from_slice(&optional);
        let mut crc = Crc::new();
        crc.add(&header);
        optional.extend_from_slice(&(crc.value() as u16).to_le_bytes());
        let second = member(0x1e, &optional, b"second");
        let both = [&first[..], &second, &[0; 77]].concat();
        let wanted = [&content[..], b"second"].concat();
        for step in [1, 7, 1000, 1 << 20] {
            assert!(all(&both, step).is_ok_and(|got| got == wanted));
        }
        let cut = first.len() + second.len();
        for end in [5, 12, 300, 60_000, first.len() - 1, first.len() + 9, first.len() + 25, cut - 1] {
            assert!(all(&both[..end], 1000).is_err_and(|e| e.what.contains("too early")));
        }
        for at in [first.len() - 1, first.len() - 8, 100_000, first.len() + 12, cut, cut + 70] {
            let mut damaged = both.clone();
            damaged[at] ^= 1;
            assert!(all(&damaged, 1000).is_err());
        }
    }

    #[test]
    fn a_look_back_before_the_start() {
        // One fixed-code block: the literal 'a', then a match of length 3 at distance 2.
        let mut bytes = member(0, b"", b"");
        bytes.splice(10..15, [0x4b, 0x04, 0x12, 0x00]);
        assert!(all(&bytes, 1000).is_err_and(|e| e.what == "damaged gzip data"));
    }

    #[test]
    fn other_formats() {
        for size in 0..20 {
            assert!(all(&b"BZh9/some/file/name"[..size.min(19)], 3).is_ok_and(|got| got.len() == size.min(19)));
        }
        for magic in [&b"\xfd7zXZ\0"[..], b"BZh91AY&SY"] {
            assert!(all(magic, 1).is_err_and(|e| e.what.contains("unpack it first")));
        }
    }
}
