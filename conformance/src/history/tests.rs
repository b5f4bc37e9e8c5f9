//! The checker must be able to fail: one history for each rule.

use super::*;

fn digest(octet: u8) -> Digest {
    Digest([octet; 32])
}

fn content(octet: u8) -> Content {
    Content::of(&[digest(octet), digest(octet + 100)])
}

fn sent(id: &str, octet: u8, relayed: bool, seen: Seen) -> Sent {
    Sent {
        author: "ags:1".into(),
        transport_id: id.into(),
        content: content(octet),
        relayed,
        seen,
        cancelled: false,
    }
}

fn accepted(hub_id: &str) -> Seen {
    Seen::Accepted { hub_id: hub_id.into(), receipts: vec![digest(9), digest(9)] }
}

fn listed(hub_id: &str, id: &str, octet: u8, state: &str) -> Listed {
    Listed {
        hub_id: hub_id.into(),
        author: "ags:1".into(),
        transport_id: id.into(),
        content: content(octet),
        state: state.into(),
    }
}

fn handed(hub_id: &str, octet: u8, flagged: bool, acknowledged: bool) -> Handed {
    let Content { payload, attachments } = content(octet);
    let attachments = Some(attachments);
    Handed { hub_id: hub_id.into(), payload, attachments, flagged, acknowledged }
}

/// Two hubs after a day: everything that may happen has happened once.
struct Day {
    sent: Vec<Sent>,
    handed: Vec<(At, Handed)>,
    first: Vec<Listed>,
    next: Vec<Listed>,
    figures: Vec<(String, u64)>,
}

fn good() -> Day {
    let mut cancelled = sent("e", 5, false, accepted("h5"));
    cancelled.cancelled = true;
    Day {
        sent: vec![
            sent("a", 1, false, accepted("h1")),
            sent("b", 2, true, accepted("h2")),
            sent("c", 3, false, Seen::Unknown),
            sent("d", 4, false, Seen::Unknown),
            cancelled,
            sent("f", 6, false, Seen::Refused),
            // Another account, the same author and id.
            sent("a", 7, false, accepted("h7")),
            sent("g", 8, true, accepted("h8")),
        ],
        handed: vec![
            (At::First, handed("h1", 1, false, false)),
            (At::First, handed("h1", 1, true, true)),
            (At::Next, handed("n2", 2, false, true)),
        ],
        first: vec![
            listed("h8", "g", 8, "waiting"),
            listed("h7", "a", 7, "waiting"),
            listed("h5", "e", 5, "cancelled"),
            listed("h3", "c", 3, "waiting"),
            listed("h2", "b", 2, "delivered"),
            listed("h1", "a", 1, "acknowledged"),
        ],
        next: vec![listed("n2", "b", 2, "acknowledged")],
        figures: vec![
            ("waiting".into(), 3),
            ("delivered".into(), 1),
            ("acknowledged".into(), 1),
            ("cancelled".into(), 1),
        ],
    }
}

fn judge(day: &Day) -> Result<Tally, Vec<String>> {
    let mut checker = Checker::default();
    day.sent.iter().for_each(|one| checker.sent(one));
    day.handed.iter().for_each(|(at, one)| checker.handed(*at, one));
    day.first.iter().for_each(|one| checker.listed(At::First, one));
    day.next.iter().for_each(|one| checker.listed(At::Next, one));
    checker.figures(At::First, &day.figures);
    checker.finish()
}

#[test]
fn a_good_history_holds() {
    let wanted = Tally {
        sent: 8,
        accepted: 6,
        ended: 3,
        open: 3,
        unknown: 2,
        refused: 1,
        forwarded: 1,
        collected: 2,
        again: 1,
    };
    assert_eq!(judge(&good()), Ok(wanted));
    assert_eq!(wanted.accepted, wanted.ended + wanted.open);
}

type Break = fn(&mut Day);

#[test]
fn every_breach_is_found() {
    let cases: [(&str, Break); 25] = [
        ("accepted, then lost (P1)", |day| drop(day.first.remove(0))),
        ("nobody sent this (P1)", |day| drop(day.sent.remove(2))),
        ("refused, yet kept", |day| day.first.push(listed("h6", "f", 6, "waiting"))),
        ("refused, yet forwarded", |day| {
            day.sent[5].relayed = true;
            day.next.push(listed("n6", "f", 6, "waiting"));
        }),
        ("accepted under another id", |day| day.first[4].hub_id = "h9".into()),
        ("a repeat got another receipt", |day| {
            let receipts = vec![digest(9), digest(8)];
            day.sent[0].seen = Seen::Accepted { hub_id: "h1".into(), receipts };
        }),
        ("this hub id is there twice", |day| day.first.push(day.first[0].clone())),
        ("it is there twice", |day| day.first.push(listed("h4", "c", 3, "waiting"))),
        ("swapped for another (P4)", |day| day.first[3].content = content(4)),
        ("swapped for another (P4)", |day| {
            day.first[3].content.attachments = content(4).attachments;
        }),
        ("swapped for another (P4)", |day| day.next[0].content = content(8)),
        ("a reader got other octets", |day| day.handed[2].1.payload = digest(3)),
        ("a reader got other octets", |day| {
            day.handed[2].1.attachments = Some(content(3).attachments);
        }),
        ("two hand-overs with different octets", |day| day.handed[1].1.payload = digest(3)),
        ("handed over again without saying so", |day| day.handed[1].1.flagged = false),
        ("acknowledged, yet waiting", |day| day.first[5].state = "waiting".into()),
        ("were collected, but no hub knows them", |day| {
            day.handed.push((At::First, handed("h0", 1, false, false)));
        }),
        ("were collected, but no hub knows them", |day| day.handed[2].0 = At::First),
        ("cancelled, although its reader got it", |day| {
            day.handed.push((At::First, handed("h5", 5, false, false)));
        }),
        ("told cancelled, yet it is waiting", |day| day.first[2].state = "waiting".into()),
        ("no state is called lost", |day| day.first[0].state = "lost".into()),
        ("delivered, but the next hub does not have it", |day| {
            day.next.clear();
            day.handed.pop();
        }),
        ("cancelled, but the next hub has it", |day| day.first[4].state = "cancelled".into()),
        ("nobody sent this there", |day| day.next.push(listed("n3", "c", 3, "waiting"))),
        ("are waiting by the figures", |day| day.figures[0].1 += 1),
    ];
    for (number, (wanted, breaking)) in cases.into_iter().enumerate() {
        let mut day = good();
        breaking(&mut day);
        let breaches = judge(&day).expect_err(wanted);
        assert!(breaches.iter().any(|b| b.contains(wanted)), "{number} {wanted}: {breaches:?}");
    }
}

#[test]
fn what_was_forwarded_twice_is_found() {
    let mut day = good();
    day.next.push(listed("n9", "b", 2, "waiting"));
    assert!(judge(&day).is_err());
}

#[test]
fn figures_without_a_known_state_are_found() {
    let mut day = good();
    day.figures.push(("lost".into(), 1));
    assert!(judge(&day).is_err());
}

#[test]
fn many_breaches_are_counted_and_few_are_told() {
    let mut checker = Checker::default();
    (0..TOLD + 7).for_each(|n| checker.breach(n.to_string()));
    let said = checker.finish().expect_err("breaches");
    assert_eq!((said.len(), said.last().map(String::as_str)), (TOLD + 1, Some("and 7 more")));
}

#[test]
fn parts_are_told_apart_by_number_and_order() {
    let (a, b) = (digest(1), digest(2));
    assert_ne!(Content::of(&[a, b]), Content::of(&[b, a]));
    assert_ne!(Content::of(&[a]), Content::of(&[a, a]));
    assert_ne!(Content::of(&[a, a, b]), Content::of(&[a, b, a]));
    assert_eq!(
        Content::of_octets([&b"x"[..]].into_iter()).attachments,
        Content::of(&[]).attachments
    );
}

#[test]
fn names_do_not_run_into_each_other() {
    assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
}
