//! A tree of files that is kept in memory, and planted again as often as it is wanted: most tests begin with the same store.

use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, UTIME_OMIT, chmod, utimensat};
use std::fs;
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::{Path, PathBuf};

enum Kind {
    Directory,
    File(Vec<u8>),
    Link(PathBuf),
}

struct Node {
    path: PathBuf,
    kind: Kind,
    owner: (u32, u32),
    mode: u32,
    changed: Timespec,
}

/// Directories, files and symlinks, with owners, modes and times. No file has two names.
pub struct Tree(Vec<Node>);

impl Tree {
    /// Reads what is in a directory.
    pub fn of(dir: &Path) -> Self {
        let mut nodes = Vec::new();
        read(dir, Path::new(""), &mut nodes);
        Self(nodes)
    }

    /// Makes it anew in a directory that has nothing of it.
    pub fn plant(&self, dir: &Path) {
        for node in &self.0 {
            let path = dir.join(&node.path);
            match &node.kind {
                Kind::Directory => fs::create_dir(&path).unwrap(),
                Kind::File(content) => fs::write(&path, content).unwrap(),
                Kind::Link(target) => symlink(target, &path).unwrap(),
            }
            lchown(&path, Some(node.owner.0), Some(node.owner.1)).unwrap();
            if !matches!(node.kind, Kind::Link(_)) {
                chmod(&path, Mode::from_raw_mode(node.mode)).unwrap();
            }
        }
        // What is in a directory changes its time, so it comes after that.
        for node in self.0.iter().rev() {
            let unknown = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let times = Timestamps { last_access: unknown, last_modification: node.changed };
            utimensat(CWD, dir.join(&node.path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
    }
}

fn read(root: &Path, below: &Path, nodes: &mut Vec<Node>) {
    for entry in fs::read_dir(root.join(below)).unwrap().map(Result::unwrap) {
        let (full, path) = (entry.path(), below.join(entry.file_name()));
        let meta = entry.metadata().unwrap();
        assert!(meta.is_dir() || meta.nlink() == 1, "{}", full.display());
        let kind = match meta.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Link(fs::read_link(&full).unwrap()),
            kind => {
                assert!(kind.is_file(), "{}", full.display());
                Kind::File(fs::read(&full).unwrap())
            }
        };
        let is_directory = meta.is_dir();
        let changed = Timespec { tv_sec: meta.mtime(), tv_nsec: meta.mtime_nsec() };
        let owner = (meta.uid(), meta.gid());
        nodes.push(Node { path: path.clone(), kind, owner, mode: meta.mode() & 0o7777, changed });
        if is_directory {
            read(root, &path, nodes);
        }
    }
}
