//! What is asked about a signature besides whether it holds: what policy says of its means, and
//! whether a path leads from its signer to a certificate that is trusted.

use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::Code;
use amtsbote_trust::path::{Anchors, Demands, Floors, PathFault, Purpose, Reason};
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::{self, Algorithm, AlgorithmPolicy, CertificateFacts, Rule};
use amtsbote_wire::signature::{Allowed, SignatureReport, SignedContent};

use crate::config::certificate;
use crate::outcome::Failure;

/// Whether a signer is trusted.
pub(super) enum Trust {
    /// A path leads from its certificate to one that is trusted; it may be that one itself.
    Trusted,
    /// No trusted certificate was given.
    NotAsked,
    /// There is no such path.
    Untrusted(PathFault),
}

/// By what signatures and signers are judged.
pub(super) struct Judge {
    policy: AlgorithmPolicy,
    /// None where nobody asked for trust.
    anchors: Option<Arc<Anchors>>,
    /// Whether what is out of date is read.
    legacy: bool,
    at: Timestamp,
}

const PURPOSE: policy::Purpose = policy::Purpose::ContentSignature;

impl Judge {
    /// Trusts these certificates, of signers or of their issuers.
    pub(super) fn new(
        trusted: &[Certificate],
        legacy: bool,
        at: Timestamp,
    ) -> Result<Self, Failure> {
        // Whoever trusts a signer's certificate itself need not trust its issuer.
        let anchors = Anchors::builder().partial(Purpose::Content).trust(Purpose::Content, trusted);
        let anchors = anchors.build().map_err(|error| certificate::failure(&error))?;
        let anchors = (!trusted.is_empty()).then_some(anchors);
        Ok(Self { policy: AlgorithmPolicy::built_in(), anchors, legacy, at })
    }

    /// When certificates must be valid.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// By which algorithms and keys a signature may be made.
    pub(super) fn allowed(&self) -> Allowed {
        if self.legacy { Allowed::legacy() } else { self.policy.allowed(PURPOSE, false, self.at) }
    }

    /// How strong the certificates of a path must be: whoever reads SHA-1 in signatures reads it in
    /// the certificates of that time as well.
    fn floors(&self) -> Floors {
        if self.legacy {
            let Allowed { min_rsa_bits, min_ec_bits, .. } = Allowed::legacy();
            return Floors { min_rsa_bits, min_ec_bits, allow_sha1: true };
        }
        self.policy.floors(PURPOSE, false, self.at)
    }

    /// Whether who signed is trusted.
    pub(super) fn trust(&self, content: &SignedContent) -> Trust {
        let Some(anchors) = &self.anchors else { return Trust::NotAsked };
        let signer = content.verification.signer();
        let Ok(leaf) = Certificate::from_der(&signer.der) else {
            let (reason, rule) = (Reason::Malformed, "RFC 5280, 4.1");
            let subject = content.verification.facts().subject;
            return Trust::Untrusted(PathFault { reason, rule, depth: 0, subject });
        };
        let others = content.others.iter().filter_map(|der| Certificate::from_der(der).ok());
        let others: Vec<_> = others.collect();
        let demands = Demands { floors: self.floors(), ..Demands::new(Purpose::Content, self.at) };
        match anchors.judge(&leaf, &others, &demands) {
            Ok(_) => Trust::Trusted,
            Err(fault) => Trust::Untrusted(fault),
        }
    }

    /// The rule of policy by which a signature is refused, or would be if it were not read as one
    /// that is out of date.
    pub(super) fn against(&self, report: &SignatureReport) -> Option<&Rule> {
        let refused = match &report.outcome {
            Ok(_) => self.legacy,
            Err(fault) => fault.code() == Code::AlgorithmNotAllowed,
        };
        let means = report.means.as_ref().filter(|_| refused)?;
        let digests = means.digests.iter().map(|digest| digest.uri());
        let algorithms = [means.algorithm.uri()].into_iter().chain(digests);
        let algorithms = algorithms
            .filter_map(Algorithm::from_uri)
            .map(|algorithm| self.policy.judge(PURPOSE, algorithm, self.at, false));
        // Where it holds, the last is the signer's.
        let skipped = report.outcome.as_ref().map_or(0, |_| means.tried.len().saturating_sub(1));
        let keys = means.tried.iter().skip(skipped);
        let keys = keys
            .filter_map(|der| Certificate::from_der(der).ok())
            .map(|certificate| CertificateFacts::of(certificate.x509()).key)
            .map(|key| self.policy.judge(PURPOSE, key, self.at, false));
        algorithms.chain(keys).find(|judgement| judgement.is_refused())?.rule()
    }
}

#[cfg(test)]
mod tests {
    use amtsbote_schemas::xml::Limits;
    use amtsbote_trust::testca::{KeyKind, Purpose as Use, Sources, Span, TestCa};
    use amtsbote_wire::signature::{
        GeneralPolicy, NoParts, OpensslSigner, Place, sign_enveloped, verify_document,
    };
    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;
    use openssl::x509::{X509, X509NameBuilder};

    use super::*;

    const SPAN: [&str; 2] = ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"];

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    /// An authority, one below it, and two certificates by the lower one.
    struct Town {
        root: Certificate,
        below: Certificate,
        signer: amtsbote_trust::testca::Issued,
        other: Certificate,
    }

    impl Town {
        fn new(purpose: Use) -> Self {
            let span = Span { from: at(SPAN[0]), until: at(SPAN[1]) };
            let root = TestCa::with_depth("root", KeyKind::EcP256, span, 1).expect("a root");
            let below = root
                .intermediate("below", KeyKind::EcP256, span, 0, &Sources::default())
                .expect("an authority");
            let signer = below.issue("signer", purpose, KeyKind::EcP256, span).expect("issued");
            let other = below.issue("other", Use::Signature, KeyKind::EcP256, span);
            Self {
                root: root.certificate().clone(),
                below: below.certificate().clone(),
                signer,
                other: other.expect("issued").certificate().clone(),
            }
        }

        /// Whether its signer is trusted, if the other certificates came in `KeyInfo`.
        fn trust(&self, trusted: &[&Certificate], others: &[&Certificate], when: &str) -> Trust {
            let trusted: Vec<_> = trusted.iter().map(|one| (*one).clone()).collect();
            let judge = Judge::new(&trusted, false, at(when)).expect("a judge");
            let signer = self.signer.identity().signer().expect("a signer");
            let mut content = report(&signer, &judge).outcome.expect("it holds");
            assert!(content.others.is_empty());
            content.others = others.iter().map(|one| one.der().to_vec()).collect();
            judge.trust(&content)
        }
    }

    /// What is found in a document.
    fn report(signer: &OpensslSigner, judge: &Judge) -> SignatureReport {
        let signed = sign_enveloped(b"<a/>", signer, &Place::LastInRoot).expect("signed");
        let (candidates, limits) = (Vec::new(), Limits::default());
        let policy = GeneralPolicy { candidates, allowed: judge.allowed(), limits };
        let report = verify_document(&|| Ok(signed.as_slice()), &NoParts, &policy);
        report.expect("a report").signatures.remove(0)
    }

    fn why(trust: Trust) -> Option<Reason> {
        match trust {
            Trust::Trusted => None,
            Trust::NotAsked => panic!("it was asked"),
            Trust::Untrusted(fault) => Some(fault.reason),
        }
    }

    #[test]
    fn a_path_leads_from_the_signer_to_whom_the_caller_trusts() {
        let town = Town::new(Use::Signature);
        let Town { root, below, signer, other } = &town;
        let now = "2026-11-23T12:00:00Z";
        assert!(matches!(town.trust(&[], &[below], now), Trust::NotAsked));
        assert_eq!(why(town.trust(&[root], &[below], now)), None);
        assert_eq!(why(town.trust(&[root], &[], now)), Some(Reason::NoAnchor));
        assert_eq!(why(town.trust(&[below], &[], now)), None, "its issuer is trusted");
        assert_eq!(why(town.trust(&[signer.certificate()], &[], now)), None, "it is trusted");
        assert_eq!(why(town.trust(&[other], &[below, root], now)), Some(Reason::NoAnchor));
        assert_eq!(why(town.trust(&[other, root], &[other, below], now)), None);
        assert_eq!(why(town.trust(&[root], &[below], SPAN[1])), Some(Reason::Expired));
        let before = "2025-12-31T23:59:59Z";
        assert_eq!(
            why(town.trust(&[signer.certificate()], &[], before)),
            Some(Reason::NotYetValid)
        );
    }

    #[test]
    fn a_certificate_for_something_else_signs_nothing() {
        let town = Town::new(Use::Encryption);
        let trust = town.trust(&[&town.root], &[&town.below], "2026-11-23T12:00:00Z");
        assert_eq!(why(trust), Some(Reason::KeyUsage));
    }

    /// A key of 2048 bits, and a certificate that it issued to itself.
    fn short_key() -> (OpensslSigner, Certificate) {
        let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", "TEST short key").expect("an entry");
        let name = name.build();
        let mut builder = X509::builder().expect("a builder");
        builder.set_version(2).expect("a version");
        let serial = BigNum::from_u32(1).and_then(|one| one.to_asn1_integer()).expect("a number");
        builder.set_serial_number(&serial).expect("a serial");
        builder.set_subject_name(&name).expect("a subject");
        builder.set_issuer_name(&name).expect("an issuer");
        let time = |text: &str| Asn1Time::from_unix(at(text).as_second()).expect("a time");
        builder.set_not_before(&time(SPAN[0])).expect("a time");
        builder.set_not_after(&time(SPAN[1])).expect("a time");
        builder.set_pubkey(&key).expect("a key");
        builder.sign(&key, MessageDigest::sha256()).expect("a signature");
        let certificate = builder.build();
        let signer = OpensslSigner::new(key, &certificate).expect("a signer");
        (signer, Certificate::new(certificate).expect("a certificate"))
    }

    #[test]
    fn policy_decides_by_the_time_and_old_data_is_read_on_demand() {
        let (signer, certificate) = short_key();
        let judged = |legacy, when| {
            let judge = Judge::new(std::slice::from_ref(&certificate), legacy, at(when));
            let judge = judge.expect("a judge");
            let report = report(&signer, &judge);
            let trust = report.outcome.as_ref().map(|content| why(judge.trust(content)));
            let outcome = trust.map_err(|fault| fault.code());
            (outcome, judge.against(&report).map(|rule| rule.id.clone()))
        };
        let (now, then) = ("2026-11-23T12:00:00Z", "2023-11-23T12:00:00Z");
        let rule = || Some("rsa-3000".to_owned());
        assert_eq!(judged(false, now), (Err(Code::AlgorithmNotAllowed), rule()));
        assert_eq!(judged(true, now), (Ok(None), rule()), "trusted");
        // Nobody had anything against it then, but the certificate is younger.
        assert_eq!(judged(false, then), (Ok(Some(Reason::NotYetValid)), None));
    }
}
