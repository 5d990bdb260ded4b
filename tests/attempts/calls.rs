//! Attempts that are one system call. Their arguments are chosen so that a call that gets through changes nothing: a wrong
//! magic number, a file that does not exist, a descriptor that is none.

use super::Attempt;
use super::kernel::{Answer, at_cwd, call, in_a_child, memory, open, text};
use linux_raw_sys::general as raw;

/// A descriptor or an address that is none.
const NONE: usize = usize::MAX;
const NOWHERE: &str = "/nosuch/file";
/// KEY_SPEC_PROCESS_KEYRING of keyctl(2): goes with the process.
const OWN_KEYRING: usize = -2isize as usize;

fn one(number: u32, a: &[usize]) -> Answer {
    let mut words = [0; 6];
    words[..a.len()].copy_from_slice(a);
    call(number, words)
}

fn unshare(flag: u32) -> Answer {
    one(raw::__NR_unshare, &[flag as usize])
}

/// clone(2) of a process that ends at once.
fn clone(flags: u32) -> Answer {
    let child = one(raw::__NR_clone, &[(flags | raw::SIGCHLD) as usize])?;
    if child == 0 {
        let _ = one(raw::__NR_exit_group, &[0]);
    }
    Ok(child)
}

fn socket(family: usize, kind: usize, protocol: usize) -> Answer {
    one(raw::__NR_socket, &[family, kind, protocol])
}

/// Every attempt that all architectures have.
pub const ATTEMPTS: &[Attempt] = &[
    // Both magic numbers are wrong: who may reboot gets EINVAL, everybody else EPERM.
    ("reboot", || one(raw::__NR_reboot, &[1, 1, 1, 0])),
    ("kexec_load", || one(raw::__NR_kexec_load, &[0, 0, 0, 0xfff0])),
    ("kexec_file_load", || one(raw::__NR_kexec_file_load, &[NONE, NONE, 0, 0, 0xfff0])),
    ("init_module", || one(raw::__NR_init_module, &[text("no module"), 9, text("")])),
    ("finit_module", || one(raw::__NR_finit_module, &[NONE, text(""), 0])),
    ("delete_module", || one(raw::__NR_delete_module, &[text("nosuchmodule"), 0])),
    ("swapon", || one(raw::__NR_swapon, &[text(NOWHERE), 0])),
    ("swapoff", || one(raw::__NR_swapoff, &[text(NOWHERE)])),
    ("acct", || one(raw::__NR_acct, &[text(NOWHERE)])),
    ("quotactl", || one(raw::__NR_quotactl, &[0x8000_0500, text(NOWHERE), 0, 0])),
    // Neither a time nor a time zone: only the permission is looked at.
    ("settimeofday", || one(raw::__NR_settimeofday, &[0, 0])),
    ("clock_settime", || one(raw::__NR_clock_settime, &[0, memory([0, 2_000_000_000])])),
    ("syslog", || one(raw::__NR_syslog, &[9, 0, 0])),
    ("bpf", || one(raw::__NR_bpf, &[0xffff, 0, 0])),
    ("perf_event_open", || {
        one(raw::__NR_perf_event_open, &[memory([1 | 64 << 32, 0, 0, 0, 0, 0, 0, 0]), NONE, 0, NONE, 0])
    }),
    ("userfaultfd", || one(raw::__NR_userfaultfd, &[0])),
    ("add_key", || one(raw::__NR_add_key, &[text("user"), text("mydocker"), text("x"), 1, OWN_KEYRING])),
    ("request_key", || one(raw::__NR_request_key, &[text("user"), text("nosuchkey"), 0, OWN_KEYRING])),
    ("keyctl", || one(raw::__NR_keyctl, &[0, OWN_KEYRING, 1])),
    ("sethostname", || one(raw::__NR_sethostname, &[text("evil"), 4])),
    ("setdomainname", || one(raw::__NR_setdomainname, &[text("evil"), 4])),
    ("vhangup", || one(raw::__NR_vhangup, &[])),
    ("fanotify_init", || one(raw::__NR_fanotify_init, &[0, 0])),
    ("io_uring_setup", || one(raw::__NR_io_uring_setup, &[1, memory([0; 32])])),
    ("kcmp", || in_this(|pid| one(raw::__NR_kcmp, &[pid, pid, 0, 0, 0]))),
    ("pidfd_getfd", || one(raw::__NR_pidfd_getfd, &[NONE, 0, 0])),
    ("process_madvise", || one(raw::__NR_process_madvise, &[NONE, 0, 0, 0, 0])),
    ("mbind", || one(raw::__NR_mbind, &[0, 0, 0xffff, 0, 0, 0])),
    ("set_mempolicy", || one(raw::__NR_set_mempolicy, &[0xffff, 0, 0])),
    ("move_pages", || one(raw::__NR_move_pages, &[0, 0, 0, 0, 0, 0xffff])),
    ("unshare mnt", || unshare(raw::CLONE_NEWNS)),
    ("unshare uts", || unshare(raw::CLONE_NEWUTS)),
    ("unshare ipc", || unshare(raw::CLONE_NEWIPC)),
    ("unshare net", || unshare(raw::CLONE_NEWNET)),
    ("unshare pid", || unshare(raw::CLONE_NEWPID)),
    ("unshare cgroup", || unshare(raw::CLONE_NEWCGROUP)),
    ("unshare time", || unshare(raw::CLONE_NEWTIME)),
    ("unshare user", || unshare(raw::CLONE_NEWUSER)),
    ("unshare files", || unshare(raw::CLONE_FILES)),
    ("clone user", || clone(raw::CLONE_NEWUSER)),
    ("clone mnt", || clone(raw::CLONE_NEWNS)),
    ("clone net", || clone(raw::CLONE_NEWNET)),
    ("clone plain", || clone(0)),
    ("clone3", || one(raw::__NR_clone3, &[0, 0])),
    ("setns", || one(raw::__NR_setns, &[open("/proc/self/ns/uts", raw::O_RDONLY)?, 0])),
    ("pivot_root", || one(raw::__NR_pivot_root, &[text("/"), text(NOWHERE)])),
    ("umount", || one(raw::__NR_umount2, &[text("/dev/shm"), raw::MNT_DETACH as usize])),
    ("fsopen", || one(raw::__NR_fsopen, &[text("tmpfs"), 0])),
    ("fspick", || one(raw::__NR_fspick, &[at_cwd(), text("/dev"), 0])),
    ("fsconfig", || one(raw::__NR_fsconfig, &[NONE, 6, 0, 0, 0])),
    ("fsmount", || one(raw::__NR_fsmount, &[NONE, 0, 0])),
    ("open_tree", || one(raw::__NR_open_tree, &[at_cwd(), text("/"), raw::OPEN_TREE_CLONE as usize])),
    ("move_mount", || one(raw::__NR_move_mount, &[NONE, text(""), NONE, text(""), 0x44])),
    ("mount_setattr", || one(raw::__NR_mount_setattr, &[at_cwd(), text(NOWHERE), 0, memory([0; 4]), 32])),
    ("personality 0", || one(raw::__NR_personality, &[0])),
    ("personality ask", || one(raw::__NR_personality, &[0xffff_ffff])),
    ("personality linux32", || one(raw::__NR_personality, &[8])),
    ("personality no-randomize", || one(raw::__NR_personality, &[0x004_0000])),
    ("personality mmap-zero", || one(raw::__NR_personality, &[0x10_0000])),
    ("socket raw", || socket(2, 3, 1)),
    ("socket packet", || socket(17, 3, 0x300)),
    ("socket netlink", || socket(16, 3, 0)),
    ("socket unix", || socket(1, 1, 0)),
    ("socket vsock", || socket(40, 1, 0)),
    ("socket alg", || socket(38, 5, 0)),
    ("name_to_handle_at", || {
        let handle = memory([128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        one(raw::__NR_name_to_handle_at, &[at_cwd(), text("/etc/hosts"), handle, memory([0]), 0])
    }),
    ("chroot", || one(raw::__NR_chroot, &[text("/tmp")])),
    ("ptrace a child", || in_a_child(|| one(raw::__NR_ptrace, &[0, 0, 0, 0]))),
];

fn in_this(with: impl FnOnce(usize) -> Answer) -> Answer {
    with(one(raw::__NR_getpid, &[])?)
}

/// What only x86_64 has: old calls, ports, and two more ways into the kernel.
#[cfg(target_arch = "x86_64")]
pub const OLD_ATTEMPTS: &[Attempt] = &[
    ("iopl", || one(raw::__NR_iopl, &[3])),
    ("ioperm", || one(raw::__NR_ioperm, &[0x80, 1, 1])),
    ("ustat", || one(raw::__NR_ustat, &[0, 0])),
    ("sysfs(2)", || one(raw::__NR_sysfs, &[3])),
    ("uselib", || one(raw::__NR_uselib, &[text(NOWHERE)])),
    ("_sysctl", || one(raw::__NR__sysctl, &[0])),
    ("nfsservctl", || one(raw::__NR_nfsservctl, &[0, 0, 0])),
    ("int 0x80 keyctl", || super::kernel::call_32(288, [0, -2i32 as u32, 1])),
    ("int 0x80 unshare user", || super::kernel::call_32(310, [raw::CLONE_NEWUSER, 0, 0])),
    ("int 0x80 mount", || super::kernel::call_32(21, [0, 0, 0])),
    ("int 0x80 clone3", || super::kernel::call_32(435, [0, 0, 0])),
    ("x32 keyctl", || one(0x4000_0000 | raw::__NR_keyctl, &[0, OWN_KEYRING, 1])),
    ("x32 unshare user", || one(0x4000_0000 | raw::__NR_unshare, &[raw::CLONE_NEWUSER as usize])),
];

/// Nothing else has them.
#[cfg(not(target_arch = "x86_64"))]
pub const OLD_ATTEMPTS: &[Attempt] = &[];

/// One attempt on another process: its name, and what it does with the pid.
type OnAnother = (&'static str, fn(i32) -> Answer);

/// What can be tried on another process.
pub const OUTSIDE: &[OnAnother] = &[
    // PTRACE_SEIZE stops nothing, and ends with this process.
    ("ptrace", |pid| one(raw::__NR_ptrace, &[0x4206, pid as usize, 0, 0])),
    // The address is none: who may read gets EFAULT.
    ("process_vm_readv", |pid| {
        let own = memory([memory([0]) as u64, 8]);
        one(raw::__NR_process_vm_readv, &[pid as usize, own, 1, memory([0, 8]), 1, 0])
    }),
    ("pidfd_getfd", |pid| {
        let pidfd = one(raw::__NR_pidfd_open, &[pid as usize, 0])?;
        one(raw::__NR_pidfd_getfd, &[pidfd, 0, 0])
    }),
    ("mem", |pid| open(&format!("/proc/{pid}/mem"), raw::O_RDWR)),
    ("root", |pid| open(&format!("/proc/{pid}/root/etc"), raw::O_RDONLY)),
    ("cwd", |pid| open(&format!("/proc/{pid}/cwd"), raw::O_RDONLY)),
    ("environ", |pid| open(&format!("/proc/{pid}/environ"), raw::O_RDONLY)),
    ("fd", |pid| open(&format!("/proc/{pid}/fd/0"), raw::O_RDONLY)),
    ("ns", |pid| {
        let namespace = open(&format!("/proc/{pid}/ns/mnt"), raw::O_RDONLY)?;
        one(raw::__NR_setns, &[namespace, 0])
    }),
];
