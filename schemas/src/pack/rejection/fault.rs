//! Why a template is refused, and why a message gets no rejection.

use crate::validate::Finding;
use crate::xml::XmlError;

/// What is wrong with the template of a pack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RejectionFault {
    /// It cannot be read.
    #[error("{0}")]
    File(String),
    /// It is no well-formed XML, or too large.
    #[error("{0}")]
    Xml(XmlError),
    /// An instruction, or a place in braces, that does not exist or stands where it cannot.
    #[error("line {line}: {reason}")]
    Template {
        /// Where, from 1.
        line: u64,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Filled with specimen values it gives no rejection.
    #[error("filled with specimen values ({case}) it gives no rejection: {reason}")]
    Specimen {
        /// Which.
        case: String,
        /// Why.
        reason: NoRejection,
    },
}

/// Why a message gets no business rejection. No value of the message is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRejection {
    /// No pack that is loaded knows the message.
    NotRecognised,
    /// Its pack defines none.
    NotDefined,
    /// It was not read to its end: not well-formed, or validation gave up.
    NotRead,
    /// It is a rejection itself.
    OfRejection,
    /// Validation says something else than the cause.
    CauseContradicts,
    /// The id for the rejection is no UUID.
    Id,
    /// A value that the template needs is not there; above all: the original's header does not
    /// tell it. Named as the template names it.
    Missing(&'static str),
    /// The rejection would be longer than [`super::MAX_REJECTION_BYTES`].
    TooLarge,
    /// The original is a test message and the rejection would be none, or the other way round.
    Test,
    /// The rejection would not be valid. The first finding in it; its place is one in the
    /// rejection.
    Invalid(Box<Finding>),
}

impl NoRejection {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRecognised => "rejection-not-recognised",
            Self::NotDefined => "rejection-not-defined",
            Self::NotRead => "rejection-not-read",
            Self::OfRejection => "rejection-of-rejection",
            Self::CauseContradicts => "rejection-cause-contradicts",
            Self::Id => "rejection-id",
            Self::Missing(_) => "rejection-value-missing",
            Self::TooLarge => "rejection-too-large",
            Self::Test => "rejection-test",
            Self::Invalid(_) => "rejection-invalid",
        }
    }

    /// The reason in one sentence, in German.
    pub fn german(&self) -> String {
        match self {
            Self::NotRecognised => "Kein eingerichtetes Paket kennt die Nachricht.".to_owned(),
            Self::NotDefined => "Das Paket enthält keine Vorlage für Rückweisungen.".to_owned(),
            Self::NotRead => "Die Nachricht konnte nicht bis zum Ende gelesen werden.".to_owned(),
            Self::OfRejection => {
                "Die Nachricht ist selbst eine Rückweisung; auf diese wird nicht mit einer \
                 Rückweisung geantwortet."
                    .to_owned()
            }
            Self::CauseContradicts => {
                "Die Prüfung der Nachricht stützt den angegebenen Grund nicht.".to_owned()
            }
            Self::Id => "Die Kennung der Rückweisung ist keine UUID.".to_owned(),
            Self::Missing(name) => {
                format!("Die Vorlage verlangt den Wert {name}, und die Nachricht nennt ihn nicht.")
            }
            Self::TooLarge => "Die Rückweisung würde zu groß.".to_owned(),
            Self::Test => {
                "Original und Rückweisung sind nicht in gleicher Weise als Test gekennzeichnet."
                    .to_owned()
            }
            Self::Invalid(finding) => format!(
                "Die Rückweisung wäre nicht gültig ({}, {}): {}",
                place(finding, "ohne Stelle"),
                finding.rule,
                finding.message_de
            ),
        }
    }

    /// The same in English.
    pub fn english(&self) -> String {
        match self {
            Self::NotRecognised => "No pack that is set up knows the message.".to_owned(),
            Self::NotDefined => "The pack has no template for rejections.".to_owned(),
            Self::NotRead => "The message could not be read to its end.".to_owned(),
            Self::OfRejection => {
                "The message is a rejection itself, and those are not answered with one.".to_owned()
            }
            Self::CauseContradicts => {
                "Validation of the message does not support the cause given.".to_owned()
            }
            Self::Id => "The id of the rejection is no UUID.".to_owned(),
            Self::Missing(name) => {
                format!("The template needs the value {name}, and the message does not tell it.")
            }
            Self::TooLarge => "The rejection would be too large.".to_owned(),
            Self::Test => "Original and rejection are not marked as test alike.".to_owned(),
            Self::Invalid(finding) => format!(
                "The rejection would not be valid ({}, {}): {}",
                place(finding, "no place"),
                finding.rule,
                finding.message_en
            ),
        }
    }
}

impl std::fmt::Display for NoRejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.english())
    }
}

impl std::error::Error for NoRejection {}

fn place<'a>(finding: &'a Finding, none: &'a str) -> &'a str {
    if finding.path.is_empty() { none } else { &finding.path }
}
