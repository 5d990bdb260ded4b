//! DOOR: what people type. Flags become plain data, answers become text. Only this room and `main.rs` write to the
//! standard streams.

pub mod args;
pub mod attach;
pub mod bundle;
pub mod change;
pub mod completion;
pub mod cp;
pub mod decide;
pub mod diff;
pub mod events;
pub mod exec;
pub mod filter;
pub mod finish;
pub mod flags;
pub mod human;
pub mod images;
pub mod info;
pub mod inspect;
pub mod load;
pub mod logs;
pub mod pattern;
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

use miniserde::json::{Object, Value};
use mydocker::error::{Error, Result};
use mydocker::kernel::{io, process, seal, sys};
use mydocker::store::{self, Store};
use mydocker::walls::ids;
use std::sync::OnceLock;

/// Exit code of everything that worked.
pub const OK: u8 = 0;

static DEBUG: OnceLock<()> = OnceLock::new();

/// Switches the long story on, from the flag before the verb.
pub fn set_debug() {
    let _ = DEBUG.set(()); // given twice is given
}

/// Tells a step of the long story, if it is wanted.
pub fn debug(text: impl FnOnce() -> String) {
    if DEBUG.get().is_some() {
        note(&text());
    }
}

static PLACES: OnceLock<(String, String)> = OnceLock::new();

/// Remembers where the store is, from the flags before the verb.
pub fn set_places(root: String, run: String) {
    let _ = PLACES.set((root, run)); // called once, by main
}

/// Opens the store. Who is not root gets a user namespace of its own first, unless it is in one already.
pub fn open_store() -> Result<Store> {
    if !rustix::process::geteuid().is_root() {
        ids::become_own_root()?;
    }
    open_store_as_we_are()
}

/// Opens the store with just the powers that we have.
pub fn open_store_as_we_are() -> Result<Store> {
    match PLACES.get() {
        Some((root, run)) => store::open(root, run),
        None => store::open(store::ROOT, store::RUN),
    }
}

/// Becomes a copy of this program that nobody can write to. For the verbs whose processes enter containers. Who is not
/// root gets its user namespace before.
pub fn seal() -> Result<()> {
    use std::os::unix::ffi::OsStringExt;
    if !rustix::process::geteuid().is_root() {
        ids::become_own_root()?;
    }
    let c = |text: Vec<u8>| std::ffi::CString::new(text).unwrap_or_default(); // none has a NUL
    let (mut argv, mut envp) = (Vec::new(), Vec::new());
    for word in std::env::args_os() {
        argv.push(c(word.into_vec()));
    }
    for (key, value) in std::env::vars_os() {
        envp.push(c([key.into_vec(), value.into_vec()].join(&b'=')));
    }
    if let (false, Some((root, run))) = (process::is_in_first_user_namespace(), PLACES.get()) {
        // Who was not root is it now, and would take root's places.
        for place in [["MYDOCKER_ROOT=", root], ["MYDOCKER_RUN=", run]] {
            envp.push(c(place.concat().into_bytes()));
        }
    }
    seal::ensure(&argv, &envp)
}

/// Writes an answer to the standard output.
pub fn print(text: &str) -> Result<()> {
    io::write_all(sys::stdout(), text.as_bytes()).map_err(|errno| Error::os("write our output", errno))
}

/// Writes one line for the person to the standard error.
pub fn note(text: &str) {
    let _ = io::write_all(sys::stderr(), format!("mydocker: {}\n", human::visible(text)).as_bytes()); // nowhere else to say it
}

/// Writes to the standard error, beside our output.
pub fn print_error(text: &str) {
    let _ = io::write_all(sys::stderr(), text.as_bytes()); // nowhere else to say it
}

/// Does the same for each word; each failure gets its line, and the exit code is 1 if there was one. What `act` returns
/// is printed.
pub fn each(words: &[String], mut act: impl FnMut(&str) -> Result<String>) -> Result<u8> {
    each_of(words, &mut act)
}

fn each_of(words: &[String], act: &mut dyn FnMut(&str) -> Result<String>) -> Result<u8> {
    let mut code = OK;
    for word in words {
        match act(word) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => print(&format!("{text}\n"))?,
            Err(error) => {
                note(&error.to_string());
                code = 1;
            }
        }
    }
    Ok(code)
}

/// A JSON object from its fields.
pub fn object(fields: Vec<(&str, Value)>) -> Value {
    let mut object = Object::new();
    for (key, value) in fields {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

/// A JSON text.
pub fn text(value: impl Into<String>) -> Value {
    Value::String(value.into())
}
