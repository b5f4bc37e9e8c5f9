//! Plaintext in, ciphertext out, while it comes: for messages whose XML is written elsewhere.

use std::io::{self, Write};

use openssl::cipher_ctx::CipherCtx;

use super::algorithm::DataAlgorithm;
use super::decipher::TAG;
use super::recipient::{EncryptError, Recipient};
use super::secret::{KeyOctets, Random, random_key};

/// What is made here and nothing else.
pub(super) const DATA: DataAlgorithm = DataAlgorithm::Aes256Gcm;
/// Octets of plaintext that are encrypted at once.
const PIECE: usize = 64 * 1024;
/// NIST SP 800-38D, 5.2.1.1: most octets of one plaintext.
const MAX_PLAIN: u64 = (1 << 36) - 32;

/// Draws a key for AES-256-GCM and encrypts it for one recipient: RSAES-OAEP, with SHA-256 for the
/// label, which is empty, and for the mask. Use the key for one message.
pub fn transport_key(
    recipient: &Recipient,
    random: &mut dyn Random,
) -> Result<(KeyOctets, Vec<u8>), EncryptError> {
    let key = random_key(random, DATA.key_octets())?;
    let wrapped = recipient.transported(key.octets(), random)?;
    Ok((key, wrapped))
}

/// Encrypts with AES-256-GCM what is written to it: initialization vector, ciphertext, and with
/// [`Sealer::finish`] the tag. Without that call nobody can open what was written.
pub struct Sealer<W> {
    cipher: CipherCtx,
    sealed: Vec<u8>,
    rest: u64,
    out: W,
}

impl<W: Write> Sealer<W> {
    /// Octets that the ciphertext has more than the plaintext, but for the initialization vector.
    pub const TAG_OCTETS: usize = TAG;

    /// Draws the initialization vector, of 12 or 16 octets, and writes it.
    pub fn new(
        key: &KeyOctets,
        iv_octets: usize,
        random: &mut dyn Random,
        mut out: W,
    ) -> Result<Self, EncryptError> {
        let mut iv = vec![0; iv_octets];
        random.fill(&mut iv)?;
        let mut cipher = CipherCtx::new()?;
        cipher.encrypt_init(Some(DATA.cipher()), None, None)?;
        cipher.set_iv_length(iv_octets)?;
        cipher.encrypt_init(None, Some(key.octets()), Some(&iv))?;
        out.write_all(&iv)?;
        Ok(Self { cipher, sealed: Vec::new(), rest: MAX_PLAIN, out })
    }

    /// Takes plaintext.
    pub fn update(&mut self, plain: &[u8]) -> Result<(), EncryptError> {
        for piece in plain.chunks(PIECE) {
            self.rest = self.rest.checked_sub(piece.len() as u64).ok_or(EncryptError::TooLong)?;
            self.sealed.clear();
            self.cipher.cipher_update_vec(piece, &mut self.sealed)?;
            self.out.write_all(&self.sealed)?;
        }
        Ok(())
    }

    /// Writes the tag and gives back where it was written to.
    pub fn finish(mut self) -> Result<W, EncryptError> {
        self.cipher.cipher_final(&mut [])?;
        let mut tag = [0; TAG];
        self.cipher.tag(&mut tag)?;
        self.out.write_all(&tag)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, plain: &[u8]) -> io::Result<usize> {
        match self.update(plain) {
            Ok(()) => Ok(plain.len()),
            Err(EncryptError::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W> std::fmt::Debug for Sealer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}
