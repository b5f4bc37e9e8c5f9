//! The Reader's side: inbox, hand-out, acknowledgement (P2, P4).

use std::path::Path;

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Store, StoreError};
use amtsbote_domain::state::{ClearingCause, Event, State, WaitingFor};

use super::{Draft, ManualClock, READER, Subject, account, after, digest, proven, state_of};

fn reader() -> PartyId {
    PartyId::parse(READER).expect("a party")
}

/// The numbers of the messages on a page.
fn numbers(page: &amtsbote_domain::ports::InboxPage) -> Vec<u32> {
    let number = |id: &str| u32::from_str_radix(&id[24..], 16).expect("made from a number");
    page.deliveries.iter().map(|delivery| number(delivery.record.hub_id.as_str())).collect()
}

/// Pages follow one another in the order of acceptance; the cursor stays valid.
pub async fn the_inbox_keeps_the_order_of_acceptance<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    // Numbers fall while the order of acceptance grows.
    let order: Vec<u32> = (1..=25).rev().collect();
    for &n in &order {
        Draft::inbox(n).accepted(&store).await;
        Draft { reader: "ags:05766020", ..Draft::inbox(n + 100) }.accepted(&store).await;
        Draft::peer(n + 200).accepted(&store).await;
    }
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    for expected in [10, 10, 5] {
        let page = store.inbox(&reader(), cursor.as_deref(), 10).await.expect("a page");
        assert_eq!(page.deliveries.len(), expected);
        assert_eq!(page.next.is_some(), expected == 10);
        seen.extend(numbers(&page));
        cursor = page.next.or(cursor);
    }
    assert_eq!(seen, order);
    let exact = store.inbox(&reader(), None, 25).await.expect("a page");
    assert_eq!((exact.deliveries.len(), exact.next), (25, None));
    // What is acknowledged leaves the pages; a cursor taken before goes on behind it.
    let first = store.inbox(&reader(), None, 2).await.expect("a page");
    let draft = Draft::inbox(24);
    store
        .apply(&draft.hub_id(), Event::Acknowledge, None, Some(draft.digest()))
        .await
        .expect("is acknowledged");
    let second = store.inbox(&reader(), first.next.as_deref(), 2).await.expect("a page");
    assert_eq!(numbers(&second), [23, 22]);
    assert_eq!(store.inbox(&reader(), None, 0).await.expect("a page").deliveries.len(), 1);
    for cursor in ["", "-1", "zz", "99999999999999999999"] {
        let refused = store.inbox(&reader(), Some(cursor), 10).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{cursor:?}: {refused:?}");
    }
}

/// Not before its due time, not after its expiry, be it swept or not.
pub async fn the_inbox_shows_what_is_due_and_not_expired<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    Draft { due: Some(after(60)), ..Draft::inbox(1) }.accepted(&store).await;
    Draft { expires: Some(after(90)), ..Draft::inbox(2) }.accepted(&store).await;
    Draft::inbox(3).accepted(&store).await;
    for (advance, expected) in
        [(0, vec![2, 3]), (59, vec![2, 3]), (1, vec![1, 2, 3]), (30, vec![1, 3])]
    {
        clock.advance(advance);
        let page = store.inbox(&reader(), None, 10).await.expect("a page");
        assert_eq!(numbers(&page), expected);
    }
}

/// One record for each account, before the first octet leaves; what is being collected stays in
/// the inbox until it is acknowledged.
pub async fn handing_out_is_recorded_once_for_each_account<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let draft = Draft::inbox(1);
    draft.accepted(&store).await;
    let hub_id = draft.hub_id();
    for name in ["lemgo", "lemgo", "lemgo-2", "lemgo"] {
        store.hand_out(&hub_id, &account(name)).await.expect("is handed out");
    }
    let collecting = State::Waiting { on: WaitingFor::Acknowledgement };
    assert_eq!(state_of(&store, &draft).await, collecting);
    let timeline = store.timeline(&hub_id).await.expect("a timeline");
    let to: Vec<_> = timeline
        .iter()
        .filter_map(|entry| match &entry.evidence {
            Evidence::HandedOut { account, .. } => Some(account.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(to, ["lemgo", "lemgo-2"]);
    assert_eq!(store.inbox(&reader(), None, 10).await.expect("a page").deliveries.len(), 1);

    let digest = Some(draft.digest());
    store.apply(&hub_id, Event::Acknowledge, None, digest).await.expect("is acknowledged");
    let revision = store.delivery(&hub_id).await.expect("is there").revision;
    store.hand_out(&hub_id, &account("lemgo")).await.expect("may be read again");
    assert_eq!(store.timeline(&hub_id).await.expect("a timeline").len(), 4);
    store.hand_out(&hub_id, &account("lemgo-3")).await.expect("may be read again");
    assert_eq!(store.timeline(&hub_id).await.expect("a timeline").len(), 5);
    let delivery = store.delivery(&hub_id).await.expect("is there");
    assert_eq!((delivery.state, delivery.revision), (State::Acknowledged, revision));
}

/// Held, cancelled, expired, not yet due, for somebody else's channel: no octet leaves.
pub async fn what_cannot_be_collected_is_not_handed_out<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let hand_out = async |draft: &Draft| store.hand_out(&draft.hub_id(), &account("lemgo")).await;
    let [held, cancelled, peer] = [Draft::inbox(1), Draft::inbox(2), Draft::peer(3)];
    let early = Draft { due: Some(after(60)), ..Draft::inbox(4) };
    let late = Draft { expires: Some(after(30)), ..Draft::inbox(5) };
    for draft in [&held, &cancelled, &peer, &early, &late] {
        draft.accepted(&store).await;
    }
    store.apply(&held.hub_id(), Event::Hold, None, None).await.expect("is held");
    store.apply(&cancelled.hub_id(), Event::Cancel, None, None).await.expect("is cancelled");
    clock.advance(30);
    for draft in [&held, &cancelled, &peer, &late] {
        let refused = hand_out(draft).await;
        assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    }
    for draft in [&early, &Draft::inbox(99)] {
        let refused = hand_out(draft).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(store.sweep(10).await.expect("sweeps"), 1);
    assert!(matches!(hand_out(&late).await, Err(StoreError::NotApplicable(_))));
    clock.advance(30);
    hand_out(&early).await.expect("is due");
}

/// Octets found changed, before the first hand-out or after it: a person decides, and nothing more
/// leaves (P4).
pub async fn octets_that_changed_are_not_handed_out_again<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let [untouched, out] = [Draft::inbox(1), Draft::inbox(2)];
    let lemgo = account("lemgo");
    for draft in [&untouched, &out] {
        draft.accepted(&store).await;
    }
    store.hand_out(&out.hub_id(), &lemgo).await.expect("is handed out");
    for draft in [&untouched, &out] {
        let stopped = store.apply(&draft.hub_id(), Event::DigestMismatch, None, None).await;
        let cause = ClearingCause::DigestMismatch;
        assert_eq!(stopped.expect("is stopped").0, State::InClearing { cause });
        let refused = store.hand_out(&draft.hub_id(), &lemgo).await;
        assert!(matches!(refused, Err(StoreError::NotApplicable(_))), "{refused:?}");
    }
    let page = store.inbox(&reader(), None, 10).await.expect("a page");
    assert!(page.deliveries.is_empty(), "{page:?}");
}

/// Only the digest of the payload confirms; a repeat gets the stored receipt.
pub async fn an_acknowledgement_needs_the_right_digest<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let draft = Draft { attachment: Some(b"attached".to_vec()), ..Draft::inbox(1) };
    draft.accepted(&store).await;
    let hub_id = draft.hub_id();
    let by = Some("lemgo".to_owned());
    let acknowledge =
        async |proof| store.apply(&hub_id, Event::Acknowledge, by.clone(), proof).await;
    store.hand_out(&hub_id, &account("lemgo")).await.expect("is handed out");
    for wrong in [None, Some(digest(b"another")), Some(digest(b"attached"))] {
        let refused = acknowledge(wrong).await;
        assert!(matches!(refused, Err(StoreError::DigestMismatch)), "{refused:?}");
    }
    assert_eq!(store.timeline(&hub_id).await.expect("a timeline").len(), 2);
    let (state, receipt) = acknowledge(Some(draft.digest())).await.expect("is acknowledged");
    assert_eq!(state, State::Acknowledged);
    let (_, again) = acknowledge(Some(draft.digest())).await.expect("a repeat");
    assert_eq!(again, receipt);
    let stored = store.receipt(&hub_id, "acknowledged").await.expect("is stored");
    assert_eq!(stored, receipt);
    let refused = acknowledge(Some(digest(b"another"))).await;
    assert!(matches!(refused, Err(StoreError::DigestMismatch)), "{refused:?}");
    match proven(&receipt, &S::verifier()) {
        Evidence::Changed { to, by, digest, event, .. } => {
            assert_eq!((to, event), (State::Acknowledged, Event::Acknowledge));
            assert_eq!((by.as_deref(), digest), (Some("lemgo"), Some(draft.digest())));
        }
        other => panic!("{other:?}"),
    }
    assert!(store.inbox(&reader(), None, 10).await.expect("a page").deliveries.is_empty());
}

/// Sixteen at once confirm the same: one record, one receipt for all.
pub async fn acknowledgements_at_once_are_one<S: Subject>(dir: &Path) {
    let store = std::sync::Arc::new(S::open(dir, ManualClock::new()));
    let draft = Draft::inbox(1);
    draft.accepted(&*store).await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (store, draft) = (std::sync::Arc::clone(&store), draft.clone());
            tokio::spawn(async move {
                let digest = Some(draft.digest());
                store.apply(&draft.hub_id(), Event::Acknowledge, None, digest).await
            })
        })
        .collect();
    let mut receipts = std::collections::BTreeSet::new();
    for task in tasks {
        let (state, receipt) = task.await.expect("no panic").expect("is acknowledged");
        assert_eq!(state, State::Acknowledged);
        receipts.insert(receipt);
    }
    assert_eq!(receipts.len(), 1);
    assert_eq!(store.figures().await.expect("figures").leaves, 2);
}

/// Handed out, expired, uncertain, in clearing: the confirmation still counts.
pub async fn a_late_acknowledgement_is_still_the_truth<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let late = |n| Draft { expires: Some(after(60)), ..Draft::inbox(n) };
    for n in [1, 2] {
        late(n).accepted(&store).await;
        store.hand_out(&late(n).hub_id(), &account("lemgo")).await.expect("is handed out");
    }
    clock.advance(60);
    assert_eq!(store.sweep(10).await.expect("sweeps"), 2);
    let uncertain = store.uncertain(10).await.expect("lists");
    assert_eq!(uncertain.len(), 2);
    let hub_id = late(2).hub_id();
    store.apply(&hub_id, Event::OutcomeUnknowable, None, None).await.expect("goes to clearing");
    let unknown = State::InClearing { cause: ClearingCause::OutcomeUnknown };
    assert_eq!(state_of(&store, &late(2)).await, unknown);
    for n in [1, 2] {
        let digest = Some(late(n).digest());
        let answer = store.apply(&late(n).hub_id(), Event::Acknowledge, None, digest).await;
        assert_eq!(answer.expect("counts").0, State::Acknowledged);
    }
}
