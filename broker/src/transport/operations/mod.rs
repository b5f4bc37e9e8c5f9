//! The operations address: health and metrics for machines, `/ops/v1` for people with a personal
//! certificate. Looking at a message is evidence, as every operator act (P5).

mod explain;
mod health;
mod view;

use std::sync::Arc;

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::text::Language;
use amtsbote_wire::native::problem;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Serialize;

use crate::config::Operator;
use crate::hub::Hub;
use crate::step::refused::store_fault;
use crate::transport::listener::Visitor;

/// All routes of the operations address.
pub(crate) fn router(hub: Arc<Hub>) -> Router {
    let people = Router::new()
        .route("/status", get(view::status))
        .route("/messages", get(view::list))
        .route("/messages/{id}", get(view::show))
        .route("/messages/{id}/dossier", get(view::dossier))
        .route("/why/{id}", get(view::why))
        .route("/directory", get(explain::directory))
        .route("/directory/{party}", get(explain::party))
        .route("/route", get(explain::route))
        .route("/packs", get(explain::packs))
        .route("/checks", get(health::checks))
        .route("/log/verify", post(view::verify_log))
        .layer(axum::middleware::from_fn_with_state(hub.clone(), identify));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .nest("/ops/v1", people)
        .fallback(|| async { Refusal::from(Code::NotFound) })
        .with_state(hub)
}

/// Lets in operators only.
async fn identify(
    State(hub): State<Arc<Hub>>,
    Extension(visitor): Extension<Visitor>,
    mut request: Request,
    next: Next,
) -> Response {
    let operator = visitor.certificate.and_then(|certificate| hub.operator(&certificate).cloned());
    match operator {
        Some(operator) => {
            request.extensions_mut().insert(operator);
            next.run(request).await
        }
        None => Refusal::from(Code::OperatorOnly).into_response(),
    }
}

/// A refusal for an operator; texts are English here, the command line translates by code.
pub(super) struct Refusal(Fault);

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self(Fault::new(code))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if !matches!(error, StoreError::NotFound) {
            tracing::error!(%error, "the store failed while an operator asked");
        }
        Self(store_fault(&error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error_id = uuid::Uuid::new_v4().simple().to_string();
        let status = StatusCode::from_u16(self.0.code.status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let document = problem::Problem::new(&self.0, Language::En, &error_id);
        answer(status, document.to_bytes(), problem::MEDIA_TYPE)
    }
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
        certificate: operator.certificate,
        act: act.to_owned(),
        hub_id,
    };
    hub.store.record(record).await.map(|_| ())
}
