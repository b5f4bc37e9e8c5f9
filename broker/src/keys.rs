//! The keys that wrap what the store keeps: whether all of them are there, and whether the master
//! key above them has a backup that works. What `doctor` says of it, on a running hub and without.

use std::path::PathBuf;
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::text::Language;
use amtsbote_domain::wrapping::{KeyError, KeyId, WrappingKeys};
use amtsbote_store::{Database, SqliteStore, VerifyError, VerifyReport};
use amtsbote_trust::wrapping::record::{BackupRecord, STALE_DAYS, Standing};
use amtsbote_trust::wrapping::{WrappingError, WrappingFolder, fingerprint_text};

use crate::database;

/// Most keys that are named in one text; the others are counted.
const NAMED: usize = 5;

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    /// A stable word.
    pub name: &'static str,
    /// How grave it is.
    pub grade: Grade,
    /// German.
    pub de: String,
    /// English.
    pub en: String,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Somebody should look at it.
    Look,
    /// Somebody must act.
    Grave,
}

/// The wrapping keys of a running hub, and the store that names them.
pub(crate) struct KeysAtRest {
    folder: Arc<WrappingFolder>,
    store: Arc<SqliteStore>,
}

impl KeysAtRest {
    pub(crate) fn new(folder: Arc<WrappingFolder>, store: Arc<SqliteStore>) -> Self {
        Self { folder, store }
    }

    /// What there is to say about them. Reads every file.
    pub(crate) async fn findings(&self, data: PathBuf, now: Timestamp) -> Vec<Finding> {
        let named = match self.store.named_keys().await {
            Ok(named) => named,
            Err(error) => return vec![not_read(WRAPPING, &error.to_string(), &error.to_string())],
        };
        let folder = Arc::clone(&self.folder);
        let look = move || vec![wrapping(&folder, &named), backup(&folder, &data, now)];
        let looked = tokio::task::spawn_blocking(look).await;
        looked.unwrap_or_else(|_| vec![not_read(WRAPPING, "abgebrochen", "broken off")])
    }
}

impl KeysAtRest {
    /// What there is to say about the database server, if there is one.
    pub(crate) async fn server(&self) -> Option<Finding> {
        match self.store.server_facts().await {
            Ok(facts) => facts.as_ref().map(database::finding),
            Err(error) => {
                tracing::warn!(%error, "the database server could not be asked");
                Some(database::away("er antwortet nicht", &error.to_string()))
            }
        }
    }

    /// Checks the whole store beside the traffic, without opening content.
    pub(crate) async fn verify(&self) -> Result<VerifyReport, VerifyError> {
        self.store.verify(false).await
    }
}

const WRAPPING: &str = "wrapping-keys";
const BACKUP: &str = "master-key-backup";

/// Whether every key that a database names is there and opens, and nothing else is wrong with the
/// folder.
pub fn wrapping(folder: &WrappingFolder, named: &[KeyId]) -> Finding {
    let files = match folder.inventory() {
        Ok(files) => files,
        Err(error) => return unread(WRAPPING, &error),
    };
    let (mut bad, mut destroyed) = (Vec::new(), 0);
    for id in named {
        match folder.check(id) {
            Ok(()) => {}
            Err(KeyError::Destroyed(_)) => destroyed += 1,
            Err(error) => bad.push(error),
        }
    }
    if !bad.is_empty() {
        let count = bad.len();
        let list = |language| {
            let named: Vec<String> =
                bad.iter().take(NAMED).map(|error| error.text(language)).collect();
            named.join("; ")
        };
        return Finding {
            name: WRAPPING,
            grade: Grade::Grave,
            de: format!(
                "unbrauchbare Schlüssel, die der Speicher braucht: {count}; den Ordner »wrapping« \
                 aus der Sicherung des Schlüsselspeichers wiederherstellen: {}",
                list(Language::De)
            ),
            en: format!(
                "keys of no use that the store needs: {count}; restore the folder “wrapping” from \
                 the backup of the key store: {}",
                list(Language::En)
            ),
        };
    }
    let strange = files
        .iter()
        .filter(|file| {
            file.id.is_none()
                || matches!(&file.fault, Some(fault) if !matches!(fault, KeyError::Destroyed(_)))
        })
        .count();
    let (pending, old) = (folder.rotation_pending(), folder.old_masters());
    let mut de = format!("Schlüssel: {}, alle vom Speicher gebrauchten vorhanden", files.len());
    let mut en = format!("keys: {}, all that the store needs are there", files.len());
    let mut add = |german: String, english: String| {
        de = format!("{de}; {german}");
        en = format!("{en}; {english}");
    };
    if destroyed > 0 {
        add(format!("vernichtet: {destroyed}"), format!("destroyed: {destroyed}"));
    }
    if strange > 0 {
        add(
            format!("Dateien, die unbrauchbar sind oder nicht dorthin gehören: {strange}"),
            format!("files of no use or in the wrong place: {strange}"),
        );
    }
    if pending {
        add(
            "ein Wechsel des Hauptschlüssels ist nicht abgeschlossen: amtsbote key rotate master"
                .to_owned(),
            "a rotation of the master key is not finished: amtsbote key rotate master".to_owned(),
        );
    }
    if old > 0 {
        add(
            format!(
                "alte Hauptschlüssel daneben: {old} (entfernen: amtsbote key rotate master \
                 --retire-old)"
            ),
            format!(
                "old master keys beside it: {old} (remove: amtsbote key rotate master --retire-old)"
            ),
        );
    }
    let look = strange > 0 || pending || old > 0;
    Finding { name: WRAPPING, grade: if look { Grade::Look } else { Grade::Good }, de, en }
}

/// Whether the present master key has a backup that somebody has shown to work.
pub fn backup(folder: &WrappingFolder, data: &std::path::Path, now: Timestamp) -> Finding {
    let record = match BackupRecord::load(data) {
        Ok(record) => record,
        Err(error) => return unread(BACKUP, &error),
    };
    let master = folder.master();
    let key = fingerprint_text(master);
    let standing = BackupRecord::standing(record.as_ref(), &master.fingerprint(), now);
    let (grade, de, en) = match standing {
        Standing::None => (
            Grade::Grave,
            format!(
                "vom Hauptschlüssel {key} ist keine Sicherung bekannt; geht er verloren, ist alles \
                 verloren: amtsbote key backup --to DATEI"
            ),
            format!(
                "no backup of master key {key} is known; if it is lost, everything is: amtsbote \
                 key backup --to FILE"
            ),
        ),
        Standing::Unverified => (
            Grade::Look,
            format!(
                "die Sicherung des Hauptschlüssels {key} wurde nie geprüft: amtsbote key backup \
                 --verify DATEI"
            ),
            format!(
                "the backup of master key {key} was never verified: amtsbote key backup --verify \
                 FILE"
            ),
        ),
        Standing::Stale(days) => (
            Grade::Look,
            format!(
                "die Sicherung des Hauptschlüssels {key} wurde vor {days} Tagen zuletzt geprüft, \
                 spätestens nach {STALE_DAYS} erneut: amtsbote key backup --verify DATEI"
            ),
            format!(
                "the backup of master key {key} was last verified {days} days ago, again after \
                 {STALE_DAYS} at most: amtsbote key backup --verify FILE"
            ),
        ),
        Standing::Good(days @ ..=1) => (
            Grade::Good,
            format!(
                "Sicherung des Hauptschlüssels {key}, {} geprüft",
                if days == 1 { "vor 1 Tag" } else { "heute" }
            ),
            format!(
                "backup of master key {key}, verified {}",
                if days == 1 { "1 day ago" } else { "today" }
            ),
        ),
        Standing::Good(days) => (
            Grade::Good,
            format!("Sicherung des Hauptschlüssels {key}, vor {days} Tagen geprüft"),
            format!("backup of master key {key}, verified {days} days ago"),
        ),
    };
    Finding { name: BACKUP, grade, de, en }
}

/// The same for a node that does not run: its key store, and what its database names.
pub fn offline(
    folder: &WrappingFolder,
    database: &Database,
    data: &std::path::Path,
    now: Timestamp,
) -> Vec<Finding> {
    let wrapping = match database.named_keys(data) {
        Ok(named) => wrapping(folder, &named),
        Err(error) => {
            let (de, en) = error.told();
            not_read(WRAPPING, &de, &en)
        }
    };
    vec![wrapping, backup(folder, data, now)]
}

/// The findings where the key store itself cannot be opened.
pub fn unusable(error: &WrappingError) -> Finding {
    Finding {
        name: WRAPPING,
        grade: Grade::Grave,
        de: error.text(Language::De),
        en: error.text(Language::En),
    }
}

fn unread(name: &'static str, error: &WrappingError) -> Finding {
    not_read(name, &error.text(Language::De), &error.text(Language::En))
}

fn not_read(name: &'static str, de: &str, en: &str) -> Finding {
    Finding {
        name,
        grade: Grade::Grave,
        de: format!("konnte nicht geprüft werden: {de}"),
        en: format!("could not be checked: {en}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::wrapping::Tenant;
    use amtsbote_trust::master::MasterKey;
    use amtsbote_trust::wrapping::MASTER_KEY;

    #[test]
    fn what_is_missing_or_has_no_backup_is_grave() {
        let dir = tempfile::tempdir().expect("a folder");
        MasterKey::create(&dir.path().join(MASTER_KEY)).expect("a key");
        let mut folder = WrappingFolder::open(dir.path()).expect("opens");
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().expect("an instant");
        let tenant = Tenant::parse("ags:05766044").expect("a tenant");
        let (id, _) = folder.wrap(&tenant, now, b"", &[1; 32]).expect("wraps");
        let named = [id.clone()];
        let found = wrapping(&folder, &named);
        assert_eq!(found.grade, Grade::Good);
        assert!(found.de.starts_with("Schlüssel: 1,"), "{found:?}");
        assert!(found.en.starts_with("keys: 1,"), "{found:?}");
        let found = backup(&folder, dir.path(), now);
        assert_eq!(found.grade, Grade::Grave, "{found:?}");
        let mut record =
            BackupRecord { master: folder.master().fingerprint(), made: now, verified: None };
        record.store(dir.path()).expect("writes");
        assert_eq!(backup(&folder, dir.path(), now).grade, Grade::Look);
        record.verified = Some(now);
        record.store(dir.path()).expect("writes");
        for (hours, de, en) in [
            (0, "heute geprüft", "verified today"),
            (25, "vor 1 Tag geprüft", "verified 1 day ago"),
            (49, "vor 2 Tagen geprüft", "verified 2 days ago"),
        ] {
            let later = now + jiff::SignedDuration::from_hours(hours);
            let found = backup(&folder, dir.path(), later);
            assert_eq!(found.grade, Grade::Good);
            assert!(found.de.ends_with(de) && found.en.ends_with(en), "{found:?}");
        }
        // A new master key needs a backup of its own, and the old one does not stay for ever.
        folder.rotate_master(&named).expect("rotates");
        assert_eq!(backup(&folder, dir.path(), now).grade, Grade::Grave);
        let found = wrapping(&folder, &named);
        assert_eq!(found.grade, Grade::Look, "{found:?}");
        assert!(found.de.contains("alte Hauptschlüssel daneben: 1 "), "{found:?}");
        assert!(found.en.contains("old master keys beside it: 1 "), "{found:?}");
        folder.destroy(&id, now).expect("destroys");
        let found = wrapping(&folder, &named);
        assert!(found.de.contains("vernichtet: 1") && found.grade == Grade::Look, "{found:?}");
        let lost = KeyId::new(tenant, id.period().clone(), 7, [7; 8]);
        let found = wrapping(&folder, &[lost]);
        assert_eq!(found.grade, Grade::Grave);
        let list = ": the key ags:05766044/2026-11/7-0707070707070707 is missing in the key store";
        assert!(found.en.ends_with(list), "{found:?}");
        let list = ": der Schlüssel ags:05766044/2026-11/7-0707070707070707 fehlt im \
                    Schlüsselspeicher";
        assert!(found.de.ends_with(list), "{found:?}");
    }
}
