//! Identity constraints (Structures 3.11) and the IDs of a document (3.15.4), judged while it
//! streams.
//!
//! [`Constraints`] holds what the schemas say, compiled once. [`Keys`] goes along with one
//! document: it is told where elements start and end, says in constant time whether the value of
//! an attribute or of an element's content is a field of a key, and takes it as the octets that
//! stand for it (equal octets, equal values). [`Ids`] does the same for `xs:ID` and `xs:IDREF`.
//!
//! Nothing is kept of a document but its keys, its references not yet satisfied and its IDs, up
//! to [`MAX_KEY_BYTES`]. What elements have to do with it costs nothing outside the elements that
//! carry constraints.

mod compile;
mod ids;
mod keys;
mod path;
mod propagate;
mod references;
mod table;
#[cfg(test)]
mod tests;

use super::ConstraintId;

pub(in crate::validate) use compile::Constraints;
pub(in crate::validate) use ids::Ids;
pub(in crate::validate) use keys::Keys;

/// Most memory of one document's keys and references, and as much again of its IDs, in bytes.
/// A document that needs more gets no answer.
pub(in crate::validate) const MAX_KEY_BYTES: usize = 64 << 20;
/// Most paths followed at once, summed over the open elements. Only constraints with `.//` on an
/// element that contains itself come near it.
pub(in crate::validate) const MAX_FOLLOWED: usize = 16_384;

/// A limit was reached, and there is no answer for this document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) struct GaveUp;

/// The node that a field found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Value<'v> {
    /// Its value, as the octets that all equal values have and no others.
    Octets(&'v [u8]),
    /// It is nilled. Nilled fields are equal to each other and to no value.
    Nil,
    /// It has no simple type: its content is elements, mixed or empty, or nobody declared it.
    NoSimpleType,
    /// Its value is none of its type. That was reported; what follows from it is not.
    Invalid,
}

/// A constraint does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::validate) struct Broken<P> {
    /// The clause, e.g. `cvc-identity-constraint.4.2.1`.
    pub(in crate::validate) rule: &'static str,
    /// Which constraint.
    pub(in crate::validate) constraint: ConstraintId,
    /// The element with the key or the reference, in the runner's terms.
    pub(in crate::validate) place: P,
}
