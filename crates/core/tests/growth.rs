//! How cost grows: counted in bytes, changes and crossings of the door, never timed.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of it")]
mod harness;

use harness::{Attempt::*, Do, Do::*, World};
use pawl_core::scope::ForkRule::*;

fn step(name: &'static str) -> Do {
    Step(name, vec![Returns(1)])
}

fn wide(width: usize, body: &[Do]) -> Vec<(&'static str, Vec<Do>)> {
    (0..width).map(|at| (&*Box::leak(format!("b{at:04}").into_boxed_str()), body.to_vec())).collect()
}

/// Bytes written, changes, and inputs with outputs.
fn cost(program: &[Do]) -> [usize; 3] {
    let mut world = World::new();
    world.run(program, &[]);
    [world.bytes(), world.changes.len(), world.crossings]
}

fn assert_linear(small: [usize; 3], large: [usize; 3], times: usize) {
    for (small, large) in small.into_iter().zip(large) {
        assert!(large <= small * times + small / 2, "{times} times the width: {small}, then {large}");
    }
}

#[test]
fn a_fork_costs_as_much_as_its_branches_however_many() {
    for rule in [Join, Map, MapSettled] {
        for at_once in [7, 10_000] {
            for body in [
                vec![step("a")],
                vec![step("a"), Sleep("nap", 10)],
                vec![Undoable("u", vec![Returns(1)], vec![Returns(0)])],
            ] {
                let of = |width| cost(&[Fork("f", rule, at_once, wide(width, &body))]);
                assert_linear(of(50), of(400), 8);
            }
        }
    }
    let race = |width| {
        let mut branches = wide(width, &[step("a"), Next("never", None)]);
        branches.push(("winner", vec![Sleep("nap", 10)]));
        cost(&[Fork("r", Race, 10_000, branches)])
    };
    assert_linear(race(50), race(400), 8);
}

#[test]
fn no_branch_writes_down_the_others() {
    let mut world = World::new();
    world.run(&[Fork("j", Join, 10_000, wide(500, &[step("a")]))], &[]);
    let sizes: Vec<usize> = world.changes.iter().map(|(_, body)| body.len()).collect();
    let long = sizes.iter().filter(|bytes| **bytes > 1_000).count();
    assert_eq!(long, 2, "the start and the end alone name every branch: {sizes:?}");
}

#[test]
fn undoing_costs_as_much_as_there_is_to_undo() {
    let of = |width| {
        let undone = vec![Undoable("u", vec![Returns(1)], vec![Returns(0)])];
        cost(&[Fork("j", Join, 10_000, wide(width, &undone)), RollBack])
    };
    assert_linear(of(50), of(400), 8);
    let rounds =
        |rounds| cost(&[Loop("l", rounds, vec![Undoable("u", vec![Returns(1)], vec![Throws, Returns(0)])]), RollBack]);
    assert_linear(rounds(50), rounds(400), 8);
}

#[test]
fn a_loop_keeps_its_last_rounds_in_memory_and_after_a_load() {
    let body = vec![
        Step("a", vec![ThrowsCritical]),
        Fork("j", Join, 9, vec![("p", vec![step("b")]), ("q", vec![Try("t", true, vec![step("c"), Throw])])]),
        Fork("r", Race, 9, vec![("p", vec![step("d")]), ("q", vec![Next("never", None)])]),
    ];
    let of = |rounds| {
        let mut world = World::new();
        let program = [Loop("l", rounds, body.clone()), Next("go", None)];
        let mut life = world.open(&program);
        let kept = life.actor.entries().len();
        life.send("other");
        drop(life);
        let loaded = world.open(&program).actor.entries().len();
        assert_eq!(kept, loaded);
        (kept, world.bytes())
    };
    let ((few, few_bytes), (many, many_bytes)) = (of(30), of(300));
    assert_eq!(few, many);
    assert!(many_bytes <= 11 * few_bytes, "{few_bytes}, then {many_bytes}");
}
