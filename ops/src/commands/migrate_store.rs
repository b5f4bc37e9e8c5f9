//! `migrate-store`: a store moves to another database, or its large parts to another place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use amtsbote_store::{MoveError, StoreOptions, abandon_move, move_store};
use amtsbote_trust::wrapping::WrappingFolder;
use clap::Args;
use serde_json::json;

use crate::config::certificate;
use crate::config::node::NodeFile;
use crate::outcome::{Exit, Failure, Outcome};
use crate::ui::Ui;

/// Move the store of a node to the database of another configuration; all nodes are stopped
///
/// From SQLite to PostgreSQL, or back; large parts from a folder to a bucket, or back. Leaves, heads,
/// receipts, messages, deliveries and parts go over byte for byte; a bucket that both configurations name
/// stays where it is. The new store is checked as a whole before it can be started, and the old one cannot
/// be started again. Broken off anywhere, the same command goes on. The new store must be empty. Both
/// configurations have the same name and log key; wrapping keys are not copied: name the same
/// keys.store in both, or copy the folder before.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  amtsbote migrate-store --config /etc/amtsbote/amtsbote.toml --to \
                        /etc/amtsbote/cluster.toml"
)]
pub(crate) struct MigrateStore {
    /// The configuration that names the new store
    #[arg(long, value_name = "CONFIG")]
    to: PathBuf,
    /// Go back to the old store while the new one has not been released
    #[arg(long)]
    abandon: bool,
}

impl MigrateStore {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let from = NodeFile::read(&crate::config::node_file(config)?)?;
        let to = NodeFile::read(&self.to)?;
        // Held until the end: no node starts meanwhile.
        let keys = held(&from.key_store_dir())?;
        let same =
            from.key_store_dir().canonicalize().ok() == to.key_store_dir().canonicalize().ok();
        let other = if same { Arc::clone(&keys) } else { held(&to.key_store_dir())? };
        let (source, target) = (from.store(keys)?, to.store(other)?);
        if self.abandon {
            abandon_move(&source, &target).map_err(|error| failed(&error))?;
            return Ok(self.abandoned(ui));
        }
        let mut step = |table: &str| match table {
            "" => ui.note(ui.t("prüfe den neuen Speicher", "checking the new store")),
            table => ui.note(format!("{} {table}", ui.t("übertrage", "moving"))),
        };
        let moved = move_store(&source, &target, &mut step).map_err(|error| failed(&error))?;
        let report = &moved.report;
        if ui.is_json() {
            ui.json(&json!({
                "ok": true, "resumed": moved.resumed, "rows": moved.rows, "files": moved.files,
                "leaves": report.log.leaves, "messages": report.messages, "parts": report.parts,
                "config": self.to,
            }));
            return Ok(Exit::Yes);
        }
        ui.line(format!(
            "{}: {} {}, {} {}, {} {}, {} {}",
            ui.t(
                "umgezogen, Nachweise vollständig und unverändert",
                "moved, evidence complete and unaltered"
            ),
            report.log.leaves,
            ui.t("Blätter", "leaves"),
            report.messages,
            ui.t("Nachrichten", "messages"),
            moved.rows,
            ui.t("Zeilen", "rows"),
            moved.files,
            ui.t("große Teile kopiert", "large parts copied"),
        ));
        ui.note(format!("  amtsbote serve --config {}", self.to.display()));
        ui.note(ui.t(
            "Der alte Speicher ist als umgezogen markiert und startet nicht mehr; er wird nicht gelöscht.",
            "The old store is marked as moved and does not start any more; it is not deleted.",
        ));
        Ok(Exit::Yes)
    }

    fn abandoned(&self, ui: &Ui) -> Exit {
        if ui.is_json() {
            ui.json(&json!({ "ok": true, "abandoned": true }));
        } else {
            ui.line(ui.t(
                "Umzug abgebrochen: Der alte Speicher kann wieder gestartet werden.",
                "The move was abandoned: the old store can be started again.",
            ));
            ui.note(ui.t(
                "Was im neuen schon liegt, ist unbrauchbar; vor einem neuen Versuch löschen.",
                "What lies in the new one already is of no use; remove it before another try.",
            ));
        }
        Exit::Yes
    }
}

/// The wrapping keys, held against nodes and other commands.
fn held(store: &Path) -> Result<Arc<WrappingFolder>, Failure> {
    let folder = WrappingFolder::open(store);
    folder.map(Arc::new).map_err(|error| certificate::wrapping_failure(&error))
}

fn failed(error: &MoveError) -> Failure {
    let (de, en) = error.told();
    let exit = match error {
        error if error.is_wrong_use() => Exit::Usage,
        MoveError::Differs(_) | MoveError::DoesNotHold(_) => Exit::No,
        _ => Exit::NotNow,
    };
    Failure::new(exit, de, en)
}

impl NodeFile {
    /// What opens the store of this configuration.
    fn store(&self, keys: Arc<WrappingFolder>) -> Result<StoreOptions, Failure> {
        let clock = Arc::new(amtsbote_broker::clock::SystemClock);
        let mut options = StoreOptions::new(self.data_dir(), keys, self.log_key()?, clock);
        options.database = self.database()?;
        options.large_parts = self.large_parts()?;
        options.reserve_bytes = self.limits().reserve_bytes;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::ports::StoreError;
    use amtsbote_domain::text::Language;
    use amtsbote_store::{OpenError, ServerFault};

    /// A script tells what must be changed first from what may be repeated later.
    #[test]
    fn wrong_use_is_told_from_what_cannot_be_done_now() {
        let server = |fault| MoveError::Target(OpenError::Server(fault));
        let lost = || StoreError::Unavailable("database: the connection is lost".to_owned());
        for (error, exit) in [
            (MoveError::SameStore, Exit::Usage),
            (MoveError::OtherLog, Exit::Usage),
            (MoveError::NotEmpty, Exit::Usage),
            (MoveError::Elsewhere, Exit::Usage),
            (MoveError::NotUnderWay, Exit::Usage),
            (MoveError::SameFolder, Exit::Usage),
            (MoveError::Source(OpenError::OtherLogKey { expected: "x".into() }), Exit::Usage),
            (server(ServerFault::Foreign), Exit::Usage),
            (server(ServerFault::Login), Exit::Usage),
            (server(ServerFault::NoDatabase), Exit::Usage),
            (server(ServerFault::OtherFolder), Exit::Usage),
            (server(ServerFault::Away("x".into())), Exit::NotNow),
            (MoveError::Source(OpenError::InUse), Exit::NotNow),
            (MoveError::AtWork, Exit::NotNow),
            (MoveError::Store(lost()), Exit::NotNow),
            (MoveError::Differs("leaf".into()), Exit::No),
        ] {
            assert_eq!(failed(&error).exit, exit, "{error}");
        }
    }

    /// German is German: what stands behind it is a number, a name or a code.
    #[test]
    fn no_english_stands_in_german() {
        let sqlstate = StoreError::Unavailable("database: SQLSTATE 57014".to_owned());
        for (error, cause) in [
            (MoveError::NotEmpty, ""),
            (MoveError::Source(OpenError::RolledBack("it is shorter".into())), ""),
            (MoveError::Target(OpenError::Server(ServerFault::Unsafe("fsync"))), " (fsync)"),
            (MoveError::Target(OpenError::NewerSchema { found: 7, known: 6 }), " (7, 6)"),
            (MoveError::Differs("leaf".into()), " (leaf)"),
            (MoveError::Store(sqlstate), " (SQLSTATE 57014)"),
            (MoveError::Store(StoreError::Full), ""),
        ] {
            let failure = failed(&error);
            let wanted = format!("{}{cause}", error.text().de);
            assert_eq!(failure.text(Language::De), wanted);
            let cause = format!("({error})");
            assert!(failure.text(Language::En).ends_with(&cause), "{error}");
        }
    }
}
