//! What the schemas say about values beyond their types: names of types, and codes.

use std::collections::HashMap;

use xsd_schema::{NameId, SchemaSet, TypeKey};

use crate::codelist::CodeUse;

use super::components::Content;
use super::{ComplexId, SimpleId, Tables, XSD};

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
    pub(in crate::validate) fn codes(&self) -> Vec<Option<CodeUse>> {
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
            Some(CodeUse { uri: text(uri), version: text(version) })
        };
        (0..self.complex.len()).map(used).collect()
    }
}
