//! What a refusal about the message signature is called in the standard's own codes.

use crate::signature::SignatureFault;

/// The codes that the check of a message signature ends in (OSCI-Transport 1.2, feedback).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFeedback {
    /// 9100: what came is no valid OSCI message.
    NoMessage,
    /// 9600: not signed, although this supplier demands it for the order.
    NotSigned,
    /// 9601: the signature over the order is faulty.
    Faulty,
    /// 9602: not everything is signed that must be.
    NotAllSigned,
    /// 9603: an error inside the supplier while the signature was checked.
    Internal,
    /// 9700: the certificate that signed is none that counts here. The standard has no code for a
    /// certificate that is sound and unknown, nor one for refusing what is out of date (3700 is a
    /// warning: the order was executed); this one says at least where to look.
    Certificate,
}

impl SignatureFeedback {
    /// The four digits.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoMessage => "9100",
            Self::NotSigned => "9600",
            Self::Faulty => "9601",
            Self::NotAllSigned => "9602",
            Self::Internal => "9603",
            Self::Certificate => "9700",
        }
    }
}

impl From<&SignatureFault> for SignatureFeedback {
    fn from(fault: &SignatureFault) -> Self {
        match fault {
            SignatureFault::Missing { .. }
            | SignatureFault::Invalid { .. }
            | SignatureFault::AlgorithmNotAllowed { .. } => Self::Faulty,
            SignatureFault::Coverage { .. } => Self::NotAllSigned,
            SignatureFault::SignerNotTrusted { .. } | SignatureFault::CertificateNotValid => {
                Self::Certificate
            }
            SignatureFault::Xml(error) if error.is_input() => Self::Internal,
            SignatureFault::Xml(_) | SignatureFault::Limit { .. } => Self::NoMessage,
            SignatureFault::DocumentChanged
            | SignatureFault::Read(_)
            | SignatureFault::Library(_) => Self::Internal,
        }
    }
}
