//! The JSON documents of the native transport, shared by the hub and its clients.
//!
//! Clients read unknown members and unknown words without complaint: `/v1` only gains fields. So
//! states travel as words, and their detail as another.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::{HubId, MessageType, MessageUuid, ServiceUri, TransportId};
use amtsbote_domain::message::Part;
use amtsbote_domain::notice::About;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Delivery, Entry, InboxPage as StoredPage};
use amtsbote_domain::state::{ClearingCause, State, WaitingFor};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of every document here.
pub const SCHEMA_VERSION: u32 = 1;
/// Most entries of one inbox page.
pub const MAX_PAGE_ENTRIES: u32 = 1000;

/// What became of a message (`GET /v1/messages/{id}`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageStatus {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The hub's id.
    pub id: HubId,
    /// The sender's id.
    pub transport_id: TransportId,
    /// The standard's own id, where readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_id: Option<MessageUuid>,
    /// Who wrote it.
    pub author: PartyId,
    /// Who is to read it.
    pub reader: PartyId,
    /// Who else is to read it, each by a delivery of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_readers: Vec<PartyId>,
    /// Those deliveries, in the same order; none where the message was brought for this Reader alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<HubId>,
    /// What it is for.
    pub service: ServiceUri,
    /// The type inside the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// Marked as test (P11).
    #[serde(default)]
    pub test: bool,
    /// The word of the state, e.g. `waiting`.
    pub state: String,
    /// What it waits for, or why it is in clearing; a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_detail: Option<String>,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// When the hub accepted it.
    pub accepted_at: Timestamp,
    /// When the hub looks at it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// Payload first, then attachments.
    pub parts: Vec<Part>,
    /// For a notice: which message it is about, and what it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// Where to go from here.
    pub links: MessageLinks,
}

/// Paths below the hub's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLinks {
    /// This document.
    #[serde(rename = "self")]
    pub this: String,
    /// The receipt of the acceptance.
    pub receipt: String,
    /// Where it can be withdrawn.
    pub cancel: String,
}

impl MessageStatus {
    /// The document for a delivery.
    pub fn new(delivery: &Delivery) -> Self {
        let record = &delivery.record;
        let this = format!("/v1/messages/{}", record.hub_id);
        Self {
            schema_version: SCHEMA_VERSION,
            id: record.hub_id.clone(),
            transport_id: record.metadata.transport_id.clone(),
            business_id: business_id(delivery),
            author: record.metadata.author.clone(),
            reader: record.metadata.reader.clone(),
            other_readers: record.metadata.other_readers.clone(),
            siblings: record.siblings.clone(),
            service: record.metadata.service.clone(),
            message_type: record.metadata.message_type.clone(),
            test: record.test,
            state: delivery.state.as_str().to_owned(),
            state_detail: state_detail(&delivery.state).map(str::to_owned),
            since: delivery.since,
            accepted_at: delivery.accepted_at,
            due: delivery.due,
            attempts: delivery.attempts,
            parts: record.parts.clone(),
            about: record.about.as_deref().cloned(),
            links: MessageLinks {
                receipt: format!("{this}/receipt"),
                cancel: format!("{this}/cancel"),
                this,
            },
        }
    }
}

/// The word for what a state holds besides its name.
pub fn state_detail(state: &State) -> Option<&'static str> {
    match state {
        State::Waiting { on } => Some(match on {
            WaitingFor::Turn => "turn",
            WaitingFor::Repeat => "repeat",
            WaitingFor::Collection => "collection",
            WaitingFor::Acknowledgement => "acknowledgement",
            WaitingFor::Release { .. } => "release",
        }),
        State::InClearing { cause } => Some(match cause {
            ClearingCause::Refused => "refused",
            ClearingCause::RepeatRefused => "repeat-refused",
            ClearingCause::AttemptsExhausted => "attempts-exhausted",
            ClearingCause::OutcomeUnknown => "outcome-unknown",
            ClearingCause::DigestMismatch => "digest-mismatch",
            ClearingCause::NoWay => "no-way",
        }),
        State::InDelivery { .. }
        | State::Delivered
        | State::Acknowledged
        | State::Uncertain
        | State::RejectedBack
        | State::Expired
        | State::Cancelled => None,
    }
}

/// The content's own id, or the one its sender stated outside of it.
fn business_id(delivery: &Delivery) -> Option<MessageUuid> {
    let record = &delivery.record;
    let read = record.business_id.as_ref().map(|id| id.uuid.clone());
    read.or_else(|| record.metadata.business_id.clone())
}

/// One message that waits for its Reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboxEntry {
    /// The hub's id.
    pub id: HubId,
    /// The sender's id.
    pub transport_id: TransportId,
    /// The standard's own id, where readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_id: Option<MessageUuid>,
    /// Who wrote it.
    pub author: PartyId,
    /// Who is to read it.
    pub reader: PartyId,
    /// Who else is to read it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_readers: Vec<PartyId>,
    /// What it is for.
    pub service: ServiceUri,
    /// The type inside the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// Marked as test (P11).
    #[serde(default)]
    pub test: bool,
    /// When the Author made it.
    pub created: Timestamp,
    /// When the hub accepted it.
    pub accepted_at: Timestamp,
    /// Of no use from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The word of its state.
    pub state: String,
    /// What it waits for; a word. After collection began it is `acknowledgement`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_detail: Option<String>,
    /// SHA-256 of the signed envelope (`/v1/inbox/{id}/parts/envelope.xml`).
    pub envelope_sha256: Digest,
    /// Payload first, then attachments.
    pub parts: Vec<Part>,
    /// Others with the same business id that were accepted before: this may be a re-send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_business_id: Vec<HubId>,
    /// For a notice: which message it is about, and what it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
}

impl InboxEntry {
    /// The entry for a delivery.
    pub fn new(delivery: &Delivery) -> Self {
        let record = &delivery.record;
        Self {
            id: record.hub_id.clone(),
            transport_id: record.metadata.transport_id.clone(),
            business_id: business_id(delivery),
            author: record.metadata.author.clone(),
            reader: record.metadata.reader.clone(),
            other_readers: record.metadata.other_readers.clone(),
            service: record.metadata.service.clone(),
            message_type: record.metadata.message_type.clone(),
            test: record.test,
            created: record.metadata.created,
            accepted_at: delivery.accepted_at,
            expires: record.metadata.expires,
            state: delivery.state.as_str().to_owned(),
            state_detail: state_detail(&delivery.state).map(str::to_owned),
            envelope_sha256: record.envelope_sha256,
            parts: record.parts.clone(),
            same_business_id: record.same_business_id.clone(),
            about: record.about.as_deref().cloned(),
        }
    }
}

/// A page of an inbox (`GET /v1/inbox`), in order of acceptance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboxPage {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// At most [`MAX_PAGE_ENTRIES`].
    pub entries: Vec<InboxEntry>,
    /// Continue after this cursor; absent when nothing followed at the time of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl InboxPage {
    /// The document for what the store says.
    pub fn new(page: &StoredPage) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            entries: page.deliveries.iter().map(InboxEntry::new).collect(),
            next: page.next.clone(),
        }
    }
}

/// What a Reader confirms (`POST /v1/inbox/{id}/acknowledge`). Unknown members are refused: a
/// confirmation says one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// SHA-256 of the payload as it was received.
    pub sha256: Digest,
}

/// The limits of the hub (`GET /v1/limits`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsDocument {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Largest request body in bytes.
    pub max_message_bytes: u64,
    /// Largest envelope in bytes.
    pub max_envelope_bytes: u64,
    /// Largest payload in bytes.
    pub max_payload_bytes: u64,
    /// Largest attachment in bytes.
    pub max_attachment_bytes: u64,
    /// Most parts, the envelope included.
    pub max_parts: u32,
    /// Most Readers of one message; 1 where the hub does not say it.
    #[serde(default = "one")]
    pub max_readers: u32,
    /// Deepest nesting of XML elements.
    pub max_xml_depth: u32,
    /// Most entries of an inbox page.
    pub max_inbox_page: u32,
    /// Longest wait of an inbox request in seconds.
    pub max_wait_seconds: u32,
    /// Longest silence while a body is sent, in seconds.
    pub max_idle_seconds: u32,
    /// Algorithms allowed for signatures, by URI.
    pub signature_algorithms: Vec<String>,
    /// Algorithms allowed for digests in signatures, by URI.
    pub digest_algorithms: Vec<String>,
}

fn one() -> u32 {
    1
}

/// One line of the history of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Index of the leaf in the evidence log.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// What; one record of the evidence log.
    pub evidence: Evidence,
}

impl TimelineEntry {
    /// The document for what the store says.
    pub fn new(entry: &Entry) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            index: entry.index,
            at: entry.at,
            evidence: entry.evidence.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::evidence::Accepted;
    use amtsbote_domain::identity::{AccountId, BusinessId, Scope};
    use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason, SignatureFacts};

    fn delivery(state: State) -> Delivery {
        let at: Timestamp = "2026-11-23T05:42:00Z".parse().expect("an instant");
        let author = PartyId::parse("ags:05766044").expect("a party");
        let metadata = Metadata {
            author: author.clone(),
            reader: PartyId::parse("ags:05758004").expect("a party"),
            other_readers: vec![],
            service: ServiceUri::parse("urn:example:ummeldung").expect("a service"),
            message_type: None,
            transport_id: TransportId::parse("lemgo-1").expect("an id"),
            business_id: Some(MessageUuid::parse("stated").expect("an id")),
            created: at,
            not_before: None,
            expires: None,
            test: false,
        };
        let part = Part {
            cid: "payload".to_owned(),
            media_type: "application/xml".to_owned(),
            size: 3,
            sha256: Digest([7; 32]),
        };
        let uuid = MessageUuid::parse("read").expect("an id");
        let record = Accepted {
            hub_id: HubId::parse("0190-1").expect("an id"),
            account: AccountId::parse("lemgo").expect("an account"),
            account_certificate: None,
            scope: Scope::Account,
            metadata,
            business_id: Some(BusinessId { author, uuid }),
            content_digest: Digest([1; 32]),
            envelope_sha256: Digest([2; 32]),
            parts: vec![part],
            signature: SignatureFacts {
                certificate: Digest([3; 32]),
                subject: "CN=TEST".to_owned(),
                algorithm: "urn:a".to_owned(),
            },
            verdict: ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
            rule: "permissions.toml:1".to_owned(),
            channel: "inbox".to_owned(),
            test: true,
            applied: vec![],
            under_grace: vec![],
            same_business_id: vec![],
            siblings: vec![],
            about: None,
            came_by: None,
        };
        Delivery {
            channel: record.channel.clone(),
            by_hand: false,
            record,
            accepted_at: at,
            state,
            since: at,
            due: None,
            revision: 1,
            attempts: 0,
        }
    }

    #[test]
    fn a_status_says_what_the_store_says() {
        let state = State::Waiting { on: WaitingFor::Collection };
        let status = MessageStatus::new(&delivery(state));
        assert_eq!(status.state, "waiting");
        assert_eq!(status.state_detail.as_deref(), Some("collection"));
        assert_eq!(status.business_id.as_ref().map(MessageUuid::as_str), Some("read"));
        assert!(status.test, "the mark found in the content counts as well");
        let json = serde_json::to_value(&status).expect("JSON");
        assert_eq!(json["links"]["self"], "/v1/messages/0190-1");
        assert_eq!(json["schema_version"], 1);
        assert_eq!(json["parts"][0]["sha256"], "07".repeat(32));
        let read: MessageStatus = serde_json::from_value(json).expect("reads back");
        assert_eq!(read, status);
    }

    #[test]
    fn a_page_is_read_back_and_a_newer_one_too() {
        let stored = StoredPage {
            deliveries: vec![delivery(State::InClearing { cause: ClearingCause::NoWay })],
            next: Some("c".to_owned()),
        };
        let page = InboxPage::new(&stored);
        assert_eq!(page.entries[0].state_detail.as_deref(), Some("no-way"));
        let mut json = serde_json::to_value(&page).expect("JSON");
        json["entries"][0]["invented-later"] = 1.into();
        json["entries"][0]["state"] = "invented-later".into();
        let read: InboxPage = serde_json::from_value(json).expect("reads back");
        assert_eq!(read.entries[0].parts, page.entries[0].parts);
        assert_eq!(read.next, page.next);
    }

    #[test]
    fn a_confirmation_says_one_thing() {
        let digest = "07".repeat(32);
        let good = format!("{{\"sha256\":\"{digest}\"}}");
        let read: AcknowledgeRequest = serde_json::from_str(&good).expect("reads");
        assert_eq!(read.sha256, Digest([7; 32]));
        for bad in ["{}", "{\"sha256\":\"07\"}", &good.replace('}', ",\"x\":1}")] {
            assert!(serde_json::from_str::<AcknowledgeRequest>(bad).is_err(), "{bad}");
        }
    }
}
