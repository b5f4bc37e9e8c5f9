//! The key store: the port [`Keys`], and what stands behind it.
//!
//! [`KeyStore`] is a folder of files (PEM, PKCS#12), [`Identity`] one key of it in memory; with the
//! feature `pkcs11` there is [`pkcs11::Token`] besides, whose keys never leave the device.
//!
//! Keys leave as handles that sign, decrypt or are used for TLS. No handle gives its key away, none
//! shows it, and what was read into memory is overwritten when it is dropped.

use std::fmt;
use std::path::PathBuf;

use amtsbote_wire::encryption::Decryptor;
use amtsbote_wire::signature::{SignatureAlgorithm, Signer};

use crate::error::TrustError;
use crate::pem::Certificate;

mod chain;
mod folder;
mod identity;
mod kind;
mod passphrase;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
mod pkcs12;
mod request;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

pub use folder::{KeyStore, MAX_KEYS};
pub use identity::Identity;
pub use kind::{KeyAlgorithm, KeyFacts};
pub use passphrase::{MAX_PASSPHRASE_BYTES, Passphrase, Passphrases};
pub use request::{NewKey, Request, Subject, Usage};

/// A key that signs.
pub type KeySigner = Box<dyn Signer + Send + Sync>;
/// A key that decrypts.
pub type KeyDecryptor = Box<dyn Decryptor + Send + Sync>;

/// Keys under names, wherever they lie. An implementation is finished when `contract` is green.
pub trait Keys: fmt::Debug + Send + Sync {
    /// The names of the keys, sorted.
    fn names(&self) -> Result<Vec<String>, TrustError>;

    /// What the key of this name is.
    fn entry(&self, name: &str) -> Result<Entry, TrustError>;

    /// A key that signs, with the algorithm that is usual for its kind: SHA-256, with RSASSA-PKCS1
    /// for RSA. Needs a certificate.
    fn signer(&self, name: &str) -> Result<KeySigner, TrustError>;

    /// A key that signs with this algorithm, which must fit its kind.
    fn signer_with(
        &self,
        name: &str,
        algorithm: SignatureAlgorithm,
    ) -> Result<KeySigner, TrustError>;

    /// A key that decrypts. Needs a certificate: messages name the key by it.
    fn decryptor(&self, name: &str) -> Result<KeyDecryptor, TrustError>;

    /// A key for [`crate::tls`]; keys in tokens cannot be used for it.
    fn tls(&self, name: &str) -> Result<Identity, TrustError>;
}

/// What is to be told of a key without using it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Under which it is asked for.
    pub name: String,
    /// Its kind and size.
    pub facts: KeyFacts,
    /// Its certificate, then the issuers that lie beside it. Empty while there is none.
    pub chain: Vec<Certificate>,
    /// Where it lies.
    pub place: Place,
    /// What it can be used for.
    pub abilities: Abilities,
}

/// Where a key lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// It is encrypted with a passphrase.
        encrypted: bool,
    },
    /// In a token behind a PKCS#11 module.
    Token {
        /// The module.
        module: PathBuf,
        /// The label of the token.
        label: String,
    },
}

/// What a key can be used for, by its kind and place. What it *may* be used for is said by its
/// certificate and by policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// [`Keys::signer`].
    pub sign: bool,
    /// [`Keys::decryptor`].
    pub decrypt: bool,
    /// [`Keys::tls`].
    pub tls: bool,
}

/// Names stay inside the folder: no separators, and no full stop in front.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
