//! The one pass over a message.

use std::io::BufRead;

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Event, EventSink, Limits, NodeNumber};

use super::containers::ContainerScan;
use super::content::{UnverifiedContainers, bounded};
use super::header::{HeaderCertificate, HeaderScan};
use super::message::{UnverifiedMessage, profile};
use super::{MAX_REFERENCES, MAX_SIGNATURES, Side, USUAL};
use crate::signature::{
    Allowed, DigestAlgorithm, Found, ReferencePass, SignatureFault, SignatureScan, pass,
};

/// By how many algorithms an attachment is digested at most: that of the message, and those of two
/// Authors.
pub const MAX_PART_DIGESTS: usize = 3;

/// Looks at everything that has to do with signatures while a message is read. It is a sink beside
/// others: what reads the message for its meaning sees the same events.
pub struct MessageScan {
    side: Side,
    signatures: SignatureScan,
    /// For the signature of the message.
    references: ReferencePass,
    /// For those of Authors, which stand before what they sign.
    content: ReferencePass,
    header: HeaderScan,
    containers: ContainerScan,
    /// Signatures looked at.
    known: usize,
    /// References of those that are followed.
    wanted: usize,
    followed: Vec<NodeNumber>,
    refused: Vec<(NodeNumber, SignatureFault)>,
}

impl MessageScan {
    /// For a message that this side signs.
    pub fn new(side: Side) -> Self {
        let any = Allowed { max_references: MAX_REFERENCES, ..Allowed::default() };
        Self {
            side,
            signatures: SignatureScan::new(side.place()).at_most(MAX_SIGNATURES),
            references: ReferencePass::speculative(&profile(side, &any), USUAL),
            content: ReferencePass::following(),
            header: HeaderScan::new(side),
            containers: ContainerScan::default(),
            known: 0,
            wanted: 0,
            followed: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// What was found in a message whose octets have this SHA-256. An unsigned message is no
    /// fault; a block without a proper signature is one.
    pub fn finish(self, document: Digest) -> Result<Signatures, SignatureFault> {
        let (form, certificates) = self.header.finish();
        let (mut at_place, mut elsewhere) = self.signatures.parted();
        let known = |id: &str| {
            let own = certificates.iter().find(|certificate| certificate.id == id);
            own.map(|certificate| certificate.der.as_slice())
        };
        if let Some(second) = at_place.get(1) {
            let rule = "the message is signed twice";
            return Err(SignatureFault::Missing { place: Some(second.position), rule });
        }
        let message = match at_place.pop() {
            None if form.signature_blocks > 0 => {
                let rule = "the block for the signature holds none";
                return Err(SignatureFault::Missing { place: None, rule });
            }
            None => None,
            Some(mut found) => {
                let named = named(&found, &certificates);
                found.retrieved(known);
                let (side, references) = (self.side, self.references);
                Some(UnverifiedMessage { side, found, references, form, named, document })
            }
        };
        elsewhere.retain(|found| self.followed.contains(&found.node));
        let containers = UnverifiedContainers {
            containers: self.containers.finish(),
            named: elsewhere.iter().map(|found| found.retrieves().to_vec()).collect(),
            followed: elsewhere
                .into_iter()
                .map(|mut found| {
                    found.retrieved(known);
                    found
                })
                .collect(),
            refused: self.refused,
            references: self.content,
            document,
        };
        Ok(Signatures { message, containers, certificates })
    }

    /// Follows the content signatures that have just ended.
    fn follow(&mut self) {
        for found in self.signatures.ended(self.known) {
            self.known += 1;
            if found.at_place || self.containers.holder(found.node).is_none() {
                continue;
            }
            match bounded(found, self.wanted) {
                Ok(references) => {
                    self.wanted += references;
                    self.content.follow(found);
                    self.followed.push(found.node);
                }
                Err(fault) => self.refused.push((found.node, fault)),
            }
        }
    }
}

/// The certificates that KeyInfo names.
fn named(found: &Found, certificates: &[HeaderCertificate]) -> Vec<HeaderCertificate> {
    let named =
        certificates.iter().filter(|certificate| found.retrieves().contains(&certificate.id));
    named.cloned().collect()
}

impl std::fmt::Debug for MessageScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageScan").field("side", &self.side).finish_non_exhaustive()
    }
}

impl EventSink for MessageScan {
    type Error = SignatureFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), SignatureFault> {
        self.signatures.event(event)?;
        self.references.event(event)?;
        self.header.event(event)?;
        self.containers.event(event)?;
        self.content.event(event)?;
        if matches!(event, Event::End(..)) {
            self.follow();
        }
        Ok(())
    }
}

/// What a message says about its signatures; nothing of it is believed yet.
#[derive(Debug)]
pub struct Signatures {
    /// The signature of the message; none where it is not signed.
    pub message: Option<UnverifiedMessage>,
    /// The content containers with the signatures of Authors.
    pub containers: UnverifiedContainers,
    /// The certificates in the header.
    pub certificates: Vec<HeaderCertificate>,
}

impl Signatures {
    /// The algorithms by which attachments must be digested while they come, each once: those that
    /// policy allows, at most [`MAX_PART_DIGESTS`]. A signature that wants more does not hold.
    pub fn part_digests(&self, allowed: &Allowed) -> Vec<DigestAlgorithm> {
        let of_message = self.message.iter().flat_map(UnverifiedMessage::part_digests);
        let mut algorithms = Vec::new();
        for algorithm in of_message.chain(self.containers.part_digests()) {
            let wanted = allowed.digests.contains(&algorithm) && !algorithms.contains(&algorithm);
            if wanted && algorithms.len() < MAX_PART_DIGESTS {
                algorithms.push(algorithm);
            }
        }
        algorithms
    }
}

/// Reads a message for its signatures alone.
pub fn read(
    document: impl BufRead,
    side: Side,
    limits: &Limits,
) -> Result<Signatures, SignatureFault> {
    let mut scan = MessageScan::new(side);
    let digest = pass(document, limits, &mut scan)?;
    scan.finish(digest)
}
