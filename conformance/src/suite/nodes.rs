//! Two nodes on one PostgreSQL, loaded at the same time, with a peer behind them: one is killed, stands
//! still beyond its lease, the database crashes; then with hints, by a RabbitMQ that is killed, purged and
//! gone for good. Afterwards the history must hold (P1 to P4), every attempt have one ending (P2), the peer
//! have each message once, and the archive verify (P5).

mod attempts;
mod broker;
mod hints;
mod load;
mod server;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use amtsbote_archive::receipt::Receipt;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::status::TimelineEntry;
use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::time::{Instant, sleep};
use toml::{Table, Value};

use self::attempts::Attempts;
use self::load::Clients;
use self::server::Server;
use super::Settings;
use super::crash::Random;
use super::relay::Pair;
use crate::history::{self, Handed, Listed, Sent, Tally};
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::Town;

/// Towns that send to each other, and beyond.
const TOWNS: [&str; 3] = ["05766044", "05758012", "05770032"];
/// The town behind the other hub.
const BEYOND: &str = "ags:05766020";
/// Messages handed in before there is a second node.
const BEFORE: usize = 5;
/// The configuration of the hub as it began.
const FILE: &str = "file.toml";
/// Rounds asked for, for each round made: one takes that much longer than those of other suites.
const SHARE: u32 = 8;
/// Something happens so many milliseconds after the load has begun.
const AFTER_MS: std::ops::Range<u64> = 200..1_200;
/// How long a lease lasts, and an attempt may take, in milliseconds.
const LEASE_MS: u32 = 3_000;
const ATTEMPT_MS: u32 = 2_000;
/// Longest that everything on its way may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the rounds.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut world = World::start(settings, scratch.path(), report).await?;
    let mut random = Random(settings.seed);
    report.add("both-nodes-are-one-hub", world.one_hub().await);
    // First the one whose moments are chosen, on a hub at rest.
    report.add("stands-still-with-an-attempt-open", world.stale().await);
    let rounds = settings.rounds.div_ceil(SHARE).max(3);
    for round in 1..=rounds {
        let accident = Accident::ALL[(round as usize - 1) % Accident::ALL.len()];
        let wait = Duration::from_millis(random.between(AFTER_MS));
        let which = usize::from(random.between(0..2) == 1);
        let ended = world.round(accident, which, wait).await;
        let failed = ended.is_err();
        report.add(format!("round-{round:03}-{}", accident.name()), ended);
        if failed {
            // What follows would only repeat it.
            break;
        }
    }
    report.add("hints-killed-purged-and-gone", world.with_hints().await);
    report.add("everything-arrives-once", world.arrived().await);
    report.add("history-and-archive", world.afterwards().await);
    Ok(())
}

/// What happens in a round.
#[derive(Clone, Copy)]
enum Accident {
    /// A node is killed.
    Killed,
    /// The database is ended at once and started again.
    Database,
    /// A node stands still beyond its lease, and goes on.
    StoodStill,
}

impl Accident {
    const ALL: [Self; 3] = [Self::Killed, Self::Database, Self::StoodStill];

    fn name(self) -> &'static str {
        match self {
            Self::Killed => "node-killed",
            Self::Database => "database-crashes",
            Self::StoodStill => "node-stands-still",
        }
    }
}

/// Sends a signal to a process.
fn signal(name: &str, process: u32) -> Result<()> {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status()?;
    ensure!(sent.success(), "there is no process {process}");
    Ok(())
}

/// A process that stands still until this is dropped.
struct Still(u32);

impl Still {
    fn new(process: u32) -> Result<Self> {
        signal("STOP", process)?;
        Ok(Self(process))
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        // It fails only when the process has ended.
        let _gone_on = signal("CONT", self.0);
    }
}

struct World {
    folders: [Folder; 2],
    far_folder: Folder,
    /// Before the server: they end first.
    nodes: [Node; 2],
    far: Node,
    server: Server,
    clients: Clients,
}

impl World {
    /// The hub begins with a file, and moves to the server; the second node comes then.
    async fn start(settings: &Settings, scratch: &Path, report: &mut Report) -> Result<Self> {
        let server = tokio::task::block_in_place(Server::start)?;
        let Pair { near, far, .. } = Pair::init(settings, scratch, None)?;
        let second = copy(&near, &scratch.join("second"))?;
        let addresses = [listening(&near)?, listening(&second)?];
        let far_node = far.serve()?;
        let towns: Result<Vec<[Town; 2]>> = TOWNS
            .iter()
            .map(|ags| {
                let [a, b] = &addresses;
                Ok([Town::load(near.path(), ags, a)?, Town::load(near.path(), ags, b)?])
            })
            .collect();
        let clients = Clients::new(towns?, PartyId::parse(BEYOND)?);

        let reader = clients.towns[1][0].party.clone();
        let alone = near.serve()?;
        let mut before = Vec::new();
        for _ in 0..BEFORE {
            let (id, wired) = clients.draft(0, &reader)?;
            ensure!(clients.submit(&id, 0, 0, &wired).await?, "nobody answers");
            before.push((id, wired));
        }
        tokio::task::block_in_place(|| alone.stop())?;
        std::fs::copy(near.path().join("amtsbote.toml"), near.path().join(FILE))?;
        let (keys, parts) = (near.path().join("keys"), scratch.join("parts"));
        on_server(&near, "a", &keys, &parts, server.port())?;
        on_server(&second, "b", &keys, &parts, server.port())?;
        let moved = migrate(&near, FILE, "amtsbote.toml")?;
        let started = [near.serve()?, second.serve()?];
        // The new store knows what the old one accepted: the same receipts.
        for (id, wired) in &before {
            ensure!(clients.submit(id, 0, 1, wired).await?, "nobody answers");
        }
        report.add("moved-from-a-file", Ok(moved));
        let folders = [near, second];
        Ok(Self { folders, far_folder: far, nodes: started, far: far_node, server, clients })
    }

    fn operator(&self, node: usize) -> Result<Operator> {
        Operator::load(self.folders[node].path(), &self.nodes[node].operations)
    }

    /// One log, one key, one inbox: what one node accepts the other hands out.
    async fn one_hub(&self) -> Result<String> {
        let key = |status: &serde_json::Value| status["verifier"].clone();
        let (a, b) = (self.operator(0)?, self.operator(1)?);
        let of = [a.get("/ops/v1/status").await?, b.get("/ops/v1/status").await?];
        ensure!(key(&of[0]) == key(&of[1]), "they sign with different keys");
        let reader = self.clients.towns[2][1].party.clone();
        // It waits at b, and a accepts.
        let begun = Instant::now();
        let client = &self.clients.towns[2][1].client;
        let (page, handed_in) = tokio::join!(
            client.inbox_page(&reader, None, 20, 30),
            self.clients.hand_in(0, &reader, 0)
        );
        ensure!(handed_in?.1, "nobody answers");
        let took = begun.elapsed();
        ensure!(page?.entries.len() == 1, "what a accepted does not lie in the inbox at b");
        ensure!(took < Duration::from_secs(20), "it took {took:?}");
        let checks = b.get("/ops/v1/checks").await?;
        let checks = checks["checks"].as_array().context("no checks")?;
        let database = checks.iter().find(|check| check["name"] == "database");
        let said = database.context("doctor says nothing of the database")?.to_string();
        ensure!(said.contains("nodes: a, b"), "{said}");
        Ok(format!("whoever waits at the other node has it after {} ms", took.as_millis()))
    }

    /// A node stands still with attempts open whose octets may have arrived. The other one concludes
    /// that they are uncertain and sends again; what the first says afterwards is void.
    async fn stale(&mut self) -> Result<String> {
        const COUNT: usize = 8;
        let beyond = self.clients.beyond.clone();
        // Attempts stay open: the peer takes octets in and answers nothing.
        let silent = Still::new(self.far.pid())?;
        for _ in 0..COUNT {
            ensure!(self.clients.hand_in(0, &beyond, 0).await?.1, "nobody answers");
        }
        let (operator, begun) = (self.operator(1)?, Instant::now());
        loop {
            let open = operator.get("/ops/v1/messages?limit=10&state=in-delivery").await?;
            if open["messages"].as_array().is_some_and(|open| open.len() > 1) {
                break;
            }
            ensure!(begun.elapsed() < PATIENCE, "no attempt is begun");
            sleep(Duration::from_millis(20)).await;
        }
        let still = Still::new(self.nodes[0].pid())?;
        drop(silent);
        sleep(Duration::from_millis(u64::from(LEASE_MS) + 500)).await;
        let listed = self.settled(1).await?;
        let before = self.attempts(1, &listed).await?;
        drop(still);
        // It has its answers in its hands now; give it time to say what it thinks.
        sleep(Duration::from_millis(1_500)).await;
        let after = self.attempts(1, &listed).await?;
        ensure!(
            before == after,
            "a node recorded something after its lease: {before:?}, {after:?}"
        );
        ensure!(after.lost > 0, "no attempt was open when it stood still");
        ensure!(after.repeated >= after.lost, "{after:?}");
        self.compare(0).await?;
        Ok(format!("{after:?}"))
    }

    async fn round(&mut self, accident: Accident, which: usize, wait: Duration) -> Result<String> {
        let load = self.clients.begin();
        sleep(wait).await;
        let happened = self.happens(accident, which).await;
        // It has to go on afterwards.
        sleep(Duration::from_millis(500)).await;
        self.clients.end(load).await?;
        happened?;
        let repeated = self.clients.repeat_unknown().await?;
        let tally = self.compare(1 - which).await?;
        Ok(format!(
            "{} after {} ms, {repeated} repeated: {}",
            ["a", "b"][which],
            wait.as_millis(),
            serde_json::to_string(&tally)?
        ))
    }

    async fn happens(&mut self, accident: Accident, which: usize) -> Result<()> {
        match accident {
            Accident::Killed => tokio::task::block_in_place(|| {
                self.nodes[which].end()?;
                self.nodes[which] = self.folders[which].serve()?;
                Ok(())
            }),
            Accident::Database => {
                tokio::task::block_in_place(|| {
                    self.server.crash()?;
                    self.server.run()
                })?;
                for node in 0..2 {
                    self.is_ready(node).await?;
                }
                Ok(())
            }
            Accident::StoodStill => {
                let still = Still::new(self.nodes[which].pid())?;
                sleep(Duration::from_millis(u64::from(LEASE_MS) + 1_000)).await;
                drop(still);
                Ok(())
            }
        }
    }

    async fn is_ready(&self, node: usize) -> Result<()> {
        let operator = self.operator(node)?;
        let begun = Instant::now();
        loop {
            let answer = operator.request(reqwest::Method::GET, "/health/ready").send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "a node does not get over it");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until nothing is on its way to the peer any more; says what the hub has.
    async fn settled(&self, node: usize) -> Result<Vec<Listed>> {
        let operator = self.operator(node)?;
        let begun = Instant::now();
        loop {
            let listed = operator.everything().await?;
            let status = operator.get("/ops/v1/messages?limit=1000&state=uncertain").await?;
            let open = self.beyond(&listed).filter(|m| m.state != "delivered").count();
            if open == 0 && status["messages"].as_array().is_some_and(Vec::is_empty) {
                return Ok(listed);
            }
            if begun.elapsed() >= PATIENCE {
                let states: std::collections::BTreeSet<&str> =
                    self.beyond(&listed).map(|message| message.state.as_str()).collect();
                let logs = self.folders.each_ref().map(Folder::log_tail);
                bail!("{open} messages do not arrive at the peer: {states:?}; {logs:?}");
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Those that were for the peer.
    fn beyond<'l>(&self, listed: &'l [Listed]) -> impl Iterator<Item = &'l Listed> {
        let ids = self.clients.beyond_ids();
        listed.iter().filter(move |message| ids.contains(&message.transport_id))
    }

    /// Every attempt of every message for the peer.
    async fn attempts(&self, node: usize, listed: &[Listed]) -> Result<Attempts> {
        let operator = self.operator(node)?;
        let mut all = Attempts::default();
        for message in self.beyond(listed) {
            let why = operator.get(&format!("/ops/v1/why/{}", message.hub_id)).await?;
            let timeline: Vec<TimelineEntry> =
                serde_json::from_value(why["messages"][0]["timeline"].clone())?;
            let history: Vec<_> = timeline.into_iter().map(|entry| entry.evidence).collect();
            let found = attempts::check(&history)
                .map_err(|breach| anyhow!("{}: {breach}", message.hub_id))?;
            all.begun += found.begun;
            all.repeated += found.repeated;
            all.lost += found.lost;
        }
        Ok(all)
    }

    async fn compare(&self, node: usize) -> Result<Tally> {
        let listed = self.operator(node)?.everything().await?;
        let seen = self.clients.seen();
        let sent: Vec<Sent> = seen.sent.values().cloned().collect();
        let handed: Vec<Handed> = seen.handed.clone();
        history::check(&sent, &handed, &listed).map_err(|breaches| {
            let first = breaches[..breaches.len().min(5)].join("; ");
            anyhow!("{} breaches, first: {first}", breaches.len())
        })
    }

    /// The peer has each message once, with its octets, and nothing else.
    async fn arrived(&self) -> Result<String> {
        let listed = self.settled(0).await?;
        let found = self.attempts(0, &listed).await?;
        let there = Operator::load(self.far_folder.path(), &self.far.operations)?;
        let there = there.everything().await?;
        let mut count = 0;
        for message in self.beyond(&listed) {
            count += 1;
            let same: Vec<&Listed> =
                there.iter().filter(|other| other.transport_id == message.transport_id).collect();
            let [other] = same.as_slice() else {
                bail!("{}: {} times on record there", message.transport_id, same.len());
            };
            ensure!(other.content == message.content, "{}: other octets", message.transport_id);
        }
        ensure!(there.len() == count, "{} there, {count} sent", there.len());
        Ok(format!("{count} messages, {found:?}"))
    }

    /// Every receipt in a client's hand verifies; the archive does, from the database, for both nodes.
    async fn afterwards(self) -> Result<String> {
        let tally = self.compare(0).await?;
        let status = self.operator(0)?.get("/ops/v1/status").await?;
        let key = status["verifier"].as_str().context("the hub names no key")?;
        let key = amtsbote_archive::note::VerifierKey::parse(key).map_err(|e| anyhow!("{e}"))?;
        let mut receipts = 0;
        for (id, held) in &self.clients.seen().receipts {
            for octets in held {
                let receipt = Receipt::parse(octets)?;
                receipt.verify(&key).with_context(|| format!("receipt of {id}"))?;
                receipts += 1;
            }
        }
        let Self { folders, far_folder, nodes, far, server, .. } = self;
        let mut archive = serde_json::Value::Null;
        tokio::task::block_in_place(|| -> Result<()> {
            for node in nodes {
                node.stop()?;
            }
            far.stop()?;
            for folder in &folders {
                archive = folder.verify_archive()?;
            }
            far_folder.verify_archive().map(drop)
        })?;
        // And back to a file, with everything that happened since.
        let near = &folders[0];
        let text = std::fs::read_to_string(near.path().join(FILE))?;
        std::fs::write(near.path().join("back.toml"), format!("data_dir = \"back\"\n{text}"))?;
        let moved = migrate(near, "amtsbote.toml", "back.toml")?;
        drop(server);
        let mut verify = near.shipped().command(&["archive", "verify", "--offline"]);
        let verified = verify.arg("--config").arg(near.path().join("back.toml")).output()?;
        let told = String::from_utf8_lossy(&verified.stdout);
        ensure!(verified.status.success(), "the archive does not hold back in a file: {told}");
        let tally = serde_json::to_string(&tally)?;
        let (leaves, heads) = (&archive["leaves"], &archive["heads"]);
        Ok(format!(
            "{tally}; {receipts} receipts verify; archive holds, {leaves} leaves, {heads} heads; back in \
             a file: {moved}"
        ))
    }
}

/// The folder of a second node: the same configuration and clients.
fn copy(folder: &Folder, to: &Path) -> Result<Folder> {
    let copied = Command::new("cp").arg("-a").arg(folder.path()).arg(to).status()?;
    ensure!(copied.success(), "the folder of a node cannot be copied");
    Ok(Folder::existing(folder.shipped(), to))
}

/// Moves the store of one configuration of a folder to that of another.
fn migrate(folder: &Folder, from: &str, to: &str) -> Result<String> {
    let mut command = folder.shipped().command(&["migrate-store", "-o", "json"]);
    command.arg("--config").arg(folder.path().join(from));
    let output = command.arg("--to").arg(folder.path().join(to)).output()?;
    let (said, told) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "migrate-store ended with {}: {told}", output.status);
    Ok(said.trim().to_owned())
}

/// Lets a node listen at the same addresses after every restart, so that clients find it again. Says
/// where.
fn listening(folder: &Folder) -> Result<String> {
    let free = || -> Result<String> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(format!("127.0.0.1:{port}"))
    };
    let (native, operations) = (free()?, free()?);
    folder.edit("amtsbote.toml", |table| {
        let mut listen = Table::new();
        listen.insert("native".into(), native.clone().into());
        listen.insert("operations".into(), operations.into());
        table.insert("listen".into(), listen.into());
        let delivery = table["delivery"].as_table_mut().context("no delivery")?;
        delivery.insert("lease_ms".into(), i64::from(LEASE_MS).into());
        delivery.insert("attempt_ms".into(), i64::from(ATTEMPT_MS).into());
        Ok(())
    })?;
    Ok(format!("https://{native}"))
}

/// Makes a folder that of a node on the server.
fn on_server(folder: &Folder, name: &str, keys: &Path, parts: &Path, port: u16) -> Result<()> {
    folder.edit("amtsbote.toml", |table| {
        table.insert("data_dir".into(), format!("data-{name}").into());
        let mut store = Table::new();
        for (key, value) in [
            ("kind", "postgres".into()),
            ("node", name.into()),
            ("hosts", vec![Value::from(format!("127.0.0.1:{port}"))].into()),
            ("database", server::NAME.into()),
            ("user", server::NAME.into()),
            ("tls", false.into()),
            ("parts_dir", parts.display().to_string().into()),
        ] {
            store.insert(key.into(), value);
        }
        table.insert("store".into(), store.into());
        let store_of_keys = table["keys"].as_table_mut().context("no key store")?;
        store_of_keys.insert("store".into(), keys.display().to_string().into());
        Ok(())
    })
}
