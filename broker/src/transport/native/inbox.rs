//! The inbox of a party: list, fetch, acknowledge. `GET` never ends anything; that octets are
//! about to leave is recorded before they do (P2).

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::directory::Channel;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Part;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Delivery, ENVELOPE_CID, InboxPage as Page, StoreError};
use amtsbote_domain::state::Event;
use amtsbote_wire::native::status::{AcknowledgeRequest, InboxPage, MAX_PAGE_ENTRIES};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use serde::Deserialize;

use super::Caller;
use super::messages::delivery;
use crate::hub::Hub;
use crate::transport::octets::{self, unreadable};
use crate::transport::refusal::{Asked, Named, Refusal};

/// Longest that `wait` may ask for.
pub(super) const LONGEST_WAIT_SECONDS: u32 = 60;
/// Entries of a page where the request names no number.
const PAGE_ENTRIES: u32 = 100;
/// Octets of a confirmation.
const CONFIRMATION_BYTES: usize = 4 << 10;
/// How often a waiting inbox is looked at without a sign: a message may become due without one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// `GET /v1/inbox?party=&limit=&after=&wait=`.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    party: String,
    limit: Option<u32>,
    after: Option<String>,
    wait: Option<u32>,
}

/// What waits for a party, at most `wait` seconds later if nothing waits now.
pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<ListQuery>,
) -> Result<Response, Refusal> {
    let malformed = |place| Fault::new(Code::MalformedRequest).at(place);
    let party = PartyId::parse(&query.party).map_err(|_| malformed("party"))?;
    if !caller.account.may_collect_for(&party) {
        return Err(Code::AccountNotForAuthor.into());
    }
    let limit = query.limit.unwrap_or(PAGE_ENTRIES).clamp(1, MAX_PAGE_ENTRIES);
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT_SECONDS).into());
    match wait_for_mail(&hub, &party, query.after.as_deref(), limit, wait).await {
        Ok(page) => Ok(super::document(&InboxPage::new(&page))),
        // Nothing but the cursor can be unknown here.
        Err(StoreError::NotFound) => Err(malformed("after").into()),
        Err(error) => Err(error.into()),
    }
}

/// Looks, waits for a sign of something new, looks again; until the node stops.
async fn wait_for_mail(
    hub: &Hub,
    party: &PartyId,
    after: Option<&str>,
    limit: u32,
    wait: Duration,
) -> Result<Page, StoreError> {
    let end = tokio::time::Instant::now() + wait;
    loop {
        // Before looking, so that no sign falls in between.
        let sign = hub.mail.sign(party);
        let page = hub.store.inbox(party, after, limit).await?;
        let now = tokio::time::Instant::now();
        if !page.deliveries.is_empty() || now >= end || hub.stop.is_said() {
            return Ok(page);
        }
        tokio::select! {
            () = sign => {}
            () = hub.stop.said() => {}
            () = tokio::time::sleep((end - now).min(LOOK_AGAIN)) => {}
        }
    }
}

/// `GET /v1/inbox/{id}`: the payload.
pub(super) async fn payload(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let delivery = for_reader(&hub, &caller, &id).await?;
    let part = delivery.record.parts[0].clone();
    hand_out(&hub, &caller, &delivery, part, &headers).await
}

/// `GET /v1/inbox/{id}/parts/{cid}`: the envelope or any part.
pub(super) async fn part(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Named((id, cid)): Named<(String, String)>,
) -> Result<Response, Refusal> {
    let delivery = for_reader(&hub, &caller, &id).await?;
    let part = if cid == ENVELOPE_CID {
        envelope_part(&hub, &delivery).await?
    } else {
        let part = delivery.record.parts.iter().find(|part| part.cid == cid).cloned();
        part.ok_or(Code::NotFound)?
    };
    hand_out(&hub, &caller, &delivery, part, &headers).await
}

/// The envelope is a part like the others, but the record names only its digest; it is small, and
/// counted here.
async fn envelope_part(hub: &Hub, delivery: &Delivery) -> Result<Part, Refusal> {
    let hub_id = &delivery.record.hub_id;
    let octets = match octets::whole(hub.store.as_ref(), hub_id, ENVELOPE_CID).await {
        Ok(octets) => octets,
        Err(error) => return Err(damaged(hub, hub_id, error).await),
    };
    Ok(Part {
        cid: ENVELOPE_CID.to_owned(),
        media_type: "application/xml".to_owned(),
        size: octets.len() as u64,
        sha256: delivery.record.envelope_sha256,
    })
}

/// `POST /v1/inbox/{id}/acknowledge` with the payload's digest.
pub(super) async fn acknowledge(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let delivery = for_reader(&hub, &caller, &id).await?;
    let hub_id = &delivery.record.hub_id;
    let refusal = |code| Refusal::from(code).about(hub_id);
    let body = axum::body::to_bytes(request.into_body(), CONFIRMATION_BYTES);
    let body = tokio::time::timeout(Duration::from_millis(hub.limits.body_idle_ms), body)
        .await
        .map_err(|_| refusal(Code::TooSlow))?
        .map_err(|_| refusal(Code::MalformedRequest))?;
    let confirmed: AcknowledgeRequest =
        serde_json::from_slice(&body).map_err(|_| refusal(Code::MalformedRequest))?;
    let by = format!("account:{}", caller.account.id);
    let applied =
        hub.store.apply(hub_id, Event::Acknowledge, Some(by), Some(confirmed.sha256)).await;
    let (_, receipt) = applied.map_err(|error| Refusal::from(error).about(hub_id))?;
    Ok(super::json(StatusCode::OK, receipt))
}

/// The delivery under a hub id, if the caller collects for its Reader from an inbox.
async fn for_reader(hub: &Hub, caller: &Caller, id: &str) -> Result<Delivery, Refusal> {
    let delivery = delivery(hub, id).await?;
    let record = &delivery.record;
    // One that people sent another way meanwhile may still be confirmed by who had collected it.
    let inbox = Channel::Inbox.as_str();
    let collected = delivery.channel == inbox || record.channel == inbox;
    if !collected || !caller.account.may_collect_for(&record.metadata.reader) {
        return Err(Refusal::from(Code::NotFound).about(&record.hub_id));
    }
    Ok(delivery)
}

/// Records the hand-over, then streams the octets (or the range asked for).
async fn hand_out(
    hub: &Arc<Hub>,
    caller: &Caller,
    delivery: &Delivery,
    part: Part,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let hub_id = &delivery.record.hub_id;
    let range = match range(headers, &part) {
        Wanted::Whole => None,
        Wanted::Range(range) => Some(range),
        Wanted::Unsatisfiable => {
            let size = format!("bytes */{}", part.size);
            return Ok(([(header::CONTENT_RANGE, size)], Refusal::range()).into_response());
        }
    };
    let (first, length) = match &range {
        Some(range) => (*range.start(), range.end() - range.start() + 1),
        None => (0, part.size),
    };
    // Opened first: of what cannot be read nothing was handed out.
    let octets = match hub.store.open_part(hub_id, &part.cid).await {
        Ok(reader) => octets::stream(reader, first, length, part.size).await.map_err(unreadable),
        Err(error) => Err(error),
    };
    let octets = match octets {
        Ok(octets) => octets,
        Err(error) => return Err(damaged(hub, hub_id, error).await),
    };
    let handed_out = hub.store.hand_out(hub_id, &caller.account.id).await;
    handed_out.map_err(|error| Refusal::from(error).about(hub_id))?;
    let octets = guarded(hub.clone(), hub_id.clone(), octets);
    Ok(octets_of(&part, range, length, Body::from_stream(octets)))
}

/// Octets that turn out to be changed while they leave stop the delivery as those do that are
/// found so before; the answer breaks off.
fn guarded(
    hub: Arc<Hub>,
    hub_id: HubId,
    octets: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    octets.or_else(move |error| {
        let (hub, hub_id) = (hub.clone(), hub_id.clone());
        async move {
            if error.kind() == io::ErrorKind::InvalidData {
                stop_delivery(&hub, &hub_id).await;
            }
            Err(error)
        }
    })
}

async fn damaged(hub: &Hub, hub_id: &HubId, error: StoreError) -> Refusal {
    if matches!(error, StoreError::Corrupt(_)) {
        stop_delivery(hub, hub_id).await;
    }
    Refusal::from(error).about(hub_id)
}

/// Octets at rest that are not those taken at the door stop the delivery (P4): while the Reader has
/// not confirmed it, a person decides from here on.
async fn stop_delivery(hub: &Hub, hub_id: &HubId) {
    tracing::error!(%hub_id, "octets at rest were changed; delivery stops");
    let stopped = hub.store.apply(hub_id, Event::DigestMismatch, None, None).await;
    if let Err(error) = stopped {
        tracing::error!(%hub_id, %error, "the delivery could not be stopped");
    }
}

fn octets_of(part: &Part, range: Option<RangeInclusive<u64>>, length: u64, body: Body) -> Response {
    let digest = format!("sha-256=:{}:", BASE64.encode(part.sha256.0));
    let mut response = body.into_response();
    match range {
        Some(range) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {}-{}/{}", range.start(), range.end(), part.size);
            insert(&mut response, header::CONTENT_RANGE, &value);
        }
        None => insert(&mut response, header::HeaderName::from_static("content-digest"), &digest),
    }
    insert(&mut response, header::HeaderName::from_static("repr-digest"), &digest);
    insert(&mut response, header::ETAG, &tag(part));
    insert(&mut response, header::CONTENT_LENGTH, &length.to_string());
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    insert(&mut response, header::CONTENT_TYPE, &part.media_type);
    // Content comes from strangers: no browser is to show it, let alone to run it.
    insert(&mut response, header::CONTENT_DISPOSITION, "attachment");
    response
}

fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    // A media type was checked when the envelope was read; a value that is no header is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The entity tag of a part; its octets never change.
fn tag(part: &Part) -> String {
    format!("\"{}\"", part.sha256)
}

enum Wanted {
    Whole,
    Range(RangeInclusive<u64>),
    Unsatisfiable,
}

/// One range of octets (RFC 9110, 14.1.2); several at once, other units and nonsense are ignored,
/// as the RFC allows.
fn range(headers: &HeaderMap, part: &Part) -> Wanted {
    let size = part.size;
    // Of a representation other than this one no range is wanted (RFC 9110, 13.1.5).
    if headers.get(header::IF_RANGE).is_some_and(|tagged| tagged != tag(part).as_str()) {
        return Wanted::Whole;
    }
    let Some(spec) = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bytes="))
    else {
        return Wanted::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else { return Wanted::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim().is_empty(), number(first), number(last)) {
        (true, _, Some(suffix)) if suffix > 0 => {
            size.saturating_sub(suffix)..=size.saturating_sub(1)
        }
        (false, Some(first), Some(last)) if first <= last => {
            first..=last.min(size.saturating_sub(1))
        }
        (false, Some(first), None) if last.trim().is_empty() => first..=size.saturating_sub(1),
        _ => return Wanted::Whole,
    };
    if size == 0 || *range.start() >= size { Wanted::Unsatisfiable } else { Wanted::Range(range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::identity::AccountId;
    use amtsbote_domain::state::{ClearingCause, State};
    use futures_util::{StreamExt, stream};

    use crate::config::DeliveryPolicy;
    use crate::testing;

    /// Only octets that were changed stop it; a disk that does not answer says nothing about them.
    #[tokio::test]
    async fn a_change_found_after_the_first_octets_left_stops_the_delivery() {
        let dir = tempfile::tempdir().expect("a folder");
        let (hub, _stopper) = testing::hub(dir.path(), DeliveryPolicy::default(), [].into());
        let hub_id = testing::accepted_in_inbox(&hub, 1).await;
        let lemgo = AccountId::parse("lemgo").expect("an account");
        for (kind, stops) in [(io::ErrorKind::TimedOut, false), (io::ErrorKind::InvalidData, true)]
        {
            hub.store.hand_out(&hub_id, &lemgo).await.expect("is handed out");
            let pieces = [Ok(Bytes::from_static(b"<pay")), Err(kind.into())];
            let octets = guarded(hub.clone(), hub_id.clone(), stream::iter(pieces));
            let taken: Vec<_> = octets.collect().await;
            assert!(taken[0].is_ok(), "{taken:?}");
            assert_eq!(taken[1].as_ref().expect_err("breaks off").kind(), kind);
            let state = hub.store.delivery(&hub_id).await.expect("is there").state;
            let mismatch = State::InClearing { cause: ClearingCause::DigestMismatch };
            assert_eq!(state == mismatch, stops, "{kind}: {state:?}");
        }
    }

    fn part(size: u64) -> Part {
        Part {
            cid: "payload".into(),
            media_type: "application/xml".into(),
            size,
            sha256: amtsbote_domain::digest::Digest([7; 32]),
        }
    }

    fn asked(spec: &str, size: u64) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(spec).expect("a header"));
        match range(&headers, &part(size)) {
            Wanted::Whole => None,
            Wanted::Range(range) => Some((*range.start(), *range.end())),
            Wanted::Unsatisfiable => Some((u64::MAX, u64::MAX)),
        }
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        const NO: Option<(u64, u64)> = Some((u64::MAX, u64::MAX));
        assert_eq!(asked("bytes=0-0", 10), Some((0, 0)));
        assert_eq!(asked("bytes=2-", 10), Some((2, 9)));
        assert_eq!(asked("bytes=-3", 10), Some((7, 9)));
        assert_eq!(asked("bytes=-30", 10), Some((0, 9)));
        assert_eq!(asked("bytes=5-99", 10), Some((5, 9)));
        assert_eq!(asked("bytes=10-", 10), NO);
        assert_eq!(asked("bytes=0-", 0), NO);
        for nonsense in ["bytes=5-2", "bytes=a-b", "bytes=-", "bytes=0-1,3-4", "lines=1-2"] {
            assert_eq!(asked(nonsense, 10), None, "{nonsense}");
        }
    }

    #[test]
    fn a_range_of_something_else_is_not_given() {
        for (tagged, whole) in [(tag(&part(10)), false), ("\"other\"".to_owned(), true)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=2-3"));
            headers.insert(header::IF_RANGE, HeaderValue::from_str(&tagged).expect("a header"));
            assert_eq!(matches!(range(&headers, &part(10)), Wanted::Whole), whole, "{tagged}");
        }
    }
}
