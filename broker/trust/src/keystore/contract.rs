//! What every implementation of [`Keys`] does, in one function that is called for each.

use std::collections::BTreeMap;

use amtsbote_wire::encryption::{DecryptError, RsaPadding};
use amtsbote_wire::signature::{DigestAlgorithm, SignatureAlgorithm};
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::encrypt::Encrypter;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};

use super::*;

/// What a key of the store under test must turn out to be. OAEP is tried with this digest.
pub(super) struct Expected {
    pub(super) certificate: Certificate,
    pub(super) facts: KeyFacts,
    pub(super) abilities: Abilities,
    pub(super) oaep: DigestAlgorithm,
}

impl Expected {
    pub(super) fn new(certificate: &Certificate) -> Self {
        let facts = KeyFacts::of(&*public(certificate));
        let tls = facts.algorithm != KeyAlgorithm::Ed25519;
        let abilities = Abilities { sign: true, decrypt: facts.decrypts(), tls };
        Self { certificate: certificate.clone(), facts, abilities, oaep: DigestAlgorithm::Sha256 }
    }
}

const TEXT: &[u8] = b"<SignedInfo>TEST</SignedInfo>";

/// Runs the contract over a store that holds exactly these keys. `secrets` are octets that nothing
/// the store shows may contain.
pub(super) fn contract(keys: &dyn Keys, expected: &BTreeMap<&str, Expected>, secrets: &[&str]) {
    let names: Vec<&str> = expected.keys().copied().collect();
    assert_eq!(keys.names().expect("names"), names);
    let mut shown = format!("{keys:?}");
    for (name, expected) in expected {
        let entry = keys.entry(name).expect("an entry");
        shown += &format!("{entry:?}");
        assert_eq!(entry.name, *name);
        assert_eq!(entry.chain.first(), Some(&expected.certificate), "{name}");
        assert_eq!(entry.facts, expected.facts, "{name}");
        assert_eq!(entry.abilities, expected.abilities, "{name}");
        signs(keys, name, expected);
        decrypts(keys, name, expected);
        match keys.tls(name) {
            Ok(identity) => {
                assert!(expected.abilities.tls, "{name}");
                assert_eq!(identity.chain(), entry.chain);
                shown += &format!("{identity:?}");
            }
            Err(error) => {
                assert!(!expected.abilities.tls, "{name}: {error}");
                let why = error.reason();
                assert!(matches!(why, TrustError::NotForTls | TrustError::UnsuitableKey), "{why}");
            }
        }
    }
    for secret in secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
    what_is_not_there_is_refused(keys);
}

fn what_is_not_there_is_refused(keys: &dyn Keys) {
    fn absent<T>(result: Result<T, TrustError>) {
        let error = result.err().expect("refused");
        assert!(matches!(error.reason(), TrustError::Absent), "{error}");
    }
    absent(keys.entry("absent"));
    absent(keys.signer("absent"));
    absent(keys.signer_with("absent", SignatureAlgorithm::RsaSha256));
    absent(keys.decryptor("absent"));
    for name in ["", "../a", ".a", "a/b", "ä", "a\0", &"a".repeat(65)] {
        let error = keys.entry(name).expect_err("refused");
        assert!(matches!(error.reason(), TrustError::BadName), "{name}: {error}");
    }
}

fn signs(keys: &dyn Keys, name: &str, expected: &Expected) {
    use SignatureAlgorithm::*;
    let usual = keys.signer(name).expect("a signer");
    let key = public(&expected.certificate);
    let fitting: &[SignatureAlgorithm] = match expected.facts.algorithm {
        KeyAlgorithm::Rsa => {
            &[RsaSha256, RsaSha384, RsaSha512, RsaPssSha256, RsaPssSha384, RsaPssSha512]
        }
        KeyAlgorithm::Ec(_) => &[EcdsaSha256, EcdsaSha384, EcdsaSha512],
        KeyAlgorithm::Ed25519 => &[Ed25519],
        other => panic!("{other} is not in the contract"),
    };
    assert_eq!(usual.algorithm(), fitting[0], "{name}");
    for algorithm in fitting {
        let signer = keys.signer_with(name, *algorithm).expect("a signer");
        assert_eq!(signer.algorithm(), *algorithm);
        assert_eq!(signer.certificate_der(), expected.certificate.der());
        // Twice: what a session of a token did must not stand in the way of what it does next.
        for text in [TEXT, b"other"] {
            let value = signer.sign(text).expect("signed");
            assert!(verifies(&key, *algorithm, text, &value), "{name} {algorithm:?}");
            assert!(!verifies(&key, *algorithm, b"another", &value), "{name} {algorithm:?}");
        }
    }
    let other = |algorithm: &&SignatureAlgorithm| !fitting.contains(algorithm);
    let legacy = |algorithm: &SignatureAlgorithm| algorithm.is_legacy();
    for algorithm in SignatureAlgorithm::ALL.iter().filter(other) {
        // A token need not know SHA-3; who does, signs with it.
        if legacy(algorithm) || !same_kind(*algorithm, fitting[0]) {
            let error = keys.signer_with(name, *algorithm).err().expect("refused");
            assert!(matches!(error.reason(), TrustError::UnsuitableKey), "{name} {error}");
        }
    }
}

fn same_kind(one: SignatureAlgorithm, other: SignatureAlgorithm) -> bool {
    let kind = |algorithm| format!("{algorithm:?}")[..2].to_owned();
    kind(one) == kind(other)
}

fn verifies(key: &PKey<Public>, algorithm: SignatureAlgorithm, text: &[u8], value: &[u8]) -> bool {
    let Some(digest) = algorithm.digest() else {
        let mut verifier = Verifier::new_without_digest(key).expect("a verifier");
        return verifier.verify_oneshot(value, text).unwrap_or(false);
    };
    let mut verifier = Verifier::new(digest.message_digest(), key).expect("a verifier");
    if format!("{algorithm:?}").starts_with("RsaPss") {
        verifier.set_rsa_padding(Padding::PKCS1_PSS).expect("set");
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).expect("set");
        verifier.set_rsa_mgf1_md(digest.message_digest()).expect("set");
    }
    match key.ec_key() {
        Err(_) => verifier.verify_oneshot(value, text).unwrap_or(false),
        Ok(ec) => {
            let half = ec.group().order_bits().div_ceil(8) as usize;
            assert_eq!(value.len(), 2 * half, "r and s, each as long as the order");
            let number = |octets| BigNum::from_slice(octets).expect("a number");
            let value =
                EcdsaSig::from_private_components(number(&value[..half]), number(&value[half..]));
            let value = value.and_then(|value| value.to_der()).expect("DER");
            verifier.verify_oneshot(&value, text).unwrap_or(false)
        }
    }
}

fn decrypts(keys: &dyn Keys, name: &str, expected: &Expected) {
    let decryptor = match keys.decryptor(name) {
        Ok(decryptor) => decryptor,
        Err(error) => {
            assert!(!expected.abilities.decrypt, "{name}: {error}");
            return assert!(matches!(error.reason(), TrustError::UnsuitableKey), "{error}");
        }
    };
    assert!(expected.abilities.decrypt, "{name}");
    assert_eq!(decryptor.certificate_der(), expected.certificate.der());
    let key = public(&expected.certificate);
    if let Ok(ec) = key.ec_key() {
        let ours = openssl::ec::EcKey::generate(ec.group()).expect("a key");
        let point = openssl::ec::EcKey::from_public_key(ours.group(), ours.public_key());
        let peer = PKey::from_ec_key(point.expect("a key")).expect("a key");
        let ours = PKey::from_ec_key(ours).expect("a key");
        let mut deriver = openssl::derive::Deriver::new(&ours).expect("a deriver");
        deriver.set_peer(&key).expect("set");
        let secret = deriver.derive_to_vec().expect("derived");
        assert_eq!(decryptor.agree(&peer).expect("agreed").octets(), secret);
        return;
    }
    let oaep = |label| RsaPadding::Oaep { digest: expected.oaep, mask: expected.oaep, label };
    let wrapped = wrap(&key, expected.oaep, &[7; 32]);
    for _ in 0..2 {
        let opened = decryptor.unwrap_rsa(&oaep(b""), &wrapped).expect("opened");
        assert_eq!(opened.octets(), [7; 32]);
        let mut damaged = wrapped.clone();
        damaged[9] ^= 1;
        for wrapped in [&damaged[..], b"", &wrapped[..wrapped.len() - 1]] {
            let error = decryptor.unwrap_rsa(&oaep(b""), wrapped).expect_err("refused");
            assert_eq!(error, DecryptError::Refused);
        }
    }
}

fn wrap(key: &PKey<Public>, digest: DigestAlgorithm, octets: &[u8]) -> Vec<u8> {
    let mut encrypter = Encrypter::new(key).expect("an encrypter");
    encrypter.set_rsa_padding(Padding::PKCS1_OAEP).expect("set");
    encrypter.set_rsa_oaep_md(digest.message_digest()).expect("set");
    encrypter.set_rsa_mgf1_md(digest.message_digest()).expect("set");
    let mut wrapped = vec![0; encrypter.encrypt_len(octets).expect("a length")];
    let length = encrypter.encrypt(octets, &mut wrapped).expect("encrypted");
    wrapped.truncate(length);
    wrapped
}

fn public(certificate: &Certificate) -> PKey<Public> {
    certificate.x509().public_key().expect("a key")
}
