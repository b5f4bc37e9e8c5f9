//! Every notice against its pack, and what it says to whoever reads only the advice.

use std::path::Path;

use amtsbote_domain::clearing::{Act, Grounds, Person, Reason};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::{
    AccountId, BusinessId, HubId, MessageType, MessageUuid, Scope, ServiceUri, TransportId,
};
use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason, SignatureFacts};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::state::{Event, WaitingFor};
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::Verdict;
use amtsbote_schemas::xml::Limits;

use super::*;

const CAUSES: [ClearingCause; 6] = [
    ClearingCause::Refused,
    ClearingCause::RepeatRefused,
    ClearingCause::AttemptsExhausted,
    ClearingCause::OutcomeUnknown,
    ClearingCause::DigestMismatch,
    ClearingCause::NoWay,
];

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn record(full: bool) -> Accepted {
    let author = PartyId::parse("töj:A&B<C>").expect("a party");
    let uuid = MessageUuid::parse("6a1f0c7e-2b4d-4e93-8c55-90d3b7e1f248").expect("an id");
    Accepted {
        hub_id: HubId::parse("0197a2c4-0000-7000-8000-000000000001").expect("an id"),
        account: AccountId::parse("lemgo").expect("an account"),
        account_certificate: None,
        scope: Scope::Account,
        metadata: Metadata {
            author: author.clone(),
            reader: PartyId::parse("ags:05758004").expect("a party"),
            other_readers: vec![],
            service: ServiceUri::parse("urn:example:ummeldung?a&b").expect("a service"),
            message_type: full.then(|| MessageType::parse("0100").expect("a type")),
            transport_id: TransportId::parse("lemgo-1").expect("an id"),
            business_id: None,
            created: at("2026-11-23T08:00:00Z"),
            not_before: None,
            expires: full.then(|| at("2026-11-24T08:00:00.123456Z")),
            test: full,
        },
        business_id: full.then_some(BusinessId { author, uuid }),
        content_digest: Digest([1; 32]),
        envelope_sha256: Digest([2; 32]),
        parts: vec![],
        signature: SignatureFacts {
            certificate: Digest([3; 32]),
            subject: "CN=TEST".to_owned(),
            algorithm: "urn:a".to_owned(),
        },
        verdict: ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
        rule: "permissions.toml:1".to_owned(),
        applied: vec![],
        channel: "inbox".to_owned(),
        test: full,
        under_grace: vec![],
        same_business_id: vec![],
        siblings: vec![],
        about: None,
        came_by: None,
    }
}

fn changed(record: &Accepted, from: State, to: State, reason: Option<&str>) -> Evidence {
    let grounds = reason.map(|reason| {
        Box::new(Grounds {
            act: Act::Reject,
            by: Person { name: "anna".to_owned(), certificate: Digest([4; 32]) },
            reason: Reason::parse(reason).expect("a reason"),
            granted: None,
            together: None,
            alone: None,
            channel: None,
        })
    });
    Evidence::Changed {
        hub_id: record.hub_id.clone(),
        from,
        event: Event::Reject,
        to,
        by: None,
        code: Some(Code::NotPermitted),
        digest: None,
        grounds,
        detour: None,
    }
}

/// Every notice that can be told, with the record that led to it.
fn notices(record: &Accepted) -> Vec<(Kind, State, Option<Evidence>)> {
    let waiting = State::Waiting { on: WaitingFor::Collection };
    let change = |from, to, reason| Some(changed(record, from, to, reason));
    let mut all = vec![
        (Kind::Expired, State::Expired, change(waiting, State::Expired, None)),
        (Kind::Cancelled, State::Cancelled, change(waiting, State::Cancelled, Some("Bitte <&>"))),
        (Kind::ExpiresSoon, waiting, None),
    ];
    let long = "ä\u{ffff}".repeat(250);
    for cause in CAUSES {
        let clearing = State::InClearing { cause };
        all.push((Kind::InClearing, clearing, change(waiting, clearing, None)));
        let rejected = change(clearing, State::RejectedBack, Some(&long));
        all.push((Kind::RejectedBack, State::RejectedBack, rejected));
    }
    all
}

fn notice<'a>(
    record: &'a Accepted,
    kind: Kind,
    state: State,
    because: Option<&'a Evidence>,
) -> Notice<'a> {
    let (accepted_at, since) = (at("2026-11-23T08:00:01Z"), at("2026-11-23T09:00:00.5Z"));
    Notice { kind, about: record, accepted_at, state, since, because }
}

#[test]
fn every_notice_is_what_its_pack_demands() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/packs");
    let packs = PackSet::load(&folder).expect("our packs load");
    for full in [false, true] {
        let record = record(full);
        for (kind, state, because) in notices(&record) {
            let xml = notice(&record, kind, state, because.as_ref()).to_xml();
            let now = at("2026-11-23T10:00:00Z");
            let checked = packs.check(xml.as_bytes(), now, &Limits::default(), &|| false);
            assert_eq!(checked.verdict, Verdict::Valid, "{:?}\n{xml}", checked.findings);
            assert_eq!(checked.standard.as_deref(), Some(STANDARD));
            assert_eq!(checked.message_type.as_deref(), Some(MESSAGE_TYPE));
            assert!(xml.contains("<transportId>lemgo-1</transportId>"), "{xml}");
            assert_eq!(xml.contains("test=\"true\""), full, "test stays test (P11)");
        }
    }
}

#[test]
fn what_may_have_arrived_is_not_to_be_sent_anew() {
    let record = record(true);
    for (kind, state, because) in notices(&record) {
        let notice = notice(&record, kind, state, because.as_ref());
        let unclear = notice.cause().is_some_and(may_have_arrived);
        let xml = notice.to_xml();
        let says = format!("<mayHaveArrived>{unclear}</mayHaveArrived>");
        assert!(xml.contains(&says), "{xml}");
        // Whoever reads only the advice is not led to send it twice.
        let asks = xml.contains("may have arrived") && xml.contains("kann angekommen sein");
        assert_eq!(asks, unclear, "{kind:?} {state:?}");
        assert!(!unclear || !xml.contains("send anew, if needed"), "{xml}");
    }
}

#[test]
fn made_again_it_is_the_same() {
    let record = record(true);
    for (kind, state, because) in notices(&record) {
        let notice = notice(&record, kind, state, because.as_ref());
        assert_eq!(notice.to_xml(), notice.to_xml());
    }
}
