//! Acceptance: identities, repeats, octets (P1, P3, P4).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use amtsbote_domain::identity::Transport;
use amtsbote_domain::ports::{ENVELOPE_CID, Store, StoreError};

use super::{
    ATTACHMENT_CID, Draft, ManualClock, PAYLOAD_CID, Subject, account, digest, octets, read_part,
    state_of, take_in,
};

/// Same account, id and content: the same receipt. Other content: refused. Another account: new.
pub async fn a_repeat_gets_the_stored_receipt<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let first = Draft::inbox(1);
    let receipt = first.accepted(&store).await;

    let again = Draft { number: 2, payload: first.payload.clone(), ..Draft::inbox(2) };
    let again = Draft { transport_id: Some("id-1".to_owned()), ..again };
    let repeated = again.accept(&store).await.expect("a repeat");
    assert!(repeated.repeated);
    assert_eq!(repeated.hub_id, first.hub_id());
    assert_eq!(repeated.receipt, receipt.receipt);

    let other = Draft { payload: b"<other/>".to_vec(), ..again.clone() };
    let refused = other.accept(&store).await;
    assert!(matches!(refused, Err(StoreError::OtherContent)), "{refused:?}");

    let elsewhere = Draft { account: "detmold", number: 3, ..other };
    elsewhere.accepted(&store).await;

    let prior = store.prior(&account("lage"), Transport::Native, &first.transport_id()).await;
    let prior = prior.expect("answers").expect("accepted before");
    assert_eq!(prior.hub_id, first.hub_id());
    assert_eq!(prior.receipt, receipt.receipt);
    assert_eq!(prior.content_digest, digest(&first.payload));
    let unknown = store.prior(&account("lemgo"), Transport::Native, &first.transport_id()).await;
    assert_eq!(unknown.expect("answers"), None);
}

/// Sixteen at once with one id and one content: one acceptance, one receipt for all.
pub async fn of_sixteen_at_once_one_is_accepted<S: Subject>(dir: &Path) {
    let store = Arc::new(S::open(dir, ManualClock::new()));
    let answers = all_at_once(&store, |n| Draft {
        payload: b"<same/>".to_vec(),
        transport_id: Some("one".to_owned()),
        ..Draft::inbox(n)
    })
    .await;
    let answers: Vec<_> = answers.into_iter().map(|a| a.expect("is accepted")).collect();
    assert_eq!(answers.iter().filter(|a| !a.repeated).count(), 1);
    let receipts: BTreeSet<_> = answers.iter().map(|a| &a.receipt).collect();
    let hub_ids: BTreeSet<_> = answers.iter().map(|a| &a.hub_id).collect();
    assert_eq!((receipts.len(), hub_ids.len()), (1, 1));
    let figures = store.figures().await.expect("figures");
    assert_eq!(figures.deliveries, [("waiting".to_owned(), 1)]);
    assert_eq!(figures.leaves, 1);
}

/// Sixteen at once with one id and sixteen contents: one acceptance, fifteen refusals.
pub async fn of_sixteen_contents_under_one_id_one_is_accepted<S: Subject>(dir: &Path) {
    let store = Arc::new(S::open(dir, ManualClock::new()));
    let answers =
        all_at_once(&store, |n| Draft { transport_id: Some("one".to_owned()), ..Draft::inbox(n) })
            .await;
    let accepted: Vec<_> = answers.iter().filter_map(|a| a.as_ref().ok()).collect();
    assert_eq!(accepted.len(), 1);
    for refused in answers.iter().filter_map(|a| a.as_ref().err()) {
        assert!(matches!(refused, StoreError::OtherContent), "{refused}");
    }
    assert_eq!(store.figures().await.expect("figures").leaves, 1, "refusals use up nothing");
}

async fn all_at_once<S: Store>(
    store: &Arc<S>,
    draft: impl Fn(u32) -> Draft,
) -> Vec<Result<amtsbote_domain::ports::AcceptedReceipt, StoreError>> {
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (store, draft) = (Arc::clone(store), draft(n));
            tokio::spawn(async move { draft.accept(&*store).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no panic"));
    }
    answers
}

/// Parts of every size come back as they came: empty, small, around a chunk, large.
pub async fn what_is_read_is_what_came_in<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_003];
    for (n, size) in (1..).zip(sizes) {
        let draft = Draft {
            payload: octets(n, size),
            attachment: Some(octets(n + 100, size / 2)),
            ..Draft::inbox(n)
        };
        draft.accepted(&store).await;
        let hub_id = draft.hub_id();
        let payload = read_part(&store, &hub_id, PAYLOAD_CID).await.expect("reads");
        assert!(payload == draft.payload, "payload of {size}");
        let attachment = read_part(&store, &hub_id, ATTACHMENT_CID).await.expect("reads");
        assert!(Some(attachment) == draft.attachment, "attachment of {}", size / 2);
        let envelope = read_part(&store, &hub_id, ENVELOPE_CID).await.expect("reads");
        assert_eq!(envelope, draft.envelope());
        let delivery = store.delivery(&hub_id).await.expect("is there");
        assert_eq!(delivery.record.parts.len(), 2);
        assert_eq!(delivery.record.parts[0].size, size as u64);
    }
    let absent = store.open_part(&Draft::inbox(1).hub_id(), "absent").await;
    assert!(matches!(absent.err(), Some(StoreError::NotFound)));
    let unknown = store.open_part(&Draft::inbox(99).hub_id(), PAYLOAD_CID).await;
    assert!(matches!(unknown.err(), Some(StoreError::NotFound)));
}

/// Validation reads what is stored, before it is stored for good.
pub async fn an_intake_can_be_read_before_acceptance<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let mut intake = store.intake().expect("there is room");
    for (n, size) in [(0, 100), (1, 300_000)] {
        let (cid, content) = (format!("part-{n}"), octets(n, size));
        let part = take_in(&mut *intake, &cid, &content).expect("is taken in");
        assert_eq!((part.size, part.sha256), (size as u64, digest(&content)));
        for _ in 0..2 {
            let mut read = Vec::new();
            let mut reader = intake.open(&cid).expect("opens");
            std::io::Read::read_to_end(&mut reader, &mut read).expect("reads");
            assert!(read == content, "{size} octets");
        }
    }
    assert!(matches!(intake.open("absent").err(), Some(StoreError::NotFound)));
}

/// Parts begin and end one after the other, under different content-ids.
pub async fn an_intake_refuses_wrong_use<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let mut intake = store.intake().expect("there is room");
    intake.write(b"x").expect_err("no part is open");
    intake.end().expect_err("no part is open");
    intake.begin("a", "text/plain").expect("begins");
    intake.begin("b", "text/plain").expect_err("a part is open");
    intake.end().expect("ends");
    intake.begin("a", "text/plain").expect_err("the content-id was used");

    let mut acceptance =
        Draft::inbox(1).acceptance(store.intake().expect("there is room")).expect("is taken in");
    acceptance.intake.begin("open", "text/plain").expect("begins");
    store.accept(acceptance).await.expect_err("a part is open");
    assert_eq!(store.figures().await.expect("figures").leaves, 0);
}

/// What is recorded about the parts must be what was counted when they came in (P4).
pub async fn octets_that_are_not_those_of_the_record_are_refused<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    type Change = fn(&mut amtsbote_domain::evidence::Accepted);
    let changes: [Change; 4] = [
        |record| record.envelope_sha256 = digest(b"another"),
        |record| record.parts[0].sha256 = digest(b"another"),
        |record| record.parts[0].size += 1,
        |record| record.parts.clear(),
    ];
    for change in changes {
        let intake = store.intake().expect("there is room");
        let mut acceptance = Draft::inbox(1).acceptance(intake).expect("is taken in");
        change(&mut acceptance.record);
        let refused = store.accept(acceptance).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    }
    Draft::inbox(1).accepted(&store).await;
}

/// Repeats of a business id are linked, newest first and at most ten, and all accepted.
pub async fn a_business_id_links_and_drops_nothing<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    for n in 1..=12 {
        Draft { business_id: Some("uuid-1"), ..Draft::inbox(n) }.accepted(&store).await;
        let record = store.delivery(&Draft::inbox(n).hub_id()).await.expect("is there").record;
        let earlier: Vec<_> = (1..n).rev().take(10).map(|n| Draft::inbox(n).hub_id()).collect();
        assert_eq!(record.same_business_id, earlier, "message {n}");
    }
    let found = store.find("uuid-1").await.expect("finds");
    let all: Vec<_> = (1..=12).rev().map(|n| Draft::inbox(n).hub_id()).collect();
    assert_eq!(found, all);
    assert_eq!(store.find("id-3").await.expect("finds"), [Draft::inbox(3).hub_id()]);
    let hub_id = Draft::inbox(4).hub_id();
    assert_eq!(store.find(hub_id.as_str()).await.expect("finds"), [hub_id]);
    assert_eq!(store.find("nothing").await.expect("finds"), []);
}

/// The mix-up that other products had: each message keeps its own octets, whatever runs beside it.
pub async fn two_hundred_at_once_are_not_mixed_up<S: Subject>(dir: &Path) {
    let store = Arc::new(S::open(dir, ManualClock::new()));
    let draft = |n: u32| {
        // Every tenth goes to files.
        let size = if n.is_multiple_of(10) { 150_000 } else { 2_000 } + n as usize;
        Draft {
            payload: octets(n, size),
            attachment: Some(octets(n + 1000, 100)),
            ..Draft::inbox(n)
        }
    };
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let (store, draft) = (Arc::clone(&store), draft(n));
            tokio::spawn(async move {
                draft.accepted(&*store).await;
                let hub_id = draft.hub_id();
                let payload = read_part(&*store, &hub_id, PAYLOAD_CID).await.expect("reads");
                assert!(payload == draft.payload, "message {n}");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    for n in 0..200 {
        let draft = draft(n);
        let payload = read_part(&*store, &draft.hub_id(), PAYLOAD_CID).await.expect("reads");
        assert!(payload == draft.payload, "message {n}");
        let attachment = read_part(&*store, &draft.hub_id(), ATTACHMENT_CID).await.expect("reads");
        assert!(Some(attachment) == draft.attachment, "attachment of {n}");
        assert_eq!(state_of(&*store, &draft).await, draft.state());
    }
}
