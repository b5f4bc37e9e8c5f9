//! A digest in the making, as an end of a stream of octets.

use openssl::error::ErrorStack;
use openssl::hash;
use openssl::sha;

use super::algorithm::DigestAlgorithm;
use crate::c14n::Output;

/// SHA-2 by the functions that need no context on the heap, the others by the general one.
pub(crate) enum Hasher {
    Sha256(sha::Sha256),
    Sha384(sha::Sha384),
    Sha512(sha::Sha512),
    /// An error of the library is kept and told at the end.
    Other(Result<hash::Hasher, ErrorStack>),
}

impl Hasher {
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Sha256 => Self::Sha256(sha::Sha256::new()),
            DigestAlgorithm::Sha384 => Self::Sha384(sha::Sha384::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(sha::Sha512::new()),
            other => Self::Other(hash::Hasher::new(other.message_digest())),
        }
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(octets),
            Self::Sha384(hasher) => hasher.update(octets),
            Self::Sha512(hasher) => hasher.update(octets),
            Self::Other(hasher) => {
                if let Ok(inner) = hasher
                    && let Err(error) = inner.update(octets)
                {
                    *hasher = Err(error);
                }
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, ErrorStack> {
        Ok(match self {
            Self::Sha256(hasher) => hasher.finish().to_vec(),
            Self::Sha384(hasher) => hasher.finish().to_vec(),
            Self::Sha512(hasher) => hasher.finish().to_vec(),
            Self::Other(hasher) => hasher?.finish()?.to_vec(),
        })
    }
}

impl Output for Hasher {
    fn write(&mut self, octets: &[u8]) {
        self.update(octets);
    }
}
