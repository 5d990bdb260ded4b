//! Compressed blocks (RFC 8878, 3.1.1.3), and the window that they look back into.

use super::BLOCK_BYTES_MAX;
use super::bits::{BEFORE_BYTES, Backward, Forward};
use super::fse::{self, Table};
use super::huffman::{Stream, Tree};
use alloc::vec;
use alloc::vec::Vec;

/// Copies are made in pieces of so many bytes, and write up to one less too much.
const PIECE_BYTES: usize = 16;

/// What a frame's blocks leave for the ones after them.
pub struct Blocks {
    /// The window: a ring, in which a block never goes over the end. After that a block's literals.
    pub bytes: Vec<u8>,
    ring_bytes: usize,
    window_bytes: usize,
    /// Where the next byte belongs.
    pub at: usize,
    /// Where the last lap ended: the bytes from `at` to there are still what it left.
    lap: usize,
    tree: Tree,
    literals_lengths: Table,
    match_lengths: Table,
    offsets: Table,
    weights: Table,
    /// The last three offsets (3.1.1.5).
    recent: [usize; 3],
}

impl Blocks {
    /// Before the first frame.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            ring_bytes: 0,
            window_bytes: 0,
            at: 0,
            lap: 0,
            tree: Tree::new(),
            literals_lengths: Table::new(),
            match_lengths: Table::new(),
            offsets: Table::new(),
            weights: Table::new(),
            recent: [0; 3],
        }
    }

    /// Begins a frame, whose blocks may look back so far.
    pub fn begin(&mut self, window_bytes: usize) {
        // A lap ends where no block fits any more: later than the window is long, by what copies may have spoilt.
        let ring_bytes = window_bytes + BLOCK_BYTES_MAX + 2 * PIECE_BYTES;
        if self.ring_bytes != ring_bytes {
            self.bytes = Vec::new(); // first, so that both are never there
            self.bytes = vec![0; ring_bytes + BLOCK_BYTES_MAX + PIECE_BYTES];
        }
        (self.ring_bytes, self.window_bytes, self.at, self.lap) = (ring_bytes, window_bytes, 0, 0);
        self.recent = [1, 4, 8];
        self.tree.clear();
        for table in [&mut self.literals_lengths, &mut self.match_lengths, &mut self.offsets] {
            table.clear();
        }
    }

    /// Makes room for the next block, and tells where.
    pub fn begin_block(&mut self) -> usize {
        if self.at > self.ring_bytes - BLOCK_BYTES_MAX - PIECE_BYTES {
            (self.lap, self.at) = (self.at, 0);
        }
        self.at
    }

    /// Room for all of a block of known size.
    pub fn room(&mut self, size: usize) -> &mut [u8] {
        let at = self.at;
        self.at += size;
        self.bytes.get_mut(at..self.at).unwrap_or_default()
    }

    /// Decodes a block, which has [`BEFORE_BYTES`] of something else before it.
    pub fn decode(&mut self, block: &[u8]) -> Option<()> {
        let mut input = Forward { block, at: BEFORE_BYTES * 8 };
        let literals = self.literals(&mut input)?;
        self.sequences(&mut input, literals)
    }

    /// The literals section (3.1.1.3.1), behind the ring. Tells how many there are.
    fn literals(&mut self, input: &mut Forward<'_>) -> Option<usize> {
        let (kind, format) = (input.read(2)?, input.read(2)?);
        if kind >= 2 {
            let bits = [10, 10, 14, 18][format];
            let (size, packed) = (input.read(bits)?, input.read(bits)?);
            let end = input.byte() + packed;
            if kind == 2 {
                self.tree.describe(input, &mut self.weights)?;
            }
            let from = input.byte();
            input.at = end * 8;
            self.coded(input.block.get(..end)?, from, if format == 0 { 1 } else { 4 }, size)?;
            return Some(size);
        }
        let bits = match format {
            1 => 12,
            3 => 20,
            _ => {
                input.at -= 1; // such a format has one bit
                5
            }
        };
        let size = input.read(bits)?;
        let to = self.bytes.get_mut(self.ring_bytes..)?.get_mut(..size)?;
        if kind == 0 {
            let from = input.byte();
            to.copy_from_slice(input.block.get(from..from + size)?);
            input.at += size * 8;
        } else {
            to.fill(input.read(8)? as u8);
        }
        Some(size)
    }

    /// Literals in one stream or four (3.1.1.3.1.6), from a byte to the end.
    fn coded(&mut self, block: &[u8], mut from: usize, n: usize, size: usize) -> Option<()> {
        let mut sizes = Forward { block, at: from * 8 };
        let mut streams = [Stream::default(); 4];
        let streams = streams.get_mut(..n)?;
        from += (n - 1) * 2;
        let part = size.div_ceil(n);
        for (turn, stream) in streams.iter_mut().enumerate() {
            let to = if turn + 1 < n { from + sizes.read(16)? } else { block.len() };
            let end = if turn + 1 < n { (turn + 1) * part } else { size };
            *stream = Stream { bits: Backward::new(block, from, to)?, at: turn * part, end };
            from = to;
        }
        self.tree.decode(block, streams, self.bytes.get_mut(self.ring_bytes..)?.get_mut(..size)?)
    }

    /// The number of sequences, and the tables that they are coded with (3.1.1.3.2.1).
    fn tables(&mut self, input: &mut Forward<'_>) -> Option<usize> {
        let mut n = input.read(8)?;
        if n == 255 {
            n = input.read(16)? + 0x7f00;
        } else if n >= 128 {
            n = ((n - 128) << 8) + input.read(8)?;
        }
        if n > 0 {
            let modes = input.read(8)?;
            if modes % 4 != 0 {
                return None;
            }
            self.literals_lengths.choose(&fse::LITERALS_LENGTHS, modes >> 6, input)?;
            self.offsets.choose(&fse::OFFSETS, modes >> 4 & 3, input)?;
            self.match_lengths.choose(&fse::MATCH_LENGTHS, modes >> 2 & 3, input)?;
        }
        Some(n)
    }

    /// The sequences section (3.1.1.3.2): so many literals, then so many bytes that were there before, and again. At the end
    /// the literals that are left.
    fn sequences(&mut self, input: &mut Forward<'_>, literals: usize) -> Option<()> {
        let block = input.block;
        let limit = self.at + BLOCK_BYTES_MAX;
        let mut literal = self.ring_bytes;
        let literals_end = literal + literals;
        let mut n = self.tables(input)?;
        if n == 0 && input.byte() != block.len() {
            return None;
        }
        if n > 0 {
            let mut bits = Backward::new(block, input.byte(), block.len())?;
            bits.load(block);
            let mut literals_state = self.literals_lengths.begin(&mut bits);
            let mut offset_state = self.offsets.begin(&mut bits);
            let mut match_state = self.match_lengths.begin(&mut bits);
            loop {
                let literals_cell = self.literals_lengths.cell(literals_state);
                let offset_cell = self.offsets.cell(offset_state);
                let match_cell = self.match_lengths.cell(match_state);
                bits.load(block); // 31 and 16 bits at most
                let offset = offset_cell.number(&mut bits);
                let length = match_cell.number(&mut bits);
                bits.load(block); // 16, and 26 for the states
                let literals = literals_cell.number(&mut bits);
                let offset = self.offset(offset, literals == 0)?;
                if literals > literals_end - literal || literals + length > limit - self.at {
                    return None;
                }
                copy(&mut self.bytes, literal, self.at, literals)?;
                literal += literals;
                self.at += literals;
                self.again(offset, length)?;
                n -= 1;
                if n == 0 {
                    break;
                }
                literals_state = literals_cell.next(&mut bits);
                match_state = match_cell.next(&mut bits);
                offset_state = offset_cell.next(&mut bits);
                if bits.is_over() {
                    return None;
                }
            }
            if !bits.is_done() {
                return None;
            }
        }
        let rest = literals_end - literal;
        if rest > limit - self.at {
            return None;
        }
        copy(&mut self.bytes, literal, self.at, rest)?;
        self.at += rest;
        Some(())
    }

    /// The offset that a value means (3.1.1.5), which is then the most recent one.
    fn offset(&mut self, value: usize, no_literals: bool) -> Option<usize> {
        let [first, second, third] = self.recent;
        let (turn, offset) = match value + usize::from(no_literals) {
            _ if value > 3 => (4, value - 3),
            1 => (1, first),
            2 => (2, second),
            3 => (3, third),
            _ => (4, first - 1),
        };
        if turn > 2 {
            self.recent[2] = second;
        }
        if turn > 1 {
            self.recent[1] = first;
            self.recent[0] = offset;
        }
        (offset > 0).then_some(offset)
    }

    /// Bytes once more that were there before.
    fn again(&mut self, offset: usize, mut length: usize) -> Option<()> {
        let mut at = self.at;
        self.at += length;
        let mut from = at.wrapping_sub(offset);
        if offset > self.window_bytes {
            return None;
        }
        if offset > at {
            // In the lap before this one, and perhaps on from the beginning of this one.
            from = (self.lap + at).checked_sub(offset)?;
            let n = length.min(self.lap - from);
            copy(&mut self.bytes, from, at, n)?;
            (from, at, length) = (0, at + n, length - n);
        }
        copy(&mut self.bytes, from, at, length)
    }
}

/// Copies within `bytes`, piece by piece. What comes after the last byte is spoilt.
fn copy(bytes: &mut [u8], mut from: usize, mut to: usize, length: usize) -> Option<()> {
    let end = to + length;
    let far = to.wrapping_sub(from);
    if far < PIECE_BYTES {
        // They repeat themselves: one by one, until that can go on in whole pieces of several repetitions.
        let part = bytes.get_mut(from..to + PIECE_BYTES)?;
        for at in far..part.len() {
            part[at] = part[at - far];
        }
        to += PIECE_BYTES;
        from = to - PIECE_BYTES.div_ceil(far.max(1)) * far;
    }
    while to < end {
        let piece = *bytes.get(from..)?.first_chunk::<PIECE_BYTES>()?;
        *bytes.get_mut(to..)?.first_chunk_mut()? = piece;
        from += PIECE_BYTES;
        to += PIECE_BYTES;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_offsets() {
        // The table of 3.1.1.5, after values and whether there were literals.
        let mut blocks = Blocks::new();
        blocks.begin(0);
        let mut after = |value, literals: usize, recent: [usize; 3]| {
            assert_eq!(blocks.offset(value, literals == 0), Some(recent[0]));
            assert_eq!(blocks.recent, recent);
        };
        after(1114, 11, [1111, 1, 4]);
        after(1, 22, [1111, 1, 4]);
        after(2225, 22, [2222, 1111, 1]);
        after(1114, 111, [1111, 2222, 1111]);
        after(3336, 33, [3333, 1111, 2222]);
        after(2, 22, [1111, 3333, 2222]);
        after(3, 33, [2222, 1111, 3333]);
        after(3, 0, [2221, 2222, 1111]);
        after(1, 0, [2222, 2221, 1111]);
        after(4, 1, [1, 2222, 2221]);
        assert_eq!(blocks.offset(3, true), None);
    }

    #[test]
    fn any_distance_and_length_over_many_laps() {
        let mut blocks = Blocks::new();
        let mut all = Vec::new();
        let mut random = 1u32;
        let mut below = |end: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % end
        };
        for window in [1, 15, 1000, 70_000] {
            blocks.begin(window);
            all.clear();
            for _ in 0..20 {
                let (from, mut left) = (blocks.begin_block(), BLOCK_BYTES_MAX);
                let start = all.len();
                while left > 0 {
                    let literals = 1 + below(left.min(40));
                    for at in 0..literals {
                        all.push((all.len() * 31 + at) as u8);
                    }
                    blocks.room(literals).copy_from_slice(&all[all.len() - literals..]);
                    left -= literals;
                    let longest = if below(100) == 0 { 100_000 } else { 60 };
                    let length = below(left.min(longest) + 1);
                    let near = [1, 20, 2000, window][below(4)];
                    let offset = 1 + below(near.min(window).min(all.len()));
                    for _ in 0..length {
                        all.push(all[all.len() - offset]);
                    }
                    blocks.again(offset, length).unwrap();
                    left -= length;
                }
                assert!(blocks.bytes[from..blocks.at] == all[start..]);
            }
            assert_eq!(blocks.again(window + 1, 3), None);
        }
    }
}
