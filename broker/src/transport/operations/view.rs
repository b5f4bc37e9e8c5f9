//! Messages as operators see them: metadata, states, evidence; never content.

use std::sync::Arc;

use amtsbote_archive::dossier::Dossier;
use amtsbote_archive::receipt::Receipt;
use amtsbote_domain::Timestamp;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Delivery, ENVELOPE_CID, Entry, Query, StoreError};
use amtsbote_domain::state::{State as DeliveryState, WaitingFor};
use amtsbote_domain::text::Text;
use amtsbote_wire::native::status::{MessageStatus, TimelineEntry};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::explain::treatment;
use super::note;
use super::waits::waits;
use crate::config::Operator;
use crate::hub::Hub;
use crate::transport::octets;
use crate::transport::refusal::{Asked, Named, Refusal};

/// Messages of a list where the request names no number, and at most.
const LIST: (u32, u32) = (50, 1_000);

/// `GET /ops/v1/status`.
pub(super) async fn status(State(hub): State<Arc<Hub>>) -> Result<Response, Refusal> {
    let (figures, head) = (hub.store.figures().await?, hub.store.head().await?);
    Ok(super::json(&json!({
        "schema_version": 1, "name": hub.name, "node": hub.node, "version": env!("CARGO_PKG_VERSION"),
        "verifier": hub.verifier.to_string(), "head": head, "figures": figures,
    })))
}

/// `GET /ops/v1/messages?party=&service=&state=&since=&limit=&before=`.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    party: Option<PartyId>,
    service: Option<String>,
    state: Option<String>,
    since: Option<Timestamp>,
    limit: Option<u32>,
    before: Option<HubId>,
}

/// Newest first.
pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<ListQuery>,
) -> Result<Response, Refusal> {
    note(&hub, &operator, "message list", None).await?;
    let limit = query.limit.unwrap_or(LIST.0).clamp(1, LIST.1);
    let asked = Query {
        party: query.party,
        service: query.service,
        state: query.state,
        since: query.since,
        before: query.before,
        limit,
    };
    let deliveries = hub.store.list(asked).await?;
    let full = deliveries.len() == limit as usize;
    let next = deliveries.last().filter(|_| full).map(|last| last.record.hub_id.clone());
    let messages: Vec<_> = deliveries.iter().map(MessageStatus::new).collect();
    Ok(super::json(&json!({ "schema_version": 1, "messages": messages, "next": next })))
}

/// `GET /ops/v1/messages/{id}`: hub, transport or business id.
pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let mut messages = Vec::new();
    for hub_id in find(&hub, &operator, "message show", &id).await? {
        let delivery = hub.store.delivery(&hub_id).await?;
        let timeline = hub.store.timeline(&hub_id).await?;
        let told = |entry: &&Entry| matches!(entry.evidence, Evidence::Noticed { .. });
        let notices: Vec<_> = timeline.iter().filter(told).map(TimelineEntry::new).collect();
        messages.push(json!({
            "status": MessageStatus::new(&delivery), "channel": delivery.channel,
            "record": delivery.record, "notices": notices,
        }));
    }
    Ok(super::json(&json!({ "schema_version": 1, "messages": messages })))
}

/// `GET /ops/v1/why/{id}`: one timeline for every message under the id.
pub(super) async fn why(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let mut messages = Vec::new();
    for hub_id in find(&hub, &operator, "why", &id).await? {
        messages.push(explain(&hub, &hub_id).await?);
    }
    Ok(super::json(&json!({ "schema_version": 1, "messages": messages })))
}

async fn explain(hub: &Hub, hub_id: &HubId) -> Result<Value, Refusal> {
    let delivery = hub.store.delivery(hub_id).await?;
    let timeline = hub.store.timeline(hub_id).await?;
    let timeline: Vec<_> = timeline.iter().map(TimelineEntry::new).collect();
    let next = next_step(&delivery);
    let about = &delivery.record.metadata;
    let (tables, now) = (hub.tables(), hub.clock.now());
    let peer = delivery.channel.strip_prefix("peer:");
    let waits = waits(hub, &delivery, now).await?;
    // What has ended is treated no more.
    let treatment = (!delivery.state.is_final())
        .then(|| treatment(&tables, &about.service, &about.reader, peer, now));
    Ok(json!({
        "status": MessageStatus::new(&delivery), "timeline": timeline,
        "next_step": { "de": next.de, "en": next.en }, "delivery_rule": treatment,
        "waits": waits,
    }))
}

/// The messages under an id. That they were looked at is evidence, and that there are none as well.
async fn find(hub: &Hub, operator: &Operator, act: &str, id: &str) -> Result<Vec<HubId>, Refusal> {
    let found = hub.store.find(id).await?;
    if found.is_empty() {
        note(hub, operator, act, None).await?;
        return Err(Code::NotFound.into());
    }
    for hub_id in &found {
        note(hub, operator, act, Some(hub_id.clone())).await?;
    }
    Ok(found)
}

/// `GET /ops/v1/messages/{id}/dossier`: every leaf about one message, proven under the newest
/// head, with the Author's signed envelope.
pub(super) async fn dossier(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let found = find(&hub, &operator, "archive prove", &id).await?;
    let [hub_id] = found.as_slice() else {
        // Several messages under one id: the hub's id says which.
        return Err(Code::StateForbids.into());
    };
    let octets = dossier_of(&hub, hub_id).await?;
    Ok(super::answer(StatusCode::OK, octets, "application/json"))
}

/// The dossier of one message.
pub(super) async fn dossier_of(hub: &Hub, hub_id: &HubId) -> Result<Vec<u8>, StoreError> {
    let mut receipts = Vec::new();
    for entry in hub.store.timeline(hub_id).await? {
        let receipt = hub.store.prove(entry.index).await?;
        receipts.push(Receipt::parse(&receipt).map_err(damaged)?);
    }
    let envelope = octets::whole(hub.store.as_ref(), hub_id, ENVELOPE_CID).await?;
    let mut dossier = Dossier::new(hub_id.to_string(), vec![hub.verifier.clone()], receipts);
    dossier.envelope = Some(envelope);
    dossier.to_bytes().map_err(damaged)
}

/// What the store gave out cannot be used: it is damaged.
fn damaged(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// `POST /ops/v1/log/verify`: reads the whole log again, beside the traffic.
pub(super) async fn verify_log(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Refusal> {
    note(&hub, &operator, "archive verify", None).await?;
    let report = hub.keys.verify().await.map_err(damaged)?;
    Ok(super::json(&report))
}

/// What happens next, or who must do something.
fn next_step(delivery: &Delivery) -> Text {
    match delivery.state {
        DeliveryState::Waiting { on: WaitingFor::Collection } => Text {
            de: "Liegt im Eingang des Lesers. Dessen Verfahren muss abholen; sonst beim Leser nachfragen.",
            en: "Lies in the Reader's inbox. Its system must collect it; if it does not, ask the Reader.",
        },
        DeliveryState::Waiting { on: WaitingFor::Acknowledgement } => Text {
            de: "Wurde abgeholt, aber nicht bestätigt. Beim Leser nachfragen, ob die Verarbeitung hängt.",
            en: "Was collected but not confirmed. Ask the Reader whether processing is stuck.",
        },
        DeliveryState::Waiting { on: WaitingFor::Turn } => Text {
            de: "Der Knoten stellt zu, sobald es fällig ist.",
            en: "The hub delivers it when it is due.",
        },
        DeliveryState::Waiting { on: WaitingFor::Repeat } => Text {
            de: "Kam vielleicht schon an. Der Knoten wiederholt die Zustellung unter derselben Kennung, sobald sie fällig ist.",
            en: "May have arrived. The hub repeats the delivery under the same id when it is due.",
        },
        DeliveryState::Waiting { on: WaitingFor::Release { .. } } => Text {
            de: "Angehalten. Jemand muss freigeben.",
            en: "On hold. Somebody must release it.",
        },
        DeliveryState::InDelivery { .. } => {
            Text { de: "Eine Zustellung läuft.", en: "A delivery is under way." }
        }
        DeliveryState::Uncertain => Text {
            de: "Ob es ankam, ist ungewiss. Der Knoten klärt es, wo er darf; sonst ein Mensch.",
            en: "Whether it arrived is uncertain. The hub finds out where it may; else a person does.",
        },
        DeliveryState::InClearing { .. } => Text {
            de: "In der Klärung. Ein Mensch muss entscheiden.",
            en: "In clearing. A person must decide.",
        },
        DeliveryState::Delivered
        | DeliveryState::Acknowledged
        | DeliveryState::RejectedBack
        | DeliveryState::Expired
        | DeliveryState::Cancelled => Text {
            de: "Abgeschlossen. Es ist nichts zu tun.",
            en: "Ended. There is nothing to do.",
        },
    }
}
