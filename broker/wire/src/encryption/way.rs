//! The way from a key of ours to the key of the data: what [`super::search`] found.
//!
//! What happens here never fails for a reason that a message could cause: where a step finds its
//! input wrong, it goes on with a key that opens nothing, and the data do not decrypt in the end.
//! That key is always the same for the same octets ([`super::rejection`]).

use amtsbote_schemas::xml::Position;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Public};

use super::algorithm::KeyAlgorithm;
use super::derive::{derive, unwrap};
use super::fault::EncryptionFault;
use super::keys::{DecryptError, Decryptor, RsaPadding, SharedSecret};
use super::method::{Derivation, KeyMethod};
use super::rejection::Rejection;
use super::search::NOT_WITH_THIS_KEY;
use super::secret::{KeyOctets, Random, random_key};

/// A way to a key, all of whose algorithms are allowed.
pub(super) enum Way<'a> {
    /// Both sides have it.
    Secret(&'a SharedSecret),
    /// It is encrypted for an RSA key of ours.
    Transported { method: &'a KeyMethod, value: &'a [u8], decryptor: &'a dyn Decryptor },
    /// It is encrypted under another key.
    Wrapped { method: &'a KeyMethod, value: &'a [u8], under: Box<Way<'a>> },
    /// It is derived from a secret that is agreed.
    Agreed { derivation: &'a Derivation, peer: &'a PKey<Public>, decryptor: &'a dyn Decryptor },
    /// It is derived from a secret that both sides have.
    Derived { derivation: &'a Derivation, secret: &'a SharedSecret },
    /// It stands in the message.
    Plain(&'a KeyOctets),
}

impl Way<'_> {
    /// Whether an algorithm on the way is for reading old data only.
    pub(super) fn is_legacy(&self) -> bool {
        match self {
            Self::Transported { method, .. } => method.algorithm.is_legacy(),
            Self::Wrapped { method, under, .. } => {
                method.algorithm.is_legacy() || under.is_legacy()
            }
            Self::Secret(_) | Self::Agreed { .. } | Self::Derived { .. } | Self::Plain(_) => false,
        }
    }

    /// The key at the end, or one that opens nothing where there is none.
    pub(super) fn key(
        &self,
        length: usize,
        random: &mut dyn Random,
    ) -> Result<KeyOctets, EncryptionFault> {
        // What stands in is always made before anything is known, so that it takes no time of its own.
        let (instead, key) = match self {
            // Whether these have the right length is no secret.
            Self::Secret(secret) => (drawn(random, length)?, Ok(secret.octets.clone())),
            Self::Plain(key) => (drawn(random, length)?, Ok((*key).clone())),
            Self::Derived { derivation, secret } => {
                (drawn(random, length)?, derived(derivation, &secret.octets, length))
            }
            Self::Transported { method, value, decryptor } => {
                let instead = decryptor.rejection().key(method.algorithm.uri(), value, length)?;
                let padding = match method.algorithm {
                    KeyAlgorithm::Rsa15 => RsaPadding::Pkcs1 { instead: &instead },
                    _ => RsaPadding::Oaep {
                        digest: method.digest,
                        mask: method.mask,
                        label: &method.label,
                    },
                };
                let key = decryptor.unwrap_rsa(&padding, value);
                (instead, key)
            }
            Self::Wrapped { method, value, under } => {
                let wrapping = method.algorithm.wrapping_octets().unwrap_or_default();
                let wrapping = under.key(wrapping, random)?;
                let rejection = Rejection::of_wrapping(&wrapping)?;
                let instead = rejection.key(method.algorithm.uri(), value, length)?;
                let key = unwrap(method.algorithm, wrapping.octets(), value);
                (instead, key.ok_or(DecryptError::Refused))
            }
            Self::Agreed { derivation, peer, decryptor } => {
                let value = peer.public_key_to_der()?;
                let instead = decryptor.rejection().key("agreement", &value, length)?;
                let secret = decryptor.agree(peer);
                (instead, secret.and_then(|secret| derived(derivation, &secret, length)))
            }
        };
        match key {
            Ok(key) if key.octets().len() == length => Ok(key),
            Ok(_) | Err(DecryptError::Refused) => Ok(instead),
            Err(DecryptError::Unavailable(_)) => Err(EncryptionFault::KeyStore),
            // A matter of the method and the key store, not of the octets.
            Err(DecryptError::Unable(_)) => {
                let (place, rule) = (self.place(), NOT_WITH_THIS_KEY);
                Err(EncryptionFault::AlgorithmNotAllowed { place, rule })
            }
        }
    }

    /// Where the method is named.
    fn place(&self) -> Position {
        match self {
            Self::Transported { method, .. } | Self::Wrapped { method, .. } => method.place,
            Self::Agreed { derivation, .. } | Self::Derived { derivation, .. } => derivation.place,
            Self::Secret(_) | Self::Plain(_) => Position::default(),
        }
    }
}

fn drawn(random: &mut dyn Random, length: usize) -> Result<KeyOctets, EncryptionFault> {
    random_key(random, length).map_err(|_| EncryptionFault::KeyStore)
}

fn derived(
    derivation: &Derivation,
    secret: &KeyOctets,
    length: usize,
) -> Result<KeyOctets, DecryptError> {
    derive(derivation, secret.octets(), length).map_err(|_: ErrorStack| DecryptError::Refused)
}
