//! The programs, run by an interpreter and by the kernel.

use super::machine::{ARM, Architecture, Machine, X86};
use super::rules::{
    ALLOW, Action, Condition, ENOSYS, KILL_PROCESS, KILL_THREAD, LOG, Op, Outcome, Rules, TRACE, TRAP, errno,
};
use super::{calls, compile_for, default};
use crate::kernel::sys::{self, Instruction};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::Range;
use linux_raw_sys::general as raw;

const EPERM: Action = errno(1);
const KERNEL: (u32, u32) = (6, 18);
/// What a default container has.
const DOCKER: u64 = 0xa804_25fb;
const SYS_ADMIN: u64 = 1 << 21;

/// What the kernel does with a program: bpf_check_classic's demands, and the run itself.
fn run(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> Action {
    super::judge::judge(program, arch, number, arguments)
}

/// What the rules say of each number of an architecture, found without ranges and trees.
struct Judge<'a> {
    rules: &'a Rules,
    architecture: &'a Architecture,
    outcomes: Vec<(u32, Outcome)>,
}

impl<'a> Judge<'a> {
    fn new(rules: &'a Rules, architecture: &'a Architecture) -> Self {
        let named = rules.outcomes.iter().enumerate().filter(|(_, outcome)| **outcome != Outcome::Unnamed);
        let outcomes = named.filter_map(|(call, outcome)| Some((number_of(architecture.numbers, call)?, *outcome)));
        Self { rules, architecture, outcomes: outcomes.collect() }
    }

    fn outcome(&self, number: u32) -> Outcome {
        if self.architecture.end.is_some_and(|end| number >= end) {
            return Outcome::Return(ENOSYS);
        }
        let open = matches!(self.rules.default, ALLOW | LOG) || self.rules.default & 0xffff_0000 == TRACE;
        let newest = self.outcomes.iter().map(|(number, _)| *number).filter(|n| *n < calls::PRIVATE_NUMBERS).max();
        match self.outcomes.iter().find(|(known, _)| *known == number) {
            Some((_, outcome)) => *outcome,
            None if !open && newest.is_some_and(|newest| number > newest) => Outcome::Return(ENOSYS),
            None => Outcome::Default,
        }
    }

    fn action(&self, outcome: Outcome, arguments: [u64; 6]) -> Action {
        let cut = |value: u64| if self.architecture.wide { value } else { value & 0xffff_ffff };
        let holds = |c: &Condition| {
            let (argument, value) = (cut(arguments[usize::from(c.argument)]), cut(c.value));
            match c.op {
                Op::Ne => argument != value,
                Op::Lt => argument < value,
                Op::Le => argument <= value,
                Op::Eq => argument == value,
                Op::Ge => argument >= value,
                Op::Gt => argument > value,
                Op::Masked => argument & value == cut(c.other),
            }
        };
        match outcome {
            Outcome::Return(action) => action,
            Outcome::Unnamed | Outcome::Default => self.rules.default,
            Outcome::First(list) => {
                let found = self.rules.lists[list as usize].iter().find(|rule| rule.conditions.iter().all(holds));
                found.map_or(self.rules.default, |rule| rule.action)
            }
        }
    }
}

/// Values around those that a list of rules speaks of, and others.
fn arguments(rules: &Rules, outcome: Outcome) -> Vec<[u64; 6]> {
    let Outcome::First(list) = outcome else { return vec![[0; 6], [u64::MAX; 6]] };
    let mut values = vec![0, 1, 8, 40, 0x11, 0x1_0000_0000, 0x1_0000_0028, u64::MAX, 0x7e02_0000, 0x1_0000_0000_0000];
    for condition in rules.lists[list as usize].iter().flat_map(|rule| &rule.conditions) {
        for value in [condition.value, condition.other, condition.value ^ (1 << 35)] {
            values.extend([value, value.wrapping_add(1), value.wrapping_sub(1), value | 3 << 32]);
        }
    }
    let mut sets: Vec<[u64; 6]> = values.iter().map(|value| [*value; 6]).collect();
    sets.extend(values.iter().map(|value| [*value, !*value, 0, *value, 1, 2]));
    sets
}

/// Compares the program with the rules for all numbers and many arguments.
#[track_caller]
fn compare(machine: &Machine, rules: &Rules, compat: bool, numbers: Range<u32>) -> usize {
    let program = super::assembly::assemble(rules.clone(), machine, compat).unwrap();
    let special = [0xf0001, 0xf0002, 0xf0005, 0xf0006, 0x3fff_ffff, 0x4000_0000, 0x4000_003b, u32::MAX - 1, u32::MAX];
    for architecture in [&machine.native, &machine.compat] {
        let judge = Judge::new(rules, architecture);
        let judged = compat || architecture.wide;
        for number in numbers.clone().chain(special) {
            let outcome = if judged { judge.outcome(number) } else { Outcome::Return(KILL_PROCESS) };
            for set in arguments(rules, outcome) {
                let found = run(&program, architecture.audit, number, set);
                assert_eq!(found, judge.action(outcome, set), "{} {number} {set:x?}", architecture.name);
            }
        }
    }
    assert_eq!(run(&program, 0x1234, 0, [0; 6]), KILL_PROCESS);
    program.len()
}

/// The number of a call on an architecture.
fn number_of(numbers: &calls::Numbers, call: usize) -> Option<u32> {
    numbers.iter().position(|known| usize::from(*known) == call).map(calls::number)
}

struct Compiled(Vec<Instruction>, &'static Machine);

impl Compiled {
    fn default(capabilities: u64) -> Self {
        Self(compile_for(&X86, None, capabilities, KERNEL).unwrap().program, &X86)
    }

    #[track_caller]
    fn of(profile: &str) -> Self {
        Self(compile_for(&X86, Some(profile), DOCKER, KERNEL).unwrap().program, &X86)
    }

    fn on(&self, architecture: &Architecture, name: &str, first: u64, second: u64) -> Action {
        let number = number_of(architecture.numbers, calls::find(name).unwrap()).unwrap();
        run(&self.0, architecture.audit, number, [first, second, 0, 0, 0, 0])
    }

    fn says(&self, name: &str, first: u64) -> Action {
        self.on(&self.1.native, name, first, 0)
    }

    fn says32(&self, name: &str, first: u64) -> Action {
        self.on(&self.1.compat, name, first, 0)
    }
}

#[test]
fn names_are_in_order_and_found() {
    for call in 0..calls::COUNT {
        let name = core::str::from_utf8(calls::name(call)).unwrap();
        assert!(call == 0 || calls::name(call - 1) < name.as_bytes(), "{name}");
        assert_eq!(calls::find(name), Some(call), "{name}");
    }
    assert_eq!(calls::find("arm_sync_file_range"), calls::find("sync_file_range2"));
    assert!(["", "opne", "zzz", "read ", "Read"].iter().all(|name| calls::find(name).is_none()));
    for numbers in [&calls::X86_64, &calls::I386, &calls::AARCH64, &calls::ARM] {
        let all: Vec<u16> = numbers.iter().copied().filter(|call| *call != calls::MISSING).collect();
        assert!(all.len() > 320 && all.iter().all(|call| usize::from(*call) < calls::COUNT));
    }
}

#[test]
fn numbers_are_the_kernels() {
    macro_rules! native {
        ($($name:literal $number:ident)*) => { [$(($name, raw::$number)),*] };
    }
    let own = native! {
        "read" __NR_read "openat" __NR_openat "close" __NR_close "mmap" __NR_mmap "brk" __NR_brk "ioctl" __NR_ioctl
        "clone" __NR_clone "clone3" __NR_clone3 "execve" __NR_execve "execveat" __NR_execveat "socket" __NR_socket
        "ptrace" __NR_ptrace "mount" __NR_mount "umount2" __NR_umount2 "unshare" __NR_unshare "setns" __NR_setns
        "pivot_root" __NR_pivot_root "reboot" __NR_reboot "bpf" __NR_bpf "seccomp" __NR_seccomp "keyctl" __NR_keyctl
        "personality" __NR_personality "chroot" __NR_chroot "userfaultfd" __NR_userfaultfd "prctl" __NR_prctl
        "io_uring_setup" __NR_io_uring_setup "open_by_handle_at" __NR_open_by_handle_at "openat2" __NR_openat2
        "perf_event_open" __NR_perf_event_open "faccessat2" __NR_faccessat2 "fchmodat2" __NR_fchmodat2
        "cachestat" __NR_cachestat "map_shadow_stack" __NR_map_shadow_stack "futex_wake" __NR_futex_wake
        "futex_wait" __NR_futex_wait "futex_requeue" __NR_futex_requeue "statmount" __NR_statmount
        "listmount" __NR_listmount "lsm_get_self_attr" __NR_lsm_get_self_attr "mseal" __NR_mseal
        "lsm_set_self_attr" __NR_lsm_set_self_attr "lsm_list_modules" __NR_lsm_list_modules
        "setxattrat" __NR_setxattrat "removexattrat" __NR_removexattrat "open_tree_attr" __NR_open_tree_attr
        "file_getattr" __NR_file_getattr "file_setattr" __NR_file_setattr "mount_setattr" __NR_mount_setattr
    };
    for (name, number) in own {
        let found = number_of(super::HERE.native.numbers, calls::find(name).unwrap());
        assert_eq!(found, Some(number), "{name}");
    }
    // name, x86_64, i386, aarch64, arm, from the kernel's headers of each.
    let known = [
        ("read", 0, 3, 63, 3),
        ("execve", 59, 11, 221, 11),
        ("clone", 56, 120, 220, 120),
        ("socket", 41, 359, 198, 281),
        ("mount", 165, 21, 40, 21),
        ("unshare", 272, 310, 97, 337),
        ("personality", 135, 136, 92, 136),
        ("seccomp", 317, 354, 277, 383),
        ("bpf", 321, 357, 280, 386),
        ("exit_group", 231, 252, 94, 248),
        ("clone3", 435, 435, 435, 435),
    ];
    for (name, x86_64, i386, aarch64, arm) in known {
        let numbers = [&calls::X86_64, &calls::I386, &calls::AARCH64, &calls::ARM];
        let found = numbers.map(|numbers| number_of(numbers, calls::find(name).unwrap()));
        assert_eq!(found, [x86_64, i386, aarch64, arm].map(Some), "{name}");
    }
    assert_eq!(number_of(&calls::ARM, calls::find("set_tls").unwrap()), Some(0xf0005));
}

/// What amicontained reports of docker 20.10, without msgrcv, setpgid and setsid, which failed with EPERM on their own.
const BLOCKED_BY_DOCKER: &str = "syslog uselib ustat sysfs vhangup pivot_root _sysctl acct settimeofday mount umount2 \
    swapon swapoff reboot sethostname setdomainname iopl ioperm create_module init_module delete_module \
    get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security lookup_dcookie \
    clock_settime vserver mbind set_mempolicy get_mempolicy kexec_load add_key request_key keyctl migrate_pages unshare \
    move_pages perf_event_open fanotify_init name_to_handle_at open_by_handle_at setns process_vm_readv \
    process_vm_writev kcmp finit_module kexec_file_load bpf userfaultfd pkey_mprotect pkey_alloc pkey_free";

#[test]
fn as_many_calls_are_blocked_as_docker_blocks() {
    let filter = Compiled::default(DOCKER);
    let mut docker: Vec<&str> = BLOCKED_BY_DOCKER.split_whitespace().collect();
    assert_eq!(docker.len(), 61 - 3);
    let calls = (0..calls::COUNT).filter(|call| number_of(&calls::X86_64, *call).is_some_and(|number| number < 334));
    let names = calls.map(|call| core::str::from_utf8(calls::name(call)).unwrap());
    let mut ours: Vec<&str> = names.filter(|name| filter.says(name, 0) == EPERM).collect();
    docker.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, docker);
}

#[test]
fn the_program_says_what_the_default_profile_says() {
    for machine in [&X86, &ARM] {
        for capabilities in [0, DOCKER, DOCKER | SYS_ADMIN, u64::MAX] {
            let length = compare(machine, &default::rules(capabilities, KERNEL), true, 0..600);
            assert!(length < 400, "{length} instructions");
        }
    }
}

#[test]
fn capabilities_open_calls() {
    let none = Compiled::default(0);
    let docker = Compiled::default(DOCKER);
    let admin = Compiled::default(DOCKER | SYS_ADMIN);
    for name in ["mount", "umount2", "unshare", "setns", "open_tree", "open_tree_attr", "bpf", "syslog", "clone3"] {
        assert_eq!(admin.says(name, 0), ALLOW, "{name}");
        assert_ne!(docker.says(name, 0), ALLOW, "{name}");
    }
    assert_eq!((docker.says("clone3", 0), none.says("clone3", 0)), (ENOSYS, ENOSYS));
    assert_eq!((none.says("chroot", 0), docker.says("chroot", 0)), (EPERM, ALLOW));
    for (capability, name) in [
        (2, "open_by_handle_at"),
        (16, "finit_module"),
        (17, "iopl"),
        (19, "kcmp"),
        (19, "process_vm_readv"),
        (20, "acct"),
        (22, "reboot"),
        (23, "mbind"),
        (25, "clock_settime"),
        (26, "vhangup"),
        (34, "syslog"),
        (38, "perf_event_open"),
        (39, "bpf"),
    ] {
        assert_eq!(none.says(name, 0), EPERM, "{name}");
        assert_eq!(Compiled::default(1 << capability).says(name, 0), ALLOW, "{name}");
        let others = Compiled::default(!(1 << capability | SYS_ADMIN));
        assert_eq!(others.says(name, 0), EPERM, "{name}");
    }
    // Nobody gets these from us but the unconfined.
    for name in ["kexec_load", "keyctl", "swapon", "pivot_root", "userfaultfd", "io_uring_setup", "add_key"] {
        assert_eq!(Compiled::default(u64::MAX).says(name, 0), EPERM, "{name}");
    }
    let old = compile_for(&X86, None, DOCKER, (4, 7)).unwrap();
    assert_eq!(Compiled(old.program, &X86).says("ptrace", 0), EPERM);
    assert_eq!(docker.says("ptrace", 0), ALLOW);
}

#[test]
fn arguments_decide_about_some_calls() {
    let docker = Compiled::default(DOCKER);
    let sigchld = 17;
    assert_eq!(docker.says("clone", sigchld), ALLOW);
    let new = [raw::CLONE_NEWNS, raw::CLONE_NEWUSER, raw::CLONE_NEWPID, raw::CLONE_NEWNET, raw::CLONE_NEWCGROUP];
    for flag in new.map(u64::from) {
        assert_eq!(docker.says("clone", flag | sigchld), EPERM, "{flag:x}");
        assert_eq!(docker.says32("clone", flag | sigchld), EPERM, "{flag:x}");
        assert_eq!(docker.says("clone", flag | 5 << 32), EPERM, "{flag:x}"); // the kernel looks at the lower half only
    }
    assert_eq!(Compiled::default(DOCKER | SYS_ADMIN).says("clone", raw::CLONE_NEWUSER.into()), ALLOW);
    for (persona, answer) in [(0, ALLOW), (8, ALLOW), (0x20000, ALLOW), (0x20008, ALLOW), (0xffff_ffff, ALLOW)] {
        assert_eq!(docker.says("personality", persona), answer, "{persona:x}");
    }
    for persona in [1, 0x4_0000, 0x2_0009, 0x1_0000_0000, u64::MAX] {
        assert_eq!(docker.says("personality", persona), EPERM, "{persona:x}");
    }
    for family in [1, 2, 10, 16, 17, 29, 44] {
        assert_eq!(docker.says("socket", family), ALLOW, "{family}");
        assert_eq!(docker.says32("socket", family), ALLOW, "{family}");
    }
    for family in [38, 40, 12, 46, 0x1_0000_0028, 0x8000_0000_0000_0028] {
        assert_eq!(docker.says("socket", family), EPERM, "{family}");
        assert_eq!(docker.says32("socket", family), EPERM, "{family}");
    }
}

#[test]
fn no_other_entry_leads_around() {
    let docker = Compiled::default(DOCKER);
    let x86_64 = X86.native.audit;
    // x32: every number with bit 30.
    for number in (0..600).map(|number| number | 0x4000_0000) {
        assert_eq!(run(&docker.0, x86_64, number, [0; 6]), ENOSYS);
    }
    assert_eq!(run(&docker.0, x86_64, u32::MAX, [0; 6]), ENOSYS);
    for name in ["mount", "unshare", "umount", "keyctl", "init_module", "vm86", "ptrace", "pivot_root", "clone3"] {
        assert_eq!(docker.says32(name, 0) == ALLOW, name == "ptrace", "{name}");
    }
    assert_eq!((docker.says32("socketcall", 1), docker.says32("ipc", 1)), (ALLOW, ALLOW));
    for arch in [ARM.native.audit, ARM.compat.audit, 0, 0xc000_003f] {
        assert_eq!(run(&docker.0, arch, 0, [0; 6]), KILL_PROCESS);
    }
    // Newer than the profile: the answer of an older kernel. Older and unnamed: no.
    for (number, answer) in [(467, ENOSYS), (471, ENOSYS), (599, ENOSYS), (180, EPERM), (425, EPERM), (400, EPERM)] {
        assert_eq!(run(&docker.0, x86_64, number, [0; 6]), answer, "{number}");
    }
}

#[test]
fn rules_add_up_as_in_docker() {
    let read = |syscalls: &str| format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{syscalls}]}}"#);
    let rule = |name: &str, action: &str, args: &str| {
        format!(r#"{{"names":["{name}"],"action":"SCMP_ACT_{action}","args":[{args}]}}"#)
    };
    let arg = |index: u8, op: &str, value: u64| format!(r#"{{"index":{index},"op":"SCMP_CMP_{op}","value":{value}}}"#);
    // Several rules: one is enough. An unconditional one wins, wherever it stands; the default action says nothing.
    let or =
        Compiled::of(&read(&[rule("dup", "ALLOW", &arg(0, "EQ", 1)), rule("dup", "LOG", &arg(0, "EQ", 2))].join(",")));
    assert_eq!([1, 2, 3].map(|n| or.says("dup", n)), [ALLOW, LOG, EPERM]);
    let all = Compiled::of(&read(&[rule("dup", "TRAP", &arg(0, "EQ", 1)), rule("dup", "ALLOW", "")].join(",")));
    assert_eq!([1, 2].map(|n| all.says("dup", n)), [ALLOW, ALLOW]);
    let same = Compiled::of(&read(&[rule("dup", "ERRNO", ""), rule("dup", "ALLOW", &arg(0, "EQ", 1))].join(",")));
    assert_eq!([1, 2].map(|n| same.says("dup", n)), [ALLOW, EPERM]);
    // Conditions on two arguments: both. Two on the same: either.
    let and = Compiled::of(&read(&rule("dup", "ALLOW", &format!("{},{}", arg(0, "GT", 3), arg(1, "LE", 5)))));
    let native = &X86.native;
    assert_eq!([(4, 5), (4, 6), (3, 5)].map(|(a, b)| and.on(native, "dup", a, b)), [ALLOW, EPERM, EPERM]);
    let either = Compiled::of(&read(&rule("dup", "ALLOW", &format!("{},{}", arg(0, "EQ", 3), arg(0, "EQ", 5)))));
    assert_eq!([3, 4, 5].map(|n| either.says("dup", n)), [ALLOW, EPERM, ALLOW]);
}

#[test]
fn every_action_and_default_has_its_meaning() {
    for (word, action) in [
        ("KILL", KILL_THREAD),
        ("KILL_THREAD", KILL_THREAD),
        ("KILL_PROCESS", KILL_PROCESS),
        ("TRAP", TRAP),
        ("ERRNO", errno(77)),
        ("TRACE", TRACE | 0x4d),
        ("LOG", LOG),
        ("ALLOW", ALLOW),
    ] {
        let rule = format!(r#"{{"names":["dup"],"action":"SCMP_ACT_{word}","errnoRet":77}}"#);
        let as_rule = Compiled::of(&format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{rule}]}}"#));
        assert_eq!((as_rule.says("dup", 0), as_rule.says("getpid", 0)), (action, ENOSYS), "{word}");
        let as_default = Compiled::of(&format!(r#"{{"defaultAction":"SCMP_ACT_{word}","defaultErrnoRet":77}}"#));
        assert_eq!(as_default.says("dup", 0), action, "{word}");
        assert_eq!(as_default.says32("dup", 0), KILL_PROCESS, "{word}: 32-bit programs were not asked for");
        assert_eq!(run(&as_default.0, X86.native.audit, 0x4000_0000, [0; 6]), ENOSYS);
    }
}

#[test]
fn dockers_conditions_choose_rules() {
    let of = |machine: &'static Machine, condition: &str, capabilities: u64, kernel| {
        let rule = format!(r#"{{"names":["dup3"],"action":"SCMP_ACT_ALLOW",{condition}}}"#);
        let profile = format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":9,"syscalls":[{rule},
            {{"name":"mseal","action":"SCMP_ACT_ALLOW"}}]}}"#
        );
        let filter = compile_for(machine, Some(&profile), capabilities, kernel).unwrap();
        Compiled(filter.program, machine).says("dup3", 0) == ALLOW
    };
    for (condition, capabilities, kernel, x86, arm) in [
        (r#""includes":{"caps":["CAP_BPF"]}"#, 1 << 39, KERNEL, true, true),
        (r#""includes":{"caps":["CAP_BPF"]}"#, !(1 << 39), KERNEL, false, false),
        (r#""includes":{"caps":["CAP_BPF","CAP_KILL"]}"#, 1 << 39, KERNEL, false, false),
        (r#""excludes":{"caps":["CAP_BPF","CAP_KILL"]}"#, 1 << 39, KERNEL, false, false),
        (r#""excludes":{"caps":["CAP_BPF"]}"#, 0, KERNEL, true, true),
        (r#""includes":{"arches":["amd64","x32"]}"#, 0, KERNEL, true, false),
        (r#""excludes":{"arches":["arm","arm64"]}"#, 0, KERNEL, true, false),
        (r#""includes":{"arches":["s390x"]},"excludes":null"#, 0, KERNEL, false, false),
        (r#""includes":{"minKernel":"5.10"}"#, 0, (5, 9), false, false),
        (r#""includes":{"minKernel":"5.10"}"#, 0, (6, 0), true, true),
        (r#""excludes":{"minKernel":"5.10"}"#, 0, (5, 10), false, false),
        (r#""includes":{},"comment":"none"}"#.trim_end_matches('}'), 0, KERNEL, true, true),
    ] {
        assert_eq!(of(&X86, condition, capabilities, kernel), x86, "{condition}");
        assert_eq!(of(&ARM, condition, capabilities, kernel), arm, "{condition}");
    }
}

#[test]
fn thirty_two_bit_programs_are_covered_when_the_profile_says_so() {
    let of = |fields: &str| {
        let deny = r#"{"names":["connect","semop"],"action":"SCMP_ACT_ERRNO"}"#;
        Compiled::of(&format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW",{fields},"syscalls":[{deny}]}}"#))
    };
    let map = r#""archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
        {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]}]"#;
    for fields in [map, r#""architectures":["SCMP_ARCH_X86"]"#] {
        let both = of(fields);
        assert_eq!([both.says("connect", 0), both.says32("connect", 0), both.says32("dup", 0)], [EPERM, EPERM, ALLOW]);
        // What is said of a call is said of socketcall and ipc, too.
        assert_eq!([both.says32("socketcall", 3), both.says32("socketcall", 1)], [EPERM, ALLOW]);
        assert_eq!([both.says32("ipc", 1), both.says32("ipc", 0x1_0001), both.says32("ipc", 2)], [EPERM, EPERM, ALLOW]);
    }
    let one = of(r#""architectures":["SCMP_ARCH_X86_64"]"#);
    assert_eq!([one.says("dup", 0), one.says32("dup", 0)], [ALLOW, KILL_PROCESS]);
}

/// A profile with rules for so many calls that jumps do not reach, and others from one end of it to the other.
fn long_profile(rules_each: usize) -> String {
    let mut syscalls = Vec::new();
    let words = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    for call in (0..calls::COUNT).filter(|call| number_of(&calls::X86_64, *call).is_some()) {
        let name = core::str::from_utf8(calls::name(call)).unwrap();
        for n in 0..rules_each {
            let op = words[(call + n) % 7];
            let value = ((call as u64) << 30 | n as u64) * 3;
            let args = format!(r#"{{"index":{},"op":"SCMP_CMP_{op}","value":{value},"valueTwo":{n}}}"#, n % 6);
            let action = format!(r#""action":"SCMP_ACT_ERRNO","errnoRet":{}"#, call + n);
            syscalls.push(format!(r#"{{"names":["{name}"],{action},"args":[{args}]}}"#));
        }
        if call % 3 == 0 {
            syscalls.push(format!(r#"{{"names":["{name}"],"action":"SCMP_ACT_ERRNO","errnoRet":{call}}}"#));
        }
    }
    format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}}"#, syscalls.join(",\n"))
}

#[test]
fn long_programs_are_right_and_too_long_ones_refused() {
    let text = long_profile(1);
    let length =
        compare(&X86, &super::Profile::read(&text, &X86, false).unwrap().rules(0, KERNEL).unwrap(), false, 0..600);
    assert!(length > 1000, "{length}");
    assert!(super::check(&text).is_ok());
    let error = super::check(&long_profile(6)).unwrap_err();
    assert!(format!("{error}").starts_with("the seccomp profile is too long"), "{error}");
}

#[test]
fn comparisons_of_64_bits_are_exact() {
    for op in ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] {
        for value in [0_u64, 1, 0xffff_ffff, 0x1_0000_0000, 0x5_0000_0007, u64::MAX] {
            for other in [0, 1, 0x4_0000_0003_u64] {
                let arg = format!(r#"{{"index":5,"op":"SCMP_CMP_{op}","value":{value},"valueTwo":{other}}}"#);
                let rule = format!(r#"{{"names":["dup","read"],"action":"SCMP_ACT_TRAP","args":[{arg}]}}"#);
                let fields = r#""defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"]"#;
                let text = format!(r#"{{{fields},"syscalls":[{rule}]}}"#);
                compare(
                    &X86,
                    &super::Profile::read(&text, &X86, false).unwrap().rules(0, KERNEL).unwrap(),
                    true,
                    0..64,
                );
            }
        }
    }
}

#[test]
fn a_profile_that_is_wrong_is_refused_with_its_place() {
    let in_rule = |field: &str| format!("{{\"defaultAction\":\"SCMP_ACT_ERRNO\",\n \"syscalls\":[{{{field}}}]}}");
    let named = |field: &str| in_rule(&format!(r#""names":["dup"],"action":"SCMP_ACT_ALLOW",{field}"#));
    let deep = format!("{{\"defaultAction\": {}", "[".repeat(100_000));
    for (text, message) in [
        (String::new(), "line 1, column 1: expected a value, but the text ends"),
        ("[]".into(), "line 1, column 1: the profile is not an object"),
        ("{}".into(), "line 1, column 1: defaultAction is missing"),
        ("{\n  \"défaut\": }".into(), "line 2, column 13: expected a value, not '}'"),
        ("{\"a\":1,\n}".into(), "line 2, column 1: expected a name in quotes, not '}'"),
        ("{\"a\":1\n\"b\":2}".into(), "line 2, column 1: expected ',' or '}', not '\"'"),
        ("{\"a\":[1 2]}".into(), "line 1, column 9: expected ',' or ']', not '2'"),
        ("{\"a\" 1}".into(), "line 1, column 6: expected ':', not '1'"),
        ("{\"a\":01}".into(), "line 1, column 8: not a number"),
        ("{\"a\":\"\\x\"}".into(), "line 1, column 7: an unknown escape in a string"),
        ("{\"a\":\"\\u12\"}".into(), "line 1, column 9: not four hexadecimal digits"),
        ("{\"a\":\n\"open".into(), "line 2, column 1: a string without its end"),
        ("{\"a\":\"\t\"}".into(), "line 1, column 7: a control character in a string"),
        ("{} {}".into(), "line 1, column 4: expected the end, not '{'"),
        (deep, "line 1, column 147: too deep"),
        ("{\"defaultAction\":7}".into(), "line 1, column 18: action is not a string"),
        ("{\"defaultAction\":\"ALLOW\"}".into(), "line 1, column 18: unknown action \"ALLOW\""),
        ("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}".into(), "SCMP_ACT_NOTIFY is not possible: nobody would listen"),
        ("{\"defaultAction\":\"SCMP_ACT_LOG\",\"flags\":[\"X\"]}".into(), "line 1, column 42: unknown flag \"X\""),
        (in_rule(""), "line 2, column 14: names is missing"),
        (in_rule(r#""names":["dup"]"#), "line 2, column 14: action is missing"),
        (in_rule(r#""names":["dup","opne"]"#), "line 2, column 30: unknown system call \"opne\""),
        (in_rule(r#""names":"dup""#), "line 2, column 23: names is not a list"),
        (in_rule(r#""names":["dup"],"name":"dup""#), "there are names already"),
        (named(r#""errnoRet":4096"#), "errnoRet is not a number from 0 to 4095"),
        (named(r#""errnoRet":-1"#), "errnoRet is not a number from 0 to 4095"),
        (named(r#""args":[{"op":"SCMP_CMP_EQ","index":6}]"#), "index is not a number from 0 to 5"),
        (named(r#""args":[{"op":"EQ"}]"#), "unknown op \"EQ\""),
        (named(r#""args":[{}]"#), "op is missing"),
        (named(r#""args":[{"op":"SCMP_CMP_EQ","value":6}]"#), "index is missing"),
        (named(r#""args":[{"op":"SCMP_CMP_EQ","index":5}]"#), "value is missing"),
        (named(r#""includes":{"arches":["amd46"]}"#), "unknown architecture \"amd46\""),
        (named(r#""includes":{"caps":["SYS_ADMIN"]}"#), "unknown capability \"SYS_ADMIN\""),
        (named(r#""includes":{"minKernel":"5"}"#), "minKernel \"5\" is not like \"4.8\""),
        (
            "{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"X86\"]}".into(),
            "line 1, column 50: unknown architecture \"X86\"",
        ),
    ] {
        let error = super::check(&text).err().map(|error| (format!("{error}"), error.code));
        let (error, code) = error.unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(error.starts_with("seccomp profile, line ") && error.contains(message), "{error}: {message}");
        assert!(code == Some(125) && !error.contains('\n'));
    }
}

#[test]
fn a_profile_may_be_written_in_many_ways() {
    for text in [
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":null,"archMap":null,"architectures":[],"listenerPath":""}"#,
        "\n{\t\"DEFAULTACTION\" : \"SCMP_ACT_\\u0041LLOW\" , \"more\":[true,false,null,-1.5e+3,{}]}\r\n",
        r#"{"defaultAction":"SCMP_ACT_TRACE","syscalls":[{"names":["swapcontext","riscv_hwprobe"],"action":"SCMP_ACT_LOG"}]}"#,
        r#"{"defaultAction":"SCMP_ACT_LOG","x":"\ud83d\ude00 \ud83d \"","flags":["SECCOMP_FILTER_FLAG_LOG"]}"#,
    ] {
        super::check(text).unwrap();
    }
    let flags = |text: &str| compile_for(&X86, Some(text), 0, KERNEL).unwrap().flags;
    assert_eq!(flags(r#"{"defaultAction":"SCMP_ACT_LOG"}"#), 4);
    assert_eq!(flags(r#"{"defaultAction":"SCMP_ACT_LOG","flags":[]}"#), 0);
    let two = r#"["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC"]"#;
    assert_eq!(flags(&format!(r#"{{"defaultAction":"SCMP_ACT_LOG","flags":{two}}}"#)), 2);
}

/// Installs a filter in a child and lets it try things; its exit code says what went wrong first.
fn in_a_child(filter: &super::Filter, tries: fn() -> i32) -> i32 {
    match sys::clone(0, None).unwrap() {
        sys::Clone::Child => {
            if rustix::thread::set_no_new_privs(true).is_err() || super::enter(filter).is_err() {
                sys::exit(99);
            }
            sys::exit(tries())
        }
        sys::Clone::Parent(_, pidfd) => {
            use rustix::fd::AsFd;
            let options = rustix::process::WaitIdOptions::EXITED;
            let status = rustix::process::waitid(rustix::process::WaitId::PidFd(pidfd.as_fd()), options);
            status.unwrap().unwrap().exit_status().unwrap_or(-1)
        }
    }
}

#[test]
fn the_kernel_takes_it_and_obeys() {
    use rustix::io::Errno;
    let default = compile_for(super::HERE, None, DOCKER, KERNEL).unwrap();
    let code = in_a_child(&default, || {
        let tests = [
            sys::unshare(raw::CLONE_NEWUTS) == Err(Errno::PERM),
            matches!(sys::clone(raw::CLONE_NEWUSER, None), Err(Errno::PERM)),
            rustix::fs::stat("/").is_ok(),
            rustix::system::sethostname(b"x") == Err(Errno::PERM),
            rustix::net::socket(rustix::net::AddressFamily::from_raw(40), rustix::net::SocketType::STREAM, None).err()
                == Some(Errno::PERM),
        ];
        tests.iter().position(|fine| !fine).map_or(0, |at| at as i32 + 1)
    });
    assert_eq!(code, 0);
    let text = long_profile(1).replace("SCMP_ACT_ERRNO", "SCMP_ACT_LOG");
    let long = compile_for(super::HERE, Some(&text), 0, KERNEL).unwrap();
    assert!(long.program.len() > 1000);
    assert_eq!(in_a_child(&long, || 0), 0);
}

#[test]
fn what_begins_a_program_passes() {
    let begins = |text: &str| compile_for(super::HERE, Some(text), DOCKER, KERNEL).unwrap().lets_begin();
    let with = |default: &str, names: &str, action: &str, more: &str| {
        let rule = format!(r#"{{"names": [{names}], "action": "SCMP_ACT_{action}"{more}}}"#);
        begins(&format!(r#"{{"defaultAction": "SCMP_ACT_{default}", "syscalls": [{rule}]}}"#))
    };
    assert!(compile_for(super::HERE, None, DOCKER, KERNEL).unwrap().lets_begin());
    assert!(begins(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#) && begins(r#"{"defaultAction": "SCMP_ACT_LOG"}"#));
    assert!(with("ALLOW", r#""mkdir", "ptrace""#, "ERRNO", ""));
    assert!(with("ALLOW", r#""clone3""#, "ERRNO", r#", "errnoRet": 38"#));
    for call in ["clone", "clone3", "setsid", "ioctl", "execve", "capset", "exit_group"] {
        assert!(!with("ALLOW", &format!("\"{call}\""), "ERRNO", ""), "{call}");
        assert!(!with("ALLOW", &format!("\"{call}\""), "KILL", ""), "{call}");
    }
    assert!(!with("ERRNO", r#""execve""#, "ALLOW", ""));
}
