//! The key store: a folder with pairs of files, `NAME.key.pem` (PKCS#8) and `NAME.cert.pem` (the
//! certificate, then its issuers).
//!
//! A key that is not encrypted must lie in a file that only its owner may read. Keys leave as
//! handles: an [`Identity`] signs and is used for TLS, and does not give its key away.

use std::fmt;
use std::path::{Path, PathBuf};

use amtsbote_wire::signature::{OpensslSigner, SignError};
use openssl::pkey::{PKey, PKeyRef, Private};

use crate::error::TrustError;
use crate::files::{self, Secret};
use crate::pem::{self, Certificate};

/// Longest passphrase, in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Where the passphrase of encrypted keys comes from. Never from an argument of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Passphrase {
    /// There are no encrypted keys.
    #[default]
    None,
    /// The first line of a file that only its owner may read.
    File(PathBuf),
    /// The value of an environment variable.
    Environment(String),
}

impl Passphrase {
    fn read(&self) -> Result<Option<Secret>, TrustError> {
        let mut secret = match self {
            Self::None => return Ok(None),
            Self::File(path) => {
                let contents = files::read(path)?;
                if !contents.private {
                    return Err(TrustError::OpenToOthers.about(path));
                }
                contents.octets
            }
            Self::Environment(name) => {
                let value = std::env::var(name).map_err(|_| TrustError::Passphrase)?;
                Secret(value.into_bytes())
            }
        };
        let line = secret.0.iter().position(|c| matches!(c, b'\n' | b'\r'));
        let length = line.unwrap_or(secret.0.len());
        if length == 0 || length > MAX_PASSPHRASE_BYTES {
            return Err(TrustError::Passphrase);
        }
        secret.0.truncate(length);
        Ok(Some(secret))
    }
}

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyStore {
    folder: PathBuf,
    passphrase: Passphrase,
}

impl KeyStore {
    /// Opens a folder. Nothing is read yet but that it is one.
    pub fn open(folder: &Path, passphrase: Passphrase) -> Result<Self, TrustError> {
        let facts =
            std::fs::metadata(folder).map_err(|error| TrustError::Io(error).about(folder))?;
        if !facts.is_dir() {
            return Err(TrustError::Malformed.about(folder));
        }
        Ok(Self { folder: folder.to_owned(), passphrase })
    }

    /// The names of the keys, sorted.
    pub fn names(&self) -> Result<Vec<String>, TrustError> {
        let list = || -> std::io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&self.folder)? {
                let file = entry?.file_name();
                let name = file.to_str().and_then(|name| name.strip_suffix(KEY_SUFFIX));
                names.extend(name.filter(|name| is_name(name)).map(str::to_owned));
            }
            names.sort_unstable();
            Ok(names)
        };
        list().map_err(|error| TrustError::Io(error).about(&self.folder))
    }

    /// Reads a key and its certificates, and sees that they belong together.
    pub fn identity(&self, name: &str) -> Result<Identity, TrustError> {
        let key_path = self.path(name, KEY_SUFFIX)?;
        let certificate_path = self.path(name, CERTIFICATE_SUFFIX)?;
        let key = self.read_key(&key_path).map_err(|error| match error {
            error @ TrustError::File { .. } => error,
            error => error.about(&key_path),
        })?;
        let chain = pem::load_certificates(&certificate_path)?;
        Identity::new(key, chain).map_err(|error| error.about(&key_path))
    }

    /// A key that signs, under its name.
    pub fn signer(&self, name: &str) -> Result<OpensslSigner, TrustError> {
        self.identity(name)?.signer()
    }

    /// Keeps a new identity durably; never overwrites one. The key is written first: a crash in
    /// between leaves a key without certificate, which [`KeyStore::identity`] reports as absent.
    pub fn keep(&self, name: &str, identity: &Identity) -> Result<(), TrustError> {
        let passphrase = self.passphrase.read()?;
        let key = Secret(match &passphrase {
            None => identity.key.private_key_to_pem_pkcs8()?,
            Some(passphrase) => identity.key.private_key_to_pem_pkcs8_passphrase(
                openssl::symm::Cipher::aes_256_cbc(),
                &passphrase.0,
            )?,
        });
        files::create(&self.path(name, KEY_SUFFIX)?, 0o600, &key.0)?;
        files::create(&self.path(name, CERTIFICATE_SUFFIX)?, 0o644, &identity.chain_pem()?)
    }

    fn path(&self, name: &str, suffix: &str) -> Result<PathBuf, TrustError> {
        if !is_name(name) {
            return Err(TrustError::BadName);
        }
        Ok(self.folder.join(format!("{name}{suffix}")))
    }

    fn read_key(&self, path: &Path) -> Result<PKey<Private>, TrustError> {
        let contents = files::read(path)?;
        let octets = &contents.octets.0;
        match pem::labels(octets)[..] {
            [b"PRIVATE KEY"] if !contents.private => Err(TrustError::OpenToOthers),
            [b"PRIVATE KEY"] => {
                // The callback is never asked for a key that is not encrypted; without one OpenSSL
                // might ask the terminal.
                PKey::private_key_from_pem_callback(octets, |_| Ok(0))
                    .map_err(|_| TrustError::Malformed)
            }
            [b"ENCRYPTED PRIVATE KEY"] => {
                let passphrase = self.passphrase.read()?.ok_or(TrustError::Passphrase)?;
                PKey::private_key_from_pem_passphrase(octets, &passphrase.0)
                    .map_err(|_| TrustError::Passphrase)
            }
            [] => Err(TrustError::Malformed),
            _ => Err(TrustError::NotPkcs8),
        }
    }
}

const KEY_SUFFIX: &str = ".key.pem";
const CERTIFICATE_SUFFIX: &str = ".cert.pem";

/// Names stay inside the folder: no separators, and no full stop in front.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A key with its certificates; the key cannot be taken out of it.
#[derive(Clone)]
pub struct Identity {
    key: PKey<Private>,
    chain: Vec<Certificate>,
}

impl Identity {
    /// Puts both together; the first certificate must be that of the key.
    pub(crate) fn new(key: PKey<Private>, chain: Vec<Certificate>) -> Result<Self, TrustError> {
        let certificate = chain.first().ok_or(TrustError::NoCertificate)?;
        if !certificate.x509().public_key()?.public_eq(&key) {
            return Err(TrustError::KeyMismatch);
        }
        Ok(Self { key, chain })
    }

    /// The certificate of the key.
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The certificate of the key, then its issuers.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The certificates as PEM text.
    pub fn chain_pem(&self) -> Result<Vec<u8>, TrustError> {
        let pems: Result<Vec<Vec<u8>>, TrustError> =
            self.chain.iter().map(Certificate::to_pem).collect();
        Ok(pems?.concat())
    }

    /// Signs with the key.
    pub fn signer(&self) -> Result<OpensslSigner, TrustError> {
        let x509 = self.certificate().x509().to_owned();
        OpensslSigner::new(self.key.clone(), &x509).map_err(|error| match error {
            SignError::KeyOfAnother => TrustError::KeyMismatch,
            _ => TrustError::UnsuitableKey,
        })
    }

    pub(crate) fn key(&self) -> &PKeyRef<Private> {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", self.certificate()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testca::Purpose;
    use crate::testca::tests::{issue, openssl};
    use amtsbote_wire::signature::Signer;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn reason(result: Result<Identity, TrustError>) -> String {
        format!("{:?}", result.expect_err("refused").reason())
    }

    #[test]
    fn what_is_kept_is_found_again_and_signs() {
        let folder = folder();
        let store = KeyStore::open(folder.path(), Passphrase::None).expect("open");
        let issued = issue("TEST a", Purpose::Signature);
        store.keep("a", issued.identity()).expect("kept");
        let key_file = folder.path().join("a.key.pem");
        assert_eq!(fs::metadata(&key_file).expect("there").mode() & 0o777, 0o600);
        assert_eq!(store.names().expect("names"), ["a"]);
        let read = store.identity("a").expect("found");
        assert_eq!(read.chain(), issued.identity().chain());
        assert_eq!(read.chain().len(), 2);
        let signer = store.signer("a").expect("a signer");
        assert_eq!(signer.certificate_der(), issued.certificate().der());
        let again = store.keep("a", issued.identity()).expect_err("not overwritten");
        assert!(matches!(again.reason(), TrustError::Exists));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = folder();
        let store = KeyStore::open(folder.path(), Passphrase::None).expect("open");
        store.keep("a", issue("TEST a", Purpose::Client).identity()).expect("kept");
        let key_file = folder.path().join("a.key.pem");
        for (mode, allowed) in [(0o644, false), (0o640, false), (0o602, false), (0o400, true)] {
            fs::set_permissions(&key_file, Permissions::from_mode(mode)).expect("set");
            let result = store.identity("a");
            assert_eq!(result.is_ok(), allowed, "{mode:o}");
            if !allowed {
                assert_eq!(reason(result), "OpenToOthers");
            }
        }
    }

    #[test]
    fn encrypted_keys_need_their_passphrase() {
        let folder = folder();
        let secret = folder.path().join("passphrase");
        fs::write(&secret, "geheim\n").expect("written");
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("set");
        let with = |passphrase| KeyStore::open(folder.path(), passphrase).expect("open");
        let store = with(Passphrase::File(secret.clone()));
        store.keep("a", issue("TEST a", Purpose::Client).identity()).expect("kept");
        let pem = fs::read_to_string(folder.path().join("a.key.pem")).expect("there");
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        assert!(store.identity("a").is_ok());
        assert_eq!(reason(with(Passphrase::None).identity("a")), "Passphrase");
        let unset = Passphrase::Environment("AMTSBOTE_TEST_NEVER_SET".to_owned());
        assert_eq!(reason(with(unset).identity("a")), "Passphrase");
        // The name of a variable that is always set serves as a wrong passphrase.
        let wrong = Passphrase::Environment("PATH".to_owned());
        assert_eq!(reason(with(wrong).identity("a")), "Passphrase");
        fs::set_permissions(&secret, Permissions::from_mode(0o644)).expect("set");
        assert_eq!(reason(store.identity("a")), "OpenToOthers");
    }

    #[test]
    fn keys_in_other_forms_are_refused() {
        let folder = folder();
        let store = KeyStore::open(folder.path(), Passphrase::None).expect("open");
        let (a, b) = (issue("TEST a", Purpose::Client), issue("TEST b", Purpose::Client));
        store.keep("a", a.identity()).expect("kept");
        store.keep("b", b.identity()).expect("kept");
        let key_file = folder.path().join("a.key.pem");
        fs::copy(folder.path().join("b.key.pem"), &key_file).expect("copied");
        assert_eq!(reason(store.identity("a")), "KeyMismatch");
        let traditional =
            openssl(&["ec", "-in", folder.path().join("b.key.pem").to_str().expect("UTF-8")]);
        let both = [traditional.as_bytes(), &a.certificate().to_pem().expect("pem")].concat();
        for bad in [traditional.as_bytes(), &both] {
            fs::write(&key_file, bad).expect("written");
            assert_eq!(reason(store.identity("a")), "NotPkcs8");
        }
        let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for bad in ["", damaged] {
            fs::write(&key_file, bad).expect("written");
            assert_eq!(reason(store.identity("a")), "Malformed");
        }
        for name in ["", "../a", ".a", "a/b", "ä", &"a".repeat(65)] {
            assert_eq!(reason(store.identity(name)), "BadName", "{name}");
        }
        assert!(matches!(
            store.identity("absent").expect_err("refused").reason(),
            TrustError::Io(_)
        ));
    }

    #[test]
    fn an_identity_does_not_show_its_key() {
        let issued = issue("TEST a", Purpose::Client);
        let shown = format!("{:?}", issued.identity());
        assert!(shown.contains("TEST a") && !shown.contains("key"), "{shown}");
    }
}
