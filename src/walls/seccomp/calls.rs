//! Which system calls there are: names, their numbers on four architectures, and what the default profile grants.
//! `calls.txt` is the source; it is read when this is compiled, and only compact tables of it come into the binary.

use crate::kernel::caps;

const TEXT: &[u8] = include_bytes!("calls.txt");
const ARCHITECTURES: usize = 4;
const SIZES: (usize, usize) = sizes();
/// How many names there are.
pub const COUNT: usize = SIZES.0;
/// Stands where an architecture has no such call.
pub const MISSING: u16 = u16::MAX;
/// One more than the largest number, with some room.
const NUMBERS: usize = 480;
/// Private calls of arm have their places behind the numbers.
const PRIVATE: usize = 8;
/// Where the numbers of private calls begin: outside the numbering of all others.
pub const PRIVATE_NUMBERS: u32 = 0xf0000;

/// Which call (its place among the names) each number of an architecture is, or [`MISSING`]; see [`number`].
pub type Numbers = [u16; NUMBERS + PRIVATE];

/// Granted to everybody. Above the capabilities, which end at 40.
pub const ALWAYS: u64 = 1 << 63;
/// Granted to everybody where the kernel is 4.8 or newer.
pub const KERNEL_4_8: u64 = 1 << 62;
/// Granted for some arguments only, and hidden; `default.rs` has the rules.
pub const FLAGS: u64 = 1 << 61;
/// See [`FLAGS`].
pub const FAMILIES: u64 = 1 << 60;
/// See [`FLAGS`].
pub const PERSONAS: u64 = 1 << 59;
/// See [`FLAGS`].
pub const HIDDEN: u64 = 1 << 58;
const WORDS: [(&str, u64); 7] = [
    ("no", 0),
    ("yes", ALWAYS),
    ("4.8", KERNEL_4_8),
    ("flags", FLAGS),
    ("families", FAMILIES),
    ("personas", PERSONAS),
    ("hidden", HIDDEN),
];

/// How many different grants there are, nothing among them.
const GRANTS_MAX: usize = 21;
/// Marks the last byte of a name.
const LAST: u8 = 0x80;

struct Table {
    /// Each name: how many bytes it has in common with the one before, then its others, [`LAST`] in the last of them.
    names: [u8; SIZES.1],
    /// Where each name stands in the text.
    rows: [usize; COUNT],
    numbers: [Numbers; ARCHITECTURES],
    grants: [u64; GRANTS_MAX],
    granted: [u8; COUNT],
}

const TABLE: Table = table();
const ROWS: [usize; COUNT] = TABLE.rows;
static NAMES: [u8; SIZES.1] = TABLE.names;
static GRANTS: [u64; GRANTS_MAX] = TABLE.grants;
static GRANTED: [u8; COUNT] = TABLE.granted;

/// The calls of x86_64.
#[cfg(any(test, target_arch = "x86_64"))]
pub static X86_64: Numbers = TABLE.numbers[0];
/// The calls of i386.
#[cfg(any(test, target_arch = "x86_64"))]
pub static I386: Numbers = TABLE.numbers[1];
/// The calls of aarch64.
#[cfg(any(test, target_arch = "aarch64"))]
pub static AARCH64: Numbers = TABLE.numbers[2];
/// The calls of 32-bit arm.
#[cfg(any(test, target_arch = "aarch64"))]
pub static ARM: Numbers = TABLE.numbers[3];

/// The number, as the kernel reports it, that has this place in [`Numbers`].
pub fn number(place: usize) -> u32 {
    if place < NUMBERS { place as u32 } else { PRIVATE_NUMBERS + (place - NUMBERS) as u32 }
}

/// Which bits of [`ALWAYS`] and its like, or which capabilities, grant a call in the default profile: one is enough.
pub fn granted(call: usize) -> u64 {
    GRANTS[usize::from(GRANTED[call])]
}

/// The place of a name in the tables. It goes through all names before; only profiles of somebody's own are read so.
pub fn find(wanted: &str) -> Option<usize> {
    // One call, two names: the kernel's headers for arm define both.
    let wanted = if wanted == "arm_sync_file_range" { "sync_file_range2" } else { wanted }.as_bytes();
    // How many bytes the name before has in common with `wanted`.
    let mut known = 0;
    let (mut at, mut call) = (0, 0);
    while at < NAMES.len() {
        let common = usize::from(NAMES[at]);
        // One that has more in common with the name before differs where that does, one that has less differs sooner.
        let mut is_alike = common == known;
        known = known.min(common);
        loop {
            at += 1;
            is_alike = is_alike && wanted.get(known) == Some(&(NAMES[at] & !LAST));
            known += usize::from(is_alike);
            if NAMES[at] & LAST != 0 {
                break;
            }
        }
        if is_alike && known == wanted.len() {
            return Some(call);
        }
        at += 1;
        call += 1;
    }
    None
}

/// The place of a name in the tables, for names that are known when this is compiled.
pub const fn place_of(wanted: &str) -> u16 {
    let mut row = 0;
    while !is(ROWS[row], ROWS[row] + wanted.len(), wanted) || TEXT[ROWS[row] + wanted.len()] != b' ' {
        row += 1; // past the end, the compiler says that there is no such name
    }
    row as u16
}

/// The name of a call.
#[cfg(test)]
pub fn name(call: usize) -> &'static [u8] {
    let mut rows = TEXT.split(|b| *b == b'\n').filter(|row| !row.starts_with(b"#"));
    rows.nth(call).and_then(|row| row.split(|b| *b == b' ').next()).unwrap_or_default()
}

/// Where the first of these bytes is, from `at` on; the end of the text when none is.
const fn until(mut at: usize, one: u8, other: u8) -> usize {
    while at < TEXT.len() && TEXT[at] != one && TEXT[at] != other {
        at += 1;
    }
    at
}

/// How many bytes the names at these two places have in common.
const fn common(before: usize, at: usize) -> usize {
    let mut n = 0;
    while TEXT[before + n] == TEXT[at + n] && TEXT[at + n] != b' ' {
        n += 1;
    }
    n
}

/// Rows, and bytes of [`Table::names`].
const fn sizes() -> (usize, usize) {
    let (mut at, mut before, mut rows, mut bytes) = (0, 0, 0, 0);
    while at < TEXT.len() {
        if TEXT[at] != b'#' {
            rows += 1;
            bytes += 1 + until(at, b' ', b' ') - at - common(before, at);
            before = at;
        }
        at = until(at, b'\n', b'\n') + 1;
    }
    (rows, bytes)
}

const fn table() -> Table {
    let mut table = Table {
        names: [0; SIZES.1],
        rows: [0; COUNT],
        numbers: [[MISSING; NUMBERS + PRIVATE]; ARCHITECTURES],
        grants: [0; GRANTS_MAX],
        granted: [0; COUNT],
    };
    let (mut at, mut before, mut row, mut bytes) = (0, 0, 0, 0);
    while at < TEXT.len() {
        if TEXT[at] == b'#' {
            at = until(at, b'\n', b'\n') + 1;
            continue;
        }
        let (start, shared) = (at, common(before, at));
        table.names[bytes] = shared as u8;
        at += shared;
        while TEXT[at] != b' ' {
            bytes += 1;
            table.names[bytes] = TEXT[at];
            at += 1;
        }
        table.names[bytes] |= LAST;
        bytes += 1;
        table.rows[row] = start;
        before = start;
        let mut architecture = 0;
        while architecture < ARCHITECTURES {
            if TEXT[at + 1] != b'-' {
                let place = place(at + 1);
                assert!(table.numbers[architecture][place] == MISSING, "a number stands twice");
                table.numbers[architecture][place] = row as u16;
            }
            at = until(at + 1, b' ', b' ');
            architecture += 1;
        }
        let mut grants = 0;
        while TEXT[at] != b'\n' {
            let end = until(at + 1, b'|', b'\n');
            grants |= grant(at + 1, end);
            at = end;
        }
        let mut known = 0;
        while table.grants[known] != grants {
            known += 1;
            if table.grants[known] == 0 {
                table.grants[known] = grants;
            }
        }
        table.granted[row] = known as u8;
        row += 1;
        at += 1;
    }
    table
}

/// The place in [`Numbers`] of the number that is written here. Too large a one, the compiler refuses.
const fn place(mut at: usize) -> usize {
    let private = TEXT[at] == b'@';
    if private {
        at += 1;
    }
    let mut number = 0;
    while TEXT[at] != b' ' {
        number = number * 10 + (TEXT[at] - b'0') as usize;
        at += 1;
    }
    assert!(private || number < NUMBERS);
    if private { NUMBERS + number } else { number }
}

const fn grant(from: usize, to: usize) -> u64 {
    let mut n = 0;
    while n < WORDS.len() {
        if is(from, to, WORDS[n].0) {
            return WORDS[n].1;
        }
        n += 1;
    }
    // Past the end, the compiler says that there is no such word.
    let (mut names, mut bit) = (caps::NAMES, 1);
    while !is(from, to, names.split_at(end(names)).0) {
        names = names.split_at(end(names) + 1).1;
        bit <<= 1;
    }
    bit
}

/// Where the first of some words ends.
const fn end(words: &str) -> usize {
    let mut n = 0;
    while n < words.len() && words.as_bytes()[n] != b' ' {
        n += 1;
    }
    n
}

const fn is(from: usize, to: usize, word: &str) -> bool {
    let word = word.as_bytes();
    let mut n = 0;
    while n < word.len() && from + n < to && TEXT[from + n] == word[n] {
        n += 1;
    }
    n == word.len() && from + n == to
}
