//! Drives one actor the way a host and an adapter do: a store of changes, a clock that jumps to the next deadline, and a
//! program as data in the place of the user's code.

mod code;
mod life;
mod program;
mod world;

use bytes::Bytes;
use pawl_core::input::CellWrites;
use pawl_core::state::{Action, Delta, Op, Path};
use pawl_core::{Actor, STATE};

pub use code::Code;
pub use life::Life;
pub use program::{Attempt, Do, POLICY};
pub use world::{Lost, World, entries_of, inbox_of};

/// What an attempt that sets a field of the newest state would settle with.
pub fn set(actor: &Actor, field: &str, value: u8) -> CellWrites {
    let op = Op { path: Path::root().key(field), action: Action::Set(Bytes::copy_from_slice(&[value])) };
    let delta = Delta::new(vec![op]).expect("a delta");
    let pin = actor.state().expect("a state").1;
    CellWrites { cell: STATE.into(), pin, delta: Some(delta), reads: None }
}
