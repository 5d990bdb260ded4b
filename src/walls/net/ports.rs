//! Published ports: the host's sockets that reserve them, and the rules that lead their packets to the container.

use crate::error::Result;
use crate::spec::{Attached, Bound, Spec};
use alloc::vec::Vec;

/// The host's ports that a running container has.
#[derive(Default)]
pub struct Published {
    /// What leads where.
    pub bound: Vec<Bound>,
}

/// monitor, before the clone: takes the ports of the host. One that is in use is an error.
pub fn prepare(_spec: &Spec) -> Result<Published> {
    Ok(Published::default())
}

impl Published {
    /// monitor, when the container's addresses are known: leads the ports there.
    pub fn open(&mut self, _spec: &Spec, _attached: &[Attached]) -> Result<()> {
        Ok(())
    }
}

/// Anyone: removes what does not go with the monitor. Idempotent.
pub fn release(_spec: &Spec) -> Result<()> {
    Ok(())
}
