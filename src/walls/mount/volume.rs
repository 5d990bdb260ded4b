//! What is mounted into a container's root: volumes, paths of the host, memory, and our own files in /etc.

use super::tree::{attach, clone_tree, file_place, filesystem, is_directory, map_ids, propagate, protect, protect_all};
use super::{root, tree};
use crate::error::{Error, Result, Tried};
use crate::kernel::file;
use crate::spec::text;
use crate::spec::words;
use crate::spec::{Mount, MountKind, Recursion, Spec};
use crate::store::{Store, volumes};
use alloc::format;
use alloc::vec::{self, Vec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags as Propagation};

/// Our files in /etc, by their names in the container's directory, or in that of the one whose network it sees.
const FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Everything of the host that a container mounts, as detached trees: the root, our files, then a tree for each mount
/// that has a source. Makes the mounts of this process's namespace private. The current directory is the container's.
/// `ids`: for this user namespace, the ids of the store are mapped. `root`: what [`super::root_early`] returned.
pub fn sources(store: &Store, spec: &Spec, ids: Option<BorrowedFd<'_>>, root: Option<OwnedFd>) -> Result<Vec<OwnedFd>> {
    // A copy stays in the peer group of its mount only if it is made while that is in it.
    let mut early: Vec<Option<OwnedFd>> = Vec::new();
    for mount in &spec.mounts {
        early.push(if propagates(mount) {
            refuse_unpropagated(mount)?;
            Some(source(store, mount).map_err(|e| locate(mount, e))?)
        } else {
            None
        });
    }
    tree::make_private()?;
    if let Some(ids) = ids {
        root::map_own_directory(ids)?;
    }
    let root = match root {
        Some(root) => root,
        None => root::open(store, spec, spec.auto_remove, ids)?,
    };
    let mut trees = alloc::vec![root];
    for name in FILES {
        let path = match &spec.network_of {
            Some(id) => &["../", id, "/", name].concat(), // they go with the network
            None => name,
        };
        trees.push(clone_tree(rustix::fs::CWD, path, false)?);
    }
    for (mount, early) in spec.mounts.iter().zip(early) {
        if mount.kind == MountKind::Tmpfs {
            continue;
        }
        let tree = match early {
            Some(tree) => tree,
            None => source(store, mount).map_err(|e| locate(mount, e))?,
        };
        if let Some(ids) = ids
            && mount.kind != MountKind::Bind
        {
            map_ids(&tree, ids, "a volume")?;
        }
        trees.push(tree);
    }
    Ok(trees)
}

fn locate(mount: &Mount, mut error: Error) -> Error {
    error.what = format!("mount {}: {}", mount.target, error.what);
    error
}

fn propagates(mount: &Mount) -> bool {
    mount.kind == MountKind::Bind && matches!(mount.propagation.as_str(), "shared" | "rshared" | "slave" | "rslave")
}

/// What is mounted, detached: a directory or a file of the host, a volume, or a path in a volume.
fn source(store: &Store, mount: &Mount) -> Result<OwnedFd> {
    let recursive = mount.recursion != Recursion::Disabled;
    if mount.kind == MountKind::Bind {
        return match clone_tree(rustix::fs::CWD, &mount.source, recursive) {
            Err(error) if error.is(Errno::NOENT) => {
                Err(Error::new(format_args!("bind source path does not exist: {}", mount.source)))
            }
            other => other,
        };
    }
    let path = volumes::path(store, &mount.source);
    if mount.subpath.is_empty() {
        return clone_tree(rustix::fs::CWD, &path, recursive);
    }
    // Whoever wrote to the volume may have put a symlink there.
    let volume = file::open_dir(&path)?;
    let inside = file::open_in_root(volume.as_fd(), &mount.subpath, OFlags::PATH)
        .tried_with(|| format!("use {} of the volume {}", mount.subpath, mount.source))?;
    clone_tree(inside.as_fd(), "", recursive)
}

/// As docker: what the host's mount does not do cannot be had from a copy of it.
fn refuse_unpropagated(mount: &Mount) -> Result<()> {
    let text = file::read_text("/proc/self/mountinfo")?;
    let (path, tags) = covering(&text, &mount.source);
    let is_shared = tags.split(' ').any(|tag| tag.starts_with("shared:"));
    let is_slave = tags.split(' ').any(|tag| tag.starts_with("master:"));
    if is_shared || is_slave && mount.propagation.ends_with("slave") {
        return Ok(());
    }
    let kind = if mount.propagation.ends_with("slave") { "shared or slave" } else { "shared" };
    Err(locate(
        mount,
        Error::new(format_args!("path {} is mounted on {path} but it is not a {kind} mount", mount.source)),
    ))
}

/// The mount that a path is on, and its optional fields. proc_pid_mountinfo(5)
fn covering<'a>(mountinfo: &'a str, path: &str) -> (&'a str, &'a str) {
    let covers = |point: &str| {
        path.strip_prefix(point).is_some_and(|rest| point == "/" || rest.is_empty() || rest.starts_with('/'))
    };
    let mut best = ("", "");
    for line in mountinfo.lines() {
        let Some((left, _)) = text::cut(line, " - ") else { continue };
        let mut fields = left.splitn(7, ' ');
        let (Some(point), tags) = (fields.nth(4), fields.nth(1).unwrap_or("")) else { continue };
        if covers(point) && point.len() >= best.0.len() {
            best = (point, tags);
        }
    }
    best
}

/// child: mounts everything in the new root. `trees` is what is left of [`sources`] after the root.
pub fn mount_all(
    spec: &Spec,
    root: BorrowedFd<'_>,
    trees: &mut vec::IntoIter<OwnedFd>,
    open_nodes: bool,
) -> Result<()> {
    let mut next = || trees.next().ok_or_else(|| Error::new("a part of the container's file system is missing"));
    let mut files = Vec::new();
    for _ in FILES {
        files.push(next()?);
    }
    // What is asked for over /etc comes before our files in it, what is asked for over one of them after.
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for mount in &spec.mounts {
        let tree = if mount.kind == MountKind::Tmpfs { None } else { Some(next()?) };
        if mount.target == "/etc" { &mut above } else { &mut below }.push((mount, tree));
    }
    place_all(spec, root, above, open_nodes)?;
    for (name, tree) in FILES.iter().zip(&files) {
        bind_file(spec, tree, root, &format!("/etc/{name}"))?;
    }
    place_all(spec, root, below, open_nodes)?;
    match file::open_in_root(root, "dev", OFlags::PATH) {
        Ok(dev) if spec.tty => refuse_shared(spec, &dev), // where the console will be
        _ => Ok(()),
    }
}

fn place_all(
    spec: &Spec,
    root: BorrowedFd<'_>,
    mounts: Vec<(&Mount, Option<OwnedFd>)>,
    open_nodes: bool,
) -> Result<()> {
    for (mount, tree) in mounts {
        place_one(spec, root, mount, tree, open_nodes).map_err(|e| locate(mount, e))?;
    }
    Ok(())
}

/// Mounts a file of ours on a path of the root, made when missing.
fn bind_file(spec: &Spec, tree: &OwnedFd, root: BorrowedFd<'_>, path: &str) -> Result<()> {
    let target = match file_place(root, path) {
        Err(Errno::ROFS) => return Ok(()), // a read-only volume is there, without a place for it
        target => target.tried_to("make", path)?,
    };
    refuse_shared(spec, &target).map_err(|e| e.reword(&|what| format!("mount {path}: {what}")))?;
    attach(tree, target.as_fd())
}

/// Nothing is ever mounted on the host: not by way of a volume that shares its mounts with it, either. There it would
/// stay, as the end of a mount namespace is no unmounting.
fn refuse_shared(spec: &Spec, target: &OwnedFd) -> Result<()> {
    let is_shared = |mount: &Mount| matches!(mount.propagation.as_str(), "shared" | "rshared");
    if spec.mounts.iter().any(is_shared) && tree::is_shared(target)? {
        let why =
            "it would be mounted on the host, too, as its place is in a volume that shares its mounts with the host";
        return Err(Error::new(format_args!("{why} (rslave instead of rshared does not)")));
    }
    Ok(())
}

fn place_one(spec: &Spec, root: BorrowedFd<'_>, mount: &Mount, tree: Option<OwnedFd>, open_nodes: bool) -> Result<()> {
    let Some(tree) = tree else { return memory(spec, root, mount) };
    let stat = rustix::fs::fstat(&tree).tried_to("look at", &mount.source)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let target = if kind == FileType::Directory {
        file::make_dirs_in_root(root, &mount.target, 0o755)
    } else {
        file_place(root, &mount.target)
    };
    let target = target.tried("make the mount point")?;
    refuse_proc(&target, &mount.target)?;
    refuse_shared(spec, &target)?;
    if kind != FileType::Directory && is_directory(&target)? {
        return Err(Error::new(format_args!("{} is a file, but there is a directory in the container", mount.source)));
    }
    attach(&tree, target.as_fd())?;
    if !open_nodes {
        tree::close_devices(&tree)?;
    }
    let propagation = match mount.propagation.as_str() {
        "shared" => Propagation::SHARED,
        "rshared" => Propagation::SHARED | Propagation::REC,
        "slave" => Propagation::DOWNSTREAM,
        "rslave" => Propagation::DOWNSTREAM | Propagation::REC,
        // A copy of a private mount is private: what is mounted on the host below it later stays there.
        _ => Propagation::empty(),
    };
    if !propagation.is_empty() {
        propagate(&tree, propagation)?;
    }
    match (mount.read_only, mount.recursion) {
        (false, _) => Ok(()),
        (true, Recursion::Writable | Recursion::Disabled) => protect(&tree),
        (true, Recursion::ReadOnly) if !tree::can_protect_all() => {
            Err(Error::new("this kernel cannot make what is mounted below it read-only (Linux 5.12 can)"))
        }
        (true, Recursion::ReadOnly | Recursion::Enabled) => protect_all(&tree),
    }
}

/// Files of /proc that lxcfs and its kind replace; nothing of ours depends on them.
const REPLACED_IN_PROC: &str = "cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo version";

/// As docker: whatever leads there, nothing is mounted over /proc or in it. What we and others write to it must arrive at
/// the kernel (CVE-2025-52881).
pub fn refuse_proc(target: &OwnedFd, path: &str) -> Result<()> {
    let found = rustix::fs::fstatfs(target).tried("look at the mount point")?;
    let is_replaced = path.strip_prefix("/proc/").is_some_and(|name| words::has(REPLACED_IN_PROC, name));
    if found.f_type != rustix::fs::PROC_SUPER_MAGIC || is_replaced {
        return Ok(());
    }
    Err(Error::new("it cannot be mounted because it is inside /proc"))
}

/// Options that are attributes of a mount, and these in the same order.
const OPTIONS: &str = "ro nosuid nodev noexec noatime nodiratime strictatime";
static ATTRIBUTES: [MountAttrFlags; 7] = [
    MountAttrFlags::MOUNT_ATTR_RDONLY,
    MountAttrFlags::MOUNT_ATTR_NOSUID,
    MountAttrFlags::MOUNT_ATTR_NODEV,
    MountAttrFlags::MOUNT_ATTR_NOEXEC,
    MountAttrFlags::MOUNT_ATTR_NOATIME,
    MountAttrFlags::MOUNT_ATTR_NODIRATIME,
    MountAttrFlags::MOUNT_ATTR_STRICTATIME,
];
/// What a tmpfs does anyway.
const DEFAULTS: &str = "rw suid dev exec async atime diratime relatime norelatime nostrictatime";

/// A tmpfs with the options of mount(8). tmpfs(5)
fn memory(spec: &Spec, root: BorrowedFd<'_>, mount: &Mount) -> Result<()> {
    let mut attributes = MountAttrFlags::empty();
    let mut options: Vec<(&str, &str)> = Vec::new();
    for option in mount.mode.split(',') {
        match words::place(OPTIONS, option) {
            Some(at) => attributes |= ATTRIBUTES[at],
            None if option.is_empty() || words::has(DEFAULTS, option) => {}
            None => options.push(option.split_once('=').unwrap_or((option, ""))),
        }
    }
    if mount.read_only {
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    let target = file::make_dirs_in_root(root, &mount.target, 0o755).tried("make the mount point")?;
    refuse_proc(&target, &mount.target)?;
    refuse_shared(spec, &target)?;
    attach(&filesystem("tmpfs", &options, attributes)?, target.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_covers() {
        let text = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n\
                    22 21 0:5 / /mnt rw master:4 - tmpfs tmpfs rw\n\
                    23 21 0:6 / /mnt/x rw - tmpfs tmpfs rw\n";
        assert_eq!(covering(text, "/etc"), ("/", "shared:1"));
        assert_eq!(covering(text, "/mnt"), ("/mnt", "master:4"));
        assert_eq!(covering(text, "/mnt/xy"), ("/mnt", "master:4"));
        assert_eq!(covering(text, "/mnt/x/y"), ("/mnt/x", ""));
    }
}
