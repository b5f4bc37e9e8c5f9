//! A good history holds, and every rule can be broken.

use amtsbote_domain::Timestamp;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::AccountId;
use amtsbote_domain::state::{ClearingCause, Event, WaitingFor};

use super::*;
use crate::testing;

const HUB: &str = "lippe";
const PROOF: Digest = Digest([9; 32]);

fn peer(name: &str, idempotent: bool) -> Peer {
    Peer { name: name.to_owned(), is_hub: false, idempotent, lies: false }
}

fn payload(number: u32) -> Digest {
    Digest([number as u8; 32])
}

fn id(number: u32) -> String {
    format!("t-{number}")
}

fn sent(number: u32) -> Sent {
    Sent {
        hub: HUB.to_owned(),
        account: "lemgo".to_owned(),
        transport_id: id(number),
        payload: payload(number),
        answers: vec![(testing::hub_id(number), b"receipt".to_vec())],
        refused: None,
    }
}

/// Its evidence from this index on: the acceptance, then what is given.
fn listed(number: u32, state: State, index: u64, acts: Vec<Evidence>) -> Listed {
    let accepted = Evidence::Accepted(Box::new(testing::record(vec![], payload(number))));
    let timeline = (index..)
        .zip(std::iter::once(accepted).chain(acts))
        .map(|(index, evidence)| {
            let at = Timestamp::from_second(index as i64).expect("an instant");
            Entry { index, at, evidence }
        })
        .collect();
    Listed {
        hub: HUB.to_owned(),
        hub_id: testing::hub_id(number),
        account: "lemgo".to_owned(),
        relayed: false,
        transport_id: id(number),
        payload: payload(number),
        state,
        receipt: b"receipt".to_vec(),
        timeline,
    }
}

fn attempt(number: u32, attempt: u32) -> Evidence {
    let hub_id = testing::hub_id(number);
    Evidence::Attempt { hub_id, attempt, peer: "partner".to_owned(), repeated: attempt > 1 }
}

fn changed(number: u32, from: State, event: Event, to: State, digest: Option<Digest>) -> Evidence {
    let hub_id = testing::hub_id(number);
    Evidence::Changed {
        hub_id,
        from,
        event,
        to,
        by: None,
        code: None,
        digest,
        grounds: None,
        detour: None,
    }
}

fn carried(number: u32, peer: Peer, heard: Heard) -> Carried {
    Carried {
        hub: HUB.to_owned(),
        hub_id: testing::hub_id(number),
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

/// One message delivered to a partner, one collected and confirmed, one that a person must look at.
fn good() -> History {
    let lemgo = AccountId::parse("lemgo").expect("an account");
    let delivered = vec![
        attempt(1, 1),
        changed(1, SENDING, Event::AttemptConfirmed, State::Delivered, Some(PROOF)),
    ];
    let collected = vec![
        Evidence::HandedOut { hub_id: testing::hub_id(2), account: lemgo },
        changed(2, HANDED_OUT, Event::Acknowledge, State::Acknowledged, Some(payload(2))),
    ];
    let unknown = vec![
        attempt(3, 1),
        changed(3, SENDING, Event::AttemptLost, State::Uncertain, None),
        changed(3, State::Uncertain, Event::OutcomeUnknowable, UNKNOWN, None),
    ];
    let (hub, hub_id) = (HUB.to_owned(), testing::hub_id(2));
    History {
        sent: (1..=3).map(sent).collect(),
        carried: vec![
            carried(1, peer("partner", true), Heard::Confirmed(PROOF)),
            carried(3, peer("plain", false), Heard::Nothing),
        ],
        arrived: vec![Arrived {
            partner: "partner".to_owned(),
            transport_id: id(1),
            payload: payload(1),
            kept: true,
        }],
        collected: vec![Collected {
            hub: hub.clone(),
            hub_id: hub_id.clone(),
            payload: payload(2),
        }],
        confirmed: vec![Confirmed { hub, hub_id, right: true, answered: true }],
        listed: vec![
            listed(1, State::Delivered, 0, delivered),
            listed(2, State::Acknowledged, 3, collected),
            listed(3, UNKNOWN, 6, unknown),
        ],
        ..History::default()
    }
}

#[test]
fn a_good_history_holds() {
    let tally = check(&good()).expect("holds");
    let (sent, accepted, ended, open) = (3, 3, 2, 1);
    let (attempts, repetitions, collected) = (2, 0, 1);
    let wanted = Tally { sent, accepted, ended, open, attempts, repetitions, collected };
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
        history.listed[2].timeline.push(Entry {
            index: 20,
            at: Timestamp::from_second(20).expect("an instant"),
            evidence: attempt(3, 2),
        });
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
        ("another answer", |h| {
            let answer = (testing::hub_id(1), b"other".to_vec());
            h.sent[0].answers.push(answer);
        }),
        ("accepted, then lost", |h| drop(h.listed.remove(2))),
        ("another id than", |h| h.sent[0].answers[0].0 = testing::hub_id(7)),
        ("stored receipt", |h| h.listed[0].receipt = b"other".to_vec()),
        ("swapped", |h| h.sent[1].payload = payload(1)),
        ("refused for good, and kept", |h| h.sent[0].refused = Some(Code::NotPermitted)),
        ("never got an answer", |h| {
            let unanswered = Sent { answers: vec![], ..sent(4) };
            h.sent.push(unanswered);
        }),
        ("hub id is there twice", |h| {
            let twice = listed(1, State::Delivered, 30, vec![]);
            h.listed.push(twice);
        }),
        ("accepted twice", |h| h.listed[1].transport_id = id(1)),
        ("nobody sent this", |h| drop(h.sent.remove(0))),
        ("nobody sent this", |h| h.listed[0].relayed = true),
        ("neither ended nor", |h| h.listed[2].state = State::Uncertain),
        ("octets that nobody changed", |h| {
            h.listed[2].state = State::InClearing { cause: ClearingCause::DigestMismatch };
        }),
        ("exactly once on record", |h| drop(h.listed[0].timeline.remove(0))),
        ("record leads to", |h| h.listed[0].state = State::RejectedBack),
        ("end exactly once", |h| {
            let twice = h.listed[0].timeline[2].clone();
            h.listed[0].timeline.push(twice);
        }),
        ("never said so", |h| h.carried[0].heard = Heard::Nothing),
        ("does not have it", |h| h.arrived[0].kept = false),
        ("no reader confirmed", |h| h.confirmed.clear()),
        ("as if nothing had left", |h| h.listed[2].state = State::Expired),
        ("as if nothing had left", |h| h.listed[1].state = State::Cancelled),
        ("no such message", |h| h.carried[0].hub_id = testing::hub_id(7)),
        ("more attempts", |h| drop(h.listed[0].timeline.remove(1))),
        ("other octets left", |h| h.carried[0].payload = payload(2)),
        ("under this id", |h| h.arrived[0].payload = payload(2)),
        ("collected, but", |h| h.collected[0].hub_id = testing::hub_id(7)),
        ("got other octets", |h| h.collected[0].payload = payload(1)),
        ("nothing on record", |h| drop(h.listed[1].timeline.remove(1))),
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
