//! Containers of engines (containerd, podman, docker): the OCI runtime's operations. The walls are those of `run`; there is no
//! monitor: the engine's own process is the parent of what we leave behind, reads its output and takes its exit code.
//! runtime.md of the runtime specification

mod gate;
mod hooks;
mod init;
mod join;
mod spaces;
mod states;
mod terminal;

pub use init::Manner;
pub use states::{Known, each, find};
pub use terminal::Console;

use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::process::{self, Child};
use crate::kernel::{at, file, proc, sys, time};
use crate::life::control::{self, Message};
use crate::life::relay::{self, End, Manner as Connection, Peer, Streams};
use crate::life::{provide, run};
use crate::spec::oci::{Bundle, Process, Resources, State};
use crate::spec::text;
use crate::spec::words;
use crate::walls::cgroup::{self, Place};
use crate::walls::{mount, privs, seccomp};
use alloc::boxed::Box;
use alloc::string::ToString;
use init::Plan;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use spaces::Spaces;

/// Where containers are noted when nobody says so.
pub const ROOT: &str = "/run/mydocker-oci";
const SIGKILL: i32 = 9;
/// How long `delete --force` waits for the end of what it has killed.
const END_LIMIT_MS: i64 = 10_000;

/// A program of a container that we are the parent of.
pub struct Program {
    /// The process.
    pub child: Child,
    /// Its terminal, where we hold it.
    pub terminal: Option<OwnedFd>,
}

/// Makes a container, whose first process waits to be started. After an error nothing is left. `root` is where containers are
/// noted, `state` has the absolute path of the bundle, and its config.json.
pub fn create(
    root: &str,
    id: &str,
    mut state: Box<State>,
    console: &Console,
    manner: Manner,
) -> Result<(Known, Program)> {
    let spaces = spaces::open(&state.config.linux)?;
    check(&state.config, &spaces)?;
    let cgroup = cgroup::bundle_path(&state.config.linux.at("cgroupsPath").text(), id);
    Place::at(&cgroup)?;
    (state.cgroup, state.created) = (cgroup, time::now());
    let dir = states::make(root, id)?;
    let mut known = Known { id: id.into(), dir, state };
    let made = make(&mut known, &spaces, console, manner);
    if made.is_err() {
        let _ = take_down(&known); // the first error is the one that tells
        let _ = states::remove(root, id);
    }
    made.map(|program| (known, program))
}

/// What can be seen to be impossible before anything is made.
fn check(config: &Bundle, spaces: &Spaces) -> Result<()> {
    let linux = config.linux.value();
    let has_names = config.hostname.is_some() || config.domainname.as_ref().is_some_and(|name| !name.is_empty());
    let wrong = if !config.version.starts_with("1.") {
        "ociVersion: only versions 1.x are known here"
    } else if config.root.at("path").word().is_empty() {
        "root is missing"
    } else if !config.process.cwd.is_empty() && config.process.args.is_empty() {
        "process.args is missing"
    } else if has_names && !spaces.has(raw::CLONE_NEWUTS) {
        "hostname, domainname: these need a uts namespace of its own"
    } else {
        ""
    };
    if !wrong.is_empty() {
        return Err(Error::new(wrong));
    }
    for field in ["netDevices", "intelRdt", "memoryPolicy"] {
        if linux.at(field).is_there() {
            return Err(Error::new(["linux.", field, ": not possible here"].concat()));
        }
    }
    if let Some(key) = linux.at("sysctl").map().keys().find(|key| !is_own_parameter(key, spaces)) {
        let why = "it would change the host: only parameters of namespaces of its own can be set";
        return Err(Error::new(format_args!("linux.sysctl: {}: {why}", escaped(key))));
    }
    Ok(())
}

/// Whether a kernel parameter is one of namespaces that are not the host's. namespaces(7)
fn is_own_parameter(key: &str, spaces: &Spaces) -> bool {
    const IPC: &str = "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni \
                       kernel.shm_rmid_forced";
    // Both ways to write it: with dots, or as the path.
    let key = text::replace(key, "/", ".");
    let flag = if key.starts_with("net.") {
        raw::CLONE_NEWNET
    } else if key.starts_with("fs.mqueue.") || words::has(IPC, &key) {
        raw::CLONE_NEWIPC
    } else if key == "kernel.domainname" {
        raw::CLONE_NEWUTS
    } else {
        return false;
    };
    spaces.has(flag) && !text::has(&key, "..")
}

fn make(known: &mut Known, spaces: &Spaces, console: &Console, manner: Manner) -> Result<Program> {
    let gate = gate::make(known.dir.as_fd())?;
    let resources = known.state.config.linux.at("resources");
    let (joined, made_cgroup) = cgroup::prepare_bundle(Place::at(&known.state.cgroup)?, resources)?;
    known.state.made_cgroup = made_cgroup;
    let filter = seccomp::compile_bundle(known.state.config.linux.at("seccomp").json())?;
    let (sync, child_sync) = control::pair()?;
    let plan = Plan { known, spaces, joined: &joined, filter, gate, manner };
    let mut ends = Some((sync, child_sync));
    let into = joined.into.as_ref().map(AsFd::as_fd);
    let child = process::spawn(spaces.at_birth(), into, &mut || match ends.take() {
        Some((sync, child_sync)) => {
            drop(sync);
            init::run(&plan, child_sync)
        }
        None => sys::exit(1),
    })?;
    let Some((sync, child_sync)) = ends else { sys::exit(1) };
    drop(child_sync);
    if let Err(error) = provide(known, spaces, &child, sync.as_fd()) {
        return Err(run::end(&child, error));
    }
    let mut is_early = init::has_early_hooks(known);
    let mut noted = (0, 0);
    let mut step = |child: &Child| {
        noted = (child.pid, proc::born(child.pid).unwrap_or(0));
        if !core::mem::take(&mut is_early) {
            return Ok(true);
        }
        hooks::run(known, "prestart", "creating", child.pid)?;
        hooks::run(known, "createRuntime", "creating", child.pid)?;
        control::send(sync.as_fd(), &Message::Done).map(|()| false)
    };
    let (child, terminal) = terminal::hear(child, sync.as_fd(), console, &mut step)?;
    (known.state.pid, known.state.born) = noted;
    if noted.0 == 0 {
        process::wait(child.pidfd.as_fd());
        return Err(Error::new("the container's first process ended before it was ready"));
    }
    match known.write() {
        Ok(()) => Ok(Program { child, terminal }),
        Err(error) => Err(run::end(&child, error)),
    }
}

/// What a child in a user namespace waits for: its ids, and what it mounts of the host.
fn provide(known: &Known, spaces: &Spaces, child: &Child, sync: BorrowedFd<'_>) -> Result<()> {
    let linux = &known.state.config.linux;
    if spaces.changes_user_namespace() {
        match control::receive(sync)? {
            Some((Message::Done, _)) => {}
            Some((Message::Failed(error), _)) => return Err(error),
            _ => return Ok(()), // it has ended
        }
    }
    let namespace = if spaces.is_new(raw::CLONE_NEWUSER) {
        let ids = |which| process::id_lines(linux.at(which));
        process::map_ids(child.pid, &ids("uidMappings"), &ids("gidMappings"))?
    } else if let Some(path) = spaces.joined(raw::CLONE_NEWUSER) {
        at::open(CWD, path, OFlags::RDONLY).tried_to("open the namespace", path)?
    } else {
        return Ok(());
    };
    let State { bundle, config, .. } = &*known.state;
    if let Some(score) = config.process.oom_score_adj {
        privs::write_oom_score(&child.pid.to_string(), score)?;
    }
    provide::help(&mut || provide::send(sync, &mount::bundle_sources(bundle, config, Some(namespace.as_fd()))?))?;
    control::send(sync, &Message::Done)
}

/// Has a created container execute its command.
pub fn start(known: &Known) -> Result<()> {
    let refuse =
        |status: &str| Error::new(format_args!("cannot start container {}: it is {status}, not created", known.id));
    if known.state.config.process.args.is_empty() {
        return Err(Error::new("cannot start a container whose config.json has no process"));
    }
    match known.status() {
        "created" => {}
        status => return Err(refuse(status)),
    }
    if !gate::open(known.dir.as_fd())? {
        return Err(refuse("running"));
    }
    hooks::run(known, "poststart", "running", known.state.pid).inspect_err(|_| drop(kill(known, SIGKILL, true))) // what has ended meanwhile has ended
}

/// Sends a signal to its first process, or to all that it has.
pub fn kill(known: &Known, signal: i32, all: bool) -> Result<()> {
    let has_own_pids = spaces::listed(&known.state.config.linux) & raw::CLONE_NEWPID != 0;
    // Without a pid namespace of its own nobody ends with its first process.
    if all || signal == SIGKILL && !has_own_pids {
        return cgroup::signal_all(known.place()?, signal);
    }
    sys::signal(known.running()?.as_fd(), signal).tried_to("send a signal to container", &known.id)
}

/// Removes a container that has ended, was never started, or (`force`) is killed for it.
pub fn delete(root: &str, known: &Known, force: bool) -> Result<()> {
    let status = known.status();
    if !force && !matches!(status, "stopped" | "created") {
        let id = &known.id;
        return Err(Error::new(format_args!("cannot delete container {id} that is not stopped: {status}")));
    }
    if let Some(init) = known.init() {
        let _ = sys::signal(init.as_fd(), SIGKILL); // it may end at this moment
        let _ = known.place().and_then(|place| cgroup::freeze(place, false)); // one that stands still does not notice
        process::readable(init.as_fd(), END_LIMIT_MS);
    }
    take_down(known)?;
    states::remove(root, &known.id)?;
    hooks::run(known, "poststop", "stopped", 0)
}

/// Removes what was noted of a container that never was whole.
pub fn forget(root: &str, id: &str) -> Result<()> {
    match states::remove(root, id) {
        Err(error) if error.is(Errno::NOENT) => Ok(()),
        done => done,
    }
}

/// Kills what is left, and takes away what is ours.
fn take_down(known: &Known) -> Result<()> {
    cgroup::release_bundle(known.place()?, known.state.made_cgroup)
}

/// Has all processes stand still, or go on.
pub fn pause(known: &Known, frozen: bool) -> Result<()> {
    let (wanted, word) = if frozen { ("running", "pause") } else { ("paused", "resume") };
    let status = known.status();
    if status != wanted && !(frozen && status == "created") {
        return Err(Error::new(format_args!("cannot {word} container {}: it is {status}", known.id)));
    }
    cgroup::freeze(known.place()?, frozen)
}

/// Changes the limits that are given.
pub fn update(known: &Known, resources: &Resources) -> Result<()> {
    known.running()?;
    cgroup::update_bundle(known.place()?, resources.value())
}

/// Runs one more program in it.
pub fn exec(
    known: &Known,
    process: &Process,
    console: &Console,
    manner: Manner,
    ignore_paused: bool,
) -> Result<Program> {
    match known.status() {
        "running" | "created" => {}
        "paused" if ignore_paused => {}
        status => return Err(Error::new(format_args!("cannot exec in container {}: it is {status}", known.id))),
    }
    let (child, terminal) = join::join(known, process, console, manner)?;
    Ok(Program { child, terminal })
}

/// Writes down which process it is, for who asked for that.
pub fn note_pid(path: &str, pid: i32) -> Result<()> {
    file::put(path, 0o644, &mut |to| {
        crate::kernel::io::write_all(to, pid.to_string().as_bytes()).tried_to("write", path)
    })
}

/// Stays with a program until its end, as its terminal and its bearer of signals. Returns its exit code.
pub fn stay(program: Program, has_input: bool) -> Result<i32> {
    let Program { child, terminal } = program;
    let mut streams = Streams { stdin: None, stdout: None, stderr: None };
    if let Some(master) = &terminal {
        streams.stdin = has_input.then(|| process::duplicate(master)).transpose()?;
        streams.stdout = Some(process::duplicate(master)?);
    }
    let raw = terminal.is_some() && has_input;
    let manner = Connection { raw, detach_keys: alloc::vec::Vec::new(), proxies: true, redraws: false };
    match relay::relay(&Peer::Child(child.pidfd, terminal), streams, &manner)? {
        End::Exited(code) => Ok(code),
        End::Signalled(signal) => Ok(128 + signal),
        End::Detached => Ok(0),
    }
}
