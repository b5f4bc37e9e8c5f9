//! What signing requests needs, by OpenSSL: SHA-256 and HMAC, nothing else.

use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use object_store::{Error, Result};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::Sha256;

/// OpenSSL, which is the one crypto library here.
#[derive(Debug)]
pub(super) struct OpenSsl;

impl CryptoProvider for OpenSsl {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Hash { state: Sha256::new(), digest: [0; 32] })),
            _ => Err(not_known()),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let (secret, octets, code) = (secret.to_owned(), Vec::new(), Vec::new());
                Ok(Box::new(Hmac { secret, octets, code }))
            }
            _ => Err(not_known()),
        }
    }

    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> Result<Box<dyn Signer>> {
        Err(not_known())
    }
}

struct Hash {
    state: Sha256,
    digest: [u8; 32],
}

impl DigestContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.digest = self.state.clone().finish();
        Ok(&self.digest)
    }
}

/// Over what is short: the text that a request is signed by.
struct Hmac {
    secret: Vec<u8>,
    octets: Vec<u8>,
    code: Vec<u8>,
}

impl HmacContext for Hmac {
    fn update(&mut self, data: &[u8]) {
        self.octets.extend_from_slice(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        let key = PKey::hmac(&self.secret).map_err(failed)?;
        let signed = openssl::sign::Signer::new(MessageDigest::sha256(), &key)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(&self.octets));
        self.code = signed.map_err(failed)?;
        Ok(&self.code)
    }
}

impl Drop for Hmac {
    fn drop(&mut self) {
        self.secret.fill(0);
        std::hint::black_box(&mut self.secret);
    }
}

fn failed(error: ErrorStack) -> Error {
    Error::Generic { store: "OpenSSL", source: Box::new(error) }
}

fn not_known() -> Error {
    Error::NotSupported { source: "no such algorithm".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// RFC 4231, test case 2; FIPS 180-2, appendix B.1.
    #[test]
    fn published_vectors_agree() {
        let mut hmac = OpenSsl.hmac(DigestAlgorithm::Sha256, b"Jefe").expect("an HMAC");
        hmac.update(b"what do ya want ");
        hmac.update(b"for nothing?");
        assert_eq!(
            hex(hmac.finish().expect("a code")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let mut digest = OpenSsl.digest(DigestAlgorithm::Sha256).expect("a digest");
        digest.update(b"a");
        digest.update(b"bc");
        assert_eq!(
            hex(digest.finish().expect("a digest")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
