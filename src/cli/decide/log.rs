//! `--log-driver` and `--log-opt`: whether the output is kept, and how much of it.

use super::{Job, bad, wrong, wrongs};
use crate::cli::read;
use alloc::borrow::ToOwned;
use mydocker::error::{Error, Result};

/// Size of a file, and number of files, when nobody says otherwise: an endless log would fill a small disk.
const LOG_BYTES: u64 = 10 << 20;
const LOG_FILES: u32 = 3;
/// Options of docker's drivers that would change nothing here: what it adds for readers of its own files, how it packs
/// and buffers them.
const HARMLESS: &str = "compress env env-regex labels labels-regex max-buffer-size mode tag cache-disabled";

/// What is kept of the output.
pub fn log(job: &mut Job<'_>) -> Result<()> {
    let (driver, log) = (job.parsed.last("log-driver").unwrap_or("json-file"), &mut job.made.spec.log);
    log.is_kept = driver != "none";
    driver.clone_into(&mut log.driver);
    (log.max_bytes, log.max_files) = (LOG_BYTES, LOG_FILES);
    let options = job.parsed.all("log-opt");
    if !matches!(driver, "json-file" | "local" | "none") {
        let what = "logger: no log driver named '{}' is registered: there are json-file, local (the same) and none";
        return Err(wrong(what, driver));
    }
    if !log.is_kept && !options.is_empty() {
        return Err(bad("invalid logging opts for driver none: it keeps nothing"));
    }
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let invalid = |why: &str| wrongs("invalid log opt '{}': {}", &[option, why]);
        match key {
            "max-size" => log.max_bytes = max_bytes(value).map_err(|why| invalid(&why.what))?,
            "max-file" => match value.parse() {
                Ok(files @ 1..) => log.max_files = files,
                _ => return Err(invalid("max-file is a number of files, 1 or more")),
            },
            _ if read::nth(HARMLESS, key).is_some() => {}
            _ => {
                let what = "unknown log opt '{}' for {} log driver: those that do something are max-size and max-file";
                return Err(wrongs(what, &[key, driver]));
            }
        }
    }
    Ok(())
}

/// 0 and -1 lift the limit.
fn max_bytes(value: &str) -> Result<u64> {
    match value {
        "-1" => Ok(0),
        "" => Err(Error::new("max-size is a size, for example 10m")),
        value => read::bytes(value),
    }
}
