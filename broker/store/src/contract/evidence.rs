//! The log: receipts, heads, proofs, tiles, lists (P5).

use std::path::Path;

use amtsbote_archive::Hash;
use amtsbote_archive::checkpoint;
use amtsbote_archive::receipt::Receipt;
use amtsbote_archive::tree;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Evidence, Refused};
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Query, Store, StoreError};
use amtsbote_domain::state::Event;

use super::{AUTHOR, Draft, ManualClock, READER, START, Subject, account, after, proven};

/// Every acceptance has a receipt that verifies, says what was accepted, and never changes.
pub async fn receipts_verify_and_stay_the_same<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let mut receipts = Vec::new();
    for n in 1..=20 {
        receipts.push(Draft::inbox(n).accepted(&store).await);
    }
    for answer in &receipts {
        match proven(&answer.receipt, &S::verifier()) {
            Evidence::Accepted(record) => {
                assert_eq!(record.hub_id, answer.hub_id);
                let delivery = store.delivery(&answer.hub_id).await.expect("is there");
                assert_eq!(*record, delivery.record);
            }
            other => panic!("{other:?}"),
        }
        let stored = store.receipt(&answer.hub_id, "accepted").await.expect("is stored");
        assert_eq!(stored, answer.receipt);
    }
    let none = store.receipt(&receipts[0].hub_id, "delivered").await;
    assert!(matches!(none, Err(StoreError::NotFound)), "{none:?}");
    let unknown = store.receipt(&Draft::inbox(99).hub_id(), "accepted").await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
}

/// Under the newest head, whatever was recorded.
pub async fn every_leaf_can_be_proven<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    assert!(matches!(store.head().await, Err(StoreError::NotFound)));
    for n in 1..=9 {
        Draft::inbox(n).accepted(&store).await;
        store.hand_out(&Draft::inbox(n).hub_id(), &account("lemgo")).await.expect("handed out");
    }
    let head = store.head().await.expect("a head");
    let head = checkpoint::verify(&head, &S::verifier()).expect("it verifies");
    assert_eq!((head.size, head.origin.as_str()), (18, S::verifier().name()));
    for index in 0..18 {
        let proof = store.prove(index).await.expect("a proof");
        let receipt = Receipt::parse(&proof).expect("a receipt");
        let verified = receipt.verify(&S::verifier()).expect("it verifies");
        assert_eq!((verified.index, &verified.checkpoint), (index, &head));
    }
    for index in [18, u64::MAX] {
        let outside = store.prove(index).await;
        assert!(matches!(outside, Err(StoreError::NotFound)), "{outside:?}");
    }
}

/// The tiles are enough to compute the signed root.
pub async fn tiles_hold_the_hashes_of_the_tree<S: Subject>(dir: &Path) {
    let store = std::sync::Arc::new(S::open(dir, ManualClock::new()));
    let tasks: Vec<_> = (0..300)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move { Draft::inbox(n).accepted(&*store).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let hashes = |octets: Vec<u8>| -> Vec<Hash> {
        octets.chunks(32).map(|hash| Hash(hash.try_into().expect("32 octets"))).collect()
    };
    let full = hashes(store.tile(0, 0, 256).await.expect("a full tile"));
    let rest = hashes(store.tile(0, 1, 44).await.expect("a partial tile"));
    let mut left = tree::Appender::empty();
    let mut whole = tree::Appender::empty();
    for hash in &full {
        left.append(*hash, &mut Vec::new());
    }
    for hash in full.iter().chain(&rest) {
        whole.append(*hash, &mut Vec::new());
    }
    let head = store.head().await.expect("a head");
    let head = checkpoint::verify(&head, &S::verifier()).expect("it verifies");
    assert_eq!((head.size, head.root), (300, whole.root()));
    let above = hashes(store.tile(1, 0, 1).await.expect("the tile above"));
    assert_eq!(above, [left.root()]);
    for (level, index, width) in [
        (0, 1, 45),
        (0, 1, 256),
        (0, 2, 1),
        (1, 0, 2),
        (0, 0, 0),
        (0, 0, 257),
        (9, 0, 1),
        (0, u64::MAX, 1),
    ] {
        let absent = store.tile(level, index, width).await;
        assert!(matches!(absent, Err(StoreError::NotFound)), "{level} {index} {width}: {absent:?}");
    }
}

/// A clock put back does not put evidence back.
pub async fn time_never_runs_backwards<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    clock.advance(100);
    Draft::inbox(1).accepted(&store).await;
    clock.advance(-90);
    Draft::inbox(2).accepted(&store).await;
    drop(store);
    let store = S::open(dir, clock.clone());
    Draft::inbox(3).accepted(&store).await;
    clock.advance(100);
    Draft::inbox(4).accepted(&store).await;
    for (n, at) in [(1, after(100)), (2, after(100)), (3, after(100)), (4, after(110))] {
        let delivery = store.delivery(&Draft::inbox(n).hub_id()).await.expect("is there");
        assert_eq!(delivery.accepted_at, at, "message {n}");
    }
    let receipt = store.prove(3).await.expect("a proof");
    let receipt = Receipt::parse(&receipt).expect("a receipt");
    assert_eq!(receipt.record()["time"], "2026-11-23T12:01:50.000000Z");
    assert_eq!(receipt.record()["log"], S::verifier().name());
}

/// Refusals and operator acts are leaves with receipts; what belongs to a change is refused here.
pub async fn acts_without_a_delivery_are_recorded<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let draft = Draft::inbox(1);
    draft.accepted(&store).await;
    let refused = |hub_id: Option<HubId>| {
        Evidence::Refused(Box::new(Refused {
            error_id: "e-1".to_owned(),
            account: account("lage"),
            code: Code::ContentInvalid,
            hub_id,
            findings: vec!["XS-1".to_owned()],
            transport_id: None,
            parties: None,
            other_readers: vec![],
            envelope_sha256: None,
        }))
    };
    let operator = |hub_id: Option<HubId>| Evidence::Operator {
        certificate: Digest([9; 32]),
        name: None,
        act: "message-show".to_owned(),
        hub_id,
        reason: None,
    };
    let about = operator(Some(draft.hub_id()));
    let refused_about = refused(Some(draft.hub_id()));
    let unknown = Some(Draft::inbox(9).hub_id());
    for evidence in [
        refused(None),
        refused(unknown.clone()),
        operator(None),
        operator(unknown),
        about.clone(),
        refused_about.clone(),
    ] {
        let receipt = store.record(evidence.clone()).await.expect("is recorded");
        assert_eq!(proven(&receipt, &S::verifier()), evidence);
    }
    let timeline = store.timeline(&draft.hub_id()).await.expect("a timeline");
    assert_eq!(timeline.len(), 3);
    assert_eq!((timeline[1].index, timeline[1].at, &timeline[1].evidence), (5, START, &about));
    assert_eq!((timeline[2].index, &timeline[2].evidence), (6, &refused_about));
    let handed_out = Evidence::HandedOut { hub_id: draft.hub_id(), account: account("lemgo") };
    store.record(handed_out).await.expect_err("it belongs to a change");
    let unknown = store.timeline(&Draft::inbox(9).hub_id()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
}

/// Lists restrict by every field, newest first, page by page; figures count the same.
pub async fn lists_and_figures_agree<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let empty = store.figures().await.expect("figures");
    assert_eq!((empty.deliveries.len(), empty.leaves, empty.oldest_open), (0, 0, None));
    for n in 1..=10 {
        let reader = if n % 2 == 0 { READER } else { AUTHOR };
        Draft { reader, ..Draft::inbox(n) }.accepted(&store).await;
        clock.advance(10);
    }
    for n in [1, 2] {
        let id = Draft::inbox(n).hub_id();
        store.apply(&id, Event::Cancel, None, None).await.expect("is cancelled");
    }
    let list = async |query: Query| -> Vec<u32> {
        let found = store.list(query).await.expect("lists");
        let number = |id: &str| u32::from_str_radix(&id[24..], 16).expect("made from a number");
        found.iter().map(|delivery| number(delivery.record.hub_id.as_str())).collect()
    };
    let all = Query { limit: 100, ..Query::default() };
    let party = |id: &str| Some(PartyId::parse(id).expect("a party"));
    assert_eq!(list(all.clone()).await, (1..=10).rev().collect::<Vec<_>>());
    assert_eq!(list(Query { limit: 3, ..all.clone() }).await, [10, 9, 8]);
    let before = Some(Draft::inbox(8).hub_id());
    assert_eq!(list(Query { limit: 3, before, ..all.clone() }).await, [7, 6, 5]);
    assert_eq!(list(Query { party: party(READER), ..all.clone() }).await, [10, 8, 6, 4, 2]);
    assert_eq!(list(Query { party: party(AUTHOR), limit: 4, ..all.clone() }).await, [10, 9, 8, 7]);
    assert_eq!(list(Query { since: Some(after(65)), ..all.clone() }).await, [10, 9, 8]);
    assert_eq!(list(Query { since: Some(after(70)), ..all.clone() }).await, [10, 9, 8]);
    assert_eq!(list(Query { since: Some(after(900)), ..all.clone() }).await, [0u32; 0]);
    let cancelled = Some("cancelled".to_owned());
    assert_eq!(list(Query { state: cancelled.clone(), ..all.clone() }).await, [2, 1]);
    let service = Some("urn:example:ummeldung".to_owned());
    let both = Query { service: service.clone(), state: cancelled, ..all.clone() };
    assert_eq!(list(Query { party: party(READER), ..both }).await, [2]);
    assert_eq!(list(Query { service, limit: 2, ..all.clone() }).await, [10, 9]);
    assert_eq!(list(Query { service: Some("urn:b".to_owned()), ..all.clone() }).await, [0u32; 0]);
    let unknown = store.list(Query { before: Some(Draft::inbox(99).hub_id()), ..all }).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");

    let figures = store.figures().await.expect("figures");
    let expected = [("cancelled".to_owned(), 2), ("waiting".to_owned(), 8)];
    assert_eq!(figures.deliveries, expected);
    assert_eq!((figures.leaves, figures.oldest_open), (12, Some(after(20))));
}
