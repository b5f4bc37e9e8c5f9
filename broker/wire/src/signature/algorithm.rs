//! The algorithms that may be used at all.
//!
//! HMAC and DSA do not exist here, so no message can choose them: a shared secret proves nothing to
//! a third party, and where HMAC is known a public key can be passed off as one. MD5, RIPEMD and
//! GOST are not known either. SHA-1 and SHA-224 are *legacy*: they are read where the caller says
//! so in so many words, and nothing is ever signed with them.

use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKeyRef, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};

/// Shortest RSA modulus in bits that signs, and that [`Allowed`](super::Allowed) takes by default.
pub const MIN_RSA_BITS: u32 = 2048;
/// Shortest order of a curve in bits that signs, and that [`Allowed`](super::Allowed) takes by
/// default.
pub const MIN_EC_BITS: u32 = 250;

/// Curves for ECDSA: the NIST and Brainpool curves. The floor for the bits leaves out the short
/// ones, which old data may still use.
const CURVES: [Nid; 12] = [
    Nid::X9_62_PRIME256V1,
    Nid::SECP384R1,
    Nid::SECP521R1,
    Nid::BRAINPOOL_P256R1,
    Nid::BRAINPOOL_P320R1,
    Nid::BRAINPOOL_P384R1,
    Nid::BRAINPOOL_P512R1,
    Nid::X9_62_PRIME192V1,
    Nid::X9_62_PRIME192V3,
    Nid::SECP224R1,
    Nid::X9_62_PRIME239V1,
    Nid::BRAINPOOL_P224R1,
];

/// How the octets of `SignedInfo` are signed (RFC 9231, 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-1. Legacy.
    RsaSha1,
    /// RSASSA-PKCS1-v1_5 with SHA-224. Legacy.
    RsaSha224,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaSha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaSha512,
    /// RSASSA-PSS with SHA-1. Legacy.
    RsaPssSha1,
    /// RSASSA-PSS with SHA-224. Legacy.
    RsaPssSha224,
    /// RSASSA-PSS with SHA-256.
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512,
    /// RSASSA-PSS with SHA3-256.
    RsaPssSha3_256,
    /// RSASSA-PSS with SHA3-384.
    RsaPssSha3_384,
    /// RSASSA-PSS with SHA3-512.
    RsaPssSha3_512,
    /// ECDSA with SHA-1. Legacy.
    EcdsaSha1,
    /// ECDSA with SHA-224. Legacy.
    EcdsaSha224,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
    /// ECDSA with SHA3-256.
    EcdsaSha3_256,
    /// ECDSA with SHA3-384.
    EcdsaSha3_384,
    /// ECDSA with SHA3-512.
    EcdsaSha3_512,
    /// Ed25519 (RFC 8032), the pure one.
    Ed25519,
}

/// What a signature algorithm is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Pkcs1(DigestAlgorithm),
    Pss(DigestAlgorithm),
    Ecdsa(DigestAlgorithm),
    Ed25519,
}

impl SignatureAlgorithm {
    /// All of them, the legacy ones included.
    pub const ALL: &'static [Self] = &[
        Self::RsaSha1,
        Self::RsaSha224,
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::RsaPssSha1,
        Self::RsaPssSha224,
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
        Self::RsaPssSha3_256,
        Self::RsaPssSha3_384,
        Self::RsaPssSha3_512,
        Self::EcdsaSha1,
        Self::EcdsaSha224,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::EcdsaSha3_256,
        Self::EcdsaSha3_384,
        Self::EcdsaSha3_512,
        Self::Ed25519,
    ];

    /// Its URI (RFC 9231). RSASSA-PSS has a second name, `#rsa-pss` with parameters: it is read,
    /// not written.
    pub fn uri(self) -> &'static str {
        match self {
            Self::RsaSha1 => "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            Self::RsaSha224 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha224",
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::RsaPssSha1 => "http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1",
            Self::RsaPssSha224 => "http://www.w3.org/2007/05/xmldsig-more#sha224-rsa-MGF1",
            Self::RsaPssSha256 => "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
            Self::RsaPssSha384 => "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1",
            Self::RsaPssSha512 => "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
            Self::RsaPssSha3_256 => "http://www.w3.org/2007/05/xmldsig-more#sha3-256-rsa-MGF1",
            Self::RsaPssSha3_384 => "http://www.w3.org/2007/05/xmldsig-more#sha3-384-rsa-MGF1",
            Self::RsaPssSha3_512 => "http://www.w3.org/2007/05/xmldsig-more#sha3-512-rsa-MGF1",
            Self::EcdsaSha1 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
            Self::EcdsaSha224 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha224",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Self::EcdsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
            Self::EcdsaSha3_256 => "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-256",
            Self::EcdsaSha3_384 => "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-384",
            Self::EcdsaSha3_512 => "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-512",
            Self::Ed25519 => "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
        }
    }

    /// The one with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.uri() == uri)
    }

    /// Whether it is there to read old data only.
    pub fn is_legacy(self) -> bool {
        self.digest().is_some_and(DigestAlgorithm::is_legacy)
    }

    /// The digest in it; Ed25519 has none that could be chosen.
    pub fn digest(self) -> Option<DigestAlgorithm> {
        match self.scheme() {
            Scheme::Pkcs1(digest) | Scheme::Pss(digest) | Scheme::Ecdsa(digest) => Some(digest),
            Scheme::Ed25519 => None,
        }
    }

    /// RSASSA-PSS with this digest.
    pub(super) fn pss(digest: DigestAlgorithm) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.scheme() == Scheme::Pss(digest))
    }

    pub(super) fn scheme(self) -> Scheme {
        use DigestAlgorithm::{Sha1, Sha3_256, Sha3_384, Sha3_512, Sha224, Sha256, Sha384, Sha512};
        match self {
            Self::RsaSha1 => Scheme::Pkcs1(Sha1),
            Self::RsaSha224 => Scheme::Pkcs1(Sha224),
            Self::RsaSha256 => Scheme::Pkcs1(Sha256),
            Self::RsaSha384 => Scheme::Pkcs1(Sha384),
            Self::RsaSha512 => Scheme::Pkcs1(Sha512),
            Self::RsaPssSha1 => Scheme::Pss(Sha1),
            Self::RsaPssSha224 => Scheme::Pss(Sha224),
            Self::RsaPssSha256 => Scheme::Pss(Sha256),
            Self::RsaPssSha384 => Scheme::Pss(Sha384),
            Self::RsaPssSha512 => Scheme::Pss(Sha512),
            Self::RsaPssSha3_256 => Scheme::Pss(Sha3_256),
            Self::RsaPssSha3_384 => Scheme::Pss(Sha3_384),
            Self::RsaPssSha3_512 => Scheme::Pss(Sha3_512),
            Self::EcdsaSha1 => Scheme::Ecdsa(Sha1),
            Self::EcdsaSha224 => Scheme::Ecdsa(Sha224),
            Self::EcdsaSha256 => Scheme::Ecdsa(Sha256),
            Self::EcdsaSha384 => Scheme::Ecdsa(Sha384),
            Self::EcdsaSha512 => Scheme::Ecdsa(Sha512),
            Self::EcdsaSha3_256 => Scheme::Ecdsa(Sha3_256),
            Self::EcdsaSha3_384 => Scheme::Ecdsa(Sha3_384),
            Self::EcdsaSha3_512 => Scheme::Ecdsa(Sha3_512),
            Self::Ed25519 => Scheme::Ed25519,
        }
    }

    /// Whether a key of this kind is one for the algorithm.
    pub(super) fn fits(self, kind: KeyKind) -> bool {
        match self.scheme() {
            Scheme::Pkcs1(_) => matches!(kind, KeyKind::Rsa { pss_only: false, .. }),
            Scheme::Pss(_) => matches!(kind, KeyKind::Rsa { .. }),
            Scheme::Ecdsa(_) => matches!(kind, KeyKind::Ec { .. }),
            Scheme::Ed25519 => kind == KeyKind::Ed25519,
        }
    }

    /// Whether `value` is a signature over `octets` under `key`, which is of kind `kind`. `pss`
    /// counts for RSASSA-PSS only; none is what the short names stand for.
    pub(super) fn verify(
        self,
        pss: Option<PssParameters>,
        key: &PKeyRef<Public>,
        kind: KeyKind,
        octets: &[u8],
        value: &[u8],
    ) -> Result<bool, ErrorStack> {
        let der;
        let (digest, value) = match (self.scheme(), kind) {
            (Scheme::Ed25519, KeyKind::Ed25519) => {
                let mut verifier = Verifier::new_without_digest(key)?;
                return Ok(verifier.verify_oneshot(value, octets).unwrap_or(false));
            }
            (Scheme::Ecdsa(digest), KeyKind::Ec { half, .. }) if is_pair(value, half) => {
                der = ecdsa_der(value)?;
                (digest, der.as_slice())
            }
            (Scheme::Pkcs1(digest) | Scheme::Pss(digest), KeyKind::Rsa { .. }) => (digest, value),
            _ => return Ok(false),
        };
        let mut verifier = Verifier::new(digest.message_digest(), key)?;
        if let Scheme::Pss(_) = self.scheme() {
            let pss = pss.unwrap_or(PssParameters::of(digest));
            let set = verifier
                .set_rsa_padding(Padding::PKCS1_PSS)
                .and_then(|()| verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(pss.salt.into())))
                .and_then(|()| verifier.set_rsa_mgf1_md(pss.mask.message_digest()));
            // A key that is restricted to other parameters cannot have made the value.
            if set.is_err() {
                return Ok(false);
            }
        }
        verifier.update(octets)?;
        // An error here says that the value cannot be a signature under this key (its length).
        Ok(verifier.verify(value).unwrap_or(false))
    }
}

/// The parameters of RSASSA-PSS besides the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PssParameters {
    /// The digest inside the mask generation function MGF1.
    pub(super) mask: DigestAlgorithm,
    /// Octets of the salt.
    pub(super) salt: u16,
}

impl PssParameters {
    /// What the names without parameters mean: one digest, and a salt of its length.
    pub(super) fn of(digest: DigestAlgorithm) -> Self {
        Self { mask: digest, salt: digest.message_digest().size() as u16 }
    }
}

/// What a key can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// RSA; `pss_only` where the certificate restricts the key to RSASSA-PSS.
    Rsa { bits: u32, pss_only: bool },
    /// ECDSA on one of [`CURVES`], whose order has so many bits; r and s have `half` octets each.
    Ec { bits: u32, half: usize },
    /// Ed25519.
    Ed25519,
    /// Nothing here.
    Unsuitable,
}

impl KeyKind {
    pub(super) fn of<T: HasPublic>(key: &PKeyRef<T>) -> Self {
        match key.id() {
            Id::RSA => return Self::Rsa { bits: key.bits(), pss_only: false },
            Id::RSA_PSS => return Self::Rsa { bits: key.bits(), pss_only: true },
            Id::ED25519 => return Self::Ed25519,
            _ => {}
        }
        let Ok(ec) = key.ec_key() else { return Self::Unsuitable };
        match ec.group().curve_name() {
            Some(curve) if CURVES.contains(&curve) => {
                let bits = ec.group().order_bits();
                Self::Ec { bits, half: bits.div_ceil(8) as usize }
            }
            _ => Self::Unsuitable,
        }
    }

    /// Whether the key is long enough.
    pub(super) fn reaches(self, min_rsa_bits: u32, min_ec_bits: u32) -> bool {
        match self {
            Self::Rsa { bits, .. } => bits >= min_rsa_bits,
            Self::Ec { bits, .. } => bits >= min_ec_bits,
            // The order of its group has 253 bits.
            Self::Ed25519 => min_ec_bits <= 253,
            Self::Unsuitable => false,
        }
    }
}

/// Whether a value can be r and s, of equal length. RFC 9231, 2.3.6, demands the length of the order;
/// old versions of Java leave out zeros in front, others put one there. Where the middle is says what
/// is meant in any case.
fn is_pair(value: &[u8], half: usize) -> bool {
    value.len().is_multiple_of(2) && (1..=half + 1).contains(&(value.len() / 2))
}

/// XML signatures hold r and s side by side (RFC 9231, 2.3.6), OpenSSL takes DER.
fn ecdsa_der(value: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let (r, s) = value.split_at(value.len() / 2);
    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()
}

/// How referenced content is digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-1. Legacy.
    Sha1,
    /// SHA-224. Legacy.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

impl DigestAlgorithm {
    /// All of them, the legacy ones included.
    pub const ALL: &'static [Self] = &[
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// Its URI (RFC 9231).
    pub fn uri(self) -> &'static str {
        match self {
            Self::Sha1 => "http://www.w3.org/2000/09/xmldsig#sha1",
            Self::Sha224 => "http://www.w3.org/2001/04/xmldsig-more#sha224",
            Self::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
            Self::Sha3_256 => "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
            Self::Sha3_384 => "http://www.w3.org/2007/05/xmldsig-more#sha3-384",
            Self::Sha3_512 => "http://www.w3.org/2007/05/xmldsig-more#sha3-512",
        }
    }

    /// The one with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.uri() == uri)
    }

    /// Whether it is there to read old data only.
    pub fn is_legacy(self) -> bool {
        matches!(self, Self::Sha1 | Self::Sha224)
    }

    /// The same as OpenSSL has it.
    pub fn message_digest(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha224 => MessageDigest::sha224(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
            Self::Sha3_256 => MessageDigest::sha3_256(),
            Self::Sha3_384 => MessageDigest::sha3_384(),
            Self::Sha3_512 => MessageDigest::sha3_512(),
        }
    }
}
