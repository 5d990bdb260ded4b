//! `exec`.

use super::args::Parsed;
use super::{attach, decide, open_store, open_store_as_we_are, seal};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use mydocker::error::Result;
use mydocker::life::exec::{self, Exec};
use mydocker::store::containers;
use mydocker::walls::ids;
use rustix::fd::AsFd;

/// `exec [OPTIONS] CONTAINER COMMAND [ARG...]`
pub fn exec(parsed: &Parsed) -> Result<u8> {
    if !rustix::process::geteuid().is_root() {
        enter_user_namespace_of(&parsed.words[0], true)?;
    }
    seal()?;
    let mut env = Vec::new();
    decide::env(parsed, &mut env)?;
    let request = Exec {
        args: parsed.words[1..].to_vec(),
        env,
        cwd: parsed.last("workdir").map(decide::workdir).transpose()?,
        user: parsed.last("user").map(str::to_owned),
        tty: parsed.on("tty"),
        stdin: parsed.on("interactive") && !parsed.on("detach"),
        detach: parsed.on("detach"),
        privileged: parsed.on("privileged"),
        detach_keys: attach::detach_keys(parsed)?,
    };
    if request.tty && request.stdin {
        attach::refuse_non_terminal()?;
    }
    let store = open_store()?;
    let container = containers::find(&store, &parsed.words[0])?;
    attach::code(&exec::exec(&store, &container, &request)?)
}

/// Who is not root has powers over a running container only in the user namespace that it was started in.
pub fn enter_user_namespace_of(word: &str, must_run: bool) -> Result<()> {
    let store = open_store_as_we_are()?;
    let container = containers::find(&store, word)?;
    match exec::open_init(&store, &container) {
        Err(_) if !must_run => Ok(()),
        init => ids::enter_that_of(init?.as_fd()),
    }
}
