//! The signature of who sends the message.

use std::collections::HashSet;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::message::SignatureFacts;
use amtsbote_schemas::xml::{Limits, Position};

use super::claimed::Means;
use super::content::parts_of;
use super::header::{HeaderCertificate, HeaderForm};
use super::parts::PartDigests;
use super::{BLOCKS, BODY, MAX_REFERENCES, Side, USUAL};
use crate::c14n::Mode;
use crate::signature::{
    Against, Allowed, DigestAlgorithm, Found, PartForm, Profile, ReferencePass, SaidTarget,
    SignatureFault, SignerCertificate, Unverified, Verification, Verified, for_signing,
    verify_speculated,
};

/// The signature of a message, with what was digested while the message was read. It may be
/// believed as to which certificates to look for, and in nothing else.
pub(super) struct UnverifiedMessage {
    pub(super) side: Side,
    pub(super) found: Found,
    pub(super) references: ReferencePass,
    pub(super) form: HeaderForm,
    /// The certificates of the header that KeyInfo names.
    pub(super) named: Vec<HeaderCertificate>,
    pub(super) document: Digest,
}

impl UnverifiedMessage {
    /// The certificates of the header that the signature says are the signer's: as a rule one.
    pub(super) fn claimed(&self) -> &[HeaderCertificate] {
        &self.named
    }

    /// The trusted certificate whose key made the signature, valid at `at`. Known before any
    /// attachment came, so that nothing more is read from who may not send; that the message is what
    /// was signed is known only to [`UnverifiedMessage::verify`].
    pub(super) fn signed_by(
        &self,
        trusted: &[TrustedCertificate],
        at: Timestamp,
        allowed: &Allowed,
    ) -> Result<SignerCertificate, SignatureFault> {
        let signer = self.found.value_holds_for(trusted, &narrowed(allowed), at)?;
        for_signing(&signer)?;
        Ok(signer)
    }

    /// The algorithms by which attachments are referred to.
    pub(super) fn part_digests(&self) -> Vec<DigestAlgorithm> {
        parts_of(&self.found)
    }

    /// Where the signature stands.
    pub(super) fn position(&self) -> Position {
        self.found.position
    }

    /// Verifies it; `parts` are all attachments that came, each once.
    pub(super) fn verify(
        self,
        means: &Means<'_>,
        parts: &PartDigests,
    ) -> Result<Seal, SignatureFault> {
        let Self { side, found, references, form, named, document } = self;
        form.check()?;
        plain(&found)?;
        let allowed = narrowed(means.allowed);
        let profile = profile(side, &allowed);
        let Means { trusted, at, .. } = *means;
        // Parts are digested already: nothing is read here.
        let against = Against { trusted, at, parts, limits: &Limits::default() };
        let verification = verify_speculated(&found, references, document, &profile, &against)?;
        for_signing(verification.signer())?;
        every_part_once(&verification, parts, found.position)?;
        let signer = &verification.signer().der;
        let certificate = named.into_iter().find(|certificate| certificate.der == *signer);
        Ok(Seal { verification, certificate })
    }
}

impl std::fmt::Debug for UnverifiedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnverifiedMessage").field("side", &self.side).finish_non_exhaustive()
    }
}

/// What of it holds for the signatures of messages and content.
pub(super) fn narrowed(allowed: &Allowed) -> Allowed {
    let narrowed = allowed.narrowed(&[Mode::Inclusive], usize::MAX);
    Allowed { max_references: MAX_REFERENCES, ..narrowed }
}

/// What the signature of a message must be like.
pub(super) fn profile(side: Side, allowed: &Allowed) -> Profile<'_> {
    Profile {
        // Those of Authors. They prove nothing about the message.
        others: true,
        must_cover_children: BLOCKS,
        only: true,
        fixed: Some(USUAL),
        ..Profile::new(side.place(), BODY, allowed)
    }
}

/// Blocks and body are referred to in their canonical form, attachments as they came; nothing is left
/// out of either, and nothing is named twice.
fn plain(found: &Found) -> Result<(), SignatureFault> {
    let mut named = HashSet::new();
    for said in found.says()? {
        let fits = match said.target {
            SaidTarget::Document => false,
            SaidTarget::Id(_) => said.form == PartForm::Canonical && !said.omits,
            SaidTarget::Part(_) => said.form != PartForm::Canonical,
        };
        if !fits {
            let rule =
                "Transform: of a block the canonical form is signed, of an attachment itself";
            return Err(SignatureFault::AlgorithmNotAllowed { place: Some(said.place), rule });
        }
        let name = match said.target {
            SaidTarget::Id(id) => (false, id),
            SaidTarget::Part(uri) => (true, uri),
            SaidTarget::Document => (false, ""),
        };
        if !named.insert(name) {
            let rule = "a Reference names something twice";
            return Err(SignatureFault::Coverage { place: Some(said.place), rule });
        }
    }
    Ok(())
}

/// The references outside the message are those to its attachments, one each.
fn every_part_once(
    verification: &Verification,
    parts: &PartDigests,
    place: Position,
) -> Result<(), SignatureFault> {
    let place = Some(place);
    let mut left: Vec<&str> = parts.uris().collect();
    for part in verification.parts() {
        let Some(n) = left.iter().position(|uri| *uri == part.uri) else {
            let rule = "a Reference names an attachment twice";
            return Err(SignatureFault::Coverage { place, rule });
        };
        left.swap_remove(n);
    }
    match left.is_empty() {
        true => Ok(()),
        false => {
            let rule = "an attachment is not signed";
            Err(SignatureFault::Coverage { place, rule })
        }
    }
}

/// The proof that the signature of a message holds over every block, the body and every attachment.
/// Made by [`super::Claimed::verify`] and nowhere else.
#[derive(Clone, Debug)]
pub struct Seal {
    verification: Verification,
    certificate: Option<HeaderCertificate>,
}

impl Seal {
    /// DER of the certificate under which it holds: one that is trusted.
    pub fn signer(&self) -> &[u8] {
        &self.verification.signer().der
    }

    /// The same as it stands in the header, with its role; none where KeyInfo holds it itself.
    pub fn certificate(&self) -> Option<&HeaderCertificate> {
        self.certificate.as_ref()
    }

    /// Who signed and how, in the words of the domain.
    pub fn facts(&self) -> SignatureFacts {
        self.verification.facts()
    }

    /// What is signed, node by node.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }

    /// Believes a fact that was read from the message, where all its nodes are signed.
    pub fn release<T>(&self, fact: Unverified<T>) -> Result<Verified<T>, SignatureFault> {
        self.verification.release(fact)
    }
}
