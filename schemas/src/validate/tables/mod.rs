//! A schema set compiled into flat tables, and the validator that runs on them.

mod appinfo;
mod attributes;
mod compile;
mod components;
mod content;
mod harmless;
mod hints;
mod identity;
mod namespaces;
mod run;
mod simple;
mod symbols;

use xsd_schema::types::simple::BuiltInType;
use xsd_schema::{SchemaSet, TypeKey};

use self::components::{AttributeUse, Complex, Derivations, Element, Globals};
use self::content::Contents;
use self::identity::Constraints;
use self::simple::SimpleTypes;
pub(crate) use self::simple::block;

pub(in crate::validate) use harmless::Harmless;
pub use harmless::NotHarmless;
pub(in crate::validate) use hints::{Here, Name};
pub(in crate::validate) use run::{Memory as RunMemory, Run};
pub(crate) use simple::date_time;
pub(in crate::validate) use symbols::{Symbol, Symbols};

/// Namespace of the schema language.
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// Namespace of what documents say about their schema.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A schema set, compiled. It needs the library no more, and any number of runs may share it.
#[derive(Debug)]
pub(in crate::validate) struct Tables {
    symbols: Symbols,
    simple: SimpleTypes,
    contents: Contents,
    constraints: Constraints,
    elements: Vec<Element>,
    complex: Vec<Complex>,
    wildcards: Vec<Wildcard>,
    /// Global attributes.
    attributes: Vec<AttributeUse>,
    /// By symbol.
    globals: Vec<Globals>,
    derivations: Derivations,
}

impl Tables {
    fn element(&self, id: ElementId) -> &Element {
        &self.elements[id.0 as usize]
    }

    fn complex(&self, id: ComplexId) -> &Complex {
        &self.complex[id.0 as usize]
    }

    fn wildcard(&self, id: WildcardId) -> &Wildcard {
        &self.wildcards[id.0 as usize]
    }

    /// What is declared globally under a name.
    fn global(&self, symbol: Option<Symbol>) -> Globals {
        symbol.and_then(|symbol| self.globals.get(symbol.index())).copied().unwrap_or_default()
    }
}

/// The wildcard of the ur-type.
fn anything() -> Wildcard {
    Wildcard { namespaces: NamespaceSet::Any, process: Process::Lax }
}

/// The built-in types of XSD 1.0, by local name.
fn builtin_types(set: &SchemaSet) -> impl Iterator<Item = (&'static str, TypeKey)> + '_ {
    let simple = BuiltInType::all().filter(|one| !one.is_xsd11()).filter_map(|one| {
        let key = set.builtin_types().get_by_type_code(one.type_code())?;
        Some((one.local_name(), TypeKey::Simple(key)))
    });
    simple.chain([("anyType", TypeKey::Complex(set.any_type_key()))])
}

/// The number of an element declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct ElementId(pub(in crate::validate) u32);

/// The number of a simple type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct SimpleId(pub(in crate::validate) u32);

/// The number of a complex type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct ComplexId(pub(in crate::validate) u32);

/// The number of a content model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct ContentId(pub(in crate::validate) u32);

/// The number of a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct WildcardId(pub(in crate::validate) u32);

/// The number of an identity constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct ConstraintId(pub(in crate::validate) u32);

/// A type of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) enum TypeId {
    /// Text only, no attributes.
    Simple(SimpleId),
    /// Attributes, and elements or text.
    Complex(ComplexId),
}

/// `xs:any` or `xs:anyAttribute` (Structures 3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) struct Wildcard {
    /// Namespaces it admits.
    pub(in crate::validate) namespaces: NamespaceSet,
    /// What becomes of what it admits.
    pub(in crate::validate) process: Process,
}

/// A set of namespaces; the empty text stands for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) enum NamespaceSet {
    /// Every one.
    Any,
    /// Every one but these.
    Not(Box<[Box<str>]>),
    /// These.
    These(Box<[Box<str>]>),
}

/// {process contents} of a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Process {
    /// There must be a declaration, and it is followed.
    Strict,
    /// A declaration is followed where there is one.
    Lax,
    /// Nothing is looked at.
    Skip,
}

impl NamespaceSet {
    /// Whether names of this namespace belong to it; empty for no namespace.
    #[inline]
    fn admits(&self, namespace: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Not(these) => !these.iter().any(|one| **one == *namespace),
            Self::These(these) => these.iter().any(|one| **one == *namespace),
        }
    }
}

impl Wildcard {
    /// Whether a name of this namespace is admitted.
    pub(in crate::validate) fn allows(&self, namespace: &str) -> bool {
        self.namespaces.admits(namespace)
    }
}

/// A construct that the tables cannot hold; the set goes through the library then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) struct NotCompiled {
    /// What it is, e.g. `counters of a group that may be empty`.
    pub(in crate::validate) construct: &'static str,
    /// Where: the name of the type, element or constraint.
    pub(in crate::validate) place: String,
}
