//! The root file system of a container: its layers under a writable directory, or a directory of the host. overlayfs
//! (Documentation/filesystems/overlayfs.rst), mount_setattr(2) for the ids of a user namespace.

use super::tree::{attach, clone_tree, map_ids, set};
use crate::error::{Error, Result, Tried};
use crate::kernel::file;
use crate::spec::{Spec, text};
use crate::store::{Store, base};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::mount as api;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// The root of the container, detached: its layers under a writable upper directory, or its directory of the host. For a
/// user namespace the ids of what is on disk are mapped into its range, so that layers are shared and never changed.
/// The current directory is the container's (with `ids` the mapped one), in a mount namespace of this process alone.
pub fn open(store: &Store, spec: &Spec, volatile: bool, ids: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    if let Some(path) = &spec.rootfs {
        // That directory itself: nothing of what is mounted below it.
        let tree = clone_tree(rustix::fs::CWD, path, false)?;
        if let Some(ids) = ids {
            map_ids(&tree, ids, path)?;
        }
        return Ok(tree);
    }
    if let Some(ids) = ids {
        map_layers(spec, ids)?;
    }
    match overlay_by_steps(store, spec, volatile) {
        Err(first) if first.is(Errno::INVAL) || first.is(Errno::NOSYS) => {
            // Where the kernel knows the first way, its answer to that says more.
            overlay_in_one_string(store, spec, volatile)
                .map_err(|error| if error.is(Errno::INVAL) && has_long_lists() { first } else { error })
        }
        other => other,
    }
    .map_err(|error| match ids {
        // Before 5.19 an overlay takes no id-mapped layers, and says EINVAL.
        Some(_) if error.is(Errno::INVAL) => super::tree::no_id_maps("the layers", Errno::INVAL),
        _ if error.is(Errno::PERM) && store.is_rootless => {
            Error::os("mount the layers: only root may on this kernel (from Linux 5.11 on everybody)", Errno::PERM)
        }
        _ => error,
    })
}

/// Covers the container's directory with an id-mapped mount of itself, and enters that.
pub fn map_own_directory(ids: BorrowedFd<'_>) -> Result<()> {
    let tree = clone_tree(rustix::fs::CWD, ".", false)?;
    map_ids(&tree, ids, "the container's directory")?;
    attach(&tree, rustix::fs::CWD)?;
    rustix::process::fchdir(&tree).tried("enter the container's directory")
}

/// Covers each layer with an id-mapped mount of itself. The overlay mounts those.
fn map_layers(spec: &Spec, ids: BorrowedFd<'_>) -> Result<()> {
    for path in &lower(spec) {
        let tree = clone_tree(rustix::fs::CWD, path, false)?;
        map_ids(&tree, ids, "the layers")?;
        attach(&tree, file::open_dir(path)?.as_fd())?;
    }
    Ok(())
}

/// What is below the upper directory, the topmost first, as seen from `containers/<id>/`.
fn lower(spec: &Spec) -> Vec<String> {
    let mut paths = Vec::new();
    for layer in spec.layers.iter().rev() {
        paths.push(format!("../../layers/{layer}/diff"));
    }
    let base = ["../../", base::NAME].concat();
    if file::exists_at(rustix::fs::CWD, &base) {
        paths.push(base);
    }
    paths
}

/// What a distribution may switch on by default, and what would leave marks in the upper directory that no layer can carry.
const OVERLAY_FEATURES: [(&str, &str); 3] = [("index", "off"), ("redirect_dir", "off"), ("metacopy", "off")];

/// Beside `userxattr` the kernel takes no word about redirections and metadata, and has them off.
fn features(store: &Store) -> &'static [(&'static str, &'static str)] {
    if store.is_rootless { &OVERLAY_FEATURES[..1] } else { &OVERLAY_FEATURES }
}

/// fsconfig with a `lowerdir+` for each layer: kernels from 6.8 on.
pub fn overlay_by_steps(store: &Store, spec: &Spec, volatile: bool) -> Result<OwnedFd> {
    if volatile {
        // It was started before, and ended in an orderly way: then the kernel's mark of a lost cache does not count.
        let _ = file::remove_tree(rustix::fs::CWD, "work/work/incompat/volatile"); // what stays the mount tells of
    }
    let fs = api::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(no_overlay)?;
    set(&fs, "source", "overlay").tried("mount the overlay")?;
    for path in &lower(spec) {
        set(&fs, "lowerdir+", path).map_err(|errno| explain(&fs, &format!("use the layer {path}"), errno))?;
    }
    let options = || -> core::result::Result<(), Errno> {
        set(&fs, "upperdir", "upper")?;
        set(&fs, "workdir", "work")?;
        for (key, value) in features(store) {
            set(&fs, key, value)?;
        }
        if volatile {
            set(&fs, "volatile", "")?;
        }
        if store.is_rootless {
            set(&fs, "userxattr", "")?; // trusted.* attributes are only the host's root's
        }
        api::fsconfig_create(&fs)
    };
    options().map_err(|errno| {
        explain(&fs, "mount the layers under upper/ with work/ of the container's directory", errno)
    })?;
    api::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).tried("mount the overlay")
}

/// Whether the list of layers may be longer than a page. Before 6.5 the kernel takes any word, and thinks about it later.
pub fn has_long_lists() -> bool {
    let fs = api::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC);
    fs.is_ok_and(|fs| set(&fs, "lowerdir+", "/").is_ok() && set(&fs, "unknown", "/").is_err())
}

/// mount(2): all layers in one page of options.
fn overlay_in_one_string(store: &Store, spec: &Spec, volatile: bool) -> Result<OwnedFd> {
    let lower = text::join(&lower(spec), ":");
    let mut options = format!("lowerdir={lower},upperdir=upper,workdir=work");
    for (wanted, option) in [(volatile, ",volatile"), (store.is_rootless, ",userxattr")] {
        options.push_str(if wanted { option } else { "" });
    }
    for (key, value) in features(store) {
        options.extend([",", key, "=", value]);
    }
    if options.len() >= 4096 {
        let count = spec.layers.len();
        return Err(Error::new(format_args!(
            "{count} layers are too many for this kernel: from 6.8 on there is no limit"
        )));
    }
    let options = alloc::ffi::CString::new(options).map_err(|_| Error::os("mount the overlay", Errno::INVAL))?;
    api::mount(c"overlay", c".", c"overlay", api::MountFlags::empty(), options.as_c_str()).map_err(no_overlay)?;
    // "." is still the directory below; its path leads onto the mount.
    clone_tree(rustix::fs::CWD, &format!("{}/containers/{}", store.root_path, spec.id), false)
}

fn no_overlay(errno: Errno) -> Error {
    match errno {
        Errno::NODEV => Error::new("cannot mount the layers: this kernel has no overlay file system (module overlay)"),
        errno => Error::os("mount the overlay", errno),
    }
}

/// The kernel says more than an errno on the descriptor of fsopen(2): lines like `e overlay: …`.
fn explain(fs: &OwnedFd, what: &str, errno: Errno) -> Error {
    let mut line = [0u8; 256];
    match rustix::io::read(fs, &mut line) {
        Ok(n) if n > 2 => {
            let said = String::from_utf8_lossy(&line[2..n]).trim_end().replace('\n', " ");
            Error::os(format_args!("{what}: {said}"), errno)
        }
        _ => Error::os(what, errno),
    }
}
