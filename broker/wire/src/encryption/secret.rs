//! Octets of keys, overwritten when nobody needs them any more.

use std::fmt;
use std::hint::black_box;

/// Key octets; overwritten on drop, never shown.
#[derive(Clone)]
pub struct KeyOctets(Vec<u8>);

impl KeyOctets {
    /// From given octets.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets, for a cipher.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for KeyOctets {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without this the compiler may leave the overwriting out: nobody reads it afterwards.
        black_box(&mut self.0);
    }
}

impl fmt::Debug for KeyOctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyOctets(..)")
    }
}

/// A source of random octets. Nothing here has one of its own: the caller hands it in, and a test
/// hands in one that it knows.
pub trait Random {
    /// Fills all of `octets`.
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), NoRandomness>;
}

impl<F: FnMut(&mut [u8]) -> Result<(), NoRandomness>> Random for F {
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), NoRandomness> {
        self(octets)
    }
}

/// The source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random octets can be had")]
pub struct NoRandomness;

pub(super) fn random_key(
    random: &mut dyn Random,
    length: usize,
) -> Result<KeyOctets, NoRandomness> {
    let mut key = KeyOctets(vec![0; length]);
    random.fill(&mut key.0)?;
    Ok(key)
}
