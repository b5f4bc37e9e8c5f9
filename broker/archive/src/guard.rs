//! The last released head, in a file outside the database.
//!
//! A database put back to an older state would make the hub sign a second history without noticing.
//! So each node keeps the last head it released here, and refuses to start on a tree that is
//! smaller or does not contain it.
//!
//! The file has two slots of [`SLOT`] octets that are written in turn, so a torn write spoils only
//! the slot being written and the older head stays readable. A write that was not synced is synced
//! before the other slot is touched: at every moment one slot is safe. Each slot:
//!
//! ```text
//! 0   16  "amtsbote-head-1\n"
//! 16   8  sequence number, big-endian; the larger one counts
//! 24   4  length of the note in octets, big-endian; 0 = no head yet
//! 28  32  SHA-256 over octets 0..28 and the note
//! 60      the note
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use openssl::sha::Sha256;

/// Octets of one slot.
pub const SLOT: usize = 16 * 1024;

/// Longest note a guard keeps, in octets.
pub const MAX_GUARDED: usize = SLOT - HEADER;

const MAGIC: &[u8; 16] = b"amtsbote-head-1\n";
const HEADER: usize = 60;

/// The guard of one node's log. One process at a time holds it.
#[derive(Debug)]
pub struct HeadGuard {
    file: File,
    /// Number of the slot that holds the newest head: 0 or 1.
    current: u8,
    sequence: u64,
    note: String,
    unsynced: bool,
    /// A sync of it failed. The system may have dropped the octets then, and call the next sync good
    /// although nothing of them is on the disk.
    doubtful: bool,
    created: bool,
    fell_back: bool,
}

/// A readable slot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    sequence: u64,
    note: String,
}

impl HeadGuard {
    /// Opens the guard, or makes one without a head where there is no file. Fails with
    /// `InvalidData` where a file exists and neither slot is readable: such a guard must be looked
    /// at by a person, not taken for an empty one.
    pub fn open(path: &Path) -> io::Result<Self> {
        let created = !path.try_exists()?;
        if created {
            create(path)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let (current, slot, fell_back) = newest(&read_slots(&mut file)?)?;
        let Slot { sequence, note } = slot;
        let (unsynced, doubtful) = (false, false);
        Ok(Self { file, current, sequence, note, unsynced, doubtful, created, fell_back })
    }

    /// Reads the last head without holding or making the file; for `doctor` and offline checks.
    pub fn read(path: &Path) -> io::Result<Option<String>> {
        let (_, slot, _) = newest(&read_slots(&mut File::open(path)?)?)?;
        Ok(Some(slot.note).filter(|note| !note.is_empty()))
    }

    /// The last head stored: the signed note.
    pub fn last(&self) -> Option<String> {
        Some(self.note.clone()).filter(|note| !note.is_empty())
    }

    /// The file was made by this [`HeadGuard::open`]. Beside a log that already has leaves this
    /// means that the guard was lost.
    pub fn created(&self) -> bool {
        self.created
    }

    /// One slot was not readable on opening: a write was torn, or the file is damaged, and the head
    /// given is the older one.
    pub fn fell_back(&self) -> bool {
        self.fell_back
    }

    /// Writes a head over the older slot. It is safe against a power cut after [`HeadGuard::sync`],
    /// or once the next head is stored; until then a power cut may bring back the one before.
    pub fn store(&mut self, note: &str) -> io::Result<()> {
        let full = || io::Error::other("the head guard has no sequence numbers left");
        let sequence = self.sequence.checked_add(1).ok_or_else(full)?;
        let slot = encode(sequence, note)?;
        // Otherwise a power cut could find both slots half written.
        self.sync()?;
        let other = 1 - self.current;
        self.unsynced = true;
        self.write(other, &slot)?;
        self.current = other;
        self.sequence = sequence;
        self.note = note.to_owned();
        Ok(())
    }

    /// Forces the last stored head to the disk. After a failure it is written anew before it is tried
    /// again.
    pub fn sync(&mut self) -> io::Result<()> {
        if !self.unsynced {
            return Ok(());
        }
        if self.doubtful {
            self.write(self.current, &encode(self.sequence, &self.note)?)?;
        }
        self.doubtful = true;
        self.file.sync_data()?;
        (self.unsynced, self.doubtful) = (false, false);
        Ok(())
    }

    fn write(&mut self, slot: u8, octets: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(u64::from(slot) * SLOT as u64))?;
        self.file.write_all(octets)
    }
}

/// Makes the whole file beside its place and moves it there, so a file that exists is complete and
/// later writes never change its length.
fn create(path: &Path) -> io::Result<()> {
    let mut octets = encode(0, "")?;
    octets.resize(2 * SLOT, 0);
    octets[SLOT..SLOT + HEADER].copy_from_slice(&encode(1, "")?);
    let mut name = path.file_name().map(ToOwned::to_owned).ok_or(io::ErrorKind::InvalidInput)?;
    name.push(".new");
    let draft = path.with_file_name(name);
    let mut file = File::create(&draft)?;
    file.write_all(&octets)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Both slots as far as they can be read.
fn read_slots(file: &mut File) -> io::Result<[Option<Slot>; 2]> {
    let mut octets = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(2 * SLOT as u64).read_to_end(&mut octets)?;
    let second = octets.split_off(octets.len().min(SLOT));
    Ok([decode(&octets), decode(&second)])
}

/// Which slot counts, what it holds, and whether the other one is unreadable.
fn newest(slots: &[Option<Slot>; 2]) -> io::Result<(u8, Slot, bool)> {
    let damaged = |text| Err(io::Error::new(io::ErrorKind::InvalidData, text));
    match slots {
        [Some(first), Some(second)] if first.sequence == second.sequence => {
            damaged("both slots of the head guard bear the same number")
        }
        [Some(first), Some(second)] if first.sequence > second.sequence => {
            Ok((0, first.clone(), false))
        }
        [_, Some(second)] => Ok((1, second.clone(), slots[0].is_none())),
        [Some(first), None] => Ok((0, first.clone(), true)),
        [None, None] => damaged("neither slot of the head guard can be read"),
    }
}

fn encode(sequence: u64, note: &str) -> io::Result<Vec<u8>> {
    if note.len() > MAX_GUARDED {
        let text = "the head is too long for the head guard";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut slot = MAGIC.to_vec();
    slot.extend(sequence.to_be_bytes());
    slot.extend((note.len() as u32).to_be_bytes());
    slot.extend(checksum(&slot, note.as_bytes()));
    slot.extend(note.as_bytes());
    Ok(slot)
}

fn decode(slot: &[u8]) -> Option<Slot> {
    let (header, rest) = slot.split_first_chunk::<HEADER>()?;
    let (magic, numbers) = header.split_first_chunk::<16>()?;
    let (sequence, numbers) = numbers.split_first_chunk::<8>()?;
    let (length, sum) = numbers.split_first_chunk::<4>()?;
    let note = rest.get(..u32::from_be_bytes(*length) as usize)?;
    if magic != MAGIC || checksum(&header[..28], note) != sum {
        return None;
    }
    let note = String::from_utf8(note.to_vec()).ok()?;
    Some(Slot { sequence: u64::from_be_bytes(*sequence), note })
}

fn checksum(numbers: &[u8], note: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(numbers);
    sha.update(note);
    sha.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_writing(path: &Path) -> File {
        OpenOptions::new().read(true).write(true).open(path).expect("a file")
    }

    #[test]
    fn what_could_not_be_synced_is_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("head");
        let mut guard = HeadGuard::open(&path).expect("a guard");
        guard.store("before").expect("stored");
        guard.sync().expect("synced");
        // The name of this thread takes octets, keeps none of these, and cannot be synced.
        guard.file = for_writing(Path::new("/proc/thread-self/comm"));
        guard.store("lost").expect("stored");
        assert!(guard.sync().is_err());
        assert!(guard.store("next").is_err(), "nothing is written over the safe slot");
        guard.file = for_writing(&path);
        guard.sync().expect("synced");
        assert_eq!(HeadGuard::read(&path).expect("read").as_deref(), Some("lost"));
        guard.store("next").expect("stored");
        assert_eq!(HeadGuard::read(&path).expect("read").as_deref(), Some("next"));
    }
}
