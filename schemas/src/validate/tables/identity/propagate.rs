//! Node tables on their way up (Structures 3.11.5): the tables of the children become part of
//! their parent's, as long as a keyref further up may want them.

use std::hash::RandomState;

use super::table::Table;
use crate::validate::tables::ConstraintId;

/// The tables of the elements above the one being read; innermost last.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    tables: Vec<Tabled>,
}

#[derive(Debug)]
struct Tabled {
    /// Depth of the element.
    depth: u32,
    definition: ConstraintId,
    table: Table,
}

impl Propagation {
    /// Whether children left a table for the element at this depth.
    pub(super) fn reached(&self, depth: u32) -> bool {
        self.tables.last().is_some_and(|tabled| tabled.depth == depth)
    }

    /// The end of the element: keys in conflict drop out.
    pub(super) fn settle(&mut self, depth: u32, hash: &RandomState) {
        for tabled in self.tables.iter_mut().rev().take_while(|tabled| tabled.depth == depth) {
            tabled.table.settle(hash);
        }
    }

    /// Adds the element's own keys. The tables of the children are settled.
    pub(super) fn adopt(
        &mut self,
        depth: u32,
        definition: ConstraintId,
        own: Table,
        hash: &RandomState,
    ) {
        match self.find(depth, definition) {
            Some(at) => self.tables[at].table.adopt(own, hash),
            None => self.tables.push(Tabled { depth, definition, table: own }),
        }
    }

    /// The table of the element for a definition.
    pub(super) fn table(&self, depth: u32, definition: ConstraintId) -> Option<&Table> {
        self.find(depth, definition).map(|at| &self.tables[at].table)
    }

    /// Hands the tables of an element that ends to its parent; those that nobody wants vanish.
    pub(super) fn rise(&mut self, depth: u32, wanted: &[u32], hash: &RandomState) {
        let mut at = self.tables.iter().rposition(|t| t.depth < depth).map_or(0, |last| last + 1);
        while let Some(tabled) = self.tables.get_mut(at) {
            let definition = tabled.definition;
            if wanted[definition.0 as usize] == 0 {
                self.tables.remove(at);
            } else if let Some(parent) = self.find(depth - 1, definition) {
                let table = self.tables.remove(at).table;
                self.tables[parent].table.join(table, hash);
            } else {
                self.tables[at].depth = depth - 1;
                at += 1;
            }
        }
    }

    /// Bytes of the tables of this element and its parent, the only ones that an end changes.
    pub(super) fn bytes(&self, depth: u32) -> usize {
        let near = self.tables.iter().rev().take_while(|tabled| tabled.depth + 1 >= depth);
        near.map(|tabled| tabled.table.bytes()).sum()
    }

    fn find(&self, depth: u32, definition: ConstraintId) -> Option<usize> {
        let mut near = self.tables.iter().enumerate().rev().take_while(|(_, t)| t.depth >= depth);
        near.find(|(_, t)| t.depth == depth && t.definition == definition).map(|(at, _)| at)
    }
}
