//! child: the first process of an engine's container, from the clone to the gate, and from there to execve; and the last
//! steps of one that joins.

use super::gate;
use super::hooks;
use super::spaces::Spaces;
use super::states::Known;
use super::terminal;
use crate::error::{Error, Result, Tried};
use crate::kernel::process::{self, Never};
use crate::kernel::sys::{self, Clone};
use crate::kernel::{file, io};
use crate::life::control::{self, Message};
use crate::life::{program, provide};
use crate::spec::oci::{self, Process};
use crate::spec::record;
use crate::walls::privs::{self, User, schedule};
use crate::walls::seccomp::Filter;
use crate::walls::{self, cgroup, ids, mount, net, sysctl};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::process::DumpableBehavior;
use rustix::termios::Winsize;

/// What the first process needs of its maker.
pub struct Plan<'a> {
    /// Its container, as far as it is known.
    pub known: &'a Known,
    /// Its namespaces.
    pub spaces: &'a Spaces,
    /// Its cgroups.
    pub joined: &'a cgroup::Joined,
    /// The system calls that it may make.
    pub filter: Option<Filter>,
    /// Where it waits to be started.
    pub gate: OwnedFd,
    /// The rest.
    pub manner: Manner,
}

/// How a program of an engine is made.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// Descriptors besides the standard streams that it inherits.
    pub preserved: u32,
    /// Whether the root is moved into place instead of exchanged.
    pub no_pivot: bool,
    /// Whether it keeps the caller's keys.
    pub old_keyring: bool,
}

/// child: walls, the gate, the command.
pub fn run(plan: &Plan<'_>, sync: OwnedFd) -> ! {
    let error = match enter(plan, sync) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // After the gate there is nobody to report to but whoever reads what the command says.
    let _ = io::write_all(sys::stderr(), format!("mydocker: {error}\n").as_bytes()); // nowhere else to say it
    sys::exit(error.code.unwrap_or(1).into())
}

fn enter(plan: &Plan<'_>, sync: OwnedFd) -> Result<Never> {
    let Plan { known, gate, manner, .. } = plan;
    let process = &*known.state.config.process;
    let ready = match build(plan, process, sync.as_fd()) {
        Ok(ready) => ready,
        Err(error) => program::fail(sync.as_fd(), error),
    };
    // From here on its maker may end, and it stays.
    outlive();
    let _ = control::send(sync.as_fd(), &Message::Done); // whoever has died meanwhile has said so by the next line's end
    drop(sync);
    gate::wait(gate.as_fd())?;
    hooks::run(known, "startContainer", "created", ready.host.pid)?;
    Err(finish(process, &ready, plan.filter.as_ref(), *manner))
}

/// Waits until the maker says that it is done with something.
fn wait_for_maker(sync: BorrowedFd<'_>) -> Result<()> {
    match control::receive(sync)? {
        Some(_) => Ok(()),
        None => sys::exit(1), // it has ended, and nobody wants this process any more
    }
}

fn build(plan: &Plan<'_>, process: &Process, sync: BorrowedFd<'_>) -> Result<Ready> {
    let Plan { known, spaces, joined, manner, .. } = plan;
    let config = &known.state.config;
    begin(sync);
    spaces.enter(sync)?;
    // What a stranger to the host's user namespace may not copy of its mounts, or write to its files, comes from its maker.
    let sources = if spaces.has(raw::CLONE_NEWUSER) { Some(provide::take_trees(sync)?) } else { None };
    match process.oom_score_adj {
        _ if sources.is_some() => ids::enter()?,
        Some(score) => privs::write_oom_score("self", score)?,
        None => {}
    }
    spaces.make()?;
    if spaces.needs_child() {
        become_child(sync)?;
    }
    cgroup::enter_bundle(joined, spaces.is_new(raw::CLONE_NEWCGROUP))?;
    spaces.enter_time(config.linux.at("timeOffsets"))?;
    if spaces.is_new(raw::CLONE_NEWNET) {
        net::raise_loopback()?;
    }
    net::set_names(config.hostname.as_deref(), config.domainname.as_deref())?;
    if has_early_hooks(known) {
        control::send(sync, &Message::Done)?;
        wait_for_maker(sync)?;
    }
    let host = look_up(known, process, plan.filter.as_ref(), None)?;
    let has_own_groups = spaces.has(raw::CLONE_NEWCGROUP);
    let place = known.place()?;
    let mut groups = || cgroup::visible_at(place, joined, has_own_groups);
    let built = mount::build_bundle(&known.state.bundle, config, sources, &mut groups)?;
    hooks::run(known, "createContainer", "creating", host.pid)?;
    sysctl::enter(&config.linux.at("sysctl").map())?;
    mount::enter_bundle(&built, !manner.no_pivot)?;
    schedule::enter(process, config.linux.at("personality"))?;
    get_ready(process, host, true, *manner, sync, &mut || mount::finish_bundle(&built, config))
}

/// Whether hooks run before the root is built.
pub fn has_early_hooks(known: &Known) -> bool {
    let hooks = &known.state.config.hooks;
    ["prestart", "createRuntime"].iter().any(|kind| !hooks.at(kind).is_empty())
}

/// child: it does not end with its maker any more.
fn outlive() {
    let _ = rustix::process::set_parent_process_death_signal(None); // fails for signals that do not exist, only
}

/// child, at once: it ends with its maker, nobody looks into it, and it is in a session of its own.
pub fn begin(sync: BorrowedFd<'_>) {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::process::setsid(); // a fresh fork leads no group
    if !program::die_with_parent(sync) {
        sys::exit(1);
    }
}

/// child: goes on as a new process, a child of the same parent: in the pid namespace that this one has entered for its
/// children.
pub fn become_child(sync: BorrowedFd<'_>) -> Result<()> {
    match sys::clone(raw::CLONE_PARENT, None).tried("make a process in the pid namespace")? {
        Clone::Child => {
            begin(sync);
            Ok(())
        }
        Clone::Parent(pid, pidfd) => {
            let told = control::send_with(sync, &Message::Started(pid), Some(pidfd.as_fd()));
            sys::exit(i32::from(told.is_err()))
        }
    }
}

/// A process that has only its last walls before it.
pub struct Ready {
    host: Host,
    user: User,
    env: Vec<String>,
}

/// What a process takes with it of the host.
pub struct Host {
    /// What it is called there.
    pid: i32,
    /// See [`dial_listener`].
    listener: Option<(OwnedFd, String)>,
    labels: schedule::Labels,
}

/// child, while it sees the host's files: all that is looked up there. `init` is the first process, where this is another one.
pub fn look_up(known: &Known, process: &Process, filter: Option<&Filter>, init: Option<i32>) -> Result<Host> {
    let labels = schedule::labels(process)?;
    let pid = file::link_target(CWD, "/proc/self").and_then(|pid| pid.parse().ok()).unwrap_or(0);
    let listener = dial_listener(known, filter, pid, init.unwrap_or(pid))?;
    Ok(Host { pid, listener, labels })
}

/// The way to who decides about its calls, and what that is told.
/// config-linux.md of the runtime specification, "The Container Process State"
fn dial_listener(known: &Known, filter: Option<&Filter>, pid: i32, init: i32) -> Result<Option<(OwnedFd, String)>> {
    let Some(listener) = filter.map(|filter| &filter.listener).filter(|listener| !listener.path.is_empty()) else {
        return Ok(None);
    };
    let texts = record::texts(&[("ociVersion", oci::VERSION), ("metadata", &listener.metadata)]);
    let state = known.tell("running", init);
    let state = format!("{{{texts},\"fds\":[\"seccompFd\"],\"pid\":{pid},\"state\":{state}}}}}");
    Ok(Some((terminal::dial(&listener.path)?, state)))
}

/// child, in its root: its terminal, its working directory, its user. `last` is what can only be done between those.
pub fn get_ready(
    process: &Process,
    host: Host,
    is_first: bool,
    manner: Manner,
    sync: BorrowedFd<'_>,
    last: &mut dyn FnMut() -> Result<()>,
) -> Result<Ready> {
    if process.terminal == Some(true) {
        let (master, slave) = mount::terminal()?;
        if process.console_size.value().is_there() {
            let number = |which| process.console_size.at(which).natural().unwrap_or(0) as u16;
            let (ws_row, ws_col) = (number("height"), number("width"));
            let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
            rustix::termios::tcsetwinsize(&slave, size).tried("set the terminal's size")?;
        }
        if is_first {
            mount::console(&slave)?;
        }
        control::send_with(sync, &Message::Terminal, Some(master.as_fd()))?;
        process::set_stdio([Some(slave.as_fd()), Some(slave.as_fd()), Some(slave.as_fd())])?;
        rustix::process::ioctl_tiocsctty(sys::stdin()).tried("take the terminal")?;
    }
    if !manner.old_keyring {
        privs::new_keyring()?;
    }
    if !process.args.is_empty() && !process.cwd.starts_with('/') {
        return Err(Error::new("process.cwd is not absolute"));
    }
    program::enter_cwd(&process.cwd, is_first)?;
    last()?;
    if !process.args.is_empty() {
        program::check(&process.args, &process.env)?;
    }
    let user = privs::enter_as(process)?;
    let mut env = process.env.clone();
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home));
    }
    Ok(Ready { host, user, env })
}

/// child: the last walls, and the command. Returns why it did not become that.
pub fn finish(process: &Process, ready: &Ready, filter: Option<&Filter>, manner: Manner) -> Error {
    let lock = || -> Result<()> {
        if process.args.is_empty() {
            return Err(Error::new("process.args is missing: there is nothing to execute"));
        }
        sys::close_from(3_i32.saturating_add_unsigned(manner.preserved), true);
        sys::keep_open(3, manner.preserved).tried("pass on the descriptors of --preserve-fds")?;
        sys::reset_signals();
        outlive();
        ready.host.labels.enter()?;
        let decides = walls::lock(process.no_new_privileges == Some(true), &ready.user, filter)?;
        match (decides, &ready.host.listener) {
            (Some(fd), Some((socket, state))) => terminal::send(socket.as_fd(), state.as_bytes(), fd.as_fd()),
            _ => Ok(()),
        }
    };
    match lock() {
        Ok(()) => program::exec(&process.args, &ready.env),
        Err(error) => error,
    }
}
