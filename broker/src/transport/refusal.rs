//! Refusals of requests over HTTP. A handler returns one; the door, which knows who asked and in
//! which language, makes it evidence where it must be and a problem document (RFC 9457) always.

use std::time::Duration;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::text::Language;
use amtsbote_wire::native::problem;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::linger::linger;
use crate::step::refused::{Refused, store_fault};

/// Why a request is not answered as its sender wished.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// The message in question, where it is the caller's business.
    pub(crate) about: Option<HubId>,
    /// The HTTP status, where it says more than the code's own.
    status: Option<StatusCode>,
    /// What the log must say and the answer must not.
    pub(crate) cause: Option<String>,
    /// It is evidence already, under this id.
    pub(crate) recorded: Option<String>,
}

impl Refusal {
    /// No such method for this path.
    pub(crate) fn method() -> Self {
        let fault = Fault::new(Code::MalformedRequest).at("method");
        Self { status: Some(StatusCode::METHOD_NOT_ALLOWED), ..fault.into() }
    }

    /// The range asked for lies outside the octets.
    pub(crate) fn range() -> Self {
        let fault = Fault::new(Code::MalformedRequest).at("Range");
        Self { status: Some(StatusCode::RANGE_NOT_SATISFIABLE), ..fault.into() }
    }

    /// It is about this message.
    pub(crate) fn about(mut self, hub_id: &HubId) -> Self {
        self.about = Some(hub_id.clone());
        self
    }

    /// The answer, as a problem document. Headers that `response` has stay.
    pub(crate) fn fill(self, response: &mut Response, language: Language, error_id: &str) {
        let mut document = problem::Problem::new(&self.fault, language, error_id);
        let own = StatusCode::from_u16(document.status).unwrap_or_default();
        let status = self.status.unwrap_or(own);
        document.status = status.as_u16();
        *response.status_mut() = status;
        *response.body_mut() = Body::from(document.to_bytes());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        headers.remove(header::CONTENT_LENGTH);
        if let Some(seconds) = self.fault.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, about: None, status: None, cause: None, recorded: None }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Fault::new(code).into()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self { cause: Some(error.to_string()), ..store_fault(&error).into() }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self { recorded: Some(refused.error_id), ..refused.fault.into() }
    }
}

/// Carries the refusal to the door, which fills the answer in.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The query of a request.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(_) => Err(Fault::new(Code::MalformedRequest).at("query").into()),
        }
    }
}

/// What the path of a request names. A path that names nothing readable names nothing.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(_) => Err(Code::NotFound.into()),
        }
    }
}

/// Octets of a JSON document that an operator sends: ten thousand ids have room.
const DOCUMENT_BYTES: usize = 1 << 20;
/// Time in which it must have come.
const DOCUMENT_TIME: Duration = Duration::from_secs(30);

/// The JSON document in a request; an empty body says what an empty document says.
pub(crate) struct Told<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Told<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let mut body = request.into_body();
        let octets = tokio::time::timeout(DOCUMENT_TIME, document(&mut body)).await;
        let octets = match octets.map_err(|_| Refusal::from(Code::TooSlow))? {
            Ok(octets) => octets,
            Err(fault) => {
                // Whoever is still writing shall read why.
                linger(body).await;
                return Err(fault.into());
            }
        };
        let body = if octets.is_empty() { b"{}".to_vec() } else { octets };
        // What the parser says may quote what was sent: only where it stopped is told.
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let place = format!("body:{}:{}", error.line(), error.column());
            Fault::new(Code::MalformedRequest).at(place).into()
        })
    }
}

async fn document(body: &mut Body) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Fault::new(Code::MalformedRequest).at("body"))?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if octets.len() + data.len() > DOCUMENT_BYTES {
            let limit = format_args!("at most {DOCUMENT_BYTES} octets");
            return Err(Fault::new(Code::TooLarge).at("body").because(limit));
        }
        octets.extend_from_slice(data);
    }
    Ok(octets)
}

/// What every answer says: what it holds is for the caller alone, and is what it says it is.
pub(crate) fn keep_private(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
