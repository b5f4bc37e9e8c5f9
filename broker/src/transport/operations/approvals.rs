//! Proposals: what waits for a second person, and that person's word.

use std::sync::Arc;

use amtsbote_domain::clearing::Reason;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::ProposalId;
use amtsbote_domain::ports::StoreError;
use amtsbote_wire::native::status::MessageStatus;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::clearing::person;
use super::json as answer;
use crate::clearing;
use crate::config::Operator;
use crate::hub::Hub;
use crate::transport::refusal::{Asked, Named, Refusal, Told};

/// Proposals of a list where the request names no number, and at most.
const LIST: (u32, u32) = (50, 1_000);

/// `GET /ops/v1/approvals?all=&limit=`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[serde(default)]
    all: bool,
    limit: Option<u32>,
}

/// Newest first; only the open ones unless `all` is set.
pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Asked(query): Asked<ListQuery>,
) -> Result<Response, Refusal> {
    super::note(&hub, &operator, "approval list", None).await?;
    let limit = query.limit.unwrap_or(LIST.0).clamp(1, LIST.1);
    let proposals = hub.store.proposals(!query.all, limit).await?;
    Ok(answer(&json!({ "schema_version": 1, "proposals": proposals })))
}

/// `GET /ops/v1/approvals/{id}?from=&limit=`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowQuery {
    from: Option<u32>,
    limit: Option<u32>,
}

/// One proposal with what it is about.
pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<ProposalId>,
    Asked(query): Asked<ShowQuery>,
) -> Result<Response, Refusal> {
    super::note(&hub, &operator, &format!("approval show {id}"), None).await?;
    let limit = query.limit.unwrap_or(LIST.0).clamp(1, LIST.1);
    let (proposal, targets) = hub.store.proposal(&id, query.from.unwrap_or(0), limit).await?;
    let mut shown: Vec<Value> = Vec::new();
    for one in &targets {
        // The second person sees what it is about, and what has changed since it was proposed.
        let delivery = match hub.store.delivery(&one.target.hub_id).await {
            Ok(delivery) => Some(delivery),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let revision = delivery.as_ref().map(|delivery| delivery.revision);
        let mut target = json!(one.target);
        target["decided"] = json!(one.decided);
        target["status"] = json!(delivery.as_ref().map(MessageStatus::new));
        target["changed"] = json!(one.decided.is_none() && revision != Some(one.target.revision));
        shown.push(target);
    }
    Ok(answer(&json!({ "schema_version": 1, "proposal": proposal, "targets": shown })))
}

/// What the second person says. The digest is that of what they looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Word {
    digest: Digest,
    reason: Reason,
}

/// `POST /ops/v1/approvals/{id}/grant` and `.../deny`.
pub(super) async fn judge(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named((id, word)): Named<(ProposalId, String)>,
    Told(said): Told<Word>,
) -> Result<Response, Refusal> {
    let granted = match word.as_str() {
        "grant" => true,
        "deny" => false,
        _ => return Err(Code::NotFound.into()),
    };
    let person = person(&operator);
    let proposal = clearing::judge(&hub, &id, &person, granted, said.digest, &said.reason).await?;
    Ok(answer(&json!({ "schema_version": 1, "proposal": proposal })))
}
