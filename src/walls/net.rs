//! The network that a process sees, and its name there. network_namespaces(7), uts_namespaces(7).
//!
//! A container on a network has one end of a pair of links (veth(4)) for it, `eth0` and so on; the other end is on the
//! network's bridge. [`bridge`] makes that and what the host does with its packets, [`endpoint`] the pairs, [`ports`] the way
//! in from outside.

pub mod bridge;
pub mod endpoint;
pub mod ports;
pub mod subnets;

use crate::error::{Result, Tried};
use crate::kernel::link;
use crate::spec::{Attached, Network, Owner, Spec};

/// child: names the host, and switches the links on in a network of its own.
pub fn enter(spec: &Spec, attached: &[Attached]) -> Result<()> {
    if matches!(spec.namespaces.uts.of, Owner::Private | Owner::Shareable) {
        rustix::system::sethostname(spec.hostname.as_bytes()).tried("set the host name")?;
        if let Some(domain) = &spec.domainname {
            rustix::system::setdomainname(domain.as_bytes()).tried("set the domain name")?;
        }
    }
    match spec.network {
        Network::None | Network::Bridge => {
            let socket = link::open()?;
            link::up(&socket, link::LOOPBACK)?;
            attached.iter().try_for_each(|attached| endpoint::enter(&socket, attached))
        }
        Network::Host | Network::Container => Ok(()),
    }
}
