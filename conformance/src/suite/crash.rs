//! SIGKILL at random moments under load, again and again on the same node; afterwards the history
//! must hold (P1, P2, P3, P4) and the archive verify (P5).
//!
//! A killed process loses no write that the kernel has; what a power cut would lose is
//! shown by the suite `power`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amtsbote_adapters::probe::Wired;
use amtsbote_archive::receipt::Receipt;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::HubId;
use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::task::JoinSet;

use super::Settings;
use crate::history::{self, Collected, Seen, Sent, Tally};
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, Town};

/// Towns that send to each other.
const TOWNS: [&str; 4] = ["05766044", "05766020", "05758012", "05770032"];
/// Senders of each town that work at the same time.
const SENDERS: usize = 3;
/// Most messages of one sender in one round; bounds the load.
const MESSAGES: usize = 400;
/// A kill comes so many milliseconds after the load has begun.
const KILL_AFTER_MS: std::ops::Range<u64> = 50..1_500;

/// What clients have seen over all rounds.
#[derive(Default)]
struct Seenings {
    /// By transport id.
    sent: BTreeMap<String, Sent>,
    /// Messages of unknown outcome, to be repeated: town number and octets.
    unknown: BTreeMap<String, (usize, Wired)>,
    /// By hub id.
    collected: BTreeMap<String, Collected>,
}

type Shared = Arc<Mutex<Seenings>>;

/// Runs the rounds on one node.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = Folder::init(&settings.shipped, &scratch.path().join("node"))?;
    let mut random = Random(settings.seed);
    let shared = Shared::default();
    for round in 1..=settings.rounds {
        let wait = random.between(KILL_AFTER_MS);
        let ended = one_round(&folder, &shared, Duration::from_millis(wait)).await;
        let failed = ended.is_err();
        report.add(format!("round-{round:03}"), ended);
        if failed {
            // What follows would only repeat it; the node's folder tells more than more rounds.
            break;
        }
    }
    report.add("history-and-archive", afterwards(&folder, &shared).await);
    Ok(())
}

/// Load, kill, restart, repeat what was left unknown, compare.
async fn one_round(folder: &Folder, shared: &Shared, wait: Duration) -> Result<String> {
    let node = folder.serve()?;
    let mut load = begin_load(folder, &node, shared)?;
    tokio::time::sleep(wait).await;
    node.kill()?;
    while let Some(ended) = load.join_next().await {
        ended??;
    }
    let node = folder.serve().context("after the kill")?;
    repeat_unknown(folder, &node, shared).await?;
    let tally = compare(folder, &node, shared).await?;
    node.kill()?;
    Ok(format!("killed after {} ms: {}", wait.as_millis(), serde_json::to_string(&tally)?))
}

/// Senders and readers of every town; each ends by itself, at the latest when the node is gone.
fn begin_load(folder: &Folder, node: &Node, shared: &Shared) -> Result<JoinSet<Result<()>>> {
    let mut load = JoinSet::new();
    let towns = towns(folder, node)?;
    for number in 0..towns.len() {
        for _ in 0..SENDERS {
            load.spawn(send(towns.clone(), number, shared.clone()));
        }
        load.spawn(read(towns.clone(), number, shared.clone()));
    }
    Ok(load)
}

fn towns(folder: &Folder, node: &Node) -> Result<Arc<Vec<Town>>> {
    let towns: Result<Vec<Town>> =
        TOWNS.iter().map(|ags| Town::load(folder.path(), ags, &node.native)).collect();
    Ok(Arc::new(towns?))
}

async fn send(towns: Arc<Vec<Town>>, number: usize, shared: Shared) -> Result<()> {
    let reader = towns[(number + 1) % towns.len()].party.clone();
    for _ in 0..MESSAGES {
        let (metadata, wired) = towns[number].notice(&reader)?;
        let id = metadata.transport_id.to_string();
        let sent = Sent {
            transport_id: id.clone(),
            payload: Digest(openssl::sha::sha256(&wired.parts[0].2)).to_string(),
            seen: Seen::Unknown,
        };
        {
            let mut seen = shared.lock().expect("no client panics while it writes down");
            seen.sent.insert(id.clone(), sent);
            seen.unknown.insert(id.clone(), (number, wired.clone()));
        }
        match towns[number].post(&wired).await {
            Ok(answer) => note(&shared, &id, answer)?,
            // The node is gone; whether it took this one is not known.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Writes down what a sender saw.
fn note(shared: &Shared, id: &str, answer: Answer) -> Result<()> {
    let mut seen = shared.lock().expect("no client panics while it writes down");
    let sent = seen.sent.get_mut(id).context("nobody sent this")?;
    match answer {
        Answer::Accepted { hub_id, receipt, .. } => match &mut sent.seen {
            Seen::Accepted { hub_id: before, receipts } => {
                ensure!(*before == hub_id, "{id}: accepted as {before} and as {hub_id}");
                receipts.push(receipt);
            }
            other => *other = Seen::Accepted { hub_id, receipts: vec![receipt] },
        },
        // Good messages only are sent here.
        Answer::Refused(problem) => bail!("{id}: refused: {} {}", problem.code, problem.detail),
    }
    seen.unknown.remove(id);
    Ok(())
}

async fn read(towns: Arc<Vec<Town>>, number: usize, shared: Shared) -> Result<()> {
    let town = &towns[number];
    let party = town.party.clone();
    // Each page begins anew: what is acknowledged is not shown again.
    while let Ok(page) = town.client.inbox_page(&party, None, 20, 1).await {
        for entry in page.entries {
            let id = entry.id.to_string();
            let mut payload = Vec::new();
            let path = format!("/v1/inbox/{id}");
            let fetched = super::native::answer(town.request(reqwest::Method::GET, &path)).await;
            match fetched {
                Ok((200, _, octets)) => payload.extend(octets),
                // Somebody else of this town was faster, or the node is gone.
                Ok(_) => continue,
                Err(_) => return Ok(()),
            }
            let digest = Digest(openssl::sha::sha256(&payload));
            let confirmed = town.client.acknowledge(&entry.id, &digest).await.is_ok();
            let collected = Collected {
                hub_id: id.clone(),
                payload: digest.to_string(),
                acknowledged: confirmed,
            };
            shared
                .lock()
                .expect("no client panics while it writes down")
                .collected
                .insert(id, collected);
        }
    }
    Ok(())
}

/// Every sender repeats under the same id what it does not know the outcome of, and two that were
/// accepted before.
async fn repeat_unknown(folder: &Folder, node: &Node, shared: &Shared) -> Result<()> {
    let towns = towns(folder, node)?;
    let unknown = shared.lock().expect("no client panics").unknown.clone();
    for (id, (number, wired)) in unknown {
        let first = towns[number].post(&wired).await?;
        note(shared, &id, first)?;
        let second = towns[number].post(&wired).await?;
        ensure!(matches!(second, Answer::Accepted { repeated: true, .. }), "{id}: accepted twice");
        note(shared, &id, second)?;
    }
    Ok(())
}

async fn compare(folder: &Folder, node: &Node, shared: &Shared) -> Result<Tally> {
    let operator = Operator::load(folder.path(), &node.operations)?;
    let listed = operator.everything().await?;
    let seen = shared.lock().expect("no client panics");
    let sent: Vec<Sent> = seen.sent.values().cloned().collect();
    let collected: Vec<Collected> = seen.collected.values().cloned().collect();
    history::check(&sent, &collected, &listed).map_err(|breaches| {
        anyhow!(
            "{} breaches, first: {}",
            breaches.len(),
            breaches[..breaches.len().min(5)].join("; ")
        )
    })
}

/// The last look: every receipt in a client's hand verifies, the archive verifies offline.
async fn afterwards(folder: &Folder, shared: &Shared) -> Result<String> {
    let node = folder.serve()?;
    let tally = compare(folder, &node, shared).await?;
    let operator = Operator::load(folder.path(), &node.operations)?;
    let status = operator.get("/ops/v1/status").await?;
    let key = status["verifier"].as_str().context("the hub names no key")?;
    let key = amtsbote_archive::note::VerifierKey::parse(key).map_err(|e| anyhow!("{e}"))?;
    node.stop()?;
    let mut receipts = 0;
    for sent in shared.lock().expect("no client panics").sent.values() {
        let Seen::Accepted { hub_id, receipts: held } = &sent.seen else { continue };
        HubId::parse(hub_id)?;
        for octets in held {
            let receipt = Receipt::parse(octets)?;
            receipt.verify(&key).with_context(|| format!("receipt of {hub_id}"))?;
            receipts += 1;
        }
    }
    let archive = folder.verify_archive()?;
    Ok(format!("{}; {receipts} receipts verify; archive {archive}", serde_json::to_string(&tally)?))
}

/// Splitmix64: a seed gives the same moments again.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn between(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        range.start + (mixed ^ (mixed >> 31)) % (range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_moments_again() {
        let moments = |seed| {
            let mut random = Random(seed);
            (0..50).map(|_| random.between(KILL_AFTER_MS)).collect::<Vec<_>>()
        };
        assert_eq!(moments(7), moments(7));
        assert_ne!(moments(7), moments(8));
        assert!(moments(7).iter().all(|moment| KILL_AFTER_MS.contains(moment)));
    }
}
