//! Keys of a token as ones that decrypt.

use std::fmt;
use std::sync::{Arc, OnceLock};

use amtsbote_wire::encryption::{
    DecryptError, Decryptor, KeyOctets, KeyUse, Rejection, RsaPadding,
};
use amtsbote_wire::signature::DigestAlgorithm;
use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::rsa::{PkcsOaepParams, PkcsOaepSource};
use openssl::encrypt::Encrypter;
use openssl::pkey::{PKeyRef, Public};
use openssl::rand::rand_bytes;
use openssl::rsa::Padding;

use crate::error::TrustError;

use super::handles::mechanism;
use super::objects::KeyObject;
use super::sessions::{Sessions, Trouble, reason};

/// A key of a token that decrypts: RSA-OAEP and nothing else.
pub(super) struct TokenDecryptor {
    sessions: Arc<Sessions>,
    key: KeyObject,
    certificate: Vec<u8>,
    rejection: Rejection,
}

impl TokenDecryptor {
    pub(super) fn new(sessions: Arc<Sessions>, key: KeyObject) -> Result<Self, TrustError> {
        let certificate = key.certificate()?.der().to_vec();
        if !key.abilities().decrypt {
            return Err(TrustError::UnsuitableKey);
        }
        let rejection = Rejection::of_secret(secret()?, &certificate)?;
        Ok(Self { sessions, key, certificate, rejection })
    }
}

/// The octets of a token's key are out of reach, so what follows from wrong ones hangs on a secret of
/// this process: the same for all handles until it ends, and another one afterwards.
fn secret() -> Result<&'static KeyOctets, TrustError> {
    static SECRET: OnceLock<KeyOctets> = OnceLock::new();
    if let Some(secret) = SECRET.get() {
        return Ok(secret);
    }
    let mut octets = vec![0; 32];
    rand_bytes(&mut octets)?;
    Ok(SECRET.get_or_init(|| KeyOctets::new(octets)))
}

impl Decryptor for TokenDecryptor {
    fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// RSA 1.5 is left out: whether a token tells a wrong padding from a right one, by its answer or
    /// by its time, is not ours to say.
    fn can(&self, wanted: KeyUse) -> bool {
        match wanted {
            KeyUse::Oaep { digest, mask } => {
                mechanism(digest).is_some() && mechanism(mask).is_some()
            }
            KeyUse::Pkcs1 | KeyUse::Agree => false,
        }
    }

    fn rejection(&self) -> &Rejection {
        &self.rejection
    }

    fn unwrap_rsa(
        &self,
        padding: &RsaPadding<'_>,
        wrapped: &[u8],
    ) -> Result<KeyOctets, DecryptError> {
        let RsaPadding::Oaep { digest, mask, label } = *padding else {
            return Err(unable("RSA 1.5 with a key in a token"));
        };
        let (Some((hash, _)), Some((_, mgf))) = (mechanism(digest), mechanism(mask)) else {
            return Err(unable("RSA-OAEP with this digest"));
        };
        // Tokens answer octets of another length in all sorts of ways.
        if wrapped.len() != self.key.facts().bits.div_ceil(8) as usize {
            return Err(DecryptError::Refused);
        }
        let source = match label {
            [] => PkcsOaepSource::empty(),
            label => PkcsOaepSource::data_specified(label),
        };
        let mechanism = Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, source));
        let opened = self.sessions.try_with(|session| {
            let key = self.key.handle(session)?;
            let decrypt = |octets: &[u8]| session.decrypt(&mechanism, key, octets);
            opened(decrypt, wrapped, || self.sample((digest, mask), label))
        });
        match opened {
            Ok(Some(key)) => Ok(KeyOctets::new(key)),
            Ok(None) => Err(DecryptError::Refused),
            Err(trouble) => Err(failed(trouble)),
        }
    }

    fn agree(&self, _peer: &PKeyRef<Public>) -> Result<KeyOctets, DecryptError> {
        Err(unable("key agreement with a key in a token"))
    }
}

impl fmt::Debug for TokenDecryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenDecryptor").finish_non_exhaustive()
    }
}

/// Octets that a token in good health decrypts, and what comes out.
struct Sample {
    wrapped: Vec<u8>,
    plain: [u8; 16],
}

impl TokenDecryptor {
    /// Made with the public key, in the same way as the octets that the token did not decrypt.
    fn sample(
        &self,
        (digest, mask): (DigestAlgorithm, DigestAlgorithm),
        label: &[u8],
    ) -> Result<Sample, TrustError> {
        let key = self.key.certificate()?.x509().public_key()?;
        let mut encrypter = Encrypter::new(&key)?;
        encrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
        encrypter.set_rsa_oaep_md(digest.message_digest())?;
        encrypter.set_rsa_mgf1_md(mask.message_digest())?;
        if !label.is_empty() {
            encrypter.set_rsa_oaep_label(label)?;
        }
        let plain = *b"amtsbote: sample";
        let mut wrapped = vec![0; encrypter.encrypt_len(&plain)?];
        let length = encrypter.encrypt(&plain, &mut wrapped)?;
        wrapped.truncate(length);
        Ok(Sample { wrapped, plain })
    }
}

/// Decrypts; none where the octets are what is wrong.
///
/// Some answers may mean the octets or the token: SoftHSM, and not it alone, says the same about a
/// wrong padding as a token says that is ill. Then the token must decrypt a sample, and refuse the
/// octets once more after it: a good message must not be refused for good because a token was ill.
fn opened(
    mut decrypt: impl FnMut(&[u8]) -> Result<Vec<u8>, Error>,
    wrapped: &[u8],
    sample: impl FnOnce() -> Result<Sample, TrustError>,
) -> Result<Option<Vec<u8>>, Trouble> {
    let error = match decrypt(wrapped) {
        Err(error) if may_be_the_octets(&error) => error,
        Err(error) if is_about_the_octets(&error) => return Ok(None),
        opened => return Ok(Some(opened?)),
    };
    let sample = sample()?;
    if decrypt(&sample.wrapped)? != sample.plain {
        return Err(error.into());
    }
    match decrypt(wrapped) {
        Err(error) if is_about_the_octets(&error) || may_be_the_octets(&error) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// Whether the octets that were to be decrypted are what is wrong, and nothing else.
fn is_about_the_octets(error: &Error) -> bool {
    use RvError::{DataInvalid, DataLenRange, EncryptedDataInvalid, EncryptedDataLenRange};
    matches!(
        error,
        Error::Pkcs11(
            EncryptedDataInvalid | EncryptedDataLenRange | DataInvalid | DataLenRange,
            Function::Decrypt,
        )
    )
}

/// Whether the octets may be what is wrong, and the token may be it too.
fn may_be_the_octets(error: &Error) -> bool {
    use RvError::{FunctionFailed, GeneralError};
    matches!(error, Error::Pkcs11(GeneralError | FunctionFailed, Function::Decrypt))
}

/// What is left when octets are not to blame: the token never does it, or not at present.
fn failed(trouble: Trouble) -> DecryptError {
    use RvError::{
        ArgumentsBad, FunctionNotSupported, KeyFunctionNotPermitted, KeySizeRange,
        KeyTypeInconsistent, MechanismInvalid, MechanismParamInvalid,
    };
    match &trouble {
        // Said before the token has seen any octets.
        Trouble::Module(
            error @ Error::Pkcs11(
                ArgumentsBad
                | FunctionNotSupported
                | KeyFunctionNotPermitted
                | KeySizeRange
                | KeyTypeInconsistent
                | MechanismInvalid
                | MechanismParamInvalid,
                Function::DecryptInit,
            ),
        ) => DecryptError::Unable(format!("the token does not decrypt so: {}", reason(error))),
        Trouble::Module(error) => DecryptError::Unavailable(reason(error)),
        Trouble::Ours(error) => DecryptError::Unavailable(error.to_string()),
    }
}

fn unable(what: &str) -> DecryptError {
    DecryptError::Unable(format!("{what} is not supported"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a token answers, call by call, and what was made of it.
    fn judged(
        answers: &[Result<&[u8], RvError>],
    ) -> (Result<Option<Vec<u8>>, DecryptError>, usize) {
        let mut left = answers.iter();
        let mut calls = 0;
        let decrypt = |_: &[u8]| {
            calls += 1;
            let answer = left.next().expect("an answer");
            match answer {
                Ok(octets) => Ok(octets.to_vec()),
                Err(value) => Err(Error::Pkcs11(*value, Function::Decrypt)),
            }
        };
        let sample = || Ok(Sample { wrapped: vec![1], plain: [7; 16] });
        let outcome = opened(decrypt, &[2], sample).map_err(failed);
        (outcome, calls)
    }

    #[test]
    fn a_token_that_is_ill_is_no_fault_of_the_octets() {
        let well: Result<&[u8], RvError> = Ok(&[7; 16]);
        for vague in [RvError::GeneralError, RvError::FunctionFailed] {
            let ill = |answers: &[Result<&[u8], RvError>]| {
                let (outcome, calls) = judged(answers);
                assert!(matches!(outcome, Err(DecryptError::Unavailable(_))), "{outcome:?}");
                assert_eq!(calls, answers.len());
            };
            // The sample does not open either, or to something else.
            ill(&[Err(vague), Err(vague)]);
            ill(&[Err(vague), Err(RvError::EncryptedDataInvalid)]);
            ill(&[Err(vague), Err(RvError::DeviceError)]);
            ill(&[Err(vague), Ok(&[8; 16])]);
            // It falls ill later.
            ill(&[Err(vague), well, Err(RvError::DeviceError)]);
            // It was ill and is well again.
            let (outcome, _) = judged(&[Err(vague), well, Ok(&[5; 32])]);
            assert_eq!(outcome, Ok(Some(vec![5; 32])));
            // It is well, and keeps its word.
            for again in [vague, RvError::EncryptedDataInvalid] {
                assert_eq!(judged(&[Err(vague), well, Err(again)]), (Ok(None), 3));
            }
        }
        // These say what they mean.
        for plain in [RvError::EncryptedDataInvalid, RvError::EncryptedDataLenRange] {
            assert_eq!(judged(&[Err(plain)]), (Ok(None), 1));
        }
        assert_eq!(judged(&[Ok(&[5; 32])]), (Ok(Some(vec![5; 32])), 1));
    }

    #[test]
    fn what_a_token_never_does_is_told_from_what_it_does_not_do_now() {
        let said = |value, function| failed(Trouble::Module(Error::Pkcs11(value, function)));
        for value in [RvError::MechanismInvalid, RvError::ArgumentsBad] {
            let never = said(value, Function::DecryptInit);
            assert!(matches!(never, DecryptError::Unable(_)), "{never}");
            let now = said(value, Function::FindObjects);
            assert!(matches!(now, DecryptError::Unavailable(_)), "{now}");
        }
        for value in [RvError::DeviceError, RvError::GeneralError, RvError::UserNotLoggedIn] {
            let now = said(value, Function::DecryptInit);
            assert!(matches!(now, DecryptError::Unavailable(_)), "{now}");
        }
    }
}
