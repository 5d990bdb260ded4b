//! What every container has in its root even if its image has not: the places for what is mounted there, and the mark. A
//! directory that lies below all layers, so that neither is made anew in each container's upper directory.

use super::containers::MARK;
use super::{Store, trash};
use crate::error::{Result, Tried};
use crate::kernel::file;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;

/// Its name in the store.
pub const NAME: &str = "base";

/// Makes it, if it is missing. Containers start without it, too: what is not there is made in their upper directories.
pub fn ensure(store: &Store) -> Result<()> {
    if file::exists_at(store.root.as_fd(), NAME) {
        return Ok(());
    }
    let draft = trash::draft(store)?;
    if let Err(error) = fill(draft.dir.as_fd()) {
        draft.discard();
        return Err(error);
    }
    let name = draft.name.clone();
    match draft.place(store.root.as_fd(), NAME) {
        // Somebody else was faster.
        Err(error) if error.is(Errno::EXIST) || error.is(Errno::NOTEMPTY) => {
            file::remove_tree(store.dir("tmp")?.as_fd(), &name)
        }
        done => done.map(drop),
    }
}

fn fill(dir: BorrowedFd<'_>) -> Result<()> {
    fchmod(dir, Mode::from(0o755)).tried("open a directory to all")?;
    for name in ["dev", "proc", "sys"] {
        file::make_dir_at(dir, name, 0o755)?;
    }
    let etc = file::make_dir_at(dir, "etc", 0o755)?;
    for name in ["hosts", "hostname", "resolv.conf"] {
        file::create_at(etc.as_fd(), name, b"", 0o644)?;
    }
    file::create_at(dir, MARK, b"", 0o755).map(drop)
}
