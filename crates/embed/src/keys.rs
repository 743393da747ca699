//! The keys of Pawl's own rows on a driver, below `(9)`: another engine never looks there.

use bytes::Bytes;
use pawl_core::codec::CodecError;
use pawl_core::key::{Tuple, TupleReader};

const OWN: u64 = 9;
const HEAD: u64 = 0;
const CHANGE: u64 = 1;
const CHUNK: u64 = 2;
const PART: u64 = 3;
const SUMS: u64 = 6;

/// What a key below `(9)` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// `(9,0)`
    Head,
    /// `(9,1,number)`
    Change(u64),
    /// `(9,2,cell,i)`
    Chunk(String, u64),
    /// `(9,3,number,i)`: what did not fit the change's row.
    Part(u64, u64),
    /// `(9,6,block)`: checksums of names.
    Sums(u64),
    /// A row that something else of Pawl's keeps there.
    Other,
}

/// The prefix of all of Pawl's own rows.
pub fn own() -> Bytes {
    Tuple::new().uint(OWN).into()
}

pub fn head() -> Bytes {
    Tuple::new().uint(OWN).uint(HEAD).into()
}

pub fn change(number: u64) -> Bytes {
    Tuple::new().uint(OWN).uint(CHANGE).uint(number).into()
}

pub fn chunk(cell: &str, index: u64) -> Bytes {
    Tuple::new().uint(OWN).uint(CHUNK).text(cell).uint(index).into()
}

pub fn part(number: u64, index: u64) -> Bytes {
    Tuple::new().uint(OWN).uint(PART).uint(number).uint(index).into()
}

pub fn sums(block: u64) -> Bytes {
    Tuple::new().uint(OWN).uint(SUMS).uint(block).into()
}

/// Takes a key below `(9)` apart.
pub fn parse(key: &[u8]) -> Result<Own, CodecError> {
    let mut reader = TupleReader::new(key);
    reader.expect_uint(OWN, "9, the space of Pawl's own rows")?;
    let own = match reader.uint("a kind of row")? {
        HEAD => Own::Head,
        CHANGE => Own::Change(reader.uint("the number of a change")?),
        CHUNK => Own::Chunk(reader.text("a cell's name")?, reader.uint("the number of a chunk")?),
        PART => Own::Part(reader.uint("the number of a change")?, reader.uint("the number of a part")?),
        SUMS => Own::Sums(reader.uint("the number of a block of names")?),
        _ => return Ok(Own::Other),
    };
    reader.end("a key of Pawl's own")?;
    Ok(own)
}

/// A key for people: its hexadecimal digits, as other tools show keys.
pub fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_back_as_what_it_names() {
        assert_eq!(parse(&head()), Ok(Own::Head));
        assert_eq!(parse(&change(300)), Ok(Own::Change(300)));
        assert_eq!(parse(&chunk("state", 7)), Ok(Own::Chunk("state".into(), 7)));
        assert_eq!(parse(&part(1, 2)), Ok(Own::Part(1, 2)));
        assert_eq!(parse(&sums(3)), Ok(Own::Sums(3)));
        assert_eq!(parse(&Bytes::from_static(&[0x15, 9, 0x15, 4])), Ok(Own::Other));
        assert!(parse(&[0x15, 9]).is_err());
        assert_eq!(hex(&change(300)), "15091501".to_owned() + "16012c");
    }
}
