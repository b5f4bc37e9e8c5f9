//! The one pass over a message.

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, StartTag};

use super::containers::ContainerScan;
use super::content::{UnverifiedContainers, bounded};
use super::header::{HeaderCertificate, HeaderScan};
use super::message::{UnverifiedMessage, profile};
use super::{HEADER, MAX_REFERENCES, MAX_SIGNATURES, MAX_SIGNED_INFO_BYTES, Side, USUAL};
use crate::signature::{
    Allowed, DigestAlgorithm, Found, ReferencePass, SignatureFault, SignatureScan,
};

/// By how many algorithms an attachment is digested at most: that of the message, and those of two
/// Authors.
pub const MAX_PART_DIGESTS: usize = 3;

/// So many blocks may stand before the signature if it digests by something else than SHA-256. The
/// reference library puts it second; what stands before it is digested by all that policy allows.
const MAX_AHEAD: usize = 8;

/// Looks at everything that has to do with signatures while a message is read. It is a sink beside
/// others: what reads the message for its meaning sees the same events.
pub(super) struct MessageScan {
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
    /// For a message that this side signs, by one of these digests.
    pub(super) fn new(side: Side, digests: &[DigestAlgorithm]) -> Self {
        let any = Allowed { max_references: MAX_REFERENCES, ..Allowed::default() };
        Self {
            side,
            signatures: SignatureScan::new(side.place())
                .at_most(MAX_SIGNATURES)
                .of_size(MAX_SIGNED_INFO_BYTES),
            references: ReferencePass::speculative(&profile(side, &any), USUAL)
                .trying(digests, MAX_AHEAD),
            content: ReferencePass::following(),
            header: HeaderScan::new(side),
            containers: ContainerScan::default(),
            known: 0,
            wanted: 0,
            followed: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The same beside a reader that refuses an identifier that occurs twice.
    pub(super) fn beside_ids(self) -> Self {
        Self { signatures: self.signatures.beside_ids(), ..self }
    }

    /// What was found in a message whose octets have this SHA-256. An unsigned message is no
    /// fault; a block without a proper signature is one.
    pub(super) fn finish(self, document: Digest) -> Result<Signatures, SignatureFault> {
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
        Ok(Signatures { message, containers })
    }

    /// Follows the content signatures that have just ended, and the message's own.
    fn follow(&mut self, ended: &StartTag) {
        for found in self.signatures.ended(self.known) {
            self.known += 1;
            if found.at_place {
                self.references.settle(Some(found));
                continue;
            }
            let Some(holder) = self.containers.open_holder(found.node) else { continue };
            match bounded(found, self.wanted) {
                Ok(references) => {
                    self.wanted += references;
                    self.content.follow(found, holder);
                    self.followed.push(found.node);
                }
                Err(fault) => self.refused.push((found.node, fault)),
            }
        }
        // No other place for the message's own signature is left.
        if ended.depth == 2 && ended.is(HEADER.namespace, HEADER.local) {
            self.references.settle(None);
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
        if let Event::End(tag, _) = event {
            self.follow(tag);
        }
        Ok(())
    }
}

/// What a message says about its signatures; nothing of it is believed yet.
#[derive(Debug)]
pub(super) struct Signatures {
    /// The signature of the message; none where it is not signed.
    pub(super) message: Option<UnverifiedMessage>,
    /// The content containers with the signatures of Authors.
    pub(super) containers: UnverifiedContainers,
}

impl Signatures {
    /// The algorithms by which attachments must be digested while they come, each once: those that
    /// policy allows, at most [`MAX_PART_DIGESTS`]. A signature that wants more does not hold.
    pub(super) fn part_digests(&self, allowed: &Allowed) -> Vec<DigestAlgorithm> {
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
