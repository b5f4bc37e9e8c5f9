//! What became no message is removed while the store works, and what is in use never is.

use std::path::Path;
use std::time::{Duration, Instant};

use amtsbote_domain::ports::{Store, StoreError};
use rusqlite::Connection;
use tempfile::tempdir;

use super::faults::{Rig, large, open};
use super::proxy::Act;
use super::server::Bucket;
use super::{Ground, WHILE};
use crate::contract::{ManualClock, PAYLOAD_CID, octets, read_part, take_in};
use crate::tests::checked;
use crate::tests::failing::Planned;
use crate::writer::{Fault, database_path};
use crate::{LargeParts, SqliteStore};

/// So many names at most are reserved ahead and used by nobody.
const STOCK: i64 = 80;

/// Reserved names, whatever lies under them.
fn reserved(dir: &Path) -> i64 {
    let db = Connection::open(database_path(dir)).expect("opens");
    db.query_row("SELECT count(*) FROM reserved_file", [], |row| row.get(0)).expect("a count")
}

/// Nothing is reserved in the end but the stock.
fn only_the_stock_stays(dir: &Path) {
    let begun = Instant::now();
    while reserved(dir) > STOCK {
        assert!(begun.elapsed() < WHILE, "{} names are still reserved", reserved(dir));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes the store forget that it knows anything of so many objects.
fn reserve(dir: &Path, count: u32) {
    let mut db = Connection::open(database_path(dir)).expect("opens");
    let change = db.transaction().expect("begins");
    for n in 0..count {
        let name = format!("o-{n:032x}");
        change.execute("INSERT INTO reserved_file (name) VALUES (?1)", [name]).expect("inserts");
    }
    change.commit().expect("commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_do_not_grow_with_what_is_refused() {
    let rig = Rig::new();
    let kept = large(1, 100_000);
    kept.accepted(&rig.store).await;
    for _ in 0..75 {
        drop(rig.take_in(100_000).expect("is taken in"));
        assert!(kept.accept(&rig.store).await.expect("a repeat").repeated);
    }
    rig.bucket.has_in_the_end(1);
    only_the_stock_stays(rig.dir.path());
    assert_eq!(checked(&rig.store).await, 1);
}

/// It need not wait for anything that is left behind, nor for the service that it lies in.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_serves_before_anything_is_removed() {
    let rig = Rig::new();
    let Rig { dir, bucket, proxy, store } = rig;
    large(1, 100_000).accepted(&store).await;
    drop(store);
    reserve(dir.path(), 500);
    proxy.set(|method, path| match method {
        "DELETE" if path.contains("parts") => Act::Cut,
        _ => Act::Pass,
    });
    let store = open(dir.path(), &bucket, &proxy);
    large(2, 100_000).accepted(&store).await;
    drop(store.intake().map(|mut intake| {
        take_in(&mut *intake, "large", &octets(3, 100_000)).expect("is taken in");
    }));
    assert!(reserved(dir.path()) >= 500, "nothing could be removed yet");
    proxy.heal();
    only_the_stock_stays(dir.path());
    bucket.has_in_the_end(2);
    assert_eq!(checked(&store).await, 2);
}

/// Nobody knows whether a commit was kept: when it is known, what it did not keep is removed.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_unknown_commit_did_not_keep_is_removed() {
    for (fault, kept) in [(Fault::NotKept, false), (Fault::Kept, true)] {
        let dir = tempdir().expect("a folder");
        let (bucket, planned) = (Bucket::new(dir.path()), Planned::default());
        let options = Ground::options(&bucket, dir.path());
        let store = SqliteStore::open_with(options, Some(planned.faults())).expect("opens");
        let draft = large(1, 200_000);
        let acceptance = draft.acceptance(store.intake().expect("there is room"));
        let acceptance = acceptance.expect("is taken in");
        planned.plan(&[fault, Fault::Fence]);
        let unknown = store.accept(acceptance).await;
        assert!(matches!(unknown, Err(StoreError::OutcomeUnknown(_))), "{unknown:?}");
        large(2, 100).accepted(&store).await;
        drop(store.intake().map(|mut intake| {
            take_in(&mut *intake, "large", &octets(3, 100_000)).expect("is taken in");
        }));
        bucket.has_in_the_end(usize::from(kept));
        only_the_stock_stays(dir.path());
        let read = read_part(&store, &draft.hub_id(), PAYLOAD_CID).await;
        assert_eq!(read.ok(), kept.then_some(draft.payload), "{fault:?}");
        assert_eq!(checked(&store).await, 1 + u64::from(kept));
    }
}

/// A request that was given up may arrive after the removal.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_late_is_removed_once_more() {
    let dir = tempdir().expect("a folder");
    let (bucket, clock) = (Bucket::new(dir.path()), ManualClock::new());
    let mut options = crate::tests::options(dir.path(), clock.clone());
    let quiet = bucket.options().quiet(Duration::from_secs(60));
    options.large_parts = LargeParts::Objects(Box::new(quiet));
    let store = SqliteStore::open(options).expect("opens");
    let mut intake = store.intake().expect("there is room");
    take_in(&mut *intake, "large", &octets(1, 100_000)).expect("is taken in");
    let place = bucket.at_rest().remove(0);
    let late = std::fs::read(&place).expect("reads");
    drop(intake);
    bucket.has_in_the_end(0);
    std::fs::write(&place, late).expect("arrives");
    store.look();
    assert_eq!(bucket.at_rest().len(), 1, "it has time");
    clock.advance(61);
    store.look();
    assert_eq!(bucket.at_rest().len(), 0);
    let db = Connection::open(database_path(dir.path())).expect("opens");
    let due = "SELECT count(*) FROM reserved_file WHERE due IS NOT NULL";
    let due: i64 = db.query_row(due, [], |row| row.get(0)).expect("a count");
    assert_eq!(due, 0, "and forgotten");
}

/// What cannot be removed does not keep the rest from being removed.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_stays_holds_up_no_other() {
    let rig = Rig::new();
    let stays = format!("{:032x}", 7);
    reserve(rig.dir.path(), 300);
    rig.proxy.set(move |method, path| match method {
        "DELETE" if path.contains(&stays) => Act::Answer(403, "x-a: b", ""),
        _ => Act::Pass,
    });
    let begun = Instant::now();
    while reserved(rig.dir.path()) > 1 {
        assert!(begun.elapsed() < WHILE, "{} are left", reserved(rig.dir.path()));
        rig.store.look();
    }
    rig.store.look();
    assert_eq!(reserved(rig.dir.path()), 1, "it is not forgotten");
}
