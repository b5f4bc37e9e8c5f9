//! What the fields of a target found, until its key sequence is complete.

use crate::validate::tables::identity::Value;

/// Bytes that the buffer of a field keeps for the next value.
pub(super) const MAX_KEPT: usize = 4096;

/// What a field found.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) found: Found,
    /// The declaration of an element found allows `xsi:nil`.
    pub(super) nillable: bool,
    pub(super) octets: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Found {
    #[default]
    Nothing,
    Octets,
    Nil,
    Invalid,
    /// More than one node, or one without a simple type.
    Unfit,
}

impl Slot {
    pub(super) fn empty(&mut self) {
        self.found = Found::Nothing;
        self.nillable = false;
        self.octets.clear();
        self.octets.shrink_to(MAX_KEPT);
    }

    pub(super) fn fill(&mut self, value: Value<'_>, nillable: bool) {
        self.nillable |= nillable;
        if self.found != Found::Nothing {
            self.found = Found::Unfit;
            return;
        }
        self.found = match value {
            Value::Octets(octets) => {
                self.octets.extend_from_slice(octets);
                Found::Octets
            }
            Value::Nil => Found::Nil,
            Value::NoSimpleType => Found::Unfit,
            Value::Invalid => Found::Invalid,
        };
    }

    /// The field as a part of a key sequence: 0 for nil; else the length and one, seven bits at a
    /// time, and the octets. So different sequences never have the same octets.
    pub(super) fn append(&self, sequence: &mut Vec<u8>) {
        if self.found == Found::Nil {
            sequence.push(0);
            return;
        }
        let mut length = self.octets.len() + 1;
        while length >= 0x80 {
            sequence.push(0x80 | (length & 0x7f) as u8);
            length >>= 7;
        }
        sequence.push(length as u8);
        sequence.extend_from_slice(&self.octets);
    }
}
