//! The native transport: HTTP with mutual TLS (CONTRACT.md, "HTTP, native transport").

pub(crate) mod form;
mod inbox;
mod log;
mod messages;
pub(crate) mod peer;
mod stream;
mod submit;

use std::sync::Arc;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Account;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::UnderGrace;
use amtsbote_domain::text::Language;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::hub::Hub;
use crate::step::refused::{Refused, Seen, refuse};
use crate::tables::InForce;
use crate::transport::linger;
use crate::transport::listener::Visitor;
use crate::transport::refusal::{Refusal, keep_private};

/// All routes of the native transport.
pub(crate) fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/v1/messages", post(submit::submit))
        .route("/v1/messages/{id}", get(messages::status))
        .route("/v1/messages/{id}/receipt", get(messages::receipt))
        .route("/v1/messages/{id}/cancel", post(messages::cancel))
        .route("/v1/inbox", get(inbox::list))
        // Handing octets out is recorded; HEAD hands none out and has nothing to say here.
        .route("/v1/inbox/{id}", get(inbox::payload).head(no_such_method))
        .route("/v1/inbox/{id}/parts/{cid}", get(inbox::part).head(no_such_method))
        .route("/v1/inbox/{id}/acknowledge", post(inbox::acknowledge))
        .route("/v1/limits", get(messages::limits))
        .route("/v1/openapi.json", get(openapi))
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/tile/{*path}", get(log::tile))
        .fallback(async || Refusal::from(Code::NotFound))
        .method_not_allowed_fallback(no_such_method)
        .layer(axum::middleware::from_fn_with_state(hub.clone(), door))
        .with_state(hub)
}

/// `GET /v1/openapi.json`: the description that the routes above must agree with.
async fn openapi() -> Response {
    json(StatusCode::OK, include_bytes!("openapi.json").to_vec())
}

async fn no_such_method() -> Refusal {
    Refusal::method()
}

/// Who asks: the account of the client certificate. Known before anything of a body is read.
#[derive(Clone)]
struct Caller {
    account: Account,
    certificate: Digest,
    /// The certificate is accepted under grace.
    under_grace: Option<UnderGrace>,
}

/// Lets in whom the directory knows. On the way out every refusal of an authenticated party is
/// evidence before it is an answer (P5). A stranger with a good certificate is noise: counted,
/// never evidence (P8).
async fn door(
    State(hub): State<Arc<Hub>>,
    Extension(visitor): Extension<Visitor>,
    mut request: Request,
    next: Next,
) -> Response {
    let language = language(request.headers());
    let tables = hub.tables();
    let account =
        visitor.certificate.and_then(|certificate| tables.directory.account(&certificate));
    let mut response = match account {
        Some(_) if visitor.crowded => {
            linger::unread(request).await;
            Refusal::from(Fault::new(Code::TooMany).because("connections").after(1)).into_response()
        }
        // Judged with every request: a connection may outlast the certificate it was made with.
        Some(account) => match standing(&hub, &tables, account, &visitor) {
            Ok((certificate, under_grace)) => {
                let account = account.clone();
                request.extensions_mut().insert(Caller { account, certificate, under_grace });
                next.run(request).await
            }
            Err(fault) => {
                linger::unread(request).await;
                Refusal::from(fault).into_response()
            }
        },
        None => {
            hub.noise.count();
            linger::unread(request).await;
            Refusal::from(Code::UnknownAccount).into_response()
        }
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let (refusal, error_id) = record(&hub, account, refusal).await;
        refusal.fill(&mut response, language, &error_id);
    }
    keep_private(&mut response);
    response
}

/// How the certificate of the connection stands now.
fn standing(
    hub: &Hub,
    tables: &InForce,
    account: &Account,
    visitor: &Visitor,
) -> Result<(Digest, Option<UnderGrace>), Fault> {
    let certificate = visitor.certificate.ok_or_else(|| Fault::new(Code::UnknownAccount))?;
    let under_grace = tables.standings.account(account, &certificate, hub.clock.now())?;
    Ok((certificate, under_grace))
}

/// Makes a refusal evidence, if it is one of somebody known and is none yet. Says its id.
async fn record(hub: &Hub, account: Option<&Account>, refusal: Refusal) -> (Refusal, String) {
    let Refusal { fault, about, cause, recorded, .. } = refusal.clone();
    let (Some(account), None) = (account, &recorded) else {
        return (refusal, recorded.unwrap_or_else(|| hub.new_error_id()));
    };
    let Refused { fault: told, error_id } =
        refuse(hub, Seen::of(&account.id, about), fault.clone()).await;
    if let Some(cause) = cause.filter(|_| fault.code.status() >= 500) {
        tracing::warn!(error_id, cause, "a request failed");
    }
    // One that could not be recorded is told as another.
    let refusal = if told == fault { refusal } else { told.into() };
    (refusal, error_id)
}

/// The language of texts in the answer (`Accept-Language`).
fn language(headers: &HeaderMap) -> Language {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    wanted.and_then(Language::from_locale).unwrap_or_default()
}

/// A JSON document that is ready as octets.
fn json(status: StatusCode, octets: Vec<u8>) -> Response {
    let content_type = HeaderValue::from_static("application/json");
    let mut response = (status, Body::from(octets)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The same, still to be written.
fn document(document: &impl serde::Serialize) -> Response {
    let octets = serde_json::to_vec(document).expect("strings and numbers can be written");
    json(StatusCode::OK, octets)
}
