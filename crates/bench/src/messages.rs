//! Messages of one name, taken one at a time.

use bytes::Bytes;
use pawl_core::input::{Input, NextWait};

use crate::world::{World, value};

/// A run with so many messages in its inbox.
pub(crate) fn sent(count: u64) -> World {
    let mut world = World::running();
    for call in 0..count {
        world.tell([send(call)]);
    }
    world
}

pub(crate) fn take(world: &mut World, count: u64) {
    for _ in 0..count {
        let next = next(world);
        world.tell([next]);
        released(world);
    }
}

pub(crate) fn wait_and_send(world: &mut World, count: u64) {
    for _ in 0..count {
        let next = next(world);
        world.tell([next]);
        world.tell([send(world.op)]);
        released(world);
    }
}

/// A fact leaves in the turn in which it came, or in the next one.
fn released(world: &mut World) {
    if !world.has_resolved(world.op) {
        world.pulse();
    }
    world.expect_resolved(world.op);
}

fn next(world: &mut World) -> Input {
    world.op += 1;
    let names = vec!["job".to_owned()];
    let name = format!("job {}", world.op);
    let wait = NextWait { name, names, timeout_ms: None, count: 1, completable: false };
    Input::Next { scope: world.scope, op: world.op, wait }
}

fn send(call: u64) -> Input {
    let body: Bytes = value();
    Input::Send { call: 1_000_000 + call, name: "job".to_owned(), body, delay_ms: 0, keep: None }
}
