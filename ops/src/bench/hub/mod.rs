//! `bench hub`: the whole chain of a hub, side by side with RabbitMQ that merely stores the same
//! bodies, and with the least that there is to do, in one run, in turns.

mod crypto;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use self::crypto::{Author, Crypto};
use super::child::Hub;
use super::load::{self, Timed};
use super::machine::Machine;
use super::{median, quantile, raise_limits};
use crate::demo::systems::System;
use crate::node::region::Region;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::ui::Ui;

/// Messages of RabbitMQ on their way at the same time, one measurement for each.
#[cfg(feature = "rabbitmq")]
const IN_FLIGHT: [usize; 2] = [1, 100];
/// Connections over which messages come at a pace of their own.
const CONNECTIONS: usize = 64;
/// Most synced appends in a round: they only tell what the disk can do.
const APPENDS: usize = 1_000;
/// How often the cryptography is done in a round.
const CRYPTO_TIMES: u32 = 500;

/// How much is measured.
pub(crate) struct Amount<'a> {
    /// Messages of each round.
    pub(crate) messages: usize,
    /// Rounds; the median counts.
    pub(crate) rounds: u32,
    /// Clients at the same time, one measurement for each.
    pub(crate) clients: &'a [usize],
    /// Octets of a payload.
    pub(crate) octets: usize,
    /// How long messages come at half of the greatest rate, in seconds; 0: not at all.
    pub(crate) paced: u32,
    /// How long to wait after the hub's process id was printed, in seconds.
    pub(crate) pause: u64,
    /// Whether RabbitMQ is measured beside it.
    pub(crate) rabbitmq: bool,
}

/// One round of one side.
#[derive(Default)]
struct Sample {
    /// Each request, in milliseconds; empty where there is none.
    each_ms: Vec<f64>,
    per_second: Option<f64>,
    /// Processor time of the process that is measured, for one message.
    cpu_ms: Option<f64>,
}

impl Sample {
    fn of(timed: Timed, cpu_ms: Option<f64>) -> Self {
        Self { per_second: Some(timed.rate()), each_ms: timed.each_ms, cpu_ms }
    }
}

/// One of those who are compared, with all its rounds.
struct Side {
    name: String,
    /// Requests at the same time; none where they come at a pace of their own.
    at_once: Option<usize>,
    samples: Vec<Sample>,
}

impl Side {
    fn new(name: impl Into<String>, at_once: Option<usize>) -> Self {
        Self { name: name.into(), at_once, samples: Vec::new() }
    }

    fn middle(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.samples.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| median(&values))
    }

    fn per_second(&self) -> Option<f64> {
        self.middle(|sample| sample.per_second)
    }

    fn cpu_ms(&self) -> Option<f64> {
        self.middle(|sample| sample.cpu_ms)
    }

    fn time_ms(&self, share: f64) -> Option<f64> {
        self.middle(|one| (!one.each_ms.is_empty()).then(|| quantile(&one.each_ms, share)))
    }
}

/// The names of the sides, for programs.
const CHAIN: &str = "hub";
const PACED: &str = "hub_paced";
const REQUESTS: &str = "bare_requests";
const APPENDING: &str = "synced_appends";
const CRYPTO: &str = "crypto_";
#[cfg(feature = "rabbitmq")]
const RABBITMQ: &str = "rabbitmq";

/// All that is measured, with what it needs.
struct Bench<'a> {
    amount: &'a Amount<'a>,
    dir: &'a Path,
    hub: Hub,
    region: Region,
    system: System,
    crypto: Vec<(Author, Crypto)>,
    #[cfg(feature = "rabbitmq")]
    rabbitmq: Option<rabbitmq::RabbitMq>,
    chain: Vec<Side>,
    requests: Vec<Side>,
    stored: Vec<Side>,
    floors: Vec<Side>,
}

/// Measures all sides.
pub(crate) async fn run(ui: &Ui, dir: &Path, amount: &Amount<'_>) -> Outcome {
    raise_limits(dir)?;
    let region = Region::read()?;
    let hub = Hub::start(dir)?;
    let machine = Machine::look();
    if ui.is_json() {
        ui.json(&json!({ "machine": machine }));
    } else {
        ui.line(machine.line());
    }
    if amount.pause > 0 {
        ui.note(format!("pid {}", hub.pid()));
        tokio::time::sleep(Duration::from_secs(amount.pause)).await;
    }
    let mut bench = Bench::new(ui, dir, hub, region, amount).await?;
    for _ in 0..amount.rounds {
        bench.round().await?;
    }
    let paced = bench.paced().await?;
    bench.print(ui, paced.as_ref())
}

impl<'a> Bench<'a> {
    async fn new(
        ui: &Ui,
        dir: &'a Path,
        hub: Hub,
        region: Region,
        amount: &'a Amount<'a>,
    ) -> Result<Self, Failure> {
        let system = System::open(dir, &region.towns[0], &hub.native)?;
        let whole = load::prepare(&system, &region, 1, amount.octets)?;
        let octets = whole.first().map_or(0, octets_of);
        let crypto = |author| Ok((author, Crypto::new(author, octets)?));
        let sides = |name: &str| amount.clients.iter().map(|n| Side::new(name, Some(*n))).collect();
        let floors = [Side::new(APPENDING, Some(1))].into_iter();
        let floors = floors.chain(
            Author::BOTH.map(|author| Side::new(format!("{CRYPTO}{}", author.name()), None)),
        );
        Ok(Self {
            amount,
            dir,
            crypto: Author::BOTH.into_iter().map(crypto).collect::<anyhow::Result<_>>()?,
            #[cfg(feature = "rabbitmq")]
            rabbitmq: if amount.rabbitmq { start_rabbitmq(ui, dir).await? } else { None },
            chain: sides(CHAIN),
            requests: sides(REQUESTS),
            stored: if amount.rabbitmq { stored(ui) } else { Vec::new() },
            floors: floors.collect(),
            hub,
            region,
            system,
        })
    }

    /// Every side once.
    async fn round(&mut self) -> Result<(), Failure> {
        let (count, octets) = (self.amount.messages, self.amount.octets);
        let client = &self.system.client;
        for (n, &clients) in self.amount.clients.iter().enumerate() {
            let messages = load::prepare(&self.system, &self.region, count, octets)?;
            #[cfg(feature = "rabbitmq")]
            let bodies = bodies(self.rabbitmq.as_ref().filter(|_| n == 0), &messages)?;
            let bare = load::bare_requests(client, count, clients).await?;
            self.requests[n].samples.push(Sample::of(bare, None));
            let before = self.hub.cpu_seconds()?;
            let accepted = load::submit(client, messages, clients).await?;
            let cpu_ms = (self.hub.cpu_seconds()? - before) * 1_000.0 / count as f64;
            self.chain[n].samples.push(Sample::of(accepted, Some(cpu_ms)));
            #[cfg(feature = "rabbitmq")]
            if let Some(rabbitmq) = self.rabbitmq.as_ref().filter(|_| n == 0) {
                for side in &mut self.stored {
                    let in_flight = side.at_once.unwrap_or(1);
                    let (timed, cpu_ms) = rabbitmq
                        .store(&bodies, in_flight)
                        .await
                        .or_not_now("RabbitMQ", "RabbitMQ")?;
                    side.samples.push(Sample::of(timed, Some(cpu_ms)));
                }
            }
        }
        let appends = load::synced_appends(self.dir, count.min(APPENDS), octets)?;
        let mut floors = self.floors.iter_mut();
        if let Some(side) = floors.next() {
            side.samples.push(Sample::of(appends, None));
        }
        for (side, (_, crypto)) in floors.zip(&self.crypto) {
            let cpu_ms = Some(crypto.cpu_ms(CRYPTO_TIMES)?);
            side.samples.push(Sample { cpu_ms, ..Sample::default() });
        }
        Ok(())
    }

    /// How long a message takes when half as many come as the hub can take at most.
    async fn paced(&self) -> Result<Option<Side>, Failure> {
        let most = self.chain.iter().filter_map(Side::per_second).fold(0.0, f64::max);
        let rate = (most / 2.0).max(1.0);
        // A count of messages is small and not negative.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let count = (rate * f64::from(self.amount.paced)) as usize;
        if count == 0 {
            return Ok(None);
        }
        let messages = load::prepare(&self.system, &self.region, count, self.amount.octets)?;
        let before = self.hub.cpu_seconds()?;
        let timed = load::paced(&self.system.client, messages, rate, CONNECTIONS).await?;
        let cpu_ms = (self.hub.cpu_seconds()? - before) * 1_000.0 / count as f64;
        let mut side = Side::new(PACED, None);
        side.samples.push(Sample::of(timed, Some(cpu_ms)));
        Ok(Some(side))
    }

    fn print(&self, ui: &Ui, paced: Option<&Side>) -> Outcome {
        let floor = self.floors.get(1).and_then(Side::cpu_ms);
        let peak_kib = self.hub.peak_kib()?;
        let sides = self.chain.iter().chain(paced).chain(&self.stored).chain(&self.requests);
        let mut table = ui.table(&[
            ui.t("Seite", "side"),
            ui.t("zugleich", "at once"),
            ui.t("je Sekunde", "per second"),
            "p50 ms",
            "p99 ms",
            ui.t("CPU ms je Nachricht", "CPU ms per message"),
            ui.t("zur Kryptographie", "to cryptography"),
        ]);
        for side in sides.chain(&self.floors) {
            let to_floor = side.cpu_ms().zip(floor).map(|(cpu_ms, floor)| cpu_ms / floor);
            if ui.is_json() {
                ui.json(&json!({
                    "bench": "hub", "side": side.name, "at_once": side.at_once,
                    "messages": self.amount.messages, "rounds": side.samples.len(),
                    "octets": self.amount.octets, "per_second": side.per_second(),
                    "p50_ms": side.time_ms(0.5), "p99_ms": side.time_ms(0.99),
                    "cpu_ms_per_message": side.cpu_ms(), "ratio_to_crypto_p256": to_floor,
                }));
                continue;
            }
            let shown = |value: Option<f64>, digits| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            table.add_row([
                title(ui, &side.name).to_owned(),
                side.at_once.map_or_else(|| "-".to_owned(), |n| n.to_string()),
                shown(side.per_second(), 0),
                shown(side.time_ms(0.5), 2),
                shown(side.time_ms(0.99), 2),
                shown(side.cpu_ms(), 3),
                shown(to_floor, 1),
            ]);
        }
        if ui.is_json() {
            ui.json(&json!({ "bench": "hub", "hub_peak_kib": peak_kib }));
        } else {
            ui.print_table(&table);
            let peak = ui.t("Spitze des Speichers des Knotens", "the hub's peak memory");
            ui.line(format!("{peak}: {} MiB", peak_kib / 1024));
        }
        Ok(Exit::Yes)
    }
}

/// A side in the words of people.
fn title<'a>(ui: &Ui, name: &'a str) -> &'a str {
    match name {
        CHAIN => ui.t("Knoten: die ganze Kette", "hub: the whole chain"),
        PACED => ui.t("Knoten: im Takt, halbe Last", "hub: at a pace, half the load"),
        REQUESTS => ui.t("leere Anfragen an den Knoten", "bare requests to the hub"),
        APPENDING => ui.t("Anhängen mit Sync", "synced appends"),
        "rabbitmq" => ui.t("RabbitMQ: nur ablegen", "RabbitMQ: merely storing"),
        "crypto_p256" => {
            ui.t("SHA-256, P-256 prüfen, P-256 signieren", "SHA-256, P-256 verify, P-256 sign")
        }
        "crypto_rsa3072" => ui
            .t("SHA-256, RSA-3072 prüfen, P-256 signieren", "SHA-256, RSA-3072 verify, P-256 sign"),
        other => other,
    }
}

/// Octets of a message: its envelope and its parts.
fn octets_of(message: &amtsbote_adapters::probe::Wired) -> usize {
    message.envelope.len() + message.parts.iter().map(|part| part.2.len()).sum::<usize>()
}

#[cfg(feature = "rabbitmq")]
fn stored(_: &Ui) -> Vec<Side> {
    IN_FLIGHT.map(|in_flight| Side::new(RABBITMQ, Some(in_flight))).into()
}

#[cfg(not(feature = "rabbitmq"))]
fn stored(ui: &Ui) -> Vec<Side> {
    ui.note(ui.t(
        "Ohne RabbitMQ: nicht in diesem Programm enthalten",
        "Without RabbitMQ: not part of this program",
    ));
    Vec::new()
}

/// The broker; none, and a line that says so, where it is not installed.
#[cfg(feature = "rabbitmq")]
async fn start_rabbitmq(ui: &Ui, dir: &Path) -> Result<Option<rabbitmq::RabbitMq>, Failure> {
    let folder = dir.join("rabbitmq");
    std::fs::create_dir(&folder).or_not_now_at(&folder)?;
    match rabbitmq::RabbitMq::start(&folder).await {
        Ok(broker) => {
            if let Some(version) = rabbitmq::RabbitMq::version() {
                ui.note(format!("RabbitMQ {version}"));
            }
            Ok(Some(broker))
        }
        Err(error) => {
            let without = ui.t("Ohne RabbitMQ", "Without RabbitMQ");
            ui.note(format!("{without}: {error:#} (rabbitmq-server)"));
            Ok(None)
        }
    }
}

/// The same octets as the hub gets, where there is a broker to store them.
#[cfg(feature = "rabbitmq")]
fn bodies(
    broker: Option<&rabbitmq::RabbitMq>,
    messages: &[amtsbote_adapters::probe::Wired],
) -> Result<Vec<Vec<u8>>, Failure> {
    let messages = messages.iter().filter(|_| broker.is_some());
    let body = messages.map(|message| Ok(message.body("bench")?.1));
    body.collect::<anyhow::Result<_>>().or_not_now("Nachricht", "message")
}
