//! What is to be done with drivers, to the adapter.

use pawl_embed::{Call, Work};

use super::writer::Writer;

/// Appends what is to be done with drivers.
pub fn write_work(work: &[Work], out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    work.iter().for_each(|work| writer.work(work));
}

impl Writer<'_> {
    pub(super) fn work(&mut self, work: &Work) {
        match work {
            Work::Load { ticket, actor } => {
                self.record(40, *ticket);
                self.text(&actor.name);
            }
            Work::Write { ticket, actor, calls, after } => {
                self.record(41, *ticket);
                self.text(&actor.name);
                self.calls(calls);
                self.calls(after);
            }
        }
    }

    pub(super) fn calls(&mut self, calls: &[Call]) {
        self.number(calls.len() as u64);
        calls.iter().for_each(|call| self.call(call));
    }

    pub(super) fn call(&mut self, call: &Call) {
        match call {
            Call::Set { key, value } => {
                self.byte(0);
                self.bytes(key);
                self.bytes(value);
            }
            Call::Batch(writes) => {
                self.byte(1);
                self.number(writes.len() as u64);
                for (key, value) in writes {
                    self.bytes(key);
                    self.bytes(value);
                }
            }
            Call::Delete { key } => {
                self.byte(2);
                self.bytes(key);
            }
            Call::DeletePrefix { prefix } => {
                self.byte(3);
                self.bytes(prefix);
            }
            Call::DeleteRange { start, end } => {
                self.byte(4);
                self.bytes(start);
                self.bytes(end);
            }
            Call::SetAlarm { at } => {
                self.byte(5);
                self.time(*at as f64);
            }
            Call::ClearAlarm => self.byte(6),
            Call::AddMessage { id, name, body, sent_at } => {
                self.byte(7);
                self.text(id);
                self.text(name);
                self.bytes(body);
                self.time(*sent_at as f64);
            }
            Call::CompleteMessage { id, response } => {
                self.byte(8);
                self.text(id);
                self.optional(response.as_ref(), |w, response| w.bytes(response));
            }
        }
    }
}
