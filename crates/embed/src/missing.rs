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
    if let Some(number) = head.pending.iter().find(|number| !stored.changes.contains_key(number)) {
        let what = "nothing, where the head has a change of which not all calls were made";
        return Err(Damage::new(keys::change(*number), what));
    }
    if swapped {
        return Ok(());
    }
    let found = (kept.head.rows, kept.head.row_sum);
    match (head.rows.wrapping_sub(found.0), head.row_sum.wrapping_sub(found.1), kept.unlisted.first()) {
        (0, 0, None) => Ok(()),
        (1, number, _) => Err(Damage::new(keys::change(number), "nothing, where the head counts the row of a change")),
        (_, _, Some(id)) => {
            let what = "an entry that no change lists, though nobody else has written: the row of its change is gone";
            Err(Damage::new(key::history(&stored.entries[id].entry.location), what))
        }
        (_, _, None) => {
            let what = format!("{} rows of changes that are needed, where the head counts {}", found.0, head.rows);
            Err(Damage::new(keys::head(), what))
        }
    }
}
