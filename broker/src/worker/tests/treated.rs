//! The worker with lanes, order and alternative ways, on a real store.

use super::*;
use std::sync::Mutex;

use amtsbote_domain::delivery::alternative::{Alternative, Alternatives, Because, When};
use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence::Evidence;

/// Confirms everything, and remembers what came, in its order.
#[derive(Default)]
struct There {
    came: Mutex<Vec<u32>>,
    under_way: AtomicU32,
    /// Refuses so many first, for now.
    not_now: AtomicU32,
}

impl There {
    fn came(&self) -> Vec<u32> {
        self.came.lock().expect("nobody panicked").clone()
    }
}

fn number(hub_id: &HubId) -> u32 {
    u32::from_str_radix(&hub_id.as_str()[24..], 16).expect("made from a number")
}

impl Outlet for There {
    fn deliver<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, outlet::Outcome> {
        Box::pin(async {
            assert_eq!(self.under_way.fetch_add(1, Ordering::SeqCst), 0, "two at the same time");
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            if self.not_now.load(Ordering::SeqCst) > 0 {
                self.not_now.fetch_sub(1, Ordering::SeqCst);
                return outlet::Outcome::NotNow(None);
            }
            self.came.lock().expect("nobody panicked").push(number(&parcel.record.hub_id));
            outlet::Outcome::Confirmed(Digest([1; 32]))
        })
    }

    fn is_idempotent(&self) -> bool {
        true
    }
}

/// Two peers; the first is [`testing::PEER`].
fn two(far: Arc<dyn Outlet>, near: Arc<dyn Outlet>) -> Outlets {
    [(testing::PEER.to_owned(), far), (testing::OTHER_PEER.to_owned(), near)].into()
}

fn quick() -> DeliveryPolicy {
    DeliveryPolicy { idle: Duration::from_millis(5), ..DeliveryPolicy::default() }
}

fn one_at_a_time() -> Traffic {
    Traffic::new(vec![], Limits { parallel: Some(1), ..Limits::default() })
}

#[tokio::test]
async fn no_lane_starves_while_another_never_ends() {
    let dir = tempdir().expect("a folder");
    let (far, near) = (Arc::new(There::default()), Arc::new(There::default()));
    let rules = Rules { traffic: one_at_a_time(), ..Rules::default() };
    let (hub, _stopper) = testing::hub_with(dir.path(), quick(), rules, two(far.clone(), near));
    // Registry before bulk, and always more of it than goes.
    for n in 1..=30 {
        testing::accepted_in_lane(&hub, n, "registry").await;
    }
    for n in 1..=3 {
        testing::accepted_in_lane(&hub, 1_000 + n, "bulk").await;
    }
    let next = Cell::new(31);
    run_until(&hub, async || {
        while next.get() <= far.came().len() as u32 + 30 {
            let n = next.replace(next.get() + 1);
            testing::accepted_in_lane(&hub, n, "registry").await;
        }
        far.came().iter().filter(|n| **n > 1_000).count() == 3
    })
    .await;
    let came = far.came();
    let at: Vec<usize> = (1_001..=1_003)
        .map(|bulk| came.iter().position(|n| *n == bulk).expect("it came"))
        .collect();
    // Sixteen of the registry for each one, and nothing of it out of turn.
    assert_eq!(at, [16, 33, 50]);
    let registry: Vec<u32> = came.iter().copied().filter(|n| *n < 1_000).collect();
    assert!(registry.is_sorted(), "{registry:?}");
}

/// A policy for everything.
fn rules(policy: Policy, limits: Limits) -> Rules {
    let policies = Policies::new(vec![], policy).expect("policies");
    Rules { policies, traffic: Traffic::new(vec![], limits), ..Rules::default() }
}

fn at_once() -> amtsbote_domain::delivery::wait::Waits {
    let wait = Duration::from_millis(1);
    amtsbote_domain::delivery::wait::Waits { first: wait, longest: wait }
}

#[tokio::test]
async fn a_conversation_arrives_in_its_order_although_attempts_fail() {
    let dir = tempdir().expect("a folder");
    let far = Arc::new(There { not_now: AtomicU32::new(3), ..There::default() });
    let policy = Policy { in_order: true, waits: at_once(), ..Policy::default() };
    let rules = rules(policy, Limits::default());
    let outlets = two(far.clone(), Arc::new(There::default()));
    let (hub, _stopper) = testing::hub_with(dir.path(), quick(), rules, outlets);
    for n in 1..=12 {
        testing::accepted_for(&hub, n, testing::PEER).await;
    }
    // Room for eight at the same time, and the peer would take them.
    run_until(&hub, async || far.came().len() == 12).await;
    assert!(far.came().is_sorted(), "{:?}", far.came());
}

/// The other peer, as the one way there is besides that of the directory.
fn by_the_other(when: When) -> Policy {
    let way = Alternative { channel: Channel::Peer(testing::OTHER_PEER.to_owned()), when };
    let alternatives = Alternatives::new(vec![way]).expect("a way");
    Policy { alternatives, waits: at_once(), attempts: 2, ..Policy::default() }
}

/// Why it took the other way, as the evidence has it.
async fn because(hub: &Hub, hub_id: &HubId) -> Option<Because> {
    let timeline = hub.store.timeline(hub_id).await.expect("is there");
    timeline.into_iter().find_map(|entry| match entry.evidence {
        Evidence::Changed { detour: Some(detour), .. } => Some(detour.because),
        _ => None,
    })
}

#[tokio::test]
async fn what_failed_too_often_goes_by_another_way_before_a_person_must_decide() {
    let dir = tempdir().expect("a folder");
    let near = Arc::new(There::default());
    let when = When { failed_more: Some(1), ..When::default() };
    let rules = rules(by_the_other(when), Limits::default());
    let outlets = two(Arc::new(Away::default()), near.clone());
    let (hub, _stopper) = testing::hub_with(dir.path(), quick(), rules, outlets);
    let hub_id = testing::accepted(&hub).await;
    run_until(&hub, async || state(&hub, &hub_id).await == State::Delivered).await;
    assert_eq!(near.came(), [1]);
    assert_eq!(because(&hub, &hub_id).await, Some(Because::Failed { attempts: 2 }));
    let delivery = hub.store.delivery(&hub_id).await.expect("is there");
    assert_eq!((delivery.channel.as_str(), delivery.attempts), ("peer:near", 1));
}

#[tokio::test]
async fn what_waits_for_a_peer_that_is_out_goes_by_another_way() {
    let dir = tempdir().expect("a folder");
    let near = Arc::new(There::default());
    let when = When { open_longer: Some(Duration::ZERO), ..When::default() };
    let breaker = breaker::Settings {
        failures: 1,
        first_pause: Duration::from_secs(3_600),
        longest_pause: Duration::from_secs(3_600),
        ..breaker::Settings::default()
    };
    let rules =
        rules(by_the_other(when), Limits { parallel: Some(1), breaker, ..Limits::default() });
    let away = Arc::new(Away::default());
    let outlets = two(away.clone(), near.clone());
    let (hub, _stopper) = testing::hub_with(dir.path(), quick(), rules, outlets);
    for n in 1..=5 {
        testing::accepted_for(&hub, n, testing::PEER).await;
    }
    run_until(&hub, async || near.came().len() == 5).await;
    // The others were never tried there: nobody leases for a peer that is out.
    assert_eq!(away.tried.load(Ordering::Relaxed), 1);
    for n in 1..=5 {
        let told = because(&hub, &testing::hub_id(n)).await;
        assert!(matches!(told, Some(Because::Open { .. })), "{n}: {told:?}");
    }
}

#[tokio::test]
async fn a_peer_is_found_to_be_back_although_there_is_another_way() {
    let dir = tempdir().expect("a folder");
    let (far, near) = (Arc::new(There::default()), Arc::new(There::default()));
    far.not_now.store(1, Ordering::SeqCst);
    let when = When { open_longer: Some(Duration::ZERO), ..When::default() };
    let breaker = breaker::Settings {
        failures: 1,
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(50),
        ..breaker::Settings::default()
    };
    let rules = rules(by_the_other(when), Limits { breaker, ..Limits::default() });
    let (hub, _stopper) =
        testing::hub_with(dir.path(), quick(), rules, two(far.clone(), near.clone()));
    testing::accepted_for(&hub, 1, testing::PEER).await;
    let late = Cell::new(false);
    run_until(&hub, async || {
        let traffic = &hub.tables().delivery.traffic;
        let look = hub.gates.look(traffic, testing::PEER, hub.clock.now());
        let half_open = look.standing == breaker::Standing::HalfOpen;
        // Out, and nothing is left that could find out whether it is back.
        if half_open && near.came() == [1] && !late.replace(true) {
            testing::accepted_for(&hub, 2, testing::PEER).await;
            hub.work.notify_one();
        }
        !far.came().is_empty()
    })
    .await;
    assert_eq!((far.came(), near.came()), (vec![2], vec![1]));
}

#[tokio::test]
async fn what_would_end_during_maintenance_goes_by_another_way() {
    let dir = tempdir().expect("a folder");
    let near = Arc::new(There::default());
    let when = When { maintenance_over_end: true, ..When::default() };
    let day = jiff::civil::date(2020, 1, 1).at(0, 0, 0, 0);
    let end = jiff::civil::date(2100, 1, 1).at(0, 0, 0, 0);
    let windows = Windows::new(vec![Window::Dated { from: day, until: end }]).expect("a window");
    let shut = Recipient {
        name: "test:1".to_owned(),
        peer: Pattern::parse(testing::PEER).expect("a pattern"),
        limits: Limits { windows, ..Limits::default() },
    };
    let rules = Rules {
        traffic: Traffic::new(vec![shut], Limits::default()),
        ..rules(by_the_other(when), Limits::default())
    };
    let outlets = two(Arc::new(Away::default()), near.clone());
    let (hub, _stopper) = testing::hub_with(dir.path(), quick(), rules, outlets);
    let stays = testing::accepted_for(&hub, 1, testing::PEER).await;
    let hour = Duration::from_secs(3_600);
    let goes = testing::accepted_until(&hub, 2, hub.clock.now() + hour).await;
    run_until(&hub, async || state(&hub, &goes).await == State::Delivered).await;
    assert_eq!(near.came(), [2]);
    assert!(matches!(because(&hub, &goes).await, Some(Because::Maintenance { .. })));
    // Nothing ends it: it can wait.
    assert_eq!(state(&hub, &stays).await, State::Waiting { on: WaitingFor::Turn });
}

#[tokio::test]
async fn a_way_that_is_out_as_well_is_not_taken() {
    let dir = tempdir().expect("a folder");
    let inbox = Alternative {
        // Nobody collects for the Reader here.
        channel: Channel::Inbox,
        when: When { failed_more: Some(0), ..When::default() },
    };
    let alternatives = Alternatives::new(vec![inbox]).expect("a way");
    let policy = Policy { alternatives, waits: at_once(), attempts: 2, ..Policy::default() };
    let outlets = two(Arc::new(Away::default()), Arc::new(Away::default()));
    let rules = rules(policy, Limits::default());
    let (hub, _stopper) = testing::hub_with(dir.path(), quick(), rules, outlets);
    let hub_id = testing::accepted(&hub).await;
    let exhausted = State::InClearing { cause: ClearingCause::AttemptsExhausted };
    run_until(&hub, async || state(&hub, &hub_id).await == exhausted).await;
    assert_eq!(because(&hub, &hub_id).await, None);
}
