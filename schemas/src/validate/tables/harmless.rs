//! Elements and attributes that a pack marks as harmless: their values may be told in findings (P7).
//!
//! A mark is the end of a path of local names: `nachrichtenUUID`, `nachrichtentyp/code`, `@version`,
//! `kopf/@version`. It stands for declarations of the schemas and is checked against them when a
//! pack is loaded; whether a value of a message stands under such a declaration is the business of
//! the run.

use std::collections::BTreeSet;

use super::components::{ANY_TYPE, Content};
use super::{ComplexId, ElementId, SimpleId, Symbol, Tables, TypeId};

/// Most marks of a pack.
const MAX_MARKS: usize = 1_000;
/// Most steps of a mark.
const MAX_STEPS: usize = 8;

/// Why a name cannot be marked as harmless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHarmless {
    /// More than a thousand.
    #[error("harmless: more than {MAX_MARKS} names")]
    TooMany,
    /// No name, no attribute and no path of them.
    #[error(
        "harmless: '{0}' is no name; write element, @attribute, or a path of at most {MAX_STEPS} \
         such as element/element or element/@attribute"
    )]
    NoName(String),
    /// The schemas declare nothing of this name.
    #[error("harmless: '{0}' is no element or attribute of the schemas")]
    Unknown(String),
    /// Elements without a simple type.
    #[error("harmless: '{0}' holds elements, not text; name the element inside it")]
    NotSimple(String),
    /// A name without a path, for declarations that have little in common.
    #[error(
        "harmless: '{0}' stands for values of different types; put the element around it before \
         it, such as element/{0}"
    )]
    Ambiguous(String),
    /// Values are told by the tables alone.
    #[error("harmless needs compiled schemas, and these are not ({0})")]
    ByLibrary(String),
}

/// The marks of a pack.
#[derive(Debug, Default)]
pub(in crate::validate) struct Harmless(Vec<Mark>);

#[derive(Debug)]
struct Mark {
    /// Local names of elements, the innermost last; of an attribute those around it, or none.
    steps: Vec<Box<str>>,
    attribute: Option<Box<str>>,
}

impl Harmless {
    /// Whether an element is marked; `way` has the names from the root to it.
    pub(in crate::validate) fn element(&self, way: &[&str]) -> bool {
        self.0.iter().any(|mark| mark.attribute.is_none() && mark.ends(way))
    }

    /// Whether an attribute is marked; `way` leads to its element.
    pub(in crate::validate) fn attribute(&self, way: &[&str], name: &str) -> bool {
        self.0.iter().any(|mark| mark.attribute.as_deref() == Some(name) && mark.ends(way))
    }

    /// Whether there is no mark.
    pub(in crate::validate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Mark {
    fn parse(name: &str) -> Option<Self> {
        let mut steps: Vec<Box<str>> = name.split('/').map(Into::into).collect();
        let attribute = match steps.last()?.strip_prefix('@') {
            Some(attribute) => {
                let attribute = attribute.into();
                steps.pop();
                Some(attribute)
            }
            None => None,
        };
        let fits = |step: &str| {
            !step.is_empty() && !step.contains(['@', ':']) && !step.contains(char::is_whitespace)
        };
        let few = steps.len() + usize::from(attribute.is_some()) <= MAX_STEPS;
        let named = steps.iter().chain(&attribute).all(|step| fits(step));
        (few && named).then_some(Self { steps, attribute })
    }

    fn ends(&self, way: &[&str]) -> bool {
        let ends = self.steps.iter().rev().zip(way.iter().rev());
        way.len() >= self.steps.len() && ends.into_iter().all(|(step, name)| **step == **name)
    }
}

impl Tables {
    /// The marks of a pack, where each stands for something in these schemas that has a value.
    ///
    /// # Errors
    ///
    /// See [`NotHarmless`].
    pub(in crate::validate) fn harmless(&self, names: &[String]) -> Result<Harmless, NotHarmless> {
        if names.len() > MAX_MARKS {
            return Err(NotHarmless::TooMany);
        }
        let mark = |name: &String| {
            let mark = Mark::parse(name).ok_or_else(|| NotHarmless::NoName(name.clone()))?;
            let types = self.types_of(&mark);
            let simple: BTreeSet<SimpleId> = types.iter().flatten().copied().collect();
            let bare = mark.steps.len() + usize::from(mark.attribute.is_some()) == 1;
            match (types.len(), simple.len()) {
                (0, _) => Err(NotHarmless::Unknown(name.clone())),
                (_, 0) => Err(NotHarmless::NotSimple(name.clone())),
                // One name for two things: the pack can hardly mean both.
                (2.., _) if bare => Err(NotHarmless::Ambiguous(name.clone())),
                _ => Ok(mark),
            }
        };
        names.iter().map(mark).collect::<Result<_, _>>().map(Harmless)
    }

    /// The types of the values that a mark stands for; none in the place of one that is not simple.
    fn types_of(&self, mark: &Mark) -> BTreeSet<Option<SimpleId>> {
        let all: BTreeSet<_> = (0..self.complex.len() as u32).map(ComplexId).collect();
        let mut holders = all.clone();
        let mut elements = BTreeSet::new();
        for (n, step) in mark.steps.iter().enumerate() {
            let mut found = self.children(&holders);
            if n == 0 {
                found.extend(self.global_elements());
            }
            found.retain(|(symbol, _)| *self.symbols.local(*symbol) == **step);
            elements = found.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>();
            holders = elements.iter().flat_map(|id| self.complex_types_of(*id)).collect();
        }
        match &mark.attribute {
            Some(name) => {
                let uses = holders.iter().flat_map(|id| &self.complex(*id).uses);
                let named = uses.filter(|one| *self.symbols.local(one.name) == **name);
                named.map(|one| Some(one.kind)).collect()
            }
            None => elements.iter().map(|id| self.simple_type_of(*id)).collect(),
        }
    }

    fn global_elements(&self) -> impl Iterator<Item = (Symbol, ElementId)> + '_ {
        let all = (0..self.symbols.len()).filter_map(|n| self.symbols.at(n));
        all.filter_map(|symbol| Some((symbol, self.global(Some(symbol)).element?)))
    }

    fn children(&self, holders: &BTreeSet<ComplexId>) -> BTreeSet<(Symbol, ElementId)> {
        let models = holders.iter().filter_map(|id| match self.complex(*id).content {
            Content::Elements(model) | Content::Mixed(model) => Some(model),
            _ => None,
        });
        models.flat_map(|model| self.contents.elements(model)).collect()
    }

    /// The complex types that an element may have: its own, and those that `xsi:type` may name.
    fn complex_types_of(&self, id: ElementId) -> Vec<ComplexId> {
        let TypeId::Complex(own) = self.element(id).kind else { return Vec::new() };
        let derived = self.derivations.pairs.keys().filter_map(|(derived, base)| match derived {
            TypeId::Complex(derived) if *base == TypeId::Complex(own) => Some(*derived),
            _ => None,
        });
        // What stands where anything may stand is nobody's declaration.
        if own == ANY_TYPE { Vec::new() } else { derived.chain([own]).collect() }
    }

    fn simple_type_of(&self, id: ElementId) -> Option<SimpleId> {
        match self.element(id).kind {
            TypeId::Simple(simple) => Some(simple),
            TypeId::Complex(id) => match self.complex(id).content {
                Content::Simple(simple) => Some(simple),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmless(names: &[&str]) -> Harmless {
        Harmless(names.iter().map(|name| Mark::parse(name).expect("a mark")).collect())
    }

    #[test]
    fn a_mark_is_the_end_of_a_path() {
        let marks = harmless(&["a", "b/c", "@d", "e/@f"]);
        assert!(marks.element(&["r", "a"]) && marks.element(&["a"]));
        assert!(marks.element(&["r", "b", "c"]));
        for way in [&["r", "c"][..], &["c"], &["b", "x", "c"], &["a", "r"], &["d"], &[]] {
            assert!(!marks.element(way), "{way:?}");
        }
        assert!(marks.attribute(&["r"], "d") && marks.attribute(&["r", "e"], "f"));
        assert!(!marks.attribute(&["r"], "f") && !marks.attribute(&["r", "a"], "a"));
    }

    #[test]
    fn what_is_no_name_is_no_mark() {
        for name in ["", "/", "/a", "a/", "a//b", "@", "@a/b", "a/@b/@c", "p:a", "a b", "@a@b"] {
            assert!(Mark::parse(name).is_none(), "{name}");
        }
        assert!(Mark::parse(&["a"; MAX_STEPS].join("/")).is_some());
        assert!(Mark::parse(&["a"; MAX_STEPS + 1].join("/")).is_none());
    }
}
