//! Two hubs, one forwarding to the other: delivered means that the other one has it; what is
//! uncertain is sent again under the same id and is on record once (P2, P3).

mod readers;
mod same_ids;
mod treated;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use amtsbote_adapters::probe::Draft;
use amtsbote_domain::identity::{HubId, ServiceUri};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use toml::Table;

use super::Settings;
use super::native::answer;
use crate::content::notice;
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, SERVICE, Town};

/// A service that only the first hub believes in.
const ONLY_HERE: &str = "urn:amtsbote:service:nur-hier";
/// Longest that a delivery may take to reach a state.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages of the case with kills.
const MESSAGES: usize = 60;

/// The first hub, with Lemgo as its sender, and the folder of the second.
pub(super) struct Pair {
    pub(super) near: Folder,
    pub(super) far: Folder,
    /// Where the far hub listens.
    pub(super) port: u16,
}

/// Runs the cases, each on the same pair.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let pair = Pair::init(settings, scratch.path(), None)?;
    report.add("forwarded", pair.forwarded().await);
    report.add("peer-away-then-back", pair.away().await);
    report.add("peer-refuses", pair.refused().await);
    report.add("peer-killed-under-load", pair.killed(settings.rounds.clamp(2, 6)).await);
    report.add("one-id-of-several-systems", pair.same_ids().await);
    report.add("several-readers", pair.several_readers().await);
    report.add("in-order-by-another-way", pair.in_order_by_another_way().await);
    report.add("archives-hold-afterwards", pair.archives());
    Ok(())
}

impl Pair {
    /// Both folders; the near hub reaches the far one on another port where `via` names one.
    pub(super) fn init(settings: &Settings, scratch: &Path, via: Option<u16>) -> Result<Self> {
        let near = Folder::init(&settings.shipped, &scratch.join("near"))?;
        let far = Folder::init(&settings.shipped, &scratch.join("far"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let shown = via.unwrap_or(port);
        let text = |path: std::path::PathBuf| path.display().to_string();
        let (near_path, far_path) = (near.path().to_owned(), far.path().to_owned());

        near.edit("amtsbote.toml", |table| {
            let peer: Table = toml::from_str(&format!(
                "name = \"far\"\nurl = \"https://127.0.0.1:{shown}\"\nauthority = \"{}\"\n\
                 certificate = \"clients/05766044-tls.cert.pem\"\n\
                 key = \"clients/05766044-tls.key.pem\"\n",
                text(far_path.join("ca.pem")),
            ))?;
            table.insert("peer".into(), vec![toml::Value::from(peer)].into());
            let delivery: Table = toml::from_str(
                "first_wait_ms = 100\nlongest_wait_ms = 1000\nidle_ms = 100\nlease_ms = 6000\n\
                 attempt_ms = 4000\nmax_attempts = 1000\n",
            )?;
            table.insert("delivery".into(), delivery.into());
            Ok(())
        })?;
        near.edit("directory.toml", |table| {
            let detmold = party(table, "ags:05766020")?;
            let services: Table = toml::from_str(&format!(
                "[[service]]\nuri = \"{SERVICE}\"\nvia = \"peer:far\"\n\
                 [[service]]\nuri = \"{ONLY_HERE}\"\nvia = \"peer:far\"\n",
            ))?;
            detmold.insert("service".into(), services["service"].clone());
            Ok(())
        })?;
        near.edit("permissions.toml", |table| {
            let rule: Table = toml::from_str(&format!(
                "from = \"ags:*\"\nto = \"ags:*\"\nservice = \"{ONLY_HERE}\"\n"
            ))?;
            array(table, "allow")?.push(rule.into());
            Ok(())
        })?;

        treated::prepare(&near)?;

        far.edit("amtsbote.toml", |table| {
            let listen: Table = toml::from_str(&format!(
                "native = \"127.0.0.1:{port}\"\noperations = \"127.0.0.1:0\"\n"
            ))?;
            table.insert("listen".into(), listen.into());
            let tls = table["tls"].as_table_mut().context("no tls")?;
            array(tls, "client_authorities")?.push(text(near_path.join("ca.pem")).into());
            // The connections of the near hub, and the signatures of its authors that it relays.
            let trust = table["trust"].as_table_mut().context("no anchors")?;
            for anchors in ["content_anchors", "tls_client_anchors"] {
                array(trust, anchors)?.push(text(near_path.join("ca.pem")).into());
            }
            Ok(())
        })?;
        far.edit("directory.toml", |table| {
            let signer = text(near_path.join("certs/05766044-sig.pem"));
            array(party(table, "ags:05766044")?, "certificates")?.push(signer.into());
            let account: Table = toml::from_str(&format!(
                "id = \"near\"\nrelay = true\nparties = []\ncertificates = [\"{}\"]\n",
                text(near_path.join("certs/05766044-tls.pem")),
            ))?;
            array(table, "account")?.push(account.into());
            Ok(())
        })?;
        Ok(Self { near, far, port })
    }

    async fn forwarded(&self) -> Result<String> {
        let (near, far) = (self.near.serve()?, self.far.serve()?);
        let lemgo = Town::load(self.near.path(), "05766044", &near.native)?;
        let detmold = Town::load(self.far.path(), "05766020", &far.native)?;
        let (metadata, wired) = lemgo.notice(&detmold.party)?;
        let id = accepted(lemgo.post(&wired).await?)?;
        becomes(&self.near, &near, &id, "delivered").await?;
        let theirs = self.far_ids(&far, metadata.transport_id.as_str()).await?;
        let [theirs] = theirs.as_slice() else { bail!("{} there", theirs.len()) };
        ensure!(detmold.client.fetch_envelope(theirs).await? == wired.envelope, "envelope altered");
        let path = format!("/v1/inbox/{theirs}");
        let (_, _, payload) = answer(detmold.request(reqwest::Method::GET, &path)).await?;
        ensure!(payload == wired.parts[0].2, "payload altered (P4)");
        near.stop()?;
        far.stop()?;
        Ok(String::new())
    }

    async fn away(&self) -> Result<String> {
        let near = self.near.serve()?;
        let lemgo = Town::load(self.near.path(), "05766044", &near.native)?;
        let reader = amtsbote_domain::party::PartyId::parse("ags:05766020")?;
        let (metadata, wired) = lemgo.notice(&reader)?;
        let id = accepted(lemgo.post(&wired).await?)?;
        // Attempts are made and fail before anything leaves.
        let begun = tokio::time::Instant::now();
        while attempts(&self.near, &near, &id).await? < 2 {
            ensure!(begun.elapsed() < PATIENCE, "nothing is tried");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let far = self.far.serve()?;
        becomes(&self.near, &near, &id, "delivered").await?;
        let there = self.far_ids(&far, metadata.transport_id.as_str()).await?.len();
        ensure!(there == 1, "{there} times on record there");
        near.stop()?;
        far.stop()?;
        Ok(String::new())
    }

    async fn refused(&self) -> Result<String> {
        let (near, far) = (self.near.serve()?, self.far.serve()?);
        let lemgo = Town::load(self.near.path(), "05766044", &near.native)?;
        let reader = amtsbote_domain::party::PartyId::parse("ags:05766020")?;
        let mut metadata = lemgo.metadata(&reader);
        metadata.service = ServiceUri::parse(ONLY_HERE)?;
        let wired = Draft { metadata, content: &notice }.sign(&lemgo.signer)?;
        let id = accepted(lemgo.post(&wired).await?)?;
        becomes(&self.near, &near, &id, "in-clearing").await?;
        let operator = Operator::load(self.near.path(), &near.operations)?;
        let why = operator.get(&format!("/ops/v1/why/{id}")).await?.to_string();
        ensure!(why.contains("AB3001"), "the peer's code is not in the timeline");
        near.stop()?;
        far.stop()?;
        Ok("AB3001".to_owned())
    }

    /// The peer is killed again and again while messages are on their way; in the end each one is
    /// delivered here and on record once there.
    async fn killed(&self, kills: u32) -> Result<String> {
        let near = self.near.serve()?;
        let lemgo = Town::load(self.near.path(), "05766044", &near.native)?;
        let reader = amtsbote_domain::party::PartyId::parse("ags:05766020")?;
        let mut far = self.far.serve()?;
        let mut sent = Vec::new();
        for n in 0..MESSAGES {
            let (metadata, wired) = lemgo.notice(&reader)?;
            let id = accepted(lemgo.post(&wired).await?)?;
            sent.push((metadata.transport_id.to_string(), id));
            if n % (MESSAGES / kills as usize) == 7 {
                far.kill()?;
                far = self.far.serve()?;
            }
        }
        for (_, id) in &sent {
            becomes(&self.near, &near, id, "delivered").await?;
        }
        let operator = Operator::load(self.far.path(), &far.operations)?;
        let there = operator.everything().await?;
        for (transport_id, _) in &sent {
            let count = there.iter().filter(|m| m.transport_id == *transport_id).count();
            ensure!(count == 1, "{transport_id}: {count} times on record there");
        }
        near.stop()?;
        far.stop()?;
        Ok(format!("{} messages, {kills} kills", sent.len()))
    }

    fn archives(&self) -> Result<String> {
        self.near.verify_archive()?;
        self.far.verify_archive()?;
        Ok(String::new())
    }

    /// The far hub's ids of a transport id.
    async fn far_ids(&self, far: &Node, transport_id: &str) -> Result<Vec<HubId>> {
        let operator = Operator::load(self.far.path(), &far.operations)?;
        let listed = operator.everything().await?;
        listed
            .iter()
            .filter(|message| message.transport_id == transport_id)
            .map(|message| Ok(HubId::parse(&message.hub_id)?))
            .collect()
    }
}

pub(super) fn party<'a>(table: &'a mut Table, id: &str) -> Result<&'a mut Table> {
    array(table, "party")?
        .iter_mut()
        .filter_map(toml::Value::as_table_mut)
        .find(|party| party["id"].as_str() == Some(id))
        .with_context(|| format!("{id} is not in the directory"))
}

pub(super) fn array<'a>(table: &'a mut Table, key: &str) -> Result<&'a mut Vec<toml::Value>> {
    table.get_mut(key).and_then(toml::Value::as_array_mut).with_context(|| format!("no list {key}"))
}

fn accepted(answer: Answer) -> Result<HubId> {
    match answer {
        Answer::Accepted { hub_id, .. } => Ok(HubId::parse(&hub_id)?),
        refused => bail!("{refused:?}"),
    }
}

async fn status(folder: &Folder, node: &Node, id: &HubId) -> Result<Value> {
    let operator = Operator::load(folder.path(), &node.operations)?;
    let mut shown = operator.get(&format!("/ops/v1/messages/{id}")).await?;
    Ok(shown["messages"][0]["status"].take())
}

async fn attempts(folder: &Folder, node: &Node, id: &HubId) -> Result<u64> {
    status(folder, node, id).await?["attempts"].as_u64().context("no attempts")
}

async fn becomes(folder: &Folder, node: &Node, id: &HubId, state: &str) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let now = status(folder, node, id).await?;
        if now["state"] == state {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "still {} instead of {state}", now["state"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
