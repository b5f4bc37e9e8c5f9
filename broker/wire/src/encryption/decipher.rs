//! Ciphertext in, plaintext into a spool: any length in bounded memory.
//!
//! The initialization vector comes first. The last octets are held back until the end is known:
//! with AES-GCM they are the tag, with chained blocks the block that holds the padding. Once
//! something is wrong the work goes on all the same, and only the end says so.

use std::io::{self, Write};

use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

use super::algorithm::DataAlgorithm;
use super::fault::EncryptionFault;
use super::secret::KeyOctets;

/// Octets of the tag of AES-GCM (XML Encryption 1.1, 5.2.4).
pub(super) const TAG: usize = 16;

/// Decrypts into a spool that nobody reads before the end.
pub(super) struct Decipher<W> {
    algorithm: DataAlgorithm,
    key: KeyOctets,
    iv_length: usize,
    cipher: CipherCtx,
    started: bool,
    held: Vec<u8>,
    plain: Vec<u8>,
    spool: W,
    /// Octets of ciphertext given to the cipher.
    deciphered: u64,
    written: u64,
    rest: u64,
    broken: bool,
    full: Option<io::Error>,
}

/// Whether plaintext is known to be what was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Its tag has verified.
    Verified,
    /// The algorithm has no tag: what is wrong with the plaintext may be the work of somebody who
    /// tries to learn it.
    Unknown,
}

/// What the spool holds may be read: the tag has verified, or the algorithm has none.
#[derive(Debug)]
pub struct Released<W> {
    spool: W,
    octets: u64,
    integrity: Integrity,
}

impl<W> Released<W> {
    /// The spool, with all of the plaintext in it and nothing else.
    pub fn into_inner(self) -> W {
        self.spool
    }

    /// Octets of plaintext.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether a tag vouches for the plaintext: [`super::read_plaintext`] wants to know.
    pub fn integrity(&self) -> Integrity {
        self.integrity
    }
}

impl<W: Write> Decipher<W> {
    /// `limit` is the number of octets of ciphertext that are taken.
    pub(super) fn new(
        algorithm: DataAlgorithm,
        key: KeyOctets,
        iv_length: usize,
        limit: u64,
        spool: W,
    ) -> Result<Self, ErrorStack> {
        Ok(Self {
            algorithm,
            key,
            iv_length,
            cipher: CipherCtx::new()?,
            started: false,
            held: Vec::new(),
            plain: Vec::new(),
            spool,
            deciphered: 0,
            written: 0,
            rest: limit,
            broken: false,
            full: None,
        })
    }

    /// Octets held back: the tag, or the last block.
    fn reserve(&self) -> usize {
        if self.algorithm.is_legacy() { self.algorithm.cipher().block_size() } else { TAG }
    }

    /// Takes ciphertext. Says whether the limit holds; nothing more should come if it does not.
    pub(super) fn update(&mut self, octets: &[u8]) -> bool {
        let Some(rest) = self.rest.checked_sub(octets.len() as u64) else { return false };
        self.rest = rest;
        self.held.extend_from_slice(octets);
        if !self.started && self.held.len() >= self.iv_length {
            self.started = true;
            self.broken |= self.start().is_err();
        }
        if self.started && self.held.len() > self.reserve() {
            let ready = self.held.len() - self.reserve();
            self.broken |= self.decrypt(ready).is_err();
        }
        true
    }

    /// Says that the ciphertext is none.
    pub(super) fn spoil(&mut self) {
        self.broken = true;
    }

    fn start(&mut self) -> Result<(), ErrorStack> {
        let cipher = self.algorithm.cipher();
        self.cipher.decrypt_init(Some(cipher), None, None)?;
        if self.algorithm.is_legacy() {
            self.cipher.set_padding(false);
        } else {
            self.cipher.set_iv_length(self.iv_length)?;
        }
        let iv = &self.held[..self.iv_length];
        self.cipher.decrypt_init(None, Some(self.key.octets()), Some(iv))?;
        self.held.drain(..self.iv_length);
        Ok(())
    }

    /// Decrypts the first `ready` octets of those held.
    fn decrypt(&mut self, ready: usize) -> Result<(), ErrorStack> {
        self.plain.clear();
        self.deciphered += ready as u64;
        let decrypted = self.cipher.cipher_update_vec(&self.held[..ready], &mut self.plain);
        self.held.drain(..ready);
        decrypted?;
        self.put(self.plain.len());
        Ok(())
    }

    fn put(&mut self, length: usize) {
        if self.full.is_none() {
            self.full = self.spool.write_all(&self.plain[..length]).err();
            self.written += length as u64;
        }
    }

    /// The ciphertext has ended. Gives the spool back, or drops it.
    pub(super) fn finish(mut self) -> Result<Released<W>, EncryptionFault> {
        let whole = self.started && self.held.len() == self.reserve();
        let ended =
            whole && if self.algorithm.is_legacy() { self.last_block() } else { self.tag() };
        if let Some(error) = self.full {
            return Err(EncryptionFault::Spool(error));
        }
        if self.broken || !ended {
            return Err(EncryptionFault::Undecryptable);
        }
        self.spool.flush().map_err(EncryptionFault::Spool)?;
        let integrity =
            if self.algorithm.is_legacy() { Integrity::Unknown } else { Integrity::Verified };
        Ok(Released { spool: self.spool, octets: self.written, integrity })
    }

    fn tag(&mut self) -> bool {
        // OpenSSL compares in constant time.
        let tag = self.cipher.set_tag(&self.held);
        tag.and_then(|()| self.cipher.cipher_final(&mut [])).is_ok()
    }

    /// XML Encryption 1.1, 5.2: the last octet of the last block says how many octets are padding,
    /// itself included; the others may be anything.
    fn last_block(&mut self) -> bool {
        let block = self.held.len();
        self.plain.clear();
        let decrypted = self.cipher.cipher_update_vec(&self.held, &mut self.plain);
        // What came before must be a whole number of blocks.
        let aligned = self.deciphered.is_multiple_of(block as u64);
        if decrypted.is_err() || !aligned || self.plain.len() != block {
            return false;
        }
        let padding = self.plain.last().map_or(0, |last| usize::from(*last));
        let right = (1..=block).contains(&padding);
        self.put(if right { block - padding } else { 0 });
        right
    }
}
