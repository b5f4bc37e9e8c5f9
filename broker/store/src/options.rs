//! What a store needs to open, and why it may refuse to.

use std::path::PathBuf;
use std::sync::Arc;

use amtsbote_archive::note::LogKey;
use amtsbote_domain::clearing::ALONE_HOURS;
use amtsbote_domain::ports::Clock;
use amtsbote_domain::text::Text;
use amtsbote_domain::wrapping::{KeyError, WrappingKeys};

use crate::server::ServerFault;

/// What a store needs. The limits have defaults; see [`StoreOptions::new`].
#[derive(Clone)]
pub struct StoreOptions {
    /// The folder with everything in it; made when absent. With a server, what belongs to this node
    /// alone.
    pub dir: PathBuf,
    /// Where state, order, leases and evidence are kept.
    pub database: Database,
    /// Where parts above the limit for rows are kept.
    pub large_parts: LargeParts,
    /// Wrap the data keys of messages; they lie in the key store.
    pub keys: Arc<dyn WrappingKeys>,
    /// Signs the heads; its name is the log's origin.
    pub log_key: LogKey,
    /// Evidence time, due times and leases.
    pub clock: Arc<dyn Clock>,
    /// Parts of at most so many octets are kept in rows, larger ones in [`LargeParts`].
    pub inline_limit: usize,
    /// Octets kept free for what was accepted before: below it nothing new is taken in, and a
    /// file of this size is given up when even settling finds no room.
    pub reserve_bytes: u64,
    /// At most so many operations share a commit.
    pub group_limit: usize,
    /// At most so many reads at the same time.
    pub readers: usize,
    /// Over how many hours what one person decides alone is summed up; see
    /// [`amtsbote_domain::clearing::ALONE_HOURS_ALLOWED`].
    pub alone_hours: u32,
    /// At most so many pages in the database file, of 8 KiB where it is made anew; none: as large as the
    /// disk allows.
    pub max_pages: Option<u32>,
    /// Set in a simulation: no thread works for the store, and this is its disk.
    #[cfg(feature = "simulation")]
    pub simulated: Option<Arc<dyn crate::SimulatedDisk>>,
}

impl StoreOptions {
    /// With the default limits: parts up to 64 KiB in rows, 64 MiB reserve, 256 operations to a
    /// commit, 8 readers.
    pub fn new(
        dir: impl Into<PathBuf>,
        keys: Arc<dyn WrappingKeys>,
        log_key: LogKey,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            dir: dir.into(),
            database: Database::File,
            large_parts: LargeParts::Folder,
            keys,
            log_key,
            clock,
            inline_limit: 64 * 1024,
            reserve_bytes: 64 * 1024 * 1024,
            group_limit: 256,
            readers: 8,
            alone_hours: ALONE_HOURS,
            max_pages: None,
            #[cfg(feature = "simulation")]
            simulated: None,
        }
    }
}

/// The database of a store.
#[derive(Clone, Default)]
pub enum Database {
    /// SQLite, in the store's folder; one process has it to itself.
    #[default]
    File,
    /// A server that several nodes share.
    #[cfg(feature = "postgres")]
    Postgres(Box<crate::PostgresOptions>),
}

/// Where parts above the limit for rows are kept, sealed.
#[derive(Clone, Debug, Default)]
pub enum LargeParts {
    /// A folder: `payload` in the store's own, or the one that the nodes of a server share.
    #[default]
    Folder,
    /// An S3-compatible object store. What lies in the folder from before is read there.
    #[cfg(feature = "s3")]
    Objects(Box<crate::ObjectOptions>),
}

/// Why a store did not open. Nothing was changed, except that migrations may have run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process has this store open")]
    InUse,
    /// It was written by a newer program.
    #[error("the store has schema {found}; this program knows schemas up to {known}")]
    NewerSchema {
        /// The version of its newest migration.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// It was written by an older program, and has not been brought up to date.
    #[error("the store has schema {found}, this program works with {known}")]
    OlderSchema {
        /// The version of its newest migration.
        found: u32,
        /// The one this program works with.
        known: u32,
    },
    /// A migration that ran is not the one this program knows under its number.
    #[error("migration {version} of the store is not the one this program knows")]
    OtherMigration {
        /// Its number.
        version: u32,
    },
    /// It has moved to another database.
    #[error("the store has moved to another database")]
    Moved,
    /// It is the new place of a store whose move has not ended.
    #[error("the store has not been taken over yet")]
    Arriving,
    /// A key that the store needs is of no use, or the master key is not the one it was wrapped
    /// with.
    #[error("keys at rest: {0}")]
    Key(#[from] KeyError),
    /// The log key is not the one its heads were signed with.
    #[error("the log key does not fit this store: it was written under {expected}")]
    OtherLogKey {
        /// The verifier key the store names.
        expected: String,
    },
    /// The log is smaller than, or no extension of, what was released before (P5).
    #[error("the evidence log was rolled back or changed: {0}")]
    RolledBack(String),
    /// The log contradicts itself.
    #[error("the evidence log is damaged: {0}")]
    Damaged(String),
    /// No room for the database or the reserve.
    #[error("there is no room for the store")]
    Full,
    /// The server cannot be worked on.
    #[error("{0}")]
    Server(ServerFault),
    /// The object store cannot be used as it must be.
    #[error("the object store: {0}")]
    Objects(String),
    /// The database does not work.
    #[error("the database: {0}")]
    Database(String),
    /// A file does not work.
    #[error("a file of the store: {0}")]
    File(#[from] std::io::Error),
}

impl OpenError {
    /// What an operator reads and does, and the cause, in German and in English. Words that this program
    /// has in English only stand in the English text alone.
    pub fn told(&self) -> (String, String) {
        let text = self.text();
        (with_detail(text.de, self.detail()), format!("{} ({self})", text.en))
    }

    /// What the text leaves out and is the same in every language: numbers, names, the words of the
    /// operating system.
    pub(crate) fn detail(&self) -> Option<String> {
        match self {
            Self::NewerSchema { found, known } | Self::OlderSchema { found, known } => {
                Some(format!("{found}, {known}"))
            }
            Self::OtherMigration { version } => Some(version.to_string()),
            Self::OtherLogKey { expected } => Some(expected.clone()),
            Self::Server(ServerFault::Unsafe(setting)) => Some((*setting).to_owned()),
            Self::File(error) => Some(error.to_string()),
            Self::Database(what) => code(what),
            Self::InUse
            | Self::Moved
            | Self::Arriving
            | Self::Key(_)
            | Self::RolledBack(_)
            | Self::Damaged(_)
            | Self::Full
            | Self::Server(_)
            | Self::Objects(_) => None,
        }
    }

    /// Whether the evidence log was looked at and does not hold: an answer, and nothing to wait for.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::RolledBack(_) | Self::Damaged(_))
    }

    /// Whether the configuration, or the program, is one that will never do for this store, rather than
    /// something that cannot be had now.
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Self::OtherLogKey { .. }
            | Self::Key(KeyError::OtherMaster(_) | KeyError::NotOurs)
            | Self::NewerSchema { .. }
            | Self::OtherMigration { .. }
            | Self::Moved
            | Self::Arriving => true,
            Self::Server(fault) => match fault {
                ServerFault::Tls
                | ServerFault::Login
                | ServerFault::NoDatabase
                | ServerFault::Foreign
                | ServerFault::Empty
                | ServerFault::Rights
                | ServerFault::Unsafe(_)
                | ServerFault::OtherFolder
                | ServerFault::NoFolder
                | ServerFault::Old => true,
                ServerFault::Away(_) | ServerFault::ReadOnly => false,
            },
            Self::InUse
            | Self::OlderSchema { .. }
            | Self::Key(_)
            | Self::RolledBack(_)
            | Self::Damaged(_)
            | Self::Full
            | Self::Objects(_)
            | Self::Database(_)
            | Self::File(_) => false,
        }
    }

    /// What an operator reads and does, in both languages.
    pub fn text(&self) -> Text {
        match self {
            Self::InUse => Text {
                de: "Ein anderer Prozess hat diesen Speicher geöffnet. Nur ein Knoten darf darauf arbeiten; den anderen zuerst beenden.",
                en: "Another process has this store open. Only one node may work on it; stop the other one first.",
            },
            Self::NewerSchema { .. } => Text {
                de: "Der Speicher wurde von einer neueren Programmversion geschrieben. Diese Version einsetzen oder eine Sicherung von davor einspielen.",
                en: "The store was written by a newer version of the program. Use that version, or restore a backup from before.",
            },
            Self::OlderSchema { .. } => Text {
                de: "Der Speicher wurde von einer älteren Programmversion geschrieben. Den Knoten einmal mit dieser Version starten, dann ist er umgestellt.",
                en: "The store was written by an older version of the program. Start the node with this version once; that brings it up to date.",
            },
            Self::OtherMigration { .. } => Text {
                de: "Eine frühere Umstellung des Speichers stimmt nicht mit dieser Programmversion überein. Nur freigegebene Programmversionen einsetzen.",
                en: "An earlier migration of the store does not agree with this version of the program. Use released versions only.",
            },
            Self::Moved => Text {
                de: "Dieser Speicher ist umgezogen (amtsbote migrate-store). Den Knoten mit der neuen Konfiguration starten; zwei Fortsetzungen einer Geschichte darf es nicht geben.",
                en: "This store has moved (amtsbote migrate-store). Start the node with the new configuration; one history must not go on in two places.",
            },
            Self::Arriving => Text {
                de: "In diesen Speicher zieht ein anderer um, und der Umzug ist nicht abgeschlossen. »amtsbote migrate-store« wiederholen.",
                en: "Another store is moving into this one, and the move has not ended. Repeat “amtsbote migrate-store”.",
            },
            Self::Key(KeyError::OtherMaster(_) | KeyError::NotOurs) => Text {
                de: "Der Hauptschlüssel gehört nicht zu diesem Speicher. Den richtigen aus dem Schlüsselspeicher oder aus dessen Sicherung verwenden.",
                en: "The master key does not belong to this store. Use the right one from the key store or its backup.",
            },
            Self::Key(KeyError::Missing(_) | KeyError::Damaged(_)) => Text {
                de: "Im Schlüsselspeicher fehlt ein Schlüssel, den der Speicher braucht, oder er ist beschädigt. Den Ordner »wrapping« aus der Sicherung des Schlüsselspeichers wiederherstellen.",
                en: "The key store lacks a key that the store needs, or it is damaged. Restore the folder “wrapping” from the backup of the key store.",
            },
            Self::Key(KeyError::OpenToOthers(_)) => Text {
                de: "Ein Schlüssel im Schlüsselspeicher ist für andere lesbar oder gehört jemand anderem. Rechte einschränken (chmod 600) und prüfen, wer ihn gelesen haben kann.",
                en: "A key in the key store can be read by others, or somebody else owns it. Restrict it (chmod 600), and find out who may have read it.",
            },
            Self::Key(_) => Text {
                de: "Der Schlüsselspeicher arbeitet nicht. Rechte und Platz auf seinem Datenträger prüfen.",
                en: "The key store does not work. Check its permissions and the room on its disk.",
            },
            Self::OtherLogKey { .. } => Text {
                de: "Der Schlüssel des Nachweisprotokolls gehört nicht zu diesem Speicher. Den richtigen aus dem Schlüsselspeicher verwenden.",
                en: "The key of the evidence log does not belong to this store. Use the right one from the key store.",
            },
            Self::RolledBack(_) => Text {
                de: "Das Nachweisprotokoll ist kürzer oder anders als zuletzt herausgegeben: Vermutlich wurde eine ältere Sicherung eingespielt oder die Datenbank verändert. Der Knoten startet so nicht. Den neuesten Stand wiederherstellen oder die Wiederherstellung ausdrücklich einleiten.",
                en: "The evidence log is shorter or other than what was last released: probably an older backup was put in place, or the database was changed. The node does not start like this. Restore the newest state, or begin a restore explicitly.",
            },
            Self::Damaged(_) => Text {
                de: "Das Nachweisprotokoll widerspricht sich selbst. Nichts daran ändern; eine Kopie sichern und mit »amtsbote archive verify --offline« prüfen.",
                en: "The evidence log contradicts itself. Change nothing; secure a copy and check it with “amtsbote archive verify --offline”.",
            },
            Self::Full => Text {
                de: "Für den Speicher ist kein Platz. Platz auf dem Datenträger schaffen.",
                en: "There is no room for the store. Make room on the disk.",
            },
            Self::Server(fault) => fault.text(),
            Self::Objects(_) => Text {
                de: "Der Objektspeicher für große Teile ist so nicht brauchbar. Adresse, Bucket, Schlüssel und dessen Rechte prüfen; der Knoten startet erst, wenn er dort schreiben, lesen, suchen und löschen kann.",
                en: "The object store for large parts cannot be used like this. Check its address, bucket, key and the key's rights; the node does not start before it can write, read, list and delete there.",
            },
            Self::Database(_) | Self::File(_) => Text {
                de: "Der Speicher lässt sich nicht öffnen. Rechte und Zustand des Datenträgers prüfen.",
                en: "The store cannot be opened. Check its permissions and the state of the disk.",
            },
        }
    }
}

/// A text with what it leaves out behind it.
pub(crate) fn with_detail(text: &str, detail: Option<String>) -> String {
    match detail {
        Some(detail) => format!("{text} ({detail})"),
        None => text.to_owned(),
    }
}

/// The code of the database in what was said about it.
pub(crate) fn code(what: &str) -> Option<String> {
    what.find("SQLSTATE ").map(|at| what[at..].to_owned())
}
