//! `signature sign` and `signature verify` with what goes beyond one document and SHA-256.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

struct Desk(tempfile::TempDir);

impl Desk {
    /// A folder with a document, a part, and a key with its certificate.
    fn new(key: &[&str]) -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        desk.put("document.xml", b"<a xmlns=\"urn:a\"><b Id=\"x\">text</b></a>");
        desk.put("annex.txt", b"annex");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-subj", "/CN=TEST signer", "-days", "30"])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-newkey"])
            .args(key)
            .current_dir(desk.path())
            .output()
            .expect("the tool openssl is needed (Debian package openssl)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, octets: &[u8]) {
        fs::write(self.path().join(name), octets).expect("written");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_amtsbote"))
            .args(arguments)
            .current_dir(self.path())
            .env("LC_ALL", "C")
            .output()
            .expect("it runs")
    }

    /// Signs the document into `signed.xml`.
    fn sign(&self, more: &[&str]) {
        let given = ["signature", "sign", "document.xml", "--certificate", "cert.pem", "--key"];
        let signed = self.run(&[&given[..], &["key.pem"], more].concat());
        assert_eq!(signed.status.code(), Some(0), "{}", String::from_utf8_lossy(&signed.stderr));
        self.put("signed.xml", &signed.stdout);
    }

    fn verify(&self, more: &[&str]) -> (Option<i32>, String) {
        let given = ["signature", "verify", "signed.xml", "--trust", "cert.pem"];
        let output = self.run(&[&given[..], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[test]
fn every_option_of_sign_is_read_back_by_verify() {
    let desk = Desk::new(&["rsa:3072"]);
    let part = ["--part", "annex.txt=annex.txt"];
    for (algorithm, canonicalization, digest) in [
        ("rsa-sha512", "inclusive", "sha384"),
        ("rsa-pss-sha256", "exclusive", "sha3-256"),
        ("rsa-pss-sha3-512", "inclusive-1.1", "sha512"),
    ] {
        let how = ["--algorithm", algorithm, "--canonicalization", canonicalization];
        desk.sign(&[&how[..], &["--digest", digest], &part].concat());
        let (code, said) = desk.verify(&part);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("covers part cid:annex.txt (5 bytes)"), "{said}");
        assert!(said.contains("part annex.txt, annex.txt: as signed"), "{said}");
    }
    // The part is missing, or another one.
    assert_eq!(desk.verify(&[]).0, Some(1));
    desk.put("annex.txt", b"other");
    assert_eq!(desk.verify(&part).0, Some(1));
    // One that nobody signed.
    desk.sign(&[]);
    let (code, said) = desk.verify(&part);
    assert_eq!(code, Some(1));
    assert!(said.contains("covered by no signature that holds"), "{said}");
    let (code, said) = desk.verify(&["--part", "missing=missing.txt"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn ed25519_signs_the_same_octets_again() {
    let desk = Desk::new(&["ed25519"]);
    desk.sign(&["--id", "x"]);
    let first = fs::read(desk.path().join("signed.xml")).expect("there");
    desk.sign(&["--id", "x"]);
    assert_eq!(fs::read(desk.path().join("signed.xml")).expect("there"), first);
    let (code, said) = desk.verify(&["-o", "json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("eddsa-ed25519") && said.contains("\"path\":\"/a/b\""), "{said}");
}

#[test]
fn what_is_out_of_date_is_read_on_demand_and_never_made() {
    let desk = Desk::new(&["rsa:2048"]);
    let given = ["signature", "sign", "document.xml", "--certificate", "cert.pem", "--key"];
    for algorithm in ["rsa-sha1", "hmac-sha256", "ecdsa-sha256"] {
        let made = desk.run(&[&given[..], &["key.pem", "--algorithm", algorithm]].concat());
        assert_eq!(made.status.code(), Some(2), "{algorithm}");
        assert!(made.stdout.is_empty());
    }
    let template = "<a><Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo>\
        <CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
        <SignatureMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#rsa-sha1\"/><Reference URI=\"\">\
        <Transforms><Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
        </Transforms><DigestMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#sha1\"/><DigestValue>\
        </DigestValue></Reference></SignedInfo><SignatureValue></SignatureValue><KeyInfo><X509Data/>\
        </KeyInfo></Signature></a>";
    desk.put("template.xml", template.as_bytes());
    let peer = Command::new("xmlsec1")
        .args(["--sign", "--privkey-pem", "key.pem,cert.pem", "--output", "signed.xml"])
        .arg("template.xml")
        .current_dir(desk.path())
        .output()
        .expect("the tool xmlsec1 is needed (Debian package xmlsec1)");
    assert!(peer.status.success(), "{}", String::from_utf8_lossy(&peer.stderr));
    let (code, said) = desk.verify(&[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("SignatureMethod: not in this profile"), "{said}");
    assert_eq!(desk.verify(&["--legacy"]).0, Some(0));
}
