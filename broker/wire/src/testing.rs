//! What the tests of this crate share: keys made on the spot, and other people's tools as peers.

#[path = "../../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::validity::Validity;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::x509::extension::{BasicConstraints, SubjectKeyIdentifier};
use openssl::x509::{X509, X509NameBuilder};

use crate::signature::OpensslSigner;

/// A key with its certificate, valid from 2000 to 2099.
pub(crate) struct Identity {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: X509,
}

pub(crate) static RSA: LazyLock<Identity> = LazyLock::new(|| {
    let key = Rsa::generate(2048).expect("an RSA key");
    Identity::new(PKey::from_rsa(key).expect("a key"), "Stadt Beispiel", None)
});
pub(crate) static EC: LazyLock<Identity> =
    LazyLock::new(|| Identity::new(ec_key(Nid::X9_62_PRIME256V1), "Kreis Beispiel", None));
pub(crate) static OTHER: LazyLock<Identity> =
    LazyLock::new(|| Identity::new(ec_key(Nid::X9_62_PRIME256V1), "Jemand anders", None));

pub(crate) fn ec_key(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("an EC key")).expect("a key")
}

impl Identity {
    /// A certificate issued by `issuer`, or by itself.
    pub(crate) fn new(key: PKey<Private>, name: &str, issuer: Option<&Self>) -> Self {
        let mut subject = X509NameBuilder::new().expect("a name");
        subject.append_entry_by_text("C", "DE").expect("an entry");
        subject.append_entry_by_text("O", "Probe, \"Amt\"").expect("an entry");
        subject.append_entry_by_text("CN", name).expect("an entry");
        let subject = subject.build();
        let mut builder = X509::builder().expect("a builder");
        builder.set_version(2).expect("a version");
        let serial = BigNum::from_u32(1 + name.len() as u32).expect("a number");
        let serial = serial.to_asn1_integer().expect("a number");
        builder.set_serial_number(&serial).expect("a serial");
        builder.set_subject_name(&subject).expect("a subject");
        let issuer_name = issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name());
        builder.set_issuer_name(issuer_name).expect("an issuer");
        let from = Asn1Time::from_str("20000101000000Z").expect("a time");
        let until = Asn1Time::from_str("20991231235959Z").expect("a time");
        builder.set_not_before(&from).expect("a time");
        builder.set_not_after(&until).expect("a time");
        builder.set_pubkey(&key).expect("a public key");
        if issuer.is_none() {
            let ca = BasicConstraints::new().critical().ca().build().expect("an extension");
            builder.append_extension(ca).expect("an extension");
        }
        let identifier = SubjectKeyIdentifier::new();
        let identifier =
            identifier.build(&builder.x509v3_context(None, None)).expect("an extension");
        builder.append_extension(identifier).expect("an extension");
        let signing = issuer.map_or(&key, |issuer| &issuer.key);
        builder.sign(signing, MessageDigest::sha256()).expect("a signature");
        let certificate = builder.build();
        Self { key, certificate }
    }

    pub(crate) fn signer(&self) -> OpensslSigner {
        OpensslSigner::new(self.key.clone(), &self.certificate).expect("a signer")
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.to_der().expect("DER")
    }

    pub(crate) fn trusted(&self) -> TrustedCertificate {
        let der = self.der();
        TrustedCertificate {
            fingerprint: Digest(sha256(&der)),
            der,
            validity: Validity {
                from: Some("2000-01-01T00:00:00Z".parse().expect("a time")),
                until: Some("2100-01-01T00:00:00Z".parse().expect("a time")),
            },
        }
    }
}

/// A time at which all the certificates here are valid.
pub(crate) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

/// Runs a peer; what it says on both streams, and whether it said yes.
pub(crate) fn run<A: AsRef<OsStr>>(tool: &str, package: &str, arguments: &[A]) -> Output {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => Output {
            yes: output.status.success(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => panic!("{tool}: {error}; install the Debian package {package}"),
    }
}

pub(crate) struct Output {
    pub(crate) yes: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A folder of test material beside the checkout, or where the environment says.
pub(crate) fn material(variable: &str, default: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..").join(default);
    let folder = std::env::var_os(variable).map_or(root, PathBuf::from);
    if folder.is_dir() {
        Some(folder)
    } else {
        skipped::skipped(&format!("no folder in {variable}, nor beside the checkout"));
        None
    }
}
