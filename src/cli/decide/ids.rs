//! The ids of a user namespace: from `--userns` to an [`IdRange`].

use super::super::args::Parsed;
use super::bad;
use mydocker::error::{EXIT_ENGINE, Error, Result};
use mydocker::kernel::{file, lock};
use mydocker::spec::{IdRange, Namespaces, Network, Owner};
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
pub fn asked(parsed: &Parsed, network: Network, namespaces: &Namespaces) -> Result<Asked> {
    let asked = parsed.read("userns", read)?.unwrap_or(Asked::Host);
    if asked == Asked::Host {
        return Ok(asked);
    }
    let conflict = if parsed.on("privileged") {
        "privileged mode is incompatible with user namespaces: leave --userns or --privileged out"
    } else if network == Network::Host {
        "cannot share the host's network namespace when user namespaces are enabled: leave --userns or --network host out"
    } else if namespaces.pid.of == Owner::Host {
        "cannot share the host PID namespace when user namespaces are enabled: leave --userns or --pid host out"
    } else if namespaces.pid.of == Owner::Container {
        "cannot share the PID namespace of a container when user namespaces are enabled: leave --userns or --pid out"
    } else {
        return Ok(asked);
    };
    Err(bad(conflict))
}

/// Reads `host`, `auto`, `HOSTID:SIZE`.
fn read(text: &str) -> Result<Asked> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (text, text.split_once(':')) {
        ("" | "host", _) => Ok(Asked::Host),
        ("auto", _) => Ok(Asked::Auto),
        (_, Some((first, size))) => match (number(first), number(size)) {
            // The last id of all, 2^32 - 1, means "no id" to the kernel.
            (Some(1..), Some(0)) => Err(bad("a user namespace needs one id at least")),
            (Some(first @ 1..), Some(size)) if first.checked_add(size).is_some() => {
                Ok(Asked::Range(IdRange { first, size }))
            }
            (Some(0), Some(_)) => Err(bad("id 0 of the host cannot be in it: choose a HOSTID of 1 at least")),
            (Some(_), Some(_)) => Err(bad("there are no such ids: they end at 4294967294")),
            _ => Err(bad("invalid USER mode: host, auto, or HOSTID:SIZE in numbers")),
        },
        _ => Err(bad("invalid USER mode: host, auto, or HOSTID:SIZE in numbers")),
    }
}

/// The range that the container gets. Returns with the ids locked, unless it is the host's user namespace: nobody else
/// may choose before a record claims the range.
pub fn take(store: &Store, asked: Asked) -> Result<Option<IdRange>> {
    let taken = match asked {
        Asked::Host => return Ok(None),
        Asked::Range(range) => {
            store.lock_ids()?;
            return Ok(Some(range));
        }
        Asked::Auto => {
            store.lock_ids()?;
            taken(store)?
        }
    };
    let text = |path: &str| match file::read_at(rustix::fs::CWD, path, SUBID_BYTES_MAX) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.is(Errno::NOENT) => Ok(String::new()),
        Err(error) => Err(error.exit(EXIT_ENGINE)),
    };
    choose(&text("/etc/subuid")?, &text("/etc/subgid")?, &taken).map(Some)
}

/// The ranges of all containers. One whose record is damaged has an unknown range: while it runs nothing can be chosen,
/// and when it does not run no process has these ids, and it cannot be started any more.
fn taken(store: &Store) -> Result<Vec<IdRange>> {
    let (found, _) = containers::all(store)?;
    let is_known = |id: &String| found.iter().any(|container| container.spec.id == *id);
    for id in containers::ids(store)?.iter().filter(|id| !is_known(id)) {
        if lock::held(store.containers.as_fd(), &format!("{id}/lock"), containers::LOCK_LIFE)? {
            let short = &id[..12];
            return Err(bad(format!(
                "--userns=auto cannot choose: container {short} runs, and its record does not tell which ids it has; \
                 give --userns=HOSTID:SIZE, or remove it with 'mydocker rm -f {short}'"
            )));
        }
    }
    Ok(found.iter().filter_map(|container| container.spec.ids).collect())
}

/// First id and the one after the last.
type Span = (u32, u32);

/// A range of [`AUTO_SIZE`] ids that is nobody's. `subuid` and `subgid` are the texts of subuid(5) and subgid(5).
fn choose(subuid: &str, subgid: &str, taken: &[IdRange]) -> Result<IdRange> {
    let mut used: Vec<Span> = taken.iter().map(|range| (range.first, range.first.saturating_add(range.size))).collect();
    let (uids, gids) = (entries(subuid), entries(subgid));
    let of = |entries: &[(String, Span)], owner: &str| -> Vec<Span> {
        let is_owner = |name: &str| name == owner || owner == "root" && name == "0";
        entries.iter().filter(|(name, _)| is_owner(name)).map(|(_, span)| *span).collect()
    };
    for owner in OWNERS {
        let (uids, gids) = (of(&uids, owner), of(&gids, owner));
        if uids.is_empty() || gids.is_empty() {
            continue;
        }
        let both = uids.iter().flat_map(|a| gids.iter().map(move |b| (a.0.max(b.0).max(1), a.1.min(b.1))));
        let first = both.filter_map(|span| fit(span, &used)).min();
        return first.map(|first| IdRange { first, size: AUTO_SIZE }).ok_or_else(|| {
            Error::new(format!(
                "--userns=auto: no {AUTO_SIZE} ids in a row are free in what /etc/subuid and /etc/subgid give to {owner}"
            ))
            .exit(EXIT_ENGINE)
        });
    }
    used.extend(uids.iter().chain(&gids).map(|(_, span)| *span));
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

/// The lines `name:first:count`; what is none is nobody's.
fn entries(text: &str) -> Vec<(String, Span)> {
    let entry = |line: &str| -> Option<(String, Span)> {
        let mut parts = line.trim().splitn(3, ':');
        let (name, first, count) = (parts.next()?, parts.next()?, parts.next()?);
        let (first, count): (u32, u32) = (first.parse().ok()?, count.parse().ok()?);
        (count > 0).then(|| (name.to_owned(), (first, first.saturating_add(count))))
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
