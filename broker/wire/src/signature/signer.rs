//! The key port: who signs, and OpenSSL keys as one who does.

use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer as OpensslSign};
use openssl::x509::X509;

use super::algorithm::{KeyKind, MIN_EC_BITS, MIN_RSA_BITS, Scheme, SignatureAlgorithm};

/// A key that signs, wherever it lies.
pub trait Signer {
    /// The DER of the certificate that goes with the key.
    fn certificate_der(&self) -> &[u8];

    /// The algorithm that [`Signer::sign`] uses.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Signs the canonical octets of `SignedInfo`. The value has the form that XML signatures
    /// demand: for ECDSA r and s side by side, each as long as the order of the curve.
    fn sign(&self, signed_info: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    KeyOfAnother,
    /// The key is of a kind or size that is not used for signatures.
    #[error(
        "the key must be RSA of at least {MIN_RSA_BITS} bits, ECDSA on a NIST or Brainpool curve of \
         at least {MIN_EC_BITS} bits, or Ed25519"
    )]
    UnsuitableKey,
    /// The algorithm is none for the key, or one for reading old data only.
    #[error("the algorithm is none for this key, or one that nothing is signed with any more")]
    UnsuitableAlgorithm,
    /// The document cannot be signed as asked.
    #[error("the document cannot be signed: {0}")]
    Document(String),
    /// The key store or the library failed.
    #[error("the key could not be used: {0}")]
    Key(String),
}

impl From<ErrorStack> for SignError {
    fn from(error: ErrorStack) -> Self {
        Self::Key(error.to_string())
    }
}

/// A private key in memory with its certificate.
pub struct OpensslSigner {
    key: PKey<Private>,
    kind: KeyKind,
    certificate: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl OpensslSigner {
    /// Takes a key and its certificate, which must belong together; signs with SHA-256, or with
    /// Ed25519 where the key is one for it.
    pub fn new(key: PKey<Private>, certificate: &X509) -> Result<Self, SignError> {
        let kind = KeyKind::of(&key);
        let algorithm = match kind {
            _ if !kind.reaches(MIN_RSA_BITS, MIN_EC_BITS) => return Err(SignError::UnsuitableKey),
            KeyKind::Rsa { pss_only: false, .. } => SignatureAlgorithm::RsaSha256,
            KeyKind::Rsa { pss_only: true, .. } => SignatureAlgorithm::RsaPssSha256,
            KeyKind::Ec { .. } => SignatureAlgorithm::EcdsaSha256,
            KeyKind::Ed25519 => SignatureAlgorithm::Ed25519,
            KeyKind::Unsuitable => return Err(SignError::UnsuitableKey),
        };
        Self::with(key, certificate, algorithm)
    }

    /// The same, signing with `algorithm`: one for the key, and none of the legacy ones.
    pub fn with(
        key: PKey<Private>,
        certificate: &X509,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, SignError> {
        let kind = KeyKind::of(&key);
        if !kind.reaches(MIN_RSA_BITS, MIN_EC_BITS) {
            return Err(SignError::UnsuitableKey);
        }
        if algorithm.is_legacy() || !algorithm.fits(kind) {
            return Err(SignError::UnsuitableAlgorithm);
        }
        if !certificate.public_key()?.public_eq(&key) {
            return Err(SignError::KeyOfAnother);
        }
        Ok(Self { key, kind, certificate: certificate.to_der()?, algorithm })
    }
}

impl Signer for OpensslSigner {
    fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, signed_info: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut signer = match self.algorithm.digest() {
            Some(digest) => OpensslSign::new(digest.message_digest(), &self.key)?,
            None => OpensslSign::new_without_digest(&self.key)?,
        };
        if let Scheme::Pss(digest) = self.algorithm.scheme() {
            signer.set_rsa_padding(Padding::PKCS1_PSS)?;
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            signer.set_rsa_mgf1_md(digest.message_digest())?;
        }
        let value = signer.sign_oneshot_to_vec(signed_info)?;
        let KeyKind::Ec { half, .. } = self.kind else { return Ok(value) };
        let signature = EcdsaSig::from_der(&value)?;
        let mut octets = signature.r().to_vec_padded(half as i32)?;
        octets.extend(signature.s().to_vec_padded(half as i32)?);
        Ok(octets)
    }
}

impl std::fmt::Debug for OpensslSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpensslSigner").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
