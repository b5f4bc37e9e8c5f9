//! `POST /v1/messages`.

use std::sync::Arc;

use amtsbote_domain::identity::Transport;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::Caller;
use super::stream::BodyMessage;
use crate::hub::Hub;
use crate::pipeline;
use crate::step::received::Door;
use crate::transport::linger::{linger, unread_body};
use crate::transport::refusal::Refusal;

/// Takes a message in. 201 with the receipt, 200 with the same receipt for an identical repeat.
pub(super) async fn submit(
    State(hub): State<Arc<Hub>>,
    Extension(Caller { account, certificate, under_grace }): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let mut message = match BodyMessage::new(&head.headers, body, hub.limits) {
        Ok(message) => message,
        Err((fault, body)) => {
            unread_body(&head.headers, body).await;
            return Err(fault.into());
        }
    };
    let door = Door {
        account: &account,
        certificate,
        under_grace,
        transport: Transport::Native,
        arrival: hub.clock.now(),
        inbound: &mut message,
    };
    let accepted = match pipeline::ingest(&hub, door).await {
        Ok(accepted) => accepted,
        Err(refused) => {
            match message.is_unread() {
                true => unread_body(&head.headers, message.into_body()).await,
                false => linger(message.into_body()).await,
            }
            return Err(refused.into());
        }
    };
    let status = if accepted.is_repeat() { StatusCode::OK } else { StatusCode::CREATED };
    let location = format!("/v1/messages/{}", accepted.hub_id());
    let location = HeaderValue::from_str(&location).expect("a hub id is visible ASCII");
    let mut response = super::json(status, accepted.into_receipt());
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
