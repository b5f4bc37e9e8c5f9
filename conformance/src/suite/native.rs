//! Every ending of a message over the native transport, as cases against one running node.

mod crowd;
mod endings;
mod hostile;
mod inbox;
mod readers;
mod repeats;
mod requests;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Metadata;
use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::Settings;
use crate::content::notice;
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, Town};

/// Longest that a case waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest that a node may take to stop when nothing but waiting is under way.
const STOPPED: Duration = Duration::from_secs(10);

/// A node with three towns and an operator.
pub(crate) struct World {
    folder: Folder,
    node: Node,
    lemgo: Town,
    detmold: Town,
    lage: Town,
    operator: Operator,
}

/// Runs all cases against one node, then stops it and verifies its archive.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let world = World::start(settings, &scratch.path().join("node"))?;
    endings::run(&world, report).await;
    repeats::run(&world, report).await;
    inbox::run(&world, report).await;
    readers::run(&world, report).await;
    hostile::run(&world, report).await;
    requests::run(&world, report).await;
    crowd::run(&world, report).await;
    let World { folder, node, lemgo, .. } = world;
    report.add("stops-although-somebody-waits", stop(&folder, node, &lemgo).await);
    report.add("archive-holds-afterwards", folder.verify_archive().map(|found| found.to_string()));
    Ok(())
}

/// Somebody who waits for mail does not hold the node up, and what is left is one database.
async fn stop(folder: &Folder, node: Node, lemgo: &Town) -> Result<String> {
    let path = format!("/v1/inbox?party={}&wait=60&after=7fffffffffffffff", lemgo.party);
    let waiting = tokio::spawn(answer(lemgo.request(reqwest::Method::GET, &path)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = tokio::time::Instant::now();
    tokio::task::block_in_place(|| node.stop())?;
    let took = begun.elapsed();
    ensure!(took < STOPPED, "it took {took:?}");
    let (status, ..) = waiting.await??;
    ensure!(status == 200, "whoever waited got {status}");
    let left = folder.path().join("data/hub.db-wal");
    ensure!(!left.exists(), "the write-ahead log was not merged into the database");
    Ok(format!("{} ms", took.as_millis()))
}

impl World {
    fn start(settings: &Settings, path: &Path) -> Result<Self> {
        let folder = Folder::init(&settings.shipped, path)?;
        folder.edit("amtsbote.toml", |table| {
            // A stalled sender is to be seen within a test.
            let mut limits = toml::Table::new();
            limits.insert("body_idle_ms".into(), i64::from(crowd::IDLE_MS).into());
            // And that places run out; strangers may take their time.
            limits.insert("connections".into(), i64::try_from(crowd::CONNECTIONS)?.into());
            limits.insert("handshake_ms".into(), 60_000.into());
            table.insert("limits".into(), limits.into());
            Ok(())
        })?;
        let node = folder.serve()?;
        let lemgo = Town::load(path, "05766044", &node.native)?;
        let detmold = Town::load(path, "05766020", &node.native)?;
        let lage = Town::load(path, "05766040", &node.native)?;
        let operator = Operator::load(path, &node.operations)?;
        Ok(Self { folder, node, lemgo, detmold, lage, operator })
    }

    /// A good notice from Lemgo to Detmold.
    fn notice(&self) -> Result<(Metadata, Wired)> {
        self.lemgo.notice(&self.detmold.party)
    }

    /// Sends a good notice and demands acceptance.
    async fn accepted(&self) -> Result<(Metadata, Wired, HubId, Vec<u8>)> {
        let (metadata, wired) = self.notice()?;
        let (hub_id, receipt) = self.accept(&wired).await?;
        Ok((metadata, wired, hub_id, receipt))
    }

    /// Sends a good notice with an attachment `anlage.bin` and demands acceptance.
    async fn accept_attachment(&self, octets: &[u8]) -> Result<HubId> {
        let metadata = self.lemgo.metadata(&self.detmold.party);
        let draft = Draft { metadata, content: &notice };
        let wired = draft.sign_with("anlage.bin", octets.to_vec(), &self.lemgo.signer)?;
        Ok(self.accept(&wired).await?.0)
    }

    /// Demands that the hub accepts this for the first time.
    async fn accept(&self, wired: &Wired) -> Result<(HubId, Vec<u8>)> {
        match self.lemgo.post(wired).await? {
            Answer::Accepted { hub_id, receipt, repeated: false } => {
                Ok((HubId::parse(&hub_id)?, receipt))
            }
            other => bail!("not accepted as new: {other:?}"),
        }
    }

    /// What the operations API says about a message.
    async fn state(&self, hub_id: &HubId) -> Result<String> {
        let shown = self.operator.get(&format!("/ops/v1/messages/{hub_id}")).await?;
        match &shown["messages"][0]["status"]["state"] {
            Value::String(state) => Ok(state.clone()),
            other => bail!("no state: {other}"),
        }
    }

    /// Waits until a message is in a state.
    async fn becomes(&self, hub_id: &HubId, state: &str) -> Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            let now = self.state(hub_id).await?;
            if now == state {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "still {now} instead of {state}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether Detmold's inbox shows a message.
    async fn in_inbox(&self, hub_id: &HubId) -> Result<bool> {
        let mut after: Option<String> = None;
        loop {
            let page = self
                .detmold
                .client
                .inbox_page(&self.detmold.party, after.as_deref(), 1_000, 0)
                .await?;
            if page.entries.iter().any(|entry| entry.id == *hub_id) {
                return Ok(true);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(false),
            }
        }
    }
}

/// Runs one case and reports it.
async fn case(report: &mut Report, name: &str, case: impl Future<Output = Result<String>>) {
    let ended = case.await;
    report.add(name, ended);
}

/// A status and a body, bounded.
pub(super) async fn answer(
    request: reqwest::RequestBuilder,
) -> Result<(u16, reqwest::header::HeaderMap, Vec<u8>)> {
    let mut answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let mut octets = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        ensure!(octets.len() + chunk.len() <= 64 << 20, "the answer is too long");
        octets.extend_from_slice(&chunk);
    }
    Ok((status, headers, octets))
}
