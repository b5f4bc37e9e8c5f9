//! `xmlsec1` as a peer: what is signed here verifies there, and the other way round.

mod methods;

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::c14n::tests::element;
use crate::testing::{EC, Identity, RSA, run};

/// A folder with the key and the certificate of a signer.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn of(identity: &Identity) -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder") };
        let key = identity.key.private_key_to_pem_pkcs8().expect("PEM");
        desk.put("key.pem", &key);
        desk.put("cert.pem", &identity.certificate.to_pem().expect("PEM"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, octets: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, octets).expect("written");
        path.display().to_string()
    }

    /// Whether xmlsec1 finds the signature valid under the certificate.
    fn xmlsec_verifies(&self, document: &[u8]) -> Result<(), String> {
        let file = self.put("signed.xml", document);
        let certificate = self.path("cert.pem").display().to_string();
        let output = run(
            "xmlsec1",
            "xmlsec1",
            &["--verify", "--trusted-pem", &certificate, "--id-attr:Id", "urn:w:t", &file],
        );
        if output.yes { Ok(()) } else { Err(output.stderr) }
    }

    /// Lets xmlsec1 fill in the template.
    fn xmlsec_signs(&self, template: &str) -> Vec<u8> {
        let file = self.put("template.xml", template.as_bytes());
        let signed = self.path("signed.xml");
        let keys =
            format!("{},{}", self.path("key.pem").display(), self.path("cert.pem").display());
        let to = signed.display().to_string();
        let output = run(
            "xmlsec1",
            "xmlsec1",
            &["--sign", "--privkey-pem", &keys, "--id-attr:Id", "urn:w:t", "--output", &to, &file],
        );
        assert!(output.yes, "xmlsec1: {}\n{template}", output.stderr);
        fs::read(signed).expect("a signed file")
    }
}

fn report(document: &[u8], trust: &[&Identity]) -> Result<DocumentReport, SignatureFault> {
    let octets = document.to_vec();
    let policy = GeneralPolicy {
        candidates: trust.iter().map(|identity| identity.der()).collect(),
        allowed: Allowed::default(),
        limits: Limits::default(),
    };
    verify_document(&|| Ok(octets.as_slice()), &NoParts, &policy)
}

fn holds(document: &[u8], signer: &Identity) -> SignedContent {
    let mut report = report(document, &[signer]).expect("a report");
    assert_eq!(report.signatures.len(), 1);
    let signed = report.signatures.remove(0).outcome.expect("a signature that holds");
    assert_eq!(signed.verification.signer().der, signer.der());
    signed
}

const DOCUMENT: &str = "<?xml version=\"1.0\"?>\n<w xml:lang=\"de\" xmlns=\"urn:w\" xmlns:p=\"urn:1\" \
    xmlns:q=\"urn:2\">\n  <t Id=\"x\" p:a=\"&lt;\"><!-- unsigned --><q:u/>Gr\u{fc}\u{df}e\r\n</t>\
    <t Id=\"y\"/><here/></w>";

fn target(id: Option<&str>, prefixes: &[&str]) -> Target {
    Target {
        id: id.map(str::to_owned),
        prefix_list: prefixes.iter().map(|p| (*p).to_owned()).collect(),
    }
}

fn here() -> Place {
    let name = |local: &str| ("urn:w".to_owned(), local.to_owned());
    Place::LastIn(vec![name("w"), name("here")])
}

#[test]
fn what_is_signed_here_verifies_there_and_here() {
    for identity in [&*RSA, &*EC] {
        let desk = Desk::of(identity);
        for place in [Place::LastInRoot, here()] {
            for targets in [
                vec![Target::DOCUMENT],
                vec![target(None, &["", "q"])],
                vec![target(Some("x"), &[])],
                vec![target(Some("x"), &["p", ""]), target(Some("y"), &["unknown"])],
            ] {
                let signer = identity.signer();
                let signed = sign(DOCUMENT.as_bytes(), &signer, &place, &targets).expect("signed");
                desk.xmlsec_verifies(&signed).expect("valid for xmlsec1");
                let found = holds(&signed, identity);
                assert_eq!(found.verification.references(), targets.len());
                assert_eq!(found.verification.algorithm(), signer.algorithm());
            }
        }
    }
}

#[test]
fn signing_puts_a_signature_in_and_changes_nothing_else() {
    for (document, before) in
        [(DOCUMENT, DOCUMENT.len() - "</w>".len()), ("<a b='/>' />", "<a b='/>' ".len())]
    {
        let signed = sign_enveloped(document.as_bytes(), &EC.signer(), &Place::LastInRoot);
        let signed = String::from_utf8(signed.expect("signed")).expect("UTF-8");
        assert_eq!(signed[..before], document[..before]);
        assert!(signed[before..].trim_start_matches('>').starts_with("<Signature "));
        holds(signed.as_bytes(), &EC);
    }
    let nowhere = sign_enveloped(b"<a/>", &EC.signer(), &here());
    assert!(matches!(nowhere, Err(SignError::Document(_))), "{nowhere:?}");
    let nothing = sign(b"<a/>", &EC.signer(), &Place::LastInRoot, &[target(Some("x"), &[])]);
    assert!(matches!(nothing, Err(SignError::Document(_))), "{nothing:?}");
}

#[test]
fn an_xml_id_names_an_element_here_and_there() {
    let document = DOCUMENT.replace("<t Id=\"y\"/>", "<u xml:id=\"z\">text</u>");
    let signed = sign(document.as_bytes(), &EC.signer(), &here(), &[target(Some("z"), &[])]);
    let signed = signed.expect("signed");
    Desk::of(&EC).xmlsec_verifies(&signed).expect("valid for xmlsec1");
    let found = holds(&signed, &EC);
    assert_eq!(found.verification.nodes()[0].path, "/w/u");
    let twice = document.replace("Id=\"x\"", "Id=\"z\"");
    let refused = sign(twice.as_bytes(), &EC.signer(), &here(), &[target(Some("z"), &[])]);
    assert!(matches!(refused, Err(SignError::Document(_))), "{refused:?}");
    let text = String::from_utf8(signed).expect("UTF-8").replace("Id=\"x\"", "Id=\"z\"");
    let report = report(text.as_bytes(), &[&EC]).expect("a report");
    assert!(report.signatures[0].outcome.is_err(), "two elements with the identifier");
}

#[test]
fn the_report_names_what_is_covered() {
    let targets = [target(Some("x"), &[])];
    let signed = sign(DOCUMENT.as_bytes(), &EC.signer(), &here(), &targets).expect("signed");
    let report = report(&signed, &[]).expect("a report");
    assert_eq!(report.signatures[0].path, "/w/here/Signature");
    let found = report.signatures[0].outcome.as_ref().expect("it holds");
    assert!(found.others.is_empty());
    assert_eq!(found.verification.nodes().len(), 1);
    assert_eq!(found.verification.nodes()[0].path, "/w/t");
    assert!(!found.verification.nodes()[0].without_signature);
    assert_eq!(found.verification.covered(), [found.verification.nodes()[0].nodes]);
    let facts = found.verification.facts();
    assert_eq!(facts.subject, "CN=Kreis Beispiel,O=Probe\\, \\\"Amt\\\",C=DE");
    assert_eq!(facts.algorithm, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256");
}

#[test]
fn the_subject_is_written_as_openssl_writes_it() {
    let desk = Desk::of(&EC);
    let certificate = desk.path("cert.pem").display().to_string();
    let options = ["x509", "-noout", "-subject", "-nameopt", "RFC2253,utf8,-esc_msb", "-in"];
    let mut arguments = options.to_vec();
    arguments.push(&certificate);
    let output = run("openssl", "openssl", &arguments);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.trim_end(), format!("subject={}", rfc4514(EC.certificate.subject_name())));
}

/// A template for xmlsec1.
fn template(
    c14n: &str,
    method: &str,
    digest: &str,
    uri: &str,
    transforms: &str,
    prefix: &str,
) -> String {
    let (p, declared) = if prefix.is_empty() {
        (String::new(), "xmlns=\"http://www.w3.org/2000/09/xmldsig#\"".to_owned())
    } else {
        (format!("{prefix}:"), format!("xmlns:{prefix}=\"http://www.w3.org/2000/09/xmldsig#\""))
    };
    let transforms = transforms
        .replace("<T ", &format!("<{p}Transform "))
        .replace("</T>", &format!("</{p}Transform>"));
    format!(
        "<{p}Signature {declared} Id=\"s\">\n <{p}SignedInfo>\n  \
         <{p}CanonicalizationMethod Algorithm=\"{c14n}\"/>\n  \
         <{p}SignatureMethod Algorithm=\"{method}\"/>\n  <{p}Reference URI=\"{uri}\">\n   \
         <{p}Transforms>{transforms}</{p}Transforms>\n   <{p}DigestMethod Algorithm=\"{digest}\"/>\n   \
         <{p}DigestValue></{p}DigestValue>\n  </{p}Reference>\n </{p}SignedInfo>\n \
         <{p}SignatureValue></{p}SignatureValue>\n <{p}KeyInfo><{p}X509Data/></{p}KeyInfo>\n\
         </{p}Signature>"
    )
}

const ENVELOPED: &str =
    "<T Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></T>";

fn exclusive(prefixes: &str) -> String {
    format!(
        "<T Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><InclusiveNamespaces \
         xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{prefixes}\"/></T>"
    )
}

#[test]
fn what_xmlsec_signs_verifies_here() {
    let inclusive =
        "<T Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"></T>".to_owned();
    let with_comments =
        "<T Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments\"></T>".to_owned();
    let references = [
        ("", ENVELOPED.to_owned()),
        ("", format!("{ENVELOPED}{}", exclusive("#default q"))),
        ("", format!("{ENVELOPED}{with_comments}")),
        ("#x", exclusive("#default p")),
        ("#x", inclusive.clone()),
        ("#x", with_comments),
        ("", format!("{ENVELOPED}{inclusive}")),
    ];
    for (identity, method) in [(&*RSA, "rsa-sha"), (&*EC, "ecdsa-sha")] {
        let desk = Desk::of(identity);
        for (n, (uri, transforms)) in references.iter().enumerate() {
            let bits = ["256", "384", "512"][n % 3];
            let digest = Allowed::default().digests[(n / 2) % 3].uri();
            let c14n = [
                "http://www.w3.org/2001/10/xml-exc-c14n#",
                "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
                "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            ][n % 3];
            let method = format!("http://www.w3.org/2001/04/xmldsig-more#{method}{bits}");
            let prefix = ["", "ds"][n % 2];
            let signature = template(c14n, &method, digest, uri, transforms, prefix);
            let document = DOCUMENT.replace("<here/>", &format!("<here>{signature}</here>"));
            let signed = desk.xmlsec_signs(&document);
            desk.xmlsec_verifies(&signed).expect("valid for xmlsec1 itself");
            let found = holds(&signed, identity);
            assert_eq!(found.verification.algorithm().uri(), method);
        }
    }
}

/// Templates may name what stands beside the document.
fn sign_and_verify_there(desk: &Desk, template: &str) -> Vec<u8> {
    let signed = desk.xmlsec_signs(template);
    desk.xmlsec_verifies(&signed).expect("valid for xmlsec1 itself");
    signed
}

/// Files as parts, by their path.
struct Beside;

impl Parts for Beside {
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        Ok(Some(Box::new(io::Cursor::new(fs::read(uri)?))))
    }
}

#[test]
fn detached_parts_agree_both_ways() {
    let desk = Desk::of(&RSA);
    let plain = desk.put("plain.bin", b"\x00\x01plain\r\n");
    let base64 = desk.put("coded.txt", b"QW10c2Jv\r\ndGU=\r\n");
    let xml = desk.put("part.xml", b"<?xml version='1.0'?>\n<p b='2' a='1'><!-- c --></p>\n");
    let part = |uri: &String, base64| PartTarget { uri: uri.clone(), base64 };
    let part_targets = [part(&plain, false), part(&base64, true)];
    let signing = Signing { part_targets: &part_targets, parts: &Beside, ..Signing::default() };
    let signed =
        sign_with(b"<a/>", &RSA.signer(), &Place::LastInRoot, &[], &signing).expect("signed");
    desk.xmlsec_verifies(&signed).expect("valid for xmlsec1");
    let c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments";
    for (uri, transforms) in [
        (&plain, String::new()),
        (&base64, "<T Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\"></T>".to_owned()),
        (&xml, String::new()),
        (&xml, format!("<T Algorithm=\"{c14n}\"></T>")),
        (&xml, exclusive("")),
    ] {
        let signature = template(
            c14n,
            SignatureAlgorithm::RsaSha256.uri(),
            DigestAlgorithm::Sha256.uri(),
            uri,
            &transforms,
            "",
        );
        let signature = signature.replace("<Transforms></Transforms>", "");
        let signed = sign_and_verify_there(&desk, &format!("<a>{signature}</a>"));
        let policy = GeneralPolicy {
            candidates: vec![RSA.der()],
            allowed: Allowed::default(),
            limits: Limits::default(),
        };
        let mut report =
            verify_document(&|| Ok(signed.as_slice()), &Beside, &policy).expect("a report");
        let content = report.signatures.remove(0).outcome.expect("it holds");
        assert!(content.verification.covers_part(uri));
        assert!(content.verification.covered().is_empty());
        let mut report =
            verify_document(&|| Ok(signed.as_slice()), &NoParts, &policy).expect("a report");
        assert!(report.signatures.remove(0).outcome.is_err(), "nothing is fetched");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Subtrees, prefix lists and left-out signatures in all kinds of documents.
    #[test]
    fn generated_documents_verify_there(
        content in element(vec!["", "p", "q"]),
        whole: bool,
        prefixes in prop::sample::subsequence(vec!["", "p", "q"], 0..=3),
        outside: bool,
    ) {
        let document =
            format!("<w xml:lang=\"de\" xmlns=\"urn:w\" xmlns:p=\"urn:p\"><t Id=\"x\">{content}</t><here/></w>");
        let targets = [target((!whole).then_some("x"), &prefixes)];
        let place = if outside { here() } else {
            let name = |local: &str| ("urn:w".to_owned(), local.to_owned());
            Place::LastIn(vec![name("w"), name("t")])
        };
        let signed = sign(document.as_bytes(), &EC.signer(), &place, &targets);
        // Two prefixes for one namespace can make one attribute twice: not well-formed.
        prop_assume!(signed.is_ok());
        let signed = signed.expect("signed");
        holds(&signed, &EC);
        if let Err(says) = Desk::of(&EC).xmlsec_verifies(&signed) {
            prop_assert!(false, "{}\n{}", says, String::from_utf8_lossy(&signed));
        }
    }
}
