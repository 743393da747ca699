//! When a failed attempt is tried again: a pure function of the policy and the attempts made.

/// A step's policy. It is read from code at every call and never stored: changing it changes runs in flight, but never
/// revives a step whose failure is terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts after the first one.
    pub max_retries: u32,
    pub backoff_base_ms: i64,
    pub backoff_max_ms: i64,
    /// How long a body may take; `None`: as long as it likes.
    pub timeout_ms: Option<i64>,
    /// Whether a timeout is an ordinary failure, or terminal.
    pub retry_on_timeout: bool,
}

impl Policy {
    /// For a handler of which no other policy is known.
    pub const PATIENT: Policy = Policy {
        max_retries: 10,
        backoff_base_ms: 100,
        backoff_max_ms: 30_000,
        timeout_ms: Some(300_000),
        retry_on_timeout: true,
    };

    /// Whether another attempt follows `attempts` failed ones.
    pub fn allows_another(&self, attempts: u32) -> bool {
        attempts <= self.max_retries
    }

    /// The wait after `attempts` attempts, in milliseconds from the start of the last one:
    /// `min(max, base * 2^attempts)`.
    pub fn backoff_ms(&self, attempts: u32) -> i64 {
        let factor = 1i64.checked_shl(attempts).filter(|factor| *factor > 0).unwrap_or(i64::MAX);
        self.backoff_base_ms.saturating_mul(factor).min(self.backoff_max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        max_retries: 3,
        backoff_base_ms: 100,
        backoff_max_ms: 30_000,
        timeout_ms: Some(30_000),
        retry_on_timeout: false,
    };

    #[test]
    fn the_wait_doubles_from_twice_the_base_and_is_capped() {
        let waits: Vec<_> = (1..=10).map(|attempts| POLICY.backoff_ms(attempts)).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn many_attempts_do_not_overflow_the_wait() {
        assert_eq!(POLICY.backoff_ms(63), 30_000);
        assert_eq!(POLICY.backoff_ms(64), 30_000);
        assert_eq!(POLICY.backoff_ms(u32::MAX), 30_000);
        assert_eq!(Policy { backoff_base_ms: 0, ..POLICY }.backoff_ms(u32::MAX), 0);
    }

    #[test]
    fn a_policy_of_three_retries_allows_four_attempts() {
        let allowed: Vec<_> = (1..=5).map(|attempts| POLICY.allows_another(attempts)).collect();
        assert_eq!(allowed, [true, true, true, false, false]);
    }
}
