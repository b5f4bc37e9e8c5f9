//! The same two nodes with hints: a real RabbitMQ is killed under load, comes back, loses its queues, and
//! goes for good. Hints hold no truth, so nothing may change but how long something takes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use tokio::time::{Duration, Instant, sleep};
use toml::Table;

use super::World;
use super::broker::Broker;
use crate::suite::native::answer;

/// The file with the password, in the folder of a node.
const PASSWORD: &str = "hints-password";
/// How long the load goes on beside each state of the broker.
const LOAD: Duration = Duration::from_millis(1_500);
/// Longest until both nodes know that the broker is there, or that it is not; a queue that was killed so
/// young may come back without a leader.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often all queues are lost.
const PURGES: usize = 2;

impl World {
    /// Everything stays as it must be, whatever becomes of RabbitMQ.
    pub(super) async fn with_hints(&mut self) -> Result<String> {
        let mut broker = tokio::task::block_in_place(Broker::start)?;
        self.name_broker(broker.port())?;
        self.told(true).await?;

        // Killed while messages come in, on both sides, and go on.
        let load = self.clients.begin();
        sleep(LOAD).await;
        let killed = self.killed(&mut broker).await;
        self.clients.end(load).await?;
        killed?;
        self.clients.repeat_unknown().await?;
        self.compare(0).await?;

        // Emptied and deleted while messages come in.
        let load = self.clients.begin();
        let purged = self.purged(&broker).await;
        self.clients.end(load).await?;
        purged?;
        self.clients.repeat_unknown().await?;
        self.compare(1).await?;
        self.settled(1).await?;
        let figures = [self.figures(0).await?, self.figures(1).await?];
        for figures in &figures {
            let count = |fate: &str| figures[&format!("amtsbote_hints{{fate=\"{fate}\"}}")];
            ensure!(count("sent") > 0 && count("heard") > 0, "no hints were told: {figures:?}");
        }

        // Gone for good.
        tokio::task::block_in_place(|| broker.kill());
        drop(broker);
        self.told(false).await?;
        let beyond = self.clients.beyond.clone();
        for node in 0..2 {
            ensure!(self.clients.hand_in(0, &beyond, node).await?.1, "nobody answers");
        }
        self.settled(0).await?;
        let tally = self.compare(1).await?;
        let sent: u64 = figures.iter().map(|f| f["amtsbote_hints{fate=\"sent\"}"]).sum();
        Ok(format!("{sent} hints told; {}", serde_json::to_string(&tally)?))
    }

    /// Killed for a while, and back.
    async fn killed(&self, broker: &mut Broker) -> Result<()> {
        tokio::task::block_in_place(|| broker.kill());
        self.told(false).await?;
        sleep(LOAD).await;
        tokio::task::block_in_place(|| broker.run())?;
        self.told(true).await?;
        sleep(LOAD).await;
        Ok(())
    }

    /// The shared queue is emptied and deleted, again and again.
    async fn purged(&self, broker: &Broker) -> Result<()> {
        let queue = format!("amtsbote.{}.work", self.hub_name()?);
        for _ in 0..PURGES {
            sleep(LOAD).await;
            purge(broker, &queue).await?;
            sleep(LOAD).await;
            tokio::task::block_in_place(|| broker.control(&["delete_queue", &queue]))?;
        }
        purge(broker, &queue).await?;
        self.told(true).await
    }

    /// The name that both nodes have in common.
    fn hub_name(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.folders[0].path().join("amtsbote.toml"))?;
        let table: Table = text.parse()?;
        Ok(table["name"].as_str().context("the hub has no name")?.to_owned())
    }

    /// Starts both nodes anew, with the broker in their configuration.
    fn name_broker(&mut self, port: u16) -> Result<()> {
        for (folder, node) in self.folders.iter().zip(&mut self.nodes) {
            let password = folder.path().join(PASSWORD);
            std::fs::write(&password, "guest")?;
            private(&password)?;
            folder.edit("amtsbote.toml", |table| {
                let mut hints = Table::new();
                for (key, value) in [
                    ("url", format!("amqp://127.0.0.1:{port}")),
                    ("user", "guest".to_owned()),
                    ("vhost", "/".to_owned()),
                    ("password_file", PASSWORD.to_owned()),
                ] {
                    hints.insert(key.to_owned(), value.into());
                }
                table.insert("hints".to_owned(), hints.into());
                Ok(())
            })?;
            tokio::task::block_in_place(|| -> Result<()> {
                node.end()?;
                *node = folder.serve()?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Waits until both nodes tell each other hints in every way, or in none.
    async fn told(&self, wanted: bool) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut connected = Vec::new();
            for node in 0..2 {
                let figures = self.figures(node).await?;
                let roles = ["tells", "hears", "works"];
                let role = |role| figures[&format!("amtsbote_hints_connected{{role=\"{role}\"}}")];
                connected.extend(roles.map(|name| role(name) == 1));
            }
            if connected.iter().all(|connected| *connected == wanted) {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "hints, wanted {wanted}: {connected:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a node says of hints, by name.
    async fn figures(&self, node: usize) -> Result<BTreeMap<String, u64>> {
        let asked = self.operator(node)?.request(reqwest::Method::GET, "/metrics");
        let (status, _, octets) = answer(asked).await?;
        ensure!(status == 200, "no metrics: {status}");
        let text = String::from_utf8(octets)?;
        let hints = text.lines().filter(|line| line.starts_with("amtsbote_hints"));
        let mut figures = BTreeMap::new();
        for line in hints {
            let (name, value) = line.rsplit_once(' ').context("no figure")?;
            figures.insert(name.to_owned(), value.parse()?);
        }
        ensure!(!figures.is_empty(), "a node says nothing of hints");
        Ok(figures)
    }
}

/// Empties a queue. One that was deleted is made again by the nodes, after a while.
async fn purge(broker: &Broker, queue: &str) -> Result<()> {
    let begun = Instant::now();
    while let Err(error) = tokio::task::block_in_place(|| broker.control(&["purge_queue", queue])) {
        ensure!(begun.elapsed() < PATIENCE, "it is not made again: {error}");
        sleep(LOAD).await;
    }
    Ok(())
}

/// Only its owner may read it.
fn private(file: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?)
}
