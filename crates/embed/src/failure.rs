//! The row of a run's error, `(3,3)`: the CBOR map of engine behaviour 1.3.8.

use bytes::Bytes;
use pawl_core::codec::{CodecError, cbor};
use pawl_core::failure::{Failure, FailureKind};

/// `{name, message, stack?, metadata?}`.
pub fn encode(failure: &Failure) -> Bytes {
    let optional = usize::from(failure.stack.is_some()) + usize::from(failure.fields.is_some());
    let mut writer = cbor::Writer::new();
    writer.object(2 + optional);
    writer.key(b"name").text(&failure.name).key(b"message").text(&failure.message);
    if let Some(stack) = &failure.stack {
        writer.key(b"stack").text(stack);
    }
    if let Some(fields) = &failure.fields {
        writer.key(b"metadata").raw(fields);
    }
    writer.finish()
}

/// Reads what [`encode`] or another engine wrote. Its kind is not in it.
pub fn decode(row: &Bytes) -> Result<Failure, CodecError> {
    cbor::validate(row)?;
    let text = |name: &str, expected| match cbor::field(row, name)? {
        Some(value) => match cbor::text(&value) {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(CodecError::unexpected(0, cbor::describe(&value), expected)),
        },
        None => Ok(None),
    };
    let missing = |expected| CodecError::unexpected(0, "nothing", expected);
    let (name, message) = ("an error's name", "an error's message");
    Ok(Failure {
        kind: FailureKind::Error,
        name: text("name", name)?.ok_or_else(|| missing(name))?,
        message: text("message", message)?.ok_or_else(|| missing(message))?,
        stack: text("stack", "an error's stack").unwrap_or_default(),
        fields: cbor::field(row, "metadata")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_back_and_has_these_bytes() {
        let failure = Failure {
            kind: FailureKind::Error,
            name: "E".into(),
            message: "no".into(),
            stack: Some("at x".into()),
            fields: Some(Bytes::from_static(&[0xb9, 0, 1, 0x61, b'a', 1])),
        };
        let row = encode(&failure);
        assert_eq!(decode(&row), Ok(failure));
        assert_eq!(&row[..17], b"\xb9\x00\x04\x64name\x61E\x67messag");
        assert!(decode(&Bytes::from_static(&[0xf6])).is_err());
        assert!(decode(&Bytes::from_static(&[0xb9, 0, 1, 0x64])).is_err());
    }
}
