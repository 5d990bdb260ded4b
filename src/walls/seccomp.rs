//! Which system calls a process may make: seccomp(2). A profile, docker's default one or one from a file, becomes a
//! program that the kernel runs before each call.
//!
//! The default profile follows docker's; where its versions differ, the answers are those measured of 20.10 (61 blocked
//! calls), and what came later is as in the newest: AF_ALG closed, calls up to Linux 6.13 allowed, newer ones ENOSYS.
//! 32-bit programs run, under the same rules; x32 ones get ENOSYS. One hole is docker's, too: the arguments of i386's
//! socketcall(2) are behind a pointer, out of a filter's sight, and glibc's 32-bit programs make every socket with it. So
//! it is open, and families of sockets that are closed to socket(2) are not closed to who calls it so (64-bit programs can).

mod assembly;
mod calls;
mod default;
mod judge;
mod machine;
mod profile;
mod rules;
#[cfg(test)]
mod tests;

use crate::error::{Result, Tried};
use crate::kernel::sys::{self, Instruction};
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use linux_raw_sys::ioctl as raw_ioctl;
use machine::{HERE, Machine};
use profile::{FLAG_NEW_LISTENER, FLAG_SPEC_ALLOW, Listener, Profile};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// A filter, ready to be installed.
pub struct Filter {
    program: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_*`.
    flags: u32,
    /// Who decides about some of the calls.
    pub listener: Listener,
}

impl Filter {
    /// Whether it lets everything pass that a process of ours still has to do, from the installation to execve, when it
    /// makes another process in between.
    pub fn lets_begin(&self) -> bool {
        let passes = |number: u32, arguments: [u64; 6]| {
            let answer = judge::judge(&self.program, HERE.native.audit, number, arguments);
            matches!(answer, rules::ALLOW | rules::LOG) || number == raw::__NR_clone3 && answer == rules::ENOSYS
        };
        let flags = u64::from(raw::CLONE_PARENT | raw::CLONE_PIDFD | raw::SIGCHLD);
        let plain = [
            raw::__NR_clone3,
            raw::__NR_sendmsg,
            raw::__NR_recvfrom,
            raw::__NR_exit_group,
            raw::__NR_close_range,
            raw::__NR_prctl,
            raw::__NR_capget,
            raw::__NR_capset,
            raw::__NR_setsid,
            raw::__NR_rt_sigaction,
            raw::__NR_rt_sigprocmask,
            raw::__NR_execve,
            raw::__NR_brk,
            raw::__NR_mmap,
            raw::__NR_munmap,
        ];
        plain.into_iter().all(|number| passes(number, [0; 6]))
            && passes(raw::__NR_clone, [flags, 0, 0, 0, 0, 0])
            && passes(raw::__NR_ioctl, [0, u64::from(raw_ioctl::TIOCSCTTY), 0, 0, 0, 0])
    }
}

/// Anyone, at the command line: whether this is a profile in docker's or OCI's format. The error says what is wrong in
/// which line and column.
pub fn check(json: &str) -> Result<()> {
    // Whether the program gets too long depends on capabilities, too: none and all are tried, the rest shows at the start.
    for capabilities in [0, u64::MAX] {
        compile(Some(json), capabilities, (u32::MAX, 0))?;
    }
    Ok(())
}

/// monitor or child: the filter for processes that can get `capabilities` (the bounding set, bits of capabilities(7)) on
/// this `kernel` (major, minor). Without a profile it is the default one.
pub fn compile(profile: Option<&str>, capabilities: u64, kernel: (u32, u32)) -> Result<Filter> {
    compile_for(HERE, profile, capabilities, kernel)
}

/// create, exec: the filter of a bundle. Engines name calls of newer kernels and other machines: what is unknown here cannot be
/// made here.
pub fn compile_bundle(profile: &str) -> Result<Option<Filter>> {
    if profile.is_empty() {
        return Ok(None);
    }
    let profile = Profile::read(profile, HERE, true)?;
    let program = assembly::assemble(profile.rules(0, (0, 0))?, HERE, profile.compat)?;
    let listens = if profile.listener.path.is_empty() { 0 } else { FLAG_NEW_LISTENER };
    Ok(Some(Filter { program, flags: profile.flags | listens, listener: profile.listener }))
}

fn compile_for(machine: &Machine, profile: Option<&str>, capabilities: u64, kernel: (u32, u32)) -> Result<Filter> {
    let Some(text) = profile else {
        let program = assembly::assemble(default::rules(capabilities, kernel), machine, true)?;
        return Ok(Filter { program, flags: FLAG_SPEC_ALLOW, listener: Listener::default() });
    };
    let profile = Profile::read(text, machine, false)?;
    let program = assembly::assemble(profile.rules(capabilities, kernel)?, machine, profile.compat)?;
    Ok(Filter { program, flags: profile.flags, listener: profile.listener })
}

/// child: installs the filter on this thread, for good; its children and what it executes inherit it.
///
/// The kernel wants `CAP_SYS_ADMIN` in the thread's user namespace or `PR_SET_NO_NEW_PRIVS`, so this comes before the last
/// capabilities go. A profile of somebody's own must allow what is still to be done then: capget, capset, prctl, execve;
/// sendmsg and exit_group to report an error; mmap, mremap and munmap for memory.
/// Returns the listener's descriptor, if there is one.
pub fn enter(filter: &Filter) -> Result<Option<OwnedFd>> {
    let mut answer = sys::seccomp_filter(&filter.program, filter.flags);
    if matches!(answer, Err(Errno::INVAL)) && filter.flags & FLAG_SPEC_ALLOW != 0 {
        // Kernels before 4.17 do not know this one, and do without what it leaves out.
        answer = sys::seccomp_filter(&filter.program, filter.flags & !FLAG_SPEC_ALLOW);
    }
    answer.tried("install the system call filter")
}
