//! Runs, from outside: programs as data against a store that loses what it is told to lose.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of it")]
mod harness;

use harness::{Attempt::*, Do::*, Lost, World};
use pawl_core::history::Mismatch;
use pawl_core::output::{RunOutcome, Status};

fn completed() -> RunOutcome {
    RunOutcome::Completed(Some(bytes::Bytes::from_static(&[7])))
}

fn programs() -> Vec<(&'static str, Vec<harness::Do>, Vec<&'static str>)> {
    vec![
        (
            "steps",
            vec![Step("a", vec![Returns(1)]), Step("b", vec![Writes("x", 2, None)]), Step("c", vec![Returns(3)])],
            vec![],
        ),
        (
            "a retried step",
            vec![Step("a", vec![Throws, Throws, Writes("x", 1, None)]), Step("b", vec![Returns(2)])],
            vec![],
        ),
        (
            "caught failures",
            vec![Step("a", vec![ThrowsCritical]), Step("b", vec![Throws]), Step("c", vec![Returns(3)])],
            vec![],
        ),
        ("a timeout", vec![Step("a", vec![Hangs]), Step("b", vec![Returns(2)])], vec![]),
        ("a sleep", vec![Step("a", vec![Returns(1)]), Sleep("nap", 5_000), Step("b", vec![Returns(2)])], vec![]),
        (
            "messages",
            vec![Next("go", None), Step("a", vec![Writes("x", 1, None)]), Next("on", Some(60_000))],
            vec!["go", "on"],
        ),
        ("a wait in vain", vec![Next("go", Some(1_000)), Step("a", vec![Returns(1)])], vec![]),
        (
            "a loop",
            vec![
                Loop("l", 4, vec![Step("a", vec![Writes("x", 1, None)]), Step("b", vec![Returns(2)])]),
                Step("z", vec![Returns(3)]),
            ],
            vec![],
        ),
        (
            "a loop of messages",
            vec![Loop("l", 3, vec![Next("go", None), Step("a", vec![Throws, Writes("y", 4, None)])])],
            vec!["go", "go", "go"],
        ),
        (
            "loops in loops",
            vec![Loop("l", 2, vec![Loop("m", 2, vec![Step("a", vec![Returns(1)])]), Sleep("nap", 100)])],
            vec![],
        ),
        ("a loop without records", vec![Loop("l", 50, vec![]), Step("a", vec![Returns(1)])], vec![]),
        (
            "a message to itself",
            vec![Step("a", vec![Writes("x", 1, Some("me"))]), Next("me", None), Step("b", vec![Returns(2)])],
            vec![],
        ),
    ]
}

#[test]
fn whichever_batch_is_lost_the_run_ends_as_if_none_had_been() {
    for (name, program, messages) in programs() {
        let mut whole = World::new();
        assert_eq!(whole.run(&program, &messages), completed(), "{name}");
        let batches = whole.batches;
        for lost in [Lost::BeforeWritten, Lost::BeforeAcknowledged] {
            for at in 1..=batches {
                let mut world = World { lose: Some((at, lost)), ..World::new() };
                assert_eq!(world.run(&program, &messages), completed(), "{name}: batch {at} {lost:?}");
                assert_eq!(world.picture(), whole.picture(), "{name}: batch {at} {lost:?}");
            }
        }
    }
}

#[test]
fn an_attempt_whose_outcome_is_durable_never_runs_again() {
    for (name, program, messages) in programs() {
        let mut whole = World::new();
        whole.run(&program, &messages);
        let executed = whole.executed.clone();
        let again = whole.run(&program, &messages);
        assert_eq!(again, completed(), "{name}");
        assert_eq!(whole.executed, executed, "{name}: a run that has ended runs nothing");
        for at in 1..=whole.batches {
            let mut world = World { lose: Some((at, Lost::BeforeAcknowledged)), ..World::new() };
            world.run(&program, &messages);
            assert!(world.executed.len() <= executed.len() + 1, "{name}: batch {at}: {:?}", world.executed);
        }
    }
}

#[test]
fn a_failed_attempt_writes_its_record_and_nothing_else() {
    let mut world = World::new();
    world.run(&[Step("a", vec![Throws, Writes("x", 1, None)])], &[]);
    let changes: Vec<Vec<String>> = world
        .changes
        .iter()
        .map(|(seq, body)| pawl_core::codec::change::read(*seq, body).unwrap().records)
        .map(|records| {
            records
                .iter()
                .map(|record| format!("{record:?}").split([' ', '(', '{']).next().unwrap().to_owned())
                .collect()
        })
        .collect();
    assert_eq!(changes[1], ["Name", "Entry", "Metadata", "Failure"], "{changes:?}");
    assert_eq!(changes[2], ["Entry", "Metadata", "Failure", "Delta"], "{changes:?}");
}

#[test]
fn retries_wait_from_the_start_of_the_failed_attempt_and_are_reported_once_each() {
    let mut world = World { reports: true, ..World::new() };
    world.run(&[Step("a", vec![Throws, Throws, Throws])], &[]);
    assert_eq!(world.executed, ["a#1", "a#2", "a#3"]);
    assert_eq!(world.reported, ["a 1 Some(1000200)", "a 2 Some(1000600)", "a 3 None"]);
    assert_eq!(world.now, 1_000_600);
    assert_eq!(world.facts, ["a Exhausted after 3: Error: boom"]);
}

#[test]
fn terminal_failures_stay_what_they_were_in_every_later_life() {
    let program = [
        Step("c", vec![ThrowsCritical, Returns(1)]),
        Step("t", vec![Hangs, Returns(1)]),
        Sleep("nap", 10),
        Step("z", vec![Returns(1)]),
    ];
    let mut world = World::new();
    world.run(&program, &[]);
    let first = world.facts.clone();
    assert_eq!(
        first[..2],
        ["c Critical after 1: Error: boom", "t Timeout after 1: StepTimeoutError: Step \"t\" timed out after 1000ms"]
    );
    // A life that ends before the last step is recorded replays everything before it.
    let mut crashed = World { lose: Some((6, Lost::BeforeWritten)), ..World::new() };
    crashed.run(&program, &[]);
    assert!(crashed.lives >= 2);
    assert_eq!(crashed.facts[..2], first[..2]);
    assert_eq!(crashed.executed.iter().filter(|name| name.starts_with('c') || name.starts_with('t')).count(), 2);
}

#[test]
fn the_row_of_a_waiting_run_says_when_it_goes_on() {
    let mut world = World::new();
    drop(world.open(&[Sleep("nap", 5_000)]));
    assert_eq!((world.standing.status, world.standing.alarm), (Status::Waiting, Some(1_005_000)));
    let mut world = World::new();
    drop(world.open(&[Step("a", vec![Throws])]));
    assert_eq!((world.standing.status, world.standing.alarm), (Status::Waiting, Some(1_000_200)));
    let mut world = World::new();
    drop(world.open(&[Step("a", vec![Returns(1)]), Step("b", vec![Hangs])]));
    assert_eq!((world.standing.status, world.standing.alarm), (Status::Running, Some(0)));
}

#[test]
fn a_wait_for_messages_writes_its_row_only_when_the_actor_is_put_away() {
    let mut world = World::new();
    let mut life = world.open(&[Step("a", vec![Returns(1)]), Next("go", None)]);
    let before = life.world.batches;
    life.feed(pawl_core::input::Input::Suspend);
    life.feed(pawl_core::input::Input::Suspend);
    assert_eq!(life.world.batches, before + 1);
    drop(life);
    assert_eq!((world.standing.status, world.standing.alarm), (Status::Waiting, None));
}

#[test]
fn a_message_that_waits_is_taken_by_the_wait_that_wants_it_and_no_other() {
    let mut world = World::new();
    let mut life = world.open(&[Next("go", None), Next("on", None)]);
    life.send("on");
    life.send("later");
    assert!(life.world.facts.is_empty());
    life.send("go");
    assert_eq!(life.world.facts, ["go 1 messages", "on 1 messages"]);
    assert_eq!(life.outcome, Some(completed()));
    drop(life);
    assert_eq!(world.inbox.len(), 1, "the message nobody wanted is still there");
}

#[test]
fn code_that_does_not_match_parks_the_run_and_matching_code_goes_on() {
    let recorded = [Step("a", vec![Returns(1)]), Step("b", vec![Returns(2)]), Next("go", None)];
    let others: Vec<(Vec<harness::Do>, &str)> = vec![
        (vec![Step("new", vec![Returns(1)])], "NewBeforeRecorded"),
        (vec![Step("a", vec![Returns(1)]), Step("new", vec![Returns(1)])], "NewBeforeRecorded"),
        (vec![Step("a", vec![Returns(1)]), Sleep("b", 1)], "OtherKind"),
        (vec![Step("a", vec![Returns(1)])], "EndsBeforeRecorded"),
        (vec![Step("b", vec![Returns(1)]), Next("go", None)], "NewBeforeRecorded"),
    ];
    for (program, expected) in others {
        let mut world = World::new();
        drop(world.open(&recorded));
        let (picture, executed) = (world.picture(), world.executed.clone());
        let life = world.open(&program);
        assert!(life.outcome.is_none());
        drop(life);
        let parked = world.parked.take().expect("parked");
        assert_eq!(format!("{:?}", parked.mismatch).split([' ', '(']).next(), Some(expected));
        assert_eq!(world.picture(), picture, "a park writes no history");
        assert_eq!(world.executed, executed, "a park runs nothing");
        assert_eq!((world.standing.status, world.standing.alarm), (Status::Parked, Some(world.now + 60_000)));
        assert_eq!(world.run(&recorded, &["go"]), completed());
    }
}

#[test]
fn a_divergence_names_both_sides_and_the_place() {
    let mut world = World::new();
    drop(world.open(&[Loop("l", 2, vec![Step("a", vec![Returns(1)]), Next("go", Some(1_000))])]));
    drop(world.open(&[Loop("l", 2, vec![Step("a", vec![Returns(1)]), Step("fraud", vec![Returns(1)])])]));
    let parked = world.parked.take().expect("parked");
    assert_eq!(parked.scope, "l/#0");
    let words = |operations: &[pawl_core::history::Operation]| {
        operations
            .iter()
            .map(|operation| format!("{} {} {}", operation.kind, operation.name, operation.status))
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&parked.recorded), ["step a ", "message go waiting"]);
    assert_eq!(words(&parked.code), ["step a "]);
    assert!(matches!(parked.mismatch, Mismatch::NewBeforeRecorded(code) if code.name == "fraud"));
}

#[test]
fn parking_again_and_again_waits_longer_each_time_up_to_an_hour() {
    let mut world = World::new();
    drop(world.open(&[Step("a", vec![Returns(1)]), Sleep("nap", 1)]));
    let mut waits = vec![];
    for _ in 0..9 {
        drop(world.open(&[Step("new", vec![Returns(1)])]));
        waits.push(world.standing.alarm.unwrap() - world.now);
        world.parked = None;
    }
    let minute = 60_000;
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|minutes| minutes * minute));
}

#[test]
fn a_loop_of_many_rounds_keeps_memory_and_changes_flat() {
    let mut world = World::new();
    world.run(&[Loop("l", 200, vec![Step("a", vec![Returns(1)])])], &[]);
    let (first, last) = (world.changes[20].1.len(), world.changes[190].1.len());
    // Every third one drops what is past.
    assert!(last <= first + 24, "a change of round 190 takes {last} bytes, of round 20 {first}");
}

#[test]
fn a_message_that_comes_when_the_deadline_has_passed_stays_in_the_inbox() {
    let program = [Next("go", Some(100)), Next("on", None)];
    let mut world = World::new();
    let mut life = world.open(&program);
    life.world.now += 100;
    life.send("go");
    assert_eq!((life.world.facts.clone(), life.world.inbox.len()), (vec!["go 0 messages".to_owned()], 1));
}
