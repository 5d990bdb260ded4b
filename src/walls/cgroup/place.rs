//! Where the cgroup of a container is: below which hierarchies, and the way down from their roots.
//!
//! Where no hierarchy is mounted, there is a mount of cgroup2 for this process alone, which has no mount point. All processes
//! see the same cgroups all the same: the kernel has one tree of them.

use crate::error::{Error, Result, escaped};
use crate::kernel::{at, file};
use crate::spec::Spec;
use crate::spec::text;
use crate::spec::words;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, XattrFlags, getxattr, setxattr};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// The controllers that a container joins, where the kernel has them.
const CONTROLLERS: &str = "memory pids cpu cpuacct cpuset devices freezer blkio";
/// Those of a bundle, in which engines look for it.
const OF_BUNDLES: &str = "memory pids cpu cpuacct cpuset devices freezer blkio \
                          hugetlb net_cls net_prio perf_event rdma misc name=systemd";
/// What the name of a container's cgroup begins with.
const PREFIX: &str = "mydocker-";
/// Where the cgroups of bundles are that name none.
const BUNDLES: &str = "/mydocker-oci";
/// Marks the parents that we made, and may remove. Only privileged processes of the host can set it.
const MARK: &CStr = c"trusted.mydocker";
/// How often parents that somebody else has just removed are made again.
const TRIES: u32 = 16;

/// The place of one container in every hierarchy.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The container's id. For a bundle, the name of its cgroup.
    pub id: &'a str,
    /// The cgroup that its own is made in (`--cgroup-parent`), from the root of the hierarchy; empty for the root.
    pub parent: &'a str,
    /// What the name begins with: [`PREFIX`], or nothing for a bundle, whose path is the engine's.
    prefix: &'static str,
}

impl<'a> Place<'a> {
    /// The place that a record gives.
    pub fn of(spec: &'a Spec) -> Self {
        Self::within(&spec.limits.cgroup_parent, &spec.id)
    }

    /// The place of a container in this parent.
    pub fn within(parent: &'a str, id: &'a str) -> Self {
        Self { id, parent, prefix: PREFIX }
    }

    /// The place of a bundle: exactly this path, from the root of each hierarchy. See [`bundle_path`].
    pub fn at(path: &'a str) -> Result<Self> {
        let whole = path.trim_end_matches('/');
        let (parent, id) = whole.rsplit_once('/').unwrap_or(("", whole));
        if check_parent(whole).is_err() || matches!(id, "" | ".") {
            let path = escaped(path);
            return Err(Error::new(format_args!(
                "linux.cgroupsPath: \"{path}\" is no place for a cgroup: give a path below the root, without .. in it"
            )));
        }
        Ok(Self { id, parent, prefix: "" })
    }

    /// Whether it is a bundle's.
    pub const fn is_of_bundle(self) -> bool {
        self.prefix.is_empty()
    }

    /// The hierarchies that a container in this place joins.
    pub fn hierarchies(self) -> Result<Vec<Hierarchy>> {
        hierarchies_with(if self.is_of_bundle() { OF_BUNDLES } else { CONTROLLERS })
    }

    /// The cgroups on the way to it. Whatever is written in the record, none leads upwards.
    fn parents(self) -> impl Iterator<Item = &'a str> {
        self.parent.split('/').filter(|part| !["", ".", ".."].contains(part))
    }
}

/// The path of a bundle's cgroup, from the root of each hierarchy, as [`Place::at`] wants it. A relative one begins there, too,
/// as crun's do; runc's begin at its own cgroup, which may be another one in each hierarchy.
pub fn bundle_path(asked: &str, id: &str) -> String {
    match asked {
        "" => [BUNDLES, "/", id].concat(),
        path => ["/", path.trim_matches('/')].concat(),
    }
}

/// Refuses a `--cgroup-parent` that cannot be one.
pub fn check_parent(parent: &str) -> Result<()> {
    if parent.split('/').any(|part| part == "..") || parent.contains(['\0', '\n']) {
        let parent = escaped(parent);
        return Err(Error::new(format_args!("invalid cgroup parent \"{parent}\": give a path without .. in it")));
    }
    Ok(())
}

/// One hierarchy.
pub struct Hierarchy {
    /// Where it is mounted on this host; through a descriptor of this process where it is mounted for us alone.
    pub path: String,
    /// Its controllers (v1), as the mount option spells them.
    pub controllers: String,
    /// Whether it is the one of cgroup v2.
    pub v2: bool,
    /// What `path` leads through then.
    pub own: Option<OwnedFd>,
}

/// The hierarchies of this host: v1 ones with controllers that we use; the v2 one only where there are none of those
/// (a hybrid host keeps its controllers on v1). None is mounted: v2, unless this process may not mount it.
pub fn hierarchies() -> Result<Vec<Hierarchy>> {
    hierarchies_with(CONTROLLERS)
}

fn hierarchies_with(wanted: &str) -> Result<Vec<Hierarchy>> {
    let (mut found, has_parts) = parse_mountinfo(&file::read_text("/proc/self/mountinfo")?, wanted);
    // Whoever gave us a part of a hierarchy does not want us above it.
    if found.is_empty() && !has_parts {
        found.extend(own().ok());
    }
    Ok(found)
}

/// cgroup v2, mounted for this process alone. fsmount(2)
fn own() -> core::result::Result<Hierarchy, Errno> {
    let fs = fsopen(c"cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fs)?;
    let tree = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let path = format!("/proc/self/fd/{}", tree.as_raw_fd());
    Ok(Hierarchy { path, controllers: String::new(), v2: true, own: Some(tree) })
}

/// The hierarchies that are mounted, and whether a part of one is. proc_pid_mountinfo(5):
/// `id parent major:minor root mount-point options … - fstype source super-options`
fn parse_mountinfo(text: &str, wanted: &str) -> (Vec<Hierarchy>, bool) {
    let (mut found, mut has_parts): (Vec<Hierarchy>, bool) = (Vec::new(), false);
    let mut words: Vec<&str> = Vec::with_capacity(16);
    for line in text.lines() {
        words.clear();
        words.extend(line.split(' '));
        let Some(dash) = words.iter().position(|word| *word == "-") else { continue };
        let [_, _, _, root, path, ..] = words[..dash] else { continue };
        let [_, kind, _, options, ..] = words[dash..] else { continue };
        if root != "/" {
            has_parts |= kind.starts_with("cgroup");
            continue;
        }
        let mut ours = String::new();
        for option in options.split(',').filter(|option| words::has(wanted, option)) {
            text::add(&mut ours, ",", option);
        }
        let v2 = kind == "cgroup2";
        let first = ours.split(',').next().unwrap_or("");
        let known = found.iter().any(|h| h.v2 == v2 && (v2 || h.has(first)));
        if !known && (v2 || kind == "cgroup" && !ours.is_empty()) {
            found.push(Hierarchy { path: unescape(path), controllers: ours, v2, own: None });
        }
    }
    // A hierarchy that has only marks for packets or names on v1 does not keep limits from being on v2.
    let is_v1 = |h: &Hierarchy| !h.v2 && h.controllers.split(',').any(|c| words::has(CONTROLLERS, c));
    let wants_v2 = !found.iter().any(is_v1);
    found.retain(|h| h.v2 == wants_v2);
    (found, has_parts)
}

/// Blanks, tabs, newlines and backslashes are octal in mountinfo.
fn unescape(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut plain = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let (code, rest) = part.split_at_checked(3).unwrap_or((part, ""));
        plain.extend(u8::from_str_radix(code, 8).map(char::from));
        plain.push_str(rest);
    }
    plain
}

impl Hierarchy {
    /// Whether a v1 controller is here. On v2 that is seen by its files.
    pub fn has(&self, controller: &str) -> bool {
        self.v2 || self.controllers.split(',').any(|c| c == controller)
    }

    /// The directory of the container's cgroup.
    pub fn group(&self, place: Place<'_>) -> String {
        let mut path = self.path.clone();
        for part in place.parents() {
            path.extend(["/", part]);
        }
        path.extend(["/", place.prefix, place.id]);
        path
    }

    /// The directories that its cgroup is in, from the root of the hierarchy to its parent.
    pub fn levels(&self, place: Place<'_>) -> Vec<String> {
        let mut levels = alloc::vec![self.path.clone()];
        for part in place.parents() {
            levels.push(format!("{}/{part}", levels[levels.len() - 1]));
        }
        levels
    }

    /// Makes the container's cgroup and the parents that are missing, and opens it.
    pub fn make(&self, place: Place<'_>) -> Result<Group> {
        let path = self.group(place);
        let mut tries_left = TRIES;
        loop {
            let has_parents = self.make_parents(place)?;
            match at::make_dir(CWD, &path, 0o755) {
                made @ (Ok(()) | Err(Errno::EXIST)) => {
                    let dir = file::open_dir(&path)?;
                    return Ok(Group { dir, path, asked_by: asked_by(place), is_new: made.is_ok() });
                }
                // The last container in that parent ended at this moment, and took it along.
                Err(Errno::NOENT) if has_parents && tries_left > 0 => tries_left -= 1,
                Err(errno) => return Err(Error::tried("make the cgroup", &path, errno)),
            }
        }
    }

    fn make_parents(&self, place: Place<'_>) -> Result<bool> {
        let mut has_parents = false;
        let mut tries_left = TRIES;
        'again: loop {
            for level in self.levels(place).iter().skip(1) {
                has_parents = true;
                match at::make_dir(CWD, level, 0o755) {
                    Ok(()) => mark(level),
                    Err(Errno::EXIST) => {}
                    Err(Errno::NOENT) if tries_left > 0 => {
                        tries_left -= 1;
                        continue 'again;
                    }
                    Err(errno) => return Err(Error::tried("make the cgroup", level, errno)),
                }
            }
            return Ok(has_parents);
        }
    }

    /// Removes the parents that we made and that are empty now.
    pub fn remove_parents(&self, place: Place<'_>) {
        for level in self.levels(place).iter().skip(1).rev() {
            if !is_marked(level) || at::remove(CWD, level, AtFlags::REMOVEDIR).is_err() {
                return; // somebody else's, or not empty
            }
        }
    }
}

/// Marks a cgroup that we made. Where that cannot be (in a user namespace) it will not be removed, either.
pub fn mark(path: &str) {
    let _ = at::c(path).and_then(|c| setxattr(&*c, MARK, b"1", XattrFlags::empty()));
}

/// Whether it is marked.
pub fn is_marked(path: &str) -> bool {
    let mut value = [0u8; 8];
    at::c(path).and_then(|c| getxattr(&*c, MARK, &mut value)).is_ok()
}

/// What an error about a limit begins with: by this and the limit's name a person finds where it was asked for.
const fn asked_by(place: Place<'_>) -> &'static str {
    if place.is_of_bundle() { "linux.resources." } else { "cannot set --" }
}

/// One open cgroup of a container.
pub struct Group {
    /// Its directory.
    pub dir: OwnedFd,
    /// The path of that.
    pub path: String,
    /// What errors about its limits begin with.
    pub asked_by: &'static str,
    /// Whether we have just made it.
    pub is_new: bool,
}

impl Group {
    /// The container's cgroup in this hierarchy, if it is there.
    pub fn find(hierarchy: &Hierarchy, place: Place<'_>) -> Result<Option<Self>> {
        let path = hierarchy.group(place);
        match file::open_dir(&path) {
            Ok(dir) => Ok(Some(Self { dir, path, asked_by: asked_by(place), is_new: false })),
            // A parent that is a file of the kernel's instead holds nothing.
            Err(error) if error.is(Errno::NOENT) || error.is(Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a value that the flag `--limit` asked for. A file that is not there is `None`, for the caller to explain.
    pub fn set(&self, limit: &str, name: &str, value: &str) -> Result<Option<()>> {
        let errno = match file::write_at(self.dir.as_fd(), name, value) {
            Ok(()) => return Ok(Some(())),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => errno,
        };
        let why = match (errno, name) {
            (Errno::BUSY, _) => " (its processes use more than that at this moment)",
            (Errno::INVAL, "memory.limit_in_bytes") => " (it must not exceed the limit of memory and swap together)",
            (Errno::INVAL, "memory.memsw.limit_in_bytes") => " (it must not be below the limit of memory)",
            (Errno::NODEV, _) => " (only a whole disk can be limited, no partition of it)",
            _ => "",
        };
        let (by, path) = (self.asked_by, &self.path);
        Err(Error::os(format_args!("{by}{limit}: write {value} to {path}/{name}{why}"), errno))
    }

    /// The content of one of its files.
    pub fn read(&self, name: &str) -> Result<String> {
        Ok(file::text_at(self.dir.as_fd(), name)?.trim().into())
    }
}

/// What a directory for cgroups contains: the names of the cgroups in it.
pub fn children(path: &str) -> Result<Vec<String>> {
    let dir = file::open_dir(path)?;
    let entries = file::entries(dir.as_fd()).map_err(|e| e.said(format!("read {path}")))?;
    let mut names = Vec::new();
    for (name, kind) in entries {
        if kind == rustix::fs::FileType::Directory {
            names.extend(name.into_string());
        }
    }
    Ok(names)
}

/// The directory of a cgroup, and those of all cgroups below it.
pub fn tree(path: String) -> Vec<String> {
    let mut all = alloc::vec![path];
    let mut at = 0;
    while at < all.len() {
        for name in children(&all[at]).unwrap_or_default() {
            all.push(format!("{}/{name}", all[at]));
        }
        at += 1;
    }
    all
}

/// Adds the processes that a file lists. A pid of 0 is a process of a pid namespace that we cannot see; nothing of ours.
pub fn add_pids(pids: &mut Vec<i32>, text: &str) {
    for line in text.lines() {
        pids.extend(line.parse::<i32>().ok().filter(|pid| *pid > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "31 30 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                      32 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      33 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      35 30 0:27 /x /mnt/memory rw - cgroup cgroup rw,memory\n\
                      34 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn hybrid_hosts_keep_v1() {
        let (found, has_parts) = parse_mountinfo(V1, CONTROLLERS);
        assert!(has_parts);
        assert_eq!(found.len(), 2);
        assert!(found[0].has("cpu") && found[0].has("cpuacct") && !found[0].has("memory"));
        assert_eq!(found[0].controllers, "cpu,cpuacct");
        assert_eq!(found[1].path, "/sys/fs/cgroup/memory");
    }

    #[test]
    fn unified_hosts_have_one() {
        let (found, has_parts) =
            parse_mountinfo("34 30 0:29 / /sys/fs/my\\040cgroup rw - cgroup2 cgroup2 rw\n", CONTROLLERS);
        assert!(found.len() == 1 && !has_parts);
        assert!(found[0].v2 && found[0].path == "/sys/fs/my cgroup");
    }

    #[test]
    fn bundles_join_more() {
        let (found, _) = parse_mountinfo(V1, OF_BUNDLES);
        let all: Vec<&str> = found.iter().map(|h| &*h.controllers).collect();
        assert_eq!(all, ["cpu,cpuacct", "memory", "name=systemd"]);
        let v2 = "33 30 0:28 / /net_cls rw - cgroup cgroup rw,net_cls\n34 30 0:29 / /u rw - cgroup2 cgroup2 rw\n";
        let (found, _) = parse_mountinfo(v2, OF_BUNDLES);
        assert!(found.len() == 1 && found[0].v2);
    }

    #[test]
    fn places_of_bundles() {
        let h = Hierarchy { path: "/c".into(), controllers: "cpu".into(), v2: false, own: None };
        for (asked, path) in [("", "/mydocker-oci/x1"), ("a", "/a"), ("/a/b/", "/a/b"), ("a/./b", "/a/./b")] {
            let whole = bundle_path(asked, "x1");
            assert_eq!(whole, path);
            assert_eq!(h.group(Place::at(&whole).unwrap()), ["/c", &path.replace("/./", "/")].concat());
        }
        assert_eq!(h.levels(Place::at("/a/b/c").unwrap()), ["/c", "/c/a", "/c/a/b"]);
        for bad in ["", "/", "//", "/.", "/a/..", "/../a", "/a\nb", "/a\0", "/a/."] {
            let error = format!("{}", Place::at(bad).err().unwrap());
            assert!(error.starts_with("linux.cgroupsPath: "), "{bad}: {error}");
        }
        assert_eq!(bundle_path("/", "x1"), "/");
    }

    #[test]
    fn places() {
        let h = Hierarchy { path: "/c".into(), controllers: "cpu".into(), v2: false, own: None };
        let at = |parent| Place::within(parent, "7");
        assert_eq!(h.group(at("")), "/c/mydocker-7");
        assert_eq!(h.group(at("/a/b/")), "/c/a/b/mydocker-7");
        assert_eq!(h.group(at("../../x/./..//y")), "/c/x/y/mydocker-7");
        assert_eq!(h.levels(at("a/b")), ["/c", "/c/a", "/c/a/b"]);
        for bad in ["..", "a/../b", "/..", "a\nb"] {
            assert!(check_parent(bad).is_err(), "{bad}");
        }
        assert!(check_parent("/a..b/c.slice").is_ok() && check_parent("").is_ok());
    }
}
