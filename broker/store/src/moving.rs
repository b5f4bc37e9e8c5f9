//! A store moves to another database, from a file to a server or back, or its large parts to another
//! place, with all at rest.
//!
//! Everything that was accepted and recorded goes over as it is: leaves, nodes, heads, receipts,
//! messages, deliveries and sealed octets, byte for byte; only the names of large parts say where they
//! lie now. A bucket that both name stays where it is. At every moment at most one of the two can be
//! started. First the source is marked as left; then the target gets all rows in one transaction, marked
//! as not yet taken over; then it is read again and checked; last its mark falls. Broken off anywhere,
//! the same command goes on.
//!
//! What belongs to nodes stays behind: their lives, whose lease it was, and names of files that were
//! reserved; so do sessions of transports, which partners open anew. Ids that were given out go over: a
//! partner may use one afterwards. Attempts that were open become uncertain when the lease ends, or at the
//! next start.

mod parts;
mod tables;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amtsbote_archive::guard::HeadGuard;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::text::Text;
use openssl::rand::rand_bytes;

use crate::SqliteStore;
use crate::migrate;
use crate::options::{Database, LargeParts, OpenError, StoreOptions, code, with_detail};
#[cfg(feature = "s3")]
use crate::parts::objects::Objects;
use crate::parts::{Places, removal};
use crate::sql::{Db, Source, params};
use crate::startup::{
    ARRIVING, GUARD, Lock, MOVED, TAKEN_OVER, drop_meta, lock, meta, payload_folder, places,
    set_meta, stored_head,
};
use crate::verify::{self, VerifyError, VerifyReport};
use crate::writer::database_path;

/// How long connections of a node that has just ended may take to be gone.
const ENDING: Duration = Duration::from_secs(5);

/// What went over.
#[derive(Debug)]
pub struct Moved {
    /// Rows of all tables.
    pub rows: u64,
    /// Large parts that were copied; those in a bucket that stays are not.
    pub files: u64,
    /// The move was begun before, and all rows were there already.
    pub resumed: bool,
    /// What the target said when all of it was checked; it holds.
    pub report: VerifyReport,
}

/// Why a store did not move. The source can be started as before only where it says so, or after the
/// move was abandoned.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// Both are one store. Nothing was changed.
    #[error("both are one store")]
    SameStore,
    /// The logs have different keys. Nothing was changed.
    #[error("the two configurations name different log keys")]
    OtherLog,
    /// The source does not open.
    #[error("the store to move: {0}")]
    Source(OpenError),
    /// The target does not open.
    #[error("the new store: {0}")]
    Target(OpenError),
    /// Nodes are connected to the source. Nothing was changed.
    #[error("nodes are at work on the store to move")]
    AtWork,
    /// There is something in the target. Nothing was changed.
    #[error("the new store is not empty")]
    NotEmpty,
    /// The source was moved before, to another place.
    #[error("the store was moved elsewhere before")]
    Elsewhere,
    /// It cannot be abandoned: the target may have been started, or there was no move.
    #[error("there is no move that could be abandoned")]
    NotUnderWay,
    /// Both keep large parts in one folder: a file would be written over itself. Nothing was changed.
    #[error("both stores keep large parts in one folder")]
    SameFolder,
    /// The tables of the two do not agree: a mistake of this program. Nothing was changed.
    #[error("the table {0} is not the same on both sides")]
    Tables(String),
    /// What was written is not what was read.
    #[error("{0} did not arrive as it was")]
    Differs(String),
    /// The target has everything, and the check finds fault with it.
    #[error("the check of the new store finds fault")]
    DoesNotHold(Box<VerifyReport>),
    /// The check could not be made.
    #[error("the check of the new store: {0}")]
    Check(VerifyError),
    /// A statement failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A file does not work.
    #[error("a file: {0}")]
    File(#[from] std::io::Error),
}

impl MoveError {
    /// What an operator reads and does, and the cause, in German and in English. Words that this program
    /// has in English only stand in the English text alone.
    pub fn told(&self) -> (String, String) {
        let text = self.text();
        let detail = match self {
            Self::Source(error) | Self::Target(error) => error.detail(),
            Self::Tables(name) | Self::Differs(name) => Some(name.clone()),
            Self::Store(StoreError::Unavailable(what) | StoreError::OutcomeUnknown(what)) => {
                code(what)
            }
            Self::File(error) => Some(error.to_string()),
            _ => None,
        };
        (with_detail(text.de, detail), format!("{} ({self})", text.en))
    }

    /// Whether the two configurations can never go together, or the command does not fit the state of the
    /// move: not before somebody changes one of them.
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Self::SameStore
            | Self::OtherLog
            | Self::NotEmpty
            | Self::Elsewhere
            | Self::NotUnderWay
            | Self::SameFolder => true,
            Self::Source(error) | Self::Target(error) => error.is_wrong_use(),
            Self::AtWork
            | Self::Tables(_)
            | Self::Differs(_)
            | Self::DoesNotHold(_)
            | Self::Check(_)
            | Self::Store(_)
            | Self::File(_) => false,
        }
    }

    /// What an operator reads and does, in both languages.
    pub fn text(&self) -> Text {
        match self {
            Self::SameStore => Text {
                de: "Beide Konfigurationen nennen denselben Speicher. Der neue braucht einen eigenen Ordner (data_dir) und eine eigene Datenbank.",
                en: "Both configurations name the same store. The new one needs a folder (data_dir) and a database of its own.",
            },
            Self::OtherLog => Text {
                de: "Die beiden Konfigurationen haben verschiedene Schlüssel des Nachweisprotokolls. name und keys.store müssen dieselben sein.",
                en: "The two configurations have different keys of the evidence log. name and keys.store must be the same.",
            },
            Self::Source(error) | Self::Target(error) => error.text(),
            Self::AtWork => Text {
                de: "Am alten Speicher arbeiten noch Knoten. Alle anhalten, dann wiederholen. Nichts wurde geändert.",
                en: "Nodes are still at work on the old store. Stop all of them, then repeat. Nothing was changed.",
            },
            Self::NotEmpty => Text {
                de: "Im neuen Speicher liegt schon etwas. Eine leere Datenbank oder einen leeren Ordner verwenden. Nichts wurde geändert.",
                en: "There is something in the new store already. Use an empty database or folder. Nothing was changed.",
            },
            Self::Elsewhere => Text {
                de: "Der alte Speicher wurde schon anderswohin umgezogen. Dort wird gearbeitet; hier nicht mehr.",
                en: "The old store has moved elsewhere before. Work goes on there, no longer here.",
            },
            Self::NotUnderWay => Text {
                de: "Es gibt keinen Umzug, der sich abbrechen ließe: Der neue Speicher ist schon übernommen, oder der alte wurde nie umgezogen.",
                en: "There is no move to abandon: the new store was taken over already, or the old one never moved.",
            },
            Self::SameFolder => Text {
                de: "Beide Speicher nennen denselben Ordner für große Teile, vielleicht über einen Verweis. Dem neuen einen eigenen geben. Kein Teil wurde geändert.",
                en: "Both stores name the same folder for large parts, perhaps by a link. Give the new one a folder of its own. No part was changed.",
            },
            Self::Tables(_) => Text {
                de: "Die Tabellen beider Seiten passen nicht zusammen: ein Fehler des Programms. Nichts wurde geändert.",
                en: "The tables of the two sides do not agree: a mistake of the program. Nothing was changed.",
            },
            Self::Differs(_) | Self::DoesNotHold(_) | Self::Check(_) => Text {
                de: "Der neue Speicher ist nicht freigegeben. Das Kommando wiederholen; hilft das nicht, mit --abandon zum alten zurückkehren.",
                en: "The new store is not released. Repeat the command; if that does not help, go back to the old one with --abandon.",
            },
            Self::Store(StoreError::Full) => Text {
                de: "Für den neuen Speicher ist kein Platz. Platz schaffen und das Kommando wiederholen; es setzt fort.",
                en: "There is no room for the new store. Make room and repeat the command; it goes on.",
            },
            Self::Store(_) | Self::File(_) => Text {
                de: "Der Umzug wurde unterbrochen. Die Ursache beheben und das Kommando wiederholen; es setzt fort.",
                en: "The move was interrupted. Put the cause right and repeat the command; it goes on.",
            },
        }
    }
}

/// One side, held against everybody else.
struct Side {
    db: Db,
    dir: PathBuf,
    folder: Option<PathBuf>,
    places: Places,
    /// New parts go to an object store.
    objects: bool,
    /// It is the one of the other side.
    shares_bucket: bool,
    /// Dropped last: what is above uses what it guards.
    _lock: Lock,
}

/// Moves everything from one store to the other; `step` is told each table before its rows go over.
/// Blocks, and must not be called where tasks run. Whoever calls holds the key stores of both, so that
/// no node starts meanwhile.
pub fn move_store(
    source: &StoreOptions,
    target: &StoreOptions,
    step: &mut dyn FnMut(&str),
) -> Result<Moved, MoveError> {
    fits(source, target)?;
    // Sees that all is well with it: schema, keys, log against its guard. Ends what was left open.
    let left = match SqliteStore::open(source.clone()) {
        Ok(store) => {
            drop(store);
            false
        }
        Err(OpenError::Moved) => true,
        Err(error) => return Err(MoveError::Source(error)),
    };
    let from = hold(source).map_err(MoveError::Source)?;
    nobody_at_work(&from.db)?;
    let mut to = hold(target).map_err(MoveError::Target)?;
    other_database(&from.db, &to.db)?;
    if let (Some(one), Some(other), false) = (&from.folder, &to.folder, to.objects) {
        parts::apart(one, other)?;
    }
    let plan = tables::plan(&from.db, &to.db, to.objects)?;
    let arrived = meta_of(&to.db, ARRIVING)?;
    let gone = meta_of(&from.db, TAKEN_OVER)?.is_some();
    let resumed = match (&arrived, left) {
        (Some(token), true) if meta_of(&from.db, MOVED)?.as_ref() == Some(token) => true,
        _ if arrived.is_none() && !gone && tables::is_empty(&to.db, &plan)? => false,
        // All of it was taken over before.
        (None, true) => return Err(MoveError::Elsewhere),
        _ => return Err(MoveError::NotEmpty),
    };
    to.take_bucket(target, &from)?;
    let token = match arrived {
        Some(token) => token,
        // A new one each time: where it was to go before, it can never arrive any more.
        None => leave(&from.db, source)?,
    };
    if to.shares_bucket {
        // Names that no message refers to stay behind, so nothing may be left under them.
        removal::remove_all(&from.db, &from.places)?;
    }
    let files = parts::copy(&from, &to)?;
    let sent = match resumed {
        true => tables::digests(&from.db, &plan)?,
        false => tables::copy(&from.db, &to.db, &plan, &token, &*target.clock, step)?,
    };
    step("");
    for (table, (there, here)) in plan.iter().zip(tables::digests(&to.db, &plan)?.iter().zip(&sent))
    {
        if there != here {
            return Err(MoveError::Differs(table.name.clone()));
        }
    }
    if let Some(note) = stored_head(&to.db).map_err(MoveError::Target)? {
        let mut guard = HeadGuard::open(&to.dir.join(GUARD))?;
        guard.store(&note)?;
        guard.sync()?;
    }
    let report = check(target, &to)?;
    if !report.holds() {
        return Err(MoveError::DoesNotHold(Box::new(report)));
    }
    // First here: whatever happens in between, it is taken over there or nowhere.
    set_meta(&from.db, TAKEN_OVER, &token).map_err(MoveError::Source)?;
    drop_meta(&to.db, ARRIVING).map_err(MoveError::Target)?;
    let rows = sent.iter().map(|(rows, _)| rows).sum();
    Ok(Moved { rows, files, resumed, report })
}

/// Goes back to the source of a move that has not ended: it can be started again. What has arrived in
/// the target stays there and can never be started.
pub fn abandon_move(source: &StoreOptions, target: &StoreOptions) -> Result<(), MoveError> {
    fits(source, target)?;
    let from = hold(source).map_err(MoveError::Source)?;
    let Some(token) = meta_of(&from.db, MOVED)? else { return Err(MoveError::NotUnderWay) };
    let to = hold(target).map_err(MoveError::Target)?;
    let gone = meta_of(&from.db, TAKEN_OVER)?.is_some();
    let abandoned = [b"abandoned ", &token[..]].concat();
    match meta_of(&to.db, ARRIVING)? {
        Some(arrived) if arrived == token => {
            // No repetition goes on with it any more.
            let sql = "UPDATE meta SET value = ?2 WHERE name = ?1";
            to.db.execute(sql, params![ARRIVING, abandoned])?;
        }
        // This was broken off behind that.
        Some(arrived) if arrived == abandoned => {}
        None if !gone
            && tables::is_empty(&to.db, &tables::plan(&from.db, &to.db, to.objects)?)? => {}
        _ => return Err(MoveError::NotUnderWay),
    }
    drop_meta(&from.db, TAKEN_OVER).map_err(MoveError::Source)?;
    drop_meta(&from.db, MOVED).map_err(MoveError::Source)
}

fn fits(source: &StoreOptions, target: &StoreOptions) -> Result<(), MoveError> {
    let real = |side: &StoreOptions| std::fs::canonicalize(&side.dir).ok();
    if source.dir == target.dir || real(source).is_some_and(|dir| real(target) == Some(dir)) {
        return Err(MoveError::SameStore);
    }
    let key = |options: &StoreOptions| options.log_key.verifier().to_string();
    if key(source) != key(target) {
        return Err(MoveError::OtherLog);
    }
    Ok(())
}

/// Takes a store, or makes an empty one, with its tables up to date. Nobody begins to work with it.
fn hold(options: &StoreOptions) -> Result<Side, OpenError> {
    let StoreOptions { dir, database, large_parts, keys, clock, .. } = options;
    std::fs::create_dir_all(dir)?;
    let lock = lock(dir)?;
    let db = match database {
        Database::File => {
            let path = database_path(dir);
            migrate::open_writer(&path, clock.now(), &**keys, None, &|_| false)?
        }
        Database::Postgres(server) => server.prepare(&**clock, large_parts)?,
    };
    let (folder, places) =
        (payload_folder(dir, database), places(dir, database, large_parts, None)?);
    let objects = !matches!(large_parts, LargeParts::Folder);
    let dir = dir.clone();
    Ok(Side { db, dir, folder, places, objects, shares_bucket: false, _lock: lock })
}

impl Side {
    /// Tries the bucket of the new store, and makes it this store's; it may be that of the old one.
    fn take_bucket(&mut self, options: &StoreOptions, from: &Self) -> Result<(), MoveError> {
        #[cfg(feature = "s3")]
        if let LargeParts::Objects(options) = &options.large_parts {
            let objects = Objects::new(options).map_err(MoveError::Target)?;
            self.shares_bucket =
                objects.shared_with(&from.db, &self.db).map_err(MoveError::Target)?;
            objects.check(&self.db).map_err(MoveError::Target)?;
        }
        #[cfg(not(feature = "s3"))]
        let _ = (options, from);
        Ok(())
    }
}

/// Refuses a server's database under two addresses: what the one connection locks, the other has not.
fn other_database(from: &Db, to: &Db) -> Result<(), MoveError> {
    const MOVING: i64 = 0x616d_7473_6d6f_7665;
    if matches!(from, Db::Sqlite(_)) || matches!(to, Db::Sqlite(_)) {
        return Ok(());
    }
    let lock = |db: &Db| {
        let sql = "SELECT pg_try_advisory_lock(?1)::int::bigint";
        db.query_one(sql, params![MOVING], |row| row.get::<i64>(0))
    };
    match (lock(from)?, lock(to)?) {
        (1, 1) => Ok(()),
        (1, _) => Err(MoveError::SameStore),
        _ => Err(MoveError::AtWork),
    }
}

/// Whether no node is connected to a server. The lock of the folder says it of a file.
fn nobody_at_work(db: &Db) -> Result<(), MoveError> {
    if matches!(db, Db::Sqlite(_)) {
        return Ok(());
    }
    let others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'amtsbote %' AND pid <> pg_backend_pid() LIMIT 1";
    let begun = Instant::now();
    while db.exists(others, &[])? {
        if begun.elapsed() > ENDING {
            return Err(MoveError::AtWork);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Marks the source as left, durably. Whoever worked on a server and was overlooked writes nothing
/// more: a newer life of each node has begun.
fn leave(db: &Db, source: &StoreOptions) -> Result<Vec<u8>, MoveError> {
    let mut octets = [0; 16];
    rand_bytes(&mut octets).map_err(|_| StoreError::Unavailable("no random octets".to_owned()))?;
    let token: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let (now, _) = db.begin(&*source.clock)?;
    if !matches!(db, Db::Sqlite(_)) {
        let sql =
            "INSERT INTO node_life (name, at) SELECT DISTINCT name, ?1::bigint FROM node_life";
        db.execute(sql, params![now.as_microsecond()])?;
    }
    drop_meta(db, MOVED).map_err(MoveError::Source)?;
    set_meta(db, MOVED, token.as_bytes()).map_err(MoveError::Source)?;
    db.commit()?;
    Ok(token.into_bytes())
}

fn meta_of(db: &Db, name: &str) -> Result<Option<Vec<u8>>, MoveError> {
    meta(db, name).map_err(|error| StoreError::Unavailable(error.to_string()).into())
}

/// The whole check, every sealed octet opened with the keys of the target.
fn check(options: &StoreOptions, side: &Side) -> Result<VerifyReport, MoveError> {
    let source = match &options.database {
        Database::File => Source::Sqlite(database_path(&options.dir)),
        Database::Postgres(server) => Source::Postgres(server.settings()),
    };
    let (verifier, keys) = (options.log_key.verifier(), Some(&*options.keys));
    let dir: &Path = &side.dir;
    verify::verify(&source, dir, &side.places, verifier, keys).map_err(MoveError::Check)
}

impl From<OpenError> for MoveError {
    fn from(error: OpenError) -> Self {
        Self::Target(error)
    }
}
