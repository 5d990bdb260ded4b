//! The codes of a block's literals (RFC 8878, 4.2).

use super::bits::{Backward, Forward};
use super::fse::{self, Table};

/// `Max_Number_of_Bits`.
const BITS_MAX: usize = 11;
const CELLS: usize = 1 << BITS_MAX;
/// That of the last symbol is not told.
const WEIGHTS_MAX: usize = 255;
/// So many codes are certainly in a word that was read.
const SYMBOLS_AT_ONCE: usize = 5;

/// What the next bits mean, with whatever comes after them: a symbol and how many bits it has.
pub struct Tree {
    cells: [[u8; 2]; CELLS],
    is_known: bool,
}

/// One of a block's streams, and where its literals belong.
#[derive(Clone, Copy, Default)]
pub struct Stream {
    /// The codes.
    pub bits: Backward,
    /// Where the next literal belongs.
    pub at: usize,
    /// Where they end.
    pub end: usize,
}

impl Tree {
    /// Nothing is described yet.
    pub fn new() -> Self {
        Self { cells: [[0; 2]; CELLS], is_known: false }
    }

    /// Forgets what was described.
    pub fn clear(&mut self) {
        self.is_known = false;
    }

    /// Reads a tree (4.2.1). `scratch` is the table of the weights.
    pub fn describe(&mut self, input: &mut Forward<'_>, scratch: &mut Table) -> Option<()> {
        let mut weights = [0; WEIGHTS_MAX + 1];
        let header = input.read(8)?;
        let n = if header < 128 {
            let end = input.byte() + header;
            let mut packed = Forward { block: input.block.get(..end)?, at: input.at };
            input.at = end * 8;
            scratch.describe(&fse::WEIGHTS, &mut packed)?;
            let mut bits = Backward::new(packed.block, packed.byte(), end)?;
            unpack(&mut weights, scratch, packed.block, &mut bits)?
        } else {
            let n = header - 127;
            // Two in a byte, the first one above.
            for at in 0..(n + 1) & !1 {
                *weights.get_mut(at ^ 1)? = input.read(4)? as u8;
            }
            *weights.get_mut(n)? = 0; // where the number is odd
            n
        };
        self.build(&mut weights, n)
    }

    /// Gives codes to the symbols (4.2.1.3), of which `n` have a weight and the next one what is missing.
    fn build(&mut self, weights: &mut [u8; WEIGHTS_MAX + 1], n: usize) -> Option<()> {
        self.is_known = false;
        let mut sum = 0usize;
        for weight in weights.iter().filter(|weight| **weight > 0) {
            sum += 1 << (weight - 1);
        }
        let bits = sum.checked_ilog2()? as usize + 1;
        let missing = (1 << bits) - sum;
        if bits > BITS_MAX || !missing.is_power_of_two() {
            return None;
        }
        *weights.get_mut(n)? = missing.trailing_zeros() as u8 + 1;
        let mut cells = self.cells.iter_mut();
        for weight in 1..=bits {
            for (symbol, _) in weights.iter().enumerate().filter(|(_, own)| usize::from(**own) == weight) {
                for cell in cells.by_ref().take(1 << (weight - 1 + BITS_MAX - bits)) {
                    *cell = [symbol as u8, (bits + 1 - weight) as u8];
                }
            }
        }
        self.is_known = true;
        Some(())
    }

    /// Decodes streams side by side (4.2.2): a processor does not wait for one where it can go on with another.
    pub fn decode(&self, block: &[u8], streams: &mut [Stream], to: &mut [u8]) -> Option<()> {
        let mut goes_on = self.is_known;
        if !goes_on {
            return None;
        }
        while goes_on {
            goes_on = false;
            for stream in streams.iter_mut() {
                let end = stream.end.min(stream.at + SYMBOLS_AT_ONCE);
                stream.bits.load(block);
                for byte in to.get_mut(stream.at..end)? {
                    let [symbol, bits] = self.cells[stream.bits.peek(BITS_MAX) % CELLS];
                    *byte = symbol;
                    stream.bits.skip(usize::from(bits));
                }
                if stream.bits.is_over() {
                    return None;
                }
                stream.at = end;
                goes_on |= end < stream.end;
            }
        }
        streams.iter().all(|stream| stream.bits.is_done()).then_some(())
    }
}

/// Two states take turns until there are no bits for the next one (4.2.1.2).
fn unpack(weights: &mut [u8; WEIGHTS_MAX + 1], table: &Table, block: &[u8], bits: &mut Backward) -> Option<usize> {
    bits.load(block);
    let (mut state, mut other) = (table.begin(bits), table.begin(bits));
    let mut n = 0;
    loop {
        let weight = weights[..WEIGHTS_MAX].get_mut(n)?;
        let cell = table.cell(state);
        *weight = cell.symbol();
        n += 1;
        if bits.is_over() {
            return Some(n);
        }
        bits.load(block);
        (state, other) = (other, cell.next(bits));
    }
}
