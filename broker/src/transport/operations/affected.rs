//! Which messages a revoked certificate hits: those that have not ended and were signed with it, or
//! came in over a connection made with it. And having the sources of revocation asked now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::ports::Delivery;
use amtsbote_domain::text::Language;
use amtsbote_trust::revocation::RevokedCertificate;
use amtsbote_wire::native::status::MessageStatus;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::note;
use crate::config::Operator;
use crate::hub::Hub;
use crate::transport::refusal::{Asked, Refusal};

/// Messages of a page where the request names no number, and at most.
const LIST: (u32, u32) = (100, 1_000);
/// Most revoked certificates that an answer lists; all of them are looked for.
const LISTED: usize = 1_000;
/// How long an operator waits for the sources; those that are slower go on being asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// `GET /ops/v1/certificates/affected?fingerprint=&after=&limit=`.
#[derive(Deserialize)]
pub(super) struct AffectedQuery {
    fingerprint: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// By one certificate, revoked or not; without a fingerprint by all that were seen to be revoked. In
/// the order of acceptance; a page may hold nothing and still have a `next`.
pub(super) async fn affected(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<AffectedQuery>,
) -> Result<Response, Refusal> {
    note(&hub, &operator, "cert affected", None).await?;
    let one = match query.fingerprint.as_deref().map(fingerprint) {
        Some(None) => return Err(Fault::new(Code::MalformedRequest).at("fingerprint").into()),
        Some(one) => one,
        None => None,
    };
    let mut revoked = hub.book.revoked_since(Timestamp::MIN);
    let certificates: BTreeSet<Digest> = match one {
        Some(one) => {
            revoked.retain(|certificate| certificate.fingerprint == one);
            [one].into()
        }
        None => revoked.iter().map(|certificate| certificate.fingerprint).collect(),
    };
    let limit = query.limit.unwrap_or(LIST.0).clamp(1, LIST.1);
    let page = hub.store.naming(&certificates, query.after.as_deref(), limit).await?;
    let messages: Vec<Value> =
        page.deliveries.iter().map(|delivery| hit(delivery, &certificates)).collect();
    let listed: Vec<Value> = revoked.iter().take(LISTED).map(describe).collect();
    Ok(super::json(&json!({
        "schema_version": 1, "certificates": certificates.len(), "revoked": listed,
        "messages": messages, "next": page.next,
    })))
}

/// 64 digits, or as other programs write them, with colons.
fn fingerprint(text: &str) -> Option<Digest> {
    Digest::parse(&text.replace(':', "").to_ascii_lowercase()).ok()
}

fn describe(revoked: &RevokedCertificate) -> Value {
    json!({
        "sha256": revoked.fingerprint, "issuer": revoked.issuer,
        "serial": revoked.id.serial.to_string(), "revoked_at": revoked.at,
        "reason": revoked.reason.name(), "seen": revoked.seen,
    })
}

/// A message, and by which certificates it is hit.
fn hit(delivery: &Delivery, certificates: &BTreeSet<Digest>) -> Value {
    let record = &delivery.record;
    let signer = Some(record.signature.certificate);
    let of = |certificate: Option<Digest>| certificate.filter(|c| certificates.contains(c));
    json!({
        "status": MessageStatus::new(delivery), "account": record.account,
        "signer_certificate": of(signer), "account_certificate": of(record.account_certificate),
    })
}

/// `POST /ops/v1/revocation/refresh`: every source of revocation is asked now.
pub(super) async fn refresh(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Refusal> {
    note(&hub, &operator, "cert refresh", None).await?;
    let asked = hub.refresher.refresh(PATIENCE).await;
    let failing: Vec<Value> = hub
        .refresher
        .inventory()
        .iter()
        .filter(|report| report.failures_in_a_row > 0)
        .map(|report| {
            let why = |language| report.last_failure.map(|(_, why)| why.text(language));
            json!({
                "issuer": report.issuer, "places": report.places,
                "reason_de": why(Language::De), "reason_en": why(Language::En),
                "fresh_until": report.fresh_until,
            })
        })
        .collect();
    Ok(super::json(&json!({
        "schema_version": 1, "ok": asked.failing == 0 && asked.open == 0,
        "sources": asked.sources, "open": asked.open, "failing": failing,
    })))
}
