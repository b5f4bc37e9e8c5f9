//! Whether a signer is trusted: its certificate is pinned, or a path leads from it to an anchor.

use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_trust::path::{Anchors, Demands, Floors, Purpose, Reason};
use amtsbote_trust::pem::Certificate;
use amtsbote_wire::signature::SignedContent;
use anyhow::{Context, Result, anyhow};
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext};

/// Who is trusted, and how strong certificates must be.
pub(super) struct Trusted {
    pinned: Vec<Vec<u8>>,
    known: Vec<Vec<u8>>,
    anchors: Arc<Anchors>,
    floors: Floors,
}

impl Trusted {
    /// Trusts these certificates, in DER: the signer's own, or one that a path of it leads to.
    /// Paths may lead through `known` as well.
    pub(super) fn new(pinned: Vec<Vec<u8>>, known: Vec<Vec<u8>>, floors: Floors) -> Result<Self> {
        let purpose = Purpose::Content;
        let anchors = Anchors::builder()
            .trust(purpose, &read(&pinned))
            .intermediates(purpose, &read(&known))
            .partial(purpose)
            .build()?;
        Ok(Self { pinned, known, anchors, floors })
    }

    /// Fails where the signer is not trusted at `at`; else says by what path.
    pub(super) fn judge(&self, content: &SignedContent, at: Timestamp) -> Result<How> {
        let signer = &content.verification.signer().der;
        let leaf = Certificate::from_der(signer).context("the signer's certificate")?;
        // A key that is pinned needs no certificate as RFC 5280 wants it, only one that is valid.
        if self.pinned.contains(signer) {
            let valid = leaf.validity().holds(at);
            return valid.then_some(How::Pinned).context("pinned, but not valid");
        }
        let demands = Demands { floors: self.floors, ..Demands::new(Purpose::Content, at) };
        match self.anchors.judge(&leaf, &read(&content.others), &demands) {
            Ok(_) => Ok(How::Path),
            Err(fault) if is_formal(fault.reason) => match self.openssl(content, at)? {
                Ok(()) => Ok(How::OldPath(fault.rule)),
                Err(why) => Err(anyhow!("not trusted: {fault}; {why}")),
            },
            Err(fault) => Err(anyhow!("not trusted: {fault}")),
        }
    }

    /// What OpenSSL says where it asks for no more than names, dates and signatures, or why not.
    fn openssl(
        &self,
        content: &SignedContent,
        at: Timestamp,
    ) -> Result<Result<(), &'static str>, ErrorStack> {
        let mut param = X509VerifyParam::new()?;
        param.set_time(at.as_second());
        param.set_auth_level(0);
        param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        let mut store = X509StoreBuilder::new()?;
        store.set_param(&param)?;
        for anchor in &self.pinned {
            store.add_cert(X509::from_der(anchor)?)?;
        }
        let mut untrusted = Stack::new()?;
        for der in content.others.iter().chain(&self.known) {
            untrusted.push(X509::from_der(der)?)?;
        }
        let leaf = X509::from_der(&content.verification.signer().der)?;
        let mut context = X509StoreContext::new()?;
        context.init(&store.build(), &leaf, &untrusted, |context| {
            let holds = context.verify_cert()?;
            Ok(if holds { Ok(()) } else { Err(context.error().error_string()) })
        })
    }
}

/// Why a signer is trusted.
pub(super) enum How {
    /// Its certificate is.
    Pinned,
    /// By a path that `trust` finds.
    Path,
    /// By one that `trust` refuses for its form alone, by this rule: some authorities of the vectors
    /// wrote certificates that RFC 5280 does not admit, or signed them with MD5.
    OldPath(&'static str),
}

/// Whether a path may be refused so and still be the one that a vector means.
fn is_formal(reason: Reason) -> bool {
    matches!(reason, Reason::CriticalExtension | Reason::Profile | Reason::WeakSignature)
}

/// Those that can be read: some vectors hold certificates by which nobody can go.
fn read(certificates: &[Vec<u8>]) -> Vec<Certificate> {
    certificates.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
}
