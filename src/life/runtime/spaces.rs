//! The namespaces of a bundle: those that are new, and those that are somebody else's. namespaces(7)

use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::{at, file, sys};
use crate::spec::oci::{Linux, Namespace, Offset, TimeOffsets};
use crate::spec::words;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

/// The specification's words, and the kernel's flags in the same order.
const KINDS: &str = "user mount pid network ipc uts cgroup time";
static FLAGS: [u32; 8] = [
    raw::CLONE_NEWUSER,
    raw::CLONE_NEWNS,
    raw::CLONE_NEWPID,
    raw::CLONE_NEWNET,
    raw::CLONE_NEWIPC,
    raw::CLONE_NEWUTS,
    raw::CLONE_NEWCGROUP,
    raw::CLONE_NEWTIME,
];
/// What a process is not born in: the one must root in a cgroup that is joined before, the other gets its clocks first.
const LATER: u32 = raw::CLONE_NEWCGROUP | raw::CLONE_NEWTIME;

/// Whose namespaces a container has.
#[derive(Default)]
pub struct Spaces {
    /// `CLONE_NEW*` of those that are new.
    new: u32,
    /// Those of somebody else; a user namespace comes first: it has the power over the others.
    joins: Vec<(u32, OwnedFd, String)>,
}

/// The flag of a kind.
fn flag(namespace: &Namespace) -> Result<u32> {
    let place = words::place(KINDS, &namespace.kind);
    place.map(|at| FLAGS[at]).ok_or_else(|| {
        let kind = escaped(&namespace.kind);
        Error::new(format_args!("linux.namespaces: unknown type \"{kind}\": it is one of {KINDS}"))
    })
}

/// The kinds that are listed, new ones and others.
pub fn listed(namespaces: &[Namespace]) -> u32 {
    namespaces.iter().fold(0, |all, namespace| all | flag(namespace).unwrap_or(0))
}

/// create: opens those that are there, and checks that what is asked for of the others can be.
pub fn open(linux: &Linux) -> Result<Spaces> {
    let mut spaces = Spaces::default();
    for namespace in &linux.namespaces {
        let flag = flag(namespace)?;
        if spaces.has(flag) {
            return Err(Error::new(format_args!("linux.namespaces: {} is there twice", namespace.kind)));
        }
        match namespace.path.as_deref().unwrap_or_default() {
            "" => spaces.new |= flag,
            path => {
                let fd = at::open(CWD, path, OFlags::RDONLY).tried_to("open the namespace", path)?;
                let at = if flag == raw::CLONE_NEWUSER { 0 } else { spaces.joins.len() };
                spaces.joins.insert(at, (flag, fd, path.into()));
            }
        }
    }
    let new = |flag| spaces.new & flag != 0;
    let why = if !new(raw::CLONE_NEWNS) {
        "a mount namespace of its own is needed: all that a bundle mounts would be mounted on the host, or in a stranger's root"
    } else if new(raw::CLONE_NEWUSER) == (linux.uids.is_empty() || linux.gids.is_empty()) {
        "a new user namespace needs uidMappings and gidMappings, and these need a new user namespace"
    } else if linux.time_offsets.is_some() && !new(raw::CLONE_NEWTIME) {
        "timeOffsets need a new time namespace"
    } else {
        return Ok(spaces);
    };
    Err(Error::new(format_args!("linux.namespaces: {why}")))
}

impl Spaces {
    /// Whether one of this kind is new, or somebody else's: not the host's.
    pub fn has(&self, flag: u32) -> bool {
        self.new & flag != 0 || self.joins.iter().any(|(joined, ..)| *joined == flag)
    }

    /// The path of somebody else's.
    pub fn joined(&self, flag: u32) -> Option<&str> {
        self.joins.iter().find(|(joined, ..)| *joined == flag).map(|(.., path)| path.as_str())
    }

    /// Whether one of this kind is new.
    pub const fn is_new(&self, flag: u32) -> bool {
        self.new & flag != 0
    }

    /// What the first process is born in.
    pub const fn at_birth(&self) -> u32 {
        self.new & !LATER
    }

    /// Whether it enters somebody else's pid namespace, which only its children do.
    pub fn needs_child(&self) -> bool {
        self.joins.iter().any(|(flag, ..)| *flag == raw::CLONE_NEWPID)
    }

    /// child: enters those of others.
    pub fn enter(&self) -> Result<()> {
        for (flag, fd, path) in &self.joins {
            let kind = ThreadNameSpaceType::from_bits_retain(*flag);
            move_into_thread_name_spaces(fd.as_fd(), kind).tried_to("join the namespace", path)?;
            if *flag == raw::CLONE_NEWUSER {
                crate::walls::ids::enter()?;
            }
        }
        Ok(())
    }

    /// child: a time namespace of its own. time_namespaces(7)
    pub fn enter_time(&self, offsets: Option<&TimeOffsets>) -> Result<()> {
        if !self.is_new(raw::CLONE_NEWTIME) {
            return Ok(());
        }
        let what = "make a time namespace (Linux 5.6 has them)";
        sys::unshare(raw::CLONE_NEWTIME).tried(what)?;
        let line = |clock: &str, offset: &Offset| {
            format!("{clock} {} {}\n", offset.secs.unwrap_or(0), offset.nanosecs.unwrap_or(0))
        };
        let mut text = String::new();
        if let Some(offsets) = offsets {
            text.extend(offsets.monotonic.iter().map(|offset| line("monotonic", offset)));
            text.extend(offsets.boottime.iter().map(|offset| line("boottime", offset)));
        }
        if !text.is_empty() {
            // Of a process that nobody may look into, the files there are the host's root's. In a new user namespace there is
            // nobody else yet.
            let is_alone = self.is_new(raw::CLONE_NEWUSER);
            let dumpable = |how| if is_alone { set_dumpable_behavior(how) } else { Ok(()) };
            let what = "set linux.timeOffsets";
            dumpable(DumpableBehavior::Dumpable).tried(what)?;
            let written = file::write_at(CWD, "/proc/self/timens_offsets", &text);
            dumpable(DumpableBehavior::NotDumpable).tried(what)?;
            written.tried(what)?;
        }
        let own = at::open(CWD, "/proc/self/ns/time_for_children", OFlags::RDONLY).tried(what)?;
        move_into_thread_name_spaces(own.as_fd(), ThreadNameSpaceType::TIME).tried(what)
    }
}
