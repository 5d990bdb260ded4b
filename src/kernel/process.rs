//! Processes: forks that keep a pidfd, waiting on it, what a started program may inherit, and one-shot polls.

use super::sys::{self, Clone};
use crate::error::{Error, Result, Tried, escaped};
use crate::spec::schema::Value;
use crate::spec::words;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, chmodat, makedev, mknodat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use rustix::process::{Resource, Rlimit, WaitId, WaitIdOptions, getrlimit, setrlimit, waitid};

/// A child process that we are the parent of.
pub struct Child {
    /// Its pid in our terms.
    pub pid: i32,
    /// Refers to it, and to nothing else, for as long as we hold it; readable when it has ended.
    pub pidfd: OwnedFd,
}

/// Runs `body` in a new process. `namespaces` are `CLONE_NEW*` flags; on cgroup v2 it can be born in `cgroup`.
pub fn spawn(namespaces: u32, cgroup: Option<BorrowedFd<'_>>, body: &mut dyn FnMut() -> Never) -> Result<Child> {
    match sys::clone(namespaces, cgroup).tried("make a process")? {
        #[allow(unreachable_code)] // the compiler knows that nothing comes back; the type has to be told
        Clone::Child => match body() {},
        Clone::Parent(pid, pidfd) => Ok(Child { pid, pidfd }),
    }
}

/// Does something in a process of its own that nobody needs to wait for: it holds no terminal, and nobody's input or output.
/// Its exit code tells whether it went well.
pub fn aside(work: &mut dyn FnMut() -> Result<()>) -> Result<Child> {
    spawn(0, None, &mut || {
        let _ = rustix::process::setsid();
        let done = null_stdio(7).and_then(|()| work());
        sys::exit(i32::from(done.is_err()))
    })
}

/// What a child function returns: nothing, ever.
pub enum Never {}

/// Waits until the child has ended and takes its exit code: its own, or 128+n when signal n ended it.
pub fn wait(pidfd: BorrowedFd<'_>) -> i32 {
    reap(pidfd, WaitIdOptions::EXITED)
}

/// The exit code of a child that has ended, leaving it a zombie, so that its pid stays taken.
pub fn peek(pidfd: BorrowedFd<'_>) -> i32 {
    reap(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
}

fn reap(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> i32 {
    loop {
        match waitid(WaitId::PidFd(pidfd), options) {
            Ok(Some(status)) => {
                return status
                    .exit_status()
                    .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
                    .unwrap_or(255);
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => return 255, // not our child: nobody knows its code
        }
    }
}

/// Whether this is a child of ours, running or to be reaped.
pub fn is_child(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    waitid(WaitId::PidFd(pidfd), options).is_ok()
}

/// The pid that a pidfd stands for, in our terms. proc_pid_fdinfo(5)
pub fn pid_of(pidfd: BorrowedFd<'_>) -> Result<i32> {
    let text = super::file::read_text(&format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.ok_or_else(|| Error::new("the kernel does not tell the pid of a process"))
}

/// Waits until the descriptor is readable (or hung up); false when `limit_ms` passed first. Negative waits forever.
pub fn readable(fd: BorrowedFd<'_>, limit_ms: i64) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    wait_for(&mut fds, limit_ms) > 0
}

/// poll(2) that goes on after a signal. Returns how many are ready; negative limits wait forever.
pub fn wait_for(fds: &mut [PollFd<'_>], limit_ms: i64) -> usize {
    let limit = (limit_ms >= 0).then(|| Timespec { tv_sec: limit_ms / 1000, tv_nsec: limit_ms % 1000 * 1_000_000 });
    loop {
        match poll(fds, limit.as_ref()) {
            Err(Errno::INTR) => {}
            Ok(n) => return n,
            Err(_) => return 0, // EINVAL and ENOMEM only; the caller's own limit ends its loop
        }
    }
}

/// The same, telling of each whether it is ready.
pub fn wait_for_each(fds: &mut [PollFd<'_>], limit_ms: i64) -> Vec<bool> {
    wait_for(fds, limit_ms);
    let mut ready = Vec::new();
    for fd in fds {
        ready.push(!fd.revents().is_empty());
    }
    ready
}

/// `/dev/null` as standard input, output or error: bit 0, 1, 2 of `which`. In a container it may be something else by now,
/// or a link to where the container cannot go but we can (`/proc/<pid>/root`): only the kernel's own device is believed.
pub fn null_stdio(which: u8) -> Result<()> {
    let what = ["open /dev/null", "look at /dev/null"];
    let null = match super::file::open_device("dev/null", OFlags::RDWR | OFlags::NOCTTY, (1, 3), what) {
        Ok(Some(null)) => null,
        Ok(None) => {
            let way = "mknod -m 666 /dev/null c 1 3, or start the container anew";
            return Err(Error::new(format_args!("cannot use /dev/null: it is not the null device ({way})")));
        }
        Err(error) if error.is(Errno::NOENT) => own_null().map_err(|_| error)?,
        Err(error) => return Err(error),
    };
    set_stdio([
        (which & 1 != 0).then(|| null.as_fd()),
        (which & 2 != 0).then(|| null.as_fd()),
        (which & 4 != 0).then(|| null.as_fd()),
    ])
}

/// A null device where /dev has none: in a file system that is mounted nowhere.
fn own_null() -> sys::Answer<OwnedFd> {
    let fs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fs)?;
    let dir = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    mknodat(&dir, c"null", FileType::CharacterDevice, Mode::from(0o600), makedev(1, 3))?;
    chmodat(&dir, c"null", Mode::from(0o666), AtFlags::empty())?; // also for who is not root: mknod obeys the umask
    super::at::open(dir.as_fd(), "null", OFlags::RDWR | OFlags::NOCTTY)
}

/// Lets this process have as many open files as the hard limit allows. Returns what it was, for those that it executes.
pub fn lift_open_files() -> Rlimit {
    let old = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: old.maximum, ..old });
    old
}

/// Puts descriptors in the places of standard input, output and error.
pub fn set_stdio(stdio: [Option<BorrowedFd<'_>>; 3]) -> Result<()> {
    // A descriptor that already is 0, 1 or 2 could be overwritten before it is copied: copy those higher first.
    let mut copies: Vec<(usize, OwnedFd)> = Vec::new();
    for (place, fd) in stdio.into_iter().enumerate() {
        if let Some(fd) = fd {
            copies.push((place, duplicate(fd)?));
        }
    }
    for (place, fd) in &copies {
        let (set, name) = match place {
            0 => (rustix::stdio::dup2_stdin(fd), "input"),
            1 => (rustix::stdio::dup2_stdout(fd), "output"),
            _ => (rustix::stdio::dup2_stderr(fd), "error"),
        };
        set.tried_to("set standard", name)?;
    }
    Ok(())
}

/// A second descriptor of the same open file, above the standard streams, close-on-exec.
pub fn duplicate(fd: impl AsFd) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3).tried("duplicate a descriptor")
}

/// A descriptor that stands for the process `pid`, which need not be a child of ours. Close-on-exec by nature.
pub fn open_pidfd(pid: i32) -> core::result::Result<OwnedFd, Errno> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
}

/// The names of ulimit(1); the place is the number of getrlimit(2), the same on x86_64 and aarch64.
const RLIMITS: &str =
    "cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime";

/// The number of a resource limit by its name.
pub fn rlimit(name: &str) -> Option<u32> {
    words::place(RLIMITS, name).map(|number| number as u32)
}

/// Whether this is the user namespace that the host began with: the one where every id stands for itself.
pub fn is_in_first_user_namespace() -> bool {
    let map = super::file::read_text("/proc/self/uid_map").unwrap_or_default(); // a kernel without user namespaces
    let mut words = map.split_whitespace();
    map.is_empty() || (words.next(), words.next(), words.next()) == (Some("0"), Some("0"), Some("4294967295"))
}

/// A bundle's rows of ids as the lines of uid_map and gid_map. user_namespaces(7)
pub fn id_lines(rows: Value<'_>) -> String {
    let mut lines = String::new();
    for row in rows.list() {
        lines.extend([row.at("containerID").json(), " ", row.at("hostID").json(), " ", row.at("size").json(), "\n"]);
    }
    lines
}

/// Gives the new user namespace of the process `pid` its ids, as lines of uid_map and gid_map, and opens that namespace.
/// user_namespaces(7)
pub fn map_ids(pid: i32, uids: &str, gids: &str) -> Result<OwnedFd> {
    for (name, map) in [("uid_map", uids), ("gid_map", gids)] {
        super::file::write_at(rustix::fs::CWD, &format!("/proc/{pid}/{name}"), map)
            .tried(format_args!("map the ids {} of the container", escaped(map)))?;
    }
    super::at::open(rustix::fs::CWD, &format!("/proc/{pid}/ns/user"), OFlags::RDONLY)
        .tried("open the container's user namespace")
}

/// A user namespace with these ids, in which nobody is.
pub fn user_namespace(uids: &str, gids: &str) -> Result<OwnedFd> {
    let (wait, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).tried("make a pipe")?;
    let mut hold = Some(hold);
    let child = spawn(linux_raw_sys::general::CLONE_NEWUSER, None, &mut || {
        drop(hold.take()); // whatever becomes of us, it ends with us
        readable(wait.as_fd(), -1);
        sys::exit(0)
    })?;
    // Its pid where /proc is mounted: we may be the first process of another pid namespace.
    let namespace = pid_of(child.pidfd.as_fd()).and_then(|pid| map_ids(pid, uids, gids));
    drop(hold);
    self::wait(child.pidfd.as_fd());
    namespace
}

/// Major and minor version of the running kernel. uname(2)
pub fn kernel_version() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
