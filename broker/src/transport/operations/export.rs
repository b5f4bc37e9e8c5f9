//! Opening a message: its octets, with everything that is known about it, for a person who says why.
//!
//! The one way in which an operator sees content. Who opens what and why is evidence before the first
//! octet leaves (P5, P6); content that is encrypted for its Reader leaves as it came.

use std::io;
use std::sync::Arc;

use amtsbote_archive::dossier::MAX_DOSSIER;
use amtsbote_domain::clearing::Reason;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Part;
use amtsbote_domain::ports::StoreError;
use amtsbote_wire::native::multipart::{PartHeaders, TransferEncoding, Writer};
use amtsbote_wire::native::status::{MessageStatus, TimelineEntry};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::json;

use super::view;
use crate::config::Operator;
use crate::hub::Hub;
use crate::transport::octets::{self, unreadable};
use crate::transport::refusal::{Named, Refusal, Told};

/// What operators do here, as evidence calls it.
const ACT: &str = "message export";

/// Why it is opened.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    reason: Option<Reason>,
}

/// `POST /ops/v1/messages/{id}/export`: `multipart/related` of the document `export` (status, record,
/// timeline, receipt of the acceptance, dossier with the signed envelope) and the parts as they came
/// in, called `part-1` and so on in the order of the record.
///
/// One part after the other is opened and read piece by piece, against size and digest taken at the door
/// (P4): one that was changed breaks the answer off before its last octets. The first is begun before the
/// answer is: where its octets cannot be had, that is a refusal.
pub(super) async fn export(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<String>,
    Told(words): Told<Words>,
) -> Result<Response, Refusal> {
    let Some(reason) = words.reason else {
        return Err(Fault::new(Code::MalformedRequest).at("reason").into());
    };
    let hub_id = one(&hub, &operator, &id).await?;
    opened(&hub, &operator, &hub_id, reason).await?;
    let document = document(&hub, &hub_id).await?;
    let parts = hub.store.delivery(&hub_id).await?.record.parts;

    let head = |content_id: String, content_type: &str| PartHeaders {
        content_id,
        content_type: content_type.to_owned(),
        transfer_encoding: TransferEncoding::Binary,
    };
    let mut framed = vec![(head("export".to_owned(), "application/json"), document.len() as u64)];
    framed.extend(parts.iter().enumerate().map(|(number, part)| {
        (head(format!("part-{}", number + 1), "application/octet-stream"), part.size)
    }));
    let boundary = format!("amtsbote-{}", uuid::Uuid::new_v4().simple());
    let writer = Writer::new(&boundary, &framed)
        .map_err(|error| StoreError::Corrupt(format!("cannot be framed: {error}")))?;

    let mut heads = writer.heads().iter().map(|head| Bytes::copy_from_slice(head));
    let document = heads.next().into_iter().chain([document.into()]).map(Ok);
    let mut rest = heads.zip(parts);
    let first = match rest.next() {
        Some((head, part)) => Some(framed_part(&hub, &hub_id, head, &part).await?),
        None => None,
    };
    let rest: Vec<_> = rest.collect();
    let (store, message) = (Arc::clone(&hub), hub_id.clone());
    let rest = stream::iter(rest).then(move |(head, part)| {
        let (hub, hub_id) = (Arc::clone(&store), message.clone());
        async move {
            let opened = framed_part(&hub, &hub_id, head, &part).await;
            opened.map_err(|error| io::Error::other(error.to_string()))
        }
    });
    let tail = Bytes::copy_from_slice(writer.tail());
    let body = stream::iter(document)
        .chain(stream::iter(first).flatten())
        .chain(rest.try_flatten())
        .chain(stream::iter([Ok(tail)]))
        .inspect_err(move |error| tracing::warn!(%hub_id, %error, "an export broke off"));
    let length = writer.content_length();
    let headers = [
        (header::CONTENT_TYPE, writer.content_type().to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    Ok((StatusCode::OK, headers, Body::from_stream(body)).into_response())
}

/// A part with what stands in front of it. Its first piece is read here: of a small part it is known
/// that it is good before anything of it leaves.
async fn framed_part(
    hub: &Hub,
    hub_id: &HubId,
    head: Bytes,
    part: &Part,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, StoreError> {
    let reader = hub.store.open_part(hub_id, &part.cid).await?;
    let octets = octets::stream(reader, 0, part.size, part.size).await.map_err(unreadable)?;
    Ok(stream::iter([Ok(head)]).chain(octets))
}

/// The message that is meant. That none or several were found is on record as well.
async fn one(hub: &Hub, operator: &Operator, id: &str) -> Result<HubId, Refusal> {
    match hub.store.find(id).await?.as_slice() {
        [hub_id] => Ok(hub_id.clone()),
        found => {
            super::note(hub, operator, ACT, None).await?;
            // Several messages under one id: the hub's id says which.
            let code = if found.is_empty() { Code::NotFound } else { Code::StateForbids };
            Err(code.into())
        }
    }
}

/// Durable before anything leaves.
async fn opened(
    hub: &Hub,
    operator: &Operator,
    hub_id: &HubId,
    reason: Reason,
) -> Result<(), StoreError> {
    tracing::info!(operator = operator.name, act = ACT, %hub_id);
    let record = Evidence::Operator {
        certificate: operator.certificate.fingerprint,
        name: Some(operator.name.clone()),
        act: ACT.to_owned(),
        hub_id: Some(hub_id.clone()),
        reason: Some(reason),
    };
    hub.store.record(record).await.map(|_| ())
}

/// Everything but the parts. Its timeline holds this very act.
async fn document(hub: &Hub, hub_id: &HubId) -> Result<Vec<u8>, Refusal> {
    let delivery = hub.store.delivery(hub_id).await?;
    let timeline = hub.store.timeline(hub_id).await?;
    let timeline: Vec<_> = timeline.iter().map(TimelineEntry::new).collect();
    let text = |octets: Vec<u8>| {
        String::from_utf8(octets).map_err(|error| StoreError::Corrupt(error.to_string()))
    };
    let receipt = text(hub.store.receipt(hub_id, "accepted").await?)?;
    let dossier = text(view::dossier_of(hub, hub_id).await?)?;
    let document = json!({
        "schema_version": 1, "id": hub_id, "status": MessageStatus::new(&delivery),
        "record": delivery.record, "timeline": timeline, "receipt": receipt, "dossier": dossier,
    });
    let octets = serde_json::to_vec(&document).expect("the document can be written");
    // A reader takes as much as a dossier may have, once for the dossier and once for the rest.
    match octets.len() <= 2 * MAX_DOSSIER {
        true => Ok(octets),
        false => Err(Fault::new(Code::TooLarge).at("timeline").into()),
    }
}
