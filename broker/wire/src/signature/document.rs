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

use super::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use super::certificate::{Fit, Parsed, SignerCertificate};
use super::fault::SignatureFault;
use super::octets::pass;
use super::profile::Allowed;
use super::references::{Checked, CoveredNode, ReferencePass};
use super::scan::{Content, Found, SignatureScan};
use super::verification::Verification;
use crate::c14n::Mode;

/// Everything that is implemented.
const ALLOWED: Allowed = Allowed {
    signatures: SignatureAlgorithm::ALL,
    digests: DigestAlgorithm::ALL,
    canonicalizations: &[Mode::Exclusive, Mode::Inclusive],
    max_references: MAX_REFERENCES,
};

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
    /// When the certificates must be valid.
    pub at: Timestamp,
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
    /// Who, how, which nodes.
    pub verification: Verification,
    /// The same nodes by their paths, one for each reference.
    pub nodes: Vec<CoveredNode>,
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
/// does not grow with it.
pub fn verify_document(
    open: &dyn Fn() -> io::Result<Box<dyn BufRead>>,
    policy: &GeneralPolicy,
) -> Result<DocumentReport, SignatureFault> {
    let mut scan = SignatureScan::new(&[]);
    let sha256 = pass(open()?, &policy.limits, &mut scan)?;
    let mut found = scan.all();
    if found.is_empty() {
        let rule = "there is no signature in the document";
        return Err(SignatureFault::Missing { place: None, rule });
    }
    for signature in &mut found {
        if let Ok(content) = &signature.content
            && let Err(fault) = content.info.check(&ALLOWED)
        {
            signature.content = Err(fault);
        }
    }
    let read = found.iter().filter_map(|signature| signature.content.as_ref().ok());
    if read.map(|content| content.info.references.len()).sum::<usize>() > MAX_REFERENCES {
        let limit = "references of all signatures together";
        return Err(SignatureFault::Limit { place: Position::default(), limit });
    }
    let mut references = ReferencePass::new(&found, &[]);
    if pass(open()?, &policy.limits, &mut references)? != sha256 {
        return Err(SignatureFault::DocumentChanged);
    }
    let (outcomes, _) = references.finish(found.len());
    let trust =
        policy.trust.iter().map(|der| X509::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    let signatures = found.into_iter().zip(outcomes).map(|(found, checked)| {
        let (path, position) = (found.path.clone(), found.position);
        let outcome = judge(found, checked, sha256, &trust, policy.at);
        SignatureReport { path, position, outcome }
    });
    Ok(DocumentReport { sha256, signatures: signatures.collect() })
}

fn judge(
    mut found: Found,
    checked: Result<Checked, SignatureFault>,
    document: Digest,
    trust: &[X509],
    at: Timestamp,
) -> Result<SignedContent, SignatureFault> {
    let unread = || SignatureFault::Invalid {
        place: Position::default(),
        rule: "the signature could not be read",
    };
    let content = std::mem::replace(&mut found.content, Err(unread()))?;
    let (signer, certificate, chain) = signer(&found, &content, trust)?;
    let Checked { nodes, covered } = checked?;
    let trust = judge_trust(&certificate, chain, trust, at)?;
    let references = content.info.references.len();
    let algorithm = content.info.algorithm;
    let verification = Verification::new(signer, algorithm, covered, references, document);
    Ok(SignedContent { verification, nodes, trust })
}

/// The certificate under which the signature holds: one from KeyInfo, or one of the trusted where
/// KeyInfo has none. With the others of KeyInfo.
fn signer(
    found: &Found,
    content: &Content,
    trust: &[X509],
) -> Result<(SignerCertificate, X509, Vec<X509>), SignatureFault> {
    let named: Vec<X509> =
        content.certificates.iter().filter_map(|der| X509::from_der(der).ok()).collect();
    let candidates = if content.certificates.is_empty() { trust } else { &named };
    let mut fault = SignatureFault::SignerNotTrusted {
        rule: "neither KeyInfo nor the trusted certificates hold a certificate to try",
    };
    for (n, candidate) in candidates.iter().enumerate() {
        match Parsed::of(candidate).and_then(|parsed| content.fit(&parsed)) {
            Ok(Fit::Holds(signer)) => {
                let others = named.iter().enumerate().filter(|(other, _)| *other != n);
                let chain = others.map(|(_, certificate)| certificate.clone()).collect();
                return Ok((signer, candidate.clone(), chain));
            }
            Ok(fit) => fault = found.unfit(&fit),
            // A certificate from KeyInfo with a key that OpenSSL cannot read.
            Err(_) => fault = found.unfit(&Fit::OtherKey),
        }
    }
    Err(fault)
}

fn judge_trust(
    certificate: &X509,
    chain: Vec<X509>,
    trust: &[X509],
    at: Timestamp,
) -> Result<Trust, ErrorStack> {
    if trust.is_empty() {
        return Ok(Trust::NotAsked);
    }
    let mut param = X509VerifyParam::new()?;
    param.set_time(at.as_second());
    param.set_auth_level(AUTH_LEVEL);
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
