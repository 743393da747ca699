//! Code that does not match: the run is parked undamaged, nothing is undone, and it goes on when the right code is back.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of it")]
mod harness;

use harness::{Attempt::*, Do, Do::*, Lost, World};
use pawl_core::codec::change::Record;
use pawl_core::input::Input;
use pawl_core::output::{RunOutcome, Status};
use pawl_core::scope::ForkRule::*;

fn step(name: &'static str) -> Do {
    Step(name, vec![Returns(1)])
}

fn undoable(name: &'static str) -> Do {
    Undoable(name, vec![Returns(1)], vec![Returns(0)])
}

fn join(branches: Vec<(&'static str, Vec<Do>)>) -> Do {
    Fork("j", Join, 9, branches)
}

/// A life of the right code up to its wait for `go`, one of other code, and one of the right code again.
fn parks_and_goes_on(right: &[Do], other: &[Do], expected: &str) {
    let mut whole = World::new();
    assert_eq!(whole.run(right, &["go"]), RunOutcome::Completed(Some(bytes::Bytes::from_static(&[7]))));
    let mut world = World::new();
    drop(world.open(right));
    let (picture, executed) = (world.picture(), world.executed.clone());
    drop(world.open(other));
    let parked = world.parked.take().unwrap_or_else(|| panic!("not parked: {other:?}"));
    assert_eq!(format!("{:?}", parked.mismatch).split([' ', '(']).next(), Some(expected), "{parked:?}");
    assert_eq!(world.picture(), picture, "a park writes no history: {other:?}");
    assert_eq!(world.executed, executed, "a park runs nothing: {other:?}");
    assert_eq!(world.standing.status, Status::Parked);
    world.run(right, &["go"]);
    assert_eq!(world.picture(), whole.picture(), "{other:?}");
    assert_eq!(world.undone, Vec::<String>::new(), "nothing is undone");
}

#[test]
fn branches_that_changed_park_the_run() {
    let branch = |name| vec![step(name), Next("go", None)];
    let right = [undoable("u"), join(vec![("p", branch("a")), ("q", vec![step("b"), Sleep("nap", 1)])])];
    for (other, expected) in [
        (vec![undoable("u"), join(vec![("p", branch("a"))])], "OtherKind"),
        (vec![undoable("u"), join(vec![("p", branch("a")), ("r", vec![step("b")])])], "OtherKind"),
        (vec![undoable("u"), join(vec![("p", branch("a")), ("q", branch("b")), ("r", vec![])])], "OtherKind"),
        (vec![undoable("u"), Fork("j", Race, 9, vec![("p", branch("a")), ("q", branch("b"))])], "OtherKind"),
        (vec![undoable("u"), Loop("j", 2, branch("a"))], "OtherKind"),
        (vec![undoable("u"), Try("j", true, branch("a"))], "OtherKind"),
        (vec![undoable("u")], "EndsBeforeRecorded"),
        (vec![undoable("u"), Throw], "EndsBeforeRecorded"),
        (vec![undoable("u"), step("new")], "NewBeforeRecorded"),
        (vec![RollBack], "EndsBeforeRecorded"),
        (vec![undoable("u"), join(vec![("p", branch("a")), ("q", vec![])])], "EndsBeforeRecorded"),
        (vec![undoable("u"), join(vec![("p", branch("a")), ("q", vec![step("b"), Throw])])], "EndsBeforeRecorded"),
        (vec![undoable("u"), join(vec![("p", branch("a")), ("q", vec![Sleep("b", 1)])])], "OtherKind"),
    ] {
        parks_and_goes_on(&right, &other, expected);
    }
}

#[test]
fn a_try_block_that_is_gone_and_a_step_that_has_moved_park_the_run() {
    let right = [Try("t", true, vec![step("a"), undoable("u")]), Next("go", None)];
    for (other, expected) in [
        (vec![Next("go", None)], "NewBeforeRecorded"),
        (vec![step("a"), undoable("u"), Next("go", None)], "NewBeforeRecorded"),
        (vec![Try("t", true, vec![step("a")]), undoable("u"), Next("go", None)], "EndsBeforeRecorded"),
        (vec![Try("t", true, vec![Throw]), Next("go", None)], "EndsBeforeRecorded"),
        (vec![Loop("t", 1, vec![step("a"), undoable("u")]), Next("go", None)], "NewBeforeRecorded"),
    ] {
        parks_and_goes_on(&right, &other, expected);
    }
    let removed = [Removed("t", "try"), Next("go", None)];
    let mut world = World::new();
    drop(world.open(&right));
    world.run(&removed, &["go"]);
}

#[test]
fn a_divergence_in_one_branch_uses_up_no_attempt_in_another() {
    let long = Attempted("h", vec![Hangs], vec![Returns(0)]);
    let code =
        |q| [join(vec![("p", vec![long.clone(), Sleep("nap", 1)]), ("q", vec![step("b"), Next("go", None), q])])];
    let mut world = World::new();
    drop(world.open(&code(step("c"))));
    world.parked = None;
    let mut life = world.open(&[join(vec![("p", vec![long.clone()]), ("q", vec![step("new")])])]);
    assert!(life.world.parked.take().is_some());
    life.code = harness::Code::new(&code(step("c")));
    life.world.now += 60_000;
    life.feed(Input::Tick);
    assert_eq!(life.world.executed.last().unwrap(), "h#1", "{:?}", life.world.executed);
}

#[test]
fn a_handler_that_is_gone_parks_the_run_and_goes_on_when_it_is_back() {
    let fails = || Step("x", vec![ThrowsCritical]).must();
    let right = [undoable("u"), Loop("l", 2, vec![undoable("v")]), Sleep("nap", 10), fails()];
    let nested = |inner: Vec<Do>| vec![undoable("u"), Loop("l", 2, inner), Sleep("nap", 10), fails()];
    let others = [
        vec![step("u"), Loop("l", 2, vec![undoable("v")]), Sleep("nap", 10), fails()],
        nested(vec![step("v")]),
        nested(vec![]),
        nested(vec![Sleep("v", 1)]),
        vec![undoable("u"), Fork("l", Join, 9, vec![]), Sleep("nap", 10), fails()],
        vec![undoable("u"), Try("l", true, vec![]), fails()],
        vec![],
        vec![Throw],
    ];
    for other in others {
        // The process dies when the run has begun to roll back, and at no other time.
        let rolling = (1..).find(|at| {
            let mut world = World { lose: Some((*at, Lost::BeforeAcknowledged)), ..World::new() };
            drop(world.open(&right).finish(&[]));
            world.standing.status == Status::RollingBack
        });
        let lose = rolling.map(|at| (at, Lost::BeforeAcknowledged));
        let mut world = World { lose, ..World::new() };
        drop(world.open(&right).finish(&[]));
        let picture = world.picture();
        let life = world.open(&other);
        assert!(life.outcome.is_none(), "{other:?}");
        drop(life);
        let parked = world.parked.take().unwrap_or_else(|| panic!("not parked: {other:?}"));
        assert!(format!("{:?}", parked.mismatch).starts_with("NoHandler"), "{parked:?}");
        assert_eq!(world.picture(), picture, "a park writes no history: {other:?}");
        let mut kinds = world.run(&right, &[]);
        assert!(matches!(&mut kinds, RunOutcome::Failed(_)));
        world.assert_undone(&["u", "v"], &format!("{other:?}"));
    }
}

#[test]
fn a_handler_that_is_gone_from_code_that_goes_on_parks_the_run_when_it_comes_to_roll_back() {
    let code = |first: Do| [first, Sleep("nap", 10), Step("x", vec![ThrowsCritical]).must()];
    let mut world = World::new();
    drop(world.open(&code(undoable("u"))));
    assert!(world.run_until(&code(step("u")), &[]).is_none());
    let parked = world.parked.take().unwrap();
    assert!(format!("{:?}", parked.mismatch).starts_with("NoHandler"), "{parked:?}");
    world.run(&code(undoable("u")), &[]);
    world.assert_undone(&["u"], "back");
}

#[test]
fn a_rebuild_that_comes_to_the_end_without_a_handler_parks_the_run_and_answers_nobody() {
    let code = |first: Do| [first, Ask("q"), RollBack];
    let dies = Undoable("u", vec![Returns(1)], vec![Hangs]);
    let mut world = World::new();
    let mut life = world.open(&code(dies));
    life.send("q");
    assert_eq!(life.world.standing.status, Status::RollingBack);
    drop(life);
    drop(world.open(&code(step("u"))));
    assert!(world.parked.take().is_some());
    world.run(&code(undoable("u")), &[]);
    world.assert_undone(&["u"], "back");
}

#[test]
fn a_rebuild_answers_no_message() {
    // The process dies when the message is recorded, the run is cancelled before anything else, and undone.
    let code = [undoable("u"), Ask("q"), Sleep("nap", 10)];
    let mut whole = World::new();
    whole.run(&code, &["q"]);
    let taken = (1..=whole.batches).find(|at| {
        let mut world = World { lose: Some((*at, Lost::BeforeAcknowledged)), ..World::new() };
        drop(world.open(&code).finish(&["q"]));
        world.inbox.is_empty() && world.records().any(|record| matches!(record, Record::Took(_)))
    });
    let mut world = World { lose: taken.map(|at| (at, Lost::BeforeAcknowledged)), ..World::new() };
    drop(world.open(&code).finish(&["q"]));
    let mut life = world.load_only(&[step("u"), Ask("q"), Sleep("nap", 10)]);
    life.feed(Input::Cancel { call: 3, compensate: true, reason: None });
    drop(life);
    assert!(world.parked.take().is_some(), "the handler is gone");
    assert_eq!(world.answered, Vec::<String>::new());
    assert!(matches!(world.run(&code, &[]), RunOutcome::Cancelled(_)));
    world.assert_undone(&["u"], "cancelled");
}
