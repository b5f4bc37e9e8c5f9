//! The backup of the master key: a file of its own, sealed under a passphrase.
//!
//! ```text
//! amtsbote backup of a master key 1
//! node: rz-ostwestfalen
//! made: 2026-11-23T08:00:00Z
//! master: <SHA-256, hexadecimal>
//! scrypt: 17 8 1 <salt, base64>
//! opens: ags:05766044/2026-11/1-8c0f3a5b9d21e476
//! sealed: <base64>
//! ```
//!
//! All lines before the last are covered by its tag. The file opens nothing by itself: what the
//! master key opens lies in the key store, and what that opens in the store. It must be kept apart
//! from both, and the passphrase apart from it.

use std::io;
use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::wrapping::KeyId;
use openssl::base64::{decode_block, encode_block};
use openssl::pkcs5::scrypt;
use openssl::rand::rand_bytes;

use super::durable;
use super::error::WrappingError;
use super::folder::{FOLDER, WrappingFolder, opens};
use super::layout::key_files;
use super::masters::{MASTER_KEY, old_paths};
use super::sealed::{self, Key};
use crate::error::TrustError;
use crate::files::{self, Secret};
use crate::keystore::Passphrase;
use crate::master::MasterKey;

/// First line.
const TITLE: &str = "amtsbote backup of a master key 1";
/// Longest file, in octets.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// Most keys that a backup names; the newest. It opens the others as well.
const MAX_NAMED: usize = 2000;
/// Octets of salt.
const SALT: usize = 32;
/// Shortest and longest passphrase, in octets.
pub const PASSPHRASE_BYTES: std::ops::RangeInclusive<usize> = 12..=1024;
/// The highest cost that is accepted from a file: 2^18 rounds with blocks of 8 take 256 MiB.
const MAX_LOG_ROUNDS: u8 = 18;
const BLOCKS: u64 = 8;
/// Memory that scrypt may take, in octets.
const MAX_MEMORY: u64 = 300 << 20;

/// What guessing a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// 2^17 rounds: 128 MiB and some tenths of a second for each guess.
    Normal,
    /// 2^14 rounds, for nodes to try things on, whose passphrase is no secret.
    Trial,
}

impl Cost {
    fn log_rounds(self) -> u8 {
        match self {
            Self::Normal => 17,
            Self::Trial => 14,
        }
    }
}

/// What a backup holds. Proven: its seal was opened.
#[derive(Debug)]
pub struct Backup {
    /// The master key.
    pub master: MasterKey,
    /// The node that it was made on.
    pub node: String,
    /// When.
    pub made: Timestamp,
    /// Keys that it named when it was made.
    pub named: Vec<KeyId>,
}

/// What a backup opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opens {
    /// It holds the master key that the node works with.
    pub is_present_master: bool,
    /// Wrapping keys that it opens.
    pub opened: usize,
    /// Files that it does not open: names below the folder.
    pub others: Vec<String>,
}

impl Opens {
    /// Everything that the node needs now.
    pub fn everything(&self) -> bool {
        self.is_present_master && self.others.is_empty()
    }
}

/// What restoring did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The master key is in its place.
    Installed,
    /// It was there already.
    Present,
}

/// Writes a new backup of the present master key to a new file, durably. One that is there is not
/// overwritten.
pub fn make(
    to: &Path,
    folder: &WrappingFolder,
    node: &str,
    at: Timestamp,
    passphrase: &Passphrase,
    cost: Cost,
) -> Result<(), WrappingError> {
    let octets = seal(folder, node, at, &read(passphrase)?.0, cost)?;
    Ok(files::create(to, 0o600, &octets)?)
}

/// Reads a backup.
pub fn open(file: &Path, passphrase: &Passphrase) -> Result<Backup, WrappingError> {
    let octets = durable::read(file, MAX_BYTES).map_err(WrappingError::file(file))?;
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let (octets, _) = octets.ok_or_else(missing).map_err(WrappingError::file(file))?;
    unseal(&octets, &read(passphrase)?.0)
}

fn read(passphrase: &Passphrase) -> Result<Secret, WrappingError> {
    Ok(passphrase.read()?.ok_or(TrustError::Passphrase)?)
}

/// The octets of a new backup.
pub(super) fn seal(
    folder: &WrappingFolder,
    node: &str,
    at: Timestamp,
    passphrase: &[u8],
    cost: Cost,
) -> Result<Vec<u8>, WrappingError> {
    if folder.rotation_pending() {
        return Err(WrappingError::RotationPending);
    }
    let mut salt = [0; SALT];
    rand_bytes(&mut salt)?;
    let log_rounds = cost.log_rounds();
    let key = derive(passphrase, &salt, log_rounds)?;
    let master = folder.master();
    let mut text = format!(
        "{TITLE}\nnode: {}\nmade: {at}\nmaster: {}\nscrypt: {log_rounds} {BLOCKS} 1 {}\n",
        one_line(node),
        master.fingerprint(),
        encode_block(&salt)
    );
    let mut ids: Vec<KeyId> = folder.inventory()?.into_iter().filter_map(|file| file.id).collect();
    ids.sort_by(|a, b| b.period().cmp(a.period()).then_with(|| a.cmp(b)));
    for id in ids.iter().take(MAX_NAMED) {
        text.push_str(&format!("opens: {id}\n"));
    }
    let sealed = sealed::wrap(&key.0, text.as_bytes(), master.octets())?;
    text.push_str(&format!("sealed: {}\n", encode_block(&sealed)));
    Ok(text.into_bytes())
}

/// Opens the octets of a backup.
pub(super) fn unseal(octets: &[u8], passphrase: &[u8]) -> Result<Backup, WrappingError> {
    let text = std::str::from_utf8(octets).ok().filter(|_| octets.len() as u64 <= MAX_BYTES);
    let read = text.and_then(Written::parse).ok_or(WrappingError::NotABackup)?;
    let key = derive(passphrase, &read.salt, read.log_rounds)?;
    let opened = sealed::unwrap(&key.0, read.head.as_bytes(), &read.sealed);
    let master = MasterKey::from_octets(&opened.ok_or(WrappingError::WrongPassphrase)?.0);
    if master.fingerprint() != read.master {
        return Err(WrappingError::NotABackup);
    }
    Ok(Backup { master, node: read.node.to_owned(), made: read.made, named: read.named })
}

impl Backup {
    /// Tries the master key on everything that lies in a key store. Nothing is changed or kept.
    pub fn compare(&self, store: &Path) -> Result<Opens, WrappingError> {
        let present = store.join(MASTER_KEY);
        let is_present_master = present.exists()
            && MasterKey::load(&present)?.fingerprint() == self.master.fingerprint();
        let folder = store.join(FOLDER);
        let (mut opened, mut others) = (0, Vec::new());
        for path in key_files(&folder)? {
            match opens(&self.master, &path)? {
                Some(_) => opened += 1,
                None => {
                    let name = path.strip_prefix(&folder).unwrap_or(&path);
                    others.push(name.display().to_string());
                }
            }
        }
        Ok(Opens { is_present_master, opened, others })
    }

    /// Puts the master key into a key store that has none. One that is there is never overwritten,
    /// and a key that would not open what lies there is not put there.
    pub fn restore(&self, store: &Path) -> Result<Restored, WrappingError> {
        let path = store.join(MASTER_KEY);
        if path.exists() {
            let same = MasterKey::load(&path)?.fingerprint() == self.master.fingerprint();
            return match same {
                true => Ok(Restored::Present),
                false => Err(WrappingError::OtherMasterPresent),
            };
        }
        let opens = self.compare(store)?;
        // Some may be under an old master key that is still kept beside; all of them may not.
        let none = opens.opened == 0 && !opens.others.is_empty();
        if none || (!opens.others.is_empty() && old_paths(store)?.is_empty()) {
            return Err(WrappingError::OpensNothing);
        }
        let text = self.master.to_secret();
        durable::write(&path, &text.0).map_err(WrappingError::file(&path))?;
        Ok(Restored::Installed)
    }
}

/// A backup as it is written.
struct Written<'t> {
    head: &'t str,
    node: &'t str,
    made: Timestamp,
    master: Digest,
    log_rounds: u8,
    salt: Vec<u8>,
    named: Vec<KeyId>,
    sealed: Vec<u8>,
}

impl<'t> Written<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let (head, sealed) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let head = &text[..=head.len()];
        let sealed = decode_block(sealed.strip_prefix("sealed: ")?).ok()?;
        let mut lines = head.lines();
        (lines.next()? == TITLE).then_some(())?;
        let node = lines.next()?.strip_prefix("node: ")?;
        let made = lines.next()?.strip_prefix("made: ")?.parse().ok()?;
        let master = Digest::parse(lines.next()?.strip_prefix("master: ")?).ok()?;
        let mut kdf = lines.next()?.strip_prefix("scrypt: ")?.split(' ');
        let log_rounds = kdf.next()?.parse().ok().filter(|n| (1..=MAX_LOG_ROUNDS).contains(n))?;
        (kdf.next()?.parse() == Ok(BLOCKS) && kdf.next()? == "1").then_some(())?;
        let salt = decode_block(kdf.next()?).ok().filter(|salt| salt.len() == SALT)?;
        kdf.next().is_none().then_some(())?;
        let named = lines
            .map(|line| line.strip_prefix("opens: ").and_then(KeyId::parse))
            .collect::<Option<Vec<_>>>()?;
        (named.len() <= MAX_NAMED).then_some(())?;
        Some(Self { head, node, made, master, log_rounds, salt, named, sealed })
    }
}

/// The key that a passphrase stands for (scrypt, RFC 7914).
fn derive(passphrase: &[u8], salt: &[u8], log_rounds: u8) -> Result<Key, WrappingError> {
    if !PASSPHRASE_BYTES.contains(&passphrase.len()) {
        return Err(WrappingError::UnfitPassphrase);
    }
    let mut key = Key([0; 32]);
    scrypt(passphrase, salt, 1 << log_rounds, BLOCKS, 1, MAX_MEMORY, &mut key.0)?;
    Ok(key)
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
