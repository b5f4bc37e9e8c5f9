//! What is wrong with a pack, in German for those who look after it; English is the text of the
//! errors themselves. What files and libraries say stays in their words.

use std::fmt;

use super::rejection::RejectionFault;
use super::set::{PackError, PackFault};
use crate::validate::NotHarmless;

/// What is wrong, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// In German.
    pub de: String,
    /// The same in English.
    pub en: String,
}

impl Reason {
    pub(super) fn new(de: impl Into<String>, en: impl Into<String>) -> Self {
        Self { de: de.into(), en: en.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

impl PackError {
    /// What is wrong, in German.
    pub fn german(&self) -> String {
        format!("Paket {}: {}", self.folder, self.cause.german())
    }
}

impl PackFault {
    /// What is wrong, in German.
    pub fn german(&self) -> String {
        match self {
            Self::Io(error) => format!("nicht lesbar: {error}"),
            Self::Manifest(error) => format!("pack.toml: {}", error.german()),
            Self::Schemas(error) => format!("Die Schemas sind nicht verwendbar: {error}"),
            Self::CodeList { file, cause } => {
                format!("Die Codeliste {file} ist nicht verwendbar: {cause}")
            }
            Self::Rules(error) => format!("Die Regeldatei ist nicht verwendbar: {error}"),
            Self::Unread(names) => format!(
                "Kein Dokument für {names}; hinzufügen, oder unter left_out nennen, wenn keine \
                 Nachricht es braucht"
            ),
            Self::NoSuchRoot(name) => {
                format!("Die Nachricht „{name}“ ist kein globales Element der Schemas")
            }
            Self::NoSuchType(name) => {
                format!("characters.types: „{name}“ ist kein einfacher Typ der Schemas")
            }
            Self::Harmless(error) => harmless(error),
            Self::TypesByLibrary(why) => format!(
                "characters.types verlangt Schemas, die in die eigenen Tabellen eingehen; diese \
                 tun es nicht ({why})"
            ),
            Self::Rejection { file, cause } => {
                format!("Rückweisung, {file}: {}", rejection(cause))
            }
            Self::Duplicate { standard, version, other } => {
                format!("{standard} {version} ist schon da, in {other}")
            }
            Self::Ambiguous(other) => format!(
                "Seine Nachrichten lassen sich nicht von denen in {other} unterscheiden: gleiches \
                 Wurzelelement, gleiche Version, gleiche Zeit"
            ),
        }
    }
}

fn harmless(error: &NotHarmless) -> String {
    let text = match error {
        NotHarmless::TooMany => "zu viele Namen".to_owned(),
        NotHarmless::NoName(name) => format!(
            "„{name}“ ist kein Name; erlaubt sind Element, @Attribut oder ein kurzer Pfad wie \
             Element/Element oder Element/@Attribut"
        ),
        NotHarmless::Unknown(name) => {
            format!("„{name}“ ist kein Element oder Attribut der Schemas")
        }
        NotHarmless::NotSimple(name) => {
            format!("„{name}“ enthält Elemente, keinen Text; das Element darin nennen")
        }
        NotHarmless::Ambiguous(name) => format!(
            "„{name}“ steht für Werte verschiedener Typen; das umgebende Element davorsetzen, etwa \
             Element/{name}"
        ),
        NotHarmless::ByLibrary(why) => format!(
            "verlangt Schemas, die in die eigenen Tabellen eingehen; diese tun es nicht ({why})"
        ),
    };
    format!("harmless: {text}")
}

fn rejection(fault: &RejectionFault) -> String {
    match fault {
        RejectionFault::File(reason) => format!("nicht lesbar: {reason}"),
        RejectionFault::Xml(error) => format!("{}: {}", error.position, error.german()),
        RejectionFault::Template { line, reason } => format!("Zeile {line}: {reason}"),
        RejectionFault::Specimen { case, reason } => format!(
            "Mit Beispielwerten gefüllt ({case}) ergibt die Vorlage keine Rückweisung: {}",
            reason.german()
        ),
    }
}
