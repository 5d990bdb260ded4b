//! `--ulimit`: resource limits of each process.

use super::{wrong, wrongs};
use alloc::borrow::ToOwned;
use alloc::string::ToString;
use mydocker::error::Result;
use mydocker::kernel::process;
use mydocker::spec::Ulimit;

/// Reads `nofile=1024[:2048]`; -1 is no limit, and the hard limit is the soft one when it is left out.
pub fn ulimit(text: &str) -> Result<Ulimit> {
    let (name, values) = text.split_once('=').ok_or_else(|| wrong("invalid ulimit argument: {}", text))?;
    if process::rlimit(name).is_none() {
        return Err(wrong("invalid ulimit type: {}", name));
    }
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    if hard.contains(':') {
        let what = "too many limit value arguments - {}, can only have up to two, `soft[:hard]`";
        return Err(wrong(what, values));
    }
    let (soft, hard) = (value(soft)?, value(hard)?);
    if hard != -1 && (soft == -1 || soft > hard) {
        let unlimited = if soft == -1 { " (unlimited)" } else { "" };
        let what = "ulimit soft limit must be less than or equal to hard limit: {}{} > {}";
        return Err(wrongs(what, &[&soft.to_string(), unlimited, &hard.to_string()]));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

fn value(text: &str) -> Result<i64> {
    let number = match text {
        "infinity" | "unlimited" => Some(-1),
        _ => text.parse().ok().filter(|number| *number >= -1 && !text.starts_with('+')),
    };
    number.ok_or_else(|| wrong("invalid ulimit value: {}", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn ulimits() {
        let read = |typed| match ulimit(typed) {
            Ok(limit) => format!("{} {} {}", limit.name, limit.soft, limit.hard),
            Err(error) => error.to_string(),
        };
        let order = "ulimit soft limit must be less than or equal to hard limit: ";
        for (typed, want) in [
            ("nofile=512", "nofile 512 512".to_owned()),
            ("nofile=512:1024", "nofile 512 1024".to_owned()),
            ("core=0", "core 0 0".to_owned()),
            ("memlock=-1", "memlock -1 -1".to_owned()),
            ("stack=8192:infinity", "stack 8192 -1".to_owned()),
            ("as=1:unlimited", "as 1 -1".to_owned()),
            ("nofile", "invalid ulimit argument: nofile".to_owned()),
            ("notarealtype=1:1", "invalid ulimit type: notarealtype".to_owned()),
            ("NOFILE=1", "invalid ulimit type: NOFILE".to_owned()),
            (
                "nofile=512:512:1",
                "too many limit value arguments - 512:512:1, can only have up to two, `soft[:hard]`".to_owned(),
            ),
            ("nofile=", "invalid ulimit value: ".to_owned()),
            ("nofile=:1", "invalid ulimit value: ".to_owned()),
            ("nofile=asdf", "invalid ulimit value: asdf".to_owned()),
            ("nofile=-2", "invalid ulimit value: -2".to_owned()),
            ("nofile=1k", "invalid ulimit value: 1k".to_owned()),
            ("nofile=9223372036854775808", "invalid ulimit value: 9223372036854775808".to_owned()),
            ("nofile=1024:1", format!("{order}1024 > 1")),
            ("nofile=-1:1", format!("{order}-1 (unlimited) > 1")),
        ] {
            assert_eq!(read(typed), want, "{typed}");
        }
    }
}
