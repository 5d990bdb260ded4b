//! The profile of a container that asked for none, with the meaning of docker's: what `calls.txt` grants, and three
//! calls that are granted for some arguments.

use super::calls::{self, ALWAYS, FAMILIES, FLAGS, HIDDEN, KERNEL_4_8, PERSONAS};
use super::rules::{ALLOW, Condition, ENOSYS, Op, Outcome, Rule, Rules, errno};
use crate::kernel::caps;
use alloc::vec;
use alloc::vec::Vec;

/// Every CLONE_NEW* but CLONE_NEWTIME, which clone(2) cannot be asked for.
const CLONE_NEW_ANY: u64 = 0x7e02_0000;
/// The kernel where a tracer can no longer change a call after the filter saw it.
const KERNEL_TRACING_SAFE: (u32, u32) = (4, 8);
/// Plain Linux, and Linux on 32 bits, each also with the name of a 2.6 kernel; and only asking. personality(2)
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Families of sockets from .0 up to .1. Not there: AF_ALG (38) and AF_VSOCK (40), which know no namespaces and lead
/// into the kernel's cryptography and to the hypervisor, and families that kernels have lost. address_families(7)
const SOCKET_FAMILIES: [(u64, u64); 8] =
    [(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)];

/// The default profile for processes that can get these capabilities (bits of capabilities(7)) on this kernel.
pub fn rules(capabilities: u64, kernel: (u32, u32)) -> Rules {
    let mut rules = Rules::new(errno(1));
    let mut granted = capabilities & ((1 << caps::COUNT) - 1) | ALWAYS;
    if kernel >= KERNEL_TRACING_SAFE {
        granted |= KERNEL_4_8;
    }
    for call in 0..calls::COUNT {
        match calls::granted(call) {
            0 => {}
            by if by & granted != 0 => rules.outcomes[call] = Outcome::Return(ALLOW),
            // clone3 has its flags behind a pointer. ENOSYS makes programs take clone instead, which can be judged.
            by if by & HIDDEN != 0 => rules.outcomes[call] = Outcome::Return(ENOSYS),
            by if by & FLAGS != 0 => allow(&mut rules, call, Op::Masked, CLONE_NEW_ANY, 0),
            by if by & PERSONAS != 0 => {
                for value in PERSONALITIES {
                    allow(&mut rules, call, Op::Eq, value, 0);
                }
            }
            by if by & FAMILIES != 0 => {
                for (first, last) in SOCKET_FAMILIES {
                    families(&mut rules, call, first, last);
                }
            }
            _ => {}
        }
    }
    rules
}

fn allow(rules: &mut Rules, call: usize, op: Op, value: u64, other: u64) {
    let condition = Condition { argument: 0, op, value, other };
    rules.add(call, Rule { action: ALLOW, conditions: vec![condition] });
}

fn families(rules: &mut Rules, call: usize, first: u64, last: u64) {
    let mut conditions = Vec::new();
    let mut when = |op, value| conditions.push(Condition { argument: 0, op, value, other: 0 });
    if first == last {
        when(Op::Eq, first);
    } else {
        when(Op::Le, last);
        if first != 0 {
            when(Op::Ge, first);
        }
    }
    rules.add(call, Rule { action: ALLOW, conditions });
}
