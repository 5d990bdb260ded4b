//! Durations, sizes and foreign text the way a person reads them (docker/go-units).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Write;
use mydocker::kernel::time;

/// "3 minutes", "About an hour", …: go-units' `HumanDuration`.
pub fn duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    let (count, unit) = match seconds {
        ..1 => return "Less than a second".to_owned(),
        1 => return "1 second".to_owned(),
        2..60 => (seconds, "seconds"),
        60..120 => return "About a minute".to_owned(),
        120..3600 => (minutes, "minutes"),
        _ if hours == 1 => return "About an hour".to_owned(),
        _ if hours < 48 => (hours, "hours"),
        _ if hours < 24 * 7 * 2 => (hours / 24, "days"),
        _ if hours < 24 * 30 * 2 => (hours / 24 / 7, "weeks"),
        _ if hours < 24 * 365 * 2 => (hours / 24 / 30, "months"),
        _ => (seconds / 3600 / 24 / 365, "years"),
    };
    format!("{count} {unit}")
}

/// "3 minutes ago".
pub fn ago(seconds: i64) -> String {
    duration(seconds) + " ago"
}

/// Whole seconds since a moment (nanoseconds since 1970), never negative.
pub fn elapsed(moment: i64) -> i64 {
    (time::now().saturating_sub(moment) / time::SECOND).max(0)
}

const DECIMAL: &str = "B kB MB GB TB PB EB";
const BINARY: &str = "B KiB MiB GiB TiB PiB EiB";

/// Decimal size with three significant digits: "1.98MB", "13.3kB", "0B".
pub fn size(bytes: u64) -> String {
    scaled(bytes, 1000, 3, DECIMAL)
}

/// The same with four digits: "1.984MB".
pub fn size_long(bytes: u64) -> String {
    scaled(bytes, 1000, 4, DECIMAL)
}

/// Binary size with four significant digits: "23.54GiB", "348KiB".
pub fn size_binary(bytes: u64) -> String {
    scaled(bytes, 1024, 4, BINARY)
}

/// `digits` significant digits, trailing zeros dropped, halves rounded to even, like Go's `%.3g` followed by the unit.
fn scaled(bytes: u64, base: u64, digits: usize, units: &str) -> String {
    let (mut step, mut unit) = (1, 0);
    while bytes / step >= base && unit < 6 {
        (step, unit) = (step * base, unit + 1);
    }
    loop {
        let (mut value, mut rest, mut limit) = (bytes / step, bytes % step, base);
        let mut decimals = digits.saturating_sub(value.to_string().len());
        for _ in 0..decimals {
            value = value * 10 + rest * 10 / step;
            rest = rest * 10 % step;
            limit *= 10;
        }
        value += u64::from(rest * 2 > step || (rest * 2 == step && value % 2 == 1));
        if value >= limit && unit < 6 {
            (step, unit) = (step * base, unit + 1); // 999.9kB rounds up to 1MB
            continue;
        }
        while decimals > 0 && value.is_multiple_of(10) {
            (value, decimals) = (value / 10, decimals - 1);
        }
        let mut text = value.to_string();
        if decimals > 0 {
            text.insert(text.len() - decimals, '.');
        }
        return text + units.split(' ').nth(unit).unwrap_or_default();
    }
}

/// The beginning of an id, as lists show it.
pub fn short(id: &str) -> &str {
    part(id, 0, 12)
}

// An index that is wrong would be an end with a message, and each place has its own message: these are smaller.

/// The bytes of a text from one place to another; nothing where there is none.
#[inline(never)]
pub fn part(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}

/// What is behind so many bytes of a text.
#[inline(never)]
pub fn behind(text: &str, bytes: usize) -> &str {
    part(text, bytes, text.len())
}

/// A word of foreign text for a message. One copy of what is large.
#[inline(never)]
pub fn escaped(text: &str) -> String {
    mydocker::error::escaped(text).to_string()
}

/// Characters that turn the direction of the text around them.
const BIDI: [core::ops::RangeInclusive<char>; 3] =
    ['\u{200e}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];

/// Foreign text for a message: what is no visible character escaped, so that it stays one line, moves no cursor, and
/// cannot pretend to be something else.
pub fn visible(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() || BIDI.iter().any(|range| range.contains(&char)) {
            let _ = write!(shown, "{}", char.escape_default()); // writing to a String cannot fail
        } else {
            shown.push(char);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        const HOUR: i64 = 3600;
        const DAY: i64 = 24 * HOUR;
        for (seconds, text) in [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (59 * 60, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR * 3 / 2, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (59 * DAY, "8 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
        assert_eq!(ago(300), "5 minutes ago");
        assert_eq!(elapsed(time::now() + time::SECOND * 9), 0);
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0B"),
            (4, "4B"),
            (233, "233B"),
            (1000, "1kB"),
            (13_312, "13.3kB"),
            (1_984_123, "1.98MB"),
            (999_999, "1MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "18.4EB");
        assert_eq!(size_long(1_984_123), "1.984MB");
        assert_eq!(size_binary(348 * 1024), "348KiB");
        assert_eq!(size_binary(25_275_881_000), "23.54GiB");
        assert_eq!(size_binary(1023), "1023B");
    }

    #[test]
    fn foreign_text() {
        assert_eq!(visible("a\nb\u{1b}[1mß"), "a\\nb\\u{1b}[1mß");
    }
}
