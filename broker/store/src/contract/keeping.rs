//! What outlives the process, and what does not go unnoticed (P1, P2, P4).

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use amtsbote_archive::receipt::Receipt;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{ENVELOPE_CID, Slots, Store, StoreError};
use amtsbote_domain::state::{Event, State};

use super::{
    ATTACHMENT_CID, Draft, ManualClock, PAYLOAD_CID, READER, Subject, account, octets, read_part,
    state_of,
};

/// Closed and opened: octets, receipts, states, order, log.
pub async fn everything_is_there_after_reopening<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let reader = PartyId::parse(READER).expect("a party");
    let drafts: Vec<_> = (1..=12)
        .map(|n| Draft { payload: octets(n, n as usize * 20_000), ..Draft::inbox(n) })
        .collect();
    let mut receipts = Vec::new();
    let store = S::open(dir, clock.clone());
    for draft in &drafts {
        receipts.push(draft.accepted(&store).await.receipt);
    }
    store.hand_out(&drafts[0].hub_id(), &account("lemgo")).await.expect("is handed out");
    store.apply(&drafts[1].hub_id(), Event::Cancel, None, None).await.expect("is cancelled");
    let inbox = store.inbox(&reader, None, 100).await.expect("a page");
    let head = store.head().await.expect("a head");
    let figures = store.figures().await.expect("figures");
    drop(store);

    for round in 0..3u64 {
        let store = S::open(dir, clock.clone());
        assert_eq!(store.inbox(&reader, None, 100).await.expect("a page"), inbox);
        if round == 0 {
            assert_eq!(store.head().await.expect("a head"), head);
            assert_eq!(store.figures().await.expect("figures"), figures);
        }
        for (draft, receipt) in drafts.iter().zip(&receipts) {
            let repeated = draft.accept(&store).await.expect("a repeat");
            assert!(repeated.repeated && repeated.receipt == *receipt);
            let payload = read_part(&store, &draft.hub_id(), PAYLOAD_CID).await.expect("reads");
            assert!(payload == draft.payload, "message {}", draft.number);
            Receipt::parse(receipt).expect("a receipt").verify(&S::verifier()).expect("verifies");
        }
        // The log goes on where it was.
        let elsewhere = Draft { reader: "ags:05766020", ..Draft::inbox(100 + round as u32) };
        let added = elsewhere.accepted(&store).await;
        let added = Receipt::parse(&added.receipt).expect("a receipt");
        added.verify(&S::verifier()).expect("it verifies");
        assert_eq!(added.index(), figures.leaves + round);
    }
}

/// The process ended with an attempt open: nobody knows whether it arrived.
pub async fn an_open_attempt_is_uncertain_after_reopening<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let store = S::open(dir, clock.clone());
    for n in [1, 2] {
        Draft::peer(n).accepted(&store).await;
    }
    let leases = store.lease_due(Slots::any(2), Duration::from_secs(3600)).await.expect("leases");
    store.begin_attempt(&leases[0]).await.expect("begins");
    drop(store);

    let store = S::open(dir, clock.clone());
    assert_eq!(state_of(&store, &Draft::peer(1)).await, State::Uncertain);
    let stale = store.settle(&leases[0], Event::AttemptConfirmed, None, None).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    let stale = store.begin_attempt(&leases[1]).await;
    assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    let again = store.lease_due(Slots::any(2), Duration::from_secs(60)).await.expect("leases");
    assert_eq!(again.len(), 1, "a lease without an attempt is free at once");
    assert_eq!((&again[0].hub_id, again[0].repeated), (&leases[1].hub_id, false));
}

/// One bit in the sealed octets of any part, small or large: never given out as if nothing were.
pub async fn a_changed_bit_is_found<S: Subject>(dir: &Path) {
    let clock = ManualClock::new();
    let small = Draft { attachment: Some(octets(1, 500_000)), ..Draft::inbox(1) };
    let untouched = Draft::inbox(2);
    let store = S::open(dir, clock.clone());
    for draft in [&small, &untouched] {
        draft.accepted(&store).await;
    }
    drop(store);
    for cid in [PAYLOAD_CID, ATTACHMENT_CID, ENVELOPE_CID] {
        S::corrupt(dir, &small.hub_id(), cid);
        let store = S::open(dir, clock.clone());
        let mut part = store.open_part(&small.hub_id(), cid).await.expect("opens");
        let mut read = Vec::new();
        let error = part.read_to_end(&mut read).expect_err("it was changed");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{cid}: {error}");
        if cid == ATTACHMENT_CID {
            let good = small.attachment.as_deref().unwrap_or_default();
            assert!(good.starts_with(&read), "what was given out before is right");
        } else {
            assert!(read.is_empty(), "{cid}");
        }
        read_part(&store, &untouched.hub_id(), PAYLOAD_CID).await.expect("is whole");
    }
}
