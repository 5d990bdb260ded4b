//! command: starts a container: forks its monitor and waits until the command runs.

use super::control::{self, Message};
use super::monitor::{self, Order};
use crate::error::{Error, Result};
use crate::kernel::process;
use crate::store::Store;
use crate::store::containers::Container;
use alloc::format;
use rustix::fd::{AsFd, OwnedFd};
use rustix::termios::Winsize;

/// How the one who starts a container is connected to it.
pub struct Attach {
    /// Whether its output comes here; without this, nothing does.
    pub output: bool,
    /// Whether our standard input goes there.
    pub input: bool,
    /// The size of our terminal, 0 × 0 when we have none.
    pub size: Winsize,
}

/// A running container, as seen by the one who started it.
pub struct Started {
    /// Pid of its first process.
    pub pid: i32,
    /// The conversation with the monitor; it says how the container ends.
    pub control: OwnedFd,
    /// Where its standard input is written to.
    pub stdin: Option<OwnedFd>,
    /// Where its output is read from.
    pub stdout: Option<OwnedFd>,
    /// Where its errors are read from; with a terminal there is only the output.
    pub stderr: Option<OwnedFd>,
}

/// Starts the container. On an error it is as it was; a `fresh` one (made for this start) is gone.
pub fn start(store: &Store, container: Container, change: OwnedFd, attach: &Attach, fresh: bool) -> Result<Started> {
    let name = container.spec.name.clone();
    let with_errors = attach.output && !container.spec.tty;
    let pipe = |wanted: bool| if wanted { control::pipe().map(|(r, w)| (Some(r), Some(w))) } else { Ok((None, None)) };
    let (stdin_read, stdin) = pipe(attach.input)?;
    let (stdout, stdout_write) = pipe(attach.output)?;
    let (stderr, stderr_write) = pipe(with_errors)?;
    let (control, monitor_control) = control::pair()?;
    let order = Order {
        container,
        change,
        control: monitor_control,
        stdin: stdin_read,
        stdout: stdout_write,
        stderr: stderr_write,
        size: attach.size,
        fresh,
    };
    let mut moved = Some((order, (control, stdin, stdout, stderr)));
    let monitor = process::spawn(0, None, &mut || match moved.take() {
        Some((order, ours)) => {
            drop(ours);
            monitor::run(store, order)
        }
        None => crate::kernel::sys::exit(1),
    })?;
    let Some((order, (control, stdin, stdout, stderr))) = moved else { crate::kernel::sys::exit(1) };
    // Our copies of the monitor's ends go, the change lock not before the monitor has given its answer.
    let Order { change, container, control: monitors, .. } = order;
    drop(monitors);
    match control::answer(control.as_fd()) {
        Ok(Message::Started(pid)) => Ok(Started { pid, control, stdin, stdout, stderr }),
        Ok(_) => Err(Error::new(format!("the monitor of container {name} gave a strange answer"))),
        Err(error) => {
            // A monitor that was killed could not clean up after itself. For one that was not, this finds nothing to do.
            if fresh {
                process::wait(monitor.pidfd.as_fd());
                let _ = crate::walls::release(&container.spec);
                let _ = super::remove::dispose(store, &container.spec, true);
                let _ = crate::store::trash::sweep(store);
            }
            drop(change);
            Err(error)
        }
    }
}
