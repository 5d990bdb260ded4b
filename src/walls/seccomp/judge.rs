//! What the kernel would answer: runs a filter's program, as Documentation/networking/filter.rst describes the machine.

use super::assembly::{AND, AT_LEAST, EQUAL, GREATER, JUMP, LOAD, RETURN};
use super::rules::{Action, KILL_PROCESS};
use crate::kernel::sys::Instruction;

/// The answer to one call. Whatever our programs never do counts as the end of the process.
pub fn judge(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> Action {
    // struct seccomp_data: number, architecture, instruction pointer, arguments, in words.
    let mut data = [0; 16];
    (data[0], data[1]) = (number, arch);
    for (words, argument) in data[4..].chunks_exact_mut(2).zip(arguments) {
        words.copy_from_slice(&[argument as u32, (argument >> 32) as u32]);
    }
    let (mut at, mut value) = (0, 0);
    while let Some(Instruction { code, jt, jf, k }) = program.get(at).copied() {
        let jump = |yes: bool| usize::from(if yes { jt } else { jf });
        let skipped = match code {
            LOAD => data.get(k as usize / 4).map(|word| value = *word).map(|()| 0),
            AND => {
                value &= k;
                Some(0)
            }
            JUMP => Some(k as usize),
            EQUAL => Some(jump(value == k)),
            GREATER => Some(jump(value > k)),
            AT_LEAST => Some(jump(value >= k)),
            RETURN => return k,
            _ => None,
        };
        let Some(skipped) = skipped else { break };
        at += 1 + skipped;
    }
    KILL_PROCESS
}
