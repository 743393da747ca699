//! User values: CBOR as the TypeScript codec writes it, and as other writers of the same histories did.
//!
//! Owns heads, lengths and nesting, so that the engine can go into a value, replace a part and compose small values of its
//! own. What a tag means to a user is the TypeScript codec's business, except for the tags that stand in the way:
//! 20567 before the map of an object without prototype, 258 and 259 of Sets and Maps, 20560 before a key that plain text cannot carry.

mod read;
mod walk;
mod write;

pub use read::{
    Children, Kind, boolean, children, describe, field, items, key, kind, memory_start, number, shown, text,
};
pub use walk::{skip, skip_valid, validate};
pub use write::{Writer, array_head_len, entries_head_len, key_len, object_head_len};

/// How deep containers may be nested in a value that is read.
pub const MAX_DEPTH: usize = 10_000;

/// Before the bytes (WTF-8) of a string that holds a lone surrogate, or of the key `__proto__`.
pub const TAG_STRING: u64 = 20560;
/// Before the array of a Set's members.
pub const TAG_SET: u64 = 258;
/// Before the map of a Map's entries.
pub const TAG_MAP: u64 = 259;
/// Before `f7`: a hole of an array.
pub const TAG_HOLE: u64 = 20561;
/// Before the map of an object whose prototype is null.
pub const TAG_NULL_PROTOTYPE: u64 = 20567;

/// CBOR `undefined`.
pub const UNDEFINED: &[u8] = &[0xf7];
/// A hole of an array.
pub const HOLE: &[u8] = &[0xd9, 0x50, 0x51, 0xf7];

#[cfg(test)]
mod tests;
