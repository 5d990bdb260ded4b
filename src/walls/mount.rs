//! The mount namespace: root file system, /proc, /dev, /sys, volumes. mount_namespaces(7).
//!
//! Everything is mounted by descriptor: a target is opened inside the new root (RESOLVE_IN_ROOT) and mounted on through
//! that descriptor, so no symlink of an image, and no rename in a shared volume, can lead a mount astray
//! (CVE-2021-30465). Nothing here is visible on the host, and all of it vanishes with the last process.

mod bundle;
mod dev;
mod options;
mod root;
mod system;
mod tree;
mod volume;

pub use bundle::{Built, build_bundle, bundle_sources, enter_bundle, finish_bundle};
pub use dev::{console, terminal};
pub use root::has_long_lists;
pub use system::covered;
pub use tree::can_protect_all;
pub use volume::sources;

use super::Visible;
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file, sys};
use crate::spec::Spec;
use crate::store::Store;
use crate::store::containers::{Container, MARK};
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_NEWNS;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount as api;

/// What a process of the host opened for a container: because it cannot do so itself, or has enough to do.
#[derive(Default)]
pub struct Given {
    /// What [`root_early`] returned.
    pub root: Option<OwnedFd>,
    /// Another container's /dev/shm.
    pub shm: Option<OwnedFd>,
    /// Another container's /proc.
    pub proc: Option<OwnedFd>,
    /// What [`sources`] returns, for a container in a user namespace of its own.
    pub sources: Option<Vec<OwnedFd>>,
}

/// child: builds what the container sees; [`enter`] is still to come. The current directory is the container's: a
/// descriptor from before the clone would stand for the host's mount of it, which this namespace cannot use.
/// `cgroups` enters those, and says what is to be seen of them. `open_nodes`: whether device nodes in the image and in
/// volumes can be opened.
pub fn build<'a>(
    store: &Store,
    spec: &Spec,
    cgroups: &mut dyn FnMut() -> Result<Visible<'a>>,
    given: Given,
    open_nodes: bool,
) -> Result<OwnedFd> {
    let trees = match given.sources {
        Some(trees) => {
            tree::make_private()?;
            trees
        }
        None => sources(store, spec, None, given.root)?,
    };
    let step = |name| store.timing.mark(name);
    step("mount::root");
    let mut trees = trees.into_iter();
    let root = trees.next().ok_or_else(|| Error::new("the container's root file system is missing"))?;
    tree::attach(&root, rustix::fs::CWD)?;
    if !open_nodes {
        tree::close_devices(&root)?; // not before: older kernels change only what has its place
    }
    let security = &spec.security;
    let dev = dev::dev(root.as_fd(), spec, given.shm)?;
    step("mount::dev");
    system::proc(root.as_fd(), &dev, given.proc, security.unmasked || security.privileged)?;
    step("mount::proc");
    let cgroups = cgroups()?; // not earlier: the monitor may be making them at this moment
    system::sys(root.as_fd(), &cgroups, security.unmasked || security.privileged, security.privileged)?;
    step("mount::sys");
    volume::mount_all(spec, root.as_fd(), &mut trees, open_nodes)?;
    if spec.rootfs.is_none() {
        mark(root.as_fd())?;
    }
    step("mount::volume");
    if spec.read_only {
        tree::protect(&root)?;
    }
    Ok(root)
}

fn mark(root: BorrowedFd<'_>) -> Result<()> {
    match at::make(root, MARK, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o755) {
        Ok(_) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Error::os("mark the root as a container's", errno)),
    }
}

/// command: the layers of a container that is about to start, mounted nowhere yet; `None` where its child has to do that
/// itself, or where it does not work: the child's error will tell.
pub fn root_early(store: &Store, container: &Container) -> Option<OwnedFd> {
    let spec = &container.spec;
    if spec.rootfs.is_some() || spec.ids.is_some() || store.is_rootless {
        return None;
    }
    let here = at::open(rustix::fs::CWD, ".", OFlags::PATH | OFlags::DIRECTORY).ok()?;
    rustix::process::fchdir(&container.dir).ok()?;
    let root = root::overlay_by_steps(store, spec, spec.auto_remove);
    rustix::process::fchdir(here).ok()?;
    root.ok()
}

/// child: the root of a container that does not run, mounted for this process alone, nothing mounted in it. The current
/// directory is the container's.
pub fn root_alone(store: &Store, spec: &Spec) -> Result<OwnedFd> {
    sys::unshare(CLONE_NEWNS).tried("make a mount namespace")?;
    tree::make_private()?;
    let root = root::open(store, spec, false, None)?;
    tree::attach(&root, rustix::fs::CWD)?;
    Ok(root)
}

/// child: the files of a container that does not run as its programs would see them, volumes and all, with their ids as
/// on disk. The current directory is the container's. This becomes the process's root, too. `writes`: see [`view`].
pub fn view_alone(store: &Store, spec: &mut Spec, writes: bool) -> Result<OwnedFd> {
    sys::unshare(CLONE_NEWNS).tried("make a mount namespace")?;
    // Nothing of it is shared with the host, and a later start finds its upper directory as it was.
    (spec.auto_remove, spec.tty) = (false, false);
    spec.mounts.iter_mut().for_each(|mount| mount.propagation.clear());
    let mut trees = sources(store, spec, None, None)?.into_iter();
    let root = trees.next().ok_or_else(|| Error::new("the container's root file system is missing"))?;
    tree::attach(&root, rustix::fs::CWD)?;
    volume::mount_all(spec, root.as_fd(), &mut trees, true)?;
    if spec.read_only {
        tree::protect(&root)?;
    }
    enter(root.as_fd())?;
    view(writes)
}

/// child: a copy of all that this process sees, mounts and all, in which no device can be opened, and, unless `writes`,
/// nothing can be changed.
pub fn view(writes: bool) -> Result<OwnedFd> {
    let root = tree::clone_tree(rustix::fs::CWD, "/", true)?;
    tree::restrict_copy(&root, writes)?;
    Ok(root)
}

/// child: the root of a running container, without what is mounted in it.
pub fn root_of(init: BorrowedFd<'_>) -> Result<OwnedFd> {
    tree_of(init, "/")
}

/// helper: what is mounted at a path of a running container.
pub fn tree_of(init: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    let mount = rustix::thread::ThreadNameSpaceType::MOUNT;
    rustix::thread::move_into_thread_name_spaces(init, mount).tried("enter the container's mount namespace")?;
    tree::clone_tree(rustix::fs::CWD, path, false)
}

/// child: makes what [`build`] returned this process's root, and lets go of the old one.
pub fn enter(root: BorrowedFd<'_>) -> Result<()> {
    change_root(root, true)
}

/// `pivots`: not when somebody says that the host's root cannot be pivoted away from.
fn change_root(root: BorrowedFd<'_>, pivots: bool) -> Result<()> {
    rustix::process::fchdir(root).tried("enter the new root")?;
    match if pivots { rustix::process::pivot_root(c".", c".") } else { Err(Errno::INVAL) } {
        // The old root is now mounted over the new one, and "." is it.
        Ok(()) => api::unmount(c".", api::UnmountFlags::DETACH).tried("let go of the old root")?,
        // The host's root is an initramfs, which cannot be pivoted away from.
        Err(Errno::INVAL) => cover(root)?,
        Err(errno) => return Err(Error::os("change the root", errno)),
    }
    rustix::process::chdir(c"/").tried("enter the new root")
}

/// Moves `root` over the root of the host, and away with all that is mounted there. Nobody gets below it by changing his
/// root: from a root that covers another one, `..` leads nowhere. Whoever may unmount it reaches the initramfs, and only that.
fn cover(root: BorrowedFd<'_>) -> Result<()> {
    let all = file::read_text("/proc/self/mountinfo")?;
    let host = file::open_dir("/")?;
    api::mount_move(c".", c"/").tried("move the new root")?;
    rustix::process::chroot(c".").tried("change the root")?;
    rustix::process::fchdir(&host).tried("enter the old root")?;
    for line in all.lines() {
        // Blanks are octal there; whoever has such mount points keeps them. In a user namespace all are locked in their places.
        let place = line.split(' ').nth(4).unwrap_or_default().trim_start_matches('/');
        if let Ok(place) = at::c(place) {
            let _ = api::unmount(&*place, api::UnmountFlags::DETACH | api::UnmountFlags::NOFOLLOW);
        }
    }
    rustix::process::fchdir(root).tried("enter the new root")
}
