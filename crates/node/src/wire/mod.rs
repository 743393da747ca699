//! The packed records that cross the boundary: inputs one way, outputs the other. `packages/pawl/src/wire.ts` is the other
//! half; a change here is a change there, and of the boundary's number.
//!
//! A number is an unsigned LEB128 varint of at most 53 bits; a time or duration is a big-endian f64 of milliseconds; text
//! and bytes are a length and that many bytes; an optional is a byte 0 or 1 and the item. A record is its kind (one
//! byte), the actor's handle, and the fields in the order of the core's declaration.

mod read;
mod write;
mod write_inspection;
mod write_trouble;
mod write_work;
mod writer;

pub use read::{Reader, Said, WireError, read_inputs};
pub use write::write_turn;
pub use write_inspection::{write_answer, write_history, write_inspection};
pub use write_work::write_work;
