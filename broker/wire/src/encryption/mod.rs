//! XML Encryption 1.1: read and made over streams, with OpenSSL.
//!
//! Reading takes two passes over the same octets. Pass 1 ([`survey`]) finds every `EncryptedData`
//! and what it says about its key. [`Survey::open`] looks for that key among those handed in
//! ([`Keys`], [`Decryptor`]) and asks policy ([`AllowedEncryption`]) first. Pass 2
//! ([`Opening::document`], or [`Opening::part`] for an attachment) decrypts into a spool that the
//! caller gets back ([`Released`]) only after the tag has verified. From the moment that a private
//! key is used, all failures are one: [`EncryptionFault::Undecryptable`].
//!
//! Old algorithms ([`DataAlgorithm::is_legacy`], [`KeyAlgorithm::is_legacy`]) are used only where
//! policy allows them and a [`Proof`] says why the octets may be believed: CBC and Triple DES have no
//! tag, and RSAES-PKCS1-v1_5 answers whoever may ask often enough. What has no tag may also be the
//! ciphertext of a captured message under another name, so the rule does not ask which algorithm the
//! key was meant for. Where a key does not unwrap, the work goes on with one that follows from the
//! octets ([`Rejection`]).
//!
//! Decrypted XML is a document of its own: it is read anew ([`read_plaintext`]) and never put back
//! into the one it came from.
//!
//! Writing makes AES-256-GCM under RSA-OAEP (SHA-256) or under ECDH-ES with ConcatKDF and AES key
//! wrap. Randomness comes in through [`Random`]. [`transport_key`] and [`Sealer`] do the same for
//! messages whose XML is written elsewhere.
//!
//! Not here: whose certificate may be encrypted for (`trust`), the spool itself (`store`).

mod algorithm;
mod allowed;
pub(crate) mod base64_text;
mod data;
mod decipher;
mod derive;
mod fault;
mod key_info;
mod keys;
mod method;
mod names;
mod open;
mod plaintext;
mod proof;
mod recipient;
mod rejection;
mod scan;
mod seal;
mod search;
mod secret;
mod way;
mod write;

pub use algorithm::{AgreementAlgorithm, DataAlgorithm, DerivationAlgorithm, KeyAlgorithm};
pub use allowed::{
    AllowedEncryption, IvRule, MAX_ENCRYPTED_DATA, MAX_KEY_CHAIN, MAX_SEARCH_STEPS,
    MAX_WRAPPED_OCTETS,
};
pub use data::{CipherSource, Content, EncryptedData};
pub use decipher::{Integrity, Released};
pub use fault::EncryptionFault;
pub use keys::{
    DecryptError, Decryptor, KeyUse, Keys, KnownOriginator, OpensslDecryptor, RsaPadding,
    SharedSecret, UnsuitableKey,
};
pub use open::{Opening, PartDecipher, PartOctets, Survey, survey};
pub use plaintext::{PlaintextFault, read_plaintext};
pub use proof::Proof;
pub use recipient::{EncryptError, Recipient};
pub use rejection::Rejection;
pub use seal::{Sealer, transport_key};
pub use secret::{KeyOctets, NoRandomness, Random};
pub use write::{Shape, encrypt_in, encrypt_part, encrypt_value};

#[cfg(test)]
mod tests;
