//! Trivial steps, one after another.

use pawl_core::input::{Input, Iterated, Writes};
use pawl_core::output::Output;

use crate::world::{World, step, value};

/// How many are told at once.
const AT_ONCE: u64 = 128;
/// When each began, and when it ended.
const TIME: i64 = 1_500;

pub(crate) fn each(world: &mut World, count: u64) {
    for _ in 0..count {
        step(world, Writes::default());
    }
}

pub(crate) fn whole(world: &mut World, count: u64) {
    let mut left = count;
    while left > 0 {
        let now = left.min(AT_ONCE);
        let (scope, first) = (world.scope, world.op + 1);
        world.tell((first..first + now).map(|op| stepped(scope, op, format!("step {op}"))));
        world.expect_silence();
        world.op += now;
        left -= now;
    }
}

/// At least so many: as many at a time as the host allows.
pub(crate) fn in_loop(world: &mut World, count: u64) {
    world.op += 1;
    let name = format!("loop {}", world.op);
    world.tell([Input::Loop { scope: world.scope, op: world.op, name, state: None, keep: 10, every: 10 }]);
    let last = world.op + count;
    while world.op < last {
        let (mut scope, ahead) = world.find(round).unwrap();
        let mut inputs = Vec::new();
        for i in 0..=ahead {
            world.op += 1;
            inputs.push(stepped(scope, world.op, "step".to_owned()));
            let state = Some(value());
            let outcome = if i < ahead { Iterated::Ahead(state) } else { Iterated::Continue(state) };
            inputs.push(Input::Iterated { scope, outcome });
            scope += 1;
        }
        world.tell(inputs);
    }
}

fn stepped(scope: u64, op: u64, name: String) -> Input {
    Input::Stepped { scope, op, name, begun: TIME, ended: TIME, output: Some(value()) }
}

fn round(output: &Output) -> Option<(u64, u32)> {
    match output {
        Output::Iterate { scope, ahead, .. } => Some((*scope, *ahead)),
        _ => None,
    }
}
