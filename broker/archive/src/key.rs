//! The keys of a log: Ed25519, named by the log's origin.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private, Public};

/// Longest name of a key, in octets.
pub const MAX_NAME: usize = 255;

/// The signature type of Ed25519 in a signed note (C2SP signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// Why a key is none.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name is empty, too long, or holds white space, a plus sign or control characters.
    #[error(
        "a key name has 1 to {MAX_NAME} octets without white space, plus or control characters"
    )]
    Name,
    /// Not `name+8 hexadecimal digits+base64`.
    #[error("a verifier key is written as name+8 hexadecimal digits+base64")]
    Form,
    /// The id in the text is not the one that follows from name and key.
    #[error("the key id does not belong to this name and key")]
    Id,
    /// Another algorithm than Ed25519.
    #[error("the key is not an Ed25519 key")]
    Algorithm,
    /// OpenSSL could not read or make the key.
    #[error("the key could not be read or made")]
    Crypto(#[from] ErrorStack),
}

/// The private key of a log. Its name is the log's origin.
#[derive(Clone)]
pub struct LogKey {
    key: PKey<Private>,
    verifier: VerifierKey,
}

impl LogKey {
    /// Makes a new key with the operating system's randomness, by way of OpenSSL.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        Self::new(name, PKey::generate_ed25519()?)
    }

    /// Reads an unencrypted PKCS#8 PEM file.
    pub fn from_pkcs8_pem(name: &str, pem: &[u8]) -> Result<Self, KeyError> {
        Self::new(name, PKey::private_key_from_pem(pem)?)
    }

    /// Writes PKCS#8 PEM. Whoever calls this is responsible for where it goes.
    pub fn to_pkcs8_pem(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self.key.private_key_to_pem_pkcs8()?)
    }

    /// The same key under another name: a new epoch of the same log.
    pub fn for_origin(&self, name: &str) -> Result<Self, KeyError> {
        Ok(Self { key: self.key.clone(), verifier: self.verifier.for_origin(name)? })
    }

    /// The name: the log's origin.
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs octets; 64 octets of signature.
    pub(crate) fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        openssl::sign::Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(octets)
    }

    fn new(name: &str, key: PKey<Private>) -> Result<Self, KeyError> {
        if key.id() != Id::ED25519 {
            return Err(KeyError::Algorithm);
        }
        let public = key.raw_public_key()?.try_into().map_err(|_| KeyError::Algorithm)?;
        let verifier = VerifierKey::from_public(name, public)?;
        Ok(Self { key, verifier })
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.verifier)
    }
}

/// The public key of a log: what a receiver of receipts needs, and compares once.
///
/// In text `name+id+base64(0x01 || key)`, the form other tools for signed notes use.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        // The base64 may itself hold plus signs; names and ids cannot.
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(KeyError::Form);
        };
        check_name(name)?;
        // 33 octets are 44 characters; longer texts need not be decoded to be refused.
        if key.len() != 44 {
            return Err(KeyError::Form);
        }
        let octets = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (&algorithm, public) = octets.split_first().ok_or(KeyError::Form)?;
        if algorithm != ED25519 {
            return Err(KeyError::Algorithm);
        }
        let public = public.try_into().map_err(|_| KeyError::Form)?;
        let key = Self::from_public(name, public)?;
        if id != hex(key.id()) {
            return Err(KeyError::Id);
        }
        Ok(key)
    }

    /// A key from its 32 octets (RFC 8032).
    pub fn from_public(name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), public })
    }

    /// The same key under another name: a new epoch of the same log.
    pub fn for_origin(&self, name: &str) -> Result<Self, KeyError> {
        Self::from_public(name, self.public)
    }

    /// The name: the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 octets of the key (RFC 8032).
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The first four octets of `SHA-256(name || 0x0A || 0x01 || key)`.
    pub fn id(&self) -> [u8; 4] {
        let mut sha = openssl::sha::Sha256::new();
        sha.update(self.name.as_bytes());
        sha.update(&[b'\n', ED25519]);
        sha.update(&self.public);
        let [a, b, c, d, ..] = sha.finish();
        [a, b, c, d]
    }

    /// The key as SubjectPublicKeyInfo in PEM, for `openssl pkeyutl -verify -rawin`.
    pub fn to_public_pem(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self.openssl()?.public_key_to_pem()?)
    }

    /// Whether `signature` is this key's over `octets`.
    pub(crate) fn verify(&self, octets: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let key = self.openssl()?;
        let mut verifier = openssl::sign::Verifier::new_without_digest(&key)?;
        // OpenSSL answers some malformed signatures with an error instead of "no", and leaves
        // it on the thread's error queue; the answer about the note is the same.
        Ok(verifier.verify_oneshot(signature, octets).unwrap_or(false))
    }

    fn openssl(&self) -> Result<PKey<Public>, ErrorStack> {
        PKey::public_key_from_raw_bytes(&self.public, Id::ED25519)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = vec![ED25519];
        octets.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, hex(self.id()), STANDARD.encode(octets))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// Names stand in a note's signature lines, so they follow C2SP's rule for them.
pub(crate) fn check_name(name: &str) -> Result<(), KeyError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > MAX_NAME || name.contains(bad) {
        return Err(KeyError::Name);
    }
    Ok(())
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key of the Go implementation's published example.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_published_key_is_read_and_written() {
        let key = VerifierKey::parse(PETER).expect("published key");
        assert_eq!(key.name(), "PeterNeumann");
        assert_eq!(key.to_string(), PETER);
    }

    #[test]
    fn no_part_of_a_key_is_a_key() {
        for start in 0..PETER.len() {
            for end in start..PETER.len() {
                if (start, end) != (0, PETER.len()) {
                    assert!(VerifierKey::parse(&PETER[start..end]).is_err(), "{start}..{end}");
                }
            }
        }
    }

    #[test]
    fn a_changed_octet_is_noticed() {
        for position in 0..PETER.len() {
            let mut octets = PETER.as_bytes().to_vec();
            octets[position] ^= 1;
            let text = String::from_utf8(octets).expect("ASCII");
            assert!(VerifierKey::parse(&text).is_err(), "octet {position}");
        }
    }

    #[test]
    fn private_keys_survive_pem_and_never_show() {
        let key = LogKey::generate("amtsbote/hub/1").expect("key");
        let pem = key.to_pkcs8_pem().expect("pem");
        let again = LogKey::from_pkcs8_pem("amtsbote/hub/1", &pem).expect("read again");
        assert_eq!(again.verifier(), key.verifier());
        let secret = String::from_utf8(pem).expect("PEM is text");
        let secret = secret.lines().nth(1).expect("second line").to_owned();
        assert!(!format!("{key:?}").contains(&secret));
    }

    #[test]
    fn other_algorithms_and_names_are_refused() {
        let rsa = openssl::rsa::Rsa::generate(2048).expect("rsa");
        let pem = PKey::from_rsa(rsa).expect("key").private_key_to_pem_pkcs8().expect("pem");
        assert!(matches!(LogKey::from_pkcs8_pem("a", &pem), Err(KeyError::Algorithm)));
        assert!(matches!(LogKey::from_pkcs8_pem("a", b"no key"), Err(KeyError::Crypto(_))));
        for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b", &"x".repeat(256)] {
            assert!(matches!(LogKey::generate(name), Err(KeyError::Name)), "{name:?}");
        }
    }

    #[test]
    fn another_epoch_has_another_id_and_the_same_key() {
        let first = LogKey::generate("amtsbote/hub/1").expect("key");
        let second = first.for_origin("amtsbote/hub/2").expect("key");
        assert_eq!(first.verifier().public(), second.verifier().public());
        assert_ne!(first.verifier().id(), second.verifier().id());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,120}") {
            let _ = VerifierKey::parse(&text);
        }

        #[test]
        fn any_near_text_is_answered(name in "[a-z+]{0,5}", id in "[0-9a-f]{7,9}", key in "[A-Za-z0-9+/=]{43,45}") {
            let _ = VerifierKey::parse(&format!("{name}+{id}+{key}"));
        }
    }
}
