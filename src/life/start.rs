//! command: starts a container: forks its monitor and waits until the command runs.

use super::control::{self, Message};
use super::monitor::{self, Order};
use super::relay::Streams;
use crate::error::{Error, Result};
use crate::kernel::{fault, process};
use crate::spec::{Network, Spec};
use crate::store::Store;
use crate::store::containers::Container;
use crate::walls;
use alloc::boxed::Box;
use rustix::fd::{AsFd, OwnedFd};
use rustix::termios::Winsize;

/// How somebody is connected to a container.
pub struct Attach {
    /// Whether our standard input goes there.
    pub stdin: bool,
    /// Whether its output comes here.
    pub stdout: bool,
    /// Whether its errors come here; with a terminal there is only the output.
    pub stderr: bool,
    /// The size of our terminal, 0 × 0 when we have none.
    pub size: Winsize,
}

/// A running container, as seen by the one who started it.
pub struct Started {
    /// What was asked of it.
    pub spec: Box<Spec>,
    /// Pid of its first process.
    pub pid: i32,
    /// The conversation with the monitor; it says how the container ends.
    pub control: OwnedFd,
    /// Our ends of its streams.
    pub streams: Streams,
}

/// Pipes for what is to be connected: our ends, and the container's for standard input, output and error.
pub fn pipes(attach: &Attach, tty: bool) -> Result<(Streams, [Option<OwnedFd>; 3])> {
    let pipe = |wanted: bool| if wanted { control::pipe().map(|(r, w)| (Some(r), Some(w))) } else { Ok((None, None)) };
    let (stdin_read, stdin) = pipe(attach.stdin)?;
    let (stdout, stdout_write) = pipe(attach.stdout)?;
    let (stderr, stderr_write) = pipe(attach.stderr && !tty)?;
    Ok((Streams { stdin, stdout, stderr }, [stdin_read, stdout_write, stderr_write]))
}

/// Starts the container. On an error it is as it was; a `fresh` one (made for this start) is gone.
pub fn start(store: &Store, container: Container, change: OwnedFd, attach: &Attach, fresh: bool) -> Result<Started> {
    let name = container.spec.name.clone();
    let (streams, [stdin, stdout, stderr]) = pipes(attach, container.spec.tty)?;
    let (control, monitor_control) = control::pair()?;
    let (early, child_early) = control::pair()?;
    let (size, child_early) = (attach.size, Some(child_early));
    let order =
        Order { container, change, control: monitor_control, stdin, stdout, stderr, size, early: child_early, fresh };
    let mut moved = Some((order, (control, streams, early)));
    let monitor = process::spawn(0, None, &mut || match moved.take() {
        Some((order, ours)) => {
            drop(ours);
            monitor::run(store, order)
        }
        None => crate::kernel::sys::exit(1),
    })?;
    let Some((order, (control, streams, early))) = moved else { crate::kernel::sys::exit(1) };
    // Our copies of the monitor's ends go, the change lock not before the monitor has given its answer.
    let Order { change, container, control: monitors, early: childs, .. } = order;
    drop((monitors, childs));
    fault::point("start:forked");
    // The monitor has the process to make first, and we have nothing to do. Whom it does not reach needs none.
    let give =
        |made: Option<OwnedFd>| drop(control::send_with(early.as_fd(), &Message::Made, made.as_ref().map(AsFd::as_fd)));
    give(walls::mount::root_early(store, &container));
    store.timing.mark("mount::root_early");
    fault::point("start:mounted");
    give(walls::net::make_early(&container.spec));
    drop(early);
    store.timing.mark("net::make_early");
    fault::point("start:made");
    if container.spec.network == Network::Bridge {
        walls::net::bridge::raise_early(store, &container.spec, &|| process::readable(control.as_fd(), 0));
        store.timing.mark("bridge::raise_early");
    }
    match control::answer(control.as_fd()) {
        Ok(Message::Started(pid)) => Ok(Started { spec: container.spec, pid, control, streams }),
        Ok(_) => Err(Error::new(format_args!("the monitor of container {name} gave a strange answer"))),
        Err(error) => {
            // A monitor that was killed could not clean up after itself. For one that was not, this finds nothing to do.
            process::wait(monitor.pidfd.as_fd());
            // Another one may be alive; and of a killed one the child, which shares its lock, may take a moment to die.
            if fresh || !container.is_alive().unwrap_or(true) {
                let _ = super::hosts::withdraw(store, &container.spec, &[]);
                let _ = walls::release(&container.spec);
                let _ = walls::release_links(store, &container.spec, &[]);
            }
            if fresh {
                let _ = super::remove::dispose(store, &container.spec, true);
                let _ = crate::store::trash::sweep(store);
            }
            drop(change);
            Err(error)
        }
    }
}
