//! What can be wrong with a delta, or with asking a cell for its past.

use thiserror::Error;

use crate::codec::CodecError;

/// Why a cell refused. Paths read as a person would write them: `.items[3]["odd key"]`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// The bytes of a delta, of reads, or of a value are not well-formed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An op does not fit the value it meets.
    #[error("record_corrupt: found {found}, expected {expected}, at {path}")]
    Corrupt { path: String, found: String, expected: &'static str },
    /// The value would grow past its limit.
    #[error("value_too_large: found a value of at least {size} bytes, expected at most {limit}, at {path}")]
    TooLarge { path: String, size: u64, limit: u64 },
    /// The value as of this change can no longer be told.
    #[error("found a pin at change {pin}, expected {oldest} or later: the log of older changes has been dropped")]
    PinTooOld { pin: u64, oldest: u64 },
    /// Changes have to be applied in the order of their numbers.
    #[error("found change {seq}, expected one after {head}")]
    OutOfOrder { seq: u64, head: u64 },
}
