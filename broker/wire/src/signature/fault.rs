//! Why a signature was refused.

use std::io;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_schemas::xml::{Position, XmlError, XmlErrorKind};
use openssl::error::ErrorStack;

/// Why a signature, or the document that should hold one, was refused. Never holds a value from
/// the document.
#[derive(Debug, thiserror::Error)]
pub enum SignatureFault {
    /// There is no signature, more than one, or one at another place than the profile says.
    #[error("{rule}")]
    Missing {
        /// Where one was found that must not be there.
        place: Option<Position>,
        /// What was demanded.
        rule: &'static str,
    },
    /// The signature is not built as it must be, or does not fit what it signs.
    #[error("{rule}")]
    Invalid {
        /// Where.
        place: Position,
        /// What was demanded.
        rule: &'static str,
    },
    /// It signs less, or something else, than the profile says.
    #[error("{rule}")]
    Coverage {
        /// Where, if it is a place.
        place: Option<Position>,
        /// What was demanded.
        rule: &'static str,
    },
    /// No trusted certificate is the signer's.
    #[error("{rule}")]
    SignerNotTrusted {
        /// What was demanded.
        rule: &'static str,
    },
    /// The signer's certificate is trusted, but not at this time.
    #[error("the signer's certificate is not valid at the time of the check")]
    CertificateNotValid,
    /// An algorithm, transform or key that is not on the list.
    #[error("{rule}")]
    AlgorithmNotAllowed {
        /// Where it is named.
        place: Option<Position>,
        /// What was demanded.
        rule: &'static str,
    },
    /// The document is not well-formed, exceeds a limit of the reader, or could not be read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The signature exceeds a limit.
    #[error("more than allowed: {limit}")]
    Limit {
        /// Where.
        place: Position,
        /// Which limit.
        limit: &'static str,
    },
    /// The document changed between the two passes.
    #[error("the document changed while it was verified")]
    DocumentChanged,
    /// The document could not be read.
    #[error("the document could not be read")]
    Read(#[from] io::Error),
    /// OpenSSL failed at something that does not depend on the document.
    #[error("the cryptographic library failed")]
    Library(#[from] ErrorStack),
}

impl SignatureFault {
    /// The code of the refusal.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => Code::SignatureMissing,
            Self::Invalid { .. } | Self::DocumentChanged => Code::SignatureInvalid,
            Self::Coverage { .. } => Code::SignatureCoverage,
            Self::SignerNotTrusted { .. } => Code::SignerNotTrusted,
            Self::CertificateNotValid => Code::CertificateNotValid,
            Self::AlgorithmNotAllowed { .. } => Code::AlgorithmNotAllowed,
            Self::Xml(error) => xml_code(error),
            Self::Limit { .. } => Code::XmlLimit,
            Self::Read(_) | Self::Library(_) => Code::Internal,
        }
    }

    /// Where in the document, if it is a place.
    pub fn place(&self) -> Option<Position> {
        match self {
            Self::Missing { place, .. }
            | Self::Coverage { place, .. }
            | Self::AlgorithmNotAllowed { place, .. } => *place,
            Self::Invalid { place, .. } | Self::Limit { place, .. } => Some(*place),
            Self::Xml(error) => Some(error.position),
            Self::SignerNotTrusted { .. }
            | Self::CertificateNotValid
            | Self::DocumentChanged
            | Self::Read(_)
            | Self::Library(_) => None,
        }
    }
}

impl From<SignatureFault> for Fault {
    fn from(fault: SignatureFault) -> Self {
        if let SignatureFault::Xml(error) = &fault {
            return xml_fault(error);
        }
        let answer = Self::new(fault.code()).because(&fault);
        match fault.place() {
            Some(place) => answer.at(place),
            None => answer,
        }
    }
}

/// The code that goes with an error of the reader.
pub(crate) fn xml_code(error: &XmlError) -> Code {
    if error.is_input() {
        Code::Internal
    } else if error.is_limit() || error.kind == XmlErrorKind::Dtd {
        Code::XmlLimit
    } else {
        Code::EnvelopeNotWellFormed
    }
}

/// The refusal that goes with an error of the reader.
pub(crate) fn xml_fault(error: &XmlError) -> Fault {
    Fault::new(xml_code(error)).at(error.position).because(error.english())
}
