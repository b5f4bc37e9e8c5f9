//! What Authors are to be told: once, with the change that asks for it, and never about a notice.

use std::path::Path;
use std::time::Duration;

use amtsbote_domain::clearing::{Act, Decision, Person, Reason, Target};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::notice::{About, Form, Kind, Told, Withheld};
use amtsbote_domain::ports::{
    Clearing as _, DueNotice, Instead, Intent, NoticeBacklog, Notices as _, Slots, Store,
    StoreError,
};
use amtsbote_domain::state::{ClearingCause, Event, State};

use super::{Draft, ManualClock, Subject, after, state_of};

const LEASE: Duration = Duration::from_secs(60);

/// What is due, without taking it.
async fn due(store: &impl Store) -> Vec<DueNotice> {
    let mut due = Vec::new();
    for intent in store.take_notices(100, Duration::ZERO).await.expect("a page") {
        due.push(store.notice(&intent).await.expect("is read").expect("is open"));
    }
    due
}

/// Which messages, and what about them.
async fn asked(store: &impl Store) -> Vec<(HubId, Kind)> {
    due(store).await.into_iter().map(|one| (one.about.record.hub_id, one.kind)).collect()
}

/// Message `number` as the notice about another.
fn notice(number: u32, about: &Draft, kind: Kind) -> Draft {
    let about = About { hub_id: about.hub_id(), notice: kind };
    Draft { about: Some(about), account: "hub", ..Draft::inbox(number) }
}

/// Has a person do something with a message.
async fn decided(store: &impl Store, act: Act, draft: &Draft) {
    let revision = store.delivery(&draft.hub_id()).await.expect("is there").revision;
    let decision = Decision {
        act,
        by: Person { name: "anna".to_owned(), certificate: Digest([9; 32]) },
        reason: Reason::parse("TEST").expect("a reason"),
        targets: vec![Target { hub_id: draft.hub_id(), revision, channel: None }],
    };
    store.decide(decision).await.expect("is decided");
}

/// Its way is lost: it is in clearing.
async fn cleared(store: &impl Store, draft: &Draft) {
    draft.accepted(store).await;
    let leases = store.lease_due(Slots::any(10), LEASE).await.expect("leases");
    let lease = leases.iter().find(|lease| lease.hub_id == draft.hub_id()).expect("a lease");
    store.give_back(lease, Some(Event::WayLost)).await.expect("is given back");
}

/// Every bad ending and no good one leaves an intent, with the record of the change.
pub async fn a_bad_ending_leaves_an_intent<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let expired = Draft { expires: Some(after(60)), ..Draft::inbox(1) };
    let (withdrawn, cancelled, taken) = (Draft::inbox(2), Draft::inbox(3), Draft::inbox(4));
    for draft in [&expired, &withdrawn, &cancelled, &taken] {
        draft.accepted(&store).await;
    }
    store.apply(&withdrawn.hub_id(), Event::Cancel, None, None).await.expect("is withdrawn");
    decided(&store, Act::Cancel, &cancelled).await;
    let digest = Some(taken.digest());
    store.apply(&taken.hub_id(), Event::Acknowledge, None, digest).await.expect("is taken");
    let rejected = Draft::peer(5);
    cleared(&store, &rejected).await;
    clock.advance(61);
    assert_eq!(store.sweep(10).await.expect("sweeps"), 1);
    assert_eq!(
        asked(&store).await,
        [
            (cancelled.hub_id(), Kind::Cancelled),
            (rejected.hub_id(), Kind::InClearing),
            (expired.hub_id(), Kind::Expired)
        ]
    );
    decided(&store, Act::Reject, &rejected).await;
    let found = due(&store).await;
    let last = found.last().expect("one more");
    assert_eq!((&last.about.record.hub_id, last.kind), (&rejected.hub_id(), Kind::RejectedBack));
    assert_eq!(last.about.state, State::RejectedBack);
    match &last.because.as_ref().expect("a record").evidence {
        Evidence::Changed { from, grounds: Some(grounds), .. } => {
            assert_eq!(*from, State::InClearing { cause: ClearingCause::NoWay });
            assert_eq!(grounds.reason.as_str(), "TEST");
        }
        other => panic!("{other:?}"),
    }
    // A change that is refused leaves nothing.
    let refused = store.apply(&taken.hub_id(), Event::Cancel, None, None).await;
    assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    assert_eq!(due(&store).await.len(), 4);
}

/// The notice and its intent are one transaction: a second notice finds nothing to tell, and is not kept.
pub async fn a_notice_is_accepted_once_with_its_intent<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let rejected = Draft::peer(1);
    cleared(&store, &rejected).await;
    decided(&store, Act::Reject, &rejected).await;
    let first = notice(2, &rejected, Kind::RejectedBack);
    let accepted = first.accepted(&store).await;
    // The same once more is a repeat; another one has no intent, nor has one of an unknown message.
    assert!(first.accept(&store).await.expect("a repeat").repeated);
    for draft in [
        notice(3, &rejected, Kind::RejectedBack),
        notice(3, &rejected, Kind::Expired),
        notice(3, &Draft::inbox(99), Kind::Expired),
    ] {
        let refused = draft.accept(&store).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
        assert!(store.delivery(&draft.hub_id()).await.is_err(), "nothing was kept");
    }
    assert!(asked(&store).await.iter().all(|(_, kind)| *kind != Kind::RejectedBack));
    // Both sides name each other.
    let record = store.delivery(&first.hub_id()).await.expect("is there").record;
    assert_eq!(record.about.as_deref(), first.about.as_ref());
    let timeline = store.timeline(&rejected.hub_id()).await.expect("a timeline");
    let told: Vec<&Evidence> = timeline
        .iter()
        .map(|entry| &entry.evidence)
        .filter(|evidence| matches!(evidence, Evidence::Noticed { .. }))
        .collect();
    let wanted = Evidence::Noticed {
        hub_id: rejected.hub_id(),
        notice: Kind::RejectedBack,
        // By the service of the draft.
        told: Told::Sent { by: accepted.hub_id, form: Form::BusinessRejection },
    };
    assert_eq!(told, [&wanted]);
}

/// A notice that ends badly is nobody's news.
pub async fn nobody_is_told_about_a_notice<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let original = Draft::inbox(1);
    original.accepted(&store).await;
    decided(&store, Act::Cancel, &original).await;
    let first = notice(2, &original, Kind::Cancelled);
    first.accepted(&store).await;
    decided(&store, Act::Cancel, &first).await;
    assert_eq!(state_of(&store, &first).await, State::Cancelled);
    assert_eq!(asked(&store).await, []);
}

/// What changed between intent and notice is not told as it was.
pub async fn what_is_not_true_any_more_is_not_told<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let draft = Draft::peer(1);
    cleared(&store, &draft).await;
    let revision = store.delivery(&draft.hub_id()).await.expect("is there").revision;
    let decision = Decision {
        act: Act::Resubmit,
        by: Person { name: "anna".to_owned(), certificate: Digest([9; 32]) },
        reason: Reason::parse("TEST").expect("a reason"),
        targets: vec![Target {
            hub_id: draft.hub_id(),
            revision,
            channel: Some("peer:krz".to_owned()),
        }],
    };
    store.decide(decision).await.expect("is decided");
    let late = notice(2, &draft, Kind::InClearing).accept(&store).await;
    assert!(matches!(late, Err(StoreError::NotFound)), "{late:?}");
    store
        .settle_notice(&draft.hub_id(), Kind::InClearing, Instead::Dropped)
        .await
        .expect("is settled");
    assert_eq!(asked(&store).await, []);
    // In clearing once more, it is news again.
    let leases = store.lease_due(Slots::any(10), LEASE).await.expect("leases");
    store.give_back(&leases[0], Some(Event::WayLost)).await.expect("is given back");
    assert_eq!(asked(&store).await, [(draft.hub_id(), Kind::InClearing)]);
}

/// Without a way it is on record, and nobody tries again; later is later.
pub async fn who_cannot_be_told_is_on_record<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let original = Draft::inbox(1);
    original.accepted(&store).await;
    decided(&store, Act::Cancel, &original).await;
    let (id, all) = (original.hub_id(), [(original.hub_id(), Kind::Cancelled)]);
    let settle = |instead| store.settle_notice(&id, Kind::Cancelled, instead);
    settle(Instead::Later(after(60))).await.expect("is put off");
    assert_eq!(asked(&store).await, []);
    clock.advance(60);
    assert_eq!(asked(&store).await, all);
    for _ in 0..2 {
        let why = Withheld::ServiceNotOffered;
        settle(Instead::Withheld(why)).await.expect("is settled");
        assert_eq!(asked(&store).await, []);
        let timeline = store.timeline(&id).await.expect("a timeline");
        let withheld = timeline
            .iter()
            .filter(|entry| {
                matches!(&entry.evidence, Evidence::Noticed { told: Told::Withheld { why: w }, .. }
                    if *w == why)
            })
            .count();
        assert_eq!(withheld, 1, "once");
    }
    let unknown = Draft::inbox(99).hub_id();
    let nothing = store.settle_notice(&unknown, Kind::Expired, Instead::Dropped).await;
    assert!(matches!(nothing, Err(StoreError::NotFound)), "{nothing:?}");
}

/// The intent to warn is there from the acceptance on and due in time; when the message has ended by
/// then, it is not true any more.
pub async fn a_warning_comes_in_time_and_only_while_it_waits<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let warned =
        |number| Draft { expires: Some(after(100)), warn: Some(after(50)), ..Draft::inbox(number) };
    let (waits, taken) = (warned(1), warned(2));
    waits.accepted(&store).await;
    taken.accepted(&store).await;
    clock.advance(49);
    assert_eq!(asked(&store).await, []);
    clock.advance(1);
    let digest = Some(taken.digest());
    store.apply(&taken.hub_id(), Event::Acknowledge, None, digest).await.expect("is taken");
    let kind = Kind::ExpiresSoon;
    assert_eq!(asked(&store).await, [(waits.hub_id(), kind), (taken.hub_id(), kind)]);
    assert!(due(&store).await.iter().all(|one| one.because.is_none()));
    notice(3, &waits, kind).accepted(&store).await;
    let late = notice(4, &taken, kind).accept(&store).await;
    assert!(matches!(late, Err(StoreError::NotFound)), "{late:?}");
    assert_eq!(asked(&store).await, [(taken.hub_id(), kind)]);
    clock.advance(60);
    store.sweep(10).await.expect("sweeps");
    // One of each kind.
    assert!(asked(&store).await.contains(&(waits.hub_id(), Kind::Expired)));
}

/// Intents come oldest first, in pages, and are there after a restart.
pub async fn intents_come_in_pages_and_survive<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let mut store = S::open(dir, clock.clone());
    let drafts: Vec<Draft> =
        (1..=5).map(|n| Draft { expires: Some(after(n.into())), ..Draft::inbox(n) }).collect();
    for draft in &drafts {
        draft.accepted(&store).await;
    }
    for _ in &drafts {
        clock.advance(1);
        store.sweep(10).await.expect("sweeps");
    }
    drop(store);
    store = S::open(dir, clock);
    let ids: Vec<HubId> = drafts.iter().map(Draft::hub_id).collect();
    let page = store.take_notices(2, Duration::ZERO).await.expect("a page");
    let mut found = Vec::new();
    for intent in page {
        let notice = store.notice(&intent).await.expect("is read").expect("is open");
        found.push(notice.about.record.hub_id);
    }
    assert_eq!(found, ids[..2]);
    for (n, draft) in (6..).zip(&drafts) {
        notice(n, draft, Kind::Expired).accepted(&store).await;
    }
    assert_eq!(asked(&store).await, []);
    drop(store);
}

/// What somebody has taken nobody else gets, until the lease ends; what was settled nobody gets again.
pub async fn what_one_has_taken_another_leaves<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let drafts: Vec<Draft> = (1..=3).map(Draft::inbox).collect();
    for draft in &drafts {
        draft.accepted(&store).await;
        clock.advance(1);
        decided(&store, Act::Cancel, draft).await;
    }
    let waiting = async || store.notice_backlog().await.expect("is counted");
    assert_eq!(waiting().await, NoticeBacklog { due: 3, since: Some(after(1)), set_aside: 0 });
    let first = store.take_notices(2, LEASE).await.expect("intents");
    let second = store.take_notices(2, LEASE).await.expect("intents");
    assert_eq!((first.len(), second.len()), (2, 1));
    assert!(!first.contains(&second[0]), "each once");
    assert_eq!(store.take_notices(2, LEASE).await.expect("a page"), []);
    assert_eq!(waiting().await, NoticeBacklog::default());
    // What is in somebody's hands can be told.
    let known = store.notice(&first[0]).await.expect("is read").expect("is open");
    assert_eq!((known.about.record.hub_id, known.kind), (drafts[0].hub_id(), Kind::Cancelled));
    notice(4, &drafts[0], Kind::Cancelled).accepted(&store).await;
    assert_eq!(store.notice(&first[0]).await.expect("is read"), None);
    // Whoever had the others is gone.
    clock.advance(60);
    let again = store.take_notices(10, LEASE).await.expect("intents");
    assert_eq!(again, [first[1].clone(), second[0].clone()]);
}

/// One that cannot be read is set aside: counted, on record, and in nobody's way.
pub async fn what_cannot_be_read_is_set_aside<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let (bad, good) = (Draft::inbox(1), Draft::inbox(2));
    for draft in [&bad, &good] {
        draft.accepted(&store).await;
        decided(&store, Act::Cancel, draft).await;
    }
    drop(store);
    S::spoil_record(dir, &bad.hub_id());
    let store = S::open(dir, clock.clone());
    let taken = store.take_notices(10, LEASE).await.expect("a page");
    assert_eq!(taken.len(), 2);
    let unreadable = store.notice(&taken[0]).await;
    assert!(matches!(unreadable, Err(StoreError::Corrupt(_))), "{unreadable:?}");
    let known = store.notice(&taken[1]).await.expect("is read").expect("is open");
    assert_eq!(known.about.record.hub_id, good.hub_id());
    let leaves = store.figures().await.expect("figures").leaves;
    for _ in 0..2 {
        store.set_aside_notice(&taken[0]).await.expect("is set aside");
    }
    assert_eq!(store.figures().await.expect("figures").leaves, leaves + 1, "on record, once");
    clock.advance(1_000_000);
    assert_eq!(store.take_notices(10, Duration::ZERO).await.expect("a page"), taken[1..]);
    assert_eq!(store.notice_backlog().await.expect("is counted").set_aside, 1);
    // An intent with a word that nobody knows is not even on record, but counted.
    let unknown = Intent { kind: "because".to_owned(), ..taken[1].clone() };
    assert_eq!(store.notice(&unknown).await.expect("is read"), None);
    store.set_aside_notice(&unknown).await.expect("there is none");
    assert_eq!(store.notice_backlog().await.expect("is counted").set_aside, 1);
}
