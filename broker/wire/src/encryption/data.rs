//! `EncryptedData`: what it is, and how it is read without holding its value.

use amtsbote_schemas::xml::{NodeNumber, Position, StartTag};

use super::fault::{Refused, invalid, not_allowed};
use super::key_info::{Hint, KeyInfo, Source};
use super::method::{DSIG, DataMethod, XENC, algorithm_of};
use crate::c14n::Interval;
use crate::signature::tree::{Builder, Element, TooBig};

/// What `Type` says about the plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// One element.
    Element,
    /// What may stand in an element: elements, text, comments.
    Content,
    /// Octets of some kind; `MimeType` may say of which.
    Octets,
}

/// Where the ciphertext is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CipherSource {
    /// In `CipherValue`, as Base64.
    Value,
    /// In the part with this content-id (`cid:`).
    Part {
        /// The content-id, without brackets, `%` escapes undone.
        cid: String,
        /// Whether the transform `#base64` is named.
        base64: bool,
    },
    /// In another element of the document, as Base64.
    Element(String),
}

/// One `EncryptedData` that was found. All of it is the sender's claim.
#[derive(Clone, Debug)]
pub struct EncryptedData {
    pub(super) nodes: Interval,
    pub(super) position: Position,
    pub(super) path: String,
    pub(super) id: Option<String>,
    pub(super) content: Content,
    pub(super) mime_type: Option<String>,
    pub(super) value: Option<NodeNumber>,
    pub(super) parts: Result<Parts, Refused>,
}

/// What it consists of.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) method: DataMethod,
    pub(super) key_info: KeyInfo,
    pub(super) source: CipherSource,
}

impl EncryptedData {
    /// The number of the element in the document.
    pub fn node(&self) -> NodeNumber {
        self.nodes.0
    }

    /// Its first and last node.
    pub fn nodes(&self) -> Interval {
        self.nodes
    }

    /// Where it begins.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Names of the elements from the root to it, `/Envelope/Body/EncryptedData`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its attribute `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What `Type` says.
    pub fn content(&self) -> Content {
        self.content
    }

    /// What `MimeType` says.
    pub fn mime_type(&self) -> Option<&str> {
        self.mime_type.as_deref()
    }

    /// What `IvLength` of OSCI-Transport 1.2 says; none where it is absent, or the element is not
    /// built as it must be.
    pub fn iv_length(&self) -> Option<usize> {
        self.parts.as_ref().ok().and_then(|parts| parts.method.iv_length)
    }

    /// The DER of the certificates that stand beside its keys: for whom it is encrypted, as the
    /// sender says. Others may be named in other ways.
    pub fn recipients(&self) -> impl Iterator<Item = &[u8]> {
        let sources = self.parts.iter().flat_map(|parts| &parts.key_info.sources);
        let keys = sources.filter_map(|source| match source {
            Source::Encrypted(key) => Some(&key.key_info.hints),
            _ => None,
        });
        keys.flatten().filter_map(|hint| match hint {
            Hint::Certificate(der) => Some(&der[..]),
            _ => None,
        })
    }

    /// Where the ciphertext is; none where the element is not built as it must be.
    pub fn source(&self) -> Option<&CipherSource> {
        self.parts.as_ref().ok().map(|parts| &parts.source)
    }
}

/// How far the children of `EncryptedData` have come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Begun,
    Method,
    KeyInfo,
    CipherData,
    Properties,
}

/// An `EncryptedData` whose end is still to come.
pub(super) struct Open {
    node: NodeNumber,
    pub(super) depth: u32,
    position: Position,
    path: String,
    id: Option<String>,
    content: Content,
    mime_type: Option<String>,
    stage: Stage,
    part: Option<Builder>,
    method: Option<Element>,
    key_info: Option<Element>,
    reference: Option<Element>,
    value: Option<NodeNumber>,
    refused: Option<Refused>,
}

impl Open {
    pub(super) fn new(tag: &StartTag, path: &str) -> Self {
        let content = match tag.attribute("Type") {
            Some("http://www.w3.org/2001/04/xmlenc#Element") => Content::Element,
            Some("http://www.w3.org/2001/04/xmlenc#Content") => Content::Content,
            _ => Content::Octets,
        };
        Self {
            node: tag.node,
            depth: tag.depth,
            position: tag.position,
            path: path.to_owned(),
            id: tag.attribute("Id").map(str::to_owned),
            content,
            mime_type: tag.attribute("MimeType").map(str::to_owned),
            stage: Stage::Begun,
            part: None,
            method: None,
            key_info: None,
            reference: None,
            value: None,
            refused: None,
        }
    }

    /// Remembers the first fault and stops collecting.
    fn refuse(&mut self, refused: Refused) {
        self.part = None;
        self.refused.get_or_insert(refused);
    }

    fn invalid(&mut self, place: Position, rule: &'static str) {
        self.refuse(Refused::Invalid(place, rule));
    }

    fn too_big(&mut self, place: Position) {
        self.refuse(Refused::Limit(place, "octets or depth of EncryptedData but for its value"));
    }

    pub(super) fn start(&mut self, tag: &StartTag) {
        if self.refused.is_some() {
            return;
        }
        if let Some(part) = &mut self.part {
            if part.start(tag).is_err() {
                self.too_big(tag.position);
            }
        } else if tag.depth == self.depth + 1 {
            self.child(tag);
        } else if tag.depth == self.depth + 2 && self.stage == Stage::CipherData {
            self.cipher_data(tag);
        } else if self.stage == Stage::CipherData {
            self.invalid(tag.position, "CipherValue holds text and nothing else");
        }
    }

    /// XML Encryption 1.1, 3.1: EncryptionMethod, KeyInfo, CipherData, EncryptionProperties.
    fn child(&mut self, tag: &StartTag) {
        let stage = match (tag.namespace.as_str(), tag.local.as_str()) {
            (XENC, "EncryptionMethod") => Stage::Method,
            (DSIG, "KeyInfo") => Stage::KeyInfo,
            (XENC, "CipherData") => Stage::CipherData,
            (XENC, "EncryptionProperties") => Stage::Properties,
            _ => return self.invalid(tag.position, "unknown element in EncryptedData"),
        };
        if stage <= self.stage || (stage == Stage::Properties && self.stage != Stage::CipherData) {
            let rule = "the order is EncryptionMethod, KeyInfo, CipherData, EncryptionProperties";
            return self.invalid(tag.position, rule);
        }
        self.stage = stage;
        if matches!(stage, Stage::Method | Stage::KeyInfo) {
            self.collect(tag);
        }
    }

    fn cipher_data(&mut self, tag: &StartTag) {
        if self.value.is_some() || self.reference.is_some() {
            self.invalid(tag.position, "CipherData has one child");
        } else if tag.is(XENC, "CipherValue") {
            self.value = Some(tag.node);
        } else if tag.is(XENC, "CipherReference") {
            self.collect(tag);
        } else {
            self.invalid(tag.position, "CipherData has a CipherValue or a CipherReference");
        }
    }

    fn collect(&mut self, tag: &StartTag) {
        match Builder::new(tag) {
            Ok(builder) => self.part = Some(builder),
            Err(TooBig) => self.too_big(tag.position),
        }
    }

    pub(super) fn text(&mut self, text: &str, position: Position, depth: u32) {
        if let Some(part) = &mut self.part {
            if part.text(text).is_err() {
                self.too_big(position);
            }
        } else if (depth == self.depth
            || (depth == self.depth + 1 && self.stage == Stage::CipherData))
            && text.contains(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
        {
            self.invalid(position, "text between the elements of EncryptedData");
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(element) = self.part.as_mut().and_then(Builder::end) {
            self.part = None;
            match self.stage {
                Stage::Method => self.method = Some(element),
                Stage::KeyInfo => self.key_info = Some(element),
                Stage::CipherData => self.reference = Some(element),
                Stage::Begun | Stage::Properties => {}
            }
        }
    }

    pub(super) fn close(mut self, last: NodeNumber) -> EncryptedData {
        let parts = self.parts();
        EncryptedData {
            nodes: (self.node, last),
            position: self.position,
            path: self.path,
            id: self.id,
            content: self.content,
            mime_type: self.mime_type,
            value: self.value,
            parts,
        }
    }

    fn parts(&mut self) -> Result<Parts, Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let Some(method) = &self.method else {
            return not_allowed(self.position, "EncryptedData: EncryptionMethod is missing");
        };
        let method = DataMethod::parse(method)?;
        let key_info = self.key_info.as_ref().map(KeyInfo::parse).transpose()?;
        let source = match (&self.value, &self.reference) {
            (Some(_), None) => CipherSource::Value,
            (None, Some(reference)) => cipher_reference(reference)?,
            _ => return invalid(self.position, "EncryptedData has one CipherData"),
        };
        Ok(Parts { method, key_info: key_info.unwrap_or_default(), source })
    }
}

/// XML Encryption 1.1, 3.3.1; of the transforms only `#base64` has a meaning here.
fn cipher_reference(element: &Element) -> Result<CipherSource, Refused> {
    let place = element.tag.position;
    let mut base64 = false;
    for transforms in element.elements() {
        if !transforms.tag.is(XENC, "Transforms") {
            return invalid(place, "CipherReference has Transforms and nothing else");
        }
        for transform in transforms.elements() {
            let known = algorithm_of(transform)? == "http://www.w3.org/2000/09/xmldsig#base64"
                && transform.tag.is(DSIG, "Transform")
                && transform.elements().next().is_none();
            if !known || base64 {
                return not_allowed(place, "Transform of a CipherReference: only base64, once");
            }
            base64 = true;
        }
    }
    let uri = element.tag.attribute("URI").unwrap_or_default();
    if let Some(cid) = uri.strip_prefix("cid:").filter(|cid| !cid.is_empty()) {
        return match percent_decoded(cid) {
            Some(cid) => Ok(CipherSource::Part { cid, base64 }),
            None => invalid(place, "CipherReference: the cid is not escaped as it must be"),
        };
    }
    match uri.strip_prefix('#') {
        Some(id) if !id.is_empty() && !id.contains(['(', '#', '%']) && base64 => {
            Ok(CipherSource::Element(id.to_owned()))
        }
        _ => not_allowed(place, "CipherReference: URI must be cid:, or # and an Id with base64"),
    }
}

/// RFC 2392: the content-id in a URI has its escapes undone.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            octets.push((high << 4 | low) as u8);
        } else {
            octets.push(byte);
        }
    }
    String::from_utf8(octets).ok()
}
