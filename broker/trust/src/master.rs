//! The master key: 32 random octets that wrap all other keys at rest. It lies in a file of its own,
//! never in a database or its backup, and needs a backup of its own.

use std::fmt;
use std::path::Path;

use amtsbote_domain::digest::Digest;
use openssl::base64::{decode_block, encode_block};

use crate::error::TrustError;
use crate::files::{self, Readers, Secret};

/// Octets of the key.
pub const MASTER_KEY_BYTES: usize = 32;

/// The master key. Overwritten in memory when it is dropped.
pub struct MasterKey(Secret);

impl MasterKey {
    /// Makes a new one and writes it durably to a new file that only its owner may read.
    pub fn create(path: &Path) -> Result<Self, TrustError> {
        let key = Self::generate()?;
        files::create(path, 0o600, &key.to_secret().0)?;
        Ok(key)
    }

    /// Makes a new one that lies nowhere yet.
    pub(crate) fn generate() -> Result<Self, TrustError> {
        let mut key = Secret(vec![0; MASTER_KEY_BYTES]);
        openssl::rand::rand_bytes(&mut key.0)?;
        Ok(Self(key))
    }

    /// From octets that were kept elsewhere.
    pub(crate) fn from_octets(octets: &[u8; MASTER_KEY_BYTES]) -> Self {
        Self(Secret(octets.to_vec()))
    }

    /// As it stands in its file. Wiped when dropped.
    pub(crate) fn to_secret(&self) -> Secret {
        let mut text = Secret(encode_block(&self.0.0).into_bytes());
        text.0.push(b'\n');
        text
    }

    /// Reads it: one line of base64, in a file that only its owner may read.
    pub fn load(path: &Path) -> Result<Self, TrustError> {
        let octets = files::read_secret(path, Readers::Nobody)?;
        let text = std::str::from_utf8(&octets.0).ok().map(str::trim);
        let key = text
            .filter(|text| text.len() == 44)
            .and_then(|text| decode_block(text).ok())
            .map(Secret)
            .filter(|key| key.0.len() == MASTER_KEY_BYTES && key.0.iter().any(|octet| *octet != 0))
            .ok_or_else(|| TrustError::Malformed.about(path))?;
        Ok(Self(key))
    }

    /// The octets, for the one who wraps keys with them.
    pub fn octets(&self) -> &[u8; MASTER_KEY_BYTES] {
        self.0.0.as_slice().try_into().expect("checked when it was made")
    }

    /// Tells two keys apart without showing them: compare that of the backup with that in use.
    pub fn fingerprint(&self) -> Digest {
        let mut hash = openssl::sha::Sha256::new();
        hash.update(b"amtsbote-master-key-v1\n");
        hash.update(&self.0.0);
        Digest(hash.finish())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn it_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        let key = MasterKey::create(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let read = MasterKey::load(&path).expect("read");
        assert_eq!(read.octets(), key.octets());
        assert_eq!(read.fingerprint(), key.fingerprint());
        let again = MasterKey::create(&path).expect_err("there is one");
        assert!(matches!(again.reason(), TrustError::Exists));
        assert_eq!(MasterKey::load(&path).expect("unchanged").octets(), key.octets());
        let other = MasterKey::create(&folder.path().join("other")).expect("made");
        assert_ne!(other.octets(), key.octets());
        assert_ne!(other.fingerprint(), key.fingerprint());
        assert_eq!(format!("{key:?}"), "MasterKey(..)");
    }

    #[test]
    fn a_file_open_to_others_or_damaged_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        MasterKey::create(&path).expect("made");
        for mode in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            let error = MasterKey::load(&path).expect_err("refused");
            assert!(matches!(error.reason(), TrustError::OpenToOthers), "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        let zeros = encode_block(&[0; 32]);
        let (short, long) = (encode_block(&[7; 31]), encode_block(&[7; 33]));
        for text in
            ["", "AAAA", "no base64 at all, but as long as it ought be", &zeros, &short, &long]
        {
            fs::write(&path, text).expect("written");
            let error = MasterKey::load(&path).expect_err("refused");
            assert!(matches!(error.reason(), TrustError::Malformed), "{text}");
        }
        let absent = MasterKey::load(&folder.path().join("absent")).expect_err("refused");
        assert!(matches!(absent.reason(), TrustError::Io(_)));
    }
}
