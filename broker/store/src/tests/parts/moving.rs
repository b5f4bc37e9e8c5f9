//! Large parts move with their store, from any place to any other: sealed as they are, under names of
//! the new place.

use std::path::Path;

use amtsbote_domain::ports::Store;
use tempfile::tempdir;

use super::Ground;
use super::proxy::{Act, Proxy};
use super::server::{Bucket, shared as s3};
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, octets, read_part};
use crate::moving::{MoveError, Moved, abandon_move, move_store};
use crate::parts::objects::PIECE;
use crate::tests::postgres::{node, shared};
use crate::tests::{checked, options};
use crate::{LargeParts, OpenError, SqliteStore, StoreOptions};

fn in_file(dir: &Path, name: &str) -> StoreOptions {
    options(&dir.join(name), ManualClock::new())
}

fn on_server(dir: &Path, name: &str) -> StoreOptions {
    node(shared(), dir, name, ManualClock::new())
}

fn with(mut options: StoreOptions, bucket: &Bucket) -> StoreOptions {
    options.large_parts = bucket.large_parts();
    options
}

/// As a command does it, outside of any runtime.
async fn moved(from: &StoreOptions, to: &StoreOptions) -> Result<Moved, MoveError> {
    let (from, to) = (from.clone(), to.clone());
    let moving = tokio::task::spawn_blocking(move || move_store(&from, &to, &mut |_| {}));
    moving.await.expect("no panic")
}

/// Sizes on both sides of everything: in a row, one object, an upload in pieces.
const SIZES: [usize; 4] = [100, 70_000, PIECE, 2 * PIECE + 5];

fn drafts() -> Vec<Draft> {
    let draft = |(size, n)| Draft { payload: octets(n, size), ..Draft::inbox(n) };
    SIZES.into_iter().zip(1..).map(draft).collect()
}

async fn fill(store: &SqliteStore) {
    for draft in drafts() {
        draft.accepted(store).await;
    }
}

/// Everything is there, under the same head, and it goes on.
async fn goes_on(at: &StoreOptions, head: &str) {
    let store = SqliteStore::open(at.clone()).expect("opens");
    assert_eq!(store.head().await.expect("a head"), head);
    for draft in drafts() {
        let read = read_part(&store, &draft.hub_id(), PAYLOAD_CID).await.expect("reads");
        assert!(read == draft.payload);
        assert!(draft.accept(&store).await.expect("is known").repeated);
    }
    assert_eq!(checked(&store).await, drafts().len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_parts_move_from_place_to_place() {
    let dir = tempdir().expect("a folder");
    let folders = [(); 3].map(|()| tempdir().expect("a folder"));
    let [one, other, third] = folders.each_ref().map(|folder| Bucket::new(folder.path()));
    let steps = [
        in_file(dir.path(), "a"),
        with(on_server(dir.path(), "b"), &one),
        with(in_file(dir.path(), "c"), &other),
        // Of one kind, from place to place.
        in_file(dir.path(), "d"),
        on_server(dir.path().join("x").as_path(), "e"),
        with(on_server(dir.path().join("y").as_path(), "f"), &third),
    ];
    let store = SqliteStore::open(steps[0].clone()).expect("opens");
    fill(&store).await;
    let head = store.head().await.expect("a head");
    drop(store);
    for step in steps.windows(2) {
        let report = moved(&step[0], &step[1]).await.expect("moves");
        assert!(report.report.holds() && !report.resumed, "{report:?}");
        assert_eq!(report.files, 3, "{report:?}");
        let refused = SqliteStore::open(step[0].clone()).err().expect("is refused");
        assert!(matches!(refused, OpenError::Moved), "{refused}");
        goes_on(&step[1], &head).await;
    }
    for bucket in [&one, &other, &third] {
        assert_eq!(bucket.at_rest().len(), 3);
    }
}

/// The database moves, and the bucket stays: nothing is copied, and nothing in it is without a name.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_may_stay_where_it_is() {
    let dir = tempdir().expect("a folder");
    let bucket = Bucket::new(dir.path());
    let (from, to) =
        (with(in_file(dir.path(), "a"), &bucket), with(on_server(dir.path(), "b"), &bucket));
    let store = SqliteStore::open(from.clone()).expect("opens");
    fill(&store).await;
    let mut left = store.intake().expect("there is room");
    crate::contract::take_in(&mut *left, "large", &octets(9, 2 * PIECE)).expect("is taken in");
    std::mem::forget(left);
    let head = store.head().await.expect("a head");
    drop(store);
    let report = moved(&from, &to).await.expect("moves");
    assert_eq!(report.files, 0, "{report:?}");
    assert_eq!(bucket.at_rest().len(), 3);
    goes_on(&to, &head).await;
    // And from there into a folder.
    let last = in_file(dir.path(), "c");
    let report = moved(&to, &last).await.expect("moves");
    assert_eq!(report.files, 3, "{report:?}");
    goes_on(&last, &head).await;
}

/// The service goes away in the middle: the same command goes on, and no upload stays behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_a_bucket_that_breaks_off_goes_on() {
    let dir = tempdir().expect("a folder");
    let (bucket, proxy) = (Bucket::new(dir.path()), Proxy::start(s3().port));
    let from = in_file(dir.path(), "a");
    let store = SqliteStore::open(from.clone()).expect("opens");
    fill(&store).await;
    let head = store.head().await.expect("a head");
    drop(store);
    let mut to = on_server(dir.path(), "b");
    to.large_parts = LargeParts::Objects(Box::new(bucket.options_at(proxy.port)));
    // The second piece of an upload never arrives.
    proxy.set(|method, path| match method {
        "PUT" if path.contains("partNumber=2") => Act::Cut,
        _ => Act::Pass,
    });
    let stopped = moved(&from, &to).await;
    assert!(matches!(stopped, Err(MoveError::File(_))), "{stopped:?}");
    assert_eq!(bucket.uploads().len(), 1, "that is left of it");
    let refused = SqliteStore::open(from.clone()).err().expect("is refused");
    assert!(matches!(refused, OpenError::Moved), "{refused}");
    proxy.heal();
    let report = moved(&from, &to).await.expect("goes on");
    assert!(report.report.holds(), "{report:?}");
    assert_eq!((bucket.uploads().len(), bucket.parts().len()), (0, 3));
    goes_on(&to, &head).await;
}

/// What is damaged on its way is noticed before anything is released.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_part_is_not_released() {
    let dir = tempdir().expect("a folder");
    let bucket = Bucket::new(dir.path());
    let (from, to) = (with(in_file(dir.path(), "a"), &bucket), on_server(dir.path(), "b"));
    let store = SqliteStore::open(from.clone()).expect("opens");
    fill(&store).await;
    let head = store.head().await.expect("a head");
    drop(store);
    let place = bucket.parts().remove(0);
    let good = std::fs::read(&place).expect("reads");
    std::fs::write(&place, super::flipped(&good, 5_000)).expect("writes");
    let stopped = moved(&from, &to).await;
    assert!(matches!(stopped, Err(MoveError::DoesNotHold(_))), "{stopped:?}");
    let (back, there) = (from.clone(), to.clone());
    tokio::task::spawn_blocking(move || abandon_move(&back, &there))
        .await
        .expect("no panic")
        .expect("is abandoned");
    std::fs::write(&place, good).expect("writes");
    goes_on(&from, &head).await;
}
