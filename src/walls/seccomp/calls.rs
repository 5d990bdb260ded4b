//! Which system calls there are: names, their numbers on four architectures, and what the default profile grants.
//! `calls.txt` is the source; it is read when this is compiled, and only compact tables of it come into the binary.

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

/// Names of the capabilities without `CAP_`, each in the place of its number. capabilities(7)
pub const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

struct Table {
    /// All names without anything between them.
    names: [u8; SIZES.1],
    /// Where each name begins, and where the last one ends.
    starts: [u16; COUNT + 1],
    numbers: [Numbers; ARCHITECTURES],
    grants: [u64; COUNT],
}

const TABLE: Table = table();
static NAMES: [u8; SIZES.1] = TABLE.names;
static STARTS: [u16; COUNT + 1] = TABLE.starts;

/// Which bits of [`ALWAYS`] and its like, or which capabilities, grant a call in the default profile: one is enough.
pub static GRANTS: [u64; COUNT] = TABLE.grants;
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

/// The name of a call, as bytes.
pub fn name(call: usize) -> &'static [u8] {
    &NAMES[usize::from(STARTS[call])..usize::from(STARTS[call + 1])]
}

/// The place of a name in the tables.
pub fn find(wanted: &str) -> Option<usize> {
    // One call, two names: the kernel's headers for arm define both.
    let wanted = if wanted == "arm_sync_file_range" { "sync_file_range2" } else { wanted };
    let (mut low, mut high) = (0, COUNT);
    while low < high {
        let middle = usize::midpoint(low, high);
        match name(middle).cmp(wanted.as_bytes()) {
            core::cmp::Ordering::Equal => return Some(middle),
            core::cmp::Ordering::Less => low = middle + 1,
            core::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

/// Where the first of these bytes is, from `at` on; the end of the text when none is.
const fn until(mut at: usize, one: u8, other: u8) -> usize {
    while at < TEXT.len() && TEXT[at] != one && TEXT[at] != other {
        at += 1;
    }
    at
}

/// Rows and bytes of names.
const fn sizes() -> (usize, usize) {
    let (mut at, mut rows, mut bytes) = (0, 0, 0);
    while at < TEXT.len() {
        if TEXT[at] != b'#' {
            rows += 1;
            bytes += until(at, b' ', b' ') - at;
        }
        at = until(at, b'\n', b'\n') + 1;
    }
    (rows, bytes)
}

const fn table() -> Table {
    let mut table = Table {
        names: [0; SIZES.1],
        starts: [0; COUNT + 1],
        numbers: [[MISSING; NUMBERS + PRIVATE]; ARCHITECTURES],
        grants: [0; COUNT],
    };
    let (mut at, mut row, mut bytes) = (0, 0, 0);
    while at < TEXT.len() {
        if TEXT[at] == b'#' {
            at = until(at, b'\n', b'\n') + 1;
            continue;
        }
        table.starts[row] = bytes as u16;
        while TEXT[at] != b' ' {
            table.names[bytes] = TEXT[at];
            bytes += 1;
            at += 1;
        }
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
        while TEXT[at] != b'\n' {
            let end = until(at + 1, b'|', b'\n');
            table.grants[row] |= grant(at + 1, end);
            at = end;
        }
        row += 1;
        at += 1;
    }
    table.starts[row] = bytes as u16;
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
    n = 0;
    while !is(from, to, CAPABILITIES[n]) {
        n += 1; // past the end, the compiler says that there is no such word
    }
    1 << n
}

const fn is(from: usize, to: usize, word: &str) -> bool {
    let word = word.as_bytes();
    let mut n = 0;
    while n < word.len() && from + n < to && TEXT[from + n] == word[n] {
        n += 1;
    }
    n == word.len() && from + n == to
}
