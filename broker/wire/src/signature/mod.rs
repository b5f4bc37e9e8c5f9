//! XML signatures: made and verified over streams of reader events, with OpenSSL.
//!
//! Verification takes two passes over the same octets. Pass 1 (`scan`) finds the signatures and
//! reads `SignedInfo` and `KeyInfo`; the value is checked under a certificate that the caller
//! trusts. Pass 2 (`references`) digests what the references name. The octets are hashed in both
//! and must be the same; nothing is released before both have ended. What comes out is a
//! [`Verification`]: who signed, and which nodes. A [`Profile`] says what must be signed, where
//! the one signature stands and by which algorithms; the message chooses none of it.
//!
//! Not here: certificate status (`trust`), encryption, references to anything outside the
//! document, transforms other than `enveloped-signature` and canonicalization.

mod algorithm;
mod certificate;
mod document;
mod fault;
mod octets;
mod profile;
mod references;
mod scan;
mod sign;
mod signed_info;
mod signer;
mod tree;
mod verification;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_schemas::xml::Limits;

pub use algorithm::{DigestAlgorithm, MIN_RSA_BITS, SignatureAlgorithm};
pub use certificate::{SignerCertificate, rfc4514};
pub use document::{
    DocumentReport, GeneralPolicy, SignatureReport, SignedContent, Trust, verify_document,
};
pub use fault::SignatureFault;
pub use profile::{Allowed, Name, Profile};
pub use references::CoveredNode;
pub use scan::MAX_SIGNATURES;
pub use sign::{Place, Target, sign, sign_enveloped};
pub use signer::{OpensslSigner, SignError, Signer};
pub use verification::{Unverified, Verification, Verified};

pub(crate) use fault::{xml_code, xml_fault};
pub(crate) use octets::pass;
pub(crate) use references::ReferencePass;
pub(crate) use scan::{Found, SignatureScan};
pub(crate) use sign::enveloped_signature;

/// Verifies the one signature that `profile` demands, under one of the `trusted` certificates
/// valid at `at`.
pub fn verify(
    document: &[u8],
    profile: &Profile,
    limits: &Limits,
    trusted: &[TrustedCertificate],
    at: Timestamp,
) -> Result<Verification, SignatureFault> {
    let mut scan = SignatureScan::new(profile.signature);
    let digest = pass(document, limits, &mut scan)?;
    let found = scan.one(profile)?;
    verify_found(&found, document, digest, profile, limits, trusted, at)
}

/// Pass 2 for a signature found in pass 1, over octets that had the digest `digest` then.
pub(crate) fn verify_found(
    found: &Found,
    document: &[u8],
    digest: amtsbote_domain::digest::Digest,
    profile: &Profile,
    limits: &Limits,
    trusted: &[TrustedCertificate],
    at: Timestamp,
) -> Result<Verification, SignatureFault> {
    let signer = found.signer(trusted, at)?;
    let mut references = ReferencePass::new([found], profile.must_cover);
    if pass(document, limits, &mut references)? != digest {
        return Err(SignatureFault::DocumentChanged);
    }
    references.one(found, signer, digest)
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod vectors;
