//! monitor: when a container is started again. What its monitor does about what happens is this table:
//!
//! | | its command ends | a person stops it | the wait is over | the start fails |
//! |---|---|---|---|---|
//! | it runs | waits or leaves, as the policy has it | stays: its end will follow | | |
//! | it waits | | leaves | starts it, or leaves if it was stopped | leaves |

use crate::spec::{Policy, Restart, State, Status};

/// The wait before the first start after an end; each further one is twice as long.
const WAIT_MS_MIN: i64 = 100;
/// No wait is longer.
const WAIT_MS_MAX: i64 = 60_000;
/// After a run of this length the waits are short again.
const RUN_MS_GOOD: i64 = 10_000;

/// What the container does.
#[derive(Clone, Copy)]
pub enum Phase {
    /// Its command runs.
    Running,
    /// Its command has ended and is to be started again.
    Waiting,
}

/// What happened.
#[derive(Clone, Copy)]
pub enum Event {
    /// The command ended with this code after so many milliseconds.
    Ended(i32, i64),
    /// Somebody wants it to end for good.
    Stopped,
    /// The wait is over.
    Due,
    /// The command could not be started again.
    Failed,
}

/// What the monitor does about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Goes on as before.
    Stay,
    /// Waits so many milliseconds.
    Wait(i64),
    /// Starts the command again.
    Start,
    /// Takes everything down and ends.
    Leave,
}

/// What is remembered from one run to the next.
#[derive(Clone, Copy, Default)]
pub struct Past {
    /// How often it was started again.
    pub restarts: u32,
    /// The last wait in milliseconds, 0 before the first.
    wait_ms: i64,
    /// Whether somebody wants it to end for good.
    is_stopped: bool,
}

/// What is to be done about an event.
pub fn next(restart: Restart, past: &mut Past, phase: Phase, event: Event) -> Action {
    match (phase, event) {
        (Phase::Running, Event::Ended(exit_code, ran_ms)) => {
            past.wait_ms = match past.wait_ms {
                0 => WAIT_MS_MIN,
                _ if ran_ms >= RUN_MS_GOOD => WAIT_MS_MIN,
                wait_ms => (wait_ms * 2).min(WAIT_MS_MAX),
            };
            if past.is_stopped || !wants(restart, exit_code, past.restarts) {
                return Action::Leave;
            }
            past.restarts += 1;
            Action::Wait(past.wait_ms)
        }
        (_, Event::Stopped) => {
            past.is_stopped = true;
            if matches!(phase, Phase::Running) { Action::Stay } else { Action::Leave }
        }
        // Who stopped it may have done so at that very moment.
        (Phase::Waiting, Event::Due) if !past.is_stopped => Action::Start,
        (Phase::Waiting, Event::Due | Event::Failed) => Action::Leave,
        (Phase::Running, Event::Due | Event::Failed) | (Phase::Waiting, Event::Ended(..)) => Action::Stay,
    }
}

/// Whether a container is to be started when its host starts, as docker's daemon has it. `state`: how it ended.
pub fn at_boot(restart: Restart, state: &State) -> bool {
    let with_host = state.ended_with_host == Some(true);
    state.status != Status::Created
        && match restart.policy {
            Policy::No => false,
            Policy::Always => true,
            Policy::UnlessStopped => !state.was_stopped,
            Policy::OnFailure => !state.was_stopped && (with_host || wants(restart, state.exit_code, state.restarts)),
        }
}

/// Whether the policy wants another run after an end that nobody asked for.
fn wants(restart: Restart, exit_code: i32, restarts: u32) -> bool {
    match restart.policy {
        Policy::No => false,
        Policy::Always | Policy::UnlessStopped => true,
        Policy::OnFailure => exit_code != 0 && (restart.retries_max == 0 || restarts < restart.retries_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const ALWAYS: Restart = Restart { policy: Policy::Always, retries_max: 0 };

    fn ends(restart: Restart, past: &mut Past, exit_code: i32, ran_ms: i64) -> Action {
        next(restart, past, Phase::Running, Event::Ended(exit_code, ran_ms))
    }

    #[test]
    fn waits_double_and_become_short_again() {
        let mut past = Past::default();
        let waits: Vec<Action> = (0..12).map(|_| ends(ALWAYS, &mut past, 0, 50)).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800].map(Action::Wait));
        assert_eq!(waits[9..], [51_200, 60_000, 60_000].map(Action::Wait));
        assert_eq!(ends(ALWAYS, &mut past, 1, 10_000), Action::Wait(100));
        assert_eq!(ends(ALWAYS, &mut past, 1, 9_999), Action::Wait(200));
        assert_eq!(past.restarts, 14);
    }

    #[test]
    fn policies() {
        let on_failure = |retries_max| Restart { policy: Policy::OnFailure, retries_max };
        let mut past = Past::default();
        assert_eq!(ends(Restart::default(), &mut past, 1, 0), Action::Leave);
        assert_eq!(ends(on_failure(0), &mut past, 0, 0), Action::Leave);
        let mut past = Past::default();
        assert_eq!(ends(on_failure(2), &mut past, 1, 0), Action::Wait(100));
        assert_eq!(ends(on_failure(2), &mut past, 1, 0), Action::Wait(200));
        assert_eq!((ends(on_failure(2), &mut past, 1, 0), past.restarts), (Action::Leave, 2));
        let unless = Restart { policy: Policy::UnlessStopped, retries_max: 0 };
        assert_eq!(ends(unless, &mut Past::default(), 0, 0), Action::Wait(100));
    }

    #[test]
    fn when_the_host_starts() {
        let policies = [Policy::No, Policy::OnFailure, Policy::Always, Policy::UnlessStopped];
        // What was: exit code, restarts, whether a person stopped it, whether it ended with the host. And who is started: on
        // failure, on failure but not more than twice, always, unless stopped.
        for (exit_code, restarts, was_stopped, with_host, wanted) in [
            (0, 0, false, None, [false, false, true, true]),
            (0, 0, false, Some(true), [true, true, true, true]),
            (1, 0, false, None, [true, true, true, true]),
            (1, 2, false, None, [true, false, true, true]),
            (1, 2, false, Some(true), [true, true, true, true]),
            (143, 0, true, None, [false, false, true, false]),
            (137, 0, true, Some(true), [false, false, true, false]),
        ] {
            let mut state = State { exit_code, restarts, was_stopped, ended_with_host: with_host, ..*State::created() };
            for (at, policy) in [1, 1, 2, 3].into_iter().enumerate() {
                let restart = Restart { policy: policies[policy], retries_max: if at == 1 { 2 } else { 0 } };
                state.status = Status::Exited;
                assert_eq!(at_boot(restart, &state), wanted[at], "{exit_code} {restarts} {was_stopped} {at}");
                assert!(!at_boot(Restart::default(), &state));
                state.status = Status::Created;
                assert!(!at_boot(restart, &state), "never started");
            }
        }
    }

    #[test]
    fn who_is_stopped_stays_so() {
        let mut past = Past::default();
        assert_eq!(next(ALWAYS, &mut past, Phase::Running, Event::Stopped), Action::Stay);
        assert_eq!(ends(ALWAYS, &mut past, 143, 0), Action::Leave);
        for (event, action) in
            [(Event::Stopped, Action::Leave), (Event::Failed, Action::Leave), (Event::Due, Action::Start)]
        {
            assert_eq!(next(ALWAYS, &mut Past::default(), Phase::Waiting, event), action);
        }
        // At the very moment when the wait is over.
        let mut past = Past::default();
        assert_eq!(next(ALWAYS, &mut past, Phase::Waiting, Event::Stopped), Action::Leave);
        assert_eq!(next(ALWAYS, &mut past, Phase::Waiting, Event::Due), Action::Leave);
    }
}
