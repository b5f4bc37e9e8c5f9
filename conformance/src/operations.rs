//! An operator of the node under test, through its operations API.

use std::path::Path;

use amtsbote_domain::digest::Digest;
use amtsbote_wire::native::status::TimelineEntry;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::client_file::ClientFile;
use crate::history::timeline::Entry;
use crate::history::{Content, Listed};

/// Octets of an answer.
const ANSWER_BYTES: usize = 16 << 20;

/// A person with a certificate.
pub(crate) struct Operator {
    client: reqwest::Client,
    url: String,
}

impl Operator {
    /// The operator whose client configuration `init --dev` wrote.
    pub(crate) fn load(folder: &Path, operations: &str) -> Result<Self> {
        Self::named(folder, "operator", operations)
    }

    /// One with a client configuration of another name.
    pub(crate) fn named(folder: &Path, name: &str, operations: &str) -> Result<Self> {
        let client = ClientFile::load(folder, name)?.http()?;
        Ok(Self { client, url: operations.to_owned() })
    }

    /// A plain request under the operator's certificate.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A document of the operations API.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let mut answer = self.client.get(format!("{}{path}", self.url)).send().await?;
        let status = answer.status();
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            ensure!(octets.len() + chunk.len() <= ANSWER_BYTES, "the answer is too long");
            octets.extend_from_slice(&chunk);
        }
        ensure!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&octets).chars().take(300).collect::<String>()
        );
        Ok(serde_json::from_slice(&octets)?)
    }

    /// Every message that somebody handed in: what the hub itself wrote to Authors is left out.
    pub(crate) async fn everything(&self) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        self.each(|message| listed.push(message)).await?;
        Ok(listed)
    }

    /// The same, one after the other, newest first; says how many.
    pub(crate) async fn each(&self, mut take: impl FnMut(Listed)) -> Result<u64> {
        let mut count = 0;
        let mut before = String::new();
        loop {
            let page = self.get(&format!("/ops/v1/messages?limit=1000{before}")).await?;
            for message in page["messages"].as_array().context("no list of messages")? {
                if !message["about"].is_null() {
                    continue;
                }
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let parts = message["parts"].as_array().context("no parts")?.iter();
                let parts: Result<Vec<Digest>> =
                    parts.map(|part| Ok(serde_json::from_value(part["sha256"].clone())?)).collect();
                count += 1;
                take(Listed {
                    hub_id: text(&message["id"]),
                    author: text(&message["author"]),
                    transport_id: text(&message["transport_id"]),
                    content: Content::of(&parts?),
                    state: text(&message["state"]),
                });
            }
            match page["next"].as_str() {
                Some(last) => before = format!("&before={last}"),
                None => return Ok(count),
            }
        }
    }

    /// How many deliveries are in each state.
    pub(crate) async fn figures(&self) -> Result<Vec<(String, u64)>> {
        let mut status = self.get("/ops/v1/status").await?;
        Ok(serde_json::from_value(status["figures"]["deliveries"].take())?)
    }

    /// All records about one message.
    pub(crate) async fn timeline(&self, hub_id: &str) -> Result<Vec<Entry>> {
        let mut why = self.get(&format!("/ops/v1/why/{hub_id}")).await?;
        let timeline: Vec<TimelineEntry> =
            serde_json::from_value(why["messages"][0]["timeline"].take())?;
        let entry =
            |one: TimelineEntry| Entry { index: one.index, at: one.at, evidence: one.evidence };
        Ok(timeline.into_iter().map(entry).collect())
    }
}
