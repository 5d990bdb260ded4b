//! The archive that a machine boots from: busybox, `guest/init`, what a script needs, and the modules of the kernel that
//! somebody may ask for. Uncompressed: unpacking costs more than reading when every instruction is translated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Loaded by `guest/init`, unless it is told not to.
const AT_BOOT: &str = "virtio_pci virtio_mmio virtio_blk virtio_net virtio_rng ext4 overlay";
/// On board. The kernel loads them through modprobe when they are asked for.
pub const ON_BOARD: &str = "loop veth bridge br_netfilter dummy nf_tables nf_conntrack nf_conntrack_netlink nf_nat nft_chain_nat nft_masq nft_nat \
    nft_ct nft_redir nft_counter nft_limit nft_log nft_reject nft_reject_inet nft_fib nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 \
    nft_compat xt_comment xt_mark xt_addrtype xt_conntrack xt_tcpudp xt_nat xt_MASQUERADE ip_tables tun squashfs fuse xfs btrfs sctp";

/// An archive in the making: cpio "newc" (Documentation/driver-api/early-userspace/buffer-format.rst).
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        let size = content.len();
        assert!(u32::try_from(size).is_ok(), "{name} is too large for an initramfs");
        let (inode, name_size) = (self.inode, name.len() + 1);
        let fields = [inode as usize, mode as usize, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        let mut header = String::from("070701");
        for field in fields {
            write!(header, "{field:08x}").unwrap();
        }
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// A directory, and those that it is in.
    pub fn folder(&mut self, name: &str) {
        if name.is_empty() || !self.folders.insert(name.to_owned()) {
            return;
        }
        self.parents(name);
        self.entry(name, 0o40755, b"");
    }

    fn parents(&mut self, name: &str) {
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.folder(parent);
        }
    }

    /// A file that everybody may execute, as it costs nothing.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        self.parents(name);
        self.entry(name, 0o100_755, content);
    }

    /// A symbolic link.
    pub fn link(&mut self, name: &str, to: &str) {
        self.parents(name);
        self.entry(name, 0o120_777, to.as_bytes());
    }

    /// A file of the host, or a directory with all that is in it.
    pub fn copy(&mut self, name: &str, from: &Path) {
        let content = || fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        if !from.is_dir() {
            return self.file(name, &content());
        }
        self.folder(name);
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            self.copy(&format!("{name}/{}", entry.file_name().to_str().unwrap()), &entry.path());
        }
    }

    /// The whole archive.
    pub fn finished(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.bytes
    }
}

/// What every machine with this kernel (a folder of build/kernel) has, and some modules.
pub fn base(kernel: &Path, on_board: &str) -> Archive {
    let mut archive = Archive::default();
    for folder in ["proc", "sys", "dev", "run", "tmp", "data", "root", "payload", "sbin", "usr/bin", "usr/sbin"] {
        archive.folder(folder);
    }
    archive.copy("bin/busybox", &kernel.join("busybox"));
    archive.link("bin/sh", "busybox");
    archive.link("sbin/modprobe", "../bin/busybox"); // what the kernel calls for a module
    archive.copy("init", &guest("init"));
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n");
    archive.file("etc/group", b"root:x:0:\n");
    archive.file("etc/hosts", b"127.0.0.1 localhost vm\n");
    add_modules(&mut archive, kernel, on_board);
    archive
}

/// A file of tests/vm/guest.
pub fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/guest").join(name)
}

/// The wanted modules and what they need, with the tables that modprobe reads.
fn add_modules(archive: &mut Archive, kernel: &Path, on_board: &str) {
    let version = fs::read_to_string(kernel.join("version")).unwrap();
    let folder = kernel.join("lib/modules").join(version.trim());
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    // "kernel/fs/ext4.ko.xz: kernel/fs/jbd2.ko.xz …", all that it needs, not only the next ones.
    let dependencies: BTreeMap<String, String> = text("modules.dep")
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needs)| (file.to_owned(), needs.to_owned()))
        .collect();
    let file_of = |name: &str| dependencies.keys().find(|file| module_name(file) == name);
    let mut files = BTreeSet::new();
    for name in AT_BOOT.split(' ').chain(on_board.split_whitespace()) {
        if let Some(file) = file_of(name) {
            files.insert(file.as_str());
            files.extend(dependencies[file].split_whitespace());
        } // else it is built in, or this kernel has none
    }
    let place = format!("lib/modules/{}", version.trim());
    let mut table = String::new();
    for file in &files {
        archive.file(&format!("{place}/{}", plain(file)), &unpacked(&folder.join(file)));
        let needs: Vec<&str> = dependencies[*file].split_whitespace().map(plain).collect();
        writeln!(table, "{}: {}", plain(file), needs.join(" ")).unwrap();
    }
    archive.file(&format!("{place}/modules.dep"), table.as_bytes());
    let names: BTreeSet<String> = files.iter().map(|file| module_name(file)).collect();
    for table in ["modules.alias", "modules.symbols"] {
        let known = |line: &&str| line.rsplit(' ').next().is_some_and(|module| names.contains(module));
        let lines: Vec<String> = text(table).lines().filter(known).map(|line| format!("{line}\n")).collect();
        archive.file(&format!("{place}/{table}"), lines.concat().as_bytes());
    }
    let at_boot: Vec<&str> = AT_BOOT.split(' ').filter(|name| names.contains(*name)).collect();
    archive.file("etc/modules", at_boot.join("\n").as_bytes());
}

/// `kernel/fs/ext4/ext4.ko.xz` → `ext4`; modprobe takes `-` for `_`.
fn module_name(file: &str) -> String {
    file.rsplit('/').next().unwrap().split(".ko").next().unwrap().replace('-', "_")
}

fn plain(file: &str) -> &str {
    file.strip_suffix(".xz").or_else(|| file.strip_suffix(".zst")).unwrap_or(file)
}

fn unpacked(file: &Path) -> Vec<u8> {
    let tool = match file.extension().and_then(|end| end.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(file).unwrap(),
    };
    let output = Command::new(tool).arg("-dc").arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}
