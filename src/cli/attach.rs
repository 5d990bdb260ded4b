//! `attach`, and what `run`, `start` and `exec` share with it: being connected.

use super::args::Parsed;
use super::{open_store, read};
use alloc::vec::Vec;
use mydocker::error::{Error, Result};
use mydocker::kernel::sys;
use mydocker::life::attach;
use mydocker::life::relay::{self, End, Manner, Peer, Streams};
use mydocker::life::start::Attach;
use mydocker::spec::Spec;
use mydocker::store::{Store, containers, events};
use rustix::fd::OwnedFd;
use rustix::termios::{Winsize, isatty};

/// What ends a connection unless other keys are asked for: docker's.
const DETACH_KEYS: &str = "ctrl-p,ctrl-q";
/// What signal n that made us leave adds to, as a shell has it.
const EXIT_SIGNAL: i32 = 128;

/// `attach [OPTIONS] CONTAINER`
pub fn attach(parsed: &Parsed) -> Result<u8> {
    let detach_keys = detach_keys(parsed)?;
    let store = open_store()?;
    let container = containers::find(&store, &parsed.words[0])?;
    let spec = &container.spec;
    let types = !parsed.on("no-stdin");
    let wanted = wanted(spec, [types, true, true]);
    let connect = || attach::attach(&store, &container, &wanted);
    if types && spec.tty && !isatty(sys::stdin()) {
        connect()?; // that it does not run is the better reason
        refuse_non_terminal()?;
    }
    let (control, streams) = connect()?;
    code(&follow(&store, spec, control, streams, detach_keys, proxies(parsed) && !spec.tty, true)?)
}

/// What is to be connected, of standard input, output and error: no input that the container does not read.
pub fn wanted(spec: &Spec, [stdin, stdout, stderr]: [bool; 3]) -> Attach {
    let none = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    let size = if spec.tty { relay::terminal_size() } else { none };
    Attach { stdin: stdin && spec.stdin, stdout, stderr, size }
}

/// Stays connected with a container. `redraws`: it has run before.
pub fn follow(
    store: &Store,
    spec: &Spec,
    control: OwnedFd,
    streams: Streams,
    detach_keys: Vec<u8>,
    proxies: bool,
    redraws: bool,
) -> Result<End> {
    let manner =
        Manner { raw: spec.tty && streams.stdin.is_some(), detach_keys, proxies, redraws: redraws && spec.tty };
    let end = relay::relay(&Peer::Monitor(control), streams, &manner)?;
    if matches!(end, End::Detached) {
        events::container(store, "detach", spec, &[]);
    }
    Ok(end)
}

/// The exit code after a connection.
pub fn code(end: &End) -> Result<u8> {
    match end {
        End::Exited(code) => Ok(*code as u8),
        End::Signalled(signal) => Ok((EXIT_SIGNAL + signal) as u8),
        End::Detached => Err(Error::new("read escape sequence").exit(1)),
    }
}

/// `--detach-keys`
pub fn detach_keys(parsed: &Parsed) -> Result<Vec<u8>> {
    read::detach_keys(parsed.last("detach-keys").filter(|keys| !keys.is_empty()).unwrap_or(DETACH_KEYS))
}

/// `--sig-proxy`, which is on unless it is switched off.
pub fn proxies(parsed: &Parsed) -> bool {
    parsed.last("sig-proxy") != Some("false")
}

/// Who wants to type at the container's terminal needs one.
pub fn refuse_non_terminal() -> Result<()> {
    if isatty(sys::stdin()) { Ok(()) } else { Err(Error::new("the input device is not a TTY").exit(1)) }
}
