//! What the schemas say about values beyond their types: names of types, and codes.

use std::collections::HashMap;

use xsd_schema::arenas::ComplexTypeDefData;
use xsd_schema::schema::annotation::Annotation;
use xsd_schema::{NameId, SchemaSet, TypeKey};

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
        all
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
