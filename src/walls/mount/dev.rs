//! /dev of a container: docker's nodes, terminals, shared memory, message queues, and the devices that were asked for.
//! mknod(2), pts(4), mq_overview(7)

use super::tree::{PLAIN, attach, clone_tree, file_place, filesystem, place};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file};
use crate::spec::words;
use crate::spec::{Device, Owner, Spec};
use alloc::format;
use alloc::string::ToString;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid, mknodat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

static NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
/// Symlinks and what they lead to.
const LINKS: &str =
    "fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\nstderr /proc/self/fd/2\nptmx pts/ptmx";
/// What of the host's /dev is not a device of its own, and so not for a privileged container.
const NOT_DEVICES: &str = "pts shm mqueue fd console ptmx";
/// Directories in /dev that are looked into; deeper ones are nobody's.
const DEV_DEPTH_MAX: usize = 8;
/// The group of terminals, everywhere.
const TTY_GID: u32 = 5;

/// A /dev of its own. `shm` is another container's shared memory, where that was asked for.
pub fn dev(root: BorrowedFd<'_>, spec: &Spec, shm: Option<OwnedFd>) -> Result<OwnedFd> {
    let dev = filesystem("tmpfs", &[("mode", "755"), ("size", "65536k")], MountAttrFlags::MOUNT_ATTR_NOSUID)?;
    attach(&dev, place(root, "dev")?.as_fd())?;
    rustix::process::umask(Mode::empty());
    usual(dev.as_fd())?;
    let mount = |name: &str, tree: OwnedFd| -> Result<()> {
        at::make_dir(dev.as_fd(), name, 0o755).tried(format_args!("make /dev/{name}"))?;
        attach(&tree, place(dev.as_fd(), name)?.as_fd())
    };
    mount("pts", terminals()?)?;
    if let Some(tree) = shared_memory(spec, shm)? {
        mount("shm", tree)?;
    }
    if let Some(tree) = queues(spec)? {
        mount("mqueue", tree)?;
    }
    if spec.security.privileged {
        host_nodes("/dev", dev.as_fd(), DEV_DEPTH_MAX)?;
    }
    for device in &spec.devices {
        asked(root, &dev, device)
            .map_err(|e| e.reword(&|what| format!("add the device {}: {}", device.source, what)))?;
    }
    rustix::process::umask(Mode::from(0o022));
    Ok(dev)
}

/// The nodes and links that every /dev has; what is there already stays. The caller has put the umask out of the way.
pub fn usual(dev: BorrowedFd<'_>) -> Result<()> {
    for (name, major, minor) in &NODES {
        let (kind, mode) = (FileType::CharacterDevice, Mode::from(0o666));
        let made =
            at::c(name).and_then(|c| mknodat(dev, c.as_c_str(), kind, mode, rustix::fs::makedev(*major, *minor)));
        match made {
            Err(Errno::PERM) => bind_node(dev, name, &format!("/dev/{name}"))?,
            Err(Errno::EXIST) => {}
            other => other.tried(format_args!("make /dev/{name}"))?,
        }
    }
    for (name, target) in LINKS.split('\n').filter_map(|link| link.split_once(' ')) {
        match at::symlink(target, dev, name) {
            Err(Errno::EXIST) => {}
            other => other.tried(format_args!("make /dev/{name}"))?,
        }
    }
    Ok(())
}

fn terminals() -> Result<OwnedFd> {
    let exec_less = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let gid = TTY_GID.to_string();
    let options = [("mode", "620"), ("ptmxmode", "666"), ("gid", &gid)];
    match filesystem("devpts", &options, exec_less) {
        // A user namespace without that group.
        Err(error) if error.is(Errno::INVAL) => filesystem("devpts", &options[..2], exec_less),
        other => other,
    }
}

fn shared_memory(spec: &Spec, shm: Option<OwnedFd>) -> Result<Option<OwnedFd>> {
    match (spec.shm_bytes, spec.namespaces.ipc.of) {
        (None, _) => Ok(None),
        (_, Owner::Host) => clone_tree(rustix::fs::CWD, "/dev/shm", true).map(Some),
        (_, Owner::Container) => Ok(shm),
        (Some(bytes), Owner::Private | Owner::Shareable) => {
            let size = format!("{}k", bytes.div_ceil(1024));
            filesystem("tmpfs", &[("source", "shm"), ("mode", "1777"), ("size", &size)], PLAIN).map(Some)
        }
    }
}

fn queues(spec: &Spec) -> Result<Option<OwnedFd>> {
    match filesystem("mqueue", &[], PLAIN) {
        // Another one's ipc namespace, from a user namespace that does not own it.
        Err(error) if error.is(Errno::PERM) && spec.namespaces.ipc.of != Owner::Private => Ok(None),
        // A kernel without them.
        Err(error) if error.is(Errno::NODEV) => Ok(None),
        other => other.map(Some),
    }
}

/// Mounts a node of the host at a new file: where a user namespace may make none.
fn bind_node(dir: BorrowedFd<'_>, name: &str, source: &str) -> Result<()> {
    let tree = clone_tree(rustix::fs::CWD, source, false)?;
    attach(&tree, file_place(dir, name).tried_to("make", name)?.as_fd())
}

/// Every device node below a directory of the host, with its owner and mode.
fn host_nodes(source: &str, into: BorrowedFd<'_>, depth_left: usize) -> Result<()> {
    let dir = file::open_dir(source)?;
    for (name, kind) in file::entries(dir.as_fd())? {
        let Ok(name) = name.into_string() else { continue };
        if depth_left == DEV_DEPTH_MAX && words::has(NOT_DEVICES, &name) {
            continue;
        }
        let path = format!("{source}/{name}");
        match kind {
            FileType::CharacterDevice | FileType::BlockDevice => match at::stat(CWD, &path, AtFlags::empty()) {
                Ok(stat) => again(into, &name, &path, &stat)?,
                Err(Errno::NOENT) => {} // unplugged meanwhile
                Err(errno) => return Err(Error::tried("look at", &path, errno)),
            },
            FileType::Directory if depth_left > 0 => {
                let below = file::make_dir_at(into, &name, 0o755)?;
                host_nodes(&path, below.as_fd(), depth_left - 1)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same node again.
fn again(into: BorrowedFd<'_>, name: &str, source: &str, stat: &Stat) -> Result<()> {
    node(into, name, source, (stat.st_mode, stat.st_rdev), [Some(stat.st_uid), Some(stat.st_gid)])
}

/// Makes a node: its kind and mode as one, its number, its user and group. One that is there already (/dev/null) stays. Where
/// none may be made it is the host's own at `source`.
pub fn node(
    into: BorrowedFd<'_>,
    name: &str,
    source: &str,
    (mode, device): (u32, u64),
    [uid, gid]: [Option<u32>; 2],
) -> Result<()> {
    let kind = FileType::from_raw_mode(mode);
    match at::c(name).and_then(|c| mknodat(into, c.as_c_str(), kind, Mode::from_raw_mode(mode), device)) {
        Ok(()) if uid.or(gid).is_none() => Ok(()),
        Ok(()) => {
            let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            at::c(name)
                .and_then(|c| rustix::fs::chownat(into, c.as_c_str(), uid, gid, flags))
                .tried_to("set the owner of", name)
        }
        Err(Errno::EXIST) => Ok(()),
        Err(Errno::PERM) => bind_node(into, name, source),
        Err(errno) => Err(Error::tried("make the node", name, errno)),
    }
}

/// One `--device`: a node, or all nodes of a directory.
fn asked(root: BorrowedFd<'_>, dev: &OwnedFd, device: &Device) -> Result<()> {
    let stat = at::stat(CWD, &device.source, AtFlags::empty()).tried("find it on the host")?;
    let below_dev = device.target.strip_prefix("/dev/");
    let (parent, name) = below_dev.unwrap_or(&device.target).rsplit_once('/').unwrap_or(("", below_dev.unwrap_or("")));
    let top = if below_dev.is_some() { dev.as_fd() } else { root };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let path = below_dev.unwrap_or(&device.target);
            let into = file::make_dirs_in_root(top, path, 0o755).tried_to("make", &device.target)?;
            host_nodes(&device.source, into.as_fd(), DEV_DEPTH_MAX - 1)
        }
        FileType::CharacterDevice | FileType::BlockDevice => {
            if below_dev.is_none() {
                return bind_new_node(root, dev, device, &stat);
            }
            let into = file::make_dirs_in_root(top, parent, 0o755).tried_to("make", &device.target)?;
            match at::remove(into.as_fd(), name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => again(into.as_fd(), name, &device.source, &stat),
                Err(errno) => Err(Error::tried("make", &device.target, errno)),
            }
        }
        _ => Err(Error::new("it is not a device node")),
    }
}

/// A node outside of /dev: mounted, so that nothing of it stays in what the container wrote.
fn bind_new_node(root: BorrowedFd<'_>, dev: &OwnedFd, device: &Device, stat: &Stat) -> Result<()> {
    const DRAFT: &str = ".mydocker-node";
    again(dev.as_fd(), DRAFT, &device.source, stat)?;
    let tree = clone_tree(dev.as_fd(), DRAFT, false)?;
    attach(&tree, file_place(root, &device.target).tried_to("make", &device.target)?.as_fd())?;
    match at::remove(dev.as_fd(), DRAFT, AtFlags::empty()) {
        Err(Errno::BUSY) => Ok(()), // in a user namespace it is itself a mount, and stays
        other => other.tried("remove a draft"),
    }
}

/// child, in its new root: a new terminal of the container's own devpts: (master, slave). The slave becomes /dev/console
/// too for the first process of a container.
pub fn terminal() -> Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW;
    // Whoever is root inside could have put something else there: believe only the kernel's own device.
    let Some(master) = file::open_device("dev/pts/ptmx", flags, (5, 2), ["make a terminal"; 2])? else {
        return Err(Error::new("cannot make a terminal: /dev/pts/ptmx of the container is no terminal device"));
    };
    rustix::pty::unlockpt(&master).tried("unlock the terminal")?;
    let open = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY | rustix::pty::OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, open).tried("open the terminal")?;
    Ok((master, slave))
}

/// child, in its new root: /dev/console is this terminal.
pub fn console(slave: &OwnedFd) -> Result<()> {
    const PATH: &str = "/dev/console";
    drop(at::make(CWD, PATH, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600).tried_to("make", PATH)?);
    let target = at::open(CWD, PATH, OFlags::PATH | OFlags::NOFOLLOW);
    attach(&clone_tree(slave.as_fd(), "", false)?, target.tried_to("open", PATH)?.as_fd())
}
