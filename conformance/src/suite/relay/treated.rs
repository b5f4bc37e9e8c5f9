//! What `delivery.toml` says about a way, seen from outside: messages of one conversation go one after
//! the other, and by another way when the first one is out; `why` tells both.

use amtsbote_adapters::probe::Draft;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{HubId, ServiceUri};
use amtsbote_domain::party::PartyId;
use anyhow::{Context, Result, ensure};
use openssl::sha::sha256;
use serde_json::Value;
use toml::Table;

use super::{ONLY_HERE, PATIENCE, Pair, accepted, array, party, status};
use crate::content::notice;
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::town::Town;

/// A service whose messages stay in order, and lie in the inbox when the other hub is away.
const IN_ORDER: &str = "urn:amtsbote:service:der-reihe-nach";
const RULES: &str = r#"
[[rule]]
service = "urn:amtsbote:service:der-reihe-nach"
lane = "registry"
in_order = true
[[rule.alternative]]
via = "inbox"
failed_more = 1
"#;

/// Gives the first hub the service and its rules.
pub(super) fn prepare(near: &Folder) -> Result<()> {
    std::fs::write(near.path().join("delivery.toml"), RULES)?;
    near.edit("amtsbote.toml", |table| {
        let delivery = table["delivery"].as_table_mut().context("no delivery")?;
        delivery.insert("rules".into(), "delivery.toml".into());
        Ok(())
    })?;
    near.edit("directory.toml", |table| {
        let services = array(party(table, "ags:05766020")?, "service")?;
        let only_here = services.iter().find(|service| service["uri"].as_str() == Some(ONLY_HERE));
        let mut service = only_here.context("no such service")?.clone();
        service.as_table_mut().context("no table")?.insert("uri".into(), IN_ORDER.into());
        services.push(service);
        Ok(())
    })?;
    near.edit("permissions.toml", |table| {
        let rule: Table = toml::from_str(&format!(
            "from = \"ags:*\"\nto = \"ags:*\"\nservice = \"{IN_ORDER}\"\n"
        ))?;
        array(table, "allow")?.push(rule.into());
        Ok(())
    })
}

impl Pair {
    /// The other hub is away all the time: the first message tries it, then lies in the inbox; the next
    /// one is not even tried before the Reader has the first.
    pub(super) async fn in_order_by_another_way(&self) -> Result<String> {
        let near = self.near.serve()?;
        let lemgo = Town::load(self.near.path(), "05766044", &near.native)?;
        let detmold = Town::load(self.near.path(), "05766020", &near.native)?;
        let reader = PartyId::parse("ags:05766020")?;
        let mut sent: Vec<(HubId, Digest)> = Vec::new();
        for _ in 0..3 {
            let mut metadata = lemgo.metadata(&reader);
            metadata.service = ServiceUri::parse(IN_ORDER)?;
            let wired = Draft { metadata, content: &notice }.sign(&lemgo.signer)?;
            let digest = Digest(sha256(&wired.parts[0].2));
            sent.push((accepted(lemgo.post(&wired).await?)?, digest));
        }
        for n in 0..sent.len() {
            let (id, digest) = &sent[n];
            waits_for_collection(&self.near, &near, id).await?;
            if let Some((behind, _)) = sent.get(n + 1) {
                let story = why(&self.near, &near, behind).await?;
                let status = &story["status"];
                ensure!(
                    (status["state_detail"].as_str(), status["attempts"].as_u64())
                        == (Some("turn"), Some(0)),
                    "{behind} went on before {id} had ended: {status}"
                );
                let order = wait(&story, "order").context("why names no earlier message")?;
                let named = order["de"].as_str().is_some_and(|text| text.contains(id.as_str()));
                ensure!(named, "why names another message: {order}");
                wait(&story, "lane").context("why names no lane")?;
            }
            let story = why(&self.near, &near, id).await?.to_string();
            for told in [r#""event":"detour""#, r#""to":"inbox""#, r#""rule":"delivery.toml:2""#] {
                ensure!(story.contains(told), "the timeline does not tell {told}");
            }
            detmold.client.acknowledge(id, digest).await?;
        }
        near.stop()?;
        self.near.verify_archive()?;
        Ok("3 messages".to_owned())
    }
}

async fn waits_for_collection(folder: &Folder, node: &Node, id: &HubId) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let now = status(folder, node, id).await?;
        if now["state_detail"] == "collection" {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "it does not lie in the inbox: {now}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn why(folder: &Folder, node: &Node, id: &HubId) -> Result<Value> {
    let operator = Operator::load(folder.path(), &node.operations)?;
    let mut told = operator.get(&format!("/ops/v1/why/{id}")).await?;
    Ok(told["messages"][0].take())
}

/// What a delivery waits for, of that kind.
fn wait<'s>(story: &'s Value, kind: &str) -> Option<&'s Value> {
    story["waits"].as_array()?.iter().find(|wait| wait["kind"] == kind)
}
