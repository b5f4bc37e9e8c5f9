//! Lets messages wait: through the store's own acceptance, in this process, without a network and
//! without a worker.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amtsbote_adapters::probe::Wired;
use amtsbote_broker::clock::SystemClock;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::identity::{AccountId, BusinessId, HubId, Scope, Transport};
use amtsbote_domain::message::{ContentVerdict, Metadata, SignatureFacts};
use amtsbote_domain::ports::{Acceptance, ENVELOPE_CID, Store};
use amtsbote_domain::state::{State, WaitingFor};
use amtsbote_store::{SqliteStore, StoreOptions};
use amtsbote_trust::wrapping::WrappingFolder;
use amtsbote_wire::native::digest::{content_digest, sha256};
use amtsbote_wire::signature::Signer as _;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::nodes::PEER;
use crate::bench::load;
use crate::config::node::{NodeFile, Overrides};
use crate::demo::content::Version;
use crate::demo::systems::System;
use crate::node::region::Town;
use crate::outcome::{Context, Failure};

/// So many are handed to the store at the same time: they share its commits.
const AT_ONCE: usize = 64;
/// After so long it stops with what it has.
pub(super) const LONGEST: Duration = Duration::from_secs(40 * 60);

/// What came of it.
pub(super) struct Filled {
    pub(super) messages: u64,
    pub(super) seconds: f64,
    /// By how many octets the store's folder grew for one message.
    pub(super) octets_each: u64,
}

/// What every message of a run has in common.
struct Filler {
    store: SqliteStore,
    system: System,
    towns: [Town; 2],
    signature: SignatureFacts,
    account: AccountId,
    wanted: u64,
    begun: Instant,
    number: AtomicU64,
}

/// Makes so many messages wait in the store of the node in `dir`, whose hub must not be running.
pub(super) async fn fill(dir: &Path, towns: [&Town; 2], wanted: u64) -> Result<Filled, Failure> {
    let node = dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || open(&node));
    let store = opened.await.or_not_now("Speicher", "store")??;
    let data = dir.join("data");
    let at_first = octets_in(&data).or_not_now_at(&data)?;
    // Nobody is asked: the client is only there for its keys.
    let system = System::open(dir, towns[0], "https://127.0.0.1:1")?;
    let signature = SignatureFacts {
        certificate: sha256(system.signer.certificate_der()),
        subject: format!("CN=TEST {} sig", towns[0].party()),
        algorithm: system.signer.algorithm().uri().to_owned(),
    };
    let account = format!("verfahren-{}", towns[0].ags);
    let filler = Arc::new(Filler {
        store,
        system,
        towns: towns.map(Town::clone),
        signature,
        account: AccountId::parse(&account).or_not_now("Konto", "account")?,
        wanted,
        begun: Instant::now(),
        number: AtomicU64::new(0),
    });
    let mut set = JoinSet::new();
    for _ in 0..AT_ONCE {
        set.spawn(filler.clone().work());
    }
    let mut messages = 0;
    while let Some(ended) = set.join_next().await {
        messages += ended.or_not_now("Speicher", "store")??;
    }
    let seconds = filler.begun.elapsed().as_secs_f64();
    // Closing waits for the writer of the store.
    let closed = tokio::task::spawn_blocking(move || drop(filler));
    closed.await.or_not_now("Speicher", "store")?;
    let octets = octets_in(&data).or_not_now_at(&data)?.saturating_sub(at_first);
    Ok(Filled { messages, seconds, octets_each: octets / messages.max(1) })
}

fn open(dir: &Path) -> Result<SqliteStore, Failure> {
    let config = NodeFile::read(&dir.join("amtsbote.toml"))?.build(Overrides::default())?;
    let keys = WrappingFolder::open(&config.key_store).or_not_now("Schlüssel", "keys")?;
    let clock = Arc::new(SystemClock);
    let options = StoreOptions::new(config.data_dir, Arc::new(keys), config.log_key, clock);
    SqliteStore::open(options).or_not_now("Speicher", "store")
}

impl Filler {
    /// Accepts one after the other; says how many.
    async fn work(self: Arc<Self>) -> Result<u64, Failure> {
        let mut accepted = 0;
        while self.begun.elapsed() < LONGEST {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            if number >= self.wanted {
                break;
            }
            let [author, reader] = &self.towns;
            let (metadata, wired) =
                load::message(&self.system, [author, reader], number as usize, 0)?;
            let acceptance = self.acceptance(metadata, wired)?;
            self.store.accept(acceptance).await.or_not_now("Speicher", "store")?;
            accepted += 1;
        }
        Ok(accepted)
    }

    /// As the hub would hand it to the store after every check.
    fn acceptance(&self, metadata: Metadata, wired: Wired) -> Result<Acceptance, Failure> {
        let take_in = || {
            let mut intake = self.store.intake()?;
            intake.begin(ENVELOPE_CID, "application/xml")?;
            intake.write(&wired.envelope)?;
            let envelope = intake.end()?;
            let mut parts = Vec::new();
            for (cid, media_type, octets) in &wired.parts {
                intake.begin(cid, media_type)?;
                intake.write(octets)?;
                parts.push(intake.end()?);
            }
            Ok::<_, amtsbote_domain::ports::StoreError>((intake, envelope, parts))
        };
        let (intake, envelope, parts) = take_in().or_not_now("Speicher", "store")?;
        let hub_id = HubId::parse(&Uuid::now_v7().to_string()).or_not_now("Kennung", "id")?;
        let uuid = metadata.business_id.clone();
        let record = Accepted {
            hub_id,
            account: self.account.clone(),
            account_certificate: None,
            scope: Scope::Account,
            business_id: uuid.map(|uuid| BusinessId { author: metadata.author.clone(), uuid }),
            content_digest: content_digest(&metadata, &parts),
            envelope_sha256: envelope.sha256,
            parts,
            signature: self.signature.clone(),
            verdict: ContentVerdict::Valid {
                standard: "XUmmeldung".to_owned(),
                version: Version::V1_1.as_str().to_owned(),
                message_type: "ummeldung.mitteilung.0100".to_owned(),
            },
            rule: "1".to_owned(),
            channel: format!("peer:{PEER}"),
            test: false,
            applied: Vec::new(),
            under_grace: Vec::new(),
            same_business_id: Vec::new(),
            siblings: vec![],
            about: None,
            came_by: None,
            metadata,
        };
        Ok(Acceptance {
            record,
            transport: Transport::Native,
            intake,
            state: State::Waiting { on: WaitingFor::Turn },
            due: None,
            lane: None,
            conversation: None,
            warn: None,
            issued: false,
            others: Vec::new(),
        })
    }
}

/// Octets of all files below a folder.
fn octets_in(folder: &Path) -> std::io::Result<u64> {
    let mut octets = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        octets += if facts.is_dir() { octets_in(&entry.path())? } else { facts.len() };
    }
    Ok(octets)
}
