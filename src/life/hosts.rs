//! Names: the files in /etc by which containers find each other and the world. hosts(5), resolv.conf(5).

use crate::error::Result;
use crate::spec::{Attached, Spec};
use crate::store::Store;

/// command or monitor: writes the container's own `hosts` and `resolv.conf`, in place: they may be mounted.
pub fn write(_store: &Store, _spec: &Spec, _attached: &[Attached]) -> Result<()> {
    Ok(())
}

/// monitor: tells those who are on its networks where it is, and it where they are.
pub fn announce(_store: &Store, _spec: &Spec, _attached: &[Attached]) -> Result<()> {
    Ok(())
}

/// Anyone: the others forget it. Idempotent.
pub fn withdraw(_store: &Store, _spec: &Spec, _attached: &[Attached]) -> Result<()> {
    Ok(())
}
