//! Keys sealed under keys (AES-256-GCM, random nonce), and the file of a wrapping key.
//!
//! The file: eight octets of name and version, the fingerprint of the master key, the key's id
//! with its length in front, nonce, sealed key, tag. The tag covers everything: a file fits one
//! key of one tenant in one period, and no other place.

use std::fmt;
use std::hint::black_box;

use amtsbote_domain::wrapping::KeyId;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;
use openssl::sha::Sha256;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};

use crate::master::MasterKey;

const NONCE: usize = 12;
const TAG: usize = 16;
/// Octets of a wrapped key: nonce, sealed key, tag.
const WRAPPED: usize = NONCE + 32 + TAG;
/// Name and version of the format.
const MAGIC: [u8; 8] = *b"ABwrapk\x01";
/// Octets by which a file names its master key.
pub(super) const MASTER_BYTES: usize = 16;
/// Longest file: an id is a party of 255 octets and some more.
pub(super) const MAX_FILE_BYTES: u64 = 1024;

/// Which master key: the beginning of its fingerprint.
pub(super) type MasterName = [u8; MASTER_BYTES];

/// 32 octets of a key, overwritten when dropped.
pub(super) struct Key(pub(super) [u8; 32]);

impl Key {
    pub(super) fn random() -> Result<Self, ErrorStack> {
        let mut key = Self([0; 32]);
        rand_bytes(&mut key.0)?;
        Ok(key)
    }

    /// What stands in its id. From 256 random bits nothing leads back from it.
    pub(super) fn fingerprint(&self) -> [u8; KeyId::FINGERPRINT_BYTES] {
        let mut hash = Sha256::new();
        hash.update(b"amtsbote-wrapping-key-v1\n");
        hash.update(&self.0);
        let mut print = [0; KeyId::FINGERPRINT_BYTES];
        print.copy_from_slice(&hash.finish()[..KeyId::FINGERPRINT_BYTES]);
        print
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without this the compiler may leave the overwriting out: nobody reads it afterwards.
        black_box(&mut self.0);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Seals a key under another, bound to `context`.
pub(super) fn wrap(
    under: &[u8; 32],
    context: &[u8],
    key: &[u8; 32],
) -> Result<Vec<u8>, ErrorStack> {
    let mut nonce = [0; NONCE];
    rand_bytes(&mut nonce)?;
    let mut tag = [0; TAG];
    let cipher = Cipher::aes_256_gcm();
    let sealed = encrypt_aead(cipher, under, Some(&nonce), context, key, &mut tag)?;
    Ok([&nonce[..], &sealed, &tag].concat())
}

/// The key sealed by [`wrap`]; none when anything about it was changed.
pub(super) fn unwrap(under: &[u8; 32], context: &[u8], wrapped: &[u8]) -> Option<Key> {
    if wrapped.len() != WRAPPED {
        return None;
    }
    let (nonce, rest) = wrapped.split_at(NONCE);
    let (sealed, tag) = rest.split_at(32);
    let cipher = Cipher::aes_256_gcm();
    let mut plain = decrypt_aead(cipher, under, Some(nonce), context, sealed, tag).ok()?;
    let key = <[u8; 32]>::try_from(&plain[..]).ok().map(Key);
    plain.fill(0);
    black_box(&mut plain);
    key
}

/// The name of a master key in files.
pub(super) fn master_name(master: &MasterKey) -> MasterName {
    let mut name = [0; MASTER_BYTES];
    name.copy_from_slice(&master.fingerprint().0[..MASTER_BYTES]);
    name
}

/// The file of a wrapping key.
pub(super) fn to_file(master: &MasterKey, id: &KeyId, key: &Key) -> Result<Vec<u8>, ErrorStack> {
    let text = id.to_string();
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut file = [&MAGIC[..], &master_name(master), &length, text.as_bytes()].concat();
    let sealed = wrap(master.octets(), &file, &key.0)?;
    file.extend_from_slice(&sealed);
    Ok(file)
}

/// A file as it says itself to be. Nothing of it is proven before it is opened.
pub(super) struct Sealed<'f> {
    pub(super) id: KeyId,
    pub(super) master: MasterName,
    head: &'f [u8],
    sealed: &'f [u8],
}

impl<'f> Sealed<'f> {
    /// Reads the head; none where it is torn or something else.
    pub(super) fn parse(file: &'f [u8]) -> Option<Self> {
        let rest = file.strip_prefix(&MAGIC)?;
        let (master, rest) = rest.split_first_chunk::<MASTER_BYTES>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (text, sealed) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let id = KeyId::parse(std::str::from_utf8(text).ok()?)?;
        let head = &file[..file.len() - sealed.len()];
        (sealed.len() == WRAPPED).then_some(Self { id, master: *master, head, sealed })
    }

    /// The key, if this master key sealed it and it is the one that its id names.
    pub(super) fn open(&self, master: &MasterKey) -> Option<Key> {
        unwrap(master.octets(), self.head, self.sealed)
            .filter(|key| key.fingerprint() == *self.id.fingerprint())
    }
}
