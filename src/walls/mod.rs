//! WALLS: what surrounds one process. Each file has the same verbs, named by who runs them and when:
//! `prepare` (monitor, before the clone) · `enter` (child) · `release` (whoever cleans up; idempotent).
//! The order within each list below is the design. The files do not import each other.

pub mod cgroup;
pub mod mount;
pub mod net;
pub mod privs;

use crate::error::Result;
use crate::spec::{Network, Spec};
use crate::store::Store;
use linux_raw_sys::general as raw;

/// What a container may see below /sys/fs/cgroup.
pub enum Visible<'a> {
    /// One cgroup2 mount.
    V2,
    /// A v1 mount for each of these options.
    V1(alloc::vec::Vec<&'a str>),
}

/// What the host side made, for the child to enter.
pub struct Prepared {
    /// Where the child will be accounted and limited.
    pub cgroup: cgroup::Joined,
}

/// monitor: makes what must exist before the process does. On an error the caller releases.
pub fn prepare(spec: &Spec) -> Result<Prepared> {
    Ok(Prepared { cgroup: cgroup::prepare(spec)? })
}

/// The namespaces that the process is born in. The cgroup namespace comes later: it must root in the container's cgroup.
pub fn namespaces(spec: &Spec) -> u32 {
    let own = raw::CLONE_NEWNS | raw::CLONE_NEWPID | raw::CLONE_NEWUTS | raw::CLONE_NEWIPC;
    match spec.network {
        Network::None => own | raw::CLONE_NEWNET,
        Network::Host => own,
    }
}

/// child: closes the walls around this process, all but the last one. The current directory is the container's.
pub fn enter(store: &Store, spec: &Spec, prepared: &Prepared) -> Result<()> {
    cgroup::enter(&prepared.cgroup, spec)?;
    net::enter(spec)?;
    mount::enter(store, spec, &cgroup::visible(&prepared.cgroup))
}

/// child: gives up what the process may not keep. The last wall, for init and exec alike; returns its home directory.
pub fn drop_privileges(user: &str, cgroup: &cgroup::Joined) -> Result<privs::User> {
    privs::enter(user, cgroup.filters_devices())
}

/// Anyone: removes what outlives the processes, whatever their end was. Kills what is left in the cgroup first.
pub fn release(spec: &Spec) -> Result<()> {
    cgroup::release(cgroup::Place::of(spec))
}

/// Anyone: the same for a container of which nothing but the id is known.
pub fn release_lost(id: &str) -> Result<()> {
    cgroup::release_lost(id)
}
