//! A store moves to a server and back: nothing is lost or changed, and never can both be started.

use std::fs;
use std::path::Path;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::Scope;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Acceptance, IdStanding, Sessions, Slots, Store};
use amtsbote_domain::state::{Event, State};
use tempfile::tempdir;

use super::{database, node, shared};
use crate::contract::issued::{draft, issued, standing};
use crate::contract::readers::for_three;
use crate::contract::sessions::{key, remember};
use crate::contract::{
    ATTACHMENT_CID, AUTHOR, Draft, ManualClock, PAYLOAD_CID, octets, read_part, state_of,
};
use crate::moving::{MoveError, Moved, abandon_move, move_store};
use crate::options::Database;
use crate::parts::folder::path_in;
use crate::startup::PAYLOAD;
use crate::tests::{checked, options};
use crate::{OpenError, SqliteStore, StoreOptions, verify_at};

fn in_file(dir: &Path, name: &str) -> StoreOptions {
    options(&dir.join(name), ManualClock::new())
}

fn on_server(dir: &Path) -> StoreOptions {
    node(shared(), dir, "a", ManualClock::new())
}

/// As a command does it, outside of any runtime.
async fn moved(from: StoreOptions, to: StoreOptions) -> Result<Moved, MoveError> {
    let moving = tokio::task::spawn_blocking(move || move_store(&from, &to, &mut |_| {}));
    moving.await.expect("no panic")
}

async fn abandoned(from: StoreOptions, to: StoreOptions) -> Result<(), MoveError> {
    tokio::task::spawn_blocking(move || abandon_move(&from, &to)).await.expect("no panic")
}

fn refused(options: StoreOptions) -> OpenError {
    SqliteStore::open(options).err().expect("is refused")
}

fn large(n: u32) -> Draft {
    Draft { payload: octets(n, 200_000), ..Draft::inbox(n) }
}

/// Every kind of row: in rows and in files, collected, sent, refused, with an attempt left open.
async fn fill(store: &SqliteStore) {
    large(1).accepted(store).await;
    for n in 2..400 {
        Draft::inbox(n).accepted(store).await;
    }
    for n in 400..403 {
        Draft::peer(n).accepted(store).await;
    }
    let author = PartyId::parse(AUTHOR).expect("a party");
    let scope = Scope::Relayed { author, sender: Some(Digest([9; 32])) };
    Draft { scope, ..Draft::inbox(403) }.accepted(store).await;
    let by = Some("account:reader".to_owned());
    let digest = {
        let acceptance: Acceptance =
            Draft::inbox(2).acceptance(store.intake().expect("room")).expect("is taken in");
        acceptance.record.parts[0].sha256
    };
    store
        .apply(&Draft::inbox(2).hub_id(), Event::Acknowledge, by, Some(digest))
        .await
        .expect("is acknowledged");
    let lease = std::time::Duration::from_secs(60);
    let leases = store.lease_due(Slots::any(2), lease).await.expect("leases");
    for lease in &leases {
        store.begin_attempt(lease).await.expect("begins");
    }
    store.settle(&leases[0], Event::AttemptRefused, None, None).await.expect("ends");
}

/// Written over themselves, files would be empty before anybody could see it.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_parts_is_never_copied_onto_itself() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    large(1).accepted(&store).await;
    drop(store);
    let payload = dir.path().join("old").join(PAYLOAD);
    std::os::unix::fs::symlink(&payload, dir.path().join("shared")).expect("a link");
    let refused = moved(in_file(dir.path(), "old"), on_server(dir.path())).await;
    assert!(matches!(refused, Err(MoveError::SameFolder)), "{refused:?}");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("goes on as before");
    let read = read_part(&store, &large(1).hub_id(), PAYLOAD_CID).await;
    assert_eq!(read.expect("reads"), large(1).payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_a_server_and_back() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    fill(&store).await;
    let session = key("lemgo", b"one");
    store.open_session(&session, remember(b"first")).await.expect("is opened");
    let until = issued(&store, "given-out").await;
    let receipt = store.receipt(&Draft::inbox(2).hub_id(), "acknowledged").await;
    drop(store);

    let report = moved(in_file(dir.path(), "old"), on_server(dir.path())).await.expect("moves");
    assert!(report.report.holds() && !report.resumed, "{report:?}");
    assert_eq!((report.report.messages, report.files), (403, 1));
    assert!(report.report.parts.is_some_and(|parts| parts >= 403), "{report:?}");
    assert_eq!(report.report.log.outside, 1, "the head guard went along");
    assert!(matches!(refused(in_file(dir.path(), "old")), OpenError::Moved));
    let again = moved(in_file(dir.path(), "old"), on_server(dir.path())).await;
    assert!(matches!(again, Err(MoveError::Elsewhere)), "{again:?}");
    let undone = abandoned(in_file(dir.path(), "old"), on_server(dir.path())).await;
    assert!(matches!(undone, Err(MoveError::NotUnderWay)), "{undone:?}");
    // Nor with a place where there is nothing: the history would go on twice.
    let again = moved(in_file(dir.path(), "old"), in_file(dir.path(), "third")).await;
    assert!(matches!(again, Err(MoveError::Elsewhere)), "{again:?}");
    let undone = abandoned(in_file(dir.path(), "old"), in_file(dir.path(), "third")).await;
    assert!(matches!(undone, Err(MoveError::NotUnderWay)), "{undone:?}");
    assert!(matches!(refused(in_file(dir.path(), "old")), OpenError::Moved));

    let store = SqliteStore::open(on_server(dir.path())).expect("opens");
    assert_eq!(checked(&store).await, 403);
    let same = store.receipt(&Draft::inbox(2).hub_id(), "acknowledged").await;
    assert_eq!(same.expect("is stored"), receipt.expect("is stored"));
    let read = read_part(&store, &large(1).hub_id(), PAYLOAD_CID).await;
    assert_eq!(read.expect("reads"), large(1).payload);
    // The source ended what was open before it was left.
    let states =
        [state_of(&store, &Draft::peer(400)).await, state_of(&store, &Draft::peer(401)).await];
    assert!(states.contains(&State::Uncertain), "{states:?}");
    // Ids that are open went along, conversations did not.
    assert_eq!(standing(&store, "given-out").await, IdStanding::Open(until));
    assert_eq!(store.session(&session).await.expect("answers"), None);
    // A repetition is one, and what is new gets a new place.
    assert!(Draft::inbox(3).accept(&store).await.expect("is known").repeated);
    Draft::inbox(500).accepted(&store).await;
    let head = store.head().await.expect("a head");
    drop(store);

    let report = moved(on_server(dir.path()), in_file(dir.path(), "new")).await.expect("moves");
    assert!(report.report.holds(), "{report:?}");
    assert!(matches!(refused(on_server(dir.path())), OpenError::Moved));
    let store = SqliteStore::open(in_file(dir.path(), "new")).expect("opens");
    assert_eq!(store.head().await.expect("a head"), head);
    assert_eq!(checked(&store).await, 404);
    draft(501, "given-out").accepted(&store).await;
    assert_eq!(checked(&store).await, 405);
}

/// What several Readers share lies there once, and is there for each of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_several_readers_is_moved_once() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    let draft = for_three(1);
    draft.accepted(&store).await;
    drop(store);
    let report = moved(in_file(dir.path(), "old"), on_server(dir.path())).await.expect("moves");
    assert!(report.report.holds(), "{report:?}");
    assert_eq!((report.report.messages, report.files), (3, 1));
    let store = SqliteStore::open(on_server(dir.path())).expect("opens");
    for n in 0..3 {
        let read = read_part(&store, &draft.hub_id_for(n), ATTACHMENT_CID).await.expect("reads");
        assert!(Some(read) == draft.attachment, "Reader {n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_moved_onto_something_or_past_a_node_at_work() {
    let dir = tempdir().expect("a folder");
    let old = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    Draft::inbox(1).accepted(&old).await;
    let busy = moved(in_file(dir.path(), "old"), on_server(dir.path())).await;
    assert!(matches!(busy, Err(MoveError::Source(OpenError::InUse))), "{busy:?}");
    drop(old);
    let on = SqliteStore::open(on_server(dir.path())).expect("opens");
    Draft::inbox(2).accepted(&on).await;
    let mut other = on_server(dir.path());
    other.dir = dir.path().join("elsewhere");
    let full = moved(in_file(dir.path(), "old"), other).await;
    assert!(matches!(full, Err(MoveError::NotEmpty)), "{full:?}");
    let mut other = node(shared(), dir.path(), "b", ManualClock::new());
    other.dir = dir.path().join("b");
    let busy = moved(other, in_file(dir.path(), "new")).await;
    assert!(matches!(busy, Err(MoveError::AtWork)), "{busy:?}");
    let same = moved(in_file(dir.path(), "old"), in_file(dir.path(), "old")).await;
    assert!(matches!(same, Err(MoveError::SameStore)), "{same:?}");
    drop(on);
    let mut same = on_server(dir.path());
    same.dir = dir.path().join("elsewhere");
    let same = moved(on_server(dir.path()), same).await;
    assert!(matches!(same, Err(MoveError::SameStore)), "{same:?}");
    SqliteStore::open(in_file(dir.path(), "old")).expect("nothing has happened to it");
}

/// A part is damaged: the target is not released, and the source is left. Both ways out work.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_does_not_hold_goes_on_or_is_abandoned() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    large(1).accepted(&store).await;
    drop(store);
    let name = payload_name(dir.path());
    let place = path_in(&dir.path().join("old").join(PAYLOAD), &name);
    let good = fs::read(&place).expect("reads");
    let mut bad = good.clone();
    bad[1_000] ^= 1;
    fs::write(&place, &bad).expect("writes");
    for _ in 0..2 {
        let stopped = moved(in_file(dir.path(), "old"), on_server(dir.path())).await;
        assert!(matches!(stopped, Err(MoveError::DoesNotHold(_))), "{stopped:?}");
        assert!(matches!(refused(in_file(dir.path(), "old")), OpenError::Moved));
        assert!(matches!(refused(on_server(dir.path())), OpenError::Arriving));
    }
    fs::write(&place, &good).expect("writes");
    let report = moved(in_file(dir.path(), "old"), on_server(dir.path())).await.expect("goes on");
    assert!(report.resumed && report.report.holds(), "{report:?}");
    let store = SqliteStore::open(on_server(dir.path())).expect("opens");
    assert_eq!(checked(&store).await, 1);
    drop(store);

    // And back, onto a disk that gives out something else.
    let place = path_in(&dir.path().join("shared"), &name);
    fs::write(&place, &bad).expect("writes");
    let stopped = moved(on_server(dir.path()), in_file(dir.path(), "new")).await;
    assert!(matches!(stopped, Err(MoveError::DoesNotHold(_))), "{stopped:?}");
    fs::write(&place, &good).expect("writes");
    abandoned(on_server(dir.path()), in_file(dir.path(), "new")).await.expect("is abandoned");
    assert!(matches!(refused(in_file(dir.path(), "new")), OpenError::Arriving));
    let again = moved(on_server(dir.path()), in_file(dir.path(), "new")).await;
    assert!(matches!(again, Err(MoveError::NotEmpty)), "{again:?}");
    let store = SqliteStore::open(on_server(dir.path())).expect("opens");
    Draft::inbox(2).accepted(&store).await;
    assert_eq!((checked(&store).await, database(dir.path()).is_empty()), (2, false));
}

fn meta(dir: &Path, name: &str) -> Vec<u8> {
    rusqlite::Connection::open(dir.join("old/hub.db"))
        .and_then(|db| {
            db.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
        })
        .expect("a value")
}

/// One place was given up for another: it can never be taken over any more.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_places_one_gets_the_store() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    large(1).accepted(&store).await;
    drop(store);
    let place = path_in(&dir.path().join("old").join(PAYLOAD), &payload_name(dir.path()));
    let good = fs::read(&place).expect("reads");
    fs::write(&place, &good[..1_000]).expect("writes");
    let stopped = moved(in_file(dir.path(), "old"), on_server(dir.path())).await;
    assert!(matches!(stopped, Err(MoveError::DoesNotHold(_))), "{stopped:?}");
    fs::write(&place, &good).expect("writes");
    moved(in_file(dir.path(), "old"), in_file(dir.path(), "new")).await.expect("moves");
    let store = SqliteStore::open(in_file(dir.path(), "new")).expect("opens");
    Draft::inbox(2).accepted(&store).await;
    drop(store);
    let late = moved(in_file(dir.path(), "old"), on_server(dir.path())).await;
    assert!(matches!(late, Err(MoveError::NotEmpty)), "{late:?}");
    assert!(matches!(refused(on_server(dir.path())), OpenError::Arriving));
}

/// The process ends between the two marks that it sets when a move is abandoned.
#[tokio::test(flavor = "multi_thread")]
async fn giving_a_move_up_can_be_repeated() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    large(1).accepted(&store).await;
    drop(store);
    let place = path_in(&dir.path().join("old").join(PAYLOAD), &payload_name(dir.path()));
    let good = fs::read(&place).expect("reads");
    fs::write(&place, &good[..1_000]).expect("writes");
    let stopped = moved(in_file(dir.path(), "old"), on_server(dir.path())).await;
    assert!(matches!(stopped, Err(MoveError::DoesNotHold(_))), "{stopped:?}");
    fs::write(&place, &good).expect("writes");
    let token = meta(dir.path(), "moved");
    let abandon = || abandoned(in_file(dir.path(), "old"), on_server(dir.path()));
    abandon().await.expect("is abandoned");
    rusqlite::Connection::open(dir.path().join("old/hub.db"))
        .and_then(|db| db.execute("INSERT INTO meta (name, value) VALUES ('moved', ?1)", [token]))
        .expect("as it was between the two");
    abandon().await.expect("goes on");
    let store = SqliteStore::open(in_file(dir.path(), "old")).expect("opens");
    assert_eq!(checked(&store).await, 1);
}

/// A part may take longer to read than a node may keep the log: the check keeps nothing from anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_may_take_its_time_while_a_store_is_checked() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(on_server(dir.path())).expect("opens");
    large(1).accepted(&store).await;
    drop(store);
    let name = shared().sql(&database(dir.path()), "SELECT file FROM payload WHERE file <> ''");
    let place = path_in(&dir.path().join("shared"), &name);
    let octets = fs::read(&place).expect("reads");
    fs::remove_file(&place).expect("removes");
    let made = std::process::Command::new("mkfifo").arg(&place).status().expect("mkfifo runs");
    assert!(made.success());
    let slow = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(6));
        fs::write(&place, &octets)
    });
    let mut options = on_server(dir.path());
    let Database::Postgres(server) = &mut options.database else { panic!("it is on a server") };
    server.lock_wait = std::time::Duration::from_secs(2);
    let checked = tokio::task::spawn_blocking(move || {
        let keys = Some(&*options.keys);
        let (database, parts) = (&options.database, &options.large_parts);
        verify_at(database, parts, &options.dir, options.log_key.verifier(), keys)
    });
    let report = checked.await.expect("no panic").expect("can be checked");
    slow.join().expect("no panic").expect("is read");
    assert!(report.holds() && report.parts == Some(2), "{report:?}");
}

fn payload_name(dir: &Path) -> String {
    rusqlite::Connection::open(dir.join("old/hub.db"))
        .and_then(|db| {
            db.query_row("SELECT file FROM payload WHERE file IS NOT NULL", [], |row| row.get(0))
        })
        .expect("a file")
}
