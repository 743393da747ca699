//! The binding: it moves bytes between Node and the host, and holds no logic.
//!
//! JavaScript calls in through one hot function, `advance`, and a few rare ones; it is called in one place only, the wake
//! callback, by which a store's own thread says that commits have finished.

pub mod backup;
mod engine;
mod wire;

use napi_derive::napi;

/// The version of the boundary. The loader refuses a binary whose number differs from its own; it rises with every
/// change of an exported function or of a transfer record's bytes.
pub const ABI: u32 = 1;

/// Returns [`ABI`].
#[napi]
pub fn abi() -> u32 {
    ABI
}
