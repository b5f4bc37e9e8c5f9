//! Several Readers: a delivery each, over the same octets, all of them accepted or none (P1, P2, P3).

use std::path::Path;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::{HubId, Scope, Transport};
use amtsbote_domain::message::MAX_READERS;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{ENVELOPE_CID, Sent, Slots, Store, StoreError};
use amtsbote_domain::state::{Event, State};

use super::{
    ATTACHMENT_CID, AUTHOR, Draft, ManualClock, PAYLOAD_CID, READER, Subject, account, after,
    octets, proven, read_part,
};

const SECOND: &str = "ags:05766020";
const THIRD: &str = "ags:05758004";

fn party(text: &str) -> PartyId {
    PartyId::parse(text).expect("a party")
}

/// Message `number` for three Readers, a part of it too large for a row.
pub fn for_three(number: u32) -> Draft {
    Draft {
        other_readers: vec![SECOND, THIRD],
        attachment: Some(octets(number, 200_000)),
        ..Draft::inbox(number)
    }
}

fn ids(draft: &Draft) -> Vec<HubId> {
    (0..=draft.other_readers.len()).map(|n| draft.hub_id_for(n)).collect()
}

async fn record(store: &impl Store, hub_id: &HubId) -> Accepted {
    store.delivery(hub_id).await.expect("is there").record
}

/// Each Reader has record, receipt, inbox, octets and state for itself; each record names the others.
pub async fn each_reader_has_a_delivery_of_its_own<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let draft = Draft { warn: Some(after(5)), ..for_three(1) };
    let first = draft.accepted(&store).await;
    let (ids, readers) = (ids(&draft), [READER, SECOND, THIRD]);
    for (n, (id, reader)) in ids.iter().zip(readers).enumerate() {
        let record = record(&store, id).await;
        let others: Vec<PartyId> =
            readers.iter().filter(|other| **other != reader).map(|other| party(other)).collect();
        assert_eq!(
            (record.metadata.reader, record.metadata.other_readers),
            (party(reader), others)
        );
        let siblings: Vec<HubId> = ids.iter().filter(|other| *other != id).cloned().collect();
        assert_eq!(record.siblings, siblings);
        let scope = match n {
            0 => Scope::Account,
            _ => Scope::Account.of_reader(party(reader)),
        };
        assert_eq!(record.scope, scope);
        let receipt = store.receipt(id, "accepted").await.expect("is stored");
        assert!(n != 0 || receipt == first.receipt, "the answer is the first one's receipt");
        let Evidence::Accepted(said) = proven(&receipt, &S::verifier()) else { panic!("{reader}") };
        assert_eq!((&said.hub_id, said.siblings), (id, siblings));

        let page = store.inbox(&party(reader), None, 10).await.expect("an inbox");
        let waits: Vec<&HubId> = page.deliveries.iter().map(|one| &one.record.hub_id).collect();
        assert_eq!(waits, [id], "{reader}");
        for (cid, wanted) in [
            (ENVELOPE_CID, draft.envelope()),
            (PAYLOAD_CID, draft.payload.clone()),
            (ATTACHMENT_CID, draft.attachment.clone().expect("there is one")),
        ] {
            assert!(read_part(&store, id, cid).await.expect("reads") == wanted, "{reader} {cid}");
        }
        let told = store.timeline(id).await.expect("a timeline");
        assert_eq!(told.len(), 1, "{reader}");
    }
    assert_eq!(store.find("id-1").await.expect("finds").len(), 3);

    // What one of them does is nothing to the others.
    let (confirmed, by) = (Some(draft.digest()), Some("lage".to_owned()));
    store.hand_out(&ids[1], &account("lage")).await.expect("is recorded");
    store.apply(&ids[1], Event::Acknowledge, by, confirmed).await.expect("is confirmed");
    store.apply(&ids[2], Event::Cancel, None, None).await.expect("is cancelled");
    let mut states = Vec::new();
    for id in &ids {
        states.push(store.delivery(id).await.expect("is there").state);
    }
    assert!(matches!(states[0], State::Waiting { .. }), "{states:?}");
    assert_eq!(states[1..], [State::Acknowledged, State::Cancelled]);
    drop(store);
    let store = S::open(dir, ManualClock::new());
    for (id, state) in ids.iter().zip(states) {
        assert_eq!(store.delivery(id).await.expect("is there").state, state);
    }
    let read = read_part(&store, &ids[0], ATTACHMENT_CID).await.expect("reads");
    assert!(Some(read) == draft.attachment);
}

/// The same id and content once more is answered for all of them by one receipt; a Reader more or less is
/// other content. Deliveries of one message are no repeats of each other by their business id.
pub async fn a_repeat_gets_the_receipt_of_the_first_reader<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let most: Vec<&'static str> =
        (1..MAX_READERS).map(|n| &*Box::leak(format!("ags:{n}").into_boxed_str())).collect();
    let draft =
        Draft { other_readers: most.clone(), business_id: Some("uuid-1"), ..Draft::peer(1) };
    let receipt = draft.accepted(&store).await;
    let again = Draft { number: 2, transport_id: Some("id-1".to_owned()), ..draft.clone() };
    let again = Draft { payload: draft.payload.clone(), ..again };
    let repeated = again.accept(&store).await.expect("a repeat");
    assert!(repeated.repeated);
    assert_eq!((repeated.hub_id, repeated.receipt), (draft.hub_id(), receipt.receipt));
    let figures = store.figures().await.expect("figures");
    assert_eq!(figures.leaves, MAX_READERS as u64);
    for id in ids(&draft) {
        assert!(record(&store, &id).await.same_business_id.is_empty());
    }
    let correction = Draft { business_id: Some("uuid-1"), ..for_three(3) };
    correction.accepted(&store).await;
    for id in ids(&correction) {
        assert_eq!(record(&store, &id).await.same_business_id.len(), 10, "the newest are named");
    }
    // Each is sent by itself.
    let due = store.lease_due(Slots::any(100), Duration::from_secs(30)).await.expect("leases");
    let mut leased: Vec<HubId> = due.into_iter().map(|lease| lease.hub_id).collect();
    leased.sort();
    assert_eq!(leased, ids(&draft));

    let too_many =
        Draft { other_readers: most.into_iter().chain(["ags:0"]).collect(), ..Draft::inbox(4) };
    too_many.accept(&store).await.expect_err("one too many");
    assert_eq!(store.figures().await.expect("figures").leaves, figures.leaves + 3);
}

/// Another hub brings the message for one of its Readers after the other: each is accepted, a repeat of each
/// is found, and the whole is not accepted on top.
pub async fn one_reader_after_the_other_may_be_relayed<S: Subject>(dir: &Path) {
    // Also where that hub does not say from whom.
    for (name, sender) in [("said", Some(Digest([1; 32]))), ("unsaid", None)] {
        let dir = dir.join(name);
        std::fs::create_dir(&dir).expect("a folder");
        let whole = Scope::Relayed { author: party(AUTHOR), sender };
        one_after_the_other::<S>(&dir, whole).await;
    }
}

async fn one_after_the_other<S: Subject>(dir: &Path, whole: Scope) {
    let store = S::open(dir, ManualClock::new());
    let relayed = |number: u32, reader: &'static str, other: &'static str| Draft {
        scope: whole.clone().of_reader(party(reader)),
        transport_id: Some("one".to_owned()),
        payload: b"<payload/>".to_vec(),
        reader,
        other_readers: vec![other],
        business_id: Some("uuid-1"),
        ..Draft::inbox(number)
    };
    let alone = [relayed(1, READER, SECOND), relayed(2, SECOND, READER)];
    let mut receipts = Vec::new();
    for draft in &alone {
        let mut acceptance = draft.acceptance(store.intake().expect("room")).expect("is taken in");
        acceptance.others.clear();
        let receipt = store.accept(acceptance).await.expect("is accepted");
        assert!(!receipt.repeated);
        let record = record(&store, &draft.hub_id()).await;
        assert!(record.siblings.is_empty());
        assert!(record.same_business_id.is_empty(), "none of them is a re-send of the other");
        receipts.push(receipt);
    }
    for (draft, first) in alone.iter().zip(&receipts) {
        let mut acceptance = Draft { number: draft.number + 10, ..draft.clone() }
            .acceptance(store.intake().expect("room"))
            .expect("is taken in");
        acceptance.others.clear();
        let again = store.accept(acceptance).await.expect("a repeat");
        assert!(again.repeated);
        assert_eq!((&again.hub_id, &again.receipt), (&first.hub_id, &first.receipt));
        let sent = |scope: Scope| Sent {
            account: account(draft.account),
            transport: Transport::Native,
            id: draft.transport_id(),
            scope,
            content_digest: draft.digest(),
        };
        let prior = store.prior(&sent(draft.scope.clone())).await.expect("answers");
        assert_eq!(prior.expect("accepted before").hub_id, draft.hub_id());
        // For one of several is not for all of them.
        for scope in [whole.clone(), Scope::Account] {
            assert_eq!(store.prior(&sent(scope)).await.expect("answers"), None);
        }
        let third = whole.clone().of_reader(party(THIRD));
        assert_eq!(store.prior(&sent(third)).await.expect("answers"), None);
    }
    let all = Draft { scope: whole.clone(), ..relayed(3, READER, SECOND) };
    let refused = all.accept(&store).await;
    assert!(matches!(refused, Err(StoreError::OtherContent)), "{refused:?}");
    assert_eq!(store.figures().await.expect("figures").leaves, 2, "nothing of it was kept");
    let anew = Draft { transport_id: None, ..relayed(4, SECOND, READER) };
    let mut acceptance = anew.acceptance(store.intake().expect("room")).expect("is taken in");
    acceptance.others.clear();
    store.accept(acceptance).await.expect("is accepted");
    let earlier = record(&store, &anew.hub_id()).await.same_business_id;
    assert_eq!(earlier, [alone[1].hub_id(), alone[0].hub_id()], "under another id it may be one");
}

/// What stands beside a message must be for another of its Readers: nothing else is accepted with it.
pub async fn readers_of_another_message_are_not_accepted<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    type Change = fn(&mut Accepted);
    let changes: [Change; 6] = [
        |record| record.metadata.reader = party("ags:05770032"),
        |record| record.metadata.other_readers.clear(),
        |record| record.scope = Scope::Account,
        |record| record.account = account("detmold"),
        |record| record.content_digest = Digest([0; 32]),
        |record| record.parts[0].size += 1,
    ];
    for change in changes {
        let intake = store.intake().expect("there is room");
        let mut acceptance = for_three(1).acceptance(intake).expect("is taken in");
        change(&mut acceptance.others[1].record);
        store.accept(acceptance).await.expect_err("is of another message");
        assert_eq!(store.figures().await.expect("figures").leaves, 0);
    }
    // Each of those that it names, or none of them.
    let intake = store.intake().expect("there is room");
    let mut acceptance = for_three(1).acceptance(intake).expect("is taken in");
    acceptance.others.pop();
    store.accept(acceptance).await.expect_err("one is left out");
    assert_eq!(store.figures().await.expect("figures").leaves, 0);
    for_three(1).accepted(&store).await;
}
