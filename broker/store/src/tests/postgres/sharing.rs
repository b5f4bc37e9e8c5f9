//! Several nodes on one database: they share the work, and none can do what another has taken over.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::ports::{AcceptedReceipt, Slots, Store, StoreError};
use amtsbote_domain::state::{Event, State};
use tempfile::tempdir;
use tokio::task::JoinHandle;

use super::{database, node, node_at, shared};
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, octets, read_part, state_of, take_in};
use crate::options::{Database, LargeParts};
use crate::tests::{checked, log_key};
use crate::writer::{Fault, Faults};
use crate::{OpenError, SqliteStore};

const MINUTE: Duration = Duration::from_secs(60);

fn open(dir: &Path, name: &str, clock: &Arc<ManualClock>) -> SqliteStore {
    SqliteStore::open(node(shared(), dir, name, Arc::clone(clock))).expect("opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_the_work_and_one_log() {
    const COUNT: u32 = 100;
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let nodes = ["a", "b"].map(|name| Arc::new(open(dir.path(), name, &clock)));
    let mut tasks = Vec::new();
    for n in 0..COUNT {
        // Some of them are handed in at both.
        for store in nodes.iter().take(if n % 5 == 0 { 2 } else { 1 }).cloned() {
            tasks.push(tokio::spawn(async move {
                let large = (n % 10 == 3).then(|| octets(n, 100_000));
                let draft = Draft { attachment: large, ..Draft::peer(n) };
                draft.accept(&*store).await.expect("is accepted").repeated
            }));
        }
    }
    let mut repeated = 0;
    for task in tasks {
        repeated += u32::from(task.await.expect("no panic"));
    }
    assert_eq!(repeated, COUNT / 5);

    let taken = Arc::new(Mutex::new(BTreeSet::new()));
    let mut workers = Vec::new();
    for store in nodes.iter().chain(&nodes) {
        let (store, taken) = (Arc::clone(store), Arc::clone(&taken));
        workers.push(tokio::spawn(async move {
            let mut done = 0;
            loop {
                let leases = store.lease_due(Slots::any(7), MINUTE).await.expect("leases");
                if leases.is_empty() {
                    return done;
                }
                for lease in leases {
                    let fresh = taken.lock().expect("not poisoned").insert(lease.hub_id.clone());
                    assert!(fresh, "{} was leased twice", lease.hub_id);
                    assert_eq!(store.begin_attempt(&lease).await.expect("begins"), 1);
                    store.settle(&lease, Event::AttemptConfirmed, None, None).await.expect("ends");
                    done += 1;
                }
            }
        }));
    }
    let mut done = Vec::new();
    for worker in workers {
        done.push(worker.await.expect("no panic"));
    }
    assert_eq!(done.iter().sum::<u32>(), COUNT);
    assert!(done[0] + done[2] > 0 && done[1] + done[3] > 0, "both worked: {done:?}");
    for store in &nodes {
        assert_eq!(checked(store).await, u64::from(COUNT));
    }
    // What the one took in, large parts too, the other can hand over.
    let read = read_part(&*nodes[1], &Draft::peer(3).hub_id(), "attachment").await;
    assert_eq!(read.expect("reads"), octets(3, 100_000));
}

/// What starts must leave alone what another node is doing, and end what its own former life left.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_ends_only_what_its_own_former_life_left_open() {
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let a = open(dir.path(), "a", &clock);
    for n in 1..=3 {
        Draft::peer(n).accepted(&a).await;
    }
    let leases = a.lease_due(Slots::any(3), MINUTE).await.expect("leases");
    a.begin_attempt(&leases[0]).await.expect("begins");
    a.begin_attempt(&leases[1]).await.expect("begins");
    let mut kept = a.intake().expect("there is room");
    take_in(&mut *kept, "large", &octets(1, 200_000)).expect("is taken in");

    let b = open(dir.path(), "b", &clock);
    assert_eq!(b.lost_attempts(), 0, "they are not lost: a is at work on them");
    assert!(b.lease_due(Slots::any(3), MINUTE).await.expect("none").is_empty());
    let state = a.settle(&leases[0], Event::AttemptConfirmed, None, None).await;
    assert_eq!(state.expect("a goes on"), State::Delivered);
    let mut read = Vec::new();
    std::io::Read::read_to_end(&mut kept.open("large").expect("opens"), &mut read).expect("reads");
    assert_eq!(read, octets(1, 200_000), "its files are there");
    drop((kept, a));

    let a = open(dir.path(), "a", &clock);
    assert_eq!(a.lost_attempts(), 1);
    assert_eq!(state_of(&b, &Draft::peer(2)).await, State::Uncertain);
    let free = b.lease_due(Slots::any(3), MINUTE).await.expect("leases");
    assert_eq!(free.len(), 1, "the one without an attempt is free again");
    assert_eq!(free[0].hub_id, Draft::peer(3).hub_id());
    assert_eq!(checked(&b).await, 3);
}

/// A node stands still beyond its lease; the others conclude, and what it says afterwards is void.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_beyond_its_lease_records_nothing() {
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let (a, b) = (open(dir.path(), "a", &clock), open(dir.path(), "b", &clock));
    for n in 1..=2 {
        Draft::peer(n).accepted(&a).await;
    }
    let leases = a.lease_due(Slots::any(2), MINUTE).await.expect("leases");
    a.begin_attempt(&leases[0]).await.expect("begins");
    clock.advance(61);
    assert_eq!(b.sweep(100).await.expect("sweeps"), 1);
    let taken = b.lease_due(Slots::any(2), MINUTE).await.expect("leases");
    assert_eq!(taken.len(), 1);
    let late = a.settle(&leases[0], Event::AttemptConfirmed, None, None).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    let late = a.begin_attempt(&leases[1]).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert_eq!(state_of(&a, &Draft::peer(1)).await, State::Uncertain);
    b.begin_attempt(&taken[0]).await.expect("begins");
    assert_eq!(checked(&a).await, 2);
    // Who did what is on record.
    for (draft, node) in [(1, "a"), (2, "b")] {
        let timeline = a.timeline(&Draft::peer(draft).hub_id()).await.expect("a timeline");
        let attempts: Vec<_> = timeline
            .iter()
            .filter_map(|entry| match &entry.evidence {
                Evidence::Attempt { node, .. } => Some(node.as_deref()),
                _ => None,
            })
            .collect();
        assert_eq!(attempts, [Some(node)], "{draft}");
    }
}

/// A commit that stands still until the test goes on.
pub(in crate::tests) struct Gate {
    close: Arc<AtomicBool>,
    entered: Mutex<mpsc::Receiver<()>>,
    pub(in crate::tests) open: mpsc::Sender<()>,
}

impl Gate {
    pub(in crate::tests) fn new() -> (Self, Faults) {
        let (entering, entered) = mpsc::channel();
        let (open, opened) = mpsc::channel::<()>();
        let (entering, opened) = (Mutex::new(entering), Mutex::new(opened));
        let close = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&close);
        let faults: Faults = Arc::new(move |fault| {
            if fault == Fault::NotKept && closed.swap(false, Ordering::SeqCst) {
                entering.lock().expect("not poisoned").send(()).expect("the test waits");
                opened.lock().expect("not poisoned").recv().expect("the test goes on");
            }
            false
        });
        (Self { close, entered: Mutex::new(entered), open }, faults)
    }

    /// Hands the message in; when this returns its commit stands still.
    pub(in crate::tests) async fn accepting(
        &self,
        store: &Arc<SqliteStore>,
        draft: Draft,
    ) -> JoinHandle<Result<AcceptedReceipt, StoreError>> {
        // Names of files are reserved before, by a commit of their own.
        let acceptance = draft.acceptance(store.intake().expect("there is room"));
        let acceptance = acceptance.expect("is taken in");
        self.close.store(true, Ordering::SeqCst);
        let store = Arc::clone(store);
        let accepting = tokio::spawn(async move { store.accept(acceptance).await });
        let entered = || self.entered.lock().expect("not poisoned").recv();
        tokio::task::block_in_place(entered).expect("stands still");
        accepting
    }
}

/// A node starts while its former life is about to commit: what that refers to is not cleared away.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_life_waits_for_what_the_former_one_commits() {
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let (gate, faults) = Gate::new();
    let options = node(shared(), dir.path(), "a", clock.clone());
    let old = Arc::new(SqliteStore::open_with(options, Some(faults)).expect("opens"));
    Draft::inbox(1).accepted(&*old).await;
    let large = Draft { payload: octets(2, 200_000), ..Draft::inbox(2) };
    let accepting = gate.accepting(&old, large.clone()).await;
    let mut options = node(shared(), dir.path(), "a", clock);
    options.dir = dir.path().join("elsewhere");
    let opening = tokio::task::spawn_blocking(|| SqliteStore::open(options));
    tokio::time::sleep(Duration::from_millis(700)).await;
    gate.open.send(()).expect("waits");
    accepting.await.expect("no panic").expect("is accepted");
    let new = opening.await.expect("no panic").expect("opens");
    assert_eq!(checked(&new).await, 2);
    assert_eq!(read_part(&new, &large.hub_id(), PAYLOAD_CID).await.expect("reads"), large.payload);
}

/// A node stands still in the middle of a transaction, with the log in its hands. The server takes
/// it away from it, the others go on, and what it was about to commit never was.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stands_still_with_the_log_is_cut_off() {
    let dir = tempdir().expect("a folder");
    let (gate, faults) = Gate::new();
    let mut options = node(shared(), dir.path(), "a", ManualClock::new());
    if let Database::Postgres(server) = &mut options.database {
        server.lock_wait = Duration::from_secs(1);
    }
    let a = Arc::new(SqliteStore::open_with(options, Some(faults)).expect("opens"));
    let b = open(dir.path(), "b", &ManualClock::new());
    Draft::peer(1).accepted(&*a).await;
    let cut_off = gate.accepting(&a, Draft::peer(2)).await;
    Draft::peer(3).accepted(&b).await;
    gate.open.send(()).expect("waits");
    let refused = cut_off.await.expect("no panic");
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    Draft::peer(4).accepted(&*a).await;
    let gone = b.delivery(&Draft::peer(2).hub_id()).await;
    assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
    assert_eq!(checked(&b).await, 3);
}

/// Two processes under one name: the newer one works, the older one can write nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_life_writes_nothing_more() {
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let old = open(dir.path(), "a", &clock);
    Draft::peer(1).accepted(&old).await;
    let lease = old.lease_due(Slots::any(1), MINUTE).await.expect("leases").remove(0);
    old.begin_attempt(&lease).await.expect("begins");
    // On another machine, so that its folder, and the lock in it, is another one.
    let mut options = node(shared(), dir.path(), "a", clock.clone());
    options.dir = dir.path().join("elsewhere");
    let new = SqliteStore::open(options).expect("opens");
    assert_eq!(new.lost_attempts(), 1);
    let started = Evidence::Started { version: String::new(), open_attempts: 0 };
    for refused in [
        old.settle(&lease, Event::AttemptConfirmed, None, None).await.err(),
        old.record(started).await.err(),
        Draft::peer(2).accept(&old).await.err(),
    ] {
        let text = refused.expect("is refused").to_string();
        assert!(text.contains("another process works under the name"), "{text}");
    }
    assert_eq!(old.figures().await.expect("it can still read").leaves, 3);
    Draft::peer(2).accepted(&new).await;
    assert_eq!(checked(&new).await, 2);
}

/// Leases and evidence go by the server's clock, whatever the node's own says.
#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_the_database_counts() {
    let dir = tempdir().expect("a folder");
    shared().database(&database(dir.path()));
    let by_server = |name: &str| {
        let server = shared().options(&database(dir.path()), name, &dir.path().join("shared"));
        SqliteStore::open(node_at(dir.path(), name, server)).expect("opens")
    };
    let store = by_server("a");
    Draft::peer(1).accepted(&store).await;
    let lease = store.lease_due(Slots::any(1), MINUTE).await.expect("leases").remove(0);
    let now: i64 = shared()
        .sql("postgres", "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        .parse()
        .expect("a number");
    let ahead = lease.until.as_microsecond() - now;
    assert!((0..=60_000_000).contains(&ahead), "{ahead} us");
    assert_eq!(checked(&store).await, 1);
    drop(store);
    let (database, dir) = (database(dir.path()), dir.path().to_owned());
    let report = tokio::task::spawn_blocking(move || {
        let server = shared().options(&database, "auditor", &dir.join("shared"));
        let server = Database::Postgres(Box::new(server));
        crate::verify_at(&server, &LargeParts::Folder, &dir.join("a"), log_key().verifier(), None)
    });
    let report = report.await.expect("no panic").expect("can be checked");
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.messages, report.log.outside), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_rolled_back_is_not_gone_on_with() {
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let store = open(dir.path(), "a", &clock);
    for n in 1..=3 {
        Draft::inbox(n).accepted(&store).await;
    }
    let shorter = "DELETE FROM receipt WHERE leaf = 2; DELETE FROM leaf WHERE idx = 2;
        UPDATE log_head SET size = 2, note = 'other'";
    shared().sql(&database(dir.path()), shorter);
    let refused = Draft::inbox(4).accept(&store).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    drop(store);
    let refused = SqliteStore::open(node(shared(), dir.path(), "a", clock)).err();
    let refused = refused.expect("is refused");
    assert!(matches!(refused, OpenError::Damaged(_) | OpenError::RolledBack(_)), "{refused}");
}

/// A node that would put payload files where no other finds them is refused.
#[tokio::test(flavor = "multi_thread")]
async fn another_payload_folder_is_refused() {
    let dir = tempdir().expect("a folder");
    let a = open(dir.path(), "a", &ManualClock::new());
    let elsewhere = dir.path().join("elsewhere");
    let server = shared().options(&database(dir.path()), "b", &elsewhere);
    let refused = SqliteStore::open(node_at(dir.path(), "b", server)).err().expect("is refused");
    assert!(refused.to_string().contains("folder for parts"), "{refused}");
    let large = Draft { payload: octets(1, 100_000), ..Draft::inbox(1) };
    large.accepted(&a).await;
    assert_eq!(read_part(&a, &large.hub_id(), PAYLOAD_CID).await.expect("reads"), large.payload);
}
