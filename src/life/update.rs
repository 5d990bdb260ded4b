//! command: changes the limits and restart policies of containers that exist.

use super::stop;
use crate::error::{Error, Result};
use crate::kernel::fault;
use crate::spec::{Limits, Policy, Restart, Status};
use crate::store::containers::{self, Container};
use crate::store::{Store, events};
use crate::walls::cgroup::{self, Place};

/// How limits change, from the present ones.
pub type Merge<'a> = dyn Fn(&Limits) -> Result<Limits> + 'a;

/// Changes the limits of a container as `merge` says, which gets the present ones, and its restart policy if there is a new
/// one. First the kernel's limits, if the container runs, then the record: what the kernel refuses is not written down. The
/// monitor reads the record at the end of each run.
pub fn update(store: &Store, container: &Container, merge: Option<&Merge<'_>>, restart: Option<Restart>) -> Result<()> {
    let _change = container.await_change(store)?;
    // Somebody may have changed it between our look and the lock.
    let mut container = containers::open(store, &container.spec.id)?;
    if let Some(restart) = restart {
        if container.spec.auto_remove && restart.policy != Policy::No {
            let why = "Restart policy cannot be updated because AutoRemove is enabled for the container";
            return Err(Error::new(why));
        }
        container.spec.restart = restart;
    }
    let old = container.spec.limits.clone();
    let new = merge.map_or_else(|| Ok(old.clone()), |merge| merge(&old))?;
    let runs = || Ok(stop::is_running(store, &container)? && container.state(store)?.status == Status::Running);
    let is_set = merge.is_some() && runs()? && set(store, &container, &new)?;
    fault::point("update:set");
    container.spec.limits = new;
    let written = containers::rewrite(store, &container);
    if written.is_ok() {
        events::container(store, "update", &container.spec, &[]);
    }
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
