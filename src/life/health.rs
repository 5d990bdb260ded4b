//! monitor: finds out the health of a container by running a command in it now and then, as docker's HEALTHCHECK has it.
//! Who did not ask for it has neither a process nor a timer.

use super::control::{self, Awaited};
use super::exec::{self, Exec};
use super::program::Stdio;
use crate::error::Result;
use crate::kernel::process::{self, Child};
use crate::kernel::{sys, time};
use crate::spec::{Check, Checked, Health, State, Verdict};
use crate::store::Store;
use crate::store::containers::Container;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, Signal, kill_process_group};

/// So much of what a check says is kept.
const OUTPUT_BYTES_MAX: usize = 4096;
/// What a pipe holds.
const PIPE_BYTES: usize = 64 << 10;
/// So many checks are remembered.
const CHECKS_MAX: usize = 5;
/// How long a check that was killed may take to be gone before its container is done with.
const KILL_WAIT_MS: i64 = 100;
/// So long one that has failed may take to tell of the process that it had born: microseconds, where nobody holds it.
const TELL_WAIT_MS: i64 = 2000;
/// And not more than this: a process, its terminal, and two failures.
const MESSAGES_MAX: usize = 4;
const SIGKILL: i32 = 9;
const NS_PER_MS: i64 = 1_000_000;

/// A check under way.
struct Probe {
    /// Nanoseconds since 1970 UTC.
    began: i64,
    /// How long the run had lasted then.
    ran_ns: i64,
    /// Becomes the program, or has it born.
    child: Child,
    awaited: Awaited,
    /// Open until execve.
    sync: Option<OwnedFd>,
    output: OwnedFd,
    /// What is kept of what it said, and whether that is not all.
    said: Vec<u8>,
    is_cut: bool,
    /// Whether nobody says anything any more.
    is_silent: bool,
    /// Whether it was killed for taking too long.
    is_late: bool,
    /// Whether nobody wants to know any more.
    is_void: bool,
}

/// What looks after the health of one run.
pub struct Prober {
    probe: Option<Probe>,
    /// When the run began, in monotonic nanoseconds: the clock on the wall may be set meanwhile.
    born: i64,
    /// When the next check is due, or when the one under way has taken too long; monotonic milliseconds.
    at: Option<i64>,
}

/// docker's word for a verdict.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Starting => "starting",
        Verdict::Healthy => "healthy",
        Verdict::Unhealthy => "unhealthy",
    }
}

/// The verdict before the first check.
pub fn unknown() -> Checked {
    Checked { status: Verdict::Starting, failing_streak: 0, log: Vec::new() }
}

impl Prober {
    /// For a run that begins now.
    pub fn new(health: &Health) -> Self {
        Self { probe: None, born: time::monotonic_ns(), at: Some(due(health, Verdict::Starting, 0)) }
    }

    fn next_due(&self, health: &Health, state: &State) -> i64 {
        let status = state.health.as_ref().map_or(Verdict::Starting, |checked| checked.status);
        due(health, status, time::monotonic_ns() - self.born)
    }

    /// When it wants a turn at the latest, in monotonic milliseconds.
    pub fn deadline(&self) -> Option<i64> {
        self.at
    }

    /// Adds what it waits for.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        if let Some(probe) = &self.probe {
            match &probe.sync {
                Some(sync) => fds.push(PollFd::from_borrowed_fd(sync.as_fd(), PollFlags::IN)),
                None => fds.push(PollFd::from_borrowed_fd(probe.program().pidfd.as_fd(), PollFlags::IN)),
            }
            if !probe.is_silent {
                fds.push(PollFd::from_borrowed_fd(probe.output.as_fd(), PollFlags::IN));
            }
        }
    }

    /// Does what is due. True when the state has changed.
    pub fn turn(&mut self, room: &Room<'_>, health: &Health, state: &mut State, is_frozen: bool) -> bool {
        if is_frozen {
            // What stands still cannot answer; docker begins anew when it goes on.
            self.cancel();
            self.at = None;
        }
        let is_due = self.at.is_some_and(|at| time::monotonic_ms() >= at);
        let Some(probe) = &mut self.probe else {
            match self.at {
                _ if is_frozen => {}
                None => self.at = Some(self.next_due(health, state)),
                Some(_) if is_due => return self.begin(room, health, state),
                Some(_) => {}
            }
            return false;
        };
        if is_due {
            probe.is_late = true;
            probe.kill();
            self.at = None;
        }
        let Some(end) = probe.follow() else { return false };
        if !probe.is_void {
            note(health, state, probe.ran_ns, probe.verdict(health, end));
        }
        self.probe = None;
        self.at = Some(self.next_due(health, state));
        true
    }

    /// True when it has failed already.
    fn begin(&mut self, room: &Room<'_>, health: &Health, state: &mut State) -> bool {
        let (began, ran_ns) = (time::now(), time::monotonic_ns() - self.born);
        match launch(room, health, began, ran_ns) {
            Ok(probe) => {
                self.probe = Some(probe);
                self.at = Some(time::monotonic_ms() + health.timeout_ns / NS_PER_MS);
                false
            }
            Err(error) => {
                let check = Check { start: began, end: time::now(), exit_code: -1, output: error.to_string() };
                note(health, state, ran_ns, check);
                self.at = Some(self.next_due(health, state));
                true
            }
        }
    }

    fn cancel(&mut self) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| !probe.is_void) {
            probe.is_void = true;
            probe.kill();
        }
    }

    /// The end of the run: nothing of a check is left, as far as that can be had without waiting for long.
    pub fn end(mut self) {
        self.cancel();
        let Some(probe) = self.probe else { return };
        for child in [Some(&probe.child), probe.awaited.program.as_ref()].into_iter().flatten() {
            if process::readable(child.pidfd.as_fd(), KILL_WAIT_MS) {
                process::wait(child.pidfd.as_fd());
            }
        }
    }
}

/// Where checks are made.
pub struct Room<'a> {
    /// The store.
    pub store: &'a Store,
    /// The container.
    pub container: &'a Container,
    /// Its first process.
    pub init: BorrowedFd<'a>,
    /// What an unprotected process has as its `oom_score_adj`.
    pub oom_score: &'a str,
}

fn launch(room: &Room<'_>, health: &Health, began: i64, ran_ns: i64) -> Result<Probe> {
    let mut args = Vec::new();
    if health.test.first().is_some_and(|kind| kind == "CMD-SHELL") {
        args.push("/bin/sh".to_owned());
        args.push("-c".to_owned());
    }
    args.extend_from_slice(health.test.get(1..).unwrap_or_default());
    let exec = Exec {
        args,
        env: Vec::new(),
        cwd: None,
        user: None,
        tty: false,
        stdin: false,
        detach: false,
        privileged: false,
        detach_keys: Vec::new(),
    };
    let (output, write) = control::pipe()?;
    control::nonblocking(output.as_fd())?;
    let stdio = Stdio { stdin: None, stdout: Some(process::duplicate(&write)?), stderr: Some(write) };
    let (child, sync) = exec::launch(room.store, room.container, &exec, room.init, stdio, room.oom_score)?;
    Ok(Probe {
        began,
        ran_ns,
        child,
        awaited: Awaited::default(),
        sync: Some(sync),
        output,
        said: Vec::new(),
        is_cut: false,
        is_silent: false,
        is_late: false,
        is_void: false,
    })
}

impl Probe {
    fn program(&self) -> &Child {
        self.awaited.program.as_ref().unwrap_or(&self.child)
    }

    /// Ends it, with what it started in its session.
    fn kill(&self) {
        for child in [Some(&self.child), self.awaited.program.as_ref()].into_iter().flatten() {
            let _ = sys::signal(child.pidfd.as_fd(), SIGKILL); // it may have ended
            // Not reaped yet, so its number is still its own, and that of its group.
            if let (None, Some(pid)) = (&self.sync, Pid::from_raw(child.pid)) {
                let _ = kill_process_group(pid, Signal::KILL); // it may have made none
            }
        }
    }

    /// Hears what there is to hear, without waiting. Its exit code once it has ended, or why it could not begin.
    fn follow(&mut self) -> Option<Result<i32>> {
        let mut failure = None;
        while let Some(sync) = &self.sync
            && process::readable(sync.as_fd(), 0)
        {
            match control::hear(&mut self.awaited, sync.as_fd()) {
                Ok(true) => {}
                Ok(false) => self.sync = None,
                Err(error) => {
                    failure = Some(error);
                    self.hear_out();
                }
            }
        }
        self.listen();
        let has_ended = self.sync.is_none() && process::readable(self.program().pidfd.as_fd(), 0);
        if !has_ended && failure.is_none() {
            return None;
        }
        // Who has handed over, or failed, is about to end, and need not take its time.
        if failure.is_some() {
            self.kill();
        }
        let code = process::wait(self.program().pidfd.as_fd());
        if self.awaited.program.is_some() {
            process::wait(self.child.pidfd.as_fd());
        }
        Some(failure.map_or(Ok(code), Err))
    }

    /// After a failure: the program's process may tell of it before the one that had it born has told of that process, which
    /// is ours to reap: a pid namespace with a zombie never ends. Who tells ends at once.
    fn hear_out(&mut self) {
        let Some(sync) = self.sync.take() else { return };
        process::readable(self.child.pidfd.as_fd(), TELL_WAIT_MS);
        for _ in 0..MESSAGES_MAX {
            if !process::readable(sync.as_fd(), 0)
                || matches!(control::hear(&mut self.awaited, sync.as_fd()), Ok(false))
            {
                return;
            }
        }
    }

    /// Takes what it says, as much as a pipe holds; most of what is too much is only taken.
    fn listen(&mut self) {
        let mut buf = [0; OUTPUT_BYTES_MAX];
        for _ in 0..PIPE_BYTES / OUTPUT_BYTES_MAX {
            let Some(n) = control::read_some(self.output.as_fd(), &mut buf) else { return };
            let bytes = &buf[..n];
            if n == 0 {
                self.is_silent = true;
                return;
            }
            let room = OUTPUT_BYTES_MAX - self.said.len();
            self.said.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.is_cut |= bytes.len() > room;
        }
    }

    fn verdict(&self, health: &Health, end: Result<i32>) -> Check {
        let mut said = String::from_utf8_lossy(&self.said).into_owned();
        if self.is_cut {
            said.push_str("...");
        }
        let (exit_code, output) = match end {
            _ if self.is_late => {
                let colon = if said.is_empty() { "" } else { ": " };
                (-1, format!("Health check exceeded timeout ({}){colon}{said}", time::go(health.timeout_ns)))
            }
            Ok(code) => (code, said),
            Err(error) => (-1, error.to_string()),
        };
        Check { start: self.began, end: time::now(), exit_code, output }
    }
}

/// Adds a check, begun when the run had lasted so long, to what is known, as docker does: failures do not count while it
/// starts, a success ends the start.
fn note(health: &Health, state: &mut State, ran_ns: i64, check: Check) {
    let checked = state.health.get_or_insert_with(unknown);
    if check.exit_code == 0 {
        (checked.status, checked.failing_streak) = (Verdict::Healthy, 0);
    } else if checked.status != Verdict::Starting || ran_ns >= health.start_period_ns {
        checked.failing_streak += 1;
        if checked.failing_streak >= health.retries {
            checked.status = Verdict::Unhealthy;
        }
    }
    if checked.log.len() >= CHECKS_MAX {
        checked.log.remove(0);
    }
    checked.log.push(check);
}

/// When the next check is due, in monotonic milliseconds.
fn due(health: &Health, status: Verdict, ran_ns: i64) -> i64 {
    let is_starting = status == Verdict::Starting && ran_ns < health.start_period_ns;
    let wait_ns = if is_starting { health.start_interval_ns } else { health.interval_ns };
    time::monotonic_ms() + wait_ns / NS_PER_MS
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    fn health() -> Health {
        Health {
            test: Vec::new(),
            interval_ns: 30,
            timeout_ns: 30,
            start_period_ns: 100,
            start_interval_ns: 5,
            retries: 2,
        }
    }

    fn child(line: &str) -> (std::process::Child, Child) {
        let started = std::process::Command::new("sh").args(["-c", line]).spawn().unwrap();
        let pid = started.id() as i32;
        (started, Child { pid, pidfd: process::open_pidfd(pid).unwrap() })
    }

    /// A process that is born may fail before the one that had it born has told of it.
    #[test]
    fn who_is_told_of_after_the_failure_is_reaped() {
        let ((_, program), (_, teller)) = (child("exit 1"), child("exit 0"));
        let (sync, theirs) = control::pair().unwrap();
        let (pid, pidfd) = (program.pid, process::duplicate(&program.pidfd).unwrap());
        control::send(theirs.as_fd(), &control::Message::Failed(crate::error::Error::new("no such program"))).unwrap();
        control::send_with(theirs.as_fd(), &control::Message::Started(pid), Some(program.pidfd.as_fd())).unwrap();
        drop(theirs);
        let mut probe = Probe {
            began: 0,
            ran_ns: 0,
            child: teller,
            awaited: Awaited::default(),
            sync: Some(sync),
            output: control::pipe().unwrap().0,
            said: Vec::new(),
            is_cut: false,
            is_silent: false,
            is_late: false,
            is_void: false,
        };
        assert!(probe.follow().is_some_and(|end| end.is_err()));
        assert!(!process::is_child(pidfd.as_fd()), "it was not reaped");
    }

    /// Checks at these moments after the start end with these codes: the verdict and the streak.
    fn after(checks: &[(i64, i32)]) -> (Verdict, u32, usize) {
        let mut state = State::created();
        for (at, exit_code) in checks {
            note(&health(), &mut state, *at, Check { start: 0, end: 0, exit_code: *exit_code, output: String::new() });
        }
        let checked = state.health.unwrap();
        (checked.status, checked.failing_streak, checked.log.len())
    }

    #[test]
    fn verdicts() {
        assert!(after(&[(10, 1), (20, 1), (30, 1)]) == (Verdict::Starting, 0, 3), "failures in the start period");
        assert!(after(&[(10, 0)]) == (Verdict::Healthy, 0, 1), "a success in it");
        assert!(after(&[(10, 0), (20, 1), (30, 1)]) == (Verdict::Unhealthy, 2, 3), "its start is over with a success");
        assert!(after(&[(110, 1)]) == (Verdict::Starting, 1, 1));
        assert!(after(&[(110, 1), (120, -1)]) == (Verdict::Unhealthy, 2, 2));
        assert!(after(&[(110, 1), (120, 3), (130, 0), (140, 1), (150, 0), (160, 0)]) == (Verdict::Healthy, 0, 5));
    }
}
