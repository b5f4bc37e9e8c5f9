//! What several targets need: a key made at the start. What the targets for documents do lies in
//! `targets`, which a plain test runs as well (`conformance/tests/fuzz_seeds.rs`).

pub mod targets;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

pub use targets::edits::apply;

/// A key on P-256 with a certificate of its own.
pub fn identity() -> (PKey<Private>, X509) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let certificate = certificate(&key);
    (key, certificate)
}

/// A certificate for a key, by itself.
pub fn certificate(key: &PKey<Private>) -> X509 {
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "TEST fuzz").expect("a name");
    let name = name.build();
    let mut builder = X509Builder::new().expect("a certificate");
    builder.set_version(2).expect("set");
    builder.set_subject_name(&name).expect("set");
    builder.set_issuer_name(&name).expect("set");
    builder.set_not_before(&Asn1Time::from_unix(0).expect("a time")).expect("set");
    builder.set_not_after(&Asn1Time::days_from_now(30).expect("a time")).expect("set");
    builder.set_pubkey(key).expect("set");
    builder.sign(key, MessageDigest::sha256()).expect("signed");
    builder.build()
}
