//! `boot`, `shutdown`: what the host's init calls.

use super::args::Parsed;
use super::read::{self, bad};
use super::{OK, note, open_store, print, run, seal, table};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use mydocker::error::{Error, Result};
use mydocker::kernel::file;
use mydocker::life::boot::{self, Manner, Outcome};
use mydocker::life::shutdown as down;

/// Seconds that health is waited for.
const SECONDS: i64 = 60;
/// Containers that are started at the same time: for each processor, and at least.
const PARALLEL_PER_CPU: usize = 2;
const PARALLEL_MIN: usize = 4;
/// What the table says, in the order of [`Outcome`].
const WORDS: [&str; 7] = ["not started", "was running", "running", "healthy", "unhealthy", "starting", "failed"];
/// Narrowest column.
const CELL_CHARS_MIN: usize = 10;

/// A number from `min` on.
fn at_least(text: &str, min: i64) -> Result<i64> {
    let number = read::whole(text)?;
    if number >= min { Ok(number) } else { Err(bad("it is too small")) }
}

fn limit_ms(parsed: &Parsed) -> Result<Option<i64>> {
    Ok(parsed.read("time", |text| at_least(text, 0))?.map(|seconds| seconds.saturating_mul(1000)))
}

/// `boot [--parallel N] [-t SECONDS]`
pub fn boot(parsed: &Parsed) -> Result<u8> {
    let limit_ms = limit_ms(parsed)?.unwrap_or(SECONDS * 1000);
    let parallel = match parsed.read("parallel", |text| at_least(text, 1))? {
        Some(number) => number as usize,
        None => {
            let online = file::read_text("/sys/devices/system/cpu/online").unwrap_or_default();
            let cpus = read::cpu_list(online.trim(), "").map_or(1, |list| list.len());
            (cpus * PARALLEL_PER_CPU).max(PARALLEL_MIN)
        }
    };
    seal()?;
    let store = open_store()?;
    let mut code = OK;
    let start = |id: &str| match run::start_one(&store, id, [false; 3]) {
        Ok(_) => 0,
        Err(error) => {
            let name = mydocker::store::containers::open(&store, id).map_or(id.to_owned(), |it| it.spec.name.clone());
            note(&[&name, ": ", &error.to_string()].concat());
            1
        }
    };
    let mut tell = |line: &str, is_error: bool| {
        note(line);
        code |= u8::from(is_error);
    };
    let entries = boot::boot(&store, &mut Manner { parallel, limit_ms, start: &start, tell: &mut tell })?;
    let (mut lines, mut bad) = ("NAME\tSTATUS\tTOOK\n".to_owned(), String::new());
    for entry in &entries {
        let name = &entry.container.spec.name;
        let word = WORDS[entry.outcome as usize];
        if !matches!(entry.outcome, Outcome::WasRunning | Outcome::Running | Outcome::Healthy) {
            bad.extend([if bad.is_empty() { "" } else { ", " }, name, " (", word, ")"]);
        }
        let tenths = entry.took_ms / 100;
        lines.extend([name, "\t", word, "\t", &(tenths / 10).to_string(), ".", &(tenths % 10).to_string(), "s\n"]);
    }
    print(&table::aligned(&lines, CELL_CHARS_MIN))?;
    if bad.is_empty() { Ok(code) } else { Err(Error::new(["not well: ", &bad].concat()).exit(1)) }
}

/// `shutdown [-t SECONDS]`
pub fn shutdown(parsed: &Parsed) -> Result<u8> {
    let limit_ms = limit_ms(parsed)?;
    let store = open_store()?;
    let mut code = OK;
    down::shutdown(&store, limit_ms, &mut |how| match how {
        Ok(name) => drop(print(&[name, "\n"].concat())), // nobody may be reading: all are ended nevertheless
        Err(error) => super::complain(&error, &mut code),
    })?;
    Ok(code)
}
