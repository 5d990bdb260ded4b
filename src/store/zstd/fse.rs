//! The codes of a block's numbers: finite state entropy (RFC 8878, 4.1).

use super::bits::{Backward, Forward};

const LOG_MAX: usize = 9;
const CELLS: usize = 1 << LOG_MAX;
const SYMBOLS_MAX: usize = MATCH_LENGTHS.extra.len();
/// The least scale that a description can have.
const LOG_MIN: usize = 5;

/// What is coded: each symbol stands for numbers from where those of the one before it end, and its extra bits tell which.
pub struct Code {
    first: u32,
    extra: &'static [u8],
    log_max: usize,
    /// The distribution of `Predefined_Mode` and its scale.
    usual: &'static [i8],
    usual_log: usize,
}

/// 3.1.1.3.2.1.1 and 3.1.1.3.2.2.1
pub const LITERALS_LENGTHS: Code = Code {
    first: 0,
    extra: &[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        16,
    ],
    log_max: 9,
    usual: &[
        4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
    ],
    usual_log: 6,
};
/// 3.1.1.3.2.1.1 and 3.1.1.3.2.2.2
pub const MATCH_LENGTHS: Code = Code {
    first: 3,
    extra: &[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2,
        2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    ],
    log_max: 9,
    usual: &[
        1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
    usual_log: 6,
};
/// 3.1.1.3.2.1.1 and 3.1.1.3.2.2.3
pub const OFFSETS: Code = Code {
    first: 1,
    extra: &[
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
        30, 31,
    ],
    log_max: 8,
    usual: &[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
    usual_log: 5,
};
/// 4.2.1.2
pub const WEIGHTS: Code = Code { first: 0, extra: &[0; 12], log_max: 6, usual: &[], usual_log: 0 };

/// What a state means: a number, to which so many bits are added, and the next state, to which so many are.
#[derive(Clone, Copy, Default)]
pub struct Cell {
    value: u32,
    extra: u8,
    bits: u8,
    next: u16,
}

/// A table for decoding. It stays as it is until another one is described.
pub struct Table {
    cells: [Cell; CELLS],
    log: Option<usize>,
}

impl Table {
    /// Nothing is described yet.
    pub fn new() -> Self {
        Self { cells: [Cell::default(); CELLS], log: None }
    }

    /// Forgets what was described.
    pub fn clear(&mut self) {
        self.log = None;
    }

    /// The table of the next sequences, by its `Compression_Mode` (3.1.1.3.2.1).
    pub fn choose(&mut self, code: &Code, mode: usize, input: &mut Forward<'_>) -> Option<()> {
        let mut chances = [0; SYMBOLS_MAX];
        match mode {
            0 => {
                for (chance, usual) in chances.iter_mut().zip(code.usual) {
                    *chance = i16::from(*usual);
                }
                self.build(code, &chances, code.usual_log);
            }
            1 => {
                let symbol = input.read(8).filter(|symbol| *symbol < code.extra.len())?;
                *chances.get_mut(symbol)? = 1;
                self.build(code, &chances, 0);
            }
            2 => self.describe(code, input)?,
            _ => return self.log.map(|_| ()),
        }
        Some(())
    }

    /// Reads a distribution (4.1.1).
    pub fn describe(&mut self, code: &Code, input: &mut Forward<'_>) -> Option<()> {
        let log = input.read(4)? + LOG_MIN;
        if log > code.log_max {
            return None;
        }
        let mut chances = [0; SYMBOLS_MAX];
        let (mut left, mut symbol) = (1usize << log, 0);
        while left > 0 {
            if symbol >= code.extra.len() {
                return None;
            }
            // A number from 0 to `left + 1`. Of those that would fit into as many bits the ones that are too much make room
            // for the first ones, which have a bit less.
            let bits = (usize::BITS - (left + 1).leading_zeros()) as usize;
            let half = 1 << (bits - 1);
            let short = 2 * half - 1 - (left + 1);
            let mut value = input.read(bits)?;
            if value % half < short {
                value %= half;
                input.at -= 1;
            } else if value >= half {
                value -= short;
            }
            *chances.get_mut(symbol)? = value as i16 - 1;
            left -= value.abs_diff(1);
            symbol += 1;
            // How many more have no chance.
            while value == 1 {
                let more = input.read(2)?;
                symbol += more;
                value = usize::from(more == 3);
            }
        }
        input.at = input.byte() * 8; // the rest of the last byte means nothing
        self.build(code, &chances, log);
        Some(())
    }

    /// Spreads the symbols over the states (4.1.1). The chances, of which -1 counts as 1, are `1 << log` together.
    fn build(&mut self, code: &Code, chances: &[i16; SYMBOLS_MAX], log: usize) {
        let size = 1 << log;
        let rare = chances.iter().filter(|chance| **chance < 0).count();
        let (mut top, mut at, mut value) = (size, 0, code.first);
        let mut counts = [0; SYMBOLS_MAX];
        for (symbol, ((chance, count), extra)) in chances.iter().zip(&mut counts).zip(code.extra).enumerate() {
            let cell = Cell { value, extra: *extra, bits: 0, next: symbol as u16 };
            value = value.wrapping_add(1 << extra); // nothing comes after the last offset
            *count = chance.unsigned_abs();
            if *chance < 0 {
                top -= 1;
                self.cells[top % CELLS] = cell;
                continue;
            }
            for _ in 0..*chance {
                self.cells[at % CELLS] = cell;
                // Every place comes once. Those at the end are taken.
                loop {
                    at = (at + size / 2 + size / 8 + 3) % size;
                    if at < size - rare {
                        break;
                    }
                }
            }
        }
        for cell in self.cells.iter_mut().take(size) {
            let Some(count) = counts.get_mut(usize::from(cell.next)) else { continue };
            let bits = log - count.checked_ilog2().unwrap_or(0) as usize;
            cell.bits = bits as u8;
            cell.next = (*count << bits) - size as u16;
            *count += 1;
        }
        self.log = Some(log);
    }

    /// The first state. Like all numbers here it is read from what was loaded.
    pub fn begin(&self, bits: &mut Backward) -> usize {
        bits.read(self.log.unwrap_or(0))
    }

    /// What a state means.
    #[inline]
    pub fn cell(&self, state: usize) -> Cell {
        self.cells[state % CELLS]
    }
}

impl Cell {
    /// The symbol, where each stands for a number without extra bits.
    pub fn symbol(self) -> u8 {
        self.value as u8
    }

    /// The number itself.
    #[inline]
    pub fn number(self, bits: &mut Backward) -> usize {
        self.value as usize + bits.read(usize::from(self.extra))
    }

    /// The state after this one.
    #[inline]
    pub fn next(self, bits: &mut Backward) -> usize {
        usize::from(self.next) + bits.read(usize::from(self.bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_rfc() {
        // Appendix A: states with their symbols, numbers of bits and base lines.
        let is = |code: &Code, cells: &[(usize, usize, u8, u16)]| {
            let mut table = Table::new();
            table.choose(code, 0, &mut Forward { block: &[], at: 0 }).unwrap();
            for (state, symbol, bits, next) in cells {
                let cell = table.cell(*state);
                let value = code.extra[..*symbol].iter().fold(code.first, |sum, extra| sum + (1 << extra));
                assert_eq!((cell.value, cell.extra), (value, code.extra[*symbol]));
                assert_eq!((cell.bits, cell.next), (*bits, *next));
            }
        };
        is(&LITERALS_LENGTHS, &[(0, 0, 4, 0), (1, 0, 4, 16), (10, 14, 6, 0), (17, 25, 5, 32), (39, 25, 4, 16)]);
        is(&LITERALS_LENGTHS, &[(43, 0, 4, 48), (53, 15, 6, 0), (59, 24, 5, 32), (60, 35, 6, 0), (63, 32, 6, 0)]);
        is(
            &MATCH_LENGTHS,
            &[(0, 0, 6, 0), (1, 1, 4, 0), (25, 4, 5, 0), (44, 1, 4, 48), (57, 52, 6, 0), (63, 46, 6, 0)],
        );
        is(&OFFSETS, &[(0, 0, 5, 0), (1, 6, 4, 0), (15, 7, 4, 16), (26, 16, 5, 0), (27, 28, 5, 0), (31, 24, 5, 0)]);
    }

    #[test]
    fn numbers_of_the_rfc() {
        // 3.1.1.3.2.1.1: the last codes of each kind.
        let last = |code: &Code| code.extra.iter().rev().skip(1).fold(code.first, |sum, extra| sum + (1 << extra));
        assert_eq!(last(&LITERALS_LENGTHS), 65536);
        assert_eq!(last(&MATCH_LENGTHS), 65539);
        assert_eq!(last(&OFFSETS), 1 << 31);
    }
}
