//! Random bytes for ids. They need to be unlikely to meet again, not hard to guess.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// 16 bytes, from the keys that the operating system seeds the standard library's hash maps with.
pub fn random() -> [u8; 16] {
    let half = || RandomState::new().hash_one(0u8).to_le_bytes();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&half());
    id[8..].copy_from_slice(&half());
    id
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| super::random()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
