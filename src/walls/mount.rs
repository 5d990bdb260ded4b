//! The mount namespace: root file system, /proc, /dev, /sys, volumes. mount_namespaces(7).
//!
//! Everything is mounted by descriptor: a target is opened inside the new root (RESOLVE_IN_ROOT) and mounted on through
//! that descriptor, so no symlink of an image, and no rename in a shared volume, can lead a mount astray
//! (CVE-2021-30465). Nothing here is visible on the host, and all of it vanishes with the last process.

use super::Visible;
use crate::error::{Error, Result, Tried};
use crate::kernel::{file, sys};
use crate::spec::{Mount, MountKind, Spec};
use crate::store::{Store, volumes};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, mknodat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount as api;
use rustix::mount::MountPropagationFlags as Propagation;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

const RO: u64 = raw::MOUNT_ATTR_RDONLY as u64;
/// nosuid, nodev, noexec: what is not a place for programs.
const PLAIN: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// child: builds what the container sees and makes it this process's root. The current directory is the container's:
/// a descriptor from before the clone would stand for the host's mount of it, which this namespace cannot use.
pub fn enter(store: &Store, spec: &Spec, cgroups: &Visible<'_>) -> Result<()> {
    api::mount_change("/", Propagation::PRIVATE | Propagation::REC).tried("make the mounts private")?;
    let dir = file::open_dir(".")?;
    let dir = dir.as_fd();
    let root = match &spec.rootfs {
        None => overlay(store, spec, dir, spec.auto_remove)?,
        Some(path) => plain_root(dir, path)?,
    };
    let root = root.as_fd();
    let dev = dev(root)?;
    proc(root, &dev)?;
    sys_and_cgroups(root, cgroups)?;
    // What is asked for over /etc comes before our files in it, what is asked for over one of them after.
    let (above, below): (Vec<&Mount>, Vec<&Mount>) = spec.mounts.iter().partition(|mount| mount.target == "/etc");
    let volumes = |mounts: &[&Mount]| -> Result<()> {
        mounts.iter().try_for_each(|mount| {
            volume(store, mount, root).map_err(|e| Error { what: format!("mount {}: {}", mount.target, e.what), ..e })
        })
    };
    volumes(&above)?;
    for name in ["hosts", "hostname", "resolv.conf"] {
        bind_file(dir, name, root, &format!("/etc/{name}"))?;
    }
    volumes(&below)?;
    pivot(root)
}

/// child: the root of a container that does not run, mounted for this process alone, nothing mounted in it. The current
/// directory is the container's.
pub fn root_alone(store: &Store, spec: &Spec) -> Result<OwnedFd> {
    sys::unshare(raw::CLONE_NEWNS).tried("make a mount namespace")?;
    api::mount_change("/", Propagation::PRIVATE | Propagation::REC).tried("make the mounts private")?;
    let dir = file::open_dir(".")?;
    match &spec.rootfs {
        None => overlay(store, spec, dir.as_fd(), false),
        Some(path) => plain_root(dir.as_fd(), path),
    }
}

/// child: the root of a running container, without what is mounted in it.
pub fn root_of(init: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mount = rustix::thread::ThreadNameSpaceType::MOUNT;
    rustix::thread::move_into_thread_name_spaces(init, mount).tried("enter the container's mount namespace")?;
    clone_tree(rustix::fs::CWD, "/", false)
}

/// The layers under a writable upper directory, mounted on the container's own directory (in this namespace only).
/// `volatile` spares the sync at its end, for an upper directory that is never mounted again.
fn overlay(store: &Store, spec: &Spec, dir: BorrowedFd<'_>, volatile: bool) -> Result<OwnedFd> {
    // Relative paths keep the mount options short and free of characters that would need escaping.
    match overlay_by_steps(spec, volatile) {
        Ok(mounted) => {
            attach(&mounted, dir)?;
            Ok(mounted)
        }
        Err(error) if error.is(Errno::INVAL) || error.is(Errno::NOSYS) => overlay_in_one_string(store, spec, volatile),
        Err(error) => Err(error),
    }
}

/// A layer as seen from `containers/<id>/`.
fn layer_path(layer: &str) -> String {
    format!("../../layers/{layer}/diff")
}

/// What a distribution may switch on by default, and what would leave marks in the upper directory that no layer can carry.
const OVERLAY_FEATURES: [(&str, &str); 3] = [("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")];

/// fsconfig with a `lowerdir+` for each layer: kernels from 6.8 on.
fn overlay_by_steps(spec: &Spec, volatile: bool) -> Result<OwnedFd> {
    let fs = api::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(no_overlay)?;
    api::fsconfig_set_string(&fs, "source", "overlay").tried("mount the overlay")?;
    for layer in spec.layers.iter().rev() {
        api::fsconfig_set_string(&fs, "lowerdir+", layer_path(layer).as_str())
            .map_err(|errno| explain(&fs, &format!("use the layer {layer}"), errno))?;
    }
    let options = || -> core::result::Result<(), Errno> {
        api::fsconfig_set_string(&fs, "upperdir", "upper")?;
        api::fsconfig_set_string(&fs, "workdir", "work")?;
        for (key, value) in OVERLAY_FEATURES {
            api::fsconfig_set_string(&fs, key, value)?;
        }
        if volatile {
            api::fsconfig_set_flag(&fs, "volatile")?;
        }
        api::fsconfig_create(&fs)
    };
    options().map_err(|errno| {
        explain(&fs, "mount the layers under upper/ with work/ of the container's directory", errno)
    })?;
    api::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).tried("mount the overlay")
}

/// mount(2): all layers in one page of options.
fn overlay_in_one_string(store: &Store, spec: &Spec, volatile: bool) -> Result<OwnedFd> {
    let mut lower = String::new();
    for layer in spec.layers.iter().rev() {
        if !lower.is_empty() {
            lower.push(':');
        }
        lower.push_str(&layer_path(layer));
    }
    let volatile = if volatile { ",volatile" } else { "" };
    let mut options = format!("lowerdir={lower},upperdir=upper,workdir=work{volatile}");
    for (key, value) in OVERLAY_FEATURES {
        options.extend([",", key, "=", value]);
    }
    if options.len() >= 4096 {
        let count = spec.layers.len();
        return Err(Error::new(format!("{count} layers are too many for this kernel: from 6.8 on there is no limit")));
    }
    let options = alloc::ffi::CString::new(options).map_err(|_| Error::os("mount the overlay", Errno::INVAL))?;
    api::mount("overlay", ".", "overlay", api::MountFlags::empty(), options.as_c_str()).map_err(no_overlay)?;
    // "." is still the directory below; its path leads onto the mount.
    file::open_dir(&format!("{}/containers/{}", store.root_path, spec.id))
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
            Error::os(format!("{what}: {said}"), errno)
        }
        _ => Error::os(what, errno),
    }
}

/// `--rootfs DIR`: that directory itself, nothing shared, nothing of what is mounted below it.
fn plain_root(dir: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    let tree = clone_tree(rustix::fs::CWD, path, false)?;
    attach(&tree, dir)?;
    Ok(tree)
}

/// A detached copy of a mount, or of a directory or file of one. open_tree(2)
fn clone_tree(dir: BorrowedFd<'_>, path: &str, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    api::open_tree(dir, path, flags).tried_with(|| format!("use {path}"))
}

/// Mounts a detached tree on what `target` refers to.
fn attach(tree: &OwnedFd, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    api::move_mount(tree, "", target, "", flags).tried("attach a mount")
}

/// A new file system instance, detached.
fn filesystem(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let mount = || -> core::result::Result<OwnedFd, Errno> {
        let fs = api::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        if options.first().is_none_or(|(key, _)| *key != "source") {
            api::fsconfig_set_string(&fs, "source", kind)?; // what the first column of `mount` shows
        }
        for (key, value) in options {
            if value.is_empty() {
                api::fsconfig_set_flag(&fs, *key)?;
            } else {
                api::fsconfig_set_string(&fs, *key, *value)?;
            }
        }
        api::fsconfig_create(&fs)?;
        api::fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    mount().tried_with(|| format!("mount {kind}"))
}

/// A directory at the top of the root that we mount on. Made when missing; a symlink is refused, as it would let an image
/// choose what we hide and protect.
fn place(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match mkdirat(root, name, Mode::from(0o755)) {
        Ok(()) | Err(Errno::EXIST | Errno::ROFS) => {}
        Err(errno) => return Err(Error::os(format!("make /{name}"), errno)),
    }
    openat(root, name, flags, Mode::empty()).tried_with(|| format!("use /{name} of the image as a directory"))
}

/// /proc with docker's read-only and masked paths. They are covered through the new proc itself, before anybody can
/// interfere.
fn proc(root: BorrowedFd<'_>, dev: &OwnedFd) -> Result<()> {
    let proc = filesystem("proc", &[], PLAIN)?;
    attach(&proc, place(root, "proc")?.as_fd())?;
    for name in ["bus", "fs", "irq", "sys", "sysrq-trigger"] {
        let Some(target) = existing(&proc, name)? else { continue };
        let copy = clone_tree(target.as_fd(), "", false)?;
        attach(&copy, target.as_fd())?;
        protect(&copy, false)?;
    }
    // The container's own /dev/null: whoever is root inside may change its mode and owner.
    for name in ["kcore", "keys", "latency_stats", "sched_debug", "timer_list", "timer_stats", "interrupts"] {
        if let Some(target) = existing(&proc, name)? {
            attach(&clone_tree(dev.as_fd(), "null", false)?, target.as_fd())?;
        }
    }
    for name in ["acpi", "asound", "scsi"] {
        if let Some(target) = existing(&proc, name)? {
            attach(&empty_directory()?, target.as_fd())?;
        }
    }
    Ok(())
}

fn existing(mount: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    match openat(mount, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::os(format!("look at {path}"), errno)),
    }
}

fn empty_directory() -> Result<OwnedFd> {
    filesystem("tmpfs", &[("size", "0"), ("mode", "555")], PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY)
}

/// Read-only from here on, what is mounted below it too if asked. The mount is attached already; nobody else is in
/// this namespace yet.
fn protect(tree: &OwnedFd, recursive: bool) -> Result<()> {
    let what = "make a mount read-only";
    match sys::mount_setattr(tree.as_fd(), recursive, RO, 0, 0) {
        // Kernels before 5.12: remount it, keeping its other flags, which fstatvfs(3) tells with the same bits.
        Err(Errno::NOSYS) => {
            let keep = rustix::fs::fstatvfs(tree).tried(what)?.f_flag.bits() as u32;
            let flags = api::MountFlags::from_bits_retain(keep & 0xf | raw::MS_BIND | raw::MS_RDONLY);
            let path = format!("/proc/self/fd/{}", tree.as_raw_fd());
            api::mount_remount(path.as_str(), flags, c"").tried(what)
        }
        other => other.tried(what),
    }
}

const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A /dev of its own: docker's nodes, terminals, shared memory, message queues.
fn dev(root: BorrowedFd<'_>) -> Result<OwnedFd> {
    let dev = filesystem("tmpfs", &[("mode", "755"), ("size", "65536k")], MountAttrFlags::MOUNT_ATTR_NOSUID)?;
    attach(&dev, place(root, "dev")?.as_fd())?;
    rustix::process::umask(Mode::empty());
    for (name, major, minor) in NODES {
        mknodat(&dev, name, FileType::CharacterDevice, Mode::from(0o666), rustix::fs::makedev(major, minor))
            .tried_with(|| format!("make /dev/{name}"))?;
    }
    for (name, target) in LINKS {
        symlinkat(target, &dev, name).tried_with(|| format!("make /dev/{name}"))?;
    }
    let mode = ("mode", "1777");
    let terminals = [("gid", "5"), ("mode", "620"), ("ptmxmode", "666")];
    let exec_less = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    for (name, tree) in [
        ("pts", filesystem("devpts", &terminals, exec_less)?),
        ("shm", filesystem("tmpfs", &[("source", "shm"), mode, ("size", "65536k")], PLAIN)?),
        ("mqueue", filesystem("mqueue", &[], PLAIN)?),
    ] {
        mkdirat(&dev, name, Mode::from(0o755)).tried_with(|| format!("make /dev/{name}"))?;
        attach(&tree, place(dev.as_fd(), name)?.as_fd())?;
    }
    rustix::process::umask(Mode::from(0o022));
    Ok(dev)
}

/// /sys read-only, and in it the container's own cgroups and nothing above them.
fn sys_and_cgroups(root: BorrowedFd<'_>, cgroups: &Visible<'_>) -> Result<()> {
    let read_only = PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY;
    let sysfs = filesystem("sysfs", &[], read_only)?;
    attach(&sysfs, place(root, "sys")?.as_fd())?;
    for name in ["firmware", "devices/virtual/powercap"] {
        if let Some(target) = existing(&sysfs, name)? {
            attach(&empty_directory()?, target.as_fd())?;
        }
    }
    let Some(target) = existing(&sysfs, "fs/cgroup")? else { return Ok(()) };
    match cgroups {
        Visible::V2 => attach(&filesystem("cgroup2", &[], read_only)?, target.as_fd()),
        Visible::V1(hierarchies) => {
            let top = filesystem("tmpfs", &[("mode", "755"), ("size", "64k")], PLAIN)?;
            attach(&top, target.as_fd())?;
            for options in hierarchies {
                let keys: Vec<(&str, &str)> = options.split(',').map(|o| (o, "")).collect();
                let tree = filesystem("cgroup", &keys, read_only)?;
                attach(&tree, place(top.as_fd(), options)?.as_fd())?;
            }
            protect(&top, false)
        }
    }
}

/// Mounts a file of the container's directory on a path of its root, made when missing.
fn bind_file(dir: BorrowedFd<'_>, name: &str, root: BorrowedFd<'_>, path: &str) -> Result<()> {
    let tree = clone_tree(dir, name, false)?;
    match file_place(root, path) {
        Err(Errno::ROFS) => Ok(()), // a read-only volume is there, without a place for it
        target => attach(&tree, target.tried_with(|| format!("make {path}"))?.as_fd()),
    }
}

/// An existing file at the path, or a new empty one.
fn file_place(root: BorrowedFd<'_>, path: &str) -> core::result::Result<OwnedFd, Errno> {
    match file::open_in_root(root, path, OFlags::PATH) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = file::make_dirs_in_root(root, parent, 0o755)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat(&parent, name, flags, Mode::from(0o644)) {
        Ok(_) => {}
        // A dangling symlink: resolv.conf in many images. Its target is made inside the root; if not, the link goes.
        Err(Errno::LOOP) => {
            rustix::fs::unlinkat(&parent, name, AtFlags::empty())?;
            drop(openat(&parent, name, flags | OFlags::EXCL, Mode::from(0o644))?);
        }
        Err(errno) => return Err(errno),
    }
    openat(&parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// One `-v`: a directory or a file of the host, or a volume.
fn volume(store: &Store, mount: &Mount, root: BorrowedFd<'_>) -> Result<()> {
    let source = match mount.kind {
        MountKind::Bind => mount.source.clone(),
        MountKind::Volume | MountKind::Anonymous => volumes::path(store, &mount.source),
        MountKind::Tmpfs => return Err(Error::new("tmpfs is not there yet")),
    };
    let tree = clone_tree(rustix::fs::CWD, &source, true)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&tree).tried_with(|| format!("look at {source}"))?.st_mode);
    let target = if kind == FileType::Directory {
        file::make_dirs_in_root(root, &mount.target, 0o755)
    } else {
        file_place(root, &mount.target)
    };
    let target = target.tried("make the mount point")?;
    if kind != FileType::Directory && is_directory(&target)? {
        return Err(Error::new(format!("{source} is a file, but there is a directory in the container")));
    }
    // A copy of a private mount is private: what is mounted on the host below it later stays there.
    attach(&tree, target.as_fd())?;
    if mount.read_only { protect(&tree, true) } else { Ok(()) }
}

fn is_directory(fd: &OwnedFd) -> Result<bool> {
    let stat = rustix::fs::fstat(fd).tried("look at the mount point")?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Makes `root` this process's root and lets go of the old one.
fn pivot(root: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(root).tried("enter the new root")?;
    match rustix::process::pivot_root(".", ".") {
        // The old root is now mounted over the new one, and "." is it.
        Ok(()) => api::unmount(".", api::UnmountFlags::DETACH).tried("let go of the old root")?,
        // The host's root is an initramfs, which cannot be pivoted away from: move over it instead.
        Err(Errno::INVAL) => {
            api::mount_move(".", "/").tried("move the new root")?;
            rustix::process::chroot(".").tried("change the root")?;
        }
        Err(errno) => return Err(Error::os("change the root", errno)),
    }
    rustix::process::chdir("/").tried("enter the new root")
}

/// child, in its new root: a new terminal of the container's own devpts: (master, slave). The slave becomes /dev/console
/// too for the first process of a container.
pub fn terminal() -> Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let master = openat(rustix::fs::CWD, "/dev/pts/ptmx", flags, Mode::empty()).tried("make a terminal")?;
    // Whoever is root inside could have put something else there: believe only the kernel's own device.
    let stat = rustix::fs::fstat(&master).tried("make a terminal")?;
    let is_ptmx = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (5, 2);
    if !is_ptmx {
        return Err(Error::new("cannot make a terminal: /dev/pts/ptmx of the container is no terminal device"));
    }
    rustix::pty::unlockpt(&master).tried("unlock the terminal")?;
    let open = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY | rustix::pty::OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, open).tried("open the terminal")?;
    Ok((master, slave))
}

/// child, in its new root: /dev/console is this terminal.
pub fn console(slave: &OwnedFd) -> Result<()> {
    let made = openat(
        rustix::fs::CWD,
        "/dev/console",
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
        Mode::from(0o600),
    );
    drop(made.tried("make /dev/console")?);
    let target = openat(rustix::fs::CWD, "/dev/console", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    attach(&clone_tree(slave.as_fd(), "", false)?, target.tried("open /dev/console")?.as_fd())
}
