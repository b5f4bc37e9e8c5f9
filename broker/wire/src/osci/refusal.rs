//! Why a message was not read, and which feedback code of the standard says so.

use amtsbote_domain::fault::{self, Fault};
use amtsbote_schemas::xml::{Position, XmlError};

use super::feedback::Code;
use crate::signature::{xml_code, xml_fault};

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
        code: Code,
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
    /// The feedback code that fits (OSCI-Transport 1.2, 6), of the class 9xxx; by its level it is told
    /// as a SOAP fault or in the answer.
    pub fn feedback(&self) -> Code {
        match self {
            Self::Xml(error) if error.is_input() => Code::SupplierError,
            Self::Xml(_) => Code::NotAnOsciMessage,
            Self::Form { code, .. } => *code,
            Self::Limit { .. } => Code::NotAnOrder,
            Self::Beside => Code::SupplierError,
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
        Self::Form { place, element, rule, code: Code::NotAnOrder }
    }

    /// No message of OSCI at all, and why.
    pub(super) fn message(place: Position, element: &'static str, rule: &'static str) -> Self {
        Self::Form { place, element, rule, code: Code::NotAnOsciMessage }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Xml(error) => xml_code(error),
            Refusal::Form { .. } => fault::Code::MalformedRequest,
            Refusal::Limit { .. } => fault::Code::XmlLimit,
            Refusal::Beside => fault::Code::Internal,
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
