//! command: the keys that end a connection but not the container.

use alloc::vec::Vec;

/// Looks for a sequence of keys in what is typed. What may be its beginning is held back until the next key tells.
pub struct Keys<'a> {
    sequence: &'a [u8],
    held: Vec<u8>,
}

impl<'a> Keys<'a> {
    /// Looks for this sequence; an empty one is never found.
    pub fn new(sequence: &'a [u8]) -> Self {
        Self { sequence, held: Vec::new() }
    }

    /// Moves what certainly is not the sequence from `typed` to `passed`. True when the sequence is complete; what was
    /// typed after it is gone.
    pub fn filter(&mut self, typed: &[u8], passed: &mut Vec<u8>) -> bool {
        for key in typed {
            self.held.push(*key);
            while !self.sequence.starts_with(&self.held) {
                passed.push(self.held.remove(0));
            }
            if !self.held.is_empty() && self.held.len() == self.sequence.len() {
                return true;
            }
        }
        false
    }

    /// At the end of what is typed: what was held back was no sequence.
    pub fn finish(&mut self, passed: &mut Vec<u8>) {
        passed.append(&mut self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sequence: &[u8], typed: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut keys, mut passed) = (Keys::new(sequence), Vec::new());
        let is_found = typed.iter().any(|part| keys.filter(part, &mut passed));
        (passed, is_found)
    }

    #[test]
    fn the_sequence_is_found_wherever_it_is_split() {
        assert_eq!(run(b"\x10\x11", &[b"ab\x10\x11c"]), (b"ab".to_vec(), true));
        assert_eq!(run(b"\x10\x11", &[b"ab\x10", b"\x11"]), (b"ab".to_vec(), true));
        assert_eq!(run(b"aab", &[b"a", b"a", b"aab"]), (b"aa".to_vec(), true));
        assert_eq!(run(b"x", &[b"x"]), (b"".to_vec(), true));
    }

    #[test]
    fn what_is_not_the_sequence_is_passed_on() {
        assert_eq!(run(b"\x10\x11", &[b"\x10a", b"\x11\x10\x10"]), (b"\x10a\x11\x10".to_vec(), false));
        assert_eq!(run(b"", &[b"abc"]), (b"abc".to_vec(), false));
        let (mut keys, mut passed) = (Keys::new(b"ab"), Vec::new());
        assert!(!keys.filter(b"xa", &mut passed));
        keys.finish(&mut passed);
        assert_eq!(passed, b"xa");
    }
}
