//! Writing: the envelope is put down in canonical form, so its digest is that of its text.

use std::fmt::Write;

use amtsbote_domain::message::{MAX_READERS, Metadata, Part};

use super::{MAX_BYTES, MAX_PARTS, NAMESPACE, lexical};
use crate::signature::{SignError, Signer, enveloped_signature};

/// Why no envelope was written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// No part, or more than [`MAX_PARTS`].
    #[error("a message has 1 to {MAX_PARTS} parts")]
    Parts,
    /// More Readers than [`MAX_READERS`], or one of them twice.
    #[error("a message has at most {MAX_READERS} Readers, each named once")]
    Readers,
    /// Two parts with one Content-ID.
    #[error("two parts have the same Content-ID")]
    PartTwice,
    /// A value that the schema does not allow.
    #[error("{0}: not a value that an envelope can hold")]
    Value(&'static str),
    /// Longer than [`MAX_BYTES`].
    #[error("an envelope has at most {MAX_BYTES} bytes")]
    TooLarge,
    /// Nothing was signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Writes the envelope of a message, signed for its author. The first part is the payload.
pub fn write_signed(
    metadata: &Metadata,
    parts: &[Part],
    signer: &dyn Signer,
) -> Result<Vec<u8>, Unwritable> {
    if parts.is_empty() || parts.len() > MAX_PARTS {
        return Err(Unwritable::Parts);
    }
    let others = &metadata.other_readers;
    let twice = |n: usize| metadata.readers().take(n + 1).any(|reader| *reader == others[n]);
    if others.len() >= MAX_READERS || (0..others.len()).any(twice) {
        return Err(Unwritable::Readers);
    }
    let mut text = format!("<Envelope xmlns=\"{NAMESPACE}\">\n  <Metadata>\n");
    write_metadata(&mut text, metadata)?;
    text.push_str("  </Metadata>\n  <Parts>\n");
    for (n, part) in parts.iter().enumerate() {
        if parts[..n].iter().any(|other| other.cid == part.cid) {
            return Err(Unwritable::PartTwice);
        }
        write_part(&mut text, part)?;
    }
    text.push_str("  </Parts>\n  ");
    const END: &str = "\n</Envelope>";
    let signature = enveloped_signature(&[text.as_bytes(), END.as_bytes()], signer)?;
    let whole = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}{signature}{END}\n");
    if whole.len() > MAX_BYTES {
        return Err(Unwritable::TooLarge);
    }
    Ok(whole.into_bytes())
}

fn write_metadata(text: &mut String, metadata: &Metadata) -> Result<(), Unwritable> {
    let mut element = |name: &'static str, value: &str| {
        if !lexical::is_xml(value) {
            return Err(Unwritable::Value(name));
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "    <{name}>");
        for c in value.chars() {
            match c {
                '&' => text.push_str("&amp;"),
                '<' => text.push_str("&lt;"),
                '>' => text.push_str("&gt;"),
                c => text.push(c),
            }
        }
        let _ = writeln!(text, "</{name}>");
        Ok(())
    };
    let instant = |name: &'static str, at: amtsbote_domain::Timestamp| {
        let text = at.to_string();
        lexical::timestamp(&text).map(|_| text).ok_or(Unwritable::Value(name))
    };
    element("Author", metadata.author.as_str())?;
    element("Reader", metadata.reader.as_str())?;
    for reader in &metadata.other_readers {
        element("OtherReader", reader.as_str())?;
    }
    element("Service", metadata.service.as_str())?;
    if let Some(message_type) = &metadata.message_type {
        element("MessageType", message_type.as_str())?;
    }
    element("TransportId", metadata.transport_id.as_str())?;
    if let Some(business_id) = &metadata.business_id {
        element("BusinessId", business_id.as_str())?;
    }
    element("Created", &instant("Created", metadata.created)?)?;
    if let Some(not_before) = metadata.not_before {
        element("NotBefore", &instant("NotBefore", not_before)?)?;
    }
    if let Some(expires) = metadata.expires {
        element("Expires", &instant("Expires", expires)?)?;
    }
    element("Test", if metadata.test { "true" } else { "false" })
}

fn write_part(text: &mut String, part: &Part) -> Result<(), Unwritable> {
    if !lexical::is_part_id(&part.cid) {
        return Err(Unwritable::Value("cid"));
    }
    if !lexical::is_media_type(&part.media_type) {
        return Err(Unwritable::Value("mediaType"));
    }
    let size = part.size.to_string();
    lexical::size(&size).ok_or(Unwritable::Value("size"))?;
    let quoted =
        |value: &str| value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let (cid, media_type) = (quoted(&part.cid), quoted(&part.media_type));
    let sha256 = part.sha256;
    let _ = writeln!(
        text,
        "    <Part cid=\"{cid}\" mediaType=\"{media_type}\" sha256=\"{sha256}\" size=\"{size}\">\
         </Part>"
    );
    Ok(())
}
