//! One document on its way through the tables (Structures 3.3.4, 3.4.4).

mod attributes;
#[cfg(test)]
mod clauses;
mod element;
mod expecting;
mod found;
mod memory;
mod names;
mod parts;
mod value;

pub(in crate::validate) use memory::Memory;
pub(in crate::validate) use names::Scope;

use crate::validate::finding::{Finding, Subject, explain};
use crate::validate::verdict::MAX_FINDINGS;
use crate::xml::{Event, NodeNumber, Position, StartTag};

use self::names::Way;
use super::components::Content;
use super::content::Run as Progress;
use super::identity::{self, Ids, Keys};
use super::{ElementId, Harmless, Here, Symbol, Tables, TypeId};

/// Longest text of one element in bytes, where its value counts: it is kept until the element ends.
const MAX_TEXT_BYTES: usize = 64 << 20;
/// Most names listed as expected.
const MAX_EXPECTED: usize = 12;
/// Bytes of the paths of references whose goal has not come yet. Beyond them a reference that leads
/// nowhere is reported with its line and column alone.
const MAX_PATH_BYTES: usize = 1 << 20;

/// Stands for the name of an element that the schemas do not know, where nobody kept it.
const NAMELESS: &str = "*";

/// A limit was reached; there is no answer for this document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) struct GaveUp;

impl From<identity::GaveUp> for GaveUp {
    fn from(_: identity::GaveUp) -> Self {
        Self
    }
}

/// A run through one document. It is fed with the events of our reader.
pub(in crate::validate) struct Run<'t> {
    tables: &'t Tables,
    /// Whose values may be told.
    harmless: &'t Harmless,
    /// The open elements; those from `depth` on keep their buffers for later.
    open: Vec<Open>,
    depth: usize,
    way: Way,
    scope: Scope,
    /// Text of the innermost element whose value counts.
    text: String,
    /// The text node being read, and where it began.
    node: Option<(NodeNumber, Position)>,
    keys: Keys<'t, Place>,
    ids: Ids<Place>,
    broken_keys: Vec<identity::Broken<Place>>,
    /// Paths of places that may still be asked for.
    paths: String,
    /// An equality key.
    octets: Vec<u8>,
    findings: Vec<Finding>,
}

/// An element that has not ended.
#[derive(Debug, Default)]
struct Open {
    symbol: Option<Symbol>,
    declared: Option<ElementId>,
    kind: Option<TypeId>,
    content: Within,
    progress: Progress,
    /// `xsi:type` named the type.
    instance_type: bool,
    nilled: bool,
    /// What does not fit was reported; what follows from it is not.
    broken: bool,
    /// It stands where the schemas have it: see [`found`].
    in_place: bool,
    /// Something was missing among the children and was reported.
    skipped: bool,
    has_children: bool,
    has_text: bool,
    /// Text where none may be was reported for the text node being read.
    text_reported: bool,
}

/// How the inside of an element is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    /// By its content type.
    Typed(Content),
    /// What is declared globally is followed, the rest is free (`lax`).
    #[default]
    Lax,
    /// Not at all (`skip`).
    Skip,
}

/// A place that can be told later.
#[derive(Clone, Copy, Debug)]
struct Place {
    position: Position,
    /// Its part of `paths`.
    path: (u32, u32),
    name: Named,
}

/// What stands at a place, told where there is no room for its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// An element; none where the schemas do not know its name.
    Element(Option<Symbol>),
    /// An attribute that is declared.
    Attribute(Symbol),
}

impl<'t> Run<'t> {
    /// A run with the memory of an earlier one.
    pub(in crate::validate) fn new(
        tables: &'t Tables,
        harmless: &'t Harmless,
        memory: Memory,
    ) -> Self {
        Self {
            tables,
            harmless,
            open: memory.open,
            depth: 0,
            way: memory.way,
            scope: Scope::default(),
            text: memory.text,
            node: None,
            keys: Keys::new(&tables.constraints),
            ids: Ids::default(),
            broken_keys: Vec::new(),
            paths: String::new(),
            octets: memory.octets,
            findings: Vec::new(),
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    ///
    /// A limit was reached.
    #[inline]
    pub(in crate::validate) fn event(&mut self, event: &Event<'_>) -> Result<(), GaveUp> {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag, position) => self.end(tag, *position),
            Event::Text(node, piece, position) => self.text(*node, piece, *position),
            // The next piece of text is a new one.
            Event::Comment(..) | Event::ProcessingInstruction(..) => {
                self.node = None;
                Ok(())
            }
            Event::EndOfDocument => {
                self.dangling();
                Ok(())
            }
        }
    }

    /// Whether nothing was found so far.
    pub(in crate::validate) fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether there are more findings than anybody is told.
    pub(in crate::validate) fn is_full(&self) -> bool {
        self.findings.len() > MAX_FINDINGS
    }

    /// What governs the innermost open element.
    pub(in crate::validate) fn governing(&self) -> Here {
        let Some(open) = self.depth.checked_sub(1).map(|n| &self.open[n]) else {
            return Here::default();
        };
        Here {
            simple: match open.content {
                Within::Typed(Content::Simple(id)) => Some(id),
                _ => None,
            },
            complex: match open.kind {
                Some(TypeId::Complex(id)) if open.content != Within::Skip => Some(id),
                _ => None,
            },
        }
    }

    /// The path of the innermost open element.
    pub(in crate::validate) fn path(&self) -> String {
        self.way.path()
    }

    /// What was found, in the order of the document as far as it was met, and the memory for
    /// another run.
    pub(in crate::validate) fn into_findings(self) -> (Vec<Finding>, Memory) {
        (self.findings, Memory::of(self.open, self.way, self.text, self.octets))
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), GaveUp> {
        self.node = None;
        let tables = self.tables;
        let symbol = tables.symbols.find(&tag.namespace, &tag.local);
        // What stood before a child is no part of the child's value.
        self.text.clear();
        self.scope.enter(tag);
        self.way.enter(tag, symbol);
        let child = self.admit(tag, symbol);
        if self.depth == self.open.len() {
            self.open.push(Open::default());
        }
        self.depth += 1;
        self.open[self.depth - 1].symbol = symbol;
        self.begin(tag, child);
        let open = &self.open[self.depth - 1];
        if open.content == Within::Skip {
            return Ok(());
        }
        let constraints = open.declared.map_or(&[][..], |id| &tables.element(id).constraints);
        self.keys.start(symbol, &tag.namespace, constraints)?;
        self.attributes(tag)
    }

    fn text(&mut self, node: NodeNumber, piece: &str, position: Position) -> Result<(), GaveUp> {
        if self.node.is_none_or(|(known, _)| known != node) {
            self.node = Some((node, position));
            if let Some(open) = self.open.get_mut(self.depth.wrapping_sub(1)) {
                open.text_reported = false;
            }
        }
        let Some(open) = self.open.get_mut(self.depth.wrapping_sub(1)) else { return Ok(()) };
        let Within::Typed(content) = open.content else {
            open.has_text = true;
            return Ok(());
        };
        let mut rule = None;
        match content {
            Content::Simple(_) => self.text.push_str(piece),
            Content::Empty if !open.nilled => rule = Some("cvc-complex-type.2.1"),
            Content::Elements(_) if !blank(piece) => rule = Some("cvc-complex-type.2.3"),
            // Its text is compared with the fixed value.
            Content::Mixed(_) | Content::Any if self.tables.has_fixed(open.declared) => {
                self.text.push_str(piece);
            }
            _ => {}
        }
        // No character at all, be it white space in element content.
        if open.nilled && !piece.is_empty() {
            rule = Some("cvc-elt.3.2.1");
        }
        open.has_text = true;
        if let Some(rule) = rule
            && !open.text_reported
        {
            open.text_reported = true;
            let place = self.node.map_or(position, |(_, began)| began);
            self.report(rule, place, &[]);
        }
        if self.text.len() > MAX_TEXT_BYTES { Err(GaveUp) } else { Ok(()) }
    }

    fn end(&mut self, tag: &StartTag, position: Position) -> Result<(), GaveUp> {
        self.node = None;
        let skipped = self.open[self.depth - 1].content == Within::Skip;
        if !skipped {
            self.finish(tag, position)?;
        }
        self.text.clear();
        self.scope.leave(tag.depth);
        self.way.leave();
        self.depth -= 1;
        Ok(())
    }

    /// A finding about the innermost open element.
    fn report(&mut self, rule: &'static str, position: Position, expected: &[String]) {
        let subject = Subject { name: self.way.name(), attribute: false, expected, at_end: false };
        let finding = explain(rule, &subject).at(position, &self.way.path());
        self.add(finding);
    }

    fn add(&mut self, finding: Finding) {
        // Two items of a list may break one rule: that is one finding.
        let known = self.findings.last() == Some(&finding);
        if self.findings.len() <= MAX_FINDINGS && !known {
            self.findings.push(finding);
        }
    }

    /// References by ID that led nowhere.
    fn dangling(&mut self) {
        let dangling: Vec<Place> = self.ids.dangling().take(MAX_FINDINGS + 1).collect();
        for place in dangling {
            self.told("cvc-id.1", place, &[]);
        }
    }

    /// A finding about a place remembered.
    fn told(&mut self, rule: &'static str, place: Place, expected: &[String]) {
        let (from, to) = (place.path.0 as usize, place.path.1 as usize);
        let path = self.paths.get(from..to).unwrap_or_default();
        let last = || path.rsplit('/').next().and_then(|step| step.split('[').next());
        let name = match place.name {
            Named::Element(Some(symbol)) | Named::Attribute(symbol) => {
                self.tables.symbols.local(symbol)
            }
            Named::Element(None) => last().filter(|name| !name.is_empty()).unwrap_or(NAMELESS),
        };
        let attribute = matches!(place.name, Named::Attribute(_));
        let subject = Subject { name, attribute, expected, at_end: false };
        let finding = explain(rule, &subject).at(place.position, path);
        self.add(finding);
    }
}

/// White space as XML has it. Mostly that is a line end and spaces behind it, so eight octets are
/// looked at together.
#[inline]
fn blank(text: &str) -> bool {
    let white = |octets: &[u8]| octets.iter().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
    let white_word = |word: &[u8; 8]| *word == [b' '; 8] || white(word);
    let octets = text.as_bytes();
    let octets = octets.strip_prefix(b"\n").unwrap_or(octets);
    match octets.last_chunk::<8>() {
        // Some octets are looked at again rather than one by one.
        Some(last) => octets.as_chunks::<8>().0.iter().all(white_word) && white_word(last),
        None => white(octets),
    }
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn white_space_of_every_length() {
        for length in 0..40 {
            for first in ["", "\n", "\r\n", "\t"] {
                let white = format!("{first}{}", " ".repeat(length));
                assert!(blank(&white), "{white:?}");
                for at in 0..=white.len() {
                    for other in ["x", "\u{a0}", "\u{b}", "!"] {
                        let mut text = white.clone();
                        text.insert_str(at, other);
                        assert!(!blank(&text), "{text:?}");
                    }
                    let mut text = white.clone();
                    text.insert_str(at, "\t\n");
                    assert!(blank(&text), "{text:?}");
                }
            }
        }
    }
}
