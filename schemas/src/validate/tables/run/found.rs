//! Values that may be told in findings (P7), and where.
//!
//! A value is told where the pack marks its element or attribute as harmless *and* the element
//! stands where the schemas have it: every element from the root was admitted by the content model of
//! its parent, none after a mistake in that model, none by a wildcard, none below `xs:anyType`, and no
//! unsuitable `xsi:type` on the way. Otherwise a name that is harmless at its place could
//! be put around any text. The type of the element itself is the one declared, and it has text alone.

use crate::validate::finding::Finding;
use crate::xml::Attribute;

use super::super::components::{ANY_TYPE, Complex, Content};
use super::super::{Symbol, TypeId};
use super::element::Child;
use super::{Run, Within};

impl Run<'_> {
    /// Whether the innermost open element, which has begun so, stands where the schemas have it.
    pub(super) fn is_in_place(&self, child: Child) -> bool {
        let Child::Declared(id) = child else { return false };
        let open = &self.open[self.depth - 1];
        let declared = self.tables.element(id);
        // Whoever sends the message chooses such a type, not the standard.
        let anything = open.instance_type && declared.kind == TypeId::Complex(ANY_TYPE);
        let above = self.depth.checked_sub(2).is_none_or(|parent| self.open[parent].in_place);
        above && !open.broken && !declared.is_abstract && !anything
    }

    /// The value of the innermost open element, where it may be told. All its text must have come.
    pub(in crate::validate) fn found(&self) -> Option<&str> {
        if self.harmless.is_empty() {
            return None;
        }
        let open = &self.open[self.depth.checked_sub(1)?];
        let simple = matches!(open.content, Within::Typed(Content::Simple(_)));
        let own = open.in_place && !open.instance_type && !open.nilled && !open.has_children;
        let told = own && simple && self.harmless.element(&self.way.names());
        told.then_some(self.text.as_str())
    }

    /// Adds a finding about the value of the innermost open element.
    pub(super) fn add_about_value(&mut self, finding: Finding) {
        let finding = match self.found() {
            Some(value) => finding.found(value),
            None => finding,
        };
        self.add(finding);
    }

    /// Adds a finding about the value of an attribute of the innermost open element.
    pub(super) fn add_about_attribute(
        &mut self,
        finding: Finding,
        attribute: &Attribute,
        symbol: Option<Symbol>,
    ) {
        let declared = |complex: &Complex| {
            symbol.is_some_and(|name| complex.uses.iter().any(|one| one.name == name))
        };
        let open = &self.open[self.depth - 1];
        let own = match open.kind {
            Some(TypeId::Complex(id)) => open.in_place && declared(self.tables.complex(id)),
            _ => false,
        };
        let told = own
            && !self.harmless.is_empty()
            && self.harmless.attribute(&self.way.names(), &attribute.local);
        self.add(if told { finding.found(&attribute.value) } else { finding });
    }
}
