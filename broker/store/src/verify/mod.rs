//! The whole store checked against itself and against its keys, without changing anything.
//!
//! Three things hold or do not: the log is the one the heads sign and every receipt verifies
//! (the archive's work, fed from here); every message has the rows its acceptance recorded, and
//! the state its records lead to, where it needed two people by the word of two; and, with the key
//! store, every sealed octet is what came in.
//! Memory does not grow with the store; at most 1,000 problems are kept.

pub(crate) mod approvals;
mod breach;
mod document;
mod lists;
mod log;
mod messages;
mod siblings;
mod split;

use std::path::Path;

pub use breach::Breach;

use amtsbote_archive::checkpoint::{self, Checkpoint};
use amtsbote_archive::guard::HeadGuard;
use amtsbote_archive::log::{LogFault, LogReport};
use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::text::Text;
use amtsbote_domain::wrapping::{KeyId, WrappingKeys};

use crate::keys;
use crate::migrate;
use crate::options::{Database, LargeParts, OpenError, code, with_detail};
use crate::parts::Places;
use crate::sql::{Db, Source};
use crate::startup::{GUARD, places, refused, stored_head};
use crate::writer::database_path;

/// Problems kept in a report; the others are counted.
const MAX_PROBLEMS: usize = 1000;

/// What was looked at, and what is wrong.
#[derive(Debug)]
pub struct VerifyReport {
    /// The log, read again from its leaves.
    pub log: LogReport,
    /// The newest head, whose signature verified; none in an empty log.
    pub head: Option<Checkpoint>,
    /// Stored receipts looked at.
    pub receipts: u64,
    /// Messages looked at.
    pub messages: u64,
    /// Parts opened and read to their end; none without the key store.
    pub parts: Option<u64>,
    /// What is wrong beside the log; the first 1,000.
    pub problems: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: u64,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub kind: ProblemKind,
    /// Where: a hub id, with the number of a part or of a leaf; the index of a leaf; the number of a
    /// proposal. Never a value (P7).
    pub place: String,
}

/// What can be wrong beside the log itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// SQLite finds the file damaged. (A server checks its files itself.)
    Database,
    /// A stored receipt is unreadable, does not verify, or is not about its leaf.
    Receipt,
    /// The record of an acceptance is missing, doubled, or not about its message.
    Acceptance,
    /// A row of a message does not say what its acceptance recorded.
    Message,
    /// The state of a delivery is not the one its records lead to.
    State,
    /// A leaf about a message is not tied to it, or one is tied to a message that is not there.
    Stray,
    /// The time stored beside a record is not the one in it.
    Time,
    /// The parts stored are not those recorded.
    Parts,
    /// The sealed octets of a part cannot be opened, or are not those that came in (P4).
    Octets,
    /// Two messages bear one account, transport and transport id (P3).
    Doubled,
    /// A delivery to another Reader that was accepted with this one is missing, is of another message, or does
    /// not name this one.
    Siblings,
    /// An act that needed two people did not have them, as the records stand.
    Approval(Breach),
}

impl ProblemKind {
    /// A stable word for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Receipt => "receipt",
            Self::Acceptance => "acceptance",
            Self::Message => "message",
            Self::State => "state",
            Self::Stray => "stray",
            Self::Time => "time",
            Self::Parts => "parts",
            Self::Octets => "octets",
            Self::Doubled => "doubled",
            Self::Siblings => "siblings",
            Self::Approval(_) => "approval",
        }
    }

    /// The rule that does not hold, as a stable word, where a kind has several.
    pub fn rule(self) -> Option<&'static str> {
        match self {
            Self::Approval(breach) => Some(breach.as_str()),
            _ => None,
        }
    }

    /// What an auditor reads.
    pub fn text(self) -> Text {
        match self {
            Self::Database => Text {
                de: "Die Datenbankdatei ist beschädigt.",
                en: "The database file is damaged.",
            },
            Self::Receipt => Text {
                de: "Eine gespeicherte Quittung ist nicht gültig oder gehört nicht zu ihrem Eintrag.",
                en: "A stored receipt does not hold, or does not belong to its leaf.",
            },
            Self::Acceptance => Text {
                de: "Der Nachweis der Annahme fehlt, ist doppelt oder gehört nicht zur Nachricht.",
                en: "The record of the acceptance is missing, doubled, or not about the message.",
            },
            Self::Message => Text {
                de: "Die gespeicherten Angaben zur Nachricht weichen vom Nachweis der Annahme ab.",
                en: "What is stored about the message differs from what its acceptance recorded.",
            },
            Self::State => Text {
                de: "Der Zustand der Zustellung ergibt sich nicht aus den Nachweisen.",
                en: "The state of the delivery is not the one its records lead to.",
            },
            Self::Stray => Text {
                de: "Ein Nachweis zu einer Nachricht ist ihr nicht zugeordnet.",
                en: "A record about a message is not tied to it.",
            },
            Self::Time => Text {
                de: "Die gespeicherte Zeit eines Nachweises ist nicht die, die in ihm steht.",
                en: "The time stored beside a record is not the one in it.",
            },
            Self::Parts => Text {
                de: "Die gespeicherten Teile sind nicht die bei der Annahme vermerkten.",
                en: "The parts stored are not those recorded at acceptance.",
            },
            Self::Octets => Text {
                de: "Der Inhalt eines Teils ist verändert oder fehlt.",
                en: "The content of a part was changed or is missing.",
            },
            Self::Doubled => Text {
                de: "Zwei Nachrichten tragen dieselbe Transportkennung desselben Kontos.",
                en: "Two messages bear the same transport id of the same account.",
            },
            Self::Siblings => Text {
                de: "Eine mit dieser angenommene Zustellung an einen weiteren Leser fehlt oder gehört nicht zu ihr.",
                en: "A delivery to another Reader that was accepted with this one is missing or does not belong to it.",
            },
            Self::Approval(breach) => breach.text(),
        }
    }
}

/// Why the check could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no store of this program there, or its keys are others.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A read failed.
    #[error("{0}")]
    Store(String),
}

impl VerifyError {
    /// What an operator reads and does, and the cause, in German and in English.
    pub fn told(&self) -> (String, String) {
        match self {
            Self::Open(error) => error.told(),
            Self::Store(what) => {
                let de = "Der Speicher lässt sich nicht lesen. Zustand des Datenträgers oder des Datenbankservers prüfen.";
                (with_detail(de, code(what)), what.clone())
            }
        }
    }
}

impl VerifyReport {
    /// Everything is as it must be.
    pub fn holds(&self) -> bool {
        self.log.holds() && self.problem_count == 0
    }

    /// What is wrong with the log, if anything is.
    pub fn log_fault(&self) -> Option<&LogFault> {
        self.log.fault.as_ref()
    }

    fn add(&mut self, kind: ProblemKind, place: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { kind, place: place.into() });
        }
    }
}

/// Checks a store from its files alone, on one snapshot; a hub may be working on it. Sealed octets
/// are opened only with the keys of the key store. The verifier key must come from outside: one taken from
/// the store would prove nothing.
pub fn verify_offline(
    dir: &Path,
    verifier: &VerifierKey,
    keys: Option<&dyn WrappingKeys>,
) -> Result<VerifyReport, VerifyError> {
    verify_at(&Database::File, &LargeParts::Folder, dir, verifier, keys)
}

/// The same wherever the database and the large parts are; `dir` is the folder of the node whose head
/// guard is asked. On a server it waits for a network: not to be called where tasks run.
pub fn verify_at(
    database: &Database,
    large_parts: &LargeParts,
    dir: &Path,
    verifier: &VerifierKey,
    keys: Option<&dyn WrappingKeys>,
) -> Result<VerifyReport, VerifyError> {
    let source = match database {
        Database::File => Source::Sqlite(database_path(dir)),
        #[cfg(feature = "postgres")]
        Database::Postgres(server) => Source::Postgres(server.settings()),
    };
    verify(&source, dir, &places(dir, database, large_parts, None)?, verifier, keys)
}

/// Whether there is a store, of whatever schema.
pub fn has_store(dir: &Path) -> bool {
    database_path(dir).exists()
}

/// The wrapping keys that a store names, from its files alone; none where there is no store yet.
pub fn named_keys(dir: &Path) -> Result<Vec<KeyId>, VerifyError> {
    let path = database_path(dir);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let db = Source::Sqlite(path).reader().map_err(refused)?;
    migrate::check(&db)?;
    keys::named(&db).map_err(failed)
}

/// The wrapping keys that a store on a server names.
#[cfg(feature = "postgres")]
pub(crate) fn named_keys_of_server(
    server: &crate::PostgresOptions,
) -> Result<Vec<KeyId>, VerifyError> {
    let db = Source::Postgres(server.settings()).reader().map_err(refused)?;
    migrate::check(&db)?;
    keys::named(&db).map_err(failed)
}

/// What a server with a store says of itself.
#[cfg(feature = "postgres")]
pub(crate) fn facts_of_server(
    server: &crate::PostgresOptions,
) -> Result<crate::ServerFacts, VerifyError> {
    let db = Source::Postgres(server.settings()).reader().map_err(refused)?;
    migrate::check(&db)?;
    crate::postgres::facts(&db).map_err(failed)
}

/// The same for a store at work.
pub(crate) fn verify(
    source: &Source,
    dir: &Path,
    places: &Places,
    verifier: &VerifierKey,
    keys: Option<&dyn WrappingKeys>,
) -> Result<VerifyReport, VerifyError> {
    // Before the snapshot: a head released after it would not be in it.
    let guarded = match HeadGuard::read(&dir.join(GUARD)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        other => other.map_err(OpenError::File)?,
    };
    let db = source.reader().map_err(refused)?;
    let checked = db.snapshot(|db| Ok(verify_snapshot(db, places, verifier, keys, guarded)));
    checked.map_err(|error| match db.fault() {
        Some(fault) => VerifyError::Open(OpenError::Server(fault)),
        None => failed(error),
    })?
}

fn verify_snapshot(
    db: &Db,
    places: &Places,
    verifier: &VerifierKey,
    keys: Option<&dyn WrappingKeys>,
    guarded: Option<String>,
) -> Result<VerifyReport, VerifyError> {
    migrate::check(db)?;
    if let Some(keys) = keys {
        keys::same_master(db, keys)?;
    }
    let mut splits = split::Splits::default();
    let log = log::verify_log(db, verifier, guarded, &mut splits).map_err(failed)?;
    let head = stored_head(db)?.and_then(|note| checkpoint::verify(&note, verifier).ok());
    let (receipts, messages, parts) = (0, 0, keys.map(|_| 0));
    let problems = Vec::new();
    let mut report =
        VerifyReport { log, head, receipts, messages, parts, problems, problem_count: 0 };
    check_database(db, &mut report).map_err(failed)?;
    log::verify_receipts(db, verifier, &mut report).map_err(failed)?;
    splits.tell(&mut report);
    messages::verify_messages(db, keys, places, &mut report)?;
    Ok(report)
}

/// The database's own check, and the uniqueness that rests on an index.
fn check_database(db: &Db, report: &mut VerifyReport) -> Result<(), StoreError> {
    if !db.is_sound()? {
        report.add(ProblemKind::Database, "hub.db");
    }
    let doubled = "SELECT max(hub_id) FROM message NOT INDEXED
         GROUP BY account, transport, transport_id, scope HAVING count(*) > 1";
    db.for_each(doubled, &[], |row| {
        report.add(ProblemKind::Doubled, row.get::<String>(0)?);
        Ok(())
    })
}

fn failed(error: StoreError) -> VerifyError {
    VerifyError::Store(error.to_string())
}
