//! The folder that nodes share for large parts: one that is away is no other one, and nothing is there to
//! be missed.

use std::fs;

use amtsbote_domain::ports::{Store, StoreError};
use tempfile::tempdir;

use super::{database, node, shared};
use crate::SqliteStore;
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, octets, read_part, take_in};
use crate::tests::checked;

fn large(number: u32) -> Draft {
    Draft { payload: octets(number, 200_000), ..Draft::inbox(number) }
}

/// Unmounted while a node works, it looks empty. Its parts are not changed by that, none may go to where
/// no other node would find it, and what is to be removed is not forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_away_for_a_while_changes_nothing() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(node(shared(), dir.path(), "one", ManualClock::new()));
    let store = store.expect("opens");
    large(1).accepted(&store).await;
    let mut dropped = store.intake().expect("there is room");
    take_in(&mut *dropped, "large", &octets(9, 200_000)).expect("is taken in");
    let (here, aside) = (dir.path().join("shared"), dir.path().join("aside"));
    fs::rename(&here, &aside).expect("is unmounted");
    fs::create_dir(&here).expect("a place to mount at");

    let opened = store.open_part(&large(1).hub_id(), PAYLOAD_CID).await.err();
    assert!(matches!(opened, Some(StoreError::Unavailable(_))), "{opened:?}");
    let mut refused = store.intake().expect("there is room");
    let taken = take_in(&mut *refused, "large", &octets(2, 200_000));
    assert!(matches!(taken, Err(StoreError::Unavailable(_))), "{taken:?}");
    drop((dropped, refused));
    store.look();
    assert_eq!(fs::read_dir(&here).expect("reads").count(), 0);

    fs::remove_dir(&here).expect("is empty");
    fs::rename(&aside, &here).expect("is there again");
    let read = read_part(&store, &large(1).hub_id(), PAYLOAD_CID).await;
    assert_eq!(read.expect("reads"), large(1).payload);
    large(2).accepted(&store).await;
    let name = database(dir.path());
    let due = "SELECT count(*) FROM reserved_file WHERE due IS NOT NULL";
    let begun = std::time::Instant::now();
    while shared().sql(&name, due) != "0" {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it stays");
        store.look();
    }
    let parts = fs::read_dir(&here).expect("reads").flatten().filter(|entry| entry.path().is_dir());
    let parts = parts.flat_map(|folder| fs::read_dir(folder.path()).expect("reads"));
    assert_eq!(parts.count(), 2, "those of messages, and no other");
    assert_eq!(checked(&store).await, 2);
}
