//! Wall-clock time: nanoseconds since 1970-01-01 UTC, and its RFC 3339 text.

use super::sys;
use alloc::format;
use alloc::string::String;
use linux_raw_sys::general::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// Now, in nanoseconds since 1970 UTC.
pub fn now() -> i64 {
    sys::clock(CLOCK_REALTIME)
}

/// A clock that never jumps, in milliseconds. Only differences mean something.
pub fn monotonic_ms() -> i64 {
    monotonic_ns() / 1_000_000
}

/// The same clock in nanoseconds.
pub fn monotonic_ns() -> i64 {
    sys::clock(CLOCK_MONOTONIC)
}

/// Nanoseconds since the machine was started, its sleep counted too. It never jumps either.
pub fn since_boot() -> i64 {
    sys::clock(CLOCK_BOOTTIME)
}

/// Milliseconds from now to a moment, rounded up; 0 when it has come.
pub fn ms_until(moment: i64) -> i64 {
    moment.saturating_sub(now()).max(0).saturating_add(999_999) / 1_000_000
}

/// A moment as calendar fields, UTC.
pub struct Civil {
    /// The year, for example 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// 0 to 999,999,999.
    pub nanosecond: i64,
}

/// The calendar fields of a moment (proleptic Gregorian; Howard Hinnant's `civil_from_days` rule).
pub fn civil(moment: i64) -> Civil {
    let seconds = moment.div_euclid(SECOND);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: of_day / 3600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
        nanosecond: moment.rem_euclid(SECOND),
    }
}

/// The moment of calendar fields, unless it is too far away. The reverse of [`civil`].
pub fn moment(t: &Civil) -> Option<i64> {
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if t.month <= 2 { (t.year - 1, t.month + 9) } else { (t.year, t.month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + t.day - 1 - 719_468;
    let seconds = days * 86_400 + t.hour * 3600 + t.minute * 60 + t.second;
    seconds.checked_mul(SECOND)?.checked_add(t.nanosecond)
}

/// For people, in UTC: `2026-11-21 23:20:13`.
pub fn plain(moment: i64) -> String {
    let t = civil(moment);
    format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// RFC 3339 in UTC with all nine digits: `2026-11-21T23:20:13.431986999Z`.
pub fn rfc3339(moment: i64) -> String {
    let t = civil(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        t.year, t.month, t.day, t.hour, t.minute, t.second, t.nanosecond
    )
}

/// A length of time as Go writes it: `1m30s`, `1.5s`, `250ms`, `0s`.
pub fn go(nanoseconds: i64) -> String {
    if nanoseconds < SECOND {
        // docker takes nothing shorter than a millisecond
        return if nanoseconds == 0 { "0s".into() } else { decimal(nanoseconds, 1_000_000) + "ms" };
    }
    let seconds = decimal(nanoseconds % (60 * SECOND), SECOND) + "s";
    match (nanoseconds / SECOND / 3600, nanoseconds / SECOND / 60 % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

fn decimal(value: i64, unit: i64) -> String {
    let text = format!("{}.{:09}", value / unit, value % unit * (SECOND / unit));
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (ns, text) in [
            (0, "0s"),
            (1_500_000, "1.5ms"),
            (250_000_000, "250ms"),
            (30 * SECOND, "30s"),
            (90 * SECOND, "1m30s"),
            (3600 * SECOND, "1h0m0s"),
            (SECOND + 10_000_000, "1.01s"),
        ] {
            assert_eq!(go(ns), text);
        }
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(rfc3339(951_782_400 * SECOND + 7), "2000-02-29T00:00:00.000000007Z");
        assert_eq!(rfc3339(1_795_303_213_431_986_999), "2026-11-21T23:20:13.431986999Z");
    }
}
