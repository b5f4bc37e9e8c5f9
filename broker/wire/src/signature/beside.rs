//! Signatures beside the one that a profile demands: found in the same pass, followed from where
//! they end, judged by rules of whoever asks for them. They sign what comes after them.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_schemas::xml::{Limits, Position};
use openssl::x509::X509;

use super::algorithm::DigestAlgorithm;
use super::certificate::{Fit, MAX_TRIED, Parsed, SignerCertificate};
use super::fault::SignatureFault;
use super::parts::{PartForm, Parts};
use super::profile::Allowed;
use super::references::ReferencePass;
use super::scan::Found;
use super::transforms::{Named, Omit, Step};
use super::verification::Verification;

/// What a reference says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) place: Position,
    pub(crate) target: SaidTarget<'a>,
    pub(crate) form: PartForm,
    /// Something is left out of it.
    pub(crate) omits: bool,
    pub(crate) digest: DigestAlgorithm,
}

/// What it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaidTarget<'a> {
    Document,
    Id(&'a str),
    Part(&'a str),
}

impl Found {
    /// What its references say, in their order.
    pub(crate) fn says(&self) -> Result<Vec<Said<'_>>, SignatureFault> {
        let references = self.read()?.info.references.iter();
        Ok(references
            .map(|reference| Said {
                place: reference.place,
                target: match &reference.named {
                    Named::Document => SaidTarget::Document,
                    Named::Id(id) => SaidTarget::Id(id),
                    Named::Part(uri) => SaidTarget::Part(uri),
                },
                form: match reference.step {
                    Step::Octets => PartForm::Octets,
                    Step::Base64 => PartForm::Base64,
                    Step::Nodes(_) => PartForm::Canonical,
                },
                omits: reference.omit != Omit::Nothing,
                digest: reference.digest,
            })
            .collect())
    }

    /// The identifiers of elements of the document that KeyInfo says hold the certificate.
    pub(crate) fn retrieves(&self) -> &[String] {
        self.content.as_ref().map_or(&[], |content| &content.hints.retrievals)
    }

    /// Enters the certificates, in DER, of the elements that KeyInfo names.
    pub(crate) fn retrieved<'a>(&mut self, known: impl Fn(&str) -> Option<&'a [u8]>) {
        if let Ok(content) = &mut self.content {
            let ids = std::mem::take(&mut content.hints.retrievals);
            let found = ids.iter().filter_map(|id| known(id)).map(<[u8]>::to_vec);
            content.hints.certificates.extend(found);
        }
    }

    /// The trusted certificate under which the value of SignedInfo holds, by what KeyInfo says
    /// without looking anything up. What SignedInfo refers to is another question.
    pub(crate) fn value_holds_for(
        &self,
        trusted: &[TrustedCertificate],
        allowed: &Allowed,
        at: Timestamp,
    ) -> Result<SignerCertificate, SignatureFault> {
        let content = self.read()?;
        content.info.check(allowed)?;
        self.signer(&content.hints, trusted, allowed, at)
    }

    /// The fault of one that could not be read.
    fn fault(self) -> SignatureFault {
        let rule = "the signature could not be read";
        self.content.err().unwrap_or(SignatureFault::Invalid { place: self.position, rule })
    }

    /// The certificate in KeyInfo under which the value holds.
    fn under_its_own(&self, allowed: &Allowed) -> Result<SignerCertificate, SignatureFault> {
        let content = self.read()?;
        content.info.check(allowed)?;
        let mut fault = SignatureFault::SignerNotTrusted {
            rule: "KeyInfo leads to no certificate in the message",
        };
        for der in content.hints.certificates.iter().take(MAX_TRIED) {
            // A certificate that cannot be read, or whose key cannot, is none under which the
            // signature holds.
            let parsed = X509::from_der(der).and_then(|certificate| Parsed::of(&certificate));
            let fit = match &parsed {
                Ok(parsed) => content.fit(parsed, allowed)?,
                Err(_) => Fit::OtherKey,
            };
            match (fit, parsed) {
                (Fit::Holds(signer), Ok(parsed)) if parsed.may_sign() => return Ok(signer),
                (Fit::Holds(_), _) => return Err(not_for_signing()),
                (fit, _) => fault = self.unfit(&fit),
            }
        }
        Err(fault)
    }
}

/// Whether the certificate of a signer, one that is trusted, is one for signatures.
pub(crate) fn for_signing(signer: &SignerCertificate) -> Result<(), SignatureFault> {
    match Parsed::trusted(&signer.der)?.may_sign() {
        true => Ok(()),
        false => Err(not_for_signing()),
    }
}

fn not_for_signing() -> SignatureFault {
    let rule = "the signer's certificate is not for signatures (keyUsage)";
    SignatureFault::SignerNotTrusted { rule }
}

/// Judges signatures that `references` followed, in the order in which it did, each under the
/// certificate of its own KeyInfo: who that is, and whether they are trusted, is another question.
/// What came out for each, with it.
pub(crate) fn verify_followed(
    found: Vec<Found>,
    references: ReferencePass,
    parts: &dyn Parts,
    allowed: &Allowed,
    limits: &Limits,
    document: Digest,
) -> Vec<Result<Verification, SignatureFault>> {
    let checked = references.finish(&found, parts, limits);
    let judged = found.into_iter().zip(checked).map(|(found, checked)| {
        if found.content.is_err() {
            return Err(found.fault());
        }
        let signer = found.under_its_own(allowed)?;
        Ok(Verification::new(signer, &found.read()?.info, checked?, document))
    });
    judged.collect()
}
