//! command: changes the limits of containers that exist.

use crate::error::{Error, Result};
use crate::kernel::fault;
use crate::spec::Limits;
use crate::store::Store;
use crate::store::containers::{self, Container};
use crate::walls::cgroup::{self, Place};
use rustix::io::Errno;

/// Changes the limits of a container as `merge` says: it gets the present ones. First the kernel's, if the container
/// runs, then the record's: what the kernel refuses is not written down.
pub fn update(store: &Store, container: &Container, merge: &dyn Fn(&Limits) -> Result<Limits>) -> Result<()> {
    let _change = container.lock_change(store)?;
    // Somebody may have changed it between our look and the lock.
    let mut container = containers::open(store, &container.spec.id)?;
    let old = container.spec.limits.clone(); // they stay: where its cgroup is, is one of them
    let new = merge(&old)?;
    let is_running = container.is_alive()?;
    if is_running {
        set(&container, &new, &old)?;
    }
    fault::point("update:set");
    container.spec.limits = new;
    let written = containers::rewrite(store, &container);
    if written.is_err() && is_running {
        let _ = cgroup::update(Place::of(&container.spec), &old); // the first error is the one to tell
    }
    written
}

fn set(container: &Container, new: &Limits, old: &Limits) -> Result<()> {
    match cgroup::update(Place::of(&container.spec), new) {
        // It has ended meanwhile, and its cgroup with it: its next start takes the limits from the record.
        Err(error) if ended(container, &error) => Ok(()),
        Err(error) => {
            // Some of them may be in force already. The error that matters is the first.
            let _ = cgroup::update(Place::of(&container.spec), old);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

fn ended(container: &Container, error: &Error) -> bool {
    (error.is(Errno::NOENT) || error.is(Errno::NODEV))
        && cgroup::pids(Place::of(&container.spec)).map_or(true, |p| p.is_empty())
}
