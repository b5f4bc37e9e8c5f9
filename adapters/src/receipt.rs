//! Receipts on the side of those who get them: verified with the hub's public key, and compared
//! with what was really sent or confirmed.

use std::collections::BTreeSet;

use amtsbote_archive::note::VerifierKey;
use amtsbote_archive::receipt::{Receipt, ReceiptError};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::{Metadata, Part};
use amtsbote_domain::state::State;
use amtsbote_wire::native::digest::content_digest;

/// Why a receipt does not prove what it should.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptFault {
    /// It is no receipt of this hub.
    #[error(transparent)]
    NotOfThisHub(#[from] ReceiptError),
    /// It is a receipt, but about another act than asked for.
    #[error("it is about another act")]
    OtherAct,
    /// It is about another message, or about this one in another form.
    #[error("it differs from the message in: {0}")]
    OtherMessage(&'static str),
}

/// A receipt that was verified.
#[derive(Clone, Debug)]
pub struct CheckedReceipt {
    /// As the hub gave it; to be kept.
    pub octets: Vec<u8>,
    /// What the hub recorded.
    pub evidence: Evidence,
    /// Its place in the hub's log.
    pub index: u64,
}

/// Verifies a receipt with the key of the hub that gave it.
pub fn check(octets: Vec<u8>, key: &VerifierKey) -> Result<CheckedReceipt, ReceiptFault> {
    let receipt = Receipt::parse(&octets)?;
    let verified = receipt.verify(key)?;
    let evidence =
        serde_json::from_value(verified.record.clone()).map_err(|_| ReceiptFault::OtherAct)?;
    let index = verified.index;
    Ok(CheckedReceipt { octets, evidence, index })
}

/// The message a receipt must be about.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// What it said about itself.
    pub metadata: &'a Metadata,
    /// Its parts.
    pub parts: &'a [Part],
    /// SHA-256 of the envelope. None for a repeat: the receipt then speaks of the first envelope,
    /// whose time of making and signature differ.
    pub envelope_sha256: Option<Digest>,
    /// The id the hub named in its answer.
    pub hub_id: Option<&'a HubId>,
}

/// Whether the evidence is the acceptance of this very message.
pub fn is_acceptance_of<'e>(
    evidence: &'e Evidence,
    sent: &Sent<'_>,
) -> Result<&'e Accepted, ReceiptFault> {
    let Evidence::Accepted(accepted) = evidence else { return Err(ReceiptFault::OtherAct) };
    let said = &accepted.metadata;
    // The delivery to any of its Readers, as the message is for that one.
    let meant = sent.metadata.for_reader(&said.reader);
    let others = meant.as_ref().map(|meant| &meant.other_readers);
    let named: BTreeSet<_> = accepted.siblings.iter().chain([&accepted.hub_id]).collect();
    let agreements = [
        ("id of the hub", sent.hub_id.is_none_or(|id| *id == accepted.hub_id)),
        ("transport id", said.transport_id == sent.metadata.transport_id),
        ("author", said.author == sent.metadata.author),
        ("reader", meant.is_some()),
        ("other readers", others == Some(&said.other_readers)),
        // Accepted for all of them, each by itself, or not as it was sent.
        ("deliveries", accepted.siblings.len() == said.other_readers.len()),
        ("deliveries", named.len() == accepted.siblings.len() + 1),
        ("parts", accepted.parts == sent.parts),
        ("content digest", accepted.content_digest == content_digest(sent.metadata, sent.parts)),
        ("envelope", sent.envelope_sha256.is_none_or(|it| it == accepted.envelope_sha256)),
    ];
    match agreements.iter().find(|(_, agrees)| !agrees) {
        Some((what, _)) => Err(ReceiptFault::OtherMessage(what)),
        None => Ok(accepted),
    }
}

/// Whether the evidence is the confirmation of this payload of this message.
pub fn is_acknowledgement_of(
    evidence: &Evidence,
    id: &HubId,
    payload: &Digest,
) -> Result<(), ReceiptFault> {
    let Evidence::Changed { hub_id, to: State::Acknowledged, digest, .. } = evidence else {
        return Err(ReceiptFault::OtherAct);
    };
    if hub_id != id {
        return Err(ReceiptFault::OtherMessage("id of the hub"));
    }
    if digest.as_ref() != Some(payload) {
        return Err(ReceiptFault::OtherMessage("payload"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
