//! Unsigned LEB128, and the cursor that deltas and reads are read with.

use bytes::Bytes;

use crate::codec::CodecError;

/// Reads the items of a delta or of reads one after another; sub-slices share the input's memory.
pub(super) struct Cursor<'a> {
    input: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(input: &'a Bytes) -> Self {
        Cursor { input, at: 0 }
    }

    pub fn offset(&self) -> usize {
        self.at
    }

    pub fn remaining(&self) -> usize {
        self.input.len() - self.at
    }

    pub fn byte(&mut self, expected: &'static str) -> Result<u8, CodecError> {
        let byte = self.input.get(self.at).copied();
        let byte = byte.ok_or(CodecError::Truncated { offset: self.at, expected, needed: 1, remaining: 0 })?;
        self.at += 1;
        Ok(byte)
    }

    /// A number of at most 32 bits, in its shortest form.
    pub fn number(&mut self, expected: &'static str) -> Result<u32, CodecError> {
        let offset = self.at;
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte(expected)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let is_shortest = byte != 0 || shift == 0;
                return match u32::try_from(value) {
                    Ok(value) if is_shortest => Ok(value),
                    _ => break,
                };
            }
        }
        Err(CodecError::unexpected(offset, "a number over 32 bits or not in its shortest form", expected))
    }

    /// A count of items of at least `item_size` bytes each, checked against what is left.
    pub fn count(&mut self, item_size: usize, expected: &'static str) -> Result<usize, CodecError> {
        let offset = self.at;
        let count = self.number(expected)? as usize;
        let needed = count as u64 * item_size as u64;
        if needed > self.remaining() as u64 {
            return Err(CodecError::Truncated { offset, expected, needed, remaining: self.remaining() });
        }
        Ok(count)
    }

    /// A length and as many bytes.
    pub fn bytes(&mut self, expected: &'static str) -> Result<Bytes, CodecError> {
        let length = self.count(1, expected)?;
        self.at += length;
        Ok(self.input.slice(self.at - length..self.at))
    }
}

/// Appends a number.
pub(super) fn write_number(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
///
/// # Panics
/// If the bytes are 4 GiB or more, which no value reaches: the largest limit of a state is far below.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_number(out, u32::try_from(bytes.len()).expect("a value is smaller than 4 GiB"));
    out.extend_from_slice(bytes);
}
