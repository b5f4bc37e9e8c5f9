//! What a policy says of a certificate: of its key, and of the signature under it.

use amtsbote_domain::Timestamp;
use openssl::x509::X509Ref;

use crate::path::Floors;

use super::{Algorithm, AlgorithmPolicy, Judgement, Key, KeyKind, Purpose};

/// What a policy wants to know of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its key.
    pub key: Key,
    /// By what algorithm its issuer signed it; none where nobody here knows it.
    pub signed_with: Option<Algorithm>,
    /// Whether it names itself as its issuer: then its signature proves nothing and is not judged.
    pub self_issued: bool,
}

impl CertificateFacts {
    /// Reads them.
    pub fn of(x509: &X509Ref) -> Self {
        let name = |name: &openssl::x509::X509NameRef| name.to_der().ok();
        let key = match x509.public_key() {
            Ok(key) => Key::of(&key),
            Err(_) => Key { kind: KeyKind::Other, bits: 0, curve: None },
        };
        Self {
            key,
            signed_with: x509.to_der().ok().and_then(|der| signature_algorithm(&der)),
            self_issued: name(x509.subject_name()) == name(x509.issuer_name()),
        }
    }
}

impl AlgorithmPolicy {
    /// The least that every certificate of a path to an anchor must reach, for `purpose`.
    pub fn floors(&self, purpose: Purpose, legacy: bool, at: Timestamp) -> Floors {
        let bits = |kind| {
            let least = |purpose| self.floor(purpose, kind, legacy, at).unwrap_or(u32::MAX);
            least(purpose).max(least(Purpose::CertificateSignature))
        };
        let short = ["rsa-sha1", "ecdsa-sha1", "rsa-sha224", "ecdsa-sha224"].into_iter();
        let refused = |algorithm: Algorithm| {
            self.judge(Purpose::CertificateSignature, algorithm, at, legacy).is_refused()
        };
        Floors {
            min_rsa_bits: bits(KeyKind::Rsa),
            min_ec_bits: bits(KeyKind::Ec),
            allow_sha1: !short.filter_map(Algorithm::from_name).any(refused),
        }
    }

    /// Judges a certificate: its key for `purpose`, and the signature under it.
    pub fn judge_certificate(
        &self,
        purpose: Purpose,
        facts: &CertificateFacts,
        at: Timestamp,
        legacy: bool,
    ) -> Judgement<'_> {
        let key = self.judge(purpose, facts.key, at, legacy);
        if facts.self_issued {
            return key;
        }
        let signature = match facts.signed_with {
            Some(algorithm) => self.judge(Purpose::CertificateSignature, algorithm, at, legacy),
            None => self.unlisted(),
        };
        key.worse(signature)
    }
}

/// Object identifiers of signatures as their octets in DER, and the names here (RFC 8017, 5758,
/// 8410).
const SIGNATURES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], "rsa-sha1"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 14], "rsa-sha224"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], "rsa-sha256"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], "rsa-sha384"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], "rsa-sha512"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], "ecdsa-sha1"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1], "ecdsa-sha224"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "ecdsa-sha256"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], "ecdsa-sha384"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], "ecdsa-sha512"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 10], "ecdsa-sha3-256"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 11], "ecdsa-sha3-384"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 12], "ecdsa-sha3-512"),
    (&[0x2b, 0x65, 0x70], "eddsa-ed25519"),
];
const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
/// Digests of RSASSA-PSS.
const DIGESTS: &[(&[u8], &str)] = &[
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 4], "sha224-rsa-MGF1"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], "sha256-rsa-MGF1"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], "sha384-rsa-MGF1"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], "sha512-rsa-MGF1"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 8], "sha3-256-rsa-MGF1"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 9], "sha3-384-rsa-MGF1"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 10], "sha3-512-rsa-MGF1"),
];

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// By what algorithm a certificate in DER is signed (RFC 5280, 4.1.1.2). None for what is no
/// certificate or names an algorithm that nobody here knows.
pub fn signature_algorithm(certificate: &[u8]) -> Option<Algorithm> {
    let (tag, mut rest, _) = element(certificate)?;
    let (_, _, after_tbs) = element(rest).filter(|_| tag == SEQUENCE)?;
    rest = after_tbs;
    let (tag, identifier, _) = element(rest)?;
    let (_, oid, parameters) =
        element(identifier).filter(|(inner, ..)| (tag, *inner) == (SEQUENCE, OBJECT_IDENTIFIER))?;
    let named = |table: &[(&[u8], &str)], oid: &[u8]| {
        let (_, name) = table.iter().find(|(octets, _)| *octets == oid)?;
        Algorithm::from_name(name)
    };
    if oid != PSS {
        return named(SIGNATURES, oid);
    }
    match pss_digest(parameters)? {
        // RFC 4055, 3.1: SHA-1 is meant where nothing is said.
        None => Algorithm::from_name("sha1-rsa-MGF1"),
        Some(oid) => named(DIGESTS, oid),
    }
}

/// The digest that the parameters of RSASSA-PSS name, if they name one; none where they cannot be
/// read.
fn pss_digest(parameters: &[u8]) -> Option<Option<&[u8]>> {
    const DIGEST_FIELD: u8 = 0xa0;
    let (tag, fields, _) = element(parameters)?;
    if tag != SEQUENCE {
        return None;
    }
    match fields.first() {
        Some(&DIGEST_FIELD) => {
            let (_, field, _) = element(fields)?;
            let (_, identifier, _) = element(field)?;
            let (tag, oid, _) = element(identifier)?;
            (tag == OBJECT_IDENTIFIER).then_some(Some(oid))
        }
        _ => Some(None),
    }
}

/// Tag, content, and what follows of the first element in DER; tags of one octet, lengths of at
/// most four.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first - 0x80);
        let (octets, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
        (octets.iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem::Certificate;
    use crate::testca::tests::{ca, issue, openssl};
    use crate::testca::{self, KeyKind as Made};
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn facts_are_read_from_certificates() {
        let leaf = issue("TEST a", testca::Purpose::Client);
        let facts = CertificateFacts::of(leaf.certificate().x509());
        assert_eq!(facts.key.algorithm(), "EC P-256");
        assert_eq!(facts.signed_with, Algorithm::from_name("ecdsa-sha256"));
        assert!(!facts.self_issued);
        let root = CertificateFacts::of(ca(Made::Rsa3072).certificate().x509());
        assert_eq!((root.key.kind, root.key.bits, root.self_issued), (KeyKind::Rsa, 3072, true));
        assert_eq!(root.signed_with, Algorithm::from_name("rsa-sha256"));
    }

    /// A certificate made by the tool `openssl`, self-signed.
    fn made(arguments: &[&str]) -> CertificateFacts {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key.pem");
        let base = [
            "req",
            "-x509",
            "-nodes",
            "-subj",
            "/CN=TEST",
            "-keyout",
            key.to_str().expect("UTF-8"),
        ];
        let pem = openssl(&[&base[..], arguments].concat());
        let certificate = crate::pem::read_certificate(pem.as_bytes()).expect("a certificate");
        CertificateFacts::of(Certificate::x509(&certificate))
    }

    #[test]
    fn what_openssl_signs_is_told_apart() {
        let pss = ["-sigopt", "rsa_padding_mode:pss"];
        let rsa = ["-newkey", "rsa:2048"];
        for (options, digest, name) in [
            (vec![], "-sha1", "rsa-sha1"),
            (vec![], "-sha512", "rsa-sha512"),
            (pss.to_vec(), "-sha1", "sha1-rsa-MGF1"),
            (pss.to_vec(), "-sha256", "sha256-rsa-MGF1"),
            (pss.to_vec(), "-sha384", "sha384-rsa-MGF1"),
        ] {
            let facts = made(&[&rsa[..], &options, &[digest]].concat());
            assert_eq!(facts.signed_with.map(Algorithm::name), Some(name));
            assert_eq!(facts.key.bits, 2048);
        }
        let ed = made(&["-newkey", "ed25519"]);
        assert_eq!(ed.signed_with.map(Algorithm::name), Some("eddsa-ed25519"));
        let ed448 = made(&["-newkey", "ed448"]);
        assert_eq!((ed448.signed_with, ed448.key.kind), (None, KeyKind::Other));
    }

    #[test]
    fn key_and_signature_are_both_judged() {
        let policy = AlgorithmPolicy::built_in();
        let now = at("2026-11-23T12:00:00Z");
        let good = CertificateFacts {
            key: Key { kind: KeyKind::Rsa, bits: 3072, curve: None },
            signed_with: Algorithm::from_name("rsa-sha256"),
            self_issued: false,
        };
        let judge = |facts: &CertificateFacts, legacy| {
            let judged = policy.judge_certificate(Purpose::ContentSignature, facts, now, legacy);
            (judged.word(), judged.rule().map_or("", |rule| rule.id.as_str()))
        };
        assert_eq!(judge(&good, false), ("good", ""));
        let short = CertificateFacts { key: Key { bits: 2048, ..good.key }, ..good };
        assert_eq!(judge(&short, false), ("refuse", "rsa-3000"));
        assert_eq!(judge(&short, true), ("warn", "rsa-3000"));
        let sha1 = CertificateFacts { signed_with: Algorithm::from_name("rsa-sha1"), ..good };
        assert_eq!(judge(&sha1, true), ("refuse", "not-listed"));
        assert_eq!(judge(&CertificateFacts { self_issued: true, ..sha1 }, false), ("good", ""));
        let unknown = CertificateFacts { signed_with: None, ..good };
        assert_eq!(judge(&unknown, true), ("refuse", "not-listed"));
    }

    #[test]
    fn paths_have_their_floors() {
        let policy = AlgorithmPolicy::built_in();
        let now = at("2026-11-23T12:00:00Z");
        let floors = policy.floors(Purpose::Tls, false, now);
        let expected = Floors { min_rsa_bits: 3000, min_ec_bits: 250, allow_sha1: false };
        assert_eq!(floors, expected);
        let legacy = policy.floors(Purpose::Tls, true, now);
        assert_eq!(legacy, Floors { min_rsa_bits: 2048, ..expected });
        // No list has keys for it: nothing reaches its floors.
        let none = policy.floors(Purpose::DataEncryption, false, now);
        assert_eq!((none.min_rsa_bits, none.min_ec_bits), (u32::MAX, u32::MAX));
    }

    proptest! {
        #[test]
        fn no_octets_end_in_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = signature_algorithm(&octets);
        }

        #[test]
        fn a_damaged_certificate_ends_in_no_panic(at in 0usize..600, octet: u8) {
            let mut der = ca(Made::EcP256).certificate().der().to_vec();
            let at = at % der.len();
            der[at] = octet;
            let _ = signature_algorithm(&der);
            let _ = signature_algorithm(&der[..at]);
        }
    }
}
