//! SIGKILL at random moments under load, again and again on the same node; afterwards the history
//! must hold (P1, P2, P3, P4) and the archive verify (P5).
//!
//! A killed process loses no write that the kernel has; what a power cut would lose is
//! shown by the suite `power`.

use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::party::PartyId;
use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::Settings;
use super::traffic::{self, MESSAGES, Traffic};
use crate::history::At;
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::Town;

/// Towns that send to each other.
const TOWNS: [&str; 4] = ["05766044", "05766020", "05758012", "05770032"];
/// Senders of each town that work at the same time.
const SENDERS: usize = 3;
/// A kill comes so many milliseconds after the load has begun.
pub(super) const KILL_AFTER_MS: std::ops::Range<u64> = 50..1_500;

/// Runs the rounds on one node.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = Folder::init(&settings.shipped, &scratch.path().join("node"))?;
    let mut random = Random(settings.seed);
    let traffic = Traffic::default();
    for round in 1..=settings.rounds {
        let wait = random.between(KILL_AFTER_MS);
        let ended = one_round(&folder, &traffic, Duration::from_millis(wait)).await;
        let failed = ended.is_err();
        report.add(format!("round-{round:03}"), ended);
        if failed {
            // What follows would only repeat it; the node's folder tells more than more rounds.
            break;
        }
    }
    report.add("history-and-archive", afterwards(&folder, &traffic).await);
    Ok(())
}

/// Load, kill, restart, repeat what was left unknown, compare.
async fn one_round(folder: &Folder, traffic: &Traffic, wait: Duration) -> Result<String> {
    let node = folder.serve()?;
    let mut load = begin_load(folder, &node, traffic)?;
    tokio::time::sleep(wait).await;
    node.kill()?;
    while let Some(ended) = load.join_next().await {
        ended??;
    }
    let node = folder.serve().context("after the kill")?;
    traffic.repeat_unknown(&towns(folder, &node)?).await?;
    let compared = compare(folder, &node, traffic, wait.as_millis() as u64).await?;
    node.kill()?;
    Ok(format!("killed after {} ms: {compared}", wait.as_millis()))
}

/// Senders and readers of every town; each ends by itself, at the latest when the node is gone.
fn begin_load(folder: &Folder, node: &Node, traffic: &Traffic) -> Result<JoinSet<Result<()>>> {
    let mut load = JoinSet::new();
    let towns = towns(folder, node)?;
    for (number, town) in towns.iter().enumerate() {
        let reader: PartyId = towns[(number + 1) % towns.len()].party.clone();
        for _ in 0..SENDERS {
            traffic.send(&mut load, town.clone(), vec![(reader.clone(), false)], MESSAGES);
        }
        traffic.read(&mut load, At::First, town.clone(), None);
    }
    Ok(load)
}

fn towns(folder: &Folder, node: &Node) -> Result<Vec<Arc<Town>>> {
    let town = |ags: &&str| Ok(Arc::new(Town::load(folder.path(), ags, &node.native)?));
    TOWNS.iter().map(town).collect()
}

async fn compare(folder: &Folder, node: &Node, traffic: &Traffic, seed: u64) -> Result<String> {
    let operator = Operator::load(folder.path(), &node.operations)?;
    let (tally, _) = traffic.compare(&operator, None, seed).await?.map_err(traffic::told)?;
    Ok(serde_json::to_string(&tally)?)
}

/// The last look: every receipt in a client's hand verifies, the archive verifies offline.
async fn afterwards(folder: &Folder, traffic: &Traffic) -> Result<String> {
    let node = folder.serve()?;
    let compared = compare(folder, &node, traffic, 0).await?;
    let operator = Operator::load(folder.path(), &node.operations)?;
    let key = traffic::key(&operator).await?;
    node.stop()?;
    let receipts = traffic.verify_receipts(&key)?;
    let archive = folder.verify_archive()?;
    Ok(format!("{compared}; {receipts} receipts verify; archive {archive}"))
}

/// Splitmix64: a seed gives the same moments again.
#[derive(Clone)]
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
