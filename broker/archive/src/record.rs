//! From a record to a leaf: canonical JSON, then a salted commitment.
//!
//! A leaf is 32 octets that say nothing about the record to whoever lacks the salt (P6): tiles can
//! be public. Erasing salt and record leaves the tree whole and the leaf meaningless.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::Sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::hash::{NotAHash, decode_32};

/// Longest canonical record, in octets.
pub const MAX_RECORD: usize = 512 * 1024;

/// Deepest nesting of a record.
pub const MAX_DEPTH: usize = 64;

/// Largest number of a record, either side of zero: what RFC 8785 can write exactly (2^53 - 1).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Octets of an ordinary record, about.
const USUAL_RECORD: usize = 2048;

/// Separates these commitments from every other use of SHA-256.
const LABEL: &[u8] = b"amtsbote-leaf-v1\n";

/// Why a value has no canonical form here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A number that is no whole number, or beyond [`MAX_INTEGER`].
    #[error("numbers of a record are whole and at most {MAX_INTEGER} either side of zero")]
    Number,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("a record is nested at most {MAX_DEPTH} deep")]
    TooDeep,
    /// Longer than [`MAX_RECORD`].
    #[error("a record has at most {MAX_RECORD} octets")]
    TooLarge,
}

/// The canonical form of RFC 8785 (JCS) for values without floating-point numbers: names sorted by
/// UTF-16 code units, no white space, the shortest escapes.
pub fn canonical(value: &Value) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::with_capacity(USUAL_RECORD);
    write_value(value, 0, &mut out)?;
    Ok(out)
}

/// 32 random octets that keep a commitment from being guessed. Randomness is the caller's; a salt
/// is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt(pub [u8; 32]);

/// The commitment: `SHA-256("amtsbote-leaf-v1\n" || salt || record)`. These 32 octets are the leaf,
/// whose hash is [`crate::tree::leaf_hash`] of them.
pub fn leaf(salt: &Salt, canonical_record: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(LABEL);
    sha.update(&salt.0);
    sha.update(canonical_record);
    sha.finish()
}

impl TryFrom<String> for Salt {
    type Error = NotAHash;
    fn try_from(text: String) -> Result<Self, NotAHash> {
        decode_32(&text).map(Self)
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        STANDARD.encode(salt.0)
    }
}

impl fmt::Debug for Salt {
    /// A salt is as confidential as its record, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

fn write_value(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
    if depth > MAX_DEPTH {
        return Err(RecordError::TooDeep);
    }
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            write_list(b"[]", items, out, |item, out| write_value(item, depth + 1, out))?;
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            // RFC 8785, 3.2.3: by UTF-16 code units, which differs from code points above U+FFFF.
            entries.sort_by(|(a, _), (b, _)| match a.is_ascii() && b.is_ascii() {
                true => a.cmp(b),
                false => a.encode_utf16().cmp(b.encode_utf16()),
            });
            write_list(b"{}", &entries, out, |(name, value), out| {
                write_string(name, out);
                out.push(b':');
                write_value(value, depth + 1, out)
            })?;
        }
    }
    if out.len() > MAX_RECORD { Err(RecordError::TooLarge) } else { Ok(()) }
}

/// Items with commas between them, inside the given pair of brackets.
fn write_list<T>(
    [open, close]: &[u8; 2],
    items: &[T],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Vec<u8>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    out.push(*open);
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    out.push(*close);
    Ok(())
}

fn write_number(number: &Number, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let value = number.as_i64().ok_or(RecordError::Number)?;
    if value.unsigned_abs() > MAX_INTEGER {
        return Err(RecordError::Number);
    }
    out.extend(value.to_string().bytes());
    Ok(())
}

/// RFC 8785, 3.2.2.2: two-letter escapes where JSON has them, `\u00xx` for the other control
/// characters, everything else as it is.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    // As a rule nothing is escaped, and all of it is copied at once.
    while let Some(at) = rest.iter().position(|c| matches!(c, b'"' | b'\\' | 0..0x20)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            0x08 => out.extend(b"\\b"),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            0x0c => out.extend(b"\\f"),
            b'\r' => out.extend(b"\\r"),
            c @ 0..0x20 => out.extend(format!("\\u{c:04x}").bytes()),
            c => out.extend([b'\\', c]),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
