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
    /// The key is encrypted and there is no passphrase, or not the right one.
    #[error("{}", Self::PASSPHRASE.en)]
    Passphrase,
    /// Key and certificate do not belong together.
    #[error("{}", Self::KEY_MISMATCH.en)]
    KeyMismatch,
    /// The key is of a kind or size that must not sign.
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
        de: "Die Datei enthält kein Zertifikat im PEM-Format.",
        en: "The file holds no certificate in PEM format.",
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
    const PASSPHRASE: Text = Text {
        de: "Der Schlüssel ist verschlüsselt, und die Passphrase fehlt oder ist falsch.",
        en: "The key is encrypted, and the passphrase is missing or wrong.",
    };
    const KEY_MISMATCH: Text = Text {
        de: "Schlüssel und Zertifikat gehören nicht zusammen.",
        en: "Key and certificate do not belong together.",
    };
    const UNSUITABLE: Text = Text {
        de: "Mit diesem Schlüssel darf nicht signiert werden: RSA ab 2048 Bit oder ECDSA auf einer \
             NIST- oder Brainpool-Kurve verwenden.",
        en: "This key must not sign: use RSA of at least 2048 bits, or ECDSA on a NIST or \
             Brainpool curve.",
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
