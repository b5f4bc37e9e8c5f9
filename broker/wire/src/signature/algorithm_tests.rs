//! Every algorithm, and every key that is none for it.

use amtsbote_domain::fault::Code;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer as OpensslSign};

use super::algorithm::Scheme;
use super::attacks::{BODY, forged, message, methods, profile_allowing, to_body};
use super::*;
use crate::testing::{EC, Identity, RSA, ec_key, now};

fn ed25519() -> Identity {
    Identity::new(PKey::generate_ed25519().expect("a key"), "Edwards", Some(&EC))
}

fn judge(
    document: &str,
    signer: &Identity,
    allowed: &Allowed,
) -> Result<Verification, SignatureFault> {
    let trusted = [signer.trusted()];
    let profile = profile_allowing(allowed);
    verify(document.as_bytes(), &profile, &Limits::default(), &trusted, now())
}

#[track_caller]
fn refused(document: &str, signer: &Identity, allowed: &Allowed, code: Code) {
    let fault = judge(document, signer, allowed).expect_err("a refusal");
    assert_eq!(fault.code(), code, "{fault:?}");
}

#[test]
fn every_algorithm_signs_and_verifies() {
    let ed = ed25519();
    let allowed = Allowed::default();
    for &algorithm in SignatureAlgorithm::ALL {
        let name = algorithm.uri();
        let identity = match algorithm.scheme() {
            Scheme::Ecdsa(_) => &*EC,
            Scheme::Ed25519 => &ed,
            _ => &*RSA,
        };
        let signer = OpensslSigner::with(identity.key.clone(), &identity.certificate, algorithm);
        assert_eq!(signer.is_err(), algorithm.is_legacy(), "{name}");
        let Ok(signer) = signer else { continue };
        let document = format!("<w xmlns=\"urn:w\"><head></head>{BODY}</w>");
        let place = Place::LastIn(vec![
            ("urn:w".to_owned(), "w".to_owned()),
            ("urn:w".to_owned(), "head".to_owned()),
        ]);
        let target = Target { id: Some("b".to_owned()), prefix_list: vec![] };
        let sign_it = || {
            let signed = sign(document.as_bytes(), &signer, &place, std::slice::from_ref(&target));
            String::from_utf8(signed.expect("signed")).expect("UTF-8")
        };
        let signed = sign_it();
        let draws_lots = name.contains("ecdsa") || name.contains("MGF1");
        assert_eq!(sign_it() == signed, !draws_lots, "{name}: the same octets");
        let verification = judge(&signed, identity, &allowed).expect(name);
        assert_eq!(verification.algorithm(), algorithm);
        // Changed, or not allowed.
        refused(&signed.replace("right", "wrong"), identity, &allowed, Code::SignatureInvalid);
        let mut without = allowed.clone();
        without.signatures.retain(|other| *other != algorithm);
        refused(&signed, identity, &without, Code::AlgorithmNotAllowed);
        // Under another algorithm for the same key the value means nothing.
        for &other in SignatureAlgorithm::ALL {
            if other != algorithm {
                let code =
                    judge(&signed.replacen(name, other.uri(), 1), identity, &Allowed::legacy())
                        .expect_err("a refusal")
                        .code();
                assert!(
                    code == Code::SignatureInvalid || code == Code::AlgorithmNotAllowed,
                    "{name} as {}",
                    other.uri()
                );
            }
        }
    }
}

#[test]
fn every_digest_is_read_back() {
    for &digest in DigestAlgorithm::ALL {
        let signing = Signing { digest, ..Signing::default() };
        let targets = [Target::DOCUMENT];
        let signed = sign_with(b"<a/>", &EC.signer(), &Place::LastInRoot, &targets, &signing);
        assert_eq!(signed.is_err(), digest.is_legacy());
        assert_eq!(DigestAlgorithm::from_uri(digest.uri()), Some(digest));
        let Ok(signed) = signed else { continue };
        let policy = GeneralPolicy {
            candidates: vec![],
            allowed: Allowed { digests: vec![digest], ..Allowed::default() },
            limits: Limits::default(),
        };
        let report = verify_document(&|| Ok(signed.as_slice()), &NoParts, &policy);
        assert!(report.expect("a report").signatures[0].outcome.is_ok());
    }
}

/// A signature by RSASSA-PSS whose parameters are spelt out.
fn spelt_out(parameters: &str, digest: MessageDigest, mask: MessageDigest, salt: i32) -> String {
    let inner = methods("http://www.w3.org/2001/10/xml-exc-c14n#", "URI").replace(
        "URI\"></SignatureMethod>",
        &format!("http://www.w3.org/2007/05/xmldsig-more#rsa-pss\">{parameters}</SignatureMethod>"),
    );
    let sign = |octets: &[u8]| {
        let mut signer = OpensslSign::new(digest, &RSA.key).expect("a signer");
        signer.set_rsa_padding(Padding::PKCS1_PSS).expect("PSS");
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt)).expect("a salt");
        signer.set_rsa_mgf1_md(mask).expect("a mask");
        signer.sign_oneshot_to_vec(octets).expect("signed")
    };
    message(&forged(&format!("{inner}{}", to_body()), &sign, &[&RSA]), BODY)
}

#[test]
fn parameters_of_pss_are_read_within_bounds() {
    let allowed = Allowed::default();
    let (sha256, sha384) = (MessageDigest::sha256(), MessageDigest::sha384());
    let parameters = |inner: &str| {
        format!(
            "<RSAPSSParams xmlns=\"http://www.w3.org/2007/05/xmldsig-more#\">{inner}</RSAPSSParams>"
        )
    };
    let method = |digest: &str| {
        format!(
            "<DigestMethod xmlns=\"http://www.w3.org/2000/09/xmldsig#\" Algorithm=\"{digest}\">\
             </DigestMethod>"
        )
    };
    let mask = |digest: &str| {
        format!(
            "<MaskGenerationFunction Algorithm=\"http://www.w3.org/2007/05/xmldsig-more#MGF1\">{}\
             </MaskGenerationFunction>",
            method(digest)
        )
    };
    let (d384, d256) = (DigestAlgorithm::Sha384.uri(), DigestAlgorithm::Sha256.uri());
    let salt = |n: i32| format!("<SaltLength>{n}</SaltLength>");
    for (inner, digest, mgf, length) in [
        (String::new(), sha256, sha256, 32),
        (salt(20), sha256, sha256, 20),
        (method(d384), sha384, sha256, 48),
        (format!("{}{}", method(d384), mask(d384)), sha384, sha384, 48),
        (
            format!("{}{}{}<TrailerField>1</TrailerField>", method(d256), mask(d384), salt(64)),
            sha256,
            sha384,
            64,
        ),
    ] {
        let document = spelt_out(&parameters(&inner), digest, mgf, length);
        let verification = judge(&document, &RSA, &allowed).expect(&inner);
        assert_eq!(
            verification.algorithm().digest(),
            DigestAlgorithm::ALL.iter().copied().find(|d| d.message_digest() == digest)
        );
    }
    judge(&spelt_out("", sha256, sha256, 32), &RSA, &allowed).expect("all by default");
    // The value was made with other parameters than it says.
    let other = spelt_out(&parameters(&salt(20)), sha256, sha256, 32);
    refused(&other, &RSA, &allowed, Code::SignatureInvalid);
    for inner in [
        salt(0),
        salt(15),
        salt(2000),
        "<SaltLength>x</SaltLength>".to_owned(),
        "<TrailerField>2</TrailerField>".to_owned(),
        "<Other/>".to_owned(),
        format!("{}{}", salt(32), method(d256)),
        format!("{}{}", salt(32), salt(32)),
        mask("urn:none"),
        method(DigestAlgorithm::Sha1.uri()),
        mask(DigestAlgorithm::Sha1.uri()),
        "<MaskGenerationFunction Algorithm=\"urn:mine\"></MaskGenerationFunction>".to_owned(),
    ] {
        let document = spelt_out(&parameters(&inner), sha256, sha256, 32);
        refused(&document, &RSA, &allowed, Code::AlgorithmNotAllowed);
    }
    let twice = parameters("").repeat(2);
    refused(&spelt_out(&twice, sha256, sha256, 32), &RSA, &allowed, Code::AlgorithmNotAllowed);
}

#[test]
fn the_floors_of_keys_come_from_policy() {
    let signed = |identity: &Identity| {
        let inner = format!(
            "{}{}",
            methods("http://www.w3.org/2001/10/xml-exc-c14n#", identity.signer().algorithm().uri()),
            to_body()
        );
        let sign = |octets: &[u8]| identity.signer().sign(octets).expect("signed");
        message(&forged(&inner, &sign, &[identity]), BODY)
    };
    let strict = Allowed { min_rsa_bits: 3000, min_ec_bits: 300, ..Allowed::default() };
    let p384 = Identity::new(ec_key(Nid::SECP384R1), "Lang", None);
    let brainpool = Identity::new(ec_key(Nid::BRAINPOOL_P256R1), "Brainpool", None);
    for identity in [&*RSA, &*EC, &brainpool, &ed25519()] {
        judge(&signed(identity), identity, &Allowed::default()).expect("long enough");
        refused(&signed(identity), identity, &strict, Code::AlgorithmNotAllowed);
    }
    judge(&signed(&p384), &p384, &strict).expect("long enough");
}

#[test]
fn what_is_legacy_is_read_only_on_demand() {
    let sign = |octets: &[u8]| {
        let mut signer = OpensslSign::new(MessageDigest::sha1(), &RSA.key).expect("a signer");
        signer.sign_oneshot_to_vec(octets).expect("signed")
    };
    let inner = format!(
        "{}{}",
        methods("http://www.w3.org/2001/10/xml-exc-c14n#", SignatureAlgorithm::RsaSha1.uri()),
        to_body()
    );
    let old = message(&forged(&inner, &sign, &[&RSA]), BODY);
    refused(&old, &RSA, &Allowed::default(), Code::AlgorithmNotAllowed);
    judge(&old, &RSA, &Allowed::legacy()).expect("old data");
}
