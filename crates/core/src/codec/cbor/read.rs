//! Going into a value: its kind, its children as slices, and the scalars that the engine itself reads.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::walk::{Head, chunk, not_text, skip, skip_valid};
use super::{TAG_HOLE, TAG_MAP, TAG_NULL_PROTOTYPE, TAG_SET, TAG_STRING};
use crate::codec::{CodecError, wtf8};

/// What a value is to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain object: a map without tag, or with the tag of objects without prototype.
    Object {
        null_prototype: bool,
    },
    Array,
    Map,
    Set,
    /// Anything else.
    Leaf,
}

/// The kind of the value that `value` starts with.
pub fn kind(value: &[u8]) -> Result<Kind, CodecError> {
    open(value).map(|(kind, _)| kind)
}

/// The kind, and the head of the container itself (after the tag).
fn open(value: &[u8]) -> Result<(Kind, Head), CodecError> {
    let head = Head::read(value, 0)?;
    match head.major {
        4 => Ok((Kind::Array, head)),
        5 => Ok((Kind::Object { null_prototype: false }, head)),
        6 if matches!(head.argument, Some(TAG_NULL_PROTOTYPE | TAG_MAP | TAG_SET)) => {
            let tagged = Head::read(value, head.end)?;
            match (head.argument, tagged.major) {
                (Some(TAG_NULL_PROTOTYPE), 5) => Ok((Kind::Object { null_prototype: true }, tagged)),
                (Some(TAG_MAP), 5) => Ok((Kind::Map, tagged)),
                (Some(TAG_SET), 4) => Ok((Kind::Set, tagged)),
                _ => Ok((Kind::Leaf, head)),
            }
        }
        _ => Ok((Kind::Leaf, head)),
    }
}

/// Where the contents of a byte string begin, tags before it or not; none for any other value, and for one in pieces.
pub fn memory_start(value: &[u8]) -> Result<Option<usize>, CodecError> {
    let mut head = Head::read(value, 0)?;
    while head.major == 6 {
        head = Head::read(value, head.end)?;
    }
    Ok((head.major == 2 && head.argument.is_some()).then_some(head.end))
}

/// The items of an array or Set, or the keys and values of an object or Map in turn, as slices of it. A leaf has none.
///
/// The iterator ends after its first error.
pub struct Children<'a> {
    value: &'a Bytes,
    at: usize,
    /// None until a break comes.
    left: Option<u64>,
}

/// See [`Children`].
pub fn children(value: &Bytes) -> Result<Children<'_>, CodecError> {
    let (kind, head) = open(value)?;
    let left = match kind {
        Kind::Object { .. } | Kind::Map => head.argument.map(|count| count.saturating_mul(2)),
        Kind::Array | Kind::Set => head.argument,
        Kind::Leaf => Some(0),
    };
    Ok(Children { value, at: head.end, left })
}

impl Children<'_> {
    /// How many are left, if the container says so; never more than its bytes can hold.
    pub fn len_hint(&self) -> usize {
        let bytes = self.value.len() - self.at;
        self.left.map_or(0, |left| left.min(bytes as u64) as usize)
    }

    /// Where the next one is in the value.
    pub fn next_span(&mut self) -> Result<Option<Range<usize>>, CodecError> {
        self.next_by(skip)
    }

    /// The same of a value that is known to be valid.
    pub fn next_known(&mut self) -> Result<Option<Range<usize>>, CodecError> {
        self.next_by(skip_valid)
    }

    fn next_by(
        &mut self,
        skip: impl Fn(&[u8], usize) -> Result<usize, CodecError>,
    ) -> Result<Option<Range<usize>>, CodecError> {
        match &mut self.left {
            Some(0) => return Ok(None),
            Some(left) => *left -= 1,
            None if Head::read(self.value, self.at)?.is_break() => return Ok(None),
            None => {}
        }
        let start = self.at;
        self.at = skip(self.value, start)?;
        Ok(Some(start..self.at))
    }
}

impl Iterator for Children<'_> {
    type Item = Result<Bytes, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.next_span().map(|span| span.map(|span| self.value.slice(span))).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.left = Some(0);
        }
        item
    }
}

/// Values that stand one after the other and were read before, as slices. Ends where there is no value.
pub fn items(values: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        at = skip_valid(values, start).ok().filter(|_| start < values.len())?;
        Some(values.slice(start..at))
    })
}

/// The WTF-8 bytes of a key of an object; none if the key is not a string.
pub fn key(value: &Bytes) -> Result<Option<Bytes>, CodecError> {
    let mut head = Head::read(value, 0)?;
    let mut major = 3;
    if head.major == 6 && head.argument == Some(TAG_STRING) {
        head = Head::read(value, head.end)?;
        major = 2;
    }
    if head.major != major {
        return Ok(None);
    }
    let key = match head.argument {
        Some(_) => value.slice_ref(chunk(value, head)?),
        None => joined_chunks(value, head)?,
    };
    wtf8::check(&key).map_err(|valid| not_text(head.end + valid))?;
    Ok(Some(key))
}

/// A string of indefinite length as one piece.
fn joined_chunks(value: &[u8], head: Head) -> Result<Bytes, CodecError> {
    let mut out = BytesMut::new();
    let mut at = head.end;
    loop {
        let next = Head::read(value, at)?;
        if next.is_break() {
            return Ok(out.freeze());
        }
        let bytes = chunk(value, next)?;
        out.extend_from_slice(bytes);
        at = next.end + bytes.len();
    }
}

/// The value of a key of an object; none if `object` is no object or has no such key.
pub fn field(object: &Bytes, name: &str) -> Result<Option<Bytes>, CodecError> {
    if !matches!(kind(object)?, Kind::Object { .. }) {
        return Ok(None);
    }
    let mut pairs = children(object)?;
    while let Some(found) = pairs.next() {
        let value = pairs.next();
        if key(&found?)?.is_some_and(|found| found == name) {
            return value.transpose();
        }
    }
    Ok(None)
}

/// The text of a text string of definite length, if it has no lone surrogates.
pub fn text(value: &[u8]) -> Option<&str> {
    let head = Head::read(value, 0).ok()?;
    let is_text = head.major == 3 && head.argument.is_some();
    let bytes = chunk(value, head).ok()?;
    is_text.then(|| std::str::from_utf8(bytes).ok())?
}

/// A JavaScript number: an integer or a float of any width. A 64-bit integer is a bigint and not a number.
pub fn number(value: &[u8]) -> Option<f64> {
    let head = Head::read(value, 0).ok()?;
    let argument = head.argument?;
    match (head.major, head.width) {
        (0, 0..=4) => Some(argument as f64),
        (1, 0..=4) => Some(-1.0 - argument as f64),
        (7, 2) => Some(half(argument as u16)),
        (7, 4) => Some(f32::from_bits(argument as u32).into()),
        (7, 8) => Some(f64::from_bits(argument)),
        _ => None,
    }
}

/// `true` or `false`.
pub fn boolean(value: &[u8]) -> Option<bool> {
    match value.first()? {
        0xf4 => Some(false),
        0xf5 => Some(true),
        _ => None,
    }
}

/// A float of 16 bits, as RFC 8949 appendix D reads it.
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// A value as a person would write it, if it is short to write; otherwise what it is.
pub fn shown(value: &[u8]) -> String {
    match (text(value), number(value), boolean(value)) {
        (Some(text), ..) => format!("{text:?}"),
        (_, Some(number), _) => number.to_string(),
        (_, _, Some(boolean)) => boolean.to_string(),
        _ => describe(value).to_owned(),
    }
}

/// What a value is, in words for messages.
pub fn describe(value: &[u8]) -> &'static str {
    let Ok((kind, head)) = open(value) else { return "no value" };
    match (kind, head.major, head.argument) {
        (Kind::Object { .. }, ..) => "an object",
        (Kind::Array, ..) => "an array",
        (Kind::Map, ..) => "a Map",
        (Kind::Set, ..) => "a Set",
        (_, 0 | 1, _) => "an integer",
        (_, 2, _) => "bytes",
        (_, 3, _) | (_, 6, Some(TAG_STRING)) => "a string",
        (_, 6, Some(TAG_HOLE)) => "a hole",
        (_, 6, _) => "a value with a tag",
        (_, _, Some(20 | 21)) => "a boolean",
        (_, _, Some(22)) => "null",
        (_, _, Some(23)) => "undefined",
        _ => "a float",
    }
}
