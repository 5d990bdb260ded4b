//! From rules to the program that the kernel runs before every system call: classic BPF as in
//! Documentation/userspace-api/seccomp_filter.rst of the kernel.
//!
//! The numbers of one architecture fall into ranges with one outcome each; a balanced tree of comparisons finds the
//! range. Only the few calls with rules on their arguments look further. For all others the answer depends on nothing but
//! the architecture and the number, so the kernel (5.11 and newer) works out once which calls always pass and does not
//! run the program for them.
//!
//! BPF jumps forward only, at most 255 instructions when it depends on something. So the program is put together from its
//! end: whatever one jumps to is already there, and where it is too far away an unconditional jump is laid between.

use super::calls;
use super::machine::{Architecture, MULTIPLEXED, Machine};
use super::rules::{Action, Condition, ENOSYS, KILL_PROCESS, Op, Outcome, Rule, Rules, passes};
use crate::error::{Error, Result};
use crate::kernel::sys::Instruction;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::Range;

/// BPF_MAXINSNS of linux/bpf_common.h: the kernel takes no longer program.
pub const INSTRUCTIONS_MAX: usize = 4096;
/// A conditional jump goes no further than 255; a step less for the jump that may still come between.
const REACH: usize = 250;

/// linux/bpf_common.h: load a word of struct seccomp_data.
pub const LOAD: u16 = 0x20;
/// Keep the bits of a mask.
pub const AND: u16 = 0x54;
/// Jump, always.
pub const JUMP: u16 = 0x05;
/// Jump if equal.
pub const EQUAL: u16 = 0x15;
/// Jump if greater.
pub const GREATER: u16 = 0x25;
/// Jump if greater or equal.
pub const AT_LEAST: u16 = 0x35;
/// Answer.
pub const RETURN: u16 = 0x06;

/// Offsets in struct seccomp_data of linux/seccomp.h: `nr`, `arch`, `args`, the low half of an argument first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The program for these rules. `compat`: whether the 32-bit calls of the machine are judged by the rules too; without,
/// they end the process, like those of any architecture that is not the machine's.
pub fn assemble(mut rules: Rules, machine: &Machine, compat: bool) -> Result<Vec<Instruction>> {
    let mut program = Program { code: Vec::with_capacity(512), answers: Vec::new() };
    let mut next = program.answer(KILL_PROCESS);
    if compat {
        multiplex(&mut rules);
        next = program.architecture(&rules, &machine.compat, next);
    }
    let start = program.architecture(&rules, &machine.native, next);
    program.load(ARCHITECTURE, start);
    if program.code.len() > INSTRUCTIONS_MAX {
        return Err(too_long());
    }
    program.code.reverse();
    Ok(program.code)
}

/// What is wrong with a profile that makes too long a program.
pub fn too_long() -> Error {
    let most = format!("the kernel takes {INSTRUCTIONS_MAX} instructions; fewer rules on arguments make fewer");
    Error::new(format_args!("the seccomp profile is too long: {most}")).exit(125)
}

/// What is said of `connect` or `semop` without regard to their arguments also holds for i386's calls for many purposes,
/// as libseccomp has it. Arguments cannot be judged there: those of socketcall are behind a pointer.
fn multiplex(rules: &mut Rules) {
    for (all, value, call) in MULTIPLEXED {
        if let Outcome::Return(action) = rules.outcomes[usize::from(call)] {
            // ipc has a version in the upper half, which must not lead around the rule.
            let condition = Condition { argument: 0, op: Op::Masked, value: 0xffff, other: value.into() };
            rules.add(all.into(), Rule { action, conditions: vec![condition] });
        }
    }
}

/// The ranges of an architecture's numbers: where each begins, and what is to happen there.
fn ranges(rules: &Rules, architecture: &Architecture) -> Vec<(u32, Outcome)> {
    // `None` for a number that is not named, or no call at all.
    let named = |call: u16| rules.outcomes.get(usize::from(call)).filter(|outcome| **outcome != Outcome::Unnamed);
    let mut newest = None;
    for (place, call) in architecture.numbers.iter().enumerate() {
        if calls::number(place) < calls::PRIVATE_NUMBERS && named(*call).is_some() {
            newest = Some(calls::number(place));
        }
    }
    // Calls that are newer than the profile get the answer of an older kernel, so that programs do without (as in runc).
    let newer = newest.filter(|_| !passes(rules.default)).map_or(u32::MAX, |newest| newest + 1);
    let mut ranges = Vec::with_capacity(128);
    let mut next = 0;
    for (place, call) in architecture.numbers.iter().enumerate() {
        let Some(outcome) = named(*call).filter(|outcome| **outcome != Outcome::Default) else { continue };
        let number = calls::number(place);
        gap(&mut ranges, rules.default, newer, next..number);
        extend(&mut ranges, number, *outcome);
        next = number + 1;
    }
    let end = architecture.end.unwrap_or(u32::MAX);
    gap(&mut ranges, rules.default, newer, next..end);
    // x32 is closed in the words of a kernel without it, which nearly all are.
    if architecture.end.is_some() {
        extend(&mut ranges, end, Outcome::Return(ENOSYS));
    }
    ranges
}

/// Numbers that the profile does not name; those from `newer` on are newer than it.
fn gap(ranges: &mut Vec<(u32, Outcome)>, default: Action, newer: u32, numbers: Range<u32>) {
    if numbers.start < numbers.end.min(newer) {
        extend(ranges, numbers.start, Outcome::Return(default));
    }
    if numbers.start.max(newer) < numbers.end {
        extend(ranges, numbers.start.max(newer), Outcome::Return(ENOSYS));
    }
}

fn extend(ranges: &mut Vec<(u32, Outcome)>, start: u32, outcome: Outcome) {
    if ranges.last().is_none_or(|(_, before)| *before != outcome) {
        ranges.push((start, outcome));
    }
}

/// The place of an instruction, counted from the end of the program.
type Label = usize;

struct Program {
    /// The last instruction first.
    code: Vec<Instruction>,
    /// Where the program answers what, to be used again.
    answers: Vec<(Action, Label)>,
}

impl Program {
    fn push(&mut self, code: u16, jt: usize, jf: usize, k: u32) -> Label {
        self.code.push(Instruction { code, jt: jt as u8, jf: jf as u8, k });
        self.code.len() - 1
    }

    fn answer(&mut self, action: Action) -> Label {
        let here = self.code.len();
        if let Some((_, label)) = self.answers.iter().find(|(known, label)| *known == action && here - label < REACH) {
            return *label;
        }
        self.answers.retain(|(known, _)| *known != action);
        let label = self.push(RETURN, 0, 0, action);
        self.answers.push((action, label));
        label
    }

    /// The label itself, or that of a jump to it which the next instructions can reach.
    fn near(&mut self, label: Label) -> Label {
        let away = self.code.len() - label;
        if away < REACH { label } else { self.push(JUMP, 0, 0, away as u32 - 1) }
    }

    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        let yes = self.near(yes);
        let no = self.near(no);
        let here = self.code.len();
        self.push(code, here - yes - 1, here - no - 1, k)
    }

    /// An instruction that goes on with `then`, wherever that is.
    fn before(&mut self, code: u16, k: u32, then: Label) -> Label {
        let away = self.code.len() - then;
        if away > 1 {
            self.push(JUMP, 0, 0, away as u32 - 1);
        }
        self.push(code, 0, 0, k)
    }

    fn load(&mut self, offset: u32, then: Label) -> Label {
        self.before(LOAD, offset, then)
    }

    fn architecture(&mut self, rules: &Rules, architecture: &Architecture, other: Label) -> Label {
        let tree = self.tree(rules, architecture, &ranges(rules, architecture));
        let tree = self.load(NUMBER, tree);
        self.branch(EQUAL, architecture.audit, tree, other)
    }

    fn tree(&mut self, rules: &Rules, architecture: &Architecture, ranges: &[(u32, Outcome)]) -> Label {
        if ranges.len() > 1 {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let above = self.tree(rules, architecture, high);
            let below = self.tree(rules, architecture, low);
            return self.branch(AT_LEAST, high[0].0, above, below);
        }
        match ranges[0].1 {
            Outcome::Return(action) => self.answer(action),
            Outcome::First(list) => self.list(rules, architecture, &rules.lists[list as usize]),
            Outcome::Unnamed | Outcome::Default => self.answer(rules.default),
        }
    }

    fn list(&mut self, rules: &Rules, architecture: &Architecture, list: &[Rule]) -> Label {
        let mut otherwise = self.answer(rules.default);
        for rule in list.iter().rev() {
            let mut holds = self.answer(rule.action);
            for condition in rule.conditions.iter().rev() {
                holds = self.condition(condition, architecture.wide, holds, otherwise);
            }
            otherwise = holds;
        }
        otherwise
    }

    fn condition(&mut self, condition: &Condition, wide: bool, holds: Label, fails: Label) -> Label {
        let Condition { op, value, other, argument } = *condition;
        let offset = ARGUMENTS + 8 * u32::from(argument);
        let (low, high) = (value as u32, (value >> 32) as u32);
        // What is not one of the questions that BPF can ask is the opposite of one.
        let (op, yes, no) = match op {
            Op::Ne => (Op::Eq, fails, holds),
            Op::Lt => (Op::Ge, fails, holds),
            Op::Le => (Op::Gt, fails, holds),
            same => (same, holds, fails),
        };
        let lower = match op {
            Op::Masked => {
                let compare = self.branch(EQUAL, other as u32, yes, no);
                self.before(AND, low, compare)
            }
            Op::Gt => self.branch(GREATER, low, yes, no),
            Op::Ge => self.branch(AT_LEAST, low, yes, no),
            _ => self.branch(EQUAL, low, yes, no),
        };
        let lower = self.load(offset, lower);
        if !wide || op == Op::Masked && high == 0 && other >> 32 == 0 {
            return lower;
        }
        let upper = match op {
            Op::Masked => {
                let compare = self.branch(EQUAL, (other >> 32) as u32, lower, no);
                self.before(AND, high, compare)
            }
            Op::Gt | Op::Ge => {
                let equal = self.branch(EQUAL, high, lower, no);
                self.branch(GREATER, high, yes, equal)
            }
            _ => self.branch(EQUAL, high, lower, no),
        };
        self.load(offset + 4, upper)
    }
}
