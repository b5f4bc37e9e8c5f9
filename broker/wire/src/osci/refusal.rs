//! Why a message was not read, and which feedback code of the standard says so.

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_schemas::xml::{Position, XmlError};

use crate::signature::{xml_code, xml_fault};

/// "Empfangene Nachricht stellt keine gültige OSCI-Nachricht dar".
pub(super) const NO_MESSAGE: u16 = 9100;
/// "Auftragsdaten stellen keinen gültigen Auftrag dar".
pub(super) const NO_ORDER: u16 = 9300;
/// "ConversationId oder SequenceNumber oder Response nicht korrekt".
pub(super) const DIALOGUE: u16 = 9400;
/// "Chiffrierzertifikat des Clients ist nicht in den Auftragsdaten enthalten".
pub(super) const NO_CIPHER_CERTIFICATE: u16 = 9500;
/// "Annahme der Zustellung ohne MessageId verweigert".
pub(super) const NO_MESSAGE_ID: u16 = 9800;
/// "Interner Fehler beim Supplier".
const INTERNAL: u16 = 9000;

/// Why a message was not read. Never holds a value from it (P7).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not well-formed, over a limit of the reader, or not to be read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Well-formed, but not what the standard demands.
    #[error("{place}: {element}: {rule}")]
    Form {
        /// Where.
        place: Position,
        /// The element that the rule is about.
        element: &'static str,
        /// What was demanded.
        rule: &'static str,
        /// The feedback code that fits.
        code: u16,
    },
    /// More than [`super::Limits`] allows.
    #[error("{place}: more than allowed: {limit}")]
    Limit {
        /// Where.
        place: Position,
        /// Of what.
        limit: &'static str,
    },
    /// Whoever looked at the same events ended the reading; [`super::read_beside`] says why.
    #[error("the reading was ended by who read along")]
    Beside,
}

impl Refusal {
    /// The feedback code that fits (OSCI-Transport 1.2, 6): four digits, 9xxx. Those below 9600 are
    /// told as a SOAP fault, the others as feedback.
    pub fn feedback_code(&self) -> u16 {
        match self {
            Self::Xml(error) if error.is_input() => INTERNAL,
            Self::Xml(_) => NO_MESSAGE,
            Self::Form { code, .. } => *code,
            Self::Limit { .. } => NO_ORDER,
            Self::Beside => INTERNAL,
        }
    }

    /// Where in the root part.
    pub fn place(&self) -> Position {
        match self {
            Self::Xml(error) => error.position,
            Self::Form { place, .. } | Self::Limit { place, .. } => *place,
            Self::Beside => Position::default(),
        }
    }

    /// No valid order, and why.
    pub(super) fn order(place: Position, element: &'static str, rule: &'static str) -> Self {
        Self::Form { place, element, rule, code: NO_ORDER }
    }

    /// No message of OSCI at all, and why.
    pub(super) fn message(place: Position, element: &'static str, rule: &'static str) -> Self {
        Self::Form { place, element, rule, code: NO_MESSAGE }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Xml(error) => xml_code(error),
            Refusal::Form { .. } => Code::MalformedRequest,
            Refusal::Limit { .. } => Code::XmlLimit,
            Refusal::Beside => Code::Internal,
        };
        match refusal {
            Refusal::Xml(error) => xml_fault(&error),
            Refusal::Form { place, element, rule, .. } => {
                Self::new(code).at(place).because(format!("{element}: {rule}"))
            }
            Refusal::Limit { place, limit } => Self::new(code).at(place).because(limit),
            Refusal::Beside => Self::new(code),
        }
    }
}
