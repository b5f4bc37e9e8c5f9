//! Values of elements: simple content, defaults and fixed values, IDs.

use crate::validate::finding::{Subject, explain};
use crate::xml::Position;

use super::super::components::Content;
use super::super::simple::{Broken, Identity};
use super::super::{SimpleId, Symbol};
use super::names::Way;
use super::{GaveUp, MAX_PATH_BYTES, Named, Place, Run, Within};

impl Run<'_> {
    /// Text that is the whole content of the innermost open element. Whether it is valid; where it
    /// is a field of a key, its equality key is in `octets` then.
    pub(super) fn simple_content(
        &mut self,
        simple: SimpleId,
        position: Position,
    ) -> Result<bool, GaveUp> {
        let tables = self.tables;
        let open = &self.open[self.depth - 1];
        let declared = open.declared.map(|id| tables.element(id));
        let constraint = declared.and_then(|element| element.value.as_ref());
        let takes = constraint.filter(|_| !open.has_text && !open.has_children);
        let fixed = constraint.filter(|value| value.fixed && takes.is_none());
        let wanted = self.keys.wants_content();
        let own_type = declared.is_some_and(|element| open.kind == Some(element.kind));
        let overridden = open.instance_type && !own_type;
        let text = takes.map_or(self.text.as_str(), |value| &value.text);
        let checked = if fixed.is_some() || wanted {
            self.octets.clear();
            tables.simple.value(simple, text, &self.scope, &mut self.octets)
        } else {
            tables.simple.check(simple, text, &self.scope)
        };
        let long = checked == Err(Broken::LONG_KEY);
        if long && wanted {
            return Err(GaveUp);
        }
        let checked = if long { Ok(()) } else { checked };
        let same = match fixed {
            None => true,
            // No fixed value has a key of that length.
            Some(_) if long => false,
            // Clause 5.2.2.2.2: the value is compared as one of the actual type.
            Some(value) if overridden => {
                let mut key = Vec::new();
                let valid = tables.simple.value(simple, &value.text, &self.scope, &mut key);
                valid.is_ok() && key == self.octets
            }
            Some(value) => value.key.as_deref().is_none_or(|key| *key == *self.octets),
        };
        let rule = match (checked, takes) {
            // Clause 5.1.1: what stands in for the missing text must be valid by this type, too;
            // which value it is here does not matter.
            (Err(_), Some(_)) if overridden => Some("cvc-elt.5.1.1"),
            (Err(broken), _) => Some(broken.rule),
            (Ok(()), _) => (!same).then_some("cvc-elt.5.2.2"),
        };
        let valid = checked.is_ok();
        if let Some(rule) = rule {
            let expected = match valid {
                true => constraint.map(|value| &*value.text),
                false => tables.simple.expected(simple, rule),
            };
            let expected: Vec<String> = expected.map(str::to_owned).into_iter().collect();
            let name = self.way.name();
            let subject = Subject { name, attribute: false, expected: &expected, at_end: false };
            let finding = explain(rule, &subject).at(position, &self.way.path());
            self.add_about_value(finding);
        }
        if valid && tables.simple.identifies(simple) {
            let text = takes.map(|value| value.text.clone());
            let own = std::mem::take(&mut self.text);
            let text = text.as_deref().unwrap_or(&own);
            let identified = self.identify(simple, text, position, None);
            self.text = own;
            identified?;
        }
        Ok(valid)
    }

    /// The fixed value of an element without simple content (clause 5.2.2). Only mixed content can
    /// have it; elements may stand beside it nowhere.
    pub(super) fn fixed_text(&mut self, position: Position) {
        let open = &self.open[self.depth - 1];
        let value = open.declared.and_then(|id| self.tables.element(id).value.as_ref());
        let Some(value) = value.filter(|value| value.fixed) else { return };
        let mixed = matches!(open.content, Within::Typed(Content::Mixed(_) | Content::Any));
        if open.has_children {
            self.report("cvc-elt.5.2.2.1", position, &[value.text.to_string()]);
        } else if mixed && open.has_text && self.text != *value.text {
            self.report("cvc-elt.5.2.2.2", position, &[value.text.to_string()]);
        }
    }

    /// An empty element whose `xsi:type` names a type that cannot have the declaration's default
    /// (clause 5.1.1; Element Default Valid, clause 2).
    pub(super) fn default_of_other_type(&mut self, position: Position) {
        let open = &self.open[self.depth - 1];
        if !open.instance_type {
            return;
        }
        let empty = !open.nilled && !open.has_text && !open.has_children;
        let bare = matches!(open.content, Within::Typed(Content::Empty | Content::Elements(_)));
        if empty && bare {
            let declared = open.declared.map(|id| self.tables.element(id));
            if declared.is_some_and(|element| element.value.is_some()) {
                self.report("cvc-elt.5.1.1", position, &[]);
            }
        }
    }

    /// IDs and references in a valid value, of an attribute where one is given.
    pub(super) fn identify(
        &mut self,
        simple: SimpleId,
        value: &str,
        position: Position,
        attribute: Option<Symbol>,
    ) -> Result<(), GaveUp> {
        let tables = self.tables;
        let name = match attribute {
            Some(symbol) => Named::Attribute(symbol),
            None => Named::Element(self.open[self.depth - 1].symbol),
        };
        let local = attribute.map_or("", |symbol| tables.symbols.local(symbol));
        let Self { ids, way, paths, scope, .. } = self;
        // One place for all items of a list: there may be a million.
        let mut known = None;
        let mut here = || *known.get_or_insert_with(|| place(paths, way, position, name, local));
        let mut repeated = 0;
        let mut limit = false;
        let mut entity = false;
        tables.simple.identities(simple, value, scope, &mut |identity, name| match identity {
            Identity::None => {}
            Identity::Id => match ids.id(name) {
                Ok(new) => repeated += usize::from(!new),
                Err(_) => limit = true,
            },
            Identity::IdRef => {
                limit |= ids.reference(name, &mut here).is_err();
            }
            Identity::Entity => entity = true,
        });
        let found = (entity || repeated > 0).then(&mut here);
        // Without a DTD there are no entities (Datatypes 3.3.11).
        if let Some(found) = found.filter(|_| entity) {
            self.told("cvc-datatype-valid.1.2.1", found, &[]);
        }
        if let Some(found) = found.filter(|_| repeated > 0) {
            self.told("cvc-id.2", found, &[]);
        }
        if limit { Err(GaveUp) } else { Ok(()) }
    }
}

/// The innermost open element, or an attribute of it where `attribute` is not empty, as a place; with
/// its path as long as there is room for paths. Without room nothing is made of the path at all.
pub(super) fn place(
    paths: &mut String,
    way: &Way,
    position: Position,
    name: Named,
    attribute: &str,
) -> Place {
    let bytes = way.path_bytes() + "/@".len() + attribute.len();
    if paths.len() + bytes > MAX_PATH_BYTES {
        return Place { position, path: (0, 0), name };
    }
    let from = paths.len();
    way.add_path(paths);
    if !attribute.is_empty() {
        paths.push_str("/@");
        paths.push_str(attribute);
    }
    // MAX_PATH_BYTES is far below 2^32.
    Place { position, path: (from as u32, paths.len() as u32), name }
}

impl super::super::Tables {
    /// Whether an element's declaration fixes its value.
    pub(super) fn has_fixed(&self, declared: Option<super::super::ElementId>) -> bool {
        let value = declared.and_then(|id| self.element(id).value.as_ref());
        value.is_some_and(|value| value.fixed)
    }
}
