//! What a disk was told, in order, and what may be on it when the power goes: QEMU's `blklogwrites` writes the log (the
//! format of the kernel's dm-log-writes).

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x6a_736677736872;
const SECTOR_BYTES: usize = 512;
/// Flags of an entry.
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
/// One write of this many is torn.
const TORN: u64 = 10;
/// Bytes of a block that is looked at for being empty.
const BLOCK_BYTES: usize = 4096;

/// A sequence that looks random, and is the same for the same seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// Less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit.max(1)
    }
}

struct Entry {
    offset: u64,
    /// Where in the log; empty for a flush alone.
    data: Range<usize>,
    flags: u64,
}

/// A disk's log.
pub struct Log {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Writes to this offset are no content: they are lines that say what is promised.
    mark_at: u64,
}

impl Log {
    /// Takes a log apart. One that ends in the middle of an entry ends before it.
    pub fn read(bytes: Vec<u8>, mark_at: u64) -> Self {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        assert!(bytes.len() >= SECTOR_BYTES && number(0) == MAGIC && number(8) == 1, "not a write log");
        let sector = u64::from(u32::from_le_bytes(bytes[24..28].try_into().unwrap()));
        let mut at = sector as usize;
        let mut entries = Vec::new();
        while at + sector as usize <= bytes.len() {
            let [place, count, flags] = [0, 8, 16].map(|part| number(at + part));
            at += sector as usize;
            let length = if flags & DISCARD == 0 { (count * sector) as usize } else { 0 };
            if count == 0 && flags == 0 || at + length > bytes.len() {
                break;
            }
            entries.push(Entry { offset: place * sector, data: at..at + length, flags });
            at += length;
        }
        Self { bytes, entries, mark_at }
    }

    fn is_mark(&self, entry: &Entry) -> bool {
        entry.offset == self.mark_at && !entry.data.is_empty()
    }

    /// How many entries there are, bytes, flushes and marks.
    pub fn counts(&self) -> [usize; 4] {
        let count = |is: &dyn Fn(&Entry) -> bool| self.entries.iter().filter(|entry| is(entry)).count();
        let bytes = self.entries.iter().map(|entry| entry.data.len()).sum();
        [self.entries.len(), bytes, count(&|entry| entry.flags & FLUSH != 0), count(&|entry| self.is_mark(entry))]
    }

    /// So many moments between the first mark and the end, half of them right after a mark, where most is promised.
    pub fn cuts(&self, count: usize, dice: &mut Dice) -> Vec<usize> {
        let marks: Vec<usize> = (0..self.entries.len()).filter(|at| self.is_mark(&self.entries[*at])).collect();
        let first = marks.first().map_or(0, |at| at + 1);
        let mut cuts = Vec::new();
        for at in 0..count {
            if at % 2 == 0 && !marks.is_empty() {
                cuts.push(marks[dice.below(marks.len() as u64) as usize] + 1);
            } else {
                cuts.push(first + dice.below((self.entries.len() - first + 1) as u64) as usize);
            }
        }
        cuts
    }

    /// The lines that were said before a cut.
    pub fn said(&self, cut: usize) -> String {
        let mut said = String::new();
        for entry in self.entries[..cut].iter().filter(|entry| self.is_mark(entry)) {
            let line = &self.bytes[entry.data.start..][..SECTOR_BYTES];
            said += String::from_utf8_lossy(line).trim_end_matches('\0');
            said += "\n";
        }
        said
    }

    /// What is on the disk after a cut, as writes in their order: all that was there before the last flush, and any of
    /// what came since, now and then only its first sectors.
    pub fn survivors(&self, cut: usize, dice: &mut Dice) -> Vec<(u64, &[u8])> {
        // A flush makes durable what was written before it.
        let flushed = self.entries[..cut].iter().rposition(|entry| entry.flags & FLUSH != 0).unwrap_or(0);
        let quarters = dice.below(5);
        let mut survivors = Vec::new();
        for (at, entry) in self.entries[..cut].iter().enumerate() {
            let mut data = &self.bytes[entry.data.clone()];
            if data.is_empty() || self.is_mark(entry) {
                continue;
            }
            if at >= flushed && entry.flags & FUA == 0 {
                if dice.below(4) >= quarters {
                    continue;
                }
                if dice.below(TORN) == 0 {
                    data = &data[..SECTOR_BYTES * (1 + dice.below((data.len() / SECTOR_BYTES) as u64) as usize)];
                }
            }
            survivors.push((entry.offset, data));
        }
        survivors
    }
}

/// Makes the image of a disk: what it was, and what was written since. Empty blocks take no room.
pub fn make(image: &Path, base: &[u8], writes: &[(u64, &[u8])]) {
    let file = File::create(image).unwrap();
    file.set_len(base.len() as u64).unwrap();
    for (at, block) in base.chunks(BLOCK_BYTES).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, (at * BLOCK_BYTES) as u64).unwrap();
        }
    }
    for (offset, data) in writes {
        file.write_all_at(data, *offset).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK_AT: u64 = 1 << 20;

    /// A log of these entries: offset, sectors of this letter, flags.
    fn log(entries: &[(u64, usize, u8, u64)]) -> Log {
        let mut bytes = vec![0; SECTOR_BYTES];
        bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8] = 1;
        bytes[24..28].copy_from_slice(&512u32.to_le_bytes());
        for (offset, sectors, letter, flags) in entries {
            let head = bytes.len();
            bytes.resize(head + SECTOR_BYTES, 0);
            for (part, number) in [*offset / 512, *sectors as u64, *flags].iter().enumerate() {
                bytes[head + part * 8..][..8].copy_from_slice(&number.to_le_bytes());
            }
            if flags & DISCARD == 0 {
                bytes.resize(bytes.len() + sectors * SECTOR_BYTES, *letter);
            }
        }
        bytes.truncate(bytes.len() - 1); // killed in the middle of the last one
        Log::read(bytes, MARK_AT)
    }

    fn letters(log: &Log, cut: usize, seed: u64) -> String {
        let survivors = log.survivors(cut, &mut Dice(seed));
        survivors.iter().map(|(_, data)| char::from(data[0])).collect()
    }

    #[test]
    fn what_was_flushed_is_there_and_the_rest_may_be() {
        let log = log(&[
            (0, 2, b'a', 0),
            (MARK_AT, 1, b'x', 0),
            (4096, 1, b'b', 0),
            (0, 0, 0, FLUSH),
            (0, 8, 0, DISCARD),
            (8192, 4, b'c', 0),
            (8192, 1, b'd', FUA),
            (MARK_AT, 1, b'y', 0),
            (0, 1, b'z', 0),
        ]);
        assert_eq!(log.counts(), [8, 10 * SECTOR_BYTES, 1, 2]);
        assert_eq!(log.said(8), ["x".repeat(512), "y".repeat(512), String::new()].join("\n"));
        assert_eq!(log.said(3).lines().count(), 1);
        let mut seen = [false; 4];
        for seed in 0..200 {
            match &*letters(&log, 8, seed) {
                "abd" => seen[0] = true,
                "abcd" => seen[1] = true,
                other => panic!("{other}"),
            }
            match &*letters(&log, 3, seed) {
                "" | "a" | "b" => seen[2] = true,
                "ab" => seen[3] = true,
                other => panic!("{other}"),
            }
            assert_eq!(letters(&log, 8, seed), letters(&log, 8, seed));
        }
        assert_eq!(seen, [true; 4]);
        let torn =
            |seed| log.survivors(8, &mut Dice(seed)).iter().any(|(_, data)| data[0] == b'c' && data.len() < 2048);
        assert!((0..200).any(torn));
        assert!(log.cuts(50, &mut Dice(1)).iter().all(|cut| (2..=8).contains(cut)));
    }

    #[test]
    fn an_image_is_the_base_with_the_writes() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-{}", std::process::id()));
        let mut base = vec![0; 16 * BLOCK_BYTES];
        base[5 * BLOCK_BYTES] = 1;
        make(&path, &base, &[(1024, &[2; 512]), (1024, &[3; 512])]);
        base[1024..1536].fill(3);
        assert_eq!(std::fs::read(&path).unwrap(), base);
        std::fs::remove_file(&path).unwrap();
    }
}
