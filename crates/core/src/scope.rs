//! The scope machine of a loop: its iterations, one after another.
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

#[cfg(test)]
mod tests {
    use super::LoopAction::*;
    use super::*;

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
