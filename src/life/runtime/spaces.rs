//! The namespaces of a bundle: those that are new, and those that are somebody else's. namespaces(7)

use crate::error::{Error, Result, Tried, escaped};
use crate::kernel::{at, file, sys};
use crate::life::control::{self, Message};
use crate::spec::oci::Linux;
use crate::spec::schema::Value;
use crate::spec::words;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
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
    /// Those of somebody else; a user namespace comes last: from there nothing else of the host's can be entered.
    joins: Vec<(u32, OwnedFd, String)>,
}

/// The flag of a kind.
fn flag(kind: &str) -> Result<u32> {
    words::place(KINDS, kind).map(|at| FLAGS[at]).ok_or_else(|| {
        let kind = escaped(kind);
        Error::new(format_args!("linux.namespaces: unknown type \"{kind}\": it is one of {KINDS}"))
    })
}

/// The kinds that are listed, new ones and others.
pub fn listed(linux: &Linux) -> u32 {
    let namespaces = linux.at("namespaces").list();
    namespaces.fold(0, |all, namespace| all | flag(namespace.at("type").word()).unwrap_or(0))
}

/// create: opens those that are there, and checks that what is asked for of the others can be.
pub fn open(linux: &Linux) -> Result<Spaces> {
    let mut spaces = Spaces::default();
    for namespace in linux.at("namespaces").list() {
        let (kind, path) = (namespace.at("type").word(), namespace.at("path").text());
        let flag = flag(kind)?;
        if spaces.has(flag) {
            return Err(Error::new(format_args!("linux.namespaces: {kind} is there twice")));
        }
        if path.is_empty() {
            spaces.new |= flag;
            continue;
        }
        let fd = at::open(CWD, &path, OFlags::RDONLY).tried_to("open the namespace", &path)?;
        let at = if flag == raw::CLONE_NEWUSER { spaces.joins.len() } else { 0 };
        spaces.joins.insert(at, (flag, fd, path));
    }
    let new = |flag| spaces.new & flag != 0;
    let has_ids = |which| !linux.at(which).is_empty();
    let why = if !new(raw::CLONE_NEWNS) {
        "a mount namespace of its own is needed: all that a bundle mounts would be mounted on the host, or in a stranger's root"
    } else if spaces.joined(raw::CLONE_NEWUSER).is_none()
        && new(raw::CLONE_NEWUSER) != (has_ids("uidMappings") && has_ids("gidMappings"))
    {
        "a new user namespace needs uidMappings and gidMappings, and these need a user namespace"
    } else if linux.at("timeOffsets").is_there() && !new(raw::CLONE_NEWTIME) {
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

    /// What the first process is born in: nothing if it has a user namespace and enters others' before.
    pub fn at_birth(&self) -> u32 {
        match (self.has(raw::CLONE_NEWUSER), self.joins.is_empty()) {
            (true, false) => 0,
            // The directory of message queues belongs to whoever makes the namespace: not the host's root.
            (true, true) => self.new & !LATER & !raw::CLONE_NEWIPC,
            _ => self.new & !LATER,
        }
    }

    /// Whether it is to be in a pid namespace that it was not born in: only its children are.
    pub fn needs_child(&self) -> bool {
        self.has(raw::CLONE_NEWPID) && self.at_birth() & raw::CLONE_NEWPID == 0
    }

    /// child, with all powers of the host: enters the namespaces of others. When its user namespace is not the one that it was
    /// born in, its maker is told.
    pub fn enter(&self, sync: BorrowedFd<'_>) -> Result<()> {
        for (flag, fd, path) in &self.joins {
            let kind = ThreadNameSpaceType::from_bits_retain(*flag);
            move_into_thread_name_spaces(fd.as_fd(), kind).tried_to("join the namespace", path)?;
        }
        if self.changes_user_namespace() {
            sys::unshare(self.new & raw::CLONE_NEWUSER).tried("make a user namespace")?;
            control::send(sync, &Message::Done)?;
        }
        Ok(())
    }

    /// Whether its maker waits for its user namespace.
    pub fn changes_user_namespace(&self) -> bool {
        self.has(raw::CLONE_NEWUSER) && self.at_birth() == 0
    }

    /// child, in its user namespace: makes those that belong to that and that it was not born in.
    pub fn make(&self) -> Result<()> {
        sys::unshare(self.new & !LATER & !raw::CLONE_NEWUSER & !self.at_birth()).tried("make the namespaces")
    }

    /// child: a time namespace of its own. time_namespaces(7)
    pub fn enter_time(&self, offsets: Value<'_>) -> Result<()> {
        if !self.is_new(raw::CLONE_NEWTIME) {
            return Ok(());
        }
        let what = "make a time namespace (Linux 5.6 has them)";
        sys::unshare(raw::CLONE_NEWTIME).tried(what)?;
        let mut text = String::new();
        for clock in ["monotonic", "boottime"] {
            let offset = offsets.at(clock);
            if offset.is_there() {
                let number = |unit| offset.at(unit).number().unwrap_or(0);
                let _ = writeln!(text, "{clock} {} {}", number("secs"), number("nanosecs")); // a String takes everything
            }
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
