//! `reload`: a running hub reads its tables again.

use std::path::Path;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::outcome::{Exit, Outcome};
use crate::ui::{Tone, Ui};

/// Have a running hub read its tables again
///
/// Directory, permissions, packs, operators, peers, policy, anchors, sources of revocation and
/// certificates; all of them or, when one is wrong, none. Addresses, limits and the data folder need
/// a restart. Exit code 0 when they are in force, 1 when something is wrong and the old ones stay.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote reload")]
pub(crate) struct Reload {}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    reason_de: Option<String>,
    reason_en: Option<String>,
}

impl Reload {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let operations = super::operations(config)?;
        let answer: Answer = super::block_on(async { operations.post(&["reload"]).await })?;
        let reason = ui.t(
            answer.reason_de.as_deref().unwrap_or_default(),
            answer.reason_en.as_deref().unwrap_or_default(),
        );
        if ui.is_json() {
            let reason = (!answer.ok).then_some(reason);
            ui.json(&json!({ "schema_version": 1, "ok": answer.ok, "reason": reason }));
        } else if answer.ok {
            ui.line(
                ui.tint(Tone::Good, ui.t("neu gelesen und in Kraft", "read again and in force")),
            );
        } else {
            ui.line(ui.tint(
                Tone::Bad,
                ui.t("nicht übernommen, das Bisherige gilt weiter:", "not taken, the old stays:"),
            ));
            ui.line(format!("  {reason}"));
        }
        Ok(Exit::answer(answer.ok))
    }
}
