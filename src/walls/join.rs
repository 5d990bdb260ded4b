//! Namespaces that belong to another container. setns(2)

use crate::error::{Error, Result};
use alloc::string::String;
use rustix::fd::{AsFd, OwnedFd};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

/// Namespaces to be entered, and who owns them.
pub struct Joined {
    /// Which.
    pub kinds: ThreadNameSpaceType,
    /// The first process of the container they belong to.
    pub init: OwnedFd,
    /// Its name, for messages.
    pub name: String,
}

/// child, or monitor for the pid namespace, which only children enter.
pub fn enter(joined: &Joined) -> Result<()> {
    move_into_thread_name_spaces(joined.init.as_fd(), joined.kinds)
        .map_err(|errno| Error::tried("join the namespaces of container", &joined.name, errno))
}
