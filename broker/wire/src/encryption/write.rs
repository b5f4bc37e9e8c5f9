//! Making encrypted data: AES-256-GCM, one key for each of them, wrapped for every recipient.

use std::io::{self, Read, Write};

use amtsbote_schemas::xml::{DriveError, Event, EventSink, Limits, NodeNumber, drive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::allowed::IvRule;
use super::data::Content;
use super::method::{DSIG, OSCI128, XENC};
use super::recipient::{EncryptError, Recipient};
use super::seal::{DATA, Sealer};
use super::secret::{KeyOctets, Random, random_key};
use crate::c14n::{Apex, Canonicalizer, Method, Mode, identifiers};

/// Octets of the initialization vector.
const IV: usize = 12;
/// Octets of plaintext that are read at once; a multiple of three for the sake of Base64.
const PIECE: usize = 48 * 1024;

/// What is said about the plaintext.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The attribute `Type`; none for octets.
    pub content: Content,
    /// The attribute `MimeType`.
    pub mime_type: Option<String>,
    /// The attribute `Id`.
    pub id: Option<String>,
    /// With [`IvRule::Osci`] the length of the initialization vector is stated: 12.
    pub iv: IvRule,
}

impl Shape {
    /// Octets of this media type.
    pub fn octets(mime_type: impl Into<String>) -> Self {
        Self {
            content: Content::Octets,
            mime_type: Some(mime_type.into()),
            id: None,
            iv: IvRule::Standard,
        }
    }

    /// XML: an element, or the content of one.
    pub fn xml(content: Content) -> Self {
        Self { content, mime_type: None, id: None, iv: IvRule::Standard }
    }
}

/// Encrypts octets of any length; `EncryptedData` with the ciphertext in it goes to `out`.
pub fn encrypt_value(
    plain: impl Read,
    shape: &Shape,
    recipients: &[Recipient],
    random: &mut dyn Random,
    out: &mut impl Write,
) -> Result<(), EncryptError> {
    let (key, head) = head(shape, recipients, random)?;
    write!(out, "{head}<xenc:CipherValue>")?;
    let mut text = Base64Writer { out: &mut *out, waiting: Vec::new() };
    encipher(plain, &key, random, &mut text)?;
    text.end()?;
    out.write_all(b"</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>")?;
    Ok(())
}

/// Encrypts octets of any length into a part of its own; the ciphertext goes to `part` as it is.
/// Gives the `EncryptedData` that refers to it by `cid`.
pub fn encrypt_part(
    plain: impl Read,
    cid: &str,
    shape: &Shape,
    recipients: &[Recipient],
    random: &mut dyn Random,
    part: &mut impl Write,
) -> Result<String, EncryptError> {
    let (key, head) = head(shape, recipients, random)?;
    encipher(plain, &key, random, part)?;
    let cid = percent_encoded(cid);
    Ok(format!(
        "{head}<xenc:CipherReference URI=\"cid:{cid}\"/></xenc:CipherData></xenc:EncryptedData>"
    ))
}

/// Encrypts the one element that has this identifier, or what is in it; the rest of the document
/// stays as it is, octet by octet.
///
/// An element is encrypted in its canonical form, so that it can be read by itself. Content is
/// encrypted as it stands, and means what it meant only inside its element.
pub fn encrypt_in(
    document: &[u8],
    id: &str,
    shape: &Shape,
    recipients: &[Recipient],
    random: &mut dyn Random,
) -> Result<Vec<u8>, EncryptError> {
    let mut find = Find { id, found: None, count: 0 };
    see(document, &mut find)?;
    let (Some(found), 1) = (find.found, find.count) else {
        return Err(no("exactly one element must have the identifier"));
    };
    let after = |from: usize| tag_end(document, from).ok_or_else(|| no("a tag does not end"));
    let (range, plain) = match shape.content {
        Content::Element => {
            let mut canonical = Vec::new();
            let method = Method::new(Mode::Inclusive, true);
            let out = |piece: &[u8]| canonical.extend_from_slice(piece);
            let mut sink = Canonicalizer::new(method, Apex::Element(found.node), out);
            see(document, &mut sink)?;
            sink.flush();
            drop(sink);
            (found.start..after(found.end)?, canonical)
        }
        Content::Content => {
            let start = after(found.start)?;
            if start > found.end {
                return Err(no("an empty element has no content"));
            }
            (start..found.end, document[start..found.end].to_vec())
        }
        Content::Octets => return Err(no("say whether the element or its content is meant")),
    };
    let plain = KeyOctets::new(plain);
    let mut encrypted = document[..range.start].to_vec();
    encrypt_value(plain.octets(), shape, recipients, random, &mut encrypted)?;
    encrypted.extend_from_slice(&document[range.end..]);
    Ok(encrypted)
}

/// A key, and `EncryptedData` up to where the ciphertext is.
fn head(
    shape: &Shape,
    recipients: &[Recipient],
    random: &mut dyn Random,
) -> Result<(KeyOctets, String), EncryptError> {
    if recipients.is_empty() {
        return Err(EncryptError::NoRecipient);
    }
    let key = random_key(random, DATA.key_octets())?;
    let mut head = format!("<xenc:EncryptedData xmlns:xenc=\"{XENC}\"");
    let kind = match shape.content {
        Content::Element => Some("Element"),
        Content::Content => Some("Content"),
        Content::Octets => None,
    };
    let kind = kind.map(|kind| format!("{XENC}{kind}"));
    for (name, value) in [("Id", &shape.id), ("Type", &kind), ("MimeType", &shape.mime_type)] {
        if let Some(value) = value {
            head.push_str(&format!(" {name}=\"{}\"", quoted(value)));
        }
    }
    head.push_str(&format!("><xenc:EncryptionMethod Algorithm=\"{}\"", DATA.uri()));
    head.push_str(&match shape.iv {
        IvRule::Standard => "/>".to_owned(),
        IvRule::Osci => format!(
            "><osci128:IvLength xmlns:osci128=\"{OSCI128}\" Value=\"{IV}\"></osci128:IvLength>\
             </xenc:EncryptionMethod>"
        ),
    });
    head.push_str(&format!("<ds:KeyInfo xmlns:ds=\"{DSIG}\">"));
    for recipient in recipients {
        head.push_str(&recipient.encrypted_key(key.octets(), random)?);
    }
    head.push_str("</ds:KeyInfo><xenc:CipherData>");
    Ok((key, head))
}

/// Initialization vector, ciphertext, tag.
fn encipher(
    mut plain: impl Read,
    key: &KeyOctets,
    random: &mut dyn Random,
    out: &mut impl Write,
) -> Result<(), EncryptError> {
    let mut sealer = Sealer::new(key, IV, random, out)?;
    let mut piece = vec![0; PIECE];
    loop {
        match plain.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => sealer.update(&piece[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    sealer.finish()?;
    Ok(())
}

/// Writes octets as Base64.
struct Base64Writer<W> {
    out: W,
    waiting: Vec<u8>,
}

impl<W: Write> Base64Writer<W> {
    fn end(mut self) -> io::Result<()> {
        let text = STANDARD.encode(&self.waiting);
        self.out.write_all(text.as_bytes())
    }
}

impl<W: Write> Write for Base64Writer<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(octets);
        // Groups of three have no padding.
        let whole = self.waiting.len() / 3 * 3;
        let text = STANDARD.encode(&self.waiting[..whole]);
        self.waiting.drain(..whole);
        self.out.write_all(text.as_bytes())?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Where an element is.
struct Place {
    node: NodeNumber,
    start: usize,
    /// Of its end tag, or of `/>`.
    end: usize,
}

/// Looks for the element with an identifier.
struct Find<'a> {
    id: &'a str,
    found: Option<Place>,
    count: usize,
}

impl EventSink for Find<'_> {
    type Error = std::convert::Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error> {
        match *event {
            Event::Start(tag) if identifiers(tag).any(|id| id == self.id) => {
                self.count += 1;
                let start = tag.position.offset as usize;
                self.found = Some(Place { node: tag.node, start, end: start });
            }
            Event::End(tag, position) => {
                if let Some(found) = self.found.as_mut().filter(|found| found.node == tag.node) {
                    found.end = position.offset as usize;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn see<S>(document: &[u8], sink: &mut S) -> Result<(), EncryptError>
where
    S: EventSink<Error = std::convert::Infallible>,
{
    drive(document, &Limits::default(), sink).map_err(|error| match error {
        DriveError::Xml(error) => EncryptError::Document(error.to_string()),
        DriveError::Sink(never) => match never {},
    })
}

/// The place behind the tag that begins, or ends, at `from`; the document is well-formed.
fn tag_end(document: &[u8], from: usize) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in document.iter().enumerate().skip(from) {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

fn no(rule: &str) -> EncryptError {
    EncryptError::Document(rule.to_owned())
}

fn quoted(value: &str) -> String {
    let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    value.replace('\t', "&#9;").replace('\n', "&#10;").replace('\r', "&#13;")
}

/// RFC 2392: what a URI cannot hold of a content-id is escaped.
fn percent_encoded(cid: &str) -> String {
    let mut text = String::with_capacity(cid.len());
    for byte in cid.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$'()*+,;=:@/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
