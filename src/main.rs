//! The door of mydocker: finds the verb, runs it, and is the only place that prints an error.
#![no_std]
#![cfg_attr(not(test), no_main)]
#![forbid(unsafe_code)]

extern crate alloc;
/// Brings what lexopt needs, what a panic ends in, and the C library; the program starts without it (kernel/start.rs).
extern crate std;

mod cli;

use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use cli::args::{self, Outcome};
use cli::shape::is_in;
use cli::{OK, bundle, human, nearest, note, print, verbs};
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::{start, sys};
use mydocker::store;
use rustix::io::Errno;

/// The tests of this program have threads.
#[cfg(not(test))]
#[global_allocator]
static HEAP: mydocker::kernel::heap::Heap = mydocker::kernel::heap::Heap::new();

const SIGCHLD: i32 = 17;
/// The flag before the verb that has us tell how long everything took.
const TIMING: &str = "--debug-timing";
/// Exit code when the reader of our output has gone: what SIGPIPE would have made of us.
const EXIT_PIPE: u8 = 141;

#[cfg(not(test))]
mydocker::entry!(program);

/// From the arguments to the exit code.
#[cfg_attr(test, allow(dead_code))]
fn program(args: Vec<CString>) -> u8 {
    // Descriptors that we inherited are for nobody whom we execute. A path like /dev/fd/63 may still name one of them.
    sys::close_from(3, true);
    // An init may ignore the end of its children, and so would we: then nobody tells us their exit codes.
    sys::set_signal(SIGCHLD, false);
    // Whoever calls us may have another mask; ours decides about directories of the store and of images.
    rustix::process::umask(rustix::fs::Mode::from(0o022));
    let args = cli::set_args(args);
    match dispatch(args.get(1..).unwrap_or_default().to_vec()) {
        Ok(code) => code,
        Err(error) if error.is(Errno::PIPE) && error.what == "write our output" => EXIT_PIPE,
        Err(error) => {
            note(&error.to_string());
            error.code.unwrap_or(1)
        }
    }
}

fn dispatch(mut args: Vec<CString>) -> Result<u8> {
    // Before anything is thought about, which would be thought about twice. What fails here fails again where it is told.
    let is_timed = args.first().is_some_and(|arg| arg.to_bytes() == TIMING.as_bytes());
    if is_timed {
        cli::set_timing();
    }
    let verb = args.get(usize::from(is_timed)).and_then(|arg| arg.to_str().ok());
    if rustix::process::geteuid().is_root() && verb.is_some_and(|verb| is_in("run exec start", verb)) {
        let _ = cli::seal();
    }
    if let Some(mut entry) = bundle::entry()? {
        entry.append(&mut args);
        args = entry;
    }
    if cli::oci::is_called() {
        args.insert(0, c"oci".into());
    }
    let mut args = args.split_off(places(&args)?);
    if args.first().is_some_and(|arg| arg.as_c_str() == c"oci") {
        return cli::oci::door(args.split_off(1));
    }
    if args.first().is_some_and(|arg| [c"--version", c"-v"].contains(&arg.as_c_str())) {
        args[0] = c"version".into();
    }
    let words = words(args.get(..2).unwrap_or(&args));
    match words.first() {
        None | Some(&"--help" | &"-h") => return print(&verbs::overview()).map(|()| OK),
        Some(&"help") => return help(&args[1..]),
        Some(_) => {}
    }
    let Some((verb, count)) = verbs::find(&words) else { return group(&words) };
    match args::parse(verb, args::texts(args.split_off(count))?)? {
        Outcome::Run(parsed) => {
            let done = (verb.run)(&parsed);
            cli::tell_timing();
            done
        }
        Outcome::Help => print(&cli::help::help(verb)).map(|()| OK),
    }
}

fn words(args: &[CString]) -> Vec<&str> {
    let mut words = Vec::new();
    for arg in args {
        words.extend(arg.to_str());
    }
    words
}

fn bad(what: String) -> Error {
    Error::new(what).exit(EXIT_ENGINE)
}

/// Reads the flags before the verb, which say where things are kept, and counts their arguments.
fn places(args: &[CString]) -> Result<usize> {
    let (mut root, mut run) = own_places();
    let mut at = 0;
    while let Some(first) = args.get(at).and_then(|arg| arg.to_str().ok()) {
        let (name, value) = first.split_once('=').map_or((first, None), |(name, value)| (name, Some(value)));
        let target = match name {
            "--root" => Some(&mut root),
            "--run-root" => Some(&mut run),
            _ if first == "--debug" => None,
            TIMING if value.is_none() => {
                cli::set_timing();
                at += 1;
                continue;
            }
            _ if !first.starts_with("--") || matches!(name, "--help" | "--version") => break,
            _ => {
                let known = ["--root", "--run-root", "--debug", TIMING, "--help", "--version"];
                let near = nearest::did_you_mean(name, &known, ["", ""]);
                return Err(bad(format!("unknown flag: {}{near}", human::escaped(name))));
            }
        };
        at += 1;
        let Some(target) = target else {
            cli::set_debug();
            continue;
        };
        let value = match (value, args.get(at)) {
            (Some(value), _) => value,
            (None, None) => return Err(bad(format!("flag needs an argument: {name}"))),
            (None, Some(next)) => {
                at += 1;
                next.to_str().map_err(|_| bad(format!("{name}: not UTF-8")))?
            }
        };
        value.clone_into(target);
    }
    if root.is_empty() || run.is_empty() {
        return Err(bad("--root and --run-root need a directory".to_owned()));
    }
    cli::set_places(cli::absolute(&root), cli::absolute(&run));
    Ok(at)
}

/// Where things are kept when no flag says so: the variables of ours; else root's places, or those of the user who calls.
/// XDG base directories.
fn own_places() -> (String, String) {
    let variable = |name: &str| start::variable(name).filter(|value| !value.is_empty());
    let (root, run) = (variable("MYDOCKER_ROOT"), variable("MYDOCKER_RUN"));
    let is_root = rustix::process::geteuid().is_root();
    let directory = |name: &str| variable(name).filter(|path| !is_root && path.starts_with('/'));
    let data = directory("XDG_DATA_HOME").or_else(|| Some(directory("HOME")? + "/.local/share"));
    // Without a home there is nothing better than root's place, and an error that names it.
    let own_root = data.map_or(store::ROOT.to_owned(), |data| data + "/mydocker");
    let own_run = match directory("XDG_RUNTIME_DIR") {
        Some(run) => run + "/mydocker",
        None if is_root => store::RUN.to_owned(),
        None => format!("{own_root}/run"),
    };
    (root.unwrap_or(own_root), run.unwrap_or(own_run))
}

fn help(args: &[CString]) -> Result<u8> {
    let words = words(args);
    let text = match (words.first(), verbs::find(&words)) {
        (None, _) => verbs::overview(),
        (_, Some((verb, _))) => cli::help::help(verb),
        (_, None) => return group(&words),
    };
    print(&text).map(|()| OK)
}

/// `container`, `image` and the like: alone they list their verbs. What is no verb at all is an error.
fn group(words: &[&str]) -> Result<u8> {
    let is_group = words.first().is_some_and(|word| verbs::groups().contains(word));
    match words {
        [group] | [group, "--help" | "-h"] if is_group => print(&verbs::group_help(group)).map(|()| OK),
        ["image", verb, ..] if is_in(REGISTRY, verb) => Err(unknown(verb)),
        [group, verb, ..] if is_group => Err(no_command(&format!("mydocker {group}"), verb, &verbs::of_group(group))),
        [word, ..] => Err(unknown(word)),
        [] => Err(unknown("")),
    }
}

/// What docker does with a registry, and with a builder or a cluster.
const REGISTRY: &str = "pull push login logout search";
const ELSEWHERE: &str = "build buildx compose swarm service";

fn unknown(word: &str) -> Error {
    let why = if is_in(REGISTRY, word) {
        "it knows no registry; images travel as archives: \
         skopeo copy docker://NAME docker-archive:FILE.tar:NAME && mydocker load -i FILE.tar"
    } else if is_in(ELSEWHERE, word) {
        "there is no builder or cluster here; images come from archives: mydocker load -i FILE.tar"
    } else {
        let names: Vec<&str> = verbs::VERBS.iter().map(args::Verb::name).collect();
        return no_command("mydocker", word, &names);
    };
    bad(format!("mydocker {word} is not possible: {why}"))
}

/// `start` is what is a command or group, `known` are the words that could follow it.
fn no_command(start: &str, word: &str, known: &[&str]) -> Error {
    let near = nearest::did_you_mean(word, known, [&format!("'{start} "), "'"]);
    let help = if start == "mydocker" { " help" } else { "" };
    let word = human::escaped(word);
    Error::new(format_args!("unknown command: {start} {word}{near} ('{start}{help}' lists them)")).exit(1)
}
