//! `pack show`: everything about one pack, and what a person must still look at.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::outcome::{Exit, Outcome};
use crate::ui::{Tone, Ui};

/// Show one pack of a running hub, or of a folder, with what is to be looked at
///
/// Exit code 0 when there is such a pack, 1 when there is none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote pack show XUmmeldung\n  \
                  amtsbote pack show XUmmeldung 1.1 --packs schemas/packs -o json")]
pub(crate) struct Show {
    /// Name of the standard
    standard: String,
    /// Its version; without it all versions
    version: Option<String>,
    /// Read this folder instead of asking the hub
    #[arg(long, value_name = "DIR")]
    packs: Option<PathBuf>,
}

impl Show {
    pub(super) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let packs = super::packs(self.packs.as_deref(), config)?;
        let wanted = |pack: &&Value| {
            let is = |key: &str, wanted: &str| pack[key].as_str() == Some(wanted);
            let version = self.version.as_deref().is_none_or(|version| is("version", version));
            is("standard", &self.standard) && version
        };
        let found: Vec<&Value> = packs.iter().filter(wanted).collect();
        for pack in &found {
            if ui.is_json() {
                ui.json(pack);
            } else {
                print(ui, pack);
            }
        }
        if found.is_empty() {
            ui.note(ui.t("Kein solches Paket.", "No such pack."));
        }
        Ok(Exit::answer(!found.is_empty()))
    }
}

/// One pack, for people.
pub(super) fn print(ui: &Ui, pack: &Value) {
    let word = |key: &str| match &pack[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    };
    let line = |de: &str, en: &str, value: &str| {
        ui.line(format!("  {:<22}{value}", format!("{}:", ui.t(de, en))));
    };
    let title = format!("{} {}", word("standard"), word("version"));
    ui.line(ui.tint(Tone::Strong, &title));
    line("Ordner", "folder", &word("folder"));
    line("Namensraum", "namespace", &word("namespace"));
    line("gültig ab", "valid from", &word("valid_from"));
    line("gültig bis", "valid until", &word("valid_until"));
    line(
        "maßgeblich",
        "decided by",
        match pack["decided_by"].as_str() {
            Some("created") => ui.t("Erstellung der Nachricht", "creation of the message"),
            _ => ui.t("Eingang", "arrival"),
        },
    );
    line("Nachrichtenkopf", "header", &word("header"));
    line("Einstieg", "entry", &words(&pack["entry"]).join(", "));
    line("Schemadokumente", "schema documents", &word("documents"));
    line("globale Elemente", "global elements", &word("elements"));
    let count = |key: &str| pack[key].as_array().map_or(0, Vec::len).to_string();
    line("Nachrichten", "messages", &count("messages"));
    line("Codelisten", "code lists", &count("code_lists"));
    line("Prüfregeln", "rule checks", &word("rule_checks"));
    let rejections = words(&pack["rejections"]).join(", ");
    let none = ui.t("keine Vorlage; allgemeine Mitteilung", "no template; a generic notice");
    line("Rückweisung", "rejection", if rejections.is_empty() { none } else { &rejections });
    let why = pack["by_library"].as_str();
    let judged = match why {
        Some(why) => format!("{} ({why})", ui.t("Bibliothek", "library")),
        None => ui.t("Tabellen", "tables").to_owned(),
    };
    line("geprüft durch", "validated by", &judged);
    warnings(ui, pack);
}

/// What is to be looked at, each on a line.
fn warnings(ui: &Ui, pack: &Value) {
    let warn = |text: String| {
        let head = ui.tint(Tone::Warning, ui.t("Achtung", "warning"));
        ui.line(format!("  {head}: {text}"));
    };
    for key in words(&pack["unconfirmed"]) {
        warn(format!(
            "{}: {key}",
            ui.t("pack.toml, noch zu bestätigen", "pack.toml, to be confirmed")
        ));
    }
    for namespace in words(&pack["left_out"]) {
        warn(format!("{}: {namespace}", ui.t("weggelassen", "left out")));
    }
    for erratum in pack["tolerated"].as_array().into_iter().flatten() {
        let word = |key: &str| erratum[key].as_str().unwrap_or("-");
        warn(format!(
            "{}: {} ({}): {}",
            ui.t("fehlerhaftes Schema geduldet", "faulty schema tolerated"),
            word("file"),
            word("rule"),
            word("reason"),
        ));
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
