//! Bits of a block: headers are read forward, and what was coded with tables backward, from its last byte on.

/// What stands before a block in memory: so 57 bits can be had before each of its bits, and who reads backward and looks for
/// the beginning after at most so many bytes never gets to 0.
pub const BEFORE_BYTES: usize = 16;

/// The 57 or more bits before the bit `end`, at the top of a word.
#[inline]
fn before(block: &[u8], end: usize) -> u64 {
    let word = block.get(..(end + 7) >> 3).and_then(<[u8]>::last_chunk);
    word.map_or(0, |word| u64::from_le_bytes(*word) << (end.wrapping_neg() % 8))
}

/// The `n` bits at the top of a word, fewer than 64.
#[inline]
fn top(word: u64, n: usize) -> usize {
    (word >> 1 >> (63 - n)) as usize
}

/// Numbers one after the other, least significant bits first.
pub struct Forward<'a> {
    /// Where they stand.
    pub block: &'a [u8],
    /// The next one, in bits.
    pub at: usize,
}

impl Forward<'_> {
    /// The next number of `n` bits, 57 at most; nothing when there are not as many.
    pub fn read(&mut self, n: usize) -> Option<usize> {
        self.at += n;
        (self.at <= self.block.len() * 8).then(|| top(before(self.block, self.at), n))
    }

    /// The next byte of which nothing is read yet.
    pub fn byte(&self) -> usize {
        (self.at + 7) >> 3
    }
}

/// A stream of bits that is read from its end (RFC 8878, 4.1 and 4.2.2).
#[derive(Clone, Copy, Default)]
pub struct Backward {
    /// Where it begins, and before which bit the next one is: left of the beginning when more was taken than there was.
    start: usize,
    left: usize,
    /// The bits that come next, at the top.
    word: u64,
}

impl Backward {
    /// The stream in the bytes `from..to`: the highest bit that is set in the last one is only there to mark the end.
    pub fn new(block: &[u8], from: usize, to: usize) -> Option<Self> {
        let last = *block.get(from..to)?.last()?;
        let left = to * 8 - 1 - last.leading_zeros() as usize;
        (last > 0).then_some(Self { start: from * 8, left, word: 0 })
    }

    /// Gets the next 57 bits, which can then be read without another look.
    #[inline]
    pub fn load(&mut self, block: &[u8]) {
        self.word = before(block, self.left);
    }

    /// What the next `n` bits are, of those that were loaded.
    #[inline]
    pub fn peek(&self, n: usize) -> usize {
        top(self.word, n)
    }

    /// Goes on by `n` bits.
    #[inline]
    pub fn skip(&mut self, n: usize) {
        self.left -= n;
        self.word <<= n;
    }

    /// The next number of `n` bits, of those that were loaded.
    #[inline]
    pub fn read(&mut self, n: usize) -> usize {
        let number = self.peek(n);
        self.skip(n);
        number
    }

    /// Whether more was taken than there was.
    pub fn is_over(&self) -> bool {
        self.left < self.start
    }

    /// Whether all was taken, and no more.
    pub fn is_done(&self) -> bool {
        self.left == self.start
    }
}
