//! What the node knows of the backup of its master key: of which key, since when, and whether
//! somebody has shown that it works. A few lines in the node's data, never anything secret.

use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;

use super::durable;
use super::error::WrappingError;

/// The file in the folder of the node's data.
pub const FILE: &str = "master-key-backup";
/// First line.
const TITLE: &str = "amtsbote record of the master key's backup 1";
/// Longest file, in octets.
const MAX_BYTES: u64 = 4096;
/// Days after which a backup should be verified again, or made anew.
pub const STALE_DAYS: i64 = 180;

/// The newest backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRecord {
    /// Fingerprint of the master key in it.
    pub master: Digest,
    /// When it was made.
    pub made: Timestamp,
    /// When it was last read again and found to open the node's keys.
    pub verified: Option<Timestamp>,
}

/// How a node stands with the backup of its master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None of the present master key is known of: the loss of one disk is the loss of everything.
    None,
    /// There is one, but nobody has ever read it again.
    Unverified,
    /// It was last verified so many days ago; too long.
    Stale(i64),
    /// It was last verified so many days ago.
    Good(i64),
}

impl BackupRecord {
    /// Reads it; none when there is none. One that is damaged counts as none: then the backup must
    /// be shown again.
    pub fn load(data: &Path) -> Result<Option<Self>, WrappingError> {
        let path = data.join(FILE);
        let read = durable::read(&path, MAX_BYTES).map_err(WrappingError::file(&path))?;
        let text = read.and_then(|(octets, _)| String::from_utf8(octets).ok());
        Ok(text.and_then(|text| Self::parse(&text)))
    }

    /// Writes it durably.
    pub fn store(&self, data: &Path) -> Result<(), WrappingError> {
        let path = data.join(FILE);
        let mut text = format!("{TITLE}\nmaster: {}\nmade: {}\n", self.master, self.made);
        if let Some(verified) = self.verified {
            text.push_str(&format!("verified: {verified}\n"));
        }
        durable::write(&path, text.as_bytes()).map_err(WrappingError::file(&path))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        (lines.next()? == TITLE).then_some(())?;
        let master = Digest::parse(lines.next()?.strip_prefix("master: ")?).ok()?;
        let made = lines.next()?.strip_prefix("made: ")?.parse().ok()?;
        let verified = match lines.next() {
            None => None,
            Some(line) => Some(line.strip_prefix("verified: ")?.parse().ok()?),
        };
        lines.next().is_none().then_some(Self { master, made, verified })
    }

    /// How the node stands with this record at an instant.
    pub fn standing(record: Option<&Self>, master: &Digest, now: Timestamp) -> Standing {
        const DAY: i64 = 24 * 3600;
        let Some(record) = record.filter(|record| record.master == *master) else {
            return Standing::None;
        };
        let Some(verified) = record.verified else { return Standing::Unverified };
        match (now.as_second() - verified.as_second()).max(0) / DAY {
            days if days > STALE_DAYS => Standing::Stale(days),
            days => Standing::Good(days),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_damage_counts_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(BackupRecord::load(folder.path()).expect("reads"), None);
        let made: Timestamp = "2026-11-23T08:00:00Z".parse().expect("an instant");
        for verified in [None, Some(made)] {
            let record = BackupRecord { master: Digest([7; 32]), made, verified };
            record.store(folder.path()).expect("writes");
            assert_eq!(BackupRecord::load(folder.path()).expect("reads"), Some(record));
        }
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).expect("reads");
        for bad in ["", "x", &text[..40], &text.replace("made", "mode"), &format!("{text}more\n")] {
            std::fs::write(&path, bad).expect("writes");
            assert_eq!(BackupRecord::load(folder.path()).expect("reads"), None, "{bad}");
        }
    }

    #[test]
    fn a_backup_of_another_key_is_none_and_one_grows_stale() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let (master, made) = (Digest([7; 32]), at("2026-01-01T00:00:00Z"));
        let record = BackupRecord { master, made, verified: Some(made) };
        let standing = |record: &BackupRecord, master, now| {
            BackupRecord::standing(Some(record), &master, at(now))
        };
        assert_eq!(standing(&record, Digest([8; 32]), "2026-01-02T00:00:00Z"), Standing::None);
        assert_eq!(standing(&record, master, "2026-01-03T00:00:00Z"), Standing::Good(2));
        assert_eq!(standing(&record, master, "2025-12-31T00:00:00Z"), Standing::Good(0));
        assert_eq!(standing(&record, master, "2026-07-15T00:00:00Z"), Standing::Stale(195));
        let unverified = BackupRecord { verified: None, ..record };
        assert_eq!(standing(&unverified, master, "2026-01-02T00:00:00Z"), Standing::Unverified);
        assert_eq!(BackupRecord::standing(None, &master, made), Standing::None);
    }
}
