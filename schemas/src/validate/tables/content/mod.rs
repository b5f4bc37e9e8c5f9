//! Content models (Structures 3.8, 3.9) as deterministic automata with counters.
//!
//! The library gives the model of a type as a non-deterministic automaton ([`model`]). Here its
//! states that read the same are put together ([`build`]): where no counter is left, a name leads
//! to one state; where one is left, to one state and one number, or, in the few models whose
//! counts a name does not settle, to a small set of both ([`automaton`]). `xs:all` is a set of
//! bits ([`all`]). A step allocates nothing once the run's buffers are warm.

mod all;
mod automaton;
mod build;
mod closure;
mod labels;
mod model;
#[cfg(test)]
mod tests;

use xsd_schema::compiler::{NfaTerm, SubstitutionGroupMap};
use xsd_schema::{ComplexTypeKey, ElementKey, SchemaSet};

use super::{ContentId, ElementId, NotCompiled, Symbol, Symbols, Wildcard, WildcardId};
use all::AllGroup;
use automaton::{Automaton, Configuration};
use labels::Namer;
use model::Model as Found;
pub(super) use model::says_nothing;

/// What admitted an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Term {
    /// A declaration, that of the head or of the member of its substitution group.
    Element(ElementId),
    /// A wildcard.
    Wildcard(WildcardId),
}

/// What may stand at a place. The namespaces of a wildcard are in the table of wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Expected {
    /// An element of this name.
    Element(Symbol),
    /// What a wildcard admits.
    Wildcard(WildcardId),
}

/// The schemas that content models are compiled from.
#[derive(Clone, Copy)]
pub(in crate::validate) struct Source<'a> {
    /// All components.
    pub(in crate::validate) set: &'a SchemaSet,
    /// Who may stand for whom: `build_substitution_group_map` of the same set. Abstract and
    /// blocked members are not in it.
    pub(in crate::validate) groups: &'a SubstitutionGroupMap,
}

/// The content models of a schema set.
#[derive(Debug, Default)]
pub(in crate::validate) struct Contents {
    models: Vec<Model>,
    /// The one model of all types without child elements.
    empty: Option<ContentId>,
}

#[derive(Debug)]
enum Model {
    Empty,
    Automaton(Automaton),
    All(AllGroup),
}

/// Configurations, and words of members, whose memory is kept from one document to the next.
const KEPT_CONFIGURATIONS: usize = 64;

/// How far one element's content has come. Made once, used for one element after the other: it
/// keeps its buffers, which only `xs:all` and models with unsettled counts fill.
#[derive(Clone, Debug, Default)]
pub(in crate::validate) struct Run {
    here: Configuration,
    /// Instead of `here` where counts are not settled; at most `MAX_CONFIGURATIONS`.
    all: Vec<Configuration>,
    next: Vec<Configuration>,
    /// For `xs:all`: the members that have come, one bit each.
    seen: Vec<u64>,
}

impl Run {
    /// Keeps little memory for another schema set.
    pub(in crate::validate) fn shrink(&mut self) {
        if self.all.capacity() > KEPT_CONFIGURATIONS || self.seen.capacity() > KEPT_CONFIGURATIONS {
            *self = Self::default();
        }
    }
}

impl Contents {
    /// Compiles the content model of one complex type. A type with simple or no content gets the
    /// model that admits no element.
    ///
    /// `element` numbers a declaration: that of the term, or the global one that is given, a
    /// member of the substitution group that the term's declaration heads. `wildcard` numbers a
    /// wildcard. Both are asked at most once per term of this type, and must know what they
    /// numbered before.
    ///
    /// # Errors
    ///
    /// What the automaton cannot hold exactly: see the constants of this module's parts.
    pub(in crate::validate) fn compile_one(
        &mut self,
        source: Source<'_>,
        key: ComplexTypeKey,
        symbols: &mut Symbols,
        element: &mut impl FnMut(&NfaTerm, Option<ElementKey>) -> ElementId,
        wildcard: &mut impl FnMut(Wildcard) -> WildcardId,
    ) -> Result<ContentId, NotCompiled> {
        let set = source.set;
        let compiled = set
            .arenas
            .complex_types
            .get(key)
            .ok_or("a type that is not in the set")
            .and_then(|definition| {
                let found = model::of(set, definition)?;
                let target = definition.target_namespace;
                let mut namer = Namer::new(source, target, symbols, element, wildcard);
                match found {
                    Found::Empty => Ok(Model::Empty),
                    Found::All(group) => AllGroup::compile(&group, &mut namer).map(Model::All),
                    Found::Table(table) => build::compile(&table, &mut namer).map(|automaton| {
                        if automaton.is_empty() {
                            Model::Empty
                        } else {
                            Model::Automaton(automaton)
                        }
                    }),
                }
            })
            .map_err(|construct| NotCompiled { construct, place: model::place(set, key) })?;
        Ok(self.add(compiled))
    }

    fn add(&mut self, model: Model) -> ContentId {
        if let (Model::Empty, Some(known)) = (&model, self.empty) {
            return known;
        }
        // One per complex type of a set of at most MAX_SCHEMA_BYTES of text per document.
        let id = ContentId(self.models.len() as u32);
        if matches!(model, Model::Empty) {
            self.empty = Some(id);
        }
        self.models.push(model);
        id
    }

    /// Puts a run at the beginning of a model.
    pub(in crate::validate) fn start(&self, id: ContentId, run: &mut Run) {
        match self.model(id) {
            Model::Empty => {}
            Model::Automaton(automaton) => automaton.start(run),
            Model::All(group) => group.start(run),
        }
    }

    /// Takes the next child element: what admits it, or none where it is not allowed; the run
    /// stays where it was then. `symbol` is none for a name the schemas do not know, `namespace`
    /// is the name's, empty for none.
    ///
    /// Unique Particle Attribution leaves at most one answer. In a set that breaks the rule and
    /// is tolerated, the answer is the first in document order, wildcards included, and all
    /// particles that admit the element go on side by side.
    #[inline]
    pub(in crate::validate) fn step(
        &self,
        id: ContentId,
        run: &mut Run,
        symbol: Option<Symbol>,
        namespace: &str,
    ) -> Option<Term> {
        match self.model(id) {
            Model::Empty => None,
            Model::Automaton(automaton) => automaton.step(run, symbol, namespace),
            Model::All(group) => group.step(run, symbol?),
        }
    }

    /// Goes on after an element that is not allowed here: what admits it elsewhere in this model,
    /// and whether that is further on, where the run goes then. So what follows one mistake is judged
    /// as if it had not been made.
    pub(in crate::validate) fn resume(
        &self,
        id: ContentId,
        run: &mut Run,
        symbol: Symbol,
    ) -> Option<(Term, bool)> {
        match self.model(id) {
            Model::Empty => None,
            Model::Automaton(automaton) => automaton.resume(run, symbol),
            Model::All(group) => group.declared(symbol).map(|term| (term, false)),
        }
    }

    /// Whether the content may end here.
    #[inline]
    pub(in crate::validate) fn accepts(&self, id: ContentId, run: &Run) -> bool {
        match self.model(id) {
            Model::Empty => true,
            Model::Automaton(automaton) => automaton.accepts(run),
            Model::All(group) => group.accepts(run),
        }
    }

    /// What may stand here, in the order of the schema, each once. For findings only: it
    /// allocates.
    pub(in crate::validate) fn expected(&self, id: ContentId, run: &Run) -> Vec<Expected> {
        let mut found = match self.model(id) {
            Model::Empty => Vec::new(),
            Model::Automaton(automaton) => automaton.expected(run),
            Model::All(group) => group.expected(run),
        };
        found.sort_by_key(|(order, _)| *order);
        let mut each: Vec<Expected> = Vec::new();
        for (_, one) in found {
            if !each.contains(&one) {
                each.push(one);
            }
        }
        each
    }

    /// The elements that a model admits at some place, by declarations and not by wildcards.
    pub(in crate::validate) fn elements(&self, id: ContentId) -> Vec<(Symbol, ElementId)> {
        match self.model(id) {
            Model::Empty => Vec::new(),
            Model::Automaton(automaton) => automaton.elements(),
            Model::All(group) => group.elements(),
        }
    }

    fn model(&self, id: ContentId) -> &Model {
        &self.models[id.0 as usize]
    }
}
