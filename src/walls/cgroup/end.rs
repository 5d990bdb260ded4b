//! The end of a container's cgroup: what is left in it is killed, and it goes away.

use super::place::{Hierarchy, Place, add_pids, children, hierarchies, is_marked, tree};
use crate::error::{Error, Result};
use crate::kernel::{at, file, process, sys, time};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

/// How long `release` waits for killed processes to be gone.
const KILL_WAIT_MS: i64 = 10_000;
/// How long it waits for processes to stand still, so that they can be killed.
const FREEZE_WAIT_MS: i64 = 100;
/// v1: where that is asked for.
const STATE: &str = "freezer.state";
/// How often `signal_all` looks for processes that have come since.
const SIGNAL_ROUNDS: u32 = 16;
const SIGKILL: i32 = 9;
/// How many cgroups are looked at for one whose parent nobody knows.
const SEARCH_MAX: usize = 100_000;

/// Anyone: kills what is left in the container's cgroups, and removes them. Idempotent; goes on after an error and
/// returns the first.
pub fn release(place: Place<'_>) -> Result<()> {
    release_from(&place.hierarchies()?, place)
}

/// Anyone: the same for a bundle. What was there before it stays as it is: `made` says that [`super::prepare_bundle`] made all.
pub fn release_bundle(place: Place<'_>, made: bool) -> Result<()> {
    let mut all = place.hierarchies()?;
    all.retain(|hierarchy| made || is_marked(&hierarchy.group(place)));
    release_from(&all, place)
}

/// The same where the hierarchies are known.
pub fn release_from(all: &[Hierarchy], place: Place<'_>) -> Result<()> {
    let mut first = Ok(());
    let deadline = time::monotonic_ms() + KILL_WAIT_MS;
    for hierarchy in all {
        let path = hierarchy.group(place);
        let done = match at::remove(CWD, &path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(_) => empty_and_remove(all, place, &path, deadline),
        };
        hierarchy.remove_parents(place);
        if first.is_ok() {
            first = done;
        }
    }
    first
}

fn empty_and_remove(all: &[Hierarchy], place: Place<'_>, path: &str, deadline: i64) -> Result<()> {
    let dir = match file::open_dir(path) {
        Err(error) if error.is(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    loop {
        // Sub-cgroups that a container made (it cannot by default) go first.
        let entries = match file::entries(dir.as_fd()) {
            Err(error) if error.is(Errno::NOENT) || error.is(Errno::NODEV) => return Ok(()), // somebody else was faster
            other => other?,
        };
        for (name, kind) in entries {
            if kind == rustix::fs::FileType::Directory
                && let Ok(name) = name.into_string()
            {
                empty_and_remove(all, place, &format!("{path}/{name}"), deadline)?;
            }
        }
        match kill_all(dir.as_fd(), &|frozen| freeze(all, place, frozen), deadline) {
            Err(error) if error.is(Errno::NOENT) || error.is(Errno::NODEV) => return Ok(()), // likewise
            other => other?,
        }
        match at::remove(CWD, path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Processes are dead but their last references are not: the kernel has no event for that on v1. A poll
            // without descriptors is a timer.
            Err(Errno::BUSY) if time::monotonic_ms() < deadline => {
                process::wait_for(&mut [], 2);
            }
            Err(errno) => return Err(Error::tried("remove the cgroup", path, errno)),
        }
    }
}

/// v1: has the processes stand still, so that none makes another one while we look, or lets them go on: a frozen one does
/// not even notice SIGKILL, and whoever froze it may be dead. v2 has `cgroup.kill`.
fn freeze(all: &[Hierarchy], place: Place<'_>, frozen: bool) {
    for hierarchy in all.iter().filter(|h| !h.v2 && h.has("freezer")) {
        let Ok(dir) = file::open_dir(&hierarchy.group(place)) else { continue };
        // What does not freeze is killed all the same; what stays frozen is a timeout below.
        let _ = file::write_at(dir.as_fd(), STATE, if frozen { "FROZEN" } else { "THAWED" });
        for _ in 0..if frozen { FREEZE_WAIT_MS } else { 0 } {
            match file::read_at(dir.as_fd(), STATE, file::RECORD_BYTES_MAX) {
                Ok(state) if state.starts_with(b"FREEZING") => process::wait_for(&mut [], 1),
                _ => break,
            };
        }
    }
}

/// The processes of one cgroup, in our terms.
fn pids(dir: BorrowedFd<'_>) -> Result<Vec<i32>> {
    let mut pids = Vec::new();
    add_pids(&mut pids, &file::text_at(dir, "cgroup.procs")?);
    Ok(pids)
}

/// Kills every process of one cgroup and waits for their ends.
fn kill_all(dir: BorrowedFd<'_>, freeze: &dyn Fn(bool), deadline: i64) -> Result<()> {
    let _ = file::write_at(dir, "cgroup.kill", "1"); // v2 since 5.14; elsewhere the loop below does it
    while !pids(dir)?.is_empty() {
        freeze(true);
        let killed = signal_each(dir, SIGKILL, &mut Vec::new());
        freeze(false);
        for pidfd in killed? {
            process::readable(pidfd.as_fd(), (deadline - time::monotonic_ms()).max(0));
        }
        if time::monotonic_ms() >= deadline {
            return Err(Error::os("kill the processes of the container", Errno::TIMEDOUT));
        }
    }
    Ok(())
}

/// Sends a signal to the processes of one cgroup that it was not `sent` to before. Returns who got it.
fn signal_each(dir: BorrowedFd<'_>, signal: i32, sent: &mut Vec<i32>) -> Result<Vec<OwnedFd>> {
    let mut found = Vec::new();
    for pid in pids(dir)? {
        if sent.contains(&pid) {
            continue;
        }
        if let Ok(pidfd) = process::open_pidfd(pid) {
            found.push((pid, pidfd));
        }
    }
    // A number may have become another process's before we opened it. Who is still listed now is who we hold.
    let still = pids(dir)?;
    let mut reached = Vec::new();
    for (pid, pidfd) in found {
        if still.contains(&pid) {
            let _ = sys::signal(pidfd.as_fd(), signal); // it may have ended since
            sent.push(pid);
            reached.push(pidfd);
        }
    }
    Ok(reached)
}

/// Anyone: sends a signal to every process of a container and of the cgroups that it made below its own. For SIGKILL they are
/// let go on, where they stand still: on v1 they would not notice it.
pub fn signal_all(place: Place<'_>, signal: i32) -> Result<()> {
    let all = hierarchies()?;
    let Some(hierarchy) = all.iter().find(|h| h.has("freezer")).or(all.first()) else { return Ok(()) };
    let kills = signal == SIGKILL;
    if kills {
        if file::write_at(CWD, &format!("{}/cgroup.kill", hierarchy.group(place)), "1").is_ok() {
            return Ok(());
        }
        freeze(&all, place, true);
    }
    let mut sent = Vec::new();
    // Who was made while we looked is found by looking again.
    let mut done = Ok(());
    for _ in 0..SIGNAL_ROUNDS {
        let before = sent.len();
        for path in tree(hierarchy.group(place)) {
            let round = file::open_dir(&path).and_then(|dir| signal_each(dir.as_fd(), signal, &mut sent));
            // A cgroup that has gone has nobody, one of threads (v2) has its processes listed above.
            let gone = |e: &Error| [Errno::NOENT, Errno::NODEV, Errno::OPNOTSUPP].iter().any(|errno| e.is(*errno));
            done = done.and(round.map(drop).or_else(|e| if gone(&e) { Ok(()) } else { Err(e) }));
        }
        if sent.len() == before {
            break;
        }
    }
    for path in if kills && !hierarchy.v2 { tree(hierarchy.group(place)) } else { Vec::new() } {
        let _ = file::write_at(CWD, &format!("{path}/{STATE}"), "THAWED"); // without a freezer nobody stands still
    }
    done
}

/// The same for a container whose record is lost, and with it the name of the parent: every cgroup of the host with the
/// id is looked for, at any depth, but not inside other containers.
pub fn release_lost(id: &str) -> Result<()> {
    let own = format!("mydocker-{id}");
    let mut parents = alloc::vec![String::new()]; // the root: there it is, nearly always
    for hierarchy in hierarchies()? {
        let mut dirs = alloc::vec![String::new()];
        let mut left = SEARCH_MAX;
        while let (Some(dir), true) = (dirs.pop(), left > 0) {
            left -= 1;
            // A cgroup that has just gone does not hold ours.
            for name in children(&format!("{}/{dir}", hierarchy.path)).unwrap_or_default() {
                if name == own && !parents.contains(&dir) {
                    parents.push(dir.clone());
                } else if !name.starts_with("mydocker-") {
                    dirs.push(format!("{dir}/{name}"));
                }
            }
        }
    }
    let mut result = Ok(());
    for parent in &parents {
        result = result.and(release(Place::within(parent, id)));
    }
    result
}
