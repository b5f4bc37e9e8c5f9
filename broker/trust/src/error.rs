//! What can go wrong with keys and certificates, in two languages.

use std::io;
use std::path::{Path, PathBuf};

use amtsbote_domain::text::{Language, Text};
use openssl::error::ErrorStack;

/// What is wrong. Never holds anything from inside a key.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A private key stands where only certificates belong. Nothing of the file was kept.
    #[error("{}", Self::PRIVATE_KEY.en)]
    PrivateKeyFound,
    /// The file is longer than it may be.
    #[error("{}", Self::TOO_LARGE.en)]
    TooLarge,
    /// The file holds no certificate.
    #[error("{}", Self::NO_CERTIFICATE.en)]
    NoCertificate,
    /// The file holds more certificates than it may.
    #[error("{}", Self::TOO_MANY.en)]
    TooMany,
    /// The file cannot be read as what it should be.
    #[error("{}", Self::MALFORMED.en)]
    Malformed,
    /// The key is not in PKCS#8.
    #[error("{}", Self::NOT_PKCS8.en)]
    NotPkcs8,
    /// Others than the owner may read a file that holds a secret.
    #[error("{}", Self::OPEN_TO_OTHERS.en)]
    OpenToOthers,
    /// A file with a secret belongs to neither root nor the user of the process.
    #[error("{}", Self::FOREIGN_OWNER.en)]
    ForeignOwner,
    /// Others can put files of theirs into a folder with secrets, or one that the hub writes.
    #[error("{}", Self::OPEN_FOLDER.en)]
    OpenFolder,
    /// The key is encrypted and there is no passphrase, or not the right one.
    #[error("{}", Self::PASSPHRASE.en)]
    Passphrase,
    /// A PKCS#12 file is encrypted with methods that OpenSSL here cannot read.
    #[error("{}", Self::LEGACY_PKCS12.en)]
    LegacyPkcs12,
    /// A PKCS#12 file holds no key.
    #[error("{}", Self::NO_KEY.en)]
    NoKey,
    /// There is no key of this name.
    #[error("{}", Self::ABSENT.en)]
    Absent,
    /// Several keys claim one name.
    #[error("{}", Self::AMBIGUOUS.en)]
    Ambiguous,
    /// The key has no certificate yet.
    #[error("{}", Self::PENDING.en)]
    CertificatePending,
    /// The key lies in a token, and TLS needs it in memory.
    #[error("{}", Self::NOT_FOR_TLS.en)]
    NotForTls,
    /// The subject of a certificate request is empty, too long, or has characters it must not have.
    #[error("{}", Self::BAD_SUBJECT.en)]
    BadSubject,
    /// There is no token of this label.
    #[error("{}", Self::NO_TOKEN.en)]
    NoToken,
    /// The token refused the PIN; it is not tried again.
    #[error("{}", Self::PIN_REFUSED.en)]
    PinRefused,
    /// All sessions of the token were in use for too long.
    #[error("{}", Self::TOKEN_BUSY.en)]
    TokenBusy,
    /// The PKCS#11 module said no; the text is its own and names no secret.
    #[error("PKCS#11: {0}")]
    Token(String),
    /// Key and certificate do not belong together.
    #[error("{}", Self::KEY_MISMATCH.en)]
    KeyMismatch,
    /// The key is of a kind or size that must not be used for this.
    #[error("{}", Self::UNSUITABLE.en)]
    UnsuitableKey,
    /// The name of a key has characters that it must not have.
    #[error("{}", Self::BAD_NAME.en)]
    BadName,
    /// There is something already; it is not overwritten.
    #[error("{}", Self::EXISTS.en)]
    Exists,
    /// The file system said no.
    #[error("{}", .0)]
    Io(#[from] io::Error),
    /// OpenSSL said no.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
    /// One of the above, with the file it is about.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<TrustError>,
    },
}

impl TrustError {
    const PRIVATE_KEY: Text = Text {
        de: "Die Datei enthält einen privaten Schlüssel, wo ein Zertifikat erwartet wird; nichts \
             davon wurde übernommen. Nur das Zertifikat angeben, und den Schlüssel ersetzen lassen, \
             wenn die Datei weitergegeben wurde.",
        en: "The file holds a private key where a certificate is asked for; nothing of it was kept. \
             Give the certificate alone, and have the key replaced if the file was passed on.",
    };
    const TOO_LARGE: Text =
        Text { de: "Die Datei ist größer als 1 MiB.", en: "The file is larger than 1 MiB." };
    const NO_CERTIFICATE: Text = Text {
        de: "Die Datei enthält kein Zertifikat (PEM oder DER).",
        en: "The file holds no certificate (PEM or DER).",
    };
    const TOO_MANY: Text = Text {
        de: "Die Datei enthält mehr Zertifikate als zugelassen (höchstens 256, und wo eines verlangt \
             ist, genau eines).",
        en: "The file holds more certificates than allowed (at most 256, and exactly one where one \
             is asked for).",
    };
    const MALFORMED: Text = Text {
        de: "Die Datei ist beschädigt oder hat ein anderes Format.",
        en: "The file is damaged or has another format.",
    };
    const NOT_PKCS8: Text = Text {
        de: "Der Schlüssel liegt nicht als PKCS#8 vor. Umwandeln: openssl pkcs8 -topk8.",
        en: "The key is not in PKCS#8. Convert it: openssl pkcs8 -topk8.",
    };
    const OPEN_TO_OTHERS: Text = Text {
        de: "Die Datei enthält ein Geheimnis und ist für andere lesbar. Rechte einschränken: chmod 600.",
        en: "The file holds a secret and others may read it. Restrict it: chmod 600.",
    };
    const FOREIGN_OWNER: Text = Text {
        de: "Die Datei enthält ein Geheimnis und gehört weder root noch dem Benutzer, unter dem das \
             Programm läuft. Den Eigentümer ändern (chown) oder das Programm als dieser Benutzer \
             starten.",
        en: "The file holds a secret and belongs to neither root nor the user this program runs as. \
             Change its owner (chown), or run the program as that user.",
    };
    const OPEN_FOLDER: Text = Text {
        de: "Andere können in dem Ordner Dateien austauschen. Er muss root oder dem Benutzer des \
             Programms gehören: chmod go-w.",
        en: "Others can exchange files in the folder. It must belong to root or to the user of the \
             program: chmod go-w.",
    };
    const LEGACY_PKCS12: Text = Text {
        de: "Die PKCS#12-Datei ist mit veralteten Verfahren verschlüsselt (RC2), und OpenSSL hat hier \
             den Provider \"legacy\" nicht. Auf einem Rechner, der ihn hat, umwandeln: openssl pkcs12 \
             -legacy -in ALT.p12 -out NAME.pem, dann openssl pkcs12 -export -in NAME.pem -out \
             NAME.p12; NAME.pem danach sicher löschen.",
        en: "The PKCS#12 file is encrypted with outdated methods (RC2), and OpenSSL does not have the \
             provider \"legacy\" here. Convert it on a machine that has it: openssl pkcs12 -legacy \
             -in OLD.p12 -out NAME.pem, then openssl pkcs12 -export -in NAME.pem -out NAME.p12; \
             erase NAME.pem afterwards.",
    };
    const NO_KEY: Text = Text {
        de: "Die PKCS#12-Datei enthält keinen Schlüssel.",
        en: "The PKCS#12 file holds no key.",
    };
    const ABSENT: Text = Text {
        de: "Einen Schlüssel mit diesem Namen gibt es nicht.",
        en: "There is no key of this name.",
    };
    const AMBIGUOUS: Text = Text {
        de: "Mehrere Schlüssel tragen diesen Namen; alle bis auf einen umbenennen oder entfernen.",
        en: "Several keys have this name; rename or remove all but one.",
    };
    const PENDING: Text = Text {
        de: "Der Schlüssel hat noch kein Zertifikat.",
        en: "The key has no certificate yet.",
    };
    const NOT_FOR_TLS: Text = Text {
        de: "Der Schlüssel liegt auf einem PKCS#11-Token; für TLS muss er im Ordner der Schlüssel \
             liegen (PEM oder PKCS#12).",
        en: "The key lies on a PKCS#11 token; for TLS it must lie in the folder of keys (PEM or \
             PKCS#12).",
    };
    const BAD_SUBJECT: Text = Text {
        de: "Der Inhaber im Zertifikatsantrag ist unvollständig: Name (CN) 1 bis 64 Zeichen, die \
             übrigen Angaben höchstens 64, Land zwei Großbuchstaben, und gültige DNS-Namen oder \
             IP-Adressen.",
        en: "The subject of the certificate request is not complete: name (CN) of 1 to 64 \
             characters, the rest at most 64, country two capital letters, and valid DNS names or \
             IP addresses.",
    };
    const NO_TOKEN: Text = Text {
        de: "Ein Token mit dieser Bezeichnung ist nicht da, oder es sind mehrere.",
        en: "There is no token of this label, or there are several.",
    };
    const PIN_REFUSED: Text = Text {
        de: "Das Token hat die PIN nicht angenommen. Sie wird nicht noch einmal versucht, damit das \
             Token nicht sperrt: PIN richtigstellen und neu starten.",
        en: "The token refused the PIN. It is not tried again, lest the token lock itself: put the \
             PIN right and restart.",
    };
    const TOKEN_BUSY: Text = Text {
        de: "Alle Sitzungen des Tokens sind zu lange belegt.",
        en: "All sessions of the token have been in use for too long.",
    };
    const PASSPHRASE: Text = Text {
        de: "Der Schlüssel ist verschlüsselt, und die Passphrase (oder PIN) fehlt oder ist falsch.",
        en: "The key is encrypted, and the passphrase (or PIN) is missing or wrong.",
    };
    const KEY_MISMATCH: Text = Text {
        de: "Schlüssel und Zertifikat gehören nicht zusammen.",
        en: "Key and certificate do not belong together.",
    };
    const UNSUITABLE: Text = Text {
        de: "Dieser Schlüssel ist dafür nicht geeignet. Zum Signieren: RSA ab 2048 Bit, ECDSA auf \
             einer NIST- oder Brainpool-Kurve ab 250 Bit, Ed25519. Zum Entschlüsseln und für \
             TLS: RSA oder eine solche Kurve.",
        en: "This key must not be used for that. To sign: RSA of at least 2048 bits, ECDSA on a NIST \
             or Brainpool curve of at least 250 bits, Ed25519. To decrypt and for TLS: RSA or such a curve.",
    };
    const BAD_NAME: Text = Text {
        de: "Der Name eines Schlüssels besteht aus 1 bis 64 Buchstaben, Ziffern und - _ (dazu Punkt, \
             nicht am Anfang).",
        en: "The name of a key has 1 to 64 letters, digits and - _ (and full stops, not in front).",
    };
    const EXISTS: Text = Text {
        de: "Die Datei gibt es bereits; sie wird nicht überschrieben.",
        en: "The file exists already; it is not overwritten.",
    };
    const IO: Text = Text { de: "Das Dateisystem meldet", en: "The file system reports" };

    /// Says it about a file.
    pub fn about(self, path: &Path) -> Self {
        Self::File { path: path.to_owned(), reason: Box::new(self) }
    }

    /// The error without the file it is about.
    pub fn reason(&self) -> &Self {
        match self {
            Self::File { reason, .. } => reason.reason(),
            other => other,
        }
    }

    /// The text for people.
    pub fn text(&self, language: Language) -> String {
        let text = match self {
            Self::PrivateKeyFound => Self::PRIVATE_KEY,
            Self::TooLarge => Self::TOO_LARGE,
            Self::NoCertificate => Self::NO_CERTIFICATE,
            Self::TooMany => Self::TOO_MANY,
            Self::Malformed => Self::MALFORMED,
            Self::NotPkcs8 => Self::NOT_PKCS8,
            Self::OpenToOthers => Self::OPEN_TO_OTHERS,
            Self::ForeignOwner => Self::FOREIGN_OWNER,
            Self::OpenFolder => Self::OPEN_FOLDER,
            Self::LegacyPkcs12 => Self::LEGACY_PKCS12,
            Self::NoKey => Self::NO_KEY,
            Self::Absent => Self::ABSENT,
            Self::Ambiguous => Self::AMBIGUOUS,
            Self::CertificatePending => Self::PENDING,
            Self::NotForTls => Self::NOT_FOR_TLS,
            Self::BadSubject => Self::BAD_SUBJECT,
            Self::NoToken => Self::NO_TOKEN,
            Self::PinRefused => Self::PIN_REFUSED,
            Self::TokenBusy => Self::TOKEN_BUSY,
            Self::Token(reason) => return format!("PKCS#11: {reason}"),
            Self::Passphrase => Self::PASSPHRASE,
            Self::KeyMismatch => Self::KEY_MISMATCH,
            Self::UnsuitableKey => Self::UNSUITABLE,
            Self::BadName => Self::BAD_NAME,
            Self::Exists => Self::EXISTS,
            Self::Io(error) => return format!("{}: {error}", Self::IO.get(language)),
            Self::OpenSsl(error) => return format!("OpenSSL: {error}"),
            Self::File { path, reason } => {
                return format!("{}: {}", path.display(), reason.text(language));
            }
        };
        text.get(language).to_owned()
    }
}
