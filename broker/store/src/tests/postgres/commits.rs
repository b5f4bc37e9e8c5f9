//! Commits whose connection, server or answer is lost: every one was kept or not, and who asked is
//! told which; or is told that nobody knows, and asks again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::ports::{Slots, Store, StoreError};
use amtsbote_domain::state::{Event, State};
use tempfile::tempdir;

use super::proxy::{self, Cuts};
use super::server::Server;
use super::sharing::Gate;
use super::{database, node, node_at, shared};
use crate::SqliteStore;
use crate::contract::{Draft, ManualClock, state_of};
use crate::group::Group;
use crate::sql::params;
use crate::tests::checked;
use crate::tests::failing::Planned;
use crate::writer::{Answer, Fault, Faults};

const MINUTE: Duration = Duration::from_secs(60);

/// The answer to the commit is lost on the way; the store reads back that it was kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_read_back() {
    let dir = tempdir().expect("a folder");
    shared().database(&database(dir.path()));
    let cuts = Cuts::default();
    let port = proxy::start(shared().port(), &cuts);
    let server = Server::options_at(port, &database(dir.path()), "one", &dir.path().join("shared"));
    let store = SqliteStore::open(node_at(dir.path(), "one", server)).expect("opens");
    Draft::peer(1).accepted(&store).await;

    // With leaves: the leaf is there.
    cuts.plan(1);
    Draft::peer(2).accepted(&store).await;
    assert_eq!(cuts.left(), 0, "the answer was cut off");
    // Without leaves: the server knows what became of the transaction.
    cuts.plan(1);
    let leases = store.lease_due(Slots::any(2), MINUTE).await.expect("leases");
    assert_eq!((leases.len(), cuts.left()), (2, 0));
    cuts.plan(1);
    assert_eq!(store.begin_attempt(&leases[0]).await.expect("begins"), 1);
    cuts.plan(1);
    let state = store.settle(&leases[0], Event::AttemptConfirmed, None, None).await;
    assert_eq!(state.expect("settles"), State::Delivered);
    assert_eq!(checked(&store).await, 2);
}

/// The connection is gone before the commit: nothing was kept, and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_before_the_commit_keeps_nothing() {
    let dir = tempdir().expect("a folder");
    let cut = Arc::new(AtomicBool::new(false));
    let name = database(dir.path());
    let faults: Faults = Arc::new({
        let (cut, name) = (Arc::clone(&cut), name.clone());
        move |fault| {
            if fault == Fault::NotKept && cut.swap(false, Ordering::SeqCst) {
                let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
                shared().sql(&name, others);
            }
            false
        }
    });
    let options = node(shared(), dir.path(), "one", ManualClock::new());
    let store = SqliteStore::open_with(options, Some(faults)).expect("opens");
    Draft::peer(1).accepted(&store).await;
    store.figures().await.expect("a reading connection was used");
    cut.store(true, Ordering::SeqCst);
    let refused = Draft::peer(2).accept(&store).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.figures().await.expect("readers come back").leaves, 1);
    cut.store(true, Ordering::SeqCst);
    let refused = store.lease_due(Slots::any(1), MINUTE).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    Draft::peer(2).accepted(&store).await;
    assert_eq!(store.lease_due(Slots::any(9), MINUTE).await.expect("leases").len(), 2);
    assert_eq!(checked(&store).await, 2);
}

/// The faults of the other database, on this one.
#[tokio::test(flavor = "multi_thread")]
async fn failed_commits_lose_and_double_nothing() {
    let dir = tempdir().expect("a folder");
    let planned = Planned::default();
    let options = node(shared(), dir.path(), "one", ManualClock::new());
    let store = SqliteStore::open_with(options, Some(planned.faults())).expect("opens");
    let store = Arc::new(store);
    for round in 0..8 {
        planned.plan(match round % 4 {
            0 => &[Fault::NotKept],
            1 => &[Fault::Kept],
            2 => &[Fault::NotKept, Fault::Fence],
            _ => &[Fault::Kept, Fault::Fence],
        });
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let (store, draft) = (Arc::clone(&store), Draft::inbox(round * 10 + n));
                tokio::spawn(async move { insist(&store, &draft).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    }
    assert_eq!(checked(&store).await, 80);
}

/// A statement that fails ends a transaction here, and is only told of later. Still it takes back its
/// own operation and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_takes_back_only_its_operation() {
    let dir = tempdir().expect("a folder");
    let (gate, faults) = Gate::new();
    let options = node(shared(), dir.path(), "one", ManualClock::new());
    let store = Arc::new(SqliteStore::open_with(options, Some(faults)).expect("opens"));
    // The last time every statement is prepared: then only the commit is waited for.
    for (round, fails_last) in [(0u32, true), (1, false), (2, true)] {
        let draft = move |n: u32| Draft::inbox(round * 10 + n);
        let first = gate.accepting(&store, draft(1)).await;
        // What comes now stands in one group.
        let mut answers = Vec::new();
        for n in 2..5 {
            let (fails, store) = (n == if fails_last { 4 } else { 3 }, Arc::clone(&store));
            answers.push(tokio::spawn(async move {
                match fails {
                    true => fail(&store).await,
                    false => draft(n).accept(&*store).await.map(drop),
                }
            }));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        gate.open.send(()).expect("waits");
        first.await.expect("no panic").expect("is accepted");
        let mut refused = 0;
        for answer in answers {
            match answer.await.expect("no panic") {
                Ok(()) => {}
                Err(StoreError::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(refused, 1, "fails last: {fails_last}");
    }
    let report = store.verify(true).await.expect("can be checked");
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.messages, report.log.leaves), (9, 9));
}

/// An operation whose last statement fails without anybody waiting for the answer.
async fn fail(store: &SqliteStore) -> Result<(), StoreError> {
    let work = move |group: &mut Group<'_>| {
        let started = Evidence::Started { version: String::new(), open_attempts: 0 };
        group.append(&started, None)?;
        let twice = "INSERT INTO meta (name, value) VALUES ('log-key', ?1)";
        group.db.write(twice, params![[0; 32]])?;
        Ok(Answer::Now(()))
    };
    store.write(true, work).await
}

/// Hands a message in until it is accepted; only what says that it may be asked again is.
async fn insist(store: &SqliteStore, draft: &Draft) {
    let mut tries = 0;
    while let Err(error) = draft.accept(store).await {
        let again = matches!(error, StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_));
        assert!(again && tries < 1000, "{error}");
        tries += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The server is killed again and again while two nodes take in and deliver. Nothing acknowledged is
/// lost, every delivery has one ending, and the log is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_nothing_that_was_acknowledged() {
    const EACH: u32 = 40;
    let dir = tempdir().expect("a folder");
    let mut server = Server::own();
    let open = |name: &str| SqliteStore::open(node(&server, dir.path(), name, ManualClock::new()));
    let nodes = [open("a").expect("opens"), open("b").expect("opens")].map(Arc::new);
    let settled = Arc::new(AtomicU32::new(0));
    let mut tasks = Vec::new();
    for (number, store) in (0u32..).zip(&nodes) {
        let (store, settled) = (Arc::clone(store), Arc::clone(&settled));
        tasks.push(tokio::spawn(async move {
            for n in 0..EACH {
                let draft = Draft::peer(number * 1000 + n);
                insist(&store, &draft).await;
                assert!(draft.accept(&*store).await.map_or(true, |again| again.repeated));
                let Ok(leases) = store.lease_due(Slots::any(2), MINUTE).await else { continue };
                for lease in leases {
                    if store.begin_attempt(&lease).await.is_err() {
                        continue;
                    }
                    let ended = store.settle(&lease, Event::AttemptConfirmed, None, None).await;
                    if ended.is_ok() {
                        settled.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        }));
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        tokio::task::block_in_place(|| {
            server.kill();
            server.run();
        });
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let [a, b] = &nodes;
    assert_eq!(checked(a).await, u64::from(2 * EACH));
    let mut delivered = 0;
    for n in (0..EACH).chain(1000..1000 + EACH) {
        delivered += u32::from(state_of(&**b, &Draft::peer(n)).await == State::Delivered);
    }
    let settled = settled.load(Ordering::SeqCst);
    assert!(settled > 0 && delivered >= settled, "{delivered} delivered, {settled} acknowledged");
    let doubled = "SELECT count(*) FROM (SELECT message FROM receipt WHERE kind = 'delivered'
        GROUP BY message HAVING count(*) > 1) AS twice";
    assert_eq!(server.sql(&database(dir.path()), doubled), "0");
    drop(nodes);
}
