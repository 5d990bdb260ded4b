//! Moments as docker takes them: RFC 3339 and parts of it, seconds since 1970, or how long ago.

use super::{is_digits, wrong};
use mydocker::error::Result;
use mydocker::kernel::time::{self, Civil, SECOND};

/// A moment in nanoseconds since 1970 UTC: `2026-11-21T23:20:13.43+01:00` and what is left of it when parts are left out
/// at the end (without a zone it is UTC), `1795303213.43`, or `1h30m` before `now`.
pub fn moment(text: &str, now: i64) -> Result<i64> {
    let found = match duration(text) {
        Some(ago) if text != "0" => now.checked_sub(ago),
        _ if text.contains('T') || text.trim_start_matches('-').contains('-') => rfc3339(text),
        _ => seconds(text),
    };
    found.ok_or_else(|| wrong("failed to parse value as time or duration: \"{}\"", text))
}

/// Go's durations in nanoseconds: `1h30m`, `1.5s`, `-20ms`.
pub fn duration(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix('-').or_else(|| text.strip_prefix('+')).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let begin = |text: &str, of_number: bool| {
            let is_in = |byte: &u8| (byte.is_ascii_digit() || *byte == b'.') == of_number;
            text.bytes().take_while(is_in).count()
        };
        let (number, after) = rest.split_at(begin(rest, true));
        let (name, next) = after.split_at(begin(after, false));
        let unit = match name {
            "ns" => 1,
            "us" | "µs" | "μs" => 1000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let whole = if whole.is_empty() && !part.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
        let part = fraction(part)?;
        let part = if unit < SECOND { part * unit / SECOND } else { part * (unit / SECOND) };
        sum = sum.checked_add(whole.checked_mul(unit)?)?.checked_add(part)?;
        rest = next;
    }
    (!unsigned.is_empty()).then_some(if text.starts_with('-') { -sum } else { sum })
}

/// The digits after a point, in billionths.
fn fraction(digits: &str) -> Option<i64> {
    let mut billionths = 0;
    for at in 0..9 {
        billionths = billionths * 10 + digits.as_bytes().get(at).map_or(0, |byte| i64::from(byte.wrapping_sub(b'0')));
    }
    is_digits(digits).then_some(billionths)
}

/// Seconds since 1970, with or without a fraction.
fn seconds(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(fraction(part)?)
}

/// The fields of a moment: what is before one, how many digits it has, and their range.
const FIELDS: [(&str, usize, i64, i64); 6] =
    [("", 4, 0, 9999), ("-", 2, 1, 12), ("-", 2, 1, 31), ("T", 2, 0, 23), (":", 2, 0, 59), (":", 2, 0, 60)];

/// RFC 3339, whose end may be missing from the hour on.
pub fn rfc3339(text: &str) -> Option<i64> {
    let (text, offset) = split_zone(text)?;
    let (text, part) = text.split_once('.').unwrap_or((text, ""));
    let (mut values, mut rest, mut read) = ([0; FIELDS.len()], text, 0);
    for (before, width, min, max) in &FIELDS {
        if read >= 3 && rest.is_empty() {
            break;
        }
        let (word, after) = rest.strip_prefix(before)?.split_at_checked(*width)?;
        (values[read], rest) = (number(word, *width, *min, *max)?, after);
        read += 1;
    }
    if !rest.is_empty() || read == 3 && !part.is_empty() {
        return None;
    }
    let [year, month, day, hour, minute, second] = values;
    let moment = time::moment(&Civil { year, month, day, hour, minute, second, nanosecond: fraction(part)? })?;
    // 31 February is none.
    let is_one = time::civil(moment).day == day || second == 60;
    if is_one { moment.checked_sub(offset * 60 * SECOND) } else { None }
}

/// Takes the zone off: minutes east of Greenwich, none without one.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(text) = text.strip_suffix(['Z', 'z']) {
        return Some((text, 0));
    }
    let Some(at) = text.find('+').or_else(|| text.match_indices('-').nth(2).map(|(at, _)| at)) else {
        return Some((text, 0));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let minutes = number(hours, 2, 0, 23)? * 60 + number(minutes, 2, 0, 59)?;
    Some((&text[..at], if text[at..].starts_with('+') { minutes } else { -minutes }))
}

fn number(word: &str, width: usize, min: i64, max: i64) -> Option<i64> {
    let is_number = word.len() == width && is_digits(word);
    word.parse().ok().filter(|number| is_number && min <= *number && *number <= max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    const NOW: i64 = 1_795_303_213_431_986_999;

    fn at(text: &str) -> Option<String> {
        moment(text, NOW).ok().map(time::rfc3339)
    }

    #[test]
    fn moments() {
        for (text, want) in [
            ("2026-11-21T23:20:13.431986999Z", "2026-11-21T23:20:13.431986999Z"),
            ("2026-11-21T23:20:13.4", "2026-11-21T23:20:13.400000000Z"),
            ("2026-11-21T23:20:13", "2026-11-21T23:20:13.000000000Z"),
            ("2026-11-21T23:20", "2026-11-21T23:20:00.000000000Z"),
            ("2026-11-21T23", "2026-11-21T23:00:00.000000000Z"),
            ("2026-11-21", "2026-11-21T00:00:00.000000000Z"),
            ("2026-11-21Z", "2026-11-21T00:00:00.000000000Z"),
            ("2026-11-22T00:20:13+01:00", "2026-11-21T23:20:13.000000000Z"),
            ("2026-11-21T22:50:13.5-00:30", "2026-11-21T23:20:13.500000000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000000000Z"),
            ("1795303213", "2026-11-21T23:20:13.000000000Z"),
            ("1795303213.431986999", "2026-11-21T23:20:13.431986999Z"),
            ("0", "1970-01-01T00:00:00.000000000Z"),
            ("1h20m13s", "2026-11-21T22:00:00.431986999Z"),
            ("1.5s", "2026-11-21T23:20:11.931986999Z"),
            ("-1m", "2026-11-21T23:21:13.431986999Z"),
            ("986999ns", "2026-11-21T23:20:13.431000000Z"),
        ] {
            assert_eq!(at(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_moment() {
        for text in [
            "",
            "x",
            "-",
            "1x",
            "1h2",
            "1..5s",
            ".s",
            "2026",
            "2026-13-01T00:00",
            "2026-02-30",
            "2026-11-21T24:00",
            "2026-11-21T1:2",
            "2026-11-21.5",
            "2026-11-21T23:20:13+1",
            "yesterday",
            "2026-11",
            "2026-11-21T23:20:13:14",
            "99999999999h",
            "9999999999999999999",
            "1.x",
            "T",
            "2026-1é-21",
            "--",
            "1-2-3-4",
        ] {
            // A year alone is so many seconds.
            assert_eq!(at(text).is_some(), text == "2026", "{text}");
        }
    }
}
