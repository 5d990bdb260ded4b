//! `--log-driver` and `--log-opt`: whether the output is kept, and how much of it.

use super::bad;
use crate::cli::args::Parsed;
use crate::cli::human::visible;
use crate::cli::read;
use mydocker::error::{Error, Result};
use mydocker::spec::Log;

/// Size of a file, and number of files, when nobody says otherwise: an endless log would fill a small disk.
const LOG_BYTES: u64 = 10 << 20;
const LOG_FILES: u32 = 3;
/// Options of docker's drivers that would change nothing here: what it adds for readers of its own files, how it packs
/// and buffers them.
const HARMLESS: [&str; 9] =
    ["compress", "env", "env-regex", "labels", "labels-regex", "max-buffer-size", "mode", "tag", "cache-disabled"];

/// What is kept of the output.
pub fn log(parsed: &Parsed) -> Result<Log> {
    let driver = parsed.last("log-driver").unwrap_or("json-file");
    let mut log =
        Log { is_kept: driver != "none", driver: driver.to_owned(), max_bytes: LOG_BYTES, max_files: LOG_FILES };
    let options = parsed.all("log-opt");
    match driver {
        "json-file" | "local" => {}
        "none" if options.is_empty() => {}
        "none" => return Err(bad("invalid logging opts for driver none: it keeps nothing")),
        other => {
            let what = format!("logger: no log driver named '{}' is registered", visible(other));
            return Err(bad(format!("{what}: there are json-file, local (the same) and none")));
        }
    }
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let invalid = |why: &str| bad(format!("invalid log opt '{}': {why}", visible(option)));
        match key {
            "max-size" => log.max_bytes = max_bytes(value).map_err(|why| invalid(&why.to_string()))?,
            "max-file" => {
                let files = value.parse().ok().filter(|files| *files > 0);
                log.max_files = files.ok_or_else(|| invalid("max-file is a number of files, 1 or more"))?;
            }
            _ if HARMLESS.contains(&key) => {}
            _ => {
                let what = format!("unknown log opt '{}' for {driver} log driver", visible(key));
                return Err(bad(format!("{what}: those that do something are max-size and max-file")));
            }
        }
    }
    Ok(log)
}

/// 0 and -1 lift the limit.
fn max_bytes(value: &str) -> Result<u64> {
    match value {
        "-1" => Ok(0),
        "" => Err(Error::new("max-size is a size, for example 10m")),
        value => read::bytes(value),
    }
}
