//! What several targets need: a key made at the start, and edits that a fuzzer can learn.

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

/// Most edits of one document.
const EDITS: usize = 64;

/// A key on P-256 with a certificate of its own.
pub fn identity() -> (PKey<Private>, X509) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "TEST fuzz").expect("a name");
    let name = name.build();
    let mut builder = X509Builder::new().expect("a certificate");
    builder.set_version(2).expect("set");
    builder.set_subject_name(&name).expect("set");
    builder.set_issuer_name(&name).expect("set");
    builder.set_not_before(&Asn1Time::from_unix(0).expect("a time")).expect("set");
    builder.set_not_after(&Asn1Time::days_from_now(30).expect("a time")).expect("set");
    builder.set_pubkey(&key).expect("set");
    builder.sign(&key, MessageDigest::sha256()).expect("signed");
    (key, builder.build())
}

/// Edits octets as a program says: each step is a kind, a place of two octets and a length; moving
/// pieces about is what attacks on signatures do.
pub fn apply(original: &[u8], program: &[u8]) -> Vec<u8> {
    let mut document = original.to_vec();
    let mut rest = program;
    for _ in 0..EDITS {
        let [kind, high, low, length, tail @ ..] = rest else { break };
        rest = tail;
        let count = document.len().max(1);
        let at = (usize::from(*high) << 8 | usize::from(*low)) % count;
        let length = usize::from(*length);
        let end = (at + length).min(document.len());
        match kind % 5 {
            0 => drop(document.splice(at..end, [])),
            1 => {
                let taken = length.min(rest.len());
                let (insert, tail) = rest.split_at(taken);
                rest = tail;
                drop(document.splice(at..at, insert.iter().copied()));
            }
            2 => {
                let piece: Vec<u8> = document[at..end].to_vec();
                let to = rest.first().map_or(0, |octet| usize::from(*octet) * 8) % count;
                drop(document.splice(to..to, piece));
            }
            3 => {
                if let (Some(octet), Some(new)) = (document.get_mut(at), rest.first()) {
                    *octet = *new;
                }
            }
            _ => {
                let piece: Vec<u8> =
                    original[at.min(original.len())..end.min(original.len())].into();
                drop(document.splice(at..at, piece));
            }
        }
    }
    document
}
