//! What conflicts promise: an attempt that passes has done what it would have done alone on the newest value.
//!
//! An attempt is a random program that reads, and writes what depends on all it has read. It runs on the value of its
//! pin and records reads as a draft would; other changes are queued; if the check passes, its delta on the newest value
//! has to give what running the whole program there gives.

use proptest::prelude::*;

use super::super::model::{Choices, Value};
use super::super::{Path, Read, Slot};
use super::*;
use crate::codec::cbor::Writer;

#[derive(Debug, Clone)]
enum Step {
    Read(ReadKind, Path),
    Set(Path),
    Delete(Path),
    Push(Path),
    Pop(Path),
    Shift(Path),
    Reverse(Path),
    Truncate(Path),
}

#[derive(Default)]
struct Run {
    /// A digest of everything that was read.
    seen: u64,
    reads: Vec<Read>,
    ops: Vec<Op>,
}

impl Run {
    /// Runs a program; none if it goes where nothing is, as user code would fail.
    fn of(program: &[Step], value: &mut Value) -> Option<Run> {
        let mut run = Run::default();
        program.iter().try_for_each(|step| run.step(step, value))?;
        Some(run)
    }

    fn step(&mut self, step: &Step, value: &mut Value) -> Option<()> {
        match step {
            Step::Read(kind, path) => {
                self.record(*kind, path.clone());
                let digest = match kind {
                    ReadKind::Slot => surface(value.at(path.slots())),
                    ReadKind::Shape => shape(value.at(path.slots())),
                    ReadKind::Level => level(value.at(path.slots())),
                    ReadKind::Subtree => digest(&value.at(path.slots()).map(Value::encode)),
                };
                self.saw(digest);
                Some(())
            }
            Step::Set(path) => {
                let new = self.new_value();
                self.write(value, path.clone(), Action::Set(new))
            }
            Step::Delete(path) => match value.at(path.slots()) {
                Some(_) => self.write(value, path.clone(), Action::Delete),
                None => {
                    value.at(path.slots().split_last()?.1)?;
                    self.record(ReadKind::Slot, path.clone());
                    Some(())
                }
            },
            Step::Push(path) => {
                let added = vec![self.new_value()];
                let start = self.array_len(value, path)?;
                self.write(value, path.clone(), Action::Splice { start, removed: 0, added })
            }
            Step::Pop(path) => {
                let len = self.array_len(value, path)?;
                let Some(start) = len.checked_sub(1) else { return Some(()) };
                self.step(&Step::Read(ReadKind::Subtree, path.clone().index(start)), value)?;
                self.write(value, path.clone(), Action::Splice { start, removed: 1, added: vec![] })
            }
            Step::Shift(path) => {
                self.record(ReadKind::Subtree, path.clone());
                let removed = self.array_len(value, path)?.min(1);
                self.write(value, path.clone(), Action::Splice { start: 0, removed, added: vec![] })
            }
            Step::Reverse(path) => {
                self.record(ReadKind::Subtree, path.clone());
                let order = (0..self.array_len(value, path)?).rev().collect();
                self.write(value, path.clone(), Action::Permute(order))
            }
            Step::Truncate(path) => {
                let length = self.array_len(value, path)? / 2;
                self.write(value, path.clone(), Action::Length(length))
            }
        }
    }

    fn write(&mut self, value: &mut Value, path: Path, action: Action) -> Option<()> {
        let op = Op { path, action };
        if let Some((slot, parent)) = op.path.slots().split_last() {
            let fits = matches!(
                (value.at(parent)?, slot),
                (Value::Object { .. }, Slot::Key(_))
                    | (Value::Array(_), Slot::Index(_))
                    | (Value::Map(_), Slot::Entry(_))
            );
            fits.then_some(())?;
        }
        value.apply(&op)?;
        self.ops.push(op);
        Some(())
    }

    fn array_len(&mut self, value: &Value, path: &Path) -> Option<u32> {
        self.record(ReadKind::Shape, path.clone());
        match value.at(path.slots())? {
            Value::Array(items) => Some(items.len() as u32),
            _ => None,
        }
    }

    fn new_value(&self) -> Bytes {
        let mut out = Writer::new();
        match self.seen % 3 {
            0 => out.number((self.seen % 1000) as f64),
            1 => out.array(1).number((self.seen % 1000) as f64),
            _ => out.object(1).key(b"a").number((self.seen % 1000) as f64),
        };
        out.finish()
    }

    fn record(&mut self, kind: ReadKind, path: Path) {
        self.reads.push(Read { kind, path });
    }

    fn saw(&mut self, digest: u64) {
        self.seen = self.seen.wrapping_mul(31).wrapping_add(digest);
    }
}

fn digest(value: &impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish() >> 1
}

/// What reading a slot shows: a leaf's value, or which kind of container is there.
fn surface(value: Option<&Value>) -> u64 {
    match value {
        None => 0,
        Some(Value::Leaf(bytes)) => digest(bytes),
        Some(Value::Array(_)) => 1,
        Some(Value::Object { null_prototype, .. }) => 2 + u64::from(*null_prototype),
        Some(Value::Map(_)) => 4,
        Some(Value::Set(_)) => 5,
    }
}

fn shape(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::Array(items)) => digest(&items.iter().map(Value::is_hole).collect::<Vec<_>>()),
        Some(Value::Object { pairs, .. }) => digest(&pairs.iter().map(|(key, _)| key).collect::<Vec<_>>()),
        Some(Value::Map(pairs)) => digest(&pairs.iter().map(|(key, _)| key).collect::<Vec<_>>()),
        Some(Value::Set(members)) => digest(members),
        other => surface(other),
    }
}

fn level(value: Option<&Value>) -> u64 {
    let children: Vec<u64> = match value {
        Some(Value::Array(items)) => items.iter().map(|item| surface(Some(item))).collect(),
        Some(Value::Object { pairs, .. }) => pairs.iter().map(|(_, value)| surface(Some(value))).collect(),
        Some(Value::Map(pairs)) => pairs.iter().map(|(_, value)| surface(Some(value))).collect(),
        _ => vec![],
    };
    digest(&(shape(value), children))
}

/// A program whose paths come from the value that it is first run on.
fn program(choices: &mut Choices, value: &Value) -> Vec<Step> {
    let mut value = value.clone();
    let mut run = Run::default();
    let mut program = Vec::new();
    for _ in 0..1 + choices.below(4) {
        let step = step(choices, &value);
        let mut after = value.clone();
        if run.step(&step, &mut after).is_some() {
            value = after;
            program.push(step);
        }
    }
    program
}

fn step(choices: &mut Choices, value: &Value) -> Step {
    let place = choices.place(value);
    let is_array = matches!(value.at(place.slots()), Some(Value::Array(_)));
    match choices.below(if is_array { 12 } else { 7 }) {
        0 => Step::Read(ReadKind::Slot, choices.slot(value, place)),
        1 => Step::Read(ReadKind::Shape, place),
        2 => Step::Read(ReadKind::Level, place),
        3 => Step::Read(ReadKind::Subtree, place),
        4 if !place.slots().is_empty() => Step::Delete(place),
        4..=6 => Step::Set(choices.slot(value, place)),
        7 => Step::Pop(place),
        8 => Step::Shift(place),
        9 => Step::Reverse(place),
        10 => Step::Truncate(place),
        _ => Step::Push(place),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn an_attempt_that_passes_has_done_what_it_would_have_done_alone(choices in prop::collection::vec(any::<u16>(), 20..160)) {
        check_one(&mut Choices(choices.iter()))?;
    }
}

/// Whether the attempt had to be checked, and passed.
fn check_one(choices: &mut Choices) -> Result<Option<bool>, TestCaseError> {
    let pinned = choices.wide_value();
    let mut cell = Cell::new(pinned.encode(), 0).unwrap();
    let program = program(choices, &pinned);
    let run = Run::of(&program, &mut pinned.clone()).expect("the program was made on this value");
    let mut newest = pinned.clone();
    for seq in 1..=1 + choices.below(3) as u64 {
        let ops = choices.ops(&newest, 1);
        newest.apply_all(&ops).expect("the ops were made to fit");
        cell.apply(seq, &Delta::new(ops).unwrap()).unwrap();
    }
    if run.ops.is_empty() {
        return Ok(None);
    }
    let delta = Delta::new(run.ops).unwrap();
    let reads = Reads::from(run.reads);
    if cell.check(0, Some(&delta), Some(&reads)) != Verdict::Pass {
        return Ok(Some(false));
    }
    let before = newest.clone();
    prop_assert!(Run::of(&program, &mut newest).is_some(), "{program:?} goes astray on {before:?}");
    prop_assert_eq!(cell.apply(9, &delta), Ok(()));
    prop_assert_eq!(cell.encode(), newest.encode(), "{:?} on {:?}", program, before);
    Ok(Some(true))
}

#[test]
fn enough_attempts_pass_and_enough_conflict_for_this_test_to_mean_something() {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as u16
    };
    let (mut passed, mut conflicted) = (0, 0);
    for _ in 0..3_000 {
        let choices: Vec<u16> = (0..160).map(|_| next()).collect();
        match check_one(&mut Choices(choices.iter())).unwrap() {
            Some(true) => passed += 1,
            Some(false) => conflicted += 1,
            None => {}
        }
    }
    assert!(passed > 300 && conflicted > 300, "{passed} passed, {conflicted} conflicted");
}
