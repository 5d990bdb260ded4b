//! `stop`, `kill`, `pause`, `unpause`, `wait`, `rename`, `rm`.

use super::args::Parsed;
use super::{OK, each, open_store, read};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::life::control::Purpose;
use mydocker::life::stop::STOP_SECONDS;
use mydocker::life::{remove, rename, stop};
use mydocker::store::containers::Container;
use mydocker::store::{Store, containers};
use rustix::fd::OwnedFd;

const SIGKILL: i32 = 9;

/// How `stop` and `restart` end a container.
pub struct Ending {
    signal: Option<i32>,
    seconds: Option<i64>,
}

impl Ending {
    /// `-s` and `-t`.
    pub fn read(parsed: &Parsed) -> Result<Self> {
        let signal = parsed.last("signal").map(read::signal).transpose()?;
        Ok(Self { signal, seconds: parsed.read("timeout", read::whole)? })
    }

    /// Begins to end a container. What comes back is waited on with [`stop::await_end`].
    pub fn begin(&self, store: &Store, container: &Container, purpose: Purpose) -> Result<Option<OwnedFd>> {
        let spec = &container.spec;
        let seconds = self.seconds.or(spec.stop_timeout).unwrap_or(STOP_SECONDS);
        // Without time to react there is no point in asking.
        let signal = if seconds == 0 { SIGKILL } else { self.signal.unwrap_or(spec.stop_signal) };
        stop::stop(store, container, signal, seconds.saturating_mul(1000), purpose)
    }
}

/// `stop [-s SIGNAL] [-t SECONDS] CONTAINER…`
pub fn stop(parsed: &Parsed) -> Result<u8> {
    let ending = Ending::read(parsed)?;
    let store = open_store()?;
    // All are told before any is waited for.
    let mut begun = Vec::new();
    for word in &parsed.words {
        let begin = |container: Container| Ok((ending.begin(&store, &container, Purpose::End)?, container.spec.id));
        begun.push(containers::find(&store, word).and_then(begin));
    }
    let mut begun = begun.into_iter();
    each(&parsed.words, &mut |word| {
        if let Some((socket, id)) = begun.next().transpose()? {
            stop::finish(&store, &id, socket)?;
        }
        Ok(word.to_owned())
    })
}

/// Does the same to each container.
fn each_container(parsed: &Parsed, act: &dyn Fn(&Store, &Container, &str) -> Result<()>) -> Result<u8> {
    let store = open_store()?;
    each(&parsed.words, &mut |word| act(&store, &containers::find(&store, word)?, word).map(|()| word.to_owned()))
}

/// `kill [-s SIGNAL] CONTAINER…`
pub fn kill(parsed: &Parsed) -> Result<u8> {
    let signal = parsed.read("signal", read::signal)?.unwrap_or(SIGKILL);
    each_container(parsed, &|store, container, word| stop::kill(store, container, word, signal))
}

/// `pause CONTAINER…`
pub fn pause(parsed: &Parsed) -> Result<u8> {
    each_container(parsed, &|store, container, _| stop::pause(store, container))
}

/// `unpause CONTAINER…`
pub fn unpause(parsed: &Parsed) -> Result<u8> {
    each_container(parsed, &|store, container, _| stop::unpause(store, container))
}

/// `wait CONTAINER…`
pub fn wait(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    each(&parsed.words, &mut |word| Ok(stop::wait(&store, &containers::find(&store, word)?, word)?.to_string()))
}

/// `rename CONTAINER NAME`
pub fn rename(parsed: &Parsed) -> Result<u8> {
    let [old, new] = parsed.words.as_slice() else { return Ok(OK) }; // the table wants two
    let name = read::container_name(new)
        .map_err(|error| error.reword(&|why| ["Error when allocating new name: ", why].concat()).exit(1))?;
    let store = open_store()?;
    rename::rename(&store, &containers::find(&store, old)?, name)?;
    Ok(OK)
}

/// `rm [-f] [-v] CONTAINER…`
pub fn rm(parsed: &Parsed) -> Result<u8> {
    let store = open_store()?;
    let (force, with_volumes) = (parsed.on("force"), parsed.on("volumes"));
    let done = each(&parsed.words, &mut |word| match remove::remove(&store, word, force, with_volumes) {
        Err(error) if force && containers::is_missing(&error) => Ok(String::new()), // perhaps it went by itself
        removed => removed.map(|()| word.to_owned()),
    });
    remove::sweep_later(&store);
    done
}
