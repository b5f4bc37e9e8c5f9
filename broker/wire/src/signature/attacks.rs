//! Every known way to make a signature say more than it does, and some bad luck.

use std::sync::LazyLock;

use amtsbote_domain::fault::Code;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::sha256;
use proptest::prelude::*;

use super::sign::reference_to;
use super::*;
use crate::c14n::{Method, Mode};
use crate::testing::{EC, Identity, OTHER, RSA, now};

mod omitted;

const NS: &str = "urn:w";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const W: Name = Name::new(NS, "w");
static ALLOWED: LazyLock<Allowed> = LazyLock::new(|| Allowed {
    signatures: vec![SignatureAlgorithm::RsaSha256, SignatureAlgorithm::EcdsaSha256],
    digests: vec![DigestAlgorithm::Sha256],
    canonicalizations: vec![Mode::Exclusive],
    max_references: 3,
    ..Allowed::default()
});

fn profile() -> Profile<'static> {
    profile_allowing(&ALLOWED)
}

pub(super) fn profile_allowing(allowed: &Allowed) -> Profile<'_> {
    Profile::new(
        const { &[W, Name::new(NS, "head"), Name::new(DSIG, "Signature")] },
        const { &[&[W, Name::new(NS, "body")]] },
        allowed,
    )
}

const EXCLUSIVE: Method = Method::EXCLUSIVE;
pub(super) const BODY: &str = "<body Id=\"b\"><to>right</to></body>";
const EVIL: &str = "<to>wrong</to></body>";

pub(super) fn message(head: &str, rest: &str) -> String {
    format!("<w xmlns=\"{NS}\"><head>{head}</head>{rest}</w>")
}

fn judge(document: &str) -> Result<Verification, SignatureFault> {
    judge_for(document, &EC)
}

fn judge_for(document: &str, signer: &Identity) -> Result<Verification, SignatureFault> {
    let trusted = [signer.trusted()];
    verify(document.as_bytes(), &profile(), &Limits::default(), &trusted, now())
}

#[track_caller]
fn refused(document: &str, code: Code) {
    match judge(document) {
        Ok(_) => panic!("accepted: {document}"),
        Err(fault) => assert_eq!(fault.code(), code, "{fault:?}: {document}"),
    }
}

/// A signature over exactly this content of SignedInfo, however `sign` makes it.
pub(super) fn forged(inner: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>, named: &[&Identity]) -> String {
    let octets = format!("<SignedInfo xmlns=\"{DSIG}\">{inner}</SignedInfo>");
    let value = sign(octets.as_bytes());
    let certificates: String = named
        .iter()
        .map(|n| format!("<X509Certificate>{}</X509Certificate>", STANDARD.encode(n.der())))
        .collect();
    format!(
        "<Signature xmlns=\"{DSIG}\"><SignedInfo>{inner}</SignedInfo><SignatureValue>{}\
         </SignatureValue><KeyInfo><X509Data>{certificates}</X509Data></KeyInfo></Signature>",
        STANDARD.encode(value)
    )
}

/// The same by the key of `signer`.
fn forged_by(inner: &str, signer: &Identity, named: &[&Identity]) -> String {
    forged(inner, &|octets| signer.signer().sign(octets).expect("signed"), named)
}

pub(super) fn methods(c14n: &str, signature: &str) -> String {
    format!(
        "<CanonicalizationMethod Algorithm=\"{c14n}\"></CanonicalizationMethod>\
         <SignatureMethod Algorithm=\"{signature}\"></SignatureMethod>"
    )
}

fn usual() -> String {
    methods("http://www.w3.org/2001/10/xml-exc-c14n#", SignatureAlgorithm::EcdsaSha256.uri())
}

pub(super) fn to_body() -> String {
    let canonical = BODY.replace("<body Id", &format!("<body xmlns=\"{NS}\" Id"));
    reference_to(
        Some("b"),
        false,
        &EXCLUSIVE,
        DigestAlgorithm::Sha256,
        &sha256(canonical.as_bytes()),
    )
}

/// The message as it should be.
fn good() -> String {
    message(&forged_by(&format!("{}{}", usual(), to_body()), &EC, &[&EC]), BODY)
}

#[test]
fn the_good_message_holds() {
    let verification = judge(&good()).expect("it holds");
    assert_eq!(verification.references(), 1);
    assert_eq!(verification.covered().len(), 1);
    let (first, last) = verification.covered()[0];
    let node = |n: u64| amtsbote_schemas::xml::NodeNumber(n);
    // body, Id, to, text.
    assert_eq!(last.0 - first.0, 3);
    assert_eq!(
        verification.release(Unverified::new("x", first)).expect("covered").into_inner(),
        "x"
    );
    for outside in [node(1), node(first.0 - 1), node(last.0 + 1)] {
        let fault = verification.release(Unverified::new("x", outside)).expect_err("not covered");
        assert_eq!(fault.code(), Code::SignatureCoverage);
    }
    let half = Unverified::spanning("x", (node(first.0 - 1), last));
    assert!(verification.release(half).is_err());
}

#[test]
fn wrapping_the_signed_body_away_does_not_help() {
    let good = good();
    let plain = good.replace(BODY, &format!("<body>{EVIL}"));
    let moved = |before: &str, after: &str| {
        plain.replace("</head>", &format!("{before}{BODY}{after}</head>"))
    };
    // The signed body lives on elsewhere, an unsigned one stands in its place.
    refused(&moved("", ""), Code::SignatureCoverage);
    refused(&moved("<extension>", "</extension>"), Code::SignatureCoverage);
    refused(
        &plain.replace(
            "</KeyInfo>",
            &format!("</KeyInfo><Object><w xmlns=\"{NS}\">{BODY}</w></Object>"),
        ),
        Code::SignatureCoverage,
    );
    refused(&plain.replace("</w>", &format!("<old>{BODY}</old></w>")), Code::SignatureCoverage);
    // The same with a new Id, and beside the signed one.
    refused(&good.replace(BODY, &format!("<body Id=\"c\">{EVIL}{BODY}")), Code::SignatureCoverage);
    refused(&good.replace(BODY, &format!("{BODY}<body Id=\"c\">{EVIL}")), Code::SignatureCoverage);
    // The same Id twice.
    refused(&good.replace(BODY, &format!("<body Id=\"b\">{EVIL}{BODY}")), Code::SignatureCoverage);
    refused(&good.replace(BODY, &format!("{BODY}<body Id=\"b\">{EVIL}")), Code::SignatureCoverage);
    // The same Id twice, once as WS-Security writes it.
    let wsu = format!(
        "<body xmlns:u=\"http://docs.oasis-open.org/wss/2004/01/\
         oasis-200401-wss-wssecurity-utility-1.0.xsd\" u:Id=\"b\">{EVIL}"
    );
    refused(&good.replace(BODY, &format!("{wsu}{BODY}")), Code::SignatureCoverage);
    refused(&good.replace(BODY, &format!("{BODY}<x>{wsu}</x>")), Code::SignatureCoverage);
    // And once as xml:id, which needs no DTD to be an identifier.
    let xml = format!("<body xml:id=\"b\">{EVIL}");
    refused(&good.replace(BODY, &format!("{xml}{BODY}")), Code::SignatureCoverage);
    refused(&good.replace(BODY, &format!("{BODY}<x>{xml}</x>")), Code::SignatureCoverage);
    // The whole message inside another one.
    let inside = message("", &format!("<body>{EVIL}<extension>{good}</extension>"));
    refused(&inside, Code::SignatureMissing);
    // No body at all.
    refused(
        &plain.replace(&format!("<body>{EVIL}"), BODY.replace("body", "bode").as_str()),
        Code::SignatureInvalid,
    );
    let elsewhere = good.replace("<body", "<x><body").replace("</body>", "</body></x>");
    refused(&elsewhere, Code::SignatureCoverage);
    // A second root is no XML.
    refused(&format!("{good}{good}"), Code::EnvelopeNotWellFormed);
}

#[test]
fn the_signature_stands_at_its_place_and_alone() {
    let good = good();
    let (from, to) =
        (good.find("<Signature ").expect("there"), good.find("</head>").expect("there"));
    let signature = &good[from..to];
    refused(&message("", BODY), Code::SignatureMissing);
    refused(&message("", &format!("{BODY}{signature}")), Code::SignatureMissing);
    refused(&message(&format!("<x>{signature}</x>"), BODY), Code::SignatureMissing);
    refused(&message(&format!("{signature}{signature}"), BODY), Code::SignatureMissing);
    refused(&message(signature, &format!("{BODY}<x>{signature}</x>")), Code::SignatureMissing);
    let nested =
        signature.replace("</KeyInfo>", &format!("</KeyInfo><Object>{signature}</Object>"));
    refused(&message(&nested, BODY), Code::SignatureMissing);
    let in_key_info = signature.replace("<X509Data>", &format!("{signature}<X509Data>"));
    refused(&message(&in_key_info, BODY), Code::SignatureMissing);
    let other_namespace = signature.replace(DSIG, "urn:other");
    refused(&message(&other_namespace, BODY), Code::SignatureMissing);
    let many = signature.repeat(MAX_SIGNATURES + 1);
    refused(&message(&many, BODY), Code::XmlLimit);
}

#[test]
fn only_a_trusted_key_counts() {
    let inner = format!("{}{}", usual(), to_body());
    let by =
        |signer: &Identity, named: &[&Identity]| message(&forged_by(&inner, signer, named), BODY);
    refused(&by(&OTHER, &[&OTHER]), Code::SignerNotTrusted);
    refused(&by(&EC, &[]), Code::SignerNotTrusted);
    refused(&by(&OTHER, &[&EC]), Code::SignatureInvalid);
    refused(&by(&OTHER, &[&OTHER, &EC]), Code::SignatureInvalid);
    judge(&by(&EC, &[&OTHER, &EC])).expect("one of those named is trusted");
    refused(&by(&EC, &[&*EC; 9]), Code::XmlLimit);
    // An RSA key is none for ECDSA.
    let fault = judge_for(&by(&EC, &[&RSA]), &RSA).expect_err("another kind of key");
    assert_eq!(fault.code(), Code::AlgorithmNotAllowed);
    // Trusted, but not at this time.
    let mut trusted = EC.trusted();
    trusted.validity.until = Some(now());
    let late = verify(good().as_bytes(), &profile(), &Limits::default(), &[trusted], now());
    assert_eq!(late.expect_err("expired").code(), Code::CertificateNotValid);
}

#[test]
fn a_value_of_zeros_is_no_signature() {
    let good = good();
    let from = good.find("<SignatureValue>").expect("there") + "<SignatureValue>".len();
    let to = good.find("</SignatureValue>").expect("there");
    for octets in [vec![0; 64], vec![0xff; 64], vec![1; 63], vec![1; 2], vec![7; 4096]] {
        let value = STANDARD.encode(octets);
        refused(&format!("{}{value}{}", &good[..from], &good[to..]), Code::SignatureInvalid);
    }
    for value in ["", "!", "AAAA=AAAA", "<x/>", "AA<!-- -->AA"] {
        refused(&format!("{}{value}{}", &good[..from], &good[to..]), Code::SignatureInvalid);
    }
}

#[test]
fn algorithms_that_are_not_listed_do_not_exist() {
    let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let ecdsa = SignatureAlgorithm::EcdsaSha256.uri();
    for (c14n, method) in [
        (exclusive, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        (exclusive, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        (exclusive, "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        (exclusive, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1"),
        (exclusive, "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"),
        (exclusive, "http://www.w3.org/2000/09/xmldsig#dsa-sha1"),
        (exclusive, SignatureAlgorithm::EcdsaSha512.uri()),
        (exclusive, ""),
        ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", ecdsa),
        ("http://www.w3.org/2006/12/xml-c14n11", ecdsa),
        ("urn:mine", ecdsa),
    ] {
        let inner = format!("{}{}", methods(c14n, method), to_body());
        refused(&message(&forged_by(&inner, &EC, &[&EC]), BODY), Code::AlgorithmNotAllowed);
    }
    let parameter = usual()
        .replace("</SignatureMethod>", "<HMACOutputLength>0</HMACOutputLength></SignatureMethod>");
    let inner = format!("{parameter}{}", to_body());
    refused(&message(&forged_by(&inner, &EC, &[&EC]), BODY), Code::AlgorithmNotAllowed);
    for (from, to) in [
        ("xmlenc#sha256", "xmlenc#ripemd160"),
        ("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"),
        ("xmlenc#sha256", "xmlenc#sha512"),
    ] {
        let inner = format!("{}{}", usual(), to_body().replace(from, to));
        refused(&message(&forged_by(&inner, &EC, &[&EC]), BODY), Code::AlgorithmNotAllowed);
    }
}

#[test]
fn transforms_that_are_not_listed_do_not_exist() {
    let exclusive = "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></Transform>";
    let with = |transforms: &str| {
        let inner = format!("{}{}", usual(), to_body().replace(exclusive, transforms));
        message(&forged_by(&inner, &EC, &[&EC]), BODY)
    };
    judge(&with(exclusive)).expect("as it was");
    for uri in [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/2002/07/decrypt#XML",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    ] {
        let transform = format!("<Transform Algorithm=\"{uri}\"></Transform>");
        refused(&with(&transform), Code::AlgorithmNotAllowed);
        refused(&with(&format!("{transform}{exclusive}")), Code::AlgorithmNotAllowed);
    }
    refused(&with(&exclusive.repeat(2)), Code::AlgorithmNotAllowed);
    // The text of a tree does not say what the tree is.
    let base64 = "<Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\"></Transform>";
    refused(&with(base64), Code::SignatureInvalid);
    refused(&with(&format!("{exclusive}{base64}")), Code::AlgorithmNotAllowed);
    refused(&with(&format!("{base64}{exclusive}")), Code::AlgorithmNotAllowed);
    refused(&with(&base64.repeat(1000)), Code::AlgorithmNotAllowed);
    let xpath = exclusive.replace("</", "<XPath>self::x</XPath></");
    refused(&with(&xpath), Code::AlgorithmNotAllowed);
    let enveloped = "<Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></Transform>";
    // The signature is not inside the body, so there is nothing to leave out.
    refused(&with(&format!("{enveloped}{exclusive}")), Code::SignatureInvalid);
    refused(&with(&format!("{enveloped}{enveloped}{exclusive}")), Code::AlgorithmNotAllowed);
    // Without canonicalization it is the inclusive one, which this profile does not have.
    let none = to_body().replace(&format!("<Transforms>{exclusive}</Transforms>"), "");
    let none = message(&forged_by(&format!("{}{none}", usual()), &EC, &[&EC]), BODY);
    refused(&none, Code::AlgorithmNotAllowed);
    let prefixes = "x ".repeat(65);
    let list = format!(
        "<InclusiveNamespaces xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" \
         PrefixList=\"{prefixes}\"></InclusiveNamespaces></"
    );
    refused(&with(&exclusive.replace("</", &list)), Code::XmlLimit);
}

#[test]
fn references_stay_inside_the_document() {
    for uri in [
        "#nothing",
        "#",
        "b",
        "#xpointer(/)",
        "#xpointer(id('b')",
        "#xpointer(id(b))",
        "#xpointer(id('b') | id('c'))",
        "#xpointer(//to)",
        "#element(/1)",
        "file:///etc/hostname",
        "http://localhost/x",
        "cid:part",
        "##b",
        "%23b",
        "#%62",
    ] {
        let inner = format!("{}{}", usual(), to_body().replace("#b", uri));
        refused(&message(&forged_by(&inner, &EC, &[&EC]), BODY), Code::SignatureInvalid);
    }
    for uri in ["#xpointer(id('b'))", "#xpointer(id(\"b\"))"] {
        let inner = to_body().replace("#b", &uri.replace('"', "&quot;"));
        judge(&message(&forged_by(&format!("{}{inner}", usual()), &EC, &[&EC]), BODY))
            .expect("the same, said in another way");
    }
    let inner = format!("{}{}", usual(), to_body().replace(" URI=\"#b\"", ""));
    refused(&message(&forged_by(&inner, &EC, &[&EC]), BODY), Code::SignatureInvalid);
    let none = message(&forged_by(&usual(), &EC, &[&EC]), BODY);
    refused(&none, Code::SignatureInvalid);
    let three = format!("{}{}", usual(), to_body().repeat(3));
    judge(&message(&forged_by(&three, &EC, &[&EC]), BODY)).expect("three are allowed");
    let four = format!("{}{}", usual(), to_body().repeat(4));
    refused(&message(&forged_by(&four, &EC, &[&EC]), BODY), Code::XmlLimit);
    let very_many = format!("{}{}", usual(), to_body().repeat(1000));
    refused(&message(&forged_by(&very_many, &EC, &[&EC]), BODY), Code::XmlLimit);
}

#[test]
fn a_signature_is_built_as_it_must_be() {
    let good = good();
    let edit = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    for (from, to) in [
        ("<SignedInfo>", "<SignedInfo><!-- c -->"),
        ("<SignedInfo>", "<SignedInfo><?p i?>"),
        ("<SignedInfo>", "<SignedInfo>text"),
        ("<SignedInfo>", "text<SignedInfo>"),
        ("<SignedInfo>", "<SignedInfo/><SignedInfo>"),
        ("<SignedInfo>", "<SignedInfo xml:lang=\"de\">"),
        ("<SignatureValue>", "<SignatureValue>AAAA</SignatureValue><SignatureValue>"),
        ("<Signature ", "<Signature Extra=\"\" "),
        ("</KeyInfo>", "</KeyInfo><KeyInfo></KeyInfo>"),
        ("</KeyInfo>", "</KeyInfo><Unknown></Unknown>"),
        ("<X509Certificate>", "<X509Certificate>?"),
        ("<DigestValue>", "<DigestValue><!-- c -->"),
        ("<DigestValue>", "<DigestValue>AAAA"),
        ("<Transforms>", "<Transforms> text"),
        ("<Reference ", "<Reference Other=\"\" "),
    ] {
        refused(&edit(from, to), Code::SignatureInvalid);
    }
    // Something large, something deep.
    let large = format!("<KeyInfo><x>{}</x>", "y".repeat(200_000));
    refused(&edit("<KeyInfo>", &large), Code::XmlLimit);
    let deep = format!("<KeyInfo>{}{}", "<x>".repeat(40), "</x>".repeat(40));
    refused(&edit("<KeyInfo>", &deep), Code::XmlLimit);
    // What is not signed may be there.
    judge(&edit("<KeyInfo>", "\n<KeyInfo><KeyName>who</KeyName>")).expect("a name does no harm");
    judge(&edit("</KeyInfo>", "</KeyInfo><Object>more</Object>")).expect("an object does no harm");
}

#[test]
fn no_dtd_and_no_entities() {
    let dtd = "<!DOCTYPE w [<!ENTITY e \"right\"><!ATTLIST body Id ID #IMPLIED>]>";
    refused(&format!("{dtd}{}", good()), Code::XmlLimit);
    refused(&good().replace("right", "&e;"), Code::EnvelopeNotWellFormed);
    refused(&good().replace("right", "rig&#104;t&#0;"), Code::EnvelopeNotWellFormed);
    judge(&good().replace("right", "rig&#104;t")).expect("the same text, written otherwise");
    judge(&good().replace("right", "ri<!-- unsigned -->ght")).expect("comments are not signed");
    refused(&good().replace("right", "ri<?p?>ght"), Code::SignatureInvalid);
}

#[test]
fn every_signed_value_counts() {
    let good = good();
    for (from, to) in [
        ("right", "wrong"),
        ("right", "right "),
        ("<to>", "<to a=\"\">"),
        ("<to>", "<to xmlns=\"\">"),
        ("<to>right</to>", ""),
        ("ecdsa-sha256", "rsa-sha256"),
        ("xml-exc-c14n#\"></Transform>", "xml-exc-c14n#WithComments\"></Transform>"),
        ("<Reference URI", "<Reference Id=\"r\" URI"),
    ] {
        assert!(good.contains(from), "{from}");
        let fault = judge(&good.replacen(from, to, 1)).expect_err(to);
        let code = fault.code();
        assert!(
            code == Code::SignatureInvalid || code == Code::AlgorithmNotAllowed,
            "{to}: {fault:?}"
        );
    }
}

#[test]
fn a_document_that_changes_between_the_passes_is_refused() {
    let good = good();
    let other = good.replace("<head>", "<head><!-- new -->");
    let turn = std::cell::Cell::new(0);
    let open = || -> io::Result<Box<dyn BufRead>> {
        turn.set(turn.get() + 1);
        let octets = if turn.get() == 1 { good.clone() } else { other.clone() };
        Ok(Box::new(io::Cursor::new(octets.into_bytes())))
    };
    let policy = GeneralPolicy {
        candidates: vec![],
        allowed: Allowed::default(),
        limits: Limits::default(),
    };
    let fault = verify_document(&open, &NoParts, &policy).expect_err("it changed");
    assert!(matches!(fault, SignatureFault::DocumentChanged), "{fault:?}");
}

#[test]
fn one_bad_signature_does_not_hide_a_good_one() {
    let inner = format!("{}{}", usual(), to_body());
    let good = forged_by(&inner, &EC, &[&EC]);
    let bad = forged_by(&inner.replace("ecdsa-sha256", "ecdsa-sha1"), &EC, &[&EC]);
    let octets = message(&format!("{good}{bad}"), BODY).into_bytes();
    let policy = GeneralPolicy {
        candidates: vec![EC.der()],
        allowed: Allowed::default(),
        limits: Limits::default(),
    };
    let report = verify_document(&|| Ok(octets.as_slice()), &NoParts, &policy).expect("a report");
    let codes: Vec<_> =
        report.signatures.iter().map(|s| s.outcome.as_ref().err().map(|f| f.code())).collect();
    assert_eq!(codes, [None, Some(Code::AlgorithmNotAllowed)]);
    let none = verify_document(&|| Ok(&b"<a/>"[..]), &NoParts, &policy).expect_err("none");
    assert_eq!(none.code(), Code::SignatureMissing);
}

/// The transform `enveloped-signature` leaves out the signature it belongs to and no other.
#[test]
fn one_signature_covers_the_other() {
    let first = sign_enveloped(b"<a><b/></a>", &EC.signer(), &Place::LastInRoot).expect("signed");
    let both = sign_enveloped(&first, &RSA.signer(), &Place::LastInRoot).expect("signed");
    let policy = GeneralPolicy {
        candidates: vec![],
        allowed: Allowed::default(),
        limits: Limits::default(),
    };
    let report = verify_document(&|| Ok(both.as_slice()), &NoParts, &policy).expect("a report");
    let outcomes: Vec<_> = report.signatures.iter().map(|s| s.outcome.is_ok()).collect();
    // The second came after the first had been made, so the first no longer holds.
    assert_eq!(outcomes, [false, true]);
    let text = String::from_utf8(both).expect("UTF-8").replacen("<KeyInfo>", "<KeyInfo> ", 1);
    let report = verify_document(&|| Ok(text.as_bytes()), &NoParts, &policy).expect("a report");
    assert!(report.signatures[1].outcome.is_err(), "the first signature is signed by the second");
}

#[test]
fn weak_keys_are_refused() {
    let rsa = openssl::rsa::Rsa::generate(1024).expect("a key");
    let weak = Identity::new(openssl::pkey::PKey::from_rsa(rsa).expect("a key"), "Schwach", None);
    let refused = OpensslSigner::new(weak.key.clone(), &weak.certificate);
    assert!(matches!(refused, Err(SignError::UnsuitableKey)));
    let koblitz = crate::testing::ec_key(openssl::nid::Nid::SECP256K1);
    let other_curve = Identity::new(koblitz, "Andere Kurve", None);
    let refused = OpensslSigner::new(other_curve.key.clone(), &other_curve.certificate);
    assert!(matches!(refused, Err(SignError::UnsuitableKey)));
    let anothers = OpensslSigner::new(EC.key.clone(), &OTHER.certificate);
    assert!(matches!(anothers, Err(SignError::KeyOfAnother)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any octets are answered.
    #[test]
    fn any_octets_are_answered(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let trusted = [EC.trusted()];
        prop_assert!(verify(&octets, &profile(), &Limits::default(), &trusted, now()).is_err());
    }

    /// A message with some octets changed, doubled or taken out does not hold, or its body still
    /// says the same.
    #[test]
    fn mutations_never_say_something_else(
        at in any::<prop::sample::Index>(),
        length in 0usize..40,
        with in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"<>/=\"'&;#! Idb".to_vec()),
        ], 0..12),
        letter in prop::option::of(prop::sample::select(b"abdghiort".to_vec())),
    ) {
        let mut octets = good().into_bytes();
        let body = octets.len() - BODY.len() - "</w>".len();
        // Half of the time one letter of the body: what comes out is mostly well-formed.
        let (at, end, with) = match letter {
            Some(letter) => {
                let at = body + at.index(BODY.len());
                (at, at + 1, vec![letter])
            }
            None => {
                let at = at.index(octets.len());
                (at, (at + length).min(octets.len()), with)
            }
        };
        octets.splice(at..end, with);
        let trusted = [EC.trusted()];
        if verify(&octets, &profile(), &Limits::default(), &trusted, now()).is_ok() {
            let mut canonical = Vec::new();
            let method = Method::EXCLUSIVE;
            let apex = crate::c14n::Apex::Id("b".to_owned());
            let mut sink = crate::c14n::Canonicalizer::new(method, apex, |piece: &[u8]| {
                canonical.extend_from_slice(piece)
            });
            amtsbote_schemas::xml::drive(octets.as_slice(), &Limits::default(), &mut sink)
                .expect("well-formed");
            sink.flush();
            let body = BODY.replace("<body Id", &format!("<body xmlns=\"{NS}\" Id"));
            prop_assert_eq!(String::from_utf8_lossy(&canonical), body);
        }
    }
}
