//! What leaves in a ContentPackage: containers of our own, and those of others, unaltered.

use std::io::Read;

use amtsbote_schemas::xml::{DriveError, Event, EventSink, Limits, drive};

use super::names::{OSCI, XENC};
use super::writing::{FIRST_CHILD, Unwritable, Xml, declarations};
use crate::c14n::{Apex, Canonicalizer, Method, Mode, identifiers};

/// A container or an encrypted container as it leaves: in canonical form, comments included, within
/// our envelope, so without the declarations that the envelope makes anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageItem {
    encrypted: bool,
    ids: Vec<String>,
    canonical: String,
}

impl PackageItem {
    /// An `EncryptedData` or `ContentContainer`. The prefixes `ds`, `osci`, `soap`, `xenc` and
    /// `xsi` need not be declared in `octets`; its inclusive canonical form in the message is the one
    /// that it has by itself, where they are.
    pub fn new(octets: &[u8]) -> Result<Self, Unwritable> {
        let within = Within::new("soap:Body", octets, Apex::Document)?;
        let encrypted = within.is(XENC, "EncryptedData");
        if !encrypted && !within.is(OSCI, "ContentContainer") {
            let rule = "EncryptedData or ContentContainer, and nothing else";
            return Err(Unwritable::Element { element: "ContentPackage", rule });
        }
        // In place: it may be large.
        let Within { start, mut canonical, ids, .. } = within;
        let rule = "one element, and nothing around it";
        let not_one = Unwritable::Element { element: "ContentPackage", rule };
        if !canonical.starts_with(&start) || !canonical.ends_with(BODY_END) {
            return Err(not_one);
        }
        canonical.truncate(canonical.len() - BODY_END.len());
        canonical.drain(..start.len());
        Ok(Self { encrypted, ids, canonical })
    }

    /// Every identifier in it.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// Whether it is an `EncryptedData`.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Its octets in a message.
    pub fn as_str(&self) -> &str {
        &self.canonical
    }
}

/// A header block of somebody else as it leaves, with everything declared that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomHeader {
    id: Option<String>,
    ids: Vec<String>,
    canonical: String,
}

impl CustomHeader {
    /// Any element in a namespace other than that of SOAP.
    pub fn new(octets: &[u8]) -> Result<Self, Unwritable> {
        let within = Within::new("soap:Header", octets, Apex::Element(FIRST_CHILD))?;
        let rule = "one element outside of the namespace of SOAP";
        match within.only {
            Some((namespace, _)) if namespace != super::names::SOAP => {
                Ok(Self { id: within.id, ids: within.ids, canonical: within.canonical })
            }
            _ => Err(Unwritable::Element { element: "Header", rule }),
        }
    }

    /// Every identifier in it, its own among them.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// Its identifier; without one it cannot be signed.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its octets in a message: its inclusive canonical form with comments.
    pub fn as_str(&self) -> &str {
        &self.canonical
    }
}

const BODY_END: &str = "</soap:Body>";

/// Octets within an element that declares what our envelope declares.
struct Within {
    start: String,
    /// Namespace and name of the only child.
    only: Option<(String, String)>,
    id: Option<String>,
    ids: Vec<String>,
    canonical: String,
}

impl Within {
    fn new(name: &str, octets: &[u8], apex: Apex) -> Result<Self, Unwritable> {
        let (start, end) = (format!("<{name}{}>", declarations(false)), format!("</{name}>"));
        let length = start.len() + octets.len() + end.len();
        let document = start.as_bytes().chain(octets).chain(end.as_bytes());
        let mut canonical = Vec::with_capacity(length);
        let out = |piece: &[u8]| canonical.extend_from_slice(piece);
        let method = Method::new(Mode::Inclusive, true);
        let mut sink = Only {
            canonicalizer: Canonicalizer::new(method, apex, out),
            only: None,
            id: None,
            ids: Vec::new(),
            elements: 0,
            depth: 0,
        };
        // It is in memory already; the reader's own limits bound the rest.
        let limits = Limits { document_bytes: length as u64, ..Limits::default() };
        drive(document, &limits, &mut sink).map_err(|error| match error {
            DriveError::Xml(error) => Unwritable::Xml(error),
            DriveError::Sink(fault) => fault,
        })?;
        let Only { mut canonicalizer, only, id, ids, elements, .. } = sink;
        canonicalizer.flush();
        drop(canonicalizer);
        let only = only.filter(|_| elements == 1);
        // The canonical form of what the reader read is UTF-8.
        let canonical = String::from_utf8(canonical).map_err(|_| NOT_ONE)?;
        Ok(Self { start, only, id, ids, canonical })
    }

    fn is(&self, namespace: &str, local: &str) -> bool {
        self.only.as_ref().is_some_and(|(n, l)| n == namespace && l == local)
    }
}

const NOT_ONE: Unwritable =
    Unwritable::Element { element: "Body", rule: "one element, and nothing around it" };

/// Canonicalises, and sees that there is one element and no text beside it.
struct Only<W> {
    canonicalizer: Canonicalizer<W>,
    only: Option<(String, String)>,
    id: Option<String>,
    ids: Vec<String>,
    elements: usize,
    /// Of the open element.
    depth: u32,
}

impl<W: crate::c14n::Output> EventSink for Only<W> {
    type Error = Unwritable;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Unwritable> {
        match event {
            Event::Start(tag) => {
                self.depth = tag.depth;
                self.ids.extend(identifiers(tag).map(str::to_owned));
                if tag.depth == 2 {
                    self.elements += 1;
                    self.only = Some((tag.namespace.clone(), tag.local.clone()));
                    self.id = tag.attribute("Id").map(str::to_owned);
                }
            }
            Event::End(tag, _) => self.depth = tag.depth - 1,
            // Beside the element there is nothing.
            Event::Text(..) | Event::Comment(..) | Event::ProcessingInstruction(..)
                if self.depth < 2 =>
            {
                return Err(NOT_ONE);
            }
            _ => {}
        }
        let Ok(()) = self.canonicalizer.event(event);
        Ok(())
    }
}

/// A content of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnContent {
    /// Octets, as Base64 in the root part.
    Base64 {
        /// The identifier of the `Base64Content`.
        id: String,
        /// The octets.
        octets: Vec<u8>,
    },
    /// An attachment.
    Attachment {
        /// The identifier of the `Content`.
        id: String,
        /// The `Content-ID` of the part.
        cid: String,
    },
}

impl OwnContent {
    fn write(&self, xml: &mut Xml) {
        match self {
            Self::Base64 { id, octets } => xml.element("osci:Content", &[], |xml| {
                xml.base64_lines("osci:Base64Content", &[("Id", id)], octets);
            }),
            Self::Attachment { id, cid } => {
                xml.empty("osci:Content", &[("Id", id), ("href", &format!("cid:{cid}"))]);
            }
        }
    }

    /// What the signature of an author refers to, and the octets that it digests: those of a
    /// `Base64Content` decoded, of an attachment's `Content` its inclusive canonical form.
    pub fn signed(&self) -> Result<(&str, Vec<u8>), Unwritable> {
        match self {
            Self::Base64 { id, octets } => Ok((id, octets.clone())),
            Self::Attachment { id, .. } => {
                let mut xml = Xml::default();
                self.write(&mut xml);
                let text = xml.finish()?;
                let declared = format!("<osci:Content{}", declarations(false));
                Ok((id, text.replacen("<osci:Content", &declared, 1).into_bytes()))
            }
        }
    }
}

/// A container of ours: `signatures` are whole `ds:Signature` elements of authors.
pub fn container(
    id: &str,
    signatures: &[&[u8]],
    contents: &[OwnContent],
) -> Result<PackageItem, Unwritable> {
    let mut xml = Xml::default();
    xml.element("osci:ContentContainer", &[("Id", id)], |xml| {
        for signature in signatures {
            match std::str::from_utf8(signature) {
                Ok(text) => xml.raw(text),
                Err(_) => xml.refuse("Signature", "is UTF-8"),
            }
        }
        for content in contents {
            content.write(xml);
        }
    });
    PackageItem::new(xml.finish()?.as_bytes())
}
