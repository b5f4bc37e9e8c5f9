//! Lanes, order within conversations, other ways: which delivery goes, and where (P2, P8).

use std::path::Path;
use std::time::Duration;

use amtsbote_domain::delivery::alternative::{Because, Detour};
use amtsbote_domain::delivery::lane::LaneName;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{Lease, Share, Slots, Store, StoreError, Waiting};
use amtsbote_domain::state::{ClearingCause, Event, State, WaitingFor};

use super::{Draft, ManualClock, READER, Subject, after, octets, state_of};

const MINUTE: Duration = Duration::from_secs(60);
const TURN: State = State::Waiting { on: WaitingFor::Turn };
const OTHER: &str = "ags:05766020";

fn number(id: &HubId) -> u32 {
    u32::from_str_radix(&id.as_str()[24..], 16).expect("made from a number")
}

fn numbers(leases: &[Lease]) -> Vec<u32> {
    leases.iter().map(|lease| number(&lease.hub_id)).collect()
}

async fn lease(store: &impl Store, slots: Slots) -> Vec<Lease> {
    store.lease_due(slots, MINUTE).await.expect("leases")
}

fn lane(name: &str) -> Option<LaneName> {
    Some(LaneName::parse(name).expect("a lane"))
}

fn ordered(number: u32) -> Draft {
    Draft { in_order: true, ..Draft::peer(number) }
}

async fn apply(store: &impl Store, number: u32, event: Event) {
    let answer = store.apply(&Draft::peer(number).hub_id(), event, None, None).await;
    answer.unwrap_or_else(|error| panic!("{event:?} of {number}: {error}"));
}

async fn settle(store: &impl Store, lease: &Lease, event: Event) {
    store.begin_attempt(lease).await.expect("begins");
    store.settle(lease, event, None, None).await.expect("settles");
}

/// What waits is told by peer and lane, never more than is of use, and leased by shares; what has no
/// lane can go with the last.
pub async fn lanes_are_told_and_leased_by_shares<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let in_lane = |n, lane| Draft { lane, ..Draft::peer(n) };
    let elsewhere = |n| Draft { channel: "peer:d-nrw", ..in_lane(n, Some("bulk")) };
    let drafts = (1..=9)
        .map(|n| in_lane(n, Some("bulk")))
        .chain((10..=11).map(|n| in_lane(n, None)))
        .chain((12..=13).map(|n| in_lane(n, Some("registry"))))
        .chain([elsewhere(14), Draft { due: Some(after(900)), ..in_lane(15, Some("later")) }]);
    for draft in drafts {
        draft.accepted(&store).await;
        clock.advance(1);
    }
    let waiting = async |slots: Slots| -> Vec<(String, Option<LaneName>, u32)> {
        let found = store.waiting(slots).await.expect("tells");
        found.into_iter().map(|Waiting { peer, lane, count }| (peer, lane, count)).collect()
    };
    let krz = |lane, count| ("krz".to_owned(), lane, count);
    let other = ("d-nrw".to_owned(), lane("bulk"), 1);
    let all = [other.clone(), krz(None, 2), krz(lane("bulk"), 4), krz(lane("registry"), 2)];
    let slots = |taken: u32| Slots {
        free: 8,
        per_peer: 3,
        taken: vec![("krz".to_owned(), taken)],
        shares: vec![],
    };
    assert_eq!(waiting(slots(0)).await, all, "at most one beyond the room");
    assert_eq!(waiting(slots(3)).await, [other], "nothing where there is no room");

    let share = |lanes: &[Option<LaneName>], count| Share {
        peer: "krz".to_owned(),
        lanes: lanes.to_vec(),
        count,
    };
    let shares = vec![share(&[lane("registry")], 1), share(&[lane("bulk")], 2)];
    let leased = lease(&store, Slots { shares, ..slots(0) }).await;
    assert_eq!(numbers(&leased), [1, 2, 12]);
    let shares = vec![share(&[None, lane("bulk"), lane("gone")], 8)];
    let leased = lease(&store, Slots { shares, ..slots(0) }).await;
    assert_eq!(numbers(&leased), [3, 4, 5, 6, 7, 8, 9, 10], "as if they were one lane");
    let leased = lease(&store, Slots::any(9)).await;
    assert_eq!(numbers(&leased), [11, 13, 14], "without shares the oldest of all lanes");
    let place = store.place(&Draft::peer(12).hub_id()).await.expect("is there");
    assert_eq!((place.lane, place.in_order), (lane("registry"), false));
}

/// One after the other, in the order of acceptance; other conversations and what needs no order go on.
pub async fn of_a_conversation_one_goes_at_a_time<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    for n in 1..=40 {
        ordered(n).accepted(&store).await;
        clock.advance(1);
    }
    Draft { reader: OTHER, ..ordered(41) }.accepted(&store).await;
    Draft { reader: OTHER, ..ordered(42) }.accepted(&store).await;
    Draft::peer(43).accepted(&store).await;
    // Room for three, forty before the others: nobody waits for whom it must not wait for.
    let leases = lease(&store, Slots::any(3)).await;
    assert_eq!(numbers(&leases), [1, 41, 43]);
    assert!(lease(&store, Slots::any(99)).await.is_empty());
    let place = store.place(&Draft::peer(3).hub_id()).await.expect("is there");
    assert_eq!((place.in_order, place.behind), (true, Some(Draft::peer(1).hub_id())));
    let place = store.place(&Draft::peer(1).hub_id()).await.expect("is there");
    assert_eq!((place.behind, place.holds_back), (None, 39));

    settle(&store, &leases[0], Event::AttemptConfirmed).await;
    let next = lease(&store, Slots::any(99)).await;
    assert_eq!(numbers(&next), [2]);
    // A lease that ends, or is given back, is no reason to go out of order.
    store.give_back(&next[0], None).await.expect("gives back");
    let next = lease(&store, Slots::any(99)).await;
    assert_eq!(numbers(&next), [2]);
    clock.advance(61);
    assert_eq!(numbers(&lease(&store, Slots::any(99)).await), [2, 41, 43]);
}

/// What waits for another attempt, is uncertain or in clearing comes first; what is held, cancelled,
/// expired or rejected does not hold anything up.
pub async fn what_has_not_ended_holds_back_what_came_after<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let expiring = Draft { expires: Some(after(500)), ..ordered(4) };
    for draft in [ordered(1), ordered(2), ordered(3), expiring, ordered(5), ordered(6)] {
        draft.accepted(&store).await;
        clock.advance(1);
    }
    let only = async |wanted: &[u32]| -> Vec<Lease> {
        let leases = lease(&store, Slots::any(9)).await;
        assert_eq!(numbers(&leases), wanted);
        leases
    };
    let first = only(&[1]).await;
    settle(&store, &first[0], Event::AttemptFailed { retry_at: after(100) }).await;
    only(&[]).await;
    clock.advance(100);
    let first = only(&[1]).await;
    settle(&store, &first[0], Event::AttemptLost).await;
    assert_eq!(state_of(&store, &ordered(1)).await, State::Uncertain);
    only(&[]).await;
    apply(&store, 1, Event::OutcomeUnknowable).await;
    only(&[]).await;
    let place = store.place(&ordered(1).hub_id()).await.expect("is there");
    assert_eq!((place.behind, place.holds_back), (None, 5));
    apply(&store, 1, Event::Reject).await;

    let second = only(&[2]).await;
    // Held while somebody has it leased: that one finds it lost.
    apply(&store, 2, Event::Hold).await;
    assert!(matches!(store.begin_attempt(&second[0]).await, Err(StoreError::LeaseLost)));
    only(&[3]).await;
    apply(&store, 3, Event::Cancel).await;
    only(&[4]).await;
    clock.advance(400);
    store.sweep(9).await.expect("sweeps");
    assert_eq!(state_of(&store, &ordered(4)).await, State::Expired);
    let fifth = only(&[5]).await;
    settle(&store, &fifth[0], Event::AttemptRefused).await;
    only(&[]).await;
    // Sent to an inbox by a person it still has not ended.
    apply(&store, 5, Event::Resubmit { collection: true }).await;
    only(&[]).await;
    let digest = Some(ordered(5).digest());
    store.apply(&ordered(5).hub_id(), Event::Acknowledge, None, digest).await.expect("confirms");
    only(&[6]).await;
}

/// Released, a delivery is again before those that were accepted later: a lease of theirs ends, an
/// attempt is waited for.
pub async fn what_is_released_waits_for_what_went_on<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    for n in 1..=3 {
        ordered(n).accepted(&store).await;
    }
    apply(&store, 1, Event::Hold).await;
    let second = lease(&store, Slots::any(9)).await.remove(0);
    assert_eq!(number(&second.hub_id), 2);
    apply(&store, 1, Event::Release).await;
    assert!(matches!(store.begin_attempt(&second).await, Err(StoreError::LeaseLost)));
    let first = lease(&store, Slots::any(9)).await;
    assert_eq!(numbers(&first), [1]);

    store.give_back(&first[0], None).await.expect("gives back");
    apply(&store, 1, Event::Hold).await;
    let second = lease(&store, Slots::any(9)).await.remove(0);
    store.begin_attempt(&second).await.expect("begins");
    apply(&store, 1, Event::Release).await;
    assert!(lease(&store, Slots::any(9)).await.is_empty(), "one is under way");
    let place = store.place(&ordered(1).hub_id()).await.expect("is there");
    assert_eq!(place.behind, Some(ordered(2).hub_id()));
    store.settle(&second, Event::AttemptLost, None, None).await.expect("settles");
    // What is uncertain came later: it holds back the third one, not the first.
    let first = lease(&store, Slots::any(9)).await;
    assert_eq!(numbers(&first), [1]);
    settle(&store, &first[0], Event::AttemptConfirmed).await;
    assert!(lease(&store, Slots::any(9)).await.is_empty());
    apply(&store, 2, Event::FoundAtPeer).await;
    assert_eq!(numbers(&lease(&store, Slots::any(9)).await), [3]);
}

fn detour(from: &str, to: &str) -> Detour {
    Detour {
        from: from.to_owned(),
        to: to.to_owned(),
        because: Because::Open { seconds: 700 },
        skipped: vec![],
        rule: "delivery.toml:3".to_owned(),
    }
}

/// Another way, with evidence and all attempts; never for what may have arrived, and not from another
/// way than the one it is on.
pub async fn a_detour_changes_the_way_on_record<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    for n in 1..=4 {
        Draft::peer(n).accepted(&store).await;
    }
    let other = detour("peer:krz", "peer:d-nrw");
    let go = async |n: u32, detour: &Detour| {
        store.detour(&Draft::peer(n).hub_id(), detour.clone()).await
    };
    let refused = |answer: Result<State, StoreError>| {
        assert!(matches!(answer, Err(StoreError::NotApplicable(_))), "{answer:?}");
    };
    refused(go(1, &detour("peer:elsewhere", "peer:d-nrw")).await);
    let leases = lease(&store, Slots::any(2)).await;
    settle(&store, &leases[0], Event::AttemptFailed { retry_at: after(900) }).await;
    assert_eq!(go(1, &other).await.expect("goes"), TURN);
    let moved = store.delivery(&Draft::peer(1).hub_id()).await.expect("is there");
    assert_eq!((moved.channel.as_str(), moved.attempts), ("peer:d-nrw", 0));
    refused(go(1, &other).await);
    let timeline = store.timeline(&Draft::peer(1).hub_id()).await.expect("is there");
    let last = &timeline.last().expect("an entry").evidence;
    let Evidence::Changed { event, detour: Some(told), .. } = last else { panic!("{last:?}") };
    assert_eq!((**told == other, *event), (true, Event::Detour { collection: false }));

    // A lease is no attempt yet: its holder finds it lost.
    go(2, &other).await.expect("goes");
    assert!(matches!(store.begin_attempt(&leases[1]).await, Err(StoreError::LeaseLost)));
    let again = lease(&store, Slots::any(9)).await;
    let to_other: Vec<_> = again.iter().filter(|lease| lease.peer == "d-nrw").collect();
    assert_eq!(to_other.len(), 2, "due at once, on the other way");

    // The third is under way, then uncertain, then to be repeated: it stays where it is.
    let third = again.iter().find(|lease| number(&lease.hub_id) == 3).expect("leased");
    store.begin_attempt(third).await.expect("begins");
    refused(go(3, &other).await);
    store.settle(third, Event::AttemptLost, None, None).await.expect("settles");
    refused(go(3, &other).await);
    apply(&store, 3, Event::ResendAllowed { retry_at: after(0) }).await;
    refused(go(3, &other).await);

    // An inbox is a way as well.
    let to_inbox = detour("peer:krz", "inbox");
    let collection = State::Waiting { on: WaitingFor::Collection };
    assert_eq!(go(4, &to_inbox).await.expect("goes"), collection);
    let reader = amtsbote_domain::party::PartyId::parse(READER).expect("a party");
    let page = store.inbox(&reader, None, 9).await.expect("an inbox");
    assert_eq!(page.deliveries.len(), 1);
    refused(go(4, &detour("inbox", "peer:krz")).await);
    let event = Event::Detour { collection: true };
    let by_hand = store.apply(&Draft::peer(2).hub_id(), event, None, None).await;
    refused(by_hand.map(|(state, _)| state));
}

/// What waits for a peer that is out can be gone through, page by page, whatever lane it is in.
pub async fn what_waits_for_a_peer_is_told_page_by_page<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    for n in 1..=9 {
        let lane = [None, Some("bulk"), Some("registry")][n as usize % 3];
        let due = (n % 2 == 0).then(|| after(900));
        Draft { lane, due, ..Draft::peer(n) }.accepted(&store).await;
    }
    Draft { channel: "peer:d-nrw", ..Draft::inbox(10) }.accepted(&store).await;
    Draft::inbox(11).accepted(&store).await;
    ordered(12).accepted(&store).await;
    ordered(13).accepted(&store).await;
    let leased = lease(&store, Slots::any(1)).await;
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.waiting_for("krz", after.as_deref(), 4).await.expect("a page");
        assert!(page.deliveries.len() <= 4);
        found.extend(page.deliveries.iter().map(|delivery| number(&delivery.record.hub_id)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    found.sort_unstable();
    let wanted: Vec<u32> =
        (1..=9).chain([12]).filter(|n| *n != number(&leased[0].hub_id)).collect();
    assert_eq!(found, wanted, "all but what is leased, or waits for an earlier one");
    for bad in ["", "x", "a/b/c", "bulk/1"] {
        let page = store.waiting_for("krz", Some(bad), 4).await;
        assert!(matches!(page, Err(StoreError::NotFound | StoreError::Corrupt(_))), "{bad}");
    }
}

/// Chances drawn from a seed.
struct Chance(Vec<u8>);

impl Chance {
    fn of(&mut self, count: usize) -> usize {
        let octets = [self.0.pop(), self.0.pop()].map(|octet| octet.expect("enough"));
        usize::from(u16::from_le_bytes(octets)) % count
    }
}

/// Whatever happens to two conversations, in any order: never two of one under way, none before an
/// earlier one that has neither ended nor is held, and in the end everything goes.
pub async fn order_holds_through_any_history<S: Subject>(dir: &Path) {
    const EACH: u32 = 12;
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    for seed in 0..8 {
        let mut chance = Chance(octets(seed, 4_000));
        let base = seed * 100;
        // Two Readers a seed: two conversations that nobody had before.
        let readers = [["ags:1", "ags:2"], ["ags:3", "ags:4"]][seed as usize % 2];
        let draft = |n: u32| Draft { reader: readers[n as usize % 2], ..ordered(base + n) };
        let (mut accepted, mut held): (u32, Vec<Lease>) = (0, Vec::new());
        for _ in 0..90 {
            match chance.of(9) {
                0 | 1 if accepted < EACH => {
                    draft(accepted).accepted(&store).await;
                    accepted += 1;
                }
                2 | 3 => {
                    for lease in lease(&store, Slots::any(1 + chance.of(3) as u32)).await {
                        assert_first(&store, &draft, accepted, number(&lease.hub_id) - base).await;
                        held.push(lease);
                    }
                }
                4 | 5 if !held.is_empty() => {
                    let lease = held.swap_remove(chance.of(held.len()));
                    if store.begin_attempt(&lease).await.is_err() {
                        continue;
                    }
                    let n = number(&lease.hub_id) - base;
                    assert_first(&store, &draft, accepted, n).await;
                    let event = [
                        Event::AttemptConfirmed,
                        Event::AttemptFailed { retry_at: after(0) },
                        Event::AttemptRefused,
                        Event::AttemptLost,
                    ][chance.of(4)];
                    // One in five is never settled: its lease ends.
                    if chance.of(5) > 0 {
                        store.settle(&lease, event, None, None).await.expect("settles");
                    }
                }
                6 if !held.is_empty() => {
                    let lease = held.swap_remove(chance.of(held.len()));
                    let _ = store.give_back(&lease, None).await;
                }
                7 if accepted > 0 => {
                    let n = chance.of(accepted as usize) as u32;
                    let event = [
                        Event::Hold,
                        Event::Release,
                        Event::Cancel,
                        Event::ResendAllowed { retry_at: after(0) },
                        Event::OutcomeUnknowable,
                        Event::Resubmit { collection: false },
                        Event::Reject,
                    ][chance.of(7)];
                    let _ = store.apply(&draft(n).hub_id(), event, None, None).await;
                }
                8 => {
                    clock.advance(chance.of(90) as i64);
                    store.sweep(99).await.expect("sweeps");
                }
                _ => {}
            }
            assert_one_under_way(&store, &draft, accepted).await;
        }
        drain(&store, &clock, &draft, accepted, base).await;
    }
}

/// Whether nothing of its conversation is before this one.
async fn assert_first(store: &impl Store, draft: &impl Fn(u32) -> Draft, accepted: u32, n: u32) {
    assert!(n < accepted);
    for earlier in (0..n).filter(|earlier| earlier % 2 == n % 2) {
        let state = state_of(store, &draft(earlier)).await;
        let held = matches!(state, State::Waiting { on: WaitingFor::Release { .. } });
        assert!(state.is_final() || held, "{n} goes before {earlier}, which is {state:?}");
    }
}

async fn assert_one_under_way(store: &impl Store, draft: &impl Fn(u32) -> Draft, accepted: u32) {
    let mut under_way = [0, 0];
    for n in 0..accepted {
        let state = state_of(store, &draft(n)).await;
        under_way[n as usize % 2] += u32::from(matches!(state, State::InDelivery { .. }));
    }
    assert!(under_way.iter().all(|count| *count <= 1), "{under_way:?}");
}

/// Everything that is stuck is put right, and goes, in order.
async fn drain(
    store: &impl Store,
    clock: &ManualClock,
    draft: &impl Fn(u32) -> Draft,
    accepted: u32,
    base: u32,
) {
    for _ in 0..=accepted * 3 {
        clock.advance(100);
        store.sweep(99).await.expect("sweeps");
        for n in 0..accepted {
            let event = match state_of(store, &draft(n)).await {
                State::Waiting { on: WaitingFor::Release { .. } } => Event::Release,
                State::Uncertain => Event::ResendAllowed { retry_at: after(0) },
                State::InClearing { cause: ClearingCause::Refused } => Event::Reject,
                State::InClearing { .. } => Event::Resubmit { collection: false },
                _ => continue,
            };
            apply(store, base + n, event).await;
        }
        for lease in lease(store, Slots::any(9)).await {
            assert_first(store, draft, accepted, number(&lease.hub_id) - base).await;
            settle(store, &lease, Event::AttemptConfirmed).await;
        }
    }
    for n in 0..accepted {
        let state = state_of(store, &draft(n)).await;
        assert!(state.is_final(), "{n} is {state:?}: it never went");
    }
}
