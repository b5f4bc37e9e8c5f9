//! The algorithms of XML Encryption 1.1 that exist here, by their URIs. What is not listed cannot
//! be chosen by a message; what is listed is used only where [`super::AllowedEncryption`] says so.

use openssl::cipher::{Cipher, CipherRef};

use crate::signature::DigestAlgorithm;

/// Gives an enumeration its URIs.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $uri:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its URI.
            pub fn uri(self) -> &'static str {
                match self { $(Self::$variant => $uri,)* }
            }

            /// The one with this URI.
            pub fn from_uri(uri: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|algorithm| algorithm.uri() == uri)
            }
        }
    };
}

named! {
    /// How data are encrypted (XML Encryption 1.1, 5.2).
    DataAlgorithm {
        /// AES-128 in Galois/Counter Mode.
        Aes128Gcm "http://www.w3.org/2009/xmlenc11#aes128-gcm",
        /// AES-192 in Galois/Counter Mode.
        Aes192Gcm "http://www.w3.org/2009/xmlenc11#aes192-gcm",
        /// AES-256 in Galois/Counter Mode.
        Aes256Gcm "http://www.w3.org/2009/xmlenc11#aes256-gcm",
        /// AES-128 with chained blocks: without a tag, for reading old data only.
        Aes128Cbc "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        /// AES-192 with chained blocks: without a tag, for reading old data only.
        Aes192Cbc "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
        /// AES-256 with chained blocks: without a tag, for reading old data only.
        Aes256Cbc "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
        /// Triple DES with chained blocks: for reading old data only.
        TripleDesCbc "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
    }
}

impl DataAlgorithm {
    /// The ones that carry a tag.
    pub const MODERN: &'static [Self] = &[Self::Aes128Gcm, Self::Aes192Gcm, Self::Aes256Gcm];

    /// Whether it is for reading old data only.
    pub fn is_legacy(self) -> bool {
        !Self::MODERN.contains(&self)
    }

    /// Octets of its key.
    pub fn key_octets(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Cbc => 16,
            Self::Aes192Gcm | Self::Aes192Cbc | Self::TripleDesCbc => 24,
            Self::Aes256Gcm | Self::Aes256Cbc => 32,
        }
    }

    pub(super) fn cipher(self) -> &'static CipherRef {
        match self {
            Self::Aes128Gcm => Cipher::aes_128_gcm(),
            Self::Aes192Gcm => Cipher::aes_192_gcm(),
            Self::Aes256Gcm => Cipher::aes_256_gcm(),
            Self::Aes128Cbc => Cipher::aes_128_cbc(),
            Self::Aes192Cbc => Cipher::aes_192_cbc(),
            Self::Aes256Cbc => Cipher::aes_256_cbc(),
            Self::TripleDesCbc => Cipher::des_ede3_cbc(),
        }
    }
}

named! {
    /// How the key of the data is encrypted (XML Encryption 1.1, 5.5 and 5.7).
    KeyAlgorithm {
        /// RSA-OAEP with a choice of mask generation.
        RsaOaep "http://www.w3.org/2009/xmlenc11#rsa-oaep",
        /// RSA-OAEP whose mask is always made with SHA-1.
        RsaOaepMgf1p "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
        /// AES key wrap (RFC 3394) under a key of 128 bits.
        AesWrap128 "http://www.w3.org/2001/04/xmlenc#kw-aes128",
        /// AES key wrap under a key of 192 bits.
        AesWrap192 "http://www.w3.org/2001/04/xmlenc#kw-aes192",
        /// AES key wrap under a key of 256 bits.
        AesWrap256 "http://www.w3.org/2001/04/xmlenc#kw-aes256",
        /// RSAES-PKCS1-v1_5: for reading old data only, under a signature that holds.
        Rsa15 "http://www.w3.org/2001/04/xmlenc#rsa-1_5",
        /// Triple DES key wrap (RFC 3217): for reading old data only.
        TripleDesWrap "http://www.w3.org/2001/04/xmlenc#kw-tripledes",
    }
}

impl KeyAlgorithm {
    /// All that are not legacy.
    pub const MODERN: &'static [Self] =
        &[Self::RsaOaep, Self::RsaOaepMgf1p, Self::AesWrap128, Self::AesWrap192, Self::AesWrap256];

    /// Whether it is for reading old data only.
    pub fn is_legacy(self) -> bool {
        !Self::MODERN.contains(&self)
    }

    /// Octets of the key that wraps; none where an RSA key decrypts.
    pub(super) fn wrapping_octets(self) -> Option<usize> {
        match self {
            Self::RsaOaep | Self::RsaOaepMgf1p | Self::Rsa15 => None,
            Self::AesWrap128 => Some(16),
            Self::AesWrap192 | Self::TripleDesWrap => Some(24),
            Self::AesWrap256 => Some(32),
        }
    }
}

named! {
    /// How a key is agreed between an ephemeral key and ours (XML Encryption 1.1, 5.6; RFC 9231).
    AgreementAlgorithm {
        /// Ephemeral-static Diffie-Hellman on a NIST or Brainpool curve.
        EcdhEs "http://www.w3.org/2009/xmlenc11#ECDH-ES",
        /// The same with X25519 (RFC 7748).
        X25519 "http://www.w3.org/2021/04/xmldsig-more#x25519",
        /// The same with X448 (RFC 7748).
        X448 "http://www.w3.org/2021/04/xmldsig-more#x448",
    }
}

named! {
    /// How a key is derived from a secret (XML Encryption 1.1, 5.4; RFC 9231).
    DerivationAlgorithm {
        /// The concatenation function of NIST SP 800-56A.
        ConcatKdf "http://www.w3.org/2009/xmlenc11#ConcatKDF",
        /// HKDF (RFC 5869).
        Hkdf "http://www.w3.org/2021/04/xmldsig-more#hkdf",
        /// PBKDF2 (RFC 8018).
        Pbkdf2 "http://www.w3.org/2009/xmlenc11#pbkdf2",
    }
}

/// Mask generation with MGF1 (XML Encryption 1.1, 5.5.2).
const MGF1: &[(&str, DigestAlgorithm)] = &[
    ("http://www.w3.org/2009/xmlenc11#mgf1sha1", DigestAlgorithm::Sha1),
    ("http://www.w3.org/2009/xmlenc11#mgf1sha224", DigestAlgorithm::Sha224),
    ("http://www.w3.org/2009/xmlenc11#mgf1sha256", DigestAlgorithm::Sha256),
    ("http://www.w3.org/2009/xmlenc11#mgf1sha384", DigestAlgorithm::Sha384),
    ("http://www.w3.org/2009/xmlenc11#mgf1sha512", DigestAlgorithm::Sha512),
];
/// Message authentication with a hash (RFC 9231, 2.2).
const HMAC: &[(&str, DigestAlgorithm)] = &[
    ("http://www.w3.org/2000/09/xmldsig#hmac-sha1", DigestAlgorithm::Sha1),
    ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha224", DigestAlgorithm::Sha224),
    ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", DigestAlgorithm::Sha256),
    ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha384", DigestAlgorithm::Sha384),
    ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha512", DigestAlgorithm::Sha512),
];

/// The digest of the MGF1 with this URI.
pub(super) fn mgf1(uri: &str) -> Option<DigestAlgorithm> {
    MGF1.iter().find(|(name, _)| *name == uri).map(|(_, digest)| *digest)
}

/// The digest of the HMAC with this URI.
pub(super) fn hmac(uri: &str) -> Option<DigestAlgorithm> {
    HMAC.iter().find(|(name, _)| *name == uri).map(|(_, digest)| *digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_back() {
        for algorithm in DataAlgorithm::ALL {
            assert_eq!(DataAlgorithm::from_uri(algorithm.uri()), Some(*algorithm));
            assert_eq!(algorithm.cipher().key_length(), algorithm.key_octets());
            assert_eq!(algorithm.is_legacy(), algorithm.uri().ends_with("-cbc"));
        }
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(KeyAlgorithm::from_uri(algorithm.uri()), Some(*algorithm));
        }
        assert_eq!(DataAlgorithm::from_uri("http://www.w3.org/2001/04/xmlenc#aes128"), None);
        assert_eq!(
            mgf1("http://www.w3.org/2009/xmlenc11#mgf1sha256"),
            Some(DigestAlgorithm::Sha256)
        );
    }
}
