//! The native envelope: metadata, parts, and one Author signature over both.
//!
//! Its form is `schemas/envelope.xsd`; this codec is stricter where the schema language cannot
//! say it (comments, lengths in bytes, unknown `xsi:` attributes). Reading gives form and claims,
//! and digests the envelope on speculation. Verifying compares that, or takes a second pass where
//! the signature is built otherwise: only then there is a [`VerifiedEnvelope`], and nothing else can
//! make one.

mod form;
mod lexical;
mod write;

use std::io;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::TransportId;
use amtsbote_domain::message::{Metadata, Part, SignatureFacts};
use amtsbote_domain::party::PartyId;
use amtsbote_schemas::xml::{Event, EventSink, Limits, Position, XmlError};
use openssl::sha::sha256;

use crate::c14n::Mode;
use crate::signature::{
    Against, Allowed, DigestAlgorithm, Fixed, Found, Name, NoParts, Over, Profile, ReferencePass,
    SignatureFault, SignatureScan, Unverified, pass, verify_found, verify_speculated, xml_code,
    xml_fault,
};
use form::FormScan;

pub use write::{Unwritable, write_signed};

/// The namespace of the envelope.
pub const NAMESPACE: &str = "urn:amtsbote:envelope:1";
/// Longest envelope in bytes, its signature included.
pub const MAX_BYTES: usize = 256 * 1024;
/// Most parts of a message, the payload included.
pub const MAX_PARTS: usize = 100;

const ENVELOPE: Name = Name::new(NAMESPACE, "Envelope");
const SIGNATURE: Name = Name::new("http://www.w3.org/2000/09/xmldsig#", "Signature");

/// Where the Author's signature stands: one, as the last child of the root.
const PLACE: &[Name] = &[ENVELOPE, SIGNATURE];
/// What it covers: the whole envelope.
const MUST_COVER: &[&[Name]] = &[&[ENVELOPE]];
/// How the envelope and `SignedInfo` are canonicalised, whatever else policy allows.
const CANONICALIZATIONS: &[Mode] = &[Mode::Exclusive];

/// How an envelope is signed as a rule: then one pass is enough.
const USUAL: Fixed = Fixed {
    over: Over::Document,
    canonicalization: Mode::Exclusive,
    digest: DigestAlgorithm::Sha256,
};

/// How much of an envelope is read.
pub fn limits() -> Limits {
    Limits {
        document_bytes: MAX_BYTES as u64,
        depth: 12,
        attributes: 8,
        declarations: 16,
        token_bytes: 64 * 1024,
        open_tag_bytes: 64 * 1024,
        name_bytes: 256,
        nodes: 10_000,
    }
}

/// Reads an envelope: well-formed, of the right form, with a signature at its place. Nothing of it
/// is believed yet.
pub fn read(octets: &[u8]) -> Result<UnverifiedEnvelope, EnvelopeFault> {
    if octets.len() > MAX_BYTES {
        return Err(EnvelopeFault::TooLarge);
    }
    let any = Allowed::default();
    let mut first = FirstPass {
        signatures: SignatureScan::new(PLACE),
        references: ReferencePass::speculative(&Profile::new(PLACE, MUST_COVER, &any), USUAL),
        form: FormScan::default(),
    };
    let digest = pass(octets, &limits(), &mut first)?;
    let found = first.signatures.one(false)?;
    let (metadata, parts) = first.form.finish()?;
    Ok(UnverifiedEnvelope { metadata, parts, found, references: first.references, digest })
}

struct FirstPass {
    signatures: SignatureScan,
    references: ReferencePass,
    form: FormScan,
}

impl EventSink for FirstPass {
    type Error = EnvelopeFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), EnvelopeFault> {
        self.signatures.event(event)?;
        self.references.event(event)?;
        self.form.event(event)
    }
}

/// An envelope of the right form. What it claims is good for choosing certificates only.
#[derive(Debug)]
pub struct UnverifiedEnvelope {
    metadata: Unverified<Metadata>,
    parts: Unverified<Vec<Part>>,
    found: Found,
    /// What was digested on speculation.
    references: ReferencePass,
    digest: Digest,
}

impl UnverifiedEnvelope {
    /// Who is said to have written the message.
    pub fn claimed_author(&self) -> &PartyId {
        &self.metadata.claimed().author
    }

    /// The id that the message is said to have.
    pub fn claimed_transport_id(&self) -> &TransportId {
        &self.metadata.claimed().transport_id
    }

    /// Verifies the signature under one of the certificates `trusted` for the claimed author, valid
    /// at `at`, by algorithms that policy allows. `octets` must be those that were read.
    pub fn verify(
        self,
        octets: &[u8],
        trusted: &[TrustedCertificate],
        allowed: &Allowed,
        at: Timestamp,
    ) -> Result<VerifiedEnvelope, SignatureFault> {
        let Self { metadata, parts, found, references, digest } = self;
        let allowed = allowed.narrowed(CANONICALIZATIONS, 1);
        let profile = Profile::new(PLACE, MUST_COVER, &allowed);
        let against = Against { trusted, at, parts: &NoParts, limits: &limits() };
        let verification = if !references.fits(&found) {
            verify_found(&found, &|| Ok(octets), digest, &profile, &against)?
        } else if Digest(sha256(octets)) == digest {
            verify_speculated(&found, references, digest, &profile, &against)?
        } else {
            return Err(SignatureFault::DocumentChanged);
        };
        Ok(VerifiedEnvelope {
            metadata: verification.release(metadata)?.into_inner(),
            parts: verification.release(parts)?.into_inner(),
            signature: verification.facts(),
            sha256: digest,
        })
    }
}

/// An envelope whose Author signature holds over all of it. Made by
/// [`UnverifiedEnvelope::verify`] and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEnvelope {
    metadata: Metadata,
    parts: Vec<Part>,
    signature: SignatureFacts,
    sha256: Digest,
}

impl VerifiedEnvelope {
    /// What the message says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its parts, 1 to [`MAX_PARTS`]; the first is the payload.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Who signed, and how.
    pub fn signature(&self) -> &SignatureFacts {
        &self.signature
    }

    /// SHA-256 over the octets of the envelope.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// Metadata, parts and signature, for keeping.
    pub fn into_parts(self) -> (Metadata, Vec<Part>, SignatureFacts) {
        (self.metadata, self.parts, self.signature)
    }
}

/// Why an envelope was not read. Never holds a value from it.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeFault {
    /// Longer than [`MAX_BYTES`].
    #[error("an envelope has at most {MAX_BYTES} bytes")]
    TooLarge,
    /// Not well-formed, or over a limit of the reader.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Well-formed, but not of the form that the schema gives.
    #[error("{place}: {rule}")]
    Form {
        /// Where.
        place: Position,
        /// What was demanded.
        rule: &'static str,
    },
    /// The octets could not be read.
    #[error("the envelope could not be read")]
    Read(#[from] io::Error),
    /// The signature is missing, misplaced or malformed.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
}

impl EnvelopeFault {
    /// The code of the refusal.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge => Code::TooLarge,
            Self::Xml(error) => xml_code(error),
            Self::Form { .. } => Code::EnvelopeInvalid,
            Self::Read(_) => Code::Internal,
            Self::Signature(fault) => fault.code(),
        }
    }
}

impl From<EnvelopeFault> for Fault {
    fn from(fault: EnvelopeFault) -> Self {
        let code = fault.code();
        match fault {
            EnvelopeFault::TooLarge => Self::new(code).because("envelope_bytes"),
            EnvelopeFault::Xml(error) => xml_fault(&error),
            EnvelopeFault::Form { place, rule } => Self::new(code).at(place).because(rule),
            EnvelopeFault::Read(_) => Self::new(code),
            EnvelopeFault::Signature(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests;
