//! What networks need of a kernel, tried out in a network namespace of the caller that goes with it.

use super::bridge;
use crate::error::Result;
use crate::kernel::link;
use crate::store::networks::{DEFAULT, Network};
use alloc::borrow::ToOwned;

const NAME: &str = "md-check";
/// Bytes of the largest packet.
const MTU: u32 = 1500;

/// child: makes a bridge.
pub fn bridge() -> Result<()> {
    link::make_bridge(&link::open()?, NAME, MTU)
        .map_err(|errno| bridge::explain(errno, "bridge", "make the bridge", NAME))
}

/// child: makes a pair of links, on no bridge.
pub fn veth() -> Result<()> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let pair = link::Pair { name: NAME, bridge: 0, mtu: MTU, pid, peer: "eth0", address: [2, 0x42, 0, 0, 0, 1] };
    link::make_pair(&link::open()?, &pair).map_err(|errno| bridge::explain(errno, "veth", "make the link", NAME))
}

/// child: makes the rules of a network.
pub fn rules() -> Result<()> {
    let network = Network {
        name: DEFAULT.to_owned(),
        id: "check-of-networks".to_owned(),
        link: NAME.to_owned(),
        subnet: "192.0.2.0/24".to_owned(),
        ..Network::default()
    };
    bridge::add_rules(&bridge::filter()?, &network, None)
}
