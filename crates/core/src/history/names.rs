//! The registry of names: every name that a location uses, by index, in the order of first use.

use std::hash::BuildHasherDefault;

use indexmap::IndexSet;
use rustc_hash::FxHasher;

/// Indices are never reused and never removed.
#[derive(Debug, Default)]
pub struct Names {
    names: IndexSet<Box<str>, BuildHasherDefault<FxHasher>>,
    /// How many of them are part of a queued change.
    recorded: usize,
}

impl Names {
    pub fn intern(&mut self, name: &str) -> u32 {
        let index = self.names.get_index_of(name).unwrap_or_else(|| self.names.insert_full(name.into()).0);
        index as u32
    }

    pub fn index_of(&self, name: &str) -> Option<u32> {
        self.names.get_index_of(name).map(|index| index as u32)
    }

    pub fn resolve(&self, index: u32) -> Option<&str> {
        self.names.get_index(index as usize).map(|name| &**name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Takes up a recorded name. False if the index is not the next one or the name is there already.
    #[must_use]
    pub fn load(&mut self, index: u32, name: &str) -> bool {
        let next = self.names.len();
        let loaded = index as usize == next && self.names.insert_full(name.into()) == (next, true);
        self.recorded = self.names.len();
        loaded
    }

    /// The names that no change holds yet, with their indices; afterwards they count as recorded.
    pub fn record(&mut self, mut write: impl FnMut(u32, &str)) {
        for index in self.recorded..self.names.len() {
            write(index as u32, &self.names[index]);
        }
        self.recorded = self.names.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_index_and_is_recorded_once() {
        let mut names = Names::default();
        assert_eq!((names.intern("a"), names.intern("b"), names.intern("a")), (0, 1, 0));
        let mut recorded = vec![];
        names.record(|index, name| recorded.push((index, name.to_owned())));
        names.intern("c");
        names.record(|index, name| recorded.push((index, name.to_owned())));
        assert_eq!(recorded, [(0, "a".into()), (1, "b".into()), (2, "c".into())]);
    }

    #[test]
    fn loading_refuses_a_hole_and_a_name_that_is_there() {
        let mut names = Names::default();
        assert!(names.load(0, "a"));
        assert!(!names.load(2, "c"));
        assert!(!names.load(1, "a"));
    }
}
