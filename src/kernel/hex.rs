//! Hexadecimal text, random identifiers and the sha256 of a byte stream.

use alloc::string::String;
use alloc::vec;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::Digest;

/// Lower-case hexadecimal digits of the bytes.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    text
}

/// Whether the text is `digits` lower-case hexadecimal digits.
pub fn is(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes from the kernel's random source, getrandom(2).
pub fn random(count: usize) -> alloc::vec::Vec<u8> {
    let mut bytes = vec![0u8; count];
    let mut filled = 0;
    while filled < count {
        // EINTR is the only error of a call with these flags; the loop tries again.
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty()).unwrap_or(0);
    }
    bytes
}

/// A fresh identifier: 64 hexadecimal digits whose first 12 are never all decimal (a short id must not look like a number).
pub fn fresh_id() -> String {
    loop {
        let id = encode(&random(32));
        if !id.as_bytes()[..12].iter().all(u8::is_ascii_digit) {
            return id;
        }
    }
}

/// The sha256 of some bytes as 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let mut hash = Hash::default();
    hash.add(bytes);
    hash.end()
}

/// The sha256 of bytes that come piece by piece. The one place that has the code: inlined, it is 1 KB each time.
#[derive(Default)]
pub struct Hash(sha2::Sha256);

impl Hash {
    /// The next piece.
    #[inline(never)]
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum as 64 hexadecimal digits.
    #[inline(never)]
    pub fn end(self) -> String {
        encode(&self.0.finalize())
    }
}

impl super::io::Sink for Hash {
    fn write(&mut self, bytes: &[u8]) -> crate::error::Result<()> {
        self.add(bytes);
        Ok(())
    }
}
