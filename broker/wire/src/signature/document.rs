//! Signatures of any conforming producer: what `amtsbote signature verify` shows.

use std::io::{self, BufRead};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Limits, Position};
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext};

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

/// OpenSSL's security level for certificate paths: at least 112 bits, no SHA-1.
const AUTH_LEVEL: i32 = 2;

/// How signatures are judged where no profile of ours applies.
#[derive(Clone, Debug)]
pub struct GeneralPolicy {
    /// DER of certificates that are trusted, of signers or of issuers. With none given, it is only
    /// said under which certificate a signature holds.
    pub trust: Vec<Vec<u8>>,
    /// DER of certificates that `KeyInfo` may mean, or that a path may lead through. They are not
    /// trusted.
    pub known: Vec<Vec<u8>>,
    /// When the certificates must be valid.
    pub at: Timestamp,
    /// By which algorithms.
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
    /// What it proves, or why it proves nothing.
    pub outcome: Result<SignedContent, SignatureFault>,
}

/// A signature that holds.
#[derive(Clone, Debug)]
pub struct SignedContent {
    /// Who, how, which nodes and parts.
    pub verification: Verification,
    /// Whether the signer is trusted.
    pub trust: Trust,
}

/// Whether a signer's certificate is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is one of the trusted, or a path leads from it to one of them, valid at the time.
    Trusted,
    /// No trusted certificate was given.
    NotAsked,
    /// No such path, with OpenSSL's words for the reason.
    Untrusted(String),
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
    let certificates = Certificates::of(policy)?;
    let retrieval = std::mem::take(&mut references.retrieval);
    let outcomes = references.finish(&found, parts, &policy.limits);
    let signatures = found.into_iter().zip(outcomes).map(|(found, checked)| {
        let (path, position) = (found.path.clone(), found.position);
        let outcome = judge(found, &retrieval, parts, checked, sha256, &certificates, policy);
        SignatureReport { path, position, outcome }
    });
    Ok(DocumentReport { sha256, signatures: signatures.collect() })
}

/// The certificates of the policy, read.
struct Certificates {
    trust: Vec<X509>,
    known: Vec<X509>,
}

impl Certificates {
    fn of(policy: &GeneralPolicy) -> Result<Self, ErrorStack> {
        let read = |list: &[Vec<u8>]| list.iter().map(|der| X509::from_der(der)).collect();
        let trust: Result<Vec<_>, ErrorStack> = read(&policy.trust);
        let known: Result<Vec<_>, ErrorStack> = read(&policy.known);
        Ok(Self { trust: trust?, known: known? })
    }

    fn all(&self) -> impl Iterator<Item = &X509> {
        self.trust.iter().chain(&self.known)
    }
}

fn judge(
    mut found: Found,
    retrieval: &Retrieval,
    parts: &dyn Parts,
    checked: Result<Checked, SignatureFault>,
    document: Digest,
    certificates: &Certificates,
    policy: &GeneralPolicy,
) -> Result<SignedContent, SignatureFault> {
    if found.content.is_err() {
        let unread = || SignatureFault::Invalid {
            place: Position::default(),
            rule: "the signature could not be read",
        };
        return Err(std::mem::replace(&mut found.content, Err(unread())).err().unwrap_or(unread()));
    }
    let hints = found.hints(retrieval, parts)?;
    let content = found.read()?;
    let (signer, certificate, chain) = signer(&found, content, &hints, certificates, policy)?;
    let checked = checked?;
    let trust = judge_trust(&certificate, chain, &certificates.trust, policy)?;
    let verification = Verification::new(signer, &content.info, checked, document);
    Ok(SignedContent { verification, trust })
}

/// The certificate under which the signature holds: one from KeyInfo, or one of those given that
/// KeyInfo means, or any of them where KeyInfo says nothing. With those that a path may lead through.
fn signer(
    found: &Found,
    content: &Content,
    hints: &KeyHints,
    certificates: &Certificates,
    policy: &GeneralPolicy,
) -> Result<(SignerCertificate, X509, Vec<X509>), SignatureFault> {
    let named: Vec<X509> =
        hints.certificates.iter().filter_map(|der| X509::from_der(der).ok()).collect();
    let mut candidates: Vec<&X509> = named.iter().collect();
    for certificate in certificates.all() {
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
        match Parsed::of(candidate).and_then(|parsed| content.fit(&parsed, &policy.allowed)) {
            Ok(Fit::Holds(signer)) => {
                let others = named.iter().enumerate().filter(|(other, _)| *other != n);
                let others = others.map(|(_, certificate)| certificate);
                let chain = others.chain(&certificates.known).cloned().collect();
                return Ok((signer, (*candidate).clone(), chain));
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

fn judge_trust(
    certificate: &X509,
    chain: Vec<X509>,
    trust: &[X509],
    policy: &GeneralPolicy,
) -> Result<Trust, ErrorStack> {
    if trust.is_empty() {
        return Ok(Trust::NotAsked);
    }
    let mut param = X509VerifyParam::new()?;
    param.set_time(policy.at.as_second());
    // Whoever reads SHA-1 in signatures reads it in the certificates of that time as well.
    let legacy = policy.allowed.digests.iter().any(|digest| digest.is_legacy());
    param.set_auth_level(if legacy { 0 } else { AUTH_LEVEL });
    // Whoever trusts a signer's certificate itself need not trust its issuer.
    param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&param)?;
    for anchor in trust {
        store.add_cert(anchor.clone())?;
    }
    let mut untrusted = Stack::new()?;
    for certificate in chain {
        untrusted.push(certificate)?;
    }
    let mut context = X509StoreContext::new()?;
    context.init(&store.build(), certificate, &untrusted, |context| {
        Ok(if context.verify_cert()? {
            Trust::Trusted
        } else {
            Trust::Untrusted(context.error().error_string().to_owned())
        })
    })
}
