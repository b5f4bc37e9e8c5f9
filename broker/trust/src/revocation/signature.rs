//! The signatures of authorities under CRLs, OCSP answers and time stamps: which algorithms count, and
//! whether one is genuine.

use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};

use super::error::Refused;
use crate::der::certificate::AlgorithmIdentifier;
use crate::der::{Malformed, Reader, SEQUENCE, constructed, only};
use crate::path::Floors;

/// A signature algorithm. SHA-1 and older are not among them: a list of revoked certificates that
/// can be forged is worth nothing.
#[derive(Clone, Copy)]
pub(crate) enum Algorithm {
    Rsa(MessageDigest),
    RsaPss { digest: MessageDigest, mask: MessageDigest, salt: u16 },
    Ecdsa(MessageDigest),
    Ed25519,
    Ed448,
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
const EDWARDS: &[u8] = &[0x2b, 0x65];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];

impl Algorithm {
    /// Reads a whole AlgorithmIdentifier.
    pub(crate) fn read(identifier: &[u8]) -> Result<Self, Refused> {
        let identifier = AlgorithmIdentifier::read(identifier)?;
        let Some((last, prefix)) = identifier.oid.split_last() else {
            return Err(Refused::Malformed);
        };
        if (prefix, *last) == (RSA, 10) {
            return Self::pss(Reader::only(identifier.parameters, SEQUENCE)?);
        }
        if !identifier.is_plain() {
            return Err(Refused::Malformed);
        }
        Ok(match (prefix, *last) {
            (RSA, 11) => Self::Rsa(MessageDigest::sha256()),
            (RSA, 12) => Self::Rsa(MessageDigest::sha384()),
            (RSA, 13) => Self::Rsa(MessageDigest::sha512()),
            (ECDSA_SHA2, 2) => Self::Ecdsa(MessageDigest::sha256()),
            (ECDSA_SHA2, 3) => Self::Ecdsa(MessageDigest::sha384()),
            (ECDSA_SHA2, 4) => Self::Ecdsa(MessageDigest::sha512()),
            (EDWARDS, 112) => Self::Ed25519,
            (EDWARDS, 113) => Self::Ed448,
            _ => return Err(Refused::Algorithm),
        })
    }

    /// Reads that of a signer in CMS, where an RSA key may stand for itself and the digest beside it
    /// (RFC 3370, 3.2).
    pub(crate) fn of_signer(identifier: &[u8], digest: MessageDigest) -> Result<Self, Refused> {
        let read = AlgorithmIdentifier::read(identifier)?;
        match read.oid.split_last() {
            Some((1, RSA)) if read.is_plain() => Ok(Self::Rsa(digest)),
            _ => Self::read(identifier),
        }
    }

    /// RSASSA-PSS-params (RFC 8017, A.2.3). The defaults are SHA-1 and do not count.
    fn pss(mut parameters: Reader<'_>) -> Result<Self, Refused> {
        let digest = parameters.optional(constructed(0))?.ok_or(Refused::Algorithm)?;
        let digest = sha2(digest)?;
        let mask = parameters.optional(constructed(1))?.ok_or(Refused::Algorithm)?;
        let mask = AlgorithmIdentifier::read(mask)?;
        if mask.oid != MGF1 {
            return Err(Refused::Algorithm);
        }
        let mask = sha2(mask.parameters)?;
        let salt = parameters.optional(constructed(2))?;
        let salt = match salt.map(|salt| only(salt, Reader::integer)).transpose()? {
            None => 20,
            Some([salt @ 0..=0x7f]) => u16::from(*salt),
            Some([high @ 0..=0x7f, low]) => u16::from_be_bytes([*high, *low]),
            Some(_) => return Err(Refused::Algorithm),
        };
        if !matches!(parameters.optional(constructed(3))?, None | Some([2, 1, 1])) {
            return Err(Refused::Algorithm);
        }
        parameters.end()?;
        Ok(Self::RsaPss { digest, mask, salt })
    }

    /// Whether a signature over these octets is genuine.
    pub(crate) fn verify(
        self,
        key: &PKeyRef<Public>,
        octets: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        let Floors { min_rsa_bits, min_ec_bits, .. } = Floors::default();
        let (kinds, min_bits): (&[Id], u32) = match self {
            Self::Rsa(_) => (&[Id::RSA], min_rsa_bits),
            Self::RsaPss { .. } => (&[Id::RSA, Id::RSA_PSS], min_rsa_bits),
            Self::Ecdsa(_) => (&[Id::EC], min_ec_bits),
            Self::Ed25519 => (&[Id::ED25519], 0),
            Self::Ed448 => (&[Id::ED448], 0),
        };
        if !kinds.contains(&key.id()) {
            return Err(Refused::Signature);
        }
        // The keys of issuers were judged with their paths; nobody else judges those of responders.
        if key.bits() < min_bits {
            return Err(Refused::Algorithm);
        }
        let genuine = || -> Result<bool, openssl::error::ErrorStack> {
            let mut verifier = match self {
                Self::Rsa(digest) | Self::Ecdsa(digest) => Verifier::new(digest, key)?,
                Self::RsaPss { digest, mask, salt } => {
                    let mut verifier = Verifier::new(digest, key)?;
                    verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                    verifier.set_rsa_mgf1_md(mask)?;
                    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(i32::from(salt)))?;
                    verifier
                }
                Self::Ed25519 | Self::Ed448 => Verifier::new_without_digest(key)?,
            };
            verifier.verify_oneshot(signature, octets)
        };
        // What OpenSSL cannot read as a signature is no signature.
        if genuine().unwrap_or(false) { Ok(()) } else { Err(Refused::Signature) }
    }
}

/// A digest of the family SHA-2, from a whole AlgorithmIdentifier.
pub(crate) fn sha2(identifier: &[u8]) -> Result<MessageDigest, Refused> {
    let identifier = AlgorithmIdentifier::read(identifier)?;
    if !identifier.is_plain() {
        return Err(Refused::Malformed);
    }
    match identifier.oid.split_last() {
        Some((1, SHA2)) => Ok(MessageDigest::sha256()),
        Some((2, SHA2)) => Ok(MessageDigest::sha384()),
        Some((3, SHA2)) => Ok(MessageDigest::sha512()),
        _ => Err(Refused::Algorithm),
    }
}

impl From<Malformed> for Refused {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}
