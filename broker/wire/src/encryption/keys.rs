//! The key port: who decrypts, and OpenSSL keys as one who does.

use openssl::derive::Deriver;
use openssl::encrypt::Decrypter;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, PKeyRef, Private, Public};
use openssl::rsa::Padding;
use openssl::x509::X509;

use super::rejection::Rejection;
use super::secret::KeyOctets;
use crate::signature::DigestAlgorithm;

/// A private key that decrypts, wherever it lies.
pub trait Decryptor {
    /// The DER of the certificate that goes with the key.
    fn certificate_der(&self) -> &[u8];

    /// The name by which `KeyName` means it, where one is agreed.
    fn key_name(&self) -> Option<&str> {
        None
    }

    /// Whether the key is ever used in this way. It is asked before anything of a message is given to
    /// the key; the answer depends on key and store, and never changes.
    fn can(&self, _: KeyUse) -> bool {
        true
    }

    /// What follows from octets that hold no key. Bound to the private key, and the same for all
    /// handles of it: see [`Rejection`].
    fn rejection(&self) -> &Rejection;

    /// Decrypts the octets of a key with RSA.
    fn unwrap_rsa(
        &self,
        padding: &RsaPadding<'_>,
        wrapped: &[u8],
    ) -> Result<KeyOctets, DecryptError>;

    /// The secret that is agreed with the holder of `peer`, who uses the same curve.
    fn agree(&self, peer: &PKeyRef<Public>) -> Result<KeyOctets, DecryptError>;
}

/// A way to use a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// RSAES-OAEP.
    Oaep {
        /// Of the label.
        digest: DigestAlgorithm,
        /// Of the mask, MGF1.
        mask: DigestAlgorithm,
    },
    /// RSAES-PKCS1-v1_5.
    Pkcs1,
    /// Key agreement.
    Agree,
}

/// How the octets of a key were padded before RSA.
#[derive(Clone, Debug)]
pub enum RsaPadding<'a> {
    /// RSAES-OAEP (RFC 8017, 7.1).
    Oaep {
        /// Of the label.
        digest: DigestAlgorithm,
        /// Of the mask, MGF1.
        mask: DigestAlgorithm,
        /// The label; usually empty.
        label: &'a [u8],
    },
    /// RSAES-PKCS1-v1_5 (RFC 8017, 7.2). Whoever can tell a wrong padding from a right one can
    /// decrypt everything (Bleichenbacher). So a wrong padding is no error: the answer is
    /// `instead` then, after the same steps.
    Pkcs1 {
        /// What is given out for anything else than a right padding around as many octets.
        instead: &'a KeyOctets,
    },
}

/// Why there is no key. The message learns nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The octets are none for this key.
    #[error("not for this key")]
    Refused,
    /// The key store cannot be used at present: the same may succeed later.
    #[error("the key store cannot be used: {0}")]
    Unavailable(String),
    /// The key is never used in this way, whatever the octets. The same fails always.
    #[error("not with this key: {0}")]
    Unable(String),
}

/// The private key does not belong to the certificate, or is of a kind that does not decrypt.
#[derive(Debug, thiserror::Error)]
pub enum UnsuitableKey {
    /// The key belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    KeyOfAnother,
    /// Neither RSA nor a key for agreement.
    #[error("the key must be RSA, or one of a curve for key agreement")]
    Kind,
    /// The library failed.
    #[error("the key could not be used: {0}")]
    Library(#[from] ErrorStack),
}

/// A private key in memory with its certificate.
pub struct OpensslDecryptor {
    key: PKey<Private>,
    certificate: Vec<u8>,
    name: Option<String>,
    rejection: Rejection,
}

impl OpensslDecryptor {
    /// Takes a key and its certificate, which must belong together.
    pub fn new(key: PKey<Private>, certificate: &X509) -> Result<Self, UnsuitableKey> {
        if ![Id::RSA, Id::EC, Id::X25519, Id::X448].contains(&key.id()) {
            return Err(UnsuitableKey::Kind);
        }
        if !certificate.public_key()?.public_eq(&key) {
            return Err(UnsuitableKey::KeyOfAnother);
        }
        let rejection = Rejection::of_key(&key)?;
        Ok(Self { key, certificate: certificate.to_der()?, name: None, rejection })
    }

    /// Gives it a name that `KeyName` may use.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn oaep(
        &self,
        (digest, mask): (DigestAlgorithm, DigestAlgorithm),
        label: &[u8],
        wrapped: &[u8],
    ) -> Result<KeyOctets, ErrorStack> {
        let mut decrypter = Decrypter::new(&self.key)?;
        decrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
        decrypter.set_rsa_oaep_md(digest.message_digest())?;
        decrypter.set_rsa_mgf1_md(mask.message_digest())?;
        if !label.is_empty() {
            decrypter.set_rsa_oaep_label(label)?;
        }
        let mut octets = vec![0; decrypter.decrypt_len(wrapped)?];
        let length = decrypter.decrypt(wrapped, &mut octets)?;
        octets.truncate(length);
        Ok(KeyOctets::new(octets))
    }

    fn pkcs1(&self, instead: &KeyOctets, wrapped: &[u8]) -> Result<KeyOctets, ErrorStack> {
        let rsa = self.key.rsa()?;
        let mut block = vec![0; rsa.size() as usize];
        // Without padding OpenSSL looks at none, and its own implicit rejection (3.2 and later, or
        // put into older ones by a distribution) has no say: the answer is the same with all of them.
        rsa.private_decrypt(wrapped, &mut block, Padding::NONE)?;
        let key = unpadded(&block, instead.octets());
        drop(KeyOctets::new(block));
        Ok(KeyOctets::new(key))
    }
}

/// The octets inside a block of RSAES-PKCS1-v1_5, which must be as many as those of `instead`;
/// else those. Every octet is looked at, and none decides which way the code goes.
fn unpadded(block: &[u8], instead: &[u8]) -> Vec<u8> {
    // 0x00 0x02, at least eight octets that are not zero, 0x00, the key.
    let Some(start) = block.len().checked_sub(instead.len()).filter(|start| *start >= 11) else {
        return instead.to_vec();
    };
    let (padding, key) = block.split_at(start);
    let zero = |octet: u8| (u16::from(octet).wrapping_sub(1) >> 8) as u8;
    let mut wrong = padding[0] | (padding[1] ^ 2) | padding[start - 1];
    for octet in &padding[2..start - 1] {
        wrong |= zero(*octet);
    }
    // All ones where anything was wrong.
    let mask = std::hint::black_box(!zero(wrong));
    key.iter().zip(instead).map(|(key, instead)| (key & !mask) | (instead & mask)).collect()
}

impl Decryptor for OpensslDecryptor {
    fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    fn key_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn rejection(&self) -> &Rejection {
        &self.rejection
    }

    fn unwrap_rsa(
        &self,
        padding: &RsaPadding<'_>,
        wrapped: &[u8],
    ) -> Result<KeyOctets, DecryptError> {
        match *padding {
            RsaPadding::Oaep { digest, mask, label } => self.oaep((digest, mask), label, wrapped),
            RsaPadding::Pkcs1 { instead } => self.pkcs1(instead, wrapped),
        }
        .map_err(|_| DecryptError::Refused)
    }

    fn agree(&self, peer: &PKeyRef<Public>) -> Result<KeyOctets, DecryptError> {
        let secret = || {
            let mut deriver = Deriver::new(&self.key)?;
            // Refuses a peer on another curve, or none at all.
            deriver.set_peer(peer)?;
            deriver.derive_to_vec()
        };
        secret().map(KeyOctets::new).map_err(|_: ErrorStack| DecryptError::Refused)
    }
}

impl std::fmt::Debug for OpensslDecryptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpensslDecryptor").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A secret that both sides have: a key, or what keys are derived from.
#[derive(Clone, Debug)]
pub struct SharedSecret {
    /// Its name; one without is used where the message names none.
    pub name: Option<String>,
    /// Its octets.
    pub octets: KeyOctets,
}

/// The public key of another side that is known by a name.
#[derive(Clone, Debug)]
pub struct KnownOriginator {
    /// The name in `OriginatorKeyInfo`.
    pub name: String,
    /// The key.
    pub key: PKey<Public>,
}

/// All the keys that one message may be opened with.
#[derive(Clone, Copy, Default)]
pub struct Keys<'a> {
    /// Private keys.
    pub decryptors: &'a [&'a dyn Decryptor],
    /// Shared secrets.
    pub secrets: &'a [SharedSecret],
    /// Public keys of others that messages mention by name.
    pub originators: &'a [KnownOriginator],
}

impl<'a> Keys<'a> {
    /// Private keys only.
    pub fn of(decryptors: &'a [&'a dyn Decryptor]) -> Self {
        Self { decryptors, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_padding_gives_the_other_key() {
        let (key, instead) = ([7; 16], [9; 16]);
        let block: Vec<u8> = [&[0, 2][..], &[1; 45], &[0], &key].concat();
        assert_eq!(block.len(), 64);
        assert_eq!(unpadded(&block, &instead), key);
        for (at, octet) in [(0, 1), (1, 1), (1, 0), (2, 0), (20, 0), (46, 0), (47, 1)] {
            let mut wrong = block.clone();
            wrong[at] = octet;
            assert_eq!(unpadded(&wrong, &instead), instead, "{at}");
        }
        // Right for 16 octets, not for 24; and too short for any.
        assert_eq!(unpadded(&block, &[9; 24]), [9; 24]);
        assert_eq!(unpadded(&block[..20], &instead), instead);
    }
}
