//! `cert`: the certificates and keys of a node: what there is, until when, and whether policy
//! still has it.
//!
//! Works on the files of the node, like `doctor --offline`: it is for the machine where they lie.
//! Only `affected` and `refresh` ask a running hub.

mod accept;
mod affected;
mod check;
mod csv;
mod edit;
mod import;
mod inventory;
mod issue;
mod refresh;
mod request;

use std::path::Path;

use clap::{Args, Subcommand};

use crate::config::node::NodeFile;
use crate::outcome::{Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};
use inventory::Line;

/// Look after the certificates and keys of a node
#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// List certificates and keys in short
    List(List),
    /// Warn of what ends soon or is no longer allowed
    Check(check::Check),
    /// Print everything there is to know of every key and certificate (Krypto-Kataster)
    Inventory(Inventory),
    /// Enter a new certificate of a partner beside the old one
    Import(import::Import),
    /// Make a new key of the node and the request for its certificate
    Request(request::CertRequest),
    /// Put the issued certificate beside its key
    Accept(accept::Accept),
    /// List the messages under way that a revoked certificate hits
    Affected(affected::Affected),
    /// Have a running hub ask every source of revocation now
    Refresh(refresh::Refresh),
    /// Make a certificate with the test CA of a node made by 'init --dev'
    Issue(issue::Issue),
}

/// List certificates and keys in short
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote cert list --config /etc/amtsbote/amtsbote.toml")]
pub(crate) struct List {
    /// Only those of this party, account, person or peer
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Print everything there is to know of every key and certificate
///
/// Purpose, owner, subject, issuer, serial, fingerprint, algorithm, length, validity, place, and what
/// the policy says of it. No secret is read or shown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote cert inventory\n  \
                  amtsbote cert inventory --csv > kataster.csv")]
pub(crate) struct Inventory {
    /// As CSV (RFC 4180), for spreadsheets
    #[arg(long)]
    csv: bool,
    /// Only those of this party, account, person or peer
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

impl Cert {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        match self {
            Self::List(list) => list.run(ui, config),
            Self::Check(check) => check.run(ui, config),
            Self::Inventory(inventory) => inventory.run(ui, config),
            Self::Import(import) => import.run(ui, config),
            Self::Request(request) => request.run(ui, config),
            Self::Accept(accept) => accept.run(ui, config),
            Self::Affected(affected) => affected.run(ui, config),
            Self::Refresh(refresh) => refresh.run(ui, config),
            Self::Issue(issue) => issue.run(ui, config),
        }
    }
}

/// The files of the node.
fn node(config: Option<&Path>) -> Result<NodeFile, Failure> {
    NodeFile::read(&crate::config::node_file(config)?)
}

/// What there is, judged now.
fn lines(config: Option<&Path>, owner: Option<&str>) -> Result<Vec<Line>, Failure> {
    let node = node(config)?;
    let mut lines = inventory::lines(&node.fleet()?, &node.policy()?, time::now());
    if let Some(owner) = owner {
        lines.retain(|line| line.owner == owner);
    }
    Ok(lines)
}

impl List {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let mut lines = lines(config, self.owner.as_deref())?;
        lines.truncate(self.limit.unwrap_or(usize::MAX));
        if ui.is_json() {
            lines.iter().for_each(|line| ui.json(line));
            return Ok(Exit::Yes);
        }
        let mut table = ui.table(&[
            ui.t("Zweck", "Purpose"),
            ui.t("Inhaber", "Owner"),
            ui.t("Verfahren", "Algorithm"),
            ui.t("gültig bis", "valid until"),
            ui.t("Tage", "Days"),
            ui.t("Richtlinie", "Policy"),
        ]);
        for line in &lines {
            table.add_row([
                ui.t(line.title.0, line.title.1).to_owned(),
                line.owner_in_short(ui),
                line.strength(),
                line.valid_until.map_or_else(|| "-".to_owned(), |at| ui.time(at)),
                line.days_left.map_or_else(|| "-".to_owned(), |days| days.to_string()),
                if line.pending && line.judgement == "good" {
                    ui.t("wartet auf sein Zertifikat", "waits for its certificate").to_owned()
                } else {
                    line.verdict(ui)
                },
            ]);
        }
        ui.print_table(&table);
        Ok(Exit::Yes)
    }
}

impl Inventory {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let lines = lines(config, self.owner.as_deref())?;
        if self.csv {
            // A line of CSV ends with CR and LF; `line` adds the LF.
            ui.line(csv::head());
            lines.iter().for_each(|line| ui.line(csv::row(line)));
        } else if ui.is_json() {
            lines.iter().for_each(|line| ui.json(line));
        } else {
            for (n, line) in lines.iter().enumerate() {
                if n > 0 {
                    ui.line("");
                }
                show(ui, line);
            }
        }
        Ok(Exit::Yes)
    }
}

fn show(ui: &Ui, line: &Line) {
    let title = format!("{}: {}", ui.t(line.title.0, line.title.1), line.owner_in_words(ui));
    ui.line(ui.tint(Tone::Strong, &title));
    let row = |de: &str, en: &str, text: &str| {
        if !text.is_empty() {
            ui.line(format!("  {:<15}{text}", ui.t(de, en)));
        }
    };
    row("Inhaber", "subject", &line.subject);
    row("Aussteller", "issuer", &line.issuer);
    row("Seriennummer", "serial", &line.serial);
    row("SHA-256", "SHA-256", &line.sha256);
    if !line.algorithm.is_empty() {
        row("Verfahren", "algorithm", &line.strength());
    }
    row("signiert mit", "signed with", &line.signed_with);
    if let (Some(from), Some(until)) = (line.valid_from, line.valid_until) {
        row("gültig", "valid", &format!("{} – {}", ui.time(from), ui.time(until)));
    }
    if let Some(days) = line.days_left {
        row("Restlaufzeit", "days left", &format!("{days}{}", ui.t(" Tage", "")));
    }
    let key = ui.t(", Schlüssel liegt hier", ", with its key");
    let place = format!("{}{}", line.place, if line.key_here { key } else { "" });
    row("Datei", "file", &place);
    if line.key_here {
        row("Software", "software", ui.t("OpenSSL, Datei", &line.software));
    }
    row("Problem", "problem", ui.t(&line.problem_de, &line.problem));
    if line.pending {
        row("Hinweis", "note", ui.t("wartet auf sein Zertifikat", "waits for its certificate"));
    }
    let tone = match line.judgement {
        "good" => Tone::Good,
        "warn" => Tone::Warning,
        _ => Tone::Bad,
    };
    row("Richtlinie", "policy", &ui.tint(tone, &line.verdict(ui)));
    let reason = ui.t(&line.reason_de, &line.reason_en);
    row("Grund", "reason", reason);
    let legacy = match (line.legacy, line.legacy_until.and_then(time::last_day)) {
        (false, _) => String::new(),
        (true, Some(day)) => {
            let day = day.strftime(ui.t("%d.%m.%Y", "%Y-%m-%d"));
            format!("{} {day}", ui.t("bis einschließlich", "up to and including"))
        }
        (true, None) => ui.t("ohne Ende", "without end").to_owned(),
    };
    row("Altprofil", "legacy", &legacy);
    if line.replaced {
        row("Hinweis", "note", ui.t("durch ein neueres ersetzt", "a newer one takes its place"));
    }
}
