//! Values of flags: text in, meaning out, docker's words when it has none. Every error asks for exit code 125.

pub mod device;
pub mod moment;
pub mod mount;
pub mod network;
pub mod port;
pub mod sysctl;
pub mod tmpfs;
pub mod ulimit;
pub mod volume;

use super::human::visible;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Error, Result};

use mydocker::spec::map::Map;
use mydocker::spec::text::is_alike;
use mydocker::spec::words;
pub use mydocker::spec::words::place as nth;

/// Longest line of an env or label file (docker reads with Go's `bufio.Scanner`).
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Longest container or volume name: it becomes a file name.
const NAME_BYTES_MAX: usize = 255;
/// Highest CPU or memory node number that a list may name (docker's bound).
const CPU_MAX: usize = 8191;
/// Most decimals of a fraction that are kept.
const DECIMALS: usize = 18;
/// The first real-time signal that the C libraries leave to programs.
const SIGRTMIN: u32 = 34;
/// The last signal of Linux.
const SIGRTMAX: u32 = 64;

/// signal(7), x86 and arm: the place is the number, and there is none of number 0.
const SIGNALS: &str = " HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP \
    TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// An error of somebody who typed something.
pub fn bad(what: impl mydocker::error::Words) -> Error {
    Error::new(what).exit(EXIT_ENGINE)
}

/// The same with a sentence in which `{}` stands for foreign text.
pub fn wrong(sentence: &str, text: &str) -> Error {
    wrongs(sentence, &[text])
}

/// The same with several texts.
pub fn wrongs(sentence: &str, texts: &[&str]) -> Error {
    let mut told = String::new();
    let mut rest = sentence;
    for text in texts {
        let (before, after) = rest.split_once('{').unwrap_or((rest, "}"));
        told.extend([before, &visible(text)]);
        rest = &after[1..];
    }
    bad(told + rest)
}

/// Whether there is a control character in it.
pub fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// Whether there is nothing but digits.
pub fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number in digits alone, without a sign.
pub fn digits(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| is_digits(text))
}

/// A whole number.
pub fn whole(text: &str) -> Result<i64> {
    text.parse().map_err(|_| bad("it is not a whole number"))
}

/// `12.5` as a whole part and a fraction in units of 10^-`DECIMALS`.
fn decimal(text: &str) -> Option<(u64, u64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let kept = &fraction[..fraction.len().min(DECIMALS)];
    let fraction = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    Some((whole, fraction * 10u64.pow((DECIMALS - kept.len()) as u32)))
}

/// `decimal * unit`, rounded down.
fn times((whole, fraction): (u64, u64), unit: u64) -> Option<u64> {
    let part = u128::from(fraction) * u128::from(unit) / 10u128.pow(DECIMALS as u32);
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// A size in bytes: `100m`, `1.5g`, `64kb`, `1 MiB`; units of 1024 (go-units' `RAMInBytes`).
pub fn bytes(text: &str) -> Result<u64> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b' ');
    let end = text.as_bytes().iter().rposition(is_number).map_or(0, |last| last + 1);
    let (number, suffix) = text.split_at(end);
    let lower = suffix.to_ascii_lowercase();
    let shift = match lower.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ if end > 0 => return Err(wrong("invalid suffix: '{}'", suffix)),
        _ => return Err(wrong("invalid size: '{}'", text)),
    };
    let number = decimal(number.strip_suffix(' ').unwrap_or(number));
    let bytes = number.and_then(|number| times(number, 1 << shift)).filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.ok_or_else(|| wrong("invalid size: '{}'", text))
}

/// A number of CPUs (`0.5`) in billionths.
pub fn cpus(text: &str) -> Result<u64> {
    let number = decimal(text);
    if number.is_some_and(|(_, fraction)| fraction % 10u64.pow(DECIMALS as u32 - 9) != 0) {
        return Err(bad("value is too precise"));
    }
    let nano = number.and_then(|number| times(number, 1_000_000_000));
    nano.ok_or_else(|| wrong("failed to parse {} as a rational number", text))
}

/// Whether that many CPUs (in billionths, 0 for no limit) can be had from `online` ones.
pub fn cpus_within(nano: u64, online: usize) -> Result<()> {
    if nano == 0 || (10_000_000..=online as u64 * 1_000_000_000).contains(&nano) {
        return Ok(());
    }
    let online = &online.to_string();
    let what = "range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available";
    Err(wrongs(what, &[online, online]))
}

/// The numbers of a list such as `0-2,4`, sorted, each once.
fn numbers(text: &str) -> Option<Vec<u32>> {
    let mut chosen = [false; CPU_MAX + 1];
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (digits(first)? as usize, digits(last)? as usize);
        if first > last {
            return None;
        }
        chosen.get_mut(first..=last)?.fill(true);
    }
    let mut numbers = Vec::new();
    for (number, is_chosen) in chosen.iter().enumerate() {
        if *is_chosen {
            numbers.push(number as u32);
        }
    }
    Some(numbers)
}

/// The CPUs of `--cpuset-cpus`; `online` is the text of /sys/devices/system/cpu/online ("" to accept every number).
pub fn cpu_list(text: &str, online: &str) -> Result<Vec<u32>> {
    list(text, online, "cpus", "CPUs")
}

/// The memory nodes of `--cpuset-mems`; `online` is the text of /sys/devices/system/node/online.
pub fn mem_list(text: &str, online: &str) -> Result<Vec<u32>> {
    list(text, online, "mems", "memory nodes")
}

fn list(text: &str, online: &str, file: &str, what: &str) -> Result<Vec<u32>> {
    let asked = numbers(text).ok_or_else(|| wrongs("Invalid value {} for cpuset {}", &[text, file]))?;
    match numbers(online) {
        Some(known) if asked.iter().any(|number| !known.contains(number)) => {
            let what = &["Requested ", what, " are not available - requested {}, available: {}"].concat();
            Err(wrongs(what, &[text, online.trim()]))
        }
        _ => Ok(asked),
    }
}

/// A signal by name (`TERM`, `SIGTERM`, `RTMIN+3`, `RTMAX-1`) or number, signal(7).
pub fn signal(text: &str) -> Result<i32> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = match name {
        "IOT" => Some(6),
        "CLD" => Some(17),
        "POLL" => Some(29),
        "RTMIN" => Some(SIGRTMIN),
        "RTMAX" => Some(SIGRTMAX),
        "" => None,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(above), _) => digits(above).and_then(|above| above.checked_add(SIGRTMIN)),
            (_, Some(below)) => digits(below).and_then(|below| SIGRTMAX.checked_sub(below)).filter(|n| *n >= SIGRTMIN),
            _ => digits(text).or_else(|| nth(SIGNALS, name).map(|at| at as u32)),
        },
    };
    let number = number.filter(|number| (1..=SIGRTMAX).contains(number));
    number.map(|number| number as i32).ok_or_else(|| wrong("invalid signal: {}", text))
}

/// Keys by comma: one character each, or `ctrl-` and one of `@`, `a` to `z`, `[`, `\\`, `]`, `^`, `_`.
pub fn detach_keys(text: &str) -> Result<Vec<u8>> {
    let key = |word: &str| match (word.as_bytes(), word.strip_prefix("ctrl-").map(str::as_bytes)) {
        ([key], _) => Some(*key),
        (_, Some([letter @ (b'a'..=b'z')])) => Some(letter - b'a' + 1),
        (_, Some([sign @ (b'@' | b'['..=b'_')])) => Some(sign - b'@'),
        _ if word == "DEL" => Some(127),
        _ => None,
    };
    let mut keys = Vec::new();
    for word in text.split(',') {
        keys.push(key(word).ok_or_else(|| wrong("Invalid detach keys ({}) provided", text))?);
    }
    Ok(keys)
}

/// A stream of `-a`, by its descriptor.
pub fn stream(text: &str) -> Result<usize> {
    let known = ["stdin", "stdout", "stderr"].iter().position(|name| is_alike(name, text));
    known.ok_or_else(|| bad("valid streams are STDIN, STDOUT and STDERR"))
}

/// `SIGTERM`, `SIGRTMIN+3`, or the bare number where there is no name.
pub fn signal_name(number: i32) -> String {
    match (number as u32, words::at(SIGNALS, number as usize)) {
        (SIGRTMIN, _) => "SIGRTMIN".to_owned(),
        (SIGRTMIN..=SIGRTMAX, _) => format!("SIGRTMIN+{}", number as u32 - SIGRTMIN),
        (_, "") => number.to_string(),
        (_, name) => format!("SIG{name}"),
    }
}

/// A length of time in nanoseconds, as Go writes it: `1m30s`.
pub fn duration(text: &str) -> Result<i64> {
    moment::duration(text).ok_or_else(|| wrong("time: invalid duration \"{}\"", text))
}

/// The `KEY=value` lines of an env file; a key alone is looked up, and left out when it is not set.
/// `path` is only for the messages.
pub fn env_file(path: &str, file: &[u8], lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        if line.len() >= LINE_BYTES_MAX {
            let what = "invalid env file ({}): line {} is longer than 64 KiB";
            return Err(wrongs(what, &[path, &(index + 1).to_string()]));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(line) = str::from_utf8(line) else {
            let what = "invalid env file ({}): invalid utf8 bytes at line {}";
            return Err(wrongs(what, &[path, &(index + 1).to_string()]));
        };
        // Trailing space belongs to the value and stays.
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split('=').next().unwrap_or_default();
        let (what, text, why) = if key.is_empty() {
            ("no variable name on line", line, "")
        } else if key.contains(char::is_whitespace) {
            ("variable", key, " contains whitespaces")
        } else if line.contains('\0') {
            ("variable", key, " contains a NUL byte")
        } else {
            ("", "", "")
        };
        if !what.is_empty() {
            return Err(wrongs("invalid env file ({}): {} '{}'{}", &[path, what, text, why]));
        }
        if key.len() < line.len() {
            all.push(line.to_owned());
        } else if let Some(value) = lookup(key) {
            all.push([key, "=", &value].concat());
        }
    }
    Ok(all)
}

/// The variable of `-e`: `KEY=value` as it is, `KEY` with our own value, `None` when we have none.
pub fn env(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>> {
    let key = text.split('=').next().unwrap_or_default();
    if key.is_empty() || text.contains('\0') {
        return Err(wrong("invalid environment variable: {}", text));
    }
    Ok(if key.len() < text.len() {
        Some(text.to_owned())
    } else {
        lookup(key).map(|value| [key, "=", &value].concat())
    })
}

/// A label: key and value, the value empty where there is no `=`.
pub fn label(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() {
        return Err(wrong("invalid label '{}': empty name", text));
    }
    if key.contains(char::is_whitespace) {
        return Err(wrong("label '{}' contains whitespaces", key));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Whether there is the label of a filter: `key`, or `key=value`.
pub fn has_label(labels: &Map<String, String>, wanted: &str) -> bool {
    let (key, value) = wanted.split_once('=').map_or((wanted, None), |(key, value)| (key, Some(value)));
    labels.get(key).is_some_and(|found| value.is_none_or(|value| value == found))
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, the names of containers and volumes.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && (2..=NAME_BYTES_MAX).contains(&text.len())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// The name of a container, a leading `/` removed.
pub fn container_name(text: &str) -> Result<&str> {
    let name = text.strip_prefix('/').unwrap_or(text);
    if is_name(name) {
        return Ok(name);
    }
    Err(wrong("Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", text))
}

/// The name of a volume.
pub fn volume_name(text: &str) -> Result<&str> {
    if is_name(text) {
        return Ok(text);
    }
    if text.len() < 2 {
        let what = "create {}: volume name is too short, names should be at least two alphanumeric characters";
        return Err(wrong(what, text));
    }
    let what = "create {}: \"{}\" includes invalid characters for a local volume name, only \
                \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path";
    Err(wrongs(what, &[text, text]))
}

/// A place for a mount in the container: absolute, cleaned, and not all of it.
pub fn target(path: &str) -> Result<String> {
    match clean(path) {
        _ if has_control(path) => Err(wrong("invalid mount path: '{}' control characters are not allowed", path)),
        None => Err(wrong("invalid mount path: '{}' mount path must be absolute", path)),
        Some(root) if root == "/" => Err(bad("invalid specification: destination can't be '/'")),
        Some(target) => Ok(target),
    }
}

/// An octal number, such as a file mode, that is not above `max`.
pub fn octal(text: &str, max: u32) -> Option<u32> {
    let is_octal = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    u32::from_str_radix(text, 8).ok().filter(|number| is_octal && *number <= max)
}

/// An absolute path in the container (`./x` counts as `/x`), as Go's path.Clean writes it.
pub fn clean(path: &str) -> Option<String> {
    let path = if path == "." { "/" } else { path.strip_prefix('.').filter(|p| p.starts_with('/')).unwrap_or(path) };
    let mut kept: Vec<&str> = Vec::new();
    for part in path.strip_prefix('/')?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    Some("/".to_owned() + &kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    pub fn text<T: core::fmt::Debug>(result: Result<T>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => {
                assert_eq!(error.code, Some(125));
                error.to_string()
            }
        }
    }

    #[test]
    fn amounts() {
        for (typed, want) in [
            ("100m", "104857600"),
            ("1.5g", "1610612736"),
            ("64KiB", "65536"),
            ("64 kb", "65536"),
            ("7", "7"),
            ("7b", "7"),
            (".5k", "512"),
            ("", "invalid size: ''"),
            ("m", "invalid size: 'm'"),
            ("-1", "invalid size: '-1'"),
            ("1..5g", "invalid size: '1..5g'"),
            ("1x", "invalid suffix: 'x'"),
            ("99999999t", "invalid size: '99999999t'"),
        ] {
            assert_eq!(text(bytes(typed)), want, "{typed}");
        }
        assert_eq!(text(cpus("0.5")), "500000000");
        assert_eq!(text(cpus("2")), "2000000000");
        assert_eq!(text(cpus("0.0000000001")), "value is too precise");
        assert_eq!(text(cpus("x")), "failed to parse x as a rational number");
        assert_eq!(
            text(cpus_within(64_000_000_000, 2)),
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
        );
        assert!(cpus_within(0, 2).is_ok() && cpus_within(2_000_000_000, 2).is_ok());
    }

    #[test]
    fn lists() {
        assert_eq!(text(cpu_list("4,0-2,1", "0-7\n")), "[0, 1, 2, 4]");
        assert_eq!(text(cpu_list("9", "0-1\n")), "Requested CPUs are not available - requested 9, available: 0-1");
        for wrong in ["", "a", "2-1", "1-", "0-99999", "0-18446744073709551615", "+1", "1,,2"] {
            assert_eq!(text(cpu_list(wrong, "")), format!("Invalid value {wrong} for cpuset cpus"));
        }
        assert_eq!(text(mem_list("0", "")), "[0]");
    }

    #[test]
    fn times_and_signals() {
        for (typed, number, name) in [
            ("TERM", 15, "SIGTERM"),
            ("SIGKILL", 9, "SIGKILL"),
            ("hup", 1, "SIGHUP"),
            ("15", 15, "SIGTERM"),
            ("RTMIN+3", 37, "SIGRTMIN+3"),
            ("SIGRTMAX", 64, "SIGRTMIN+30"),
            ("rtmax-30", 34, "SIGRTMIN"),
        ] {
            assert_eq!(text(signal(typed)), number.to_string(), "{typed}");
            assert_eq!(signal_name(number), name);
        }
        for wrong in ["0", "65", "FOO", "", "SIG", "-9", "RTMIN+31", "RTMAX-31", "SIG9"] {
            assert_eq!(text(signal(wrong)), format!("invalid signal: {wrong}"));
        }
        assert_eq!(signal_name(32), "32");
    }

    #[test]
    fn environment() {
        let ours = |key: &str| (key == "D").then(|| "host".to_owned());
        let file = b"\xef\xbb\xbfA=1\n# c\n  B= two \nPATHX\nC=\"q\"\n\nD\nE=e\r\n";
        assert_eq!(env_file("f", file, &ours).unwrap(), ["A=1", "B= two ", "C=\"q\"", "D=host", "E=e"]);
        let refused = |file: &[u8]| text(env_file("/tmp/t/ef2", file, &ours));
        assert_eq!(refused(b"A B=1\n"), "invalid env file (/tmp/t/ef2): variable 'A B' contains whitespaces");
        assert_eq!(refused(b"\n=1"), "invalid env file (/tmp/t/ef2): no variable name on line '=1'");
        assert_eq!(refused(b"A=1\nB=\xff"), "invalid env file (/tmp/t/ef2): invalid utf8 bytes at line 2");
        assert!(refused(&vec![b'x'; LINE_BYTES_MAX]).ends_with("line 1 is longer than 64 KiB"));
        assert_eq!(env("D", &ours).unwrap().as_deref(), Some("D=host"));
        assert_eq!(env("X", &ours).unwrap(), None);
        assert_eq!(env("X=", &ours).unwrap().as_deref(), Some("X="));
        assert_eq!(text(env("=x", &ours)), "invalid environment variable: =x");
        assert_eq!(text(label("a=b=c")), "(\"a\", \"b=c\")");
        assert_eq!(text(label("=b")), "invalid label '=b': empty name");
    }

    #[test]
    fn names() {
        assert_eq!(container_name("/web-1.x_y").unwrap(), "web-1.x_y");
        for (wrong, shown) in [("x", "x"), ("bad name", "bad name"), ("a\nb", "a\\nb"), (".ab", ".ab"), ("", "")] {
            let want = format!("Invalid container name ({shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
            assert_eq!(text(container_name(wrong)), want);
        }
    }
}
