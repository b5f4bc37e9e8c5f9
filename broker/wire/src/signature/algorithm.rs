//! The algorithms that may be used at all. SHA-1, HMAC and everything not listed do not exist
//! here, so no message can choose them.

use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKeyRef, Public};
use openssl::sha;
use openssl::sign::Verifier;

use crate::c14n::Output;

/// Shortest RSA modulus in bits.
pub const MIN_RSA_BITS: u32 = 2048;

/// Curves for ECDSA: the NIST and Brainpool curves of BSI TR-02102-1.
const CURVES: [Nid; 6] = [
    Nid::X9_62_PRIME256V1,
    Nid::SECP384R1,
    Nid::SECP521R1,
    Nid::BRAINPOOL_P256R1,
    Nid::BRAINPOOL_P384R1,
    Nid::BRAINPOOL_P512R1,
];

/// How the octets of `SignedInfo` are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaSha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaSha512,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
    ];

    /// Its URI (RFC 9231).
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Self::EcdsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        }
    }

    /// The one with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.uri() == uri)
    }

    /// Whether a key of this kind is one for the algorithm.
    pub(super) fn fits(self, kind: KeyKind) -> bool {
        match self {
            Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512 => kind == KeyKind::Rsa,
            Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512 => {
                matches!(kind, KeyKind::Ec { .. })
            }
        }
    }

    pub(super) fn message_digest(self) -> MessageDigest {
        match self {
            Self::RsaSha256 | Self::EcdsaSha256 => MessageDigest::sha256(),
            Self::RsaSha384 | Self::EcdsaSha384 => MessageDigest::sha384(),
            Self::RsaSha512 | Self::EcdsaSha512 => MessageDigest::sha512(),
        }
    }

    /// Whether `value` is a signature over `octets` under `key`, which is of kind `kind`.
    pub(super) fn verify(
        self,
        key: &PKeyRef<Public>,
        kind: KeyKind,
        octets: &[u8],
        value: &[u8],
    ) -> Result<bool, ErrorStack> {
        let der;
        let value = match kind {
            KeyKind::Rsa => value,
            KeyKind::Ec { half } if value.len() == 2 * half => {
                der = ecdsa_der(value)?;
                &der
            }
            KeyKind::Ec { .. } | KeyKind::Unsuitable => return Ok(false),
        };
        let mut verifier = Verifier::new(self.message_digest(), key)?;
        verifier.update(octets)?;
        // An error here says that the value cannot be a signature under this key (its length).
        Ok(verifier.verify(value).unwrap_or(false))
    }
}

/// What a key can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// RSA of at least [`MIN_RSA_BITS`].
    Rsa,
    /// ECDSA on one of [`CURVES`]; r and s have `half` octets each.
    Ec { half: usize },
    /// Nothing here.
    Unsuitable,
}

impl KeyKind {
    pub(super) fn of<T: HasPublic>(key: &PKeyRef<T>) -> Self {
        if key.id() == Id::RSA && key.bits() >= MIN_RSA_BITS {
            return Self::Rsa;
        }
        let Ok(ec) = key.ec_key() else { return Self::Unsuitable };
        match ec.group().curve_name() {
            Some(curve) if CURVES.contains(&curve) => {
                Self::Ec { half: ec.group().order_bits().div_ceil(8) as usize }
            }
            _ => Self::Unsuitable,
        }
    }
}

/// XML signatures hold r and s side by side (RFC 9231, 2.3.6), OpenSSL takes DER.
fn ecdsa_der(value: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let (r, s) = value.split_at(value.len() / 2);
    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()
}

/// How referenced content is digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its URI (RFC 9231).
    pub fn uri(self) -> &'static str {
        match self {
            Self::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
        }
    }

    /// The one with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.uri() == uri)
    }

    pub(super) fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(sha::Sha256::new()),
            Self::Sha384 => Hasher::Sha384(sha::Sha384::new()),
            Self::Sha512 => Hasher::Sha512(sha::Sha512::new()),
        }
    }
}

/// A digest in the making.
pub(super) enum Hasher {
    Sha256(sha::Sha256),
    Sha384(sha::Sha384),
    Sha512(sha::Sha512),
}

impl Hasher {
    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finish().to_vec(),
            Self::Sha384(hasher) => hasher.finish().to_vec(),
            Self::Sha512(hasher) => hasher.finish().to_vec(),
        }
    }
}

impl Output for Hasher {
    fn write(&mut self, octets: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(octets),
            Self::Sha384(hasher) => hasher.update(octets),
            Self::Sha512(hasher) => hasher.update(octets),
        }
    }
}
