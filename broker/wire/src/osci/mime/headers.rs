//! Headers: of the message, and of its parts.

use super::ROOT_CONTENT_ID;
use super::fault::MimeFault;
use super::limits::{Limits, MAX_CONTENT_ID_BYTES};
use crate::native::multipart::{MultipartError, is_token, read_content_type};

/// What stands in front of all parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHeaders {
    /// The boundary.
    pub boundary: String,
}

/// What stands before the octets of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHeaders {
    /// Content-ID without angle brackets; unique in the message.
    pub content_id: String,
    /// Content-Type as written; `text/plain` where it is absent (RFC 2045, 5.2).
    pub content_type: String,
    /// How the octets travel; it is undone.
    pub transfer_encoding: TransferEncoding,
    /// What Content-Length says. The reader compares it with the octets of the part; of the first
    /// part it does not, because clients state a wrong one there (see [`super::Reader`]).
    pub content_length: Option<u64>,
}

/// How the octets of a part travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferEncoding {
    /// As they are: `binary`, `8bit`, `7bit`, the `8-bit` of OSCI clients, or nothing said.
    #[default]
    Identity,
    /// `base64`, or the media type `text/base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
}

/// Whether `id` can be a Content-ID: 1 to 255 bytes of UTF-8 without angle brackets and control
/// characters. OSCI clients put file names there, with spaces and umlauts.
pub fn is_content_id(id: &str) -> bool {
    (1..=MAX_CONTENT_ID_BYTES).contains(&id.len())
        && id.trim() == id
        && id.chars().all(|c| !c.is_control() && c != '<' && c != '>')
}

/// What is wrong with a block of headers.
pub(super) enum Bad {
    Encoding(&'static str),
    Malformed(&'static str),
    TooMany(usize),
}

impl From<&'static str> for Bad {
    fn from(what: &'static str) -> Self {
        Self::Malformed(what)
    }
}

impl Bad {
    /// In front of a part, counted from 1; none in front of all.
    pub(super) fn at(self, part: Option<usize>) -> MimeFault {
        match (self, part) {
            (Self::TooMany(limit), _) => {
                MimeFault::TooLarge { what: "headers of one block", limit: limit as u64 }
            }
            (Self::Encoding(what), Some(part)) => MimeFault::TransferEncoding { what, part },
            (Self::Malformed(what), Some(part)) => MimeFault::Malformed { what, part },
            (Self::Encoding(what) | Self::Malformed(what), None) => MimeFault::Headers(what),
        }
    }
}

/// Headers by name, in lower case, folded lines made one.
type Fields = Vec<(String, String)>;

/// Reads one block: lines that end with a line feed, without the empty line at the end. That all end
/// in the same way was seen before.
fn fields(block: &[u8], limits: &Limits) -> Result<Fields, Bad> {
    let text = std::str::from_utf8(block).map_err(|_| "a header that is not UTF-8")?;
    let mut fields: Fields = Vec::new();
    for line in text.split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err("a header with a control character".into());
        }
        // Folded lines are one line (RFC 5322, 2.2.3).
        if line.starts_with([' ', '\t']) {
            let before = fields.last_mut().ok_or("a folded line without a header before it")?;
            let (_, value) = before;
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        if name.is_empty() || !name.chars().all(is_token) {
            return Err("a header with a bad name".into());
        }
        if fields.len() == limits.headers {
            return Err(Bad::TooMany(limits.headers));
        }
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(fields)
}

/// The only value that a header has.
fn one<'f>(fields: &'f Fields, name: &str) -> Result<Option<&'f str>, &'static str> {
    let mut found = fields.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err("a header given twice"),
        (value, _) => Ok(value.map(str::trim)),
    }
}

impl MessageHeaders {
    pub(super) fn read(block: &[u8], limits: &Limits) -> Result<Self, MimeFault> {
        let fields = fields(block, limits).map_err(|bad| bad.at(None))?;
        let one = |name| one(&fields, name).map_err(MimeFault::Headers);
        // A comment may follow (RFC 2045, 4).
        if one("mime-version")?.is_some_and(|v| v.split(['(', ' ']).next() != Some("1.0")) {
            return Err(MimeFault::Headers("MIME-Version must be 1.0"));
        }
        // RFC 2045, 6.4: no encoding is allowed around parts that changes them.
        if one("content-transfer-encoding")?.is_some_and(|word| identity(word) == Some(false)) {
            return Err(MimeFault::Headers("a transfer encoding around all parts"));
        }
        let content_type = one("content-type")?;
        let content_type = content_type.ok_or(MimeFault::Headers("Content-Type is missing"))?;
        let (boundary, start) = read_content_type(content_type).map_err(|error| match error {
            MultipartError::NotMultipartRelated => MimeFault::NotMultipartRelated,
            MultipartError::ContentType(what) => MimeFault::Headers(what),
            _ => MimeFault::Headers("Content-Type cannot be read"),
        })?;
        if start.is_some_and(|start| start != ROOT_CONTENT_ID) {
            return Err(MimeFault::Headers("start must be osci@message"));
        }
        Ok(Self { boundary })
    }
}

/// Whether the word names an encoding that changes no octet; none where it is not known.
fn identity(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        // OSCI clients write `8-bit`.
        "binary" | "8bit" | "8-bit" | "7bit" | "7-bit" => Some(true),
        "base64" | "quoted-printable" => Some(false),
        _ => None,
    }
}

impl PartHeaders {
    pub(super) fn read(block: &[u8], limits: &Limits) -> Result<Self, Bad> {
        Self::of(&fields(block, limits)?)
    }

    fn of(fields: &Fields) -> Result<Self, Bad> {
        let id = one(fields, "content-id")?.ok_or("no Content-ID")?;
        let id = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
        let id = id.filter(|id| is_content_id(id)).ok_or("a bad Content-ID")?;
        let content_type = match one(fields, "content-type")? {
            Some("") => return Err("an empty Content-Type".into()),
            Some(text) => text,
            None => "text/plain",
        };
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let word = one(fields, "content-transfer-encoding")?;
        let transfer_encoding = match (media_type.eq_ignore_ascii_case("text/base64"), word) {
            (_, Some(word)) if identity(word).is_none() => {
                return Err(Bad::Encoding("an unknown word"));
            }
            (base64, Some(word)) if identity(word) == Some(false) => {
                match (base64, word.to_ascii_lowercase().as_str()) {
                    (_, "base64") => TransferEncoding::Base64,
                    (false, _) => TransferEncoding::QuotedPrintable,
                    (true, _) => return Err(Bad::Encoding("two encodings")),
                }
            }
            (true, _) => TransferEncoding::Base64,
            (false, _) => TransferEncoding::Identity,
        };
        let content_length = match one(fields, "content-length")? {
            None => None,
            Some(text) => {
                let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                let number = digits.then(|| text.parse().ok()).flatten();
                Some(number.ok_or("a Content-Length that is no number")?)
            }
        };
        let content_type = content_type.to_owned();
        Ok(Self { content_id: id.to_owned(), content_type, transfer_encoding, content_length })
    }
}
