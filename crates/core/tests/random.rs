//! Programs drawn at random, bodies and batches that end in any order, processes that die anywhere.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of it")]
mod harness;

use harness::{Attempt, Attempt::*, Do, Do::*, World};
use pawl_core::input::{Input, Writes};
use pawl_core::scope::ForkRule::*;
use proptest::prelude::*;

const UNDONE: [&str; 6] = ["u0", "u1", "u2", "u3", "u4", "u5"];
const OTHERS: [&str; 6] = ["s0", "s1", "s2", "s3", "s4", "s5"];
const WAITS: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
const BRANCHES: [&str; 4] = ["p", "q", "r", "s"];

fn body() -> impl Strategy<Value = Vec<Attempt>> {
    prop_oneof![
        5 => Just(vec![Returns(1)]),
        2 => Just(vec![Writes("x", 2, None)]),
        1 => Just(vec![Writes("y", 3, Some("n1"))]),
        1 => Just(vec![Throws, Returns(4)]),
        1 => Just(vec![ThrowsFor(30), Returns(5)]),
        1 => Just(vec![ThrowsCritical]),
        1 => Just(vec![Hangs]),
    ]
}

fn handler() -> impl Strategy<Value = Vec<Attempt>> {
    prop_oneof![4 => Just(vec![Returns(0)]), 1 => Just(vec![Throws, Returns(0)]), 1 => Just(vec![Writes("z", 1, None)])]
}

fn leaf() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => body().prop_map(|body| Step("", body)),
        3 => (body(), handler()).prop_map(|(body, handler)| Undoable("", body, handler)),
        2 => (body(), handler()).prop_map(|(body, handler)| Attempted("", body, handler)),
        1 => Just(Ephemeral("", 6)),
        2 => (1i64..2_000).prop_map(|ms| Sleep("", ms)),
        2 => (1i64..2_000).prop_map(|ms| Next("", Some(ms))),
        1 => Just(Version("", 2)),
        1 => Just(Removed("", "step")),
        1 => Just(Throw),
        1 => Just(Step("", vec![ThrowsCritical]).must()),
        1 => Just(RollBack),
        1 => Just(Ask("")),
    ]
}

fn code() -> impl Strategy<Value = Vec<Do>> {
    let some = proptest::collection::vec(leaf(), 0..4);
    let deeper = some.prop_recursive(3, 40, 4, |inner| {
        let fork = (
            prop_oneof![Just(Join), Just(Race), Just(Map), Just(MapSettled)],
            1u32..4,
            proptest::collection::vec(inner.clone(), 0..4),
            any::<bool>(),
        );
        let fork = fork.prop_map(|(rule, at_once, branches, must)| {
            let fork = Fork("", rule, at_once, BRANCHES.iter().copied().zip(branches).collect());
            if must { fork.must() } else { fork }
        });
        let nested = prop_oneof![
            3 => fork,
            2 => (1u32..6, inner.clone()).prop_map(|(rounds, body)| Loop("", rounds, body)),
            1 => (any::<bool>(), inner).prop_map(|(catches, body)| Try("", catches, body)),
        ];
        proptest::collection::vec(prop_oneof![2 => nested, 2 => leaf()], 0..5)
    });
    deeper.prop_map(named)
}

/// Gives everything a name that is its own in its scope.
fn named(program: Vec<Do>) -> Vec<Do> {
    program.into_iter().enumerate().map(|(at, done)| name(at, done)).collect()
}

fn name(at: usize, done: Do) -> Do {
    match done {
        Step(_, body) => Step(OTHERS[at], body),
        Undoable(_, body, handler) => Undoable(UNDONE[at], body, handler),
        Attempted(_, body, handler) => Attempted(UNDONE[at], body, handler),
        Ephemeral(_, value) => Ephemeral(OTHERS[at], value),
        Sleep(_, ms) => Sleep(OTHERS[at], ms),
        Next(_, timeout) => Next(WAITS[at], timeout),
        Ask(_) => Ask(WAITS[at]),
        Version(_, latest) => Version(OTHERS[at], latest),
        Removed(_, kind) => Removed(OTHERS[at], kind),
        Loop(_, rounds, body) => Loop(OTHERS[at], rounds, named(body)),
        Try(_, catches, body) => Try(OTHERS[at], catches, named(body)),
        Fork(_, rule, at_once, branches) => {
            Fork(OTHERS[at], rule, at_once, branches.into_iter().map(|(branch, body)| (branch, named(body))).collect())
        }
        Must(inner) => name(at, *inner).must(),
        other => other,
    }
}

/// In every life, what is told again is told in the same order.
fn assert_same_order(world: &World) {
    for (at, earlier) in world.told.iter().enumerate() {
        for later in &world.told[at + 1..] {
            let of = |these: &[String], those: &[String]| -> Vec<String> {
                these.iter().filter(|fact| those.contains(fact)).cloned().collect()
            };
            assert_eq!(of(earlier, later), of(later, earlier), "{:#?}", world.told);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_program_that_dies_anywhere_ends_with_its_history_whole_its_order_kept_and_its_steps_undone(
        program in code(),
        kills in proptest::collection::vec(0usize..60, 0..5),
        messages in proptest::collection::vec(prop_oneof![Just("n0"), Just("n1"), Just("n2")], 0..4),
        seed in any::<u64>(),
        (evicts, eager) in any::<(bool, bool)>(),
        reports in any::<bool>(),
    ) {
        let mut world = World { kills, seed: Some(seed), evicts, eager, reports, ..World::new() };
        world.run(&program, &messages);
        assert_same_order(&world);
        world.assert_undone(&UNDONE, "at random");
    }
}

/// What an operator does to a run, wherever it stands.
#[derive(Debug, Clone)]
enum Operator {
    Cancel(bool),
    Retry,
    /// From the start, or from the step at this place among all.
    Replay(Option<usize>),
}

fn operator() -> impl Strategy<Value = Operator> {
    prop_oneof![
        any::<bool>().prop_map(Operator::Cancel),
        Just(Operator::Retry),
        proptest::option::of(0usize..10).prop_map(Operator::Replay),
    ]
}

fn operate(life: &mut harness::Life<'_>, operator: &Operator) {
    let input = match operator {
        Operator::Cancel(compensate) => Input::Cancel { call: 5, compensate: *compensate, reason: None },
        Operator::Retry => Input::Retry { call: 6 },
        Operator::Replay(at) => {
            let entries = life.actor.entries();
            let mut steps = entries.iter().filter(|entry| entry.kind() == "step");
            let entry_id = at.and_then(|at| Some(steps.nth(at)?.recorded.entry.id.clone()));
            Input::Replay { call: 7, entry_id, writes: Writes::default() }
        }
    };
    life.operate(input);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_operators_do_and_wherever_it_dies_a_run_goes_on_from_what_is_stored(
        program in code(),
        kills in proptest::collection::vec(0usize..60, 0..5),
        operators in proptest::collection::vec((0usize..5, operator()), 1..4),
        seed in any::<u64>(),
        (evicts, eager) in any::<(bool, bool)>(),
    ) {
        let mut world = World { kills, seed: Some(seed), evicts, eager, ..World::new() };
        let mut operators = operators.into_iter();
        for _ in 0..200 {
            let Some((progress, operator)) = operators.next() else { break };
            for _ in 0..progress {
                let mut life = world.open(&program);
                life.finish(&[]);
            }
            let mut life = world.open(&program);
            operate(&mut life, &operator);
            if life.finish(&[]).is_some() {
                life.assert_folds_to_itself();
            }
            prop_assert!(world.parked.is_none(), "{:?}", world.parked);
        }
        let mut life = world.open(&program);
        if life.finish(&[]).is_some() {
            life.assert_folds_to_itself();
        }
    }
}

/// Every order of turns that forty seeds give, and a death after each turn.
fn in_every_order(program: &[Do], reports: bool) {
    for seed in 0..40 {
        for kill in 4..30 {
            let mut world = World { kills: vec![kill], seed: Some(seed), reports, ..World::new() };
            world.run(program, &[]);
            assert_same_order(&world);
        }
    }
}

#[test]
fn what_is_told_while_a_failure_is_reported_keeps_its_place() {
    let p = vec![Step("a", vec![ThrowsCritical]), Sleep("nap", 10)];
    let q = vec![Step("b", vec![Returns(1)]), Step("c", vec![Returns(1)]), Sleep("nap", 20)];
    in_every_order(&[Fork("j", Join, 2, vec![("p", p), ("q", q)])], true);
}

#[test]
fn branches_of_every_kind_hear_of_each_other_in_one_order() {
    let p = vec![Loop("l", 3, vec![Ephemeral("e", 1), Step("a", vec![Returns(1)])]), Step("b", vec![Returns(1)])];
    let q = vec![Fork("j", Join, 2, vec![("p", vec![Step("c", vec![Returns(1)])]), ("q", vec![Sleep("nap", 1)])])];
    let r = vec![
        Try("t", true, vec![Step("d", vec![Throws, Returns(1)])]),
        Next("n", Some(1)),
        Step("g", vec![Returns(1)]),
    ];
    in_every_order(&[Fork("j", Join, 3, vec![("p", p), ("q", q), ("r", r)]), Sleep("end", 1)], false);
}

#[test]
fn a_rollback_of_a_step_that_failed_for_good_a_moment_ago_ends() {
    let branch = |body| Fork("s0", Join, 2, body);
    let program = [Fork(
        "s1",
        Join,
        2,
        vec![
            ("p", vec![branch(vec![("p", vec![Step("s0", vec![Returns(1)])])])]),
            (
                "q",
                vec![branch(vec![
                    ("p", vec![Version("s0", 2), RollBack]),
                    ("q", vec![Attempted("u0", vec![ThrowsCritical], vec![Returns(0)])]),
                ])],
            ),
        ],
    )];
    for seed in 0..200 {
        let mut world = World { seed: Some(seed), ..World::new() };
        let outcome = world.open(&program).finish(&[]);
        assert!(outcome.is_some(), "seed {seed}: {:?} {:?} {:?}", world.standing, world.executed, world.told);
    }
}
