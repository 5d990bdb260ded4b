//! Bridges, and the links of containers on them.

use crate::error::Result;
use crate::kernel::netlink::Socket;
use crate::spec::{Attached, Spec};
use crate::store::Store;
use crate::store::networks::Network;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// A running container on a network, as the kernel tells it.
pub struct Member {
    /// The container's id.
    pub id: String,
    /// Its IPv4 address there.
    pub ip: IpAddr,
}

/// Who is on a network now.
pub fn members(_network: &Network) -> Result<Vec<Member>> {
    Ok(Vec::new())
}

/// Gives a network that has none a subnet that is free here, and an id and all else that a record needs. The caller
/// holds the lock of the networks.
pub fn complete(_store: &Store, _network: &mut Network) -> Result<()> {
    Ok(())
}

/// Takes a network's bridge away with its rules, unless a container is on it. The caller holds the lock of the networks.
pub fn remove(_network: &Network) -> Result<()> {
    Ok(())
}

/// monitor, while the child waits: puts it on its networks.
pub fn attach(_store: &Store, _spec: &Spec, _pid: i32) -> Result<Vec<Attached>> {
    Ok(Vec::new())
}

/// child: switches one of its links on.
pub fn enter(_socket: &Socket, _attached: &Attached) -> Result<()> {
    Ok(())
}

/// Anyone: takes a container off its networks, and takes bridges away that nobody is on any more. Idempotent.
pub fn release(_store: &Store, _spec: &Spec) -> Result<()> {
    Ok(())
}
