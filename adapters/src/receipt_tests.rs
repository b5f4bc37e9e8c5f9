//! Tests of receipts on the client's side.

use amtsbote_archive::checkpoint::{self, Checkpoint};
use amtsbote_archive::note::LogKey;
use amtsbote_archive::record::{self, Salt};
use amtsbote_archive::tree;
use amtsbote_domain::identity::{AccountId, Scope, TransportId};
use amtsbote_domain::message::{ContentVerdict, OpaqueReason, SignatureFacts};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::state::Event;
use serde_json::Value;

use super::*;
use crate::testing::metadata;

const ORIGIN: &str = "hub.example.test/log";

fn parts() -> Vec<Part> {
    vec![Part {
        cid: "payload".to_owned(),
        media_type: "application/xml".to_owned(),
        size: 3,
        sha256: Digest([7; 32]),
    }]
}

fn hub_id() -> HubId {
    HubId::parse("0190-1").expect("an id")
}

fn accepted() -> Evidence {
    Evidence::Accepted(Box::new(Accepted {
        hub_id: hub_id(),
        account: AccountId::parse("lemgo").expect("an account"),
        account_certificate: None,
        scope: Scope::Account,
        metadata: metadata(),
        business_id: None,
        content_digest: content_digest(&metadata(), &parts()),
        envelope_sha256: Digest([2; 32]),
        parts: parts(),
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
    }))
}

fn acknowledged() -> Evidence {
    Evidence::Changed {
        hub_id: hub_id(),
        from: State::Delivered,
        event: Event::Acknowledge,
        to: State::Acknowledged,
        by: Some("herford".to_owned()),
        code: None,
        digest: Some(Digest([7; 32])),
        grounds: None,
        detour: None,
    }
}

/// A receipt as a hub makes it: the record is the only leaf of its log.
fn receipt(record: Value, key: &LogKey) -> Vec<u8> {
    let salt = Salt([9; 32]);
    let canonical = record::canonical(&record).expect("canonical");
    let root = tree::leaf_hash(&record::leaf(&salt, &canonical));
    let head = checkpoint::sign(&Checkpoint { origin: ORIGIN.to_owned(), size: 1, root }, key);
    let head = head.expect("a head");
    Receipt::new(record, salt, 0, vec![], head).expect("a receipt").to_bytes()
}

fn record(evidence: &Evidence) -> Value {
    let mut record = serde_json::to_value(evidence).expect("JSON");
    record["log"] = ORIGIN.into();
    record["time"] = "2026-11-23T06:00:00.000000Z".into();
    record
}

#[test]
fn a_receipt_of_the_hub_is_believed_and_kept_as_it_came() {
    let key = LogKey::generate(ORIGIN).expect("a key");
    for evidence in [accepted(), acknowledged()] {
        let octets = receipt(record(&evidence), &key);
        let checked = check(octets.clone(), key.verifier()).expect("good");
        assert_eq!((checked.octets, checked.evidence, checked.index), (octets, evidence, 0));
    }
}

#[test]
fn a_receipt_of_another_hub_or_changed_is_not() {
    let (key, other) = (LogKey::generate(ORIGIN).expect("a key"), LogKey::generate(ORIGIN));
    let octets = receipt(record(&accepted()), &key);
    let other = other.expect("a key");
    assert!(check(octets.clone(), other.verifier()).is_err());
    let text = String::from_utf8(octets).expect("text");
    let changed = text.replace("lemgo-1", "lemgo-2");
    assert_ne!(changed, text);
    assert!(check(changed.into_bytes(), key.verifier()).is_err());
    assert!(check(b"{}".to_vec(), key.verifier()).is_err());
    let strange = serde_json::json!({ "kind": "invented-later", "log": ORIGIN });
    let error = check(receipt(strange, &key), key.verifier()).expect_err("unknown act");
    assert!(matches!(error, ReceiptFault::OtherAct));
}

fn difference(result: Result<&Accepted, ReceiptFault>) -> Option<&'static str> {
    match result {
        Ok(_) => None,
        Err(ReceiptFault::OtherMessage(what)) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_acceptance_must_be_of_this_very_message() {
    let evidence = accepted();
    let (metadata, parts, id) = (metadata(), parts(), hub_id());
    let sent = Sent {
        metadata: &metadata,
        parts: &parts,
        envelope_sha256: Some(Digest([2; 32])),
        hub_id: Some(&id),
    };
    assert_eq!(difference(is_acceptance_of(&evidence, &sent)), None);
    assert!(is_acceptance_of(&acknowledged(), &sent).is_err());

    let other_id = HubId::parse("0190-2").expect("an id");
    let other = Sent { hub_id: Some(&other_id), ..sent };
    assert_eq!(difference(is_acceptance_of(&evidence, &other)), Some("id of the hub"));
    let other = Sent { envelope_sha256: Some(Digest([4; 32])), ..sent };
    assert_eq!(difference(is_acceptance_of(&evidence, &other)), Some("envelope"));
    let repeated = Sent { envelope_sha256: None, hub_id: None, ..sent };
    assert_eq!(difference(is_acceptance_of(&evidence, &repeated)), None);

    let mut changed = metadata.clone();
    changed.transport_id = TransportId::parse("lemgo-2").expect("an id");
    let other = Sent { metadata: &changed, ..sent };
    assert_eq!(difference(is_acceptance_of(&evidence, &other)), Some("transport id"));
    let mut changed = metadata.clone();
    std::mem::swap(&mut changed.author, &mut changed.reader);
    let other = Sent { metadata: &changed, ..sent };
    assert_eq!(difference(is_acceptance_of(&evidence, &other)), Some("author"));
    let changed = Metadata { test: false, ..metadata.clone() };
    let other = Sent { metadata: &changed, ..sent };
    assert_eq!(difference(is_acceptance_of(&evidence, &other)), Some("content digest"));
    let mut changed = parts.clone();
    changed[0].size += 1;
    let other = Sent { parts: &changed, ..sent };
    assert_eq!(difference(is_acceptance_of(&evidence, &other)), Some("parts"));
}

/// What was sent to several Readers must have been accepted for each of them.
#[test]
fn an_acceptance_must_name_every_reader_and_delivery() {
    let second = PartyId::parse("ags:05766020").expect("a party");
    let sent = Metadata { other_readers: vec![second.clone()], ..metadata() };
    let siblings = vec![HubId::parse("0190-2").expect("an id")];
    let first = sent.reader.clone();
    let said = |reader: &PartyId, other_readers: Vec<PartyId>, siblings: Vec<HubId>| {
        let Evidence::Accepted(mut record) = accepted() else { panic!("an acceptance") };
        record.content_digest = content_digest(&sent, &parts());
        record.metadata.reader = reader.clone();
        record.metadata.other_readers = other_readers;
        record.siblings = siblings;
        let parts = parts();
        let sent = Sent { metadata: &sent, parts: &parts, envelope_sha256: None, hub_id: None };
        difference(is_acceptance_of(&Evidence::Accepted(record), &sent))
    };
    assert_eq!(said(&first, vec![second.clone()], siblings.clone()), None);
    assert_eq!(said(&second, vec![first.clone()], siblings.clone()), None, "that of the other");
    assert_eq!(said(&first, vec![second.clone()], vec![]), Some("deliveries"));
    assert_eq!(said(&first, vec![second.clone()], vec![hub_id()]), Some("deliveries"), "its own");
    assert_eq!(said(&first, vec![], siblings.clone()), Some("other readers"));
    assert_eq!(said(&second, vec![second.clone()], siblings.clone()), Some("other readers"));
    let third = PartyId::parse("ags:05766040").expect("a party");
    assert_eq!(said(&third, vec![second], siblings), Some("reader"));
}

#[test]
fn an_acknowledgement_must_be_of_this_payload() {
    let (evidence, payload) = (acknowledged(), Digest([7; 32]));
    assert!(is_acknowledgement_of(&evidence, &hub_id(), &payload).is_ok());
    assert!(is_acknowledgement_of(&evidence, &hub_id(), &Digest([8; 32])).is_err());
    let other = HubId::parse("0190-2").expect("an id");
    assert!(is_acknowledgement_of(&evidence, &other, &payload).is_err());
    assert!(is_acknowledgement_of(&accepted(), &hub_id(), &payload).is_err());
}
