//! `message list`, `message show`: what the hub knows of messages, without their content; `export`
//! opens one (`export.rs`).

use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::clearing::Act;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::status::{MessageStatus, TimelineEntry};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::act::Wish;
use crate::commands::export::Export;
use crate::outcome::{Exit, Failure, Outcome};
use crate::timeline;
use crate::ui::Ui;

/// Search and show messages
#[derive(Debug, Subcommand)]
pub(crate) enum Message {
    /// List messages, newest first
    List(List),
    /// Show what was recorded about a message; takes hub id, transport id or business id
    Show(Show),
    /// Open a message: envelope, parts, receipts and timeline into a folder of your own
    Export(Export),
    /// Stop messages before anything leaves
    #[command(
        after_help = "Example:\n  amtsbote message hold 0197a2c4-0000-7000-8000-000000000001 --reason 'Anruf der Stadt Lage'"
    )]
    Hold(Wish),
    /// Let messages on hold go on
    #[command(
        after_help = "Example:\n  amtsbote message release 0197a2c4-0000-7000-8000-000000000001 --reason 'geklärt'"
    )]
    Release(Wish),
    /// Withdraw messages for their Author before anything leaves
    #[command(
        after_help = "Example:\n  amtsbote message cancel 0197a2c4-0000-7000-8000-000000000001 --reason 'auf Bitte des Autors'"
    )]
    Cancel(Wish),
}

/// List messages, newest first
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  amtsbote message list --party ags:05766044 --state waiting --since 2026-11-01"
)]
pub(crate) struct List {
    /// Author or Reader
    #[arg(long)]
    party: Option<PartyId>,
    /// Service URI
    #[arg(long, value_name = "URI")]
    service: Option<String>,
    /// State: waiting, in-delivery, delivered, acknowledged, uncertain, in-clearing,
    /// rejected-back, expired, cancelled
    #[arg(long)]
    state: Option<String>,
    /// Accepted at or after this time (2026-11-01T08:00:00Z) or day (2026-11-01)
    #[arg(long, value_parser = crate::time::instant, value_name = "TIME")]
    since: Option<Timestamp>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    limit: u32,
    /// Go on after this message: the `next` of the page before
    #[arg(long, value_name = "ID")]
    before: Option<HubId>,
}

/// Show what was recorded about a message
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote message show lemgo-2026-0815")]
pub(crate) struct Show {
    /// Hub id, transport id or business id
    id: String,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<MessageStatus>,
    next: Option<HubId>,
}

/// One message with its record.
#[derive(Deserialize, Serialize)]
struct Shown {
    status: MessageStatus,
    /// The way it is on; none from a hub that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    record: Value,
    /// What its Author was told; none from a hub that does not say.
    #[serde(default)]
    notices: Vec<TimelineEntry>,
}

#[derive(Deserialize)]
struct ShownAll {
    messages: Vec<Shown>,
}

impl Message {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        match self {
            Self::List(list) => list.run(ui, config),
            Self::Show(show) => show.run(ui, config),
            Self::Export(export) => export.run(ui, config),
            Self::Hold(wish) => wish.run(ui, config, Act::Hold),
            Self::Release(wish) => wish.run(ui, config, Act::Release),
            Self::Cancel(wish) => wish.run(ui, config, Act::Cancel),
        }
    }
}

impl List {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let query = [
            ("party", self.party.as_ref().map(ToString::to_string)),
            ("service", self.service.clone()),
            ("state", self.state.clone()),
            ("since", self.since.map(|at| at.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("before", self.before.as_ref().map(ToString::to_string)),
        ];
        let page: Page =
            super::block_on(async { super::operations(config)?.get(&["messages"], &query).await })?;
        if ui.is_json() {
            page.messages.iter().for_each(|message| ui.json(message));
        } else {
            print(ui, &page.messages);
        }
        if let Some(next) = page.next {
            ui.note(format!("{} --before {next}", ui.t("weiter mit", "more with")));
        }
        Ok(Exit::Yes)
    }
}

fn print(ui: &Ui, messages: &[MessageStatus]) {
    if messages.is_empty() {
        return ui.note(ui.t("Keine Nachrichten.", "No messages."));
    }
    let mut table = ui.table(&[
        ui.t("Kennung", "Id"),
        ui.t("angenommen", "accepted"),
        ui.t("Autor", "Author"),
        ui.t("Leser", "Reader"),
        ui.t("Zustand", "State"),
        ui.t("Kennung des Absenders", "sender's id"),
    ]);
    for message in messages {
        table.add_row([
            message.id.to_string(),
            ui.time(message.accepted_at),
            message.author.to_string(),
            match message.other_readers.len() {
                0 => message.reader.to_string(),
                count => format!("{} (+{count})", message.reader),
            },
            timeline::state(ui, &message.state, message.state_detail.as_deref()),
            message.transport_id.to_string(),
        ]);
    }
    ui.print_table(&table);
}

impl Show {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let shown: ShownAll = super::block_on(async {
            super::operations(config)?.get(&["messages", &self.id], &[]).await
        })?;
        for message in &shown.messages {
            if ui.is_json() {
                ui.json(message);
            } else {
                let way = message
                    .channel
                    .as_deref()
                    .map(|way| (ui.t("Weg", "way"), way_of(ui, message, way)));
                timeline::print_status_and(ui, &message.status, way.into_iter().collect());
                message.notices.iter().for_each(|entry| timeline::print_entry(ui, entry));
                print_record(ui, &message.record)?;
            }
        }
        Ok(Exit::answer(!shown.messages.is_empty()))
    }
}

/// The way it is on, and the one it was accepted for where that is another.
fn way_of(ui: &Ui, message: &Shown, way: &str) -> String {
    match message.record["channel"].as_str().filter(|first| *first != way) {
        Some(first) => format!("{way} ({} {first})", ui.t("angenommen für", "accepted for")),
        None => way.to_owned(),
    }
}

fn print_record(ui: &Ui, record: &Value) -> Result<(), Failure> {
    ui.line(format!("  {}", ui.t("Nachweis der Annahme:", "record of the acceptance:")));
    let text = serde_json::to_string_pretty(record).map_err(anyhow::Error::from)?;
    text.lines().for_each(|line| ui.line(format!("    {line}")));
    Ok(())
}
