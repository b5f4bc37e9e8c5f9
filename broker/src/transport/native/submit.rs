//! `POST /v1/messages`.

use std::sync::Arc;

use amtsbote_domain::identity::Transport;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::{self, Problem};
use super::stream::BodyMessage;
use super::{Caller, Wanted};
use crate::hub::Hub;
use crate::pipeline;
use crate::step::received::Door;

/// Takes a message in. 201 with the receipt, 200 with the same receipt for an identical repeat.
pub(super) async fn submit(
    State(hub): State<Arc<Hub>>,
    Extension(Caller(account)): Extension<Caller>,
    language: Wanted,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let mut message = match BodyMessage::new(&head.headers, body, hub.limits) {
        Ok(message) => message,
        Err((fault, body)) => {
            answer::linger(body).await;
            return Problem::new(fault, language).into_response();
        }
    };
    let door = Door {
        account: &account,
        transport: Transport::Native,
        arrival: hub.clock.now(),
        inbound: &mut message,
    };
    match pipeline::ingest(&hub, door).await {
        Ok(accepted) => {
            let status =
                if accepted.is_repeat() { StatusCode::OK } else { StatusCode::CREATED };
            let location = format!("/v1/messages/{}", accepted.hub_id());
            let mut response = answer::json(status, accepted.into_receipt());
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Err(refused) => {
            answer::linger(message.into_body()).await;
            Problem::recorded(refused, language).into_response()
        }
    }
}
