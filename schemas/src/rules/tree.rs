//! The tree of one message, built from the events of our reader.

use bumpalo::Bump;
use xsd_schema::document::{BufferDocNavigator, DocumentKind};
use xsd_schema::document::{BufferDocument, BufferDocumentBuilder, BufferDocumentOptions};
use xsd_schema::namespace::table::NameTable;
use xsd_schema::navigator::{DomNavigator, DomNodeType};

use super::{MAX_TREE_BYTES, Rules};
use crate::xml::{Event, EventSink, Position, StartTag};

/// Bytes reckoned for one node beside its text: its record, its value's, its place.
const NODE_BYTES: usize = 96;
/// Siblings looked at to tell which of its name a node is; beyond them its place is not told.
const MAX_COUNTED_SIBLINGS: usize = 10_000;

/// The memory that the tree of one message lives in. All of it is given back with it.
pub struct Store {
    pub(super) arena: Bump,
    pub(super) names: NameTable,
}

impl Store {
    /// An empty one, for these rules.
    pub fn new(rules: &Rules) -> Self {
        Self { arena: Bump::new(), names: rules.name_table() }
    }
}

/// The tree would have more than [`MAX_TREE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// A tree being built, and then whole.
pub struct Tree<'s> {
    builder: Option<BufferDocumentBuilder<'s>>,
    document: Option<BufferDocument<'s>>,
    store: &'s Store,
    index: Index,
    bytes: usize,
    too_large: bool,
}

/// Where the nodes are.
#[derive(Default)]
pub(super) struct Index {
    /// All elements in document order.
    pub(super) elements: Vec<u32>,
    /// Elements by the number of their local name.
    by_name: Vec<Vec<u32>>,
    /// All attributes in document order, each behind its element.
    pub(super) attributes: Vec<(u32, u32)>,
    /// Attributes by the number of their local name.
    attributes_by_name: Vec<Vec<(u32, u32)>>,
    /// Node and place, in document order.
    places: Vec<(u32, Position)>,
}

impl Index {
    pub(super) fn named(&self, name: u32) -> &[u32] {
        self.by_name.get(name as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn attributes_named(&self, name: u32) -> &[(u32, u32)] {
        self.attributes_by_name.get(name as usize).map_or(&[], Vec::as_slice)
    }
}

fn note<T>(lists: &mut Vec<Vec<T>>, name: u32, node: T) {
    let name = name as usize;
    if lists.len() <= name {
        lists.resize_with(name + 1, Vec::new);
    }
    lists[name].push(node);
}

impl<'s> Tree<'s> {
    /// An empty tree in this memory.
    pub fn new(store: &'s Store) -> Self {
        let options =
            BufferDocumentOptions { kind: DocumentKind::Full, track_source_locations: false };
        let builder = BufferDocumentBuilder::new(&store.arena, &store.names, None, options).ok();
        Self {
            too_large: builder.is_none(),
            builder,
            document: None,
            store,
            index: Index::default(),
            bytes: 0,
        }
    }

    /// Takes one event. After [`TooLarge`] the tree is empty and takes no more.
    pub fn take(&mut self, event: &Event<'_>) -> Result<(), TooLarge> {
        if self.too_large {
            return Err(TooLarge);
        }
        let done = self.put(event);
        if done.is_none()
            || self.bytes > MAX_TREE_BYTES
            || self.store.arena.allocated_bytes() > MAX_TREE_BYTES
        {
            self.too_large = true;
            self.builder = None;
            self.document = None;
            self.index = Index::default();
            return Err(TooLarge);
        }
        Ok(())
    }

    fn put(&mut self, event: &Event<'_>) -> Option<()> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(..) => self.builder.as_mut()?.end_element().ok()?,
            Event::Text(_, text, _) => {
                self.bytes += text.len() + NODE_BYTES;
                self.builder.as_mut()?.text(text);
            }
            Event::Comment(_, text, _) => {
                self.bytes += text.len() + NODE_BYTES;
                self.builder.as_mut()?.comment(text).ok()?;
            }
            Event::ProcessingInstruction(_, target, data, _) => {
                self.bytes += target.len() + data.len() + NODE_BYTES;
                self.builder.as_mut()?.processing_instruction(target, data).ok()?;
            }
            Event::EndOfDocument => {
                self.document = Some(self.builder.take()?.finalize().ok()?);
            }
        }
        Some(())
    }

    fn start(&mut self, tag: &StartTag) -> Option<()> {
        let builder = self.builder.as_mut()?;
        let declared: Vec<(&str, &str)> =
            tag.declarations.iter().map(|d| (d.prefix.as_str(), d.uri.as_str())).collect();
        let node =
            builder.start_element(&tag.local, &tag.namespace, &tag.prefix, &declared).ok()?;
        self.bytes += NODE_BYTES * (1 + declared.len()) + tag.local.len();
        let names = &self.store.names;
        let index = &mut self.index;
        index.elements.push(node);
        note(&mut index.by_name, names.add(&tag.local).0, node);
        index.places.push((node, tag.position));
        for attribute in &tag.attributes {
            let of = builder
                .attribute(
                    &attribute.local,
                    &attribute.namespace,
                    &attribute.prefix,
                    &attribute.value,
                )
                .ok()?;
            self.bytes += 2 * NODE_BYTES + attribute.value.len() + attribute.local.len();
            index.attributes.push((node, of));
            note(&mut index.attributes_by_name, names.add(&attribute.local).0, (node, of));
            index.places.push((of, attribute.position));
        }
        builder.end_of_attributes();
        Some(())
    }

    /// The tree, once the document has ended.
    pub(super) fn document(&self) -> Option<&BufferDocument<'s>> {
        self.document.as_ref()
    }

    pub(super) fn store(&self) -> &'s Store {
        self.store
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Where a node begins; for a node without a place of its own, the one before it.
    pub(super) fn position(&self, node: u32) -> Position {
        let places = &self.index.places;
        let after = places.partition_point(|(known, _)| *known <= node);
        let at = after.checked_sub(1).and_then(|n| places.get(n));
        at.or(places.first()).map(|(_, position)| *position).unwrap_or_default()
    }
}

/// The path of a node: `/a/b[2]/@c`. Names are local ones.
pub(super) fn path(node: &BufferDocNavigator<'_>) -> String {
    let mut steps = Vec::new();
    let mut at = node.clone();
    loop {
        match at.node_type() {
            DomNodeType::Root => break,
            DomNodeType::Attribute => steps.push(format!("@{}", at.local_name())),
            DomNodeType::Element => {
                let place = place_among_siblings(&at);
                let name = at.local_name();
                steps.push(if place > 1 { format!("{name}[{place}]") } else { name.to_owned() });
            }
            DomNodeType::Comment => steps.push("comment()".to_owned()),
            DomNodeType::ProcessingInstruction => steps.push("processing-instruction()".to_owned()),
            DomNodeType::Namespace => steps.push("namespace::*".to_owned()),
            _ => steps.push("text()".to_owned()),
        }
        if !at.move_to_parent() {
            break;
        }
    }
    let mut path = String::new();
    for step in steps.iter().rev() {
        path.push('/');
        path.push_str(step);
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

/// 1 for the first of its name, and where there are too many to count.
fn place_among_siblings(element: &BufferDocNavigator<'_>) -> usize {
    let mut at = element.clone();
    if !at.move_to_parent() || !at.move_to_first_child() {
        return 1;
    }
    let mut place = 1;
    for _ in 0..MAX_COUNTED_SIBLINGS {
        if at.is_same_position(element) {
            return place;
        }
        let same = at.node_type() == DomNodeType::Element
            && at.local_name() == element.local_name()
            && at.namespace_uri() == element.namespace_uri();
        place += usize::from(same);
        if !at.move_to_next_sibling() {
            break;
        }
    }
    1
}

impl EventSink for Tree<'_> {
    type Error = TooLarge;

    fn event(&mut self, event: &Event<'_>) -> Result<(), TooLarge> {
        self.take(event)
    }
}
