//! Several nodes on one server with one bucket: what one takes in, any of them gives out.

use std::path::Path;
use std::sync::Arc;

use tempfile::tempdir;

use super::Ground;
use super::server::Bucket;
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, octets, read_part, take_in};
use crate::parts::objects::PIECE;
use crate::parts::removal::GONE;
use crate::tests::checked;
use crate::tests::postgres::{Gate, node, shared, without_folder};
use crate::{OpenError, ServerFault, SqliteStore};
use amtsbote_domain::ports::{Store, StoreError};

fn open(dir: &Path, name: &str, bucket: &Bucket) -> Result<SqliteStore, OpenError> {
    let mut options = node(shared(), dir, name, ManualClock::new());
    options.large_parts = bucket.large_parts();
    SqliteStore::open(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_share_a_bucket_and_no_folder() {
    let (dir, elsewhere) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let bucket = Bucket::new(dir.path());
    let a = open(dir.path(), "a", &bucket).expect("opens");
    let b = open(dir.path(), "b", &bucket).expect("opens");
    let drafts: Vec<_> = [100_000, PIECE, 2 * PIECE]
        .into_iter()
        .zip(1..)
        .map(|(size, number)| Draft { payload: octets(number, size), ..Draft::inbox(number) })
        .collect();
    for (draft, store) in drafts.iter().zip([&a, &b, &a]) {
        draft.accepted(store).await;
    }
    for draft in &drafts {
        for store in [&a, &b] {
            let read = read_part(store, &draft.hub_id(), PAYLOAD_CID).await.expect("reads");
            assert!(read == draft.payload);
        }
    }
    let other = open(dir.path(), "c", &Bucket::new(elsewhere.path())).err().expect("is refused");
    assert!(other.to_string().contains("not the bucket"), "{other}");

    // What a node leaves behind is removed by the next life of that node, not by the others.
    let mut unfinished = a.intake().expect("there is room");
    take_in(&mut *unfinished, "large", &octets(9, 2 * PIECE)).expect("is taken in");
    std::mem::forget(unfinished);
    drop((a, b));
    drop(open(dir.path(), "b", &bucket).expect("opens"));
    assert_eq!(bucket.at_rest().len(), 4);
    let a = open(dir.path(), "a", &bucket).expect("opens");
    bucket.has_in_the_end(3);
    assert_eq!(checked(&a).await, 3);
}

/// Of two nodes that are set up together, one names another bucket by mistake: it is told, although no part
/// came in yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_does_not_choose_a_bucket_of_its_own() {
    let (dir, elsewhere) = (tempdir().expect("a folder"), tempdir().expect("a folder"));
    let (bucket, wrong) = (Bucket::new(dir.path()), Bucket::new(elsewhere.path()));
    let _a = open(dir.path(), "a", &bucket).expect("opens");
    let other = open(dir.path(), "b", &wrong).err().expect("is refused");
    assert!(other.to_string().contains("not the bucket"), "{other}");
}

/// A node that nobody has heard of for long holds nothing any more: another one removes what it left,
/// and what it was about to accept is refused, whatever it still has in its hands.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_that_is_gone_has_left_is_removed_by_another() {
    let dir = tempdir().expect("a folder");
    let (bucket, clock) = (Bucket::new(dir.path()), ManualClock::new());
    let start = |name: &str| {
        let mut options = node(shared(), dir.path(), name, clock.clone());
        options.large_parts = bucket.large_parts();
        SqliteStore::open(options).expect("opens")
    };
    let (a, b) = (start("a"), start("b"));
    let large = |n| Draft { payload: octets(n, 100_000), ..Draft::inbox(n) };
    large(1).accepted(&a).await;
    let mut left = a.intake().expect("there is room");
    take_in(&mut *left, "large", &octets(9, 2 * PIECE)).expect("is taken in");
    std::mem::forget(left);
    let late = large(2).acceptance(a.intake().expect("there is room")).expect("is taken in");
    let hour = i64::try_from(GONE.as_secs()).expect("an hour");

    clock.advance(hour - 1);
    b.look();
    assert_eq!(bucket.at_rest().len(), 3, "it may be at work on them");
    clock.advance(2);
    b.look();
    assert_eq!(bucket.at_rest().len(), 1);
    let refused = a.accept(late).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let unknown = b.delivery(&large(2).hub_id()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");

    // It goes on, soon with names of its own.
    let mut tries = 0;
    while large(2).accept(&a).await.is_err() {
        tries += 1;
        assert!(tries < 100, "it never gets any");
    }
    large(3).accepted(&b).await;
    bucket.has_in_the_end(3);
    assert_eq!(checked(&b).await, 3);
}

/// What a node that stood still has accepted meanwhile is never removed: either it was, or it is refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_not_taken_over() {
    let dir = tempdir().expect("a folder");
    let (bucket, clock) = (Bucket::new(dir.path()), ManualClock::new());
    let (gate, faults) = Gate::new();
    let mut options = node(shared(), dir.path(), "a", clock.clone());
    options.large_parts = bucket.large_parts();
    let a = Arc::new(SqliteStore::open_with(options, Some(faults)).expect("opens"));
    let mut options = node(shared(), dir.path(), "b", clock.clone());
    options.large_parts = bucket.large_parts();
    let b = SqliteStore::open(options).expect("opens");
    let large = |n| Draft { payload: octets(n, 100_000), ..Draft::inbox(n) };
    large(1).accepted(&*a).await;
    a.look();
    let accepting = gate.accepting(&a, large(2)).await;
    clock.advance(i64::try_from(GONE.as_secs()).expect("an hour") + 1);
    // It waits for the log, and then there is nothing to take over.
    let looking = std::thread::spawn(move || {
        b.look();
        b
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    gate.open.send(()).expect("waits");
    accepting.await.expect("no panic").expect("is accepted");
    let b = looking.join().expect("no panic");
    b.look();
    let read = read_part(&b, &large(2).hub_id(), PAYLOAD_CID).await.expect("reads");
    assert!(read == large(2).payload);
    assert_eq!(checked(&b).await, 2);
}

/// With an object store nobody needs a folder, unless parts lie in one from before.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_named_only_where_it_is_needed() {
    let dir = tempdir().expect("a folder");
    let bucket = Bucket::new(dir.path());
    let with_bucket = |name: &str| {
        let mut options = without_folder(dir.path(), name);
        options.large_parts = bucket.large_parts();
        options
    };
    let a = SqliteStore::open(with_bucket("a")).expect("opens");
    let large = Draft { payload: octets(1, 100_000), ..Draft::inbox(1) };
    large.accepted(&a).await;
    let read = read_part(&a, &large.hub_id(), PAYLOAD_CID).await.expect("reads");
    assert!(read == large.payload);
    assert_eq!(checked(&a).await, 1);
    drop(a);

    let elsewhere = tempdir().expect("a folder");
    let none = SqliteStore::open(without_folder(elsewhere.path(), "a")).err();
    let none = none.expect("there is no place for large parts");
    assert!(matches!(none, OpenError::Server(ServerFault::NoFolder)), "{none}");
    drop(SqliteStore::open(node(shared(), elsewhere.path(), "a", ManualClock::new())));
    let mut options = without_folder(elsewhere.path(), "a");
    options.large_parts = Bucket::new(elsewhere.path()).large_parts();
    let some = SqliteStore::open(options).err().expect("parts may lie in a folder");
    assert!(matches!(some, OpenError::Server(ServerFault::NoFolder)), "{some}");
}
