//! The native transport: HTTP with mutual TLS (CONTRACT.md, "HTTP, native transport").

mod answer;
mod inbox;
mod log;
mod messages;
pub(crate) mod peer;
mod stream;
mod submit;

use std::sync::Arc;

use amtsbote_domain::directory::Account;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::text::Language;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{StatusCode, header};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::hub::Hub;
use crate::transport::listener::Visitor;
use answer::Problem;

/// All routes of the native transport.
pub(crate) fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/v1/messages", post(submit::submit))
        .route("/v1/messages/{id}", get(messages::status))
        .route("/v1/messages/{id}/receipt", get(messages::receipt))
        .route("/v1/messages/{id}/cancel", post(messages::cancel))
        .route("/v1/inbox", get(inbox::list))
        .route("/v1/inbox/{id}", get(inbox::payload))
        .route("/v1/inbox/{id}/parts/{cid}", get(inbox::part))
        .route("/v1/inbox/{id}/acknowledge", post(inbox::acknowledge))
        .route("/v1/limits", get(messages::limits))
        .route("/v1/openapi.json", get(openapi))
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/tile/{*path}", get(log::tile))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .layer(axum::middleware::from_fn_with_state(hub.clone(), identify))
        .with_state(hub)
}

/// `GET /v1/openapi.json`: the description that the routes above must agree with.
async fn openapi() -> Response {
    answer::json(StatusCode::OK, include_bytes!("openapi.json").to_vec())
}

async fn nothing_here(language: Wanted) -> Problem {
    Problem::new(Fault::new(Code::NotFound), language)
}

/// Who asks: the account of the client certificate. Extracted before anything of a body is read.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Account);

/// The language of texts in the answer (`Accept-Language`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted(pub(crate) Language);

impl<S: Sync> FromRequestParts<S> for Wanted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let wanted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        Ok(Self(wanted.and_then(Language::from_locale).unwrap_or_default()))
    }
}

/// Lets in whom the directory knows. A stranger with a good certificate is noise: counted in the
/// log, never evidence (P8).
async fn identify(
    State(hub): State<Arc<Hub>>,
    Extension(visitor): Extension<Visitor>,
    language: Wanted,
    mut request: Request,
    next: Next,
) -> Response {
    let account = visitor.certificate.and_then(|certificate| hub.directory.account(&certificate));
    match account {
        Some(account) => {
            request.extensions_mut().insert(Caller(account.clone()));
            next.run(request).await
        }
        None => {
            tracing::info!(certificate = ?visitor.certificate, "no account has this certificate");
            answer::refuse_unread(Fault::new(Code::UnknownAccount), language, request).await
        }
    }
}
