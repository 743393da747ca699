//! The row of a run's error, `(3,3)`: the CBOR map of engine behaviour 1.3.8.

use bytes::Bytes;
use pawl_core::codec::{CodecError, cbor};
use pawl_core::failure::{Failure, FailureKind};
use pawl_core::key;

use crate::error::Damage;

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

/// Reads what [`encode`] or another engine wrote. Its kind is not in it. What is wrong is said in that engine's words
/// (engine behaviour 1.5).
pub fn decode(row: &Bytes) -> Result<Failure, Damage> {
    let unreadable = |error: CodecError| Damage::of(&key::ERROR, &error);
    cbor::validate(row).map_err(unreadable)?;
    if type_of(row) != "object" {
        return Err(Damage::new(key::ERROR, format!("WorkflowError: expected object, got {}", type_of(row))));
    }
    let field = |name: &str| cbor::field(row, name).map_err(unreadable);
    let text = |name: &str| {
        let value = field(name)?;
        let text = value.as_ref().and_then(|value| cbor::text(value)).map(str::to_owned);
        text.ok_or_else(|| {
            let found = value.as_ref().map_or("undefined", |value| type_of(value));
            Damage::new(key::ERROR, format!("WorkflowError.{name}: expected string, got {found}"))
        })
    };
    Ok(Failure {
        kind: FailureKind::Error,
        name: text("name")?,
        message: text("message")?,
        stack: text("stack").ok(),
        fields: field("metadata")?,
    })
}

/// What JavaScript's `typeof` says of a value.
fn type_of(value: &[u8]) -> &'static str {
    match cbor::describe(value) {
        "an integer" | "a float" => "number",
        "a string" => "string",
        "a boolean" => "boolean",
        "undefined" => "undefined",
        _ => "object",
    }
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
