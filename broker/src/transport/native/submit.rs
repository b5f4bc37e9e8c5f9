//! `POST /v1/messages`.

use std::sync::Arc;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::Transport;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::hop;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::Caller;
use super::form::Signed;
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
    let said = sender(account.relay, &head.headers)
        .and_then(|sender| Ok((sender, reader(&head.headers)?)));
    let (sender, reader) = match said {
        Ok(said) => said,
        Err(fault) => {
            unread_body(&head.headers, body).await;
            return Err(fault.into());
        }
    };
    let form = Signed::relayed(sender, reader);
    let mut message = match BodyMessage::new(&head.headers, body, hub.limits, form) {
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

/// Whose id it is, as another hub says that relays the message; an older one says nothing.
fn sender(relay: bool, headers: &HeaderMap) -> Result<Option<Digest>, Fault> {
    let bad = || Fault::new(Code::MalformedRequest).because("Amtsbote-Sender");
    let mut said = headers.get_all(hop::SENDER).iter();
    match (relay, said.next(), said.next()) {
        (false, ..) | (true, None, _) => Ok(None),
        (true, Some(one), None) => {
            let text = one.to_str().map_err(|_| bad())?;
            Digest::parse(text).map(Some).map_err(|_| bad())
        }
        (true, Some(_), Some(_)) => Err(bad()),
    }
}

/// For which of several Readers, as another hub says. From any other account it is a mistake where there are
/// several; that shows when the envelope is read.
fn reader(headers: &HeaderMap) -> Result<Option<PartyId>, Fault> {
    let bad = || Fault::new(Code::MalformedRequest).because("Amtsbote-Reader");
    let mut said = headers.get_all(hop::READER).iter();
    match (said.next(), said.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            let text = std::str::from_utf8(one.as_bytes()).map_err(|_| bad())?;
            PartyId::parse(text).map(Some).map_err(|_| bad())
        }
        (Some(_), Some(_)) => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    #[test]
    fn only_another_hub_says_whose_id_it_is() {
        let digest = Digest([0xab; 32]);
        let headers = |values: &[&str]| -> HeaderMap {
            let value = |text: &&str| HeaderValue::from_str(text).expect("a value");
            values.iter().map(|text| (HeaderName::from_static(hop::SENDER), value(text))).collect()
        };
        let text = digest.to_string();
        assert_eq!(sender(true, &headers(&[&text])).expect("is read"), Some(digest));
        assert_eq!(sender(true, &headers(&[])).expect("is an older one"), None);
        for bad in [&["lemgo"][..], &[""], &[&text, &text], &[&text[1..]]] {
            let fault = sender(true, &headers(bad)).expect_err("is refused");
            assert_eq!(fault.code, Code::MalformedRequest);
            assert_eq!(sender(false, &headers(bad)).expect("is not looked at"), None);
        }
    }

    /// Parties are UTF-8, so the value of the header is too.
    #[test]
    fn another_hub_says_for_which_reader() {
        let headers = |values: &[&[u8]]| -> HeaderMap {
            let value = |octets: &&[u8]| HeaderValue::from_bytes(octets).expect("a value");
            values.iter().map(|one| (HeaderName::from_static(hop::READER), value(one))).collect()
        };
        assert_eq!(reader(&headers(&[])).expect("nothing is said"), None);
        let party = PartyId::parse("t\u{f6}j:05766044").expect("a party");
        let said = reader(&headers(&[party.as_str().as_bytes()])).expect("is read");
        assert_eq!(said, Some(party));
        for bad in [&[&b"lemgo"[..]][..], &[b""], &[b"t\xf6j:1"], &[b"ags:1", b"ags:1"]] {
            let fault = reader(&headers(bad)).expect_err("is refused");
            assert_eq!(fault.code, Code::MalformedRequest);
        }
    }
}
