//! Why something was not decrypted.

use std::io;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_schemas::xml::{Position, XmlError};
use openssl::error::ErrorStack;

use crate::signature::{xml_code, xml_fault};

/// Why encrypted data were refused. Never holds a value from the document.
///
/// Whatever depends on a secret is [`EncryptionFault::Undecryptable`] and nothing else: a key that
/// does not unwrap, a padding, a tag, a length. The others can be told from the document and the
/// policy alone, and are found before a private key is used.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionFault {
    /// It could not be decrypted. That is all that anybody learns.
    #[error("it could not be decrypted")]
    Undecryptable,
    /// None of the keys handed in is named.
    #[error("{rule}")]
    NoKey {
        /// Where.
        place: Position,
        /// What was demanded.
        rule: &'static str,
    },
    /// It is not built as it must be.
    #[error("{rule}")]
    Invalid {
        /// Where.
        place: Position,
        /// What was demanded.
        rule: &'static str,
    },
    /// An algorithm, transform or key that is not on the list.
    #[error("{rule}")]
    AlgorithmNotAllowed {
        /// Where it is named.
        place: Position,
        /// What was demanded.
        rule: &'static str,
    },
    /// It exceeds a limit.
    #[error("more than allowed: {limit}")]
    Limit {
        /// Where.
        place: Position,
        /// Which limit.
        limit: &'static str,
    },
    /// The document is not well-formed, exceeds a limit of the reader, or could not be read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The document changed between the two passes.
    #[error("the document changed while it was decrypted")]
    DocumentChanged,
    /// The ciphertext could not be read.
    #[error("the encrypted octets could not be read")]
    Read(#[from] io::Error),
    /// The plaintext could not be put away.
    #[error("the decrypted octets could not be stored")]
    Spool(#[source] io::Error),
    /// The key store cannot be used at present.
    #[error("the key store could not be used")]
    KeyStore,
    /// OpenSSL failed at something that does not depend on the document.
    #[error("the cryptographic library failed")]
    Library(#[from] ErrorStack),
}

impl EncryptionFault {
    /// The code of the refusal.
    pub fn code(&self) -> Code {
        match self {
            Self::Undecryptable
            | Self::NoKey { .. }
            | Self::Invalid { .. }
            | Self::AlgorithmNotAllowed { .. }
            | Self::DocumentChanged => Code::NotDecryptable,
            Self::Limit { .. } => Code::XmlLimit,
            Self::Xml(error) => xml_code(error),
            Self::KeyStore => Code::Unavailable,
            Self::Spool(error) if error.kind() == io::ErrorKind::StorageFull => Code::DiskFull,
            Self::Spool(error) if error.kind() == io::ErrorKind::FileTooLarge => Code::TooLarge,
            Self::Read(_) | Self::Spool(_) | Self::Library(_) => Code::Internal,
        }
    }

    /// Where in the document, if it is a place.
    pub fn place(&self) -> Option<Position> {
        match self {
            Self::NoKey { place, .. }
            | Self::Invalid { place, .. }
            | Self::AlgorithmNotAllowed { place, .. }
            | Self::Limit { place, .. } => Some(*place),
            Self::Xml(error) => Some(error.position),
            Self::Undecryptable
            | Self::DocumentChanged
            | Self::Read(_)
            | Self::Spool(_)
            | Self::KeyStore
            | Self::Library(_) => None,
        }
    }
}

impl From<EncryptionFault> for Fault {
    fn from(fault: EncryptionFault) -> Self {
        if let EncryptionFault::Xml(error) = &fault {
            return xml_fault(error);
        }
        let answer = Self::new(fault.code()).because(&fault);
        match fault.place() {
            Some(place) => answer.at(place),
            None => answer,
        }
    }
}

/// What is wrong with one element. It is told only when somebody asks for that element: a message
/// may hold others that concern other readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Invalid(Position, &'static str),
    NotAllowed(Position, &'static str),
    Limit(Position, &'static str),
}

impl From<Refused> for EncryptionFault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(place, rule) => Self::Invalid { place, rule },
            Refused::NotAllowed(place, rule) => Self::AlgorithmNotAllowed { place, rule },
            Refused::Limit(place, limit) => Self::Limit { place, limit },
        }
    }
}

pub(super) fn invalid<T>(place: Position, rule: &'static str) -> Result<T, Refused> {
    Err(Refused::Invalid(place, rule))
}

pub(super) fn not_allowed<T>(place: Position, rule: &'static str) -> Result<T, Refused> {
    Err(Refused::NotAllowed(place, rule))
}
