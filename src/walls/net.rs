//! The network that a process sees, and its name there. network_namespaces(7), uts_namespaces(7).

use crate::error::{Result, Tried};
use crate::kernel::link;
use crate::spec::{Network, Owner, Spec};

/// child: names the host, and switches `lo` on in a network of its own.
pub fn enter(spec: &Spec) -> Result<()> {
    if matches!(spec.namespaces.uts.of, Owner::Private | Owner::Shareable) {
        rustix::system::sethostname(spec.hostname.as_bytes()).tried("set the host name")?;
    }
    match spec.network {
        Network::None => link::up(&link::open()?, link::LOOPBACK),
        Network::Host => Ok(()),
    }
}
