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
use crate::kernel::{at, fault, link, sys};
use crate::spec::{Network, Owner, Spec};
use linux_raw_sys::general::CLONE_NEWNET;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// child: names the host.
pub fn enter_name(spec: &Spec) -> Result<()> {
    if matches!(spec.namespaces.uts.of, Owner::Private | Owner::Shareable) {
        set_names(Some(&spec.hostname), spec.domainname.as_deref())?;
    }
    Ok(())
}

/// Whether a container has a network of its own, not somebody else's.
pub fn is_own(spec: &Spec) -> bool {
    matches!(spec.network, Network::None | Network::Bridge)
}

fn current() -> sys::Answer<OwnedFd> {
    at::open(CWD, "/proc/self/ns/net", OFlags::RDONLY)
}

fn join(namespace: &OwnedFd) -> sys::Answer<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}

/// command, while its monitor makes the process: a network namespace for it, in which nobody is. `None` where the child has
/// to make it itself: it must belong to the container's user namespace; or we could not come back from there.
pub fn make_early(spec: &Spec) -> Option<OwnedFd> {
    if !is_own(spec) || spec.ids.is_some() {
        return None;
    }
    let host = current().ok()?;
    join(&host).ok()?; // who is not root here may not, and must not leave
    sys::unshare(CLONE_NEWNET).ok()?;
    fault::point("start:away");
    let made = current();
    if join(&host).is_err() {
        sys::exit(1); // it was allowed before. Bridges, and other containers, must not be made from here
    }
    made.ok()
}

/// child: enters a network of its own, what [`make_early`] returned or else a new one, and switches `lo` on there. Until
/// then it is in the host's. The links are for [`endpoint::enter`].
pub fn enter(made: Option<OwnedFd>) -> Result<()> {
    match made {
        Some(made) => join(&made).tried("enter the network namespace")?,
        None => sys::unshare(CLONE_NEWNET).tried("make a network namespace")?,
    }
    raise_loopback()
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
