//! What a refusal about the message signature is called in the standard's own codes.

use super::super::feedback::Code;
use crate::signature::SignatureFault;

impl From<&SignatureFault> for Code {
    /// The code that the check of a message signature ends in. The standard has none for a
    /// certificate that is sound and unknown, nor one for refusing what is out of date (3700 is a
    /// warning: the order was executed); 9700 says at least where to look.
    fn from(fault: &SignatureFault) -> Self {
        match fault {
            SignatureFault::Missing { .. }
            | SignatureFault::Invalid { .. }
            | SignatureFault::AlgorithmNotAllowed { .. } => Self::OrderSignatureWrong,
            SignatureFault::Coverage { .. } => Self::OrderNotFullySigned,
            SignatureFault::SignerNotTrusted { .. } | SignatureFault::CertificateNotValid => {
                Self::ClientSigningCertificateNotGenuine
            }
            SignatureFault::Xml(error) if error.is_input() => Self::SignatureCheckFailed,
            SignatureFault::Xml(_) => Self::NotAnOsciMessage,
            // As any other limit of a message.
            SignatureFault::Limit { .. } => Self::NotAnOrder,
            SignatureFault::DocumentChanged
            | SignatureFault::Read(_)
            | SignatureFault::Library(_) => Self::SignatureCheckFailed,
        }
    }
}
