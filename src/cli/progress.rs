//! One line on the terminal about what takes long: how much is done, how fast, and how long it will still take.

use super::{human, print_error};
use alloc::format;
use alloc::string::String;
use mydocker::kernel::start;
use mydocker::kernel::{sys, time};
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, fstat};
use rustix::termios::{isatty, tcgetwinsize};

/// What is done sooner shows nothing.
const PATIENCE_MS: i64 = 1000;
/// Milliseconds between two states of the line.
const STEP_MS: i64 = 100;
/// Columns of a terminal that does not tell.
const COLUMNS: usize = 80;
/// A bar that would be shorter is left out, and none is longer.
const BAR_CHARS: core::ops::RangeInclusive<usize> = 10..=40;

/// The line. It is gone when this is dropped.
pub struct Progress {
    verb: &'static str,
    total: Option<u64>,
    bytes: u64,
    /// When the first bytes came, by the monotonic clock.
    began_ms: i64,
    /// When the line may first be seen; `i64::MAX` for never.
    first_ms: i64,
    next_ms: i64,
}

impl Progress {
    /// Nothing is shown when the person wants it quiet, nor where there is no terminal that can.
    pub fn new(verb: &'static str, is_quiet: bool) -> Self {
        let can = || isatty(sys::stderr()) && start::variable("TERM").is_none_or(|term| term != "dumb");
        let first_ms = if !is_quiet && can() { time::monotonic_ms() + PATIENCE_MS } else { i64::MAX };
        Self { verb, total: None, bytes: 0, began_ms: 0, first_ms, next_ms: first_ms }
    }

    /// How many bytes there will be, if that is known. Asked only when somebody looks.
    pub fn expect(&mut self, total: &dyn Fn() -> Option<u64>) {
        if self.first_ms != i64::MAX {
            self.total = total();
        }
    }

    /// So many bytes are done.
    pub fn tell(&mut self, bytes: u64) {
        if self.first_ms == i64::MAX {
            return;
        }
        let now = time::monotonic_ms();
        if self.bytes == 0 || bytes < self.bytes {
            self.began_ms = now; // the first ones, or those of another part
        }
        self.bytes = bytes;
        if now < self.next_ms {
            return;
        }
        self.next_ms = now + STEP_MS;
        let columns = tcgetwinsize(sys::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let columns = if columns == 0 { COLUMNS } else { columns };
        print_error(&format!("\r{}\x1b[K", line(self.verb, bytes, self.total, now - self.began_ms, columns)));
    }
}

impl Progress {
    /// Takes the line away, until there is more to tell.
    pub fn clear(&mut self) {
        // A child of ours may have drawn it, so only the time tells.
        if time::monotonic_ms() >= self.first_ms {
            print_error("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What the line says after so many milliseconds. Shorter than the terminal is wide, so that it stays one.
fn line(verb: &str, bytes: u64, total: Option<u64>, ms: i64, columns: usize) -> String {
    let rate = bytes.saturating_mul(1000) / ms.max(1).unsigned_abs();
    let speed = human::size(rate) + "/s";
    let mut text = match total.filter(|total| *total >= bytes && *total > 0) {
        None => format!("{verb}  {}  {speed}", human::size(bytes)),
        Some(total) => {
            let percent = bytes.saturating_mul(100) / total;
            let start = format!("{verb} {percent:3}% ");
            let left = left((total - bytes) / rate.max(1));
            let end = format!("{}/{}  {speed}  {left} left", human::size(bytes), human::size(total));
            let room = columns.saturating_sub(start.len() + end.len() + 4).min(*BAR_CHARS.end());
            if room < *BAR_CHARS.start() {
                start + &end
            } else {
                let done = (bytes.saturating_mul(room as u64) / total) as usize;
                format!("{start}[{:room$}] {end}", "=".repeat(done))
            }
        }
    };
    text.truncate(columns - 1); // all of it is ASCII
    text
}

fn left(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Bytes of a file behind its position; `None` for pipes and the like.
pub fn bytes_left(file: BorrowedFd<'_>) -> Option<u64> {
    let stat = fstat(file).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let at = if is_file { rustix::fs::tell(file).ok()? } else { return None };
    Some((stat.st_size as u64).saturating_sub(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    #[test]
    fn lines() {
        let mega = 1_000_000;
        assert_eq!(line("Importing", 3 * mega, None, 2000, 80), "Importing  3MB  1.5MB/s");
        let half = line("Importing", 50 * mega, Some(100 * mega), 1000, 80);
        assert_eq!(half, "Importing  50% [=================                 ] 50MB/100MB  50MB/s  1s left");
        assert_eq!(half.len(), 79);
        assert_eq!(line("Copying", mega, Some(mega), 1000, 30), "Copying 100% 1MB/1MB  1MB/s  "[..29].to_owned());
        let narrow = line("Importing", mega, Some(3700 * mega), 1000, 50);
        assert_eq!(narrow, "Importing   0% 1MB/3.7GB  1MB/s  1h01m left");
        // More than was expected: then nobody knows how much there will be.
        assert_eq!(line("Copying", 2 * mega, Some(mega), 1000, 80), "Copying  2MB  2MB/s");
        assert_eq!(left(61), "1m01s");
        assert!(line("Copying", 0, Some(u64::MAX), 0, 200).len() < 200);
    }
}
