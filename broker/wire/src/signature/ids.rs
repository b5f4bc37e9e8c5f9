//! Whether an identifier occurs twice in a document.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use amtsbote_schemas::xml::{StartTag, XML_NAMESPACE};

use super::fault::SignatureFault;
use crate::c14n;

/// Most identifiers in one document where none may occur twice; eight octets are kept of each.
pub const MAX_IDS: usize = 200_000;

/// The identifiers of an element: those of [`c14n::identifiers`], and `xml:id`, which needs no DTD
/// to be one.
pub(super) fn identifiers(tag: &StartTag) -> impl Iterator<Item = &str> {
    let xml_id = tag.attribute_ns(XML_NAMESPACE, "id");
    let xml_id = xml_id.filter(|id| c14n::identifiers(tag).all(|other| other != *id));
    c14n::identifiers(tag).chain(xml_id)
}

/// The identifiers seen so far. Of each a keyed hash is kept: two different ones that are taken for
/// the same cannot be found on purpose, and would only lead to a refusal.
#[derive(Default)]
pub(super) struct Ids {
    seen: HashSet<u64>,
    keyed: RandomState,
}

impl Ids {
    pub(super) fn start(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        // One element may have the same identifier in both spellings.
        let mut before = None;
        for id in identifiers(tag) {
            if before == Some(id) {
                continue;
            }
            if self.seen.len() == MAX_IDS {
                let limit = "elements with an Id";
                return Err(SignatureFault::Limit { place: tag.position, limit });
            }
            if !self.seen.insert(self.keyed.hash_one(id)) {
                let rule = "two elements have the same Id";
                return Err(SignatureFault::Coverage { place: Some(tag.position), rule });
            }
            before = Some(id);
        }
        Ok(())
    }
}
