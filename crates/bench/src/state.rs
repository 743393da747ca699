//! Steps that change the state: one field of one of many objects.

use bytes::Bytes;
use pawl_core::codec::cbor::Writer;
use pawl_core::input::{CellWrites, Writes};
use pawl_core::state::{Action, Delta, Op, Path};

use crate::world::{World, step};

const OBJECTS: u64 = 1_000;
/// A prime, so that writes jump about.
const STRIDE: u64 = 7_919;

pub(crate) fn world() -> World {
    let mut out = Writer::new();
    out.object(1);
    out.key(b"all").array(OBJECTS as usize);
    for id in 0..OBJECTS {
        out.object(2);
        out.key(b"id").uint(id);
        out.key(b"count").uint(0);
    }
    World::with_state(Some(out.finish()))
}

pub(crate) fn write(world: &mut World, count: u64) {
    for turn in 0..count {
        let place = Path::root().key("all").index((turn * STRIDE % OBJECTS) as u32).key("count");
        let delta = Delta::new(vec![Op { path: place, action: Action::Set(number(turn)) }]).unwrap();
        let (cell, pin) = (pawl_core::STATE.into(), world.head());
        let cells = vec![CellWrites { cell, pin, delta: Some(delta), reads: None }];
        step(world, Writes { cells, ..Writes::default() });
    }
}

fn number(value: u64) -> Bytes {
    let mut out = Writer::new();
    out.uint(value);
    out.finish()
}
