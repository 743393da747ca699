//! Composing values: the heads that the engine writes itself, as the TypeScript codec writes them.

use bytes::Bytes;

use super::{HOLE, TAG_MAP, TAG_NULL_PROTOTYPE, TAG_SET, TAG_STRING, UNDEFINED};

/// Appends items. What goes into a container has to be written right after its head, as many items as the head says.
#[derive(Debug, Clone, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn new() -> Self {
        Writer::default()
    }

    pub fn with_capacity(bytes: usize) -> Self {
        Writer(Vec::with_capacity(bytes))
    }

    pub fn finish(self) -> Bytes {
        self.0.into()
    }

    /// The head of a plain object of `count` pairs: always 16 bits, or 32 if they do not do.
    pub fn object(&mut self, count: usize) -> &mut Self {
        match u16::try_from(count) {
            Ok(count) => self.with_argument(0xb9, &count.to_be_bytes()),
            Err(_) => self.with_argument(0xba, &(count as u32).to_be_bytes()),
        }
    }

    /// The tag that makes the next object one without prototype.
    pub fn null_prototype(&mut self) -> &mut Self {
        self.head(6, TAG_NULL_PROTOTYPE)
    }

    /// The head of an array.
    pub fn array(&mut self, count: usize) -> &mut Self {
        self.head(4, count as u64)
    }

    /// The head of a Map of `count` pairs, with its tag.
    pub fn map(&mut self, count: usize) -> &mut Self {
        self.head(6, TAG_MAP).head(5, count as u64)
    }

    /// The head of a Set of `count` members, with its tag.
    pub fn set(&mut self, count: usize) -> &mut Self {
        self.head(6, TAG_SET).head(4, count as u64)
    }

    /// A key of an object, given as WTF-8.
    pub fn key(&mut self, key: &[u8]) -> &mut Self {
        match needs_tag(key) {
            true => self.head(6, TAG_STRING).bytes(key),
            false => self.head(3, key.len() as u64).raw(key),
        }
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.head(3, text.len() as u64).raw(text.as_bytes())
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(2, bytes.len() as u64).raw(bytes)
    }

    /// An integer in its shortest form. From 2^32 on, JavaScript reads it as a bigint: see [`Writer::number`].
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(0, value)
    }

    /// A JavaScript number as cbor-x chooses: an integer if it is an int32 or uint32 and not -0, a float otherwise.
    pub fn number(&mut self, value: f64) -> &mut Self {
        let is_integer = value.fract() == 0.0 && (value != 0.0 || value.is_sign_positive());
        match value {
            0.0..=4_294_967_295.0 if is_integer => self.head(0, value as u64),
            -2_147_483_648.0..0.0 if is_integer => self.head(1, (-1.0 - value) as u64),
            _ => self.f64(value),
        }
    }

    /// A float of 64 bits. Every NaN is written as the same one.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
        self.with_argument(0xfb, &bits.to_be_bytes())
    }

    pub fn null(&mut self) -> &mut Self {
        self.raw(&[0xf6])
    }

    pub fn undefined(&mut self) -> &mut Self {
        self.raw(UNDEFINED)
    }

    pub fn hole(&mut self) -> &mut Self {
        self.raw(HOLE)
    }

    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.raw(&[if value { 0xf5 } else { 0xf4 }])
    }

    /// A value that is encoded already.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let first = major << 5;
        let bytes = argument.to_be_bytes();
        match head_len(argument) {
            1 => self.with_argument(first | argument as u8, &[]),
            2 => self.with_argument(first | 24, &bytes[7..]),
            3 => self.with_argument(first | 25, &bytes[6..]),
            5 => self.with_argument(first | 26, &bytes[4..]),
            _ => self.with_argument(first | 27, &bytes),
        }
    }

    fn with_argument(&mut self, first: u8, argument: &[u8]) -> &mut Self {
        self.0.push(first);
        self.raw(argument)
    }
}

/// Whether plain text cannot carry a key.
fn needs_tag(key: &[u8]) -> bool {
    key == b"__proto__" || std::str::from_utf8(key).is_err()
}

/// How many bytes [`Writer::key`] appends.
pub fn key_len(key: &[u8]) -> usize {
    let tag = if needs_tag(key) { head_len(TAG_STRING) } else { 0 };
    tag + head_len(key.len() as u64) + key.len()
}

/// How many bytes [`Writer::object`] appends, with the tag if the object has no prototype.
pub fn object_head_len(count: usize, null_prototype: bool) -> usize {
    let tag = if null_prototype { head_len(TAG_NULL_PROTOTYPE) } else { 0 };
    tag + if count > usize::from(u16::MAX) { 5 } else { 3 }
}

/// How many bytes [`Writer::array`] appends.
pub fn array_head_len(count: usize) -> usize {
    head_len(count as u64)
}

/// How many bytes [`Writer::map`] and [`Writer::set`] append.
pub fn entries_head_len(count: usize) -> usize {
    head_len(TAG_MAP) + head_len(count as u64)
}

fn head_len(argument: u64) -> usize {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}
