//! The root file system of a bundle: what config.json of the OCI runtime specification says of it, in its order.

use super::super::Visible;
use super::options::{COPY_UP, MAP_IDS, OURS, Options, propagation};
use super::system::{freeze, groups, is_proc};
use super::tree::{self, attach, clone_tree, empty_directory, file_place, is_directory, protect};
use super::{change_root, dev, volume};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file, process, sys};
use crate::spec::oci::{Bundle, Linux};
use crate::spec::schema::Value;
use crate::store::{pack, unpack};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, makedev};
use rustix::io::Errno;
use rustix::mount as api;
use rustix::mount::{MountAttrFlags, MountFlags, MountPropagationFlags};

/// What [`build_bundle`] has built.
pub struct Built {
    /// The root.
    pub root: OwnedFd,
    /// What becomes read-only when everything has its place.
    late: Vec<OwnedFd>,
}

/// Who else sees what is mounted: `linux.rootfsPropagation`.
fn root_propagation(bundle: &Bundle) -> Result<Option<u32>> {
    let word = bundle.linux.at("rootfsPropagation").word();
    match propagation(word) {
        None if !word.is_empty() => Err(Error::new(format_args!("linux.rootfsPropagation: not known: {word}"))),
        flags => Ok(flags),
    }
}

fn change_all(flags: u32, what: &str) -> Result<()> {
    api::mount_change(c"/", MountPropagationFlags::from_bits_retain(flags)).tried(what)
}

/// A mount that is asked for.
struct Mount<'a> {
    asked: Value<'a>,
    destination: String,
    kind: &'a str,
    options: Options,
    /// `type` may say it, or an option.
    is_bind: bool,
}

impl<'a> Mount<'a> {
    fn of(asked: Value<'a>) -> Self {
        let (kind, options) = (asked.at("type").word(), Options::read(&asked.at("options").texts()));
        let is_bind = kind == "bind" || options.has(raw::MS_BIND);
        Self { asked, destination: asked.at("destination").text(), kind, options, is_bind }
    }

    /// Whether something of the host is to be copied for it.
    fn has_source(&self) -> bool {
        self.is_bind && !self.options.has(raw::MS_REMOUNT)
    }
}

fn locate(destination: &str, error: Error) -> Error {
    error.behind(&["mount ", destination, ": "])
}

/// What a bundle mounts of the host, as detached trees: its root, then one for each bind that is no remount. In a mount
/// namespace of this process alone: a copy in the host's own would be lost with it. `dir` is the bundle's absolute path;
/// `user_namespace` is the container's, where it has one.
pub fn bundle_sources(dir: &str, bundle: &Bundle, user_namespace: Option<BorrowedFd<'_>>) -> Result<Vec<OwnedFd>> {
    let is_own = |one: Value<'_>| one.at("type").word() == "mount" && one.at("path").word().is_empty();
    if !bundle.linux.at("namespaces").list().any(is_own) {
        let why = "a container without a new mount namespace would leave its mounts to others";
        return Err(Error::new(format_args!("linux.namespaces: not possible here: {why}")));
    }
    // A copy has the peers and masters that its mount has when it is made.
    match root_propagation(bundle)?.map(|flags| flags & !raw::MS_REC) {
        Some(raw::MS_SHARED) => {}
        Some(raw::MS_PRIVATE | raw::MS_UNBINDABLE) => tree::make_private()?,
        _ => change_all(raw::MS_SLAVE | raw::MS_REC, "make the mounts slaves of the host's")?,
    }
    let mut trees = Vec::new();
    trees.push(clone_tree(CWD, &root_path(dir, bundle)?, true)?);
    for mount in bundle.mounts.value().list() {
        let mount = Mount::of(mount);
        if let Some(tree) = source(dir, &mount, user_namespace).map_err(|e| locate(&mount.destination, e))? {
            trees.push(tree);
        }
    }
    Ok(trees)
}

fn root_path(dir: &str, bundle: &Bundle) -> Result<String> {
    let root = bundle.root.at("path");
    if !root.is_there() {
        return Err(Error::new("root: config.json does not say where it is"));
    }
    Ok(file::absolute(dir, &root.text()))
}

fn source(dir: &str, mount: &Mount<'_>, user_namespace: Option<BorrowedFd<'_>>) -> Result<Option<OwnedFd>> {
    let options = &mount.options;
    let ids = |which| process::id_lines(mount.asked.at(which));
    let (uids, gids) = (ids("uidMappings"), ids("gidMappings"));
    let has_ids = !uids.is_empty() || !gids.is_empty();
    let maps = has_ids || options.has(MAP_IDS);
    if !mount.has_source() {
        return if maps { Err(Error::new("only a bind can have its ids mapped")) } else { Ok(None) };
    }
    let path = mount.asked.at("source");
    if !path.is_there() {
        return Err(Error::new("source: there is none"));
    }
    let tree = clone_tree(CWD, &file::absolute(dir, &path.text()), options.tree.set & raw::MS_BIND != 0)?;
    if !maps {
        return Ok(Some(tree));
    }
    let own = if has_ids { Some(process::user_namespace(&uids, &gids)?) } else { None };
    let ids = own.as_ref().map(AsFd::as_fd).or(user_namespace);
    let ids = ids.ok_or_else(|| Error::new("idmap: there are no uidMappings, and there is no user namespace"))?;
    sys::mount_map_ids(tree.as_fd(), options.tree.set & MAP_IDS != 0, ids)
        .tried("map its ids (that needs Linux 5.12, and a file system that can do it)")?;
    Ok(Some(tree))
}

/// child: builds what the container sees; [`enter_bundle`] and [`finish_bundle`] are still to come. It is in its new mount
/// namespace, and stands somewhere else afterwards. `sources` is what [`bundle_sources`] returned to somebody with more
/// powers; without them the child takes its own. `cgroups` is asked once, if there is a mount of them.
pub fn build_bundle<'a>(
    dir: &str,
    bundle: &Bundle,
    sources: Option<Vec<OwnedFd>>,
    cgroups: &mut dyn FnMut() -> Result<Visible<'a>>,
) -> Result<Built> {
    let sources = match sources {
        Some(sources) => sources,
        None => bundle_sources(dir, bundle, None)?,
    };
    tree::make_private()?;
    let mut sources = sources.into_iter();
    let root = sources.next().ok_or_else(lost)?;
    // Over itself: what a hook does by the host's paths happens in it.
    let path = root_path(dir, bundle)?;
    let place = at::open(CWD, &path, OFlags::PATH | OFlags::DIRECTORY).tried_to("open", &path)?;
    attach(&root, place.as_fd())?;
    let shares_root = root_propagation(bundle)?.is_some_and(|flags| flags & raw::MS_SHARED != 0);
    if shares_root {
        // It gets peers of its own in the end. The host's would see what is mounted in it.
        tree::propagate(&root, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    }
    let umask = rustix::process::umask(Mode::empty());
    let mut building = Building { bundle, built: Built { root, late: Vec::new() }, shares_root, cgroups };
    let mut is_own_dev = true;
    for mount in bundle.mounts.value().list() {
        let mut mount = Mount::of(mount);
        let tree = if mount.has_source() { Some(sources.next().ok_or_else(lost)?) } else { None };
        let path = file::absolute("/", &mount.destination);
        is_own_dev &= !mount.is_bind || path != "/dev";
        building.place(&mut mount, &path, tree).map_err(|e| locate(&mount.destination, e))?;
    }
    let built = building.built;
    if is_own_dev {
        nodes(built.root.as_fd(), bundle)?;
    }
    rustix::process::umask(umask);
    Ok(built)
}

fn lost() -> Error {
    Error::new("a part of the container's file system is missing")
}

/// A root while it is built.
struct Building<'a, 'b> {
    bundle: &'a Bundle,
    built: Built,
    /// Whether copies may be shared with the host.
    shares_root: bool,
    cgroups: &'a mut dyn FnMut() -> Result<Visible<'b>>,
}

impl Building<'_, '_> {
    /// One mount, at a path that is clean.
    fn place(&mut self, mount: &mut Mount<'_>, path: &str, tree: Option<OwnedFd>) -> Result<()> {
        let (asked, kind, options, bind) = (mount.asked, mount.kind, &mut mount.options, mount.is_bind);
        if path == "/" {
            return Err(Error::new("not possible here: the root is what `root` says"));
        }
        if options.has(COPY_UP) && (bind || kind != "tmpfs") {
            return Err(Error::new("options: tmpcopyup is for a tmpfs"));
        }
        let root = self.built.root.as_fd();
        let is_file = match &tree {
            Some(tree) => !is_directory(tree)?,
            None => false,
        };
        let (target, is_new) = mount_point(root, path, is_file).tried("make the mount point")?;
        let is_for_proc = path == "/proc" && tree.as_ref().map_or(Ok(kind == "proc"), is_proc)?;
        if path == "/proc" && bind && !is_for_proc {
            return Err(Error::new("what is to be /proc is none"));
        }
        if !is_for_proc && !options.has(raw::MS_REMOUNT) {
            volume::refuse_proc(&target, path)?;
        }
        self.refuse_shared(&target)?;
        // So that something can still be made in it.
        let is_late = !bind && options.own.set & raw::MS_RDONLY != 0 && (kind == "tmpfs" || path == "/dev");
        if is_late {
            options.own.set &= !raw::MS_RDONLY;
        }
        let tree = match tree {
            Some(tree) => {
                if is_file && is_directory(&target)? {
                    return Err(Error::new("the source is a file, but there is a directory in the container"));
                }
                attach(&tree, target.as_fd())?;
                tree
            }
            None if bind => target, // a remount
            None if kind == "cgroup" => {
                let attributes = MountAttrFlags::from_bits_retain(tree::attributes(options.own.set, 0).0 as u32);
                let writable = options.own.set & raw::MS_RDONLY == 0;
                groups(target.as_fd(), &(self.cgroups)()?, attributes, writable)?;
                let tree = self.again(path)?;
                // Where they are the host's own mounts, these have what the host gave them.
                self::attributes(&tree, tree::can_protect_all(), options.own.set & !OURS, 0)?;
                tree
            }
            None => {
                if kind == "tmpfs" && !is_new && !options.has(raw::MS_REMOUNT) {
                    as_covered(&target, options)?;
                }
                self.label(kind, options)?;
                file_system(asked, kind, &target, options)?;
                let tree = self.again(path)?;
                if options.own.set & COPY_UP != 0 {
                    copy_up(&target, &tree)?;
                }
                tree
            }
        };
        for flags in &options.propagation {
            tree::propagate(&tree, MountPropagationFlags::from_bits_retain(*flags))?;
        }
        if bind {
            refuse_data(options)?;
            attributes(&tree, false, options.own.set, options.own.clear)?;
        }
        attributes(&tree, true, options.tree.set, options.tree.clear)?;
        if is_late {
            self.built.late.push(tree);
        }
        Ok(())
    }

    /// What is there now.
    fn again(&self, path: &str) -> Result<OwnedFd> {
        file::open_in_root(self.built.root.as_fd(), path, OFlags::PATH).tried_to("open", path)
    }

    /// As for volumes: what is mounted in what is shared with the host would be mounted there.
    fn refuse_shared(&self, target: &OwnedFd) -> Result<()> {
        if self.shares_root && tree::is_shared(target)? {
            return Err(Error::new("it would be mounted on the host, too, with which its place is shared"));
        }
        Ok(())
    }

    /// A file system that keeps no labels of its own is given one.
    fn label(&self, kind: &str, options: &mut Options) -> Result<()> {
        let label = self.bundle.linux.at("mountLabel").text();
        if label.is_empty() || matches!(kind, "proc" | "sysfs" | "mqueue") {
            return Ok(());
        }
        if !file::exists_at(CWD, "/sys/fs/selinux/enforce") {
            return Err(Error::new("linux.mountLabel: not possible here: this host has no SELinux"));
        }
        options.add(&format!("context=\"{label}\""));
        Ok(())
    }
}

/// What is at the path, or a new directory or file, which the second part of the answer tells.
fn mount_point(root: BorrowedFd<'_>, path: &str, is_file: bool) -> sys::Answer<(OwnedFd, bool)> {
    match file::open_in_root(root, path, OFlags::PATH) {
        Err(Errno::NOENT) if is_file => Ok((file_place(root, path)?, true)),
        Err(Errno::NOENT) => Ok((file::make_dirs_in_root(root, path, 0o755)?, true)),
        other => Ok((other?, false)),
    }
}

/// A tmpfs has the mode of the directory that it covers, unless it is to have another one.
fn as_covered(target: &OwnedFd, options: &mut Options) -> Result<()> {
    if !options.data.split(',').any(|option| option.starts_with("mode=")) {
        let stat = rustix::fs::fstat(target).tried("look at the mount point")?;
        options.add(&format!("mode={:o}", stat.st_mode & 0o7777));
    }
    Ok(())
}

/// A bind takes no word of a file system. Those that every file system knows do nothing there.
fn refuse_data(options: &Options) -> Result<()> {
    if options.data.is_empty() {
        return Ok(());
    }
    Err(Error::new(format_args!("options: not known for a bind: {}", options.data)))
}

fn attributes(tree: &OwnedFd, recursive: bool, set: u32, clear: u32) -> Result<()> {
    let (on, off) = tree::attributes(set, clear);
    if on | off == 0 {
        return Ok(());
    }
    if recursive && !tree::can_protect_all() {
        return Err(Error::new("options: this kernel cannot change all that is mounted below it (Linux 5.12 can)"));
    }
    tree::change(tree, recursive, set, clear).tried("set its options")
}

/// A file system by its type, with mount(2): one call, and it takes all flags that there are.
fn file_system(asked: Value<'_>, kind: &str, target: &OwnedFd, options: &Options) -> Result<()> {
    if options.data.len() >= 4096 {
        return Err(Error::new("options: they are longer than a page"));
    }
    rustix::process::fchdir(target).tried("enter the mount point")?;
    let source = asked.at("source");
    let source = if source.is_there() { source.text() } else { kind.into() };
    let mount = || {
        let (source, kind) = (at::c(&source)?, at::c(kind)?);
        let flags = MountFlags::from_bits_retain(options.own.set & !OURS);
        let data = at::c(&options.data)?;
        if options.has(raw::MS_REMOUNT) {
            return api::mount_remount(c".", flags, data.as_c_str());
        }
        api::mount(source.as_c_str(), c".", kind.as_c_str(), flags, data.as_c_str())
    };
    match mount() {
        // In a user namespace only whoever owns the network namespace may: with the host's network, it is the host's.
        Err(Errno::PERM) if kind == "sysfs" => {
            let tree = clone_tree(CWD, "/sys", true)?;
            attach(&tree, target.as_fd())?;
            attributes(&tree, tree::can_protect_all(), options.own.set & !OURS, 0)
        }
        other => other.tried_to("mount the file system", kind),
    }
}

/// What a new file system covers is in it, too.
fn copy_up(covered: &OwnedFd, tree: &OwnedFd) -> Result<()> {
    let stat = rustix::fs::fstat(covered).tried("look at the mount point")?;
    let owner = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    chownat(tree, c"", owner.0, owner.1, AtFlags::EMPTY_PATH).tried("set the owner")?;
    let mut archive = Vec::new(); // it becomes memory anyway
    pack::pack(covered.as_fd(), pack::Form::Flat, &|_| false, &mut archive)?;
    unpack::unpack_files(&mut &archive[..], tree.as_fd(), &unpack::Limits::default(), false).map(drop)
}

/// The devices that were asked for, and the usual ones.
fn nodes(root: BorrowedFd<'_>, bundle: &Bundle) -> Result<()> {
    for node in bundle.linux.at("devices").list() {
        let asked = node.at("path").text();
        let path = file::absolute("/", &asked);
        if path != "/dev/ptmx" {
            make_node(root, &path, node).map_err(|e| e.behind(&["linux.devices: ", &asked, ": "]))?;
        }
    }
    let dev = file::make_dirs_in_root(root, "dev", 0o755).tried("make /dev")?;
    let _ = at::remove(dev.as_fd(), "ptmx", AtFlags::empty()); // mostly there is none; what stays stays
    dev::usual(dev.as_fd())
}

fn make_node(root: BorrowedFd<'_>, path: &str, node: Value<'_>) -> Result<()> {
    let number = |which| node.at(which).number().map(|number| number as u32);
    let kind = match node.at("type").word() {
        "c" | "u" => FileType::CharacterDevice,
        "b" => FileType::BlockDevice,
        "p" => FileType::Fifo,
        other => return Err(Error::new(format_args!("type: not known: {other}"))),
    };
    let (parent, name) = path.rsplit_once('/').unwrap_or_default();
    let into = file::make_dirs_in_root(root, parent, 0o755).tried("make its directory")?;
    let mode = kind.as_raw_mode() | number("fileMode").unwrap_or(0o666) & 0o7777;
    let device = makedev(number("major").unwrap_or(0), number("minor").unwrap_or(0));
    dev::node(into.as_fd(), name, path, (mode, device), [number("uid"), number("gid")])
}

/// child: makes what [`build_bundle`] returned this process's root, and lets go of the old one. `pivots`: not with
/// `--no-pivot`.
pub fn enter_bundle(built: &Built, pivots: bool) -> Result<()> {
    change_root(built.root.as_fd(), pivots)
}

/// child, in its new root, with its terminal and its kernel parameters in place: what is read-only becomes it, what is to
/// be hidden is covered, and what is mounted from now on is seen by whom the bundle says.
pub fn finish_bundle(built: &Built, bundle: &Bundle) -> Result<()> {
    built.late.iter().try_for_each(protect)?;
    if bundle.root.at("readonly").is_true() {
        protect(&built.root)?;
    }
    cover_all(built.root.as_fd(), &bundle.linux)?;
    // The last: of what cannot be bound nothing can be covered with itself.
    match root_propagation(bundle)? {
        Some(flags) => change_all(flags, "linux.rootfsPropagation"),
        None => Ok(()),
    }
}

fn cover_all(root: BorrowedFd<'_>, linux: &Linux) -> Result<()> {
    let mut covers = [None, None];
    for (field, is_masked) in [("readonlyPaths", false), ("maskedPaths", true)] {
        for path in linux.at(field).list() {
            let path = path.text();
            let Some(target) = there(root, &path)? else { continue };
            let done = if is_masked { cover(&target, &mut covers) } else { freeze(&target) };
            done.map_err(|e| e.behind(&["linux.", field, ": ", &path, ": "]))?;
        }
    }
    Ok(())
}

/// What is at a path of the container. What is not there needs no cover.
fn there(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>> {
    match file::open_in_root(root, path, OFlags::PATH) {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        other => other.tried_to("look at", path).map(Some),
    }
}

/// Covers a directory with an empty one, and a file with /dev/null. `covers` are the last ones of both, to be copied.
fn cover(target: &OwnedFd, covers: &mut [Option<OwnedFd>; 2]) -> Result<()> {
    let is_directory = is_directory(target)?;
    let last = &mut covers[usize::from(is_directory)];
    let cover = match last {
        Some(cover) => clone_tree(cover.as_fd(), "", false)?,
        None if is_directory => empty_directory()?,
        None => null()?,
    };
    attach(&cover, target.as_fd())?;
    *last = Some(cover);
    Ok(())
}

/// The container's own /dev/null: whoever is root inside may change its mode and owner. An image could have put something
/// else there (CVE-2025-31133).
fn null() -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    let what = ["open /dev/null inside", "look at /dev/null inside"];
    match file::open_device("dev/null", flags, (1, 3), what)? {
        Some(null) => clone_tree(null.as_fd(), "", false),
        None => Err(Error::new("/dev/null inside is not the null device")),
    }
}
