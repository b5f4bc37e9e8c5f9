//! What people and scripts see of the demo.

use amtsbote_domain::text::Language;
use serde::Serialize;
use serde_json::json;

use super::plan::{Case, Ending};
use super::run::{Happened, Went};
use crate::commands::why::{self, Story};
use crate::evidence::{self, Report};
use crate::timeline;
use crate::ui::{Tone, Ui};

/// What followed the messages.
pub(crate) struct Aftermath {
    /// The story of one message.
    pub(crate) story: Option<Story>,
    /// What its dossier proves, checked without the hub.
    pub(crate) dossier_proven: bool,
    /// The evidence, checked from the files of the closed store.
    pub(crate) archive: Report,
    /// Seconds from the first message to the last acknowledgement.
    pub(crate) seconds: f64,
}

/// One message in JSON.
#[derive(Serialize)]
struct Line<'a> {
    schema_version: u32,
    id: &'a str,
    case: &'a str,
    expected: &'a str,
    ended: &'a str,
    ok: bool,
    from: &'a str,
    to: &'a str,
    standard: String,
    hub_id: Option<&'a str>,
    title: Option<&'a str>,
    error_id: Option<&'a str>,
    trouble: Option<&'a str>,
}

/// Whether everything went as it must.
pub(crate) fn all_well(happened: &Happened, after: &Aftermath) -> bool {
    happened.messages.iter().all(Went::is_ok)
        && happened.failed.is_empty()
        && happened.acknowledgements == must_be_acknowledged(happened)
        && after.archive.holds
        && after.dossier_proven
        && after.story.is_some()
}

/// How many messages readers must have taken: those that end so, and the first ones of pairs.
fn must_be_acknowledged(happened: &Happened) -> usize {
    let taken = |went: &&Went| {
        went.planned.case == Case::OtherContent
            || went.planned.case.expected() == Ending::State("acknowledged")
    };
    happened.messages.iter().filter(taken).count()
}

/// Receipts over acceptances that senders verified.
fn receipts(happened: &Happened) -> usize {
    happened.messages.iter().map(|went| went.receipts).sum()
}

/// One object per message, then the summary.
pub(crate) fn print_json(ui: &Ui, happened: &Happened, after: &Aftermath) {
    for went in &happened.messages {
        let metadata = &went.planned.metadata;
        ui.json(&Line {
            schema_version: crate::ui::SCHEMA_VERSION,
            id: metadata.transport_id.as_str(),
            case: went.planned.case.name(),
            expected: went.planned.case.expected().as_str(),
            ended: &went.ended,
            ok: went.is_ok(),
            from: metadata.author.as_str(),
            to: metadata.reader.as_str(),
            standard: format!("XUmmeldung {}", went.planned.story.version.as_str()),
            hub_id: went.hub_id.as_ref().map(|id| id.as_str()),
            title: title(&went.ended, ui.language),
            error_id: went.error_id.as_deref(),
            trouble: went.trouble.as_deref(),
        });
    }
    let good = happened.messages.iter().filter(|went| went.is_ok()).count();
    let failed: Vec<_> =
        happened.failed.iter().map(|(id, why)| json!({ "hub_id": id, "reason": why })).collect();
    ui.json(&json!({
        "summary": true,
        "ok": all_well(happened, after),
        "messages": happened.messages.len(),
        "as_expected": good,
        "receipts_verified": receipts(happened),
        "acknowledgements_verified": happened.acknowledgements,
        "not_taken": failed,
        "dossier_proven": after.dossier_proven,
        "archive_verified": after.archive.holds,
        "archive": after.archive,
        "seconds": after.seconds,
    }));
}

fn title(ended: &str, language: Language) -> Option<&'static str> {
    ended.parse::<amtsbote_domain::fault::Code>().ok().map(|code| code.title().get(language))
}

/// A table by case, the figures, one timeline.
pub(crate) fn print_text(ui: &Ui, happened: &Happened, after: &Aftermath) {
    print_table(ui, happened);
    print_troubles(ui, happened);
    if let Some(story) = &after.story {
        ui.line("");
        ui.line(ui.tint(
            Tone::Strong,
            ui.t(
                "Eine Nachricht im Einzelnen (amtsbote why):",
                "One message in detail (amtsbote why):",
            ),
        ));
        why::print(ui, story);
    }
    ui.line("");
    print_figures(ui, happened, after);
}

fn print_table(ui: &Ui, happened: &Happened) {
    let mut table = ui.table(&[
        "",
        ui.t("Gesendet wurde", "What was sent"),
        ui.t("Zahl", "Count"),
        ui.t("Ende", "Ended"),
        ui.t("Warum", "Why"),
    ]);
    for case in [Case::Notice].into_iter().chain(Case::special()) {
        let of_case: Vec<&Went> =
            happened.messages.iter().filter(|went| went.planned.case == case).collect();
        let mut endings: Vec<&str> = of_case.iter().map(|went| went.ended.as_str()).collect();
        endings.sort_unstable();
        endings.dedup();
        for ending in endings {
            let ended: Vec<&&Went> = of_case.iter().filter(|went| went.ended == ending).collect();
            let mark = if ended.iter().all(|went| went.is_ok()) { "ok" } else { "!!" };
            table.add_row([
                mark.to_owned(),
                case.title(ui.language).to_owned(),
                ended.len().to_string(),
                words(ui, ending),
                title(ending, ui.language).unwrap_or(explanation(ui, case)).to_owned(),
            ]);
        }
    }
    ui.print_table(&table);
}

/// A state in words, or the code.
fn words(ui: &Ui, ended: &str) -> String {
    if ended.is_empty() {
        return "?".to_owned();
    }
    if ended.parse::<amtsbote_domain::fault::Code>().is_ok() {
        return format!("{} {ended}", ui.t("abgelehnt", "refused"));
    }
    timeline::state(ui, ended, None)
}

fn explanation<'a>(ui: &Ui, case: Case) -> &'a str {
    let text = match case {
        Case::Repeat => (
            "Einmal angenommen, dieselbe Quittung noch einmal.",
            "Accepted once; the same receipt again.",
        ),
        Case::NotBefore => {
            ("Wird dem Leser erst morgen gezeigt.", "The Reader is shown it tomorrow.")
        }
        Case::Cancelled => (
            "Rechtzeitig zurückgezogen, nichts hat den Knoten verlassen.",
            "Withdrawn in time, nothing left the hub.",
        ),
        _ => (
            "Abgeholt, Signatur und Hashwerte geprüft, mit Quittung bestätigt.",
            "Collected, signature and digests verified, acknowledged with receipt.",
        ),
    };
    match ui.language {
        Language::De => text.0,
        Language::En => text.1,
    }
}

fn print_troubles(ui: &Ui, happened: &Happened) {
    for went in happened.messages.iter().filter(|went| !went.is_ok()) {
        let metadata = &went.planned.metadata;
        ui.line(format!(
            "{} {} ({}): {} {}, {} {} {}",
            ui.tint(Tone::Bad, "!!"),
            metadata.transport_id,
            went.planned.case.name(),
            ui.t("erwartet", "expected"),
            went.planned.case.expected().as_str(),
            ui.t("geendet", "ended"),
            if went.ended.is_empty() { "?" } else { &went.ended },
            went.trouble.as_deref().unwrap_or_default()
        ));
    }
    for (id, why) in &happened.failed {
        let word = ui.tint(Tone::Bad, "!!");
        ui.line(format!("{word} {id}: {} {why}", ui.t("nicht abgeholt:", "not taken:")));
    }
}

fn print_figures(ui: &Ui, happened: &Happened, after: &Aftermath) {
    let total = happened.messages.len();
    let good = happened.messages.iter().filter(|went| went.is_ok()).count();
    let mark = |good: bool| {
        if good { ui.tint(Tone::Good, "ok") } else { ui.tint(Tone::Bad, "!!") }
    };
    ui.line(format!(
        "{} {good} {} {total} {} ({:.1} s)",
        mark(good == total),
        ui.t("von", "of"),
        ui.t("Nachrichten endeten wie erwartet", "messages ended as they must"),
        after.seconds
    ));
    ui.line(format!(
        "{} {}: {} {}, {} {}",
        mark(happened.acknowledgements == must_be_acknowledged(happened)),
        ui.t("Quittungen geprüft", "receipts verified"),
        receipts(happened),
        ui.t("über Annahmen", "over acceptances"),
        happened.acknowledgements,
        ui.t("über Bestätigungen der Leser", "over acknowledgements"),
    ));
    ui.line(format!(
        "{} {}",
        mark(after.dossier_proven),
        ui.t(
            "Dossier einer Nachricht ohne den Knoten geprüft",
            "dossier of a message checked without the hub"
        ),
    ));
    ui.line(format!(
        "{} {}: {}",
        mark(after.archive.holds),
        ui.t("Archiv offline geprüft, Knoten beendet", "archive verified offline, hub stopped"),
        evidence::summary(ui, &after.archive)
    ));
}
