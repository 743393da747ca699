//! A database in memory as a whole: told to a copy, or made of one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Actor, Database, NAMED, locked};
use crate::error::StoreError;
use crate::record::InboxRow;
use crate::whole::{Source, Target, WholeRow, copied_note, not_empty};

/// Everything in a database at one moment: bodies are shared, not copied.
pub(super) struct Rows {
    id: [u8; 16],
    rows: Vec<WholeRow>,
}

impl Rows {
    pub(super) fn of(database: &Database) -> Self {
        let mut rows: Vec<WholeRow> =
            database.actors.iter().map(|(id, actor)| WholeRow::Actor(id.clone(), actor.row.clone())).collect();
        for (id, actor) in &database.actors {
            rows.extend(actor.changes.iter().map(|(seq, body)| WholeRow::Change(id.clone(), *seq, body.clone())));
            rows.extend(actor.snapshots.values().map(|snapshot| WholeRow::Snapshot(id.clone(), snapshot.clone())));
            rows.extend(actor.chunks.iter().map(|(number, body)| WholeRow::Chunk(id.clone(), *number, body.clone())));
        }
        for id in database.inboxes.keys() {
            rows.extend(database.inbox(id).into_iter().map(|row| WholeRow::Message(id.clone(), row)));
        }
        rows.push(WholeRow::Floor(database.floor));
        rows.extend(database.notes.iter().map(|(name, body)| WholeRow::Note(name.clone(), body.clone())));
        Self { id: database.id, rows }
    }
}

impl Source for Rows {
    fn id(&self) -> [u8; 16] {
        self.id
    }

    fn rows(&mut self, take: &mut dyn FnMut(WholeRow) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.rows.drain(..).try_for_each(take)
    }
}

/// A database that is filled apart, and takes its place at the end.
pub(crate) struct Filling {
    place: Arc<Mutex<Database>>,
    shown: String,
    filled: Database,
}

/// The named database of this process, which nobody has open.
pub(crate) fn target(url: &str, name: String) -> Result<Filling, StoreError> {
    let place = locked(&NAMED).entry(name).or_insert_with(|| Arc::new(Mutex::new(Database::new()))).clone();
    let filling = Filling { place, shown: url.to_owned(), filled: Database::new() };
    filling.check()?;
    Ok(filling)
}

impl Filling {
    fn check(&self) -> Result<(), StoreError> {
        let found = locked(&self.place);
        match (found.owned, found.actors.len(), found.inboxes.len()) {
            (true, ..) => Err(super::owned()),
            (false, 0, 0) => Ok(()),
            (false, actors, inboxes) => {
                Err(not_empty(&self.shown, &format!("{actors} actors, messages for {inboxes}")))
            }
        }
    }
}

impl Target for Filling {
    fn put(&mut self, row: WholeRow) -> Result<(), StoreError> {
        let actors = &mut self.filled.actors;
        match row {
            WholeRow::Actor(id, row) => {
                let (changes, snapshots, chunks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
                actors.insert(id, Actor { row, changes, snapshots, chunks });
            }
            WholeRow::Change(id, seq, body) => {
                actors.entry(id).and_modify(|actor| drop(actor.changes.insert(seq, body)));
            }
            WholeRow::Snapshot(id, snapshot) => {
                actors.entry(id).and_modify(|actor| drop(actor.snapshots.insert(snapshot.seq, snapshot)));
            }
            WholeRow::Chunk(id, number, body) => {
                actors.entry(id).and_modify(|actor| drop(actor.chunks.insert(number, body)));
            }
            WholeRow::Note(name, body) => drop(self.filled.notes.insert(copied_note(&name), body)),
            WholeRow::Floor(floor) => self.filled.floor = floor,
            WholeRow::Message(id, InboxRow { sender, sender_seq, body }) => {
                self.filled.set_message(id, (sender, sender_seq), Some(body));
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, id: [u8; 16], epoch: u64) -> Result<(), StoreError> {
        self.check()?;
        self.filled.id = id;
        self.filled.epoch = epoch;
        let Self { place, filled, .. } = *self;
        *locked(&place) = filled;
        Ok(())
    }
}
