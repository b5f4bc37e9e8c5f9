//! What a client is told: the standard's codes for our refusals, and SOAP faults.

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::AccountId;
use amtsbote_domain::text::Language;
use amtsbote_wire::osci;
use amtsbote_wire::osci::encrypted::EncryptedFault;
use amtsbote_wire::osci::fault::SoapMessageFault;
use amtsbote_wire::osci::feedback::{self, Entry};
use amtsbote_wire::osci::mime::MimeFault;
use amtsbote_wire::osci::signature::ClaimFault;

use crate::hub::Hub;
use crate::step::refused::{Seen, refuse};

/// An order to which there is no answer of its own: a SOAP fault says why.
#[derive(Debug)]
pub(super) struct Refusal {
    code: feedback::Code,
    /// The same in our words, for the record.
    fault: Box<Fault>,
}

impl Refusal {
    /// With this code.
    pub(super) fn fault(code: feedback::Code) -> Self {
        let ours = if code.side() == feedback::Side::Server {
            Code::Internal
        } else {
            Code::MalformedRequest
        };
        Self::new(code, Fault::new(ours).because(code.as_str()))
    }

    fn new(code: feedback::Code, fault: Fault) -> Self {
        Self { code, fault: Box::new(fault) }
    }

    /// The code.
    pub(super) fn code(&self) -> feedback::Code {
        self.code
    }

    /// Makes it evidence where the sender is proven. Of whoever only claims to be somebody it is noise.
    pub(super) async fn recorded(self, hub: &Hub, account: &AccountId, proven: bool) -> Self {
        if !proven {
            hub.noise.count();
            return self;
        }
        let fault = (*self.fault).clone();
        let told = refuse(hub, Seen::of(account, None), fault).await.fault;
        // One that could not be recorded is told as another.
        if told == *self.fault { self } else { told.into() }
    }

    /// The message. In which languages the client wants its texts is not known here.
    pub(super) fn into_octets(self) -> Vec<u8> {
        // What is written has no part that could be refused; without it there is nothing to say.
        SoapMessageFault::new(self.code, Language::De).message().unwrap_or_default()
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::new(code(&fault), fault)
    }
}

impl From<MimeFault> for Refusal {
    fn from(fault: MimeFault) -> Self {
        Self::new(feedback::Code::NotAnOsciMessage, fault.into())
    }
}

impl From<EncryptedFault> for Refusal {
    fn from(fault: EncryptedFault) -> Self {
        Self::new(fault.feedback(), fault.into())
    }
}

impl From<osci::Refusal> for Refusal {
    fn from(refusal: osci::Refusal) -> Self {
        Self::new(refusal.feedback(), refusal.into())
    }
}

impl From<ClaimFault> for Refusal {
    fn from(fault: ClaimFault) -> Self {
        Self::new(fault.feedback(), fault.into())
    }
}

/// The standard's code that comes nearest to a refusal of ours. It has none for "not permitted" and the
/// like: they are orders that were not carried out, and our own text says why.
pub(super) fn code(fault: &Fault) -> feedback::Code {
    use feedback::Code as C;
    match fault.code {
        Code::MalformedRequest
        | Code::EnvelopeNotWellFormed
        | Code::EnvelopeInvalid
        | Code::UnsupportedMediaType
        | Code::Truncated
        | Code::XmlLimit
        | Code::PartMismatch => C::NotAnOsciMessage,
        Code::PartMissing | Code::TooLarge => C::NotAnOrder,
        Code::NotDecryptable => C::Undecryptable,
        Code::SignatureMissing => C::OrderUnsigned,
        Code::SignatureInvalid | Code::AlgorithmNotAllowed => C::OrderSignatureWrong,
        Code::SignatureCoverage => C::OrderNotFullySigned,
        Code::UnknownAccount | Code::SignerNotTrusted | Code::CertificateNotValid => {
            C::ClientSigningCertificateNotGenuine
        }
        Code::CertificateRevoked => C::ClientSigningCertificateRevoked,
        Code::CertificateStatusUnknown => C::CertificateCheckFailed,
        Code::IdNotIssued | Code::IdUsed | Code::SameIdOtherContent => C::MessageIdIllegal,
        Code::TooSlow | Code::TooMany | Code::Unavailable | Code::DiskFull | Code::Internal => {
            C::SupplierError
        }
        _ => C::ExecutionError,
    }
}

/// Feedback with the standard's own texts.
pub(super) fn plain(codes: &[feedback::Code], languages: &[Language]) -> Vec<Entry> {
    feedback::entries(codes, languages)
}

/// Feedback about a refusal of ours: the standard's code, our text, our code and what links answer, log
/// and evidence. Nothing in it comes from the message (P7).
pub(super) fn refused(fault: &Fault, error_id: &str, languages: &[Language]) -> Vec<Entry> {
    let said = languages.iter().map(|language| {
        let (title, advice) = (fault.code.title(), fault.code.advice());
        let (title, advice) = (title.get(*language), advice.get(*language));
        let text = format!("{title} {advice} ({}, {error_id})", fault.code);
        Entry { text, ..Entry::new(code(fault), *language) }
    });
    said.collect()
}
