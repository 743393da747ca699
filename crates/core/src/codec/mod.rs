//! The persisted bytes: history records (BARE) and user values (CBOR).
//!
//! Owns the layouts, not their meaning: no module here knows what a step or a cell does with a value.
//! One law: every reader takes bytes from anywhere, never panics, and checks a length before it allocates for it.

pub mod bare;
pub mod cbor;
pub mod change;
pub mod dealing;
mod error;
pub mod message;
pub mod record;
pub mod wtf8;

pub use error::CodecError;
