//! The identity constraints of a schema set, compiled.

use std::collections::{HashMap, HashSet};

use xsd_schema::arenas::IdentityConstraintData;
use xsd_schema::namespace::context::NamespaceContextSnapshot;
use xsd_schema::parser::frames::IdentityKind;
use xsd_schema::parser::location::SourceSpan;
use xsd_schema::{DocumentId, IdentityConstraintKey, NameId, SchemaSet};

use super::path::Path;
use crate::validate::tables::{ConstraintId, NotCompiled, Symbols};

/// {identity-constraint category}.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `xs:unique`
    Unique,
    /// `xs:key`
    Key,
    /// `xs:keyref`, to keys of this definition.
    Keyref(ConstraintId),
}

/// One constraint.
#[derive(Debug)]
pub(super) struct Constraint {
    name: Box<str>,
    pub(super) kind: Kind,
    /// The first of the copies of this definition: a group that is referred to twice brings its
    /// constraints twice, and their tables are one.
    pub(super) definition: ConstraintId,
    /// Its selector in [`Constraints::paths`]; the fields follow.
    pub(super) selector: u32,
    pub(super) fields: u32,
    /// Where it stands in the schema documents.
    source: Option<(DocumentId, SourceSpan)>,
}

/// All constraints of one schema set.
#[derive(Debug, Default)]
pub(in crate::validate) struct Constraints {
    pub(super) all: Vec<Constraint>,
    pub(super) paths: Vec<Path>,
    ids: HashMap<IdentityConstraintKey, ConstraintId>,
}

impl Constraints {
    /// Compiles what the set holds. The names in the paths become symbols, so that the names of a
    /// document need only be looked up after this.
    pub(in crate::validate) fn compile(
        set: &SchemaSet,
        symbols: &mut Symbols,
    ) -> Result<Self, NotCompiled> {
        let mut these = Self::default();
        let mut definitions = HashMap::new();
        let mut ambiguous = HashSet::new();
        for (key, data) in &set.arenas.identity_constraints {
            // A set has at most MAX_SCHEMA_BYTES of text in each document.
            let id = ConstraintId(these.all.len() as u32);
            let definition = match data.kind {
                IdentityKind::Keyref => id,
                _ => *definitions.entry((namespace(set, data), data.name)).or_insert(id),
            };
            let mut constraint = these.constraint(set, data, definition, symbols)?;
            if definition != id && !these.same(&constraint, &these.all[definition.0 as usize]) {
                // Two constraints must not have one name (3.11.1), but some sets have them.
                constraint.definition = id;
                ambiguous.insert(definition);
            }
            these.ids.insert(key, id);
            these.all.push(constraint);
        }
        for (key, data) in &set.arenas.identity_constraints {
            let (IdentityKind::Keyref, Some(id)) = (data.kind, these.id_of(key)) else { continue };
            let constraint = &mut these.all[id.0 as usize];
            let goal = data.refer.as_ref().and_then(|refer| {
                let place = refer.namespace.or(namespace(set, data));
                definitions.get(&(place, refer.local_name))
            });
            match goal {
                Some(goal) if !ambiguous.contains(goal) => constraint.kind = Kind::Keyref(*goal),
                Some(_) => return Err(not_compiled("a keyref to one of two", &constraint.name)),
                None => return Err(not_compiled("a keyref to no key", &constraint.name)),
            }
        }
        Ok(these)
    }

    /// The number of a constraint; an element declaration names its own by these.
    pub(in crate::validate) fn id_of(&self, key: IdentityConstraintKey) -> Option<ConstraintId> {
        self.ids.get(&key).copied()
    }

    /// The name of a constraint.
    pub(in crate::validate) fn name(&self, id: ConstraintId) -> &str {
        &self.all[id.0 as usize].name
    }

    pub(super) fn get(&self, id: ConstraintId) -> &Constraint {
        &self.all[id.0 as usize]
    }

    /// Whether two constraints are copies of one definition.
    fn same(&self, a: &Constraint, b: &Constraint) -> bool {
        let paths = |c: &Constraint| {
            let first = c.selector as usize;
            &self.paths[first..=first + c.fields as usize]
        };
        a.kind == b.kind && a.source == b.source && paths(a) == paths(b)
    }

    fn constraint(
        &mut self,
        set: &SchemaSet,
        data: &IdentityConstraintData,
        definition: ConstraintId,
        symbols: &mut Symbols,
    ) -> Result<Constraint, NotCompiled> {
        let name = set.name_table.resolve_ref(data.name);
        let selector = self.paths.len() as u32;
        let texts = std::iter::once((&data.selector.xpath, &data.selector.ns_snapshot, false));
        let fields = data.fields.iter().map(|field| (&field.xpath, &field.ns_snapshot, true));
        for (text, scope, field) in texts.chain(fields) {
            let path = Path::compile(text, field, symbols, &|prefix| resolve(set, scope, prefix));
            let path = path.ok_or_else(|| not_compiled("path of an identity constraint", name))?;
            self.paths.push(path);
        }
        let kind = match data.kind {
            IdentityKind::Unique => Kind::Unique,
            IdentityKind::Key => Kind::Key,
            // Its goal may come later.
            IdentityKind::Keyref => Kind::Keyref(definition),
        };
        let fields = data.fields.len() as u32;
        let source = data.source.as_ref().map(|source| (source.doc_id, source.span));
        Ok(Constraint { name: name.into(), kind, definition, selector, fields, source })
    }
}

/// The target namespace of the document that defines a constraint.
fn namespace(set: &SchemaSet, data: &IdentityConstraintData) -> Option<NameId> {
    let document = set.documents.get(data.source.as_ref()?.doc_id as usize)?;
    document.target_namespace
}

fn resolve(set: &SchemaSet, scope: &NamespaceContextSnapshot, prefix: &str) -> Option<String> {
    let prefix = set.name_table.get(prefix)?;
    scope.resolve_prefix(prefix).map(|uri| set.name_table.resolve(uri))
}

fn not_compiled(construct: &'static str, name: &str) -> NotCompiled {
    NotCompiled { construct, place: name.to_owned() }
}
