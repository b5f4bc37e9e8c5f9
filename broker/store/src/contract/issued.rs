//! Ids that were given out: good for one account, for one acceptance, for a time (P3).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{Scope, Transport, TransportId};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{IdStanding, IssuedIds, MAX_ID_LIFE, Store, StoreError};
use jiff::Timestamp;

use super::{AUTHOR, Draft, ManualClock, Subject, account, after};

/// Message `number` under an id that must have been given out.
pub fn draft(number: u32, id: &str) -> Draft {
    Draft { issued: true, transport_id: Some(id.to_owned()), ..Draft::inbox(number) }
}

/// Gives an id out to the account of the drafts, for a minute.
pub async fn issued(store: &impl Store, id: &str) -> Timestamp {
    issue(store, "lage", id).await.expect("is given out")
}

async fn issue(store: &impl Store, to: &str, id: &str) -> Result<Timestamp, StoreError> {
    let (account, id) = (account(to), TransportId::parse(id).expect("an id"));
    store.issue_id(&account, Transport::Native, &id, Duration::from_secs(60)).await
}

/// How an id stands for the account of the drafts.
pub async fn standing(store: &impl Store, id: &str) -> IdStanding {
    let (account, id) = (account("lage"), TransportId::parse(id).expect("an id"));
    store.id_standing(&account, Transport::Native, &id).await.expect("answers")
}

async fn refused(store: &impl Store, draft: &Draft, used: bool) {
    let answer = draft.accept(store).await;
    match used {
        true => assert!(matches!(answer, Err(StoreError::IdUsed)), "{answer:?}"),
        false => assert!(matches!(answer, Err(StoreError::IdNotIssued)), "{answer:?}"),
    }
}

/// The acceptance uses it up. A second use is refused also with the same content.
pub async fn an_id_is_used_once<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    refused(&store, &draft(1, "one"), false).await;
    assert_eq!(standing(&store, "one").await, IdStanding::Unknown);
    assert_eq!(issued(&store, "one").await, after(60));
    assert_eq!(standing(&store, "one").await, IdStanding::Open(after(60)));
    let twice = issue(&store, "lage", "one").await;
    assert!(matches!(twice, Err(StoreError::IdUsed)), "{twice:?}");
    draft(1, "one").accepted(&store).await;
    assert_eq!(standing(&store, "one").await, IdStanding::Used);
    let same = Draft { number: 2, payload: Draft::inbox(1).payload, ..draft(2, "one") };
    for again in [draft(1, "one"), same, draft(3, "one")] {
        refused(&store, &again, true).await;
    }
    let twice = issue(&store, "lage", "one").await;
    assert!(matches!(twice, Err(StoreError::IdUsed)), "{twice:?}");
    // A scope makes no second use of it.
    let author = PartyId::parse(AUTHOR).expect("a party");
    let scope = Scope::Relayed { author, sender: Some(Digest([1; 32])) };
    refused(&store, &Draft { scope, ..draft(4, "one") }, true).await;
    assert_eq!(store.figures().await.expect("figures").leaves, 1, "refusals use up nothing");
}

/// Another account, another transport, another time: the id is unknown.
pub async fn an_id_is_for_one_account_and_a_time<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    issue(&store, "lemgo", "one").await.expect("is given out");
    refused(&store, &draft(1, "one"), false).await;
    let id = TransportId::parse("two").expect("an id");
    let minute = Duration::from_secs(60);
    store.issue_id(&account("lage"), Transport::Hub, &id, minute).await.expect("is given out");
    refused(&store, &draft(1, "two"), false).await;
    Draft { account: "lemgo", ..draft(1, "one") }.accepted(&store).await;
    issued(&store, "one").await;
    draft(2, "one").accepted(&store).await;

    issued(&store, "three").await;
    clock.advance(59);
    issued(&store, "four").await;
    clock.advance(1);
    assert_eq!(standing(&store, "three").await, IdStanding::Unknown);
    refused(&store, &draft(3, "three"), false).await;
    draft(4, "four").accepted(&store).await;
    issued(&store, "three").await;
    draft(3, "three").accepted(&store).await;
}

/// What was not used is removed after its time, piece by piece; what is open stays.
pub async fn ids_are_swept_after_their_time<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    for n in 0..5 {
        issued(&store, &format!("id-{n}")).await;
    }
    clock.advance(59);
    issued(&store, "last").await;
    assert_eq!(store.sweep(9).await.expect("sweeps"), 0);
    clock.advance(1);
    for (limit, removed) in [(3, 3), (3, 2), (3, 0)] {
        assert_eq!(store.sweep(limit).await.expect("sweeps"), removed);
    }
    draft(1, "last").accepted(&store).await;
    let (account, id) = (account("lage"), TransportId::parse("two").expect("an id"));
    for lasts in [Duration::ZERO, MAX_ID_LIFE + Duration::from_nanos(1)] {
        let misused = store.issue_id(&account, Transport::Native, &id, lasts).await;
        assert!(matches!(misused, Err(StoreError::Unavailable(_))), "{misused:?}");
    }
    assert_eq!(standing(&store, "two").await, IdStanding::Unknown);
}

/// Sixteen acceptances at once under one id, of one content and of many: one is accepted.
pub async fn of_sixteen_uses_one_is_accepted<S: Subject>(dir: &Path) {
    let store = Arc::new(S::open(dir, ManualClock::new()));
    for (id, same) in [("one", true), ("two", false)] {
        issued(&*store, id).await;
        let first = if same { 100 } else { 200 };
        let tasks: Vec<_> = (first..first + 16)
            .map(|n| {
                let store = Arc::clone(&store);
                let payload = if same { b"<same/>".to_vec() } else { Draft::inbox(n).payload };
                let draft = Draft { payload, ..draft(n, id) };
                tokio::spawn(async move { draft.accept(&*store).await })
            })
            .collect();
        let mut accepted = 0;
        for task in tasks {
            match task.await.expect("no panic") {
                Ok(receipt) if !receipt.repeated => accepted += 1,
                Err(StoreError::IdUsed) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(accepted, 1, "{id}");
    }
    assert_eq!(store.figures().await.expect("figures").leaves, 2, "refusals use up nothing");
}

/// An acceptance that fails in its transaction leaves the id as it was; others of its group do not mind.
pub async fn an_acceptance_that_fails_uses_no_id<S: Subject>(dir: &Path) {
    let store = Arc::new(S::open(dir, ManualClock::new()));
    Draft::inbox(1).accepted(&*store).await;
    for n in 0..8 {
        issued(&*store, &format!("bad-{n}")).await;
        issued(&*store, &format!("good-{n}")).await;
    }
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&store);
            // The hub id is that of another message: the row cannot be written.
            let draft = match n % 2 {
                0 => draft(1, &format!("bad-{}", n / 2)),
                _ => draft(10 + n, &format!("good-{}", n / 2)),
            };
            tokio::spawn(async move { draft.accept(&*store).await })
        })
        .collect();
    for (n, task) in (0..16).zip(tasks) {
        let answer = task.await.expect("no panic");
        assert_eq!(answer.is_ok(), n % 2 == 1, "{n}: {answer:?}");
    }
    for n in 0..8 {
        let bad = format!("bad-{n}");
        assert_eq!(standing(&*store, &bad).await, IdStanding::Open(after(60)));
        assert_eq!(standing(&*store, &format!("good-{n}")).await, IdStanding::Used);
        draft(50 + n, &bad).accepted(&*store).await;
    }
}

/// Open and used ids outlive the process; giving one out is no evidence.
pub async fn ids_survive<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    issued(&store, "one").await;
    issued(&store, "two").await;
    assert_eq!(store.figures().await.expect("figures").leaves, 0);
    draft(1, "one").accepted(&store).await;
    drop(store);
    let store = S::open(dir, clock);
    refused(&store, &draft(2, "one"), true).await;
    draft(2, "two").accepted(&store).await;
}
