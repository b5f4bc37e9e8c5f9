//! Where everything in a document stands, by what our own reader says.

use std::ops::Range;

use amtsbote_schemas::xml::{Attribute, Event, Limits, NodeNumber, Reader, StartTag};
use anyhow::{Result, anyhow};

/// The namespace of XML signatures.
pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// An element and its place in octets.
pub(super) struct Element {
    pub(super) tag: StartTag,
    pub(super) parent: Option<usize>,
    /// From `<` to behind the end tag.
    pub(super) whole: Range<usize>,
    /// Between the tags; empty, and behind the element, for an empty-element tag.
    pub(super) inner: Range<usize>,
    /// It has an end tag, so that there is room in it.
    pub(super) roomy: bool,
    /// The last node in it.
    pub(super) last: NodeNumber,
    /// The text directly in it.
    pub(super) text: String,
    /// It holds text and nothing else.
    pub(super) only_text: bool,
}

/// A document, taken apart.
pub(super) struct Map {
    /// In document order.
    pub(super) elements: Vec<Element>,
    /// Every text with its number.
    pub(super) texts: Vec<(NodeNumber, String)>,
    pub(super) last: NodeNumber,
}

impl Map {
    /// Fails where the document is not well-formed.
    pub(super) fn of(document: &[u8]) -> Result<Self> {
        let mut map = Self { elements: Vec::new(), texts: Vec::new(), last: NodeNumber(0) };
        let mut open: Vec<usize> = Vec::new();
        let mut reader = Reader::new(document, Limits::default());
        loop {
            match reader.next().map_err(|error| anyhow!("{error}"))? {
                Event::Start(tag) => {
                    map.last = tag.attributes.last().map_or(tag.node, |a| a.node);
                    let start = usize::try_from(tag.position.offset)?;
                    let content = start + tag_length(&document[start..]);
                    if let Some(&parent) = open.last() {
                        map.elements[parent].only_text = false;
                    }
                    let parent = open.last().copied();
                    open.push(map.elements.len());
                    map.elements.push(Element {
                        tag: tag.clone(),
                        parent,
                        whole: start..content,
                        inner: content..content,
                        roomy: false,
                        last: map.last,
                        text: String::new(),
                        only_text: true,
                    });
                }
                Event::End(_, position) => {
                    let at = usize::try_from(position.offset)?;
                    let Some(n) = open.pop() else { continue };
                    let element = &mut map.elements[n];
                    element.last = map.last;
                    element.roomy = document[at..].starts_with(b"</");
                    element.whole.end = at + tag_length(&document[at..]);
                    if element.roomy {
                        element.inner.end = at;
                    }
                }
                Event::Text(node, text, _) => {
                    map.last = node;
                    if let Some(&n) = open.last() {
                        map.elements[n].text.push_str(text);
                    }
                    match map.texts.last_mut() {
                        Some((last, own)) if *last == node => own.push_str(text),
                        _ => map.texts.push((node, text.to_owned())),
                    }
                }
                Event::Comment(node, ..) | Event::ProcessingInstruction(node, ..) => {
                    map.last = node;
                    if let Some(&n) = open.last() {
                        map.elements[n].only_text = false;
                    }
                }
                Event::EndOfDocument => return Ok(map),
            }
        }
    }

    /// Whether `inner` is `outer` or lies in it.
    pub(super) fn is_in(&self, inner: usize, outer: usize) -> bool {
        let (inner, outer) = (&self.elements[inner].whole, &self.elements[outer].whole);
        outer.start <= inner.start && inner.end <= outer.end
    }

    /// All elements in an element, itself first.
    pub(super) fn within(&self, outer: usize) -> impl Iterator<Item = usize> {
        (outer..self.elements.len()).take_while(move |n| self.is_in(*n, outer))
    }

    /// The children of an element that have this name.
    pub(super) fn children(&self, parent: usize, local: &str) -> impl Iterator<Item = usize> {
        self.within(parent).filter(move |n| {
            let element = &self.elements[*n];
            element.parent == Some(parent) && element.tag.is(DSIG, local)
        })
    }

    /// The signatures.
    pub(super) fn signatures(&self) -> impl Iterator<Item = usize> {
        let is = |n: &usize| self.elements[*n].tag.is(DSIG, "Signature");
        (0..self.elements.len()).filter(is)
    }

    /// Elements from the root to this one.
    pub(super) fn path(&self, n: usize) -> Vec<usize> {
        let mut path: Vec<_> =
            std::iter::successors(Some(n), |n| self.elements[*n].parent).collect();
        path.reverse();
        path
    }

    /// Namespaces and local names from the root to an element.
    pub(super) fn names(&self, n: usize) -> Vec<(&str, &str)> {
        let tags = self.path(n).into_iter().map(|n| &self.elements[n].tag);
        tags.map(|tag| (tag.namespace.as_str(), tag.local.as_str())).collect()
    }

    /// Prefixes that ancestors of an element declared and the element does not.
    pub(super) fn inherited(&self, n: usize) -> Vec<(&str, &str)> {
        let mut known: Vec<&str> =
            self.elements[n].tag.declarations.iter().map(|d| d.prefix.as_str()).collect();
        let mut inherited = Vec::new();
        for above in self.path(n).into_iter().rev().skip(1) {
            for declaration in &self.elements[above].tag.declarations {
                if !known.contains(&declaration.prefix.as_str()) {
                    known.push(&declaration.prefix);
                    inherited.push((declaration.prefix.as_str(), declaration.uri.as_str()));
                }
            }
        }
        inherited
    }
}

/// The octets of a tag: up to the first `>` outside quotes.
fn tag_length(octets: &[u8]) -> usize {
    let mut quote = None;
    for (n, byte) in octets.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if *byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'>') => return n + 1,
            _ => {}
        }
    }
    octets.len()
}

/// Where an attribute stands, and its value between the quotes.
pub(super) fn attribute(
    document: &[u8],
    attribute: &Attribute,
) -> Option<(Range<usize>, Range<usize>)> {
    let start = usize::try_from(attribute.position.offset).ok()?;
    let quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let from = start + document[start..].iter().position(quote)? + 1;
    let to = from + document[from..].iter().position(|byte| *byte == document[from - 1])?;
    Some((start..to + 1, from..to))
}

/// An exchange of some octets.
#[derive(Clone)]
pub(super) struct Edit(pub(super) Range<usize>, pub(super) Vec<u8>);

impl Edit {
    pub(super) fn insert(at: usize, octets: impl Into<Vec<u8>>) -> Self {
        Self(at..at, octets.into())
    }

    pub(super) fn replace(range: &Range<usize>, octets: impl Into<Vec<u8>>) -> Self {
        Self(range.clone(), octets.into())
    }

    pub(super) fn remove(range: &Range<usize>) -> Self {
        Self(range.clone(), Vec::new())
    }
}

/// A stretch of a document with all edits made that lie in it; none where they overlap.
pub(super) fn edited(
    document: &[u8],
    stretch: Range<usize>,
    mut edits: Vec<Edit>,
) -> Option<Vec<u8>> {
    edits.retain(|Edit(range, _)| stretch.start <= range.start && range.end <= stretch.end);
    edits.sort_by_key(|Edit(range, _)| (range.start, range.end));
    let (mut octets, mut at) = (Vec::with_capacity(stretch.len()), stretch.start);
    for Edit(range, new) in edits {
        octets.extend_from_slice(document.get(at..range.start)?);
        octets.extend(new);
        at = range.end;
    }
    octets.extend_from_slice(document.get(at..stretch.end)?);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_octets() {
        let document =
            b"\xef\xbb\xbf<?xml version='1.0'?><a b='>' c=\"d\"><e/><f g='h'>i<!---->j</f></a>";
        let map = Map::of(document).expect("well-formed");
        let text = |range: &Range<usize>| String::from_utf8_lossy(&document[range.clone()]);
        let [a, e, f] = &map.elements[..] else { panic!("three elements") };
        assert_eq!(text(&a.whole), "<a b='>' c=\"d\"><e/><f g='h'>i<!---->j</f></a>");
        assert_eq!(text(&a.inner), "<e/><f g='h'>i<!---->j</f>");
        assert_eq!((text(&e.whole).as_ref(), e.roomy), ("<e/>", false));
        assert_eq!((text(&f.inner).as_ref(), f.text.as_str()), ("i<!---->j", "ij"));
        assert!(!f.only_text && f.last == map.last);
        let (whole, value) = attribute(document, &a.tag.attributes[1]).expect("there");
        assert_eq!((text(&whole).as_ref(), text(&value).as_ref()), ("c=\"d\"", "d"));
        let edits = vec![Edit::remove(&e.whole), Edit::insert(f.inner.start, "x")];
        let changed = edited(document, a.inner.clone(), edits).expect("apart");
        assert_eq!(String::from_utf8_lossy(&changed), "<f g='h'>xi<!---->j</f>");
        let crossing = vec![Edit::remove(&f.whole), Edit::insert(f.inner.start, "x")];
        assert!(edited(document, a.whole.clone(), crossing).is_none());
    }
}
