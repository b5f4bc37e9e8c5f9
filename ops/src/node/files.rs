//! The files that every new node has.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use amtsbote_archive::note::{LogKey, VerifierKey};
use amtsbote_archive::origin::Origin;
use amtsbote_trust::keystore::Passphrase;
use amtsbote_trust::master::MasterKey;
use amtsbote_trust::wrapping::record::BackupRecord;
use amtsbote_trust::wrapping::{MASTER_KEY, WrappingError, WrappingFolder, backup};

use crate::config::certificate;
use crate::config::node::{FIRST_EPOCH, LOG_KEY};
use crate::outcome::{Context, Failure};
use crate::time;

/// Our own packs: path below `packs` and octets.
pub(crate) const PACKS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/packs.rs"));

/// Makes the folder, or takes an empty one; anything else is left alone.
pub(crate) fn claim(dir: &Path) -> Result<(), Failure> {
    let shown = dir.display();
    let taken = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => {
            let text = format!("{shown}: {error}");
            return Err(Failure::usage(&text, &text));
        }
    };
    if taken {
        return Err(Failure::usage(
            format!("{shown} ist nicht leer; es wird nichts überschrieben"),
            format!("{shown} is not empty; nothing is overwritten"),
        ));
    }
    folder(dir)
}

/// Makes a folder that others may read.
pub(crate) fn folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).or_not_now_at(path)
}

/// Makes a folder for its owner only.
pub(crate) fn private_folder(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).or_not_now_at(path)
}

/// Writes a new file.
pub(crate) fn public(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    create(path, 0o644, octets)
}

/// Writes a new file for its owner only.
pub(crate) fn private(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    create(path, 0o600, octets)
}

fn create(path: &Path, mode: u32, octets: &[u8]) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(octets))
        .or_not_now_at(path)
}

/// Writes our own packs.
pub(crate) fn packs(folder_of_packs: &Path) -> Result<(), Failure> {
    folder(folder_of_packs)?;
    for (name, octets) in PACKS {
        let path = folder_of_packs.join(name);
        if let Some(parent) = path.parent() {
            folder(parent)?;
        }
        public(&path, octets)?;
    }
    Ok(())
}

/// Makes the log's key and the master key; says what receipts are verified with.
pub(crate) fn node_keys(keys: &Path, node: &str) -> Result<VerifierKey, Failure> {
    let origin = Origin::new(node, FIRST_EPOCH).or_usage("--name", "--name")?;
    let what = ("Schlüssel des Nachweisprotokolls", "key of the evidence log");
    let key = LogKey::generate(&origin.to_string()).or_not_now(what.0, what.1)?;
    let pem = key.to_pkcs8_pem().or_not_now(what.0, what.1)?;
    private(&keys.join(LOG_KEY), &pem)?;
    MasterKey::create(&keys.join(MASTER_KEY)).map_err(|error| certificate::failure(&error))?;
    Ok(key.verifier().clone())
}

/// For a node to try things on: a backup of the master key, verified, with its passphrase beside
/// it. A real one lies elsewhere, and its passphrase elsewhere again.
pub(crate) fn trial_backup(dir: &Path, node: &str) -> Result<(), Failure> {
    let folder = dir.join("backup");
    private_folder(&folder)?;
    let (file, phrase) = (folder.join("master-key.backup"), folder.join("passphrase"));
    private(&phrase, b"for trying things on, and no secret\n")?;
    let make = || -> Result<(), WrappingError> {
        let (keys, phrase) =
            (WrappingFolder::read(&dir.join("keys"))?, Passphrase::File(phrase.clone()));
        let made = time::now();
        backup::make(&file, &keys, node, made, &phrase, backup::Cost::Trial)?;
        let opens = backup::open(&file, &phrase)?.compare(keys.store())?;
        let verified = opens.everything().then_some(made);
        let record = BackupRecord { master: keys.master().fingerprint(), made, verified };
        record.store(&dir.join("data"))
    };
    make().map_err(|error| certificate::wrapping_failure(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_carries_packs() {
        assert!(PACKS.iter().any(|(name, _)| name.ends_with("/pack.toml")), "no packs embedded");
        let folder = tempfile::tempdir().expect("a folder");
        packs(folder.path()).expect("written");
        let set = amtsbote_schemas::pack::PackSet::load(folder.path()).expect("they load");
        assert!(set.list().iter().any(|pack| pack.standard == "XUmmeldung"));
    }

    #[test]
    fn a_folder_in_use_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        claim(folder.path()).expect("empty");
        claim(&folder.path().join("new").join("deeper")).expect("new");
        let failure = claim(folder.path()).expect_err("no longer empty");
        assert_eq!(failure.exit, crate::outcome::Exit::Usage);
    }
}
