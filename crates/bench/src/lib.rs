//! What the hot paths of the core cost, without JavaScript: each [`Program`] tells the host, with the store in memory, what the
//! adapter would tell it. `benches/hot_paths.rs` times them, `examples/count.rs` runs one of them for callgrind.
//!
//! Every program checks what it is answered, so that less work is not taken for faster work.
#![allow(clippy::unwrap_used, reason = "nothing but benches: whatever is wrong ends them")]

mod messages;
mod replay;
mod state;
mod steps;
mod world;

pub use world::World;

/// Something that is done so many times in a row.
#[derive(Clone, Copy)]
pub struct Program {
    pub name: &'static str,
    /// Makes what it begins with, of which nothing is counted.
    pub prepare: fn(u64) -> World,
    work: fn(&mut World, u64),
}

impl Program {
    /// What is measured, and nothing else: `--toggle-collect='*Program*run*'` counts what is under this function.
    #[inline(never)]
    pub fn run(&self, world: &mut World, count: u64) {
        (self.work)(world, count);
    }
}

/// The hot paths, by what is done once for each count.
pub const PROGRAMS: [Program; 7] = [
    // A step that is told by itself, together with the end of its body: on every store that outlives its runtime.
    Program { name: "step", prepare: |_| World::running(), work: steps::each },
    // Steps that are over, many at a time: in memory.
    Program { name: "stepped", prepare: |_| World::running(), work: steps::whole },
    // The same, one in each round of a loop.
    Program { name: "round", prepare: |_| World::running(), work: steps::in_loop },
    // Steps that are recorded, asked for again by code that runs from the top.
    Program { name: "replay", prepare: replay::recorded, work: replay::replay },
    // A message that comes to a run, which waits for it.
    Program { name: "message", prepare: |_| World::running(), work: messages::wait_and_send },
    // A message that is in the inbox when it is asked for.
    Program { name: "inbox", prepare: messages::sent, work: messages::take },
    // A step that sets one field of one of 1,000 objects in the state.
    Program { name: "write", prepare: |_| state::world(), work: state::write },
];

/// The program of this name.
pub fn program(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}
