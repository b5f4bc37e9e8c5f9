//! Parts, transforms, hints and fixed profiles: what a profile accepts beyond the plain case, and
//! where that ends.

mod transforms;

use std::collections::HashMap;

use amtsbote_domain::fault::Code;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use self::transforms::{EXCLUSIVE, with_transforms};
use super::attacks::{forged, message, methods};
use super::*;
use crate::c14n::Mode;
use crate::testing::{EC, Identity, OTHER, RSA, now};

const NS: &str = "urn:w";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const W: Name = Name::new(NS, "w");
const HEAD: Name = Name::new(NS, "head");
const SIGNATURE: &[Name] = &[W, HEAD, Name::new(NS, "seal"), Name::new(DSIG, "Signature")];
const BODY: &[&[Name]] = &[&[W, Name::new(NS, "body")]];
const BLOCKS: &[&[Name]] = &[&[W, HEAD]];

/// Parts in memory.
#[derive(Clone, Default)]
struct Memory(HashMap<String, Vec<u8>>);

impl Memory {
    fn of(parts: &[(&str, &[u8])]) -> Self {
        Self(parts.iter().map(|(uri, octets)| ((*uri).to_owned(), octets.to_vec())).collect())
    }
}

impl Parts for Memory {
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        Ok(self.0.get(uri).map(|octets| Box::new(octets.as_slice()) as Box<dyn BufRead>))
    }
}

fn judge(
    document: &[u8],
    profile: &Profile<'_>,
    parts: &dyn Parts,
    signer: &Identity,
) -> Result<Verification, SignatureFault> {
    let trusted = [OTHER.trusted(), signer.trusted()];
    let limits = Limits::default();
    let against = Against { trusted: &trusted, at: now(), parts, limits: &limits };
    verify_stream(&|| Ok(document), profile, &against)
}

#[track_caller]
fn refused(result: Result<Verification, SignatureFault>, code: Code) {
    let fault = result.expect_err("a refusal");
    assert_eq!(fault.code(), code, "{fault:?}");
}

fn soap_like(certificate: &str) -> String {
    format!(
        "<w xmlns=\"{NS}\" xmlns:x=\"urn:x\"><head><a Id=\"a\">one</a><seal></seal>\
         <b Id=\"b\" x:y=\"2\"/><c Id=\"c\">{certificate}</c></head>\n\
         <body Id=\"body\"><to>right</to></body></w>"
    )
}

fn seal() -> Place {
    let name = |local: &str| (NS.to_owned(), local.to_owned());
    Place::LastIn(vec![name("w"), name("head"), name("seal")])
}

fn targets(ids: &[&str]) -> Vec<Target> {
    let target = |id: &&str| Target { id: Some((*id).to_owned()), prefix_list: vec![] };
    ids.iter().map(target).collect()
}

fn certificate_of(identity: &Identity) -> String {
    STANDARD.encode(identity.der())
}

fn profile(allowed: &Allowed) -> Profile<'_> {
    Profile { must_cover_children: BLOCKS, ..Profile::new(SIGNATURE, BODY, allowed) }
}

/// The same, fixed beforehand.
fn fixed(allowed: &Allowed, mode: Mode) -> Profile<'_> {
    let digest = DigestAlgorithm::Sha256;
    let fixed = Fixed { over: Over::Elements, canonicalization: mode, digest };
    Profile { fixed: Some(fixed), ..profile(allowed) }
}

#[test]
fn blocks_body_and_parts_in_one_pass_and_in_two() {
    let allowed = Allowed::default();
    let parts = Memory::of(&[("cid:annex", b"\x00annex"), ("cid:more", b"PGEvPg==\r\n")]);
    let part_targets = [
        PartTarget { uri: "cid:annex".to_owned(), base64: false },
        PartTarget { uri: "cid:more".to_owned(), base64: true },
    ];
    let document = soap_like(&certificate_of(&EC));
    for &mode in Mode::ALL {
        for key_info in [KeyInfoForm::Certificate, KeyInfoForm::Retrieval("c".to_owned())] {
            let signing = Signing {
                canonicalization: mode,
                key_info,
                part_targets: &part_targets,
                parts: &parts,
                ..Signing::default()
            };
            let targets = targets(&["body", "c", "a", "b"]);
            let signed = sign_with(document.as_bytes(), &EC.signer(), &seal(), &targets, &signing)
                .expect("signed");
            for profile in [profile(&allowed), fixed(&allowed, mode)] {
                let verification = judge(&signed, &profile, &parts, &EC).expect("it holds");
                assert_eq!(verification.nodes().len(), 4);
                assert_eq!(verification.nodes()[0].path, "/w/body");
                assert_eq!(verification.parts().len(), 2);
                assert!(
                    verification.covers_part("cid:annex") && !verification.covers_part("annex")
                );
                assert_eq!(verification.signer().der, EC.der());
                let text = String::from_utf8(signed.clone()).expect("UTF-8");
                for (from, to) in [("one", "two"), ("right", "wrong"), ("x:y=\"2\"", "x:y=\"3\"")] {
                    let changed = text.replacen(from, to, 1);
                    refused(
                        judge(changed.as_bytes(), &profile, &parts, &EC),
                        Code::SignatureInvalid,
                    );
                }
                // One more block, with an Id or without.
                let more = text.replace("</head>", "<d Id=\"d\"/></head>");
                refused(judge(more.as_bytes(), &profile, &parts, &EC), Code::SignatureCoverage);
                // An identifier twice, wherever.
                let twice = text.replace("<to>", "<to Id=\"a\">");
                refused(judge(twice.as_bytes(), &profile, &parts, &EC), Code::SignatureCoverage);
                // A part is missing, or changed.
                refused(judge(&signed, &profile, &NoParts, &EC), Code::SignatureInvalid);
                for (uri, octets) in [("cid:annex", &b"annex"[..]), ("cid:more", b"PGEvPg=")] {
                    let mut changed = parts.clone();
                    changed.0.insert(uri.to_owned(), octets.to_vec());
                    refused(judge(&signed, &profile, &changed, &EC), Code::SignatureInvalid);
                }
            }
            // Fixed otherwise.
            let other = Mode::ALL.iter().find(|other| **other != mode).expect("another");
            let otherwise = fixed(&allowed, *other);
            refused(judge(&signed, &otherwise, &parts, &EC), Code::AlgorithmNotAllowed);
        }
    }
}

#[test]
fn a_fixed_profile_over_the_whole_document() {
    let allowed = Allowed::default();
    let place = const { &[W, Name::new(DSIG, "Signature")] };
    let whole: &[&[Name]] = const { &[&[W]] };
    let two_passes = Profile::new(place, whole, &allowed);
    let digest = DigestAlgorithm::Sha256;
    let over = Over::Document;
    let fixed = Fixed { over, canonicalization: Mode::Exclusive, digest };
    let one_pass = Profile { fixed: Some(fixed), ..two_passes };
    let lenient = Profile { otherwise: Otherwise::SecondPass, ..one_pass };
    let document = format!("<?a?><!-- c --><w xmlns=\"{NS}\"><to>right</to></w><?z?>");
    let signed = sign_enveloped(document.as_bytes(), &EC.signer(), &Place::LastInRoot);
    let signed = String::from_utf8(signed.expect("signed")).expect("UTF-8");
    let once = judge(signed.as_bytes(), &one_pass, &NoParts, &EC).expect("it holds");
    let twice = judge(signed.as_bytes(), &two_passes, &NoParts, &EC).expect("it holds");
    assert_eq!(once.covered(), twice.covered());
    assert_eq!(once.document(), twice.document());
    assert_eq!(once.nodes()[0].path, "/");
    let changed = |from: &str, to: &str| signed.replacen(from, to, 1);
    for changed in [
        changed("right", "wrong"),
        changed("<?z?>", "<?z y?>"),
        changed("</w>", "<to>more</to></w>"),
        changed("</KeyInfo>", "</KeyInfo><Object>more</Object></Signature><to/><Signature>"),
    ] {
        assert!(judge(changed.as_bytes(), &one_pass, &NoParts, &EC).is_err(), "{changed}");
    }
    // Two signatures, the first of which is left out on speculation.
    let at = signed.find("<Signature ").expect("there");
    let end = signed.find("</w>").expect("there");
    let doubled = format!("{}{}{}", &signed[..end], &signed[at..end], &signed[end..]);
    refused(judge(doubled.as_bytes(), &one_pass, &NoParts, &EC), Code::SignatureMissing);
    // Another digest than the one that was fixed.
    let signing = Signing { digest: DigestAlgorithm::Sha512, ..Signing::default() };
    let targets = [Target::DOCUMENT];
    let other =
        sign_with(document.as_bytes(), &EC.signer(), &Place::LastInRoot, &targets, &signing);
    let other = other.expect("signed");
    judge(&other, &two_passes, &NoParts, &EC).expect("it holds in two passes");
    refused(judge(&other, &one_pass, &NoParts, &EC), Code::AlgorithmNotAllowed);
    judge(&other, &lenient, &NoParts, &EC).expect("the second pass takes it");
    judge(signed.as_bytes(), &lenient, &NoParts, &EC).expect("one pass is enough");
    let changed = signed.replacen("right", "wrong", 1);
    refused(judge(changed.as_bytes(), &lenient, &NoParts, &EC), Code::SignatureInvalid);
}

#[test]
fn what_is_retrieved_must_not_stand_before_in_one_pass() {
    let allowed = Allowed::default();
    let document = soap_like("").replace("one", &certificate_of(&EC));
    let signing =
        Signing { key_info: KeyInfoForm::Retrieval("a".to_owned()), ..Signing::default() };
    let targets = targets(&["body", "c", "a", "b"]);
    let signed = sign_with(document.as_bytes(), &EC.signer(), &seal(), &targets, &signing);
    let signed = signed.expect("signed");
    judge(&signed, &profile(&allowed), &NoParts, &EC).expect("it holds in two passes");
    let one_pass = fixed(&allowed, Mode::Exclusive);
    refused(judge(&signed, &one_pass, &NoParts, &EC), Code::SignerNotTrusted);
    let lenient = Profile { otherwise: Otherwise::SecondPass, ..one_pass };
    judge(&signed, &lenient, &NoParts, &EC).expect("the second pass finds it");
}

#[test]
fn key_info_selects_among_the_trusted_and_nothing_else() {
    let allowed = Allowed::default();
    let sign_as = |identity: &Identity, key_info: KeyInfoForm, document: &str| {
        let signing = Signing { key_info, ..Signing::default() };
        let targets = targets(&["body", "c", "a", "b"]);
        sign_with(document.as_bytes(), &identity.signer(), &seal(), &targets, &signing)
            .expect("signed")
    };
    let plain = soap_like("");
    let token = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
    let data = format!(
        "<X509Data xmlns=\"{DSIG}\"><X509Certificate>{}</X509Certificate></X509Data>",
        certificate_of(&EC)
    );
    let bst = format!(
        "<BinarySecurityToken xmlns=\"{token}\" Id=\"t\">{}</BinarySecurityToken>",
        certificate_of(&EC)
    );
    for (form, document) in [
        (KeyInfoForm::Certificate, plain.clone()),
        (KeyInfoForm::IssuerSerial, plain.clone()),
        (KeyInfoForm::KeyIdentifier, plain.clone()),
        (KeyInfoForm::Digest, plain.clone()),
        (KeyInfoForm::Retrieval("c".to_owned()), soap_like(&certificate_of(&EC))),
        (KeyInfoForm::Retrieval("c".to_owned()), soap_like(&data)),
        (KeyInfoForm::TokenReference("t".to_owned()), soap_like(&bst)),
    ] {
        let signed = sign_as(&EC, form.clone(), &document);
        let verification = judge(&signed, &profile(&allowed), &NoParts, &EC);
        assert_eq!(verification.expect("it holds").signer().der, EC.der(), "{form:?}");
        // The same certificate, trusted by nobody.
        refused(judge(&signed, &profile(&allowed), &NoParts, &RSA), Code::SignerNotTrusted);
        // It names the certificate of somebody else who is trusted.
        let text = String::from_utf8(signed).expect("UTF-8");
        if text.contains(&certificate_of(&EC)) {
            let confused = text.replace(&certificate_of(&EC), &certificate_of(&OTHER));
            let code = judge(confused.as_bytes(), &profile(&allowed), &NoParts, &EC)
                .expect_err("a refusal")
                .code();
            assert_eq!(code, Code::SignatureInvalid, "{form:?}");
        }
    }
    for form in [KeyInfoForm::Nothing, KeyInfoForm::Retrieval("nowhere".to_owned())] {
        let signed = sign_as(&EC, form, &plain);
        refused(judge(&signed, &profile(&allowed), &NoParts, &EC), Code::SignerNotTrusted);
    }
    let nobody = sign_as(&EC, KeyInfoForm::Nothing, &plain);
    let nobody = String::from_utf8(nobody).expect("UTF-8");
    let with = |key_info: &str| {
        let key_info = format!("</SignatureValue><KeyInfo>{key_info}</KeyInfo>");
        let document = nobody.replace("</SignatureValue>", &key_info);
        judge(document.as_bytes(), &profile(&allowed), &NoParts, &EC)
    };
    let subject = rfc4514(EC.certificate.subject_name());
    with(&format!("<X509Data><X509SubjectName>{subject}</X509SubjectName></X509Data>"))
        .expect("by its name");
    let identifier = EC.certificate.subject_key_id().expect("an identifier").as_slice().to_vec();
    for (kind, octets) in [
        ("X509SubjectKeyIdentifier", identifier),
        ("ThumbprintSHA1", openssl::sha::sha1(&EC.der()).to_vec()),
    ] {
        with(&format!(
            "<SecurityTokenReference xmlns=\"{token}\"><KeyIdentifier ValueType=\"urn:x#{kind}\">{}\
             </KeyIdentifier></SecurityTokenReference>",
            STANDARD.encode(octets)
        ))
        .expect(kind);
    }
    // A key of one's own is none, and neither is a name.
    let der = STANDARD.encode(EC.key.public_key_to_der().expect("DER"));
    for says_nothing in [
        "<KeyName>Kreis Beispiel</KeyName>".to_owned(),
        format!(
            "<DEREncodedKeyValue xmlns=\"http://www.w3.org/2009/xmldsig11#\">{der}\
             </DEREncodedKeyValue>"
        ),
        "<X509Data><X509SubjectName>CN=Jemand</X509SubjectName></X509Data>".to_owned(),
        "<X509Data><X509SKI>AAAA</X509SKI></X509Data>".to_owned(),
        "<RetrievalMethod URI=\"http://127.0.0.1/c\"></RetrievalMethod>".to_owned(),
        format!("<RetrievalMethod URI=\"#c\" Type=\"{DSIG}RSAKeyValue\"></RetrievalMethod>"),
    ] {
        refused(with(&says_nothing), Code::SignerNotTrusted);
    }
    let many = "<X509Data><X509SKI>AAAA</X509SKI></X509Data>".repeat(17);
    refused(with(&many), Code::XmlLimit);
    refused(with(&"<RetrievalMethod URI=\"#c\"/>".repeat(5)), Code::XmlLimit);
}

#[test]
fn parts_that_are_xml_are_read_by_our_reader() {
    let methods =
        methods("http://www.w3.org/2001/10/xml-exc-c14n#", SignatureAlgorithm::EcdsaSha256.uri());
    let document = |c14n: &str, canonical: &str| {
        let reference = format!(
            "<Reference URI=\"part.xml\"><Transforms><Transform Algorithm=\"{c14n}\"></Transform>\
             </Transforms><DigestMethod Algorithm=\"{}\"></DigestMethod><DigestValue>{}\
             </DigestValue></Reference>",
            DigestAlgorithm::Sha256.uri(),
            STANDARD.encode(openssl::sha::sha256(canonical.as_bytes()))
        );
        let sign = |octets: &[u8]| EC.signer().sign(octets).expect("signed");
        let signature = forged(&format!("{methods}{reference}"), &sign, &[&EC]);
        message(&format!("<seal>{signature}</seal>"), "").into_bytes()
    };
    let allowed = Allowed::default();
    let profile = Profile::new(SIGNATURE, &[], &allowed);
    let judge = |c14n: &str, canonical: &str, part: &[u8]| {
        let parts = Memory::of(&[("part.xml", part)]);
        judge(&document(c14n, canonical), &profile, &parts, &EC)
    };
    let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let part = b"<?xml version='1.0'?><a b = '1'><!-- c --></a>";
    let verification = judge(exclusive, "<a b=\"1\"></a>", part).expect("it holds");
    let whole = [CoveredPart { uri: "part.xml".to_owned(), bytes: part.len() as u64 }];
    assert_eq!(verification.parts(), whole);
    let with_comments = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
    judge(with_comments, "<a b=\"1\"><!-- c --></a>", part).expect("comments are part of a part");
    for bad in [&b"<a b='1'>"[..], b"", b"<!DOCTYPE a><a b='1'/>", b"\xff"] {
        refused(judge(exclusive, "<a b=\"1\"></a>", bad), Code::SignatureInvalid);
    }
}

#[test]
fn nothing_outside_is_ever_asked_for_but_by_its_uri() {
    struct Watched(std::cell::RefCell<Vec<String>>);
    impl Parts for Watched {
        fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
            self.0.borrow_mut().push(uri.to_owned());
            Ok(None)
        }
    }
    let allowed = Allowed::default();
    let watched = Watched(std::cell::RefCell::default());
    let document = String::from_utf8(with_transforms(EXCLUSIVE, "")).expect("UTF-8");
    // The value no longer fits, so not even the caller is asked.
    let document = document.replace("URI=\"\"", "URI=\"http://127.0.0.1:1/x\"");
    let profile = Profile::new(SIGNATURE, BODY, &allowed);
    assert!(judge(document.as_bytes(), &profile, &watched, &EC).is_err());
    assert!(watched.0.borrow().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// One pass and two agree, whatever was changed.
    #[test]
    fn one_pass_and_two_agree(
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..4),
        length in 0usize..4,
    ) {
        let allowed = Allowed::default();
        let document = soap_like("");
        let targets = targets(&["body", "c", "a", "b"]);
        let mut signed = sign(document.as_bytes(), &EC.signer(), &seal(), &targets).expect("signed");
        let at = at.index(signed.len());
        let end = (at + length).min(signed.len());
        signed.splice(at..end, with);
        let two = judge(&signed, &profile(&allowed), &NoParts, &EC);
        let one = judge(&signed, &fixed(&allowed, Mode::Exclusive), &NoParts, &EC);
        prop_assert_eq!(one.is_ok(), two.is_ok(), "{:?} {:?}", one.err(), two.err());
    }
}
