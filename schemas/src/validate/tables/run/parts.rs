//! The types that govern the parts of a value: items of lists, active members of unions.

use crate::xml::Attribute;

use super::super::SimpleId;
use super::super::components::Content;
use super::{Run, Within};

impl Run<'_> {
    /// Tells `deeper` the value of the innermost open element, or of one of its attributes, and the
    /// type that governs it, then its parts and theirs as long as it wants that. Nothing where no
    /// simple type does. All text of the element must have come.
    pub(in crate::validate) fn parts(
        &self,
        attribute: Option<&Attribute>,
        deeper: &mut dyn FnMut(SimpleId, &str) -> bool,
    ) {
        let Some(open) = self.depth.checked_sub(1).map(|n| &self.open[n]) else { return };
        let (id, raw) = match (attribute, open.content) {
            (Some(attribute), _) => (self.type_of(attribute), attribute.value.as_str()),
            (None, Within::Typed(Content::Simple(id))) => (Some(id), self.text.as_str()),
            (None, _) => (None, ""),
        };
        if let Some(id) = id {
            self.tables.simple.parts(id, raw, &self.scope, deeper);
        }
    }
}
