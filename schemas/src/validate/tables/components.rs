//! What the tables hold of elements, types and attributes.

use super::{ComplexId, ConstraintId, ContentId, SimpleId, Symbol, TypeId, WildcardId};

/// An element declaration (Structures 3.3.1).
#[derive(Debug)]
pub(in crate::validate) struct Element {
    /// {type definition}.
    pub(in crate::validate) kind: TypeId,
    /// {nillable}.
    pub(in crate::validate) nillable: bool,
    /// {abstract}.
    pub(in crate::validate) is_abstract: bool,
    /// {disallowed substitutions}, as far as `xsi:type` is concerned.
    pub(in crate::validate) block: Block,
    /// {value constraint}.
    pub(in crate::validate) value: Option<ValueConstraint>,
    /// {identity-constraint definitions}.
    pub(in crate::validate) constraints: Box<[ConstraintId]>,
}

/// A complex type definition (Structures 3.4.1).
#[derive(Debug)]
pub(in crate::validate) struct Complex {
    /// {content type}.
    pub(in crate::validate) content: Content,
    /// {attribute uses}, sorted by name.
    pub(in crate::validate) uses: Box<[AttributeUse]>,
    /// How many of them must be there.
    pub(in crate::validate) required: usize,
    /// Some have a default, which counts as there for keys and IDs.
    pub(in crate::validate) has_defaults: bool,
    /// {attribute wildcard}.
    pub(in crate::validate) wildcard: Option<WildcardId>,
    /// {abstract}.
    pub(in crate::validate) is_abstract: bool,
    /// {prohibited substitutions}.
    pub(in crate::validate) block: Block,
}

/// What may stand inside an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Content {
    /// Nothing, not even white space.
    Empty,
    /// Text of this type.
    Simple(SimpleId),
    /// Elements.
    Elements(ContentId),
    /// Elements, and any text between them.
    Mixed(ContentId),
    /// Anything that is well-formed; what is declared is followed: `xs:anyType`.
    Any,
}

/// An attribute use with its declaration (Structures 3.2.1, 3.5.1).
#[derive(Clone, Debug)]
pub(in crate::validate) struct AttributeUse {
    /// The attribute's name.
    pub(in crate::validate) name: Symbol,
    /// {type definition}.
    pub(in crate::validate) kind: SimpleId,
    /// {required}.
    pub(in crate::validate) required: bool,
    /// The effective value constraint.
    pub(in crate::validate) value: Option<ValueConstraint>,
}

/// A default or fixed value.
#[derive(Clone, Debug)]
pub(in crate::validate) struct ValueConstraint {
    /// `fixed`, not `default`.
    pub(in crate::validate) fixed: bool,
    /// As the schema writes it.
    pub(in crate::validate) text: Box<str>,
    /// Equality key of the value under the declared type; none where the content is not simple.
    pub(in crate::validate) key: Option<Box<[u8]>>,
}

/// Ways of derivation: a subset of extension, restriction and substitution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::validate) struct Block(pub(in crate::validate) u8);

impl Block {
    /// All subsets, as indexes.
    pub(in crate::validate) const SUBSETS: usize = 8;

    /// Both together.
    pub(in crate::validate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Which types may stand in for which by `xsi:type` (Structures 3.3.4, clause 4.3).
#[derive(Debug, Default)]
pub(in crate::validate) struct Derivations {
    /// For a named type and one that it derives from: bit n is set where it may stand in when the
    /// subset n of [`Block`] is barred.
    pub(super) pairs: std::collections::HashMap<(TypeId, TypeId), u8>,
}

impl Derivations {
    /// Whether `derived` is derived from `base` at all, and without a step that is barred.
    pub(in crate::validate) fn of(
        &self,
        derived: TypeId,
        base: TypeId,
        barred: Block,
    ) -> Derivation {
        let ways = self.pairs.get(&(derived, base)).copied().unwrap_or(0);
        if derived == base || ways & (1 << (barred.0 as usize % Block::SUBSETS)) != 0 {
            Derivation::Allowed
        } else if ways & 1 != 0 {
            Derivation::Barred
        } else {
            Derivation::None
        }
    }
}

/// How one type stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Derivation {
    /// Derived, and nothing stands against it.
    Allowed,
    /// Derived, in a way that is barred.
    Barred,
    /// Not derived.
    None,
}

/// A global name: what the set declares under it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::validate) struct Globals {
    /// Element.
    pub(in crate::validate) element: Option<super::ElementId>,
    /// Attribute: an index into the table of global attributes.
    pub(in crate::validate) attribute: Option<u32>,
    /// Type.
    pub(in crate::validate) kind: Option<TypeId>,
}

/// The complex type `xs:anyType`.
pub(in crate::validate) const ANY_TYPE: ComplexId = ComplexId(0);
