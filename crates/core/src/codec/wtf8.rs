//! WTF-8: UTF-8 that may also hold lone surrogates, the bytes of any JavaScript string.

/// Whether `bytes` are well-formed WTF-8: see [`check`].
pub fn is_valid(bytes: &[u8]) -> bool {
    check(bytes).is_ok()
}

/// Checks that `bytes` are well-formed WTF-8, or says how many of them are: each surrogate is a three-byte sequence, and no
/// high surrogate stands directly before a low one (such a pair has to be one four-byte sequence, so that equal strings
/// have equal bytes).
pub fn check(bytes: &[u8]) -> Result<(), usize> {
    let mut start = 0;
    let mut after_high = false;
    loop {
        let Err(error) = std::str::from_utf8(&bytes[start..]) else { return Ok(()) };
        let at = start + error.valid_up_to();
        let Some([0xed, second @ 0xa0..=0xbf, 0x80..=0xbf]) = bytes.get(at..at + 3) else { return Err(at) };
        let is_low = *second >= 0xb0;
        if is_low && after_high && at == start {
            return Err(at);
        }
        after_high = !is_low;
        start = at + 3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_valid_and_split_pairs_are_not() {
        let high = [0xed, 0xa0, 0xbd];
        let low = [0xed, 0xb8, 0x80];
        assert!(is_valid(b"plain"));
        assert!(is_valid("\u{1f600}".as_bytes()));
        assert!(is_valid(&high));
        assert!(is_valid(&low));
        assert!(is_valid(&[low, high].concat()));
        assert!(is_valid(&[&high[..], b"a", &low[..]].concat()));
        assert!(!is_valid(&[high, low].concat()));
        assert!(!is_valid(&[&b"ab"[..], &high, &low].concat()));
        assert!(!is_valid(&[0xff]));
        assert!(!is_valid(&[0xed, 0xa0]));
        assert!(!is_valid(&[0xc0, 0x80]));
    }
}
