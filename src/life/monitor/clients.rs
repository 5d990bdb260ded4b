//! monitor: what it does for the commands that are connected.

use super::super::control::{self, Message, Purpose};
use super::{Client, Monitor, SIGKILL};
use crate::error::Error;
use crate::kernel::time;
use crate::spec::{Spec, Verdict};
use crate::store::containers::Container;
use rustix::fd::{AsFd, OwnedFd};

impl Client {
    /// One that has not said anything yet.
    pub(super) fn new(number: u32, socket: OwnedFd) -> Self {
        Self { number, socket, is_waiting: false, is_watching: false, is_freezing: false }
    }
}

/// Tells those who watch its health what that is now.
pub(super) fn tell_health(clients: &[Client], health: Verdict) {
    for client in clients {
        if client.is_watching {
            let _ = control::send(client.socket.as_fd(), &Message::Health(health)); // it may have gone
        }
    }
}

impl Monitor<'_> {
    /// Lets in who has come.
    pub(super) fn accept(&mut self) {
        use rustix::net::{SocketFlags, accept_with};
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC) {
            self.last_client += 1;
            self.clients.push(Client::new(self.last_client, socket));
        }
    }

    /// One sentence of one client; a client that hangs up or talks nonsense is forgotten.
    pub(super) fn listen_to(&mut self, at: usize, container: &Container) {
        let spec = &container.spec;
        let Some(client) = self.clients.get_mut(at) else { return };
        let number = client.number;
        let Ok(Some((message, fd))) = control::receive(client.socket.as_fd()) else {
            return self.forget(at, spec);
        };
        let done = match message {
            Message::Signal(signal) => {
                if signal == SIGKILL || signal == spec.stop_signal {
                    self.stopped_by_person(container);
                }
                self.signal(spec, signal)
            }
            Message::Stop(signal, limit_ms, purpose) => {
                client.is_waiting = true;
                self.stays |= purpose == Purpose::Again;
                self.is_stopping |= signal != SIGKILL || limit_ms >= 0; // else it is to be removed
                if purpose == Purpose::Shutdown {
                    self.goes_down(container);
                } else {
                    self.stopped_by_person(container);
                }
                if self.signal(spec, signal).is_ok()
                    && limit_ms >= 0
                    && signal != SIGKILL
                    && let Some(run) = &mut self.run
                {
                    let at = time::monotonic_ms().saturating_add(limit_ms);
                    run.kill_at = Some(run.kill_at.map_or(at, |other| other.min(at)));
                }
                return;
            }
            Message::Wait => {
                client.is_waiting = true;
                return;
            }
            Message::Watch => {
                client.is_watching = true;
                let health = self.state.health.as_ref().map_or(Verdict::Starting, |checked| checked.status);
                return tell_health(core::slice::from_ref(client), health);
            }
            Message::Resize(rows, columns) => {
                if let Some(run) = &self.run {
                    run.input.resize(rows, columns);
                }
                return;
            }
            Message::Eof => {
                if let Some(run) = &mut self.run {
                    run.end_input(number);
                }
                return;
            }
            Message::Stream(which) => match (&mut self.run, fd) {
                (Some(run), Some(pipe)) => run.connect(number, which, pipe),
                (None, _) => Err(super::super::is_restarting(&spec.id)),
                (_, None) => Err(Error::new("no pipe came with the wish to be attached")), // EMFILE
            },
            Message::Freeze => self.freeze(spec).map(|()| self.clients[at].is_freezing = true),
            Message::Thaw => {
                client.is_freezing = false;
                self.thaw(spec);
                Ok(())
            }
            Message::Rewire => self.rewire(container),
            Message::Pause => self.pause(spec),
            Message::Unpause => self.unpause(spec),
            _ => return self.forget(at, spec),
        };
        let answer = done.map_or_else(Message::Failed, |()| Message::Done);
        if control::send(self.clients[at].socket.as_fd(), &answer).is_err() {
            self.forget(at, spec);
        }
    }

    pub(super) fn forget(&mut self, at: usize, spec: &Spec) {
        let client = self.clients.remove(at);
        if let Some(run) = &mut self.run {
            run.end_input(client.number);
            run.outputs.iter_mut().for_each(|output| output.forget(client.number));
        }
        self.lingering.iter_mut().for_each(|output| output.forget(client.number));
        if client.is_freezing {
            self.thaw(spec);
        }
    }
}
