//! command: puts containers on networks and takes them off, running or not.

use super::control::{self, Message};
use super::stop;
use crate::error::{Error, Result};
use crate::kernel::fault;
use crate::spec::{self, Endpoint, Spec};
use crate::store::containers::{self, Container};
use crate::store::networks::{self, Network};
use crate::store::{Store, events};
use alloc::format;
use rustix::fd::{AsFd, OwnedFd};

/// Why a container has the network that it has.
const SHARES: &str =
    "container sharing network namespace with another container or host cannot be connected to any other network";
const HOSTS: &str = "container cannot be disconnected from host network or connected to host network";
const PRIVATE: &str =
    "container cannot be connected to multiple networks with one of the networks in private (none) mode";

/// Puts a container on one more network, which has the addresses that the endpoint asks for.
pub fn connect(store: &Store, container: &Container, network: &Network, mut endpoint: Endpoint) -> Result<()> {
    match network.name.as_str() {
        "host" => return Err(Error::new(HOSTS)),
        "none" => return Err(Error::new(PRIVATE)),
        _ => {}
    }
    endpoint.network.clone_from(&network.name);
    let mut add = |spec: &mut Spec| {
        match spec.network {
            spec::Network::Bridge => {}
            spec::Network::None => return Err(Error::new(PRIVATE)),
            spec::Network::Host | spec::Network::Container => return Err(Error::new(SHARES)),
        }
        if networks::is_on(spec, &network.name) {
            let what = format!("endpoint with name {} already exists in network {}", spec.name, network.name);
            return Err(Error::new(what));
        }
        spec.endpoints.push(core::mem::take(&mut endpoint));
        Ok(())
    };
    rewire(store, container, network, "connect", false, &mut add)
}

/// Takes a container off a network. By `force` the record changes even if the links of a running one do not.
pub fn disconnect(store: &Store, container: &Container, network: &Network, force: bool) -> Result<()> {
    let mut take = |spec: &mut Spec| {
        if network.name == "host" && spec.network == spec::Network::Host {
            return Err(Error::new(HOSTS));
        }
        if network.name == "none" && spec.network == spec::Network::None {
            spec.network = spec::Network::Bridge; // on no network yet
            return Ok(());
        }
        if !networks::is_on(spec, &network.name) {
            let what = format!("container {} is not connected to network {}", spec.name, network.name);
            return Err(Error::new(what));
        }
        spec.endpoints.retain(|endpoint| endpoint.network != network.name);
        Ok(())
    };
    rewire(store, container, network, "disconnect", force, &mut take)
}

/// First the record, then the running container, whose monitor reads it. If that fails the record is as before, unless
/// the change `stays`.
fn rewire(
    store: &Store,
    container: &Container,
    network: &Network,
    action: &str,
    stays: bool,
    change: &mut dyn FnMut(&mut Spec) -> Result<()>,
) -> Result<()> {
    let _change = container.await_change(store)?;
    // Somebody may have changed it between our look and the lock.
    let mut container = containers::open(store, &container.spec.id)?;
    let before = container.spec.endpoints.clone();
    change(&mut container.spec)?;
    containers::rewrite(store, &container)?;
    fault::point("rewire:written");
    let tell = |monitor: OwnedFd| control::request(monitor.as_fd(), &Message::Rewire, None);
    match stop::dial(store, &container).and_then(|monitor| monitor.map_or(Ok(false), tell)) {
        Ok(true) => {
            events::network(store, action, &network.id, &network.name, &container.spec.id);
            Ok(())
        }
        Ok(false) => Ok(()), // it does not run, or has just ended: its next start reads the record
        Err(_) if stays => Ok(()),
        Err(error) => {
            container.spec.endpoints = before;
            containers::rewrite(store, &container)?;
            Err(error)
        }
    }
}
