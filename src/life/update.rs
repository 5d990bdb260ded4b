//! command: changes the limits of containers that exist.

use super::stop;
use crate::error::Result;
use crate::kernel::fault;
use crate::spec::Limits;
use crate::store::Store;
use crate::store::containers::{self, Container};
use crate::walls::cgroup::{self, Place};

/// Changes the limits of a container as `merge` says, which gets the present ones. First the kernel's, if the container
/// runs, then the record's: what the kernel refuses is not written down.
pub fn update(store: &Store, container: &Container, merge: &dyn Fn(&Limits) -> Result<Limits>) -> Result<()> {
    let _change = container.lock_change(store)?;
    // Somebody may have changed it between our look and the lock.
    let mut container = containers::open(store, &container.spec.id)?;
    let old = container.spec.limits.clone();
    let new = merge(&old)?;
    let is_set = stop::is_running(store, &container)? && set(store, &container, &new)?;
    fault::point("update:set");
    container.spec.limits = new;
    let written = containers::rewrite(store, &container);
    if written.is_err() && is_set {
        let _ = cgroup::update(Place::of(&container.spec), &old); // the first error is the one to tell
    }
    written
}

/// Sets the limits of a running container; false when it has ended meanwhile, for its next start reads the record.
fn set(store: &Store, container: &Container, new: &Limits) -> Result<bool> {
    let place = Place::of(&container.spec);
    let Err(error) = cgroup::update(place, new) else {
        if let (Some(bytes), None) = (new.memory, new.memory_swap) {
            // As at the start: twice the memory, and no limit where the host does not count swap.
            let sum = i64::try_from(bytes.saturating_mul(2)).ok();
            let _ = cgroup::update(place, &Limits { memory: new.memory, memory_swap: sum, ..Limits::default() });
        }
        return Ok(true);
    };
    if !stop::is_running(store, container)? {
        return Ok(false);
    }
    let _ = cgroup::update(place, &container.spec.limits); // some of the new ones may be in force already
    Err(error)
}
