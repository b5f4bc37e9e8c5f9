//! Parts of a message that are not ours to change: left where they are, and taken out unaltered.

use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::sync::Arc;

use amtsbote_schemas::xml::{self, DriveError, NodeNumber, Position, StartTag, drive};

use super::names::DECLARED;
use super::writing::escape_attribute;
use crate::c14n::{Apex, Canonicalizer, Method, Mode};

/// An element as it stands in the root part. Nothing of it is copied: `octets` says where it is, and
/// what was declared around it is kept, so that its canonical form can be made from them alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbatim {
    /// Its namespace; empty for none.
    pub namespace: String,
    /// Its local name.
    pub local: String,
    /// Its identifier.
    pub id: Option<String>,
    /// Its number in document order.
    pub node: NodeNumber,
    /// Where it begins.
    pub place: Position,
    /// Its octets in the root part, from `<` to the last `>`.
    pub octets: Range<u64>,
    /// Whether it can leave in an envelope of ours with its inclusive canonical form unchanged.
    /// Not so where one of the prefixes `ds`, `osci`, `soap`, `xenc`, `xsi` is not declared here: the
    /// envelope brings it in, and a prefix cannot be undeclared (Namespaces in XML 1.0, 6.1).
    pub keeps_form: bool,
    pub(super) context: Arc<Context>,
}

impl Verbatim {
    /// Its inclusive canonical form (Canonical XML 1.0, with comments, for they are somebody's
    /// content, though nobody signs them) as part of the document in which it stood. `octets` reads the octets of the element, and nothing else.
    pub fn canonical(&self, octets: impl BufRead) -> io::Result<Vec<u8>> {
        let start = self.context.start_tag();
        // The element comes directly behind the one that stands for its ancestors.
        let length = self.octets.end.saturating_sub(self.octets.start);
        let limits = xml::Limits {
            document_bytes: length + start.len() as u64 + END.len() as u64,
            ..xml::Limits::default()
        };
        let document = start.as_bytes().chain(octets.take(length)).chain(END.as_bytes());
        // As a rule it is little longer; the length was met while reading, so it is no claim.
        let mut canonical = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + start.len());
        let out = |piece: &[u8]| canonical.extend_from_slice(piece);
        let method = Method::new(Mode::Inclusive, true);
        let apex = Apex::Element(NodeNumber(self.context.nodes()));
        let mut sink = Canonicalizer::new(method, apex, out);
        match drive(document, &limits, &mut sink) {
            Ok(()) => {}
            Err(DriveError::Xml(error)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            Err(DriveError::Sink(never)) => match never {},
        }
        let once = sink.matches() == 1;
        sink.flush();
        drop(sink);
        if once {
            Ok(canonical)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "these are not the octets of an element",
            ))
        }
    }

    /// The same where the root part is in memory.
    pub fn canonical_of(&self, root_part: &[u8]) -> io::Result<Vec<u8>> {
        self.canonical(slice(root_part, &self.octets)?)
    }
}

/// The octets at this place.
pub(super) fn slice<'o>(octets: &'o [u8], range: &Range<u64>) -> io::Result<&'o [u8]> {
    let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
    octets
        .get(at(range.start)..at(range.end))
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the root part is shorter"))
}

/// Ends what stands for the ancestors of an element.
const END: &str = "</a>";

/// What open elements declare: namespaces and `xml:` attributes, the outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    bindings: Vec<Binding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Binding {
    /// `xml:lang` and the like, not a namespace.
    is_attribute: bool,
    name: String,
    value: String,
    depth: u32,
}

impl Context {
    pub(super) fn enter(&mut self, tag: &StartTag) {
        let depth = tag.depth;
        for d in &tag.declarations {
            let (name, value) = (d.prefix.clone(), d.uri.clone());
            self.bindings.push(Binding { is_attribute: false, name, value, depth });
        }
        for a in tag.attributes.iter().filter(|a| a.prefix == "xml") {
            let (name, value) = (a.local.clone(), a.value.clone());
            self.bindings.push(Binding { is_attribute: true, name, value, depth });
        }
    }

    pub(super) fn leave(&mut self, depth: u32) {
        while self.bindings.last().is_some_and(|binding| binding.depth >= depth) {
            self.bindings.pop();
        }
    }

    /// What stands outside of the elements from this depth on.
    pub(super) fn before(&self, depth: u32) -> Self {
        let outside = self.bindings.iter().filter(|binding| binding.depth < depth);
        Self { bindings: outside.cloned().collect() }
    }

    /// What it costs in memory, about.
    pub(super) fn cost(&self) -> usize {
        self.bindings.iter().map(|b| b.name.len() + b.value.len() + 64).sum::<usize>() + 64
    }

    /// Whether it is `other` outside of the elements from this depth on.
    pub(super) fn is_before(&self, other: &Self, depth: u32) -> bool {
        let outside = other.bindings.iter().filter(|binding| binding.depth < depth);
        self.bindings.iter().eq(outside)
    }

    /// Whether the prefixes of our envelope are all declared around or at this element.
    pub(super) fn keeps_form(&self, tag: &StartTag) -> bool {
        let around = |prefix: &str| {
            let last = self.bindings.iter().rfind(|b| !b.is_attribute && b.name == prefix);
            last.is_some_and(|binding| !binding.value.is_empty())
        };
        let own = |prefix: &str| tag.declarations.iter().any(|d| d.prefix == prefix);
        DECLARED.iter().all(|(prefix, _)| own(prefix) || around(prefix))
    }

    /// The innermost of each name.
    fn effective(&self) -> Vec<&Binding> {
        let mut found: Vec<&Binding> = Vec::new();
        for binding in self.bindings.iter().rev() {
            let same =
                |b: &&Binding| b.is_attribute == binding.is_attribute && b.name == binding.name;
            if !found.iter().any(same) {
                found.push(binding);
            }
        }
        found
    }

    /// Attributes that the element standing for the ancestors has, itself, and the one inside.
    fn nodes(&self) -> u64 {
        2 + self.effective().iter().filter(|binding| binding.is_attribute).count() as u64
    }

    /// The start tag of an element that declares the same.
    fn start_tag(&self) -> String {
        let mut tag = String::from("<a");
        for binding in self.effective() {
            // A default namespace that is undeclared is none; a prefix cannot be.
            let (before, colon) = match (binding.is_attribute, binding.name.as_str()) {
                (true, _) => ("xml", ":"),
                (false, "xml") => continue,
                (false, "") => ("xmlns", ""),
                (false, _) => ("xmlns", ":"),
            };
            tag.push(' ');
            tag.push_str(before);
            tag.push_str(colon);
            tag.push_str(&binding.name);
            tag.push_str("=\"");
            escape_attribute(&mut tag, &binding.value);
            tag.push('"');
        }
        tag.push('>');
        tag
    }
}
