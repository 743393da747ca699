//! The scope machines: a loop's iterations, one after another, and a fork's branches, side by side.
//!
//! A loop:
//!
//! | state        | call                  | continue                 | break            | threw           |
//! |--------------|-----------------------|--------------------------|------------------|-----------------|
//! | new          | iterating(0): note, run | ignored                | ignored          | ignored         |
//! | iterating(n) | iterating(n): run     | iterating(n+1): note, run| completed: record| threw: reject   |
//! | completed    | resolve               | ignored                  | ignored          | ignored         |
//! | threw        | ignored               | ignored                  | ignored          | ignored         |
//!
//! `note` changes the loop's entry without a commit of its own: it becomes durable with the run's next change. A crash
//! goes on at the last iteration that became durable, with what was recorded inside it.
//!
//! A fork (join, race, map) with branches that have not settled:
//!
//! | state            | call    | a branch returned                          | a branch threw                             |
//! |------------------|---------|--------------------------------------------|--------------------------------------------|
//! | open, the last   | run     | settled: record                            | settled: record                            |
//! | open, others left| run     | race: settled: record; else open: run next | map: settled: record; else open: run next  |
//! | open, none left  | settled: record | ignored                            | ignored                                    |
//! | settled          | resolve | ignored                                    | ignored                                    |

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopScope {
    New,
    Iterating(u32),
    Completed,
    Threw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopInput {
    Call,
    Continue,
    Break,
    Threw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopAction {
    NoteAndRun(u32),
    Run(u32),
    RecordOutput,
    Resolve,
    Reject,
    Ignore,
}

impl LoopScope {
    pub fn on(self, input: LoopInput) -> (LoopScope, LoopAction) {
        match (self, input) {
            (LoopScope::New, LoopInput::Call) => (LoopScope::Iterating(0), LoopAction::NoteAndRun(0)),
            (LoopScope::Iterating(n), LoopInput::Call) => (self, LoopAction::Run(n)),
            (LoopScope::Iterating(n), LoopInput::Continue) => {
                let next = n.saturating_add(1);
                (LoopScope::Iterating(next), LoopAction::NoteAndRun(next))
            }
            (LoopScope::Iterating(_), LoopInput::Break) => (LoopScope::Completed, LoopAction::RecordOutput),
            (LoopScope::Iterating(_), LoopInput::Threw) => (LoopScope::Threw, LoopAction::Reject),
            (LoopScope::Completed, LoopInput::Call) => (self, LoopAction::Resolve),
            (state, _) => (state, LoopAction::Ignore),
        }
    }
}

/// When a fork's branches have said enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkRule {
    /// When all have settled.
    Join,
    /// When one has returned, or all have thrown.
    Race,
    /// When all have returned, or one has thrown.
    Map,
    /// When all have settled; a failure is a result.
    MapSettled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// `left` branches have not settled.
    Open {
        left: u32,
    },
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkInput {
    Call,
    Returned,
    Threw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkAction {
    /// Run branches that wait for their turn.
    Run,
    Record,
    Resolve,
    Ignore,
}

impl Fork {
    pub fn on(self, input: ForkInput, rule: ForkRule) -> (Fork, ForkAction) {
        let Fork::Open { left } = self else {
            return (self, if input == ForkInput::Call { ForkAction::Resolve } else { ForkAction::Ignore });
        };
        let decides = match input {
            ForkInput::Call => {
                return if left == 0 { (Fork::Settled, ForkAction::Record) } else { (self, ForkAction::Run) };
            }
            _ if left == 0 => return (self, ForkAction::Ignore),
            ForkInput::Returned => rule == ForkRule::Race,
            ForkInput::Threw => rule == ForkRule::Map,
        };
        if decides || left == 1 {
            (Fork::Settled, ForkAction::Record)
        } else {
            (Fork::Open { left: left - 1 }, ForkAction::Run)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LoopAction::*;
    use super::*;

    #[test]
    fn a_fork_in_every_state_answers_every_input_as_the_table_says() {
        use ForkInput as In;
        let (many, last, none) = (Fork::Open { left: 3 }, Fork::Open { left: 1 }, Fork::Open { left: 0 });
        let rest = Fork::Open { left: 2 };
        for rule in [ForkRule::Join, ForkRule::Race, ForkRule::Map, ForkRule::MapSettled] {
            let decided = (Fork::Settled, ForkAction::Record);
            let on = (rest, ForkAction::Run);
            let table = [
                (many, In::Call, (many, ForkAction::Run)),
                (many, In::Returned, if rule == ForkRule::Race { decided } else { on }),
                (many, In::Threw, if rule == ForkRule::Map { decided } else { on }),
                (last, In::Call, (last, ForkAction::Run)),
                (last, In::Returned, decided),
                (last, In::Threw, decided),
                (none, In::Call, decided),
                (none, In::Returned, (none, ForkAction::Ignore)),
                (none, In::Threw, (none, ForkAction::Ignore)),
                (Fork::Settled, In::Call, (Fork::Settled, ForkAction::Resolve)),
                (Fork::Settled, In::Returned, (Fork::Settled, ForkAction::Ignore)),
                (Fork::Settled, In::Threw, (Fork::Settled, ForkAction::Ignore)),
            ];
            for (state, input, expected) in table {
                assert_eq!(state.on(input, rule), expected, "{rule:?}: {state:?} on {input:?}");
            }
        }
    }

    #[test]
    fn every_state_answers_every_input_as_the_table_says() {
        use LoopInput as In;
        use LoopScope as S;
        let table = [
            (S::New, In::Call, S::Iterating(0), NoteAndRun(0)),
            (S::New, In::Continue, S::New, Ignore),
            (S::New, In::Break, S::New, Ignore),
            (S::New, In::Threw, S::New, Ignore),
            (S::Iterating(4), In::Call, S::Iterating(4), Run(4)),
            (S::Iterating(4), In::Continue, S::Iterating(5), NoteAndRun(5)),
            (S::Iterating(4), In::Break, S::Completed, RecordOutput),
            (S::Iterating(4), In::Threw, S::Threw, Reject),
            (S::Completed, In::Call, S::Completed, Resolve),
            (S::Completed, In::Continue, S::Completed, Ignore),
            (S::Completed, In::Break, S::Completed, Ignore),
            (S::Completed, In::Threw, S::Completed, Ignore),
            (S::Threw, In::Call, S::Threw, Ignore),
            (S::Threw, In::Continue, S::Threw, Ignore),
            (S::Threw, In::Break, S::Threw, Ignore),
            (S::Threw, In::Threw, S::Threw, Ignore),
        ];
        for (state, input, next, action) in table {
            assert_eq!(state.on(input), (next, action), "{state:?} on {input:?}");
        }
    }
}
