//! Rows of changes that are gone. Nothing is read where one is: what it said would be lost without a word.

use pawl_core::key;

use crate::error::Damage;
use crate::kept::Kept;
use crate::keys;
use crate::load::Stored;

/// Compares the rows that are there with what the head knows. Where another engine has written since, its entries are in no
/// row, and what is needed is another question.
pub fn check_change_rows(stored: &Stored, kept: &Kept, swapped: bool) -> Result<(), Damage> {
    let Some(head) = &stored.head else { return Ok(()) };
    let missing = (head.rows.wrapping_sub(kept.head.rows), head.row_sum.wrapping_sub(kept.head.row_sum));
    if let (1, first, false) = (missing.0, missing.1, swapped) {
        return Err(Damage::new(keys::change(first), "nothing, where the head counts a row of changes"));
    }
    let is_gone = |number: &&u64| **number > 0 && !stored.changes.contains_key(*number);
    if let Some(number) = head.pending.iter().find(is_gone) {
        let what = "nothing, where the head has a change of which not all calls were made";
        return Err(Damage::new(keys::change(*number), what));
    }
    if is_gone(&&head.seq) {
        return Err(Damage::new(keys::change(head.seq), "nothing, where the head has its newest change"));
    }
    match kept.unlisted.first().filter(|_| !swapped) {
        Some(id) => {
            let what = "an entry that no change lists, though nobody else has written: the row of its change is gone";
            Err(Damage::new(key::history(&stored.entries[id].entry.location), what))
        }
        None if swapped || missing == (0, 0) => Ok(()),
        None => {
            let what =
                format!("{} rows of changes that are needed, where the head counts {}", kept.head.rows, head.rows);
            Err(Damage::new(keys::head(), what))
        }
    }
}
