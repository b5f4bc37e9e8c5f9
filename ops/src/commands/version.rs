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
        if ui.is_json() {
            ui.json(&json!({ "name": "amtsbote", "version": version, "openssl": openssl::version::version() }));
        } else {
            ui.line(format!("amtsbote {version} ({})", openssl::version::version()));
        }
        Ok(Exit::Yes)
    }
}
