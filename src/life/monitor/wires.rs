//! monitor: puts a running container on networks and takes it off, as its record says.

use super::super::{hosts, provide};
use super::{Container, Monitor};
use crate::error::{Result, Tried};
use crate::kernel::link;
use crate::spec::Attached;
use crate::store::{Store, networks};
use crate::walls::net::endpoint;
use crate::walls::net::ports::{self, Published};
use alloc::format;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

impl Monitor<'_> {
    /// Makes its links those that the record asks for. What it had to do before an error stays done.
    pub(super) fn rewire(&mut self, container: &Container) -> Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        let (store, spec, init) = (self.store, &container.spec, run.child.pidfd.as_fd());
        if run.published.bound.is_empty() {
            run.published = ports::prepare(store, spec)?; // it may lead out for the first time
        }
        let before = core::mem::take(&mut self.state.networks);
        let mut result = Ok(());
        let mut left: Vec<Attached> = Vec::new();
        for attached in before {
            if networks::is_on(spec, &attached.network) {
                left.push(attached);
                continue;
            }
            let parted = hosts::part(store, spec, &attached);
            result = result.and(parted).and(endpoint::cut(store, &spec.id, &attached.network));
        }
        for wanted in &spec.endpoints {
            if result.is_err() || left.iter().any(|attached| attached.network == wanted.network) {
                continue;
            }
            let mut at = 0;
            let name = loop {
                let name = format!("eth{at}");
                if left.iter().all(|attached| attached.link != name) {
                    break name;
                }
                at += 1;
            };
            let leads_out = left.iter().all(|attached| attached.gateway.is_empty());
            result = endpoint::plug(store, &spec.id, wanted, run.child.pid, &name, leads_out).and_then(|attached| {
                let done = inside(init, &mut || endpoint::enter(&link::open()?, &attached));
                let done = done.and_then(|()| hosts::announce(store, spec, core::slice::from_ref(&attached)));
                match done {
                    Ok(()) => left.push(attached),
                    Err(_) => drop(endpoint::cut(store, &spec.id, &wanted.network)), // the first error is told
                }
                done
            });
        }
        if left.iter().all(|attached| attached.gateway.is_empty()) {
            result = result.and(lead_out(store, init, &mut left));
        }
        // Ports lead to one that can be reached from outside.
        if left.iter().all(|attached| attached.gateway.is_empty()) {
            run.relays.end();
            run.published = Published::default();
        }
        result = result.and(run.published.open(spec, &left));
        self.state.ports.clone_from(&run.published.bound);
        self.state.networks = left;
        result.and(container.note_state(self.store, &self.state, false))
    }
}

/// The way out of a container whose last one has gone.
fn lead_out(store: &Store, init: BorrowedFd<'_>, left: &mut [Attached]) -> Result<()> {
    for attached in left {
        if let Some(network) = networks::get(store, &attached.network)?.filter(|network| !network.is_internal) {
            attached.gateway = network.gateway;
            attached.gateway6 = network.gateway6.unwrap_or_default();
            return inside(init, &mut || endpoint::lead_out(&link::open()?, attached));
        }
    }
    Ok(())
}

/// Runs `work` in a process in the container's network.
fn inside(init: BorrowedFd<'_>, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    provide::help(&mut || {
        move_into_thread_name_spaces(init, ThreadNameSpaceType::NETWORK).tried("enter the container's network")?;
        work()
    })
}
