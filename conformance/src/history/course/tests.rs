//! A good course of events holds, and every rule can be broken.

use amtsbote_broker::simulation::history::{Arrived, Collected, Peer};
use amtsbote_domain::Timestamp;
use amtsbote_domain::identity::AccountId;
use amtsbote_domain::ports::Entry as Recorded;
use amtsbote_domain::state::WaitingFor;

use super::*;
use crate::history::samples;

const HUB: &str = "lippe";
const NEXT: &str = "herford";
const PROOF: Digest = Digest([9; 32]);

fn hub_id(number: u32) -> HubId {
    HubId::parse(&format!("019f0000-0000-7000-8000-{number:012x}")).expect("an id")
}

fn peer(name: &str, idempotent: bool) -> Peer {
    Peer { name: name.to_owned(), is_hub: name == NEXT, idempotent, lies: false }
}

fn payload(number: u32) -> Digest {
    Digest([number as u8; 32])
}

fn id(number: u32) -> String {
    format!("t-{number}")
}

fn sent(number: u32) -> Made {
    Made {
        hub: HUB.to_owned(),
        account: "lemgo".to_owned(),
        transport_id: id(number),
        payload: payload(number),
        answers: vec![(hub_id(number), b"receipt".to_vec())],
        refused: None,
    }
}

fn entry(index: u64, evidence: Evidence) -> Recorded {
    Recorded { index, at: Timestamp::from_second(index as i64).expect("an instant"), evidence }
}

/// Its evidence from this index on: the acceptance for a channel, then what is given.
fn listed(number: u32, channel: &str, state: State, index: u64, acts: Vec<Evidence>) -> Seen {
    let accepted = samples::accepted(hub_id(number), channel, payload(number));
    let evidence = std::iter::once(accepted).chain(acts);
    Seen {
        hub: HUB.to_owned(),
        hub_id: hub_id(number),
        account: "lemgo".to_owned(),
        relayed: false,
        transport_id: id(number),
        scope: String::new(),
        payload: payload(number),
        state,
        receipt: b"receipt".to_vec(),
        timeline: (index..).zip(evidence).map(|(index, what)| entry(index, what)).collect(),
    }
}

fn attempt(number: u32, attempt: u32) -> Evidence {
    let hub_id = hub_id(number);
    Evidence::Attempt {
        hub_id,
        attempt,
        peer: "partner".to_owned(),
        repeated: attempt > 1,
        node: None,
    }
}

fn changed(number: u32, from: State, event: Event, to: State, digest: Option<Digest>) -> Evidence {
    samples::changed(hub_id(number), from, event, to, digest)
}

fn carried(number: u32, peer: Peer, heard: Heard) -> Carried {
    Carried {
        hub: HUB.to_owned(),
        hub_id: hub_id(number),
        transport_id: id(number),
        peer,
        payload: payload(number),
        repeated: false,
        heard,
    }
}

const SENDING: State = State::InDelivery { repeated: false };
const HANDED_OUT: State = State::Waiting { on: WaitingFor::Acknowledgement };
const UNKNOWN: State = State::InClearing { cause: ClearingCause::OutcomeUnknown };

/// One message delivered to a partner, one collected and confirmed, one that a person must look at, one
/// sent on to another hub, where it waits for a person.
fn good() -> History {
    let lemgo = AccountId::parse("lemgo").expect("an account");
    let delivered = |number| {
        let said = Some(PROOF);
        vec![
            attempt(number, 1),
            changed(number, SENDING, Event::AttemptConfirmed, State::Delivered, said),
        ]
    };
    let collected = vec![
        Evidence::HandedOut { hub_id: hub_id(2), account: lemgo },
        changed(2, HANDED_OUT, Event::Acknowledge, State::Acknowledged, Some(payload(2))),
    ];
    let unknown = |number| {
        vec![
            attempt(number, 1),
            changed(number, SENDING, Event::AttemptLost, State::Uncertain, None),
            changed(number, State::Uncertain, Event::OutcomeUnknowable, UNKNOWN, None),
        ]
    };
    let (hub, confirmed) = (HUB.to_owned(), hub_id(2));
    let beyond = Seen {
        hub: NEXT.to_owned(),
        account: format!("hub-{HUB}"),
        relayed: true,
        transport_id: id(4),
        payload: payload(4),
        ..listed(5, "peer:plain", UNKNOWN, 0, unknown(5))
    };
    let beyond = Seen {
        timeline: std::iter::once(samples::accepted(hub_id(5), "peer:plain", payload(4)))
            .chain(unknown(5))
            .enumerate()
            .map(|(index, what)| entry(index as u64, what))
            .collect(),
        ..beyond
    };
    History {
        sent: (1..=4).map(sent).collect(),
        carried: vec![
            carried(1, peer("partner", true), Heard::Confirmed(PROOF)),
            carried(3, peer("plain", false), Heard::Nothing),
            carried(4, peer(NEXT, true), Heard::Confirmed(PROOF)),
        ],
        arrived: vec![Arrived {
            partner: "partner".to_owned(),
            transport_id: id(1),
            payload: payload(1),
            kept: true,
        }],
        collected: vec![Collected {
            hub: hub.clone(),
            hub_id: confirmed.clone(),
            payload: payload(2),
            flagged: false,
        }],
        confirmed: vec![Confirmed { hub, hub_id: confirmed, right: true, answered: true }],
        listed: vec![
            listed(1, "peer:partner", State::Delivered, 0, delivered(1)),
            listed(2, "inbox", State::Acknowledged, 3, collected),
            listed(3, "peer:plain", UNKNOWN, 6, unknown(3)),
            listed(4, "peer:herford", State::Delivered, 10, delivered(4)),
            beyond,
        ],
        ..History::default()
    }
}

#[test]
fn a_good_course_holds() {
    let tally = check(&good()).expect("holds");
    let wanted = Tally {
        sent: 4,
        accepted: 4,
        ended: 3,
        open: 1,
        forwarded: 1,
        collected: 1,
        ..Tally::default()
    };
    assert_eq!(tally, wanted);
}

#[test]
fn a_lie_is_the_partners_and_the_evidence_shows_it() {
    let mut history = good();
    history.arrived[0].kept = false;
    history.carried[0].peer.lies = true;
    check(&history).expect("the hub believed what it was told");
    history.carried[0].heard = Heard::Confirmed(Digest([8; 32]));
    check(&history).expect_err("what the partner said is not on record");
}

type Break = fn(&mut History);

#[test]
fn every_breach_is_found() {
    let again = |history: &mut History, repeated| {
        let peer = history.carried[1].peer.clone();
        history.carried.push(Carried { repeated, ..carried(3, peer, Heard::Nothing) });
        history.listed[2].timeline.push(entry(20, attempt(3, 2)));
    };
    let mut blind = good();
    again(&mut blind, true);
    let found = check(&blind).expect_err("a person must decide");
    assert!(found.iter().any(|breach| breach.contains("blindly")), "{found:?}");
    let mut unflagged = good();
    again(&mut unflagged, false);
    let found = check(&unflagged).expect_err("it may have arrived");
    assert!(found.iter().any(|breach| breach.contains("without being flagged")), "{found:?}");

    let cases: &[(&str, Break)] = &[
        ("seen at once", |h| h.seen.push("seen at once".to_owned())),
        ("another receipt", |h| h.sent[0].answers.push((hub_id(1), b"other".to_vec()))),
        ("another id (P3)", |h| h.sent[0].answers.push((hub_id(7), b"receipt".to_vec()))),
        ("accepted, then lost", |h| drop(h.listed.remove(2))),
        ("accepted under another id", |h| h.sent[0].answers[0].0 = hub_id(7)),
        ("stored receipt", |h| h.listed[0].receipt = b"other".to_vec()),
        ("swapped", |h| h.sent[1].payload = payload(1)),
        ("refused for good, and kept", |h| h.sent[0].refused = Some(Code::NotPermitted)),
        ("refused, yet kept", |h| {
            h.sent[0].refused = Some(Code::NotPermitted);
            h.sent[0].answers.clear();
        }),
        ("never got an answer", |h| h.sent.push(Made { answers: vec![], ..sent(6) })),
        ("hub id is there twice", |h| {
            h.listed.push(listed(1, "peer:partner", State::Delivered, 30, vec![]));
        }),
        ("it is there twice", |h| h.listed[1].transport_id = id(1)),
        ("accepted twice", |h| h.listed[1].transport_id = id(1)),
        ("its content is there twice", |h| {
            let mut again = listed(4, "inbox", h.listed[1].state, 40, vec![]);
            again.transport_id = id(2);
            again.scope = "author:ags:05766044".to_owned();
            again.payload = payload(2);
            h.listed.push(again);
        }),
        ("took it for another", |h| {
            let change = h.listed[0].timeline.iter_mut().find_map(|one| match &mut one.evidence {
                Evidence::Changed { code, .. } => Some(code),
                _ => None,
            });
            *change.expect("a change") = Some(Code::SameIdOtherContent);
        }),
        ("nobody sent this", |h| drop(h.sent.remove(0))),
        ("nobody sent this there", |h| drop(h.carried.pop())),
        ("but the next hub does not have it", |h| drop(h.listed.pop())),
        ("neither ended nor", |h| h.listed[2].state = State::Uncertain),
        ("octets that nobody changed", |h| {
            h.listed[2].state = State::InClearing { cause: ClearingCause::DigestMismatch };
        }),
        ("no record of its acceptance", |h| drop(h.listed[0].timeline.remove(0))),
        ("by its records", |h| h.listed[0].state = State::RejectedBack),
        ("it had ended", |h| {
            let twice = h.listed[0].timeline[2].evidence.clone();
            let Evidence::Changed { event, to, digest, .. } = twice else { panic!("{twice:?}") };
            let again = changed(1, State::Delivered, event, to, digest);
            h.listed[0].timeline.push(entry(25, again));
        }),
        ("never said so", |h| h.carried[0].heard = Heard::Nothing),
        ("next node does not have it", |h| h.arrived[0].kept = false),
        ("no reader confirmed", |h| h.confirmed.clear()),
        ("as if nothing had left", |h| h.listed[2].state = State::Expired),
        ("as if nothing had left", |h| h.listed[1].state = State::Cancelled),
        ("no such message", |h| h.carried[0].hub_id = hub_id(7)),
        ("more attempts", |h| drop(h.listed[0].timeline.remove(1))),
        ("other octets left", |h| h.carried[0].payload = payload(2)),
        ("under this id", |h| h.arrived[0].payload = payload(2)),
        ("were collected, but", |h| h.collected[0].hub_id = hub_id(7)),
        ("got other octets", |h| h.collected[0].payload = payload(1)),
        ("without saying so", |h| {
            let Collected { hub, hub_id, payload, flagged } = &h.collected[0];
            let (hub, hub_id) = (hub.clone(), hub_id.clone());
            let again = Collected { hub, hub_id, payload: *payload, flagged: *flagged };
            h.collected.push(again);
        }),
        ("handed over without a record", |h| drop(h.listed[1].timeline.remove(1))),
        ("wrong digest", |h| h.confirmed[0].right = false),
        ("taken, then lost", |h| h.listed[1].state = UNKNOWN),
        ("ran backwards", |h| h.listed[1].timeline[0].at = Timestamp::UNIX_EPOCH),
    ];
    for (wanted, breaking) in cases {
        let mut history = good();
        breaking(&mut history);
        let breaches = check(&history).expect_err(wanted);
        assert!(breaches.iter().any(|breach| breach.contains(wanted)), "{wanted}: {breaches:?}");
    }
}
