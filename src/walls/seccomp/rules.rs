//! What a profile says, independent of any format: for each system call an answer, or rules on its arguments.

use super::calls;
use alloc::vec::Vec;

/// What the kernel does with a call, `SECCOMP_RET_*` of linux/seccomp.h: the action above, an errno in the low 16 bits.
pub type Action = u32;
/// Ends the process as if by SIGSYS.
pub const KILL_PROCESS: Action = 0x8000_0000;
/// Ends the calling thread only.
pub const KILL_THREAD: Action = 0;
/// Sends SIGSYS.
pub const TRAP: Action = 0x0003_0000;
/// Answers with an errno, see [`errno`].
pub const ERRNO: Action = 0x0005_0000;
/// Asks a tracer; without one the call fails with ENOSYS.
pub const TRACE: Action = 0x7ff0_0000;
/// Asks whoever holds the listener's descriptor. seccomp_unotify(2)
pub const NOTIFY: Action = 0x7fc0_0000;
/// Lets it through and into the audit log.
pub const LOG: Action = 0x7ffc_0000;
/// Lets it through.
pub const ALLOW: Action = 0x7fff_0000;
/// The largest errno that the kernel hands on.
pub const ERRNO_MAX: u16 = 4095;
/// What a call fails with that this kernel does not have.
pub const ENOSYS: Action = errno(38);

/// The action that fails a call with this errno.
pub const fn errno(number: u16) -> Action {
    ERRNO | number as u32
}

/// Whether calls pass that a profile with this default does not name. A tracer answers for itself.
pub fn passes(default: Action) -> bool {
    matches!(default & 0xffff_0000, ALLOW | LOG | TRACE)
}

/// How an argument is compared, unsigned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// It differs from the value.
    Ne,
    /// It is less.
    Lt,
    /// It is less or equal.
    Le,
    /// It is equal.
    Eq,
    /// It is greater or equal.
    Ge,
    /// It is greater.
    Gt,
    /// Its bits in `value` are those of `other`.
    Masked,
}

/// One comparison of one argument.
#[derive(Clone, Copy)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// How it is compared.
    pub op: Op,
    /// What it is compared with; for [`Op::Masked`] the mask.
    pub value: u64,
    /// What is left of it under the mask.
    pub other: u64,
}

/// An action under conditions that must all hold; none hold always.
#[derive(Clone)]
pub struct Rule {
    /// What happens then.
    pub action: Action,
    /// When it does.
    pub conditions: Vec<Condition>,
}

/// What is to happen with one system call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The profile does not name it: the default action.
    Unnamed,
    /// It is named, and nothing but the default action came of it.
    Default,
    /// This, whatever the arguments are.
    Return(Action),
    /// The first rule of this list that holds, or the default action.
    First(u32),
}

/// What is to happen with every system call.
#[cfg_attr(test, derive(Clone))]
pub struct Rules {
    /// With all that is not named.
    pub default: Action,
    /// With each in the order of [`calls`].
    pub outcomes: Vec<Outcome>,
    /// The lists that outcomes refer to.
    pub lists: Vec<Vec<Rule>>,
}

impl Rules {
    /// Nothing named yet.
    pub fn new(default: Action) -> Self {
        Self { default, outcomes: alloc::vec![Outcome::Unnamed; calls::COUNT], lists: Vec::new() }
    }

    /// Adds a rule for one call. The first rule without conditions holds, whatever else is said of the call; rules with
    /// conditions are tried in their order. A rule for the default action says nothing (so runc and libseccomp have it).
    pub fn add(&mut self, call: usize, rule: Rule) {
        let outcome = &mut self.outcomes[call];
        match outcome {
            _ if rule.action == self.default => {
                if *outcome == Outcome::Unnamed {
                    *outcome = Outcome::Default;
                }
            }
            Outcome::Return(_) => {}
            _ if rule.conditions.is_empty() => *outcome = Outcome::Return(rule.action),
            Outcome::First(list) => self.lists[*list as usize].push(rule),
            Outcome::Unnamed | Outcome::Default => {
                *outcome = Outcome::First(self.lists.len() as u32);
                self.lists.push(alloc::vec![rule]);
            }
        }
    }
}
