//! Collecting by choice: which of some inboxes is meant, and confirmation without a digest (P2).

use std::path::Path;

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Choice, Chosen, Collecting, MAX_INBOXES, Store, StoreError};
use amtsbote_domain::state::{Event, State};

use super::{Draft, ManualClock, READER, Subject, account, after, proven, state_of};

const OTHER: &str = "ags:05766020";

fn of(readers: &[&str], chosen: Chosen) -> Choice {
    let readers = readers.iter().map(|reader| PartyId::parse(reader).expect("a party")).collect();
    Choice { readers, chosen, after: None, limit: 100 }
}

/// The numbers of what is chosen, page by page.
async fn numbers(store: &impl Store, mut choice: Choice) -> Vec<u32> {
    let number = |id: &str| u32::from_str_radix(&id[24..], 16).expect("made from a number");
    let mut found = Vec::new();
    loop {
        let page = store.choose(choice.clone()).await.expect("a page");
        assert!(page.deliveries.len() <= choice.limit as usize);
        assert!(page.next.is_none() || !page.deliveries.is_empty());
        found.extend(page.deliveries.iter().map(|found| number(found.record.hub_id.as_str())));
        match page.next {
            Some(next) => choice.after = Some(next),
            None => return found,
        }
    }
}

/// Several inboxes are one list in the order of acceptance; a time says from when on.
pub async fn several_inboxes_are_one_list<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    for n in (1..=10).rev() {
        Draft::inbox(n).accepted(&store).await;
        Draft { reader: OTHER, ..Draft::inbox(n + 100) }.accepted(&store).await;
        Draft { reader: "ags:05766048", ..Draft::inbox(n + 200) }.accepted(&store).await;
        Draft::peer(n + 300).accepted(&store).await;
        clock.advance(10);
    }
    let all: Vec<u32> = (1..=10).rev().flat_map(|n| [n, n + 100]).collect();
    let both = [READER, OTHER];
    for limit in [1, 3, 19, 20, 100] {
        let choice = Choice { limit, ..of(&both, Chosen::All) };
        assert_eq!(numbers(&store, choice).await, all, "{limit} at once");
    }
    // The same Reader twice is one.
    assert_eq!(numbers(&store, of(&[OTHER, OTHER], Chosen::All)).await[..2], [110, 109]);
    for (since, left) in [(-5, 20), (0, 20), (1, 18), (20, 16), (90, 2), (91, 0)] {
        let choice = Choice { limit: 3, ..of(&both, Chosen::Since(after(since))) };
        assert_eq!(numbers(&store, choice).await, all[20 - left..], "since {since}");
    }
    // The one that waits longest.
    let first = Choice { limit: 1, ..of(&both, Chosen::Since(after(1))) };
    let first = store.choose(first).await.expect("a page");
    assert_eq!(first.deliveries[0].record.hub_id, Draft::inbox(9).hub_id());
    assert!(first.next.is_some(), "and there are more");
}

/// By its hub id or its transport id, in the inboxes that are asked for and no other.
pub async fn one_is_chosen_by_its_id<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    let named = |n: u32, account| Draft {
        account,
        transport_id: Some("same".to_owned()),
        ..Draft::inbox(n)
    };
    named(1, "lage").accepted(&store).await;
    named(2, "detmold").accepted(&store).await;
    Draft { reader: OTHER, ..named(3, "lemgo") }.accepted(&store).await;
    Draft { due: Some(after(60)), ..named(4, "horn") }.accepted(&store).await;
    Draft { expires: Some(after(60)), ..named(5, "barntrup") }.accepted(&store).await;
    Draft { channel: "peer:krz", ..named(6, "oerlinghausen") }.accepted(&store).await;
    Draft::inbox(7).accepted(&store).await;
    let by = |readers: &[&str], id: &str| of(readers, Chosen::Named(id.to_owned()));
    assert_eq!(numbers(&store, by(&[READER], "same")).await, [1, 2, 5]);
    assert_eq!(numbers(&store, by(&[READER, OTHER], "same")).await, [1, 2, 3, 5]);
    let one_by_one = Choice { limit: 1, ..by(&[READER, OTHER], "same") };
    assert_eq!(numbers(&store, one_by_one).await, [1, 2, 3, 5]);
    let hub_id = Draft::inbox(7).hub_id();
    assert_eq!(numbers(&store, by(&[READER], hub_id.as_str())).await, [7]);
    assert_eq!(numbers(&store, by(&[OTHER], hub_id.as_str())).await, [0; 0]);
    assert_eq!(numbers(&store, by(&[READER], "id-7")).await, [7]);
    assert_eq!(numbers(&store, by(&[READER], "id-8")).await, [0; 0]);
    clock.advance(60);
    assert_eq!(numbers(&store, by(&[READER], "same")).await, [1, 2, 4]);
    // What was acknowledged may be read again by its id, and is in no list.
    let digest = Some(Draft::inbox(1).digest());
    let draft = Draft::inbox(1).hub_id();
    store.apply(&draft, Event::Acknowledge, None, digest).await.expect("is acknowledged");
    assert_eq!(numbers(&store, by(&[READER], "same")).await, [1, 2, 4]);
    assert_eq!(numbers(&store, by(&[OTHER], "same")).await, [3]);
    assert_eq!(numbers(&store, of(&[READER], Chosen::All)).await, [2, 4, 7]);
    let cancelled = Draft::inbox(2).hub_id();
    store.apply(&cancelled, Event::Cancel, None, None).await.expect("is cancelled");
    assert_eq!(numbers(&store, by(&[READER], "same")).await, [1, 4]);
}

/// Nobody's inbox, too many of them, a cursor that we did not make.
pub async fn a_choice_is_bounded<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    Draft::inbox(1).accepted(&store).await;
    for readers in [vec![], vec![READER; MAX_INBOXES + 1]] {
        let refused = store.choose(of(&readers, Chosen::All)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    let most = vec![READER; MAX_INBOXES];
    assert_eq!(numbers(&store, of(&most, Chosen::All)).await, [1]);
    for cursor in ["", "-1", "zz"] {
        let choice = Choice { after: Some(cursor.to_owned()), ..of(&[READER], Chosen::All) };
        let refused = store.choose(choice).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    let none = Choice { limit: 0, ..of(&[READER], Chosen::All) };
    assert_eq!(store.choose(none).await.expect("a page").deliveries.len(), 1);
}

/// Only the account to which it was handed out confirms; again gives the same receipt.
pub async fn what_was_handed_out_is_confirmed<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let draft = Draft::inbox(1);
    draft.accepted(&store).await;
    let (hub_id, reader) = (draft.hub_id(), account("lemgo"));
    let early = store.confirm(&hub_id, &reader).await;
    assert!(matches!(early, Err(StoreError::NotFound)), "{early:?}");
    store.hand_out(&hub_id, &reader).await.expect("is handed out");
    let other = store.confirm(&hub_id, &account("detmold")).await;
    assert!(matches!(other, Err(StoreError::NotFound)), "{other:?}");
    assert_ne!(state_of(&store, &draft).await, State::Acknowledged);
    let (state, receipt) = store.confirm(&hub_id, &reader).await.expect("is confirmed");
    assert_eq!(state, State::Acknowledged);
    let Evidence::Changed { by, digest, .. } = proven(&receipt, &S::verifier()) else {
        panic!("another record")
    };
    assert_eq!((by.as_deref(), digest), (Some("account:lemgo"), Some(draft.digest())));
    let leaves = store.figures().await.expect("figures").leaves;
    let (_, again) = store.confirm(&hub_id, &reader).await.expect("is confirmed");
    assert_eq!(again, receipt);
    assert_eq!(store.figures().await.expect("figures").leaves, leaves);
    let unknown = store.confirm(&Draft::inbox(2).hub_id(), &reader).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
}
