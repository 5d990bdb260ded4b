//! What a process on one kind of machine can ask the kernel in: its own system calls, and those of an older kind.

use super::calls::{self, Numbers};

/// One architecture, in all the ways in which it is named.
pub struct Architecture {
    /// libseccomp's word, without `SCMP_ARCH_`.
    pub name: &'static str,
    /// `AUDIT_ARCH_*` of linux/audit.h, what the kernel tells a filter.
    pub audit: u32,
    /// The numbers of its calls.
    pub numbers: &'static Numbers,
    /// Whether its arguments have 64 bits. Where they have 32, what stands above them is nobody's.
    pub wide: bool,
    /// Where another kind of call begins under the same `audit`: x32, with bit 30 in every number.
    pub end: Option<u32>,
}

/// The architectures of one kind of machine.
pub struct Machine {
    /// docker's word for it, in `includes` and `excludes`.
    pub word: &'static str,
    /// Its own one.
    pub native: Architecture,
    /// The one for 32-bit programs.
    pub compat: Architecture,
}

/// Machines that this was compiled for.
#[cfg(any(test, target_arch = "x86_64"))]
pub static X86: Machine = Machine {
    word: "amd64",
    native: Architecture {
        name: "X86_64",
        audit: 0xc000_003e,
        numbers: &calls::X86_64,
        wide: true,
        end: Some(0x4000_0000),
    },
    compat: Architecture { name: "X86", audit: 0x4000_0003, numbers: &calls::I386, wide: false, end: None },
};

/// See [`X86`].
#[cfg(any(test, target_arch = "aarch64"))]
pub static ARM: Machine = Machine {
    word: "arm64",
    native: Architecture { name: "AARCH64", audit: 0xc000_00b7, numbers: &calls::AARCH64, wide: true, end: None },
    compat: Architecture { name: "ARM", audit: 0x4000_0028, numbers: &calls::ARM, wide: false, end: None },
};

/// The machine that this was compiled for.
#[cfg(target_arch = "x86_64")]
pub static HERE: &Machine = &X86;
/// The machine that this was compiled for.
#[cfg(target_arch = "aarch64")]
pub static HERE: &Machine = &ARM;

/// What libseccomp calls architectures, after `SCMP_ARCH_`.
pub const NAMES: &str = "NATIVE X86 X86_64 X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 \
    MIPSEL64N32 PARISC PARISC64 PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB";
/// What docker calls them in `includes` and `excludes`.
pub const WORDS: &str = "x86 amd64 x32 arm arm64 loong64 loongarch64 mips mips64 mips64n32 mipsel mipsle mipsel64 \
    mips3l64n32 mipsel64n32 ppc ppc64 ppc64le riscv64 s390 s390x";

/// i386's calls for many purposes: the call, its first argument, and the call that it then is. socketcall(2), ipc(2)
pub static MULTIPLEXED: [(u16, u16, u16); CALLS.len()] = {
    let mut multiplexed = [(0, 0, 0); CALLS.len()];
    let mut row = 0;
    while row < CALLS.len() {
        let (all, value, name) = CALLS[row];
        multiplexed[row] = (calls::place_of(all), value, calls::place_of(name));
        row += 1;
    }
    multiplexed
};

const CALLS: [(&str, u16, &str); 32] = [
    ("socketcall", 1, "socket"),
    ("socketcall", 2, "bind"),
    ("socketcall", 3, "connect"),
    ("socketcall", 4, "listen"),
    ("socketcall", 5, "accept"),
    ("socketcall", 6, "getsockname"),
    ("socketcall", 7, "getpeername"),
    ("socketcall", 8, "socketpair"),
    ("socketcall", 9, "send"),
    ("socketcall", 10, "recv"),
    ("socketcall", 11, "sendto"),
    ("socketcall", 12, "recvfrom"),
    ("socketcall", 13, "shutdown"),
    ("socketcall", 14, "setsockopt"),
    ("socketcall", 15, "getsockopt"),
    ("socketcall", 16, "sendmsg"),
    ("socketcall", 17, "recvmsg"),
    ("socketcall", 18, "accept4"),
    ("socketcall", 19, "recvmmsg"),
    ("socketcall", 20, "sendmmsg"),
    ("ipc", 1, "semop"),
    ("ipc", 2, "semget"),
    ("ipc", 3, "semctl"),
    ("ipc", 4, "semtimedop"),
    ("ipc", 11, "msgsnd"),
    ("ipc", 12, "msgrcv"),
    ("ipc", 13, "msgget"),
    ("ipc", 14, "msgctl"),
    ("ipc", 21, "shmat"),
    ("ipc", 22, "shmdt"),
    ("ipc", 23, "shmget"),
    ("ipc", 24, "shmctl"),
];
