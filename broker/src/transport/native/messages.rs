//! What became of a message: state, receipts, cancellation. Only its sender's account may ask.

use std::sync::Arc;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{Delivery, StoreError};
use amtsbote_domain::state::Event;
use amtsbote_schemas::xml;
use amtsbote_wire::native::status::{
    LimitsDocument, MAX_PAGE_ENTRIES, MessageStatus, SCHEMA_VERSION,
};
use amtsbote_wire::signature::{DigestAlgorithm, SignatureAlgorithm};
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use super::answer::{self, Problem};
use super::inbox::LONGEST_WAIT_SECONDS;
use super::{Caller, Wanted};
use crate::hub::Hub;

/// `GET /v1/messages/{id}`.
pub(super) async fn status(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    language: Wanted,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let delivery = own(&hub, &caller, &id, language).await?;
    Ok(status_document(&delivery))
}

/// `GET /v1/messages/{id}/receipt?kind=accepted`.
pub(super) async fn receipt(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    language: Wanted,
    Path(id): Path<String>,
    Query(asked): Query<ReceiptQuery>,
) -> Result<Response, Problem> {
    let delivery = own(&hub, &caller, &id, language).await?;
    let kind = asked.kind.as_deref().unwrap_or("accepted");
    let receipt = hub.store.receipt(&delivery.record.hub_id, kind).await;
    receipt
        .map(|octets| answer::json(StatusCode::OK, octets))
        .map_err(|error| Problem::store(&error, language))
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
    language: Wanted,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let delivery = own(&hub, &caller, &id, language).await?;
    let hub_id = &delivery.record.hub_id;
    if delivery.state != amtsbote_domain::state::State::Cancelled {
        let by = format!("account:{}", caller.0.id);
        hub.store
            .apply(hub_id, Event::Cancel, Some(by), None)
            .await
            .map_err(|error| Problem::store(&error, language))?;
    }
    let delivery =
        hub.store.delivery(hub_id).await.map_err(|error| Problem::store(&error, language))?;
    Ok(status_document(&delivery))
}

/// `GET /v1/limits`.
pub(super) async fn limits(State(hub): State<Arc<Hub>>) -> Response {
    let limits = &hub.limits;
    let document = LimitsDocument {
        schema_version: SCHEMA_VERSION,
        max_message_bytes: limits.request_bytes,
        max_envelope_bytes: limits.envelope_bytes,
        max_payload_bytes: limits.payload_bytes,
        max_attachment_bytes: limits.attachment_bytes,
        max_parts: u32::try_from(limits.parts).unwrap_or(u32::MAX),
        max_xml_depth: xml::Limits::default().depth,
        max_inbox_page: MAX_PAGE_ENTRIES,
        max_wait_seconds: LONGEST_WAIT_SECONDS,
        max_idle_seconds: u32::try_from(limits.body_idle_ms / 1_000).unwrap_or(u32::MAX),
        signature_algorithms: SignatureAlgorithm::ALL.iter().map(|a| a.uri().to_owned()).collect(),
        digest_algorithms: DigestAlgorithm::ALL.iter().map(|a| a.uri().to_owned()).collect(),
    };
    let octets = serde_json::to_vec(&document).expect("strings and numbers can be written");
    answer::json(StatusCode::OK, octets)
}

fn status_document(delivery: &Delivery) -> Response {
    let document = MessageStatus::new(delivery);
    let octets = serde_json::to_vec(&document).expect("strings and numbers can be written");
    let mut response = answer::json(StatusCode::OK, octets);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", delivery.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The delivery under a hub id, if the caller's account sent it. What is not yours does not exist.
async fn own(
    hub: &Hub,
    caller: &Caller,
    id: &str,
    language: Wanted,
) -> Result<Delivery, Problem> {
    let delivery = delivery(hub, id, language).await?;
    if delivery.record.account != caller.0.id {
        return Err(Problem::new(Fault::new(Code::NotFound), language));
    }
    Ok(delivery)
}

/// The delivery under a hub id.
pub(super) async fn delivery(hub: &Hub, id: &str, language: Wanted) -> Result<Delivery, Problem> {
    let found = match HubId::parse(id) {
        Ok(id) => hub.store.delivery(&id).await,
        Err(_) => Err(StoreError::NotFound),
    };
    found.map_err(|error| Problem::store(&error, language))
}
