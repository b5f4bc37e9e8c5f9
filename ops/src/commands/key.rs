//! `key list`, `key rotate`, `key backup`, `key restore`: the keys that everything at rest depends
//! on.
//!
//! What changes keys works on the files of a node that does not run, and is refused while one does:
//! the key store is locked. The backup only reads them, so it needs no stop.

mod needed;

use std::path::{Path, PathBuf};

use amtsbote_domain::text::Language;
use amtsbote_domain::wrapping::{KeyError, Tenant};
use amtsbote_trust::keystore::Passphrase;
use amtsbote_trust::wrapping::backup::{self, Cost, Opens, Restored};
use amtsbote_trust::wrapping::record::BackupRecord;
use amtsbote_trust::wrapping::{KeyFile, WrappingError, WrappingFolder, fingerprint_text};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::certificate;
use crate::config::node::NodeFile;
use crate::outcome::{Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};

/// The variable with the passphrase of backups.
const PASSPHRASE: &str = "AMTSBOTE_BACKUP_PASSPHRASE";
/// The systemd credential with it.
const CREDENTIAL: &str = "amtsbote-backup-passphrase";

/// Rotate and back up the keys that everything at rest depends on
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// List the wrapping keys with their state
    List(List),
    /// Make new keys beside the old ones; the node must not run
    #[command(subcommand)]
    Rotate(Rotate),
    /// Back up the master key under a passphrase, or verify such a backup
    Backup(Backup),
    /// Put the master key of a backup into a key store that has none
    Restore(Restore),
}

/// List the wrapping keys with their state
///
/// Exit code 0 when every key opens, else 1.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote key list --config /etc/amtsbote/amtsbote.toml")]
pub(crate) struct List {}

/// Make new keys beside the old ones
#[derive(Debug, Subcommand)]
pub(crate) enum Rotate {
    /// A new master key: every wrapping key is wrapped anew
    Master(RotateMaster),
    /// New wrapping keys for the present month
    Period(RotatePeriod),
}

/// A new master key: every wrapping key is wrapped anew
///
/// Broken off at any point, the node works as before, and the same command goes on. The old master
/// key stays beside the new one until --retire-old, which asks for a verified backup of the new.
/// Both are refused while the database holds or names a key that is not in the key store: after an
/// update, start the node once before.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  systemctl stop amtsbote && amtsbote key rotate master\n  \
                  amtsbote key backup --to /mnt/safe/master-key.backup\n  \
                  amtsbote key backup --verify /mnt/safe/master-key.backup\n  \
                  amtsbote key rotate master --retire-old")]
pub(crate) struct RotateMaster {
    /// Remove the old master keys for good, instead of making a new one
    #[arg(long)]
    retire_old: bool,
    /// Folder of the data, instead of data_dir
    #[arg(long, env = "AMTSBOTE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// New wrapping keys for the present month
///
/// They begin anew with every month by themselves; this is for a reason in between. What was
/// accepted before keeps its key.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote key rotate period --tenant ags:05766044")]
pub(crate) struct RotatePeriod {
    /// Only for this party [default: all that have a key this month]
    #[arg(long, value_name = "PARTY", value_parser = tenant)]
    tenant: Option<Tenant>,
}

/// Back up the master key under a passphrase, or verify such a backup
///
/// The passphrase comes from --passphrase-file, else AMTSBOTE_BACKUP_PASSPHRASE, else the systemd
/// credential amtsbote-backup-passphrase; 12 characters at least. Keep file and passphrase apart
/// from each other and from all other backups. The wrapping keys (folder "wrapping" of the key
/// store) are not in it: they change every month and belong into an ordinary backup, which opens
/// with this master key alone. --verify reads a backup again and tries it on every key, without
/// installing anything; `amtsbote doctor` wants that every 180 days.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote key backup --to /mnt/safe/master-key.backup \
                  --passphrase-file /run/passphrase\n  \
                  amtsbote key backup --verify /mnt/safe/master-key.backup")]
pub(crate) struct Backup {
    /// The file to write; must not exist
    #[arg(long, value_name = "FILE", required_unless_present = "verify")]
    to: Option<PathBuf>,
    /// The backup to verify
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    verify: Option<PathBuf>,
    /// File whose first line is the passphrase, readable by its owner only
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Folder of the data, instead of data_dir
    #[arg(long, env = "AMTSBOTE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Put the master key of a backup into a key store that has none
///
/// A master key that is there is never overwritten, and one that does not open the wrapping keys
/// there is refused. Restore the folder "wrapping" first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote key restore /mnt/safe/master-key.backup \
                  --passphrase-file /run/passphrase")]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    /// File whose first line is the passphrase, readable by its owner only
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

fn tenant(text: &str) -> Result<Tenant, String> {
    Tenant::parse(text).ok_or_else(|| "a tenant is a party, e.g. ags:05766044".to_owned())
}

impl Key {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let node = NodeFile::read(&crate::config::node_file(config)?)?;
        match self {
            Self::List(_) => list(ui, &node),
            Self::Rotate(Rotate::Master(rotate)) => rotate.run(ui, &node),
            Self::Rotate(Rotate::Period(rotate)) => rotate.run(ui, &node),
            Self::Backup(backup) => backup.run(ui, &node),
            Self::Restore(restore) => restore.run(ui, &node),
        }
    }
}

fn failed(error: WrappingError) -> Failure {
    certificate::wrapping_failure(&error)
}

fn list(ui: &Ui, node: &NodeFile) -> Outcome {
    let folder = node.wrapping()?;
    let files = folder.inventory().map_err(failed)?;
    let good = files.iter().all(is_good);
    if ui.is_json() {
        for file in &files {
            ui.json(&json!({
                "key": file.id.as_ref().map(ToString::to_string),
                "file": file.path,
                "master": file.master,
                "ok": is_good(file),
                "fault": file.fault.as_ref().map(ToString::to_string),
            }));
        }
        return Ok(Exit::answer(good));
    }
    let master = fingerprint_text(folder.master());
    ui.line(format!("{} {master}", ui.t("Hauptschlüssel", "master key")));
    if files.is_empty() {
        ui.line(no_key_yet(ui));
        return Ok(Exit::Yes);
    }
    let headings = [
        ui.t("Schlüssel", "Key"),
        ui.t("unter Hauptschlüssel", "under master key"),
        ui.t("Zustand", "State"),
    ];
    let mut table = ui.table(&headings);
    for file in &files {
        let path = file.path.strip_prefix(".").unwrap_or(&file.path);
        let key = file.id.as_ref().map_or_else(|| path.display().to_string(), ToString::to_string);
        let state = match (&file.id, &file.fault) {
            (Some(_), None) => "ok".to_owned(),
            (_, Some(fault)) => state(ui, fault),
            (None, None) => ui.t("beschädigt oder kein Schlüssel", "damaged or no key").to_owned(),
        };
        table.add_row([key, file.master.clone().unwrap_or_else(|| "-".to_owned()), state]);
    }
    ui.print_table(&table);
    Ok(Exit::answer(good))
}

fn no_key_yet(ui: &Ui) -> &'static str {
    match ui.language {
        Language::De => "Noch kein Monatsschlüssel; der erste entsteht mit der ersten Nachricht.",
        Language::En => "No wrapping key yet; the first one is made with the first message.",
    }
}

/// What is wrong with a key, without naming it: its name stands beside it.
fn state(ui: &Ui, fault: &KeyError) -> String {
    let (de, en) = match fault {
        KeyError::Missing(_) => ("fehlt", "missing"),
        KeyError::Destroyed(_) => ("vernichtet", "destroyed"),
        KeyError::OtherMaster(_) => {
            ("unter einem Hauptschlüssel, der hier fehlt", "under a master key that is not here")
        }
        KeyError::Damaged(_) => {
            ("beschädigt oder am falschen Ort", "damaged or in the wrong place")
        }
        KeyError::OpenToOthers(_) => ("für andere zugänglich", "open to others"),
        KeyError::NotOurs | KeyError::Changed => ("verändert oder fremd", "changed or foreign"),
        KeyError::Full => ("kein Platz im Schlüsselordner", "no room in the key store"),
        KeyError::Unavailable(reason) => return reason.clone(),
    };
    ui.t(de, en).to_owned()
}

fn is_good(file: &KeyFile) -> bool {
    file.id.is_some() && matches!(file.fault, None | Some(KeyError::Destroyed(_)))
}

impl RotateMaster {
    fn run(&self, ui: &Ui, node: &NodeFile) -> Outcome {
        let mut folder = WrappingFolder::open(&node.key_store_dir()).map_err(failed)?;
        let data = self.data_dir.clone().unwrap_or_else(|| node.data_dir());
        // After the folder: as long as that is held, no node starts and changes the database.
        let database = node.database()?;
        let named = needed::named(&data, database.has_store(&data), database.named_keys(&data))?;
        if self.retire_old {
            let record = BackupRecord::load(&data).map_err(failed)?;
            let count = folder.retire_old(&named, record.as_ref()).map_err(failed)?;
            let master = fingerprint_text(folder.master());
            if ui.is_json() {
                ui.json(&json!({ "ok": true, "retired": count, "master": master }));
            } else {
                let word = ui.t("alte Hauptschlüssel entfernt:", "old master keys removed:");
                ui.line(format!("{word} {count}"));
            }
            return Ok(Exit::Yes);
        }
        let done = folder.rotate_master(&named).map_err(failed)?;
        let master = fingerprint_text(folder.master());
        if ui.is_json() {
            ui.json(&json!({
                "ok": true, "resumed": done.resumed, "wrapped": done.wrapped, "keys": done.keys,
                "master": master,
            }));
            return Ok(Exit::Yes);
        }
        let begun = match done.resumed {
            true => ui.t("Wechsel fortgesetzt", "rotation continued"),
            false => ui.t("Hauptschlüssel gewechselt", "master key rotated"),
        };
        ui.line(format!(
            "{begun}: {master}, {} {} {} {}",
            done.wrapped,
            ui.t("von", "of"),
            done.keys,
            ui.t("Schlüsseln neu umhüllt", "keys wrapped anew")
        ));
        ui.note(ui.t(
            "Der alte bleibt zunächst daneben liegen. Den neuen jetzt sichern (amtsbote key backup \
             --to DATEI) und die Sicherung prüfen (--verify DATEI); danach den alten entfernen: \
             amtsbote key rotate master --retire-old",
            "The old one stays beside it. Back up now: amtsbote key backup --to FILE, then --verify \
             FILE; after that remove the old one: amtsbote key rotate master --retire-old",
        ));
        Ok(Exit::Yes)
    }
}

impl RotatePeriod {
    fn run(&self, ui: &Ui, node: &NodeFile) -> Outcome {
        let folder = WrappingFolder::open(&node.key_store_dir()).map_err(failed)?;
        let made = folder.rotate_period(self.tenant.as_ref(), time::now()).map_err(failed)?;
        for id in &made {
            if ui.is_json() {
                ui.json(&json!({ "key": id.to_string(), "tenant": id.tenant().as_str() }));
            } else {
                ui.line(id.to_string());
            }
        }
        if made.is_empty() {
            ui.note(ui.t(
                "In diesem Monat gibt es noch keinen Schlüssel; der erste entsteht von selbst.",
                "There is no key yet this month; the first one is made by itself.",
            ));
        }
        Ok(Exit::Yes)
    }
}

impl Backup {
    fn run(&self, ui: &Ui, node: &NodeFile) -> Outcome {
        let data = self.data_dir.clone().unwrap_or_else(|| node.data_dir());
        let phrase = passphrase(self.passphrase_file.as_deref())?;
        match (&self.to, &self.verify) {
            (Some(to), _) => make(ui, node, to, &phrase, &data),
            (None, Some(file)) => verify(ui, node, file, &phrase, &data),
            (None, None) => Err(Failure::usage("--to oder --verify", "--to or --verify")),
        }
    }
}

fn make(ui: &Ui, node: &NodeFile, to: &Path, phrase: &Passphrase, data: &Path) -> Outcome {
    let folder = node.wrapping()?;
    let at = time::now();
    backup::make(to, &folder, node.name(), at, phrase, Cost::Normal).map_err(failed)?;
    let record = BackupRecord { master: folder.master().fingerprint(), made: at, verified: None };
    record.store(data).map_err(failed)?;
    let master = fingerprint_text(folder.master());
    if ui.is_json() {
        ui.json(&json!({ "ok": true, "file": to, "master": master, "made": at.to_string() }));
        return Ok(Exit::Yes);
    }
    let shown = to.display();
    ui.line(format!(
        "{} {master}: {shown}",
        ui.t("Sicherung des Hauptschlüssels", "backup of master key")
    ));
    ui.note(format!(
        "{} amtsbote key backup --verify {shown}",
        ui.t("Am Ort der Aufbewahrung prüfen:", "Verify it where it is kept:")
    ));
    Ok(Exit::Yes)
}

fn verify(ui: &Ui, node: &NodeFile, file: &Path, phrase: &Passphrase, data: &Path) -> Outcome {
    let opened = match backup::open(file, phrase) {
        Ok(opened) => opened,
        // An answer about the backup, not a failure to ask.
        Err(error @ (WrappingError::NotABackup | WrappingError::WrongPassphrase)) => {
            ui.failure(&error.text(ui.language));
            return Ok(Exit::No);
        }
        Err(error) => return Err(failed(error)),
    };
    let opens = opened.compare(&node.key_store_dir()).map_err(failed)?;
    let good = opens.everything();
    if good {
        let (master, verified) = (opened.master.fingerprint(), Some(time::now()));
        BackupRecord { master, made: opened.made, verified }.store(data).map_err(failed)?;
    }
    if ui.is_json() {
        ui.json(&json!({
            "ok": good, "file": file, "node": opened.node, "made": opened.made.to_string(),
            "master": fingerprint_text(&opened.master),
            "is_present_master": opens.is_present_master,
            "opened": opens.opened, "not_opened": opens.others,
        }));
    } else {
        print_verified(ui, &opened, &opens);
    }
    Ok(Exit::answer(good))
}

fn print_verified(ui: &Ui, opened: &backup::Backup, opens: &Opens) {
    let word = match opens.everything() {
        true => ui.tint(Tone::Good, ui.t("Sicherung geprüft", "backup verified")),
        false => ui.tint(Tone::Bad, ui.t("Sicherung reicht nicht", "backup does not suffice")),
    };
    ui.line(format!(
        "{word}: {} {} {} {}, {} {}; {} {}",
        ui.t("Hauptschlüssel", "master key"),
        fingerprint_text(&opened.master),
        ui.t("des Knotens", "of the node"),
        opened.node,
        ui.t("gesichert am", "backed up on"),
        ui.time(opened.made),
        ui.t("damit geöffnete Schlüssel:", "keys opened with it:"),
        opens.opened,
    ));
    if !opens.is_present_master {
        ui.line(ui.t(
            "  Der Knoten arbeitet mit einem anderen Hauptschlüssel, oder hat keinen.",
            "  The node works with another master key, or has none.",
        ));
    }
    for name in &opens.others {
        ui.line(format!("  {} {name}", ui.t("nicht geöffnet:", "not opened:")));
    }
}

impl Restore {
    fn run(&self, ui: &Ui, node: &NodeFile) -> Outcome {
        let phrase = passphrase(self.passphrase_file.as_deref())?;
        let opened = backup::open(&self.file, &phrase).map_err(failed)?;
        let done = opened.restore(&node.key_store_dir()).map_err(failed)?;
        let master = fingerprint_text(&opened.master);
        if ui.is_json() {
            let installed = done == Restored::Installed;
            ui.json(&json!({ "ok": true, "master": master, "installed": installed }));
            return Ok(Exit::Yes);
        }
        let word = match done {
            Restored::Installed => ui.t("Hauptschlüssel wiederhergestellt", "master key restored"),
            Restored::Present => {
                ui.t("Hauptschlüssel bereits vorhanden", "master key there already")
            }
        };
        ui.line(format!("{word}: {master}"));
        Ok(Exit::Yes)
    }
}

/// Where the passphrase comes from: file, environment, credential. Never an argument.
fn passphrase(file: Option<&Path>) -> Result<Passphrase, Failure> {
    if let Some(file) = file {
        return Ok(Passphrase::File(file.to_owned()));
    }
    if std::env::var_os(PASSPHRASE).is_some() {
        return Ok(Passphrase::Environment(PASSPHRASE.to_owned()));
    }
    if std::env::var_os("CREDENTIALS_DIRECTORY").is_some() {
        return Ok(Passphrase::Credential(CREDENTIAL.to_owned()));
    }
    Err(Failure::usage(
        format!("Keine Passphrase: --passphrase-file, {PASSPHRASE} oder Credential {CREDENTIAL}"),
        format!("no passphrase: --passphrase-file, {PASSPHRASE} or credential {CREDENTIAL}"),
    ))
}
