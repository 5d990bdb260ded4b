//! The network that a process sees, and its name there. network_namespaces(7), uts_namespaces(7).
//!
//! A container on a network has one end of a pair of links (veth(4)) for it, `eth0` and so on; the other end is on the
//! network's bridge. [`bridge`] makes that and what the host does with its packets, [`endpoint`] the pairs, [`ports`] the way
//! in from outside; [`needs`] tries out whether the kernel can.

pub mod bridge;
pub mod endpoint;
pub mod needs;
pub mod ports;
pub mod subnets;

use crate::error::{Result, Tried};
use crate::kernel::link;
use crate::spec::{Network, Owner, Spec};

/// child: names the host, and switches `lo` on in a network of its own. The links are for [`endpoint::enter`].
pub fn enter(spec: &Spec) -> Result<()> {
    if matches!(spec.namespaces.uts.of, Owner::Private | Owner::Shareable) {
        set_names(Some(&spec.hostname), spec.domainname.as_deref())?;
    }
    match spec.network {
        Network::None | Network::Bridge => raise_loopback(),
        Network::Host | Network::Container => Ok(()),
    }
}

/// child, in a UTS namespace of its own: the name of the host, and its NIS domain name.
pub fn set_names(host: Option<&str>, domain: Option<&str>) -> Result<()> {
    if let Some(host) = host {
        rustix::system::sethostname(host.as_bytes()).tried("set the host name")?;
    }
    match domain {
        Some(domain) => rustix::system::setdomainname(domain.as_bytes()).tried("set the domain name"),
        None => Ok(()),
    }
}

/// child, in a network namespace of its own: switches `lo` on.
pub fn raise_loopback() -> Result<()> {
    link::up(&link::open()?, link::LOOPBACK)
}
