//! The step machine: what a step does next, and nothing else.
//!
//! | state       | call                          | due                | succeeded        | failed, may be tried again | failed, terminal        |
//! |-------------|-------------------------------|--------------------|------------------|----------------------------|-------------------------|
//! | new         | running(1): execute           | ignored            | ignored          | ignored                    | ignored                 |
//! | running(n)  | running(n): execute           | ignored            | completed: record| failed(n): record, wait    | terminal: record        |
//! | failed(n)   | before its time: wait;        | before: wait;      | ignored          | ignored                    | ignored                 |
//! |             | else running(n+1): execute    | else as call       |                  |                            |                         |
//! | completed   | resolve                       | ignored            | ignored          | ignored                    | ignored                 |
//! | terminal    | reject                        | ignored            | ignored          | ignored                    | ignored                 |
//!
//! A failure may be tried again when it is an ordinary error (or a timeout and the policy retries those) and attempts are
//! left; its time is the policy's, or the one that the body asked for. `terminal` is for ever: no policy, replay or wake leads out of it. A step that is found `running` in the history
//! was interrupted; the interruption used up no attempt. A step that failed with its last attempt before the policy
//! shrank becomes terminal at the call: reject. What arrives when it cannot matter any more is ignored: an attempt that
//! was timed out may still end.

use crate::failure::{FailureKind, Terminal};
use crate::retry::Policy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    New,
    Running {
        attempts: u32,
        started_at: i64,
    },
    /// `not_before`: when the body asked to be tried again, if it did.
    Failed {
        attempts: u32,
        started_at: i64,
        not_before: Option<i64>,
    },
    Completed,
    Terminal(Terminal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepInput {
    Call,
    Due,
    Succeeded,
    /// `not_before`: when the body asks to be tried again.
    Failed {
        kind: FailureKind,
        not_before: Option<i64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepAction {
    /// Run the body: the `attempts`-th attempt.
    Execute {
        attempts: u32,
    },
    /// Do nothing before `retry_at`.
    Wait {
        retry_at: i64,
    },
    /// Record the success with everything that the attempt did.
    RecordSuccess,
    /// Record the failure alone; the next attempt is due at `retry_at`.
    RecordFailure {
        retry_at: i64,
    },
    /// Record the failure alone; there is no next attempt.
    RecordTerminal(Terminal),
    Resolve,
    Reject,
    Ignore,
}

impl Step {
    pub fn on(self, input: StepInput, policy: &Policy, now: i64) -> (Step, StepAction) {
        match (self, input) {
            (Step::New, StepInput::Call) => execute(1, now),
            (Step::Running { attempts, .. }, StepInput::Call) => execute(attempts.max(1), now),
            (Step::Running { .. }, StepInput::Succeeded) => (Step::Completed, StepAction::RecordSuccess),
            (Step::Running { attempts, started_at }, StepInput::Failed { kind, not_before }) => {
                failed((attempts, started_at), kind, not_before, policy)
            }
            (Step::Failed { attempts, .. }, StepInput::Call) if !policy.allows_another(attempts) => {
                (Step::Terminal(Terminal::Exhausted), StepAction::RecordTerminal(Terminal::Exhausted))
            }
            (Step::Failed { attempts, started_at, not_before }, StepInput::Call | StepInput::Due) => {
                let retry_at = retry_at(attempts, started_at, not_before, policy);
                if now < retry_at { (self, StepAction::Wait { retry_at }) } else { execute(attempts + 1, now) }
            }
            (Step::Completed, StepInput::Call) => (self, StepAction::Resolve),
            (Step::Terminal(_), StepInput::Call) => (self, StepAction::Reject),
            (state, _) => (state, StepAction::Ignore),
        }
    }
}

fn execute(attempts: u32, now: i64) -> (Step, StepAction) {
    (Step::Running { attempts, started_at: now }, StepAction::Execute { attempts })
}

fn retry_at(attempts: u32, started_at: i64, not_before: Option<i64>, policy: &Policy) -> i64 {
    not_before.unwrap_or_else(|| started_at.saturating_add(policy.backoff_ms(attempts)))
}

fn failed(
    (attempts, started_at): (u32, i64),
    kind: FailureKind,
    not_before: Option<i64>,
    policy: &Policy,
) -> (Step, StepAction) {
    let terminal = match kind {
        FailureKind::Critical => Some(Terminal::Critical),
        FailureKind::Rollback => Some(Terminal::Rollback),
        FailureKind::Timeout if !policy.retry_on_timeout || !policy.allows_another(attempts) => Some(Terminal::Timeout),
        FailureKind::Error if !policy.allows_another(attempts) => Some(Terminal::Exhausted),
        FailureKind::Timeout | FailureKind::Error => None,
    };
    match terminal {
        Some(terminal) => (Step::Terminal(terminal), StepAction::RecordTerminal(terminal)),
        None => {
            let retry_at = retry_at(attempts, started_at, not_before, policy);
            (Step::Failed { attempts, started_at, not_before }, StepAction::RecordFailure { retry_at })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StepAction::*;
    use super::*;

    const POLICY: Policy = Policy {
        max_retries: 1,
        backoff_base_ms: 100,
        backoff_max_ms: 30_000,
        timeout_ms: None,
        retry_on_timeout: false,
    };
    const PATIENT: Policy = Policy { retry_on_timeout: true, ..POLICY };
    const STARTED: i64 = 1_000;
    const FIRST: Step = Step::Running { attempts: 1, started_at: STARTED };
    const LAST: Step = Step::Running { attempts: 2, started_at: STARTED };
    const FAILED: Step = Step::Failed { attempts: 1, started_at: STARTED, not_before: None };
    const LATER: Step = Step::Failed { attempts: 1, started_at: STARTED, not_before: Some(STARTED + 400) };
    const SPENT: Step = Step::Failed { attempts: 2, started_at: STARTED, not_before: None };

    const TERMINALS: [Terminal; 4] = [Terminal::Exhausted, Terminal::Critical, Terminal::Rollback, Terminal::Timeout];
    const KINDS: [FailureKind; 4] =
        [FailureKind::Error, FailureKind::Critical, FailureKind::Rollback, FailureKind::Timeout];

    const ASKING: StepInput = StepInput::Failed { kind: FailureKind::Error, not_before: Some(STARTED + 400) };

    fn failing(kind: FailureKind) -> StepInput {
        StepInput::Failed { kind, not_before: None }
    }

    fn inputs() -> Vec<StepInput> {
        let mut inputs = vec![StepInput::Call, StepInput::Due, StepInput::Succeeded];
        inputs.extend(KINDS.map(failing));
        inputs.push(ASKING);
        inputs
    }

    /// What the table says, written apart from the machine.
    fn expected(state: Step, input: StepInput, policy: &Policy, now: i64) -> (Step, StepAction) {
        let retry_at = STARTED + 200;
        let run = |attempts| (Step::Running { attempts, started_at: now }, Execute { attempts });
        let end = |terminal| (Step::Terminal(terminal), RecordTerminal(terminal));
        match (state, input) {
            (Step::New, StepInput::Call) => run(1),
            (FIRST, StepInput::Call) => run(1),
            (LAST, StepInput::Call) => run(2),
            (FIRST | LAST, StepInput::Succeeded) => (Step::Completed, RecordSuccess),
            (FIRST | LAST, StepInput::Failed { kind: FailureKind::Critical, .. }) => end(Terminal::Critical),
            (FIRST | LAST, StepInput::Failed { kind: FailureKind::Rollback, .. }) => end(Terminal::Rollback),
            (FIRST, ASKING) => (LATER, RecordFailure { retry_at: STARTED + 400 }),
            (FIRST, StepInput::Failed { kind: FailureKind::Error, .. }) => (FAILED, RecordFailure { retry_at }),
            (LAST, StepInput::Failed { kind: FailureKind::Error, .. }) => end(Terminal::Exhausted),
            (FIRST, StepInput::Failed { kind: FailureKind::Timeout, .. }) if policy.retry_on_timeout => {
                (FAILED, RecordFailure { retry_at })
            }
            (FIRST | LAST, StepInput::Failed { kind: FailureKind::Timeout, .. }) => end(Terminal::Timeout),
            (FAILED, StepInput::Call | StepInput::Due) if now < retry_at => (FAILED, Wait { retry_at }),
            (FAILED, StepInput::Call | StepInput::Due) => run(2),
            (LATER, StepInput::Call | StepInput::Due) if now < STARTED + 400 => {
                (LATER, Wait { retry_at: STARTED + 400 })
            }
            (LATER, StepInput::Call | StepInput::Due) => run(2),
            (SPENT, StepInput::Call) => end(Terminal::Exhausted),
            (SPENT, StepInput::Due) if now < STARTED + 400 => (SPENT, Wait { retry_at: STARTED + 400 }),
            (SPENT, StepInput::Due) => run(3),
            (Step::Completed, StepInput::Call) => (Step::Completed, Resolve),
            (Step::Terminal(terminal), StepInput::Call) => (Step::Terminal(terminal), Reject),
            (state, _) => (state, Ignore),
        }
    }

    #[test]
    fn every_state_answers_every_input_as_the_table_says() {
        let mut states = vec![Step::New, FIRST, LAST, FAILED, LATER, SPENT, Step::Completed];
        states.extend(TERMINALS.map(Step::Terminal));
        for policy in [POLICY, PATIENT] {
            for state in &states {
                for input in inputs() {
                    for now in [STARTED, STARTED + 199, STARTED + 200, STARTED + 400] {
                        let what = format!("{state:?} on {input:?} at {now}");
                        assert_eq!(state.on(input, &policy, now), expected(*state, input, &policy, now), "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_leads_out_of_a_terminal_failure() {
        let generous = Policy { max_retries: u32::MAX, ..POLICY };
        for terminal in TERMINALS {
            for input in inputs() {
                let (next, action) = Step::Terminal(terminal).on(input, &generous, i64::MAX);
                assert_eq!(next, Step::Terminal(terminal));
                assert!(matches!(action, Reject | Ignore), "{action:?}");
            }
        }
    }
}
