//! The least that any hub must do for a message in its place: SHA-256 over all of it, one signature
//! verified, one made.

use anyhow::ensure;
use openssl::ec::{EcGroup, EcKey};
use openssl::md::Md;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sha::sha256;

use crate::bench::processor_seconds;

/// Who signed the message; the hub itself signs with P-256 in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    P256,
    Rsa3072,
}

impl Author {
    pub(super) const BOTH: [Self; 2] = [Self::P256, Self::Rsa3072];

    /// As tables and programs name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::Rsa3072 => "rsa3072",
        }
    }
}

/// Keys, and a signature of the Author.
pub(super) struct Crypto {
    author: PKey<Private>,
    is_rsa: bool,
    value: Vec<u8>,
    hub: PKey<Private>,
    message: Vec<u8>,
}

impl Crypto {
    /// Over a message of so many octets.
    pub(super) fn new(author: Author, octets: usize) -> anyhow::Result<Self> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let curve = || PKey::from_ec_key(EcKey::generate(&group)?);
        let is_rsa = author == Author::Rsa3072;
        let author = if is_rsa { PKey::from_rsa(Rsa::generate(3072)?)? } else { curve()? };
        let message = vec![b'.'; octets];
        let value = sign(&author, &sha256(&message))?;
        Ok(Self { author, is_rsa, value, hub: curve()?, message })
    }

    /// Milliseconds of processor time for one message, over so many.
    pub(super) fn cpu_ms(&self, times: u32) -> anyhow::Result<f64> {
        let begun = processor_seconds();
        for _ in 0..times {
            self.once()?;
        }
        Ok((processor_seconds() - begun) * 1_000.0 / f64::from(times))
    }

    fn once(&self) -> anyhow::Result<()> {
        let digest = sha256(&self.message);
        let mut context = PkeyCtx::new(&self.author)?;
        context.verify_init()?;
        if self.is_rsa {
            context.set_rsa_padding(Padding::PKCS1)?;
        }
        context.set_signature_md(Md::sha256())?;
        ensure!(context.verify(&digest, &self.value)?, "the floor does not verify");
        std::hint::black_box(sign(&self.hub, &digest)?);
        Ok(())
    }
}

fn sign(key: &PKey<Private>, digest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut context = PkeyCtx::new(key)?;
    context.sign_init()?;
    context.set_signature_md(Md::sha256())?;
    let mut value = Vec::new();
    context.sign_to_vec(digest, &mut value)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_verifies_what_it_measures() {
        for author in Author::BOTH {
            let mut crypto = Crypto::new(author, 100).expect("keys");
            assert!(crypto.cpu_ms(3).expect("it holds") > 0.0, "{author:?}");
            crypto.message.push(b'!');
            crypto.cpu_ms(1).expect_err("another message");
        }
    }
}
