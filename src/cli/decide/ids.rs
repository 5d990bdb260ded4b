//! The ids of a user namespace: from `--userns` to an [`IdRange`].

use super::super::read::digits;
use super::{Job, bad, wrong, wrongs};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use mydocker::error::{EXIT_ENGINE, Result};
use mydocker::kernel::{file, lock};
use mydocker::spec::{IdRange, Network, Owner};
use mydocker::store::{Store, containers};
use rustix::fd::AsFd;
use rustix::io::Errno;

/// How many ids `--userns=auto` gives: 0 to 65535, what programs expect there to be.
const AUTO_SIZE: u32 = 65_536;
/// Where ranges are looked for that no entry of /etc/subuid and /etc/subgid is about: as systemd-nspawn does it.
const FREE: (u32, u32) = (524_288, 1_878_982_656);
/// Whose entries in /etc/subuid and /etc/subgid are ours; the first who has some in both.
const OWNERS: [&str; 3] = ["mydocker", "containers", "root"];
/// /etc/subuid and /etc/subgid are not larger than this.
const SUBID_BYTES_MAX: usize = 1 << 20;

/// What `--userns` asks for.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Asked {
    /// The host's user namespace.
    Host,
    /// A range that nobody has.
    Auto,
    /// This range.
    Range(IdRange),
}

/// Reads `--userns`, and refuses what cannot be had together with a user namespace.
pub fn asked(job: &mut Job<'_>) -> Result<()> {
    job.ids = job.parsed.read("userns", read)?.unwrap_or(Asked::Host);
    if job.ids == Asked::Host {
        return Ok(());
    }
    let spec = &job.made.spec;
    let conflict = if spec.security.privileged {
        "privileged mode is incompatible with user namespaces: leave --userns or --privileged out"
    } else if spec.network == Network::Host {
        "cannot share the host's network namespace when user namespaces are enabled: leave --userns or --network host out"
    } else if spec.network == Network::Container {
        "cannot share the network namespace of a container when user namespaces are enabled: leave --userns or --network out"
    } else if spec.namespaces.pid.of == Owner::Host {
        "cannot share the host PID namespace when user namespaces are enabled: leave --userns or --pid host out"
    } else if spec.namespaces.pid.of == Owner::Container {
        "cannot share the PID namespace of a container when user namespaces are enabled: leave --userns or --pid out"
    } else {
        return Ok(());
    };
    Err(bad(conflict))
}

/// Reads `host`, `auto`, `HOSTID:SIZE`.
fn read(text: &str) -> Result<Asked> {
    let asked = match (text, text.split_once(':')) {
        ("" | "host", _) => return Ok(Asked::Host),
        ("auto", _) => return Ok(Asked::Auto),
        (_, asked) => asked.unwrap_or_default(),
    };
    let why = match (digits(asked.0), digits(asked.1)) {
        (None, _) | (_, None) => "invalid USER mode: host, auto, or HOSTID:SIZE in numbers",
        (Some(0), _) => "id 0 of the host cannot be in it: choose a HOSTID of 1 at least",
        (_, Some(0)) => "a user namespace needs one id at least",
        // The last id of all, 2^32 - 1, means "no id" to the kernel.
        (Some(first), Some(size)) if first.checked_add(size).is_some() => {
            return Ok(Asked::Range(IdRange { first, size }));
        }
        _ => "there are no such ids: they end at 4294967294",
    };
    Err(bad(why))
}

/// The range that the container gets. Leaves the ids locked, unless it is the host's user namespace: nobody else may
/// choose before a record claims the range.
pub fn take(job: &mut Job<'_>) -> Result<()> {
    if job.ids != Asked::Host {
        job.store.lock_ids()?;
        job.made.spec.ids = Some(match job.ids {
            Asked::Range(range) => range,
            _ => {
                let taken = taken(job.store)?;
                choose(&listed("/etc/subuid")?, &listed("/etc/subgid")?, &taken)?
            }
        });
    }
    Ok(())
}

/// The text of subuid(5) or subgid(5), which need not be there.
fn listed(path: &str) -> Result<String> {
    match file::read_at(rustix::fs::CWD, path, SUBID_BYTES_MAX) {
        Err(error) if error.is(Errno::NOENT) => Ok(String::new()),
        read => Ok(String::from_utf8_lossy(&read.map_err(|error| error.exit(EXIT_ENGINE))?).into_owned()),
    }
}

/// The ids of all containers. One whose record is damaged has an unknown range: while it runs nothing can be chosen,
/// and when it does not run no process has these ids, and it cannot be started any more.
fn taken(store: &Store) -> Result<Vec<IdRange>> {
    let (found, _) = containers::specs(store)?;
    let mut taken = Vec::new();
    for id in containers::ids(store)? {
        let range = match found.iter().find(|spec| spec.id == id) {
            Some(spec) => spec.ids,
            None if !lock::held(store.containers.as_fd(), &format!("{id}/lock"), containers::LOCK_LIFE)? => None,
            None => {
                let what = "--userns=auto cannot choose: container {} runs, and its record does not tell which ids it has; \
                            give --userns=HOSTID:SIZE, or remove it with 'mydocker rm -f {}'";
                return Err(wrongs(what, &[&id[..12]; 2]));
            }
        };
        taken.extend(range);
    }
    Ok(taken)
}

/// First id and the one after the last.
type Span = (u32, u32);

/// A range of [`AUTO_SIZE`] ids that is nobody's. `subuid` and `subgid` are the texts of subuid(5) and subgid(5).
fn choose(subuid: &str, subgid: &str, taken: &[IdRange]) -> Result<IdRange> {
    let mut used: Vec<Span> = Vec::new();
    for range in taken {
        used.push((range.first, range.first.saturating_add(range.size)));
    }
    for owner in OWNERS {
        let is_owners = |name: &str| name == owner || owner == "root" && name == "0";
        let (uids, gids) = (entries(subuid, &is_owners), entries(subgid, &is_owners));
        if uids.is_empty() || gids.is_empty() {
            continue;
        }
        let mut first = None;
        for a in &uids {
            for b in &gids {
                let found = fit((a.0.max(b.0).max(1), a.1.min(b.1)), &used);
                first = found.filter(|found| first.is_none_or(|first| *found < first)).or(first);
            }
        }
        return match first {
            Some(first) => Ok(IdRange { first, size: AUTO_SIZE }),
            None => {
                let what =
                    "--userns=auto: no 65536 ids in a row are free in what /etc/subuid and /etc/subgid give to {}";
                Err(wrong(what, owner))
            }
        };
    }
    for text in [subuid, subgid] {
        used.append(&mut entries(text, &|_| true));
    }
    let first = fit(FREE, &used).ok_or_else(|| bad("--userns=auto: all ids are taken"))?;
    Ok(IdRange { first, size: AUTO_SIZE })
}

/// The first place in a span where [`AUTO_SIZE`] ids fit that are not used.
fn fit(span: Span, used: &[Span]) -> Option<u32> {
    let mut first = span.0;
    loop {
        let end = first.checked_add(AUTO_SIZE).filter(|end| *end <= span.1)?;
        match used.iter().find(|(from, to)| *from < end && first < *to) {
            None => return Some(first),
            Some((_, to)) => first = *to,
        }
    }
}

/// What the lines `name:first:count` give to somebody; a line that is none gives nothing to nobody.
fn entries(text: &str, is_wanted: &dyn Fn(&str) -> bool) -> Vec<Span> {
    let mut all = Vec::new();
    for line in text.lines() {
        let (name, ids) = line.trim().split_once(':').unwrap_or_default();
        let (first, count) = ids.split_once(':').unwrap_or_default();
        if let (true, Ok(first), Ok(count @ 1..)) = (is_wanted(name), first.parse::<u32>(), count.parse::<u32>()) {
            all.push((first, first.saturating_add(count)));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn modes() {
        assert_eq!(read("host").unwrap(), Asked::Host);
        assert_eq!(read("auto").unwrap(), Asked::Auto);
        assert_eq!(read("100000:65536").unwrap(), Asked::Range(IdRange { first: 100_000, size: 65_536 }));
        assert_eq!(read("1:1").unwrap(), Asked::Range(IdRange { first: 1, size: 1 }));
        assert!(read("4294967294:1").is_ok());
        for (wrong, why) in [
            ("0:65536", "id 0"),
            ("0:0", "id 0"),
            ("5:0", "one id at least"),
            ("4294967295:1", "end at"),
            ("4294967294:2", "end at"),
            ("4294967296:1", "invalid USER mode"),
            ("a:1", "invalid USER mode"),
            ("1:", "invalid USER mode"),
            (":1", "invalid USER mode"),
            ("+1:1", "invalid USER mode"),
            ("1:2:3", "invalid USER mode"),
            ("keep-id", "invalid USER mode"),
            ("container:x", "invalid USER mode"),
        ] {
            let error = read(wrong).map(drop).unwrap_err().to_string();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    fn first(subuid: &str, subgid: &str, taken: &[(u32, u32)]) -> String {
        let taken: Vec<IdRange> = taken.iter().map(|&(first, size)| IdRange { first, size }).collect();
        match choose(subuid, subgid, &taken) {
            Ok(range) => {
                assert_eq!(range.size, AUTO_SIZE);
                range.first.to_string()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn without_entries_of_ours() {
        assert_eq!(first("", "", &[]), "524288");
        assert_eq!(first("", "", &[(524_288, 65_536), (589_824, 1)]), "589825");
        assert_eq!(first("alice:100000:65536\n", "alice:100000:65536\n", &[]), "524288");
        assert_eq!(first("alice:524288:65536\n", "bob:589824:65536\n", &[]), "655360");
        // Ours in one file only are nobody's to give.
        assert_eq!(first("containers:524288:65536\n", "", &[]), "589824");
        assert_eq!(first("", "", &[(1, u32::MAX - 1)]), "--userns=auto: all ids are taken");
        assert_eq!(first("", "", &[(FREE.0, FREE.1 - FREE.0 - AUTO_SIZE + 1)]), "--userns=auto: all ids are taken");
        assert_eq!(first("x\n\n#\na:b:c\n1:2\nz:4294967295:9\n", ":::\n", &[]), "524288");
    }

    #[test]
    fn with_entries_of_ours() {
        let root = "root:100000:65536\nalice:300000:65536\n";
        assert_eq!(first(root, root, &[]), "100000");
        assert!(first(root, root, &[(165_535, 1)]).ends_with("/etc/subgid give to root"));
        let two = "root:1:9\ncontainers:2147483647:196608\n";
        assert_eq!(first(two, two, &[]), "2147483647");
        assert_eq!(first(two, two, &[(2_147_483_647, 65_536)]), "2147549183");
        assert_eq!(first(&format!("mydocker:5:70000\n{two}"), two, &[]), "2147483647");
        // Only ids that are in both files; the root of the host is in none.
        assert_eq!(first("0:0:200000\n", "root:50000:100000\n", &[]), "50000");
        assert_eq!(first("root:0:65537\n", "root:0:65537\n", &[]), "1");
        assert!(first("root:0:65536\n", "root:0:65536\n", &[]).starts_with("--userns=auto: no 65536 ids"));
    }
}
