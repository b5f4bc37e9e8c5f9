//! What an Author is told: the business rejection of the standard where there is one for the cause, else
//! a generic notice; each only where there is a way for it.

use std::io::BufReader;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::successor::Successor;
use amtsbote_domain::directory::Way;
use amtsbote_domain::identity::{BusinessId, MessageType, MessageUuid, ServiceUri};
use amtsbote_domain::message::{ContentVerdict, OpaqueReason};
use amtsbote_domain::notice::{self, Kind, Withheld};
use amtsbote_domain::ports::{DueNotice, StoreError};
use amtsbote_domain::state::ClearingCause;
use amtsbote_schemas::pack::{Cause, PackSet, Rejection};
use amtsbote_schemas::validate::Verdict;
use amtsbote_schemas::xml;
use amtsbote_wire::native::notice::{MESSAGE_TYPE, Notice, may_have_arrived};
use tokio::time::Instant;
use uuid::Builder;

use super::OwnParty;
use super::way::to_author;
use crate::hub::Hub;
use crate::step::validated::valid;
use crate::tables::InForce;

/// What is told, and by which way.
pub(super) struct Content {
    pub(super) service: ServiceUri,
    pub(super) message_type: Option<MessageType>,
    pub(super) business_id: Option<BusinessId>,
    pub(super) verdict: ContentVerdict,
    pub(super) octets: Vec<u8>,
    pub(super) way: Way,
    pub(super) successors: Vec<Successor>,
}

/// What is to be told, or why it cannot be.
pub(super) async fn of(
    hub: &Hub,
    tables: &InForce,
    own: &OwnParty,
    due: &DueNotice,
    now: Timestamp,
) -> Result<Result<Content, Withheld>, StoreError> {
    let delivery = &due.about;
    let record = &delivery.record;
    let notice = Notice {
        kind: due.kind,
        about: record,
        accepted_at: delivery.accepted_at,
        state: delivery.state,
        since: delivery.since,
        because: due.because.as_ref().map(|entry| &entry.evidence),
    };
    let way = |service| to_author(tables, &record.metadata.author, service, record.test, now);
    // First the way: without one the content is not even opened.
    let service = &record.metadata.service;
    let alone = record.metadata.other_readers.is_empty();
    if let Some(cause) = cause(due.kind, notice.cause(), alone)
        && let Ok((way, successors)) = way(service)
        && let Some(rejection) = rejection(hub, &tables.packs, due, cause).await?
    {
        return Ok(Ok(rejected(own, rejection, service, way, successors)));
    }
    let service = notice::service();
    let (way, successors) = match way(&service) {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason.into())),
    };
    let octets = notice.to_xml().into_bytes();
    Ok(Ok(Content {
        verdict: judged(&tables.packs, &octets, now),
        message_type: MessageType::parse(MESSAGE_TYPE).ok(),
        business_id: None,
        octets,
        service,
        way,
        successors,
    }))
}

/// Which cause of a business rejection it is; none where a standard has no words for it. What may have
/// arrived is not called undeliverable, and what was changed at rest is not read again. A standard rejects
/// the whole message, as the Reader that its header names: where there are others, one of them may have it.
fn cause(kind: Kind, clearing: Option<ClearingCause>, alone: bool) -> Option<Cause> {
    match (kind, clearing) {
        _ if !alone => None,
        (Kind::Expired, _) => Some(Cause::Expired),
        (Kind::RejectedBack, Some(cause))
            if !may_have_arrived(cause) && cause != ClearingCause::DigestMismatch =>
        {
            Some(Cause::Undeliverable)
        }
        _ => None,
    }
}

/// The rejection of the standard in the version of the Author. The content is read once more for what its
/// header says; never where it was not read when it came in.
async fn rejection(
    hub: &Hub,
    packs: &Arc<PackSet>,
    due: &DueNotice,
    cause: Cause,
) -> Result<Option<(Rejection, String)>, StoreError> {
    let record = &due.about.record;
    let ContentVerdict::Valid { standard, version, .. } = &record.verdict else { return Ok(None) };
    let Some(part) = record.parts.first() else { return Ok(None) };
    if !packs.has_rejection(standard, version) {
        return Ok(None);
    }
    let payload = match hub.store.open_part(&record.hub_id, &part.cid).await {
        Ok(payload) => payload,
        // It is gone for good: the generic notice needs nothing of it.
        Err(error @ (StoreError::Corrupt(_) | StoreError::NotFound)) => {
            tracing::warn!(hub_id = %record.hub_id, %error, "no business rejection");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let limits = xml::Limits { document_bytes: hub.limits.payload_bytes, ..xml::Limits::default() };
    let time = Duration::from_millis(hub.limits.validation_ms);
    let id = id(due);
    let (packs, hub_id) = (packs.clone(), record.hub_id.clone());
    let (arrival, since) = (due.about.accepted_at, due.about.since);
    let _place = hub.validations.place(part.size).await;
    let work = tokio::task::spawn_blocking(move || {
        let end = Instant::now() + time;
        let payload = BufReader::with_capacity(64 << 10, payload);
        let checked = packs.check(payload, arrival, &limits, &|| Instant::now() >= end);
        packs.rejection(&checked, cause, &id, since).map(|rejection| (rejection, id))
    });
    match work.await {
        Ok(Ok(rejection)) => Ok(Some(rejection)),
        Ok(Err(why)) => {
            tracing::debug!(%hub_id, code = why.code(), "no business rejection");
            Ok(None)
        }
        Err(error) => {
            tracing::error!(%hub_id, %error, "a business rejection ended in a fault of the program");
            Ok(None)
        }
    }
}

/// The UUID of a rejection, the same for the same one, whoever makes it.
fn id(due: &DueNotice) -> String {
    let text = format!("amtsbote notice 1\n{} {}\n", due.kind.as_str(), due.about.record.hub_id);
    let digest = openssl::sha::sha256(text.as_bytes());
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest[..16]);
    Builder::from_random_bytes(octets).into_uuid().to_string()
}

fn rejected(
    own: &OwnParty,
    (rejection, id): (Rejection, String),
    service: &ServiceUri,
    way: Way,
    successors: Vec<Successor>,
) -> Content {
    let Rejection { standard, version, message_type, xml } = rejection;
    Content {
        service: service.clone(),
        message_type: MessageType::parse(&message_type).ok(),
        business_id: MessageUuid::parse(&id)
            .ok()
            .map(|uuid| BusinessId { author: own.id.clone(), uuid }),
        // It was validated before it was given out.
        verdict: ContentVerdict::Valid { standard, version, message_type },
        octets: xml.into_bytes(),
        way,
        successors,
    }
}

/// What our own notice is to this node: it may have the pack or not.
fn judged(packs: &PackSet, octets: &[u8], now: Timestamp) -> ContentVerdict {
    let checked = packs.check(octets, now, &xml::Limits::default(), &|| false);
    match checked.verdict {
        Verdict::Valid => valid(checked),
        Verdict::UnknownStandard => ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
        other => {
            tracing::error!(verdict = ?other, "the node's pack for notices is not that of this program");
            ContentVerdict::Opaque { reason: OpaqueReason::NoStandard }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_is_asked_only_for_what_is_certain() {
        use ClearingCause as C;
        let causes = [
            C::Refused,
            C::RepeatRefused,
            C::AttemptsExhausted,
            C::OutcomeUnknown,
            C::DigestMismatch,
            C::NoWay,
        ];
        for clearing in causes.map(Some).into_iter().chain([None]) {
            for kind in Kind::ALL {
                let wanted = match (kind, clearing) {
                    (Kind::Expired, _) => Some(Cause::Expired),
                    (Kind::RejectedBack, Some(C::Refused | C::AttemptsExhausted | C::NoWay)) => {
                        Some(Cause::Undeliverable)
                    }
                    _ => None,
                };
                assert_eq!(cause(kind, clearing, true), wanted, "{kind:?} {clearing:?}");
                assert_eq!(cause(kind, clearing, false), None, "{kind:?} {clearing:?}");
            }
        }
    }
}
