//! Acceptance: identities, repeats, octets (P1, P3, P4).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{Scope, Transport};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{AcceptedReceipt, ENVELOPE_CID, Sent, Store, StoreError};

use super::{
    ATTACHMENT_CID, AUTHOR, Draft, ManualClock, PAYLOAD_CID, Subject, account, digest, octets,
    read_part, state_of, take_in,
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

    let prior = store.prior(&sent(&first)).await;
    let prior = prior.expect("answers").expect("accepted before");
    assert_eq!(prior.hub_id, first.hub_id());
    assert_eq!(prior.receipt, receipt.receipt);
    assert_eq!(prior.content_digest, digest(&first.payload));
    let unknown = store.prior(&sent(&Draft { account: "lemgo", ..first })).await;
    assert_eq!(unknown.expect("answers"), None);
}

/// By what the store recognises a draft.
fn sent(draft: &Draft) -> Sent {
    Sent {
        account: account(draft.account),
        transport: Transport::Native,
        id: draft.transport_id(),
        scope: draft.scope.clone(),
        content_digest: draft.digest(),
    }
}

/// The author of half of what is relayed.
const OTHER_AUTHOR: &str = "ags:05766020";

/// Message `number` under one id for all: relayed, by another hub that says within what the id was one
/// there, or does not.
fn relayed(number: u32, author: &'static str, sender: Option<u8>) -> Draft {
    let scope = Scope::Relayed {
        author: PartyId::parse(author).expect("a party"),
        sender: sender.map(|octet| Digest([octet; 32])),
    };
    Draft { scope, author, transport_id: Some("one".to_owned()), ..Draft::inbox(number) }
}

/// The message that this one would be a repeat of, and that handing it in says the same.
async fn repeats(store: &impl Store, draft: &Draft, of: &Draft, first: &AcceptedReceipt) {
    let prior = store.prior(&sent(draft)).await.expect("answers").expect("accepted before");
    assert_eq!(prior.hub_id, of.hub_id());
    assert_eq!(prior.receipt, first.receipt);
    let again = draft.accept(store).await;
    if draft.payload == of.payload {
        let again = again.expect("a repeat");
        assert!(again.repeated);
        assert_eq!((again.hub_id, again.receipt), (of.hub_id(), first.receipt.clone()));
    } else {
        assert!(matches!(again, Err(StoreError::OtherContent)), "{again:?}");
    }
}

/// What an account relays has ids within their scope; what an ordinary account sends has not. The
/// constraint of the transaction says the same, and evidence says which scope it was.
pub async fn an_id_is_one_within_its_scope<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let all = [
        relayed(1, AUTHOR, None),
        relayed(2, OTHER_AUTHOR, None),
        relayed(3, AUTHOR, Some(1)),
        relayed(4, AUTHOR, Some(2)),
        relayed(5, OTHER_AUTHOR, Some(2)),
    ];
    let mut receipts = Vec::new();
    for draft in &all {
        receipts.push(draft.accepted(&store).await);
    }
    for (draft, receipt) in all.iter().zip(&receipts) {
        repeats(&store, draft, draft, receipt).await;
        // The same scope, and neither the content of this one nor of another.
        let other = Draft { number: 20, payload: b"<other/>".to_vec(), ..draft.clone() };
        repeats(&store, &other, draft, receipt).await;
        let recorded = store.delivery(&draft.hub_id()).await.expect("is there").record;
        assert_eq!((&recorded.scope, recorded.transport()), (&draft.scope, Transport::Native));
        let found = store.find("one").await.expect("answers");
        assert_eq!(found.len(), all.len(), "all are found by the id");
    }
    // An ordinary account numbers its own, whoever wrote them.
    let ordinary = Draft { account: "lemgo", scope: Scope::Account, ..all[0].clone() };
    let ordinary = Draft { number: 6, ..ordinary };
    let receipt = ordinary.accepted(&store).await;
    let other = Draft { author: OTHER_AUTHOR, payload: b"<other/>".to_vec(), ..ordinary.clone() };
    repeats(&store, &Draft { number: 7, ..other }, &ordinary, &receipt).await;
}

/// An account begins to relay, or ceases to; a hub that relays begins to say within what its ids are one.
/// What was accepted before is not accepted again.
pub async fn a_scope_may_change_and_a_repeat_stays_one<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let as_ordinary = |draft: Draft| Draft { scope: Scope::Account, ..draft };
    let like = |draft: Draft, of: &Draft| Draft { payload: of.payload.clone(), ..draft };

    let first = as_ordinary(relayed(1, AUTHOR, None));
    let receipt = first.accepted(&store).await;
    repeats(&store, &like(relayed(2, AUTHOR, None), &first), &first, &receipt).await;
    repeats(&store, &relayed(2, AUTHOR, None), &first, &receipt).await;
    repeats(&store, &like(relayed(2, AUTHOR, Some(1)), &first), &first, &receipt).await;
    // Another Author's cannot be the same; another content by a hub that says whose it is, neither.
    let second = relayed(2, OTHER_AUTHOR, None);
    let second_receipt = second.accepted(&store).await;
    let third = relayed(3, AUTHOR, Some(1));
    let third_receipt = third.accepted(&store).await;
    repeats(&store, &third, &third, &third_receipt).await;
    let now_said = like(relayed(4, OTHER_AUTHOR, Some(1)), &second);
    repeats(&store, &now_said, &second, &second_receipt).await;

    // It is an ordinary account again: any of these, before others the one with the same content.
    let fifth = as_ordinary(relayed(5, OTHER_AUTHOR, None));
    repeats(&store, &fifth, &first, &receipt).await;
    let elsewhere = |draft: Draft| Draft { account: "detmold", ..draft };
    let sixth = elsewhere(relayed(6, AUTHOR, None));
    let seventh = elsewhere(relayed(7, OTHER_AUTHOR, Some(3)));
    let sixth_receipt = sixth.accepted(&store).await;
    let seventh_receipt = seventh.accepted(&store).await;
    let again = like(elsewhere(as_ordinary(relayed(8, OTHER_AUTHOR, None))), &seventh);
    repeats(&store, &again, &seventh, &seventh_receipt).await;
    let other = elsewhere(as_ordinary(relayed(9, OTHER_AUTHOR, None)));
    repeats(&store, &other, &sixth, &sixth_receipt).await;

    // A node of the other hub says whose the id is, an older one that repeats it does not.
    let by_nodes = |draft: Draft| Draft { account: "minden", ..draft };
    let tenth = by_nodes(relayed(10, AUTHOR, Some(1)));
    let tenth_receipt = tenth.accepted(&store).await;
    repeats(&store, &like(by_nodes(relayed(11, AUTHOR, None)), &tenth), &tenth, &tenth_receipt)
        .await;
    // What another sender says is another message; so is what another Author wrote.
    like(by_nodes(relayed(12, AUTHOR, Some(2))), &tenth).accepted(&store).await;
    like(by_nodes(relayed(13, OTHER_AUTHOR, None)), &tenth).accepted(&store).await;
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
) -> Vec<Result<AcceptedReceipt, StoreError>> {
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
