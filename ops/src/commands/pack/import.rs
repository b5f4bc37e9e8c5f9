//! `pack import`: a standard as it was published becomes a pack.

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::import::{ImportError, Imported, Options, Refusal, import};
use amtsbote_schemas::validate::Amendment;
use clap::Args;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::ui::{Tone, Ui};

/// Make a pack of a standard as it was published; needs no hub and no network
///
/// Takes a folder or zip with schemas, code lists and rules, copies what belongs to the standard,
/// resolves imports by catalog, name and namespace, writes pack.toml and loads the pack as a hub
/// would. What cannot be known from the schemas is marked CONFIRM in pack.toml. An import that fails
/// leaves nothing behind. Exit code 0 when the pack was made, 1 when the source is refused (something
/// is missing, not what it says, or hostile), 2 when an option must choose or the pack is already
/// there, 3 when it cannot be read, written or does not load.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  amtsbote pack import xwasser-1.0.0.zip --with xoev-basis --into packs\n  \
                  amtsbote pack import xbildung --entry xschule/1.2 --into packs --valid-from 2026-05-01"
)]
pub(crate) struct Import {
    /// Folder or zip as published
    source: PathBuf,
    /// Folder of packs
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// What the standard builds on: folder or zip; only what is needed is taken
    #[arg(long, value_name = "PATH")]
    with: Vec<PathBuf>,
    /// Schema to begin with, or a folder of them, as path in the source
    #[arg(long, value_name = "PATH")]
    entry: Vec<String>,
    /// Which document is meant where several have a namespace
    #[arg(long, value_name = "NAMESPACE=PATH", value_parser = choice)]
    choose: Vec<(String, String)>,
    /// Namespace that no message needs and that may be missing
    #[arg(long, value_name = "NAMESPACE")]
    leave_out: Vec<String>,
    /// File of the source to pass over
    #[arg(long, value_name = "PATH")]
    skip: Vec<String>,
    /// Known errata of the schemas, as [[tolerate]] of a pack.toml
    #[arg(long, value_name = "FILE")]
    tolerate: Option<PathBuf>,
    /// Name of the standard, where the schemas do not say it
    #[arg(long, value_name = "NAME")]
    standard: Option<String>,
    /// Its version, where the schemas do not say it
    #[arg(long, value_name = "VERSION")]
    standard_version: Option<String>,
    /// First day, e.g. 2026-05-01; without it the pack is in force on no day
    #[arg(long, value_name = "DAY")]
    valid_from: Option<Date>,
    /// Last day
    #[arg(long, value_name = "DAY", requires = "valid_from")]
    valid_until: Option<Date>,
}

/// A file of errata.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Errata {
    tolerate: Vec<Amendment>,
}

fn choice(text: &str) -> Result<(String, String), String> {
    // A namespace may hold the sign itself, a path of ours does not.
    let parts = text.rsplit_once('=').filter(|(from, to)| !from.is_empty() && !to.is_empty());
    parts
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .ok_or_else(|| "NAMESPACE=PATH".to_owned())
}

impl Import {
    pub(super) fn run(&self, ui: &Ui) -> Outcome {
        fs::metadata(&self.source).or_usage_at(&self.source)?;
        for path in &self.with {
            fs::metadata(path).or_usage_at(path)?;
        }
        let into = fs::metadata(&self.into).or_usage_at(&self.into)?;
        if !into.is_dir() {
            let shown = self.into.display();
            return Err(Failure::usage(
                format!("{shown} ist kein Ordner."),
                format!("{shown} is no folder."),
            ));
        }
        let options = Options {
            with: self.with.clone(),
            entry: self.entry.clone(),
            choose: self.choose.clone(),
            leave_out: self.leave_out.clone(),
            skip: self.skip.clone(),
            tolerate: self.tolerate.as_deref().map_or(Ok(Vec::new()), errata)?,
            standard: self.standard.clone(),
            version: self.standard_version.clone(),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
        };
        let made = import(&self.source, &self.into, &options).map_err(failure)?;
        if ui.is_json() {
            ui.json(&made);
        } else {
            print(ui, &made)?;
        }
        Ok(Exit::Yes)
    }
}

fn errata(file: &Path) -> Result<Vec<Amendment>, Failure> {
    let text = fs::read_to_string(file).or_usage_at(file)?;
    let errata: Errata = toml::from_str(&text).or_usage_at(file)?;
    Ok(errata.tolerate)
}

fn failure(error: ImportError) -> Failure {
    let exit = match error.kind {
        Refusal::Hostile
        | Refusal::TooLarge
        | Refusal::Document
        | Refusal::Incomplete
        | Refusal::NoEntry
        | Refusal::Rules => Exit::No,
        Refusal::Ambiguous | Refusal::Exists => Exit::Usage,
        Refusal::Io | Refusal::NotLoaded => Exit::NotNow,
    };
    Failure::new(exit, error.message_de, error.message_en)
}

fn print(ui: &Ui, made: &Imported) -> Result<(), Failure> {
    let pack: Value =
        serde_json::to_value(&made.pack).or_not_now("Ausgabe des Pakets", "output of the pack")?;
    super::show::print(ui, &pack);
    let Imported { path, files, bytes, resolved, chosen, rules, passed_over, .. } = made;
    for (namespace, file) in chosen {
        ui.line(format!(
            "  {}: {namespace}: {file}",
            ui.tint(Tone::Warning, ui.t("aus mehreren gewählt", "chosen among several"))
        ));
    }
    if !rules.is_empty() {
        ui.line(format!("  {}: {}", ui.t("Regeldateien", "rule files"), rules.join(", ")));
    }
    if !passed_over.is_empty() {
        ui.line(format!(
            "  {}: {}",
            ui.t("nicht übernommene Dateien", "files not taken"),
            passed_over.len()
        ));
    }
    ui.line(format!(
        "{}: {} ({files} {}, {bytes} {}, {resolved} {})",
        ui.tint(Tone::Good, ui.t("Paket angelegt", "pack made")),
        path.display(),
        ui.t("Dateien", "files"),
        ui.t("Byte", "bytes"),
        ui.t("Orte aufgelöst", "locations resolved"),
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_has_two_parts() {
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(choice("urn:a=b/c.xsd"), pair("urn:a", "b/c.xsd"));
        assert_eq!(choice("http://a?b=c=d.xsd"), pair("http://a?b=c", "d.xsd"));
        assert!(choice("=b").is_err() && choice("a=").is_err() && choice("a").is_err());
    }
}
