//! `run`, `create`, `start`, `restart`.

use super::args::Parsed;
use super::decide::{self, Decision};
use super::finish::Ending;
use super::{OK, debug, each, note, open_store, print, seal};
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::life::create::{self, Created};
use mydocker::life::relay::{self, Peer, Streams};
use mydocker::life::start::{self, Attach, Started};
use mydocker::life::{remove, stop};
use mydocker::spec::{Spec, State};
use mydocker::store::{Store, containers, trash};

/// Names that are tried before one that was generated is given up.
const NAME_TRIES: u32 = 6;

/// `run [OPTIONS] IMAGE [COMMAND] [ARG...]`
pub fn run(parsed: &Parsed) -> Result<u8> {
    let attached = !parsed.on("detach");
    if attached && parsed.on("tty") && parsed.on("interactive") {
        refuse_non_terminal()?;
    }
    seal().map_err(engine)?;
    let store = open_store().map_err(engine)?;
    let Created { container, change, made } = make(parsed, &store, !attached && !parsed.on("rm"))?;
    let spec = container.spec.clone();
    let attach = attachment(&spec, attached, attached && spec.stdin);
    match start::start(&store, container, change, &attach, true) {
        Ok(started) if !attached => {
            debug(|| format!("running as process {}", started.pid));
            print(&format!("{}\n", spec.id)).map_err(engine)?;
            Ok(OK)
        }
        Ok(started) => follow(&spec, started).map_err(engine),
        Err(error) => {
            made.undo(&store);
            if let Some(path) = parsed.last("cidfile") {
                let _ = std::fs::remove_file(path); // it may be what could not be written
            }
            Err(engine(error))
        }
    }
}

/// `create [OPTIONS] IMAGE [COMMAND] [ARG...]`
pub fn create(parsed: &Parsed) -> Result<u8> {
    let store = open_store().map_err(engine)?;
    let created = make(parsed, &store, true)?;
    created.container.write_state(&store, &State::created(), true)?;
    print(&format!("{}\n", created.container.spec.id))?;
    Ok(OK)
}

/// Our own failures in run and create are 125, unless they know better.
fn engine(error: Error) -> Error {
    let code = error.code.unwrap_or(EXIT_ENGINE);
    error.exit(code)
}

fn refuse_non_terminal() -> Result<()> {
    if rustix::termios::isatty(mydocker::kernel::sys::stdin()) {
        Ok(())
    } else {
        Err(Error::new("the input device is not a TTY").exit(1))
    }
}

/// Decides, and makes the container. A generated name that is taken is replaced by another one.
fn make(parsed: &Parsed, store: &Store, sync: bool) -> Result<Created> {
    let Decision { mut spec, notes, is_name_generated } = decide::decide(parsed, store).map_err(engine)?;
    for line in &notes {
        note(line);
    }
    debug(|| format!("store {}, monitor's directory {}/{}", store.root_path, store.run_path, spec.id));
    debug(|| format!("decided: {}", miniserde::json::to_string(&spec)));
    let mut tries_left = if is_name_generated { NAME_TRIES } else { 1 };
    let created = loop {
        tries_left -= 1;
        match create::create(store, &spec, sync) {
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
        && let Err(error) = write_cidfile(path, &spec.id)
    {
        // The error of the file is the one to tell; what cannot be removed the next command removes.
        let _ = remove::dispose(store, &spec, true).and_then(|()| trash::sweep(store));
        created.made.undo(store);
        return Err(error);
    }
    Ok(created)
}

fn write_cidfile(path: &str, id: &str) -> Result<()> {
    use std::io::Write;
    let write = || std::fs::File::create_new(path)?.write_all(id.as_bytes());
    write().map_err(|e| Error::new(format!("cannot write the container ID file {path}: {e}")).exit(EXIT_ENGINE))
}

fn attachment(spec: &Spec, output: bool, input: bool) -> Attach {
    let none = rustix::termios::Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    Attach { output, input, size: if spec.tty { relay::terminal_size() } else { none } }
}

/// Stays with a container in the foreground until it ends.
fn follow(spec: &Spec, started: Started) -> Result<u8> {
    let Started { control, stdin, stdout, stderr, .. } = started;
    let raw = spec.tty && stdin.is_some();
    let code = relay::relay(&Peer::Monitor(control), Streams { stdin, stdout, stderr, raw })?;
    Ok(code as u8)
}

/// `start [-a] [-i] CONTAINER…`
pub fn start(parsed: &Parsed) -> Result<u8> {
    seal()?;
    let store = open_store()?;
    let (attach, interactive) = (parsed.on("attach"), parsed.on("interactive"));
    if (attach || interactive) && parsed.words.len() > 1 {
        return Err(Error::new("you cannot start and attach multiple containers at once").exit(1));
    }
    if !(attach || interactive) {
        return each(&parsed.words, |word| start_one(&store, word, false, false).map(|_| word.to_owned()));
    }
    match start_one(&store, &parsed.words[0], true, interactive)? {
        Some((spec, started)) => follow(&spec, started),
        None => Err(Error::new(format!("container {} is already running", parsed.words[0])).exit(1)),
    }
}

/// `restart [-s SIGNAL] [-t SECONDS] CONTAINER…`: one after the other, so that each is away only for a moment.
pub fn restart(parsed: &Parsed) -> Result<u8> {
    let ending = Ending::read(parsed)?;
    seal()?;
    let store = open_store()?;
    each(&parsed.words, |word| {
        if let Some(socket) = ending.begin(&store, &containers::find(&store, word)?, true)? {
            stop::await_end(&socket)?;
        }
        start_one(&store, word, false, false).map(|_| word.to_owned())
    })
}

/// Starts a container; `None` when it runs already.
fn start_one(store: &Store, word: &str, output: bool, interactive: bool) -> Result<Option<(Spec, Started)>> {
    let container = containers::find(store, word)?;
    remove::settle(store, &container)?.ok_or_else(|| containers::missing(word))?;
    if stop::is_running(store, &container)? {
        if mydocker::walls::cgroup::is_frozen(mydocker::walls::cgroup::Place::of(&container.spec)) {
            return Err(Error::new(format!("container {word} is paused: try unpause instead")).exit(1));
        }
        return Ok(None);
    }
    let change = container.lock_change(store)?;
    if container.is_alive()? {
        return Ok(None);
    }
    // A start that was killed half-way may have left its cgroup.
    mydocker::walls::release(&container.spec)?;
    let spec = container.spec.clone();
    let input = interactive && spec.stdin;
    if input && spec.tty {
        refuse_non_terminal()?;
    }
    let attach = attachment(&spec, output, input);
    start::start(store, container, change, &attach, false).map(|started| Some((spec, started)))
}
