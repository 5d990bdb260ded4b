//! Durations as Go writes them: `1h2m3.5s`, `300ms`, `-1us`, `0`. time.ParseDuration

use super::super::human::visible;
use super::{bad, decimal, times};
use mydocker::error::{Error, Result};

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1000),
    ("µs", 1000), // micro sign
    ("μs", 1000), // Greek letter
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Nanoseconds.
pub fn duration(text: &str) -> Result<i64> {
    let invalid = || bad(format!("time: invalid duration \"{}\"", visible(text)));
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    let mut sum = 0u64;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        let digits = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
        let number = decimal(&rest[..digits]).ok_or_else(invalid)?;
        rest = &rest[digits..];
        let end = rest.find(is_digit).unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(name, _)| *name == &rest[..end]);
        let Some((_, unit)) = unit else {
            let shown = visible(text);
            return Err(bad(match end {
                0 => format!("time: missing unit in duration \"{shown}\""),
                _ => format!("time: unknown unit \"{}\" in duration \"{shown}\"", visible(&rest[..end])),
            }));
        };
        rest = &rest[end..];
        sum = times(number, *unit).and_then(|part| sum.checked_add(part)).ok_or_else(invalid)?;
    }
    let sum = i64::try_from(sum).map_err(|_| invalid())?;
    Ok(if is_negative { -sum } else { sum })
}

/// A whole number of seconds, as `--stop-timeout` and `-t` take it.
pub fn seconds(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::new("it is not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

    #[test]
    fn durations() {
        for (typed, want) in [
            ("0", "0"),
            ("1s", "1000000000"),
            ("1m30s", "90000000000"),
            ("1.5h", "5400000000000"),
            ("-250ms", "-250000000"),
            ("3µs", "3000"),
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            ("9999999h", "time: invalid duration \"9999999h\""),
        ] {
            assert_eq!(text(duration(typed)), want, "{typed}");
        }
    }
}
