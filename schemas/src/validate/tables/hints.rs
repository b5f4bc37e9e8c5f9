//! What the schemas say about values beyond their types: names of types, and codes.

use std::collections::HashMap;

use xsd_schema::arenas::ComplexTypeDefData;
use xsd_schema::schema::annotation::Annotation;
use xsd_schema::{NameId, SchemaSet, TypeKey};

use crate::characters::{Asked, Datatype, Own};
use crate::codelist::CodeUse;

use super::appinfo::code_column;
use super::components::Content;
use super::{ComplexId, SimpleId, Tables, TypeId, XSD};

/// Most named types from one to its last ancestor.
const MAX_ANCESTORS: usize = 100;

/// Namespace and local name of a type.
pub(in crate::validate) type Name = (String, String);

/// What governs the innermost open element.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::validate) struct Here {
    /// The type of its text, if it has nothing but text.
    pub(in crate::validate) simple: Option<SimpleId>,
    /// Its type, if it is complex.
    pub(in crate::validate) complex: Option<ComplexId>,
}

impl Tables {
    /// The names of simple types by number: each its own, then those of the types that it
    /// restricts, without the built-in ones.
    pub(in crate::validate) fn names(&self, set: &SchemaSet) -> HashMap<SimpleId, Vec<Name>> {
        let text = |id: Option<NameId>| id.map(|id| set.name_table.resolve(id)).unwrap_or_default();
        let mut all = HashMap::new();
        for key in set.arenas.simple_types.keys() {
            let Some(id) = self.simple.id_of(key) else { continue };
            let (mut names, mut next) = (Vec::new(), Some(TypeKey::Simple(key)));
            for _ in 0..MAX_ANCESTORS {
                let Some(TypeKey::Simple(key)) = next else { break };
                let Some(one) = set.arenas.simple_types.get(key) else { break };
                let namespace = text(one.target_namespace);
                if one.name.is_some() && namespace != XSD {
                    names.push((namespace, text(one.name)));
                }
                next = one.resolved_base_type;
            }
            if !names.is_empty() {
                all.insert(id, names);
            }
        }
        // Simple content that a complex type restricts further is of a type without a name.
        for key in set.arenas.complex_types.keys() {
            let Some(id) = self.simple.id_of_content(key) else { continue };
            let mut next = Some(key);
            for _ in 0..MAX_ANCESTORS {
                let Some(one) = next.and_then(|key| set.arenas.complex_types.get(key)) else {
                    break;
                };
                let base = match one.resolved_simple_content_type.or(one.resolved_base_type) {
                    Some(TypeKey::Simple(base)) => self.simple.id_of(base),
                    Some(TypeKey::Complex(base)) => self.simple.id_of_content(base),
                    None => None,
                };
                if all.contains_key(&id) {
                    break;
                }
                if let Some(names) = base.and_then(|base| all.get(&base)).cloned() {
                    all.insert(id, names);
                }
                next = match one.resolved_base_type {
                    Some(TypeKey::Complex(base)) => Some(base),
                    _ => None,
                };
            }
        }
        all
    }

    /// What simple types ask of characters, by number, where `own` are those that stand for a data
    /// type; and whether values of any attribute are asked.
    pub(in crate::validate) fn asked(
        &self,
        own: &HashMap<SimpleId, Datatype>,
    ) -> (Vec<Option<Asked>>, bool) {
        let one = |id: SimpleId| match own.get(&id) {
            Some(datatype) => {
                let spaced = self.simple.replaces_space(id);
                Some(Asked::Whole(Own { datatype: *datatype, spaced }))
            }
            None => self.has_inside(id, own, 0).then_some(Asked::Parts),
        };
        let all: Vec<_> = (0..self.simple.count()).map(|id| one(SimpleId(id as u32))).collect();
        let mut uses = self.complex.iter().flat_map(|one| &*one.uses).chain(&self.attributes);
        let attributes = uses.any(|one| all[one.kind.0 as usize].is_some());
        (all, attributes)
    }

    /// Whether items of a list or members of a union stand for a data type, at any depth.
    fn has_inside(&self, id: SimpleId, own: &HashMap<SimpleId, Datatype>, depth: usize) -> bool {
        let inside = self.simple.inside(id).iter();
        depth < MAX_ANCESTORS
            && inside
                .copied()
                .any(|id| own.contains_key(&id) || self.has_inside(id, own, depth + 1))
    }

    /// The complex types whose attributes name a code list: XÖV codes of types 1 to 4, by number.
    /// Which type a code is shows in what the schema fixes: list and version (1 and 2), the list
    /// alone (3) or neither (4).
    /// `columns` is what [`Self::code_columns`] found.
    pub(in crate::validate) fn codes(
        &self,
        columns: &HashMap<ComplexId, Box<str>>,
    ) -> Vec<Option<CodeUse>> {
        let uri = self.symbols.find("", "listURI");
        let version = self.symbols.find("", "listVersionID");
        let used = |id: usize| {
            let complex = &self.complex[id];
            if !matches!(complex.content, Content::Elements(_) | Content::Mixed(_)) {
                return None;
            }
            let one = |name| complex.uses.iter().find(|one| Some(one.name) == name);
            let text = |name| one(name)?.value.as_ref().map(|value| value.text.trim().into());
            one(uri)?;
            let column = columns.get(&ComplexId(id as u32)).cloned();
            Some(CodeUse { uri: text(uri), version: text(version), column })
        };
        (0..self.complex.len()).map(used).collect()
    }

    /// The column of its code list that a named complex type uses, where its annotation names one.
    /// List and version stand there too, but are those that the attributes fix.
    pub(in crate::validate) fn code_columns(
        &self,
        set: &SchemaSet,
    ) -> HashMap<ComplexId, Box<str>> {
        let text = |id: Option<NameId>| id.map(|id| set.name_table.resolve(id)).unwrap_or_default();
        let column = |one: &ComplexTypeDefData| {
            let name = (text(one.target_namespace), text(Some(one.name?)));
            let TypeId::Complex(id) = self.global(self.symbols.find(&name.0, &name.1)).kind? else {
                return None;
            };
            let said = one.annotation.as_ref().into_iter().flat_map(Annotation::appinfos);
            Some((id, said.filter_map(|one| code_column(set, one)).next()?))
        };
        set.arenas.complex_types.values().filter_map(column).collect()
    }
}
