//! Keys of a token as ones that sign.

use std::fmt;
use std::sync::Arc;

use amtsbote_wire::signature::{DigestAlgorithm, SignError, SignatureAlgorithm, Signer};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};

use crate::error::TrustError;

use super::super::kind::KeyAlgorithm;
use super::objects::KeyObject;
use super::sessions::{Sessions, Trouble};

/// Shortest keys that sign, as for keys in memory: modulus of RSA, order of a curve, in bits.
const MIN_BITS: (u32, u32) = (2048, 250);

/// The algorithm that is usual for the kind of a key.
pub(super) fn usual(key: &KeyObject) -> Result<SignatureAlgorithm, TrustError> {
    match key.facts().algorithm {
        KeyAlgorithm::Rsa => Ok(SignatureAlgorithm::RsaSha256),
        KeyAlgorithm::Ec(_) => Ok(SignatureAlgorithm::EcdsaSha256),
        _ => Err(TrustError::UnsuitableKey),
    }
}

/// How a token is asked to sign a digest that was computed here.
#[derive(Clone, Copy)]
enum Scheme {
    Pkcs1,
    Pss(MechanismType, PkcsMgfType),
    /// The octets of r and of s.
    Ecdsa(usize),
}

/// A key of a token that signs.
pub(super) struct TokenSigner {
    sessions: Arc<Sessions>,
    key: KeyObject,
    certificate: Vec<u8>,
    algorithm: SignatureAlgorithm,
    digest: DigestAlgorithm,
    scheme: Scheme,
}

impl TokenSigner {
    pub(super) fn new(
        sessions: Arc<Sessions>,
        key: KeyObject,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, TrustError> {
        use SignatureAlgorithm as A;
        let certificate = key.certificate()?.der().to_vec();
        let digest = algorithm.digest().ok_or(TrustError::UnsuitableKey)?;
        let facts = key.facts();
        let scheme = match (algorithm, facts.algorithm) {
            (A::RsaSha256 | A::RsaSha384 | A::RsaSha512, KeyAlgorithm::Rsa) => Some(Scheme::Pkcs1),
            (A::RsaPssSha256 | A::RsaPssSha384 | A::RsaPssSha512, KeyAlgorithm::Rsa) => {
                mechanism(digest).map(|(hash, mask)| Scheme::Pss(hash, mask))
            }
            (A::EcdsaSha256 | A::EcdsaSha384 | A::EcdsaSha512, KeyAlgorithm::Ec(_)) => {
                Some(Scheme::Ecdsa(facts.bits.div_ceil(8) as usize))
            }
            _ => None,
        };
        let least = if facts.algorithm == KeyAlgorithm::Rsa { MIN_BITS.0 } else { MIN_BITS.1 };
        let scheme = scheme.filter(|_| facts.bits >= least && key.abilities().sign);
        let scheme = scheme.ok_or(TrustError::UnsuitableKey)?;
        Ok(Self { sessions, key, certificate, algorithm, digest, scheme })
    }

    fn value(&self, hash: &[u8]) -> Result<Vec<u8>, Trouble> {
        let (mechanism, data) = match self.scheme {
            Scheme::Pkcs1 => (Mechanism::RsaPkcs, digest_info(self.digest, hash)?),
            Scheme::Pss(hash_alg, mgf) => {
                // RFC 9231, 2.3.9: the salt is as long as the digest.
                let s_len = (hash.len() as u64).into();
                (Mechanism::RsaPkcsPss(PkcsPssParams { hash_alg, mgf, s_len }), hash.to_vec())
            }
            // The token takes as many leading bits as the order has, as FIPS 186-5 says; some want
            // the octets cut before.
            Scheme::Ecdsa(half) => (Mechanism::Ecdsa, hash[..hash.len().min(half)].to_vec()),
        };
        self.sessions.try_with(|session| {
            let key = self.key.handle(session)?;
            Ok(session.sign(&mechanism, key, &data)?)
        })
    }
}

impl Signer for TokenSigner {
    fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, signed_info: &[u8]) -> Result<Vec<u8>, SignError> {
        let hash = openssl::hash::hash(self.digest.message_digest(), signed_info)?;
        let value = self.value(&hash).map_err(TrustError::from);
        let value = value.map_err(|error| SignError::Key(error.to_string()))?;
        match self.scheme {
            Scheme::Ecdsa(half) => side_by_side(&value, half)
                .ok_or_else(|| SignError::Key("the token gave no signature".to_owned())),
            Scheme::Pkcs1 | Scheme::Pss(..) => Ok(value),
        }
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// PKCS#11 gives r and s with equal lengths, not necessarily that of the order.
fn side_by_side(value: &[u8], half: usize) -> Option<Vec<u8>> {
    if value.is_empty() || !value.len().is_multiple_of(2) || value.len() > 2 * half {
        return None;
    }
    let (r, s) = value.split_at(value.len() / 2);
    let mut octets = vec![0; 2 * half];
    octets[half - r.len()..half].copy_from_slice(r);
    octets[2 * half - s.len()..].copy_from_slice(s);
    Some(octets)
}

/// DER of `DigestInfo` (RFC 8017, 9.2, note 1).
fn digest_info(digest: DigestAlgorithm, hash: &[u8]) -> Result<Vec<u8>, TrustError> {
    let (arc, length) = match digest {
        DigestAlgorithm::Sha256 => (1, 32),
        DigestAlgorithm::Sha384 => (2, 48),
        DigestAlgorithm::Sha512 => (3, 64),
        _ => return Err(TrustError::UnsuitableKey),
    };
    let mut info = vec![0x30, 17 + length, 0x30, 0x0d, 0x06, 0x09];
    info.extend([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc]);
    info.extend([0x05, 0x00, 0x04, length]);
    info.extend(hash);
    Ok(info)
}

/// A digest and MGF1 with it, as PKCS#11 names them. It has no names for MGF1 with SHA-3.
pub(super) fn mechanism(digest: DigestAlgorithm) -> Option<(MechanismType, PkcsMgfType)> {
    Some(match digest {
        DigestAlgorithm::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        DigestAlgorithm::Sha224 => (MechanismType::SHA224, PkcsMgfType::MGF1_SHA224),
        DigestAlgorithm::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        DigestAlgorithm::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        DigestAlgorithm::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
        _ => return None,
    })
}
