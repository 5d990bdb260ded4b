//! command: runs one more program in a running container, inside the same walls.

use super::control::{self, Awaited};
use super::program::{self, Program, Stdio};
use super::relay::{self, End, Manner, Peer, Streams};
use super::remove;
use crate::error::{Error, Result};
use crate::kernel::process::{self, Child, Never};
use crate::kernel::{file, sys};
use crate::spec::{Network, Owner, Spec, State, Status, text};
use crate::store::containers::Container;
use crate::store::{Store, events};
use crate::walls;
use crate::walls::cgroup::{self, Joined, Place};
use crate::walls::privs::Identity;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

/// How long a first process may take from its last moment to where everybody sees that it has ended.
const END_LIMIT_MS: i64 = 1000;

/// What is to be run.
pub struct Exec {
    /// The command.
    pub args: Vec<String>,
    /// More environment than the container's.
    pub env: Vec<String>,
    /// Another working directory.
    pub cwd: Option<String>,
    /// Another user.
    pub user: Option<String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether it reads our standard input.
    pub stdin: bool,
    /// Whether nobody waits for it.
    pub detach: bool,
    /// Whether it gets every capability that we have.
    pub privileged: bool,
    /// Keys that leave it alone, at a terminal.
    pub detach_keys: Vec<u8>,
}

/// Runs it until its end, or until its keys are typed; one that nobody waits for has "ended" with 0 at once.
pub fn exec(store: &Store, container: &Container, exec: &Exec) -> Result<End> {
    let spec = &container.spec;
    let init = open_init(store, container)?;
    if cgroup::is_frozen(Place::of(spec)) {
        let name = &spec.name;
        return Err(Error::new(format_args!("Container {name} is paused, unpause the container before exec")));
    }
    let (stdio, mut streams) = pipes(exec)?;
    let (child, sync) = launch(store, container, exec, init.as_fd(), stdio, "")?;
    let awaited = control::await_program(sync.as_fd()).map_err(|error| {
        // A pid namespace whose first process ends has no room for another (clone(2), ENOMEM), a little before its pidfd tells.
        let limit_ms = if error.is(Errno::NOMEM) { END_LIMIT_MS } else { 0 };
        if process::readable(init.as_fd(), limit_ms) { not_running(&spec.id) } else { error }
    });
    if !matches!(&awaited, Ok(Awaited { program: None, .. })) {
        process::wait(child.pidfd.as_fd()); // it has handed over, or failed
    }
    drop(init);
    store.timing.mark("control::await_program");
    let Awaited { terminal, program } = awaited?;
    let command = text::join(&exec.args, " ");
    for action in ["exec_create", "exec_start"] {
        events::container(store, &format!("{action}: {command}"), spec, &[]);
    }
    let pidfd = program.unwrap_or(child).pidfd;
    if let Some(master) = &terminal {
        if exec.detach {
            keep(&pidfd, master)?;
        }
        streams.stdin = exec.stdin.then(|| process::duplicate(master)).transpose()?;
        streams.stdout = Some(process::duplicate(master)?);
    }
    if exec.detach {
        return Ok(End::Exited(0));
    }
    let raw = exec.tty && exec.stdin;
    let manner = Manner { raw, detach_keys: exec.detach_keys.clone(), proxies: true, redraws: false };
    let peer = Peer::Child(pidfd, terminal);
    let end = relay::relay(&peer, streams, &manner)?;
    if let End::Exited(code) = &end {
        events::container(store, "exec_die", spec, &[("exitCode", &format!("{code}"))]);
    }
    if let (End::Detached, Peer::Child(pidfd, Some(master))) = (&end, &peer) {
        keep(pidfd, master)?;
    }
    Ok(end)
}

/// Has a process hold the terminal of a program that goes on without us, and read what it says: else the program would be
/// hung up on, or wait for a reader.
fn keep(pidfd: &OwnedFd, master: &OwnedFd) -> Result<()> {
    process::spawn(0, None, &mut || {
        // Neither can fail for a fresh fork.
        let _ = rustix::process::setsid();
        let _ = process::null_stdio(7);
        loop {
            let [end, said] = [pidfd, master].map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
            let mut fds = [end, said];
            process::wait_for(&mut fds, -1);
            let has_ended = !fds[0].revents().is_empty();
            if has_ended || control::read_some(master.as_fd(), &mut [0; 4096]) == Some(0) {
                sys::exit(0);
            }
        }
    })
    .map(drop)
}

/// Makes a process that enters the container and becomes the program, or has it born. It tells how that goes as
/// [`control::hear`] has it. `oom_score` is its `oom_score_adj` where the container has none of its own; "" for ours.
pub fn launch(
    store: &Store,
    container: &Container,
    exec: &Exec,
    init: BorrowedFd<'_>,
    stdio: Stdio,
    oom_score: &str,
) -> Result<(Child, OwnedFd)> {
    let spec = &container.spec;
    store.timing.mark("exec::open_init");
    let joined = cgroup::open(Place::of(spec))?;
    store.timing.mark("cgroup::open");
    let filter = walls::filter(spec, &joined)?;
    let mut env = program::environment(&spec.hostname, exec.tty || spec.tty, &spec.env);
    program::merge_env(&mut env, &exec.env);
    let program = Program {
        args: exec.args.clone(),
        env,
        cwd: exec.cwd.as_deref().unwrap_or(&spec.cwd),
        identity: Identity {
            user: exec.user.as_deref().unwrap_or(&spec.user),
            // As docker: another user does not get the container's additional groups.
            groups: if exec.user.is_some() { &[] } else { &spec.groups },
            privileged: exec.privileged,
            is_rootless: store.is_rootless,
        },
        spec,
        is_first: false,
        is_outside: spec.namespaces.pid.of != Owner::Host,
        filter: filter.as_ref(),
        terminal: exec.tty.then(relay::terminal_size),
        timing: store.timing,
    };
    store.timing.mark("filter");
    let (sync, child_sync) = control::pair()?;
    let mut moved = Some((stdio, sync));
    let child = process::spawn(0, joined.into.as_ref().map(AsFd::as_fd), &mut || {
        let Some((stdio, sync)) = moved.take() else { sys::exit(1) };
        drop(sync);
        if !oom_score.is_empty() {
            let _ = file::write_at(rustix::fs::CWD, "/proc/self/oom_score_adj", oom_score); // it only becomes worse
        }
        match enter(init, &joined, &program, stdio, child_sync.as_fd()) {
            Ok(never) => match never {},
            Err(error) => program::fail(child_sync.as_fd(), error),
        }
    })?;
    match moved {
        Some((_, sync)) => Ok((child, sync)),
        None => sys::exit(1),
    }
}

/// The child's ends and ours. With a terminal, or nobody to wait for it, there are none.
fn pipes(exec: &Exec) -> Result<(Stdio, Streams)> {
    let mut stdio = Stdio { stdin: None, stdout: None, stderr: None };
    let mut streams = Streams { stdin: None, stdout: None, stderr: None };
    if exec.tty || exec.detach {
        return Ok((stdio, streams));
    }
    if exec.stdin {
        let (read, write) = control::pipe()?;
        (stdio.stdin, streams.stdin) = (Some(read), Some(write));
    }
    let (out, err) = (control::pipe()?, control::pipe()?);
    (streams.stdout, stdio.stdout) = (Some(out.0), Some(out.1));
    (streams.stderr, stdio.stderr) = (Some(err.0), Some(err.1));
    Ok((stdio, streams))
}

fn not_running(id: &str) -> Error {
    Error::new(format_args!("Container {id} is not running"))
}

/// What is known of a container that runs. An error for one that is between two runs, `None` for another one.
pub fn running(store: &Store, container: &Container) -> Result<Option<Box<State>>> {
    match remove::settle(store, container)? {
        Some(state) if state.status == Status::Restarting => Err(super::is_restarting(&container.spec.id)),
        state => Ok(state.filter(|state| state.status == Status::Running)),
    }
}

/// A pidfd of the container's first process that is certainly its: the monitor reaps it only after it has written down
/// its end, so a record that still says "running" after the pidfd was opened vouches for the pid.
pub fn open_init(store: &Store, container: &Container) -> Result<OwnedFd> {
    let not_running = || not_running(&container.spec.id);
    let state = running(store, container)?.ok_or_else(not_running)?;
    let pidfd = process::open_pidfd(state.pid).map_err(|_| not_running())?;
    let after = container.state(store)?;
    if after.status == Status::Running && after.pid == state.pid && container.is_alive()? {
        Ok(pidfd)
    } else {
        Err(not_running())
    }
}

/// child: into the container, and into the program.
fn enter(
    init: BorrowedFd<'_>,
    joined: &Joined,
    program: &Program<'_>,
    stdio: Stdio,
    sync: BorrowedFd<'_>,
) -> Result<Never> {
    // What this process hands on to the program's, others will be able to look into.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    sys::retitle(b"mydocker");
    program.timing.mark("born");
    cgroup::join(joined).map_err(|error| {
        let has_ended = error.is(Errno::NODEV) || error.is(Errno::NOENT); // and its cgroup with it, at this moment
        if has_ended { not_running(&program.spec.id) } else { error }
    })?;
    walls::privs::set_oom_score(program.spec)?;
    move_into_thread_name_spaces(init, namespaces(program.spec)).map_err(|errno| match errno {
        Errno::SRCH => not_running(&program.spec.id), // it has just ended
        errno => Error::os("enter the container", errno),
    })?;
    program.timing.mark("exec::enter");
    if program.spec.ids.is_some() {
        walls::ids::enter()?;
    }
    program::become_program(program, stdio, joined, sync)
}

/// What the child enters: everything that is not the host's.
fn namespaces(spec: &Spec) -> ThreadNameSpaceType {
    let mut kinds = ThreadNameSpaceType::MOUNT;
    let shared = &spec.namespaces;
    for (is_entered, kind) in [
        (shared.pid.of != Owner::Host, ThreadNameSpaceType::PROCESS_ID),
        (shared.uts.of != Owner::Host, ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME),
        (shared.ipc.of != Owner::Host, ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
        (shared.cgroup.of != Owner::Host, ThreadNameSpaceType::CONTROL_GROUP),
        (spec.network != Network::Host, ThreadNameSpaceType::NETWORK),
        (spec.ids.is_some(), ThreadNameSpaceType::USER),
    ] {
        if is_entered {
            kinds |= kind;
        }
    }
    kinds
}
