//! The checksum of a frame's content.

use crate::kernel::io::copy;
use core::mem;

const PRIMES: [u64; 5] =
    [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63, 0x27d4_eb2f_1656_67c5];

/// XXH64 with the seed 0, as its specification (doc/xxhash_spec.md of xxHash) has it.
pub struct Xxh64 {
    lanes: [u64; 4],
    rest: [u8; 32],
    filled: usize,
    bytes: u64,
}

impl Xxh64 {
    /// The sum of nothing.
    pub fn new() -> Self {
        let lanes = [PRIMES[0].wrapping_add(PRIMES[1]), PRIMES[1], 0, PRIMES[0].wrapping_neg()];
        Self { lanes, rest: [0; 32], filled: 0, bytes: 0 }
    }

    /// Adds what comes next.
    pub fn add(&mut self, mut bytes: &[u8]) {
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

    /// The sum of all that was added.
    pub fn value(&self) -> u64 {
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
