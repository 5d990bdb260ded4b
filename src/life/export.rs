//! command: writes all that a container sees as a flat archive, to a file or to standard output.

use super::packing::in_child;
use super::{commit, remove};
use crate::error::Result;
use crate::kernel::{io, sys};
use crate::spec::Status;
use crate::store::containers::{self, Container};
use crate::store::pack::{self, Form};
use crate::store::{Store, events};
use rustix::fd::AsFd;

/// Exports a container, running or not; a running one goes on meanwhile. The file at `path` appears complete, with mode
/// 0600, or not at all; without a path the archive goes to standard output. `progress` hears of bytes.
pub fn export(store: &Store, container: &Container, path: Option<&str>, progress: &mut dyn FnMut(u64)) -> Result<()> {
    let spec = &container.spec;
    remove::settle(store, container)?.ok_or_else(|| containers::missing(&spec.name))?;
    // Nobody may remove or start it meanwhile.
    let _change = container.await_change(store)?;
    let state = container.state(store)?;
    let pid = (state.status == Status::Running).then_some(state.pid);
    match path {
        Some(path) => commit::write_archive(store, container, pid, path, false, progress)?,
        None => {
            let mut work = || {
                let root = commit::see(store, container, pid)?;
                let mut sink = io::File { fd: sys::stdout(), name: "our output" };
                let mut counted = io::Counted::<dyn io::Sink>::new(&mut sink, progress);
                pack::pack(root.as_fd(), Form::Flat, &|_| false, &mut counted)
            };
            in_child(0, &mut work)?;
        }
    }
    events::container(store, "export", spec, &[]);
    Ok(())
}
