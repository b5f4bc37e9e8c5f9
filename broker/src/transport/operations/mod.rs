//! The operations address: health and metrics for machines, `/ops/v1` for people with a personal
//! certificate. Looking at a message is evidence, as every operator act (P5).

mod affected;
mod approvals;
mod clearing;
mod explain;
mod export;
mod health;
mod hints;
mod revocation;
mod view;
mod waits;

use std::sync::Arc;

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::text::Language;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Serialize;

use crate::config::Operator;
use crate::hub::Hub;
use crate::reload::By;
use crate::transport::listener::Visitor;
use crate::transport::refusal::{Refusal, keep_private};

/// All routes of the operations address.
pub(crate) fn router(hub: Arc<Hub>) -> Router {
    let people = Router::new()
        .route("/status", get(view::status))
        .route("/messages", get(view::list))
        .route("/messages/{id}", get(view::show))
        .route("/messages/{id}/dossier", get(view::dossier))
        .route("/messages/{id}/export", post(export::export))
        .route("/why/{id}", get(view::why))
        .route("/clearing", get(clearing::list))
        .route("/clearing/acts", post(clearing::act))
        .route("/clearing/{id}", get(clearing::show))
        .route("/clearing/{id}/take", post(clearing::take))
        .route("/clearing/{id}/release", post(clearing::release))
        .route("/clearing/{id}/note", post(clearing::note))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::show))
        .route("/approvals/{id}/{word}", post(approvals::judge))
        .route("/directory", get(explain::directory))
        .route("/directory/{party}", get(explain::party))
        .route("/route", get(explain::route))
        .route("/packs", get(explain::packs))
        .route("/log/verify", post(view::verify_log))
        .route("/certificates/affected", get(affected::affected))
        .layer(axum::middleware::from_fn_with_state((hub.clone(), Admits::Good), identify));
    // What finds out and ends that nothing is known of revoked certificates.
    let remedies = Router::new()
        .route("/checks", get(health::checks))
        .route("/reload", post(reload))
        .route("/revocation/refresh", post(affected::refresh))
        .layer(axum::middleware::from_fn_with_state((hub.clone(), Admits::Unknown), identify));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .nest("/ops/v1", people.merge(remedies))
        .fallback(async || Refusal::from(Code::NotFound))
        .method_not_allowed_fallback(async || Refusal::method())
        .layer(axum::middleware::from_fn_with_state(hub.clone(), door))
        .with_state(hub)
}

/// Which operators a route lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admits {
    /// Those whose certificate counts.
    Good,
    /// Those as well of whose certificate nothing is known because no source of revocation answers:
    /// otherwise nobody could do anything about it. One that was revoked or has no path never.
    Unknown,
}

/// Lets in operators only.
async fn identify(
    State((hub, admits)): State<(Arc<Hub>, Admits)>,
    Extension(visitor): Extension<Visitor>,
    mut request: Request,
    next: Next,
) -> Response {
    let tables = hub.tables();
    let operator =
        visitor.certificate.and_then(|certificate| tables.operator(&certificate).cloned());
    match operator {
        Some(operator) => match tables.standings.operator(&operator, hub.clock.now()) {
            Ok(()) => {
                request.extensions_mut().insert(operator);
                next.run(request).await
            }
            Err(fault)
                if admits == Admits::Unknown && fault.code == Code::CertificateStatusUnknown =>
            {
                let act = format!("status of the certificate unknown: {}", request.uri().path());
                match note(&hub, &operator, &act, None).await {
                    Ok(()) => {
                        request.extensions_mut().insert(operator);
                        next.run(request).await
                    }
                    Err(error) => Refusal::from(error).into_response(),
                }
            }
            Err(fault) => {
                tracing::warn!(operator = operator.name, code = %fault.code, "operator refused");
                Refusal::from(fault).into_response()
            }
        },
        None => {
            hub.noise.count();
            Refusal::from(Code::OperatorOnly).into_response()
        }
    }
}

/// Makes every refusal a problem document. Texts are English here, the command line translates by
/// code.
async fn door(
    State(hub): State<Arc<Hub>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match visitor.crowded {
        true => {
            Refusal::from(Fault::new(Code::TooMany).because("connections").after(1)).into_response()
        }
        false => next.run(request).await,
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let error_id = hub.new_error_id();
        if let Some(cause) = refusal.cause.as_ref().filter(|_| refusal.fault.code.status() >= 500) {
            tracing::warn!(error_id, cause, "a request of an operator failed");
        }
        refusal.fill(&mut response, Language::En, &error_id);
    }
    keep_private(&mut response);
    response
}

/// `POST /ops/v1/reload`: the tables are read again, all or none. The act is on record before
/// anything changes.
async fn reload(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
) -> Result<Response, Refusal> {
    let outcome = hub.reload(By::Operator(operator.certificate.fingerprint)).await;
    let reason = outcome.err();
    Ok(json(&serde_json::json!({
        "schema_version": 1,
        "ok": reason.is_none(),
        "reason_de": reason.as_ref().map(|reason| &reason.de),
        "reason_en": reason.as_ref().map(|reason| &reason.en),
    })))
}

/// A JSON document.
pub(super) fn json(document: &impl Serialize) -> Response {
    let octets = serde_json::to_vec(document).expect("documents of this module can be written");
    answer(StatusCode::OK, octets, "application/json")
}

pub(super) fn answer(status: StatusCode, octets: Vec<u8>, media_type: &'static str) -> Response {
    let mut response = (status, octets).into_response();
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// Records that an operator looked at or did something, before the answer is made.
pub(super) async fn note(
    hub: &Hub,
    operator: &Operator,
    act: &str,
    hub_id: Option<HubId>,
) -> Result<(), StoreError> {
    tracing::info!(operator = operator.name, act, hub_id = hub_id.as_ref().map(HubId::as_str));
    let record = Evidence::Operator {
        certificate: operator.certificate.fingerprint,
        name: Some(operator.name.clone()),
        act: act.to_owned(),
        hub_id,
        reason: None,
    };
    hub.store.record(record).await.map(|_| ())
}
