//! Why a message cannot be read.

use amtsbote_domain::fault::{Code, Fault};

/// Why octets are no message. Never holds a value from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MimeFault {
    /// The headers of the message do not say `Multipart/Related`.
    #[error("the message is not Multipart/Related")]
    NotMultipartRelated,
    /// The headers of the message cannot be read.
    #[error("the headers of the message: {0}")]
    Headers(&'static str),
    /// A transfer encoding that is not known, or a part that does not follow its own.
    #[error("Content-Transfer-Encoding: {what} in part {part}")]
    TransferEncoding {
        /// What is wrong.
        what: &'static str,
        /// In which part, counted from 1.
        part: usize,
    },
    /// The message ended before its closing delimiter.
    #[error("the message ended before its closing delimiter")]
    Truncated,
    /// Something is larger than its limit.
    #[error("more than {limit}: {what}")]
    TooLarge {
        /// What, with the unit.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// The message is not built as RFC 2046 and OSCI-Transport 1.2 say.
    #[error("{what} in part {part}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// In or before which part, counted from 1.
        part: usize,
    },
}

impl MimeFault {
    /// The code of the refusal. The feedback code for the client is
    /// [`super::super::feedback::Code::NotAnOsciMessage`] for all of them.
    pub fn code(&self) -> Code {
        match self {
            Self::NotMultipartRelated => Code::UnsupportedMediaType,
            Self::Headers(_) | Self::TransferEncoding { .. } | Self::Malformed { .. } => {
                Code::MalformedRequest
            }
            Self::Truncated => Code::Truncated,
            Self::TooLarge { .. } => Code::TooLarge,
        }
    }
}

impl From<MimeFault> for Fault {
    fn from(fault: MimeFault) -> Self {
        Self::new(fault.code()).because(fault)
    }
}
