//! The one error of this module's readers: what was found, what was expected, and where.

use thiserror::Error;

/// Bytes that are not what a reader was told to find. Offsets count bytes from the start of the slice the reader was given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The input ends inside an item.
    #[error("found {remaining} bytes, expected {needed} for {expected}, at offset {offset}")]
    Truncated { offset: usize, expected: &'static str, needed: u64, remaining: usize },
    /// A byte, tag, number or string has a value that is not allowed here.
    #[error("found {found}, expected {expected}, at offset {offset}")]
    Unexpected { offset: usize, found: String, expected: &'static str },
    /// A version that only newer code reads.
    #[error("found version {found}, expected {expected}, at offset {offset}")]
    Newer { offset: usize, found: u16, expected: &'static str },
    /// A complete item was read, and the input goes on.
    #[error("found {count} more bytes, expected the end of {expected}, at offset {offset}")]
    Trailing { offset: usize, expected: &'static str, count: usize },
    /// Containers are nested deeper than a reader follows.
    #[error("found containers nested deeper than {limit}, expected at most {limit}, at offset {offset}")]
    TooDeep { offset: usize, limit: usize },
}

impl CodecError {
    /// An [`CodecError::Unexpected`] with the found value formatted.
    pub fn unexpected(offset: usize, found: impl Into<String>, expected: &'static str) -> Self {
        CodecError::Unexpected { offset, found: found.into(), expected }
    }

    /// The first bytes of something are not the version that is read. Versions are small: a large one is no version.
    pub fn version(found: u16, expected: &'static str) -> Self {
        match found {
            2..256 => CodecError::Newer { offset: 0, found, expected },
            _ => CodecError::unexpected(0, format!("version {found}"), expected),
        }
    }

    /// The same error, for a slice that starts `by` bytes into a longer one.
    pub(crate) fn shifted(mut self, by: usize) -> Self {
        match &mut self {
            CodecError::Truncated { offset, .. }
            | CodecError::Unexpected { offset, .. }
            | CodecError::Newer { offset, .. }
            | CodecError::Trailing { offset, .. }
            | CodecError::TooDeep { offset, .. } => *offset += by,
        }
        self
    }

    /// Where the reader stopped.
    pub fn offset(&self) -> usize {
        match self {
            CodecError::Truncated { offset, .. }
            | CodecError::Unexpected { offset, .. }
            | CodecError::Newer { offset, .. }
            | CodecError::Trailing { offset, .. }
            | CodecError::TooDeep { offset, .. } => *offset,
        }
    }
}
