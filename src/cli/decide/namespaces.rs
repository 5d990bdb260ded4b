//! Which namespaces a container has for itself, and what it sets in them: from flags to [`Namespace`]s and sysctls.

use super::super::read::{self, sysctl::Scope};
use super::{Job, wrong, wrongs};
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Result};
use mydocker::spec::{Namespace, Network, Owner};
use mydocker::store::Store;
use mydocker::store::containers::{self, Container};

/// What `--ipc none` is: an ipc namespace of its own, and nothing at /dev/shm.
pub const NO_SHM: &str = "none";

/// What `--ipc`, `--pid`, `--uts` and `--cgroupns` ask for.
pub fn namespaces(job: &mut Job<'_>) -> Result<()> {
    let (parsed, store, asked) = (job.parsed, Some(job.store), &mut job.made.spec.namespaces);
    match parsed.last("ipc") {
        Some(NO_SHM) => {}
        Some("shareable") => asked.ipc.of = Owner::Shareable,
        mode => ipc(mode.unwrap_or_default(), job.store, &mut asked.ipc)?,
    }
    for (flag, namespace, store, what) in [
        ("pid", &mut asked.pid, store, "--pid: invalid PID mode: {}"),
        ("uts", &mut asked.uts, None, "--uts: invalid UTS mode: {}"),
        ("cgroupns", &mut asked.cgroup, None, "--cgroupns: invalid CGROUP mode: {}"),
    ] {
        take(parsed.last(flag).unwrap_or_default(), store, namespace, what)?;
    }
    Ok(())
}

fn ipc(mode: &str, store: &Store, namespace: &mut Namespace) -> Result<()> {
    take(mode, Some(store), namespace, "invalid IPC mode: {}")?;
    if namespace.of == Owner::Container {
        let donor = other(store, &namespace.container)?;
        if donor.spec.namespaces.ipc.of == Owner::Private {
            let name = mode.strip_prefix("container:").unwrap_or_default();
            return Err(wrong("container {}: non-shareable IPC (hint: make it with --ipc shareable)", name));
        }
    }
    Ok(())
}

/// Takes `""`, `private`, `host`, and where containers may be joined `container:NAME`. The name becomes a full id, so that
/// it means the same container for ever. `what` is said of anything else.
fn take(mode: &str, store: Option<&Store>, namespace: &mut Namespace, what: &str) -> Result<()> {
    match (mode, mode.strip_prefix("container:"), store) {
        ("" | "private", ..) => {}
        ("host", ..) => namespace.of = Owner::Host,
        (_, Some(name), Some(store)) if !name.is_empty() => {
            namespace.of = Owner::Container;
            namespace.container = other(store, name)?.spec.id;
        }
        _ => return Err(wrong(what, mode)),
    }
    Ok(())
}

/// Another container that the flags name.
pub fn other(store: &Store, name: &str) -> Result<Container> {
    containers::find(store, name).map_err(|error| error.exit(EXIT_ENGINE))
}

/// What `--sysctl` asks for; only in namespaces that are not the host's, nor another container's network.
pub fn sysctls(job: &mut Job<'_>) -> Result<()> {
    let mut asked = Vec::new();
    job.parsed.list("sysctl", read::sysctl::sysctl, &mut asked)?;
    let spec = &mut job.made.spec;
    for one in &asked {
        let (is_others, flag) = match one.scope {
            Scope::Network if spec.network == Network::Container => {
                (true, "network container:… it would change that one")
            }
            Scope::Network => (spec.network == Network::Host, "network host it would change the host"),
            Scope::Ipc => (spec.namespaces.ipc.of == Owner::Host, "ipc host it would change the host"),
            Scope::Uts => (spec.namespaces.uts.of == Owner::Host, "uts host it would change the host"),
        };
        if is_others {
            return Err(wrongs("sysctl '{}' is not allowed: with --{}", &[&one.key, flag]));
        }
        spec.sysctls.insert(one.key.clone(), one.value.clone());
    }
    Ok(())
}
