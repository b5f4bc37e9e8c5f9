//! Timelines that hold, and one that does not for every rule.

use super::*;
use crate::history::samples;
use amtsbote_domain::identity::AccountId;
use amtsbote_domain::state::ClearingCause;

const ID: &str = "0197a2c4-0000-7000-8000-000000000001";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("an instant")
}

fn hub_id() -> HubId {
    HubId::parse(ID).expect("an id")
}

fn accepted(channel: &str) -> Evidence {
    samples::accepted(hub_id(), channel, Digest([7; 32]))
}

fn handed_out() -> Evidence {
    let account = AccountId::parse("detmold").expect("an account");
    Evidence::HandedOut { hub_id: hub_id(), account }
}

fn attempt(repeated: bool) -> Evidence {
    Evidence::Attempt { hub_id: hub_id(), attempt: 1, peer: "far".to_owned(), repeated, node: None }
}

fn changed(from: State, event: Event, to: State, digest: Option<Digest>) -> Evidence {
    samples::changed(hub_id(), from, event, to, digest)
}

const fn waiting(on: WaitingFor) -> State {
    State::Waiting { on }
}

fn confirmed() -> Evidence {
    let from = waiting(WaitingFor::Acknowledgement);
    changed(from, Event::Acknowledge, State::Acknowledged, Some(Digest([7; 32])))
}

fn entries(evidence: Vec<Evidence>) -> Vec<Entry> {
    let entry = |(n, evidence)| Entry { index: n as u64, at: at(n as i64), evidence };
    evidence.into_iter().enumerate().map(entry).collect()
}

/// Collected, confirmed, read again.
fn inbox() -> (Known, Vec<Entry>) {
    let known = Known {
        hub_id: ID.to_owned(),
        state: "acknowledged".to_owned(),
        payload: Some(Digest([7; 32])),
        handed: true,
        acknowledged: true,
    };
    (known, entries(vec![accepted("inbox"), handed_out(), confirmed(), handed_out()]))
}

/// Sent, uncertain, sent again, delivered.
fn relayed() -> (Known, Vec<Entry>) {
    let known =
        Known { state: "delivered".to_owned(), handed: false, acknowledged: false, ..inbox().0 };
    let (lost, again) =
        (State::InDelivery { repeated: false }, State::InDelivery { repeated: true });
    let retry = Event::ResendAllowed { retry_at: at(3) };
    let all = vec![
        accepted("peer:far"),
        attempt(false),
        changed(lost, Event::AttemptLost, State::Uncertain, None),
        changed(State::Uncertain, retry, waiting(WaitingFor::Repeat), None),
        attempt(true),
        changed(again, Event::AttemptConfirmed, State::Delivered, None),
    ];
    (known, entries(all))
}

#[test]
fn good_timelines_hold() {
    for (known, entries) in [inbox(), relayed()] {
        assert_eq!(check(&known, &entries), Vec::<String>::new());
    }
}

type Break = fn(&mut Known, &mut Vec<Entry>);

#[test]
fn every_breach_is_found() {
    let of_inbox: [(&str, Break); 11] = [
        ("no record of its acceptance", |_, all| drop(all.remove(0))),
        ("not in the order of the log", |_, all| all[1].index = 9),
        ("time runs backwards", |_, all| all[1].at = at(9)),
        ("about another message", |known, _| known.hub_id = ID.replace('1', "2")),
        ("another payload", |known, _| known.payload = Some(Digest([8; 32]))),
        ("handed over without a record", |known, all| {
            *all = entries(vec![accepted("inbox")]);
            known.state = "waiting".to_owned();
        }),
        ("no record of its confirmation", |known, all| {
            all.truncate(2);
            known.state = "waiting".to_owned();
        }),
        ("acknowledged by its records, waiting as listed", |known, _| {
            known.state = "waiting".to_owned();
        }),
        ("accepted twice", |_, all| all[1].evidence = accepted("inbox")),
        ("a record leads from", |_, all| all[1].evidence = confirmed()),
        ("it had ended acknowledged", |_, all| {
            all[3].evidence = changed(State::Acknowledged, Event::Cancel, State::Cancelled, None);
        }),
    ];
    let of_relay: [(&str, Break); 3] = [
        // A repetition that does not say that it is one.
        ("not to", |_, all| all[4].evidence = attempt(false)),
        ("a record leads from", |_, all| drop(all.remove(2))),
        ("does not apply", |_, all| {
            let from = State::Uncertain;
            let to = State::InClearing { cause: ClearingCause::OutcomeUnknown };
            all[3].evidence = changed(from, Event::ExpiryReached, to, None);
        }),
    ];
    let inbox = of_inbox.into_iter().map(|case| (case, inbox()));
    let relay = of_relay.into_iter().map(|case| (case, relayed()));
    for ((wanted, breaking), (mut known, mut all)) in inbox.chain(relay) {
        breaking(&mut known, &mut all);
        let said = check(&known, &all);
        assert!(said.iter().any(|breach| breach.contains(wanted)), "{wanted}: {said:?}");
    }
}
