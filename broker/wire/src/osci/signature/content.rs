//! The signatures of Authors over content: what each covers, and under whose certificate it holds.

use std::collections::HashSet;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::message::SignatureFacts;
use amtsbote_schemas::xml::{Limits, NodeNumber};

use super::super::verbatim::Verbatim;
use super::MAX_CONTENT_REFERENCES;
use super::containers::{Container, Content};
use super::message::narrowed;
use super::parts::PartDigests;
use crate::signature::{
    Allowed, DigestAlgorithm, Found, PartForm, ReferencePass, SaidTarget, SignatureFault,
    Verification, verify_followed,
};

/// The content signatures of a message, whose references into it were digested while it was read.
pub(super) struct UnverifiedContainers {
    pub(super) containers: Vec<Container>,
    pub(super) followed: Vec<Found>,
    /// The identifiers that the KeyInfo of each names.
    pub(super) named: Vec<Vec<String>>,
    /// Signatures that were not followed, and why.
    pub(super) refused: Vec<(NodeNumber, SignatureFault)>,
    pub(super) references: ReferencePass,
    pub(super) document: Digest,
}

/// One content container.
#[derive(Debug)]
pub struct ContainerReport {
    /// Its number in document order: that of [`super::super::Verbatim::node`] of the container.
    pub node: NodeNumber,
    /// Its identifier; it may have none.
    pub id: Option<String>,
    /// How many contents it has, encrypted ones included.
    pub contents: usize,
    /// Its signatures, in their order. None: nobody signed it in clear.
    pub signatures: Vec<AuthorSignature>,
}

/// One signature of an Author.
#[derive(Debug)]
pub struct AuthorSignature {
    /// The identifiers of the header certificates that it names.
    pub names: Vec<String>,
    /// What it proves, or why it proves nothing.
    pub outcome: Result<AuthorSeal, SignatureFault>,
}

/// A content signature that holds.
#[derive(Clone, Debug)]
pub struct AuthorSeal {
    verification: Verification,
    /// The contents that are signed, by their nodes.
    contents: Vec<NodeNumber>,
    whole: bool,
}

/// What an Author is to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The certificate is one of those trusted, and was valid.
    Trusted,
    /// It is one of those trusted, but not at that time.
    NotValidThen,
    /// It is none of those.
    Unknown,
}

impl AuthorSeal {
    /// DER of the certificate under which it holds: one of the message.
    pub fn certificate(&self) -> &[u8] {
        &self.verification.signer().der
    }

    /// Who signed and how, in the words of the domain.
    pub fn facts(&self) -> SignatureFacts {
        self.verification.facts()
    }

    /// Everything in the container is signed, the attachments that stand for contents included.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether this content of the container is signed, be it `Content`, with the attachment that
    /// stands for it, or `EncryptedData`.
    pub fn covers_content(&self, content: &Verbatim) -> bool {
        self.contents.contains(&content.node)
    }

    /// Whether this attachment is signed, named as `cid:...`.
    pub fn covers_part(&self, uri: &str) -> bool {
        self.verification.covers_part(uri)
    }

    /// What is signed, node by node.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }

    /// Whether the Author is one of those that the caller trusts, at `at`.
    pub fn author(&self, trusted: &[TrustedCertificate], at: Timestamp) -> Author {
        let own = trusted.iter().filter(|certificate| certificate.der == self.certificate());
        let mut known = Author::Unknown;
        for certificate in own {
            if certificate.validity.holds(at) {
                return Author::Trusted;
            }
            known = Author::NotValidThen;
        }
        known
    }
}

impl UnverifiedContainers {
    /// The algorithms by which attachments are referred to.
    pub(super) fn part_digests(&self) -> impl Iterator<Item = DigestAlgorithm> + '_ {
        self.followed.iter().flat_map(parts_of)
    }

    /// Judges all of them by algorithms that policy allows.
    pub(super) fn verify(self, parts: &PartDigests, allowed: &Allowed) -> Vec<ContainerReport> {
        let Self { containers, followed, named, refused, references, document } = self;
        let allowed = Allowed { max_references: MAX_CONTENT_REFERENCES, ..narrowed(allowed) };
        // Parts are digested already: nothing is read here.
        let limits = Limits::default();
        let mut judged: Vec<(NodeNumber, AuthorSignature)> = Vec::new();
        // Before the signatures are consumed: what each names, and whether that is in its container.
        let said: Vec<_> = followed
            .iter()
            .zip(named)
            .map(|(found, names)| {
                let own = containers.iter().find(|c| c.signatures.contains(&found.node));
                let scope = own.map_or_else(|| missing(found), |own| in_container(found, own));
                (found.node, names, scope)
            })
            .collect();
        let outcomes = verify_followed(followed, references, parts, &allowed, &limits, document);
        for ((node, names, scope), outcome) in said.into_iter().zip(outcomes) {
            // A value that does not hold says more than a reference that leads elsewhere.
            let outcome = outcome.and_then(|verification| {
                let (contents, whole) = scope?;
                Ok(AuthorSeal { verification, contents, whole })
            });
            judged.push((node, AuthorSignature { names, outcome }));
        }
        let refused = refused.into_iter().map(|(node, fault)| {
            (node, AuthorSignature { names: Vec::new(), outcome: Err(fault) })
        });
        judged.extend(refused);
        let mut reports: Vec<_> = containers
            .iter()
            .map(|container| ContainerReport {
                node: container.node,
                id: container.id.clone(),
                contents: container.contents.len(),
                signatures: Vec::new(),
            })
            .collect();
        judged.sort_by_key(|(node, _)| *node);
        for (node, signature) in judged {
            let holder = containers.iter().position(|c| c.signatures.contains(&node));
            if let Some(report) = holder.and_then(|n| reports.get_mut(n)) {
                report.signatures.push(signature);
            }
        }
        reports
    }
}

impl std::fmt::Debug for UnverifiedContainers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let containers = self.containers.len();
        f.debug_struct("UnverifiedContainers")
            .field("containers", &containers)
            .finish_non_exhaustive()
    }
}

/// The algorithms by which a signature refers to attachments; none where it could not be read.
pub(super) fn parts_of(found: &Found) -> Vec<DigestAlgorithm> {
    let said = found.says().unwrap_or_default();
    let parts = said.into_iter().filter(|said| matches!(said.target, SaidTarget::Part(_)));
    parts.map(|said| said.digest).collect()
}

/// Whether the digests for a signature may be made: it names nothing twice, and there are not too
/// many of them, `before` included. How many it wants.
pub(super) fn bounded(found: &Found, before: usize) -> Result<usize, SignatureFault> {
    let said = found.says()?;
    if said.len() + before > MAX_CONTENT_REFERENCES {
        let limit = "references of all content signatures together";
        return Err(SignatureFault::Limit { place: found.position, limit });
    }
    let mut seen = HashSet::new();
    for said in &said {
        let new = match said.target {
            SaidTarget::Document => true,
            SaidTarget::Id(id) => seen.insert((false, id)),
            SaidTarget::Part(uri) => seen.insert((true, uri)),
        };
        if !new {
            let rule = "a content signature names something twice";
            return Err(SignatureFault::Coverage { place: Some(said.place), rule });
        }
    }
    Ok(said.len())
}

fn missing<T>(found: &Found) -> Result<T, SignatureFault> {
    let rule = "a content signature stands in no container";
    Err(SignatureFault::Missing { place: Some(found.position), rule })
}

/// Whether a signature names contents of its own container, each in the way that says what it is,
/// and nothing else; which of them that is, and whether it is all.
fn in_container(
    found: &Found,
    container: &Container,
) -> Result<(Vec<NodeNumber>, bool), SignatureFault> {
    let mut named: HashSet<(&str, PartForm)> = HashSet::new();
    let mut parts: HashSet<&str> = HashSet::new();
    for said in found.says()? {
        let known = match said.target {
            SaidTarget::Document => false,
            SaidTarget::Part(uri) => {
                parts.insert(uri);
                said.form != PartForm::Canonical
                    && container.contents.iter().any(|c| c.href.as_deref() == Some(uri))
            }
            SaidTarget::Id(id) => {
                named.insert((id, said.form));
                container.contents.iter().any(|content| content.is_named(id, said.form))
            }
        };
        if !known || said.omits {
            let rule = "a content signature names something that is no content of its container";
            return Err(SignatureFault::Coverage { place: Some(said.place), rule });
        }
    }
    let whole = |content: &Content| {
        let element =
            |id: &Option<String>, form| id.as_deref().is_some_and(|id| named.contains(&(id, form)));
        let inside =
            |id: &Option<String>| element(id, PartForm::Base64) || element(id, PartForm::Canonical);
        let own = element(&content.id, PartForm::Canonical);
        match content.href.as_deref() {
            Some(uri) => own && parts.contains(uri),
            None if content.other || content.base64.is_empty() => own,
            None => own || content.base64.iter().all(inside),
        }
    };
    let signed = container.contents.iter().filter(|content| whole(content));
    let signed: Vec<_> = signed.map(|content| content.node).collect();
    let all = signed.len() == container.contents.len();
    Ok((signed, all))
}

impl Content {
    /// Whether a reference of this form may name it, or the Base64 text in it, by this identifier.
    /// The text alone says nothing about the element around it; that it stands here is what makes
    /// it content.
    fn is_named(&self, id: &str, form: PartForm) -> bool {
        let inner = self.base64.iter().any(|own| own.as_deref() == Some(id));
        let own = self.id.as_deref() == Some(id);
        (inner && form != PartForm::Octets) || (own && form == PartForm::Canonical)
    }
}
