//! A message as it came: read once, and nothing of it believed.

use std::io::{self, BufRead};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::fault::{Code as FaultCode, Fault};
use amtsbote_schemas::xml::NodeNumber;
use openssl::error::ErrorStack;

use super::super::content_package::ContentKind;
use super::super::dialogue::ConversationId;
use super::super::feedback::Code;
use super::super::limits::Limits;
use super::super::message_type::MessageType;
use super::super::refusal::Refusal;
use super::super::root_part::{BesideFault, RootPart, read_beside};
use super::Side;
use super::header::HeaderCertificate;
use super::parts::{MAX_ATTACHMENTS, PartDigest, PartDigests, PartHasher};
use super::scan::{MessageScan, Signatures};
use super::verified::{Attachment, Checked, Received, Unsigned, Verified};
use crate::signature::{Allowed, DigestAlgorithm, Hashed, SignatureFault, SignerCertificate};

/// What becomes of a message that bears no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfUnsigned {
    /// It is refused (9600).
    Refuse,
    /// Policy takes it as it is, for this sender and this order.
    Permit,
}

/// By what a message is judged.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// The certificates that policy trusts for this sender: the signature holds under one of them,
    /// or the message is refused.
    pub trusted: &'a [TrustedCertificate],
    /// When they must be valid: the hour of arrival.
    pub at: Timestamp,
    /// The algorithms and keys that policy allows, for content signatures as well.
    pub allowed: &'a Allowed,
    /// What becomes of it without a signature.
    pub unsigned: IfUnsigned,
}

/// What a message claims. The root part was read, once, for its meaning and for its signatures;
/// attachments are added as they come, by their digests ([`Claimed::hasher`],
/// [`Claimed::attachment`]); [`Claimed::verify`] makes of it what may be acted on.
///
/// Until then it tells only what is needed to choose a partner, its certificates and its policy, and
/// nothing that could be executed.
///
/// ```no_run
/// # use amtsbote_wire::osci::{Limits, signature::*};
/// # use amtsbote_wire::signature::Allowed;
/// # fn receive(root: &[u8], attachments: Vec<(String, bool, Vec<u8>)>, means: &Means<'_>)
/// #     -> Result<Checked, ClaimFault> {
/// let allowed = Allowed::default();
/// let mut claimed = Claimed::read(root, Side::Client, &Limits::default(), &allowed)?;
/// // Here: who is it? claimed.certificates(), claimed.signed_by(...), before anything else is kept.
/// for (content_id, encoded, octets) in attachments {
///     let mut hasher = claimed.hasher();
///     hasher.update(&octets); // as often as octets come
///     claimed.attachment(&content_id, encoded, hasher.finish()?)?;
/// }
/// claimed.verify(means)
/// # }
/// ```
pub struct Claimed {
    side: Side,
    part: RootPart,
    signatures: Signatures,
    root: Digest,
    algorithms: Vec<DigestAlgorithm>,
    parts: PartDigests,
}

impl Claimed {
    /// Reads a root part that is neither encrypted nor a fault ([`super::super::identify`] tells), in
    /// one pass and no further one: `side` says who sends it, an order or an answer. `allowed` is
    /// what any partner at this entry may use; [`Means::allowed`] can only be less. Memory as for
    /// [`super::super::read`].
    ///
    /// # Errors
    /// What is no message, no order, an answer where an order is expected, too large (9100, 9300); a
    /// block for a signature that holds none, two signatures (9601); a reader that fails (9000).
    pub fn read(
        root: impl BufRead,
        side: Side,
        limits: &Limits,
        allowed: &Allowed,
    ) -> Result<Self, ClaimFault> {
        let mut scan = MessageScan::new(side, &allowed.digests).beside_ids();
        let mut octets = Hashed::new(root);
        let part = read_beside(&mut octets, limits, &mut scan).map_err(|fault| match fault {
            BesideFault::Message(refusal) => ClaimFault::Message(refusal),
            BesideFault::Sink(fault) => ClaimFault::Signature(fault),
        })?;
        let root = octets.finish()?;
        let other_way = |place| {
            let rule = "an answer where an order is expected, or the other way round";
            ClaimFault::Message(Refusal::order(place, "Envelope", rule))
        };
        if part.message.message_type().is_response() != (side == Side::Supplier) {
            return Err(other_way(Default::default()));
        }
        let signatures = scan.finish(root)?;
        // Who reads for the meaning and who reads for the signature speak of the same block.
        match (&part.signature, &signatures.message) {
            (Some(block), _) if block.local != side.element() => {
                return Err(other_way(block.place));
            }
            (Some(_), Some(_)) | (None, None) => {}
            (_, Some(message)) => return Err(other_way(message.position())),
            (Some(block), None) => return Err(other_way(block.place)),
        }
        let algorithms = signatures.part_digests(allowed);
        Ok(Self { side, part, signatures, root, algorithms, parts: PartDigests::default() })
    }

    /// Which message it says it is: what policy may hinge on.
    pub fn message_type(&self) -> MessageType {
        self.part.message.message_type()
    }

    /// Whether it bears a signature, good or not.
    pub fn is_signed(&self) -> bool {
        self.signatures.message.is_some()
    }

    /// The certificates of the header that the signature says are the signer's: as a rule one; none
    /// where it bears no signature.
    pub fn certificates(&self) -> &[HeaderCertificate] {
        self.signatures.message.as_ref().map_or(&[], |message| message.claimed())
    }

    /// The DER of `CipherCertificateOriginator`: whose mailbox is asked for. It proves nothing.
    pub fn cipher_certificate(&self) -> Option<&[u8]> {
        let certificates = self.part.message.certificates()?;
        certificates.cipher_originator.as_ref().map(|certificate| certificate.der.as_slice())
    }

    /// The dialogue to which it says it belongs.
    pub fn conversation_id(&self) -> Option<&ConversationId> {
        self.part.message.control().conversation.as_ref()
    }

    /// The trusted certificate whose key made the signature, valid at `at`: known before any
    /// attachment came, so that nothing more is read from who may not send. That the message is what
    /// was signed is known only to [`Claimed::verify`].
    ///
    /// # Errors
    /// [`ClaimFault::Unsigned`] where it bears no signature; else as [`Claimed::verify`].
    pub fn signed_by(
        &self,
        trusted: &[TrustedCertificate],
        at: Timestamp,
        allowed: &Allowed,
    ) -> Result<SignerCertificate, ClaimFault> {
        let message = self.signatures.message.as_ref().ok_or(ClaimFault::Unsigned)?;
        Ok(message.signed_by(trusted, at, allowed)?)
    }

    /// SHA-256 over the octets of the root part, as they came.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// By which algorithms attachments are digested: those that the signatures state.
    pub fn digests(&self) -> &[DigestAlgorithm] {
        &self.algorithms
    }

    /// For the next attachment: takes its octets after its transfer encoding was undone.
    pub fn hasher(&self) -> PartHasher {
        PartHasher::new(&self.algorithms)
    }

    /// Adds an attachment that has come completely. `content_id` is without angle brackets;
    /// `encoded` says that it travelled in Base64, which was undone.
    ///
    /// # Errors
    /// A second one of the same name, or more than a MIME message has: 9100.
    pub fn attachment(
        &mut self,
        content_id: &str,
        encoded: bool,
        digest: PartDigest,
    ) -> Result<(), ClaimFault> {
        if self.parts.len() == MAX_ATTACHMENTS {
            return Err(ClaimFault::Attachments("too many attachments"));
        }
        match self.parts.add(content_id, encoded, digest) {
            true => Ok(()),
            false => Err(ClaimFault::Attachments("two attachments have one Content-ID")),
        }
    }

    /// Judges it, once every attachment was added. A message that bears a signature holds under one
    /// of `means.trusted`, over each block, the body and each attachment, or is refused, whatever
    /// `means.unsigned` says. Content signatures are judged as well; one that does not hold is no
    /// fault of the message: [`Received::containers`] says so.
    ///
    /// # Errors
    /// 9600 not signed; 9601 the signature is faulty; 9602 a block, the body or an attachment is not
    /// signed; 9700 its certificate is none of those trusted; 9300 an attachment that a content
    /// names did not come; 9603 the library failed.
    pub fn verify(self, means: &Means<'_>) -> Result<Checked, ClaimFault> {
        let Self { part, signatures, root, parts, .. } = self;
        let Signatures { message, containers, .. } = signatures;
        let seal = match (message, means.unsigned) {
            (Some(message), _) => Some(message.verify(means, &parts)?),
            (None, IfUnsigned::Permit) => None,
            (None, IfUnsigned::Refuse) => return Err(ClaimFault::Unsigned),
        };
        let RootPart { message, package, blocks, custom, .. } = part;
        let named = package.iter().flat_map(|package| &package.containers);
        for content in named.flat_map(|container| &container.contents) {
            if let ContentKind::Attachment(cid) = &content.kind
                && !parts.has(cid)
            {
                let rule = "href: the attachment did not come";
                let place = content.element.place;
                return Err(ClaimFault::Message(Refusal::order(place, "Content", rule)));
            }
        }
        // Once more, apart from what the signature's own reader looked for: what was read for its
        // meaning is signed, node by node.
        let covered = |node: NodeNumber| {
            let nodes = seal.as_ref().map_or(&[][..], |seal| seal.verification().nodes());
            nodes.iter().any(|one| one.nodes.0 == node && !one.text_only && !one.without_signature)
        };
        let (custom, uncovered): (Vec<_>, Vec<_>) =
            custom.into_iter().partition(|block| covered(block.node));
        if seal.is_some() {
            let is_others = |node| uncovered.iter().any(|block| block.node == node);
            let open = blocks.iter().find(|block| !covered(block.node) && !is_others(block.node));
            if open.is_some() {
                let rule = "what was read for its meaning is not signed";
                return Err(SignatureFault::Coverage { place: None, rule }.into());
            }
        }
        let containers = containers.verify(&parts, means.allowed);
        let attachments = parts.into_all().map(|(content_id, encoded, octets)| Attachment {
            content_id,
            encoded,
            octets,
        });
        let attachments = attachments.collect();
        let received =
            Received { message, package, containers, custom, uncovered, attachments, root };
        Ok(match seal {
            Some(seal) => Checked::Verified(Box::new(Verified::new(received, seal))),
            None => Checked::Unsigned(Unsigned::new(received)),
        })
    }
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claimed")
            .field("side", &self.side)
            .field("message_type", &self.message_type())
            .field("is_signed", &self.is_signed())
            .finish_non_exhaustive()
    }
}

/// Why a message was not taken. Never holds a value from it (P7).
#[derive(Debug, thiserror::Error)]
pub enum ClaimFault {
    /// It is none, or none that can be executed.
    #[error(transparent)]
    Message(#[from] Refusal),
    /// Its signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// It is not signed, and policy demands it.
    #[error("the message is not signed")]
    Unsigned,
    /// Its attachments are none of one message.
    #[error("{0}")]
    Attachments(&'static str),
    /// The root part could not be read.
    #[error("the message could not be read")]
    Read(#[from] io::Error),
    /// OpenSSL failed at something that does not depend on the message.
    #[error("the cryptographic library failed")]
    Library(#[from] ErrorStack),
}

impl ClaimFault {
    /// The feedback code that fits (OSCI-Transport 1.2, 6). [`Code::level`] says where it is told.
    pub fn feedback(&self) -> Code {
        match self {
            Self::Message(refusal) => refusal.feedback(),
            Self::Signature(fault) => Code::from(fault),
            Self::Unsigned => Code::OrderUnsigned,
            Self::Attachments(_) => Code::NotAnOsciMessage,
            Self::Read(_) => Code::SupplierError,
            Self::Library(_) => Code::SignatureCheckFailed,
        }
    }
}

impl From<ClaimFault> for Fault {
    fn from(fault: ClaimFault) -> Self {
        match fault {
            ClaimFault::Message(refusal) => refusal.into(),
            ClaimFault::Signature(fault) => fault.into(),
            ClaimFault::Unsigned => Self::new(FaultCode::SignatureMissing).because(fault),
            ClaimFault::Attachments(_) => Self::new(FaultCode::MalformedRequest).because(fault),
            ClaimFault::Read(_) | ClaimFault::Library(_) => {
                Self::new(FaultCode::Internal).because(fault)
            }
        }
    }
}
