//! Commits that fail: every one either was not kept and says so, or was kept, or says that
//! nobody knows; and then the store works again, and its log is whole.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::ports::{Slots, Store, StoreError};
use tempfile::tempdir;

use super::{checked, options};
use crate::SqliteStore;
use crate::contract::readers::for_three;
use crate::contract::{Draft, ManualClock};
use crate::writer::{Answer, Fault, Faults};

/// Faults that happen once each when their turn comes.
#[derive(Clone, Default)]
pub(super) struct Planned(Arc<Mutex<Vec<Fault>>>);

impl Planned {
    pub(super) fn plan(&self, faults: &[Fault]) {
        self.0.lock().expect("not poisoned").extend_from_slice(faults);
    }

    pub(super) fn faults(&self) -> Faults {
        let planned = Arc::clone(&self.0);
        Arc::new(move |fault| {
            let mut planned = planned.lock().expect("not poisoned");
            let found = planned.iter().position(|f| *f == fault);
            found.map(|n| planned.remove(n)).is_some()
        })
    }
}

fn open(dir: &Path, planned: &Planned) -> SqliteStore {
    let options = options(dir, ManualClock::new());
    SqliteStore::open_with(options, Some(planned.faults())).expect("opens")
}

#[tokio::test]
async fn a_commit_that_was_not_kept_says_so() {
    let dir = tempdir().expect("a folder");
    let planned = Planned::default();
    let store = open(dir.path(), &planned);
    Draft::inbox(1).accepted(&store).await;
    let large = Draft { payload: vec![2; 200_000], ..Draft::inbox(2) };
    let intake = store.intake().expect("there is room");
    let acceptance = large.acceptance(intake).expect("is taken in");
    planned.plan(&[Fault::NotKept]);
    let refused = store.accept(acceptance).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.figures().await.expect("figures").leaves, 1);
    assert_eq!(checked(&store).await, 1);
    large.accepted(&store).await;
    assert_eq!(checked(&store).await, 2);
    drop(store);
    assert_eq!(checked(&open(dir.path(), &planned)).await, 2);
}

/// Of several Readers all have their delivery, or none has; the part they share is one file.
#[tokio::test]
async fn of_several_readers_none_is_kept_alone() {
    let dir = tempdir().expect("a folder");
    let planned = Planned::default();
    let store = open(dir.path(), &planned);
    let draft = for_three(1);
    let acceptance = draft.acceptance(store.intake().expect("room")).expect("is taken in");
    planned.plan(&[Fault::NotKept]);
    let refused = store.accept(acceptance).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(checked(&store).await, 0);
    draft.accepted(&store).await;
    assert_eq!(checked(&store).await, 3);
    drop(store);
    let db = rusqlite::Connection::open(crate::writer::database_path(dir.path())).expect("opens");
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("counts") };
    assert_eq!(count("SELECT count(file) FROM payload"), 3);
    assert_eq!(count("SELECT count(DISTINCT file) FROM payload"), 1);
    let named = "SELECT count(*) FROM reserved_file WHERE name IN (SELECT file FROM payload)";
    assert_eq!(count(named), 0, "what messages refer to is not reserved");
    drop(db);
    assert_eq!(checked(&open(dir.path(), &planned)).await, 3);
}

#[tokio::test]
async fn a_commit_that_was_kept_counts() {
    let dir = tempdir().expect("a folder");
    let planned = Planned::default();
    let store = open(dir.path(), &planned);
    let large = Draft { payload: vec![1; 200_000], ..Draft::inbox(1) };
    let intake = store.intake().expect("there is room");
    let acceptance = large.acceptance(intake).expect("is taken in");
    planned.plan(&[Fault::Kept]);
    let answer = store.accept(acceptance).await.expect("was kept");
    assert!(!answer.repeated);
    Draft::inbox(2).accepted(&store).await;
    assert_eq!(checked(&store).await, 2);
}

#[tokio::test]
async fn an_unknown_outcome_is_called_so_and_a_repeat_finds_the_truth() {
    for (fault, repeated) in [(Fault::NotKept, false), (Fault::Kept, true)] {
        let dir = tempdir().expect("a folder");
        let planned = Planned::default();
        let store = open(dir.path(), &planned);
        Draft::inbox(1).accepted(&store).await;
        let large = Draft { payload: vec![2; 200_000], ..Draft::inbox(2) };
        let intake = store.intake().expect("there is room");
        let acceptance = large.acceptance(intake).expect("is taken in");
        planned.plan(&[fault, Fault::Fence, Fault::Fence]);
        let unknown = store.accept(acceptance).await;
        assert!(matches!(unknown, Err(StoreError::OutcomeUnknown(_))), "{fault:?}: {unknown:?}");
        let closed = large.accept(&store).await;
        assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{fault:?}: {closed:?}");
        let answer = large.accept(&store).await.expect("works again");
        assert_eq!(answer.repeated, repeated, "{fault:?}");
        Draft::inbox(3).accepted(&store).await;
        assert_eq!(checked(&store).await, 3, "{fault:?}");
        drop(store);
        assert_eq!(checked(&open(dir.path(), &planned)).await, 3, "{fault:?}");
    }
}

#[tokio::test]
async fn nothing_goes_on_before_the_head_is_guarded() {
    let dir = tempdir().expect("a folder");
    let planned = Planned::default();
    let store = open(dir.path(), &planned);
    Draft::inbox(1).accepted(&store).await;
    planned.plan(&[Fault::Guard, Fault::Guard]);
    let unknown = Draft::inbox(2).accept(&store).await;
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown(_))), "{unknown:?}");
    let closed = Draft::inbox(3).accept(&store).await;
    assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
    assert!(Draft::inbox(2).accept(&store).await.expect("was committed").repeated);
    Draft::inbox(3).accepted(&store).await;
    assert_eq!(checked(&store).await, 3);
}

#[tokio::test]
async fn one_that_fails_after_writing_takes_back_only_itself() {
    let dir = tempdir().expect("a folder");
    let store = Arc::new(open(dir.path(), &Planned::default()));
    let runs = Arc::new(AtomicU32::new(0));
    let mut tasks = Vec::new();
    for n in 0..60 {
        let (store, runs) = (Arc::clone(&store), Arc::clone(&runs));
        tasks.push(tokio::spawn(async move {
            if n % 3 != 0 {
                Draft::inbox(n).accepted(&*store).await;
                return;
            }
            let failing = store.write(true, move |group| {
                runs.fetch_add(1, Ordering::Relaxed);
                group.db.execute("DELETE FROM meta", &[])?;
                group.append(
                    &Evidence::Started { version: String::new(), open_attempts: 0 },
                    None,
                )?;
                Err::<Answer<()>, _>(StoreError::LeaseLost)
            });
            assert!(matches!(failing.await, Err(StoreError::LeaseLost)));
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let runs = runs.load(Ordering::Relaxed);
    assert!((21..=40).contains(&runs), "again in a savepoint, in every group: {runs}");
    let report = store.verify(true).await.expect("can be checked");
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.messages, report.log.leaves), (40, 40));
    drop(store);
    assert_eq!(checked(&open(dir.path(), &Planned::default())).await, 40);
}

#[tokio::test]
async fn a_failed_commit_without_leaves_is_told_too() {
    let dir = tempdir().expect("a folder");
    let planned = Planned::default();
    let store = open(dir.path(), &planned);
    Draft::peer(1).accepted(&store).await;
    let minute = std::time::Duration::from_secs(60);
    planned.plan(&[Fault::NotKept]);
    let refused = store.lease_due(Slots::any(1), minute).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    planned.plan(&[Fault::NotKept, Fault::Fence]);
    let unknown = store.lease_due(Slots::any(1), minute).await;
    assert!(matches!(unknown, Err(StoreError::OutcomeUnknown(_))), "{unknown:?}");
    assert_eq!(store.lease_due(Slots::any(1), minute).await.expect("leases").len(), 1);
    planned.plan(&[Fault::NotKept]);
    let mut intake = store.intake().expect("there is room");
    intake.begin("large", "text/plain").expect("begins");
    let refused = intake.write(&[0; 100_000]);
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn every_tenth_commit_fails_and_nothing_is_lost_or_doubled() {
    let dir = tempdir().expect("a folder");
    let planned = Planned::default();
    let store = Arc::new(open(dir.path(), &planned));
    for round in 0..20 {
        planned.plan(match round % 4 {
            0 => &[Fault::NotKept],
            1 => &[Fault::Kept],
            2 => &[Fault::NotKept, Fault::Fence],
            _ => &[Fault::Kept, Fault::Fence],
        });
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let store = Arc::clone(&store);
                let draft = Draft::inbox(round * 10 + n);
                tokio::spawn(async move {
                    let mut tries = 0;
                    while let Err(error) = draft.accept(&*store).await {
                        let retry = matches!(
                            error,
                            StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_)
                        );
                        assert!(retry && tries < 10, "{error}");
                        tries += 1;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    }
    assert_eq!(checked(&store).await, 200);
}

/// What an operation finds may be the work of another of its group. When that is not kept, "other
/// content" would be a refusal for ever, for a reason that never was.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_not_kept_refuses_nobody_for_good() {
    let dir = tempdir().expect("a folder");
    let (entered, at_commit) = std::sync::mpsc::channel();
    let (open_gate, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new((0, gate));
    // The first commit waits, so that all that follow stand in one group; that one is not kept.
    let faults: Faults = Arc::new(move |fault| {
        let mut gate = gate.lock().expect("not poisoned");
        if fault != Fault::NotKept {
            return false;
        }
        gate.0 += 1;
        if gate.0 == 1 {
            entered.send(()).expect("the test waits");
            gate.1.recv().expect("the test opens the gate");
        }
        gate.0 == 2
    });
    let options = options(dir.path(), ManualClock::new());
    let store = Arc::new(SqliteStore::open_with(options, Some(faults)).expect("opens"));
    let first = tokio::spawn({
        let store = store.clone();
        async move { Draft::inbox(1).accept(&*store).await }
    });
    at_commit.recv().expect("the first commit begins");
    let others: Vec<_> = (0..8u8)
        .map(|n| {
            let store = store.clone();
            let draft = Draft { payload: vec![n; 100], ..Draft::inbox(2) };
            tokio::spawn(async move { draft.accept(&*store).await })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    open_gate.send(()).expect("the writer waits");
    first.await.expect("no panic").expect("is kept");
    let (mut accepted, mut other_content) = (0, 0);
    for answer in others {
        match answer.await.expect("no panic") {
            Ok(_) => accepted += 1,
            Err(StoreError::OtherContent) => other_content += 1,
            Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(other_content == 0 || accepted == 1, "{accepted} accepted, {other_content} refused");
}
