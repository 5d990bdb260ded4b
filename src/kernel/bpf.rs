//! eBPF programs that decide about the opening of device nodes: instructions, loading, attaching. bpf(2),
//! linux/bpf_common.h, Documentation/bpf/standardization/instruction-set.rst

use super::sys::{self, Answer};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// linux/bpf.h
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// One instruction as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// What it does.
    pub code: u8,
    /// The register that it changes or tests in the lower half, the one that it reads in the upper half.
    pub registers: u8,
    /// How many instructions a jump skips, or where in memory something lies.
    pub offset: i16,
    /// A number.
    pub number: i32,
}

/// `BPF_LDX | BPF_W | BPF_MEM`
pub const LOAD: u8 = 0x61;
/// `BPF_ALU64 | BPF_MOV | BPF_K`
pub const SET: u8 = 0xb7;
/// `BPF_ALU64 | BPF_MOV | BPF_X`
pub const COPY: u8 = 0xbf;
/// `BPF_ALU64 | BPF_AND | BPF_K`
pub const AND: u8 = 0x57;
/// `BPF_ALU64 | BPF_RSH | BPF_K`
pub const SHIFT_RIGHT: u8 = 0x77;
/// `BPF_JMP | BPF_JNE | BPF_K`
pub const SKIP_UNLESS: u8 = 0x55;
/// `BPF_JMP | BPF_EXIT`
pub const EXIT: u8 = 0x95;

impl Instruction {
    const fn new(code: u8, to: u8, from: u8, offset: i16, number: i32) -> Self {
        Self { code, registers: to | from << 4, offset, number }
    }

    /// `to = the 32 bits at from + offset`
    pub const fn load(to: u8, from: u8, offset: i16) -> Self {
        Self::new(LOAD, to, from, offset, 0)
    }

    /// `to = number`
    pub const fn set(to: u8, number: i32) -> Self {
        Self::new(SET, to, 0, 0, number)
    }

    /// `to = from`
    pub const fn copy(to: u8, from: u8) -> Self {
        Self::new(COPY, to, from, 0, 0)
    }

    /// `to &= number`
    pub const fn and(to: u8, number: i32) -> Self {
        Self::new(AND, to, 0, 0, number)
    }

    /// `to >>= number`
    pub const fn shift_right(to: u8, number: i32) -> Self {
        Self::new(SHIFT_RIGHT, to, 0, 0, number)
    }

    /// Skips `count` instructions unless the register holds the number.
    pub const fn skip_unless(register: u8, number: i32, count: i16) -> Self {
        Self::new(SKIP_UNLESS, register, 0, count, number)
    }

    /// The end; the answer is in register 0.
    pub const fn exit() -> Self {
        Self::new(EXIT, 0, 0, 0, 0)
    }
}

/// Lets a program decide about every opening and making of a device node by the processes of a v2 cgroup, besides those
/// that decide already: all must agree. It stays for as long as the cgroup.
pub fn attach_device_filter(cgroup: BorrowedFd<'_>, program: &[Instruction]) -> Answer<()> {
    let load = || sys::bpf_load(BPF_PROG_TYPE_CGROUP_DEVICE, program);
    let loaded = match load() {
        // Before 5.11 programs count as locked memory, of which there is little by default.
        Err(Errno::PERM) => with_all_locked_memory(load)?,
        other => other?,
    };
    sys::bpf_attach(cgroup, loaded.as_fd(), BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI)
}

/// Whether such a program is attached to this very cgroup.
pub fn has_device_filter(cgroup: BorrowedFd<'_>) -> bool {
    sys::bpf_count(cgroup, BPF_CGROUP_DEVICE).is_ok_and(|count| count > 0)
}

/// Runs something with the limit of locked memory raised as far as it goes; afterwards the limit is the old one, as it
/// will be inherited.
fn with_all_locked_memory<T>(run: impl FnOnce() -> Answer<T>) -> Answer<T> {
    let old = getrlimit(Resource::Memlock);
    let none = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Memlock, none).is_err() {
        // Without CAP_SYS_RESOURCE the hard limit is the end.
        setrlimit(Resource::Memlock, Rlimit { current: old.maximum, maximum: old.maximum })?;
    }
    let done = run();
    setrlimit(Resource::Memlock, old)?;
    done
}
