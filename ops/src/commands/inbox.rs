//! `inbox list`, `inbox fetch`, `inbox acknowledge`: what waits for a party.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use amtsbote_adapters::NativeClient;
use amtsbote_adapters::folder::{FolderInbox, MessageFile};
use amtsbote_adapters::inbox::{Inbox as Collector, TrustedSigners};
use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::status::InboxEntry;
use clap::{Args, Subcommand};
use serde_json::json;

use super::send::failure;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::timeline;
use crate::ui::{Tone, Ui};

/// Collect what waits for a party
#[derive(Debug, Subcommand)]
pub(crate) enum Inbox {
    /// List what waits
    List(List),
    /// Fetch and verify what waits, into a folder; it waits on until it is acknowledged
    Fetch(Fetch),
    /// Confirm messages that were fetched; the receipt is verified and kept beside them
    Acknowledge(Acknowledge),
}

/// List what waits
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote inbox list --as ags:05766020")]
pub(crate) struct List {
    /// For whom [default: the configuration's party]
    #[arg(long = "as", value_name = "PARTY")]
    party: Option<PartyId>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    limit: u32,
    /// Only what was accepted at or after this time or day, among those listed
    #[arg(long, value_name = "TIME", value_parser = crate::time::instant)]
    since: Option<Timestamp>,
    /// Go on after this cursor: the `next` of the page before
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Wait so many seconds when there is nothing
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=60), value_name = "SECONDS")]
    wait: u32,
}

/// Fetch and verify what waits, into a folder; it waits on until it is acknowledged
///
/// Each message becomes a folder DIR/ID with envelope.xml, its parts and message.json, only after
/// the Author's signature and every digest were verified.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote inbox fetch --as ags:05766020 --dir in --acknowledge")]
pub(crate) struct Fetch {
    /// Only these; all when none is named
    #[arg(value_name = "ID")]
    ids: Vec<HubId>,
    /// For whom [default: the configuration's party]
    #[arg(long = "as", value_name = "PARTY")]
    party: Option<PartyId>,
    /// Where to
    #[arg(long, default_value = "inbox", value_name = "DIR")]
    dir: PathBuf,
    /// At most so many
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    limit: u32,
    /// Acknowledge each one once it is safe on disk
    #[arg(long)]
    acknowledge: bool,
}

/// Confirm messages that were fetched; the receipt is verified and kept beside them
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  amtsbote inbox acknowledge 0190f3a2-7c1e-7d4b-9a55-2f6b8c0d1e2f --dir in"
)]
pub(crate) struct Acknowledge {
    /// Hub ids, as `inbox list` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<HubId>,
    /// For whom; the account decides, so this only documents it
    #[arg(long = "as", value_name = "PARTY")]
    party: Option<PartyId>,
    /// Where they were fetched to
    #[arg(long, default_value = "inbox", value_name = "DIR")]
    dir: PathBuf,
}

impl Inbox {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let config = super::client_config(config)?;
        let client = config.native(ui.language)?;
        match self {
            Self::List(list) => {
                let party = config.acting_party(list.party.as_ref())?;
                super::block_on(list.run(ui, &client, &party))
            }
            Self::Fetch(fetch) => {
                let party = config.acting_party(fetch.party.as_ref())?;
                let authors = config.authors()?;
                super::block_on(fetch.run(ui, &client, &party, &authors))
            }
            Self::Acknowledge(acknowledge) => {
                config.acting_party(acknowledge.party.as_ref())?;
                super::block_on(acknowledge.run(ui, &client))
            }
        }
    }
}

impl List {
    async fn run(&self, ui: &Ui, client: &NativeClient, party: &PartyId) -> Outcome {
        let page = client
            .inbox_page(party, self.after.as_deref(), self.limit, self.wait)
            .await
            .map_err(|error| failure(&error))?;
        let since = |entry: &&InboxEntry| self.since.is_none_or(|at| at <= entry.accepted_at);
        let entries: Vec<&InboxEntry> = page.entries.iter().filter(since).collect();
        if ui.is_json() {
            entries.iter().for_each(|entry| ui.json(entry));
        } else if entries.is_empty() {
            ui.note(ui.t("Es wartet nichts.", "Nothing waits."));
        } else {
            print(ui, &entries);
        }
        if let Some(next) = page.next {
            ui.note(format!("{} --after {next}", ui.t("weiter mit", "more with")));
        }
        Ok(Exit::Yes)
    }
}

fn print(ui: &Ui, entries: &[&InboxEntry]) {
    let mut table = ui.table(&[
        ui.t("Kennung", "Id"),
        ui.t("angenommen", "accepted"),
        ui.t("Autor", "Author"),
        ui.t("Dienst", "Service"),
        ui.t("Teile", "Parts"),
        ui.t("Bytes", "Bytes"),
    ]);
    for entry in entries {
        table.add_row([
            entry.id.to_string(),
            ui.time(entry.accepted_at),
            match entry.other_readers.len() {
                0 => entry.author.to_string(),
                count => format!(
                    "{} ({}: {count})",
                    entry.author,
                    ui.t("weitere Leser", "further Readers")
                ),
            },
            match &entry.about {
                Some(about) => format!("{} ({})", entry.service, timeline::about(ui, about)),
                None => entry.service.to_string(),
            },
            entry.parts.len().to_string(),
            entry.parts.iter().map(|part| part.size).sum::<u64>().to_string(),
        ]);
    }
    ui.print_table(&table);
}

impl Fetch {
    async fn run(
        &self,
        ui: &Ui,
        client: &NativeClient,
        party: &PartyId,
        signers: &dyn TrustedSigners,
    ) -> Outcome {
        let folder = FolderInbox::open(&self.dir).or_not_now_at(&self.dir)?;
        let page =
            client.inbox_page(party, None, self.limit, 0).await.map_err(|error| failure(&error))?;
        let wanted = |entry: &&InboxEntry| self.ids.is_empty() || self.ids.contains(&entry.id);
        let entries: Vec<&InboxEntry> = page.entries.iter().filter(wanted).collect();
        let mut collector = Collector { client, party, signers, inbound: folder.clone() };
        let mut all_good = true;
        for id in self.ids.iter().filter(|id| entries.iter().all(|entry| entry.id != **id)) {
            all_good = false;
            ui.failure(&format!("{id}: {}", ui.t("wartet hier nicht", "does not wait here")));
        }
        for entry in entries {
            let taken = if self.acknowledge {
                collector.take(entry).await.map(|receipt| Some(receipt.octets))
            } else {
                collector.fetch(entry).await.map(|_| None)
            };
            match taken {
                Ok(receipt) => {
                    let place = folder.place(&entry.id);
                    if let Some(receipt) = &receipt {
                        keep(&place, receipt)?;
                    }
                    fetched(ui, entry, &place, receipt.is_some());
                }
                Err(error) => {
                    all_good = false;
                    ui.failure(&format!("{}: {}", entry.id, error.text(ui.language)));
                }
            }
        }
        Ok(Exit::answer(all_good))
    }
}

fn fetched(ui: &Ui, entry: &InboxEntry, place: &Path, acknowledged: bool) {
    if ui.is_json() {
        ui.json(&json!({
            "id": entry.id, "author": entry.author, "dir": place, "verified": true,
            "acknowledged": acknowledged, "same_business_id": entry.same_business_id,
            "about": entry.about,
        }));
        return;
    }
    let word = ui.tint(Tone::Good, ui.t("geprüft", "verified"));
    let confirmed = if acknowledged { ui.t(", bestätigt", ", acknowledged") } else { "" };
    ui.line(format!("{} {} {word}{confirmed}: {}", entry.id, entry.author, place.display()));
    if let Some(about) = &entry.about {
        let word = ui.t("Benachrichtigung", "notice");
        ui.line(format!("  {word} {}", timeline::about(ui, about)));
    }
    for other in &entry.same_business_id {
        ui.line(format!(
            "  {} {other}",
            ui.t("gleiche Kennung des Inhalts wie", "same business id as")
        ));
    }
}

impl Acknowledge {
    async fn run(&self, ui: &Ui, client: &NativeClient) -> Outcome {
        let folder = FolderInbox::open(&self.dir).or_not_now_at(&self.dir)?;
        for id in &self.ids {
            let place = folder.place(id);
            let payload = payload_digest(&place)?;
            let receipt =
                client.acknowledge(id, &payload).await.map_err(|error| failure(&error))?;
            keep(&place, &receipt.octets)?;
            if ui.is_json() {
                ui.json(&json!({ "id": id, "acknowledged": true, "index": receipt.index }));
            } else {
                let word = ui.tint(Tone::Good, ui.t("bestätigt", "acknowledged"));
                ui.line(format!("{id} {word}"));
            }
        }
        Ok(Exit::Yes)
    }
}

/// The digest of the payload as it lies here now; it must be what the Author signed.
fn payload_digest(place: &Path) -> Result<Digest, Failure> {
    const MAX_BYTES: u64 = 1 << 20;
    let shown = place.display();
    let mut text = String::new();
    File::open(place.join("message.json"))
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .or_usage_at(place)?;
    let message: MessageFile = serde_json::from_str(&text).or_usage_at(place)?;
    let payload = message.files.first().ok_or_else(|| {
        Failure::usage(format!("{shown}: ohne Inhalt"), format!("{shown}: no payload"))
    })?;
    let found = File::open(place.join(&payload.file)).and_then(digest).or_not_now_at(place)?;
    if found == payload.part.sha256 {
        return Ok(found);
    }
    Err(Failure::new(
        Exit::No,
        format!("{shown}: Der Inhalt wurde seit der Abholung verändert; er wird nicht bestätigt"),
        format!("{shown}: the payload was changed since it was fetched; it is not acknowledged"),
    ))
}

fn digest(mut file: File) -> std::io::Result<Digest> {
    let mut hash = openssl::sha::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest(hash.finish())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Keeps the receipt over the acknowledgement beside the message.
fn keep(place: &Path, receipt: &[u8]) -> Result<(), Failure> {
    let file = place.join("receipt.json");
    std::fs::write(&file, receipt).or_not_now_at(&file)
}
