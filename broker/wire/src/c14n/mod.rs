//! Canonical XML: the one sequence of octets that stands for a document or an element in it.
//!
//! Exclusive XML Canonicalization 1.0 and Canonical XML 1.0 and 1.1, with and without comments, as
//! a sink of reader events. A [`Canonicalizer`] writes while the document is read; what it keeps grows
//! with the depth of the document, never with its length. General node sets (XPath filters) are
//! not its business: it takes the whole document or one element, and may leave one element out.

mod base;
mod scope;
mod serializer;

use std::convert::Infallible;

use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, StartTag, XML_NAMESPACE};

pub use scope::Scope;
use serializer::Serializer;

/// Which rules for namespaces hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Exclusive XML Canonicalization 1.0: only namespaces visibly used, where they are used.
    Exclusive,
    /// Canonical XML 1.0: all namespaces in scope, and the `xml:` attributes of ancestors.
    Inclusive,
    /// Canonical XML 1.1: the same with `xml:lang` and `xml:space` of ancestors only, and with
    /// their `xml:base` made one.
    Inclusive11,
}

impl Mode {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Exclusive, Self::Inclusive, Self::Inclusive11];
}

/// How to canonicalise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// The rules for namespaces.
    pub mode: Mode,
    /// Whether comments are kept.
    pub comments: bool,
    /// Exclusive only: prefixes treated as in Canonical XML (`PrefixList` of
    /// `InclusiveNamespaces`). The empty prefix stands for `#default`.
    pub prefix_list: Vec<String>,
}

impl Method {
    /// Exclusive, without comments, without a prefix list.
    pub const EXCLUSIVE: Self = Self::new(Mode::Exclusive, false);

    /// A method without a prefix list.
    pub const fn new(mode: Mode, comments: bool) -> Self {
        Self { mode, comments, prefix_list: Vec::new() }
    }

    /// The same with the prefixes of an attribute `PrefixList`: names parted by white space.
    pub fn with_prefix_list(mut self, list: &str) -> Self {
        self.prefix_list = list
            .split([' ', '\t', '\r', '\n'])
            .filter(|name| !name.is_empty())
            .map(|name| if name == "#default" { String::new() } else { name.to_owned() })
            .collect();
        self
    }

    /// The URI that names the method in XML signatures; the prefix list is not part of it.
    pub fn uri(&self) -> &'static str {
        match (self.mode, self.comments) {
            (Mode::Exclusive, false) => "http://www.w3.org/2001/10/xml-exc-c14n#",
            (Mode::Exclusive, true) => "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
            (Mode::Inclusive, false) => "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            (Mode::Inclusive, true) => {
                "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
            }
            (Mode::Inclusive11, false) => "http://www.w3.org/2006/12/xml-c14n11",
            (Mode::Inclusive11, true) => "http://www.w3.org/2006/12/xml-c14n11#WithComments",
        }
    }

    /// The method with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Mode::ALL
            .iter()
            .flat_map(|mode| [Self::new(*mode, false), Self::new(*mode, true)])
            .find(|method| method.uri() == uri)
    }
}

/// What is canonicalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apex {
    /// The document with the comments and processing instructions around its root element.
    Document,
    /// The element with this number.
    Element(NodeNumber),
    /// The element whose identifier this is: see [`identifiers`].
    Id(String),
}

/// The namespace of WS-Security's `Id` attribute.
const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// The identifiers of an element, each once: its attribute `Id` without namespace, that of
/// WS-Security, and `xml:id`, which is one by its name (xml:id 1.0, 4). There is no DTD and no schema
/// at hand, so no other attribute is of type ID.
pub fn identifiers(tag: &StartTag) -> impl Iterator<Item = &str> {
    let plain = tag.attribute("Id");
    let security = tag.attribute_ns(WSU, "Id");
    let xml = tag.attribute_ns(XML_NAMESPACE, "id");
    let other_security = security.filter(|_| security != plain);
    let other_xml = xml.filter(|_| xml != plain && xml != security);
    plain.into_iter().chain(other_security).chain(other_xml)
}

/// Where canonical octets go: a hasher, or any function that takes them piece by piece.
pub trait Output {
    /// Takes the next piece.
    fn write(&mut self, octets: &[u8]);
}

impl<F: FnMut(&[u8])> Output for F {
    fn write(&mut self, octets: &[u8]) {
        self(octets);
    }
}

/// First and last node of a stretch of the document, both belonging to it.
pub type Interval = (NodeNumber, NodeNumber);

/// Canonicalises what it is shown of a document into `out`.
///
/// The whole document must be shown to it, from the first event to the last, unless it was made
/// [`within`](Canonicalizer::within) a scope.
pub struct Canonicalizer<W> {
    serializer: Serializer<W>,
    apex: Apex,
    omit: Option<NodeNumber>,
    /// Depth of the apex while inside it.
    inside: Option<u32>,
    /// Depth of the omitted element while inside it.
    omitting: Option<u32>,
    matches: u64,
    last: NodeNumber,
    covered: Option<Interval>,
    omitted: Option<Interval>,
}

impl<W: Output> Canonicalizer<W> {
    /// For a document of which nothing was shown yet.
    pub fn new(method: Method, apex: Apex, out: W) -> Self {
        Self::within(Scope::default(), method, apex, out)
    }

    /// For an element of a document that was read elsewhere up to that element: `scope` is what
    /// its ancestors declared.
    pub fn within(scope: Scope, method: Method, apex: Apex, out: W) -> Self {
        Self {
            serializer: Serializer::new(scope, method, out),
            apex,
            omit: None,
            inside: None,
            omitting: None,
            matches: 0,
            last: NodeNumber(0),
            covered: None,
            omitted: None,
        }
    }

    /// Leaves out the element with this number and all in it, as the transform
    /// `enveloped-signature` does.
    pub fn omitting(mut self, element: NodeNumber) -> Self {
        self.omit = Some(element);
        self
    }

    /// How many elements the apex named: anything but 1 means that the result is of no use.
    pub fn matches(&self) -> u64 {
        self.matches
    }

    /// The stretch of the document that was canonicalised, the element left out included; known
    /// at its end.
    pub fn covered(&self) -> Option<Interval> {
        self.covered
    }

    /// The stretch that was left out; known at its end.
    pub fn omitted(&self) -> Option<Interval> {
        self.omitted
    }

    /// Hands over what is still buffered.
    pub fn flush(&mut self) {
        self.serializer.flush();
    }

    /// Hands over what is still buffered and gives `out` back.
    pub fn finish(mut self) -> W {
        self.serializer.flush();
        self.serializer.out
    }

    fn start(&mut self, tag: &StartTag) {
        self.see(tag.node);
        self.serializer.scope.open(tag);
        if self.is_apex(tag) {
            self.matches += 1;
            // A second match is only counted: the result is void already.
            if self.matches == 1 {
                self.inside = Some(tag.depth);
                if self.apex != Apex::Document {
                    self.covered = Some((tag.node, tag.node));
                }
            }
        }
        if self.inside.is_some() && self.omitting.is_none() {
            if self.omit == Some(tag.node) {
                self.omitting = Some(tag.depth);
                self.omitted = Some((tag.node, tag.node));
            } else {
                self.serializer.start(tag);
            }
        }
        if let Some(attribute) = tag.attributes.last() {
            self.last = attribute.node;
        }
    }

    fn is_apex(&self, tag: &StartTag) -> bool {
        match &self.apex {
            Apex::Document => tag.depth == 1,
            Apex::Element(node) => tag.node == *node,
            Apex::Id(id) => identifiers(tag).any(|i| i == id),
        }
    }

    fn end(&mut self, tag: &StartTag) {
        if self.shown() {
            self.serializer.end(tag);
        }
        if self.omitting == Some(tag.depth) {
            self.omitting = None;
            self.omitted = self.omitted.map(|(first, _)| (first, self.last));
        }
        if self.inside == Some(tag.depth) {
            self.inside = None;
            self.covered = self.covered.map(|(first, _)| (first, self.last));
        }
        self.serializer.scope.close();
    }

    /// Notes that `node` has come.
    fn see(&mut self, node: NodeNumber) {
        self.last = node;
        if self.apex == Apex::Document {
            let first = self.covered.map_or(node, |(first, _)| first);
            self.covered = Some((first, node));
        }
    }

    fn shown(&self) -> bool {
        self.inside.is_some() && self.omitting.is_none()
    }

    /// Comments and processing instructions beside the root element stand on lines of their own
    /// (Canonical XML 1.0, 2.3). A second root cannot occur, so `matches` says on which side.
    fn beside_root(&mut self, write: impl FnOnce(&mut Serializer<W>)) {
        if self.apex != Apex::Document {
            return;
        }
        let after = self.matches > 0;
        if after {
            self.serializer.raw("\n");
        }
        write(&mut self.serializer);
        if !after {
            self.serializer.raw("\n");
        }
    }
}

impl<W: Output> EventSink for Canonicalizer<W> {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        match *event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag, _) => self.end(tag),
            Event::Text(node, text, _) => {
                self.see(node);
                if self.shown() {
                    self.serializer.text(text);
                }
            }
            Event::Comment(node, text, _) => {
                self.see(node);
                if !self.serializer.method.comments {
                } else if self.shown() {
                    self.serializer.comment(text);
                } else if self.inside.is_none() {
                    self.beside_root(|s| s.comment(text));
                }
            }
            Event::ProcessingInstruction(node, target, data, _) => {
                self.see(node);
                if self.shown() {
                    self.serializer.instruction(target, data);
                } else if self.inside.is_none() {
                    self.beside_root(|s| s.instruction(target, data));
                }
            }
            Event::EndOfDocument => {
                if self.apex == Apex::Document {
                    self.covered = self.covered.map(|(first, _)| (first, self.last));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
