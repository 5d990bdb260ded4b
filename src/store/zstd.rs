//! Zstandard (RFC 8878) as a stream: frames one after the other, skippable ones between them, each with its checksum.

use super::gzip::Input;
use crate::error::{Error, Result};
use crate::kernel::io::copy;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io;

/// How far a frame may look back: what RFC 8878 (3.1.1.1.2) wants every decoder to take, and what `zstd -19` uses at most.
pub const WINDOW_BYTES_MAX: u64 = 8 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// A decoder between two reads.
pub struct Zstd {
    decoder: Box<FrameDecoder>,
    /// Whether a frame has begun and not ended.
    inside: bool,
    /// Whether there was a frame already.
    seen: bool,
    sum: Xxh64,
    buf: Vec<u8>,
    from: usize,
    to: usize,
}

/// Our input for the decoder, which has errors of its own.
struct Reader<'a, 'b> {
    input: &'a mut Input<'b>,
    failed: Option<Error>,
}

impl io::Read for Reader<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> core::result::Result<usize, io::Error> {
        match self.input.some(buf.len()) {
            Ok(bytes) => Ok(copy(bytes, buf)),
            Err(error) => {
                self.failed = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

impl Default for Zstd {
    /// A decoder at the beginning of its input.
    fn default() -> Self {
        let mut decoder = Box::new(FrameDecoder::new());
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        let sum = Xxh64::new();
        Self { decoder, inside: false, seen: false, sum, buf: vec![0; BUFFER_BYTES], from: 0, to: 0 }
    }
}

impl Zstd {
    /// Gives some of the content; 0 at the end.
    pub fn read(&mut self, input: &mut Input<'_>, buf: &mut [u8]) -> Result<usize> {
        while self.from == self.to {
            if !self.inside {
                if input.is_empty()? {
                    return if self.seen { Ok(0) } else { Err(ends_early()) };
                }
                self.begin(input)?;
                continue;
            }
            if self.decoder.can_collect() == 0 && self.decoder.is_finished() {
                if self.decoder.get_checksum_from_data().is_some_and(|sum| sum != self.sum.value() as u32) {
                    return Err(Error::new("damaged zstd data (wrong checksum)"));
                }
                self.inside = false;
                continue;
            }
            if self.decoder.can_collect() == 0 {
                let mut reader = Reader { input, failed: None };
                // One block at a time: what is not yet read never exceeds the window by more than that.
                let done = self.decoder.decode_blocks(&mut reader, BlockDecodingStrategy::UptoBlocks(1));
                let failed = reader.failed.take();
                done.map_err(|_| why(input, failed, "damaged zstd data"))?;
            }
            self.from = 0;
            self.to = io::Read::read(&mut *self.decoder, &mut self.buf).unwrap_or(0); // from memory: it cannot fail
            self.sum.add(&self.buf[..self.to]);
        }
        let n = copy(&self.buf[self.from..self.to], buf);
        self.from += n;
        input.count(n as u64)?;
        Ok(n)
    }

    /// A frame's header. One that decoders skip is skipped.
    fn begin(&mut self, input: &mut Input<'_>) -> Result<()> {
        let mut reader = Reader { input, failed: None };
        let begun = self.decoder.reset(&mut reader);
        let failed = reader.failed.take();
        match begun {
            Ok(()) => {
                (self.inside, self.seen) = (true, true);
                self.sum = Xxh64::new();
                Ok(())
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let mut left = length as usize;
                while left > 0 {
                    let n = input.some(left)?.len();
                    left -= if n == 0 { return Err(ends_early()) } else { n };
                }
                Ok(())
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_))) if self.seen => {
                Err(Error::new("junk after the end of the zstd data"))
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => Err(Error::new(format_args!(
                "this zstd archive needs a window of {requested} bytes, more than the {WINDOW_BYTES_MAX} that are allowed: \
                 compress it again with zstd -19 or less, without --long"
            ))),
            Err(FrameDecoderError::DictNotProvided { .. }) => Err(Error::new("this zstd archive needs a dictionary")),
            Err(_) => Err(why(input, failed, "damaged zstd header")),
        }
    }
}

/// The input's own error, or the end of it, or what the decoder does not like.
fn why(input: &mut Input<'_>, failed: Option<Error>, otherwise: &str) -> Error {
    match failed {
        Some(error) => error,
        None if input.is_empty().unwrap_or(true) => ends_early(),
        None => Error::new(otherwise),
    }
}

fn ends_early() -> Error {
    Error::new("the zstd data ends too early")
}

const PRIMES: [u64; 5] =
    [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63, 0x27d4_eb2f_1656_67c5];

/// XXH64 with the seed 0, as its specification (doc/xxhash_spec.md of xxHash) has it.
struct Xxh64 {
    lanes: [u64; 4],
    rest: [u8; 32],
    filled: usize,
    bytes: u64,
}

impl Xxh64 {
    fn new() -> Self {
        let lanes = [PRIMES[0].wrapping_add(PRIMES[1]), PRIMES[1], 0, PRIMES[0].wrapping_neg()];
        Self { lanes, rest: [0; 32], filled: 0, bytes: 0 }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.filled > 0 {
            let n = copy(bytes, &mut self.rest[self.filled..]);
            self.filled += n;
            bytes = &bytes[n..];
            if self.filled < 32 {
                return;
            }
            let stripe = mem::take(&mut self.rest);
            self.filled = 0;
            self.stripe(&stripe);
        }
        let (stripes, rest) = bytes.as_chunks::<32>();
        for stripe in stripes {
            self.stripe(stripe);
        }
        self.filled = copy(rest, &mut self.rest);
    }

    fn stripe(&mut self, stripe: &[u8; 32]) {
        for (lane, word) in self.lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }

    fn value(&self) -> u64 {
        let mut value = PRIMES[4]; // a seed of 0 and the fifth
        if self.bytes >= 32 {
            let [a, b, c, d] = self.lanes;
            value = a.rotate_left(1).wrapping_add(b.rotate_left(7));
            value = value.wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18));
            for lane in self.lanes {
                value = (value ^ round(0, lane)).wrapping_mul(PRIMES[0]).wrapping_add(PRIMES[3]);
            }
        }
        value = value.wrapping_add(self.bytes);
        let (words, rest) = self.rest[..self.filled].as_chunks::<8>();
        for word in words {
            value ^= round(0, u64::from_le_bytes(*word));
            value = value.rotate_left(27).wrapping_mul(PRIMES[0]).wrapping_add(PRIMES[3]);
        }
        let (half, rest) = rest.as_chunks::<4>();
        for word in half {
            value ^= u64::from(u32::from_le_bytes(*word)).wrapping_mul(PRIMES[0]);
            value = value.rotate_left(23).wrapping_mul(PRIMES[1]).wrapping_add(PRIMES[2]);
        }
        for byte in rest {
            value ^= u64::from(*byte).wrapping_mul(PRIMES[4]);
            value = value.rotate_left(11).wrapping_mul(PRIMES[0]);
        }
        value = (value ^ value >> 33).wrapping_mul(PRIMES[1]);
        value = (value ^ value >> 29).wrapping_mul(PRIMES[2]);
        value ^ value >> 32
    }
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIMES[1])).rotate_left(31).wrapping_mul(PRIMES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        // Test vectors of the reference implementation.
        let sum = |bytes: &[u8]| {
            let mut sum = Xxh64::new();
            for part in bytes.chunks(5) {
                sum.add(part);
            }
            let mut whole = Xxh64::new();
            whole.add(bytes);
            assert_eq!(sum.value(), whole.value());
            sum.value()
        };
        assert_eq!(sum(b""), 0xef46_db37_51d8_e999);
        assert_eq!(sum(b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(sum(b"abc"), 0x44bc_2cf5_ad77_0999);
        assert_eq!(sum(b"Nobody inspects the spammish repetition"), 0xfbce_a83c_8a37_8bf1);
    }
}
