//! Kind and size of a key.

use std::fmt;

use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKeyRef};

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// RSA.
    Rsa,
    /// RSA that its certificate restricts to RSASSA-PSS.
    RsaPss,
    /// An elliptic curve for ECDSA and ECDH, by its usual name.
    Ec(&'static str),
    /// Ed25519.
    Ed25519,
    /// Another one; nothing here uses it.
    Other,
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::RsaPss => "RSASSA-PSS",
            Self::Ec(curve) => curve,
            Self::Ed25519 => "Ed25519",
            Self::Other => "other",
        })
    }
}

/// Kind and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its kind.
    pub algorithm: KeyAlgorithm,
    /// Its size in bits: of the modulus, or of the order of the curve.
    pub bits: u32,
}

impl KeyFacts {
    /// Of a key, private or public.
    pub fn of<T: HasPublic>(key: &PKeyRef<T>) -> Self {
        let algorithm = match key.id() {
            Id::RSA => KeyAlgorithm::Rsa,
            Id::RSA_PSS => KeyAlgorithm::RsaPss,
            Id::ED25519 => KeyAlgorithm::Ed25519,
            Id::EC => {
                let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
                curve.map_or(KeyAlgorithm::Other, |nid| KeyAlgorithm::Ec(curve_name(nid)))
            }
            _ => KeyAlgorithm::Other,
        };
        Self { algorithm, bits: key.bits() }
    }

    /// Whether keys of the kind sign.
    pub(super) fn signs(self) -> bool {
        self.algorithm != KeyAlgorithm::Other
    }

    /// Whether TLS as [`crate::tls`] sets it has a signature for keys of the kind.
    pub(super) fn shakes_hands(self) -> bool {
        matches!(self.algorithm, KeyAlgorithm::Rsa | KeyAlgorithm::Ec(_))
    }

    /// Whether keys of the kind decrypt: RSA by transport, curves by agreement.
    pub(super) fn decrypts(self) -> bool {
        matches!(self.algorithm, KeyAlgorithm::Rsa | KeyAlgorithm::Ec(_))
    }
}

fn curve_name(nid: Nid) -> &'static str {
    match nid {
        Nid::X9_62_PRIME256V1 => "P-256",
        Nid::SECP384R1 => "P-384",
        Nid::SECP521R1 => "P-521",
        other => other.short_name().unwrap_or("EC"),
    }
}
