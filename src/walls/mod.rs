//! WALLS: what surrounds one process. Each file has the same verbs, named by who runs them and when:
//! `prepare` (monitor, before the clone) · `enter` (child) · `release` (whoever cleans up; idempotent).
//! The order within each list below is the design. The files do not import each other.

pub mod cgroup;
pub mod ids;
pub mod join;
pub mod mount;
pub mod net;
pub mod privs;
pub mod seccomp;
pub mod sysctl;

use crate::error::{Error, Result};
use crate::kernel::process;
use crate::spec::{Attached, Namespace, Network, Owner, Spec};
use crate::store::Store;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, OwnedFd};

/// What a container may see below /sys/fs/cgroup.
pub enum Visible<'a> {
    /// One cgroup2 mount.
    V2,
    /// A v1 mount for each of these options.
    V1(Vec<&'a str>),
    /// Directories of the host's own mounts by their names there, with `--cgroupns host`: on v1 the container's own, on v2
    /// (without a name) the whole tree.
    Host(Vec<(String, String)>),
}

/// What the host side made, for the child to enter.
pub struct Prepared {
    /// Where the child will be accounted and limited.
    pub cgroup: cgroup::Joined,
    /// Namespaces of other containers that it joins.
    pub joins: Vec<join::Joined>,
    /// The system calls that it may make; `None`: all.
    pub filter: Option<seccomp::Filter>,
    /// The ports of the host that it has.
    pub published: net::ports::Published,
}

/// What a child waits for no earlier than it needs it.
pub enum Late {
    /// What [`mount::root_early`] returned, or nothing.
    Root,
    /// Nothing: when this returns it has entered its network, and the monitor knows.
    Network,
    /// What [`cgroup::make_late`] returned.
    Groups,
    /// Nothing: when this returns its links are set up, and the files that depend on them.
    Links,
}

/// monitor: makes what must exist before the process does. On an error the caller releases.
pub fn prepare(store: &Store, spec: &Spec, joins: Vec<join::Joined>) -> Result<Box<Prepared>> {
    privs::refuse_missing(&spec.security)?;
    let cgroup = cgroup::prepare(spec)?;
    store.timing.mark("cgroup::prepare");
    let has_own_pids = matches!(spec.namespaces.pid.of, Owner::Private | Owner::Shareable);
    if cgroup.is_empty() && !has_own_pids {
        let why = "without a cgroup nothing would end what the command leaves behind";
        return Err(Error::new(format_args!("cannot share the process ids of others: {why}")));
    }
    let is_open = cgroup.filters_devices() || spec.security.privileged;
    if let Some(device) = spec.devices.iter().find(|device| !is_open && device.access != "rwm") {
        let why = format!("nothing checks here that it is only used for {}", device.access);
        return Err(Error::new(format_args!("cannot add the device {}: {why}", device.source)));
    }
    let filter = filter(spec, &cgroup)?;
    store.timing.mark("filter");
    Ok(Box::new(Prepared { cgroup, joins, filter, published: net::ports::prepare(store, spec)? }))
}

/// The system call filter of a container's processes, compiled for the capabilities that its root has.
pub fn filter(spec: &Spec, cgroup: &cgroup::Joined) -> Result<Option<seccomp::Filter>> {
    let profile = spec.security.seccomp.as_deref();
    if profile == Some("unconfined") || profile.is_none() && spec.security.privileged {
        return Ok(None);
    }
    let capabilities = privs::capabilities(&spec.security, cgroup.filters_devices());
    seccomp::compile(profile, capabilities, process::kernel_version()).map(Some)
}

/// The namespaces that the process is born in. The cgroup namespace comes later: it must root in the container's cgroup. So
/// does that of networks, which takes the kernel longest to make ([`net::make_early`]).
pub fn namespaces(spec: &Spec) -> u32 {
    let own = |namespace: &Namespace, flag: u32| match namespace.of {
        Owner::Private | Owner::Shareable => flag,
        Owner::Host | Owner::Container => 0,
    };
    raw::CLONE_NEWNS
        | own(&spec.namespaces.pid, raw::CLONE_NEWPID)
        | own(&spec.namespaces.uts, raw::CLONE_NEWUTS)
        | own(&spec.namespaces.ipc, raw::CLONE_NEWIPC)
        | if spec.ids.is_some() { raw::CLONE_NEWUSER } else { 0 }
}

/// child: closes the walls around this process, all but the last ones. The current directory is the container's. `wait`
/// returns what others do meanwhile.
pub fn enter(
    store: &Store,
    spec: &Spec,
    prepared: &Prepared,
    mut given: mount::Given,
    wait: &mut dyn FnMut(Late) -> Result<Vec<OwnedFd>>,
) -> Result<()> {
    privs::set_oom_score(spec)?;
    if spec.ids.is_some() {
        ids::enter()?;
    }
    prepared.joins.iter().try_for_each(join::enter)?;
    net::enter_name(spec)?;
    // Where nothing checks the opening of device nodes, those that an image or a volume brings along stay closed. A root of
    // a user namespace of ours opens no more of them than its user may.
    let open_nodes = prepared.cgroup.filters_devices() || spec.security.privileged || store.is_rootless;
    given.root = wait(Late::Root)?.pop();
    let mut cgroups = || {
        if net::is_own(spec) {
            wait(Late::Network)?; // before /sys, which shows the network of who mounts it
            store.timing.mark("net::enter");
        }
        let late = if prepared.cgroup.is_late() { wait(Late::Groups)? } else { Vec::new() };
        store.timing.mark("has waited for cgroups");
        cgroup::enter(&prepared.cgroup, &late, spec)?;
        store.timing.mark("cgroup::enter");
        cgroup::visible(&prepared.cgroup, spec)
    };
    let root = mount::build(store, spec, &mut cgroups, given, open_nodes)?;
    // They take longest to make. And they need the host's /proc, as do kernel parameters, theirs among them.
    if spec.network == Network::Bridge {
        wait(Late::Links)?;
        store.timing.mark("links");
    }
    sysctl::enter(&spec.sysctls)?;
    mount::enter(root.as_fd())?;
    store.timing.mark("mount::enter");
    Ok(())
}

/// child: becomes the user that it is to be, for init and exec alike. [`lock`] is still to come.
pub fn become_user(spec: &Spec, identity: &privs::Identity<'_>, cgroup: &cgroup::Joined) -> Result<privs::User> {
    privs::enter(spec, identity, cgroup.filters_devices())
}

/// child: the last wall. What follows are execve and, if that fails, a report and the end. Returns the descriptor for who
/// decides about calls, which only the filter of a bundle has.
pub fn lock(no_new_privileges: bool, user: &privs::User, filter: Option<&seccomp::Filter>) -> Result<Option<OwnedFd>> {
    let enter = || filter.map_or(Ok(None), seccomp::enter);
    if no_new_privileges {
        privs::forbid_new()?;
        // Then the filter takes no power, and need not let through what gives powers up.
        privs::lock(user)?;
        return enter();
    }
    if filter.is_some() {
        privs::raise()?;
    }
    let decides = enter()?;
    privs::lock(user).map(|()| decides)
}

/// Anyone: removes what outlives the processes, whatever their end was. Kills what is left in the cgroup first. What takes
/// long and is in nobody's way is left to [`release_links`].
pub fn release(spec: &Spec) -> Result<()> {
    let ports = net::ports::release(spec);
    cgroup::release(cgroup::Place::of(spec)).and(ports)
}

/// monitor: the same, faster.
pub fn release_prepared(spec: &Spec, cgroup: &cgroup::Joined) -> Result<()> {
    let ports = net::ports::release(spec);
    cgroup::release_prepared(cgroup, cgroup::Place::of(spec)).and(ports)
}

/// Anyone, best when nobody waits any more: the rest of [`release`].
pub fn release_links(store: &Store, spec: &Spec, attached: &[Attached]) -> Result<()> {
    net::endpoint::release(store, spec, attached)
}

/// Anyone: the same for a container of which nothing but the id is known.
pub fn release_lost(id: &str) -> Result<()> {
    cgroup::release_lost(id)
}
