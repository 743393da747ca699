//! The tuple encoding of FoundationDB, for unsigned integers, text and nesting.
//! Source: <https://github.com/apple/foundationdb/blob/main/design/tuple.md>.

use bytes::Bytes;

use crate::codec::CodecError;

const TEXT: u8 = 0x02;
const NESTED: u8 = 0x05;
const ZERO: u8 = 0x14;
const END: u8 = 0x00;
const ESCAPE: u8 = 0xff;

/// Builds a key element by element.
#[derive(Debug, Clone, Default)]
pub struct Tuple(Vec<u8>);

impl Tuple {
    pub fn new() -> Self {
        Tuple::default()
    }

    /// An integer in as few bytes as it needs, after a byte that says how many: keys order as numbers do.
    pub fn uint(mut self, value: u64) -> Self {
        let bytes = value.to_be_bytes();
        let skip = value.leading_zeros() as usize / 8;
        self.0.push(ZERO + (8 - skip) as u8);
        self.0.extend_from_slice(&bytes[skip..]);
        self
    }

    pub fn text(mut self, text: &str) -> Self {
        self.0.push(TEXT);
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == END {
                self.0.push(ESCAPE);
            }
        }
        self.0.push(END);
        self
    }

    pub fn nested(mut self, elements: impl FnOnce(Tuple) -> Tuple) -> Self {
        self.0.push(NESTED);
        let mut tuple = elements(self);
        tuple.0.push(END);
        tuple
    }
}

impl From<Tuple> for Bytes {
    fn from(tuple: Tuple) -> Bytes {
        tuple.0.into()
    }
}

/// Takes a key apart element by element.
pub struct TupleReader<'a> {
    key: &'a [u8],
    at: usize,
}

impl<'a> TupleReader<'a> {
    pub fn new(key: &'a [u8]) -> Self {
        TupleReader { key, at: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.at == self.key.len()
    }

    pub fn end(&self, expected: &'static str) -> Result<(), CodecError> {
        match self.key.len() - self.at {
            0 => Ok(()),
            count => Err(CodecError::Trailing { offset: self.at, expected, count }),
        }
    }

    /// An integer in its shortest form.
    pub fn uint(&mut self, expected: &'static str) -> Result<u64, CodecError> {
        let offset = self.at;
        let code = self.byte(expected)?;
        let size = match code {
            ZERO..=0x1c => usize::from(code - ZERO),
            _ => return Err(CodecError::unexpected(offset, format!("byte {code:#04x}"), expected)),
        };
        let Some(bytes) = self.key.get(self.at..self.at + size) else {
            let remaining = self.key.len() - self.at;
            return Err(CodecError::Truncated { offset: self.at, expected, needed: size as u64, remaining });
        };
        if bytes.first() == Some(&0) {
            return Err(CodecError::unexpected(offset, "an integer with leading zeros", expected));
        }
        self.at += size;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub fn u32(&mut self, expected: &'static str) -> Result<u32, CodecError> {
        let offset = self.at;
        let value = self.uint(expected)?;
        u32::try_from(value).map_err(|_| CodecError::unexpected(offset, format!("{value}, over 32 bits"), expected))
    }

    pub fn expect_uint(&mut self, value: u64, expected: &'static str) -> Result<(), CodecError> {
        let offset = self.at;
        match self.uint(expected)? {
            found if found == value => Ok(()),
            found => Err(CodecError::unexpected(offset, found.to_string(), expected)),
        }
    }

    pub fn text(&mut self, expected: &'static str) -> Result<String, CodecError> {
        let offset = self.at;
        let code = self.byte(expected)?;
        if code != TEXT {
            return Err(CodecError::unexpected(offset, format!("byte {code:#04x}"), expected));
        }
        let mut bytes = Vec::new();
        loop {
            match self.byte(expected)? {
                END if self.key.get(self.at) == Some(&ESCAPE) => {
                    self.at += 1;
                    bytes.push(END);
                }
                END => break,
                byte => bytes.push(byte),
            }
        }
        String::from_utf8(bytes).map_err(|_| CodecError::unexpected(offset, "bytes that are not UTF-8", expected))
    }

    /// Steps into a nested tuple, if one is next.
    pub fn open_nested(&mut self) -> bool {
        let is_next = self.key.get(self.at) == Some(&NESTED);
        self.at += usize::from(is_next);
        is_next
    }

    pub fn close_nested(&mut self) -> Result<(), CodecError> {
        let offset = self.at;
        match self.byte("the end of a nested tuple")? {
            END => Ok(()),
            byte => Err(CodecError::unexpected(offset, format!("byte {byte:#04x}"), "the end of a nested tuple")),
        }
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, CodecError> {
        match self.key.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => Err(CodecError::Truncated { offset: self.at, expected, needed: 1, remaining: 0 }),
        }
    }
}
