//! System calls that rustix does not offer, one typed wrapper each. The only file with `unsafe`.
#![allow(unsafe_code)]

use super::bpf;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::arch::asm;
use core::ffi::CStr;
use core::ptr;
use linux_raw_sys::general as raw;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;

/// The answer of a kernel call.
pub type Answer<T> = core::result::Result<T, Errno>;

/// SAFETY: the caller vouches for every pointer among the arguments, as syscall(2) demands.
#[cfg(target_arch = "x86_64")]
unsafe fn syscall(nr: u32, a: [usize; 5]) -> Answer<usize> {
    let ret: isize;
    // SAFETY: the kernel's calling convention for x86_64, syscall(2); the caller vouches for the pointers.
    unsafe {
        asm!("syscall", inlateout("rax") nr as usize => ret, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
             in("r10") a[3], in("r8") a[4], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer(ret)
}

/// SAFETY: the caller vouches for every pointer among the arguments, as syscall(2) demands.
#[cfg(target_arch = "aarch64")]
unsafe fn syscall(nr: u32, a: [usize; 5]) -> Answer<usize> {
    let ret: isize;
    // SAFETY: the kernel's calling convention for aarch64, syscall(2); the caller vouches for the pointers.
    unsafe {
        asm!("svc 0", in("x8") nr as usize, inlateout("x0") a[0] => ret, in("x1") a[1], in("x2") a[2],
             in("x3") a[3], in("x4") a[4], options(nostack));
    }
    answer(ret)
}

/// The flags in the ELF header of this program as it was loaded, elf(5). Neither the kernel nor our machines use them.
pub fn elf_flags() -> u32 {
    unsafe extern "C" {
        /// Where the linker says that the header is in memory.
        #[link_name = "__ehdr_start"]
        static HEADER: [u32; 16];
    }
    // SAFETY: the header is mapped as long as the program runs, and 64 bytes long. Volatile, because the compiler cannot
    // know what was written to the file after it.
    unsafe { ptr::read_volatile((&raw const HEADER).cast::<u32>().add(12)) }
}

fn answer(ret: isize) -> Answer<usize> {
    if (-4095..0).contains(&ret) { Err(Errno::from_raw_os_error(-ret as i32)) } else { Ok(ret as usize) }
}

/// Which side of a clone we are on.
pub enum Clone {
    /// The new process. It must end in `execve` or `exit`.
    Child,
    /// The old one: the child's pid and a pidfd of it (close-on-exec).
    Parent(i32, OwnedFd),
}

/// clone3(2) without shared memory: like fork, with namespaces (`CLONE_NEW*`), perhaps as a sibling (`CLONE_PARENT`), and,
/// on cgroup v2, born in `cgroup`.
/// Falls back to clone(2) where a filter hides clone3 (then a `cgroup` is refused with `ENOSYS`).
pub fn clone(namespaces: u32, cgroup: Option<BorrowedFd<'_>>) -> Answer<Clone> {
    let mut pidfd: i32 = -1;
    let mut flags = u64::from(namespaces | raw::CLONE_PIDFD);
    if cgroup.is_some() {
        flags |= raw::CLONE_INTO_CGROUP;
    }
    let args = raw::clone_args {
        flags,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        // A sibling (CLONE_PARENT) has the exit signal of the process that makes it, and clone3 takes no other.
        exit_signal: if namespaces & raw::CLONE_PARENT == 0 { u64::from(raw::SIGCHLD) } else { 0 },
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    // SAFETY: a fork of a single-threaded process: the child gets a copy of everything, no pointer is shared.
    let mut got = unsafe { syscall(raw::__NR_clone3, [ptr::from_ref(&args) as usize, size_of_val(&args), 0, 0, 0]) };
    if matches!(got, Err(Errno::NOSYS)) && cgroup.is_none() {
        let flags = (namespaces | raw::CLONE_PIDFD | raw::SIGCHLD) as usize;
        // SAFETY: as above; with CLONE_PIDFD the third argument receives the pidfd on both architectures.
        got = unsafe { syscall(raw::__NR_clone, [flags, 0, ptr::from_mut(&mut pidfd) as usize, 0, 0]) };
    }
    match got? {
        0 => Ok(Clone::Child),
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok(Clone::Parent(pid as i32, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

fn pointers(strings: &[CString]) -> Vec<*const core::ffi::c_char> {
    let mut pointers = Vec::new();
    for string in strings {
        pointers.push(string.as_ptr());
    }
    pointers.push(ptr::null());
    pointers
}

/// execve(2). Returns only with an error.
pub fn execve(path: &CStr, argv: &[CString], envp: &[CString]) -> Errno {
    let (argv, envp) = (pointers(argv), pointers(envp));
    // SAFETY: three NUL-terminated structures that outlive the call.
    let got = unsafe {
        syscall(raw::__NR_execve, [path.as_ptr() as usize, argv.as_ptr() as usize, envp.as_ptr() as usize, 0, 0])
    };
    got.err().unwrap_or(Errno::INVAL)
}

/// execveat(2) of an open file. Returns only with an error.
pub fn execve_fd(file: BorrowedFd<'_>, argv: &[CString], envp: &[CString]) -> Errno {
    let (argv, envp) = (pointers(argv), pointers(envp));
    let (fd, path) = (file.as_raw_fd() as usize, c"".as_ptr() as usize);
    let flags = raw::AT_EMPTY_PATH as usize;
    // SAFETY: three NUL-terminated structures that outlive the call.
    let got = unsafe { syscall(raw::__NR_execveat, [fd, path, argv.as_ptr() as usize, envp.as_ptr() as usize, flags]) };
    got.err().unwrap_or(Errno::INVAL)
}

unsafe extern "C" {
    /// The C library's, which asks the kernel's vDSO. rustix would bring a second way to that (3 KB, and a system call).
    fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
}

/// clock_gettime(3): nanoseconds of a clock (`CLOCK_*`) that every kernel has.
pub fn clock(clock: u32) -> i64 {
    let mut time = [0; 2];
    // SAFETY: a struct timespec is two words of 64 bits on every architecture of ours.
    unsafe { clock_gettime(clock as i32, &raw mut time) };
    time[0] * 1_000_000_000 + time[1]
}

/// exit_group(2): ends the process at once, without running anything else of ours.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: no pointers; does not return.
        let _ = unsafe { syscall(raw::__NR_exit_group, [code as usize, 0, 0, 0, 0]) };
    }
}

/// abort(3): ends the process by SIGABRT.
pub fn abort() -> ! {
    unsafe extern "C" {
        #[link_name = "abort"]
        safe fn end() -> !;
    }
    end()
}

/// A set of signals as the kernel keeps it: signal n is bit n-1.
pub type SignalSet = u64;

/// The set with just this signal.
pub const fn signal_bit(signal: i32) -> SignalSet {
    1 << (signal - 1)
}

/// rt_sigprocmask(2): blocks exactly this set.
pub fn block_signals(set: SignalSet) {
    // SAFETY: a pointer to 8 bytes; the kernel only refuses sizes, which are right.
    let _ = unsafe {
        syscall(raw::__NR_rt_sigprocmask, [raw::SIG_SETMASK as usize, ptr::from_ref(&set) as usize, 0, 8, 0])
    };
}

/// rt_sigaction(2): the default disposition (`ignore` false) or SIG_IGN (`ignore` true).
pub fn set_signal(signal: i32, ignore: bool) {
    // handler, flags, restorer, mask: all words on both architectures.
    let action: [usize; 4] = [usize::from(ignore), 0, 0, 0];
    // SAFETY: a pointer to a kernel_sigaction whose handler is SIG_DFL or SIG_IGN; SIGKILL and SIGSTOP are refused.
    let _ = unsafe { syscall(raw::__NR_rt_sigaction, [signal as usize, action.as_ptr() as usize, 0, 8, 0]) };
}

/// Every signal at its default, none blocked: what a new program may expect. `start::begin` ignores SIGPIPE, and execve keeps that.
pub fn reset_signals() {
    for signal in 1..=64 {
        set_signal(signal, false);
    }
    block_signals(0);
}

/// signalfd4(2), close-on-exec and non-blocking. The set must be blocked.
pub fn signalfd(set: SignalSet) -> Answer<OwnedFd> {
    let flags = (raw::O_CLOEXEC | raw::O_NONBLOCK) as usize;
    // SAFETY: a pointer to 8 bytes; the result is a new descriptor.
    let fd = unsafe { syscall(raw::__NR_signalfd4, [usize::MAX, ptr::from_ref(&set) as usize, 8, flags, 0])? };
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The next signal number of a signalfd, if one is pending. signalfd(2): `ssi_signo` is the first word of 128 bytes.
pub fn next_signal(fd: BorrowedFd<'_>) -> Option<i32> {
    let mut info = [0u8; 128];
    match rustix::io::read(fd, &mut info) {
        Ok(128) => Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]])),
        _ => None,
    }
}

/// pidfd_send_signal(2) with any number, real-time signals too (rustix's type has only the named ones).
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Answer<()> {
    // SAFETY: no pointers (a null siginfo is allowed).
    unsafe { syscall(raw::__NR_pidfd_send_signal, [pidfd.as_raw_fd() as usize, signal as usize, 0, 0, 0])? };
    Ok(())
}

/// linux/close_range.h
const CLOSE_RANGE_CLOEXEC: usize = 4;

/// close_range(2): marks every descriptor from `first` on as close-on-exec (`keep`) or closes it.
/// Kernels before 5.11 have no marking: then they are marked one by one.
pub fn close_from(first: i32, keep_until_exec: bool) {
    let flag = if keep_until_exec { CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: no pointers. Descriptors closed here are not owned by any value that is used afterwards (callers' duty).
    let got = unsafe { syscall(raw::__NR_close_range, [first as usize, u32::MAX as usize, flag, 0, 0]) };
    if got.is_err() {
        for fd in first..1024 {
            // SAFETY: no pointers; EBADF is the usual answer and harmless.
            let _ = unsafe {
                if keep_until_exec {
                    syscall(raw::__NR_fcntl, [fd as usize, raw::F_SETFD as usize, raw::FD_CLOEXEC as usize, 0, 0])
                } else {
                    syscall(raw::__NR_close, [fd as usize, 0, 0, 0, 0])
                }
            };
        }
    }
}

/// Has execve pass these descriptors on after all. `EBADF` when one of them is not open.
pub fn keep_open(first: i32, count: u32) -> Answer<()> {
    for fd in first..first.saturating_add_unsigned(count) {
        // SAFETY: no pointers.
        unsafe { syscall(raw::__NR_fcntl, [fd as usize, raw::F_SETFD as usize, 0, 0, 0])? };
    }
    Ok(())
}

/// close_range(2): closes every descriptor but the standard streams and this one.
pub fn close_from_but(kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd();
    for (first, last) in [(3, kept - 1), (kept + 1, i32::MAX)] {
        if first <= last {
            // SAFETY: no pointers; what is closed is not used afterwards (callers' duty). There since 5.9.
            let _ = unsafe { syscall(raw::__NR_close_range, [first as usize, last as usize, 0, 0, 0]) };
        }
    }
}

fn ofd_lock_call(fd: BorrowedFd<'_>, command: u32, kind: u32, byte: i64) -> Answer<u32> {
    let mut lock = raw::flock { l_type: kind as i16, l_whence: 0, l_start: byte, l_len: 1, l_pid: 0 };
    // SAFETY: a pointer to a struct flock that the kernel reads and, for GETLK, writes.
    unsafe {
        syscall(raw::__NR_fcntl, [fd.as_raw_fd() as usize, command as usize, ptr::from_mut(&mut lock) as usize, 0, 0])?;
    }
    Ok(lock.l_type as u32)
}

/// Takes an open-file-description lock on one byte (fcntl(2), F_OFD_SETLK). False when somebody else holds it.
pub fn ofd_lock(fd: BorrowedFd<'_>, byte: i64) -> Answer<bool> {
    match ofd_lock_call(fd, raw::F_OFD_SETLK, raw::F_WRLCK, byte) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// The same, waiting for its turn (F_OFD_SETLKW).
pub fn ofd_lock_wait(fd: BorrowedFd<'_>, byte: i64) -> Answer<()> {
    loop {
        match ofd_lock_call(fd, raw::F_OFD_SETLKW, raw::F_WRLCK, byte) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Whether another open file description holds the byte (F_OFD_GETLK). Asking takes nothing.
pub fn ofd_locked(fd: BorrowedFd<'_>, byte: i64) -> Answer<bool> {
    Ok(ofd_lock_call(fd, raw::F_OFD_GETLK, raw::F_WRLCK, byte)? != raw::F_UNLCK)
}

/// unshare(2). Right for us because the process has one thread.
pub fn unshare(namespaces: u32) -> Answer<()> {
    // SAFETY: no pointers; only CLONE_NEW* flags are passed here, which share no memory.
    unsafe { syscall(raw::__NR_unshare, [namespaces as usize, 0, 0, 0, 0])? };
    Ok(())
}

/// mount_setattr(2) on the mount that `fd` stands for: sets and clears `MOUNT_ATTR_*`, on submounts too if asked.
pub fn mount_setattr(fd: BorrowedFd<'_>, recursive: bool, set: u64, clear: u64, propagation: u64) -> Answer<()> {
    mount_attributes(fd, recursive, raw::mount_attr { attr_set: set, attr_clr: clear, propagation, userns_fd: 0 })
}

/// mount_setattr(2): the ids of a detached mount, or of a whole tree, are those of a user namespace from now on
/// (MOUNT_ATTR_IDMAP).
pub fn mount_map_ids(fd: BorrowedFd<'_>, recursive: bool, user_namespace: BorrowedFd<'_>) -> Answer<()> {
    let userns_fd = user_namespace.as_raw_fd() as u64;
    let attr_set = u64::from(raw::MOUNT_ATTR_IDMAP);
    mount_attributes(fd, recursive, raw::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd })
}

fn mount_attributes(fd: BorrowedFd<'_>, recursive: bool, attr: raw::mount_attr) -> Answer<()> {
    let flags = raw::AT_EMPTY_PATH | if recursive { raw::AT_RECURSIVE } else { 0 };
    // SAFETY: an empty C string and a struct mount_attr with its size, which the kernel reads.
    unsafe {
        let attr = ptr::from_ref(&attr) as usize;
        let (fd, path) = (fd.as_raw_fd() as usize, c"".as_ptr() as usize);
        syscall(raw::__NR_mount_setattr, [fd, path, flags as usize, attr, size_of::<raw::mount_attr>()])?;
    }
    Ok(())
}

/// Has the kernel begin to write a file's bytes from this one on to the disk, and waits for none of them.
/// sync_file_range(2); a file system that cannot says so, and nothing depends on it.
pub fn begin_to_sync(fd: BorrowedFd<'_>, from: u64) {
    const WRITE: usize = 2; // SYNC_FILE_RANGE_WRITE of linux/fs.h
    // SAFETY: plain numbers; 0 bytes are all up to the end.
    let _ = unsafe { syscall(raw::__NR_sync_file_range, [fd.as_raw_fd() as usize, from as usize, 0, WRITE, 0]) };
}

/// keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: a new, empty session keyring without a name.
pub fn new_session_keyring() -> Answer<()> {
    const JOIN_SESSION_KEYRING: usize = 1; // linux/keyctl.h
    // SAFETY: a null name is allowed, there are no other pointers.
    unsafe { syscall(raw::__NR_keyctl, [JOIN_SESSION_KEYRING, 0, 0, 0, 0])? };
    Ok(())
}

/// prlimit64(2) of this process: sets one limit; `u64::MAX` is none.
pub fn set_limit(number: u32, soft: u64, hard: u64) -> Answer<()> {
    let limit = [soft, hard];
    // SAFETY: a pointer to a struct rlimit64, which the kernel reads, and a null one.
    unsafe { syscall(raw::__NR_prlimit64, [0, number as usize, limit.as_ptr() as usize, 0, 0])? };
    Ok(())
}

/// What ps(1) shows of this process, instead of its arguments; its first environment is wiped out. Whoever may look into
/// us sees neither then. proc_pid_cmdline(5), proc_pid_stat(5): fields 48 to 51 are where both lie.
pub fn retitle(title: &[u8]) {
    let stat = super::file::read_text("/proc/self/stat").unwrap_or_default(); // no /proc: nobody can look either
    // The name in the second field may have blanks and parentheses in it.
    let Some((_, rest)) = stat.rsplit_once(')') else { return };
    let mut fields = rest.split(' ').skip(48 - 2);
    let mut next = || fields.next().and_then(|field| field.trim().parse::<usize>().ok());
    let (Some(arg_start), Some(arg_end), Some(env_start), Some(env_end)) = (next(), next(), next(), next()) else {
        return;
    };
    if arg_start == 0 || arg_start > arg_end || env_start > env_end {
        return;
    }
    let room = arg_end - arg_start;
    let shown = &title[..title.len().min(room.saturating_sub(1))];
    // SAFETY: the kernel's own bounds of the two areas of our stack, which it filled at execve; nothing of Rust's lives
    // there, and `start` copies what it reads from them.
    unsafe {
        ptr::write_bytes(env_start as *mut u8, 0, env_end - env_start);
        ptr::write_bytes(arg_start as *mut u8, 0, room);
        ptr::copy_nonoverlapping(shown.as_ptr(), arg_start as *mut u8, shown.len());
    }
}

/// linux/bpf.h
const BPF_PROG_LOAD: usize = 5;
const BPF_PROG_ATTACH: usize = 8;
const BPF_PROG_QUERY: usize = 16;

/// bpf(2), BPF_PROG_LOAD: a program of this type (`BPF_PROG_TYPE_*`) that the kernel has checked. Close-on-exec.
pub fn bpf_load(kind: u32, program: &[bpf::Instruction]) -> Answer<OwnedFd> {
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        // The log's level, size and address, a version of the kernel, flags and a name: none of them is wanted.
        rest: [u64; 5],
    }
    let (count, instructions) = (program.len() as u32, program.as_ptr() as u64);
    let attr = Load { kind, count, instructions, license: c"MIT".as_ptr() as u64, rest: [0; 5] };
    // SAFETY: a structure with its size, and in it an array with its length and a C string; all outlive the call.
    let fd =
        unsafe { syscall(raw::__NR_bpf, [BPF_PROG_LOAD, ptr::from_ref(&attr) as usize, size_of_val(&attr), 0, 0])? };
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// bpf(2), BPF_PROG_ATTACH: makes a cgroup use a program for this purpose (`BPF_CGROUP_*`).
pub fn bpf_attach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>, purpose: u32, flags: u32) -> Answer<()> {
    let attr = [cgroup.as_raw_fd() as u32, program.as_raw_fd() as u32, purpose, flags];
    // SAFETY: a structure of four words with its size, without pointers.
    unsafe { syscall(raw::__NR_bpf, [BPF_PROG_ATTACH, attr.as_ptr() as usize, size_of_val(&attr), 0, 0])? };
    Ok(())
}

/// bpf(2), BPF_PROG_QUERY: how many programs a cgroup itself uses for this purpose (`BPF_CGROUP_*`).
pub fn bpf_count(cgroup: BorrowedFd<'_>, purpose: u32) -> Answer<u32> {
    // Cgroup, purpose, flags of the question and of the answer, address of the ids (null) and their number. Newer kernels
    // answer more, behind that, however little room they are told of: all of `union bpf_attr` is there.
    let mut attr = [0u32; 64];
    attr[..2].copy_from_slice(&[cgroup.as_raw_fd() as u32, purpose]);
    // SAFETY: a structure with its size, into which the kernel writes; the pointers in it are null.
    unsafe { syscall(raw::__NR_bpf, [BPF_PROG_QUERY, attr.as_mut_ptr() as usize, size_of_val(&attr), 0, 0])? };
    Ok(attr[6])
}

/// Standard input. It is open in every process of ours: `start::begin` opens /dev/null where it was closed.
/// Nothing here ever closes descriptors 0 to 2; they are only replaced, by dup2.
pub fn stdin() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

/// Standard output, see [`stdin`].
pub fn stdout() -> BorrowedFd<'static> {
    rustix::stdio::stdout()
}

/// Standard error, see [`stdin`].
pub fn stderr() -> BorrowedFd<'static> {
    rustix::stdio::stderr()
}

/// One instruction of classic BPF: `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Instruction {
    /// What it does, `BPF_*` of linux/bpf_common.h.
    pub code: u16,
    /// How many instructions a jump passes over when its question is answered with yes.
    pub jt: u8,
    /// The same for no.
    pub jf: u8,
    /// A constant.
    pub k: u32,
}

/// seccomp(2), `SECCOMP_SET_MODE_FILTER`: puts a filter before every system call of this thread and its children. Wants
/// `CAP_SYS_ADMIN` or `PR_SET_NO_NEW_PRIVS`. With `SECCOMP_FILTER_FLAG_NEW_LISTENER` there is a descriptor for who decides.
pub fn seccomp_filter(program: &[Instruction], flags: u32) -> Answer<Option<OwnedFd>> {
    /// `struct sock_fprog` of linux/filter.h
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Instruction,
    }
    const SET_MODE_FILTER: usize = 1;
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = Program { len, filter: program.as_ptr() };
    // SAFETY: a struct sock_fprog with as many instructions as it says, which the kernel copies and checks.
    let got = unsafe {
        syscall(raw::__NR_seccomp, [SET_MODE_FILTER, flags as usize, ptr::from_ref(&program) as usize, 0, 0])?
    };
    // SAFETY: a descriptor that was made for us, close-on-exec; without a listener it is 0.
    Ok((got > 0).then(|| unsafe { OwnedFd::from_raw_fd(got as i32) }))
}

/// Memory that this process shares with the children it forks from now on. What is in it is a matter of agreement: who may
/// write to a part, and when the others may look at it, is said by other means (`kernel/ring.rs`).
pub struct Shared {
    start: *mut u8,
    bytes: usize,
}

/// mmap(2), shared and anonymous: zeros.
pub fn shared_memory(bytes: usize) -> Answer<Shared> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    // SAFETY: a new mapping where the kernel likes; nothing is replaced.
    let start =
        unsafe { mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED)? };
    Ok(Shared { start: start.cast(), bytes })
}

impl Shared {
    /// A part of it; less where it ends.
    pub fn part(&mut self, from: usize, bytes: usize) -> &mut [u8] {
        let from = from.min(self.bytes);
        // SAFETY: inside the mapping, which lives as long as `self`. Any byte is a valid u8; a process that breaks the
        // agreement changes what we read, never where.
        unsafe { core::slice::from_raw_parts_mut(self.start.add(from), bytes.min(self.bytes - from)) }
    }
}

impl Shared {
    /// A word of it, for all processes at once; the last one where it ends. The memory has one word at least.
    #[allow(clippy::cast_ptr_alignment)] // a mapping begins at a page
    pub fn word(&self, at: usize) -> &core::sync::atomic::AtomicU64 {
        let at = at.min(self.bytes / 8 - 1);
        // SAFETY: inside the mapping, which is aligned to a page and lives as long as `self`. Who works with words does so
        // through this function only.
        unsafe { &*self.start.cast::<core::sync::atomic::AtomicU64>().add(at) }
    }
}

// SAFETY: without `&mut` there are only words, which are atomic.
unsafe impl Sync for Shared {}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: our own mapping, to which nothing borrowed from `self` refers any more.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), self.bytes) };
    }
}

/// What sched_setattr(2) takes, its first version.
#[repr(C)]
pub struct SchedAttributes {
    /// Bytes of this structure.
    pub size: u32,
    /// `SCHED_*`
    pub policy: u32,
    /// `SCHED_FLAG_*`
    pub flags: u64,
    /// For the policies that share.
    pub nice: i32,
    /// For those that do not.
    pub priority: u32,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Likewise.
    pub deadline: u64,
    /// Likewise.
    pub period: u64,
}

/// How this process is scheduled.
pub fn set_scheduler(attributes: &SchedAttributes) -> Answer<()> {
    // SAFETY: a pointer to a structure that knows its size; the kernel reads it.
    unsafe { syscall(raw::__NR_sched_setattr, [0, ptr::from_ref(attributes) as usize, 0, 0, 0])? };
    Ok(())
}

/// How this process's disk accesses are scheduled: class and priority as ioprio_set(2) packs them.
pub fn set_io_priority(packed: u32) -> Answer<()> {
    const WHO_PROCESS: usize = 1;
    // SAFETY: no pointers.
    unsafe { syscall(raw::__NR_ioprio_set, [WHO_PROCESS, 0, packed as usize, 0, 0])? };
    Ok(())
}

/// What kind of machine this process sees: personality(2).
pub fn set_personality(personality: u32) -> Answer<()> {
    // SAFETY: no pointers.
    unsafe { syscall(raw::__NR_personality, [personality as usize, 0, 0, 0, 0])? };
    Ok(())
}
