//! The timer machine: a durable deadline.
//!
//! | state             | call                                | due                                      | overtaken         |
//! |-------------------|-------------------------------------|------------------------------------------|-------------------|
//! | new               | pending(deadline): record, wait     | ignored                                  | ignored           |
//! | pending(deadline) | before it: wait; else passed: record| before it: wait; else passed: record     | overtaken: record |
//! | passed            | resolve                             | ignored                                  | ignored           |
//! | overtaken         | resolve                             | ignored                                  | ignored           |
//!
//! The recorded deadline wins over the one that a replay asks for. A timer never fires early. `overtaken` is the end of
//! the deadline of a wait whose message came first.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    New { deadline: i64 },
    Pending { deadline: i64 },
    Passed,
    Overtaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerInput {
    Call,
    Due,
    Overtaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerAction {
    /// Record the deadline, then wait for it.
    RecordPending {
        deadline: i64,
    },
    Wait {
        deadline: i64,
    },
    RecordPassed,
    RecordOvertaken,
    Resolve,
    Ignore,
}

impl Timer {
    pub fn on(self, input: TimerInput, now: i64) -> (Timer, TimerAction) {
        match (self, input) {
            (Timer::New { deadline }, TimerInput::Call) => {
                (Timer::Pending { deadline }, TimerAction::RecordPending { deadline })
            }
            (Timer::Pending { deadline }, TimerInput::Call | TimerInput::Due) if now < deadline => {
                (self, TimerAction::Wait { deadline })
            }
            (Timer::Pending { .. }, TimerInput::Call | TimerInput::Due) => (Timer::Passed, TimerAction::RecordPassed),
            (Timer::Pending { .. }, TimerInput::Overtaken) => (Timer::Overtaken, TimerAction::RecordOvertaken),
            (Timer::Passed | Timer::Overtaken, TimerInput::Call) => (self, TimerAction::Resolve),
            (state, _) => (state, TimerAction::Ignore),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TimerAction::*;
    use super::*;

    #[test]
    fn every_state_answers_every_input_as_the_table_says() {
        let deadline = 100;
        let (new, pending) = (Timer::New { deadline }, Timer::Pending { deadline });
        use TimerInput as In;
        let table = [
            (new, In::Call, 99, pending, RecordPending { deadline }),
            (new, In::Call, 100, pending, RecordPending { deadline }),
            (new, In::Due, 100, new, Ignore),
            (new, In::Overtaken, 100, new, Ignore),
            (pending, In::Call, 99, pending, Wait { deadline }),
            (pending, In::Call, 100, Timer::Passed, RecordPassed),
            (pending, In::Due, 99, pending, Wait { deadline }),
            (pending, In::Due, 100, Timer::Passed, RecordPassed),
            (pending, In::Overtaken, 99, Timer::Overtaken, RecordOvertaken),
            (pending, In::Overtaken, 100, Timer::Overtaken, RecordOvertaken),
            (Timer::Passed, In::Call, 0, Timer::Passed, Resolve),
            (Timer::Passed, In::Due, 100, Timer::Passed, Ignore),
            (Timer::Passed, In::Overtaken, 100, Timer::Passed, Ignore),
            (Timer::Overtaken, In::Call, 0, Timer::Overtaken, Resolve),
            (Timer::Overtaken, In::Due, 100, Timer::Overtaken, Ignore),
            (Timer::Overtaken, In::Overtaken, 100, Timer::Overtaken, Ignore),
        ];
        for (state, input, now, next, action) in table {
            assert_eq!(state.on(input, now), (next, action), "{state:?} on {input:?} at {now}");
        }
    }
}
