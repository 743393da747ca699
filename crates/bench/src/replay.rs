//! Code that runs from the top, in an actor that has stayed loaded: every step is answered from the history.

use pawl_core::input::{Input, StepTraits};
use pawl_core::output::Output;
use pawl_core::retry::Policy;

use crate::steps;
use crate::world::World;

/// A run with so many recorded steps.
pub(crate) fn recorded(count: u64) -> World {
    let mut world = World::running();
    steps::each(&mut world, count);
    world
}

/// Asks for the steps as the adapter does: what the engine hands out ahead is only said to have been taken.
pub(crate) fn replay(world: &mut World, count: u64) {
    world.tell([Input::Evict]);
    world.start();
    let (scope, mut done) = (world.scope, 0);
    while done < count {
        let ahead = world.find(handed_out).unwrap_or(0);
        if ahead > 0 {
            done += u64::from(ahead);
            if done < count {
                let step = step(world, done);
                world.tell([Input::Took { scope, count: ahead }, step]);
            } else {
                world.tell([Input::Took { scope, count: ahead }]);
            }
        } else {
            let step = step(world, done);
            world.tell([step]);
        }
        if done < count {
            world.expect_resolved(world.op);
            done += 1;
        }
    }
    assert_eq!(done, count, "steps that were recorded and asked for");
}

/// The call of the step whose place in the code this is, counted from 0. Their operations were numbered from 1 when they were made.
fn step(world: &mut World, place: u64) -> Input {
    world.op += 1;
    let (name, policy, traits) = (format!("step {}", place + 1), Policy::PATIENT, StepTraits::default());
    Input::Step { scope: world.scope, op: world.op, name, policy, traits, begun: None }
}

fn handed_out(output: &Output) -> Option<u32> {
    match output {
        Output::Ahead { steps, .. } => Some(steps.len() as u32),
        _ => None,
    }
}
