//! The tree of one message, built from the events of our reader.

use std::collections::{HashMap, HashSet};

use bumpalo::Bump;
use xsd_schema::document::{BufferDocNavigator, DocumentKind};
use xsd_schema::document::{BufferDocument, BufferDocumentBuilder, BufferDocumentOptions};
use xsd_schema::namespace::table::NameTable;
use xsd_schema::navigator::{DomNavigator, DomNodeType};

use super::{MAX_RULE_PATH, MAX_TREE_BYTES, Rules};
use crate::xml::{Event, EventSink, Position, StartTag};

/// Bytes reckoned for one node beside its text: its record, its value's, its place.
const NODE_BYTES: usize = 96;

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

/// A node to be named by its path later.
pub(super) struct Spot {
    /// Its number in the tree.
    pub(super) node: u32,
    /// The element, or the root, that it is or belongs to.
    owner: u32,
    /// The last step of the path, where it is no element.
    leaf: String,
}

impl Spot {
    pub(super) fn of(at: &BufferDocNavigator<'_>) -> Self {
        let leaf = match at.node_type() {
            DomNodeType::Root | DomNodeType::Element => String::new(),
            DomNodeType::Attribute => format!("/@{}", at.local_name()),
            DomNodeType::Comment => "/comment()".to_owned(),
            DomNodeType::ProcessingInstruction => "/processing-instruction()".to_owned(),
            DomNodeType::Namespace => "/namespace::*".to_owned(),
            _ => "/text()".to_owned(),
        };
        let mut owner = at.clone();
        if !leaf.is_empty() {
            owner.move_to_parent();
        }
        Self { node: at.current_ref(), owner: owner.current_ref(), leaf }
    }
}

/// Which of its name among its siblings each element is that leads to some nodes.
pub(super) struct Places<'d> {
    document: &'d BufferDocument<'d>,
    places: HashMap<u32, u32>,
}

impl<'d> Places<'d> {
    /// Counts the children of every element on the way to these nodes once, however many nodes
    /// there are: it takes as long as a look at the tree.
    pub(super) fn of<'n>(
        document: &'d BufferDocument<'d>,
        nodes: impl Iterator<Item = &'n Spot>,
    ) -> Self {
        let (mut places, mut parents) = (HashMap::new(), HashSet::new());
        for spot in nodes {
            let mut at = document.create_navigator_at(spot.owner);
            // Beyond an element that is known the way is known, too.
            while at.node_type() == DomNodeType::Element
                && places.insert(at.current_ref(), 1).is_none()
                && at.move_to_parent()
            {
                parents.insert(at.current_ref());
            }
        }
        for parent in parents {
            let mut counted: HashMap<(String, String), u32> = HashMap::new();
            let mut at = document.create_navigator_at(parent);
            let mut there = at.move_to_first_child();
            while there {
                if at.node_type() == DomNodeType::Element {
                    let name = (at.local_name().to_owned(), at.namespace_uri().to_owned());
                    let count = counted.entry(name).or_insert(0);
                    *count += 1;
                    if let Some(place) = places.get_mut(&at.current_ref()) {
                        *place = *count;
                    }
                }
                there = at.move_to_next_sibling();
            }
        }
        Self { document, places }
    }

    /// The path of one of these nodes: `/a/b[2]/@c`. Names are local ones.
    pub(super) fn path(&self, spot: &Spot) -> String {
        let mut way = Vec::new();
        let mut at = self.document.create_navigator_at(spot.owner);
        while at.node_type() == DomNodeType::Element {
            way.push(at.clone());
            if !at.move_to_parent() {
                break;
            }
        }
        let mut path = String::new();
        for at in way.iter().rev() {
            path.push('/');
            path.push_str(at.local_name());
            match self.places.get(&at.current_ref()) {
                Some(place) if *place > 1 => path.push_str(&format!("[{place}]")),
                _ => {}
            }
            if path.len() > MAX_RULE_PATH {
                break;
            }
        }
        path.push_str(&spot.leaf);
        if path.len() > MAX_RULE_PATH {
            let cut = (0..=MAX_RULE_PATH).rev().find(|at| path.is_char_boundary(*at));
            path.truncate(cut.unwrap_or(0));
            path.push('…');
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }
}

impl EventSink for Tree<'_> {
    type Error = TooLarge;

    fn event(&mut self, event: &Event<'_>) -> Result<(), TooLarge> {
        self.take(event)
    }
}
