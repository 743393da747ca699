//! Cutting the rows of a change into batches that a driver writes whole.
//!
//! Rows that something reaches are in the last batch, together with the change's own row and the head. What comes before
//! it are rows that nobody reads without them, so that an end in between leaves nothing but garbage.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::work::{Call, Limits};

/// What a row is, in the order in which rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Name,
    /// A piece of what one of Pawl's own rows names.
    Piece,
    /// A message that the row with its count does not yet count.
    Uncounted,
    Entry,
    Metadata,
    Run,
    Own,
}

impl Class {
    fn may_precede(self) -> bool {
        self <= Class::Uncounted
    }
}

/// Rows to be written together; one that is written again replaces the one before.
#[derive(Debug, Default, Clone)]
pub struct Pile {
    rows: BTreeMap<(Class, Bytes), Bytes>,
    bytes: usize,
}

/// More than fits one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    pub what: &'static str,
    pub found: usize,
    pub limit: usize,
}

impl Pile {
    pub fn put(&mut self, class: Class, key: Bytes, value: Bytes) {
        let length = key.len();
        self.bytes += length + value.len();
        if let Some(before) = self.rows.insert((class, key), value) {
            self.bytes -= length + before.len();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether `more` could be in the same batch, beside the rows of the head and the state word with `head` bytes.
    pub fn has_room_for(&self, more: &Pile, head: usize, limits: Limits) -> bool {
        let bytes = self.bytes.saturating_add(more.bytes).saturating_add(head);
        self.rows.len() + more.rows.len() + 2 <= limits.rows && bytes <= limits.bytes
    }

    pub fn append(&mut self, more: Pile) {
        if self.is_empty() {
            *self = more;
            return;
        }
        for ((class, key), value) in more.rows {
            self.put(class, key, value);
        }
    }

    /// One batch if that does, or those that may precede, and the last one.
    pub fn into_batches(self, limits: Limits) -> Result<Vec<Call>, TooLarge> {
        let whole = self.rows.len() <= limits.rows && self.bytes <= limits.bytes;
        let mut batches = Batches { limits, full: Vec::new(), open: Vec::new(), bytes: 0 };
        let mut last = Vec::new();
        for ((class, key), value) in self.rows {
            if whole || !class.may_precede() {
                last.push((key, value));
            } else {
                batches.push(key, value)?;
            }
        }
        let bytes = last.iter().map(|(key, value)| key.len() + value.len()).sum();
        fits("rows", last.len(), limits.rows)?;
        fits("bytes", bytes, limits.bytes)?;
        let mut calls = batches.finish();
        calls.push(Call::Batch(last));
        Ok(calls)
    }
}

struct Batches {
    limits: Limits,
    full: Vec<Call>,
    open: Vec<(Bytes, Bytes)>,
    bytes: usize,
}

impl Batches {
    fn push(&mut self, key: Bytes, value: Bytes) -> Result<(), TooLarge> {
        let bytes = key.len() + value.len();
        fits("bytes", bytes, self.limits.bytes)?;
        if self.open.len() == self.limits.rows || self.bytes + bytes > self.limits.bytes {
            self.full.push(Call::Batch(std::mem::take(&mut self.open)));
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.open.push((key, value));
        Ok(())
    }

    fn finish(mut self) -> Vec<Call> {
        if !self.open.is_empty() {
            self.full.push(Call::Batch(self.open));
        }
        self.full
    }
}

fn fits(what: &'static str, found: usize, limit: usize) -> Result<(), TooLarge> {
    if found > limit { Err(TooLarge { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pile(rows: &[(Class, u8, usize)]) -> Pile {
        let mut pile = Pile::default();
        for (class, key, size) in rows {
            pile.put(*class, Bytes::copy_from_slice(&[*key]), vec![0; *size].into());
        }
        pile
    }

    fn keys(calls: &[Call]) -> Vec<Vec<u8>> {
        let key = |call: &Call| match call {
            Call::Batch(rows) => rows.iter().map(|(key, _)| key[0]).collect(),
            other => panic!("{other:?}"),
        };
        calls.iter().map(key).collect()
    }

    #[test]
    fn what_fits_is_one_batch_in_the_order_of_rows() {
        let pile = pile(&[(Class::Own, 9, 1), (Class::Entry, 2, 1), (Class::Name, 1, 1), (Class::Entry, 2, 3)]);
        assert_eq!(keys(&pile.into_batches(Limits { rows: 3, bytes: 8, together: false }).unwrap()), [[1, 2, 9]]);
    }

    #[test]
    fn what_does_not_fit_has_the_reachable_rows_in_its_last_batch() {
        let rows = [(Class::Own, 9, 1), (Class::Entry, 2, 1), (Class::Name, 1, 1), (Class::Uncounted, 3, 1)];
        let rows = [&rows[..], &[(Class::Name, 0, 1)]].concat();
        let calls = pile(&rows).into_batches(Limits { rows: 2, bytes: 100, together: false }).unwrap();
        assert_eq!(keys(&calls), [vec![0, 1], vec![3], vec![2, 9]]);
        let calls = pile(&rows).into_batches(Limits { rows: 9, bytes: 4, together: false }).unwrap();
        assert_eq!(keys(&calls), [vec![0, 1], vec![3], vec![2, 9]]);
    }

    #[test]
    fn reachable_rows_that_do_not_fit_are_refused() {
        let rows = [(Class::Own, 9, 1), (Class::Entry, 2, 1), (Class::Metadata, 4, 1)];
        let limits = Limits { rows: 2, bytes: 100, together: false };
        assert_eq!(pile(&rows).into_batches(limits), Err(TooLarge { what: "rows", found: 3, limit: 2 }));
        let limits = Limits { rows: 3, bytes: 5, together: false };
        assert_eq!(pile(&rows).into_batches(limits), Err(TooLarge { what: "bytes", found: 6, limit: 5 }));
    }
}
