//! `directory list`, `directory show`: who is reachable, how, until when.

use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::party::PartyId;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::outcome::{Exit, Outcome};
use crate::ui::{Tone, Ui};

/// Show who is reachable
#[derive(Debug, Subcommand)]
pub(crate) enum DirectoryCommand {
    /// List all parties
    List(List),
    /// Show one party: services, certificates, accounts
    Show(Show),
}

/// List all parties
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  amtsbote directory list --service urn:amtsbote:service:xummeldung"
)]
pub(crate) struct List {
    /// Only those that offer this service
    #[arg(long, value_name = "URI")]
    service: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Show one party
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote directory show ags:05766044")]
pub(crate) struct Show {
    /// The party
    party: PartyId,
}

#[derive(Deserialize)]
struct Parties {
    parties: Vec<Party>,
}

#[derive(Deserialize, Serialize)]
struct Party {
    id: String,
    name: String,
    services: Vec<Service>,
    certificates: Vec<Certificate>,
    accounts: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct Service {
    uri: String,
    via: String,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    opaque: bool,
    test: bool,
}

#[derive(Deserialize, Serialize)]
struct Certificate {
    sha256: String,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
}

impl DirectoryCommand {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        match self {
            Self::List(list) => list.run(ui, config),
            Self::Show(show) => show.run(ui, config),
        }
    }
}

impl List {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let mut answer: Parties =
            super::block_on(async { super::operations(config)?.get(&["directory"], &[]).await })?;
        if let Some(service) = &self.service {
            answer.parties.retain(|party| party.services.iter().any(|s| s.uri == *service));
        }
        answer.parties.truncate(self.limit.unwrap_or(usize::MAX));
        if ui.is_json() {
            answer.parties.iter().for_each(|party| ui.json(party));
            return Ok(Exit::Yes);
        }
        let mut table = ui.table(&[
            ui.t("Kennung", "Party"),
            ui.t("Name", "Name"),
            ui.t("Dienste", "Services"),
            ui.t("Zertifikat gültig bis", "certificate valid until"),
        ]);
        for party in &answer.parties {
            let services: Vec<_> =
                party.services.iter().map(|s| format!("{} ({})", s.uri, s.via)).collect();
            let until = party.certificates.iter().filter_map(|c| c.valid_until).max();
            table.add_row([
                party.id.clone(),
                party.name.clone(),
                services.join(", "),
                until.map_or_else(|| "-".to_owned(), |at| ui.time(at)),
            ]);
        }
        ui.print_table(&table);
        Ok(Exit::Yes)
    }
}

impl Show {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let party: Party = super::block_on(async {
            super::operations(config)?.get(&["directory", self.party.as_str()], &[]).await
        })?;
        if ui.is_json() {
            ui.json(&party);
            return Ok(Exit::Yes);
        }
        ui.line(format!("{}  {}", ui.tint(Tone::Strong, &party.id), party.name));
        for service in &party.services {
            let mut marks = String::new();
            if service.opaque {
                marks.push_str(
                    ui.t(", auch ohne bekannten Standard", ", also without known standard"),
                );
            }
            if service.test {
                marks.push_str(ui.t(", Testsystem", ", test system"));
            }
            ui.line(format!(
                "  {} {}: {} ({}){marks}",
                ui.t("Dienst", "service"),
                service.uri,
                service.via,
                span(ui, service.valid_from, service.valid_until)
            ));
        }
        for certificate in &party.certificates {
            ui.line(format!(
                "  {} {} ({})",
                ui.t("Zertifikat", "certificate"),
                certificate.sha256,
                span(ui, certificate.valid_from, certificate.valid_until)
            ));
        }
        ui.line(format!("  {} {}", ui.t("Konten:", "accounts:"), party.accounts.join(", ")));
        Ok(Exit::Yes)
    }
}

fn span(ui: &Ui, from: Option<Timestamp>, until: Option<Timestamp>) -> String {
    match (from, until) {
        (None, None) => ui.t("unbefristet", "without end").to_owned(),
        (Some(from), None) => format!("{} {}", ui.t("ab", "from"), ui.time(from)),
        (None, Some(until)) => format!("{} {}", ui.t("bis", "until"), ui.time(until)),
        (Some(from), Some(until)) => format!("{} – {}", ui.time(from), ui.time(until)),
    }
}
