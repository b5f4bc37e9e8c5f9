//! What can go wrong with wrapping keys and their backups, in two languages.

use std::io;
use std::path::{Path, PathBuf};

use amtsbote_domain::text::{Language, Text};
use amtsbote_domain::wrapping::KeyError;
use openssl::error::ErrorStack;

use crate::error::TrustError;

/// What is wrong. Never holds anything of a key or a passphrase.
#[derive(Debug, thiserror::Error)]
pub enum WrappingError {
    /// A node, or another command, works with the key store.
    #[error("{}", Self::IN_USE.en)]
    InUse,
    /// The file of a master key cannot be used.
    #[error(transparent)]
    Master(#[from] TrustError),
    /// A wrapping key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file or folder does not work.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There are more wrapping keys than one key store holds.
    #[error("{}", Self::TOO_MANY.en)]
    TooMany,
    /// A new master key has not finished taking over.
    #[error("{}", Self::PENDING.en)]
    RotationPending,
    /// Nobody has shown that the backup of the present master key works.
    #[error("{}", Self::NO_BACKUP.en)]
    NoVerifiedBackup,
    /// The file is no backup of a master key, or was changed.
    #[error("{}", Self::NO_SUCH.en)]
    NotABackup,
    /// The passphrase does not open the backup.
    #[error("{}", Self::PASSPHRASE.en)]
    WrongPassphrase,
    /// The passphrase is too short or too long.
    #[error("{}", Self::WEAK.en)]
    UnfitPassphrase,
    /// The key store has another master key.
    #[error("{}", Self::OTHER.en)]
    OtherMasterPresent,
    /// The master key would not open what lies in the key store.
    #[error("{}", Self::OPENS_NOT.en)]
    OpensNothing,
    /// The cipher does not work.
    #[error("OpenSSL: {0}")]
    Cipher(#[from] ErrorStack),
}

impl WrappingError {
    const IN_USE: Text = Text {
        de: "Der Schlüsselspeicher ist in Gebrauch: Der Knoten läuft, oder ein anderes Kommando ändert ihn. Den Knoten zuerst beenden.",
        en: "The key store is in use: the node runs, or another command changes it. Stop the node first.",
    };
    const TOO_MANY: Text = Text {
        de: "Im Schlüsselspeicher liegen mehr Schlüssel als vorgesehen (200 000).",
        en: "The key store holds more keys than it is made for (200,000).",
    };
    const PENDING: Text = Text {
        de: "Ein Wechsel des Hauptschlüssels ist nicht abgeschlossen. Zuerst fortsetzen: amtsbote key rotate master.",
        en: "A rotation of the master key is not finished. Continue it first: amtsbote key rotate master.",
    };
    const NO_BACKUP: Text = Text {
        de: "Vom jetzigen Hauptschlüssel gibt es keine geprüfte Sicherung; der alte bleibt. Zuerst: amtsbote key backup --to DATEI, dann amtsbote key backup --verify DATEI.",
        en: "There is no verified backup of the present master key; the old one stays. First: amtsbote key backup --to FILE, then amtsbote key backup --verify FILE.",
    };
    const NO_SUCH: Text = Text {
        de: "Die Datei ist keine Sicherung eines Hauptschlüssels, ist beschädigt oder wurde verändert.",
        en: "The file is no backup of a master key, is damaged or was changed.",
    };
    const PASSPHRASE: Text = Text {
        de: "Die Passphrase öffnet diese Sicherung nicht, oder die Datei wurde verändert.",
        en: "The passphrase does not open this backup, or the file was changed.",
    };
    const WEAK: Text = Text {
        de: "Die Passphrase der Sicherung muss 12 bis 1024 Zeichen lang sein.",
        en: "The passphrase of the backup must have 12 to 1024 characters.",
    };
    const OTHER: Text = Text {
        de: "Im Schlüsselspeicher liegt ein anderer Hauptschlüssel; er wird nicht überschrieben.",
        en: "The key store has another master key; it is not overwritten.",
    };
    const OPENS_NOT: Text = Text {
        de: "Dieser Hauptschlüssel öffnet nicht, was im Schlüsselspeicher liegt; es wurde nichts geändert.",
        en: "This master key does not open what lies in the key store; nothing was changed.",
    };
    const MISSING: Text = Text {
        de: "Der Schlüssel fehlt im Schlüsselspeicher. Den Ordner »wrapping« aus der Sicherung des Schlüsselspeichers wiederherstellen",
        en: "The key is missing in the key store. Restore the folder “wrapping” from the backup of the key store",
    };
    const DESTROYED: Text = Text {
        de: "Der Schlüssel wurde vernichtet, sein Inhalt ist gelöscht",
        en: "The key was destroyed, its content is erased",
    };
    const OTHER_MASTER: Text = Text {
        de: "Der Schlüssel liegt unter einem anderen Hauptschlüssel. Den richtigen aus der Sicherung wiederherstellen",
        en: "The key is wrapped under another master key. Restore the right one from its backup",
    };
    const DAMAGED: Text = Text {
        de: "Die Datei des Schlüssels ist beschädigt oder liegt am falschen Ort. Aus der Sicherung des Schlüsselspeichers wiederherstellen",
        en: "The file of the key is damaged or lies in the wrong place. Restore it from the backup of the key store",
    };
    const OPEN: Text = Text {
        de: "Die Datei des Schlüssels ist für andere lesbar oder gehört jemand anderem. Rechte einschränken: chmod 600",
        en: "Others may read the file of the key, or own it. Restrict it: chmod 600",
    };

    /// An error of the file system about a file.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    /// The text for people.
    pub fn text(&self, language: Language) -> String {
        let text = match self {
            Self::InUse => Self::IN_USE,
            Self::TooMany => Self::TOO_MANY,
            Self::RotationPending => Self::PENDING,
            Self::NoVerifiedBackup => Self::NO_BACKUP,
            Self::NotABackup => Self::NO_SUCH,
            Self::WrongPassphrase => Self::PASSPHRASE,
            Self::UnfitPassphrase => Self::WEAK,
            Self::OtherMasterPresent => Self::OTHER,
            Self::OpensNothing => Self::OPENS_NOT,
            Self::Master(error) => return error.text(language),
            Self::Key(error) => return key_text(error, language),
            other => return other.to_string(),
        };
        text.get(language).to_owned()
    }
}

fn key_text(error: &KeyError, language: Language) -> String {
    let (text, id) = match error {
        KeyError::Missing(id) => (WrappingError::MISSING, id),
        KeyError::Destroyed(id) => (WrappingError::DESTROYED, id),
        KeyError::OtherMaster(id) => (WrappingError::OTHER_MASTER, id),
        KeyError::Damaged(id) => (WrappingError::DAMAGED, id),
        KeyError::OpenToOthers(id) => (WrappingError::OPEN, id),
        other => return other.text(language),
    };
    format!("{}: {id}", text.get(language))
}

/// What the port says about an error of the file system.
pub(super) fn unavailable(error: &io::Error) -> KeyError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => KeyError::Full,
        kind => KeyError::Unavailable(format!("file: {kind}")),
    }
}

/// What the port says about an error of the cipher.
pub(super) fn cipher(_: ErrorStack) -> KeyError {
    KeyError::Unavailable("the cipher failed".to_owned())
}
