//! Changes of bytes.

/// Numbers that repeat with their seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 up to, but without, `end` (0 when that is 0).
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }
}

const BYTES: &[u8] = &[0, 1, b' ', b'/', b'.', b'0', b'7', b'8', b'9', b'"', b'\\', b'{', b'[', 0x7f, 0x80, 0xfe, 0xff];
const NUMBERS: &[&str] =
    &["0", "-1", "1e9", "4294967295", "9223372036854775807", "18446744073709551616", "00000000001"];

/// One to eight changes.
pub fn change(input: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let size = match random.below(4) {
            0 => 512,
            1 => random.below(600),
            _ => random.below(9),
        };
        // Blocks of a tar mean something only where they belong.
        let at = if size == 512 { at / 512 * 512 } else { at };
        let end = (at + size).min(input.len());
        match random.below(11) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = BYTES[random.below(BYTES.len())],
            2 if at < input.len() => input[at] = random.next() as u8,
            3 => drop(input.drain(at..end)),
            4 => {
                let copy = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                let to = if size == 512 { to / 512 * 512 } else { to };
                drop(input.splice(to..to, copy));
            }
            5 => {
                let from = random.below(other.len() + 1);
                let from = if size == 512 { from / 512 * 512 } else { from };
                let piece = other[from..(from + size).min(other.len())].to_vec();
                drop(input.splice(at..if random.below(2) == 0 { at } else { end }, piece));
            }
            6 | 7 if !words.is_empty() => {
                let word = words[random.below(words.len())].as_bytes();
                let end = if random.below(2) == 0 { at } else { (at + word.len()).min(input.len()) };
                drop(input.splice(at..end, word.iter().copied()));
            }
            8 => number(input, at, random),
            9 => input.truncate(at),
            _ => drop(input.splice(at..at, std::iter::repeat_n(BYTES[random.below(BYTES.len())], size))),
        }
    }
}

/// Puts another number where one stands.
fn number(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(from) = input[at..].iter().position(u8::is_ascii_digit).map(|n| at + n) else { return };
    let end = input[from..].iter().position(|b| !b.is_ascii_digit()).map_or(input.len(), |n| from + n);
    let text = NUMBERS[random.below(NUMBERS.len())].as_bytes();
    // In a field of fixed length the rest must stay in its place.
    let room = if random.below(2) == 0 { end - from } else { text.len() };
    let text: Vec<u8> = text.iter().copied().take(room).collect();
    let end = if random.below(2) == 0 { from + text.len().min(end - from) } else { end };
    drop(input.splice(from..end, text));
}
