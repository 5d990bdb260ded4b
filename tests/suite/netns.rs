//! Network namespaces of the tests: each [`Host`] is in one of its own, so that nothing of the machine's is touched and what a
//! test leaves is plain to see. A [`World`] has another host beside it, which is the way out, and whose programs talk to ours.
//!
//! A namespace is a descriptor that this process holds: it goes at the latest with the process, whatever happens.

use crate::host::{Host, artifact, wanted};
use crate::process::{Output, until};
use mydocker::kernel::link;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// The host's address on the link to the other one, and the other's.
pub const HOST: &str = "10.99.0.1";
pub const OTHER: &str = "10.99.0.2";
/// The same for IPv6.
pub const HOST6: &str = "fd99::1";
pub const OTHER6: &str = "fd99::2";
/// Addresses that are nowhere near: the other host has them, and the host has no route to them but the default one.
pub const FAR: &str = "198.51.100.9";
pub const FAR6: &str = "2001:db8::9";
/// The host's link to the other one.
pub const UPLINK: &str = "up0";

/// A network namespace.
#[derive(Clone)]
pub struct Netns(Arc<OwnedFd>);

impl Netns {
    /// A new one, with `lo` switched on.
    pub fn new() -> Self {
        let make = || {
            // SAFETY: the thread shares no descriptors with itself alone; only what it opens from now on is elsewhere.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            link::up(&link::open().unwrap(), link::LOOPBACK).unwrap();
            rustix::fs::open("/proc/thread-self/ns/net", OFlags::CLOEXEC, Mode::empty()).unwrap()
        };
        Self(Arc::new(std::thread::spawn(make).join().unwrap()))
    }

    /// A path by which other programs find it, as long as this process lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// The one that a process is in.
    pub fn of(pid: i32) -> Self {
        let path = format!("/proc/{pid}/ns/net");
        Self(Arc::new(rustix::fs::open(&path, OFlags::CLOEXEC, Mode::empty()).unwrap()))
    }

    /// What the kernel knows it by.
    pub fn number(&self) -> u64 {
        rustix::fs::fstat(&*self.0).unwrap().st_ino
    }

    /// Does something in it, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter_and_work = || {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        std::thread::scope(|scope| match scope.spawn(enter_and_work).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Lets a command run in it.
    pub fn hold(&self, command: &mut Command) {
        let fd = Arc::clone(&self.0);
        let enter = move || {
            let entered = move_into_link_name_space(fd.as_fd(), Some(LinkNameSpaceType::Network));
            entered.map_err(|errno| std::io::Error::from_raw_os_error(errno.raw_os_error()))
        };
        // SAFETY: between fork and exec there is one system call, and nothing that allocates.
        unsafe { command.pre_exec(enter) };
    }

    /// Runs a program in it that must work; its answer.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let mut command = Command::new("sh");
        self.hold(command.args(["-euc", script]).stdin(Stdio::null()));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{script}: {done:?}");
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Sets parameters of the kernel.
    #[track_caller]
    pub fn set(&self, parameter: &str, value: &str) {
        let path = format!("/proc/sys/net/{parameter}");
        self.inside(|| fs::write(&path, value)).unwrap_or_else(|e| panic!("{parameter}: {e}"));
    }

    /// A parameter of the kernel.
    #[track_caller]
    pub fn get(&self, parameter: &str) -> String {
        let path = format!("/proc/sys/net/{parameter}");
        let text = self.inside(|| fs::read_to_string(&path)).unwrap_or_else(|e| panic!("{parameter}: {e}"));
        text.trim_end().to_owned()
    }

    /// All that there is in it, a line each: links, addresses, routes, rules, and the kernel's parameters.
    pub fn state(&self) -> Vec<String> {
        let script = "ip -o link | sed 's/^[0-9]*: //; s/ state UNKNOWN / state UP /'; ip -o addr | sed 's/^[0-9]*: //'; ip rule; ip -6 rule
            ip route show table all; ip -6 route show table all; nft -s list ruleset";
        let mut lines: Vec<String> = self.sh(script).lines().map(str::to_owned).collect();
        self.inside(|| ["ipv4", "ipv6", "bridge"].iter().for_each(|dir| parameters(dir, &mut lines)));
        lines
    }

    /// Nothing changed since `before`, at the latest when the kernel has tidied up.
    #[track_caller]
    pub fn unchanged(&self, before: &[String]) {
        let difference = || {
            let now = self.state();
            let only = |these: &[String], those: &[String], sign: &str| {
                let lines = these.iter().filter(|line| !those.contains(line));
                lines.map(|line| format!("{sign}{line}")).collect::<Vec<_>>()
            };
            [only(before, &now, "-"), only(&now, before, "+")].concat()
        };
        let mut last = difference();
        crate::process::soon(crate::process::PATIENCE, || {
            last = difference();
            last.is_empty()
        });
        assert!(last.is_empty(), "not as before:\n{}", last.join("\n"));
    }

    /// The names of its links that mydocker makes.
    pub fn our_links(&self) -> Vec<String> {
        let all = self.inside(|| link::all(&link::open().unwrap(), None).unwrap());
        let names = all.into_iter().map(|link| link.name);
        names.filter(|name| name.starts_with("md") || name.starts_with("mydocker")).collect()
    }

    /// The names of its tables of rules that mydocker makes.
    pub fn our_tables(&self) -> Vec<String> {
        let mut command = Command::new("nft");
        self.hold(command.args(["list", "tables"]).stdin(Stdio::null()));
        let tables = command.output().map(|done| done.stdout).unwrap_or_default(); // without nft there are no such tests
        let tables = String::from_utf8_lossy(&tables).into_owned();
        tables.lines().filter(|line| line.contains("mydocker")).map(str::to_owned).collect()
    }
}

/// The parameters below /proc/sys/net/`dir`, those of this thread's namespace.
fn parameters(dir: &str, lines: &mut Vec<String>) {
    let mut names: Vec<_> =
        fs::read_dir(Path::new("/proc/sys/net").join(dir)).into_iter().flatten().flatten().collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let name = format!("{dir}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            parameters(&name, lines);
        } else if let Ok(value) = fs::read_to_string(entry.path()) {
            lines.push(format!("{name}={}", value.trim_end().replace('\n', ";")));
        }
    }
}

/// A host in a world: it has a way out, which leads to another host.
pub struct World {
    pub host: Host,
    /// The other host's namespace.
    pub other: Netns,
}

impl std::ops::Deref for World {
    type Target = Host;
    fn deref(&self) -> &Host {
        &self.host
    }
}

impl World {
    /// A host with the busybox image, a link to another host, and a default route there. Nothing where the programs are
    /// missing that the tests look with.
    #[track_caller]
    pub fn new() -> Option<Self> {
        for program in ["ip", "nft"] {
            let found = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|d| Path::new(d).join(program).exists());
            wanted(found.then_some(()), program)?;
        }
        let (host, other) = (Host::new(), Netns::new());
        host.net.sh(&format!("ip link add {UPLINK} type veth peer name eth0 netns {}", other.path()));
        for (net, link, four, six) in [(&host.net, UPLINK, HOST, HOST6), (&other, "eth0", OTHER, OTHER6)] {
            // Otherwise addresses can be used after a second or two.
            net.set(&format!("ipv6/conf/{link}/accept_dad"), "0");
            net.sh(&format!(
                "ip link set {link} up; ip addr add {four}/24 dev {link}; ip addr add {six}/64 dev {link}"
            ));
        }
        other.sh(&format!("ip addr add {FAR}/32 dev lo; ip addr add {FAR6}/128 dev lo"));
        host.net.sh(&format!("ip route add default via {OTHER}; ip -6 route add default via {OTHER6}"));
        let world = Self { host, other };
        for net in [&world.host.net, &world.other] {
            until("the link has all its addresses", || {
                net.sh("ip -6 -o addr show scope link; ip -o addr show tentative").lines().count() == 1
            });
        }
        Some(world)
    }

    /// The flag that gives a container the program of [`traffic`].
    pub fn tool() -> String {
        format!("-v={}:/bin/traffic:ro", artifact("traffic", "traffic").display())
    }

    /// A container with this name and these flags that answers at `ports` (`80`, or `127.0.0.1:80`), tcp and udp.
    #[track_caller]
    pub fn serve(&self, name: &str, flags: &str, ports: &str) -> String {
        let id = self.ok(&format!("run -d --name {name} {flags} {} busybox traffic answer {ports}", Self::tool()));
        until(&format!("{name} listens"), || self.ok(&["logs", name]).contains("ready"));
        id
    }

    /// What the program of tests/traffic says in a running container.
    #[track_caller]
    pub fn asked(&self, name: &str, line: &str) -> String {
        let output: Output = self.run(&format!("exec {name} traffic {line}"));
        output.ok()
    }

    /// The address of a container on its first network.
    #[track_caller]
    pub fn ip(&self, name: &str) -> String {
        self.first(name, "IPAddress")
    }

    /// The host's address on a container's first network.
    #[track_caller]
    pub fn gateway(&self, name: &str) -> String {
        self.first(name, "Gateway")
    }

    #[track_caller]
    fn first(&self, name: &str, key: &str) -> String {
        let all = self.ok(&[
            "inspect",
            "-f",
            &format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{key}}}}} {{{{end}}}}"),
            name,
        ]);
        let first = all.split(' ').next().unwrap().to_owned();
        assert!(!first.is_empty(), "{name} has no {key}: {all:?}");
        first
    }
}

/// What the program of tests/traffic says in a namespace.
#[track_caller]
pub fn traffic(net: &Netns, line: &str) -> String {
    net.sh(&format!("{} {line}", artifact("traffic", "traffic").display()))
}

/// The program of tests/traffic, answering in a namespace until this is dropped.
pub struct Server(Child);

impl Server {
    /// Answers at these ports (`80`, or `127.0.0.1:80`), tcp and udp.
    #[track_caller]
    pub fn new(net: &Netns, ports: &str) -> Self {
        let mut command = Command::new(artifact("traffic", "traffic"));
        net.hold(command.arg("answer").args(ports.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut server = Self(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
