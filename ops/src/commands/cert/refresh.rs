//! `cert refresh`: a running hub asks every source of revocation now.

use std::path::Path;

use amtsbote_domain::Timestamp;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::outcome::{Exit, Outcome};
use crate::ui::{Tone, Ui};

/// Have a running hub ask every source of revocation now
///
/// It asks by itself as revocation.refresh_minutes says; this is for the hour in which a certificate
/// was revoked, or a source is back. Exit code 0 when every source answered, 1 when some did not.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote cert refresh && amtsbote cert affected")]
pub(crate) struct Refresh {}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    sources: usize,
    open: usize,
    failing: Vec<Failing>,
}

/// A source whose last exchange failed.
#[derive(Deserialize, Serialize)]
struct Failing {
    issuer: String,
    places: Vec<String>,
    reason_de: Option<String>,
    reason_en: Option<String>,
    fresh_until: Option<Timestamp>,
}

impl Refresh {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let operations = crate::commands::operations(config)?;
        let Answer { ok, sources, open, failing } =
            crate::commands::block_on(async { operations.post(&["revocation", "refresh"]).await })?;
        if ui.is_json() {
            ui.json(&json!({ "ok": ok, "sources": sources, "open": open, "failing": failing }));
        } else {
            failing.iter().for_each(|failing| print(ui, failing));
            ui.line(format!(
                "{}: {sources}, {}: {}, {}: {open}",
                ui.t("Quellen gefragt", "sources asked"),
                ui.t("gestört", "failing"),
                failing.len(),
                ui.t("noch ohne Antwort", "no answer yet"),
            ));
            if sources == 0 {
                ui.note(ui.t(
                    "Keine Quelle: Weder die Zertifikate noch [revocation] nennen eine, oder es fehlen \
                     Anker. Sperrungen werden nicht bemerkt.",
                    "No source: neither the certificates nor [revocation] name one, or there are no \
                     anchors. Revocations are not noticed.",
                ));
            }
        }
        Ok(Exit::answer(ok))
    }
}

fn print(ui: &Ui, failing: &Failing) {
    let Failing { issuer, places, reason_de, reason_en, fresh_until } = failing;
    let reason = match (reason_de, reason_en) {
        (Some(de), Some(en)) => ui.t(de, en),
        _ => "-",
    };
    let until = fresh_until.map_or_else(|| "-".to_owned(), |until| ui.time(until));
    ui.line(format!("{}  {issuer}: {reason}", ui.tint(Tone::Bad, ui.t("gestört", "failing"))));
    ui.line(format!(
        "  {}; {} {until}",
        places.join(", "),
        ui.t("letzte Auskunft frisch bis", "last word fresh until")
    ));
}
