//! The record of one message in an inbox.
//!
//! `version u16 = 1, purpose u8 (0 plain, 1 asked, 2 answer, 3 failed answer, 4 create, 5 create and watch, 6 cancel, 7 destroy, 8 tick), the
//! number that is answered u64 (of answers alone), name, time u64 ms, due u64 ms, body, crc32c u32`, in BARE, little-endian.
//! The checksum covers the sender's number and everything before the checksum. Persisted: a layout is never changed, only
//! added to under a new version.

use bytes::Bytes;

use super::CodecError;
use super::bare::{Reader, Writer};
use super::change::{checksum, expect_version, read_time, write_version};
use crate::inbox::{Message, MessageKey, Purpose};

/// Writes the record of a message.
pub fn write_message(message: &Message) -> Bytes {
    let mut writer = Writer(Vec::with_capacity(message.body.len() + message.name.len() + 40));
    write_version(&mut writer);
    let (code, answered) = match message.purpose {
        Purpose::Plain => (0, None),
        Purpose::Asked => (1, None),
        Purpose::Answer { to, failed: false } => (2, Some(to)),
        Purpose::Answer { to, failed: true } => (3, Some(to)),
        Purpose::Create { watched: false } => (4, None),
        Purpose::Create { watched: true } => (5, None),
        Purpose::Cancel => (6, None),
        Purpose::Destroy => (7, None),
        Purpose::Tick => (8, None),
    };
    writer.u8(code);
    if let Some(to) = answered {
        writer.u64(to);
    }
    writer.data(message.name.as_bytes());
    writer.u64(message.sent_at.max(0) as u64);
    writer.u64(message.due_at.max(0) as u64);
    writer.data(&message.body);
    let checksum = checksum(message.key.sender_seq, &writer.0);
    writer.u32(checksum);
    writer.0.into()
}

/// Reads the record of a message.
pub fn read_message(key: MessageKey, body: &Bytes) -> Result<Message, CodecError> {
    let mut reader = Reader::new(body);
    expect_version(&mut reader)?;
    let purpose = read_purpose(&mut reader)?;
    let name = reader.string("a message's name")?;
    let (sent_at, due_at) = (read_time(&mut reader)?, read_time(&mut reader)?);
    let value = reader.data("a message's body")?;
    let content = reader.offset();
    let stored = reader.u32("the checksum of a message")?;
    reader.end("a message")?;
    if stored != checksum(key.sender_seq, &body[..content]) {
        let found = format!("a message whose checksum does not match its bytes and number {}", key.sender_seq);
        return Err(CodecError::unexpected(content, found, "the checksum that was written with it"));
    }
    Ok(Message { key, name, body: value, sent_at, due_at, purpose })
}

fn read_purpose(reader: &mut Reader) -> Result<Purpose, CodecError> {
    let offset = reader.offset();
    Ok(match reader.u8("what a message is for")? {
        0 => Purpose::Plain,
        1 => Purpose::Asked,
        tag @ (2 | 3) => Purpose::Answer { to: reader.u64("a number that is answered")?, failed: tag == 3 },
        tag @ (4 | 5) => Purpose::Create { watched: tag == 5 },
        6 => Purpose::Cancel,
        7 => Purpose::Destroy,
        8 => Purpose::Tick,
        tag => return Err(CodecError::unexpected(offset, format!("tag {tag}"), "what a message is for (0 to 8)")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_whatever_they_are_for() {
        let purposes = [
            Purpose::Plain,
            Purpose::Asked,
            Purpose::Answer { to: 65_537, failed: false },
            Purpose::Answer { to: u64::MAX >> 1, failed: true },
            Purpose::Create { watched: false },
            Purpose::Create { watched: true },
            Purpose::Cancel,
            Purpose::Destroy,
            Purpose::Tick,
        ];
        for purpose in purposes {
            let key = MessageKey { sender: "order/1".into(), sender_seq: 65_536 };
            let body = Bytes::from_static(&[0xf6]);
            let message = Message { key: key.clone(), name: "go".into(), body, sent_at: 7, due_at: 9, purpose };
            assert_eq!(read_message(key, &write_message(&message)).unwrap(), message);
        }
    }
}
