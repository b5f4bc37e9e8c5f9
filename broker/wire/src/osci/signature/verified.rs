//! What may be acted on: a message whose signature holds, or one that policy takes unsigned.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::message::SignatureFacts;

use super::super::content_package::{ContentContainer, ContentPackage};
use super::super::message::Message;
use super::super::verbatim::Verbatim;
use super::content::ContainerReport;
use super::message::Seal;

/// What [`super::Claimed::verify`] made of a message.
#[derive(Debug)]
pub enum Checked {
    /// Its signature holds.
    Verified(Box<Verified>),
    /// It bears none, and policy takes it so.
    Unsigned(Unsigned),
}

impl Checked {
    /// What it says, for who asks no more who says it.
    pub fn received(&self) -> &Received {
        match self {
            Self::Verified(verified) => verified.received(),
            Self::Unsigned(unsigned) => unsigned.received(),
        }
    }

    /// The proof; none where it is unsigned.
    pub fn seal(&self) -> Option<&Seal> {
        match self {
            Self::Verified(verified) => Some(verified.seal()),
            Self::Unsigned(_) => None,
        }
    }

    /// Both, to be kept.
    pub fn into_parts(self) -> (Received, Option<Seal>) {
        match self {
            Self::Verified(verified) => {
                let (received, seal) = verified.into_parts();
                (received, Some(seal))
            }
            Self::Unsigned(unsigned) => (unsigned.received, None),
        }
    }
}

/// A message whose signature holds over every block of OSCI, the body and every attachment. Made by
/// [`super::Claimed::verify`] and nowhere else.
#[derive(Debug)]
pub struct Verified {
    received: Received,
    seal: Seal,
}

impl Verified {
    pub(super) fn new(received: Received, seal: Seal) -> Self {
        Self { received, seal }
    }

    /// What it says. All of it is signed but [`Received::uncovered`].
    pub fn received(&self) -> &Received {
        &self.received
    }

    /// Who signed, and the proof.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// DER of the certificate under which it holds: one of those that were trusted.
    pub fn signer(&self) -> &[u8] {
        self.seal.signer()
    }

    /// Who signed and how, in the words of the domain.
    pub fn facts(&self) -> SignatureFacts {
        self.seal.facts()
    }

    /// Both, to be kept.
    pub fn into_parts(self) -> (Received, Seal) {
        (self.received, self.seal)
    }
}

/// A message without a signature that policy takes as it is. Nothing of it is proven; the signatures
/// of Authors within it may hold all the same. Made by [`super::Claimed::verify`] and nowhere else.
#[derive(Debug)]
pub struct Unsigned {
    received: Received,
}

impl Unsigned {
    pub(super) fn new(received: Received) -> Self {
        Self { received }
    }

    /// What it says.
    pub fn received(&self) -> &Received {
        &self.received
    }

    /// The same, to be kept.
    pub fn into_received(self) -> Received {
        self.received
    }
}

/// What a message says.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// The order or answer with its header blocks.
    pub message: Message,
    /// What it carries.
    pub package: Option<ContentPackage>,
    /// The containers in clear with the signatures of Authors, in document order; containers within
    /// containers are among them. [`Received::container`] finds the one of a container.
    pub containers: Vec<ContainerReport>,
    /// Header blocks of others that the signature of the message covers; in an unsigned message
    /// none.
    pub custom: Vec<Verbatim>,
    /// Header blocks of others that no signature covers: they may be passed on and told of, never
    /// acted on.
    pub uncovered: Vec<Verbatim>,
    /// Every attachment that came, in the order of coming.
    pub attachments: Vec<Attachment>,
    /// SHA-256 over the octets of the root part, as they came.
    pub root: Digest,
}

impl Received {
    /// The signatures of Authors in this container, found by where it stands: by no identifier, for
    /// a container need not have one.
    pub fn container(&self, container: &ContentContainer) -> Option<&ContainerReport> {
        self.containers.iter().find(|report| report.node == container.element.node)
    }
}

/// An attachment that came. Its octets are with whoever took them in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// Its Content-ID, without angle brackets.
    pub content_id: String,
    /// It travelled in Base64.
    pub encoded: bool,
    /// How many octets it has, its transfer encoding undone.
    pub octets: u64,
}
