//! What this project does with a document, and the least that anybody has to do.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_schemas::xml::Limits;
use amtsbote_trust::path::{Anchors, Purpose};
use amtsbote_trust::pem::Certificate;
use amtsbote_wire::c14n::Mode;
use amtsbote_wire::signature::{
    Against, Allowed, DigestAlgorithm, Fixed, GeneralPolicy, NoParts, Over, Profile,
    verify_document, verify_stream,
};
use anyhow::{Context as _, ensure};
use openssl::hash::MessageDigest;
use openssl::md::Md;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::x509::X509;

use super::document::{Identity, MUST_COVER, SIGNATURE};
use crate::time;

/// How a document is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One pass, for the profile says beforehand how the references are built.
    OnePass,
    /// Two passes under a profile.
    TwoPasses,
    /// Two passes as for a document of which nothing is known, as `signature verify` does.
    General,
}

/// What verifying needs besides the document.
pub(super) struct Verifier {
    trusted: [TrustedCertificate; 1],
    anchors: Arc<Anchors>,
    allowed: Allowed,
    limits: Limits,
    at: Timestamp,
}

impl Verifier {
    /// Trusts this certificate.
    pub(super) fn new(certificate: &X509) -> anyhow::Result<Self> {
        let trusted = Identity::trusted(certificate)?;
        let anchor = Certificate::from_der(&trusted.der)?;
        let anchors = Anchors::builder().trust(Purpose::Content, &[anchor]);
        Ok(Self {
            trusted: [trusted],
            anchors: anchors.partial(Purpose::Content).build()?,
            allowed: Allowed::default(),
            limits: Limits::default(),
            at: time::now(),
        })
    }

    /// Verifies a document in memory.
    pub(super) fn verify(&self, document: &[u8], way: Way) -> anyhow::Result<()> {
        self.verify_stream(&|| Ok(document), way)
    }

    /// Verifies a file piece by piece.
    pub(super) fn verify_file(&self, file: &Path, way: Way) -> anyhow::Result<()> {
        self.verify_stream(&|| Ok(BufReader::new(File::open(file)?)), way)
    }

    fn verify_stream<R: BufRead>(
        &self,
        open: &dyn Fn() -> std::io::Result<R>,
        way: Way,
    ) -> anyhow::Result<()> {
        if way == Way::General {
            return self.verify_any(open);
        }
        let fixed = Fixed {
            over: Over::Document,
            canonicalization: Mode::Exclusive,
            digest: DigestAlgorithm::Sha256,
        };
        let profile = Profile {
            fixed: (way == Way::OnePass).then_some(fixed),
            ..Profile::new(SIGNATURE, MUST_COVER, &self.allowed)
        };
        let against =
            Against { trusted: &self.trusted, at: self.at, parts: &NoParts, limits: &self.limits };
        verify_stream(open, &profile, &against)?;
        Ok(())
    }

    fn verify_any<R: BufRead>(&self, open: &dyn Fn() -> std::io::Result<R>) -> anyhow::Result<()> {
        let policy = GeneralPolicy {
            candidates: vec![self.trusted[0].der.clone()],
            allowed: self.allowed.clone(),
            limits: self.limits.clone(),
        };
        let mut report = verify_document(open, &NoParts, &policy)?;
        let signature = report.signatures.pop().context("no signature")?;
        let signed = signature.outcome?;
        let signer = Certificate::from_der(&signed.verification.signer().der)?;
        self.anchors.validate(&signer, &[], Purpose::Content, self.at)?;
        Ok(())
    }
}

/// SHA-256 over the octets of the document, and one public-key operation.
pub(super) struct Floor {
    key: PKey<Public>,
    rsa: bool,
    digest: [u8; 32],
    value: Vec<u8>,
}

impl Floor {
    pub(super) fn new(identity: &Identity) -> anyhow::Result<Self> {
        let mut signer = Signer::new(MessageDigest::sha256(), &identity.key)?;
        let value = signer.sign_oneshot_to_vec(b"floor")?;
        let key = identity.certificate.public_key()?;
        let rsa = key.rsa().is_ok();
        Ok(Self { key, rsa, digest: sha256(b"floor"), value })
    }

    pub(super) fn run(&self, document: &[u8]) -> anyhow::Result<()> {
        std::hint::black_box(sha256(document));
        let mut context = PkeyCtx::new(&self.key)?;
        context.verify_init()?;
        if self.rsa {
            context.set_rsa_padding(Padding::PKCS1)?;
        }
        context.set_signature_md(Md::sha256())?;
        ensure!(context.verify(&self.digest, &self.value)?, "the floor does not verify");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_verifies_and_refuses() {
        for identity in Identity::both().expect("keys") {
            let document = identity.signed(6_000).expect("signed");
            let verifier = Verifier::new(&identity.certificate).expect("a verifier");
            let changed = String::from_utf8(document.clone()).expect("UTF-8");
            let changed = changed.replacen("standard=\"Messung\"", "standard=\"Messing\"", 1);
            for way in [Way::OnePass, Way::TwoPasses, Way::General] {
                verifier.verify(&document, way).expect("it holds");
                assert!(verifier.verify(changed.as_bytes(), way).is_err(), "{way:?}");
            }
            Floor::new(&identity).expect("a floor").run(&document).expect("it verifies");
        }
    }
}
