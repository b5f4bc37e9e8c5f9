//! What a verified signature proves, and the types that carry the proof.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::message::SignatureFacts;
use amtsbote_schemas::xml::NodeNumber;

use super::algorithm::SignatureAlgorithm;
use super::certificate::SignerCertificate;
use super::checked::{Checked, CoveredNode};
use super::fault::SignatureFault;
use super::parts::CoveredPart;
use super::signed_info::SignedInfo;
use crate::c14n::Interval;

/// A signature that holds: every pass has ended and every digest agreed. Only the verifier makes
/// one.
#[derive(Clone, Debug)]
pub struct Verification {
    signer: SignerCertificate,
    algorithm: SignatureAlgorithm,
    nodes: Vec<CoveredNode>,
    parts: Vec<CoveredPart>,
    covered: Vec<Interval>,
    references: usize,
    document: Digest,
}

impl Verification {
    pub(super) fn new(
        signer: SignerCertificate,
        info: &SignedInfo,
        checked: Checked,
        document: Digest,
    ) -> Self {
        let Checked { nodes, parts, covered } = checked;
        let (algorithm, references) = (info.algorithm, info.references.len());
        Self { signer, algorithm, nodes, parts, covered, references, document }
    }

    /// The certificate under whose key the signature holds.
    pub fn signer(&self) -> &SignerCertificate {
        &self.signer
    }

    /// The algorithm of the signature.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Stretches of the document that are signed: first and last node of each, in order, without
    /// the signature where it lies in them. Comments in them are *not* signed. Text that is signed
    /// as Base64 is not among them: see [`CoveredNode::text_only`].
    pub fn covered(&self) -> &[Interval] {
        &self.covered
    }

    /// What is signed in the document, one for each reference into it.
    pub fn nodes(&self) -> &[CoveredNode] {
        &self.nodes
    }

    /// What is signed outside the document, one for each reference to a part.
    pub fn parts(&self) -> &[CoveredPart] {
        &self.parts
    }

    /// Whether the part of this URI is signed.
    pub fn covers_part(&self, uri: &str) -> bool {
        self.parts.iter().any(|part| part.uri == uri)
    }

    /// How many references the signature has.
    pub fn references(&self) -> usize {
        self.references
    }

    /// SHA-256 over the octets of the document, the same in every pass.
    pub fn document(&self) -> Digest {
        self.document
    }

    /// Who signed and how, in the words of the domain.
    pub fn facts(&self) -> SignatureFacts {
        SignatureFacts {
            certificate: self.signer.fingerprint,
            subject: self.signer.subject.clone(),
            algorithm: self.algorithm.uri().to_owned(),
        }
    }

    /// Whether every node from first to last is signed.
    pub fn covers(&self, (first, last): Interval) -> bool {
        self.covered.iter().any(|&(from, to)| from <= first && last <= to)
    }

    /// Believes a fact that was read from nodes of the same document which are all signed.
    pub fn release<T>(&self, fact: Unverified<T>) -> Result<Verified<T>, SignatureFault> {
        if self.covers(fact.nodes) {
            Ok(Verified(fact.value))
        } else {
            Err(SignatureFault::Coverage {
                place: None,
                rule: "a fact comes from nodes that the signature does not cover",
            })
        }
    }
}

/// A fact read from a document, and the nodes it was read from. It is not believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified<T> {
    value: T,
    nodes: Interval,
}

impl<T> Unverified<T> {
    /// A fact read from the element, attribute or text with this number alone.
    pub fn new(value: T, node: NodeNumber) -> Self {
        Self { value, nodes: (node, node) }
    }

    /// A fact read from all of these nodes.
    pub fn spanning(value: T, nodes: Interval) -> Self {
        Self { value, nodes }
    }

    /// What the document claims: good for choosing certificates and for nothing else.
    pub fn claimed(&self) -> &T {
        &self.value
    }
}

/// A fact that is signed: see [`Verification::release`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The fact.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
