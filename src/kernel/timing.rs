//! Where a start spends its time, for `--debug-timing`: marks that several processes make on one page which they share.

use super::sys::{self, Shared};
use super::time;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::sync::atomic::Ordering::Relaxed;
use rustix::process::getpid;

/// The first word says how many are taken. A mark is a moment, a pid, and the name of the step that ended then.
const PAGE_BYTES: usize = 4096;
const NAME_WORDS: usize = 3;
const MARK_WORDS: usize = 2 + NAME_WORDS;

/// The marks of this process and of those that it forks; or nothing, which costs nothing.
#[derive(Clone, Copy, Default)]
pub struct Timing(Option<&'static Shared>);

impl Timing {
    /// Begins to take marks, until the end of the process. Without memory there are none.
    pub fn begin() -> Self {
        Self(sys::shared_memory(PAGE_BYTES).ok().map(|page| &*Box::leak(Box::new(page))))
    }

    /// A step (24 bytes of its name are kept) of this process has ended.
    #[inline(never)]
    pub fn mark(self, step: &str) {
        if self.0.is_some() {
            self.mark_at(time::monotonic_ns(), step);
        }
    }

    /// The same for a step that ended then, in nanoseconds of the monotonic clock.
    pub fn mark_at(self, moment: i64, step: &str) {
        let Some(page) = self.0 else { return };
        let at = 1 + page.word(0).fetch_add(MARK_WORDS as u64, Relaxed) as usize;
        page.word(at + 1).store(getpid().as_raw_pid() as u64, Relaxed);
        for (i, letter) in step.bytes().take(NAME_WORDS * 8).enumerate() {
            page.word(at + 2 + i / 8).fetch_or(u64::from(letter) << (i % 8 * 8), Relaxed);
        }
        page.word(at).store(moment as u64, Relaxed); // the last: a mark without a moment is none
    }

    /// The marks in order of time, a line each: microseconds since the first one, since the one before, the pid as the
    /// process itself knows it (1: the first one of a container), and the step.
    pub fn lines(self) -> String {
        let mut text = String::new();
        let Some(page) = self.0 else { return text };
        let mut marks = Vec::new();
        for at in (1..PAGE_BYTES / 8 - MARK_WORDS).step_by(MARK_WORDS) {
            let mut name = Vec::new();
            for i in 2..MARK_WORDS {
                name.extend(page.word(at + i).load(Relaxed).to_le_bytes());
            }
            marks.push((page.word(at).load(Relaxed) as i64, page.word(at + 1).load(Relaxed), name));
        }
        marks.retain(|mark| mark.0 != 0);
        let marks = crate::spec::order::sorted(marks, &|a, b| a.0 < b.0);
        let first = marks.first().map_or(0, |mark| mark.0);
        let mut before = first;
        for (moment, pid, name) in &marks {
            let name = String::from_utf8_lossy(name);
            let (all, step) = ((moment - first) / 1000, (moment - before) / 1000);
            // A container that was started with --init has this page, too.
            let name = crate::error::escaped(name.trim_end_matches('\0'));
            let _ = writeln!(text, "{all:>8} us {step:>+7} {pid:>8} {name}"); // a text takes everything
            before = *moment;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn marks_are_told_in_order_of_time() {
        let timing = Timing::begin();
        timing.mark_at(5_000_000, "born");
        timing.mark_at(4_000_000, "main");
        timing.mark_at(5_002_500, "a name that is longer than twenty-four bytes");
        let (text, pid) = (timing.lines(), getpid().as_raw_pid());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("       0 us      +0 {pid:>8} main"));
        assert_eq!(lines[1], format!("    1000 us   +1000 {pid:>8} born"));
        assert_eq!(lines[2], format!("    1002 us      +2 {pid:>8} a name that is longer th"));
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_full_page_takes_no_more() {
        let timing = Timing::begin();
        for i in 1..500 {
            timing.mark_at(i, "step");
        }
        assert!(timing.lines().lines().count() > 90);
        Timing::default().mark("nobody asked");
        assert!(Timing::default().lines().is_empty());
    }
}
