//! Whether the test can fail: the same replay with a node that syncs less, or answers too early,
//! must show losses, and the right ones.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::Experiment;
use super::disk::Kept;
use super::replay::Heeds;
use super::trace::{Call, Target};
use crate::report::Report;

/// What SQLite commits to.
const WRITE_AHEAD_LOG: &str = "hub.db-wal";
/// Answers that are taken for sent before their sync.
const EARLY: usize = 10;
/// At least so many of them must be found.
const FOUND_EARLY: usize = 3;

/// Syncs that a node may not do without, and how their absence must show: one of these.
struct Needed {
    name: &'static str,
    heeds: Heeds,
    shows: [&'static str; 2],
}

/// An acceptance that is gone.
const LOST: &str = "accepted, then lost (P1)";
/// The guard knows more than the database.
const SHORTER: &str = "a head over";
/// A key is gone that opens what was accepted.
const NO_KEY: &str = "The key store lacks a key";
/// A payload that cannot be read.
const OCTETS: &str = r#""kind":"octets""#;

const NEEDED: [Needed; 7] = [
    Needed { name: "any-sync", heeds: |_| false, shows: [LOST, LOST] },
    Needed {
        name: "syncs-of-the-write-ahead-log",
        heeds: |path| !path.ends_with(WRITE_AHEAD_LOG),
        shows: [LOST, SHORTER],
    },
    Needed {
        name: "syncs-of-payload-files",
        heeds: |path| path.extension().is_none_or(|kind| kind != "draft"),
        shows: [OCTETS, OCTETS],
    },
    Needed {
        name: "syncs-of-payload-folders",
        heeds: |path| path.parent() != Some(Path::new("data/payload")),
        shows: [OCTETS, OCTETS],
    },
    Needed {
        name: "syncs-of-the-data-folder",
        heeds: |path| path != Path::new("data"),
        shows: [LOST, SHORTER],
    },
    Needed {
        name: "syncs-of-wrapping-keys",
        heeds: |path| !path.ends_with(".draft"),
        shows: [NO_KEY, NO_KEY],
    },
    Needed {
        name: "syncs-of-folders-of-wrapping-keys",
        heeds: |path| path.parent() != Some(Path::new("keys/wrapping")),
        shows: [NO_KEY, NO_KEY],
    },
];

/// Shows it for too early answers and for every sync that is needed.
pub(super) async fn run(experiment: &Arc<Experiment>, report: &mut Report) {
    let name = "losses-found-with-answers-before-their-sync";
    report.add(name, experiment.too_early().await);
    for needed in NEEDED {
        let name = format!("losses-found-without-{}", needed.name);
        report.add(name, experiment.without(&needed).await);
    }
}

impl Experiment {
    /// The same with syncs left out, after everything was promised: losses must be found.
    async fn without(self: &Arc<Self>, needed: &Needed) -> Result<String> {
        let latest = self.known.messages.iter().map(|m| m.promise.at).max();
        let step = latest.and_then(|at| self.spoken.before(at)).context("nothing was promised")?;
        let mut replay = self.watched.replay(needed.heeds);
        replay.run_to(step)?;
        let image = replay.disk.after_power_cut(&mut Kept::Nothing);
        let verdict = self.clone().judge(step, image).await?;
        let found = verdict.breaches.join("; ");
        let shown = needed.shows.iter().any(|shown| found.contains(shown));
        ensure!(shown, "{} promises; found only: {found}", verdict.promised);
        Ok(shortened(&found))
    }

    /// The same with the power cut at the end of the last sync of the write-ahead log before an
    /// answer, as if the answer had been sent while it was done. That sync may have been another
    /// commit's, so several answers are tried; some losses show that moments are told apart
    /// finely enough.
    async fn too_early(self: &Arc<Self>) -> Result<String> {
        let mut told: Vec<(usize, usize)> = Vec::new();
        let steps = &self.watched.trace.steps;
        for message in &self.known.messages {
            let answer = self.spoken.before(message.promise.at).context("it was never told")?;
            let syncs = |step: &usize| {
                steps[*step].ends && commits(&self.watched.trace.calls[steps[*step].call])
            };
            told.push(((0..answer).rev().find(syncs).context("it was never synced")?, answer));
        }
        told.sort_unstable();
        let mut replay = self.watched.replay(|_| true);
        let mut found = 0;
        for (sync, answer) in told.iter().step_by(told.len().div_ceil(EARLY)) {
            replay.run_to(*sync)?;
            let image = replay.disk.after_power_cut(&mut Kept::Nothing);
            let verdict = self.clone().judge(*answer, image).await?;
            found += usize::from(verdict.breaches.iter().any(|breach| breach.contains(LOST)));
        }
        ensure!(
            found >= FOUND_EARLY,
            "of {EARLY} answers before their sync only {found} were found"
        );
        Ok(format!("{found} of {EARLY}"))
    }
}

/// A sync of the write-ahead log.
fn commits(call: &Call) -> bool {
    ["fsync", "fdatasync"].contains(&call.name.as_str())
        && matches!(call.descriptor(0), Ok((_, Target::Path(p))) if p.ends_with(WRITE_AHEAD_LOG))
}

/// Enough of a text for a note.
fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}
