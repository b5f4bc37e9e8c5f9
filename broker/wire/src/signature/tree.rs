//! A small part of a document held in memory: `SignedInfo`, `SignatureValue` or `KeyInfo`.
//!
//! What is parsed and what is canonicalised come from the same tree, so that they cannot differ.

use amtsbote_schemas::xml::{Event, EventSink, Position, StartTag};

use crate::c14n::{Apex, Canonicalizer, Method, Scope};

/// Most octets of names, values and text in one such part.
pub(crate) const MAX_BYTES: usize = 128 * 1024;
/// Deepest nesting in one such part.
const MAX_DEPTH: usize = 16;

pub(crate) enum Node {
    Element(Element),
    Text(String),
}

pub(crate) struct Element {
    pub(crate) tag: StartTag,
    pub(crate) children: Vec<Node>,
}

impl Element {
    /// Its child elements.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Its own text; none where it has child elements.
    pub(crate) fn text(&self) -> Option<String> {
        self.children
            .iter()
            .map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// Whether it holds nothing but white space.
    pub(crate) fn is_blank(&self) -> bool {
        self.elements_only() && self.elements().next().is_none()
    }

    /// Whether there is nothing but white space between its child elements.
    pub(crate) fn elements_only(&self) -> bool {
        self.children.iter().all(|node| match node {
            Node::Element(_) => true,
            Node::Text(text) => text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n')),
        })
    }

    /// Its canonical form; `scope` is what its ancestors declared.
    pub(crate) fn canonical(&self, scope: Scope, method: Method) -> Vec<u8> {
        let mut octets = Vec::new();
        let apex = Apex::Element(self.tag.node);
        let mut sink =
            Canonicalizer::within(scope, method, apex, |piece: &[u8]| octets.extend(piece));
        self.show(&mut sink);
        sink.flush();
        octets
    }

    fn show<S: EventSink<Error = std::convert::Infallible>>(&self, sink: &mut S) {
        let Ok(()) = sink.event(&Event::Start(&self.tag));
        for node in &self.children {
            match node {
                Node::Element(element) => element.show(sink),
                Node::Text(text) => {
                    let Ok(()) = sink.event(&Event::Text(self.tag.node, text, Position::default()));
                }
            }
        }
        let Ok(()) = sink.event(&Event::End(&self.tag, Position::default()));
    }
}

/// Grows a tree from events.
pub(crate) struct Builder {
    open: Vec<Element>,
    bytes: usize,
    max: usize,
}

/// A part outgrew its octets, as a rule [`MAX_BYTES`], or [`MAX_DEPTH`].
pub(crate) struct TooBig;

impl Builder {
    pub(crate) fn new(root: &StartTag) -> Result<Self, TooBig> {
        Self::at_most(MAX_BYTES, root)
    }

    /// The same for so many octets.
    pub(crate) fn at_most(max: usize, root: &StartTag) -> Result<Self, TooBig> {
        let mut builder = Self { open: Vec::new(), bytes: 0, max };
        builder.start(root)?;
        Ok(builder)
    }

    pub(crate) fn start(&mut self, tag: &StartTag) -> Result<(), TooBig> {
        let attributes = tag.attributes.iter();
        let declarations = tag.declarations.iter();
        let size = tag.local.len()
            + attributes.map(|a| a.local.len() + a.value.len()).sum::<usize>()
            + declarations.map(|d| d.prefix.len() + d.uri.len()).sum::<usize>();
        self.grow(size)?;
        if self.open.len() == MAX_DEPTH {
            return Err(TooBig);
        }
        self.open.push(Element { tag: tag.clone(), children: Vec::new() });
        Ok(())
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), TooBig> {
        self.grow(text.len())?;
        if let Some(element) = self.open.last_mut() {
            match element.children.last_mut() {
                Some(Node::Text(before)) => before.push_str(text),
                _ => element.children.push(Node::Text(text.to_owned())),
            }
        }
        Ok(())
    }

    /// Ends the element opened last; gives the tree when that was its root.
    pub(crate) fn end(&mut self) -> Option<Element> {
        let element = self.open.pop()?;
        match self.open.last_mut() {
            None => Some(element),
            Some(parent) => {
                parent.children.push(Node::Element(element));
                None
            }
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), TooBig> {
        // An empty element costs memory as well.
        self.bytes += bytes + 64;
        if self.bytes > self.max { Err(TooBig) } else { Ok(()) }
    }
}
