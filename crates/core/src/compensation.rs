//! Compensation: the stack of what is to be undone, and the machine that undoes it.
//!
//! | state      | begin, handlers known | begin, unknown      | rebuilt, known | rebuilt, unknown | undone, more left | undone, none left | failed for good | retry   |
//! |------------|-----------------------|---------------------|----------------|------------------|-------------------|-------------------|-----------------|---------|
//! | idle       | undoing: undo         | rebuilding: rebuild | ignored        | ignored          | ignored           | ignored           | ignored         | ignored |
//! | rebuilding | ignored               | ignored             | undoing: undo  | idle: park       | ignored           | ignored           | ignored         | ignored |
//! | undoing    | ignored               | ignored             | ignored        | ignored          | undoing: undo     | done: end         | stuck: wait     | ignored |
//! | stuck      | ignored               | ignored             | ignored        | ignored          | ignored           | ignored           | ignored         | undoing: undo |
//! | done       | ignored               | ignored             | ignored        | ignored          | ignored           | ignored           | ignored         | ignored |
//!
//! A stack that is empty at the beginning has nothing to be rebuilt: `begin, handlers known` with nothing left is `done: end`.
//! Handlers run newest commit first. `stuck` is a handler that has failed for good: the run stays as it is until someone says
//! `retry`. A rebuild that finds nothing to undo (another engine's history says it only in code) ends, too. A run that is loaded in the middle begins again with what is left on the stack; one that is stuck stays stuck.

use crate::history::NodeId;

/// How many steps a run may have to undo.
pub const STACK_LIMIT: usize = 10_000;

/// A step that is to be undone if the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub node: NodeId,
    /// It never committed: its effect is unknown.
    pub attempted: bool,
}

/// Rows by the change that put them there, newest last.
#[derive(Debug, Default)]
pub struct Stack {
    rows: Vec<Row>,
}

impl Stack {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() >= STACK_LIMIT
    }

    /// Puts a step on top; one that is there already moves.
    pub fn push(&mut self, row: Row) {
        self.pop(row.node);
        self.rows.push(row);
    }

    /// Puts a step where its commit is, among those that are there: another engine recorded it, and no row.
    pub fn adopt(&mut self, row: Row, is_older: impl Fn(NodeId) -> bool) {
        let at = self.rows.iter().rposition(|other| is_older(other.node)).map_or(0, |at| at + 1);
        self.rows.insert(at, row);
    }

    /// Takes a step off, wherever it is. True if it was there. What is undone is on top or near it.
    pub fn pop(&mut self, node: NodeId) -> bool {
        let at = self.rows.iter().rposition(|row| row.node == node);
        at.map(|at| self.rows.remove(at)).is_some()
    }

    pub fn newest(&self) -> Option<Row> {
        self.rows.last().copied()
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rollback {
    #[default]
    Idle,
    Rebuilding,
    Undoing,
    Stuck,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackInput {
    /// `known`: the handler of everything on the stack is in memory. `left`: so much is on the stack.
    Begin {
        known: bool,
        left: usize,
    },
    /// The code has been run again, as far as it is recorded.
    Rebuilt {
        known: bool,
        left: usize,
    },
    Undone {
        left: usize,
    },
    FailedForGood,
    Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackAction {
    Rebuild,
    Undo,
    Park,
    End,
    Wait,
    Ignore,
}

impl Rollback {
    pub fn on(self, input: RollbackInput) -> (Rollback, RollbackAction) {
        use RollbackAction as Do;
        use RollbackInput as In;
        match (self, input) {
            (Rollback::Idle, In::Begin { left: 0, .. }) => (Rollback::Done, Do::End),
            (Rollback::Idle, In::Begin { known: true, .. }) => (Rollback::Undoing, Do::Undo),
            (Rollback::Idle, In::Begin { known: false, .. }) => (Rollback::Rebuilding, Do::Rebuild),
            (Rollback::Rebuilding, In::Rebuilt { known: true, left: 0 }) => (Rollback::Done, Do::End),
            (Rollback::Rebuilding, In::Rebuilt { known: true, .. }) => (Rollback::Undoing, Do::Undo),
            (Rollback::Rebuilding, In::Rebuilt { known: false, .. }) => (Rollback::Idle, Do::Park),
            (Rollback::Undoing, In::Undone { left: 0 }) => (Rollback::Done, Do::End),
            (Rollback::Undoing, In::Undone { .. }) => (Rollback::Undoing, Do::Undo),
            (Rollback::Undoing, In::FailedForGood) => (Rollback::Stuck, Do::Wait),
            (Rollback::Stuck, In::Retry) => (Rollback::Undoing, Do::Undo),
            (state, _) => (state, Do::Ignore),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebuild_that_finds_nothing_to_undo_ends() {
        let rebuilt = RollbackInput::Rebuilt { known: true, left: 0 };
        assert_eq!(Rollback::Rebuilding.on(rebuilt), (Rollback::Done, RollbackAction::End));
    }

    #[test]
    fn every_state_answers_every_input_as_the_table_says() {
        use Rollback as S;
        use RollbackAction as Do;
        use RollbackInput as In;
        let inputs = [
            In::Begin { known: true, left: 2 },
            In::Begin { known: false, left: 2 },
            In::Begin { known: true, left: 0 },
            In::Rebuilt { known: true, left: 1 },
            In::Rebuilt { known: false, left: 1 },
            In::Undone { left: 1 },
            In::Undone { left: 0 },
            In::FailedForGood,
            In::Retry,
        ];
        let answers = |state: S| -> [Option<(S, Do)>; 9] {
            let mut row = [None; 9];
            match state {
                S::Idle => {
                    row[0] = Some((S::Undoing, Do::Undo));
                    row[1] = Some((S::Rebuilding, Do::Rebuild));
                    row[2] = Some((S::Done, Do::End));
                }
                S::Rebuilding => {
                    row[3] = Some((S::Undoing, Do::Undo));
                    row[4] = Some((S::Idle, Do::Park));
                }
                S::Undoing => {
                    row[5] = Some((S::Undoing, Do::Undo));
                    row[6] = Some((S::Done, Do::End));
                    row[7] = Some((S::Stuck, Do::Wait));
                }
                S::Stuck => row[8] = Some((S::Undoing, Do::Undo)),
                S::Done => {}
            }
            row
        };
        for state in [S::Idle, S::Rebuilding, S::Undoing, S::Stuck, S::Done] {
            for (input, expected) in inputs.into_iter().zip(answers(state)) {
                assert_eq!(state.on(input), expected.unwrap_or((state, Do::Ignore)), "{state:?} on {input:?}");
            }
        }
    }
}
