//! Signatures of any conforming producer: what `amtsbote signature verify` shows.
//!
//! What comes out is under which certificate a signature holds. Whether that certificate is
//! trusted, and was valid, is judged elsewhere, by the paths of `trust`.

use std::io::{self, BufRead};

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Limits, Position};
use openssl::error::ErrorStack;
use openssl::x509::X509;

use super::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use super::certificate::{Fit, MAX_TRIED, Parsed, SignerCertificate};
use super::checked::Checked;
use super::fault::SignatureFault;
use super::key_info::KeyHints;
use super::octets::pass;
use super::parts::Parts;
use super::profile::Allowed;
use super::references::ReferencePass;
use super::retrieval::Retrieval;
use super::scan::{Content, Found, SignatureScan};
use super::verification::Verification;

/// Most references of all signatures of a document together: each is a canonicalization of its own.
const MAX_REFERENCES: usize = 64;

/// How signatures are read where no profile of ours applies.
#[derive(Clone, Debug)]
pub struct GeneralPolicy {
    /// DER of certificates that `KeyInfo` may mean, or that are tried where it says nothing, besides
    /// those in it. None of them is trusted for standing here.
    pub candidates: Vec<Vec<u8>>,
    /// By which algorithms and keys.
    pub allowed: Allowed,
    /// How much is read.
    pub limits: Limits,
}

/// What was found in a document.
#[derive(Debug)]
pub struct DocumentReport {
    /// SHA-256 over its octets.
    pub sha256: Digest,
    /// Its signatures in the order in which they end; at least one.
    pub signatures: Vec<SignatureReport>,
}

/// What was found about one signature.
#[derive(Debug)]
pub struct SignatureReport {
    /// Local names from the root to it.
    pub path: String,
    /// Where it begins.
    pub position: Position,
    /// By what it says it was made; none where that could not be read.
    pub means: Option<Means>,
    /// What it proves, or why it proves nothing.
    pub outcome: Result<SignedContent, SignatureFault>,
}

/// By what a signature says it was made, also one that is refused for it: a policy can then say
/// what it has against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Means {
    /// The algorithm of the signature.
    pub algorithm: SignatureAlgorithm,
    /// The digests, each once: of the references, and of the mask of RSASSA-PSS.
    pub digests: Vec<DigestAlgorithm>,
    /// DER of the certificates under which it was tried, the one that fits last; at most 16, and
    /// none where the algorithms were refused before that.
    pub tried: Vec<Vec<u8>>,
}

impl Means {
    fn of(content: &Content) -> Self {
        let info = &content.info;
        let all = info.references.iter().map(|reference| reference.digest);
        let mut digests = Vec::new();
        for digest in all.chain(info.pss.map(|pss| pss.mask)) {
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        Self { algorithm: info.algorithm, digests, tried: Vec::new() }
    }
}

/// A signature that holds.
#[derive(Clone, Debug)]
pub struct SignedContent {
    /// Who, how, which nodes and parts. The signer's certificate in DER is in it.
    pub verification: Verification,
    /// DER of the other certificates in `KeyInfo`, at most 7. They may help to find a path from the
    /// signer's certificate to one that is trusted, and prove nothing.
    pub others: Vec<Vec<u8>>,
}

/// Verifies every signature in a document. `open` opens it anew for each of the two passes; memory
/// does not grow with it, nor with its parts.
pub fn verify_document<R: BufRead>(
    open: &dyn Fn() -> io::Result<R>,
    parts: &dyn Parts,
    policy: &GeneralPolicy,
) -> Result<DocumentReport, SignatureFault> {
    let mut scan = SignatureScan::general(&[]);
    let sha256 = pass(open()?, &policy.limits, &mut scan)?;
    let mut found = scan.all();
    if found.is_empty() {
        let rule = "there is no signature in the document";
        return Err(SignatureFault::Missing { place: None, rule });
    }
    let means = found.iter().map(|one| one.content.as_ref().ok().map(Means::of));
    let means: Vec<_> = means.collect();
    for signature in &mut found {
        if let Ok(content) = &signature.content
            && let Err(fault) = content.info.check(&policy.allowed)
        {
            signature.content = Err(fault);
        }
    }
    let read = found.iter().filter_map(|signature| signature.content.as_ref().ok());
    if read.map(|content| content.info.references.len()).sum::<usize>() > MAX_REFERENCES {
        let limit = "references of all signatures together";
        return Err(SignatureFault::Limit { place: Position::default(), limit });
    }
    let mut references = ReferencePass::new(&found);
    if pass(open()?, &policy.limits, &mut references)? != sha256 {
        return Err(SignatureFault::DocumentChanged);
    }
    let candidates: Result<Vec<_>, _> =
        policy.candidates.iter().map(|der| X509::from_der(der)).collect();
    let candidates = candidates?;
    let retrieval = std::mem::take(&mut references.retrieval);
    let outcomes = references.finish(&found, parts, &policy.limits);
    let signatures = found.into_iter().zip(outcomes).zip(means).map(|((found, checked), means)| {
        let (path, position, mut means) = (found.path.clone(), found.position, means);
        let mut tried = Vec::new();
        let by = By { retrieval: &retrieval, parts, candidates: &candidates, policy };
        let outcome = by.judge(found, checked, sha256, &mut tried);
        if let Some(means) = &mut means {
            means.tried = tried;
        }
        SignatureReport { path, position, means, outcome }
    });
    Ok(DocumentReport { sha256, signatures: signatures.collect() })
}

/// By what a signature is judged.
struct By<'a> {
    retrieval: &'a Retrieval,
    parts: &'a dyn Parts,
    /// Those of the policy, read.
    candidates: &'a [X509],
    policy: &'a GeneralPolicy,
}

/// The certificates under which a signature was tried, in DER.
type Tried = Vec<Vec<u8>>;

impl By<'_> {
    fn judge(
        &self,
        mut found: Found,
        checked: Result<Checked, SignatureFault>,
        document: Digest,
        tried: &mut Tried,
    ) -> Result<SignedContent, SignatureFault> {
        if found.content.is_err() {
            let unread = || SignatureFault::Invalid {
                place: Position::default(),
                rule: "the signature could not be read",
            };
            let fault = std::mem::replace(&mut found.content, Err(unread()));
            return Err(fault.err().unwrap_or(unread()));
        }
        let hints = found.hints(self.retrieval, self.parts)?;
        let content = found.read()?;
        let (signer, others) = self.signer(&found, content, &hints, tried)?;
        let verification = Verification::new(signer, &content.info, checked?, document);
        Ok(SignedContent { verification, others })
    }

    /// The certificate under which the signature holds: one from KeyInfo, or a candidate that
    /// KeyInfo means, or any of them where KeyInfo says nothing. With the others from KeyInfo.
    fn signer(
        &self,
        found: &Found,
        content: &Content,
        hints: &KeyHints,
        tried: &mut Tried,
    ) -> Result<(SignerCertificate, Vec<Vec<u8>>), SignatureFault> {
        let named: Vec<X509> =
            hints.certificates.iter().filter_map(|der| X509::from_der(der).ok()).collect();
        let mut candidates: Vec<&X509> = named.iter().collect();
        for certificate in self.candidates {
            let der = certificate.to_der()?;
            let meant = || hints.selectors.iter().any(|s| s.selects(certificate, &der));
            if hints.is_empty() || meant() {
                candidates.push(certificate);
            }
        }
        if candidates.len() > MAX_TRIED {
            let limit = "certificates that KeyInfo may mean";
            return Err(SignatureFault::Limit { place: found.position, limit });
        }
        let mut fault = SignatureFault::SignerNotTrusted {
            rule: "neither KeyInfo nor the certificates given hold one to try",
        };
        for (n, candidate) in candidates.iter().enumerate() {
            tried.push(candidate.to_der()?);
            let fit =
                Parsed::of(candidate).and_then(|parsed| content.fit(&parsed, &self.policy.allowed));
            match fit {
                Ok(Fit::Holds(signer)) => {
                    let others = named.iter().enumerate().filter(|(other, _)| *other != n);
                    let others: Result<_, ErrorStack> =
                        others.map(|(_, certificate)| certificate.to_der()).collect();
                    return Ok((signer, others?));
                }
                Ok(Fit::DoesNotHold) => fault = found.unfit(&Fit::DoesNotHold),
                // Or a certificate from KeyInfo with a key that OpenSSL cannot read.
                Ok(Fit::OtherKey) | Err(_) => {
                    if !matches!(fault, SignatureFault::Invalid { .. }) {
                        fault = found.unfit(&Fit::OtherKey);
                    }
                }
            }
        }
        Err(fault)
    }
}
