//! Crash points for the tests: `MYDOCKER_DIE_AT=<step>` kills this process with SIGKILL when it reaches the step, and
//! `MYDOCKER_STOP_AT=<step>` stops it there until it gets SIGCONT, so that others come first.
//! Compiled out unless the feature `crash-points` is on; the released binary has not even the names.

/// A step that a test can name. Does nothing in a released binary.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn point(_step: &str) {}

/// A step that a test can name.
#[cfg(feature = "crash-points")]
pub fn point(step: &str) {
    let Ok(environment) = super::file::read_at(rustix::fs::CWD, "/proc/self/environ", 1 << 20) else { return };
    let is_asked_to = |what: &str| {
        let wanted = alloc::format!("MYDOCKER_{what}_AT={step}");
        environment.split(|b| *b == 0).any(|entry| entry == wanted.as_bytes())
    };
    if is_asked_to("STOP") {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    }
    if is_asked_to("DIE") {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The first process of a pid namespace cannot kill itself; this ends it as suddenly.
        super::sys::exit(137);
    }
}
