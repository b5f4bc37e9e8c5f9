//! Whether an identifier occurs twice in a document.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use amtsbote_schemas::xml::StartTag;

use super::fault::SignatureFault;
use crate::c14n::identifiers;

/// Most identifiers in one document where none may occur twice; eight octets are kept of each.
pub const MAX_IDS: usize = 200_000;

/// The identifiers seen so far. Of each a keyed hash is kept: two different ones that are taken for
/// the same cannot be found on purpose, and would only lead to a refusal.
#[derive(Default)]
pub(super) struct Ids {
    seen: HashSet<u64>,
    keyed: RandomState,
}

impl Ids {
    pub(super) fn start(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        for id in identifiers(tag) {
            if self.seen.len() == MAX_IDS {
                let limit = "elements with an Id";
                return Err(SignatureFault::Limit { place: tag.position, limit });
            }
            if !self.seen.insert(self.keyed.hash_one(id)) {
                let rule = "two elements have the same Id";
                return Err(SignatureFault::Coverage { place: Some(tag.position), rule });
            }
        }
        Ok(())
    }
}
