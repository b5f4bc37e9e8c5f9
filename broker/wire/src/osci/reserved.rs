//! Identifiers under which we write our own blocks. What others send is put beside them when it is
//! passed on, so it may not use them: an answer in which two elements have the same identifier could not
//! be verified by anybody, and a mailbox could be spoilt by one delivery.

use super::message_type::{MessageType, OrderPlace};
use super::signature::Side;

/// Those of blocks and body that are not named after a message.
const BLOCKS: [&str; 8] = [
    "controlblock",
    "desiredlanguages",
    "qualityoftimestamp_creation",
    "qualityoftimestamp_reception",
    "nonintermediarycertificates",
    "intermediarycertificates",
    "featuredescription",
    "body",
];

/// How those of the certificates of an intermediary begin.
const INTERMEDIARY: &str = "intermed_";

/// Whether an identifier is one of ours. Within `IntermediaryCertificates` those of its certificates
/// are at their place.
pub(super) fn is_reserved(id: &str, in_intermediary: bool) -> bool {
    let of_message = |kind: &&MessageType| {
        kind.place() == OrderPlace::Header && kind.element().eq_ignore_ascii_case(id)
    };
    BLOCKS.contains(&id)
        || [Side::Client.id(), Side::Supplier.id()].contains(&id)
        || (id.starts_with(INTERMEDIARY) && !in_intermediary)
        || (!id.bytes().any(|octet| octet.is_ascii_uppercase())
            && MessageType::ALL.iter().any(|kind| of_message(&kind)))
}
