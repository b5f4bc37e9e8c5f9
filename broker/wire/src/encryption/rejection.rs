//! Implicit rejection: the key that stands in where encrypted octets hold none.
//!
//! A key drawn anew for every attempt would tell a wrong padding from a right one to whoever sends
//! the same octets twice: with a right one the plaintext stays, with a wrong one it changes. So the
//! key that stands in follows from a secret and the octets. OpenSSL does the same since 3.2; nothing
//! here depends on its version, for blocks of RSAES-PKCS1-v1_5 are decrypted without padding and read
//! in this crate.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::sign::Signer;

use super::secret::KeyOctets;

/// Keeps the secrets of this use apart from all others.
const PURPOSE: &[u8] = b"amtsbote implicit rejection 1";

/// A secret that belongs to one private key, from which keys follow that open nothing.
///
/// Whoever knows it can tell a wrong padding from a right one: it is as secret as the key.
#[derive(Debug)]
pub struct Rejection(KeyOctets);

impl Rejection {
    /// Follows from the octets of a private key, so that it is the same in every process and after
    /// every start.
    pub fn of_key(key: &PKeyRef<Private>) -> Result<Self, ErrorStack> {
        let octets = KeyOctets::new(key.private_key_to_pkcs8()?);
        Ok(Self(prf(PURPOSE, &[octets.octets()])?))
    }

    /// For a private key whose octets nobody sees: follows from a secret of 32 octets or more that
    /// was drawn at random, and from the certificate. It is the same as long as the secret is.
    pub fn of_secret(secret: &KeyOctets, certificate_der: &[u8]) -> Result<Self, ErrorStack> {
        Ok(Self(prf(secret.octets(), &[PURPOSE, certificate_der])?))
    }

    /// From a key that wraps others.
    pub(super) fn of_wrapping(key: &KeyOctets) -> Result<Self, ErrorStack> {
        Ok(Self(prf(PURPOSE, &[b"wrapping", key.octets()])?))
    }

    /// The key of `length` octets that stands in for what `value` should hold, decrypted in the way
    /// that `method` names. Always the same for the same.
    pub(super) fn key(
        &self,
        method: &str,
        value: &[u8],
        length: usize,
    ) -> Result<KeyOctets, ErrorStack> {
        let said = (length as u64).to_be_bytes();
        let mut key = Vec::with_capacity(length + 32);
        let mut counter = 0_u32;
        while key.len() < length {
            counter += 1;
            let context = [method.as_bytes(), value, &said, &counter.to_be_bytes()];
            key.extend_from_slice(prf(self.0.octets(), &context)?.octets());
        }
        key.truncate(length);
        Ok(KeyOctets::new(key))
    }
}

/// HMAC-SHA-256 over the pieces, each with its length before it.
fn prf(key: &[u8], pieces: &[&[u8]]) -> Result<KeyOctets, ErrorStack> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    for piece in pieces {
        signer.update(&(piece.len() as u64).to_be_bytes())?;
        signer.update(piece)?;
    }
    Ok(KeyOctets::new(signer.sign_to_vec()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EC, RSA};

    #[test]
    fn the_key_follows_from_key_octets_method_and_length() {
        let key = |rejection: &Rejection, method, value: &[u8], length| {
            rejection.key(method, value, length).expect("a key").octets().to_vec()
        };
        let own = Rejection::of_key(&RSA.key).expect("a secret");
        let one = key(&own, "a", b"xy", 40);
        assert_eq!(one.len(), 40);
        let again = Rejection::of_key(&RSA.key).expect("a secret");
        assert_eq!(key(&again, "a", b"xy", 40), one, "in every process");
        let other = Rejection::of_key(&EC.key).expect("a secret");
        let secret = KeyOctets::new(vec![7; 32]);
        let token = |certificate| Rejection::of_secret(&secret, certificate).expect("a secret");
        let all = [
            one[..32].to_vec(),
            one[8..].to_vec(),
            key(&own, "a", b"xy", 32),
            key(&own, "a", b"xz", 32),
            key(&own, "b", b"xy", 32),
            key(&own, "ax", b"y", 32),
            key(&other, "a", b"xy", 32),
            key(&token(b"a"), "a", b"xy", 32),
            key(&token(b"b"), "a", b"xy", 32),
            key(&Rejection::of_wrapping(&secret).expect("a secret"), "a", b"xy", 32),
        ];
        for (n, key) in all.iter().enumerate() {
            assert!(!all[..n].contains(key), "{n}");
        }
        assert!(key(&own, "a", b"xy", 0).is_empty());
        assert_eq!(format!("{own:?}"), "Rejection(KeyOctets(..))");
    }
}
