//! `version`

use clap::Args;
use serde_json::json;

use crate::outcome::{Exit, Outcome};
use crate::ui::Ui;

/// Say which version this is
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote version -o json")]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        let version = env!("CARGO_PKG_VERSION");
        let openssl = openssl::version::version();
        // Built together with the suites it has their simulation in it; what ships has not.
        let simulation = amtsbote_store::SIMULATED;
        if ui.is_json() {
            ui.json(&json!({
                "name": "amtsbote", "version": version, "openssl": openssl, "simulation": simulation,
            }));
        } else {
            let with = ui.t(
                ", mit Simulation gebaut: nicht für den Betrieb",
                ", built with the simulation: not for use",
            );
            let with = if simulation { with } else { "" };
            ui.line(format!("amtsbote {version} ({openssl}{with})"));
        }
        Ok(Exit::Yes)
    }
}
