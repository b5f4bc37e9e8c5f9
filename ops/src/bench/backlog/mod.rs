//! `bench backlog`: what it costs a hub that many messages wait: its start, its memory, and how fast
//! it takes new ones in, while they wait and while they drain to a peer that has returned.
//!
//! Beside it runs a hub where nothing waits, and both take messages in by turns: what they are slowed
//! down by together is the machine, of which two hubs, their peer and the clients have to share the
//! processors; what is left is the backlog.

mod fill;
mod nodes;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use reqwest::{Certificate, Client};
use serde_json::json;

use self::fill::Filled;
use self::nodes::Nodes;
use super::child::Hub;
use super::load;
use super::machine::Machine;
use super::{median, quantile};
use crate::demo::systems::System;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::ui::Ui;

/// Clients at the same time.
const CLIENTS: usize = 32;
/// Messages that a hub takes in before it is the turn of the other.
const TURN: usize = 1_000;
/// About so many octets of disk for each message that waits.
const OCTETS_EACH: u64 = 16 << 10;
/// Longest wait until the peer has been found to have returned.
const RETURN: Duration = Duration::from_secs(120);
/// So many have drained when the pace of the first seconds is over.
const AT_FULL_PACE: u64 = 500;
/// Most octets of the metrics.
const METRICS: usize = 1 << 20;
/// How slow acceptance may become at most while the backlog drains.
const AIM: f64 = 2.0 / 3.0;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Amount {
    /// Messages that wait.
    pub(crate) waiting: u64,
    /// Turns of each hub in each phase; the median counts.
    pub(crate) rounds: u32,
    /// Octets of the payloads that are taken in meanwhile.
    pub(crate) octets: usize,
}

/// One hub in one phase.
#[derive(Default)]
struct Turns {
    per_second: Vec<f64>,
    p99_ms: Vec<f64>,
    cpu_ms: Vec<f64>,
}

/// Both hubs in one phase.
#[derive(Default)]
struct Phase {
    empty: Turns,
    full: Turns,
    /// What drained meanwhile, by the second.
    drained_per_second: f64,
    /// Still waiting at its end.
    left: u64,
    resident_kib: u64,
}

impl Turns {
    fn rate(&self) -> f64 {
        median(&self.per_second)
    }
}

/// A hub, and who sends to it.
struct Side {
    hub: Hub,
    system: System,
}

impl Side {
    fn of(hub: Hub, nodes: &Nodes) -> Result<Self, Failure> {
        let system = System::open(&nodes.near, &nodes.region.towns[0], &hub.native)?;
        Ok(Self { hub, system })
    }
}

/// Measures all of it.
pub(crate) async fn run(ui: &Ui, folder: &Path, amount: &Amount) -> Outcome {
    let wanted = amount.waiting;
    let needed = wanted * OCTETS_EACH;
    let facts = rustix::fs::statvfs(folder).or_not_now_at(folder)?;
    let (free, needed_mib) = (facts.f_bavail.saturating_mul(facts.f_frsize), needed >> 20);
    let place = folder.display();
    if free < needed {
        return Err(Failure::not_now(
            format!("{place}: zu wenig Platz, gebraucht werden etwa {needed_mib} MiB"),
            format!("{place}: too little room, about {needed_mib} MiB are needed"),
        ));
    }
    let disk = ui.t("Platz auf der Platte, bis zu etwa", "disk, up to about");
    ui.note(format!("{disk} {needed_mib} MiB: {place}"));
    let machine = Machine::look();
    if ui.is_json() {
        ui.json(&json!({ "machine": machine }));
    } else {
        ui.line(machine.line());
    }
    let nodes = Nodes::write(folder)?;
    let filled = fill::fill(&nodes.near, nodes.towns(), amount.waiting).await?;
    let amount = &Amount { waiting: filled.messages, ..*amount };
    if filled.messages < wanted {
        let minutes = fill::LONGEST.as_secs() / 60;
        let after = ui.t("nach so vielen Minuten abgebrochen:", "broken off after minutes:");
        ui.note(format!("{after} {minutes}"));
    }
    let client = client(&nodes)?;

    let (full, after_stop) = started(&nodes.near, &client, &nodes).await?;
    let (empty, start_empty) = started(&nodes.empty, &client, &nodes).await?;
    let at_start_kib = full.hub.resident_kib()?;
    let waiting = phase(&nodes, &client, amount, &empty, &full).await?;
    let far = Hub::start_at(&nodes.far, nodes.far_address)?;
    until_it_drains(&client, &full.hub, filled.messages).await?;
    let draining = phase(&nodes, &client, amount, &empty, &full).await?;
    let (peak_kib, peak_empty_kib) = (full.hub.peak_kib()?, empty.hub.peak_kib()?);
    // As a crash would leave it, with all the rest of the backlog.
    drop((full, empty, far));
    let after_kill = started(&nodes.near, &client, &nodes).await?.1;

    let start = Start { after_stop, after_kill, empty: start_empty };
    let memory = Memory { at_start_kib, peak_kib, peak_empty_kib };
    print(ui, &filled, &start, &memory, [&waiting, &draining]);
    Ok(Exit::Yes)
}

/// How long hubs took to become ready.
struct Start {
    after_stop: Duration,
    after_kill: Duration,
    empty: Duration,
}

/// What is resident, in KiB.
struct Memory {
    at_start_kib: u64,
    peak_kib: u64,
    peak_empty_kib: u64,
}

/// Speaks to the operations address of the hubs.
fn client(nodes: &Nodes) -> Result<Client, Failure> {
    let path = nodes.near.join("ca.pem");
    let authority = std::fs::read(&path).or_not_now_at(&path)?;
    let authority = Certificate::from_pem(&authority).or_not_now_at(&path)?;
    let client = Client::builder().tls_certs_only([authority]).no_proxy();
    client.timeout(Duration::from_secs(60)).build().or_not_now("TLS", "TLS")
}

/// Starts a hub; says how long it took until it said that it is ready.
async fn started(dir: &Path, client: &Client, nodes: &Nodes) -> Result<(Side, Duration), Failure> {
    let hub = Hub::start(dir)?;
    let answer = client.get(format!("{}/health/ready", hub.operations)).send().await;
    answer.and_then(reqwest::Response::error_for_status).or_not_now("Knoten", "hub")?;
    let took = hub.begun.elapsed();
    Ok((Side::of(hub, nodes)?, took))
}

/// Both hubs take messages in, by turns.
async fn phase(
    nodes: &Nodes,
    client: &Client,
    amount: &Amount,
    empty: &Side,
    full: &Side,
) -> Result<Phase, Failure> {
    let mut phase = Phase::default();
    let (begun, before) = (Instant::now(), delivered(client, &full.hub).await?);
    for _ in 0..amount.rounds {
        take_in(nodes, amount, empty, &mut phase.empty).await?;
        take_in(nodes, amount, full, &mut phase.full).await?;
    }
    let drained = delivered(client, &full.hub).await?.saturating_sub(before);
    phase.drained_per_second = drained as f64 / begun.elapsed().as_secs_f64();
    phase.left = amount.waiting.saturating_sub(before + drained);
    phase.resident_kib = full.hub.resident_kib()?;
    Ok(phase)
}

async fn take_in(
    nodes: &Nodes,
    amount: &Amount,
    side: &Side,
    turns: &mut Turns,
) -> Result<(), Failure> {
    let messages = load::prepare(&side.system, &nodes.region, TURN, amount.octets)?;
    let before = side.hub.cpu_seconds()?;
    let timed = load::submit(&side.system.client, messages, CLIENTS).await?;
    let cpu = side.hub.cpu_seconds()? - before;
    turns.cpu_ms.push(cpu * 1_000.0 / TURN as f64);
    turns.per_second.push(timed.rate());
    turns.p99_ms.push(quantile(&timed.each_ms, 0.99));
    Ok(())
}

/// Waits until the hub has found its peer again and sends at full pace.
async fn until_it_drains(client: &Client, hub: &Hub, messages: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    while delivered(client, hub).await? < AT_FULL_PACE.min(messages / 4) {
        if begun.elapsed() > RETURN {
            return Err(Failure::not_now(
                "Was wartet, fließt nicht ab.",
                "What waits does not drain.",
            ));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// How many deliveries of a hub have ended well, as it tells monitoring.
async fn delivered(client: &Client, hub: &Hub) -> Result<u64, Failure> {
    let ask = async {
        let answer = client.get(format!("{}/metrics", hub.operations)).send().await?;
        let (mut answer, mut octets) = (answer.error_for_status()?, Vec::new());
        while let Some(chunk) = answer.chunk().await? {
            ensure!(octets.len() + chunk.len() <= METRICS, "too long");
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    };
    let octets: anyhow::Result<Vec<u8>> = ask.await;
    let octets = octets.or_not_now("Kennzahlen", "metrics")?;
    Ok(counted(&String::from_utf8_lossy(&octets), &["delivered", "acknowledged"]))
}

fn counted(metrics: &str, states: &[&str]) -> u64 {
    let of = |line: &str| {
        let (state, count) =
            line.strip_prefix("amtsbote_deliveries{state=\"")?.split_once("\"} ")?;
        states.contains(&state).then(|| count.parse::<u64>().ok())?
    };
    metrics.lines().filter_map(of).sum()
}

fn print(ui: &Ui, filled: &Filled, start: &Start, memory: &Memory, phases: [&Phase; 2]) {
    let names = [
        ("waiting", ui.t("Rückstand wartet", "backlog waits")),
        ("draining", ui.t("Rückstand fließt ab", "backlog drains")),
    ];
    let (waiting, seconds) = (filled.messages, Duration::as_secs_f64);
    let alone = phases[0].empty.rate();
    if ui.is_json() {
        ui.json(&json!({
            "bench": "backlog", "waiting": waiting,
            "filled_per_second": waiting as f64 / filled.seconds,
            "octets_on_disk_each": filled.octets_each,
            "start_seconds": seconds(&start.after_stop),
            "start_after_kill_seconds": seconds(&start.after_kill),
            "start_empty_seconds": seconds(&start.empty),
            "resident_at_start_kib": memory.at_start_kib, "peak_kib": memory.peak_kib,
            "peak_empty_kib": memory.peak_empty_kib,
        }));
    } else {
        ui.line(format!(
            "{} {waiting}, {:.0}/s, {:.1} KiB {}",
            ui.t("wartende Nachrichten:", "messages waiting:"),
            waiting as f64 / filled.seconds,
            filled.octets_each as f64 / 1024.0,
            ui.t("auf der Platte je Nachricht", "of disk each"),
        ));
        ui.line(format!(
            "{} {:.2} s, {} {:.2} s, {} {:.2} s",
            ui.t("bereit nach", "ready after"),
            seconds(&start.after_stop),
            ui.t("nach einem Absturz", "after a kill"),
            seconds(&start.after_kill),
            ui.t("ohne Rückstand", "without a backlog"),
            seconds(&start.empty),
        ));
        ui.line(format!(
            "{} {} MiB, {} {} MiB, {} {} MiB",
            ui.t("Speicher beim Start", "memory at the start"),
            memory.at_start_kib / 1024,
            ui.t("Spitze", "peak"),
            memory.peak_kib / 1024,
            ui.t("ohne Rückstand", "without a backlog"),
            memory.peak_empty_kib / 1024,
        ));
    }
    let mut table = ui.table(&[
        "",
        ui.t("Knoten", "hub"),
        ui.t("angenommen/s", "accepted/s"),
        "p99 ms",
        ui.t("CPU ms je Nachricht", "CPU ms per message"),
        ui.t("zu allein", "to alone"),
        ui.t("abgeflossen/s", "drained/s"),
    ]);
    for ((name, title), phase) in names.into_iter().zip(phases) {
        for (hub, turns) in [("empty", &phase.empty), ("full", &phase.full)] {
            let drained = (hub == "full").then_some(phase.drained_per_second);
            let (p99, cpu_ms) = (median(&turns.p99_ms), median(&turns.cpu_ms));
            if ui.is_json() {
                ui.json(&json!({
                    "bench": "backlog", "phase": name, "hub": hub, "clients": CLIENTS,
                    "rounds": turns.per_second.len(), "accepted_per_second": turns.rate(),
                    "p99_ms": p99, "cpu_ms_per_message": cpu_ms,
                    "ratio_to_empty_alone": turns.rate() / alone,
                    "drained_per_second": drained, "left": phase.left,
                    "resident_kib": phase.resident_kib,
                }));
                continue;
            }
            table.add_row([
                title.to_owned(),
                match hub {
                    "full" => ui.t("mit Rückstand", "with it").to_owned(),
                    _ => ui.t("ohne Rückstand", "without it").to_owned(),
                },
                format!("{:.0}", turns.rate()),
                format!("{p99:.1}"),
                format!("{cpu_ms:.2}"),
                format!("{:.2}", turns.rate() / alone),
                drained.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
            ]);
        }
    }
    if ui.is_json() {
        return;
    }
    ui.print_table(&table);
    let slowed = phases[1].full.rate() / phases[0].full.rate();
    ui.line(format!(
        "{} {slowed:.2} ({} {AIM:.2}), {} {}",
        ui.t("beim Abfließen zu vorher:", "while it drains, to before:"),
        ui.t("Ziel mindestens", "aim at least"),
        ui.t("danach wartend:", "left:"),
        phases[1].left,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_read_from_the_metrics() {
        let text = "# HELP amtsbote_deliveries x\namtsbote_deliveries{state=\"delivered\"} 12\n\
                    amtsbote_deliveries{state=\"waiting\"} 7\namtsbote_strangers 3\n";
        assert_eq!(counted(text, &["delivered", "acknowledged"]), 12);
        assert_eq!(counted(text, &["waiting", "delivered"]), 19);
        assert_eq!(counted("", &["waiting"]), 0);
    }
}
