//! DOOR: what people type. Flags become plain data, answers become text. Only this room and `main.rs` write to the
//! standard streams.

pub mod args;
pub mod attach;
pub mod boot;
pub mod bundle;
pub mod change;
pub mod check;
pub mod completion;
pub mod cp;
pub mod decide;
pub mod diff;
pub mod events;
pub mod exec;
pub mod filter;
pub mod finish;
pub mod help;
pub mod human;
pub mod images;
pub mod info;
pub mod inspect;
pub mod load;
pub mod logs;
pub mod nearest;
pub mod network;
pub mod oci;
pub mod pattern;
pub mod ports;
pub mod progress;
pub mod prune;
pub mod ps;
pub mod read;
pub mod run;
pub mod shape;
pub mod stats;
pub mod system;
pub mod table;
pub mod template;
pub mod top;
pub mod update;
pub mod verbs;
pub mod volume;
pub mod words;

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Deref;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use mydocker::error::{Error, Result};
use mydocker::kernel::once::Once;
use mydocker::kernel::timing::Timing;
use mydocker::kernel::{file, io, process, seal, start, sys, time};
use mydocker::spec::Spec;
use mydocker::spec::json::Value;
use mydocker::store::containers;
use mydocker::store::{self, Store};
use mydocker::walls::ids;

/// Exit code of everything that worked.
pub const OK: u8 = 0;

static DEBUG: AtomicBool = AtomicBool::new(false);

/// Switches the long story on, from the flag before the verb.
pub fn set_debug() {
    DEBUG.store(true, Relaxed);
}

/// Tells a step of the long story, if it is wanted.
pub fn debug(text: impl FnOnce() -> String) {
    if DEBUG.load(Relaxed) {
        note(&text());
    }
}

static TIMING: Once<Timing> = Once::new();
/// How the program that executes itself anew tells itself when it did that.
const BEGUN: &str = "MYDOCKER_TIMING";

/// Begins to take the time of all steps, from the flag before the verb.
pub fn set_timing() {
    if TIMING.get().is_some() {
        return;
    }
    let timing = TIMING.set(Timing::begin());
    if let Some(moment) = start::variable(BEGUN).and_then(|moment| moment.parse().ok()) {
        timing.mark_at(moment, "until seal::ensure");
    }
    timing.mark("main");
}

/// Tells what [`set_timing`] asked for.
pub fn tell_timing() {
    if let Some(timing) = TIMING.get() {
        timing.mark("end");
        print_error(&timing.lines());
    }
}

static ARGS: Once<Vec<CString>> = Once::new();

/// Remembers what we were called with, for [`seal`].
pub fn set_args(args: Vec<CString>) -> &'static [CString] {
    ARGS.set(args) // called once, by main
}

static PLACES: Once<(String, String)> = Once::new();

/// Remembers where the store is, from the flags before the verb.
pub fn set_places(root: String, run: String) {
    PLACES.set((root, run)); // called once, by main
}

/// Where the store is, and its run directory.
fn places() -> (&'static str, &'static str) {
    PLACES.get().map_or((store::ROOT, store::RUN), |(root, run)| (root, run))
}

/// The store, open until the process ends: a verb has nothing to move or to close.
#[derive(Clone, Copy)]
pub struct Opened(&'static Store);

impl Deref for Opened {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.0
    }
}

/// Opens the store. Who is not root gets a user namespace of its own first, unless it is in one already.
pub fn open_store() -> Result<Opened> {
    if !rustix::process::geteuid().is_root() {
        ids::become_own_root()?;
    }
    open_store_as_we_are()
}

/// Opens the store with just the powers that we have.
pub fn open_store_as_we_are() -> Result<Opened> {
    let (root, run) = places();
    let mut store = store::open(root, run)?;
    store.timing = TIMING.get().copied().unwrap_or_default();
    Ok(Opened(Box::leak(store)))
}

static SEALED: AtomicBool = AtomicBool::new(false);

/// A path from our current directory on, which is asked for only where it matters.
pub fn absolute(path: &str) -> String {
    let base = if path.starts_with('/') { None } else { start::current_dir() };
    file::absolute(base.as_deref().unwrap_or("/"), path)
}

/// Becomes a copy of this program that nobody can write to. For the verbs whose processes enter containers. Who is not
/// root gets its user namespace before.
pub fn seal() -> Result<()> {
    seal_but(0)
}

/// The same, keeping so many descriptors behind the standard streams.
pub fn seal_but(kept: u32) -> Result<()> {
    if SEALED.load(Relaxed) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        ids::become_own_root()?;
    }
    let mut envp = start::environment();
    let mut keep = |key: &str, value: &str| {
        envp.push(CString::new([key, "=", value].concat()).unwrap_or_default()); // none has a NUL
    };
    if let (false, Some((root, run))) = (process::is_in_first_user_namespace(), PLACES.get()) {
        // Who was not root is it now, and would take root's places.
        keep("MYDOCKER_ROOT", root);
        keep("MYDOCKER_RUN", run);
    }
    if TIMING.get().is_some() {
        keep(BEGUN, &time::monotonic_ns().to_string());
    }
    seal::ensure(ARGS.get().map_or(&[], Vec::as_slice), &envp, kept)?;
    SEALED.store(true, Relaxed);
    Ok(())
}

/// Writes an answer to the standard output.
pub fn print(text: &str) -> Result<()> {
    io::write_all(sys::stdout(), text.as_bytes()).map_err(|errno| Error::os("write our output", errno))
}

/// Prints a list: with `-q` the ids, which are a line each, otherwise the rows as `--format` wants them, and
/// [`table::print`].
pub fn print_list(parsed: &args::Parsed, ids: &str, columns: &str, headers: &str, rows: &[Value]) -> Result<()> {
    if parsed.on("quiet") {
        return print(ids);
    }
    print(&table::print(parsed.last("format"), columns, headers, rows)?)
}

/// Writes one line for the person to the standard error.
pub fn note(text: &str) {
    let _ = io::write_all(sys::stderr(), format!("mydocker: {}\n", human::visible(text)).as_bytes()); // nowhere else to say it
}

/// Tells the person of an error that the work goes on after; the exit code becomes 1.
pub fn complain(error: &Error, code: &mut u8) {
    note(&error.to_string());
    *code = 1;
}

/// What was asked of all containers. What is damaged is told of, and makes the exit code 1.
#[allow(clippy::vec_box)] // as they are read: one is a kilobyte
pub fn known_specs(store: &Store, code: &mut u8) -> Result<Vec<Box<Spec>>> {
    let (found, errors) = containers::specs(store)?;
    for error in &errors {
        complain(error, code);
    }
    Ok(found)
}

/// Writes to the standard error, beside our output.
pub fn print_error(text: &str) {
    let _ = io::write_all(sys::stderr(), text.as_bytes()); // nowhere else to say it
}

/// Does the same for each word; each failure gets its line, and the exit code is 1 if there was one. What `act` returns
/// is printed.
pub fn each(words: &[String], act: &mut dyn FnMut(&str) -> Result<String>) -> Result<u8> {
    let mut code = OK;
    for word in words {
        match act(word) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => print(&format!("{text}\n"))?,
            Err(error) => complain(&error, &mut code),
        }
    }
    Ok(code)
}
