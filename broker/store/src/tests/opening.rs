//! What a store refuses to open, and what it finds when it does.

use std::fs;
use std::path::Path;

use amtsbote_archive::note::LogKey;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::ports::{Intake, Slots, Store, StoreError};
use amtsbote_domain::wrapping::KeyError;
use rusqlite::Connection;
use tempfile::tempdir;

use super::{checked, log_key, options};
use crate::contract::keys::DerivedKeys;
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, octets, proven, take_in};
use crate::startup::{GUARD, PAYLOAD};
use crate::writer::database_path;
use crate::{OpenError, SqliteStore};

fn open(dir: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(options(dir, ManualClock::new()))
}

/// The database as it is on a closed store; put back later.
fn copy_database(dir: &Path) -> Vec<u8> {
    fs::read(database_path(dir)).expect("reads")
}

fn put_back(dir: &Path, database: &[u8]) {
    fs::write(database_path(dir), database).expect("writes");
}

/// The database file alone is then the whole truth: it can be copied, and read by anybody.
#[tokio::test]
async fn a_closed_store_leaves_no_write_ahead_log() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    Draft::inbox(1).accepted(&store).await;
    store.figures().await.expect("a reading connection was used");
    drop(store);
    let beside = dir.path().join("hub.db-wal");
    assert!(!beside.exists(), "hub.db-wal is left behind");
}

/// A new database has pages of 8 KiB; one that was made with 4 KiB keeps them, and works.
#[tokio::test]
async fn a_database_keeps_the_size_of_its_pages() {
    let dir = tempdir().expect("a folder");
    let page = || -> i64 {
        let db = Connection::open(database_path(dir.path())).expect("opens");
        db.query_row("PRAGMA page_size", [], |row| row.get(0)).expect("a size")
    };
    let store = open(dir.path()).expect("opens");
    Draft::inbox(1).accepted(&store).await;
    drop(store);
    assert_eq!(page(), 8192);
    let db = Connection::open(database_path(dir.path())).expect("opens");
    db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).expect("no log");
    db.execute_batch("PRAGMA page_size = 4096; VACUUM").expect("is made anew");
    drop(db);
    assert_eq!(page(), 4096);
    let store = open(dir.path()).expect("opens again");
    Draft::inbox(2).accepted(&store).await;
    assert_eq!(checked(&store).await, 2);
    drop(store);
    assert_eq!(page(), 4096);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    let second = open(dir.path()).err().expect("is refused");
    assert!(matches!(second, OpenError::InUse), "{second}");
    drop(store);
    open(dir.path()).expect("opens again");
}

#[tokio::test]
async fn other_keys_are_refused() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    Draft::inbox(1).accepted(&store).await;
    drop(store);
    let mut other = options(dir.path(), ManualClock::new());
    other.keys = DerivedKeys::new([43; 32]);
    let refused = SqliteStore::open(other).err().expect("is refused");
    assert!(matches!(refused, OpenError::Key(KeyError::OtherMaster(_))), "{refused}");
    assert!(refused.text().de.contains("Hauptschlüssel"), "says what to do");
    let mut other = options(dir.path(), ManualClock::new());
    other.log_key = LogKey::generate("amtsbote/test/1").expect("a key");
    let refused = SqliteStore::open(other).err().expect("is refused");
    assert!(matches!(refused, OpenError::OtherLogKey { .. }), "{refused}");
    open(dir.path()).expect("opens with the right ones");
}

#[tokio::test]
async fn an_older_database_is_refused() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    Draft::inbox(1).accepted(&store).await;
    drop(store);
    let older = copy_database(dir.path());
    let store = open(dir.path()).expect("opens");
    Draft::inbox(2).accepted(&store).await;
    drop(store);
    let newer = copy_database(dir.path());

    put_back(dir.path(), &older);
    let refused = open(dir.path()).err().expect("is refused");
    assert!(matches!(refused, OpenError::RolledBack(_)), "{refused}");
    assert!(refused.to_string().contains("1 leaves, but a head over 2"), "{refused}");
    assert!(refused.text().de.contains("Sicherung"), "says what to do");

    fs::remove_file(database_path(dir.path())).expect("removes");
    let refused = open(dir.path()).err().expect("is refused");
    assert!(matches!(refused, OpenError::RolledBack(_)), "an empty one: {refused}");

    put_back(dir.path(), &newer);
    assert_eq!(checked(&open(dir.path()).expect("opens")).await, 2);
}

#[tokio::test]
async fn a_second_history_is_refused() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    Draft::inbox(1).accepted(&store).await;
    drop(store);
    let older = copy_database(dir.path());
    let store = open(dir.path()).expect("opens");
    Draft::inbox(2).accepted(&store).await;
    drop(store);
    let released = fs::read(dir.path().join(GUARD)).expect("reads");

    // Without its guard the older database goes on to another, longer history.
    put_back(dir.path(), &older);
    fs::remove_file(dir.path().join(GUARD)).expect("removes");
    let store = open(dir.path()).expect("opens");
    for n in 3..6 {
        Draft::inbox(n).accepted(&store).await;
    }
    drop(store);
    fs::write(dir.path().join(GUARD), released).expect("writes");
    let refused = open(dir.path()).err().expect("is refused");
    assert!(matches!(refused, OpenError::RolledBack(_)), "{refused}");
    assert!(refused.to_string().contains("first 2 leaves"), "{refused}");
}

#[tokio::test]
async fn a_damaged_log_is_refused() {
    let changes = [
        "DELETE FROM leaf WHERE idx = 4",
        "UPDATE leaf SET hash = zeroblob(32) WHERE idx = 4",
        "UPDATE node SET hash = zeroblob(32) WHERE level = 2 AND idx = 0",
        "DELETE FROM node WHERE level = 2",
        "UPDATE log_head SET note = replace(note, 'amtsbote', 'amtsbotf')",
        "DELETE FROM log_head",
    ];
    for change in changes {
        let dir = tempdir().expect("a folder");
        let store = open(dir.path()).expect("opens");
        for n in 0..5 {
            Draft::inbox(n).accepted(&store).await;
        }
        drop(store);
        let db = Connection::open(database_path(dir.path())).expect("opens");
        db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {change}")).expect("changes");
        drop(db);
        let refused = open(dir.path()).err().expect("is refused");
        assert!(
            matches!(refused, OpenError::Damaged(_) | OpenError::RolledBack(_)),
            "{change}: {refused}"
        );
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = tempdir().expect("a folder");
    drop(open(dir.path()).expect("opens"));
    let db = Connection::open(database_path(dir.path())).expect("opens");
    let newer = "INSERT INTO migration SELECT max(version) + 1, zeroblob(32), 0 FROM migration";
    db.execute(newer, []).expect("changes");
    drop(db);
    let refused = open(dir.path()).err().expect("is refused");
    let OpenError::NewerSchema { found, known } = refused else { panic!("{refused}") };
    assert_eq!(found, known + 1);
    let log_key = log_key();
    let refused = crate::verify_offline(dir.path(), log_key.verifier(), None).err();
    assert!(refused.expect("is refused").to_string().contains(&format!("schema {found}")));
}

#[tokio::test]
async fn the_start_is_recorded_with_what_it_found() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    for n in 0..3 {
        Draft::peer(n).accepted(&store).await;
    }
    let leases =
        store.lease_due(Slots::any(2), std::time::Duration::from_secs(9)).await.expect("leases");
    for lease in &leases {
        store.begin_attempt(lease).await.expect("begins");
    }
    drop(store);
    let store = open(dir.path()).expect("opens");
    assert_eq!(store.lost_attempts(), 2);
    let receipt = store.started("0.1.0").await.expect("is recorded");
    let expected = Evidence::Started { version: "0.1.0".to_owned(), open_attempts: 2 };
    assert_eq!(proven(&receipt, store.verifier()), expected);
    assert_eq!(checked(&store).await, 3);
}

/// Payload files in the folder.
fn files(dir: &Path) -> usize {
    let folders = fs::read_dir(dir.join(PAYLOAD)).expect("a folder");
    folders
        .map(|folder| fs::read_dir(folder.expect("a folder").path()).expect("a folder").count())
        .sum()
}

fn large_part(store: &SqliteStore) -> Box<dyn Intake> {
    let mut intake = store.intake().expect("there is room");
    take_in(&mut *intake, "large", &octets(1, 300_000)).expect("is taken in");
    intake
}

#[tokio::test]
async fn what_is_not_accepted_leaves_no_file() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    let mut open_part = large_part(&store);
    open_part.begin("unfinished", "text/plain").expect("begins");
    open_part.write(&octets(2, 200_000)).expect("writes");
    assert_eq!(files(dir.path()), 2);
    drop(open_part);
    assert_eq!(files(dir.path()), 0, "dropped");

    let large = Draft { payload: octets(3, 100_000), ..Draft::inbox(1) };
    large.accepted(&store).await;
    assert_eq!(files(dir.path()), 1);
    let other = Draft { payload: octets(4, 100_000), ..large.clone() };
    let refused = other.accept(&store).await;
    assert!(matches!(refused, Err(StoreError::OtherContent)), "{refused:?}");
    assert!(large.accept(&store).await.expect("a repeat").repeated);
    assert_eq!(files(dir.path()), 1, "refused and repeated");

    // As after a crash: nobody cleans up.
    std::mem::forget(large_part(&store));
    let mut unfinished = store.intake().expect("there is room");
    unfinished.begin("unfinished", "text/plain").expect("begins");
    unfinished.write(&octets(2, 200_000)).expect("writes");
    std::mem::forget(unfinished);
    assert_eq!(files(dir.path()), 3);
    drop(store);
    let store = open(dir.path()).expect("opens");
    store.look();
    assert_eq!(files(dir.path()), 1, "removed after the next start");
    assert_eq!(checked(&store).await, 1);
}

#[tokio::test]
async fn octets_rest_encrypted() {
    let dir = tempdir().expect("a folder");
    let store = open(dir.path()).expect("opens");
    let canary = b"canary-canary-canary";
    let large = [&octets(1, 90_000)[..], canary, &octets(2, 90_000)].concat();
    let small = Draft { payload: canary.to_vec(), attachment: Some(large), ..Draft::inbox(1) };
    small.accepted(&store).await;
    let mut folders = vec![dir.path().to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let octets = fs::read(&path).expect("reads");
            looked_at += octets.len();
            let found = octets.windows(canary.len()).any(|window| window == canary);
            assert!(!found, "{}", path.display());
        }
    }
    assert!(looked_at > 180_000, "the octets were among what was looked at");
    assert_eq!(checked(&store).await, 1);
    let part = store.open_part(&small.hub_id(), PAYLOAD_CID).await.expect("opens");
    assert_eq!(std::io::read_to_string(part).expect("reads").as_bytes(), canary);
}
