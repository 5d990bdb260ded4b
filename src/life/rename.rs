//! command: gives a container another name, running or not.

use super::hosts;
use crate::error::{Error, Result};
use crate::kernel::fault;
use crate::store::containers::{self, Container};
use crate::store::{Store, events, names};
use alloc::format;

/// Renames it; `name` fits. It survives a power cut when this returns. The link is the truth: a record that a kill left with
/// the old name follows it (`containers::find`).
pub fn rename(store: &Store, container: &Container, name: &str) -> Result<()> {
    let _change = container.await_change(store)?;
    // Somebody may have changed it between our look and the lock.
    let mut container = containers::open(store, &container.spec.id)?;
    if container.spec.name == name {
        return Err(Error::new("Renaming a container with the same name as its current name"));
    }
    names::rename(store, &container.spec.name, name, &container.spec.id)
        .map_err(|error| error.reword(&|why| format!("Error when allocating new name: {why}")))?;
    fault::point("rename:linked");
    let old = core::mem::replace(&mut container.spec.name, name.into());
    containers::rewrite(store, &container)?;
    fault::point("rename:written");
    events::container(store, "rename", &container.spec, &[("oldName", &format!("/{old}"))]);
    let state = container.state(store)?;
    let _ = hosts::announce(store, &container.spec, &state.networks); // renamed it is all the same
    container.write_info(store, &state)
}
