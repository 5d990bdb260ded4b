//! The last steps of a process of ours that becomes a program of a container: its terminal, its descriptors, its
//! environment, execve. Used by the first process (init) and by exec. Everything here runs in the child.

use super::control::{self, Message};
use super::reaper;
use crate::error::{EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, Error, Result, Tried, escaped};
use crate::kernel::process::{self, Never};
use crate::kernel::sys::{self, Clone};
use crate::kernel::timing::Timing;
use crate::kernel::{at, file};
use crate::spec::{Spec, text};
use crate::walls;
use crate::walls::privs::Identity;
use crate::walls::seccomp::Filter;
use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_PARENT;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, OFlags};
use rustix::io::Errno;
use rustix::termios::Winsize;

/// Where PATH leads when neither image nor user set it: docker's.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the program is to be.
pub struct Program<'a> {
    /// Its words; the first one is looked for in PATH.
    pub args: Vec<String>,
    /// `KEY=value`, complete but for HOME.
    pub env: Vec<String>,
    /// Its working directory.
    pub cwd: &'a str,
    /// Who it is.
    pub identity: Identity<'a>,
    /// The container whose walls it lives in.
    pub spec: &'a Spec,
    /// The system calls that it may make; `None`: all.
    pub filter: Option<&'a Filter>,
    /// Whether it is the first process of its container.
    pub is_first: bool,
    /// Whether this process is outside of the program's pid namespace, which only children enter.
    pub is_outside: bool,
    /// Whether it gets a terminal of its own, of this size (0 × 0: unknown).
    pub terminal: Option<Winsize>,
    /// What takes how long.
    pub timing: Timing,
}

/// What the program's standard streams are when it has no terminal.
pub struct Stdio {
    /// `None` is /dev/null.
    pub stdin: Option<OwnedFd>,
    /// Write end of a pipe; `None` is /dev/null.
    pub stdout: Option<OwnedFd>,
    /// Write end of a pipe; `None` is /dev/null.
    pub stderr: Option<OwnedFd>,
}

/// child: reports the error to the parent and ends.
pub fn fail(sync: BorrowedFd<'_>, error: Error) -> ! {
    // A parent that is gone needs no report.
    let _ = control::send(sync, &Message::Failed(error));
    sys::exit(1)
}

/// child: if the parent dies from here on, so does this process. False when it is dead already.
pub fn die_with_parent(sync: BorrowedFd<'_>) -> bool {
    let kill = Some(rustix::process::Signal::KILL);
    let _ = rustix::process::set_parent_process_death_signal(kill); // fails for signals that do not exist, only
    !control::has_hung_up(sync)
}

/// child, inside all walls but the privileges: makes the terminal, drops the privileges and becomes the program, or has
/// its own child do so. Returns only with an error.
pub fn become_program(
    program: &Program<'_>,
    stdio: Stdio,
    cgroup: &walls::cgroup::Joined,
    sync: BorrowedFd<'_>,
) -> Result<Never> {
    match program.terminal {
        Some(size) => {
            let (master, slave) = walls::mount::terminal()?;
            if size.ws_row != 0 {
                rustix::termios::tcsetwinsize(&slave, size).tried("set the terminal's size")?;
            }
            if program.is_first {
                walls::mount::console(&slave)?;
            }
            control::send_with(sync, &Message::Terminal, Some(master.as_fd()))?;
            process::set_stdio([Some(slave.as_fd()), Some(slave.as_fd()), Some(slave.as_fd())])?;
        }
        None => {
            process::null_stdio(7)?;
            process::set_stdio([&stdio.stdin, &stdio.stdout, &stdio.stderr].map(|fd| fd.as_ref().map(AsFd::as_fd)))?;
        }
    }
    drop(stdio);
    enter_cwd(program.cwd, true)?;
    program.timing.mark("program::enter_cwd");
    let user = walls::become_user(program.spec, &program.identity, cgroup)?;
    program.timing.mark("become_user");
    let mut env = program.env.clone();
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home));
    }
    let lock = || walls::lock(program.spec.security.no_new_privileges, &user, program.filter).map(drop);
    let is_locked = program.is_outside && enter_pid_namespace(program, sync, &lock)?;
    // What is locked has no power to lock itself again.
    let lock = || if is_locked { Ok(()) } else { lock() };
    // A change of user cleared the death signal: ask again, and look whether the parent died in between.
    if program.is_first && !die_with_parent(sync) {
        sys::exit(1);
    }
    sys::close_from(3, true);
    if program.is_first && program.spec.init {
        reaper::split(title(&program.args).as_bytes(), &lock)?;
    }
    rustix::process::setsid().tried("make a session")?;
    if program.terminal.is_some() {
        rustix::process::ioctl_tiocsctty(sys::stdin()).tried("take the terminal")?;
    }
    sys::reset_signals();
    lock()?;
    program.timing.mark("lock");
    Err(exec(&program.args, &env))
}

/// child: goes on as a new process, which is born in the pid namespace that this one has set for its children. Whoever is
/// in there and may trace processes (CAP_SYS_PTRACE) can look into it at once (CVE-2016-9962): it has no descriptor of the
/// host, no powers that it will not keep, and its environment is wiped. Only with a filter that forbids what is still to do
/// it has more for a moment: then this returns that the lock is still to come (false).
fn enter_pid_namespace(program: &Program<'_>, sync: BorrowedFd<'_>, lock: &dyn Fn() -> Result<()>) -> Result<bool> {
    let is_first_locked = program.filter.is_none_or(Filter::lets_begin);
    sys::close_from_but(sync);
    if is_first_locked {
        lock()?;
    }
    match sys::clone(CLONE_PARENT, None).tried("make the program's process")? {
        Clone::Child => Ok(is_first_locked),
        Clone::Parent(pid, pidfd) => {
            control::send_with(sync, &Message::Started(pid), Some(pidfd.as_fd()))?;
            sys::exit(0)
        }
    }
}

/// What ps(1) shows of the first process under `--init`.
fn title(args: &[String]) -> String {
    format!("mydocker-init\0--\0{}", text::join(args, "\0"))
}

/// docker makes a working directory that does not exist, as root, before the user changes. Nobody gets out by a link of /proc
/// to a directory of the host that we have open.
pub fn enter_cwd(cwd: &str, makes: bool) -> Result<()> {
    let root = file::open_dir("/")?;
    let dir = if makes {
        file::make_dirs_in_root(root.as_fd(), cwd, 0o755).tried_to("make the working directory", cwd)?
    } else {
        file::open_in_root(root.as_fd(), cwd, OFlags::PATH).tried_to("open the working directory", cwd)?
    };
    rustix::process::fchdir(&dir).tried_to("enter the working directory", cwd)
}

/// execve of one path. Returns why it did not work.
pub fn execute(path: &str, args: &[String], env: &[String]) -> Error {
    match (at::c(path), c_strings(args), c_strings(env)) {
        (Ok(c), Some(argv), Some(envp)) => Error::os(format_args!("exec: \"{path}\""), sys::execve(&c, &argv, &envp)),
        _ => Error::new("a word of the command or its environment has a NUL byte in it"),
    }
}

/// Whether there is such a program, before it is executed. The errors are those of [`exec`].
pub fn check(args: &[String], env: &[String]) -> Result<()> {
    let name = args.first().map_or("", String::as_str);
    let mut found = None;
    for path in candidates(name, env) {
        let is_there = at::c(&path).and_then(|path| rustix::fs::access(&*path, Access::EXEC_OK));
        let is_directory = || at::stat(CWD, &path, AtFlags::empty()).is_ok_and(|stat| file::is_directory(&stat));
        match is_there {
            Ok(()) if is_directory() => found = found.or(Some(Errno::ISDIR)),
            Ok(()) => return Ok(()),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => found = found.or(Some(errno)),
        }
    }
    Err(cannot(name, args, found))
}

/// execve with a search in PATH. Returns why it did not work, in docker's words, with exit code 126 or 127.
pub fn exec(args: &[String], env: &[String]) -> Error {
    let (Some(argv), Some(envp)) = (c_strings(args), c_strings(env)) else {
        return Error::new("a word of the command or its environment has a NUL byte in it").exit(125);
    };
    let name = args.first().map_or("", String::as_str);
    let mut found = None;
    for path in candidates(name, env) {
        let Ok(path) = at::c(&path) else { continue };
        match sys::execve(&path, &argv, &envp) {
            Errno::NOENT | Errno::NOTDIR => {}
            errno => found = found.or(Some(errno)),
        }
    }
    cannot(name, args, found)
}

fn cannot(name: &str, args: &[String], found: Option<Errno>) -> Error {
    match found {
        Some(errno) => Error::os(format_args!("exec: \"{}\"", escaped(name)), errno).exit(EXIT_NOT_EXECUTABLE),
        None => not_found(name, args).exit(EXIT_NOT_FOUND),
    }
}

fn c_strings(list: &[String]) -> Option<Vec<CString>> {
    let mut strings = Vec::new();
    for string in list {
        strings.push(at::c(string).ok()?);
    }
    Some(strings)
}

/// The paths to try for a command, in order.
fn candidates(name: &str, env: &[String]) -> Vec<String> {
    if name.contains('/') || name.is_empty() {
        return [name.to_owned()].into();
    }
    let path = env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let mut paths = Vec::new();
    for dir in path.split(':') {
        let slash = if dir.is_empty() { "" } else { "/" };
        paths.push([dir, slash, name].concat());
    }
    paths
}

fn not_found(name: &str, args: &[String]) -> Error {
    let shown = escaped(name);
    if let [one] = args
        && one.contains(' ')
    {
        return Error::new(format_args!(
            "exec: \"{shown}\": no such program; pass its words separately, without quotes around all, or use: sh -c \"{shown}\""
        ));
    }
    if name.contains('/') {
        Error::os(format_args!("exec: \"{shown}\""), Errno::NOENT)
    } else {
        Error::new(format_args!("exec: \"{shown}\": executable file not found in $PATH"))
    }
}

/// The environment a program starts with: docker's fixed entries, then the container's, later ones replacing earlier.
pub fn environment(hostname: &str, tty: bool, own: &[String]) -> Vec<String> {
    let mut env = alloc::vec![format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={hostname}")];
    if tty {
        env.push("TERM=xterm".to_owned());
    }
    merge_env(&mut env, own);
    env
}

/// Adds entries; one with a key that is there already replaces it in its place. Each is looked for in a few places only,
/// however many there are.
pub fn merge_env(env: &mut Vec<String>, more: &[String]) {
    // At least half of them stay empty.
    let mut places = alloc::vec![0; ((env.len() + more.len()) * 2).next_power_of_two()];
    for (at, known) in env.iter().enumerate() {
        let number = place(&mut places, env, known);
        if *number == 0 {
            *number = at + 1;
        }
    }
    for entry in more {
        let number = place(&mut places, env, entry);
        if let Some(known) = env.get_mut(number.wrapping_sub(1)) {
            known.clone_from(entry);
        } else {
            env.push(entry.clone());
            *number = env.len();
        }
    }
}

fn key(entry: &str) -> &[u8] {
    entry.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Where the number of the entry with the same key is, or would be; numbers begin with 1.
#[inline(never)]
fn place<'a>(places: &'a mut [usize], env: &[String], entry: &str) -> &'a mut usize {
    let name = key(entry);
    let mut hash = name.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) ^ usize::from(*byte));
    loop {
        hash = hash.wrapping_add(1);
        let at = hash & (places.len() - 1);
        if places[at] == 0 || env.get(places[at] - 1).is_some_and(|known| key(known) == name) {
            return &mut places[at];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn environments_merge_in_place() {
        let env = environment("h", false, &strings(&["A=1", "PATH=/x", "A=2", "B="]));
        assert_eq!(env, strings(&["PATH=/x", "HOSTNAME=h", "A=2", "B="]));
        // The first of two is the one that programs see.
        let mut env = strings(&["A=1", "A=2"]);
        merge_env(&mut env, &strings(&["", "A=3", "AB", "=x"]));
        assert_eq!(env, strings(&["A=3", "A=2", "=x", "AB"]));
        let many = |round: usize| (0..1000).map(|at| format!("KEY{at}={round}")).collect::<Vec<_>>();
        let mut env = many(1);
        merge_env(&mut env, &many(2));
        assert_eq!(env, many(2));
    }

    #[test]
    fn path_is_searched_only_for_plain_names() {
        assert_eq!(candidates("./a", &strings(&["PATH=/x"])), strings(&["./a"]));
        assert_eq!(candidates("a", &strings(&["PATH=/x::/y"])), strings(&["/x/a", "a", "/y/a"]));
    }

    #[test]
    fn blanks_get_a_hint() {
        assert!(not_found("top -b", &strings(&["top -b"])).what.contains("sh -c \"top -b\""));
        assert!(!not_found("nosuch", &strings(&["nosuch"])).what.contains("sh -c"));
    }
}
