//! The worker's side: leases, attempts, time, decisions (P2).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::ports::{Lease, Slots, Store, StoreError};
use amtsbote_domain::state::{ClearingCause, Event, State, WaitingFor};

use super::{Draft, ManualClock, Subject, account, after, digest, proven, state_of};

const MINUTE: Duration = Duration::from_secs(60);
const TURN: State = State::Waiting { on: WaitingFor::Turn };
const UNDER_WAY: State = State::InDelivery { repeated: false };

async fn lease_one(store: &impl Store) -> Lease {
    let mut leases = store.lease_due(Slots::any(1), MINUTE).await.expect("leases");
    leases.pop().expect("one is due")
}

async fn none_due(store: &impl Store) -> bool {
    store.lease_due(Slots::any(10), MINUTE).await.expect("leases").is_empty()
}

fn is_lost<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::LeaseLost))
}

/// Workers that ask at the same time never get the same delivery; the oldest comes first.
pub async fn a_lease_has_one_holder<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = Arc::new(S::open(dir, clock.clone()));
    for n in 1..=40 {
        Draft::peer(n).accepted(&*store).await;
        clock.advance(1);
    }
    Draft::inbox(41).accepted(&*store).await;
    let oldest = store.lease_due(Slots::any(2), MINUTE).await.expect("leases");
    let ids: Vec<_> = oldest.iter().map(|lease| lease.hub_id.clone()).collect();
    assert_eq!(ids, [Draft::peer(1).hub_id(), Draft::peer(2).hub_id()]);
    assert_eq!(
        (oldest[0].peer.as_str(), oldest[0].attempts, oldest[0].repeated),
        ("krz", 0, false)
    );
    assert_eq!(oldest[0].metadata.transport_id, Draft::peer(1).transport_id());

    let workers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(
                async move { store.lease_due(Slots::any(7), MINUTE).await.expect("leases") },
            )
        })
        .collect();
    let mut leased = Vec::new();
    for worker in workers {
        leased.extend(worker.await.expect("no panic").into_iter().map(|lease| lease.hub_id));
    }
    let distinct: BTreeSet<_> = leased.iter().collect();
    assert_eq!((leased.len(), distinct.len()), (38, 38));
    assert!(none_due(&*store).await);
    // A lease changes no state and is no attempt.
    let delivery = store.delivery(&Draft::peer(1).hub_id()).await.expect("is there");
    assert_eq!((delivery.state, delivery.attempts, delivery.revision), (TURN, 0, 1));
    clock.advance(60);
    let again = store.lease_due(Slots::any(100), MINUTE).await.expect("leases");
    assert_eq!(again.len(), 40, "a lease that ended without an attempt is given again");
    assert!(again.iter().all(|lease| lease.number == 2));
}

/// No peer gets more than its share, what is under way to it included; within it the oldest come
/// first, and within all slots the oldest of all.
pub async fn leases_are_shared_among_peers<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let other = |n| Draft { channel: "peer:d-nrw", ..Draft::inbox(n) };
    for draft in (1..=20).map(Draft::peer).chain((21..=24).map(other)) {
        draft.accepted(&store).await;
        clock.advance(1);
    }
    let lease = async |slots: Slots| -> Vec<u32> {
        let leases = store.lease_due(slots, 60 * MINUTE).await.expect("leases");
        let number = |id: &str| u32::from_str_radix(&id[24..], 16).expect("made from a number");
        leases.iter().map(|lease| number(lease.hub_id.as_str())).collect()
    };
    let slots = |free, per_peer, taken: &[(&str, u32)]| {
        let taken = taken.iter().map(|(peer, count)| ((*peer).to_owned(), *count)).collect();
        Slots { free, per_peer, taken, ..Slots::default() }
    };
    assert_eq!(lease(slots(6, 3, &[])).await, [1, 2, 3, 21, 22, 23]);
    assert_eq!(lease(slots(4, 4, &[("krz", 4), ("d-nrw", 3)])).await, [24]);
    assert_eq!(lease(slots(4, 4, &[("krz", 3)])).await, [4]);
    assert_eq!(lease(slots(4, 4, &[("krz", 9)])).await, [0u32; 0]);
    assert_eq!(lease(slots(0, 4, &[])).await, [0u32; 0]);
    other(25).accepted(&store).await;
    assert_eq!(lease(slots(2, 8, &[])).await, [5, 6], "the oldest of all");
}

/// Stale, ended, doubled, unknown: no attempt, no record.
pub async fn an_attempt_needs_a_live_lease<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    Draft::peer(1).accepted(&store).await;
    let first = lease_one(&store).await;
    clock.advance(60);
    assert!(is_lost(&store.begin_attempt(&first).await), "it has ended");
    let second = lease_one(&store).await;
    assert!(second.number > first.number);
    assert!(is_lost(&store.begin_attempt(&first).await), "there is a newer one");
    let forged = Lease { number: second.number + 1, ..second.clone() };
    assert!(is_lost(&store.begin_attempt(&forged).await), "nobody has it");
    let elsewhere = Lease { hub_id: Draft::peer(9).hub_id(), ..second.clone() };
    let unknown = store.begin_attempt(&elsewhere).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
    assert_eq!(store.begin_attempt(&second).await.expect("begins"), 1);
    assert!(is_lost(&store.begin_attempt(&second).await), "one is open");
    assert_eq!(state_of(&store, &Draft::peer(1)).await, UNDER_WAY);
    assert!(none_due(&store).await);

    let proof = Some(digest(b"the peer's receipt"));
    let state = store.settle(&second, Event::AttemptConfirmed, None, proof).await;
    assert_eq!(state.expect("settles"), State::Delivered);
    let twice = store.settle(&second, Event::AttemptConfirmed, None, proof).await;
    assert!(is_lost(&twice), "{twice:?}");
    let receipt = store.receipt(&Draft::peer(1).hub_id(), "delivered").await.expect("is stored");
    match proven(&receipt, &S::verifier()) {
        Evidence::Changed { to, digest, .. } => assert_eq!((to, digest), (State::Delivered, proof)),
        other => panic!("{other:?}"),
    }
    let kinds: Vec<_> = store
        .timeline(&Draft::peer(1).hub_id())
        .await
        .expect("a timeline")
        .into_iter()
        .map(|entry| match entry.evidence {
            Evidence::Accepted(_) => "accepted",
            Evidence::Attempt { attempt: 1, repeated: false, .. } => "attempt",
            Evidence::Changed { .. } => "changed",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["accepted", "attempt", "changed"]);
}

/// The lease ends with the attempt open: uncertain, never back to waiting by itself.
pub async fn a_lost_attempt_is_uncertain_and_a_stale_lease_cannot_settle<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let draft = Draft::peer(1);
    draft.accepted(&store).await;
    let lost = lease_one(&store).await;
    store.begin_attempt(&lost).await.expect("begins");
    clock.advance(59);
    assert_eq!(store.sweep(10).await.expect("sweeps"), 0);
    clock.advance(1);
    assert_eq!(store.sweep(10).await.expect("sweeps"), 1);
    assert_eq!(state_of(&store, &draft).await, State::Uncertain);
    assert!(none_due(&store).await);
    assert_eq!(store.uncertain(10).await.expect("lists").len(), 1);
    let stale = store.settle(&lost, Event::AttemptConfirmed, None, None).await;
    assert!(is_lost(&stale), "{stale:?}");
    for event in [Event::Cancel, Event::ExpiryReached, Event::Hold] {
        let refused = store.apply(&draft.hub_id(), event, None, None).await;
        assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    }

    let resend = Event::ResendAllowed { retry_at: after(120) };
    store.apply(&draft.hub_id(), resend, None, None).await.expect("is allowed");
    assert!(none_due(&store).await, "not before its time");
    clock.advance(60);
    let lease = lease_one(&store).await;
    assert_eq!((lease.repeated, lease.attempts), (true, 1));
    assert_eq!(store.begin_attempt(&lease).await.expect("begins"), 2);
    let timeline = store.timeline(&draft.hub_id()).await.expect("a timeline");
    let last = &timeline.last().expect("not empty").evidence;
    assert!(matches!(last, Evidence::Attempt { attempt: 2, repeated: true, .. }), "{last:?}");

    let state = store.settle(&lease, Event::AttemptLost, None, None).await.expect("settles");
    assert_eq!(state, State::Uncertain);
    let absent = Event::NotFoundAtPeer { retry_at: after(120) };
    store.apply(&draft.hub_id(), absent, None, None).await.expect("may go again");
    assert!(!lease_one(&store).await.repeated, "the peer, asked, does not have it");
}

/// A retry has its time; clearing takes what failed for good.
pub async fn a_failed_attempt_waits_for_its_time<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let draft = Draft::peer(1);
    draft.accepted(&store).await;
    let lease = lease_one(&store).await;
    store.begin_attempt(&lease).await.expect("begins");
    let failed = Event::AttemptFailed { retry_at: after(300) };
    let state = store.settle(&lease, failed, Some(Code::Unavailable), None).await;
    assert_eq!(state.expect("settles"), TURN);
    assert_eq!(store.delivery(&draft.hub_id()).await.expect("is there").due, Some(after(300)));
    clock.advance(299);
    assert!(none_due(&store).await);
    clock.advance(1);
    let lease = lease_one(&store).await;
    assert_eq!((lease.attempts, lease.repeated), (1, false));
    store.begin_attempt(&lease).await.expect("begins");
    let refused = store.settle(&lease, Event::AttemptRefused, Some(Code::NotPermitted), None).await;
    assert_eq!(refused.expect("settles"), State::InClearing { cause: ClearingCause::Refused });
    let receipt = store.receipt(&draft.hub_id(), "in-clearing").await.expect("is stored");
    let evidence = proven(&receipt, &S::verifier());
    assert!(
        matches!(evidence, Evidence::Changed { code: Some(Code::NotPermitted), .. }),
        "{evidence:?}"
    );
    store
        .apply(&draft.hub_id(), Event::Resubmit { collection: false }, None, None)
        .await
        .expect("goes again");
    assert_eq!(lease_one(&store).await.attempts, 2);
}

/// With nothing: at once for the next one. With a reason: to clearing. Never with an attempt open.
pub async fn a_lease_can_be_given_back<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    Draft::peer(1).accepted(&store).await;
    let lease = lease_one(&store).await;
    store.give_back(&lease, None).await.expect("is given back");
    assert!(is_lost(&store.give_back(&lease, None).await), "it was given back");
    assert!(is_lost(&store.begin_attempt(&lease).await), "it was given back");
    let lease = lease_one(&store).await;
    let refused = store.give_back(&lease, Some(Event::Cancel)).await;
    assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    store.give_back(&lease, Some(Event::WayLost)).await.expect("is given back");
    let no_way = State::InClearing { cause: ClearingCause::NoWay };
    assert_eq!(state_of(&store, &Draft::peer(1)).await, no_way);
    assert!(none_due(&store).await);

    Draft::peer(2).accepted(&store).await;
    let lease = lease_one(&store).await;
    store.begin_attempt(&lease).await.expect("begins");
    assert!(is_lost(&store.give_back(&lease, None).await), "an attempt is open");
    let mismatch = store.settle(&lease, Event::DigestMismatch, None, None).await;
    let stopped = State::InClearing { cause: ClearingCause::DigestMismatch };
    assert_eq!(mismatch.expect("settles"), stopped);
}

/// Waiting and held: expired. Handed out: uncertain. Under way: untouched.
pub async fn expiry_ends_only_what_has_not_left<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let expiring = |draft: Draft| Draft { expires: Some(after(60)), ..draft };
    let under_way = expiring(Draft::peer(1));
    under_way.accepted(&store).await;
    let lease = store.lease_due(Slots::any(1), 10 * MINUTE).await.expect("leases").remove(0);
    store.begin_attempt(&lease).await.expect("begins");
    let [turn, inbox, held, out] =
        [Draft::peer(2), Draft::inbox(3), Draft::inbox(4), Draft::inbox(5)].map(expiring);
    for draft in [&turn, &inbox, &held, &out] {
        draft.accepted(&store).await;
    }
    Draft::inbox(6).accepted(&store).await;
    store.apply(&held.hub_id(), Event::Hold, None, None).await.expect("is held");
    store.hand_out(&out.hub_id(), &account("lemgo")).await.expect("is handed out");
    let leased = lease_one(&store).await;
    assert_eq!(leased.hub_id, turn.hub_id());

    clock.advance(59);
    assert_eq!(store.sweep(10).await.expect("sweeps"), 0);
    clock.advance(1);
    let refused = store.begin_attempt(&leased).await;
    assert!(refused.is_err(), "it is of no use any more: {refused:?}");
    assert!(none_due(&store).await, "expired, though not swept");
    assert_eq!(store.sweep(3).await.expect("sweeps"), 3, "at most the limit");
    assert_eq!(store.sweep(10).await.expect("sweeps"), 1);
    assert_eq!(store.sweep(10).await.expect("sweeps"), 0);
    for (draft, state) in [
        (&under_way, UNDER_WAY),
        (&turn, State::Expired),
        (&inbox, State::Expired),
        (&held, State::Expired),
        (&out, State::Uncertain),
        (&Draft::inbox(6), Draft::inbox(6).state()),
    ] {
        assert_eq!(state_of(&store, draft).await, state, "message {}", draft.number);
    }
    store.receipt(&turn.hub_id(), "expired").await.expect("is stored");
    let state = store.settle(&lease, Event::AttemptConfirmed, None, None).await;
    assert_eq!(state.expect("settles"), State::Delivered);
}

/// What may have arrived is repeated, whatever the time and its Author say; until the peer, asked,
/// does not have it.
pub async fn what_may_have_arrived_is_ended_by_neither_time_nor_author<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let drafts = [1, 2].map(|n| Draft { expires: Some(after(60)), ..Draft::peer(n) });
    let [again, absent] = &drafts;
    for draft in &drafts {
        draft.accepted(&store).await;
        let lease = lease_one(&store).await;
        store.begin_attempt(&lease).await.expect("begins");
        store.settle(&lease, Event::AttemptLost, None, None).await.expect("settles");
    }
    let retry_at = after(30);
    for (draft, event, waits) in [
        (again, Event::ResendAllowed { retry_at }, WaitingFor::Repeat),
        (absent, Event::NotFoundAtPeer { retry_at }, WaitingFor::Turn),
    ] {
        let (state, _) = store.apply(&draft.hub_id(), event, None, None).await.expect("applies");
        assert_eq!(state, State::Waiting { on: waits });
    }
    clock.advance(60);
    assert_eq!(store.sweep(10).await.expect("sweeps"), 1);
    assert_eq!(state_of(&store, absent).await, State::Expired);
    let repeat = State::Waiting { on: WaitingFor::Repeat };
    assert_eq!(state_of(&store, again).await, repeat);
    let refused = store.apply(&again.hub_id(), Event::Cancel, None, None).await;
    assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");

    let lease = lease_one(&store).await;
    assert_eq!((&lease.hub_id, lease.repeated), (&again.hub_id(), true));
    store.begin_attempt(&lease).await.expect("its expiry does not count any more");
    assert_eq!(state_of(&store, again).await, State::InDelivery { repeated: true });
    let failed = Event::AttemptFailed { retry_at: after(90) };
    let state = store.settle(&lease, failed, None, None).await.expect("settles");
    assert_eq!(state, repeat, "that this one failed says nothing about the first");
    clock.advance(30);
    let lease = lease_one(&store).await;
    assert!(lease.repeated);
    store.begin_attempt(&lease).await.expect("begins");
    let state = store.settle(&lease, Event::AttemptRefused, None, None).await.expect("settles");
    assert_eq!(state, State::InClearing { cause: ClearingCause::RepeatRefused });
}

/// The Author withdraws what has not left, and nothing else; a lease on it ends.
pub async fn cancelling_ends_only_what_has_not_left<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let cancel = async |draft: &Draft| {
        store.apply(&draft.hub_id(), Event::Cancel, Some("lage".to_owned()), None).await
    };
    let [leased, under_way, inbox, out] =
        [Draft::peer(1), Draft::peer(2), Draft::inbox(3), Draft::inbox(4)];
    for draft in [&leased, &under_way, &inbox, &out] {
        draft.accepted(&store).await;
    }
    let leases = store.lease_due(Slots::any(2), MINUTE).await.expect("leases");
    store.begin_attempt(&leases[1]).await.expect("begins");
    store.hand_out(&out.hub_id(), &account("lemgo")).await.expect("is handed out");
    for draft in [&leased, &inbox] {
        let (state, receipt) = cancel(draft).await.expect("is cancelled");
        assert_eq!(state, State::Cancelled);
        proven(&receipt, &S::verifier());
        let twice = cancel(draft).await;
        assert!(matches!(twice, Err(StoreError::NotApplicable(_))), "{twice:?}");
    }
    for draft in [&under_way, &out] {
        let refused = cancel(draft).await;
        assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    }
    let unknown = cancel(&Draft::inbox(9)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
    assert!(is_lost(&store.begin_attempt(&leases[0]).await), "it was cancelled");
}

/// Hold and release do not shorten "not before".
pub async fn what_is_held_and_released_is_still_not_early<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let inbox = Draft { due: Some(after(60)), ..Draft::inbox(1) };
    let peer = Draft { due: Some(after(60)), ..Draft::peer(2) };
    for draft in [&inbox, &peer] {
        draft.accepted(&store).await;
        for event in [Event::Hold, Event::Release] {
            store.apply(&draft.hub_id(), event, None, None).await.expect("applies");
        }
        assert_eq!(state_of(&store, draft).await, draft.state());
    }
    assert!(none_due(&store).await);
    let early = store.hand_out(&inbox.hub_id(), &account("lemgo")).await;
    assert!(matches!(early, Err(StoreError::NotFound)), "{early:?}");
    let digest = Some(inbox.digest());
    let early = store.apply(&inbox.hub_id(), Event::Acknowledge, None, digest).await;
    assert!(matches!(early, Err(StoreError::NotFound)), "{early:?}");
    clock.advance(60);
    assert_eq!(lease_one(&store).await.hub_id, peer.hub_id());
    store.hand_out(&inbox.hub_id(), &account("lemgo")).await.expect("is due");
}

/// Nobody settles, or collects, by a way around the lease and the hand-out.
pub async fn events_of_the_worker_need_its_lease<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    for draft in [Draft::peer(1), Draft::inbox(2)] {
        draft.accepted(&store).await;
    }
    let apply = async |draft: &Draft, event| store.apply(&draft.hub_id(), event, None, None).await;
    let refused = apply(&Draft::peer(1), Event::AttemptBegun).await;
    assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    let lease = lease_one(&store).await;
    store.begin_attempt(&lease).await.expect("begins");
    for event in [
        Event::AttemptConfirmed,
        Event::AttemptFailed { retry_at: after(0) },
        Event::AttemptsExhausted,
        Event::AttemptRefused,
        Event::AttemptLost,
        Event::DigestMismatch,
    ] {
        let refused = apply(&Draft::peer(1), event).await;
        assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{event:?}: {refused:?}");
    }
    for event in [Event::CollectionBegun, Event::ExpiryReached] {
        let refused = apply(&Draft::inbox(2), event).await;
        assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{event:?}: {refused:?}");
    }
    let refused = store.settle(&lease, Event::Cancel, None, None).await;
    assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    assert_eq!(state_of(&store, &Draft::peer(1)).await, UNDER_WAY);
    assert_eq!(store.figures().await.expect("figures").leaves, 3, "refusals leave nothing");
}
