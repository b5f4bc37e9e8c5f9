//! The signatures of an OSCI message: that of who sends it, and those of the Authors of its content.
//!
//! A message is read once ([`Claimed::read`]), for its meaning and for its signatures by the same
//! events. Attachments come after it; their digests are made while they stream by ([`PartHasher`])
//! and handed in ([`Claimed::attachment`]). Until then there are claims, good for choosing a
//! partner and a policy; [`Claimed::verify`] makes of them [`Verified`], or [`Unsigned`] where
//! policy takes that. No step reads anything twice, and what no signature covers is told apart.
//!
//! The signature of a message covers every header block but its own, the body, and every
//! attachment, each once and nothing else: what is found at its place is compared, never what an
//! identifier happens to lead to. The certificates in the message only select among those that the
//! caller trusts. Content signatures hold under a certificate of the message; who that is to us is
//! asked separately. Encrypted containers stay closed.
//!
//! What a signature does not cover, by the standard: the attributes of `soap:Envelope` (the type of
//! the message in `xsi:schemaLocation` among them), and comments. Who reads the message must hold the
//! type against the blocks, and let no comment part a value.

mod claimed;
mod containers;
mod content;
mod feedback;
mod header;
mod make;
mod message;
mod parts;
mod scan;
mod verified;

use super::names::{DS as DSIG, OSCI, OSCI128, OSCI2017, SOAP, XENC};
use crate::c14n::Mode;
use crate::signature::{DigestAlgorithm, Fixed, Name, Over};

pub use claimed::{ClaimFault, Claimed, IfUnsigned, Means};
pub use containers::{MAX_CONTAINERS, MAX_CONTENTS, MAX_SIGNATURES_EACH};
pub use content::{Author, AuthorSeal, AuthorSignature, ContainerReport};
pub use header::{HeaderCertificate, MAX_CERTIFICATES};
pub use make::{
    CertificateUse, Making, NAMESPACE_DECLARATIONS, SignedBlock, SignedPart, certificate_id,
    signature_block,
};
pub use message::Seal;
pub use parts::{MAX_ATTACHMENTS, PartDigest, PartHasher};
pub use scan::MAX_PART_DIGESTS;
pub use verified::{Attachment, Checked, Received, Unsigned, Verified};

/// The namespaces of which a header block means something to us: OSCI of 2002 and of the Korrigenda 7
/// and 8, and those that its messages are made of.
const OURS: [&str; 6] = [OSCI, OSCI2017, OSCI128, SOAP, DSIG, XENC];

const ENVELOPE: Name = Name::new(SOAP, "Envelope");
const HEADER: Name = Name::new(SOAP, "Header");
const SIGNATURE: Name = Name::new(DSIG, "Signature");
const BODY: &[&[Name]] = &[&[ENVELOPE, Name::new(SOAP, "Body")]];
const BLOCKS: &[&[Name]] = &[&[ENVELOPE, HEADER]];

/// Most references of the signature of one message: blocks, body and attachments, as many as an
/// unsigned message may have.
pub const MAX_REFERENCES: usize = MAX_BLOCKS + 1 + MAX_ATTACHMENTS;
/// Most header blocks that are signed.
const MAX_BLOCKS: usize = 64;
/// Most references of all content signatures of one message together: two for each attachment, and
/// as many again.
pub const MAX_CONTENT_REFERENCES: usize = 4 * (MAX_ATTACHMENTS + 1);
/// Most octets of `SignedInfo` in memory, elements counted with 64 each: enough for an Author who
/// signs as many attachments as there may be.
pub const MAX_SIGNED_INFO_BYTES: usize = 512 << 10;
/// Most signatures in one message: its own, and one for each container.
const MAX_SIGNATURES: usize = 1 + MAX_CONTAINERS;

/// How the reference library signs blocks and body: then one pass is enough.
const USUAL: Fixed = Fixed {
    over: Over::Elements,
    canonicalization: Mode::Inclusive,
    digest: DigestAlgorithm::Sha256,
};

/// Who signs a message: its block tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who gives an order: `ClientSignature`.
    Client,
    /// Who answers it: `SupplierSignature`.
    Supplier,
}

impl Side {
    /// The local name of the block.
    pub fn element(self) -> &'static str {
        match self {
            Self::Client => "ClientSignature",
            Self::Supplier => "SupplierSignature",
        }
    }

    /// The identifier that the block always has.
    pub fn id(self) -> &'static str {
        match self {
            Self::Client => "clientsignature",
            Self::Supplier => "suppliersignature",
        }
    }

    /// Where the signature stands.
    fn place(self) -> &'static [Name] {
        match self {
            Self::Client => {
                const { &[ENVELOPE, HEADER, Name::new(OSCI, "ClientSignature"), SIGNATURE] }
            }
            Self::Supplier => {
                const { &[ENVELOPE, HEADER, Name::new(OSCI, "SupplierSignature"), SIGNATURE] }
            }
        }
    }
}

#[cfg(test)]
mod tests;
