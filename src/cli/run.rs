//! `run`, `create`, `start`, `restart`.

use super::args::Parsed;
use super::decide::{self, Decision};
use super::finish::Ending;
use super::{OK, attach, debug, each, note, open_store, print, read, seal};
use alloc::borrow::ToOwned;
use alloc::format;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::{at, file};
use mydocker::life::attach as connect;
use mydocker::life::control::Purpose;
use mydocker::life::create::{self, Created};
use mydocker::life::relay::End;
use mydocker::life::start::{self, Attach, Started};
use mydocker::life::{remove, stop};
use mydocker::spec::{Network, State, Status};
use mydocker::store::containers::Container;
use mydocker::store::{Store, containers, events, names, trash};
use mydocker::walls::net::bridge::forwards;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD};

/// Names that are tried before one that was generated is given up.
const NAME_TRIES: u32 = 6;

/// `run [OPTIONS] IMAGE [COMMAND] [ARG...]`
pub fn run(parsed: &Parsed) -> Result<u8> {
    let attached = !parsed.on("detach");
    let detach_keys = attach::detach_keys(parsed)?;
    let streams = streams(parsed)?;
    if streams[0] && parsed.on("tty") && parsed.on("interactive") {
        attach::refuse_non_terminal()?;
    }
    seal().map_err(engine)?;
    let store = open_store().map_err(engine)?;
    store.timing.mark("open_store");
    let Created { container, change, made } = make(parsed, &store)?;
    store.timing.mark("create::create");
    let wanted = attach::wanted(&container.spec, streams);
    match begin(&store, container, change, &wanted, true) {
        Ok(Started { spec, pid, control, streams }) => {
            store.timing.mark("start::start");
            debug(|| format!("running as process {pid}"));
            if !spec.auto_remove {
                let confirm = if attached { create::confirm_later } else { containers::confirm };
                confirm(store.containers.as_fd(), &spec.id).map_err(engine)?;
                store.timing.mark("confirm");
            }
            if streams.stdout.is_none() && streams.stderr.is_none() {
                print(&format!("{}\n", spec.id)).map_err(engine)?;
                if streams.stdin.is_none() {
                    return Ok(OK);
                }
            }
            match attach::follow(&store, &spec, control, streams, detach_keys, attach::proxies(parsed), false) {
                Ok(End::Detached) => Ok(OK),
                end => end.and_then(|end| attach::code(&end)).map_err(engine),
            }
        }
        Err(error) => {
            made.undo(&store);
            if let Some(path) = parsed.last("cidfile") {
                let _ = at::remove(CWD, path, AtFlags::empty()); // it may be what could not be written
            }
            Err(engine(error))
        }
    }
}

/// `create [OPTIONS] IMAGE [COMMAND] [ARG...]`
pub fn create(parsed: &Parsed) -> Result<u8> {
    streams(parsed)?;
    let store = open_store().map_err(engine)?;
    let created = make(parsed, &store)?;
    created.container.write_state(&store, &State::created(), false)?;
    containers::confirm(store.containers.as_fd(), &created.container.spec.id)?;
    print(&format!("{}\n", created.container.spec.id))?;
    Ok(OK)
}

/// Our own failures in run and create are 125, unless they know better.
fn engine(error: Error) -> Error {
    let code = error.code.unwrap_or(EXIT_ENGINE);
    error.exit(code)
}

/// Which of standard input, output and error are connected: all, those of `-a`, or with `-d` none.
fn streams(parsed: &Parsed) -> Result<[bool; 3]> {
    let mut asked = [false; 3];
    parsed.each("attach", &mut |text| {
        asked[read::stream(text)?] = true;
        Ok(())
    })?;
    match (parsed.on("detach"), parsed.given("attach")) {
        (true, true) => Err(Error::new("Conflicting options: -a and -d").exit(EXIT_ENGINE)),
        (false, false) => Ok([true; 3]),
        _ => Ok(asked),
    }
}

/// Decides, and makes the container. A generated name that is taken is replaced by another one.
fn make(parsed: &Parsed, store: &Store) -> Result<Created> {
    // Who holds the name may have been killed, with its monitor, before it could go away: a service that is started anew by
    // an init, after a power cut, too.
    if let Some(id) = parsed.last("name").and_then(|name| names::holder(store, name))
        && let Ok(holder) = containers::find(store, &id)
    {
        let _ = remove::settle(store, &holder); // if it stays, its name is taken
    }
    let Decision { mut spec, notes, is_name_generated } = decide::decide(parsed, store).map_err(engine)?;
    store.timing.mark("decide::decide");
    for line in &notes {
        note(line);
    }
    debug(|| format!("store {}, monitor's directory {}/{}", store.root_path, store.run_path, spec.id));
    debug(|| format!("decided: {}", mydocker::spec::record::to_json(&*spec)));
    let mut tries_left = if is_name_generated { NAME_TRIES } else { 1 };
    let created = loop {
        tries_left -= 1;
        match create::create(store, &mut spec) {
            Err(_) if tries_left > 0 => {
                let fresh = super::words::name(&mydocker::kernel::hex::random(4));
                spec.name = if tries_left == 1 { spec.id[..12].to_owned() } else { fresh };
            }
            other => break other.map_err(engine)?,
        }
    };
    store.unlock_ids();
    store.unlock_images();
    if let Some(path) = parsed.last("cidfile")
        && let Err(error) = write_cidfile(path, &created.container.spec.id)
    {
        // The error of the file is the one to tell; what cannot be removed the next command removes.
        let _ = remove::dispose(store, &created.container.spec, true).and_then(|()| trash::sweep(store));
        created.made.undo(store);
        return Err(error);
    }
    Ok(created)
}

fn write_cidfile(path: &str, id: &str) -> Result<()> {
    let Err(error) = file::create_at(rustix::fs::CWD, path, id.as_bytes(), 0o666) else { return Ok(()) };
    let why = error.errno.map_or_else(|| error.what.clone(), mydocker::error::text);
    Err(Error::new(format_args!("cannot write the container ID file {path}: {why}")).exit(EXIT_ENGINE))
}

/// `start [-a] [-i] CONTAINER…`
pub fn start(parsed: &Parsed) -> Result<u8> {
    seal()?;
    let store = open_store()?;
    let (is_attached, interactive) = (parsed.on("attach"), parsed.on("interactive"));
    if !(is_attached || interactive) {
        return each(&parsed.words, &mut |word| start_for_good(&store, word).map(|_| word.to_owned()));
    }
    let [word] = &parsed.words[..] else {
        return Err(Error::new("you cannot start and attach multiple containers at once").exit(1));
    };
    let detach_keys = attach::detach_keys(parsed)?;
    let streams = [interactive, true, true];
    let (spec, control, streams, has_run) = match start_one(&store, word, streams)? {
        Some(started) => (started.spec, started.control, started.streams, false),
        None => {
            let container = containers::find(&store, word)?;
            let (control, streams) = connect::attach(&store, &container, &attach::wanted(&container.spec, streams))?;
            (container.spec, control, streams, true)
        }
    };
    let proxies = attach::proxies(parsed) && !spec.tty;
    attach::code(&attach::follow(&store, &spec, control, streams, detach_keys, proxies, has_run)?)
}

/// `restart [-s SIGNAL] [-t SECONDS] CONTAINER…`: one after the other, so that each is away only for a moment.
pub fn restart(parsed: &Parsed) -> Result<u8> {
    let ending = Ending::read(parsed)?;
    seal()?;
    let store = open_store()?;
    each(&parsed.words, &mut |word| {
        if let Some(socket) = ending.begin(&store, &containers::find(&store, word)?, Purpose::Again)? {
            stop::await_end(&socket)?;
        }
        if let Some(started) = start_for_good(&store, word)? {
            events::container(&store, "restart", &started.spec, &[]);
        }
        Ok(word.to_owned())
    })
}

/// Starts a container of which `boot` is to know that it was started, and not stopped since.
fn start_for_good(store: &Store, word: &str) -> Result<Option<Started>> {
    let started = start_one(store, word, [false; 3])?;
    if let Some(Started { spec, .. }) = &started
        && !spec.auto_remove
    {
        containers::sync_state(store, &spec.id)?;
    }
    Ok(started)
}

/// Starts a container; `None` when it runs already. `streams`: which of its standard streams are to be connected.
pub fn start_one(store: &Store, word: &str, streams: [bool; 3]) -> Result<Option<Started>> {
    let container = containers::find(store, word)?;
    if streams[0] && container.spec.stdin && container.spec.tty {
        attach::refuse_non_terminal()?;
    }
    let state = remove::settle(store, &container)?.ok_or_else(|| containers::missing(word))?;
    // Whether one that is just being started succeeds is known when its change is over.
    if state.status != Status::Created && stop::is_running(store, &container)? {
        if mydocker::walls::cgroup::is_frozen(mydocker::walls::cgroup::Place::of(&container.spec)) {
            return Err(Error::new(["container ", word, " is paused: try unpause instead"].concat()).exit(1));
        }
        return Ok(None);
    }
    let change = container.await_change(store)?;
    if stop::dial(store, &container)?.is_some() {
        return Ok(None);
    }
    // Somebody may have changed it between our look and the lock.
    let container = containers::open(store, &container.spec.id)?;
    // A start that was killed half-way may have left its cgroup.
    mydocker::walls::release(&container.spec)?;
    create::complete(store, &container)?;
    let wanted = attach::wanted(&container.spec, streams);
    begin(store, container, change, &wanted, false).map(Some)
}

/// Tells that the host passes packets on from now on: it does so also when no container is there any more.
pub fn note_forwarding(before: [bool; 2]) {
    let after = forwards();
    for (at, key) in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"].iter().enumerate() {
        if after[at] && !before[at] {
            note(&["switched ", key, " on: containers reach other hosts through this one"].concat());
        }
    }
}

/// Starts it.
fn begin(store: &Store, container: Container, change: OwnedFd, wanted: &Attach, fresh: bool) -> Result<Started> {
    let before = if container.spec.network == Network::Bridge { forwards() } else { [true; 2] };
    let started = start::start(store, container, change, wanted, fresh);
    note_forwarding(before);
    started
}
