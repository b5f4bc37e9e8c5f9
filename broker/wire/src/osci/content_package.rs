//! ContentPackage: what a delivery carries (`ContentPackageType`), read without holding it.
//!
//! Encrypted containers are never looked into, and what is in the others is left where it stands:
//! memory grows with the number of containers and contents, which is limited, and not with their
//! size. Octets are taken out later, from the same root part.

use std::io::{self, BufRead, Read, Write};
use std::ops::Range;

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{self, DriveError, Event, EventSink, StartTag, drive};
use openssl::sha::Sha256;

use super::names::{DS, OSCI, XENC};
use super::reading::{Beside, Reading};
use super::refusal::Refusal;
use super::verbatim::{Verbatim, slice};
use crate::encryption::base64_text::{Base64Text, NotBase64};

/// What stands in the body of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentPackage {
    /// Encrypted containers (`xenc:EncryptedData`), as they stand.
    pub encrypted: Vec<Verbatim>,
    /// Containers in clear.
    pub containers: Vec<ContentContainer>,
}

/// A container in clear (`ContentContainerType`): contents that belong together, perhaps signed by
/// their authors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentContainer {
    /// The container as it stands.
    pub element: Verbatim,
    /// Signatures of authors over what is in it.
    pub signatures: Vec<Verbatim>,
    /// What is in it.
    pub contents: Vec<Content>,
    /// What is in it, encrypted.
    pub encrypted: Vec<Verbatim>,
}

/// One content (`ContentType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The content as it stands.
    pub element: Verbatim,
    /// What it is.
    pub kind: ContentKind,
}

/// What a content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// Octets, as Base64 in the root part.
    Base64(Base64Content),
    /// An attachment: the `Content-ID` of its part, as it is written behind `cid:`.
    Attachment(String),
    /// XML elements.
    Xml(Vec<Verbatim>),
}

/// Octets as Base64 in the root part (`Base64Content`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64Content {
    /// Its identifier, to which the signature of an author refers.
    pub id: Option<String>,
    /// Where its text is in the root part.
    pub text: Range<u64>,
    /// How many octets it stands for.
    pub octets: u64,
    /// SHA-256 over these octets.
    pub sha256: Digest,
}

/// Why octets could not be taken out of a root part.
#[derive(Debug, thiserror::Error)]
pub enum ContentFault {
    /// The root part could not be read, or the octets not be written.
    #[error("the content could not be read or written")]
    Io(#[from] io::Error),
    /// The octets are not those that were read before.
    #[error("the content is not what it was when it was read")]
    Changed,
}

impl Base64Content {
    /// Takes the octets out. `text` reads the octets of [`Base64Content::text`] and nothing else.
    /// After a fault, what was written is of no use.
    pub fn decode(&self, text: impl BufRead, out: impl Write) -> Result<(), ContentFault> {
        let length = self.text.end.saturating_sub(self.text.start);
        // The text may hold references and CDATA sections, so it is read as XML is.
        let document = b"<a>".as_slice().chain(text.take(length)).chain(b"</a>".as_slice());
        let limits = xml::Limits { document_bytes: length + 7, depth: 1, ..Default::default() };
        let mut sink = Decoding { decoder: Decoder::default(), octets: Vec::new(), out };
        drive(document, &limits, &mut sink).map_err(|error| match error {
            DriveError::Xml(error) if error.is_input() => ContentFault::Io(io::Error::other(error)),
            DriveError::Xml(_) => ContentFault::Changed,
            DriveError::Sink(fault) => fault,
        })?;
        let Decoding { decoder, mut octets, mut out } = sink;
        let (count, sha256) = decoder.finish(&mut octets).map_err(|_| ContentFault::Changed)?;
        out.write_all(&octets)?;
        out.flush()?;
        if (count, sha256) == (self.octets, self.sha256) {
            Ok(())
        } else {
            Err(ContentFault::Changed)
        }
    }

    /// The same where the root part is in memory.
    pub fn decode_of(&self, root_part: &[u8]) -> Result<Vec<u8>, ContentFault> {
        let mut octets = Vec::new();
        self.decode(slice(root_part, &self.text)?, &mut octets)?;
        Ok(octets)
    }
}

/// Base64 that is counted and digested on its way.
#[derive(Default)]
struct Decoder {
    text: Base64Text,
    sha256: Sha256,
    count: u64,
}

impl Decoder {
    /// Takes a piece of text; the octets found are put into `octets`, which is emptied before.
    fn take(&mut self, text: &str, octets: &mut Vec<u8>) -> Result<(), NotBase64> {
        octets.clear();
        self.text.text(text.as_bytes(), octets)?;
        self.count += octets.len() as u64;
        self.sha256.update(octets);
        Ok(())
    }

    fn finish(mut self, octets: &mut Vec<u8>) -> Result<(u64, Digest), NotBase64> {
        octets.clear();
        self.text.finish(octets)?;
        self.sha256.update(octets);
        Ok((self.count + octets.len() as u64, Digest(self.sha256.finish())))
    }
}

struct Decoding<W> {
    decoder: Decoder,
    octets: Vec<u8>,
    out: W,
}

impl<W: Write> EventSink for Decoding<W> {
    type Error = ContentFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), ContentFault> {
        match event {
            Event::Text(_, text, _) => {
                let Self { decoder, octets, out } = self;
                decoder.take(text, octets).map_err(|_| ContentFault::Changed)?;
                out.write_all(octets)?;
                Ok(())
            }
            Event::Comment(..) | Event::ProcessingInstruction(..) => Err(ContentFault::Changed),
            _ => Ok(()),
        }
    }
}

/// Counts what a package holds against the limits.
#[derive(Default)]
struct Counts {
    containers: usize,
    contents: usize,
}

/// Reads a package whose start tag was met just now.
pub(super) fn read<R: BufRead, B: Beside>(
    reading: &mut Reading<'_, R, B>,
) -> Result<ContentPackage, Refusal> {
    let (mut package, mut counts) = (ContentPackage::default(), Counts::default());
    while let Some(tag) = reading.next("ContentPackage")? {
        count(&mut counts.containers, reading.limits.containers, &tag, "containers of a package")?;
        if tag.is(XENC, "EncryptedData") {
            package.encrypted.push(reading.verbatim(&tag)?);
        } else if tag.is(OSCI, "ContentContainer") {
            package.containers.push(container(reading, &tag, &mut counts)?);
        } else {
            let rule = "holds EncryptedData and ContentContainer";
            return Err(Refusal::order(tag.position, "ContentPackage", rule));
        }
    }
    Ok(package)
}

fn container<R: BufRead, B: Beside>(
    reading: &mut Reading<'_, R, B>,
    tag: &StartTag,
    counts: &mut Counts,
) -> Result<ContentContainer, Refusal> {
    let element = reading.begun(tag)?;
    let (mut signatures, mut contents, mut encrypted) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(tag) = reading.next("ContentContainer")? {
        let limit = reading.limits.contents;
        count(&mut counts.contents, limit, &tag, "contents of a package")?;
        if tag.is(DS, "Signature") {
            signatures.push(reading.verbatim(&tag)?);
        } else if tag.is(OSCI, "Content") {
            contents.push(content(reading, &tag, counts)?);
        } else if tag.is(XENC, "EncryptedData") {
            encrypted.push(reading.verbatim(&tag)?);
        } else {
            let rule = "holds Signature, Content and EncryptedData";
            return Err(Refusal::order(tag.position, "ContentContainer", rule));
        }
    }
    Ok(ContentContainer { element: reading.ended(element), signatures, contents, encrypted })
}

fn content<R: BufRead, B: Beside>(
    reading: &mut Reading<'_, R, B>,
    tag: &StartTag,
    counts: &mut Counts,
) -> Result<Content, Refusal> {
    let element = reading.begun(tag)?;
    let refusal = |rule| Refusal::order(tag.position, "Content", rule);
    let attachment = tag.attribute("href").map(|href| {
        let cid = href.strip_prefix("cid:").filter(|cid| !cid.is_empty());
        cid.map(str::to_owned).ok_or_else(|| refusal("href: cid: and the Content-ID of a part"))
    });
    let attachment = attachment.transpose()?;
    let (mut base64, mut elements) = (None, Vec::new());
    while let Some(child) = reading.next("Content")? {
        if base64.is_some() {
            return Err(refusal("nothing stands beside Base64Content"));
        }
        if child.is(OSCI, "Base64Content") && elements.is_empty() {
            base64 = Some(base64_content(reading, &child)?);
        } else {
            let limit = reading.limits.contents;
            count(&mut counts.contents, limit, &child, "contents of a package")?;
            elements.push(reading.verbatim(&child)?);
        }
    }
    let kind = match (attachment, base64, elements.is_empty()) {
        (Some(cid), None, true) => ContentKind::Attachment(cid),
        (None, Some(base64), true) => ContentKind::Base64(base64),
        (None, None, _) => ContentKind::Xml(elements),
        _ => return Err(refusal("either href or content")),
    };
    Ok(Content { element: reading.ended(element), kind })
}

fn base64_content<R: BufRead, B: Beside>(
    reading: &mut Reading<'_, R, B>,
    tag: &StartTag,
) -> Result<Base64Content, Refusal> {
    let start = reading.offset();
    let (mut decoder, mut octets) = (Decoder::default(), Vec::new());
    let refusal = |place| Refusal::order(place, "Base64Content", "holds Base64");
    let end = reading.text("Base64Content", |text, place| {
        decoder.take(text, &mut octets).map_err(|NotBase64| refusal(place))
    })?;
    let (count, sha256) = decoder.finish(&mut octets).map_err(|_| refusal(tag.position))?;
    let id = tag.attribute("Id").map(str::to_owned);
    // The end of an empty-element tag lies within it.
    let text = start..end.offset.max(start);
    Ok(Base64Content { id, text, octets: count, sha256 })
}

fn count(
    so_far: &mut usize,
    limit: usize,
    tag: &StartTag,
    what: &'static str,
) -> Result<(), Refusal> {
    *so_far += 1;
    let place = tag.position;
    if *so_far > limit { Err(Refusal::Limit { place, limit: what }) } else { Ok(()) }
}
