//! Several nodes on one server with one bucket: what one takes in, any of them gives out.

use std::path::Path;

use tempfile::tempdir;

use super::Ground;
use super::server::Bucket;
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, octets, read_part, take_in};
use crate::parts::objects::PIECE;
use crate::tests::checked;
use crate::tests::postgres::{node, shared};
use crate::{OpenError, SqliteStore};
use amtsbote_domain::ports::Store;

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
