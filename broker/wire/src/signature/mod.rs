//! XML signatures: made and verified over streams of reader events, with OpenSSL.
//!
//! Verification takes two passes over the same octets. Pass 1 (`scan`) finds the signatures and
//! reads `SignedInfo` and `KeyInfo`; the value is checked under a certificate that the caller
//! trusts. Pass 2 (`references`) digests what the references name. The octets are hashed in both
//! and must be the same; nothing is released before both have ended. One pass is enough where the
//! profile is [`Fixed`] beforehand: the digests are made on speculation and thrown away on mismatch.
//! What comes out is a [`Verification`]: who signed, and which nodes and parts. A [`Profile`] says
//! what must be signed, where the one signature stands and by which algorithms; the message chooses
//! none of it.
//!
//! What is understood: XML Signature 1.1 with the algorithms of `algorithm` (no HMAC, no DSA), the
//! transforms of `transforms` (no XSLT, no XPath but a few known expressions), references into the
//! document and to [`Parts`] that the caller hands in (nothing is ever fetched), the hints of
//! `key_info`, which select among certificates and never give trust. Manifests are signed like any
//! other element; what they list is not followed.
//!
//! Not here: certificate status and paths (`trust`), encryption.

mod algorithm;
mod base64_digest;
mod beside;
mod certificate;
mod checked;
mod document;
mod fault;
mod hasher;
mod ids;
mod key_info;
mod key_info_form;
pub(crate) mod names;
mod octets;
mod parts;
mod profile;
mod references;
mod retrieval;
mod run;
mod scan;
mod sign;
mod signed_info;
mod signer;
mod slot;
mod speculation;
mod survey;
mod transforms;
pub(crate) mod tree;
mod verification;
mod watch;

use std::io::{self, BufRead};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_schemas::xml::{Event, EventSink, Limits};

pub use algorithm::{DigestAlgorithm, MIN_EC_BITS, MIN_RSA_BITS, SignatureAlgorithm};
pub use certificate::{SignerCertificate, rfc4514};
pub use checked::CoveredNode;
pub use document::{
    DocumentReport, GeneralPolicy, Means, SignatureReport, SignedContent, verify_document,
};
pub use fault::SignatureFault;
pub use ids::MAX_IDS;
pub use key_info_form::KeyInfoForm;
pub use parts::{CoveredPart, KnownPart, NoParts, PartForm, Parts};
pub use profile::{Allowed, Fixed, Name, Otherwise, Over, Profile};
pub use scan::MAX_SIGNATURES;
pub use sign::{PartTarget, Place, Signing, Target, sign, sign_enveloped, sign_with};
pub use signer::{OpensslSigner, SignError, Signer};
pub use verification::{Unverified, Verification, Verified};

pub(crate) use beside::{SaidTarget, for_signing, verify_followed};
pub(crate) use fault::{xml_code, xml_fault};
pub(crate) use hasher::Hasher;
pub(crate) use octets::{Hashed, pass};
pub(crate) use references::ReferencePass;
pub(crate) use scan::{Found, SignatureScan};
pub(crate) use sign::{enveloped_signature, quoted};
pub(crate) use transforms::is_plain_id;

use retrieval::Retrieval;

/// What a signature is judged by besides its profile.
#[derive(Clone, Copy)]
pub struct Against<'a> {
    /// The certificates that policy trusts for this signer.
    pub trusted: &'a [TrustedCertificate],
    /// When they must be valid.
    pub at: Timestamp,
    /// What came with the document.
    pub parts: &'a dyn Parts,
    /// How much of the document, and of parts that are XML, is read.
    pub limits: &'a Limits,
}

/// Verifies the one signature that `profile` demands, in a document without parts, under one of the
/// `trusted` certificates valid at `at`.
pub fn verify(
    document: &[u8],
    profile: &Profile<'_>,
    limits: &Limits,
    trusted: &[TrustedCertificate],
    at: Timestamp,
) -> Result<Verification, SignatureFault> {
    let against = Against { trusted, at, parts: &NoParts, limits };
    verify_stream(&|| Ok(document), profile, &against)
}

/// The same for a document of any size, which `open` opens anew for each pass, and for what came
/// with it. Memory does not grow with either.
pub fn verify_stream<R: BufRead>(
    open: &dyn Fn() -> io::Result<R>,
    profile: &Profile<'_>,
    against: &Against<'_>,
) -> Result<Verification, SignatureFault> {
    let scan = SignatureScan::new(profile.signature);
    if let Some(fixed) = profile.fixed {
        let references = ReferencePass::speculative(profile, fixed);
        let mut both = OnePass { scan, references, known: 0 };
        let digest = pass(open()?, against.limits, &mut both)?;
        let found = both.scan.one(profile.others)?;
        if profile.otherwise == Otherwise::SecondPass && !both.references.fits(&found) {
            return verify_found(&found, open, digest, profile, against);
        }
        return verify_speculated(&found, both.references, digest, profile, against);
    }
    let mut scan = scan;
    let digest = pass(open()?, against.limits, &mut scan)?;
    let found = scan.one(profile.others)?;
    verify_found(&found, open, digest, profile, against)
}

/// Pass 2 for a signature found in pass 1, over octets that had the digest `digest` then.
pub(crate) fn verify_found<R: BufRead>(
    found: &Found,
    open: &dyn Fn() -> io::Result<R>,
    digest: Digest,
    profile: &Profile<'_>,
    against: &Against<'_>,
) -> Result<Verification, SignatureFault> {
    let content = found.read()?;
    content.info.check(profile.allowed)?;
    let judge = |retrieval: &Retrieval| {
        let hints = found.hints(retrieval, against.parts)?;
        found.signer(&hints, against.trusted, profile.allowed, against.at)
    };
    // Before the second pass, if nothing must be retrieved: it is the cheaper way to say no.
    let early = content.hints.retrievals.is_empty().then(|| judge(&Retrieval::default()));
    let early = early.transpose()?;
    let mut references = ReferencePass::new([found]).watching(profile);
    if pass(open()?, against.limits, &mut references)? != digest {
        return Err(SignatureFault::DocumentChanged);
    }
    let signer = early.map_or_else(|| judge(&references.retrieval), Ok)?;
    references.one(found, signer, digest, against.parts, against.limits)
}

/// The end of the one pass over octets that had the digest `digest`.
pub(crate) fn verify_speculated(
    found: &Found,
    references: ReferencePass,
    digest: Digest,
    profile: &Profile<'_>,
    against: &Against<'_>,
) -> Result<Verification, SignatureFault> {
    found.read()?.info.check(profile.allowed)?;
    let hints = found.hints(&references.retrieval, against.parts)?;
    let signer = found.signer(&hints, against.trusted, profile.allowed, against.at)?;
    references.one(found, signer, digest, against.parts, against.limits)
}

/// Both at once, for a profile that is fixed beforehand.
struct OnePass {
    scan: SignatureScan,
    references: ReferencePass,
    /// Signatures of which the hints were seen.
    known: usize,
}

impl EventSink for OnePass {
    type Error = SignatureFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), SignatureFault> {
        self.scan.event(event)?;
        if matches!(event, Event::End(..)) {
            for found in self.scan.ended(self.known) {
                self.known += 1;
                if let (true, Ok(content)) = (found.at_place, &found.content) {
                    // What stands before the signature is gone by now.
                    self.references.retrieval.want(&content.hints.retrievals);
                }
            }
        }
        self.references.event(event)
    }
}

#[cfg(test)]
mod algorithm_tests;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod profile_tests;
