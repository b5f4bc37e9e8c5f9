//! Key octets that are wiped when nobody needs them any more.

use std::fmt;
use std::hint::black_box;

use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;

/// 32 octets of key material, overwritten on drop. Never shown.
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// A fresh random one.
    pub(crate) fn random() -> Result<Self, ErrorStack> {
        let mut secret = Self([0; 32]);
        rand_bytes(&mut secret.0)?;
        Ok(secret)
    }

    /// From given octets.
    pub(crate) fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The octets, for a cipher.
    pub(crate) fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// The octets, for whoever fills them.
    pub(crate) fn octets_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without this the compiler may leave the overwriting out: nobody reads it afterwards.
        black_box(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new([0xAB; 32])), "Secret(..)");
    }
}
