//! Control flow, from outside: forks, try blocks, versions, ephemeral steps and undoing, against a store that loses what it
//! is told to lose, and a process that dies when it is told to.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of it")]
mod harness;

use harness::{Attempt::*, Do, Do::*, Lost, World};
use pawl_core::input::Embedded;
use pawl_core::scope::ForkRule::*;

fn step(name: &'static str) -> Do {
    Step(name, vec![Returns(1)])
}

fn undoable(name: &'static str) -> Do {
    Undoable(name, vec![Returns(1)], vec![Returns(0)])
}

/// Name, program, messages from outside, and the names of the steps that have a handler.
type Case = (&'static str, Vec<Do>, Vec<&'static str>, Vec<&'static str>);

fn forks() -> Vec<Case> {
    vec![
        (
            "a join",
            vec![Fork("j", Join, 9, vec![("p", vec![step("a"), step("b")]), ("q", vec![step("c")])])],
            vec![],
            vec![],
        ),
        ("an empty join", vec![Fork("j", Join, 9, vec![]), step("a")], vec![], vec![]),
        (
            "a join without records",
            vec![Fork("j", Join, 9, vec![("p", vec![]), ("q", vec![])]), step("a")],
            vec![],
            vec![],
        ),
        (
            "a join with a failed branch",
            vec![
                Fork("j", Join, 9, vec![("p", vec![step("a"), Throw]), ("q", vec![Sleep("nap", 50), step("c")])]),
                step("z"),
            ],
            vec![],
            vec![],
        ),
        (
            "a map, two at once",
            vec![Fork(
                "m",
                Map,
                2,
                vec![
                    ("0", vec![step("a"), Sleep("nap", 100)]),
                    ("1", vec![step("a"), step("b")]),
                    ("2", vec![step("a")]),
                    ("3", vec![Step("a", vec![Throws, Returns(2)])]),
                ],
            )],
            vec![],
            vec![],
        ),
        (
            "a map that fails",
            vec![
                Fork(
                    "m",
                    Map,
                    3,
                    vec![
                        ("0", vec![step("a"), Step("x", vec![ThrowsCritical]).must()]),
                        ("1", vec![step("a"), Sleep("nap", 10_000)]),
                        ("2", vec![Next("never", None)]),
                    ],
                ),
                step("z"),
            ],
            vec![],
            vec![],
        ),
        (
            "a settled map",
            vec![Fork(
                "m",
                MapSettled,
                1,
                vec![("0", vec![Step("a", vec![ThrowsCritical]).must()]), ("1", vec![step("a")])],
            )],
            vec![],
            vec![],
        ),
        (
            "a race of a step and a sleep",
            vec![
                Fork("r", Race, 9, vec![("p", vec![Sleep("nap", 5_000), step("a")]), ("q", vec![step("b")])]),
                step("z"),
            ],
            vec![],
            vec![],
        ),
        (
            "a race of a message and a timer that the message wins",
            vec![Fork("r", Race, 9, vec![("p", vec![Next("go", None)]), ("q", vec![Sleep("nap", 9_000)])]), step("z")],
            vec!["go"],
            vec![],
        ),
        (
            "a race that all lose",
            vec![Fork("r", Race, 9, vec![("p", vec![step("a"), Throw]), ("q", vec![Throw])]), step("z")],
            vec![],
            vec![],
        ),
        (
            "a race of messages that both came",
            vec![
                Step("s", vec![Writes("x", 1, Some("m"))]),
                Step("t", vec![Writes("x", 2, Some("n"))]),
                Fork("r", Race, 9, vec![("p", vec![Next("n", None)]), ("q", vec![Next("m", None)])]),
                Next("m", Some(1_000)),
                Batch("n", 3, Some(1_000)),
            ],
            vec![],
            vec![],
        ),
        (
            "losers that took messages out of order",
            vec![
                Step("s", vec![Writes("x", 1, Some("m"))]),
                Step("t", vec![Writes("x", 2, Some("n"))]),
                Step("u", vec![Writes("x", 3, Some("w"))]),
                Fork(
                    "r",
                    Race,
                    9,
                    vec![("p", vec![Next("w", None)]), ("q", vec![Next("n", None)]), ("s", vec![Next("m", None)])],
                ),
                Any("any"),
                Any("any2"),
            ],
            vec![],
            vec![],
        ),
        (
            "a race in a join that wants the same message",
            vec![
                Fork(
                    "j",
                    Join,
                    9,
                    vec![
                        (
                            "p",
                            vec![Fork(
                                "r",
                                Race,
                                9,
                                vec![("u", vec![Sleep("nap", 100)]), ("v", vec![Sleep("nap", 100), Next("m", None)])],
                            )],
                        ),
                        ("q", vec![Sleep("later", 500), Next("m", None)]),
                    ],
                ),
                step("z"),
            ],
            vec!["m"],
            vec![],
        ),
        (
            "loops in a join",
            vec![Fork(
                "j",
                Join,
                9,
                vec![
                    ("p", vec![Loop("l", 7, vec![step("a"), Ephemeral("e", 3)])]),
                    ("q", vec![Loop("l", 3, vec![Sleep("nap", 20)])]),
                ],
            )],
            vec![],
            vec![],
        ),
        (
            "joins in a loop",
            vec![
                Loop(
                    "l",
                    5,
                    vec![
                        Fork(
                            "j",
                            Join,
                            9,
                            vec![("p", vec![step("a")]), ("q", vec![Try("t", true, vec![step("b"), Throw])])],
                        ),
                        Fork("r", Race, 9, vec![("p", vec![step("a")]), ("q", vec![Next("never", None)])]),
                    ],
                ),
                step("z"),
            ],
            vec![],
            vec![],
        ),
        (
            "try blocks",
            vec![
                Try(
                    "t",
                    true,
                    vec![step("a"), Try("u", false, vec![step("b"), Step("x", vec![ThrowsCritical]).must()])],
                ),
                Try("v", true, vec![]),
                Try("w", false, vec![Sleep("nap", 10)]),
            ],
            vec![],
            vec![],
        ),
        (
            "versions and removed entries",
            vec![
                Version("v", 3),
                step("a"),
                Removed("gone", "step"),
                Fork(
                    "j",
                    Join,
                    9,
                    vec![("p", vec![Version("w", 2), step("b")]), ("q", vec![Removed("old", "loop"), step("c")])],
                ),
                Version("x", 4),
                Sleep("nap", 5),
            ],
            vec![],
            vec![],
        ),
        (
            "ephemeral steps",
            vec![
                Ephemeral("e", 1),
                Ephemeral("f", 2),
                step("a"),
                Ephemeral("g", 3),
                Sleep("nap", 10),
                Ephemeral("h", 3),
                Fork("j", Join, 9, vec![("p", vec![Ephemeral("i", 1), step("b")]), ("q", vec![Ephemeral("k", 1)])]),
                Ephemeral("z", 4),
            ],
            vec![],
            vec![],
        ),
        (
            "a batch of messages",
            vec![Sleep("nap", 100), Batch("m", 3, Some(10_000)), step("a"), Batch("n", 9, Some(100))],
            vec!["m", "n", "m"],
            vec![],
        ),
        ("a message that is answered", vec![Ask("q"), step("a"), Sleep("nap", 10), Ask("r")], vec!["q", "r"], vec![]),
        (
            "messages that are answered side by side",
            vec![
                Fork("j", Join, 9, vec![("p", vec![Ask("q"), step("a")]), ("q", vec![Ask("r"), step("b")])]),
                step("z"),
            ],
            vec!["r", "q"],
            vec![],
        ),
        (
            "a body that says when to try again",
            vec![Step("a", vec![ThrowsFor(77), ThrowsFor(7_777), Returns(1)])],
            vec![],
            vec![],
        ),
    ]
}

fn rollbacks() -> Vec<Case> {
    let fails = || Step("x", vec![ThrowsCritical]).must();
    vec![
        ("undoing a step", vec![undoable("a"), step("b"), undoable("c"), fails()], vec![], vec!["a", "c"]),
        (
            "handlers that throw and hang",
            vec![
                Undoable("a", vec![Returns(1)], vec![Throws, Returns(0)]),
                Undoable("b", vec![Returns(1)], vec![Throws, Throws, Returns(0)]),
                fails(),
            ],
            vec![],
            vec!["a", "b"],
        ),
        (
            "rolling back by choice",
            vec![undoable("a"), Sleep("nap", 10), undoable("b"), RollBack],
            vec![],
            vec!["a", "b"],
        ),
        (
            "undoing rounds",
            vec![Loop("l", 9, vec![step("b"), undoable("a"), Sleep("nap", 1)]), fails()],
            vec![],
            vec!["a"],
        ),
        (
            "undoing in the middle of a loop",
            vec![Loop("l", 5, vec![undoable("a"), Loop("m", 5, vec![step("b"), undoable("c")]), step("d")]), fails()],
            vec![],
            vec!["a", "c"],
        ),
        (
            "undoing what comes after a loop that threw",
            vec![
                Try("t", true, vec![Loop("l", 2, vec![step("a"), Sleep("nap", 1), Throw])]),
                Try("s", true, vec![Loop("l", 3, vec![undoable("b"), step("c"), Throw])]),
                Fork("j", Join, 9, vec![("p", vec![undoable("d")])]),
                Sleep("nap", 1),
                fails(),
            ],
            vec![],
            vec!["b", "d"],
        ),
        (
            "undoing what comes after an empty map",
            vec![
                Fork("m", Map, 9, vec![]),
                Fork("j", Join, 9, vec![("p", vec![undoable("a")])]),
                Sleep("nap", 1),
                fails(),
            ],
            vec![],
            vec!["a"],
        ),
        (
            "undoing branches",
            vec![
                Fork(
                    "j",
                    Join,
                    9,
                    vec![("p", vec![step("b"), undoable("a"), step("c")]), ("q", vec![undoable("d"), Throw])],
                )
                .must(),
            ],
            vec![],
            vec!["a", "d"],
        ),
        (
            "undoing losers",
            vec![
                Fork(
                    "r",
                    Race,
                    9,
                    vec![
                        ("p", vec![step("b"), undoable("a"), Next("never", None)]),
                        ("q", vec![Loop("l", 4, vec![step("b"), undoable("c")]), Sleep("nap", 10_000)]),
                        ("s", vec![Sleep("nap", 1_000), undoable("e")]),
                    ],
                ),
                fails(),
            ],
            vec![],
            vec!["a", "c", "e"],
        ),
        (
            "undoing what was attempted",
            vec![
                Attempted("a", vec![Throws, ThrowsCritical], vec![Returns(0)]),
                Attempted("b", vec![Throws, Returns(1)], vec![Returns(0)]),
                fails(),
            ],
            vec![],
            vec!["a", "b"],
        ),
        (
            "undoing what was interrupted in a loop of a loser",
            vec![
                Loop(
                    "o",
                    3,
                    vec![Fork(
                        "r",
                        Race,
                        9,
                        vec![
                            (
                                "p",
                                vec![Loop(
                                    "l",
                                    2,
                                    vec![
                                        step("b"),
                                        Attempted("a", vec![Returns(1)], vec![Returns(0)]),
                                        Attempted("h", vec![Hangs], vec![Returns(0)]),
                                    ],
                                )],
                            ),
                            ("q", vec![Sleep("nap", 500)]),
                        ],
                    )],
                ),
                fails(),
            ],
            vec![],
            vec!["a", "h"],
        ),
        (
            "undoing nothing but what was interrupted",
            vec![
                Loop(
                    "o",
                    3,
                    vec![Fork(
                        "r",
                        Race,
                        9,
                        vec![
                            ("p", vec![Loop("l", 2, vec![step("b"), Attempted("h", vec![Hangs], vec![Returns(0)])])]),
                            ("q", vec![Sleep("nap", 500)]),
                        ],
                    )],
                ),
                fails(),
            ],
            vec![],
            vec!["h"],
        ),
        (
            "undoing try blocks in branches in rounds",
            vec![
                Loop(
                    "l",
                    4,
                    vec![Fork(
                        "j",
                        Join,
                        2,
                        vec![
                            ("p", vec![Try("t", true, vec![step("b"), undoable("a"), Throw]), Version("v", 2)]),
                            ("q", vec![Ephemeral("e", 1), undoable("c")]),
                            ("s", vec![Try("t", false, vec![undoable("d")])]),
                        ],
                    )],
                ),
                fails(),
            ],
            vec![],
            vec!["a", "c", "d"],
        ),
        (
            "undoing with messages",
            vec![
                Ask("q"),
                undoable("a"),
                Fork("r", Race, 9, vec![("p", vec![Next("m", None), undoable("b")]), ("s", vec![Next("n", None)])]),
                fails(),
            ],
            vec!["q", "m"],
            vec!["a", "b"],
        ),
    ]
}

fn cases() -> Vec<Case> {
    forks().into_iter().chain(rollbacks()).collect()
}

/// What told each other before and after: in every life, what is told again is told in the same order.
fn assert_same_order(world: &World, what: &str) {
    for (at, earlier) in world.told.iter().enumerate() {
        for later in &world.told[at + 1..] {
            let of = |these: &[String], those: &[String]| -> Vec<String> {
                these.iter().filter(|fact| those.contains(fact)).cloned().collect()
            };
            assert_eq!(of(earlier, later), of(later, earlier), "{what}: {:#?}", world.told);
        }
    }
}

/// Every case, whatever becomes of the others.
fn each(cases: Vec<Case>, check: impl Fn(&Case) + std::panic::RefUnwindSafe) {
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case))).err()?;
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            Some(format!("{}: {text}", case.0))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());
}

#[test]
fn whichever_batch_is_lost_the_run_ends_as_if_none_had_been() {
    each(cases(), |(name, program, messages, undone)| {
        let mut whole = World::new();
        let end = whole.run(program, messages);
        whole.assert_undone(undone, name);
        for lost in [Lost::BeforeWritten, Lost::BeforeAcknowledged] {
            for at in 1..=whole.batches {
                let what = format!("{name}: batch {at} {lost:?}");
                let mut world = World { lose: Some((at, lost)), ..World::new() };
                assert_eq!(world.run(program, messages), end, "{what}");
                assert_eq!(world.picture(), whole.picture(), "{what}");
                if undone.is_empty() {
                    assert_eq!(world.results, whole.results, "{what}");
                }
                assert_same_order(&world, &what);
                world.assert_undone(undone, &what);
            }
        }
    });
}

#[test]
fn a_run_of_an_embedding_host_loses_nothing_either_and_its_end_stays() {
    for frontier in [true, false] {
        let embedded = Some(Embedded { frontier, patience_ms: 0, controlled: false, asks: false });
        // A host keeps the messages itself: `tests/engine` has one.
        let waits = |case: &Case| ["Next", "Batch", "Ask"].iter().any(|word| format!("{:?}", case.1).contains(word));
        // A handler of a host's is run once in each run, and as long as it likes.
        let hangs = |case: &Case| case.0 == "handlers that throw and hang";
        let cases = cases().into_iter().filter(|case| !waits(case) && !hangs(case)).collect();
        each(cases, |(name, program, messages, undone)| {
            let mut whole = World { embedded, ..World::new() };
            let end = whole.run(program, messages);
            whole.assert_undone(undone, name);
            let (picture, executed) = (whole.picture(), whole.executed.clone());
            drop(whole.open(program));
            assert_eq!((whole.picture(), &whole.executed), (picture.clone(), &executed), "{name}: run again");
            for lost in [Lost::BeforeWritten, Lost::BeforeAcknowledged] {
                for at in 1..=whole.batches {
                    let what = format!("{name}: batch {at} {lost:?}");
                    let mut world = World { embedded, lose: Some((at, lost)), ..World::new() };
                    assert_eq!(world.run(program, messages), end, "{what}");
                    assert_eq!(world.picture(), picture, "{what}");
                    assert_same_order(&world, &what);
                    world.assert_undone(undone, &what);
                }
            }
        });
    }
}

#[test]
fn fresh_code_follows_the_latest_version_and_runs_that_are_under_way_the_first() {
    let old = [
        step("a"),
        Loop("l", 2, vec![step("b"), Next("go", Some(10_000))]),
        Fork("j", Join, 9, vec![("p", vec![step("c")])]),
    ];
    let new = [
        Version("v", 3),
        step("a"),
        Loop("l", 2, vec![Version("w", 4), step("b"), Next("go", Some(10_000))]),
        Fork("j", Join, 9, vec![("p", vec![Version("x", 5), step("c")])]),
        Version("y", 6),
    ];
    let mut world = World::new();
    drop(world.open(&old));
    world.run(&new, &["go", "go"]);
    assert_eq!(world.versions, [1, 1, 4, 5, 6]);
    let mut fresh = World::new();
    fresh.run(&new, &["go", "go"]);
    assert_eq!(fresh.versions, [3, 4, 4, 5, 6]);
}

#[test]
fn an_actor_that_is_closed_and_opened_again_behaves_like_one_that_was_not() {
    each(cases(), |(name, program, messages, undone)| {
        let (mut whole, mut evicted) = (World::new(), World { evicts: true, ..World::new() });
        assert_eq!(evicted.run(program, messages), whole.run(program, messages), "{name}");
        assert_eq!(evicted.picture(), whole.picture(), "{name}");
        assert_same_order(&evicted, name);
        evicted.assert_undone(undone, name);
        assert!(evicted.executed.iter().all(|body| whole.executed.contains(body)), "{name}: {:?}", evicted.executed);
    });
}
