//! What is said of documents of which nothing is known beforehand: who signed, and with what.

use openssl::pkey::PKey;
use openssl::rsa::Rsa;

use super::attacks::{BODY, forged, message, methods, to_body};
use super::*;
use crate::testing::{EC, Identity, OTHER, RSA};

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// The one signature of a message by `signer` with these certificates in `KeyInfo`.
fn found(
    algorithm: SignatureAlgorithm,
    signer: &Identity,
    named: &[&Identity],
    candidates: &[&Identity],
) -> SignatureReport {
    let inner = format!("{}{}", methods(EXCLUSIVE, algorithm.uri()), to_body());
    let value = |octets: &[u8]| signer.signer().sign(octets).expect("signed");
    let document = message(&forged(&inner, &value, named), BODY);
    let policy = GeneralPolicy {
        candidates: candidates.iter().map(|one| one.der()).collect(),
        allowed: Allowed::default(),
        limits: Limits::default(),
    };
    let report = verify_document(&|| Ok(document.as_bytes()), &NoParts, &policy);
    report.expect("a report").signatures.remove(0)
}

const ECDSA: SignatureAlgorithm = SignatureAlgorithm::EcdsaSha256;

#[test]
fn the_other_certificates_are_handed_on_and_the_signers_is_not_among_them() {
    for (named, others) in [
        (&[&*EC][..], &[][..]),
        (&[&*OTHER, &*EC, &*RSA], &[&*OTHER, &*RSA]),
        (&[&*EC, &*OTHER], &[&*OTHER]),
    ] {
        let content = found(ECDSA, &EC, named, &[]).outcome.expect("it holds");
        assert_eq!(content.verification.signer().der, EC.der());
        let others: Vec<_> = others.iter().map(|one| one.der()).collect();
        assert_eq!(content.others, others);
    }
    // The signer's comes from the caller, what KeyInfo holds is all of another's.
    let content = found(ECDSA, &EC, &[], &[&OTHER, &EC]).outcome.expect("it holds");
    assert_eq!(content.verification.signer().der, EC.der());
    assert!(content.others.is_empty());
}

#[test]
fn what_was_tried_is_told_with_the_one_that_fits_last() {
    let means = found(ECDSA, &EC, &[&OTHER, &EC, &RSA], &[]).means.expect("it was read");
    assert_eq!((means.algorithm, &means.digests[..]), (ECDSA, &[DigestAlgorithm::Sha256][..]));
    assert_eq!(means.tried, [OTHER.der(), EC.der()]);
    // None fits.
    let report = found(ECDSA, &EC, &[&OTHER], &[]);
    assert!(report.outcome.is_err());
    assert_eq!(report.means.expect("it was read").tried, [OTHER.der()]);
}

#[test]
fn the_means_of_what_is_refused_are_told_as_well() {
    let report = found(SignatureAlgorithm::EcdsaSha1, &EC, &[&EC], &[]);
    let fault = report.outcome.expect_err("SHA-1");
    assert!(matches!(fault, SignatureFault::AlgorithmNotAllowed { .. }), "{fault:?}");
    let means = report.means.expect("it was read");
    assert_eq!(means.algorithm, SignatureAlgorithm::EcdsaSha1);
    assert!(means.tried.is_empty(), "it was refused before any certificate was looked at");
    // A key that is too short: the certificate is told.
    let key = PKey::from_rsa(Rsa::generate(1024).expect("a key")).expect("a key");
    let short = Identity::new(key, "Kurz", None);
    let inner = format!("{}{}", methods(EXCLUSIVE, SignatureAlgorithm::RsaSha256.uri()), to_body());
    let document = message(&forged(&inner, &|_| vec![1; 128], &[&short]), BODY);
    let policy = GeneralPolicy {
        candidates: vec![],
        allowed: Allowed::default(),
        limits: Limits::default(),
    };
    let report = verify_document(&|| Ok(document.as_bytes()), &NoParts, &policy);
    let report = report.expect("a report").signatures.remove(0);
    let fault = report.outcome.expect_err("too short");
    assert!(matches!(fault, SignatureFault::AlgorithmNotAllowed { .. }), "{fault:?}");
    assert_eq!(report.means.expect("it was read").tried, [short.der()]);
}
