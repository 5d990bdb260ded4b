//! child: the first process of a container, from the clone to execve.

use super::program::{self, Program, Stdio};
use super::provide;
use crate::error::Result;
use crate::kernel::fault;
use crate::kernel::process::Never;
use crate::kernel::sys;
use crate::spec::{Owner, Spec};
use crate::store::Store;
use crate::walls::privs::Identity;
use crate::walls::{self, Late, Prepared};
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::DumpableBehavior;
use rustix::termios::Winsize;

/// What the starting command has for the first process.
pub struct Start {
    /// The size of its terminal, 0 × 0 when it has none.
    pub size: Winsize,
    /// Where what it makes meanwhile may come from: [`walls::mount::root_early`], then [`walls::net::make_early`].
    pub early: Option<OwnedFd>,
}

/// child: walls, then the command. Reports once if something fails. The current directory is the container's.
pub fn run(store: &Store, spec: &Spec, prepared: &Prepared, stdio: Stdio, start: &Start, sync: &OwnedFd) -> ! {
    match enter(store, spec, prepared, stdio, start, sync.as_fd()) {
        Ok(never) => match never {},
        Err(error) => program::fail(sync.as_fd(), error),
    }
}

fn enter(
    store: &Store,
    spec: &Spec,
    prepared: &Prepared,
    stdio: Stdio,
    Start { size, early }: &Start,
    sync: BorrowedFd<'_>,
) -> Result<Never> {
    if !program::die_with_parent(sync) {
        sys::exit(1);
    }
    // Until execve this process has our memory and our binary: nobody in the container may look into it.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    fault::point("init:born");
    store.timing.mark("born");
    if spec.namespaces.pid.of == Owner::Container {
        sys::retitle(b"mydocker"); // others may look into what it becomes
    }
    let given = provide::take(spec, sync)?;
    let early = early.as_ref().map(AsFd::as_fd);
    walls::enter(store, spec, prepared, given, &mut |late| match late {
        Late::Root => provide::take_early(early).map(Vec::from_iter),
        Late::Network => provide::enter_network(spec, early, sync).map(|()| Vec::new()),
        Late::Groups => provide::take_trees(sync),
        Late::Links => provide::take_links(sync).map(|()| Vec::new()),
    })?;
    // Becoming the root of a user namespace has cleared the death signal.
    if spec.ids.is_some() && !program::die_with_parent(sync) {
        sys::exit(1);
    }
    fault::point("init:walled");
    let program = Program {
        args: spec.command(),
        env: program::environment(&spec.hostname, spec.tty, &spec.env),
        cwd: &spec.cwd,
        identity: Identity {
            user: &spec.user,
            groups: &spec.groups,
            privileged: false,
            is_rootless: store.is_rootless,
        },
        spec,
        is_first: true,
        is_outside: spec.namespaces.pid.of == Owner::Container,
        filter: prepared.filter.as_ref(),
        terminal: spec.tty.then_some(*size),
        timing: store.timing,
    };
    program::become_program(&program, stdio, &prepared.cgroup, sync)
}
