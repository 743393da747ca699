//! Names as text that PostgreSQL takes, which has no place for U+0000.

use std::borrow::Cow;

/// The same order, and a different text for every name: U+0000 is U+0001 U+0001, U+0001 is U+0001 U+0002.
pub(crate) fn encode(name: &str) -> Cow<'_, str> {
    if !name.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().fold(String::with_capacity(name.len() + 8), |mut text, char| {
        match char {
            '\0' => text.push_str("\u{1}\u{1}"),
            '\u{1}' => text.push_str("\u{1}\u{2}"),
            other => text.push(other),
        }
        text
    }))
}

pub(crate) fn decode(text: &str) -> String {
    if !text.contains('\u{1}') {
        return text.to_owned();
    }
    let mut chars = text.chars();
    let mut name = String::with_capacity(text.len());
    while let Some(char) = chars.next() {
        name.push(match char {
            '\u{1}' if chars.next() == Some('\u{1}') => '\0',
            other => other,
        });
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_keep_their_order() {
        let mut names = ["a", "a\0", "a\0\0", "a\0b", "a\u{1}", "a\u{1}\0", "a\u{2}", "ab", "\0\u{1}\u{2}", ""];
        names.sort_unstable();
        let encoded: Vec<String> = names.iter().map(|name| encode(name).into_owned()).collect();
        assert!(encoded.is_sorted(), "{encoded:?}");
        assert!(encoded.iter().all(|text| !text.contains('\0')));
        assert_eq!(encoded.iter().map(|text| decode(text)).collect::<Vec<_>>(), names);
    }
}
