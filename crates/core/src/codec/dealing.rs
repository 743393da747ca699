//! Records of a change about what actors do to each other: tags 52 to 57 of [`super::change`].
//!
//! Persisted: a layout is never changed, only added to.

use bytes::Bytes;

use super::CodecError;
use super::bare::{Reader, Writer};
use super::change::{read_failure, read_time, write_failure};
use crate::failure::Failure;
use crate::inbox::MessageKey;
use crate::keys::Reply;

/// The tags of these records in a change.
pub(super) const TAGS: std::ops::RangeInclusive<u8> = 52..=57;

/// One thing that an actor did to, or for, another.
#[derive(Debug, Clone, PartialEq)]
pub enum Dealing {
    /// An attempt at handling a message failed: the last of so many. `not_before`: when the handler asked to be tried again.
    /// `aside`: for good; the message stays, and nobody is given it.
    Troubled {
        key: MessageKey,
        name: String,
        attempts: u32,
        started_at: i64,
        not_before: Option<i64>,
        aside: bool,
        failure: Failure,
    },
    /// A message that was set aside is handled as if it had come now.
    Calmed { key: MessageKey },
    /// Whoever waits for the answer to a message is told that handling it failed for good.
    AnsweredFailed { message_id: String, failure: Failure },
    /// A call was made under this key: until then, one with the same key is the same call.
    Remembered { key: String, until: i64, reply: Reply },
    /// Another actor waits for the end of the run. The key is that of what it sent; `made`: that made this actor.
    Watched { key: MessageKey, made: bool },
    /// The actor is no more, and what came before it counts for nothing.
    Destroyed,
}

impl Dealing {
    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Dealing::Troubled { key, name, attempts, started_at, not_before, aside, failure } => {
                writer.u8(52);
                write_key(writer, key);
                writer.data(name.as_bytes());
                writer.u32(*attempts);
                writer.u64((*started_at).max(0) as u64);
                writer.optional(not_before.as_ref(), |writer, at| writer.u64((*at).max(0) as u64));
                writer.u8((*aside).into());
                write_failure(writer, failure);
            }
            Dealing::Calmed { key } => {
                writer.u8(53);
                write_key(writer, key);
            }
            Dealing::AnsweredFailed { message_id, failure } => {
                writer.u8(54);
                writer.data(message_id.as_bytes());
                write_failure(writer, failure);
            }
            Dealing::Remembered { key, until, reply } => {
                writer.u8(55);
                writer.data(key.as_bytes());
                writer.u64((*until).max(0) as u64);
                match reply {
                    Reply::Value(value) => {
                        writer.u8(0);
                        writer.optional_data(value.as_deref());
                    }
                    Reply::Message(id) => {
                        writer.u8(1);
                        writer.data(id.as_bytes());
                    }
                }
            }
            Dealing::Watched { key, made } => {
                writer.u8(56);
                write_key(writer, key);
                writer.u8((*made).into());
            }
            Dealing::Destroyed => writer.u8(57),
        }
    }

    pub(super) fn read(reader: &mut Reader, tag: u8, offset: usize) -> Result<Dealing, CodecError> {
        Ok(match tag {
            52 => Dealing::Troubled {
                key: read_key(reader)?,
                name: reader.string("a message's name")?,
                attempts: reader.u32("a count of attempts")?,
                started_at: read_time(reader)?,
                not_before: reader.optional("a time", read_time)?,
                aside: reader.u8("whether a message is set aside")? == 1,
                failure: read_failure(reader)?,
            },
            53 => Dealing::Calmed { key: read_key(reader)? },
            54 => {
                Dealing::AnsweredFailed { message_id: reader.string("a message id")?, failure: read_failure(reader)? }
            }
            55 => Dealing::Remembered {
                key: reader.string("a caller's key")?,
                until: read_time(reader)?,
                reply: read_reply(reader)?,
            },
            56 => Dealing::Watched { key: read_key(reader)?, made: reader.u8("who made the actor")? == 1 },
            57 => Dealing::Destroyed,
            tag => {
                return Err(CodecError::unexpected(
                    offset,
                    format!("tag {tag}"),
                    "what actors do to each other (52 to 57)",
                ));
            }
        })
    }
}

/// The body of an answer that tells of a failure.
pub fn failure_bytes(failure: &Failure) -> Bytes {
    let mut writer = Writer(Vec::with_capacity(128));
    write_failure(&mut writer, failure);
    writer.0.into()
}

pub fn failure_of(bytes: &Bytes) -> Result<Failure, CodecError> {
    let mut reader = Reader::new(bytes);
    let failure = read_failure(&mut reader)?;
    reader.end("a failure")?;
    Ok(failure)
}

fn read_reply(reader: &mut Reader) -> Result<Reply, CodecError> {
    let offset = reader.offset();
    Ok(match reader.u8("a reply")? {
        0 => Reply::Value(reader.optional("a reply", |r| r.data("a reply"))?),
        1 => Reply::Message(reader.string("a message id")?),
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "a reply (0 or 1)")),
    })
}

fn write_key(writer: &mut Writer, key: &MessageKey) {
    writer.data(key.sender.as_bytes());
    writer.u64(key.sender_seq);
}

fn read_key(reader: &mut Reader) -> Result<MessageKey, CodecError> {
    Ok(MessageKey { sender: reader.string("a message's sender")?, sender_seq: reader.u64("a message's number")? })
}
