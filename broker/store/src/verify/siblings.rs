//! Deliveries of one message to several Readers: each that was accepted with another is there.

use std::collections::BTreeSet;

use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::{HubId, Scope};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::StoreError;

use crate::rows::read_evidence;
use crate::sql::{Db, params};

/// Whether every delivery that this one names is of the same message, for another of its Readers. The first
/// one's record is held against those of all others, which must name the same deliveries; that each of
/// them says what its own record says is looked at where it stands.
pub(super) fn agree(db: &Db, accepted: &Accepted) -> Result<bool, StoreError> {
    let all = together(accepted);
    if all.len() != accepted.siblings.len() + 1 {
        return Ok(false);
    }
    let first = !matches!(accepted.scope, Scope::OfReader { .. });
    let others = &accepted.metadata.other_readers;
    // Brought for one of several, it has none here; only then.
    if others.len() != accepted.siblings.len() && (first || !accepted.siblings.is_empty()) {
        return Ok(false);
    }
    for (sibling, reader) in accepted.siblings.iter().zip(others) {
        if !is_of_message(db, accepted, sibling, reader)? {
            return Ok(false);
        }
        if first && record(db, sibling)?.is_none_or(|record| together(&record) != all) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A delivery and all that it names.
fn together(accepted: &Accepted) -> BTreeSet<&str> {
    accepted.siblings.iter().chain([&accepted.hub_id]).map(HubId::as_str).collect()
}

fn is_of_message(
    db: &Db,
    accepted: &Accepted,
    sibling: &HubId,
    of: &PartyId,
) -> Result<bool, StoreError> {
    type Found = (String, String, Vec<u8>, String, String);
    let found: Option<Found> = db.query_opt(
        "SELECT account, transport_id, content_digest, reader, scope FROM message WHERE hub_id = ?1",
        params![sibling.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    let Some((account, transport_id, content, reader, scope)) = found else { return Ok(false) };
    let metadata = &accepted.metadata;
    let within =
        Scope::try_from(scope).is_ok_and(|scope| scope.of_message() == accepted.scope.of_message());
    Ok(within
        && account == accepted.account.as_str()
        && transport_id == metadata.transport_id.as_str()
        && content == accepted.content_digest.0
        && reader == of.as_str())
}

fn record(db: &Db, hub_id: &HubId) -> Result<Option<Accepted>, StoreError> {
    let found: Option<Vec<u8>> = db.query_opt(
        "SELECT l.record FROM message m JOIN leaf l ON l.idx = m.leaf WHERE m.hub_id = ?1",
        params![hub_id.as_str()],
        |row| row.get(0),
    )?;
    Ok(found.and_then(|record| match read_evidence(&record) {
        Ok(Evidence::Accepted(accepted)) => Some(*accepted),
        _ => None,
    }))
}
