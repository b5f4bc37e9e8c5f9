//! The key store in a folder. A key is either a pair of files, `NAME.key.pem` (PKCS#8, encrypted or
//! not) and `NAME.cert.pem` (its certificate, then the issuers), or one PKCS#12 file, `NAME.p12` or
//! `NAME.pfx`.
//!
//! A file with a key, encrypted or not, belongs to root or to the user of the process, who alone may
//! read it, and lies in a folder where nobody else can write.

use std::path::{Path, PathBuf};

use amtsbote_wire::signature::SignatureAlgorithm;
use openssl::pkey::{PKey, Private};

use crate::error::TrustError;
use crate::files::{self, Readers, Secret};
use crate::pem::{self, Certificate};

use super::identity::Identity;
use super::kind::KeyFacts;
use super::passphrase::Passphrases;
use super::{Abilities, Entry, KeyDecryptor, KeySigner, Keys, Place, is_name, pkcs12};

/// Most keys in a folder.
pub const MAX_KEYS: usize = 4096;

pub(super) const KEY_SUFFIX: &str = ".key.pem";
pub(super) const CERTIFICATE_SUFFIX: &str = ".cert.pem";
const PKCS12_SUFFIXES: [&str; 2] = [".p12", ".pfx"];

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyStore {
    folder: PathBuf,
    passphrases: Passphrases,
}

/// A key as it was read, with or without a certificate.
pub(super) struct Read {
    pub(super) key: PKey<Private>,
    pub(super) chain: Vec<Certificate>,
    path: PathBuf,
    encrypted: bool,
}

impl KeyStore {
    /// Opens a folder. Nothing is read yet but that it is one.
    pub fn open(folder: &Path, passphrases: impl Into<Passphrases>) -> Result<Self, TrustError> {
        let facts =
            std::fs::metadata(folder).map_err(|error| TrustError::Io(error).about(folder))?;
        if !facts.is_dir() {
            return Err(TrustError::Malformed.about(folder));
        }
        Ok(Self { folder: folder.to_owned(), passphrases: passphrases.into() })
    }

    /// Reads a key and its certificates, and sees that they belong together.
    pub fn identity(&self, name: &str) -> Result<Identity, TrustError> {
        let Read { key, chain, path, .. } = self.read(name)?;
        Identity::new(key, chain).map_err(|error| error.about(&path))
    }

    /// Keeps a new identity durably; never overwrites one. The key is written first: a crash in
    /// between leaves a key without certificate, which is listed and used for nothing.
    ///
    /// With a passphrase the key is encrypted (PBES2, AES-256). OpenSSL stretches the passphrase
    /// little, so it should be a random one, of 20 characters or more.
    pub fn keep(&self, name: &str, identity: &Identity) -> Result<(), TrustError> {
        self.keep_key(name, identity.key())?;
        self.keep_chain(name, identity.chain())
    }

    pub(super) fn keep_key(
        &self,
        name: &str,
        key: &openssl::pkey::PKeyRef<Private>,
    ) -> Result<(), TrustError> {
        let path = self.path(name, KEY_SUFFIX)?;
        if !self.files(name)?.is_empty() {
            return Err(TrustError::Exists.about(&path));
        }
        let passphrase = self.passphrases.of(name).read()?;
        let pem = Secret(match &passphrase {
            None => key.private_key_to_pem_pkcs8()?,
            Some(passphrase) => key.private_key_to_pem_pkcs8_passphrase(
                openssl::symm::Cipher::aes_256_cbc(),
                &passphrase.0,
            )?,
        });
        files::create(&path, 0o600, &pem.0)
    }

    pub(super) fn keep_chain(&self, name: &str, chain: &[Certificate]) -> Result<(), TrustError> {
        let pems: Result<Vec<_>, TrustError> = chain.iter().map(Certificate::to_pem).collect();
        files::create(&self.path(name, CERTIFICATE_SUFFIX)?, 0o644, &pems?.concat())
    }

    pub(super) fn path(&self, name: &str, suffix: &str) -> Result<PathBuf, TrustError> {
        if !is_name(name) {
            return Err(TrustError::BadName);
        }
        Ok(self.folder.join(format!("{name}{suffix}")))
    }

    /// The files that hold a key of this name: one, as it should be.
    fn files(&self, name: &str) -> Result<Vec<(PathBuf, &'static str)>, TrustError> {
        let mut found = Vec::new();
        for suffix in suffixes() {
            let path = self.path(name, suffix)?;
            if path.try_exists().map_err(|error| TrustError::Io(error).about(&path))? {
                found.push((path, suffix));
            }
        }
        Ok(found)
    }

    pub(super) fn read(&self, name: &str) -> Result<Read, TrustError> {
        let mut files = self.files(name)?;
        let absent = self.path(name, KEY_SUFFIX)?;
        let (path, suffix) = files.pop().ok_or_else(|| TrustError::Absent.about(&absent))?;
        if !files.is_empty() {
            return Err(TrustError::Ambiguous.about(&path));
        }
        let at = |error| match error {
            error @ TrustError::File { .. } => error,
            error => error.about(&path),
        };
        let octets = files::read_secret(&path, Readers::Nobody)?;
        if suffix == KEY_SUFFIX {
            let (key, encrypted) = self.pem_key(name, &octets).map_err(at)?;
            let chain = self.chain(name)?;
            return Ok(Read { key, chain, path, encrypted });
        }
        let passphrase = self.passphrases.of(name).read()?;
        let (key, chain) = pkcs12::read(&octets.0, passphrase.as_ref()).map_err(at)?;
        Ok(Read { key, chain, path, encrypted: passphrase.is_some() })
    }

    fn pem_key(&self, name: &str, octets: &Secret) -> Result<(PKey<Private>, bool), TrustError> {
        match pem::labels(&octets.0)[..] {
            [b"PRIVATE KEY"] => {
                // The callback is never asked for a key that is not encrypted; without one OpenSSL
                // might ask the terminal.
                let key = PKey::private_key_from_pem_callback(&octets.0, |_| Ok(0));
                Ok((key.map_err(|_| TrustError::Malformed)?, false))
            }
            [b"ENCRYPTED PRIVATE KEY"] => {
                let passphrase = self.passphrases.of(name).read()?.ok_or(TrustError::Passphrase)?;
                let key = PKey::private_key_from_pem_passphrase(&octets.0, &passphrase.0);
                Ok((key.map_err(|_| TrustError::Passphrase)?, true))
            }
            [] => Err(TrustError::Malformed),
            _ => Err(TrustError::NotPkcs8),
        }
    }

    /// The certificates beside a key; none while it waits for one.
    fn chain(&self, name: &str) -> Result<Vec<Certificate>, TrustError> {
        let path = self.path(name, CERTIFICATE_SUFFIX)?;
        match pem::load_certificates(&path) {
            Err(error) if is_not_found(&error) => Ok(Vec::new()),
            read => read,
        }
    }
}

fn is_not_found(error: &TrustError) -> bool {
    matches!(error.reason(), TrustError::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn suffixes() -> impl Iterator<Item = &'static str> {
    std::iter::once(KEY_SUFFIX).chain(PKCS12_SUFFIXES)
}

impl Keys for KeyStore {
    fn names(&self) -> Result<Vec<String>, TrustError> {
        let list = || {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&self.folder)? {
                let file = entry?.file_name();
                let name = file
                    .to_str()
                    .and_then(|file| suffixes().find_map(|suffix| file.strip_suffix(suffix)));
                names.extend(name.filter(|name| is_name(name)).map(str::to_owned));
                if names.len() > MAX_KEYS {
                    return Err(TrustError::TooMany);
                }
            }
            names.sort_unstable();
            names.dedup();
            Ok(names)
        };
        list().map_err(|error: TrustError| error.about(&self.folder))
    }

    fn entry(&self, name: &str) -> Result<Entry, TrustError> {
        let Read { key, chain, path, encrypted } = self.read(name)?;
        if let Some(certificate) = chain.first()
            && !certificate.x509().public_key()?.public_eq(&key)
        {
            return Err(TrustError::KeyMismatch.about(&path));
        }
        let facts = KeyFacts::of(&key);
        let certified = !chain.is_empty();
        Ok(Entry {
            name: name.to_owned(),
            facts,
            chain,
            place: Place::File { path, encrypted },
            abilities: Abilities {
                sign: certified && facts.signs(),
                decrypt: certified && facts.decrypts(),
                tls: certified && facts.shakes_hands(),
            },
        })
    }

    fn signer(&self, name: &str) -> Result<KeySigner, TrustError> {
        Ok(Box::new(self.identity(name)?.signer()?))
    }

    fn signer_with(
        &self,
        name: &str,
        algorithm: SignatureAlgorithm,
    ) -> Result<KeySigner, TrustError> {
        Ok(Box::new(self.identity(name)?.signer_with(algorithm)?))
    }

    fn decryptor(&self, name: &str) -> Result<KeyDecryptor, TrustError> {
        Ok(Box::new(self.identity(name)?.decryptor()?))
    }

    fn tls(&self, name: &str) -> Result<Identity, TrustError> {
        let identity = self.identity(name)?;
        if !identity.facts().shakes_hands() {
            return Err(TrustError::UnsuitableKey);
        }
        Ok(identity)
    }
}
