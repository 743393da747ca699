//! What operators do to a run: cancel it, try again what ended it, go back to an earlier entry.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of it")]
mod harness;

use harness::{Attempt::*, Do, Do::*, Lost, World};
use pawl_core::input::{Input, Writes};
use pawl_core::output::{RunOutcome, Status};
use pawl_core::scope::ForkRule::*;

fn step(name: &'static str) -> Do {
    Step(name, vec![Returns(1)])
}

fn undoable(name: &'static str) -> Do {
    Undoable(name, vec![Returns(1)], vec![Returns(0)])
}

fn completed() -> RunOutcome {
    RunOutcome::Completed(Some(bytes::Bytes::from_static(&[7])))
}

/// Gives a world that has ended an operator's input, and runs it to its end.
fn then(world: &mut World, program: &[Do], input: Input) -> RunOutcome {
    world.executed.clear();
    let mut life = world.open(program);
    life.operate(input);
    match life.finish(&[]) {
        Some(outcome) => {
            life.assert_folds_to_itself();
            outcome
        }
        None => world.run(program, &[]),
    }
}

fn id_of(world: &mut World, program: &[Do], path: &str) -> String {
    let mut life = world.open(program);
    life.world.complete(&mut life.actor);
    let entries = life.actor.entries();
    entries.iter().find(|entry| entry.path == path).unwrap().recorded.entry.id.clone()
}

#[test]
fn going_back_into_loops_that_are_past_runs_them_again() {
    let program = [
        step("a"),
        Loop("o", 3, vec![step("b"), Loop("l", 2, vec![step("c")]), step("d")]),
        Fork("j", Join, 9, vec![("p", vec![step("e")]), ("q", vec![step("f")])]),
    ];
    let mut whole = World::new();
    whole.run(&program, &[]);
    for (path, first) in [("o/#2/l/#0/c", "b#1"), ("o/#1/b", "b#1"), ("o/#2/d", "b#1"), ("j/q/f", "f#1"), ("a", "a#1")]
    {
        let mut world = whole.clone();
        let entry_id = Some(id_of(&mut world, &program, path));
        assert_eq!(
            then(&mut world, &program, Input::Replay { call: 2, entry_id, writes: Writes::default() }),
            completed(),
            "{path}"
        );
        assert_eq!(world.executed.first().map(String::as_str), Some(first), "{path}: {:?}", world.executed);
        assert_eq!(world.picture(), whole.picture(), "{path}");
    }
}

#[test]
fn what_was_undone_is_done_again_when_the_run_is_tried_again() {
    let code = |last: Do| {
        [
            step("a"),
            Loop("l", 3, vec![step("b"), undoable("u")]),
            Fork("j", Join, 9, vec![("p", vec![undoable("v")]), ("q", vec![step("c")])]),
            Step("w", vec![Writes("x", 1, None)]),
            last,
        ]
    };
    let (bad, good) = (code(Step("z", vec![ThrowsCritical]).must()), code(step("z")));
    let mut whole = World::new();
    whole.run(&good, &[]);
    let mut world = World::new();
    assert!(matches!(world.run(&bad, &[]), RunOutcome::Failed(_)));
    world.assert_undone(&["u", "v"], "failed");
    assert_eq!(then(&mut world, &good, Input::Retry { call: 2 }), completed());
    assert_eq!(world.picture(), whole.picture());
    let done = |name: &str| world.executed.iter().filter(|body| *body == name).count();
    assert_eq!((done("a#1"), done("u#1"), done("v#1"), done("z#1")), (0, 3, 1, 1), "{:?}", world.executed);
}

#[test]
fn trying_again_resets_what_ended_the_run_and_nothing_that_was_caught() {
    let code = |last| {
        [
            Step("caught", vec![ThrowsCritical]),
            Fork("j", Join, 9, vec![("p", vec![step("a"), last]), ("q", vec![step("b")])]).must(),
        ]
    };
    let (bad, good) = (code(Step("z", vec![ThrowsCritical]).must()), code(step("z").must()));
    let mut world = World::new();
    assert!(matches!(world.run(&bad, &[]), RunOutcome::Failed(_)));
    assert_eq!(then(&mut world, &good, Input::Retry { call: 2 }), completed());
    assert_eq!(world.executed, ["z#1"]);
    assert_eq!(world.facts[0], "caught Critical after 1: Error: boom");
}

#[test]
fn what_is_noted_when_a_run_goes_back_is_not_written_over_what_comes_after() {
    let program = [Loop("l", 9, vec![Version("v", 1), Sleep("nap", 1), Next("n", Some(100))])];
    let mut whole = World::new();
    whole.run(&program, &[]);
    for at in 1..whole.batches {
        let mut world = World { lose: Some((at, Lost::BeforeAcknowledged)), ..World::new() };
        drop(world.open(&program).finish(&[]));
        assert_eq!(
            then(&mut world, &program, Input::Replay { call: 2, entry_id: None, writes: Writes::default() }),
            completed(),
            "batch {at}"
        );
        assert_eq!(world.picture(), whole.picture(), "batch {at}");
    }
}

#[test]
fn a_run_that_is_cancelled_anywhere_is_undone_newest_first_or_not_at_all() {
    let program = [
        Loop("l", 2, vec![undoable("u"), Sleep("nap", 10)]),
        Fork(
            "j",
            Race,
            9,
            vec![("p", vec![undoable("v"), Sleep("nap", 10)]), ("q", vec![step("c"), Sleep("n", 20), undoable("w")])],
        ),
        undoable("x"),
        Sleep("end", 10),
    ];
    let mut whole = World::new();
    whole.run(&program, &[]);
    for at in 2..whole.batches {
        for compensate in [true, false] {
            let mut world = World { lose: Some((at, Lost::BeforeAcknowledged)), ..World::new() };
            drop(world.open(&program).finish(&[]));
            let mut life = world.load_only(&program);
            life.operate(Input::Cancel { call: 3, compensate, reason: Some("no".into()) });
            assert_eq!(life.finish(&[]), Some(RunOutcome::Cancelled(Some("no".into()))), "batch {at}");
            if compensate {
                world.assert_undone(&["u", "v", "w", "x"], &format!("batch {at}"));
            } else {
                assert!(world.undone.is_empty(), "batch {at}");
            }
        }
    }
}

#[test]
fn a_handler_that_failed_for_good_is_tried_again_when_someone_says_so_whatever_happens_next() {
    let code = |handler| [Undoable("u", vec![Returns(1)], vec![handler]), Step("x", vec![ThrowsCritical]).must()];
    let mut world = World::new();
    assert_eq!(world.open(&code(ThrowsCritical)).finish(&[]), None);
    assert_eq!((world.standing.status, world.standing.alarm), (Status::RollingBack, None), "stuck");
    let executed = world.executed.len();
    drop(world.open(&code(Returns(0))));
    assert_eq!(world.executed.len(), executed, "a load alone tries nothing again");
    // The process dies while the handler runs; it was said that it is to be tried.
    world.open(&code(Hangs)).operate(Input::Retry { call: 2 });
    assert_eq!((world.standing.status, world.standing.alarm), (Status::RollingBack, Some(0)));
    assert!(matches!(world.run(&code(Returns(0)), &[]), RunOutcome::Failed(_)));
    assert_eq!(world.undone, ["/u"]);
}
