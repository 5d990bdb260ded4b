//! child: the process with the number 1 under `--init`: passes signals on to the command, reaps what others left behind,
//! and ends as the command ends. What tini(1) does.

use crate::error::{Result, Tried};
use crate::kernel::process::{self, Never};
use crate::kernel::sys::{self, Clone};
use rustix::fd::AsFd;
use rustix::process::{Pid, WaitOptions};

/// child: the second process, which is to become the command, returns; the first one stays behind and looks after it.
/// Before that it does `last`, as the command will.
pub fn split(title: &[u8], last: &dyn Fn() -> Result<()>) -> Result<()> {
    match sys::clone(0, None).tried("make the command's process")? {
        Clone::Child => {
            // Without the first process there is nobody to be reaped by.
            let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
            Ok(())
        }
        Clone::Parent(pid, _) => {
            last()?;
            match guard(pid, title)? {}
        }
    }
}

/// The rest of the first process's life. All signals are blocked.
fn guard(command: i32, title: &[u8]) -> Result<Never> {
    sys::retitle(title);
    let _ = rustix::thread::set_name(c"mydocker-init"); // only for people who look at ps
    process::null_stdio(7)?;
    sys::close_from(3, false);
    let pidfd = process::open_pidfd(command).tried("watch the command")?;
    let signals = sys::signalfd(!0).tried("watch signals")?;
    loop {
        process::readable(signals.as_fd(), -1);
        while let Some(signal) = sys::next_signal(signals.as_fd()) {
            if signal == rustix::process::Signal::CHILD.as_raw() {
                reap(command);
            } else {
                let _ = sys::signal(pidfd.as_fd(), signal); // it may have just ended
            }
        }
    }
}

/// Takes everybody who has ended; with the command, this process ends too.
fn reap(command: i32) {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if Some(pid) == Pid::from_raw(command) {
            let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
            sys::exit(code.unwrap_or(255));
        }
    }
}
