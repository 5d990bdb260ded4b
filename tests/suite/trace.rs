//! What a command makes the kernel and the processor do, counted by ptrace(2): its system calls by name, and its instructions
//! one by one. With all processes that it starts, until they execute another program. Neither depends on how busy the
//! machine is.

use rustix::process::setpriority_process;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

/// linux/ptrace.h, linux/wait.h
const TRACEME: c_uint = 0;
const SINGLESTEP: c_uint = 9;
const DETACH: c_uint = 17;
const SYSCALL: c_uint = 24;
const SETOPTIONS: c_uint = 0x4200;
const GET_EVENT: c_uint = 0x4201;
const SEIZE: c_uint = 0x4206;
const INTERRUPT: c_uint = 0x4207;
const GET_SYSCALL_INFO: c_uint = 0x420e;
/// System calls stop with a mark; new processes are traced, too; execve(2) stops; all die with us.
const OPTIONS: usize = 1 | 2 | 4 | 8 | 16 | 1 << 20;
/// fork, vfork, clone
const EVENTS_BORN: [c_int; 3] = [1, 2, 3];
const EVENT_EXEC: c_int = 4;
const EVENT_STOP: c_int = 128;
const MARK: c_int = 0x80;
const ALL_KINDS_OF_OUR_THREAD: c_int = 0x4000_0000 | 0x2000_0000;
const SIGTRAP: c_int = 5;
const SIGSTOP: c_int = 19;

unsafe extern "C" {
    fn ptrace(request: c_uint, pid: c_int, address: *mut c_void, data: *mut c_void) -> c_long;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
}

/// What is counted. An instruction takes 20 µs.
#[derive(Clone, Copy, PartialEq)]
pub enum What {
    Calls,
    Instructions,
}

/// The counts of one command.
#[derive(Default)]
pub struct Counted {
    /// How often each system call was begun.
    pub calls: BTreeMap<String, u64>,
    /// Instructions outside of the kernel. Each round of a repeated one (`rep movs`) is one.
    pub instructions: u64,
}

fn request(request: c_uint, pid: i32, address: usize, data: usize) -> Result<c_long> {
    // SAFETY: of the requests above only GET_SYSCALL_INFO writes, whose caller passes a buffer and the length of that, and
    // GET_EVENT, whose caller passes a word.
    match unsafe { ptrace(request, pid, address as *mut c_void, data as *mut c_void) } {
        -1 => Err(Error::last_os_error()),
        answer => Ok(answer),
    }
}

/// The system call at whose beginning a process stands; `None` at the end of one.
fn begun(pid: i32) -> Option<u64> {
    // struct ptrace_syscall_info: op in the first byte, 1 for the beginning; the number after three words.
    let mut info = [0u64; 11];
    request(GET_SYSCALL_INFO, pid, size_of_val(&info), info.as_mut_ptr() as usize).ok()?;
    (info[0].to_le_bytes()[0] == 1).then(|| info[3])
}

/// Names of system calls by their numbers on this machine, from the list that the filter is made of.
fn name(number: u64) -> String {
    let column = if cfg!(target_arch = "x86_64") { 1 } else { 3 };
    let list = include_str!("../../src/walls/seccomp/calls.txt").lines().filter(|line| !line.starts_with('#'));
    let mut words = list.map(|line| line.split(' ').collect::<Vec<_>>());
    let found = words.find(|words| words.get(column).is_some_and(|word| *word == number.to_string()));
    found.map_or_else(|| format!("#{number}"), |words| words[0].to_owned())
}

/// The process that has just been born of this one.
fn born(pid: i32) -> Option<i32> {
    let mut born = 0u64;
    request(GET_EVENT, pid, 0, &raw mut born as usize).ok()?;
    i32::try_from(born).ok()
}

fn file(path: &str) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Starts the command, counts until all its processes have ended or execute something else, and waits for it. `also` runs
/// already, and is counted from now on.
pub fn count(mut command: Command, also: Option<i32>, what: What) -> (Counted, ExitStatus) {
    // So many changes between two processes get nowhere beside others that work.
    let hurry = |nice| what == What::Instructions && setpriority_process(None, nice).is_ok();
    hurry(-10);
    let own = file(command.get_program().to_str().unwrap());
    // SAFETY: between fork and exec there is one system call, and nothing that allocates.
    unsafe { command.pre_exec(|| request(TRACEME, 0, 0, 0).map(drop)) };
    if let Some(pid) = also {
        request(SEIZE, pid, 0, OPTIONS).unwrap();
        request(INTERRUPT, pid, 0, 0).unwrap();
    }
    let mut child = command.spawn().unwrap();
    let first = child.id() as i32;
    let mut known: BTreeSet<i32> = [first].into_iter().chain(also).collect();
    // Who has stopped for the first time, which a process does by itself, before or after we hear of its birth.
    let mut seen = known.clone();
    let mut is_ready = false;
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut counted, mut code) = (Counted::default(), None);
    let go = if what == What::Calls { SYSCALL } else { SINGLESTEP };
    while !known.is_empty() {
        let mut status = 0;
        // SAFETY: it writes the status.
        let pid = unsafe { waitpid(-1, &raw mut status, ALL_KINDS_OF_OUR_THREAD) };
        assert!(pid > 0, "waitpid: {}", Error::last_os_error());
        if status & 0xff != 0x7f {
            known.remove(&pid);
            if pid == first {
                code = Some(status);
            }
            continue;
        }
        let (signal, event) = (status >> 8 & 0xff, status >> 16);
        let mut deliver = 0;
        if pid == first && !is_ready {
            is_ready = true; // it has executed the program
            request(SETOPTIONS, pid, 0, OPTIONS).unwrap();
        } else if signal == SIGTRAP | MARK {
            if let Some(number) = begun(pid) {
                *numbers.entry(number).or_default() += 1;
            }
        } else if event == EVENT_EXEC && file(&format!("/proc/{pid}/exe")) != own {
            known.remove(&pid);
            request(DETACH, pid, 0, 0).unwrap();
            continue;
        } else if event == EVENT_STOP {
            seen.insert(pid);
            known.insert(pid); // a new process of `also`, or that one
        } else if EVENTS_BORN.contains(&event) {
            // Not later: its parent may be the last one that we know, and end before it has stopped.
            known.extend(born(pid).filter(|born| !seen.contains(born)));
        } else if event != 0 {
            // nothing that counts
        } else if signal == SIGTRAP {
            counted.instructions += 1;
        } else if signal == SIGSTOP && seen.insert(pid) {
            known.insert(pid);
        } else {
            deliver = signal as usize;
        }
        // Who is killed at this moment is told of by the next wait.
        let _ = request(go, pid, 0, deliver);
    }
    for (number, times) in numbers {
        counted.calls.insert(name(number), times);
    }
    hurry(0);
    let _ = child.try_wait(); // there is nothing to wait for any more
    (counted, ExitStatus::from_raw(code.unwrap()))
}

/// Whether processes may be traced here.
pub fn is_possible() -> bool {
    let counted = std::thread::spawn(|| count(Command::new("/bin/true"), None, What::Calls).1.success());
    counted.join().unwrap_or(false)
}
