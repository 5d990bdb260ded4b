//! command: makes a container from its decided description: volumes, files, records, name.

use super::{hosts, packing, remove, unpacking};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, fault, file, io, process, sys};
use crate::spec::{Mount, MountKind, Spec};
use crate::store::containers::{self, Container};
use crate::store::pack::{self, Form};
use crate::store::{Store, events, tar, trash, volumes};
use crate::walls;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

/// What did not exist before; a failed start takes it away again.
#[derive(Default)]
pub struct Made {
    paths: Vec<String>,
    volumes: Vec<String>,
}

impl Made {
    /// Takes it away again, once the container itself is gone. A directory that is not empty stays: somebody uses it. So
    /// does a volume that another container's record names; records come before volumes, so none is missed.
    pub fn undo(&self, store: &Store) {
        for path in self.paths.iter().rev() {
            let _ = at::remove(CWD, path, AtFlags::REMOVEDIR); // see above
        }
        for name in &self.volumes {
            let _ = volumes::remove(store, name).and_then(|_| trash::sweep(store)); // the start's own error is told
        }
    }
}

/// A new container, with the change lock that its maker holds.
pub struct Created {
    /// The container.
    pub container: Container,
    /// Held until it is started, or until the command is done.
    pub change: OwnedFd,
    /// What was made on the way.
    pub made: Made,
}

/// Makes the container, which takes the spec when all went well. Complete, or nothing. A power cut may take it back until it
/// is confirmed ([`containers::confirm`]).
pub fn create(store: &Store, spec: &mut Box<Spec>) -> Result<Created> {
    let [hosts, resolv] = hosts::begin(store, spec)?;
    let hostname = format!("{}\n", spec.hostname);
    let files = [("hosts", &*hosts), ("hostname", &hostname), ("resolv.conf", &resolv)];
    let (container, change) = containers::create(store, spec, &files)?;
    // The record names the volumes before they exist: a kill in between leaves none that nobody knows of.
    let mut made = Made::default();
    let filled = sources(store, &container, &mut made);
    events::container(store, "create", &container.spec, &[]);
    match filled {
        Ok(()) => Ok(Created { container, change, made }),
        Err(error) => {
            let _ = remove::dispose(store, &container.spec, true).and_then(|()| trash::sweep(store)); // the first error is told
            made.undo(store);
            *spec = container.spec;
            Err(error)
        }
    }
}

/// Does what a maker that was killed has left undone: a container is there before its volumes are.
pub fn complete(store: &Store, container: &Container) -> Result<()> {
    let is_half = |name: &str| {
        let has = |what: &str| file::exists_at(store.root.as_fd(), &format!("volumes/{name}/{what}"));
        !has("_data") || has(FILLING)
    };
    if container.spec.mounts.iter().any(|mount| mount.is_volume() && is_half(&mount.source)) {
        sources(store, container, &mut Made::default())?;
    }
    Ok(())
}

/// Sources of mounts: volumes are made, and host directories, as docker does for `-v`.
fn sources(store: &Store, container: &Container, made: &mut Made) -> Result<()> {
    for mount in &container.spec.mounts {
        match mount.kind {
            MountKind::Bind if mount.make_source => make_host_dirs(&mount.source, made)?,
            MountKind::Bind | MountKind::Tmpfs => {}
            MountKind::Volume | MountKind::Anonymous => {
                let labels = volumes::labels_of(mount.kind == MountKind::Anonymous);
                // Our record names it, so nobody removes it from here on.
                let (volume, is_new) = volumes::ensure(store, &mount.source, labels)?;
                if is_new {
                    made.volumes.push(mount.source.clone());
                }
                fill_volume(store, container, mount, &volume)
                    .map_err(|e| e.reword(&|what| format!("fill the volume {}: {what}", mount.source)))?;
            }
        }
    }
    Ok(())
}

/// Beside `_data` while it is filled: what a killed command left half-full is filled once more.
const FILLING: &str = "filling";

/// An empty volume begins with what the image has at its place: content, owner and mode. Others who want the volume at
/// the same time wait until it has all.
fn fill_volume(store: &Store, container: &Container, mount: &Mount, volume: &OwnedFd) -> Result<()> {
    if mount.mode.split(',').any(|option| option == "nocopy") || container.spec.rootfs.is_some() {
        return Ok(());
    }
    volumes::wait_for(volume, FlockOperation::LockExclusive)?;
    let is_half_filled = file::exists_at(volume.as_fd(), FILLING);
    let data = file::open_dir_at(volume.as_fd(), "_data")?;
    if !is_half_filled {
        if !file::entries(data.as_fd())?.is_empty() {
            return Ok(());
        }
        file::create_at(volume.as_fd(), FILLING, b"", 0o600)?;
        fault::point("volume:filling");
    }
    let mut writer = |sink: &mut dyn io::Sink| -> Result<()> {
        rustix::process::fchdir(&container.dir).tried("enter the container's directory")?;
        let root = walls::mount::root_alone(store, &container.spec)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Ok(from) = file::open_in_root(root.as_fd(), &mount.target, flags) else {
            return sink.write(&[0; 2 * tar::BLOCK_BYTES]); // nothing there: an empty archive
        };
        let stat = rustix::fs::fstat(&from).tried("look at the volume's place")?;
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::fchown(&data, Some(uid), Some(gid)).tried("set the volume's owner")?;
        rustix::fs::fchmod(&data, Mode::from_raw_mode(stat.st_mode)).tried("set the volume's mode")?;
        pack::pack(from.as_fd(), Form::Flat, &|_| false, sink)
    };
    let mut reader =
        |source: &mut dyn io::Source| unpacking::unpack(source, data.as_fd(), &unpacking::limits()).map(drop);
    packing::packed(&mut writer, &mut reader)?;
    fault::point("volume:filled");
    // What goes away with the container needs nothing of this; nor does a volume with nothing in it.
    let is_kept = mount.kind == MountKind::Volume || !container.spec.auto_remove;
    let is_kept = is_kept && !file::entries(data.as_fd())?.is_empty();
    if is_kept {
        // The content before the mark goes: else a power cut leaves half of it, and nobody knows.
        rustix::fs::syncfs(volume).tried("sync it to disk")?;
    }
    file::remove_tree(volume.as_fd(), FILLING)?;
    // The mark before the first change: else it is filled once more, over what somebody has written meanwhile.
    if is_kept { rustix::fs::fsync(volume).tried("sync it to disk") } else { Ok(()) }
}

/// command: puts a container that begins in the foreground on disk, in a process of its own: nobody waits for that. See
/// [`containers::confirm`].
pub fn confirm_later(containers: BorrowedFd<'_>, id: &str) -> Result<()> {
    let mut work = || {
        // The locks and streams of its maker must not live longer than that.
        sys::close_from_but(containers);
        containers::confirm(containers, id)
    };
    process::aside(&mut work).map(drop)
}

fn make_host_dirs(path: &str, made: &mut Made) -> Result<()> {
    if file::exists_at(rustix::fs::CWD, path) {
        return Ok(());
    }
    let mut end = 0;
    while end < path.len() {
        end = path[end + 1..].find('/').map_or(path.len(), |at| end + 1 + at);
        match at::make_dir(CWD, &path[..end], 0o755) {
            Ok(()) => made.paths.push(path[..end].into()),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::tried("make the volume's directory", path, errno)),
        }
    }
    at::stat(CWD, path, AtFlags::empty()).map(drop).tried_to("use the volume's directory", path)
}
