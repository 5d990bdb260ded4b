//! Devices: `--device`, rules about them, limits of disks.

use super::{bytes, clean, digits, has_control, is_digits, wrong, wrongs};
use alloc::borrow::ToOwned;
use alloc::string::String;
use mydocker::error::Result;
use mydocker::spec::{Device, Throttle};

/// Reads `--device`: `/dev/x[:/dev/inside][:rwm]`.
pub fn device(text: &str) -> Result<Device> {
    let (source, rest) = text.split_once(':').unwrap_or((text, text));
    let (source, target, access) = match rest.split_once(':') {
        None if is_access(rest) => (source, source, rest),
        None => (source, rest, "rwm"),
        Some((_, access)) if access.contains(':') => ("", "", ""),
        Some((target, access)) if is_access(access) => (source, target, access),
        Some((_, access)) => return Err(wrong("bad mode specified: {}", access)),
    };
    if source.is_empty() || has_control(text) {
        return Err(wrong("bad format for path: {}", text));
    }
    Ok(Device { source: absolute(source)?, target: absolute(target)?, access: access.to_owned() })
}

fn absolute(path: &str) -> Result<String> {
    let clean = clean(path).filter(|clean| path.starts_with('/') && clean != "/");
    clean.ok_or_else(|| wrong("{} is not an absolute path", path))
}

/// Some of `r`, `w` and `m`, each once.
fn is_access(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |(at, byte): (usize, &u8)| b"rwm".contains(byte) && !bytes[..at].contains(byte);
    !bytes.is_empty() && bytes.iter().enumerate().all(fits)
}

/// Checks a rule of `--device-cgroup-rule`: `c 10:200 rwm`, `b 8:* r`, `a *:* rwm`.
pub fn rule(text: &str) -> Result<String> {
    let is_number = |text: &str| text == "*" || digits(text).is_some();
    let (kind, rest) = text.split_once(' ').unwrap_or_default();
    let (numbers, access) = rest.split_once(' ').unwrap_or_default();
    let (major, minor) = numbers.split_once(':').unwrap_or_default();
    let fits = matches!(kind, "a" | "b" | "c")
        && is_number(major)
        && is_number(minor)
        && (1..=3).contains(&access.len())
        && access.bytes().all(|byte| b"rwm".contains(&byte));
    if fits { Ok(text.to_owned()) } else { Err(wrong("invalid device cgroup format '{}'", text)) }
}

/// Reads `/dev/sda:1mb`, bytes in a second.
pub fn bytes_limit(text: &str) -> Result<Throttle> {
    throttle(text, true)
}

/// Reads `/dev/sda:100`, operations in a second.
pub fn limit(text: &str) -> Result<Throttle> {
    throttle(text, false)
}

/// What is limited the caller knows.
fn throttle(text: &str, is_bytes: bool) -> Result<Throttle> {
    let (path, number) = text.split_once(':').unwrap_or_default();
    if path.is_empty() {
        return Err(wrong("bad format: {}", text));
    }
    let path = clean(path).filter(|clean| clean.starts_with("/dev/") && !has_control(text));
    let path = path.ok_or_else(|| wrong("bad format for device path: {}", text))?;
    let rate = if is_bytes { bytes(number).ok() } else { number.parse().ok().filter(|_| is_digits(number)) };
    match rate {
        Some(rate @ 1..) => Ok(Throttle { device: path, rate, ..Throttle::default() }),
        _ => {
            let (unit, more) =
                if is_bytes { ("[<unit>]", ". Unit is optional and can be kb, mb, or gb") } else { ("", "") };
            let what = "invalid rate for device: {}. The correct format is <device-path>:<number>{}. Number must be a \
                        positive integer{}";
            Err(wrongs(what, &[text, unit, more]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use crate::cli::human::visible;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn devices() {
        let read = |typed| match device(typed) {
            Ok(device) => format!("{} {} {}", device.source, device.target, device.access),
            Err(error) => error.to_string(),
        };
        for (typed, want) in [
            ("/dev/null", "/dev/null /dev/null rwm"),
            ("/dev/null:/dev/mynull:r", "/dev/null /dev/mynull r"),
            ("/dev/null:rw", "/dev/null /dev/null rw"),
            ("/dev//snd/:/dev/x/../snd", "/dev/snd /dev/snd rwm"),
            ("", "bad format for path: "),
            (":/dev/x", "bad format for path: :/dev/x"),
            ("/dev/a:/dev/b:r:w", "bad format for path: /dev/a:/dev/b:r:w"),
            ("/dev/a:/dev/b:x", "bad mode specified: x"),
            ("/dev/a:/dev/b:rr", "bad mode specified: rr"),
            ("/dev/a:/dev/b:", "bad mode specified: "),
            ("/dev/a:rr", "rr is not an absolute path"),
            ("dev/a", "dev/a is not an absolute path"),
            ("/dev/a:/", "/ is not an absolute path"),
            ("vendor.com/class=gpu", "vendor.com/class=gpu is not an absolute path"),
            ("/dev/a\n", "bad format for path: /dev/a\\n"),
        ] {
            assert_eq!(read(typed), want, "{typed}");
        }
    }

    #[test]
    fn rules() {
        for right in ["c 10:200 rwm", "b 8:* r", "a *:* rwm", "c 1:3 mr"] {
            assert_eq!(rule(right).unwrap(), right);
        }
        for wrong in [
            "",
            "c",
            "x 1:3 rwm",
            "c 1:3",
            "c 1:3 rwmx",
            "c 1:3 rwmr",
            "c 1 rwm",
            "c 1:3:4 rwm",
            "c  1:3 rwm",
            "c a:3 rwm",
            "c 1:3 ",
            "c 99999999999:3 r",
            "c 1:3 r\n",
            "c +1:3 r",
        ] {
            assert_eq!(text(rule(wrong)), format!("invalid device cgroup format '{}'", visible(wrong)));
        }
    }

    #[test]
    fn throttles() {
        let read = |text, is_bytes| throttle(text, is_bytes).map(|limit| (limit.device, limit.rate));
        let bytes_per_second = |text| read(text, true);
        let operations_per_second = |text| read(text, false);
        assert_eq!(bytes_per_second("/dev/sda:1mb").unwrap(), ("/dev/sda".to_owned(), 1 << 20));
        assert_eq!(operations_per_second("/dev/sda:100").unwrap(), ("/dev/sda".to_owned(), 100));
        assert_eq!(text(bytes_per_second("/dev/sda")), "bad format: /dev/sda");
        assert_eq!(text(bytes_per_second(":1mb")), "bad format: :1mb");
        assert_eq!(text(bytes_per_second("/tmp/x:1mb")), "bad format for device path: /tmp/x:1mb");
        assert_eq!(text(bytes_per_second("/dev/../etc:1mb")), "bad format for device path: /dev/../etc:1mb");
        for wrong in ["/dev/sda:", "/dev/sda:0", "/dev/sda:-1", "/dev/sda:x", "/dev/sda:1:2", "/dev/sda:+1"] {
            let start = format!("invalid rate for device: {wrong}. The correct format is <device-path>:<number>");
            assert!(text(bytes_per_second(wrong)).starts_with(&start), "{wrong}");
            assert!(text(operations_per_second(wrong)).starts_with(&start), "{wrong}");
        }
        assert!(text(operations_per_second("/dev/sda:1k")).starts_with("invalid rate"));
    }
}
