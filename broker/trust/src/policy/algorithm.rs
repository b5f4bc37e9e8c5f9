//! The names of algorithms and kinds of keys that a policy may speak of.
//!
//! An algorithm has the name that stands behind `#` in its URI (XML Signature, XML Encryption,
//! RFC 9231), a group of TLS the name that OpenSSL gives it. The list is closed: a policy cannot
//! allow what nobody knows, and a name mistyped in a policy is found when it is read. That a name
//! stands here does not mean that it is implemented; what is not implemented is never used.

use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKeyRef};

/// What an algorithm does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Signs, with a key of this kind.
    Signature(KeyKind),
    /// Digests.
    Digest,
    /// Encrypts data under a symmetric key.
    Cipher,
    /// Brings a symmetric key to its reader: transport, agreement, wrapping.
    KeyTransport,
    /// Group of a key agreement in TLS.
    Group,
}

const RSA: Family = Family::Signature(KeyKind::Rsa);
const EC: Family = Family::Signature(KeyKind::Ec);
const ED25519: Family = Family::Signature(KeyKind::Ed25519);

const KNOWN: &[(&str, Family)] = &[
    ("rsa-sha1", RSA),
    ("rsa-sha224", RSA),
    ("rsa-sha256", RSA),
    ("rsa-sha384", RSA),
    ("rsa-sha512", RSA),
    ("sha1-rsa-MGF1", RSA),
    ("sha224-rsa-MGF1", RSA),
    ("sha256-rsa-MGF1", RSA),
    ("sha384-rsa-MGF1", RSA),
    ("sha512-rsa-MGF1", RSA),
    ("sha3-224-rsa-MGF1", RSA),
    ("sha3-256-rsa-MGF1", RSA),
    ("sha3-384-rsa-MGF1", RSA),
    ("sha3-512-rsa-MGF1", RSA),
    ("ecdsa-sha1", EC),
    ("ecdsa-sha224", EC),
    ("ecdsa-sha256", EC),
    ("ecdsa-sha384", EC),
    ("ecdsa-sha512", EC),
    ("ecdsa-sha3-224", EC),
    ("ecdsa-sha3-256", EC),
    ("ecdsa-sha3-384", EC),
    ("ecdsa-sha3-512", EC),
    ("eddsa-ed25519", ED25519),
    ("sha1", Family::Digest),
    ("sha224", Family::Digest),
    ("sha256", Family::Digest),
    ("sha384", Family::Digest),
    ("sha512", Family::Digest),
    ("sha3-224", Family::Digest),
    ("sha3-256", Family::Digest),
    ("sha3-384", Family::Digest),
    ("sha3-512", Family::Digest),
    ("aes128-gcm", Family::Cipher),
    ("aes192-gcm", Family::Cipher),
    ("aes256-gcm", Family::Cipher),
    ("aes128-cbc", Family::Cipher),
    ("aes192-cbc", Family::Cipher),
    ("aes256-cbc", Family::Cipher),
    ("tripledes-cbc", Family::Cipher),
    ("rsa-oaep", Family::KeyTransport),
    ("rsa-oaep-mgf1p", Family::KeyTransport),
    ("rsa-1_5", Family::KeyTransport),
    ("ECDH-ES", Family::KeyTransport),
    ("x25519", Family::KeyTransport),
    ("x448", Family::KeyTransport),
    ("kw-aes128", Family::KeyTransport),
    ("kw-aes192", Family::KeyTransport),
    ("kw-aes256", Family::KeyTransport),
    ("kw-tripledes", Family::KeyTransport),
    ("P-256", Family::Group),
    ("P-384", Family::Group),
    ("P-521", Family::Group),
    ("X25519", Family::Group),
];

/// One algorithm of the closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Algorithm(usize);

impl Algorithm {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..KNOWN.len()).map(Self)
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|algorithm| algorithm.name() == name)
    }

    /// The one that a URI names: by what stands behind its `#`.
    pub fn from_uri(uri: &str) -> Option<Self> {
        uri.split_once('#').and_then(|(_, name)| Self::from_name(name))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        KNOWN[self.0].0
    }

    /// What it does.
    pub fn family(self) -> Family {
        KNOWN[self.0].1
    }
}

/// A kind of asymmetric key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// An elliptic curve for ECDSA and ECDH.
    Ec,
    /// Ed25519.
    Ed25519,
    /// X25519.
    X25519,
    /// Anything else. No policy can allow it.
    Other,
}

impl KeyKind {
    /// Those that a policy may allow.
    pub const ALL: &'static [Self] = &[Self::Rsa, Self::Ec, Self::Ed25519, Self::X25519];

    /// Its name in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ec => "ec",
            Self::Ed25519 => "ed25519",
            Self::X25519 => "x25519",
            Self::Other => "other",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// What a policy wants to know of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its kind.
    pub kind: KeyKind,
    /// Length in bits: of the modulus, or of the order of the curve.
    pub bits: u32,
    /// The name of the curve, where it is a named one.
    pub curve: Option<&'static str>,
}

impl Key {
    /// The facts of a key. A curve with explicit parameters is [`KeyKind::Other`]: nobody has
    /// looked at it.
    pub fn of<T: HasPublic>(key: &PKeyRef<T>) -> Self {
        let plain = |kind| Self { kind, bits: key.bits(), curve: None };
        match key.id() {
            Id::RSA | Id::RSA_PSS => plain(KeyKind::Rsa),
            Id::ED25519 => plain(KeyKind::Ed25519),
            Id::X25519 => plain(KeyKind::X25519),
            Id::EC => {
                let Ok(ec) = key.ec_key() else { return plain(KeyKind::Other) };
                let Some(curve) = ec.group().curve_name() else { return plain(KeyKind::Other) };
                let bits = ec.group().order_bits();
                Self { kind: KeyKind::Ec, bits, curve: curve_name(curve) }
            }
            _ => plain(KeyKind::Other),
        }
    }

    /// How people call it: `RSA`, `EC P-256`, `Ed25519`.
    pub fn algorithm(&self) -> String {
        match (self.kind, self.curve) {
            (KeyKind::Rsa, _) => "RSA".to_owned(),
            (KeyKind::Ec, Some(curve)) => format!("EC {curve}"),
            (KeyKind::Ec, None) => "EC".to_owned(),
            (KeyKind::Ed25519, _) => "Ed25519".to_owned(),
            (KeyKind::X25519, _) => "X25519".to_owned(),
            (KeyKind::Other, _) => "?".to_owned(),
        }
    }
}

/// NIST's names for NIST's curves; the others go by the name that OpenSSL has for them.
fn curve_name(curve: Nid) -> Option<&'static str> {
    match curve {
        Nid::X9_62_PRIME256V1 => Some("P-256"),
        Nid::SECP384R1 => Some("P-384"),
        Nid::SECP521R1 => Some("P-521"),
        other => other.short_name().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_wire::signature::{DigestAlgorithm, SignatureAlgorithm};
    use openssl::ec::{Asn1Flag, EcGroup, EcKey};
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;

    #[test]
    fn names_are_unique_and_read_back() {
        for algorithm in Algorithm::all() {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("md5"), None);
        assert_eq!(Algorithm::from_uri("sha256"), None);
        for kind in KeyKind::ALL {
            assert_eq!(KeyKind::from_name(kind.name()), Some(*kind));
        }
        assert_eq!(KeyKind::from_name(KeyKind::Other.name()), None);
    }

    #[test]
    fn whatever_is_implemented_has_a_name() {
        for algorithm in SignatureAlgorithm::ALL {
            let known = Algorithm::from_uri(algorithm.uri()).expect("a name for it");
            assert!(matches!(known.family(), Family::Signature(_)), "{}", algorithm.uri());
        }
        for algorithm in DigestAlgorithm::ALL {
            let known = Algorithm::from_uri(algorithm.uri()).expect("a name for it");
            assert_eq!(known.family(), Family::Digest, "{}", algorithm.uri());
        }
    }

    #[test]
    fn keys_are_told_apart() {
        let ec = |nid, flag| {
            let mut group = EcGroup::from_curve_name(nid).expect("a curve");
            group.set_asn1_flag(flag);
            PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
        };
        let p256 = Key::of(&ec(Nid::X9_62_PRIME256V1, Asn1Flag::NAMED_CURVE));
        assert_eq!((p256.kind, p256.bits, p256.curve), (KeyKind::Ec, 256, Some("P-256")));
        assert_eq!(p256.algorithm(), "EC P-256");
        let brainpool = Key::of(&ec(Nid::BRAINPOOL_P384R1, Asn1Flag::NAMED_CURVE));
        assert_eq!((brainpool.bits, brainpool.curve), (384, Some("brainpoolP384r1")));
        let rsa = PKey::from_rsa(Rsa::generate(1024).expect("a key")).expect("a key");
        let rsa = Key::of(&rsa);
        assert_eq!((rsa.kind, rsa.bits, rsa.algorithm().as_str()), (KeyKind::Rsa, 1024, "RSA"));
        let ed = Key::of(&PKey::generate_ed25519().expect("a key"));
        assert_eq!((ed.kind, ed.algorithm().as_str()), (KeyKind::Ed25519, "Ed25519"));
        let x = Key::of(&PKey::generate_x25519().expect("a key"));
        assert_eq!(x.kind, KeyKind::X25519);
        let ed448 = Key::of(&PKey::generate_ed448().expect("a key"));
        assert_eq!(ed448.kind, KeyKind::Other);
    }
}
