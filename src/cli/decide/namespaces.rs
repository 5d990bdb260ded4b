//! Which namespaces a container has for itself, and what it sets in them: from flags to [`Namespaces`] and sysctls.

use super::super::args::Parsed;
use super::super::human::visible;
use super::super::read::{self, sysctl::Scope};
use super::bad;
use mydocker::error::{EXIT_ENGINE, Result};
use mydocker::spec::map::Map;
use mydocker::spec::{Namespace, Namespaces, Network, Owner};
use mydocker::store::{Store, containers};

/// What `--ipc none` is: an ipc namespace of its own, and nothing at /dev/shm.
pub const NO_SHM: &str = "none";

/// What `--ipc`, `--pid`, `--uts` and `--cgroupns` ask for.
pub fn namespaces(parsed: &Parsed, store: &Store) -> Result<Namespaces> {
    let asked = |key: &str| parsed.last(key).unwrap_or_default();
    let ipc = match asked("ipc") {
        NO_SHM => Namespace::default(),
        "shareable" => Namespace { of: Owner::Shareable, container: String::new() },
        mode => of(mode, Some(store))?.ok_or_else(|| bad(format!("invalid IPC mode: {}", visible(mode))))?,
    };
    if ipc.of == Owner::Container {
        let donor = containers::find(store, &ipc.container).map_err(|e| e.exit(EXIT_ENGINE))?;
        if donor.spec.namespaces.ipc.of == Owner::Private {
            let word = visible(asked("ipc")).replacen("container:", "container ", 1);
            return Err(bad(format!("{word}: non-shareable IPC (hint: make it with --ipc shareable)")));
        }
    }
    let mode = |key: &str, name: &str, store: Option<&Store>| {
        of(asked(key), store)?.ok_or_else(|| bad(format!("--{key}: invalid {name} mode: {}", visible(asked(key)))))
    };
    Ok(Namespaces {
        ipc,
        pid: mode("pid", "PID", Some(store))?,
        uts: mode("uts", "UTS", None)?,
        cgroup: mode("cgroupns", "CGROUP", None)?,
    })
}

/// Reads `""`, `private`, `host`, and where containers may be joined `container:NAME`; `None` for anything else. The
/// name becomes a full id, so that it means the same container for ever.
fn of(mode: &str, store: Option<&Store>) -> Result<Option<Namespace>> {
    let own = |of: Owner| Some(Namespace { of, container: String::new() });
    Ok(match (mode, mode.strip_prefix("container:"), store) {
        ("" | "private", ..) => own(Owner::Private),
        ("host", ..) => own(Owner::Host),
        (_, Some(name), Some(store)) if !name.is_empty() => {
            let container = containers::find(store, name).map_err(|e| e.exit(EXIT_ENGINE))?;
            Some(Namespace { of: Owner::Container, container: container.spec.id })
        }
        _ => None,
    })
}

/// What `--sysctl` asks for; only in namespaces that are not the host's.
pub fn sysctls(parsed: &Parsed, network: Network, namespaces: &Namespaces) -> Result<Map<String, String>> {
    let mut all = Map::new();
    for asked in parsed.read_all("sysctl", read::sysctl::sysctl)? {
        let (is_host, flag) = match asked.scope {
            Scope::Network => (network == Network::Host, "network"),
            Scope::Ipc => (namespaces.ipc.of == Owner::Host, "ipc"),
            Scope::Uts => (namespaces.uts.of == Owner::Host, "uts"),
        };
        if is_host {
            let why = format!("with --{flag} host it would change the host");
            return Err(bad(format!("sysctl '{}' is not allowed: {why}", asked.key)));
        }
        all.insert(asked.key, asked.value);
    }
    Ok(all)
}
