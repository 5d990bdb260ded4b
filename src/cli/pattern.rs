//! Patterns of `--filter`: regular expressions (re2's everyday part) and globs. All ways through a pattern are followed
//! at once, so that none costs more than its length times that of the text.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use mydocker::error::{Error, Result};

/// Most characters of a pattern.
const CHARS_MAX: usize = 1024;
/// Deepest nesting of groups and alternatives.
const DEPTH_MAX: usize = 64;

/// A step of the machine. Targets are relative to the step, so that a piece of program can be moved.
#[derive(Clone)]
enum Op {
    /// One of these characters, or (`true`) any other one.
    Char(Vec<(char, char)>, bool),
    /// Goes on at both places.
    Both(isize, isize),
    /// Only at the beginning of the text.
    Begin,
    /// Only at its end.
    End,
}

/// A pattern that can be compared with texts.
pub struct Pattern {
    ops: Vec<Op>,
}

/// Reads a regular expression: `^ $ . * + ? [] | () \`.
pub fn regex(text: &str) -> Result<Pattern> {
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, ops: Vec::new(), depth: 0 };
    let read = chars.len() <= CHARS_MAX && reader.alternatives().is_some() && reader.at == chars.len();
    if read {
        Ok(Pattern { ops: reader.ops })
    } else {
        Err(Error::new(format_args!("'{text}' is no regular expression")))
    }
}

/// Reads a pattern of file names that stands for a whole text: `*` and `?` match no slash.
pub fn glob(text: &str) -> Result<Pattern> {
    let mut expression = String::from("^");
    for char in text.chars() {
        match char {
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '.' | '+' | '(' | ')' | '|' | '^' | '$' => expression.extend(['\\', char]),
            other => expression.push(other),
        }
    }
    regex(&(expression + "$"))
}

impl Pattern {
    /// Whether the pattern is somewhere in the text.
    pub fn fits(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        let mut now: Vec<usize> = Vec::new();
        for at in 0..=chars.len() {
            now.push(0); // it may begin anywhere
            let mut seen = vec![false; self.ops.len()];
            let mut next = Vec::new();
            while let Some(step) = now.pop() {
                let Some(op) = self.ops.get(step) else { return true };
                if core::mem::replace(&mut seen[step], true) {
                    continue;
                }
                match op {
                    Op::Both(one, other) => {
                        now.extend([step.wrapping_add_signed(*one), step.wrapping_add_signed(*other)]);
                    }
                    Op::Begin if at == 0 => now.push(step + 1),
                    Op::End if at == chars.len() => now.push(step + 1),
                    Op::Char(ranges, other) => {
                        let is_in = |char: char| ranges.iter().any(|(from, to)| (*from..=*to).contains(&char));
                        if chars.get(at).is_some_and(|char| is_in(*char) != *other) {
                            next.push(step + 1);
                        }
                    }
                    Op::Begin | Op::End => {}
                }
            }
            now = next;
        }
        false
    }
}

/// The text of an expression, how far it is read, and the program so far. `None` everywhere means: no expression.
struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    ops: Vec<Op>,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += 1;
        Some(char)
    }

    fn alternatives(&mut self) -> Option<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let start = self.ops.len();
        while let Some(char) = self.peek()
            && char != ')'
            && char != '|'
        {
            self.piece()?;
        }
        if self.peek() == Some('|') {
            self.at += 1;
            let length = (self.ops.len() - start) as isize;
            self.ops.insert(start, Op::Both(1, length + 2));
            let leap = self.ops.len();
            self.ops.push(Op::Begin); // its place; the target is known below
            self.alternatives()?;
            let over = (self.ops.len() - leap) as isize;
            self.ops[leap] = Op::Both(over, over);
        }
        self.depth -= 1;
        Some(())
    }

    fn piece(&mut self) -> Option<()> {
        let start = self.ops.len();
        self.atom()?;
        let length = (self.ops.len() - start) as isize;
        match self.peek() {
            Some('*') => {
                self.ops.insert(start, Op::Both(1, length + 2));
                self.ops.push(Op::Both(-length - 1, -length - 1));
            }
            Some('+') => self.ops.push(Op::Both(-length, 1)),
            Some('?') => self.ops.insert(start, Op::Both(1, length + 1)),
            _ => return Some(()),
        }
        self.at += 1;
        if self.peek() == Some('?') {
            self.at += 1; // as few as possible: that changes where it fits, not whether
        }
        Some(())
    }

    fn atom(&mut self) -> Option<()> {
        let op = match self.next()? {
            '(' => {
                self.alternatives()?;
                return (self.next()? == ')').then_some(());
            }
            '^' => Op::Begin,
            '$' => Op::End,
            '.' => Op::Char(Vec::new(), true),
            '[' => self.set()?,
            '\\' => Op::Char(self.escaped()?, false),
            '*' | '+' | '?' | '{' => return None,
            char => Op::Char(vec![(char, char)], false),
        };
        self.ops.push(op);
        Some(())
    }

    /// What is behind a backslash.
    fn escaped(&mut self) -> Option<Vec<(char, char)>> {
        Some(match self.next()? {
            'd' => vec![('0', '9')],
            'w' => vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
            char if char.is_ascii_alphanumeric() => return None,
            char => vec![(char, char)],
        })
    }

    /// The rest of `[a-z]` or `[^a-z]`; a `]` that comes first stands for itself.
    fn set(&mut self) -> Option<Op> {
        let other = self.peek() == Some('^');
        self.at += usize::from(other);
        let mut ranges: Vec<(char, char)> = Vec::new();
        loop {
            match self.next()? {
                ']' if !ranges.is_empty() => return Some(Op::Char(ranges, other)),
                '\\' => ranges.extend(self.escaped()?),
                from => match self.chars[self.at..] {
                    ['-', to, ..] if to != ']' => {
                        self.at += 2;
                        if from > to {
                            return None;
                        }
                        ranges.push((from, to));
                    }
                    _ => ranges.push((from, from)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for (pattern, good, bad) in [
            ("web", "my-web-1", "my-wep"),
            ("^web", "web1", "aweb"),
            ("^web$", "web", "web1"),
            ("^/?web$", "/web", "//web"),
            ("a.c", "xabcx", "ac"),
            ("^a.*z$", "abcz", "abc"),
            ("^ab+c$", "abbbc", "ac"),
            ("^(db|web)[0-9]+$", "web12", "web"),
            ("^(db|web|x|)1$", "1", "y1"),
            ("^[^a-f]$", "g", "c"),
            ("^[]-]$", "-", "x"),
            (r"^\w\d\.$", "a1.", "a1x"),
            ("^(a*)*b$", "aaab", "aaac"),
            ("^(a|b)?c$", "bc", "abc"),
            ("a$|^b", "ba", "cb"),
        ] {
            let pattern = regex(pattern).unwrap();
            assert!(pattern.fits(good) && !pattern.fits(bad), "{good} {bad}");
        }
        assert!(regex("").unwrap().fits("") && regex("").unwrap().fits("x"));
        for wrong in ["[", "(", ")", "a)", "*", "a{2}", "\\", "[z-a]", "a**", "\\q", &"(".repeat(100)] {
            assert!(regex(wrong).is_err(), "{wrong}");
        }
        let hostile = regex(&("(a*)*".repeat(50) + "b")).unwrap();
        assert!(!hostile.fits(&"a".repeat(200)));
    }

    #[test]
    fn globs() {
        for (pattern, good, bad) in [
            ("bus*", "busybox", "a/busybox"),
            ("*/x:?", "a/x:1", "a/x:12"),
            ("a.b", "a.b", "axb"),
            ("[ab]c", "bc", "cc"),
        ] {
            let pattern = glob(pattern).unwrap();
            assert!(pattern.fits(good) && !pattern.fits(bad), "{good} {bad}");
        }
    }
}
