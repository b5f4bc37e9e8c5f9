//! Old and new certificates side by side, while messages are being sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use amtsbote_domain::fault::Code;
use amtsbote_domain::party::PartyId;
use anyhow::{Result, ensure};
use tokio::task::JoinHandle;

use super::{LEMGO, Use, World, accepted};
use crate::town::Town;

/// Messages that each sender gets accepted at least between two steps.
const STEP: usize = 10;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who sends one message after the other until told to stop. Every one must be accepted.
struct Sender {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    task: JoinHandle<Result<Vec<String>>>,
}

impl Sender {
    fn start(town: Town, reader: PartyId) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let task = tokio::spawn(async move {
            let mut sent = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                let (metadata, wired) = town.notice(&reader)?;
                accepted(town.post(&wired).await?)?;
                sent.push(metadata.transport_id.to_string());
                counted.fetch_add(1, Ordering::SeqCst);
            }
            Ok(sent)
        });
        Self { stop, count, task }
    }

    /// Returns when some more were accepted, or when none will be any more.
    async fn goes_on(&self) -> Result<()> {
        let (begun, wanted) =
            (tokio::time::Instant::now(), self.count.load(Ordering::SeqCst) + STEP);
        while self.count.load(Ordering::SeqCst) < wanted && !self.task.is_finished() {
            ensure!(begun.elapsed() < PATIENCE, "nothing is accepted any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn end(self) -> Result<Vec<String>> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await?
    }
}

/// An Author gets a new key; nothing is lost, nothing refused, and the old one ends when it is gone
/// from the directory.
pub(super) async fn signer(world: &World) -> Result<String> {
    let old_file = world.client_file(&format!("{LEMGO}-sig.cert.pem"));
    let new = world.issue(&world.first, "lemgo-sig-2", Use::Signature)?;
    let town = || world.town_with("lemgo-sig-2", LEMGO, None, Some(&new));
    world.refused(&town()?, Code::SignerNotTrusted).await?;
    let before = Sender::start(world.town(LEMGO)?, world.detmold.clone());
    before.goes_on().await?;
    world.pin("party", LEMGO, &[&old_file, &new.certificate])?;
    world.must(&["reload"], 0)?;
    let after = Sender::start(town()?, world.detmold.clone());
    for sender in [&before, &after] {
        sender.goes_on().await?;
    }
    let mut sent = before.end().await?;
    world.pin("party", LEMGO, &[&new.certificate])?;
    world.must(&["reload"], 0)?;
    after.goes_on().await?;
    sent.extend(after.end().await?);
    world.refused(&world.town(LEMGO)?, Code::SignerNotTrusted).await?;
    once_on_record(world, &sent).await?;
    world.pin("party", LEMGO, &[&old_file, &new.certificate])?;
    world.must(&["reload"], 0)?;
    Ok(format!("{} messages", sent.len()))
}

/// An account gets a new certificate for its connections; the hub is told by SIGHUP.
pub(super) async fn account(world: &World) -> Result<String> {
    let old_file = world.client_file(&format!("{LEMGO}-tls.cert.pem"));
    let new = world.issue(&world.first, "lemgo-tls-2", Use::Client)?;
    let town = || world.town_with("lemgo-tls-2", LEMGO, Some(&new), None);
    world.refused(&town()?, Code::UnknownAccount).await?;
    let before = Sender::start(world.town(LEMGO)?, world.detmold.clone());
    before.goes_on().await?;
    world.pin("account", LEMGO, &[&old_file, &new.certificate])?;
    hang_up(world).await?;
    let after = Sender::start(town()?, world.detmold.clone());
    for sender in [&before, &after] {
        sender.goes_on().await?;
    }
    let mut sent = before.end().await?;
    world.pin("account", LEMGO, &[&new.certificate])?;
    hang_up(world).await?;
    after.goes_on().await?;
    sent.extend(after.end().await?);
    world.refused(&world.town(LEMGO)?, Code::UnknownAccount).await?;
    once_on_record(world, &sent).await?;
    world.pin("account", LEMGO, &[&old_file, &new.certificate])?;
    hang_up(world).await?;
    Ok(format!("{} messages", sent.len()))
}

/// SIGHUP, until it is in force.
async fn hang_up(world: &World) -> Result<()> {
    const DONE: &str = "the tables were read again and are in force";
    let count =
        |log: &Path| -> Result<usize> { Ok(std::fs::read_to_string(log)?.matches(DONE).count()) };
    let log = world.folder.log();
    let leaves = world.metric("amtsbote_log_leaves").await?;
    let (before, begun) = (count(&log)?, tokio::time::Instant::now());
    let pid = world.node.pid().to_string();
    ensure!(Command::new("kill").args(["-HUP", &pid]).status()?.success(), "no signal");
    while count(&log)? == before {
        ensure!(begun.elapsed() < PATIENCE, "SIGHUP has no effect: {}", world.folder.log_tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let more = world.metric("amtsbote_log_leaves").await? - leaves;
    ensure!(more > 0, "SIGHUP left no evidence");
    Ok(())
}

/// Everything that was accepted is there, once.
async fn once_on_record(world: &World, sent: &[String]) -> Result<()> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for message in world.operator.everything().await? {
        *counts.entry(message.transport_id).or_default() += 1;
    }
    let lost = sent.iter().find(|id| counts.get(*id) != Some(&1));
    ensure!(lost.is_none(), "{lost:?} is not on record once");
    Ok(())
}
