//! Image archives part by part, as good and as bad as a test wants them; and trees that are compared entry by entry.

use crate::archive::Tar;
use crate::host::Host;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

pub const OCI: &str = "application/vnd.oci.image.";

pub fn sha256(bytes: &[u8]) -> String {
    mydocker::kernel::hex::sha256(bytes)
}

/// The files of an archive, by their paths; symlinks have their target.
#[derive(Clone, Default)]
pub struct Layout {
    pub files: BTreeMap<String, Vec<u8>>,
    pub links: BTreeMap<String, String>,
}

/// A layer of an image: its blob, how it calls itself, and the archive in it.
pub struct Layer {
    pub blob: Vec<u8>,
    pub kind: &'static str,
    pub diff_id: String,
}

impl Layer {
    /// A layer with one file.
    pub fn file(name: &str, content: &str) -> Self {
        Self::plain(Tar::default().file(name, content.as_bytes()).finished())
    }

    pub fn plain(blob: Vec<u8>) -> Self {
        Self { diff_id: sha256(&blob), blob, kind: "layer.v1.tar" }
    }

    /// The same, compressed by a command that reads and writes streams.
    pub fn packed(self, h: &Host, command: &str, kind: &'static str) -> Self {
        h.write("unpacked", &self.blob);
        h.sh(&format!("{command} <unpacked >packed"));
        Self { blob: std::fs::read(h.path("packed")).unwrap(), kind, diff_id: self.diff_id }
    }
}

pub fn config(layers: &[&Layer]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"sha256:{}\"", layer.diff_id)).collect();
    let ids = ids.join(",");
    let text = "{\"os\":\"linux\",\"architecture\":\"amd64\",\"unknown\":[1,{}],\"config\":{\"Cmd\":[\"sh\"]}";
    format!("{text},\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{ids}]}}}}").into_bytes()
}

/// A descriptor without its last brace.
pub fn descriptor(kind: &str, blob: &[u8]) -> String {
    format!("{{\"mediaType\":\"{OCI}{kind}\",\"digest\":\"sha256:{}\",\"size\":{}", sha256(blob), blob.len())
}

impl Layout {
    pub fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    pub fn blob(&mut self, bytes: &[u8]) -> String {
        let path = format!("blobs/sha256/{}", sha256(bytes));
        self.put(&path, bytes);
        path
    }

    /// Adds an image's blobs; returns its manifest.
    pub fn image(&mut self, layers: &[&Layer]) -> Vec<u8> {
        let config = config(layers);
        let list: Vec<String> = layers.iter().map(|layer| descriptor(layer.kind, &layer.blob) + "}").collect();
        for layer in layers {
            self.blob(&layer.blob);
        }
        self.blob(&config);
        let (config, list) = (descriptor("config.v1+json", &config), list.join(","));
        let manifest = format!("{{\"schemaVersion\":2,\"config\":{config}}},\"layers\":[{list}]}}").into_bytes();
        self.blob(&manifest);
        manifest
    }

    pub fn index(&mut self, entries: &[String]) {
        self.put("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
        self.put("index.json", format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", entries.join(",")));
    }

    /// An OCI layout with one image.
    pub fn oci(name: &str, layers: &[&Layer]) -> Self {
        let mut layout = Self::default();
        let manifest = layout.image(layers);
        let entry = descriptor("manifest.v1+json", &manifest);
        let name = format!("\"annotations\":{{\"org.opencontainers.image.ref.name\":\"{name}\"}}");
        layout.index(&[format!("{entry},{name}}}")]);
        layout
    }

    /// What docker 1.10 to 24 saved: a directory for each layer.
    pub fn docker(name: &str, layers: &[&Layer]) -> Self {
        let mut layout = Self::default();
        let config = config(layers);
        let mut paths = Vec::new();
        for (at, layer) in layers.iter().enumerate() {
            let dir = sha256(format!("{at}{name}").as_bytes());
            layout.put(&format!("{dir}/layer.tar"), layer.blob.clone());
            layout.put(&format!("{dir}/VERSION"), "1.0");
            layout.put(&format!("{dir}/json"), "{}");
            paths.push(format!("\"{dir}/layer.tar\""));
        }
        let id = format!("{}.json", sha256(&config));
        let paths = paths.join(",");
        let manifest = format!("[{{\"Config\":\"{id}\",\"RepoTags\":[\"{name}\"],\"Layers\":[{paths}]}}]");
        layout.put(&id, config);
        layout.put("manifest.json", manifest);
        layout.put("repositories", "{}");
        layout
    }

    fn entries(&self) -> Vec<Tar> {
        let files = self.files.iter().map(|(path, bytes)| Tar::default().file(path, bytes));
        files.chain(self.links.iter().map(|(path, to)| Tar::default().symlink(path, to))).collect()
    }

    pub fn tar(&self) -> Vec<u8> {
        self.entries().into_iter().fold(Tar::default(), |all, next| all.raw(&next.bytes())).finished()
    }

    /// The same with its entries the other way round.
    pub fn backwards(&self) -> Vec<u8> {
        self.entries().into_iter().rev().fold(Tar::default(), |all, next| all.raw(&next.bytes())).finished()
    }

    pub fn dir(&self, h: &Host, name: &str) {
        for (path, bytes) in &self.files {
            h.write(&format!("{name}/{path}"), bytes);
        }
        for (path, to) in &self.links {
            let path = h.dir.join(name).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, path).unwrap();
        }
    }
}

/// Everything that an archive keeps of a tree, a line for each entry. Hard links have the name of the first.
fn tree(root: &Path) -> String {
    let mut lines = String::new();
    let mut first = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let meta = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let kind = meta.file_type();
        let mut extra = String::new();
        if kind.is_dir() {
            let mut below: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            below.sort();
            left.extend(below.into_iter().rev());
        } else {
            let same = first.entry((meta.dev(), meta.ino())).or_insert_with(|| name.clone());
            extra = format!(" ={same}");
        }
        if kind.is_file() {
            let _ = write!(extra, " {}", sha256(&std::fs::read(&path).unwrap()));
        } else if kind.is_symlink() {
            let _ = write!(extra, " -> {}", std::fs::read_link(&path).unwrap().display());
        } else if kind.is_char_device() || kind.is_block_device() {
            let _ = write!(extra, " {:#x}", meta.rdev());
        }
        let raw = path.as_os_str().as_encoded_bytes();
        let mut names = vec![0; 65536];
        let size = rustix::fs::llistxattr(raw, &mut names[..]).unwrap_or(0);
        let mut names: Vec<&[u8]> = names[..size].split(|b| *b == 0).filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        for xattr in names {
            let mut value = vec![0; 65536];
            let size = rustix::fs::lgetxattr(raw, xattr, &mut value[..]).unwrap();
            let _ = write!(extra, " {}={}", xattr.escape_ascii(), value[..size].escape_ascii());
        }
        let time = if name.is_empty() { String::new() } else { format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()) };
        let _ = writeln!(lines, "/{name} {:o} {}:{} {time}{extra}", meta.mode(), meta.uid(), meta.gid());
    }
    lines
}

/// The trees are the same, or the lines that differ are shown.
#[track_caller]
pub fn same_tree(found: &Path, wanted: &Path) {
    let (found, wanted) = (tree(found), tree(wanted));
    let only =
        |a: &str, b: &str| a.lines().filter(|line| !b.lines().any(|l| l == *line)).collect::<Vec<_>>().join("\n");
    assert!(found == wanted, "found:\n{}\nwanted:\n{}", only(&found, &wanted), only(&wanted, &found));
}
