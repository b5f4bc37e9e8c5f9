//! What the terms of a content model admit: names with their declarations, or namespaces.

use std::collections::HashMap;

use xsd_schema::compiler::NfaTerm;
use xsd_schema::parser::frames::DerivationMethod;
use xsd_schema::schema::model::DerivationSet;
use xsd_schema::types::complex::{NamespaceConstraint, ProcessContents};
use xsd_schema::{ElementKey, NameId, SchemaSet, TypeKey};

use super::super::{ElementId, NamespaceSet, Process, Symbol, Symbols, Wildcard, WildcardId};
use super::Source;

/// Most types from one to its last ancestor.
const MAX_ANCESTORS: usize = 100;

/// What one term admits.
#[derive(Clone, Debug)]
pub(super) enum Label {
    /// These names, each by a declaration; in document order of the declarations.
    Names(Vec<(Symbol, ElementId)>),
    /// Names of these namespaces.
    Wildcard(NamespaceSet, WildcardId),
}

/// Turns the library's terms into labels, and asks the caller for the numbers.
pub(super) struct Namer<'a, E, W> {
    source: Source<'a>,
    /// The target namespace of the type, which `##other` and `##targetNamespace` mean.
    target: Option<NameId>,
    pub(super) symbols: &'a mut Symbols,
    element: &'a mut E,
    wildcard: &'a mut W,
    labels: Vec<Label>,
    /// The labels of declarations, by what makes two terms of one type the same.
    elements: HashMap<Declared, usize>,
    /// Those of wildcards, which are few.
    wildcards: Vec<(Wildcard, usize)>,
}

/// A declaration as a term names it: name, namespace, its key or else its type.
type Declared = (NameId, Option<NameId>, Option<ElementKey>, Option<TypeKey>);

impl<'a, E, W> Namer<'a, E, W>
where
    E: FnMut(&NfaTerm, Option<ElementKey>) -> ElementId,
    W: FnMut(Wildcard) -> WildcardId,
{
    pub(super) fn new(
        source: Source<'a>,
        target: Option<NameId>,
        symbols: &'a mut Symbols,
        element: &'a mut E,
        wildcard: &'a mut W,
    ) -> Self {
        Self {
            source,
            target,
            symbols,
            element,
            wildcard,
            labels: Vec::new(),
            elements: HashMap::new(),
            wildcards: Vec::new(),
        }
    }

    /// The label of a term, as a number for [`Namer::get`].
    pub(super) fn label(&mut self, term: &NfaTerm) -> Result<usize, &'static str> {
        match term {
            NfaTerm::Element { name, namespace, element_key, resolved_type } => {
                let declared = (*name, *namespace, *element_key, *resolved_type);
                if let Some(known) = self.elements.get(&declared) {
                    return Ok(*known);
                }
                let names = self.names(term, *name, *namespace, *element_key)?;
                self.elements.insert(declared, self.labels.len());
                self.labels.push(Label::Names(names));
            }
            NfaTerm::Wildcard { namespace_constraint, process_contents, not_qnames } => {
                if !not_qnames.is_empty() {
                    return Err("a wildcard that leaves out names");
                }
                let namespaces = namespaces(self.source.set, namespace_constraint, self.target);
                let process = match process_contents {
                    ProcessContents::Strict => Process::Strict,
                    ProcessContents::Lax => Process::Lax,
                    ProcessContents::Skip => Process::Skip,
                };
                let wildcard = Wildcard { namespaces, process };
                if let Some((_, known)) = self.wildcards.iter().find(|(one, _)| *one == wildcard) {
                    return Ok(*known);
                }
                self.wildcards.push((wildcard.clone(), self.labels.len()));
                let namespaces = wildcard.namespaces.clone();
                self.labels.push(Label::Wildcard(namespaces, (self.wildcard)(wildcard)));
            }
        }
        Ok(self.labels.len() - 1)
    }

    /// A label by its number.
    pub(super) fn get(&self, label: usize) -> &Label {
        &self.labels[label]
    }

    fn names(
        &mut self,
        term: &NfaTerm,
        name: NameId,
        namespace: Option<NameId>,
        key: Option<ElementKey>,
    ) -> Result<Vec<(Symbol, ElementId)>, &'static str> {
        let Source { set, groups } = self.source;
        let Some(members) = key.and_then(|key| groups.get(&key)) else {
            return Ok(vec![(self.symbol(name, namespace), (self.element)(term, None))]);
        };
        let mut found = Vec::with_capacity(members.len());
        for &(member, within) in members {
            let itself = member == name && within == namespace;
            let declared = if itself { key } else { set.lookup_element(within, member) };
            let declared = declared.ok_or("a member of a substitution group that is not global")?;
            if itself || key.is_none_or(|head| !barred_between(set, head, declared)) {
                found.push((declared, itself, member, within));
            }
        }
        // The arena holds declarations in the order they were read.
        found.sort_unstable_by_key(|(declared, ..)| *declared);
        Ok(found
            .into_iter()
            .map(|(declared, itself, member, within)| {
                let element = (self.element)(term, (!itself).then_some(declared));
                (self.symbol(member, within), element)
            })
            .collect())
    }

    fn symbol(&mut self, name: NameId, namespace: Option<NameId>) -> Symbol {
        let names = &self.source.set.name_table;
        let namespace = namespace.map(|id| names.resolve(id)).unwrap_or_default();
        self.symbols.add(&namespace, &names.resolve(name))
    }
}

/// Whether a type between those of a member and of the head bars a way by which the one is derived
/// from the other (3.3.6, Substitution Group OK (Transitive), clause 2.3). What head and type of the
/// head bar themselves the library has asked.
fn barred_between(set: &SchemaSet, head: ElementKey, member: ElementKey) -> bool {
    let any = TypeKey::Complex(set.any_type_key());
    let kind = |key| set.arenas.elements.get(key).and_then(|one| one.resolved_type).unwrap_or(any);
    let (head, mut here) = (kind(head), kind(member));
    let (mut ways, mut barred) = (DerivationSet::empty(), DerivationSet::empty());
    for step in 0..MAX_ANCESTORS {
        if here == head {
            return !(ways & barred).is_empty();
        }
        let base = match here {
            TypeKey::Complex(key) => {
                let Some(definition) = set.arenas.complex_types.get(key) else { return false };
                if step > 0 {
                    barred |= definition.block;
                }
                ways |= match definition.derivation_method {
                    Some(DerivationMethod::Extension) => DerivationSet::EXTENSION,
                    _ => DerivationSet::RESTRICTION,
                };
                definition.resolved_base_type.unwrap_or(any)
            }
            TypeKey::Simple(key) => {
                ways |= DerivationSet::RESTRICTION;
                let written = set.arenas.simple_types.get(key);
                let base = written.and_then(|one| one.resolved_base_type);
                let built_in = || set.builtin_types().get_base_type(key).map(TypeKey::Simple);
                base.or_else(built_in).unwrap_or(any)
            }
        };
        if base == here {
            break;
        }
        here = base;
    }
    // A union stands for its members, which are no descendants.
    false
}

/// The namespaces of a wildcard that belongs to the target namespace given (3.10.2).
fn namespaces(
    set: &SchemaSet,
    constraint: &NamespaceConstraint,
    target: Option<NameId>,
) -> NamespaceSet {
    let text = |id: &Option<NameId>| -> Box<str> {
        id.map(|id| set.name_table.resolve(id)).unwrap_or_default().into()
    };
    let sorted = |ids: &[Option<NameId>]| -> Box<[Box<str>]> {
        let mut all: Vec<Box<str>> = ids.iter().map(text).collect();
        all.sort_unstable();
        all.dedup();
        all.into()
    };
    match constraint {
        NamespaceConstraint::Any => NamespaceSet::Any,
        NamespaceConstraint::Other => NamespaceSet::Not(sorted(&[target, None])),
        NamespaceConstraint::TargetNamespace => NamespaceSet::These(sorted(&[target])),
        NamespaceConstraint::Local => NamespaceSet::These(sorted(&[None])),
        NamespaceConstraint::List(these) => NamespaceSet::These(sorted(these)),
        NamespaceConstraint::Not(these) => NamespaceSet::Not(sorted(these)),
    }
}
