//! Where passphrases and PINs come from. Never from an argument of the program, which every user of
//! the machine can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::TrustError;
use crate::files::{self, Readers, Secret};

/// Longest passphrase, in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// Where systemd says that the credentials of a service lie.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where the passphrase of encrypted keys comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Passphrase {
    /// There are no encrypted keys.
    #[default]
    None,
    /// The first line of a file that only its owner may read.
    File(PathBuf),
    /// The value of an environment variable.
    Environment(String),
    /// The first line of a systemd credential (`LoadCredential=`, `LoadCredentialEncrypted=`), by
    /// its name.
    Credential(String),
}

impl Passphrase {
    /// The secret itself, for what is no key of this store: the password of a database. None where
    /// there is none.
    pub fn reveal(&self) -> Result<Option<Vec<u8>>, TrustError> {
        Ok(self.read()?.map(|secret| secret.0.clone()))
    }

    /// Reads it, each time anew: it is kept no longer than it is needed.
    pub(crate) fn read(&self) -> Result<Option<Secret>, TrustError> {
        let secret = match self {
            Self::None => return Ok(None),
            Self::File(path) => files::read_secret(path, Readers::Nobody)?,
            Self::Environment(name) => {
                let value = std::env::var(name).map_err(|_| TrustError::Passphrase)?;
                Secret(value.into_bytes())
            }
            Self::Credential(name) => {
                let folder = std::env::var_os(CREDENTIALS).ok_or(TrustError::Passphrase)?;
                credential(Path::new(&folder), name)?
            }
        };
        secret.first_line(MAX_PASSPHRASE_BYTES).map(Some).ok_or(TrustError::Passphrase)
    }
}

fn credential(folder: &Path, name: &str) -> Result<Secret, TrustError> {
    if !super::is_name(name) {
        return Err(TrustError::BadName);
    }
    files::read_secret(&folder.join(name), Readers::AccessList)
}

/// The passphrases of a store: one for all of its keys, others for single ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passphrases {
    /// For every key that has none of its own.
    pub store: Passphrase,
    /// By the name of the key.
    pub keys: BTreeMap<String, Passphrase>,
}

impl Passphrases {
    pub(super) fn of(&self, name: &str) -> &Passphrase {
        self.keys.get(name).unwrap_or(&self.store)
    }
}

impl From<Passphrase> for Passphrases {
    fn from(store: Passphrase) -> Self {
        Self { store, keys: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn written(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        path
    }

    #[test]
    fn the_first_line_of_a_file_of_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let read =
            |text: &str, mode| Passphrase::File(written(folder.path(), "p", text, mode)).read();
        let secret = read("geheim und lang\nzweite Zeile\n", 0o600).expect("read").expect("one");
        assert_eq!(secret.0, b"geheim und lang");
        for bad in ["", "\nzweite Zeile", &"x".repeat(MAX_PASSPHRASE_BYTES + 1)] {
            let error = read(bad, 0o600).err().expect("refused");
            assert!(matches!(error, TrustError::Passphrase), "{error}");
        }
        let error = read("geheim", 0o640).err().expect("refused");
        assert!(matches!(error.reason(), TrustError::OpenToOthers), "{error}");
        let absent = Passphrase::File(folder.path().join("absent")).read().err().expect("refused");
        assert!(matches!(absent.reason(), TrustError::Io(_)), "{absent}");
    }

    #[test]
    fn a_credential_is_read_as_systemd_leaves_it() {
        let folder = tempfile::tempdir().expect("a folder");
        for (mode, allowed) in [(0o400, true), (0o440, true), (0o444, false), (0o460, false)] {
            written(folder.path(), "key-passphrase", "geheim\n", mode);
            let read = credential(folder.path(), "key-passphrase");
            assert_eq!(read.is_ok(), allowed, "{mode:o}");
        }
        for bad in ["", "../key-passphrase", "a/b", ".hidden"] {
            let error = credential(folder.path(), bad).err().expect("refused");
            assert!(matches!(error, TrustError::BadName), "{bad}");
        }
    }

    #[test]
    fn a_key_may_have_its_own() {
        let own = Passphrase::Environment("OWN".to_owned());
        let mut all = Passphrases::from(Passphrase::None);
        all.keys.insert("a".to_owned(), own.clone());
        assert_eq!(all.of("a"), &own);
        assert_eq!(all.of("b"), &Passphrase::None);
    }
}
