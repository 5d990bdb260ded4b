//! monitor: what makes a container stand still, go on or end, and what is told about that.

use super::{Monitor, SIGKILL};
use crate::error::{Error, Result, Tried};
use crate::kernel::sys;
use crate::spec::Spec;
use crate::store::events;
use crate::walls::cgroup::{self, Place};
use alloc::string::ToString;
use rustix::fd::AsFd;

impl Monitor<'_> {
    /// Tells how a run has ended.
    pub(super) fn tell_end(&self, spec: &Spec) {
        let code = self.state.exit_code.to_string();
        for (is_so, action, more) in [
            (self.state.oom_killed, "oom", &[][..]),
            (true, "die", &[("exitCode", code.as_str())][..]),
            (self.is_stopping, "stop", &[][..]),
        ] {
            if is_so {
                events::container(self.store, action, spec, more);
            }
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.is_paused)
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.is_paused() || self.clients.iter().any(|client| client.is_freezing)
    }

    /// Makes it stand still, if it runs.
    pub(super) fn freeze(&self, spec: &Spec) -> Result<()> {
        if self.run.is_some() {
            cgroup::freeze(Place::of(spec), true)
        } else {
            Err(super::super::is_restarting(&spec.id))
        }
    }

    /// Lets it go on, unless somebody else wants it to stand still.
    pub(super) fn thaw(&mut self, spec: &Spec) {
        if self.run.is_some() && !self.is_frozen() {
            let _ = cgroup::freeze(Place::of(spec), false); // what cannot be thawed now is thawed by being killed
        }
    }

    pub(super) fn pause(&mut self, spec: &Spec) -> Result<()> {
        if self.is_paused() {
            return Err(Error::new(format_args!("Container {} is already paused", spec.id)));
        }
        self.freeze(spec)?;
        self.set_paused(true);
        events::container(self.store, "pause", spec, &[]);
        Ok(())
    }

    pub(super) fn unpause(&mut self, spec: &Spec) -> Result<()> {
        if !self.is_paused() {
            return Err(Error::new(format_args!("Container {} is not paused", spec.id)));
        }
        self.set_paused(false);
        events::container(self.store, "unpause", spec, &[]);
        if self.is_frozen() {
            return Ok(()); // a commit is at it, and lets it go on at its end
        }
        let thawed = cgroup::freeze(Place::of(spec), false);
        self.set_paused(thawed.is_err());
        thawed
    }

    pub(super) fn set_paused(&mut self, is_paused: bool) {
        if let Some(run) = &mut self.run {
            run.is_paused = is_paused;
        }
    }

    /// Sends a signal to the first process, if there is one. The stop signal ends a pause, as docker has it: a frozen
    /// process notices nothing. SIGKILL ends every process of the pid namespace; on v1 the frozen ones only once they are
    /// thawed.
    pub(super) fn signal(&mut self, spec: &Spec, signal: i32) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let sent = sys::signal(run.child.pidfd.as_fd(), signal).tried("signal the container");
        if sent.is_ok() {
            events::container(self.store, "kill", spec, &[("signal", &signal.to_string())]);
        }
        let was_frozen = self.is_frozen();
        if signal == SIGKILL || signal == spec.stop_signal {
            self.set_paused(false);
        }
        if signal == SIGKILL {
            self.clients.iter_mut().for_each(|client| client.is_freezing = false);
        }
        if was_frozen {
            self.thaw(spec);
        }
        sent
    }
}
