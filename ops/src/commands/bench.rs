//! `bench`: measurements with the machine's facts, floor and what is measured alternating in one run.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use amtsbote_adapters::submit::{Content, Source, Submission};
use amtsbote_domain::identity::{HubId, ServiceUri, TransportId};
use amtsbote_domain::message::Metadata;
use clap::{Args, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use crate::bench::child::Hub;
use crate::bench::machine::Machine;
use crate::bench::{backlog, hub, signature, validate};
use crate::demo::content::{Story, Version};
use crate::demo::systems::System;
use crate::node::region::{Region, SERVICE};
use crate::node::region_node::{self, Addresses};
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::Ui;

/// Messages of a round unless somebody says otherwise.
const MESSAGES: u32 = 1_000;
/// Messages that wait unless somebody says otherwise.
const WAITING: u32 = 100_000;

/// Measure, on this machine, on loopback
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote bench hub\n  amtsbote bench attachment -o json\n  \
    amtsbote bench backlog --messages 1000000\n  amtsbote bench signature --sizes 8192 --rounds 9\n  \
    amtsbote bench validate --corpus ../shared/corpus --rounds 9")]
pub(crate) struct Bench {
    /// What to measure
    name: Name,
    /// Messages of each round [default: 1000]; of `backlog` those that wait [default: 100000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    messages: Option<u32>,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Clients at the same time, one measurement for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 64])]
    clients: Vec<usize>,
    /// Octets of a payload
    #[arg(long, default_value_t = 8_192)]
    octets: usize,
    /// Seconds in which messages come at half of the greatest rate; 0: not at all
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=600))]
    paced: u32,
    /// Seconds to wait after printing the hub's process id, to attach a profiler
    #[arg(long, default_value_t = 0)]
    pause: u64,
    /// `hub` without RabbitMQ beside it
    #[arg(long)]
    no_rabbitmq: bool,
    /// MiB of the attachment
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    mib: u64,
    /// Octets of the signed documents, one measurement for each
    #[arg(long, value_delimiter = ',', default_values_t = [8_192, 1 << 20, 50_000_000],
        value_parser = clap::value_parser!(u64).range(4_096..=200_000_000))]
    sizes: Vec<u64>,
    /// Verify this file and print the memory that took
    #[arg(long, hide = true, requires = "certificate")]
    peak_of: Option<PathBuf>,
    /// Under this certificate
    #[arg(long, hide = true)]
    certificate: Option<PathBuf>,
    /// In one pass
    #[arg(long, hide = true)]
    one_pass: bool,
    #[command(flatten)]
    validate: validate::Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Signed, durable acceptances, beside RabbitMQ merely storing and beside the least there is to do
    Hub,
    /// Start, memory and speed of a hub while many messages wait, and while they drain
    Backlog,
    /// The hub's peak memory while one large attachment passes
    Attachment,
    /// Verifying a signed message, beside the least there is to do and libxmlsec1
    Signature,
    /// Validating messages, beside reading alone, the library xsd-schema and libxml2
    Validate,
}

impl Bench {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        match self.name {
            Name::Hub | Name::Backlog | Name::Attachment => {}
            Name::Signature => return self.signature(ui),
            Name::Validate => {
                let (messages, rounds) = (self.messages.unwrap_or(MESSAGES), self.rounds);
                let amount = validate::Amount { messages, octets: self.octets as u64, rounds };
                return validate::run(ui, &self.validate, amount);
            }
        }
        let scratch = tempfile::tempdir().or_not_now("Arbeitsordner", "scratch folder")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .or_not_now("Laufzeitumgebung", "runtime")?;
        if self.name == Name::Backlog {
            let amount = backlog::Amount {
                waiting: u64::from(self.messages.unwrap_or(WAITING)),
                rounds: self.rounds,
                octets: self.octets,
            };
            return runtime.block_on(backlog::run(ui, scratch.path(), &amount));
        }
        let dir = scratch.path().join("node");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        region_node::write(&dir, Addresses { native: any, operations: any })?;
        if self.name == Name::Attachment {
            return runtime.block_on(self.attachment(ui, &dir));
        }
        let amount = hub::Amount {
            messages: self.messages.unwrap_or(MESSAGES) as usize,
            rounds: self.rounds,
            clients: &self.clients,
            octets: self.octets,
            paced: self.paced,
            pause: self.pause,
            rabbitmq: !self.no_rabbitmq,
        };
        runtime.block_on(hub::run(ui, &dir, &amount))
    }

    fn signature(&self, ui: &Ui) -> Outcome {
        if let (Some(file), Some(certificate)) = (&self.peak_of, &self.certificate) {
            return signature::PeakOf { file, certificate, one_pass: self.one_pass }.run(ui);
        }
        let sizes: Vec<usize> =
            self.sizes.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect();
        signature::run(ui, self.rounds, &sizes)
    }

    async fn attachment(&self, ui: &Ui, dir: &Path) -> Outcome {
        let (hub, region) = (Hub::start(dir)?, Region::read()?);
        let machine = Machine::look();
        if ui.is_json() {
            ui.json(&json!({ "machine": machine }));
        } else {
            ui.line(machine.line());
        }
        let system = System::open(dir, &region.towns[0], &hub.native)?;
        let reader = System::open(dir, &region.towns[1], &hub.native)?;
        let idle_kib = hub.peak_kib()?;
        let file = dir.join("attachment");
        fill(&file, self.mib).or_not_now_at(&file)?;
        let begun = std::time::Instant::now();
        let id = send(&system, &region, &reader, &file).await?;
        let sent = begun.elapsed().as_secs_f64();
        let after_send_kib = hub.peak_kib()?;
        let entry = entry(&reader, &id).await?;
        let part = entry
            .parts
            .last()
            .ok_or_else(|| Failure::not_now("Der Anhang fehlt.", "The attachment is missing."))?;
        let begun = std::time::Instant::now();
        let client = &reader.client;
        let mut nowhere = std::io::sink();
        client
            .fetch(&id, part, &mut nowhere)
            .await
            .map_err(|error| super::send::failure(&error))?;
        let fetched = begun.elapsed().as_secs_f64();
        let peak_kib = hub.peak_kib()?;
        let mib = self.mib as f64;
        if ui.is_json() {
            ui.json(&json!({
                "bench": "attachment", "mib": self.mib, "idle_kib": idle_kib,
                "after_send_kib": after_send_kib, "peak_kib": peak_kib,
                "send_seconds": sent, "fetch_seconds": fetched,
            }));
        } else {
            ui.line(format!(
                "{} MiB in and out: hub peak {} MiB (idle {} MiB), in {:.0} MiB/s, out {:.0} MiB/s",
                self.mib,
                peak_kib / 1024,
                idle_kib / 1024,
                mib / sent,
                mib / fetched
            ));
        }
        Ok(Exit::Yes)
    }
}

/// Octets that do not compress, without randomness.
fn fill(path: &Path, mib: u64) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut state = 1u64;
    let mut block = vec![0u8; 1 << 20];
    for _ in 0..mib {
        for chunk in block.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block)?;
    }
    file.flush()
}

async fn send(
    system: &System,
    region: &Region,
    reader: &System,
    file: &Path,
) -> Result<HubId, Failure> {
    let uuid = Uuid::new_v4().to_string();
    let metadata = Metadata {
        author: system.party.clone(),
        reader: reader.party.clone(),
        other_readers: vec![],
        service: ServiceUri::parse(SERVICE).or_not_now("Dienst", "service")?,
        message_type: None,
        transport_id: TransportId::parse(&uuid).or_not_now("Kennung", "id")?,
        business_id: None,
        created: time::now(),
        not_before: None,
        expires: None,
        test: false,
    };
    let story = Story {
        number: 0,
        version: Version::V1_1,
        author: region.towns[0].clone(),
        reader: region.towns[1].clone(),
        uuid,
        answer: false,
        attachment: None,
    };
    let payload = story.xml(&metadata);
    let submission = Submission {
        metadata: &metadata,
        payload: Content {
            cid: "payload.xml".to_owned(),
            media_type: "application/xml".to_owned(),
            source: Source::Octets(payload.into()),
        },
        attachments: vec![Content {
            cid: "attachment".to_owned(),
            media_type: "application/octet-stream".to_owned(),
            source: Source::File(file.to_owned()),
        }],
        signer: system.signer.as_ref(),
    };
    let outcome =
        system.client.submit(submission).await.map_err(|error| super::send::failure(&error))?;
    Ok(outcome.hub_id)
}

/// The entry of a message in its Reader's inbox.
async fn entry(
    reader: &System,
    id: &HubId,
) -> Result<amtsbote_wire::native::status::InboxEntry, Failure> {
    let page = reader
        .client
        .inbox_page(&reader.party, None, 100, 0)
        .await
        .map_err(|error| super::send::failure(&error))?;
    page.entries
        .into_iter()
        .find(|entry| entry.id == *id)
        .ok_or_else(|| Failure::not_now("Nicht im Eingang.", "Not in the inbox."))
}
