//! `archive verify`, `archive prove`, `archive check-dossier`: the evidence.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use amtsbote_archive::dossier::{
    Dossier, DossierReport, History, MAX_DOSSIER, PartComparison, Trusted, Unaltered,
};
use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::text::Language;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::node::NodeFile;
use crate::evidence;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::ui::{Tone, Ui};

/// Verify the evidence, take proof out of it, check proof
#[derive(Debug, Subcommand)]
pub(crate) enum Archive {
    /// Read the whole evidence log again and compare it with every head ever released
    Verify(Verify),
    /// Write the dossier of a message: everything needed to prove it without the hub
    Prove(Prove),
    /// Check a dossier; needs no hub and no network
    CheckDossier(CheckDossier),
}

/// Read the whole evidence log again and compare it with every head ever released
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote archive verify\n  \
                  amtsbote archive verify --offline --config /etc/amtsbote/amtsbote.toml")]
pub(crate) struct Verify {
    /// Read the store of a node, its files or its database, instead of asking the node
    #[arg(long)]
    offline: bool,
}

/// Write the dossier of a message: everything needed to prove it without the hub
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote archive prove lemgo-2026-0815 --to dossier.json")]
pub(crate) struct Prove {
    /// Hub id, transport id or business id
    id: String,
    /// The file to write; must not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Check a dossier; needs no hub and no network
///
/// Says what is proven: that everything is unaltered since receipt, and whether a second history
/// is excluded. Exit code 0 when nothing contradicts and, with --key, it is proven under that key.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  amtsbote archive check-dossier dossier.json --key verifier.txt --part payload=payload.xml"
)]
pub(crate) struct CheckDossier {
    /// The dossier
    file: PathBuf,
    /// The hub's verifier key from elsewhere, as text or as a file with it; may be repeated
    #[arg(long, value_name = "KEY|FILE", value_parser = key)]
    key: Vec<VerifierKey>,
    /// A signed head kept outside the hub, in a file; may be repeated
    #[arg(long, value_name = "FILE")]
    head: Vec<PathBuf>,
    /// A part of the message, to be compared with the dossier; may be repeated
    #[arg(long, value_name = "CID=FILE", value_parser = part)]
    part: Vec<(String, PathBuf)>,
}

fn part(text: &str) -> Result<(String, PathBuf), String> {
    let (cid, file) = text.split_once('=').ok_or("write CID=FILE")?;
    Ok((cid.to_owned(), file.into()))
}

fn key(text: &str) -> Result<VerifierKey, String> {
    if let Ok(key) = VerifierKey::parse(text) {
        return Ok(key);
    }
    let file = fs::read_to_string(text).map_err(|error| error.to_string())?;
    VerifierKey::parse(file.trim()).map_err(|error| error.to_string())
}

impl Archive {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        match self {
            Self::Verify(verify) => verify.run(ui, config),
            Self::Prove(prove) => prove.run(ui, config),
            Self::CheckDossier(check) => check.run(ui),
        }
    }
}

impl Verify {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let report: evidence::Report = if self.offline {
            let file = NodeFile::read(&crate::config::node_file(config)?)?;
            let (log_key, keys) = (file.log_key()?, file.wrapping()?);
            evidence::verify_files(
                &file.database()?,
                &file.data_dir(),
                &file.large_parts()?,
                log_key.verifier(),
                &keys,
            )?
        } else {
            super::block_on(async { super::operations(config)?.post(&["log", "verify"]).await })?
        };
        let good = report.holds;
        if ui.is_json() {
            ui.json(&report);
        } else {
            evidence::print(ui, &report);
        }
        Ok(Exit::answer(good))
    }
}

impl Prove {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let shown = self.to.display();
        super::block_on(async {
            let operations = super::operations(config)?;
            // First the answer, then the file: a refusal leaves none behind.
            let mut octets = Vec::new();
            operations.copy(&["messages", &self.id, "dossier"], &mut octets).await?;
            use std::io::Write;
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&self.to)
                .and_then(|mut file| file.write_all(&octets).and_then(|()| file.sync_all()))
                .or_usage_at(&self.to)
        })?;
        if ui.is_json() {
            ui.json(&json!({ "id": self.id, "dossier": self.to }));
        } else {
            ui.line(format!("{} {shown}", ui.t("Dossier geschrieben:", "dossier written:")));
            ui.note(format!("  amtsbote archive check-dossier {shown} --key KEY"));
        }
        Ok(Exit::Yes)
    }
}

impl CheckDossier {
    fn run(&self, ui: &Ui) -> Outcome {
        let dossier = match self.read()? {
            Ok(dossier) => dossier,
            Err(error) => {
                self.print_unreadable(ui, &error);
                return Ok(Exit::No);
            }
        };
        let mut heads = Vec::new();
        for file in &self.head {
            heads.push(fs::read_to_string(file).or_usage_at(file)?);
        }
        let report = dossier.check_against(&Trusted { keys: &self.key, heads: &heads });
        let (parts, parts_good) = self.compare(&dossier)?;
        let good = report.is_sound() && parts_good;
        if ui.is_json() {
            print_json(ui, &self.file, &report, &parts, good);
        } else {
            print(ui, &report, &parts, good);
        }
        Ok(Exit::answer(good))
    }

    fn read(&self) -> Result<Result<Dossier, amtsbote_archive::dossier::DossierError>, Failure> {
        let mut octets = Vec::new();
        File::open(&self.file)
            .and_then(|file| file.take(MAX_DOSSIER as u64 + 1).read_to_end(&mut octets))
            .or_usage_at(&self.file)?;
        Ok(Dossier::parse(&octets))
    }

    fn print_unreadable(&self, ui: &Ui, error: &amtsbote_archive::dossier::DossierError) {
        if ui.is_json() {
            ui.json(&json!({ "file": self.file, "ok": false, "reason": error.to_string() }));
        } else {
            let word = ui.tint(Tone::Bad, ui.t("kein Dossier", "no dossier"));
            ui.line(format!("{}: {word}: {error}", self.file.display()));
        }
    }

    fn compare(&self, dossier: &Dossier) -> Result<(Vec<(String, PartComparison)>, bool), Failure> {
        let mut compared = Vec::new();
        for (cid, file) in &self.part {
            let octets = File::open(file).or_usage_at(file)?;
            let outcome = dossier.compare_part(cid, octets).or_not_now_at(file)?;
            compared.push((cid.clone(), outcome));
        }
        let good = compared.iter().all(|(_, outcome)| *outcome == PartComparison::Same);
        Ok((compared, good))
    }
}

fn print_json(
    ui: &Ui,
    file: &Path,
    report: &DossierReport,
    parts: &[(String, PartComparison)],
    good: bool,
) {
    let german = if ui.language == Language::De { "de" } else { "en" };
    let statements: Vec<_> = report
        .statements()
        .iter()
        .map(|wording| json!({ "code": wording.code, "text": wording.text(german) }))
        .collect();
    let receipts: Vec<_> = report
        .receipts
        .iter()
        .map(|r| {
            json!({
                "number": r.number, "kind": r.kind, "time": r.time, "log": r.log,
                "index": r.index, "size": r.size,
            })
        })
        .collect();
    let parts: Vec<_> = parts
        .iter()
        .map(|(cid, outcome)| json!({ "cid": cid, "same": *outcome == PartComparison::Same }))
        .collect();
    ui.json(&json!({
        "file": file, "ok": good, "id": report.hub_id,
        "unaltered": match report.unaltered {
            Unaltered::Proven => "proven",
            Unaltered::SelfAsserted => "self-asserted",
            Unaltered::Failed => "failed",
        },
        "history": match report.history {
            History::Proven => "proven",
            History::Uncompared => "uncompared",
            History::NotCovered { .. } => "not-covered",
            History::NoAnchor => "no-anchor",
            History::Contradicted => "contradicted",
        },
        "receipts": receipts, "parts": parts, "statements": statements,
    }));
}

fn print(ui: &Ui, report: &DossierReport, parts: &[(String, PartComparison)], good: bool) {
    let word = if good {
        ui.tint(Tone::Good, ui.t("ohne Widerspruch", "nothing contradicts"))
    } else {
        ui.tint(Tone::Bad, ui.t("Widerspruch gefunden", "contradiction found"))
    };
    ui.line(format!("{} {}: {word}", ui.t("Dossier zu", "dossier of"), report.hub_id));
    for receipt in &report.receipts {
        ui.line(format!(
            "  {} {}: {} {}, {} {} {} {}",
            ui.t("Quittung", "receipt"),
            receipt.number,
            receipt.time.as_deref().unwrap_or("-"),
            receipt.kind,
            ui.t("Blatt", "leaf"),
            receipt.index,
            ui.t("in", "of"),
            receipt.log
        ));
    }
    for (cid, outcome) in parts {
        let word = match outcome {
            PartComparison::Same => ui.tint(Tone::Good, ui.t("unverändert", "unaltered")),
            PartComparison::Different => ui.tint(Tone::Bad, ui.t("verändert", "changed")),
            PartComparison::Unlisted => {
                ui.tint(Tone::Bad, ui.t("nicht im Dossier genannt", "not listed in the dossier"))
            }
        };
        ui.line(format!("  {} {cid}: {word}", ui.t("Teil", "part")));
    }
    let language = if ui.language == Language::De { "de" } else { "en" };
    for wording in report.statements() {
        ui.line(format!("  {}", wording.text(language)));
    }
}
