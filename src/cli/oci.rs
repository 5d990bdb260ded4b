//! The door for engines: the command line of an OCI runtime, as runc has it. `mydocker oci …`, or called by a name that ends
//! in `runc` or `oci`.

mod ask;
mod tell;

pub use ask::{create, exec, kill, run, update};
pub use tell::{events, features, list, ps, spec, state};

use super::args::{self, MANY, Outcome, Parsed, Verb};
use super::read::bad;
use super::{OK, print, verbs};
use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mydocker::error::{Error, Result, Tried};
use mydocker::kernel::once::Once;
use mydocker::kernel::{at, file, io, start, time};
use mydocker::life::runtime::{self, Known};
use mydocker::spec::record;
use rustix::fd::AsFd;
use rustix::fs::{CWD, OFlags};

/// What stands before the verb.
struct Globals {
    root: String,
    log: String,
    is_json: bool,
}

/// The flags of that: all that comes before the first word.
static BEFORE: Verb = Verb { names: "oci", words: (0, MANY), stops: true, run: |_| help() };
static GLOBALS: Once<Globals> = Once::new();

/// Whether the program was called by the name of a runtime.
pub fn is_called() -> bool {
    let name = super::ARGS.get().and_then(|args| args.first()?.to_str().ok()).unwrap_or_default();
    name.ends_with("runc") || name.ends_with("oci")
}

/// Does what an engine wants. What fails is written to its log, too.
pub fn door(args: Vec<CString>) -> Result<u8> {
    let before = match args::texts(args).and_then(|args| args::parse(&BEFORE, args)).map_err(|error| error.exit(1))? {
        Outcome::Run(before) => before,
        Outcome::Help => return help(),
    };
    let path = |flag| before.last(flag).map(super::absolute);
    let root = path("root").unwrap_or_else(|| {
        let own = start::variable("XDG_RUNTIME_DIR").filter(|_| !rustix::process::geteuid().is_root());
        own.map_or(runtime::ROOT.to_owned(), |dir| dir + "/mydocker-oci")
    });
    let is_json = before.last("log-format") == Some("json");
    GLOBALS.set(Globals { root, log: path("log").unwrap_or_default(), is_json });
    dispatch(before).map_err(|error| {
        log(&error.to_string());
        error.exit(1)
    })
}

fn help() -> Result<u8> {
    print(&verbs::group_help("oci")).map(|()| OK)
}

/// Reads what was typed after a verb. `None` when its help is what was wanted.
fn parse(verb: &'static Verb, words: Vec<String>) -> Result<Option<Parsed>> {
    match args::parse(verb, words)? {
        Outcome::Run(parsed) => Ok(Some(parsed)),
        Outcome::Help => print(&super::help::help(verb)).map(|()| None),
    }
}

fn dispatch(mut before: Parsed) -> Result<u8> {
    if before.on("systemd-cgroup") {
        return Err(bad("--systemd-cgroup is not possible: use the cgroup driver cgroupfs of the engine"));
    }
    if before.on("version") {
        let version = env!("CARGO_PKG_VERSION");
        return print(&format!("mydocker version {version}\nspec: {}\n", mydocker::spec::oci::VERSION)).map(|()| OK);
    }
    let word = before.word(0);
    if matches!(word, "" | "help") {
        return help();
    }
    let Some((verb, 2)) = verbs::find(&["oci", word]) else {
        return Err(bad(format!("unknown command: oci {word} (oci --help lists them)")));
    };
    let Some(mut parsed) = parse(verb, before.words.split_off(1))? else { return Ok(OK) };
    // Flags may come after the id, too; behind the next word they are somebody else's. Those there are ps's own.
    if verb.stops && verb.names != "oci ps" && parsed.words.get(1).is_some_and(|word| word.starts_with('-')) {
        let Some(mut more) = parse(verb, parsed.words.split_off(1))? else { return Ok(OK) };
        parsed.flags.append(&mut more.flags);
        parsed.words.append(&mut more.words);
    }
    (verb.run)(&parsed)
}

/// Appends an error to the engine's log. Where that cannot be written the standard error has it.
fn log(what: &str) {
    let Some(globals) = GLOBALS.get().filter(|globals| !globals.log.is_empty()) else { return };
    let now = time::rfc3339(time::now());
    let line = if globals.is_json {
        format!("{{{}}}\n", record::texts(&[("level", "error"), ("msg", what), ("time", &now)]))
    } else {
        format!("time=\"{now}\" level=error msg={}\n", mydocker::spec::json::to_string(what))
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
    let append = || -> Result<()> {
        let log = at::make(CWD, &globals.log, flags, 0o644).tried_to("open", &globals.log)?;
        io::write_all(log.as_fd(), line.as_bytes()).tried_to("write", &globals.log)
    };
    if let Err(error) = append() {
        super::note(&error.to_string());
    }
}

/// Where containers are noted.
fn root() -> &'static str {
    GLOBALS.get().map_or(runtime::ROOT, |globals| &globals.root)
}

fn known(parsed: &Parsed) -> Result<Known> {
    match parsed.word(0) {
        "" => Err(bad("the id of the container is missing")),
        id => runtime::find(root(), id),
    }
}

/// Reads a document: `-` is the standard input.
fn document(path: &str) -> Result<String> {
    const BYTES_MAX: usize = 16 << 20;
    let file = match path {
        "-" => None,
        path => Some(at::open(CWD, path, OFlags::RDONLY).tried_to("open", path)?),
    };
    let fd = file.as_ref().map_or(mydocker::kernel::sys::stdin(), AsFd::as_fd);
    let bytes = io::read_to_end(fd, BYTES_MAX).map_err(|error| error.said(format!("read {path}")))?;
    String::from_utf8(bytes).map_err(|_| Error::new(format_args!("{path} is not UTF-8")))
}

/// A document as a record.
fn read(record: &mut dyn record::Part, path: &str) -> Result<()> {
    record::from_document(record, &document(path)?).map_err(|error| error.behind(&[path, ", "]))
}

/// `delete [-f] ID`
pub fn delete(parsed: &Parsed) -> Result<u8> {
    let force = parsed.on("force");
    let known = match known(parsed) {
        // There is none, or its making was interrupted.
        Err(_) if force && !file::exists_at(CWD, &format!("{}/{}/state.json", root(), parsed.word(0))) => {
            return runtime::forget(root(), parsed.word(0)).map(|()| OK);
        }
        known => known?,
    };
    runtime::delete(root(), &known, force).map(|()| OK)
}

/// `start ID`
pub fn start(parsed: &Parsed) -> Result<u8> {
    runtime::start(&known(parsed)?).map(|()| OK)
}

/// `pause ID`
pub fn pause(parsed: &Parsed) -> Result<u8> {
    runtime::pause(&known(parsed)?, true).map(|()| OK)
}

/// `resume ID`
pub fn resume(parsed: &Parsed) -> Result<u8> {
    runtime::pause(&known(parsed)?, false).map(|()| OK)
}
