//! The tree as the XPath engine walks it: every move is counted, and the one too many unwinds the
//! evaluation, whatever loop of the engine it came from. [`super::Rules::check`] catches it.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::resume_unwind;

use xsd_schema::document::BufferDocNavigator;
use xsd_schema::ids::{SimpleTypeKey, TypeKey};
use xsd_schema::navigator::{
    DomNavigator, DomNodeType, NamespaceAxisScope, NavigatorError, TypedValue, XmlNodeOrder,
};

/// Moves between two looks at the time.
const MOVES_PER_LOOK: u64 = 4096;
/// Bytes of text that count as one move.
const BYTES_PER_MOVE: usize = 32;

/// What may still be spent on one message.
pub(super) struct Budget<'a> {
    left: Cell<u64>,
    look: Cell<u64>,
    expired: &'a dyn Fn() -> bool,
}

impl<'a> Budget<'a> {
    pub(super) fn new(moves: u64, expired: &'a dyn Fn() -> bool) -> Self {
        Self { left: Cell::new(moves), look: Cell::new(MOVES_PER_LOOK), expired }
    }

    /// Takes something; unwinds with [`Spent`] where there is nothing left.
    #[inline]
    pub(super) fn take(&self, moves: u64) {
        let (left, look) = (self.left.get(), self.look.get());
        if left > moves && look > moves {
            self.left.set(left - moves);
            self.look.set(look - moves);
        } else {
            self.look(moves);
        }
    }

    #[cold]
    fn look(&self, moves: u64) {
        self.look.set(MOVES_PER_LOOK);
        let left = self.left.get().saturating_sub(moves);
        let left = if (self.expired)() { 0 } else { left };
        self.left.set(left);
        if left == 0 {
            // No panic: nothing is wrong, so nothing is printed.
            resume_unwind(Box::new(Spent));
        }
    }

    /// Gives up: something would be too large.
    pub(super) fn spend(&self) -> ! {
        self.left.set(0);
        resume_unwind(Box::new(Spent))
    }

    fn text(&self, text: &str) {
        self.take(1 + (text.len() / BYTES_PER_MOVE) as u64);
    }

    /// What is left.
    pub(super) fn left(&self) -> u64 {
        self.left.get()
    }
}

/// What an evaluation unwinds with when the budget is spent.
pub(super) struct Spent;

/// A place in the tree.
#[derive(Clone)]
pub(super) struct Nav<'d> {
    inner: BufferDocNavigator<'d>,
    budget: &'d Budget<'d>,
}

impl<'d> Nav<'d> {
    pub(super) fn new(inner: BufferDocNavigator<'d>, budget: &'d Budget<'d>) -> Self {
        Self { inner, budget }
    }

    /// The place itself, uncounted.
    pub(super) fn inner(&self) -> &BufferDocNavigator<'d> {
        &self.inner
    }

    /// The number of the node in its tree.
    pub(super) fn node(&self) -> u32 {
        self.inner.current_ref()
    }
}

impl DomNavigator for Nav<'_> {
    fn is_same_position(&self, other: &Self) -> bool {
        self.inner.is_same_position(&other.inner)
    }

    fn compare_position(&self, other: &Self) -> XmlNodeOrder {
        self.budget.take(1);
        self.inner.compare_position(&other.inner)
    }

    fn move_to(&mut self, other: &Self) -> bool {
        self.budget.take(1);
        self.inner.move_to(&other.inner)
    }

    fn move_to_root(&mut self) {
        self.inner.move_to_root();
    }

    fn move_to_visible_root(&mut self) {
        self.inner.move_to_visible_root();
    }

    fn move_to_parent(&mut self) -> bool {
        self.budget.take(1);
        self.inner.move_to_parent()
    }

    fn move_to_first_child(&mut self) -> bool {
        self.budget.take(1);
        self.inner.move_to_first_child()
    }

    fn move_to_next_sibling(&mut self) -> bool {
        self.budget.take(1);
        self.inner.move_to_next_sibling()
    }

    fn move_to_prev_sibling(&mut self) -> bool {
        self.budget.take(1);
        self.inner.move_to_prev_sibling()
    }

    fn move_to_first_attribute(&mut self) -> bool {
        self.budget.take(1);
        self.inner.move_to_first_attribute()
    }

    fn move_to_next_attribute(&mut self) -> bool {
        self.budget.take(1);
        self.inner.move_to_next_attribute()
    }

    fn move_to_first_namespace(&mut self, scope: NamespaceAxisScope) -> bool {
        self.budget.take(1);
        self.inner.move_to_first_namespace(scope)
    }

    fn move_to_next_namespace(&mut self, scope: NamespaceAxisScope) -> bool {
        self.budget.take(1);
        self.inner.move_to_next_namespace(scope)
    }

    fn move_to_following(&mut self, kind: DomNodeType, end: Option<&Self>) -> bool {
        self.budget.take(1);
        self.inner.move_to_following(kind, end.map(|end| &end.inner))
    }

    fn node_type(&self) -> DomNodeType {
        self.inner.node_type()
    }

    fn local_name(&self) -> &str {
        self.inner.local_name()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn namespace_uri(&self) -> &str {
        self.inner.namespace_uri()
    }

    fn prefix(&self) -> &str {
        self.inner.prefix()
    }

    fn value(&self) -> String {
        let value = self.inner.value();
        self.budget.text(&value);
        value
    }

    fn value_ref(&self) -> Cow<'_, str> {
        let value = self.inner.value_ref();
        self.budget.text(&value);
        value
    }

    fn base_uri(&self) -> &str {
        self.inner.base_uri()
    }

    fn schema_type(&self) -> Option<SimpleTypeKey> {
        self.inner.schema_type()
    }

    fn type_annotation(&self) -> Option<TypeKey> {
        self.inner.type_annotation()
    }

    fn typed_value(&self) -> TypedValue {
        self.budget.take(1);
        self.inner.typed_value()
    }

    fn is_idrefs(&self) -> bool {
        self.inner.is_idrefs()
    }

    fn find_element_by_id(&self, id: &str) -> Result<Option<Self>, NavigatorError> {
        let found = self.inner.find_element_by_id(id)?;
        Ok(found.map(|inner| Self { inner, budget: self.budget }))
    }

    fn find_nodes_by_idref(&self, id: &str) -> Result<Vec<Self>, NavigatorError> {
        let found = self.inner.find_nodes_by_idref(id)?;
        Ok(found.into_iter().map(|inner| Self { inner, budget: self.budget }).collect())
    }
}
