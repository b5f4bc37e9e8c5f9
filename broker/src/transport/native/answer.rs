//! Answers: problem documents after RFC 9457, receipts, JSON.

use std::time::Duration;

use amtsbote_domain::fault::Fault;
use amtsbote_wire::native::problem;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

use super::Wanted;
use crate::step::refused::{Refused, store_fault};

/// A refusal on its way out.
pub(super) struct Problem {
    fault: Fault,
    error_id: String,
    language: Wanted,
}

impl Problem {
    /// One that is not evidence; it gets an id of its own, which the log shows as well.
    pub(super) fn new(fault: Fault, language: Wanted) -> Self {
        let error_id = uuid::Uuid::new_v4().simple().to_string();
        tracing::info!(%error_id, code = %fault.code, "request refused");
        Self { fault, error_id, language }
    }

    /// One that was recorded.
    pub(super) fn recorded(refused: Refused, language: Wanted) -> Self {
        Self { fault: refused.fault, error_id: refused.error_id, language }
    }

    /// Trouble in the store.
    pub(super) fn store(error: &amtsbote_domain::ports::StoreError, language: Wanted) -> Self {
        let problem = Self::new(store_fault(error), language);
        if problem.fault.code.status() >= 500 {
            tracing::error!(error_id = problem.error_id, %error, "the store failed");
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.fault.code;
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.fault.retry_after;
        let body = problem::Problem::new(&self.fault, self.language.0, &self.error_id).to_bytes();
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(problem::MEDIA_TYPE),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A JSON document that is ready as octets.
pub(super) fn json(status: StatusCode, octets: Vec<u8>) -> Response {
    let content_type = HeaderValue::from_static("application/json");
    let mut response = (status, Body::from(octets)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Octets of a refused request that are read and thrown away, so that a sender who is still
/// writing gets to read the answer instead of a reset connection.
const LINGER_BYTES: usize = 8 << 20;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(5);

/// Reads on for a little while.
pub(super) async fn linger(mut body: Body) {
    let mut left = LINGER_BYTES;
    let drain = async {
        while let Some(Ok(frame)) = body.frame().await {
            let octets = frame.data_ref().map_or(0, |data| data.len());
            match left.checked_sub(octets) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Either way the answer goes out now.
    if tokio::time::timeout(LINGER, drain).await.is_err() {
        tracing::debug!("a refused request was still being written");
    }
}

/// Refuses a request whose body nobody read.
pub(super) async fn refuse_unread(fault: Fault, language: Wanted, request: Request) -> Response {
    linger(request.into_body()).await;
    Problem::new(fault, language).into_response()
}
