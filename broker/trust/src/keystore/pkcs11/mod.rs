//! Keys in a token behind a PKCS#11 module: a hardware security module, or SoftHSM.
//!
//! The keys never leave the token; it signs (RSASSA-PKCS1 and RSASSA-PSS with SHA-2, ECDSA) and
//! decrypts (RSA-OAEP, with the digests that it knows). Not here: TLS, for which keys must lie in
//! the folder; RSA 1.5; key agreement; keys that ask for the PIN at every use.
//!
//! A key is found by its label (`CKA_LABEL`), or where that is no name or not unique, as `id-` and
//! its `CKA_ID` in hexadecimal digits. Its certificate lies beside it under the same `CKA_ID`.
//!
//! A token that cannot decrypt at present is told from octets that are none for the key: where the
//! module's answer may mean either, the token must first show that it decrypts something else.
//!
//! Calls block as long as the module takes: whoever serves others calls from a thread for that.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amtsbote_wire::signature::SignatureAlgorithm;

use crate::error::TrustError;

use super::identity::Identity;
use super::passphrase::Passphrase;
use super::{Entry, KeyDecryptor, KeySigner, Keys, is_name};

mod decrypt;
mod handles;
mod objects;
mod sessions;

#[cfg(test)]
mod tests;

use decrypt::TokenDecryptor;
use handles::TokenSigner;
use objects::KeyObject;
use sessions::Sessions;

/// Most sessions with a token at one time, unless the options say fewer.
pub const MAX_SESSIONS: usize = 8;

/// Where a token is and how it is opened.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// The PKCS#11 module, a shared library: it runs inside this process and must be trusted.
    pub module: PathBuf,
    /// The label of the token.
    pub label: String,
    /// Where its PIN comes from.
    pub pin: Passphrase,
    /// Most sessions at one time, 1 to [`MAX_SESSIONS`].
    pub sessions: usize,
}

impl TokenOptions {
    /// The usual ones.
    pub fn new(module: &Path, label: &str, pin: Passphrase) -> Self {
        Self { module: module.to_owned(), label: label.to_owned(), pin, sessions: MAX_SESSIONS }
    }
}

/// A token. Clones are the same token with the same sessions.
#[derive(Clone)]
pub struct Token {
    sessions: Arc<Sessions>,
}

impl Token {
    /// Loads the module, finds the token and logs in once, to see that it can be done. Errors:
    /// [`TrustError::Token`], [`TrustError::NoToken`], [`TrustError::PinRefused`].
    pub fn open(options: TokenOptions) -> Result<Self, TrustError> {
        let sessions = Sessions::open(options)?;
        sessions.with(|_| Ok(()))?;
        Ok(Self { sessions: Arc::new(sessions) })
    }

    fn key(&self, name: &str) -> Result<KeyObject, TrustError> {
        if !is_name(name) {
            return Err(TrustError::BadName);
        }
        self.sessions.with(|session| objects::key(session, name))
    }
}

impl Keys for Token {
    fn names(&self) -> Result<Vec<String>, TrustError> {
        let mut names = self.sessions.with(objects::names)?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn entry(&self, name: &str) -> Result<Entry, TrustError> {
        let key = self.key(name)?;
        let options = self.sessions.options();
        Ok(key.into_entry(name, &options.module, &options.label))
    }

    fn signer(&self, name: &str) -> Result<KeySigner, TrustError> {
        let key = self.key(name)?;
        let algorithm = handles::usual(&key)?;
        Ok(Box::new(TokenSigner::new(Arc::clone(&self.sessions), key, algorithm)?))
    }

    fn signer_with(
        &self,
        name: &str,
        algorithm: SignatureAlgorithm,
    ) -> Result<KeySigner, TrustError> {
        let key = self.key(name)?;
        Ok(Box::new(TokenSigner::new(Arc::clone(&self.sessions), key, algorithm)?))
    }

    fn decryptor(&self, name: &str) -> Result<KeyDecryptor, TrustError> {
        let key = self.key(name)?;
        Ok(Box::new(TokenDecryptor::new(Arc::clone(&self.sessions), key)?))
    }

    fn tls(&self, name: &str) -> Result<Identity, TrustError> {
        self.key(name)?;
        Err(TrustError::NotForTls)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.sessions.options();
        f.debug_struct("Token")
            .field("module", &options.module)
            .field("label", &options.label)
            .finish_non_exhaustive()
    }
}
