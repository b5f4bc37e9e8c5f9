//! What one entry point accepts. Policy makes it, the caller hands it in; the message chooses none
//! of it.

use super::algorithm::{AgreementAlgorithm, DataAlgorithm, DerivationAlgorithm, KeyAlgorithm};
use crate::signature::DigestAlgorithm;

/// Most `EncryptedData` elements looked at in one document.
pub const MAX_ENCRYPTED_DATA: usize = 64;
/// Deepest chain of keys: a key encrypted under a key encrypted under a key.
pub const MAX_KEY_CHAIN: usize = 4;
/// Most steps of the search for one key: entries of `KeyInfo` that are followed, and comparisons of
/// what they say with a key of ours. 64 recipients with four hints each, and 64 keys of ours.
pub const MAX_SEARCH_STEPS: u32 = 16_384;
/// Most octets of one wrapped key: an RSA modulus of 16384 bits.
pub const MAX_WRAPPED_OCTETS: usize = 2048;

/// Where the length of the initialization vector of AES-GCM comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IvRule {
    /// 12 octets (XML Encryption 1.1, 5.2.4).
    #[default]
    Standard,
    /// OSCI-Transport 1.2: `IvLength` of the namespace `http://xoev.de/transport/osci12/8` says 12
    /// or 16; where it is absent, 16 octets.
    Osci,
}

/// The algorithms and the effort that are allowed.
#[derive(Clone, Debug)]
pub struct AllowedEncryption {
    /// For the data.
    pub data: Vec<DataAlgorithm>,
    /// For the key of the data.
    pub keys: Vec<KeyAlgorithm>,
    /// For keys that are agreed.
    pub agreements: Vec<AgreementAlgorithm>,
    /// For keys that are derived.
    pub derivations: Vec<DerivationAlgorithm>,
    /// For OAEP and for derivation.
    pub digests: Vec<DigestAlgorithm>,
    /// For the mask of OAEP. `rsa-oaep-mgf1p` always makes it with SHA-1.
    pub masks: Vec<DigestAlgorithm>,
    /// Whether `MGF` beside `rsa-oaep-mgf1p` is obeyed, which some producers write although the
    /// standard forbids it (XML Encryption 1.1, 5.5.2).
    pub stray_mask: bool,
    /// Shortest RSA modulus of our own keys, in bits.
    pub min_rsa_bits: u32,
    /// Smallest order of a curve, in bits.
    pub min_ec_bits: u32,
    /// Length of the initialization vector of AES-GCM.
    pub iv: IvRule,
    /// Whether `RetrievalMethod` may lead to an `EncryptedKey` elsewhere in the document.
    pub retrieval: bool,
    /// Whether `CipherReference` may lead to an element of the same document.
    pub same_document: bool,
    /// Whether `MgmtData` may hold the key of the data in the clear. OSCI-Transport 1.2 does so for
    /// attachments, in content that was encrypted itself: never allow it anywhere else.
    pub plain_keys: bool,
    /// Most `EncryptedKey` elements in one document.
    pub max_keys: usize,
    /// Most iterations of PBKDF2.
    pub max_iterations: u32,
    /// Most octets of one ciphertext, after its transfer encoding is undone.
    pub max_octets: u64,
}

impl Default for AllowedEncryption {
    /// Everything modern that is implemented, and nothing else.
    fn default() -> Self {
        let digests = vec![
            DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha384,
            DigestAlgorithm::Sha512,
            DigestAlgorithm::Sha3_256,
            DigestAlgorithm::Sha3_384,
            DigestAlgorithm::Sha3_512,
        ];
        Self {
            data: DataAlgorithm::MODERN.to_vec(),
            keys: KeyAlgorithm::MODERN.to_vec(),
            agreements: AgreementAlgorithm::ALL.to_vec(),
            derivations: vec![DerivationAlgorithm::ConcatKdf, DerivationAlgorithm::Hkdf],
            masks: digests.clone(),
            digests,
            stray_mask: false,
            min_rsa_bits: 2048,
            min_ec_bits: 250,
            iv: IvRule::Standard,
            retrieval: true,
            same_document: false,
            plain_keys: false,
            max_keys: 64,
            max_iterations: 1_000_000,
            max_octets: 4 << 30,
        }
    }
}

impl AllowedEncryption {
    /// Everything that is implemented, weak or not: to read old data, and for test sets. A caller
    /// that uses it for a partner says so in its log.
    pub fn legacy() -> Self {
        let digests = DigestAlgorithm::ALL.to_vec();
        Self {
            data: DataAlgorithm::ALL.to_vec(),
            keys: KeyAlgorithm::ALL.to_vec(),
            derivations: DerivationAlgorithm::ALL.to_vec(),
            masks: digests.clone(),
            digests,
            stray_mask: true,
            min_rsa_bits: 1024,
            min_ec_bits: 224,
            same_document: true,
            ..Self::default()
        }
    }
}
