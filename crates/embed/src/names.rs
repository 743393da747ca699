//! Checksums of names. A name's row is bare text, which the other engine fixes: what it is checked by stands in a row beside it.
//!
//! Both engines only ever add names, so a name that differs from its checksum was damaged, whoever has written since.

use std::collections::BTreeMap;

use bytes::Bytes;
use pawl_core::codec::CodecError;
use pawl_core::key;

use crate::error::Damage;
use crate::keys;
use crate::rows::{many, seal, unseal};
use crate::split::{Class, Pile};

/// How many names one row of checksums is for.
const BLOCK: usize = 64;

/// The checksums of names, by the number of their block.
pub type Sums = BTreeMap<u64, Vec<u32>>;

/// Puts the rows for the names from number `from` on.
pub fn put_sums(pile: &mut Pile, names: &[String], from: usize) {
    for (block, names) in names.chunks(BLOCK).enumerate().skip(from / BLOCK) {
        let key = keys::sums(block as u64);
        let value = seal(&key, |writer| {
            writer.count(names.len());
            names.iter().for_each(|name| writer.u32(sum(name)));
        });
        // What a name's own row says is written first, or together with it.
        pile.put(Class::Piece, key, value);
    }
}

pub fn read_sums(key: &[u8], value: &Bytes) -> Result<Vec<u32>, CodecError> {
    unseal(key, value, |reader| many(reader, 4, "checksums of names", |r| r.u32("the checksum of a name")))
}

/// Compares names with what was written with them. Those of another engine have no checksum.
pub fn check(names: &[String], sums: &Sums) -> Result<(), Damage> {
    for (block, sums) in sums {
        for (index, expected) in (*block as usize * BLOCK..).zip(sums) {
            let found = match names.get(index) {
                Some(name) if sum(name) == *expected => continue,
                Some(name) => format!("the name {name:?}, which is not the one that was written"),
                None => "nothing, where a name was written".to_owned(),
            };
            return Err(Damage::new(key::name(index as u32), found));
        }
    }
    Ok(())
}

fn sum(name: &str) -> u32 {
    crc32c::crc32c(name.as_bytes())
}
