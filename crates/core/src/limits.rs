//! Above what an actor refuses.

/// What one actor may have at once. What is durable is loaded whatever it is: limits are for what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages in its inbox that nobody has taken (10,000).
    pub inbox_messages: usize,
    /// Operations of its run that are pending (100,000).
    pub pending_operations: usize,
    /// Bytes of a cell, encoded (256 MiB).
    pub state_bytes: u64,
}

/// How long what is over stays, after its newest change, in milliseconds; none: for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetimes {
    /// An actor whose run has ended: then it is destroyed.
    pub ended_ms: Option<i64>,
    /// What is known of one that was destroyed: then nothing is.
    pub destroyed_ms: Option<i64>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { inbox_messages: 10_000, pending_operations: 100_000, state_bytes: crate::state::MAX_SIZE }
    }
}
