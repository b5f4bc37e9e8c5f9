//! What became of a message: state, receipts, cancellation. Only its sender's account may ask.

use std::sync::Arc;

use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::MAX_READERS;
use amtsbote_domain::ports::Delivery;
use amtsbote_domain::state::{Event, State as DeliveryState};
use amtsbote_schemas::xml;
use amtsbote_wire::native::status::{
    LimitsDocument, MAX_PAGE_ENTRIES, MessageStatus, SCHEMA_VERSION,
};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Caller;
use super::inbox::LONGEST_WAIT_SECONDS;
use crate::hub::Hub;
use crate::transport::refusal::{Asked, Named, Refusal};

/// `GET /v1/messages/{id}`; 304 while it is as the caller knows it (`If-None-Match`).
pub(super) async fn status(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let delivery = own(&hub, &caller, &id).await?;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| names(known, &tag(&delivery))) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag(&delivery))]).into_response());
    }
    Ok(status_document(&delivery))
}

/// `GET /v1/messages/{id}/receipt?kind=accepted`.
pub(super) async fn receipt(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Asked(asked): Asked<ReceiptQuery>,
) -> Result<Response, Refusal> {
    let delivery = own(&hub, &caller, &id).await?;
    let kind = asked.kind.as_deref().unwrap_or("accepted");
    let receipt = hub.store.receipt(&delivery.record.hub_id, kind).await?;
    Ok(super::json(StatusCode::OK, receipt))
}

/// What may be asked about receipts.
#[derive(Deserialize)]
pub(super) struct ReceiptQuery {
    kind: Option<String>,
}

/// `POST /v1/messages/{id}/cancel`; repeating it succeeds.
pub(super) async fn cancel(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let delivery = own(&hub, &caller, &id).await?;
    let hub_id = &delivery.record.hub_id;
    if delivery.state != DeliveryState::Cancelled {
        let by = format!("account:{}", caller.account.id);
        let cancelled = hub.store.apply(hub_id, Event::Cancel, Some(by), None).await;
        cancelled.map_err(|error| Refusal::from(error).about(hub_id))?;
    }
    Ok(status_document(&hub.store.delivery(hub_id).await?))
}

/// `GET /v1/limits`.
pub(super) async fn limits(State(hub): State<Arc<Hub>>) -> Response {
    let limits = &hub.limits;
    // What is read from everyone; the legacy profile of a partner is between the two.
    let allowed = hub.tables().standings.allowed(false, hub.clock.now());
    let document = LimitsDocument {
        schema_version: SCHEMA_VERSION,
        max_message_bytes: limits.request_bytes,
        max_envelope_bytes: limits.envelope_bytes,
        max_payload_bytes: limits.payload_bytes,
        max_attachment_bytes: limits.attachment_bytes,
        max_parts: u32::try_from(limits.parts).unwrap_or(u32::MAX),
        max_readers: MAX_READERS as u32,
        max_xml_depth: xml::Limits::default().depth,
        max_inbox_page: MAX_PAGE_ENTRIES,
        max_wait_seconds: LONGEST_WAIT_SECONDS,
        max_idle_seconds: u32::try_from(limits.body_idle_ms / 1_000).unwrap_or(u32::MAX),
        signature_algorithms: allowed.signatures.iter().map(|a| a.uri().to_owned()).collect(),
        digest_algorithms: allowed.digests.iter().map(|a| a.uri().to_owned()).collect(),
    };
    super::document(&document)
}

fn status_document(delivery: &Delivery) -> Response {
    ([(header::ETAG, tag(delivery))], super::document(&MessageStatus::new(delivery)))
        .into_response()
}

/// The entity tag: the revision, which grows with every change.
fn tag(delivery: &Delivery) -> String {
    format!("\"{}\"", delivery.revision)
}

/// Whether a list of entity tags names this one; compared weakly (RFC 9110, 13.1.2).
fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// The delivery under a hub id, if the caller's account sent it. What is not yours does not exist.
async fn own(hub: &Hub, caller: &Caller, id: &str) -> Result<Delivery, Refusal> {
    let delivery = delivery(hub, id).await?;
    if delivery.record.account != caller.account.id {
        return Err(Refusal::from(Code::NotFound).about(&delivery.record.hub_id));
    }
    Ok(delivery)
}

/// The delivery under a hub id.
pub(super) async fn delivery(hub: &Hub, id: &str) -> Result<Delivery, Refusal> {
    let id = HubId::parse(id).map_err(|_| Code::NotFound)?;
    Ok(hub.store.delivery(&id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_compared_as_the_rfc_says() {
        for known in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            assert!(names(known, "\"7\""), "{known}");
        }
        for other in ["", "\"70\"", "7", "\"6\""] {
            assert!(!names(other, "\"7\""), "{other}");
        }
    }
}
