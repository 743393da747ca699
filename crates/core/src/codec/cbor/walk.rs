//! Going over values without a call stack: where one ends, and whether it is well-formed.

use super::MAX_DEPTH;
use crate::codec::{CodecError, wtf8};

const VALUE: &str = "a CBOR value";

/// The first byte of an item with its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// 0 unsigned, 1 negative, 2 bytes, 3 text, 4 array, 5 map, 6 tag, 7 simple or float.
    pub major: u8,
    /// None for an indefinite length and for the break that ends one.
    pub argument: Option<u64>,
    /// How many bytes follow the first one as the argument: 0, 1, 2, 4 or 8.
    pub width: usize,
    /// Where the next byte is.
    pub end: usize,
}

impl Head {
    pub fn read(input: &[u8], at: usize) -> Result<Head, CodecError> {
        let Some(first) = input.get(at) else {
            return Err(CodecError::Truncated { offset: at, expected: VALUE, needed: 1, remaining: 0 });
        };
        let (major, info) = (first >> 5, first & 0x1f);
        let width = match info {
            0..=23 => return Ok(Head { major, argument: Some(info.into()), width: 0, end: at + 1 }),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            31 if matches!(major, 2..=5 | 7) => return Ok(Head { major, argument: None, width: 0, end: at + 1 }),
            _ => return Err(CodecError::unexpected(at, format!("byte {first:#04x}"), VALUE)),
        };
        let start = at + 1;
        let bytes = bytes_at(input, start, width as u64, "the argument of a CBOR head")?;
        let argument = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Ok(Head { major, argument: Some(argument), width, end: start + width })
    }

    /// Whether this is the break that ends an indefinite length.
    pub fn is_break(&self) -> bool {
        self.major == 7 && self.argument.is_none()
    }
}

/// `length` bytes from `at`, if the input has them.
pub(super) fn bytes_at<'a>(
    input: &'a [u8],
    at: usize,
    length: u64,
    expected: &'static str,
) -> Result<&'a [u8], CodecError> {
    let remaining = input.len() - at;
    match usize::try_from(length) {
        Ok(length) if length <= remaining => Ok(&input[at..at + length]),
        _ => Err(CodecError::Truncated { offset: at, expected, needed: length, remaining }),
    }
}

/// A container that has been entered.
enum Frame {
    /// So many items are still to come; a map's keys count like its values.
    Definite(u64),
    Array,
    /// Whether the value of a key is next.
    Map {
        value_next: bool,
    },
}

/// Checks that `input` is exactly one well-formed value, and returns how deep its containers are nested: 0 for a scalar.
pub fn validate(input: &[u8]) -> Result<usize, CodecError> {
    let (end, depth) = walk(input, 0)?;
    match input.len() - end {
        0 => Ok(depth),
        count => Err(CodecError::Trailing { offset: end, expected: VALUE, count }),
    }
}

/// Where the value that starts at `at` ends.
pub fn skip(input: &[u8], at: usize) -> Result<usize, CodecError> {
    walk(input, at).map(|(end, _)| end)
}

/// The same for a value that has been read before: several times faster, as long as no length in it is indefinite.
pub fn skip_valid(input: &[u8], at: usize) -> Result<usize, CodecError> {
    let mut end = at;
    let mut left: u64 = 1;
    while left > 0 {
        // Short texts and numbers, as most are, are told by their first byte.
        let short = match input.get(end) {
            Some(0x00..=0x17 | 0x20..=0x37 | 0xf0..=0xf7) => 1,
            Some(0x1a | 0x3a | 0xfa) => 5,
            Some(0x1b | 0x3b | 0xfb) => 9,
            Some(text @ 0x60..=0x77) => 1 + usize::from(text - 0x60),
            _ => 0,
        };
        if short > 0 && short <= input.len() - end {
            (end, left) = (end + short, left - 1);
            continue;
        }
        let head = Head::read(input, end)?;
        let Some(argument) = head.argument else { return skip(input, at) };
        end = head.end;
        left -= 1;
        match head.major {
            2 | 3 => end += bytes_at(input, end, argument, "a string")?.len(),
            4 => left += argument,
            5 => left += argument * 2,
            6 => left += 1,
            _ => {}
        }
    }
    Ok(end)
}

fn walk(input: &[u8], start: usize) -> Result<(usize, usize), CodecError> {
    let mut open: Vec<Frame> = Vec::new();
    let mut depth = 0;
    let mut at = start;
    let mut after_tag = false;
    loop {
        let offset = at;
        let head = Head::read(input, at)?;
        at = head.end;
        let mut is_complete = true;
        match head.major {
            0 | 1 => {}
            2 | 3 => at = string_end(input, head)?,
            4 | 5 => {
                if let Some(frame) = enter(input, head)? {
                    if open.len() == MAX_DEPTH {
                        return Err(CodecError::TooDeep { offset, limit: MAX_DEPTH });
                    }
                    open.push(frame);
                    depth = depth.max(open.len());
                    is_complete = false;
                } else {
                    depth = depth.max(open.len() + 1);
                }
            }
            6 => is_complete = false,
            _ if head.is_break() => leave(&mut open, offset, after_tag)?,
            _ => check_simple(head, offset)?,
        }
        after_tag = head.major == 6;
        if is_complete && close(&mut open) {
            return Ok((at, depth));
        }
    }
}

/// The frame of a container; none if it is empty.
fn enter(input: &[u8], head: Head) -> Result<Option<Frame>, CodecError> {
    let is_map = head.major == 5;
    let Some(count) = head.argument else {
        return Ok(Some(if is_map { Frame::Map { value_next: false } } else { Frame::Array }));
    };
    let items = if is_map { count.saturating_mul(2) } else { count };
    let remaining = input.len() - head.end;
    if items > remaining as u64 {
        let expected = "the items of a container";
        return Err(CodecError::Truncated { offset: head.end, expected, needed: items, remaining });
    }
    Ok((items > 0).then_some(Frame::Definite(items)))
}

/// Takes the break at `offset` as the end of the innermost container.
fn leave(open: &mut Vec<Frame>, offset: usize, after_tag: bool) -> Result<(), CodecError> {
    match open.pop() {
        Some(Frame::Array | Frame::Map { value_next: false }) if !after_tag => Ok(()),
        _ => Err(CodecError::unexpected(offset, "a break (0xff)", VALUE)),
    }
}

/// Counts a complete item in the containers around it. True if none is left open.
fn close(open: &mut Vec<Frame>) -> bool {
    loop {
        match open.last_mut() {
            None => return true,
            Some(Frame::Definite(left)) if *left == 1 => {
                open.pop();
            }
            Some(Frame::Definite(left)) => {
                *left -= 1;
                return false;
            }
            Some(Frame::Map { value_next }) => {
                *value_next = !*value_next;
                return false;
            }
            Some(Frame::Array) => return false,
        }
    }
}

/// Where the byte or text string after `head` ends.
fn string_end(input: &[u8], head: Head) -> Result<usize, CodecError> {
    if head.argument.is_some() {
        return Ok(head.end + chunk(input, head)?.len());
    }
    let mut at = head.end;
    loop {
        let next = Head::read(input, at)?;
        if next.is_break() {
            return Ok(next.end);
        }
        if next.major != head.major || next.argument.is_none() {
            return Err(CodecError::unexpected(at, "another item", "a chunk of the string before it"));
        }
        at = next.end + chunk(input, next)?.len();
    }
}

/// The bytes of a string of definite length, checked to be WTF-8 if it is text: other writers put lone surrogates there.
pub(super) fn chunk(input: &[u8], head: Head) -> Result<&[u8], CodecError> {
    let bytes = bytes_at(input, head.end, head.argument.unwrap_or(0), "the bytes of a string")?;
    if head.major == 3 {
        wtf8::check(bytes).map_err(|valid| not_text(head.end + valid))?;
    }
    Ok(bytes)
}

pub(super) fn not_text(offset: usize) -> CodecError {
    CodecError::unexpected(offset, "bytes that are not WTF-8", "a string")
}

/// Simple values below 32 have one form only.
fn check_simple(head: Head, offset: usize) -> Result<(), CodecError> {
    match head {
        Head { width: 1, argument: Some(value @ 0..32), .. } => {
            Err(CodecError::unexpected(offset, format!("simple value {value} in two bytes"), VALUE))
        }
        _ => Ok(()),
    }
}
