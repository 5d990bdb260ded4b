//! monitor: one run of a container: its walls, its streams and its first process, made anew each time.

use super::control::{self, Awaited};
use super::forward::Relays;
use super::health::Prober;
use super::init::{self, Start};
use super::program::Stdio;
use super::provide;
use super::stream::{Input, Output};
use crate::error::{Error, Result, Tried};
use crate::kernel::process::{self, Child};
use crate::kernel::{at, fault, sys, time};
use crate::spec::{Attached, Spec};
use crate::store::Store;
use crate::store::containers::Container;
use crate::walls;
use crate::walls::cgroup::Joined;
use crate::walls::net::ports::Published;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// The number of the client that started the container.
pub const STARTER: u32 = 0;
const SIGKILL: i32 = 9;

/// A run of a container, from the command's start to its end.
pub struct Run {
    /// Its first process.
    pub child: Child,
    /// When it began, in monotonic milliseconds: the clock on the wall may be set meanwhile.
    pub began_ms: i64,
    /// Its mount namespace: held, its teardown is not in the way between the command's exit and our noticing.
    pub hold: Option<OwnedFd>,
    /// What it says.
    pub outputs: [Output; 2],
    /// What it reads of those who are attached.
    pub input: Input,
    /// Whether its standard input ends with the starter's, who writes to the pipe himself. docker calls it `StdinOnce`.
    pub stdin_once: bool,
    /// How it is on its networks at first; then its state tells.
    pub attached: Vec<Attached>,
    /// Its cgroups.
    pub cgroup: Joined,
    /// The ports of the host that lead to it.
    pub published: Published,
    /// Those who pass on what the kernel does not.
    pub relays: Relays,
    /// What looks after its health, if anybody asks.
    pub prober: Option<Prober>,
    /// Whether a person paused it. Commits freeze it, too, each for as long as it is connected: the kernel knows only
    /// that it is frozen, not for whom.
    pub is_paused: bool,
    /// When SIGKILL is due, in monotonic milliseconds.
    pub kill_at: Option<i64>,
    /// Whether its first process has ended.
    pub has_ended: bool,
}

impl Run {
    /// Connects one more client with its standard input, output or error.
    pub fn connect(&mut self, client: u32, which: i32, pipe: OwnedFd) -> Result<()> {
        control::nonblocking(pipe.as_fd())?;
        match which {
            0 => self.input.add(pipe),
            1 => self.outputs[0].add(client, pipe),
            _ => self.outputs[1].add(client, pipe),
        }
        Ok(())
    }

    /// A client types nothing more.
    pub fn end_input(&mut self, client: u32) {
        if client == STARTER && self.stdin_once {
            self.input.close();
        }
    }
}

/// The monitor's ends of the container's streams.
struct Ends {
    sources: [Option<OwnedFd>; 2],
    clients: [Option<OwnedFd>; 2],
    /// Keeps its standard input open, for those who come later.
    held_stdin: Option<OwnedFd>,
    stdin_once: bool,
    typed: Option<OwnedFd>,
}

/// Makes the walls, the streams and the first process, and waits until that has become the command. `meanwhile` is what else
/// can be done while the child is at work.
pub fn begin(
    store: &Store,
    container: &Container,
    streams: [Option<OwnedFd>; 3],
    start: Start,
    meanwhile: &mut dyn FnMut() -> Result<()>,
) -> Result<Box<Run>> {
    let spec = &container.spec;
    let mut prepared = walls::prepare(store, spec, provide::joins(store, spec)?)?;
    fault::point("monitor:prepared");
    let (child, sync, ends) = make_child(store, spec, &prepared, streams, &start)?;
    drop(start); // what is left of it is the child's
    let hold = at::open(rustix::fs::CWD, &format!("/proc/{}/ns/mnt", child.pid), OFlags::RDONLY).ok();
    fault::point("monitor:cloned");
    store.timing.mark("clone");
    let awaited = provide::provide(store, spec, child.pid, &mut prepared, sync.as_fd()).and_then(|attached| {
        meanwhile()?;
        store.timing.mark("Desk::open");
        Ok((attached, control::await_program(sync.as_fd())?))
    });
    let (attached, child, terminal) = match awaited {
        Ok((attached, Awaited { terminal, program: None })) => (attached, child, terminal),
        Ok((attached, Awaited { terminal, program: Some(program) })) => {
            process::wait(child.pidfd.as_fd()); // it has handed over
            (attached, program, terminal)
        }
        Err(error) => return Err(end(&child, error)),
    };
    store.timing.mark("control::await_program");
    let mut run = complete(child, ends, terminal)?;
    (run.hold, run.attached, run.published, run.cgroup) = (hold, attached, prepared.published, prepared.cgroup);
    Ok(run)
}

/// Ends a child that cannot become the command, or whose monitor cannot look after it. Returns the error.
pub fn end(child: &Child, error: Error) -> Error {
    let _ = sys::signal(child.pidfd.as_fd(), SIGKILL); // it may be gone already
    process::wait(child.pidfd.as_fd());
    error
}

fn make_child(
    store: &Store,
    spec: &Spec,
    prepared: &walls::Prepared,
    [stdin, stdout, stderr]: [Option<OwnedFd>; 3],
    start: &Start,
) -> Result<(Child, OwnedFd, Ends)> {
    let clients = [stdout, stderr];
    let mut ends = Ends { sources: [None, None], clients, held_stdin: None, stdin_once: false, typed: None };
    let mut stdio = Stdio { stdin: None, stdout: None, stderr: None };
    if spec.tty {
        ends.typed = stdin;
    } else {
        let (out, err) = (control::pipe()?, control::pipe()?);
        (stdio.stdout, stdio.stderr) = (Some(out.1), Some(err.1));
        ends.sources = [Some(out.0), Some(err.0)];
        stdio.stdin = stdin;
        if let Some(read) = &stdio.stdin {
            ends.stdin_once = true;
            ends.held_stdin = Some(control::reopen(read.as_fd(), OFlags::WRONLY).tried("open standard input")?);
        } else if spec.stdin {
            let (read, write) = control::pipe()?;
            (stdio.stdin, ends.held_stdin) = (Some(read), Some(write));
        }
    }
    let (sync, child_sync) = control::pair()?;
    // What only the child's copy may keep, and what it must not keep: the closing of `sync` and of the write end of its
    // standard input is how it learns that nobody is there any more.
    let mut moved = Some((stdio, sync, ends));
    let cgroup = prepared.cgroup.into.as_ref().map(AsFd::as_fd);
    let child = process::spawn(walls::namespaces(spec), cgroup, &mut || {
        let Some((stdio, sync, ends)) = moved.take() else { sys::exit(1) };
        drop((sync, ends));
        init::run(store, spec, prepared, stdio, start, &child_sync)
    })
    .map_err(|error| match error.errno {
        // cgroups(7), "delegation": whoever is not root moves nobody across the border of its own tree.
        Some(Errno::ACCESS) if cgroup.is_some() => Error::os(
            "make a process in the container's cgroup: start it from within the same delegated tree",
            Errno::ACCESS,
        ),
        _ => error,
    })?;
    let Some((_, sync, ends)) = moved else { sys::exit(1) };
    Ok((child, sync, ends))
}

/// Connects the streams of a command that runs.
fn complete(child: Child, ends: Ends, terminal: Option<OwnedFd>) -> Result<Box<Run>> {
    let Ends { mut sources, clients, mut held_stdin, stdin_once, typed } = ends;
    let connect = || {
        if let Some(master) = terminal {
            held_stdin = Some(process::duplicate(&master)?);
            sources[0] = Some(master);
        }
        for fd in [&sources[0], &sources[1], &clients[0], &clients[1], &held_stdin, &typed].into_iter().flatten() {
            control::nonblocking(fd.as_fd())?;
        }
        Ok(())
    };
    if let Err(error) = connect() {
        return Err(end(&child, error));
    }
    let mut input = Input::new(held_stdin);
    if let Some(typed) = typed {
        input.add(typed);
    }
    let [out, err] = sources;
    let mut outputs = [Output::new(out, "stdout"), Output::new(err, "stderr")];
    for (output, client) in outputs.iter_mut().zip(clients) {
        if let Some(client) = client {
            output.add(STARTER, client);
        }
    }
    Ok(Box::new(Run {
        hold: None,
        outputs,
        input,
        stdin_once,
        attached: Vec::new(),
        published: Published::default(),
        cgroup: Joined::default(),
        relays: Relays::default(),
        prober: None,
        is_paused: false,
        kill_at: None,
        has_ended: false,
        began_ms: time::monotonic_ms(),
        child,
    }))
}
