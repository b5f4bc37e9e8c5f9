//! The worker with peers that hang, are away or are not to be spoken to.

mod treated;

use super::*;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use amtsbote_domain::Timestamp;
use amtsbote_domain::clearing::{Act, Decision, Person, Reason, Target};
use amtsbote_domain::delivery::policy::{Policies, Policy, Rule};
use amtsbote_domain::delivery::successor::{Successor, Successors};
use amtsbote_domain::delivery::traffic::{Limits, Recipient, Traffic};
use amtsbote_domain::delivery::window::{Window, Windows};
use amtsbote_domain::delivery::{Rules, breaker};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{HubId, ProposalId};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::Pattern;
use amtsbote_domain::ports::{Pending, Slots};
use amtsbote_domain::state::{ClearingCause, State, WaitingFor};
use tempfile::tempdir;
use tokio::sync::Notify;

use crate::config::DeliveryPolicy;
use crate::outlet::{self, Outlet, Outlets, Parcel};
use crate::{stop, testing};

/// Longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes a message and never answers; the peer of that name is not idempotent.
#[derive(Default)]
struct Silent {
    begun: Notify,
}

impl Outlet for Silent {
    fn deliver<'a>(&'a self, _: &'a Parcel) -> Pending<'a, outlet::Outcome> {
        self.begun.notify_one();
        Box::pin(std::future::pending())
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

fn outlets(silent: &Arc<Silent>) -> Outlets {
    let outlet: Arc<dyn Outlet> = silent.clone();
    [(testing::PEER.to_owned(), outlet)].into()
}

async fn state(hub: &Hub, hub_id: &HubId) -> State {
    hub.store.delivery(hub_id).await.expect("is there").state
}

#[tokio::test]
async fn an_attempt_that_outlasts_the_grace_does_not_hold_the_node_up() {
    let dir = tempdir().expect("a folder");
    let policy = DeliveryPolicy {
        attempt: Duration::from_secs(3_600),
        lease: Duration::from_secs(7_200),
        ..DeliveryPolicy::default()
    };
    let silent = Arc::new(Silent::default());
    let (hub, _stopper) = testing::hub(dir.path(), policy, outlets(&silent));
    let hub_id = testing::accepted(&hub).await;
    let (stopper, stop) = stop::channel();
    let grace = Duration::from_millis(10);
    let running = tokio::spawn(run(hub.clone(), stop, grace));
    tokio::time::timeout(PATIENCE, silent.begun.notified()).await.expect("it is tried");
    stopper.stop();
    let ended = tokio::time::timeout(PATIENCE, running).await;
    ended.expect("it stops").expect("it does not panic");
    // The truth: octets may have left, and nobody has settled it.
    assert_eq!(state(&hub, &hub_id).await, State::InDelivery { repeated: false });
}

/// Counts what is tried; nobody is there.
#[derive(Default)]
struct Away {
    tried: AtomicU32,
}

impl Outlet for Away {
    fn deliver<'a>(&'a self, _: &'a Parcel) -> Pending<'a, outlet::Outcome> {
        self.tried.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { outlet::Outcome::NotNow(None) })
    }

    fn is_idempotent(&self) -> bool {
        true
    }
}

/// Runs the worker until `ready`, at most as long as a test waits.
async fn run_until(hub: &Arc<Hub>, ready: impl AsyncFn() -> bool) {
    let (stopper, stop) = stop::channel();
    let running = tokio::spawn(run(hub.clone(), stop, Duration::from_millis(10)));
    let wait = async {
        while !ready().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it comes about");
    stopper.stop();
    running.await.expect("it does not panic");
}

#[tokio::test]
async fn messages_for_a_peer_that_is_out_are_not_tried_one_by_one() {
    let dir = tempdir().expect("a folder");
    let breaker = breaker::Settings {
        failures: 3,
        first_pause: Duration::from_secs(3_600),
        longest_pause: Duration::from_secs(3_600),
        ..breaker::Settings::default()
    };
    let limits = Limits { parallel: Some(1), breaker, ..Limits::default() };
    let rules = Rules { traffic: Traffic::new(vec![], limits), ..Rules::default() };
    let [far, near] = [(), ()].map(|()| Arc::new(Away::default()));
    let mut outlets = Outlets::new();
    outlets.insert(testing::PEER.to_owned(), far.clone());
    outlets.insert(testing::OTHER_PEER.to_owned(), near.clone());
    let policy = DeliveryPolicy { idle: Duration::from_millis(5), ..DeliveryPolicy::default() };
    let (hub, _stopper) = testing::hub_with(dir.path(), policy, rules, outlets);
    for number in 1..=9 {
        testing::accepted_for(&hub, number, testing::PEER).await;
    }
    // The other peer's message comes when the breaker is open; once it was tried the worker has
    // gone round, and could have taken the other six.
    let late = Cell::new(false);
    run_until(&hub, async || {
        let open = far.tried.load(Ordering::Relaxed) >= 3;
        let first = open && !late.replace(true);
        if first {
            testing::accepted_for(&hub, 10, testing::OTHER_PEER).await;
            hub.work.notify_one();
        }
        near.tried.load(Ordering::Relaxed) > 0
    })
    .await;
    assert_eq!(far.tried.load(Ordering::Relaxed), 3, "nothing goes while the breaker is open");
}

#[tokio::test]
async fn nothing_goes_during_maintenance() {
    let dir = tempdir().expect("a folder");
    let day = jiff::civil::date(2020, 1, 1).at(0, 0, 0, 0);
    let window = Window::Dated { from: day, until: jiff::civil::DateTime::MAX };
    let shut = Recipient {
        name: "test:1".to_owned(),
        peer: Pattern::parse(testing::PEER).expect("a pattern"),
        limits: Limits {
            windows: Windows::new(vec![window]).expect("a window"),
            ..Limits::default()
        },
    };
    let traffic = Traffic::new(vec![shut], Limits::default());
    let rules = Rules { traffic, ..Rules::default() };
    let [far, near] = [(), ()].map(|()| Arc::new(Away::default()));
    let mut outlets = Outlets::new();
    outlets.insert(testing::PEER.to_owned(), far.clone());
    outlets.insert(testing::OTHER_PEER.to_owned(), near.clone());
    let (hub, _stopper) = testing::hub_with(dir.path(), DeliveryPolicy::default(), rules, outlets);
    let waits = testing::accepted_for(&hub, 1, testing::PEER).await;
    testing::accepted_for(&hub, 2, testing::OTHER_PEER).await;
    run_until(&hub, async || near.tried.load(Ordering::Relaxed) > 0).await;
    assert_eq!(far.tried.load(Ordering::Relaxed), 0);
    let waiting = State::Waiting { on: WaitingFor::Turn };
    assert_eq!(state(&hub, &waits).await, waiting);
}

#[tokio::test]
async fn the_way_to_a_merged_town_is_judged_again_by_who_took_its_place() {
    let dir = tempdir().expect("a folder");
    let party = |text| PartyId::parse(text).expect("a party");
    let line = Successor {
        name: "test:1".to_owned(),
        old: party("ags:05766099"),
        new: testing::metadata().reader,
        from: Timestamp::UNIX_EPOCH,
        note: "TEST".to_owned(),
    };
    let successors = Successors::new(vec![line]).expect("it leads somewhere");
    let away = Arc::new(Away::default());
    let mut outlets = Outlets::new();
    outlets.insert(testing::PEER.to_owned(), away.clone());
    let rules = Rules { successors, ..Rules::default() };
    let (hub, _stopper) = testing::hub_with(dir.path(), DeliveryPolicy::default(), rules, outlets);
    let merged = testing::accepted_to(&hub, 1, "ags:05766099").await;
    let unknown = testing::accepted_to(&hub, 2, "ags:05766098").await;
    let no_way = State::InClearing { cause: ClearingCause::NoWay };
    run_until(&hub, async || {
        away.tried.load(Ordering::Relaxed) > 0 && state(&hub, &unknown).await == no_way
    })
    .await;
    assert_eq!(hub.store.delivery(&merged).await.expect("is there").attempts, 1);
}

#[tokio::test]
async fn attempts_are_those_of_the_rule() {
    let dir = tempdir().expect("a folder");
    let one = Policy { attempts: 1, ..Policy::default() };
    let rule = Rule {
        name: "test:1".to_owned(),
        service: Pattern::parse("*").expect("a pattern"),
        reader: Pattern::parse(testing::metadata().reader.as_str()).expect("a pattern"),
        policy: one,
    };
    let policies = Policies::new(vec![rule], Policy::default()).expect("policies");
    let rules = Rules { policies, ..Rules::default() };
    let away = Arc::new(Away::default());
    let mut outlets = Outlets::new();
    for peer in [testing::PEER, testing::OTHER_PEER] {
        outlets.insert(peer.to_owned(), away.clone());
    }
    let (hub, _stopper) = testing::hub_with(dir.path(), DeliveryPolicy::default(), rules, outlets);
    let once = testing::accepted_for(&hub, 1, testing::PEER).await;
    let more = testing::accepted_for(&hub, 2, testing::OTHER_PEER).await;
    let settled = async |hub_id: &HubId| {
        let delivery = hub.store.delivery(hub_id).await.expect("is there");
        delivery.attempts == 1 && !matches!(delivery.state, State::InDelivery { .. })
    };
    run_until(&hub, async || settled(&once).await && settled(&more).await).await;
    let exhausted = State::InClearing { cause: ClearingCause::AttemptsExhausted };
    assert_eq!(state(&hub, &once).await, exhausted);
    assert_eq!(state(&hub, &more).await, State::Waiting { on: WaitingFor::Turn });
}

#[tokio::test]
async fn a_peer_that_hangs_does_not_starve_another() {
    let dir = tempdir().expect("a folder");
    let policy = DeliveryPolicy {
        attempt: Duration::from_secs(3_600),
        lease: Duration::from_secs(7_200),
        parallel: 4,
        ..DeliveryPolicy::default()
    };
    let [first, second] = [(), ()].map(|()| Arc::new(Silent::default()));
    let mut outlets = HashMap::new();
    for (peer, outlet) in [(testing::PEER, &first), (testing::OTHER_PEER, &second)] {
        let outlet: Arc<dyn Outlet> = outlet.clone();
        outlets.insert(peer.to_owned(), outlet);
    }
    let (hub, _stopper) = testing::hub(dir.path(), policy, outlets);
    for number in 1..=6 {
        testing::accepted_for(&hub, number, testing::PEER).await;
    }
    let other = testing::accepted_for(&hub, 7, testing::OTHER_PEER).await;
    let (stopper, stop) = stop::channel();
    let grace = Duration::from_millis(10);
    let running = tokio::spawn(run(hub.clone(), stop, grace));
    let begun = tokio::time::timeout(PATIENCE, second.begun.notified()).await;
    begun.expect("the youngest message is tried although six before it hang");
    assert_eq!(state(&hub, &other).await, State::InDelivery { repeated: false });
    stopper.stop();
    running.await.expect("it does not panic");
    let mut under_way = 0;
    for number in 1..=6 {
        let state = state(&hub, &testing::hub_id(number)).await;
        under_way += u32::from(state == State::InDelivery { repeated: false });
    }
    assert!(under_way <= 2, "{under_way} of 4 slots");
}

#[tokio::test]
async fn an_attempt_ends_before_its_lease() {
    let dir = tempdir().expect("a folder");
    let attempt = Duration::from_secs(3_600);
    let policy = DeliveryPolicy { attempt, ..DeliveryPolicy::default() };
    let silent = Arc::new(Silent::default());
    let (hub, _stopper) = testing::hub(dir.path(), policy, outlets(&silent));
    let hub_id = testing::accepted(&hub).await;
    // As short as the machine can bear just now: one that is over before the attempt has begun shows
    // nothing, and is followed by a longer one.
    let mut length = Duration::from_millis(50);
    loop {
        let mut leases = hub.store.lease_due(Slots::any(1), length).await.expect("asks");
        // Until the one before has ended by the clock, there is none.
        let Some(lease) = leases.pop() else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let dispatched = tokio::time::timeout(PATIENCE, dispatch(&hub, lease)).await;
        match dispatched.expect("it does not outlast its lease") {
            Ok(_) => break,
            Err(StoreError::LeaseLost) => length *= 2,
            Err(error) => panic!("{error}"),
        }
        assert!(length < PATIENCE, "no lease lasts until the attempt has begun");
    }
    assert_eq!(state(&hub, &hub_id).await, State::Uncertain);
    // Not idempotent, and nobody can be asked: a person decides.
    assert!(!mend(&hub).await.expect("mends"));
    assert!(matches!(state(&hub, &hub_id).await, State::InClearing { .. }));
}

#[tokio::test]
async fn a_node_that_was_dropped_does_not_spin() {
    let dir = tempdir().expect("a folder");
    let (hub, stopper) = testing::hub(dir.path(), DeliveryPolicy::default(), Outlets::new());
    let stop = hub.stop.clone();
    drop(stopper);
    let worker = run(hub, stop, PATIENCE);
    tokio::time::timeout(PATIENCE, worker).await.expect("it ends");
}

#[tokio::test]
async fn a_proposal_that_cannot_be_carried_out_does_not_stop_the_traffic() {
    let dir = tempdir().expect("a folder");
    let (hub, _stopper) = testing::hub(dir.path(), DeliveryPolicy::default(), Outlets::new());
    let hub_id = testing::accepted(&hub).await;
    let person =
        |name: &str, octet| Person { name: name.to_owned(), certificate: Digest([octet; 32]) };
    let reason = Reason::parse("TEST").expect("a reason");
    let revision = hub.store.delivery(&hub_id).await.expect("is there").revision;
    // Nobody can make one like this: it names no way.
    let target = Target { hub_id, revision, channel: None };
    let decision = Decision {
        act: Act::Resubmit,
        by: person("anna", 1),
        reason: reason.clone(),
        targets: vec![target],
    };
    let id = ProposalId::parse("0197a2c4-0000-7000-8000-00000000000a").expect("an id");
    let digest = Digest([7; 32]);
    hub.store.propose(id.clone(), decision, digest).await.expect("proposes");
    let berta = person("berta", 2);
    hub.store.judge(&id, &berta, true, digest, &reason).await.expect("grants");
    assert!(hub.store.carry_out().await.is_err(), "the test needs one that fails");
    assert!(!mend(&hub).await.expect("mends what else there is"));
}
