//! The authority against the tool `openssl`, and what other tests use of it.

use super::*;
use std::process::Command;
use std::sync::LazyLock;

pub(crate) const FROM: &str = "2020-01-01T00:00:00Z";
/// Beyond 2050, so that both forms of time in certificates occur.
pub(crate) const UNTIL: &str = "2090-01-01T00:00:00Z";

fn span() -> Span {
    let at = |text: &str| text.parse().expect("an instant");
    Span { from: at(FROM), until: at(UNTIL) }
}

pub(crate) fn ca(kind: KeyKind) -> &'static TestCa {
    static EC: LazyLock<TestCa> =
        LazyLock::new(|| TestCa::new("TEST root EC", KeyKind::EcP256, span()).expect("a CA"));
    static RSA: LazyLock<TestCa> =
        LazyLock::new(|| TestCa::new("root RSA", KeyKind::Rsa3072, span()).expect("a CA"));
    match kind {
        KeyKind::EcP256 => &EC,
        KeyKind::Rsa3072 => &RSA,
    }
}

pub(crate) fn issue(name: &str, purpose: Purpose) -> Issued {
    let ca = ca(KeyKind::EcP256);
    ca.issue(name, purpose, KeyKind::EcP256, ca.span()).expect("issued")
}

impl TestCa {
    pub(crate) fn encrypted_key_pem_for_tests(&self, passphrase: &[u8]) -> Vec<u8> {
        let cipher = openssl::symm::Cipher::aes_256_cbc();
        let key = self.identity.key();
        key.private_key_to_pem_pkcs8_passphrase(cipher, passphrase).expect("pem")
    }
}

/// Runs the tool `openssl` and returns what it printed.
pub(crate) fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("the tool openssl is needed (Debian package openssl)");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn openssl_verifies_the_chain_and_shows_the_usages() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (root, leaf) = (path("root.pem"), path("leaf.pem"));
    let kinds = [KeyKind::EcP256, KeyKind::Rsa3072];
    for (ca_kind, kind) in kinds.into_iter().flat_map(|a| kinds.map(|b| (a, b))) {
        let ca = ca(ca_kind);
        std::fs::write(&root, ca.certificate().to_pem().expect("pem")).expect("written");
        for (purpose, check, shown) in [
            (Purpose::localhost(), "sslserver", "TLS Web Server Authentication\n"),
            (Purpose::Client, "sslclient", "TLS Web Client Authentication\n"),
            (Purpose::Operator, "sslclient", "TLS Web Client Authentication\n"),
            (Purpose::local_hub(), "sslserver", "TLS Web Server Authentication, TLS Web Client"),
            (Purpose::Signature, "any", "Digital Signature, Non Repudiation\n"),
            (Purpose::OcspSigner, "any", "OCSP Signing\n"),
            (Purpose::TimeStamping, "any", "Time Stamping\n"),
            (
                Purpose::Encryption,
                "any",
                match kind {
                    KeyKind::EcP256 => "Key Agreement\n",
                    KeyKind::Rsa3072 => "Key Encipherment\n",
                },
            ),
        ] {
            let issued = ca.issue("x", purpose.clone(), kind, ca.span()).expect("issued");
            let pem = issued.certificate().to_pem().expect("pem");
            std::fs::write(&leaf, pem).expect("written");
            openssl(&["verify", "-x509_strict", "-CAfile", &root, "-purpose", check, &leaf]);
            let text = openssl(&["x509", "-in", &leaf, "-noout", "-text"]);
            assert!(text.contains(shown), "{purpose:?}: {text}");
            assert!(text.contains("CA:FALSE") && text.contains("CN = TEST x"), "{text}");
            let local = "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1";
            assert_eq!(text.contains(local), !purpose.names().is_empty(), "{text}");
        }
    }
}

#[test]
fn a_certificate_of_the_wrong_use_does_not_verify() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let ca = ca(KeyKind::EcP256);
    std::fs::write(path("root.pem"), ca.certificate().to_pem().expect("pem")).expect("written");
    let client = issue("x", Purpose::Client);
    std::fs::write(path("leaf.pem"), client.certificate().to_pem().expect("pem")).expect("written");
    let output = Command::new("openssl")
        .args(["verify", "-purpose", "sslserver", "-CAfile"])
        .args([path("root.pem"), path("leaf.pem")])
        .output()
        .expect("the tool openssl is needed (Debian package openssl)");
    assert!(!output.status.success());
}

#[test]
fn serials_differ_and_are_positive() {
    let serials: Vec<String> = (0..8)
        .map(|n| issue(&n.to_string(), Purpose::Client).certificate().serial().expect("a serial"))
        .collect();
    for (n, serial) in serials.iter().enumerate() {
        assert!(!serials[..n].contains(serial));
        assert!(serial.len() == 32 && !serial.starts_with('-'), "{serial}");
    }
}

#[test]
fn names_too_long_are_refused() {
    let ca = ca(KeyKind::EcP256);
    let long = "x".repeat(60);
    assert!(ca.issue(&long, Purpose::Client, KeyKind::EcP256, ca.span()).is_err());
}

#[test]
fn openssl_verifies_a_path_through_an_intermediate_that_names_its_sources() {
    let root = TestCa::with_depth("root", KeyKind::EcP256, span(), 1).expect("a CA");
    let sources = Sources {
        lists: vec!["http://crl.example.test/ca.crl".into()],
        ocsp: vec!["http://ocsp.example.test/".into()],
        issuers: vec!["http://crl.example.test/ca.cer".into()],
    };
    let below = root.intermediate("below", KeyKind::EcP256, span(), 0, &sources);
    let below = below.expect("a CA");
    let leaf = below.issue_with("x", Purpose::Client, KeyKind::EcP256, span(), &sources);
    let leaf = leaf.expect("issued");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let write = |name: &str, certificate: &Certificate| {
        std::fs::write(path(name), certificate.to_pem().expect("pem")).expect("written");
    };
    write("root", root.certificate());
    write("below", below.certificate());
    write("leaf", leaf.certificate());
    let (trusted, between) = (path("root"), path("below"));
    openssl(&[
        "verify",
        "-x509_strict",
        "-CAfile",
        &trusted,
        "-untrusted",
        &between,
        &path("leaf"),
    ]);
    let text = openssl(&["x509", "-in", &path("leaf"), "-noout", "-text"]);
    for shown in [
        "URI:http://crl.example.test/ca.crl",
        "OCSP - URI:http://ocsp.example.test/",
        "CA Issuers - URI:http://crl.example.test/ca.cer",
    ] {
        assert!(text.contains(shown), "{text}");
    }
    assert_eq!(leaf.identity().chain().len(), 3);
}

#[test]
fn openssl_reads_and_verifies_a_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    for kind in [KeyKind::EcP256, KeyKind::Rsa3072] {
        let ca = ca(kind);
        let gone = ca.issue("x", Purpose::Client, KeyKind::EcP256, span()).expect("issued");
        let mut list = List::new(span().from, span().until);
        list.entries.push(Entry::new(gone.certificate(), span().from, Some(1)));
        std::fs::write(path("crl"), ca.sign_list(&list).expect("a list")).expect("written");
        let pem = ca.certificate().to_pem().expect("pem");
        std::fs::write(path("ca"), pem).expect("written");
        let text = openssl(&[
            "crl",
            "-inform",
            "DER",
            "-in",
            &path("crl"),
            "-CAfile",
            &path("ca"),
            "-noout",
            "-text",
        ]);
        let serial = gone.certificate().serial().expect("a serial").to_uppercase();
        assert!(text.contains(&serial) && text.contains("Key Compromise"), "{text}");
    }
}

#[test]
fn an_authority_is_used_again() {
    let again = TestCa::from_identity(ca(KeyKind::EcP256).identity().clone()).expect("again");
    assert_eq!(again.span(), ca(KeyKind::EcP256).span());
}
