//! `bench`: measurements with the machine's facts, floor and what is measured alternating in one run.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use amtsbote_adapters::submit::{Content, Source, Submission};
use amtsbote_domain::identity::{HubId, ServiceUri, TransportId};
use amtsbote_domain::message::Metadata;
use clap::{Args, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use crate::bench::child::Hub;
use crate::bench::load::{self, Timed};
use crate::bench::machine::Machine;
use crate::bench::{median, quantile, signature, validate};
use crate::demo::content::{Story, Version};
use crate::demo::systems::System;
use crate::node::region::{Region, SERVICE};
use crate::node::region_node::{self, Addresses};
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::Ui;

/// Measure, on this machine, on loopback
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote bench hub\n  amtsbote bench attachment -o json\n  \
    amtsbote bench signature --sizes 8192 --rounds 9\n  \
    amtsbote bench validate --corpus ../shared/corpus --rounds 9")]
pub(crate) struct Bench {
    /// What to measure
    name: Name,
    /// Messages of each round
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    messages: u32,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Clients at the same time, one measurement for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    clients: Vec<usize>,
    /// Octets of a payload
    #[arg(long, default_value_t = 8_192)]
    octets: usize,
    /// Seconds to wait after printing the hub's process id, to attach a profiler
    #[arg(long, default_value_t = 0)]
    pause: u64,
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
    /// Signed, durable acceptances a second, and the processor time of one
    Hub,
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
            Name::Hub | Name::Attachment => {}
            Name::Signature => return self.signature(ui),
            Name::Validate => {
                let (messages, rounds) = (self.messages, self.rounds);
                let amount = validate::Amount { messages, octets: self.octets as u64, rounds };
                return validate::run(ui, &self.validate, amount);
            }
        }
        let scratch = tempfile::tempdir().or_not_now("Arbeitsordner", "scratch folder")?;
        let dir = scratch.path().join("node");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        region_node::write(&dir, Addresses { native: any, operations: any })?;
        let hub = Hub::start(&dir)?;
        let region = Region::read()?;
        let machine = Machine::look();
        if ui.is_json() {
            ui.json(&json!({ "machine": machine }));
        } else {
            ui.line(machine.line());
        }
        if self.pause > 0 {
            ui.note(format!("pid {}", hub.pid()));
            std::thread::sleep(Duration::from_secs(self.pause));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .or_not_now("Laufzeitumgebung", "runtime")?;
        runtime.block_on(async {
            match self.name {
                Name::Hub => self.hub(ui, &dir, &hub, &region).await,
                Name::Attachment => self.attachment(ui, &dir, &hub, &region).await,
                // They need no hub, and have been answered above.
                Name::Signature | Name::Validate => Ok(Exit::Yes),
            }
        })
    }

    fn signature(&self, ui: &Ui) -> Outcome {
        if let (Some(file), Some(certificate)) = (&self.peak_of, &self.certificate) {
            return signature::PeakOf { file, certificate, one_pass: self.one_pass }.run(ui);
        }
        let sizes: Vec<usize> =
            self.sizes.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect();
        signature::run(ui, self.rounds, &sizes)
    }

    async fn hub(&self, ui: &Ui, dir: &Path, hub: &Hub, region: &Region) -> Outcome {
        let system = System::open(dir, &region.towns[0], &hub.native)?;
        let count = self.messages as usize;
        for &clients in &self.clients {
            let mut rounds = Vec::new();
            for _ in 0..self.rounds {
                let messages = load::prepare(&system, region, count, self.octets)?;
                let synced = load::synced_appends(dir, count.min(1_000), self.octets)?;
                let bare = load::bare_requests(&system.client, count, clients).await?;
                let before = hub.cpu_seconds()?;
                let accepted = load::submit(&system.client, messages, clients).await?;
                let cpu_ms = (hub.cpu_seconds()? - before) * 1_000.0 / count as f64;
                rounds.push(Round { synced, bare, accepted, cpu_ms });
            }
            self.print_hub(ui, clients, &rounds, hub.peak_kib()?);
        }
        Ok(Exit::Yes)
    }

    fn print_hub(&self, ui: &Ui, clients: usize, rounds: &[Round], peak_kib: u64) {
        let middle =
            |of: &dyn Fn(&Round) -> f64| median(&rounds.iter().map(of).collect::<Vec<_>>());
        let rate = middle(&|round| round.accepted.rate());
        let (p50, p99) = (
            middle(&|round| quantile(&round.accepted.each_ms, 0.5)),
            middle(&|round| quantile(&round.accepted.each_ms, 0.99)),
        );
        let (bare, synced) =
            (middle(&|round| round.bare.rate()), middle(&|round| round.synced.rate()));
        let cpu_ms = middle(&|round| round.cpu_ms);
        if ui.is_json() {
            ui.json(&json!({
                "bench": "hub", "clients": clients, "messages": self.messages,
                "rounds": self.rounds, "octets": self.octets, "accepted_per_second": rate,
                "p50_ms": p50, "p99_ms": p99, "hub_cpu_ms_per_message": cpu_ms,
                "floor_bare_requests_per_second": bare,
                "floor_synced_appends_per_second": synced,
                "ratio_to_bare_requests": rate / bare, "ratio_to_synced_appends": rate / synced,
                "hub_peak_kib": peak_kib,
            }));
            return;
        }
        ui.line(format!(
            "{clients:>3} clients: {rate:>7.0} accepted/s  p50 {p50:.2} ms  p99 {p99:.2} ms  \
             hub CPU {cpu_ms:.2} ms/message"
        ));
        ui.line(format!(
            "             floors: {bare:.0} bare requests/s (ratio {:.2}), {synced:.0} synced \
             appends/s (ratio {:.2}); hub peak {} MiB",
            rate / bare,
            rate / synced,
            peak_kib / 1024
        ));
    }

    async fn attachment(&self, ui: &Ui, dir: &Path, hub: &Hub, region: &Region) -> Outcome {
        let system = System::open(dir, &region.towns[0], &hub.native)?;
        let reader = System::open(dir, &region.towns[1], &hub.native)?;
        let idle_kib = hub.peak_kib()?;
        let file = dir.join("attachment");
        fill(&file, self.mib).or_not_now_at(&file)?;
        let begun = std::time::Instant::now();
        let id = send(&system, region, &reader, &file).await?;
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

struct Round {
    synced: Timed,
    bare: Timed,
    accepted: Timed,
    cpu_ms: f64,
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
