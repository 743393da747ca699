//! Idempotency keys: what outside systems know an effect by.

use sha2::{Digest, Sha256};

/// 32 hex digits: the first half of SHA-256 over store id, namespace, `type/key`, incarnation, generation and location,
/// each preceded by its length. The generation rises when a run is recovered that had been undone.
pub fn key(
    store: &[u8; 16],
    namespace: &str,
    name: &str,
    (incarnation, generation): (u64, u64),
    path: &[String],
) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(store);
    part(namespace.as_bytes());
    part(name.as_bytes());
    part(&incarnation.to_le_bytes());
    part(&generation.to_le_bytes());
    path.iter().for_each(|name| part(name.as_bytes()));
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_in_every_part_and_never_by_how_parts_are_cut() {
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let keys = [
            key(&[1; 16], "n", "a/1", (1, 0), &path(&["x"])),
            key(&[2; 16], "n", "a/1", (1, 0), &path(&["x"])),
            key(&[1; 16], "m", "a/1", (1, 0), &path(&["x"])),
            key(&[1; 16], "n", "a/2", (1, 0), &path(&["x"])),
            key(&[1; 16], "n", "a/1", (2, 0), &path(&["x"])),
            key(&[1; 16], "n", "a/1", (1, 1), &path(&["x"])),
            key(&[1; 16], "n", "a/1", (1, 0), &path(&["x", "y"])),
            key(&[1; 16], "n", "a/1", (1, 0), &path(&["xy"])),
            key(&[1; 16], "na", "/1", (1, 0), &path(&["x"])),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == 32));
        assert_eq!(keys[0], key(&[1; 16], "n", "a/1", (1, 0), &path(&["x"])));
    }
}
