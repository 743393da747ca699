//! What an actor holds, to whoever looks into it.

use pawl_core::history::{Listed, Recorded};
use pawl_core::inbox::Message;
use pawl_core::output::Status;
use pawl_core::{Actor, Trouble, answers};

use super::writer::Writer;

/// Appends a history as its rows hold it: a count and that many names; a count and that many entries, each with its record and
/// an optional one of metadata.
pub fn write_history(names: &[&str], history: &[Listed<'_>], out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    writer.number(names.len() as u64);
    names.iter().for_each(|name| writer.text(name));
    writer.number(history.len() as u64);
    for Listed { recorded, .. } in history {
        writer.bytes(&recorded.entry.encode());
        writer.optional(recorded.metadata.as_ref(), |w, metadata| w.bytes(&metadata.encode()));
    }
}

/// Appends what whoever asked a message is told.
pub fn write_answer(answer: &answers::Answer, out: &mut Vec<u8>) {
    Writer(out).answer(answer);
}

/// Appends an actor's history and inbox: a count and that many entries, a count and that many messages; how many attempts had to
/// run again; the time of the newest change or message; its status; its alarm (NaN: none); how its run has ended, if it has; the
/// version of the code that parked it (empty: none).
pub fn write_inspection(actor: &Actor, out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    let (history, inbox) = (actor.entries(), actor.inbox());
    writer.number(history.len() as u64);
    history.iter().for_each(|entry| writer.entry(entry));
    writer.number(inbox.len() as u64);
    inbox.iter().for_each(|message| writer.message((message, actor.trouble(&message.key))));
    writer.number(actor.conflicts());
    writer.time(actor.newest() as f64);
    let standing = actor.standing();
    writer.text(core_word(standing.status));
    writer.time(standing.alarm.map_or(f64::NAN, |alarm| alarm as f64));
    writer.optional(actor.outcome(), Writer::outcome);
    writer.text(actor.parked_by().unwrap_or_default());
}

fn core_word(status: Status) -> &'static str {
    match status {
        Status::None => "none",
        Status::Running => "running",
        Status::Waiting => "waiting",
        Status::Completed => "completed",
        Status::Failed => "failed",
        Status::Parked => "parked",
        Status::RollingBack => "rolling_back",
        Status::Cancelled => "cancelled",
    }
}

impl Writer<'_> {
    pub(super) fn entry(&mut self, entry: &Listed<'_>) {
        let Recorded { entry: record, metadata, failure, commit, .. } = entry.recorded;
        self.text(&record.id);
        self.text(&entry.path);
        self.text(entry.kind());
        self.text(entry.status());
        self.number(metadata.as_ref().map_or(0, |metadata| metadata.attempts.into()));
        self.time(metadata.as_ref().map_or(f64::NAN, |metadata| metadata.created_at_ms as f64));
        self.number(*commit);
        self.optional(entry.output(), |w, output| w.bytes(output));
        self.optional(entry.iteration(), |w, (iteration, state)| {
            w.number(iteration.into());
            w.bytes(state);
        });
        self.optional(entry.deadline_ms(), |w, deadline| w.time(deadline as f64));
        self.optional(failure.as_ref(), |w, failed| {
            let (terminal, failure) = &**failed;
            w.optional(terminal.as_ref(), |w, terminal| w.terminal(*terminal));
            w.failure(failure);
        });
    }

    pub(super) fn message(&mut self, (message, trouble): (&Message, Option<&Trouble>)) {
        self.text(&message.id());
        self.text(&message.name);
        self.bytes(&message.body);
        self.time(message.sent_at as f64);
        self.optional(trouble.filter(|trouble| trouble.aside), |w, trouble| w.failure(&trouble.failure));
    }

    /// A byte 0: nothing; 1 and a value; 2 and a failure.
    pub(super) fn answer(&mut self, answer: &answers::Answer) {
        match answer {
            Ok(None) => self.byte(0),
            Ok(Some(value)) => {
                self.byte(1);
                self.bytes(value);
            }
            Err(failure) => {
                self.byte(2);
                self.failure(failure);
            }
        }
    }
}
