//! Devices: `--device`, rules about them, limits of disks.

use super::super::human::visible;
use super::{bad, bytes, clean};
use mydocker::error::Result;
use mydocker::spec::Device;

/// Reads `--device`: `/dev/x[:/dev/inside][:rwm]`.
pub fn device(text: &str) -> Result<Device> {
    let shown = visible(text);
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, access) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, access] if is_access(access) => (source, source, access),
        [source, target] => (source, target, "rwm"),
        [source, target, access] if is_access(access) => (source, target, access),
        [_, _, access] => return Err(bad(format!("bad mode specified: {}", visible(access)))),
        _ => return Err(bad(format!("bad format for path: {shown}"))),
    };
    if source.is_empty() || text.contains(char::is_control) {
        return Err(bad(format!("bad format for path: {shown}")));
    }
    let absolute = |path: &str| {
        clean(path)
            .filter(|clean| path.starts_with('/') && clean != "/")
            .ok_or_else(|| bad(format!("{} is not an absolute path", visible(path))))
    };
    Ok(Device { source: absolute(source)?, target: absolute(target)?, access: access.to_owned() })
}

/// Some of `r`, `w` and `m`, each once.
fn is_access(text: &str) -> bool {
    let once = |letter: char| text.matches(letter).count() <= 1;
    !text.is_empty() && text.chars().all(|c| "rwm".contains(c) && once(c))
}

/// Checks a rule of `--device-cgroup-rule`: `c 10:200 rwm`, `b 8:* r`, `a *:* rwm`.
pub fn rule(text: &str) -> Result<String> {
    let number = |text: &str| text == "*" || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = match text.split(' ').collect::<Vec<_>>()[..] {
        [kind, numbers, access] => {
            ["a", "c", "b"].contains(&kind)
                && numbers.split_once(':').is_some_and(|(major, minor)| {
                    number(major)
                        && number(minor)
                        && [major, minor].iter().all(|n| *n == "*" || n.parse::<u32>().is_ok())
                })
                && (1..=3).contains(&access.len())
                && access.chars().all(|c| "rwm".contains(c))
        }
        _ => false,
    };
    if fits { Ok(text.to_owned()) } else { Err(bad(format!("invalid device cgroup format '{}'", visible(text)))) }
}

/// Reads `/dev/sda:1mb`, bytes in a second.
pub fn bytes_per_second(text: &str) -> Result<(String, u64)> {
    let unit =
        "<device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb";
    throttle(text, unit, |rate| bytes(rate).ok())
}

/// Reads `/dev/sda:100`, operations in a second.
pub fn operations_per_second(text: &str) -> Result<(String, u64)> {
    let format = "<device-path>:<number>. Number must be a positive integer";
    throttle(text, format, |rate| rate.parse().ok().filter(|_| rate.bytes().all(|byte| byte.is_ascii_digit())))
}

fn throttle(text: &str, format: &str, rate: impl Fn(&str) -> Option<u64>) -> Result<(String, u64)> {
    let shown = visible(text);
    let (path, number) =
        text.split_once(':').filter(|(path, _)| !path.is_empty()).ok_or_else(|| bad(format!("bad format: {shown}")))?;
    let path = clean(path)
        .filter(|clean| clean.starts_with("/dev/") && !text.contains(char::is_control))
        .ok_or_else(|| bad(format!("bad format for device path: {shown}")))?;
    let rate = rate(number).filter(|rate| *rate > 0);
    let wrong = || bad(format!("invalid rate for device: {shown}. The correct format is {format}"));
    Ok((path, rate.ok_or_else(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

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
