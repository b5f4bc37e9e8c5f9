//! Sessions and issued ids beyond the contract: sealed at rest, bounded in all, and whole after commits
//! that fail and power that is cut.

use std::fs;
use std::path::Path;

use amtsbote_domain::identity::{Transport, TransportId};
use amtsbote_domain::ports::{
    Bound, IdStanding, IssuedIds, MAX_IDS_OF_ACCOUNT, MAX_SESSIONS, Sessions, Store, StoreError,
};
use rusqlite::Connection;
use tempfile::tempdir;

use super::failing::Planned;
use super::{checked, options};
use crate::contract::issued::{draft, issued, standing};
use crate::contract::sessions::{key, remember};
use crate::contract::{Draft, ManualClock, account};
use crate::sessions::BEFORE_ONE_IS_ADDED;
use crate::writer::{Fault, database_path};
use crate::{SqliteStore, StoreOptions};

/// What a partner said is in no file of the store, and what was changed there is not given out.
#[tokio::test]
async fn what_is_remembered_rests_sealed() {
    const SAID: &[u8] = b"TEST canary of a session";
    let dir = tempdir().expect("a folder");
    let (one, two) = (key("lemgo", b"one"), key("lemgo", b"two"));
    let open = || SqliteStore::open(options(dir.path(), ManualClock::new())).expect("opens");
    let store = open();
    store.open_session(&one, remember(SAID)).await.expect("is opened");
    store.open_session(&two, remember(SAID)).await.expect("is opened");
    store.turn_session(&two, 1, remember(SAID)).await.expect("answers");
    for entry in fs::read_dir(dir.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let octets = fs::read(&path).expect("reads");
            let told = octets.windows(SAID.len()).any(|window| window == SAID);
            assert!(!told, "{}", path.display());
        }
    }
    drop(store);
    let change = |sql: &str| {
        let db = Connection::open(database_path(dir.path())).expect("opens");
        assert_eq!(db.execute(sql, []).expect("changes"), 1, "{sql}");
    };
    let of_two = "FROM session WHERE id = x'74776f'";
    let columns = ["period", "wrapped_key", "size", "sha256", "body"]
        .map(|column| format!("{column} = (SELECT {column} {of_two})"))
        .join(", ");
    for (changed, back) in [
        ("revision = 2".to_owned(), Some("revision = 1".to_owned())),
        ("sha256 = zeroblob(32)".to_owned(), None),
        // That of another session, whole.
        (columns, None),
    ] {
        change(&format!("UPDATE session SET {changed} WHERE id = x'6f6e65'"));
        let store = open();
        let found = store.session(&one).await;
        assert!(matches!(found, Err(StoreError::Corrupt(_))), "{changed}: {found:?}");
        let untouched = store.session(&two).await.expect("answers").expect("is open");
        assert_eq!((untouched.revision, &untouched.octets[..]), (2, SAID));
        drop(store);
        if let Some(back) = back {
            change(&format!("UPDATE session SET {back} WHERE id = x'6f6e65'"));
            let store = open();
            let found = store.session(&one).await.expect("answers").expect("is open");
            assert_eq!(found.octets, SAID);
        }
    }
}

/// The table is full of the sessions of many, and of the ids of one.
pub(super) async fn all_tables_are_bounded(
    options: impl Fn(std::sync::Arc<ManualClock>) -> StoreOptions,
    sql: impl Fn(&str),
    count: impl Fn(&str) -> u64,
) {
    let clock = ManualClock::new();
    let store = SqliteStore::open(options(clock.clone())).expect("opens");
    store.open_session(&key("lemgo", b"one"), remember(b"")).await.expect("is opened");
    issued(&store, "one").await;
    drop(store);
    let numbers = |last: u32| {
        format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last})")
    };
    sql(&format!(
        "{} INSERT INTO session (account, transport, id, revision, ends, period, wrapped_key, size,
            sha256, body)
         SELECT 'a' || n.i, transport, id, revision, ends, period, wrapped_key, size, sha256, body
         FROM session, n",
        numbers(MAX_SESSIONS - 2)
    ));
    sql(&format!(
        "{} INSERT INTO issued_id (account, transport, id, ends)
         SELECT account, transport, 'a' || n.i, ends FROM issued_id, n",
        numbers(MAX_IDS_OF_ACCOUNT - 2)
    ));
    let store = SqliteStore::open(options(clock.clone())).expect("opens");
    let last = key("lage", b"last");
    store.open_session(&last, remember(b"")).await.expect("the last one");
    let more = store.open_session(&key("lage", b"more"), remember(b"")).await;
    assert!(matches!(more, Err(StoreError::NoRoom(Bound::Sessions))), "{more:?}");
    store.turn_session(&last, 1, remember(b"")).await.expect("what is open goes on");
    issued(&store, "last").await;
    let minute = std::time::Duration::from_secs(60);
    let id = TransportId::parse("more").expect("an id");
    let more = store.issue_id(&account("lage"), Transport::Native, &id, minute).await;
    assert!(matches!(more, Err(StoreError::NoRoom(Bound::IdsOfAccount))), "{more:?}");
    let theirs = store.issue_id(&account("lemgo"), Transport::Native, &id, minute).await;
    theirs.expect("another account has room");
    draft(1, "last").accepted(&store).await;
    issued(&store, "more").await;
    // Their time is over, nobody sweeps, and still there are never more rows.
    clock.advance(60);
    for n in 0..10u32 {
        let id = n.to_be_bytes();
        store.open_session(&key("lage", &id), remember(b"")).await.expect("there is room");
        issued(&store, &format!("new-{n}")).await;
    }
    drop(store);
    let removed = u64::from(BEFORE_ONE_IS_ADDED) * 10 - 10;
    assert_eq!(count("session"), u64::from(MAX_SESSIONS) - removed);
    assert_eq!(count("issued_id"), u64::from(MAX_IDS_OF_ACCOUNT) + 1 - removed);
    let store = SqliteStore::open(options(clock)).expect("opens");
    let over = 2 * (u64::from(MAX_SESSIONS) - removed) + 1 - 20;
    let mut swept = 0;
    loop {
        match store.sweep(u32::MAX).await.expect("sweeps") {
            0 => break,
            some => {
                assert!(some <= 2 * crate::operation::sweep::MAX_SWEPT, "in batches: {some}");
                swept += u64::from(some);
            }
        }
    }
    assert_eq!(swept, over);
    assert_eq!(store.open_sessions().await.expect("answers"), 10);
}

#[tokio::test]
async fn both_tables_are_bounded() {
    let dir = tempdir().expect("a folder");
    let db = || Connection::open(database_path(dir.path())).expect("opens");
    all_tables_are_bounded(
        |clock| options(dir.path(), clock),
        |sql| db().execute_batch(sql).expect("fills"),
        |table| {
            let sql = format!("SELECT count(*) FROM {table}");
            db().query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("counts").unsigned_abs()
        },
    )
    .await;
}

/// A commit that was not kept has used no id; one that was kept has, whatever was answered.
pub(super) async fn failing_commits_use_no_id_or_use_it(options: impl Fn() -> StoreOptions) {
    let planned = Planned::default();
    let store = SqliteStore::open_with(options(), Some(planned.faults())).expect("opens");
    let mut messages = 0;
    for (n, faults, kept) in [
        (1, &[Fault::NotKept][..], false),
        (2, &[Fault::NotKept, Fault::Fence], false),
        (3, &[Fault::Kept], true),
        (4, &[Fault::Kept, Fault::Fence], true),
        (5, &[Fault::Guard], true),
    ] {
        let id = format!("id-{n}");
        let until = issued(&store, &id).await;
        let message = draft(n, &id);
        planned.plan(faults);
        let answer = message.accept(&store).await;
        assert!(kept || answer.is_err(), "{faults:?}: {answer:?}");
        // Whatever fails next is not of this message.
        Draft::inbox(100 + n).accepted(&store).await;
        match kept {
            true => {
                assert_eq!(standing(&store, &id).await, IdStanding::Used, "{faults:?}");
                let again = message.accept(&store).await;
                assert!(matches!(again, Err(StoreError::IdUsed)), "{faults:?}: {again:?}");
            }
            false => {
                assert_eq!(standing(&store, &id).await, IdStanding::Open(until), "{faults:?}");
                message.accepted(&store).await;
            }
        }
        messages += 2;
        assert_eq!(checked(&store).await, messages, "{faults:?}");
    }
}

#[tokio::test]
async fn a_failing_commit_takes_an_id_or_leaves_it() {
    let dir = tempdir().expect("a folder");
    failing_commits_use_no_id_or_use_it(|| options(dir.path(), ManualClock::new())).await;
}

/// The power is cut: of the write-ahead log there is any beginning, or one with a torn end. Either the
/// message is there and the id is used, or neither; and the sessions are those of one moment.
#[tokio::test]
async fn a_power_cut_keeps_id_and_message_together() {
    let dir = tempdir().expect("a folder");
    let (home, cut) = (dir.path().join("home"), dir.path().join("cut"));
    let ours = key("lemgo", b"one");
    let store = SqliteStore::open(options(&home, ManualClock::new())).expect("opens");
    store.open_session(&ours, remember(b"1")).await.expect("is opened");
    for n in 1..4 {
        let id = format!("id-{n}");
        issued(&store, &id).await;
        store.turn_session(&ours, u64::from(n), remember(&[n as u8])).await.expect("answers");
        draft(n, &id).accepted(&store).await;
    }
    // While the store is open: nothing was written back.
    copy(&home, &cut);
    let log = fs::read(cut.join("hub.db-wal")).expect("a write-ahead log");
    drop(store);
    // The log says how large its pages are; each has a head of its own.
    let page = u32::from_be_bytes(log[8..12].try_into().expect("four octets")) as usize + 24;
    let frames = (log.len() - 32) / page;
    assert!(frames > 8, "{frames} frames");
    let mut seen = std::collections::BTreeSet::new();
    for frame in 0..=frames {
        for torn in [0, 1000] {
            let end = (32 + frame * page + torn).min(log.len());
            let db = dir.path().join("db");
            fs::create_dir_all(&db).expect("a folder");
            fs::copy(cut.join("hub.db"), db.join("hub.db")).expect("copies");
            fs::write(db.join("hub.db-wal"), &log[..end]).expect("writes");
            seen.insert(state_of_ids(&db.join("hub.db")));
            fs::remove_dir_all(&db).expect("removes");
        }
    }
    // Every moment was seen, from nothing to all.
    assert!(seen.contains(&(0, 0, 0)) && seen.contains(&(3, 0, 4)), "{seen:?}");
    for (messages, open, revision) in seen {
        assert!(open <= 1 && messages + open <= 3, "{messages} {open}");
        assert!((messages..=messages + 2).contains(&revision), "{messages} {open} {revision}");
    }
}

/// Messages, open ids and the revision of the session; no id is both open and used.
fn state_of_ids(path: &Path) -> (i64, i64, i64) {
    let db = Connection::open(path).expect("opens");
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("answers");
    if one("SELECT count(*) FROM sqlite_schema WHERE name = 'issued_id'") == 0 {
        return (0, 0, 0);
    }
    let both = "SELECT count(*) FROM issued_id i JOIN message m ON m.account = i.account
        AND m.transport = i.transport AND m.transport_id = i.id";
    assert_eq!(one(both), 0, "an id is open and used");
    let messages = one("SELECT count(*) FROM message");
    assert_eq!(messages, one("SELECT count(*) FROM leaf"), "a message without its evidence");
    let revision = one("SELECT coalesce(max(revision), 0) FROM session");
    (messages, one("SELECT count(*) FROM issued_id"), revision)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copies");
        }
    }
}
