//! The database file: how it is opened, and the migrations that made its tables.
//!
//! A migration is a numbered SQL file that never changes once released; its digest is recorded
//! with it, so that a store written by another line of programs is noticed.

use std::path::Path;
use std::time::Duration;

use amtsbote_domain::wrapping::WrappingKeys;
use jiff::Timestamp;
use openssl::sha::sha256;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::keys;
use crate::options::OpenError;
use crate::sql::Db;
use crate::writer::Fault;

/// Every migration, in order; the first has number 1.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_keys_leave.sql"),
    include_str!("migrations/0003_clearing.sql"),
    include_str!("migrations/0004_lanes_and_order.sql"),
    include_str!("migrations/0005_notices.sql"),
    include_str!("migrations/0006_scope.sql"),
    include_str!("migrations/0007_removals.sql"),
    include_str!("migrations/0008_readers.sql"),
    include_str!("migrations/0009_sessions.sql"),
    include_str!("migrations/0010_done_alone.sql"),
];
/// The number of the migration before which the keys leave the database.
const KEYS_LEAVE: usize = 2;

/// How long a connection waits for another one. Only checkpoints and offline tools contend.
const BUSY: Duration = Duration::from_secs(10);

/// Octets of a page of a database that is made; one that is there keeps its own (4 KiB up to now). A message
/// changes fewer of these, and each that is changed costs.
const PAGE: i64 = 8 << 10;

/// Octets of the write-ahead log after which it is written back into the database.
const LOG: i64 = 16_384_000;

/// KiB of pages that the writer keeps. More costs: at the end of most commits SQLite looks at every page
/// kept, because it numbers pages anew by way of a number far beyond the end of the database, and drops
/// afterwards what lies there. What it no longer keeps, the system does.
const CACHE_KIB: i64 = 16 << 10;

/// Opens the database for the one writer and brings its tables up to date.
///
/// Keys that it still holds are durable in the key store before they are taken out here: a kill
/// between the two leaves them in both places, and the next start goes on. `fails` is asked where a
/// test ends the process.
pub(crate) fn open_writer(
    path: &Path,
    now: Timestamp,
    keys: &dyn WrappingKeys,
    max_pages: Option<u32>,
    fails: &dyn Fn(Fault) -> bool,
) -> Result<Db, OpenError> {
    let mut db = Connection::open(path).map_err(database)?;
    db.busy_timeout(BUSY).map_err(database)?;
    steady(&db).map_err(database)?;
    // FULL: every commit is synced before it is answered (P1). A table that others refer to can be
    // made anew only while nobody watches foreign keys; migrations check them before they are kept.
    // The page size counts for a database that is made here, before its first page is written.
    db.execute_batch(&format!(
        "PRAGMA page_size = {PAGE}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = OFF; PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -{CACHE_KIB}; PRAGMA temp_store = MEMORY;"
    ))
    .map_err(database)?;
    let page: i64 = db.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(database)?;
    db.pragma_update(None, "wal_autocheckpoint", LOG / page.max(512)).map_err(database)?;
    db.set_prepared_statement_cache_capacity(128);
    let killed = |fault| match fails(fault) {
        true => Err(OpenError::Database("made to fail".to_owned())),
        false => Ok(()),
    };
    let before = |number: usize, db: &Connection| match number {
        KEYS_LEAVE => {
            // What is taken out is overwritten, not only unlinked.
            keys::export(db, keys)?;
            killed(Fault::KeysExported)
        }
        _ => Ok(()),
    };
    db.execute_batch("PRAGMA secure_delete = ON").map_err(database)?;
    migrate(&mut db, MIGRATIONS, now, &before)?;
    db.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA secure_delete = OFF;
         DROP TABLE IF EXISTS temp.exported_key;",
    )
    .map_err(database)?;
    killed(Fault::KeysInTheLog)?;
    empty_log(&db)?;
    if let Some(pages) = max_pages {
        db.pragma_update(None, "max_page_count", pages).map_err(database)?;
    }
    Ok(Db::Sqlite(db))
}

/// One plan for each statement, whatever values are bound: statements are prepared once, and not anew
/// because a value is another than last time.
fn steady(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Once the keys have left: writes the log back into the database and cuts it off, so that they are
/// in neither. Done at a later start where somebody reads the old state meanwhile.
fn empty_log(db: &Connection) -> Result<(), OpenError> {
    const MARK: &str = "keys-in-the-log";
    let marked = db
        .query_row("SELECT 1 FROM meta WHERE name = ?1", [MARK], |_| Ok(()))
        .optional()
        .map_err(database)?;
    if marked.is_none() {
        return Ok(());
    }
    let busy: i64 =
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(database)?;
    if busy != 0 {
        tracing::warn!("somebody reads the store: its log is emptied of old keys at a later start");
        return Ok(());
    }
    db.execute("DELETE FROM meta WHERE name = ?1", [MARK]).map(drop).map_err(database)
}

/// Opens the database for reading only.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Db> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    steady(&db)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(Db::Sqlite(db))
}

/// Refuses a store that this program does not know, for those who only read.
pub(crate) fn check(db: &Db) -> Result<(), OpenError> {
    match db {
        Db::Sqlite(db) => check_file(db),
        #[cfg(feature = "postgres")]
        Db::Postgres(_) => crate::postgres::check(db),
    }
}

fn check_file(db: &Connection) -> Result<(), OpenError> {
    match recorded(db)?.len() {
        count if count == MIGRATIONS.len() => agree(db, MIGRATIONS),
        count => {
            let (found, known) = (count as u32, MIGRATIONS.len() as u32);
            Err(match found < known {
                true => OpenError::OlderSchema { found, known },
                false => OpenError::NewerSchema { found, known },
            })
        }
    }
}

/// Runs what has not run. `before` is called in the same transaction before each, with its number.
fn migrate(
    db: &mut Connection,
    migrations: &[&str],
    now: Timestamp,
    before: &dyn Fn(usize, &Connection) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
    change
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migration (
                version INTEGER NOT NULL PRIMARY KEY,
                sha256  BLOB    NOT NULL,
                at      INTEGER NOT NULL
            ) STRICT",
        )
        .map_err(database)?;
    agree(&change, migrations)?;
    let done = recorded(&change)?.len();
    for (version, sql) in migrations.iter().enumerate().skip(done) {
        before(version + 1, &change)?;
        change.execute_batch(sql).map_err(database)?;
        change
            .execute(
                "INSERT INTO migration (version, sha256, at) VALUES (?1, ?2, ?3)",
                params![version as i64 + 1, sha256(sql.as_bytes()), now.as_microsecond()],
            )
            .map_err(database)?;
    }
    if done < migrations.len() {
        refers_well(&change)?;
    }
    change.commit().map_err(database)
}

/// Whether every row that a row refers to is there.
fn refers_well(db: &Connection) -> Result<(), OpenError> {
    let stray: Option<String> = db
        .query_row("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", [], |row| row.get(0))
        .optional()
        .map_err(database)?;
    match stray {
        None => Ok(()),
        Some(table) => Err(OpenError::Database(format!(
            "rows of the table {table} refer to rows that are not there: it stays at the schema it had"
        ))),
    }
}

/// Whether what ran is what `migrations` says, as far as both go.
fn agree(db: &Connection, migrations: &[&str]) -> Result<(), OpenError> {
    let recorded = recorded(db)?;
    if recorded.len() > migrations.len() {
        let (found, known) = (recorded.len() as u32, migrations.len() as u32);
        return Err(OpenError::NewerSchema { found, known });
    }
    for (n, ((version, digest), sql)) in recorded.iter().zip(migrations).enumerate() {
        let number = n as u32 + 1;
        if i64::from(number) != *version || digest[..] != sha256(sql.as_bytes()) {
            return Err(OpenError::OtherMigration { version: number });
        }
    }
    Ok(())
}

fn recorded(db: &Connection) -> Result<Vec<(i64, Vec<u8>)>, OpenError> {
    let exists = db
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'migration'", [], |_| Ok(()))
        .optional()
        .map_err(database)?;
    if exists.is_none() {
        return Ok(Vec::new());
    }
    db.prepare("SELECT version, sha256 FROM migration ORDER BY version")
        .and_then(|mut sql| {
            sql.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()
        })
        .map_err(database)
}

/// A database error on opening.
pub(crate) fn database(error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => OpenError::Full,
        _ => OpenError::Database(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn fresh() -> Connection {
        Connection::open_in_memory().expect("a database in memory")
    }

    #[test]
    fn migrations_run_once_and_in_order() {
        let mut db = fresh();
        let first = "CREATE TABLE a (x)";
        let second = "INSERT INTO a VALUES (1)";
        migrate(&mut db, &[first], NOW, &|_, _| Ok(())).expect("the first");
        for _ in 0..2 {
            migrate(&mut db, &[first, second], NOW, &|_, _| Ok(())).expect("the second");
        }
        let rows: i64 = db.query_row("SELECT count(*) FROM a", [], |r| r.get(0)).expect("a count");
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_newer_or_a_different_store_is_refused() {
        let mut db = fresh();
        migrate(&mut db, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"], NOW, &|_, _| Ok(()))
            .expect("both");
        let newer = migrate(&mut db, &["CREATE TABLE a (x)"], NOW, &|_, _| Ok(()));
        assert!(matches!(newer, Err(OpenError::NewerSchema { found: 2, known: 1 })), "{newer:?}");
        let other =
            migrate(&mut db, &["CREATE TABLE a (x)", "CREATE TABLE c (x)"], NOW, &|_, _| Ok(()));
        assert!(matches!(other, Err(OpenError::OtherMigration { version: 2 })), "{other:?}");
    }

    #[test]
    fn a_migration_that_leaves_strays_is_not_kept() {
        let mut db = fresh();
        db.execute_batch("PRAGMA foreign_keys = OFF").expect("nobody watches");
        let tables = "CREATE TABLE a (x INTEGER PRIMARY KEY); INSERT INTO a VALUES (1), (2);
            CREATE TABLE b (x REFERENCES a); INSERT INTO b VALUES (1), (2);";
        let again = |kept: &str| {
            format!(
                "CREATE TABLE c (x INTEGER PRIMARY KEY); INSERT INTO c SELECT x FROM a {kept};
                 DROP TABLE a; ALTER TABLE c RENAME TO a;"
            )
        };
        let (loses, keeps) = (again("WHERE x < 2"), again(""));
        migrate(&mut db, &[tables], NOW, &|_, _| Ok(())).expect("the first");
        let refused = migrate(&mut db, &[tables, &loses], NOW, &|_, _| Ok(()));
        assert!(matches!(&refused, Err(OpenError::Database(why)) if why.contains("table b")));
        assert_eq!(recorded(&db).expect("readable").len(), 1);
        migrate(&mut db, &[tables, &keeps], NOW, &|_, _| Ok(())).expect("the second");
        db.execute_batch("PRAGMA foreign_keys = ON").expect("somebody watches");
        let gone = db.execute("DELETE FROM a WHERE x = 2", []);
        assert!(gone.is_err(), "b refers to the new table");
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing() {
        let mut db = fresh();
        migrate(&mut db, &["CREATE TABLE a (x); CREATE TABLE a (x)"], NOW, &|_, _| Ok(()))
            .expect_err("twice a");
        assert!(recorded(&db).expect("readable").is_empty());
    }
}
