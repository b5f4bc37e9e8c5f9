//! One key in memory with its certificates.

use std::fmt;

use amtsbote_wire::encryption::{OpensslDecryptor, UnsuitableKey};
use amtsbote_wire::signature::{OpensslSigner, SignError, SignatureAlgorithm};
use openssl::pkey::{PKey, PKeyRef, Private};

use crate::error::TrustError;
use crate::pem::Certificate;

use super::kind::KeyFacts;

/// A key with its certificates; the key cannot be taken out of it. OpenSSL overwrites it when the
/// last handle is dropped.
#[derive(Clone)]
pub struct Identity {
    key: PKey<Private>,
    chain: Vec<Certificate>,
}

impl Identity {
    /// Puts both together; the first certificate must be that of the key.
    pub(crate) fn new(key: PKey<Private>, chain: Vec<Certificate>) -> Result<Self, TrustError> {
        let certificate = chain.first().ok_or(TrustError::CertificatePending)?;
        if !certificate.x509().public_key()?.public_eq(&key) {
            return Err(TrustError::KeyMismatch);
        }
        Ok(Self { key, chain })
    }

    /// The certificate of the key.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The certificate of the key, then its issuers.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The certificates as PEM text.
    pub fn chain_pem(&self) -> Result<Vec<u8>, TrustError> {
        let pems: Result<Vec<Vec<u8>>, TrustError> =
            self.chain.iter().map(Certificate::to_pem).collect();
        Ok(pems?.concat())
    }

    /// Kind and size of the key.
    pub fn facts(&self) -> KeyFacts {
        KeyFacts::of(&self.key)
    }

    /// Signs with the key, in the way that is usual for its kind.
    pub fn signer(&self) -> Result<OpensslSigner, TrustError> {
        let x509 = self.certificate().x509().to_owned();
        OpensslSigner::new(self.key.clone(), &x509).map_err(signing)
    }

    /// Signs with the key and this algorithm, which must fit it.
    pub fn signer_with(&self, algorithm: SignatureAlgorithm) -> Result<OpensslSigner, TrustError> {
        let x509 = self.certificate().x509().to_owned();
        OpensslSigner::with(self.key.clone(), &x509, algorithm).map_err(signing)
    }

    /// Decrypts with the key.
    pub fn decryptor(&self) -> Result<OpensslDecryptor, TrustError> {
        let x509 = self.certificate().x509().to_owned();
        OpensslDecryptor::new(self.key.clone(), &x509).map_err(|error| match error {
            UnsuitableKey::KeyOfAnother => TrustError::KeyMismatch,
            UnsuitableKey::Kind => TrustError::UnsuitableKey,
            UnsuitableKey::Library(error) => TrustError::OpenSsl(error),
        })
    }

    pub(crate) fn key(&self) -> &PKeyRef<Private> {
        &self.key
    }
}

fn signing(error: SignError) -> TrustError {
    match error {
        SignError::KeyOfAnother => TrustError::KeyMismatch,
        _ => TrustError::UnsuitableKey,
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", self.certificate()).finish_non_exhaustive()
    }
}
