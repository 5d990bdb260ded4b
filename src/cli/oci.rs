//! The door for engines: the command line of an OCI runtime, as runc has it. `mydocker oci …`, or called by a name that ends
//! in `runc` or `oci`.

mod ask;
mod tell;

pub use ask::{create, exec, kill, run, update};
pub use tell::{events, features, list, ps, spec, state};

use super::args::{self, Outcome, Parsed};
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
#[derive(Default)]
struct Globals {
    root: String,
    log: String,
    is_json: bool,
}

static GLOBALS: Once<Globals> = Once::new();

/// Whether the program was called by the name of a runtime.
pub fn is_called() -> bool {
    let name = super::ARGS.get().and_then(|args| args.first()?.to_str().ok()).unwrap_or_default();
    name.ends_with("runc") || name.ends_with("oci")
}

/// Does what an engine wants. What fails is written to its log, too.
pub fn door(mut args: Vec<CString>) -> Result<u8> {
    let mut globals = Globals::default();
    let done = read_globals(&args, &mut globals).and_then(|from| {
        GLOBALS.set(core::mem::take(&mut globals));
        dispatch(args.split_off(from))
    });
    if let Err(error) = &done {
        log(GLOBALS.get().unwrap_or(&globals), &error.to_string());
    }
    done.map_err(|error| error.exit(1))
}

/// Reads the flags before the verb; returns where that is.
fn read_globals(args: &[CString], globals: &mut Globals) -> Result<usize> {
    let (mut at, mut refused) = (0, None);
    while let Some(typed) = args.get(at).and_then(|arg| arg.to_str().ok()).filter(|typed| typed.starts_with('-')) {
        at += 1;
        let (name, value) = typed.split_once('=').map_or((typed, None), |(name, value)| (name, Some(value)));
        let target = match name.trim_start_matches('-') {
            "debug" => continue,
            "help" | "h" | "version" | "v" => return Ok(at - 1),
            "systemd-cgroup" if value == Some("false") => continue,
            // What comes after it may say where the log is.
            "systemd-cgroup" => {
                refused = Some(bad("--systemd-cgroup is not possible: use the cgroup driver cgroupfs of the engine"));
                continue;
            }
            "root" => Some(&mut globals.root),
            "log" => Some(&mut globals.log),
            "log-format" | "rootless" | "criu" => None,
            _ => return Err(bad(format!("unknown flag: {typed}"))),
        };
        let value = match value {
            Some(value) => value,
            None => {
                at += 1;
                let next = args.get(at - 1).and_then(|arg| arg.to_str().ok());
                next.ok_or_else(|| bad(format!("flag needs an argument: {name}")))?
            }
        };
        match target {
            Some(target) => *target = super::absolute(value),
            None => globals.is_json |= name.ends_with("log-format") && value == "json",
        }
    }
    if globals.root.is_empty() {
        let own = start::variable("XDG_RUNTIME_DIR").filter(|_| !rustix::process::geteuid().is_root());
        globals.root = own.map_or(runtime::ROOT.to_owned(), |dir| dir + "/mydocker-oci");
    }
    refused.map_or(Ok(at), Err)
}

fn dispatch(mut args: Vec<CString>) -> Result<u8> {
    let word = args.first().and_then(|arg| arg.to_str().ok()).unwrap_or("--help");
    match word {
        "--version" | "-v" => {
            let version = env!("CARGO_PKG_VERSION");
            return print(&format!("mydocker version {version}\nspec: {}\n", mydocker::spec::oci::VERSION))
                .map(|()| OK);
        }
        "--help" | "-h" | "help" => return print(&verbs::group_help("oci")).map(|()| OK),
        _ => {}
    }
    let Some((verb, 2)) = verbs::find(&["oci", word]) else {
        return Err(bad(format!("unknown command: oci {word} (oci --help lists them)")));
    };
    match args::parse(verb, args.split_off(1))? {
        Outcome::Run(mut parsed) => {
            // Flags may come after the id, too; behind the next word they are somebody else's. Those there are ps's own.
            if verb.stops && verb.names != "oci ps" && parsed.words.get(1).is_some_and(|word| word.starts_with('-')) {
                let more = parsed.words.split_off(1);
                let more = more.into_iter().map(|word| CString::new(word).unwrap_or_default()).collect(); // they were such
                match args::parse(verb, more)? {
                    Outcome::Run(more) => {
                        parsed.flags.extend(more.flags);
                        parsed.words.extend(more.words);
                    }
                    Outcome::Help => return print(&super::help::help(verb)).map(|()| OK),
                }
            }
            (verb.run)(&parsed)
        }
        Outcome::Help => print(&super::help::help(verb)).map(|()| OK),
    }
}

/// Appends an error to the engine's log. Where that cannot be written the standard error has it.
fn log(globals: &Globals, what: &str) {
    if globals.log.is_empty() {
        return;
    }
    let now = time::rfc3339(time::now());
    let line = if globals.is_json {
        format!("{{{}}}\n", record::texts(&[("level", "error"), ("msg", what), ("time", &now)]))
    } else {
        format!("time=\"{now}\" level=error msg={}\n", miniserde::json::to_string(what))
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
fn read(record: &mut dyn record::Record, path: &str) -> Result<()> {
    record::from_document(record, &document(path)?).map_err(|error| error.reword(&|what| format!("{path}, {what}")))
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
