//! The report over the evidence of a node, from a running hub or from its files.

use std::path::Path;

use amtsbote_archive::note::VerifierKey;
use amtsbote_store::{Database, LargeParts, VerifyError};
use amtsbote_trust::wrapping::WrappingFolder;
use serde::{Deserialize, Serialize};

use crate::commands::serve::not_opened;
use crate::outcome::{Context, Failure};
use crate::ui::{Tone, Ui};

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    /// Everything is as it must be.
    pub(crate) holds: bool,
    /// Leaves of the log.
    pub(crate) leaves: u64,
    /// Records compared with their leaves.
    pub(crate) records: u64,
    /// Leaves whose record was erased.
    pub(crate) erased: u64,
    /// Heads found good.
    pub(crate) heads: u64,
    /// Heads kept outside the database found in the log.
    pub(crate) outside_heads: u64,
    /// The root over all leaves.
    pub(crate) root: String,
    /// Stored receipts that were verified.
    pub(crate) receipts: u64,
    /// Messages compared with the record of their acceptance.
    pub(crate) messages: u64,
    /// Parts opened and read to their end; none without the key store.
    pub(crate) parts: Option<u64>,
    /// What is wrong with the log.
    pub(crate) log_fault: Option<LogFault>,
    /// What else is wrong; the first ones.
    pub(crate) problems: Vec<Problem>,
    /// How much else is wrong.
    pub(crate) problem_count: u64,
}

/// What is wrong with the log.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct LogFault {
    code: String,
    text_de: String,
    text_en: String,
}

/// What is wrong, and where.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Problem {
    kind: String,
    /// Which rule, where the kind has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    place: String,
    text_de: String,
    text_en: String,
}

/// Checks a store that no node is asked for.
pub(crate) fn verify_files(
    database: &Database,
    data_dir: &Path,
    large_parts: &LargeParts,
    verifier: &VerifierKey,
    keys: &WrappingFolder,
) -> Result<Report, Failure> {
    let report = amtsbote_store::verify_at(database, large_parts, data_dir, verifier, Some(keys));
    let report = report.map_err(failure)?;
    let unreadable = ("Prüfbericht", "report");
    let value = serde_json::to_value(&report).or_not_now(unreadable.0, unreadable.1)?;
    serde_json::from_value(value).or_not_now(unreadable.0, unreadable.1)
}

fn failure(error: VerifyError) -> Failure {
    match error {
        VerifyError::Open(reason) => not_opened(&reason),
        VerifyError::Store(reason) => Failure::not_now(&reason, &reason),
    }
}

/// Prints it for people.
pub(crate) fn print(ui: &Ui, report: &Report) {
    let word = if report.holds {
        ui.tint(
            Tone::Good,
            ui.t("Nachweise vollständig und unverändert", "evidence complete and unaltered"),
        )
    } else {
        ui.tint(Tone::Bad, ui.t("Nachweise fehlerhaft", "evidence faulty"))
    };
    ui.line(word);
    ui.line(format!("  {}", summary(ui, report)));
    ui.line(format!("  {} {}", ui.t("Wurzel", "root"), report.root));
    if let Some(fault) = &report.log_fault {
        let text = ui.t(&fault.text_de, &fault.text_en);
        ui.line(format!("  {} {text}", ui.tint(Tone::Bad, &fault.code)));
    }
    for problem in &report.problems {
        let text = ui.t(&problem.text_de, &problem.text_en);
        let rule = problem.rule.as_ref().map_or_else(String::new, |rule| format!(" {rule}"));
        let kind = ui.tint(Tone::Bad, &problem.kind);
        ui.line(format!("  {kind}{rule} {}: {text}", problem.place));
    }
    let more = report.problem_count.saturating_sub(report.problems.len() as u64);
    if more > 0 {
        ui.line(format!("  {more} {}", ui.t("weitere", "more")));
    }
}

/// The figures in one line.
pub(crate) fn summary(ui: &Ui, report: &Report) -> String {
    let parts = report.parts.map_or_else(String::new, |parts| {
        format!(", {parts} {}", ui.t("Teile gelesen", "parts read"))
    });
    format!(
        "{} {}, {} {}, {} {}, {} {}{parts}",
        report.leaves,
        ui.t("Blätter", "leaves"),
        report.heads,
        ui.t("signierte Köpfe", "signed heads"),
        report.receipts,
        ui.t("Quittungen", "receipts"),
        report.messages,
        ui.t("Nachrichten", "messages"),
    )
}
