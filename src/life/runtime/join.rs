//! One more program in an engine's container.

use super::init::{self, Manner};
use super::spaces;
use super::states::Known;
use super::terminal::{self, Console};
use crate::error::{Error, Result, Tried};
use crate::kernel::process::{self, Child};
use crate::kernel::sys;
use crate::life::control;
use crate::life::program;
use crate::spec::oci::Process;
use crate::spec::schema::Value;
use crate::walls::privs::{self, schedule};
use crate::walls::seccomp::Filter;
use crate::walls::{cgroup, ids, seccomp};
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

/// exec: has a process enter the container and become the program. Returns it, and its terminal where that is ours.
pub fn join(known: &Known, process: &Process, console: &Console, manner: Manner) -> Result<(Child, Option<OwnedFd>)> {
    let Some(init) = known.init() else {
        return Err(Error::new(format_args!("cannot exec in container {}: it has stopped", known.id)));
    };
    let filter = seccomp::compile_bundle(known.state.config.linux.at("seccomp").json())?;
    let joined = cgroup::open(known.place()?)?;
    schedule::run_on(&affinity(known, process).at("initial").text())?;
    let (sync, child_sync) = control::pair()?;
    let mut moved = Some(sync);
    let child = process::spawn(0, joined.into.as_ref().map(AsFd::as_fd), &mut || {
        drop(moved.take());
        let sync = child_sync.as_fd();
        let error = enter(known, init.as_fd(), &joined, process, filter.as_ref(), manner, sync);
        program::fail(sync, error)
    })?;
    drop(child_sync);
    match moved {
        Some(sync) => terminal::hear(child, sync.as_fd(), console, &mut |_| Ok(false)),
        None => sys::exit(1),
    }
}

/// The CPUs of a program that joins: its own, or those that config.json has for all.
fn affinity<'a>(known: &'a Known, process: &'a Process) -> Value<'a> {
    let own = process.affinity.value();
    if own.is_there() { own } else { known.state.config.process.affinity.value() }
}

fn enter(
    known: &Known,
    init: BorrowedFd<'_>,
    joined: &cgroup::Joined,
    process: &Process,
    filter: Option<&Filter>,
    manner: Manner,
    sync: BorrowedFd<'_>,
) -> Error {
    let prepare = || {
        init::begin(sync);
        cgroup::join(joined)?;
        schedule::run_on(&affinity(known, process).at("final").text())?;
        if let Some(score) = process.oom_score_adj {
            privs::write_oom_score("self", score)?;
        }
        let listed = spaces::listed(&known.state.config.linux);
        let enter = |kinds| {
            let kinds = ThreadNameSpaceType::from_bits_retain(kinds);
            move_into_thread_name_spaces(init, kinds).tried("enter the container")
        };
        if listed & raw::CLONE_NEWPID != 0 {
            enter(raw::CLONE_NEWPID)?;
            init::become_child(sync)?;
        }
        let host = init::look_up(known, process, filter, Some(known.state.pid))?;
        enter(listed & !raw::CLONE_NEWPID)?;
        if listed & raw::CLONE_NEWUSER != 0 {
            ids::enter()?;
        }
        schedule::enter(process, known.state.config.linux.at("personality"))?;
        init::get_ready(process, host, false, manner, sync, &mut || Ok(()))
    };
    match prepare() {
        Ok(ready) => init::finish(process, &ready, filter, manner),
        Err(error) => error,
    }
}
