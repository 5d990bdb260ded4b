//! `stop`, `kill`, `pause`, `unpause`, `wait`, `rm`.

use super::args::Parsed;
use super::{each, open_store, read};
use mydocker::error::{Error, Result};
use mydocker::life::{remove, stop};
use mydocker::store::{Store, containers};

/// Seconds between the stop signal and SIGKILL, docker's.
const STOP_SECONDS: i64 = 10;
const SIGKILL: i32 = 9;

/// `stop [-t SECONDS] CONTAINER…`
pub fn stop(parsed: &Parsed) -> Result<u8> {
    let seconds =
        parsed.read("timeout", |text| text.parse::<i64>().map_err(|_| Error::new("it is not a whole number")))?;
    let limit_ms = seconds.unwrap_or(STOP_SECONDS).saturating_mul(1000);
    let store = open_store()?;
    // All are told before any is waited for.
    let begin = |word: &String| {
        let container = containers::find(&store, word)?;
        // Without time to react there is no point in asking.
        let signal = if limit_ms == 0 { SIGKILL } else { container.spec.stop_signal };
        stop::stop(&store, &container, signal, limit_ms)
    };
    let mut begun = parsed.words.iter().map(begin).collect::<Vec<_>>().into_iter();
    each(&parsed.words, |word| {
        if let Some(socket) = begun.next().transpose()?.flatten() {
            stop::await_end(&socket)?;
        }
        Ok(word.to_owned())
    })
}

/// `kill [-s SIGNAL] CONTAINER…`
pub fn kill(parsed: &Parsed) -> Result<u8> {
    let signal = parsed.read("signal", read::signal)?.unwrap_or(SIGKILL);
    let store = open_store()?;
    each(&parsed.words, |word| {
        let container = containers::find(&store, word)?;
        stop::kill(&store, &container, word, signal)?;
        Ok(word.to_owned())
    })
}

/// `pause CONTAINER…`
pub fn pause(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    each(&parsed.words, |word| stop::pause(&store, &containers::find(&store, word)?).map(|()| word.to_owned()))
}

/// `unpause CONTAINER…`
pub fn unpause(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    each(&parsed.words, |word| stop::unpause(&store, &containers::find(&store, word)?).map(|()| word.to_owned()))
}

/// `wait CONTAINER…`
pub fn wait(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    each(&parsed.words, |word| Ok(stop::wait(&store, &containers::find(&store, word)?)?.to_string()))
}

/// `rm [-f] [-v] CONTAINER…`
pub fn rm(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let (force, with_volumes) = (parsed.on("force"), parsed.on("volumes"));
    each(&parsed.words, |word| {
        if force && is_missing(&store, word) {
            return Ok(String::new());
        }
        remove::remove(&store, word, force, with_volumes)?;
        Ok(word.to_owned())
    })
}

/// Whether nothing is known under this name or id; a damaged container is not missing.
fn is_missing(store: &Store, word: &str) -> bool {
    containers::find(store, word).is_err_and(|error| containers::is_missing(&error))
}
