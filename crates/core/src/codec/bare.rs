//! The subset of BARE that records use. Source of the rules: <https://baremessages.org>, with enum and union tags in one byte.

use bytes::Bytes;

use super::CodecError;

/// Reads BARE items one after another. `data` items share the input's memory.
pub struct Reader<'a> {
    input: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(input: &'a Bytes) -> Self {
        Reader { input, at: 0 }
    }

    pub fn offset(&self) -> usize {
        self.at
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.input.len()
    }

    pub fn end(&self, expected: &'static str) -> Result<(), CodecError> {
        match self.input.len() - self.at {
            0 => Ok(()),
            count => Err(CodecError::Trailing { offset: self.at, expected, count }),
        }
    }

    fn take(&mut self, needed: u64, expected: &'static str) -> Result<&'a [u8], CodecError> {
        let remaining = self.input.len() - self.at;
        if needed > remaining as u64 {
            return Err(CodecError::Truncated { offset: self.at, expected, needed, remaining });
        }
        let from = self.at;
        self.at += needed as usize;
        Ok(&self.input[from..self.at])
    }

    pub fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], CodecError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64, expected)?);
        Ok(out)
    }

    pub fn u8(&mut self, expected: &'static str) -> Result<u8, CodecError> {
        Ok(u8::from_le_bytes(self.array(expected)?))
    }

    pub fn u16(&mut self, expected: &'static str) -> Result<u16, CodecError> {
        Ok(u16::from_le_bytes(self.array(expected)?))
    }

    pub fn u32(&mut self, expected: &'static str) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array(expected)?))
    }

    pub fn u64(&mut self, expected: &'static str) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array(expected)?))
    }

    /// A length or count: an unsigned varint in its shortest form.
    fn length(&mut self, expected: &'static str) -> Result<u64, CodecError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8(expected)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(CodecError::unexpected(start, "a length that is too long or not in its shortest form", expected))
    }

    /// A count of items of at least `item_size` bytes each, checked against what is left.
    pub fn count(&mut self, item_size: u64, expected: &'static str) -> Result<usize, CodecError> {
        let offset = self.at;
        let count = self.length(expected)?;
        let remaining = self.input.len() - self.at;
        let needed = count.saturating_mul(item_size);
        if needed > remaining as u64 {
            return Err(CodecError::Truncated { offset, expected, needed, remaining });
        }
        Ok(count as usize)
    }

    pub fn data(&mut self, expected: &'static str) -> Result<Bytes, CodecError> {
        let length = self.length(expected)?;
        let slice = self.take(length, expected)?;
        Ok(self.input.slice_ref(slice))
    }

    pub fn string(&mut self, expected: &'static str) -> Result<String, CodecError> {
        let length = self.length(expected)?;
        let offset = self.at;
        match std::str::from_utf8(self.take(length, expected)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => {
                Err(CodecError::unexpected(offset + error.valid_up_to(), "bytes that are not UTF-8", expected))
            }
        }
    }

    pub fn optional<T>(
        &mut self,
        expected: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        let offset = self.at;
        match self.u8(expected)? {
            0 => Ok(None),
            1 => read(self).map(Some),
            byte => Err(CodecError::unexpected(offset, format!("byte {byte:#04x}"), "0 or 1 before an optional")),
        }
    }
}

/// Writes BARE items one after another.
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn count(&mut self, mut value: usize) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn data(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// `data` that `write` appends in place: its length is known only afterwards.
    pub fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - start - 1;
        if length <= 0x7f {
            self.0[start] = length as u8;
        } else {
            let mut head = Writer(Vec::with_capacity(5));
            head.count(length);
            self.0.splice(start..=start, head.0);
        }
    }

    pub fn optional<T: ?Sized>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub fn optional_data(&mut self, value: Option<&[u8]>) {
        self.optional(value, |w, bytes| w.data(bytes));
    }
}
