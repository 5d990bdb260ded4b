//! The door of mydocker: finds the verb, runs it, and is the only place that prints an error.
#![forbid(unsafe_code)]

mod cli;

use cli::args::{self, Outcome};
use cli::{OK, bundle, note, print, verbs};
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::{file, sys};
use mydocker::store;
use rustix::io::Errno;
use std::ffi::OsString;
use std::process::ExitCode;

/// Exit code when the reader of our output has gone: what SIGPIPE would have made of us.
const EXIT_PIPE: u8 = 141;

fn main() -> ExitCode {
    // Descriptors that we inherited are for nobody whom we execute. A path like /dev/fd/63 may still name one of them.
    sys::close_from(3, true);
    // Whoever calls us may have another mask; ours decides about directories of the store and of images.
    rustix::process::umask(rustix::fs::Mode::from(0o022));
    match dispatch(std::env::args_os().skip(1).collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.is(Errno::PIPE) && error.what == "write our output" => ExitCode::from(EXIT_PIPE),
        Err(error) => {
            note(&error.to_string());
            ExitCode::from(error.code.unwrap_or(1))
        }
    }
}

fn dispatch(mut args: Vec<OsString>) -> Result<u8> {
    if let Some(entry) = bundle::entry()? {
        args.splice(0..0, entry);
    }
    places(&mut args)?;
    let words: Vec<&str> = args.iter().take(2).filter_map(|arg| arg.to_str()).collect();
    match words.first() {
        None | Some(&"--help" | &"-h") => return print(&verbs::overview()).map(|()| OK),
        Some(&"help") => return help(&args[1..]),
        Some(&"--version" | &"-v") => args[0] = "version".into(),
        Some(_) => {}
    }
    let words: Vec<&str> = args.iter().take(2).filter_map(|arg| arg.to_str()).collect();
    let Some((verb, count)) = verbs::find(&words) else { return group(&words) };
    match args::parse(verb, args.split_off(count))? {
        Outcome::Run(parsed) => (verb.run)(&parsed),
        Outcome::Help => print(&args::help(verb)).map(|()| OK),
    }
}

/// Takes the flags before the verb off the arguments: where things are kept.
fn places(args: &mut Vec<OsString>) -> Result<()> {
    let place = |variable: &str, default: &str| match std::env::var(variable) {
        Ok(path) if !path.is_empty() => path,
        _ => default.to_owned(),
    };
    let (own_root, own_run) = own_places();
    let mut root = place("MYDOCKER_ROOT", &own_root);
    let mut run = place("MYDOCKER_RUN", &own_run);
    while let Some(first) = args.first().and_then(|arg| arg.to_str()).map(str::to_owned) {
        let (name, value) = first.split_once('=').map_or((first.as_str(), None), |(n, v)| (n, Some(v.to_owned())));
        if first == "--debug" {
            cli::set_debug();
            args.remove(0);
            continue;
        }
        let target = match name {
            "--root" => &mut root,
            "--run-root" => &mut run,
            _ if first.starts_with("--") && !matches!(name, "--help" | "--version") => {
                let known = ["--root", "--run-root", "--debug", "--help", "--version"];
                let near =
                    args::nearest(name, known.into_iter()).map_or(String::new(), |n| format!("; did you mean {n}?"));
                return Err(Error::new(format!("unknown flag: {}{near}", name.escape_debug())).exit(EXIT_ENGINE));
            }
            _ => break,
        };
        args.remove(0);
        *target = match value {
            Some(value) => value,
            None if args.is_empty() => {
                return Err(Error::new(format!("flag needs an argument: {name}")).exit(EXIT_ENGINE));
            }
            None => {
                args.remove(0).into_string().map_err(|_| Error::new(format!("{name}: not UTF-8")).exit(EXIT_ENGINE))?
            }
        };
    }
    if root.is_empty() || run.is_empty() {
        return Err(Error::new("--root and --run-root need a directory").exit(EXIT_ENGINE));
    }
    let cwd = std::env::current_dir().unwrap_or_default();
    let cwd = cwd.to_str().unwrap_or("/");
    cli::set_places(file::absolute(cwd, &root), file::absolute(cwd, &run));
    Ok(())
}

/// Where things are kept when nobody says otherwise: root's places, or those of the user who calls. XDG base directories.
fn own_places() -> (String, String) {
    if rustix::process::geteuid().is_root() {
        return (store::ROOT.to_owned(), store::RUN.to_owned());
    }
    let directory = |variable: &str| std::env::var(variable).ok().filter(|path| path.starts_with('/'));
    let data = directory("XDG_DATA_HOME").or_else(|| Some(directory("HOME")? + "/.local/share"));
    // Without a home there is nothing better than root's place, and an error that names it.
    let root = data.map_or(store::ROOT.to_owned(), |data| data + "/mydocker");
    let run = directory("XDG_RUNTIME_DIR").map_or_else(|| format!("{root}/run"), |run| run + "/mydocker");
    (root, run)
}

fn help(args: &[OsString]) -> Result<u8> {
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    match (words.first(), verbs::find(&words)) {
        (None, _) => print(&verbs::overview())?,
        (_, Some((verb, _))) => print(&args::help(verb))?,
        (_, None) => return group(&words),
    }
    Ok(OK)
}

/// `container`, `image` and the like: alone they list their verbs. What is no verb at all is an error.
fn group(words: &[&str]) -> Result<u8> {
    match words {
        [group] | [group, "--help" | "-h"] if verbs::groups().contains(group) => {
            print(&verbs::group_help(group)).map(|()| OK)
        }
        ["image", verb, ..] if REGISTRY.contains(verb) => Err(unknown(verb)),
        [group, verb, ..] if verbs::groups().contains(group) => {
            let near = args::nearest(verb, verbs::of_group(group).into_iter());
            let near = near.map_or(String::new(), |name| format!("; did you mean 'mydocker {group} {name}'?"));
            let what = format!("unknown command: mydocker {group} {}{near}", verb.escape_debug());
            Err(Error::new(format!("{what} ('mydocker {group}' lists them)")).exit(1))
        }
        [word, ..] => Err(unknown(word)),
        [] => Err(unknown("")),
    }
}

/// What docker does with a registry, and with a builder or a cluster.
const REGISTRY: [&str; 5] = ["pull", "push", "login", "logout", "search"];
const ELSEWHERE: [&str; 5] = ["build", "buildx", "compose", "swarm", "service"];

fn unknown(word: &str) -> Error {
    let impossible = |why: &str| Error::new(format!("mydocker {word} is not possible: {why}")).exit(EXIT_ENGINE);
    if REGISTRY.contains(&word) {
        return impossible(
            "it knows no registry; images travel as archives: \
             skopeo copy docker://NAME docker-archive:FILE.tar:NAME && mydocker load -i FILE.tar",
        );
    }
    if ELSEWHERE.contains(&word) {
        return impossible("there is no builder or cluster here; images come from archives: mydocker load -i FILE.tar");
    }
    let names = verbs::VERBS.iter().map(|verb| verb.name);
    let near = args::nearest(word, names).map_or(String::new(), |name| format!("; did you mean 'mydocker {name}'?"));
    let word = word.escape_debug();
    Error::new(format!("unknown command: mydocker {word}{near} ('mydocker help' lists them)")).exit(1)
}
