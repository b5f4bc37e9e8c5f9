//! The IDs of a document and the references to them (Structures 3.15.4, cvc-id).

use std::hash::RandomState;

use super::references::References;
use super::table::Table;
use super::{GaveUp, MAX_KEY_BYTES};

/// The IDs met so far, in attributes and elements, defaults included. `P` is how the runner remembers a place.
#[derive(Debug)]
pub(in crate::validate) struct Ids<P> {
    known: Table,
    open: References<P>,
    hash: RandomState,
    limit: usize,
}

impl<P: Copy> Default for Ids<P> {
    fn default() -> Self {
        Self {
            known: Table::default(),
            open: References::default(),
            hash: RandomState::new(),
            limit: MAX_KEY_BYTES,
        }
    }
}

impl<P: Copy> Ids<P> {
    /// With another limit than [`MAX_KEY_BYTES`].
    #[cfg(test)]
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// A valid `xs:ID`, white space collapsed. False breaks cvc-id.2: it was there before. The
    /// specification forgives two ID children of one element with one value, as they bind the same
    /// element; like everybody else, we do not (Datatypes 3.3.8).
    pub(in crate::validate) fn id(&mut self, value: &str) -> Result<bool, GaveUp> {
        let new = self.known.insert(value.as_bytes(), &self.hash);
        self.bounded().map(|()| new)
    }

    /// A valid `xs:IDREF`, or one item of `xs:IDREFS`. `place` is asked only for a reference to
    /// what has not come yet.
    pub(in crate::validate) fn reference(
        &mut self,
        value: &str,
        place: impl FnOnce() -> P,
    ) -> Result<(), GaveUp> {
        if !self.known.contains(value.as_bytes(), &self.hash) {
            self.open.push(value.as_bytes(), place());
        }
        self.bounded()
    }

    /// The end of the document: the places of references to no ID, in the order of the document.
    /// Each breaks cvc-id.1.
    pub(in crate::validate) fn dangling(&self) -> impl Iterator<Item = P> + '_ {
        self.open.dangling(Some(&self.known), &self.hash)
    }

    fn bounded(&self) -> Result<(), GaveUp> {
        let bytes = self.known.bytes() + self.open.bytes();
        if bytes > self.limit { Err(GaveUp) } else { Ok(()) }
    }
}
