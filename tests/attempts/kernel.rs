//! System calls as they are: a number and six words.

use core::arch::asm;
use linux_raw_sys::errno;
use linux_raw_sys::general as raw;
use std::ffi::CString;

/// What the kernel answers: a number, or an error's number.
pub type Answer = Result<usize, i32>;

/// The answer of an attempt that was let through but got nothing.
pub const NOTHING: i32 = errno::ENODATA as i32;
/// The answer of an attempt that was ended by a signal is this and the signal's number.
const KILLED: i32 = 200;

/// One system call. What its arguments point to must live until it returns; the callers in here pass nothing else.
#[cfg(target_arch = "x86_64")]
pub fn call(number: u32, a: [usize; 6]) -> Answer {
    let ret: isize;
    // SAFETY: the kernel's calling convention, syscall(2). The kernel checks pointers; none of ours is written to unless it
    // points to memory that is made for it.
    unsafe {
        asm!("syscall", inlateout("rax") number as usize => ret, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
             in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer(ret)
}

/// One system call. What its arguments point to must live until it returns; the callers in here pass nothing else.
#[cfg(target_arch = "aarch64")]
pub fn call(number: u32, a: [usize; 6]) -> Answer {
    let ret: isize;
    // SAFETY: as on x86_64.
    unsafe {
        asm!("svc 0", in("x8") number as usize, inlateout("x0") a[0] => ret, in("x1") a[1], in("x2") a[2],
             in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    answer(ret)
}

/// One system call by the 32-bit entry, with numbers of its own and without pointers.
#[cfg(target_arch = "x86_64")]
pub fn call_32(number: u32, a: [u32; 3]) -> Answer {
    let ret: i32;
    // SAFETY: the kernel's calling convention for i386; rbx belongs to the compiler and is put back.
    unsafe {
        asm!("xchg {first:r}, rbx", "int 0x80", "xchg {first:r}, rbx", first = inout(reg) u64::from(a[0]) => _,
             inlateout("eax") number as i32 => ret, in("ecx") a[1], in("edx") a[2],
             lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _, options(nostack));
    }
    answer(ret as isize)
}

fn answer(ret: isize) -> Answer {
    if (-4095..0).contains(&ret) { Err(-ret as i32) } else { Ok(ret as usize) }
}

/// A word for a system call: the place of a string that ends with NUL. It is never freed, so it lives long enough.
pub fn text(text: &str) -> usize {
    CString::new(text).expect("no NUL").into_raw() as usize
}

/// A word for a system call: the place of some memory that is never freed.
pub fn memory<const N: usize>(words: [u64; N]) -> usize {
    Box::leak(Box::new(words)).as_mut_ptr() as usize
}

/// Opens a file.
pub fn open(path: &str, flags: u32) -> Answer {
    call(raw::__NR_openat, [at_cwd(), text(path), (flags | raw::O_CLOEXEC) as usize, 0, 0, 0])
}

/// The current directory, for calls that take a directory's descriptor.
pub fn at_cwd() -> usize {
    raw::AT_FDCWD as isize as usize
}

/// Does it in a process of its own, which nothing outlives.
pub fn in_a_child(attempt: impl FnOnce() -> Answer) -> Answer {
    let child = call(raw::__NR_clone, [raw::SIGCHLD as usize, 0, 0, 0, 0, 0])?;
    if child == 0 {
        let code = attempt().err().unwrap_or(0);
        let _ = call(raw::__NR_exit_group, [code as usize, 0, 0, 0, 0, 0]);
        unreachable!();
    }
    let status = memory([0]);
    while call(raw::__NR_wait4, [child, status, 0, 0, 0, 0]) == Err(errno::EINTR as i32) {}
    // SAFETY: the memory is there for ever, and the kernel wrote a number into it.
    let status = unsafe { *(status as *const i32) };
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, 0) => Ok(0),
        (0, errno) => Err(errno),
        (signal, _) => Err(KILLED + signal),
    }
}

/// An error's name as errno(3) has it.
pub fn errno_name(number: i32) -> String {
    const NAMES: &[(u32, &str)] = &[
        (errno::EPERM, "EPERM"),
        (errno::ENOENT, "ENOENT"),
        (errno::ESRCH, "ESRCH"),
        (errno::EIO, "EIO"),
        (errno::ENXIO, "ENXIO"),
        (errno::ENOEXEC, "ENOEXEC"),
        (errno::EBADF, "EBADF"),
        (errno::EACCES, "EACCES"),
        (errno::EFAULT, "EFAULT"),
        (errno::EBUSY, "EBUSY"),
        (errno::EEXIST, "EEXIST"),
        (errno::ENODEV, "ENODEV"),
        (errno::ENOTDIR, "ENOTDIR"),
        (errno::EISDIR, "EISDIR"),
        (errno::EINVAL, "EINVAL"),
        (errno::ENOTTY, "ENOTTY"),
        (errno::EROFS, "EROFS"),
        (errno::ENOSYS, "ENOSYS"),
        (errno::ELOOP, "ELOOP"),
        (errno::EOPNOTSUPP, "EOPNOTSUPP"),
        (errno::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (errno::ESTALE, "ESTALE"),
        (errno::ENOKEY, "ENOKEY"),
        (errno::ENODATA, "nothing"),
    ];
    let known = NAMES.iter().find(|(known, _)| *known as i32 == number);
    match known {
        Some((_, name)) => (*name).to_owned(),
        None if number > KILLED => format!("killed by {}", number - KILLED),
        None => number.to_string(),
    }
}
