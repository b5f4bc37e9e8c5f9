//! The inbox of a party: list, fetch, acknowledge. `GET` never changes state; that octets are
//! about to leave is recorded before they do (P2).

use std::io::Read;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::Part;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Delivery, ENVELOPE_CID, InboxPage as Page};
use amtsbote_domain::state::Event;
use amtsbote_wire::native::status::{AcknowledgeRequest, InboxPage, MAX_PAGE_ENTRIES};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::answer::{self, Problem};
use super::messages::delivery;
use super::{Caller, Wanted};
use crate::hub::Hub;

/// Longest that `wait` may ask for.
pub(super) const LONGEST_WAIT_SECONDS: u32 = 60;
/// Entries of a page where the request names no number.
const PAGE_ENTRIES: u32 = 100;
/// Octets of a confirmation.
const CONFIRMATION_BYTES: usize = 4 << 10;
/// Octets read from the store at a time.
const CHUNK_BYTES: usize = 64 << 10;

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
    language: Wanted,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let refuse = |code| Problem::new(Fault::new(code), language);
    let party =
        PartyId::parse(&query.party).map_err(|_| refuse(Code::MalformedRequest))?;
    if !caller.0.may_collect_for(&party) {
        return Err(refuse(Code::AccountNotForAuthor));
    }
    let limit = query.limit.unwrap_or(PAGE_ENTRIES).clamp(1, MAX_PAGE_ENTRIES);
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT_SECONDS).into());
    let page = wait_for_mail(&hub, &party, query.after.as_deref(), limit, wait)
        .await
        .map_err(|error| Problem::store(&error, language))?;
    let octets =
        serde_json::to_vec(&InboxPage::new(&page)).expect("strings and numbers can be written");
    Ok(answer::json(StatusCode::OK, octets))
}

/// Looks, waits for a sign of something new, looks again. A sign that is lost costs a second: a
/// message may also become due without one.
async fn wait_for_mail(
    hub: &Hub,
    party: &PartyId,
    after: Option<&str>,
    limit: u32,
    wait: Duration,
) -> Result<Page, amtsbote_domain::ports::StoreError> {
    let end = tokio::time::Instant::now() + wait;
    loop {
        let sign = hub.mail.notified();
        let page = hub.store.inbox(party, after, limit).await?;
        let now = tokio::time::Instant::now();
        if !page.deliveries.is_empty() || now >= end {
            return Ok(page);
        }
        let pause = (end - now).min(Duration::from_secs(1));
        // Either way there is reason to look again.
        let _looked_again = tokio::time::timeout(pause, sign).await;
    }
}

/// `GET /v1/inbox/{id}`: the payload.
pub(super) async fn payload(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    language: Wanted,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let delivery = for_reader(&hub, &caller, &id, language).await?;
    let part = delivery.record.parts[0].clone();
    hand_out(&hub, &caller, &delivery, part, &headers, language).await
}

/// `GET /v1/inbox/{id}/parts/{cid}`: the envelope or any part.
pub(super) async fn part(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    language: Wanted,
    headers: HeaderMap,
    Path((id, cid)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let delivery = for_reader(&hub, &caller, &id, language).await?;
    let part = if cid == ENVELOPE_CID {
        envelope_part(&hub, &delivery, language).await?
    } else {
        let part = delivery.record.parts.iter().find(|part| part.cid == cid).cloned();
        part.ok_or_else(|| Problem::new(Fault::new(Code::NotFound), language))?
    };
    hand_out(&hub, &caller, &delivery, part, &headers, language).await
}

/// The envelope is a part like the others, but the record names only its digest; its size is
/// small and counted here.
async fn envelope_part(
    hub: &Hub,
    delivery: &Delivery,
    language: Wanted,
) -> Result<Part, Problem> {
    let mut reader = hub
        .store
        .open_part(&delivery.record.hub_id, ENVELOPE_CID)
        .await
        .map_err(|error| Problem::store(&error, language))?;
    let counted = tokio::task::spawn_blocking(move || std::io::copy(&mut reader, &mut std::io::sink()));
    let size = counted.await.map_err(std::io::Error::other).and_then(|size| size);
    let size = size.map_err(|error| {
        tracing::error!(hub_id = %delivery.record.hub_id, %error, "the envelope at rest is damaged");
        Problem::new(Fault::new(Code::Internal), language)
    })?;
    Ok(Part {
        cid: ENVELOPE_CID.to_owned(),
        media_type: "application/xml".to_owned(),
        size,
        sha256: delivery.record.envelope_sha256,
    })
}

/// `POST /v1/inbox/{id}/acknowledge` with the payload's digest.
pub(super) async fn acknowledge(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    language: Wanted,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let delivery = for_reader(&hub, &caller, &id, language).await?;
    let malformed = || Problem::new(Fault::new(Code::MalformedRequest), language);
    let body = axum::body::to_bytes(request.into_body(), CONFIRMATION_BYTES);
    let body = tokio::time::timeout(Duration::from_millis(hub.limits.body_idle_ms), body)
        .await
        .map_err(|_| Problem::new(Fault::new(Code::TooSlow), language))?
        .map_err(|_| malformed())?;
    let confirmed: AcknowledgeRequest =
        serde_json::from_slice(&body).map_err(|_| malformed())?;
    let by = format!("account:{}", caller.0.id);
    let (_, receipt) = hub
        .store
        .apply(&delivery.record.hub_id, Event::Acknowledge, Some(by), Some(confirmed.sha256))
        .await
        .map_err(|error| Problem::store(&error, language))?;
    Ok(answer::json(StatusCode::OK, receipt))
}

/// The delivery under a hub id, if the caller collects for its Reader from an inbox.
async fn for_reader(
    hub: &Hub,
    caller: &Caller,
    id: &str,
    language: Wanted,
) -> Result<Delivery, Problem> {
    let delivery = delivery(hub, id, language).await?;
    let collected = delivery.record.channel == "inbox";
    if !collected || !caller.0.may_collect_for(&delivery.record.metadata.reader) {
        return Err(Problem::new(Fault::new(Code::NotFound), language));
    }
    Ok(delivery)
}

/// Records the hand-over, then streams the octets (or the range asked for).
async fn hand_out(
    hub: &Hub,
    caller: &Caller,
    delivery: &Delivery,
    part: Part,
    headers: &HeaderMap,
    language: Wanted,
) -> Result<Response, Problem> {
    let hub_id = &delivery.record.hub_id;
    let range = match range(headers, part.size) {
        Asked::Whole => None,
        Asked::Range(range) => Some(range),
        Asked::Unsatisfiable => return Ok(unsatisfiable(part.size)),
    };
    hub.store
        .hand_out(hub_id, &caller.0.id)
        .await
        .map_err(|error| Problem::store(&error, language))?;
    let reader = hub
        .store
        .open_part(hub_id, &part.cid)
        .await
        .map_err(|error| Problem::store(&error, language))?;
    let (first, last) = match &range {
        Some(range) => (*range.start(), *range.end()),
        None => (0, part.size.saturating_sub(1)),
    };
    let length = if part.size == 0 { 0 } else { last - first + 1 };
    let mut response = Body::from_stream(octets(reader, first, length, first + length == part.size)).into_response();
    if let Some(range) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let value = format!("bytes {}-{}/{}", range.start(), range.end(), part.size);
        insert(&mut response, header::CONTENT_RANGE, &value);
    } else {
        let digest = format!("sha-256=:{}:", BASE64.encode(part.sha256.0));
        insert(&mut response, header::HeaderName::from_static("content-digest"), &digest);
    }
    let repr = format!("sha-256=:{}:", BASE64.encode(part.sha256.0));
    insert(&mut response, header::HeaderName::from_static("repr-digest"), &repr);
    insert(&mut response, header::CONTENT_LENGTH, &length.to_string());
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    insert(&mut response, header::CONTENT_TYPE, &part.media_type);
    // Content comes from strangers; nobody's browser is to guess what it is.
    insert(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    Ok(response)
}

fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    // A media type was checked when the envelope was read; a value that is no header is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The octets from `first`, `length` of them. A reader that finds the octets changed at rest
/// fails, and the connection with it: the Reader never takes a damaged part for whole (P4).
fn octets(
    mut reader: Box<dyn Read + Send>,
    first: u64,
    length: u64,
    to_the_end: bool,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
    tokio::task::spawn_blocking(move || {
        let mut send = || -> std::io::Result<()> {
            let skipped = std::io::copy(&mut reader.by_ref().take(first), &mut std::io::sink())?;
            let mut left = if skipped == first { length } else { 0 };
            while left > 0 {
                let mut chunk = vec![0; CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES))];
                reader.read_exact(&mut chunk)?;
                left -= chunk.len() as u64;
                // The last octets leave only when the end was seen to be right.
                if left == 0 && to_the_end {
                    verify_end(&mut reader)?;
                }
                if sender.blocking_send(Ok(chunk.into())).is_err() {
                    return Ok(());
                }
            }
            Ok(())
        };
        if let Err(error) = send() {
            tracing::error!(%error, "octets at rest could not be read whole");
            // Nobody listens any more when this fails.
            let _gone = sender.blocking_send(Err(error));
        }
    });
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    })
}

/// Reads on to the end, where size and digest are compared with those taken at the door.
fn verify_end(reader: &mut dyn Read) -> std::io::Result<()> {
    std::io::copy(reader, &mut std::io::sink()).map(|_| ())
}

enum Asked {
    Whole,
    Range(RangeInclusive<u64>),
    Unsatisfiable,
}

/// One range of octets (RFC 9110, 14.1.2); several at once, other units and nonsense are ignored,
/// as the RFC allows.
fn range(headers: &HeaderMap, size: u64) -> Asked {
    let Some(spec) = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bytes="))
    else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else { return Asked::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim().is_empty(), number(first), number(last)) {
        (true, _, Some(suffix)) if suffix > 0 => size.saturating_sub(suffix)..=size.saturating_sub(1),
        (false, Some(first), Some(last)) if first <= last => first..=last.min(size.saturating_sub(1)),
        (false, Some(first), None) if last.trim().is_empty() => first..=size.saturating_sub(1),
        _ => return Asked::Whole,
    };
    if size == 0 || *range.start() >= size { Asked::Unsatisfiable } else { Asked::Range(range) }
}

fn unsatisfiable(size: u64) -> Response {
    let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(spec: &str, size: u64) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(spec).expect("a header"));
        match range(&headers, size) {
            Asked::Whole => None,
            Asked::Range(range) => Some((*range.start(), *range.end())),
            Asked::Unsatisfiable => Some((u64::MAX, u64::MAX)),
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
}
