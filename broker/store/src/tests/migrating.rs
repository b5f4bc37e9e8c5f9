//! Period keys leave the database for the key store: durable there first, then gone here, and
//! nothing is lost wherever the process is killed. And what a store does without its keys.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use amtsbote_domain::identity::Scope;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Store, StoreError};
use amtsbote_domain::wrapping::{KeyError, KeyId, WrappingKeys};
use rusqlite::{Connection, params};
use tempfile::tempdir;

use super::{checked, log_key, options};
use crate::contract::keys::{DerivedKeys, wrap};
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, octets, read_part};
use crate::writer::{Fault, database_path};
use crate::{OpenError, SqliteStore, VerifyError};

const MASTER: [u8; 32] = [42; 32];

fn open(
    dir: &Path,
    keys: &Arc<DerivedKeys>,
    fault: Option<Fault>,
) -> Result<SqliteStore, OpenError> {
    let mut options = options(dir, ManualClock::new());
    options.keys = keys.clone();
    SqliteStore::open_with(options, Some(Arc::new(move |asked| fault == Some(asked))))
}

/// Messages whose parts lie in rows and in files, of more than one key.
fn drafts() -> [Draft; 3] {
    let large = Draft { payload: octets(7, 200_000), ..Draft::inbox(1) };
    [large, Draft::inbox(2), Draft::peer(3)]
}

/// Puts the store back to what these migrations made, with all its rows: they go into
/// tables that those have made, column by column.
fn go_back(dir: &Path, migrations: &[&str]) {
    let (now, then) = (database_path(dir), dir.join("then"));
    let db = Connection::open(&then).expect("opens");
    db.execute_batch(
        "PRAGMA foreign_keys = OFF; CREATE TEMP TABLE exported_key (number INTEGER, key_id TEXT);
         CREATE TABLE migration (
            version INTEGER NOT NULL PRIMARY KEY, sha256 BLOB NOT NULL, at INTEGER NOT NULL
         ) STRICT;",
    )
    .expect("begins");
    for (sql, version) in migrations.iter().zip(1..) {
        db.execute_batch(sql).expect("runs");
        let digest = openssl::sha::sha256(sql.as_bytes());
        db.execute("INSERT INTO migration VALUES (?1, ?2, 0)", params![version, &digest[..]])
            .expect("is recorded");
    }
    db.execute("ATTACH ?1 AS now", [now.to_str().expect("in UTF-8")]).expect("is there");
    let texts = |sql: &str| -> Vec<String> {
        let mut sql = db.prepare(sql).expect("a question");
        sql.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("texts")
    };
    let tables = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> 'migration'";
    for table in texts(tables) {
        let columns = texts(&format!("SELECT name FROM pragma_table_info('{table}', 'main')"));
        let columns = columns.join(", ");
        db.execute_batch(&format!(
            "DELETE FROM main.{table};
             INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table};"
        ))
        .expect("goes back");
    }
    db.execute_batch("DETACH now").expect("is let go");
    drop(db);
    let steady = Connection::open(&now).expect("opens");
    steady.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).expect("nothing in a log");
    drop(steady);
    fs::rename(then, now).expect("takes its place");
}

/// Before transport ids had a scope.
const FIVE: [&str; 5] = [
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_keys_leave.sql"),
    include_str!("../migrations/0003_clearing.sql"),
    include_str!("../migrations/0004_lanes_and_order.sql"),
    include_str!("../migrations/0005_notices.sql"),
];

#[tokio::test]
async fn ids_get_a_scope_and_everything_else_stays() {
    let dir = tempdir().expect("a folder");
    let keys = DerivedKeys::new(MASTER);
    let store = open(dir.path(), &keys, None).expect("opens");
    let mut receipts = Vec::new();
    for draft in drafts() {
        receipts.push(draft.accepted(&store).await.receipt);
    }
    let leaves = store.figures().await.expect("figures").leaves;
    drop(store);
    go_back(dir.path(), &FIVE);
    let refused = crate::verify_offline(dir.path(), log_key().verifier(), None).err();
    assert!(refused.expect("is refused").to_string().contains("schema 5"));

    let store = open(dir.path(), &keys, None).expect("opens");
    is_whole(&store).await;
    assert_eq!(store.figures().await.expect("figures").leaves, leaves);
    for (draft, receipt) in drafts().into_iter().zip(receipts) {
        let again = draft.accept(&store).await.expect("a repeat");
        assert_eq!((again.repeated, again.receipt), (true, receipt));
        let author = PartyId::parse(draft.author).expect("a party");
        let scope = Scope::Relayed { author, sender: None };
        let relayed = Draft { scope: scope.clone(), ..draft.clone() };
        assert!(relayed.accept(&store).await.expect("a repeat").repeated, "by whatever scope");
        let other = Draft { payload: b"<other/>".to_vec(), ..draft.clone() };
        let refused = other.accept(&store).await;
        assert!(matches!(refused, Err(StoreError::OtherContent)), "{refused:?}");
        // The constraint itself is the new one.
        let number = draft.number + 10;
        let author = PartyId::parse("ags:05766020").expect("a party");
        let scope = Scope::Relayed { author, sender: None };
        let id = Some(draft.transport_id().to_string());
        Draft { number, scope, author: "ags:05766020", transport_id: id, ..draft }
            .accepted(&store)
            .await;
    }
    assert_eq!(checked(&store).await, 6);
    drop(store);
    let db = Connection::open(database_path(dir.path())).expect("opens");
    db.execute_batch("PRAGMA foreign_keys = ON").expect("watches");
    let gone = db.execute("DELETE FROM message", []).expect_err("others refer to it");
    assert!(gone.to_string().contains("FOREIGN KEY"), "{gone}");
    let twice = db.execute(
        "UPDATE message SET transport_id = 'id-1', scope = '' WHERE transport_id <> 'id-1'",
        [],
    );
    assert!(twice.expect_err("they are unique").to_string().contains("message.scope"));
}

/// A store as the first schema had it: the keys lie in it, wrapped under the master key. Returns
/// what stands in it of each.
async fn old_store(dir: &Path) -> Vec<Vec<u8>> {
    let keys = DerivedKeys::new(MASTER);
    let store = open(dir, &keys, None).expect("opens");
    for draft in drafts() {
        draft.accepted(&store).await;
    }
    drop(store);
    go_back(dir, &FIVE);
    let db = Connection::open(database_path(dir)).expect("opens");
    db.execute_batch(
        "ALTER TABLE wrapping_key ADD COLUMN wrapped BLOB NOT NULL DEFAULT x'';
         DROP TABLE notice;
         DROP TABLE proposal_target; DROP TABLE proposal; DROP TABLE taken_case;
         DROP INDEX delivery_cause; DROP INDEX delivery_clearing;
         ALTER TABLE delivery DROP COLUMN cause; ALTER TABLE delivery DROP COLUMN by_hand;
         ALTER TABLE delivery DROP COLUMN channel;
         DROP INDEX delivery_ready; DROP INDEX delivery_queue; DROP INDEX delivery_going;
         CREATE INDEX delivery_ready ON delivery (peer, ready, seq) WHERE ready IS NOT NULL;
         ALTER TABLE delivery DROP COLUMN lane; ALTER TABLE delivery DROP COLUMN conversation;
         ALTER TABLE delivery DROP COLUMN queue;
         DELETE FROM migration WHERE version > 1;
         INSERT INTO meta VALUES ('master-key-check', zeroblob(60));",
    )
    .expect("goes back");
    let ids: Vec<String> = db
        .prepare("SELECT key_id FROM wrapping_key ORDER BY id")
        .and_then(|mut sql| sql.query_map([], |row| row.get(0))?.collect())
        .expect("names");
    assert_eq!(ids.len(), 2, "two tenants: {ids:?}");
    let mut held = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let key = keys.key(&KeyId::parse(id).expect("an id")).expect("a key");
        let period = format!("2026-{:02}", 9 + n);
        let wrapped = wrap(&MASTER, period.as_bytes(), &key);
        let sql = "UPDATE wrapping_key SET wrapped = ?2, key_id = ?3 WHERE key_id = ?1";
        db.execute(sql, params![id, wrapped, period]).expect("puts the key back");
        held.push(wrapped);
    }
    db.execute_batch(
        "ALTER TABLE wrapping_key RENAME COLUMN key_id TO period;
         ALTER TABLE wrapping_key RENAME TO period_key;",
    )
    .expect("goes back");
    held
}

/// Whether any file of the store holds these octets.
fn holds(dir: &Path, octets: &[u8]) -> bool {
    let files = fs::read_dir(dir).expect("reads").map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.is_file()).any(|path| {
        let file = fs::read(&path).expect("reads");
        file.windows(octets.len()).any(|window| window == octets)
    })
}

async fn is_whole(store: &SqliteStore) {
    for draft in drafts() {
        let read = read_part(store, &draft.hub_id(), PAYLOAD_CID).await.expect("opens");
        assert_eq!(read, draft.payload);
    }
}

#[tokio::test]
async fn period_keys_leave_for_the_key_store_wherever_it_is_killed() {
    let faults = [None, Some(Fault::KeysExported), Some(Fault::KeysInTheLog)];
    for fault in faults {
        let dir = tempdir().expect("a folder");
        let held = old_store(dir.path()).await;
        assert!(held.iter().all(|key| holds(dir.path(), key)), "they were there");
        let keys = DerivedKeys::new(MASTER);
        if fault.is_some() {
            let killed = open(dir.path(), &keys, fault).err().expect("is killed");
            assert!(matches!(killed, OpenError::Database(_)), "{fault:?}: {killed}");
            assert_eq!(keys.adopted().len(), 2, "{fault:?}: durable before anything else");
        }
        let store = open(dir.path(), &keys, None).expect("goes on");
        assert_eq!(keys.adopted().len(), 2, "{fault:?}");
        assert_eq!(store.named_keys().await.expect("names"), keys.adopted(), "{fault:?}");
        for key in &held {
            assert!(!holds(dir.path(), key), "{fault:?}: gone while the store works");
        }
        is_whole(&store).await;
        Draft::inbox(9).accepted(&store).await;
        assert_eq!(checked(&store).await, 4, "{fault:?}");
        drop(store);
        for key in &held {
            assert!(!holds(dir.path(), key), "{fault:?}");
        }
        // Now the key store is needed: the database alone opens nothing.
        let empty = DerivedKeys::new(MASTER);
        let refused = open(dir.path(), &empty, None).err().expect("is refused");
        assert!(matches!(refused, OpenError::Key(KeyError::Missing(_))), "{fault:?}: {refused}");
        is_whole(&open(dir.path(), &keys, None).expect("opens")).await;
    }
}

#[tokio::test]
async fn a_wrong_master_key_takes_no_key_out_of_an_old_store() {
    let dir = tempdir().expect("a folder");
    let held = old_store(dir.path()).await;
    let wrong = DerivedKeys::new([43; 32]);
    let refused = open(dir.path(), &wrong, None).err().expect("is refused");
    assert!(matches!(refused, OpenError::Key(KeyError::NotOurs)), "{refused}");
    assert!(wrong.adopted().is_empty());
    assert!(held.iter().all(|key| holds(dir.path(), key)), "they are still there");
    let refused = crate::verify_offline(dir.path(), log_key().verifier(), None).err();
    assert!(refused.expect("is refused").to_string().contains("schema 1"));
    // It names no key, and that must not be taken for needing none.
    let refused = crate::named_keys(dir.path());
    assert!(
        matches!(refused, Err(VerifyError::Open(OpenError::OlderSchema { found: 1, .. }))),
        "{refused:?}"
    );
    is_whole(&open(dir.path(), &DerivedKeys::new(MASTER), None).expect("opens")).await;
}

#[tokio::test]
async fn tenants_have_keys_of_their_own() {
    let dir = tempdir().expect("a folder");
    let keys = DerivedKeys::new(MASTER);
    let store = open(dir.path(), &keys, None).expect("opens");
    let other = Draft { reader: "ags:05766020", ..Draft::inbox(2) };
    for draft in [&Draft::inbox(1), &other, &Draft::peer(3), &Draft::inbox(4)] {
        draft.accepted(&store).await;
    }
    let named = store.named_keys().await.expect("names");
    let tenants: Vec<&str> = named.iter().map(|id| id.tenant().as_str()).collect();
    // Whoever collects here; and the Author of what goes on to another hub.
    assert_eq!(tenants, ["ags:05766044", "ags:05766020", "ags:05766048"]);

    // One of them is destroyed: that content is gone, everything else is as it was.
    keys.destroy(named[0].clone());
    let gone = store.open_part(&Draft::inbox(1).hub_id(), PAYLOAD_CID).await.err();
    assert!(matches!(gone, Some(StoreError::Corrupt(_))), "{gone:?}");
    read_part(&store, &other.hub_id(), PAYLOAD_CID).await.expect("opens");
    let report = store.verify(true).await.expect("can be checked");
    assert!(report.holds(), "erased on purpose is no damage: {report:?}");
    assert_eq!((report.messages, report.parts), (4, Some(4)));
    drop(store);
    let store = open(dir.path(), &keys, None).expect("opens without it");
    drop(store);

    // Another one is lost: the store says so before it works.
    keys.lose(named[1].clone());
    let refused = open(dir.path(), &keys, None).err().expect("is refused");
    assert!(matches!(refused, OpenError::Key(KeyError::Missing(_))), "{refused}");
    let keys: &dyn WrappingKeys = &*keys;
    let report = crate::verify_offline(dir.path(), log_key().verifier(), Some(keys));
    let report = report.expect("can be checked");
    assert_eq!(report.problem_count, 2, "the parts that need it: {report:?}");
}
