use super::*;
use crate::kernel::io::Source;
use crate::store::gzip;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Gives its bytes a few at a time.
struct Drops<'a>(&'a [u8], usize);

impl Source for Drops<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = buf.len().min(self.1);
        self.0.read(&mut buf[..n])
    }
}

fn all(bytes: &[u8], step: usize) -> core::result::Result<Vec<u8>, String> {
    let mut drops = Drops(bytes, step);
    let mut plain = gzip::open(&mut drops, 200).map_err(|error| error.to_string())?;
    let (mut out, mut buf) = (Vec::new(), [0; 1000]);
    loop {
        match plain.read(&mut buf[..step.min(1000)]).map_err(|error| error.to_string())? {
            0 => return Ok(out),
            n => out.extend_from_slice(&buf[..n]),
        }
    }
}

#[track_caller]
fn gives(bytes: &[u8], wanted: &[u8]) {
    for step in [1, 7, usize::MAX] {
        assert!(all(bytes, step).unwrap() == wanted);
    }
}

#[track_caller]
fn refuses(bytes: &[u8], why: &str) {
    for step in [1, usize::MAX] {
        assert_eq!(all(bytes, step).unwrap_err(), why);
    }
}

/// A frame without a checksum: its header, and its blocks, each with its kind and the size in its header.
fn frame(header: &[u8], blocks: &[(u32, usize, &[u8])]) -> Vec<u8> {
    let mut bytes = [&MAGIC.to_le_bytes()[..4], header].concat();
    for (at, (kind, size, content)) in blocks.iter().enumerate() {
        let word = (*size as u32) << 3 | kind << 1 | u32::from(at + 1 == blocks.len());
        bytes.extend_from_slice(&word.to_le_bytes()[..3]);
        bytes.extend_from_slice(content);
    }
    bytes
}

const WINDOW: &[u8] = &[0, 0]; // 1 KiB, and nothing else said

/// What `zstd` makes of "hello hello hello hello hello hello abc", with a checksum: literals, and one match.
const HELLO: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x7d\x00\x00\x48hello abc\x01\x00\x11\x4b\x11\x6b\x2d\x63\xb3";

#[test]
fn frames() {
    let hello = b"hello hello hello hello hello hello abc";
    gives(HELLO, hello);
    gives(&frame(WINDOW, &[(0, 3, b"abc")]), b"abc");
    gives(&frame(WINDOW, &[(0, 0, b"")]), b"");
    gives(&frame(WINDOW, &[(0, 3, b"abc"), (1, 5, b"x"), (0, 0, b""), (0, 1, b"z")]), b"abcxxxxxz");
    let whole = vec![7; BLOCK_BYTES_MAX];
    gives(
        &frame(&[0, 7 << 3], &[(0, BLOCK_BYTES_MAX, &whole), (1, BLOCK_BYTES_MAX, b"\x07")]),
        &[&whole[..], &whole].concat(),
    );
    // The content's size in each of its lengths.
    gives(&frame(&[0x20, 3], &[(0, 3, b"abc")]), b"abc");
    gives(&frame(&[0x60, 44, 0], &[(1, 300, b"a")]), &[b'a'; 300]);
    gives(&frame(&[0x80, 0, 3, 0, 0, 0], &[(0, 3, b"abc")]), b"abc");
    gives(&frame(&[0xe0, 3, 0, 0, 0, 0, 0, 0, 0], &[(0, 3, b"abc")]), b"abc");
    // A dictionary that is none, and a bit that means nothing.
    gives(&frame(&[0x12, 0, 0, 0], &[(0, 3, b"abc")]), b"abc");
    // Several, and what is skipped.
    let skipped = b"\x5f\x2a\x4d\x18\x03\0\0\0abc";
    gives(&[skipped, HELLO, skipped, HELLO, skipped].concat(), &[&hello[..], hello].concat());
    gives(&[HELLO, &frame(&[0, 8 << 3], &[(1, 9, b"x")]), HELLO].concat(), &[&hello[..], b"xxxxxxxxx", hello].concat());
}

#[test]
fn what_is_no_frame() {
    let early = "the zstd data ends too early";
    for end in 10..HELLO.len() {
        refuses(&HELLO[..end], early);
    }
    refuses(b"\x5f\x2a\x4d\x18\x03\0\0\0abc", early);
    refuses(&[HELLO, &HELLO[..4]].concat(), early);
    refuses(&[HELLO, b"junk"].concat(), "junk after the end of the zstd data");
    for at in HELLO.len() - 4..HELLO.len() {
        let mut other = HELLO.to_vec();
        other[at] ^= 1;
        refuses(&other, "damaged zstd data (wrong checksum)");
    }
    refuses(&frame(&[8, 0], &[(0, 3, b"abc")]), "damaged zstd header");
    refuses(&frame(&[0x20, 4], &[(0, 3, b"abc")]), "damaged zstd data (wrong size)");
    refuses(&frame(&[0x20, 2], &[(0, 3, b"abc")]), "damaged zstd data (wrong size)");
    refuses(&frame(&[1, 0, 7], &[(0, 3, b"abc")]), "this zstd archive needs a dictionary");
    let far = "this zstd archive needs a window of 9437184 bytes, more than the 8388608 that are allowed: compress it again \
               with zstd -19 or less, without --long";
    refuses(&frame(&[0, 13 << 3 | 1], &[(0, 3, b"abc")]), far);
    refuses(&frame(&[0xa0, 0, 0, 0x90, 0], &[(0, 3, b"abc")]), far);
    let block = |kind, size, content| refuses(&frame(WINDOW, &[(kind, size, content)]), "damaged zstd data");
    block(3, 1, b"a");
    block(1, BLOCK_BYTES_MAX + 1, b"a");
    block(2, 0, b"");
    block(2, 1, b"\0"); // no number of sequences
    block(2, 3, b"\0\0\0"); // more than that number
    block(2, 1, b"\x08"); // no literal
    block(2, 4, b"\x08a\x01\x01"); // a reserved mode
    block(2, 5, b"\x08a\x01\x00\x00"); // no end of the stream
    block(2, 4, b"\x08a\x01\xfc"); // tables that were never described
    block(2, 5, b"\x13\x40\0\x02\0"); // a tree that was not
    block(2, 5, b"\x1d\0\x20a\0"); // one literal more than a block may have
    block(2, 7, b"\0\x01\x54\0\0\0\x01"); // from before the beginning
}

#[test]
fn literals_and_sequences_by_hand() {
    let block = |content: &[u8], wanted: &[u8]| gives(&frame(WINDOW, &[(2, content.len(), content)]), wanted);
    block(b"\x08a\0", b"a");
    block(b"\x14\0a\0", b"a"); // in twelve bits
    block(b"\x1c\0\0a\0", b"a"); // in twenty
    block(b"\x19a\0", b"aaa");
    // RLE tables: literals_length 1, offset code 0 (the most recent one), match_length code 5, and an empty stream.
    block(b"\x18abc\x01\x54\x01\x00\x05\x01", b"aaaaaaaaabc");
    // The second one is 4 far away: too far.
    refuses(&frame(WINDOW, &[(2, 10, b"\x18abc\x01\x54\x01\x01\x05\x02")]), "damaged zstd data");
    block(b"\x20abcd\x01\x54\x04\x01\x05\x02", b"abcdabcdabcd");
    // Weights of the RFC's own example (4.2.1): 4 3 2 0 1, the last one left out. Its codes are 1, 01, 001, 0000 and 0001.
    block(b"\x42\x80\x01\x84\x43\x20\x10\x01\x0d\0", &[0, 1, 4, 5]);
    block(b"\x32\x40\x01\x84\x43\x20\x10\x4d\0", &[2, 0, 1]);
    // A bit that is left, and too few.
    for wrong in [b"\x32\x40\x01\x84\x43\x20\x10\x9a\0", b"\x42\x40\x01\x84\x43\x20\x10\x4d\0"] {
        refuses(&frame(WINDOW, &[(2, wrong.len(), wrong)]), "damaged zstd data");
    }
}
