//! Courses of events that a seed decides: two hubs in one thread, with a clock, a network, disks,
//! partners and people that fail on demand ([`amtsbote_broker::simulation`]); afterwards what was
//! seen goes before the judge of all histories ([`course`]).
//!
//! Ten seeds to a round, from `--seed` on, as many at a time as there are processors. A single round
//! is that one seed alone: so a failing one is replayed, to the last event. Nothing is driven as a
//! process here; the hub's own code runs inside this program.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use amtsbote_broker::simulation::{self, Figures};
use anyhow::{Context, Result, anyhow, bail, ensure};

use super::Settings;
use crate::history::{Tally, course};
use crate::report::Report;
use crate::undo;

/// Seeds in a round, where there is more than one round.
const SEEDS: u64 = 10;
/// A file system in memory: what is synced to it costs nothing.
const MEMORY: &str = "/dev/shm";
/// Most broken promises of one seed that are told.
const TOLD: usize = 20;

/// What came of each seed.
type Runs = BTreeMap<u64, Result<Judged>>;

/// What is kept of a seed.
struct Judged {
    seed: u64,
    digest: [u8; 32],
    figures: Figures,
    /// Octets that left a hub, so often.
    attempts: usize,
    held: Result<Tally, Vec<String>>,
    last: Vec<String>,
}

/// Runs the seeds and judges each.
pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let first = settings.seed;
    let count = match settings.rounds {
        0 | 1 => 1,
        rounds => u64::from(rounds) * SEEDS,
    };
    let began = Instant::now();
    let work = tokio::task::spawn_blocking(move || (all(first, count), one(first)));
    let (mut runs, again) = work.await.context("the simulation")?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    report.add("a-seed-replays-exactly", replays(runs.get(&first), again));
    let size = if count == 1 { 1 } else { SEEDS };
    for from in (first..first + count).step_by(size as usize) {
        let rest = runs.split_off(&(from + size));
        let name = match size {
            1 => format!("seed-{from}"),
            _ => format!("seeds-{from}-to-{}", from + size - 1),
        };
        report.add(name, held(std::mem::replace(&mut runs, rest)));
    }
    let pace = (count + 1) as f64 / minutes;
    report.add("pace", Ok(format!("{count} seeds, {pace:.0} in a minute")));
    Ok(())
}

/// All seeds, shared among the processors.
fn all(first: u64, count: u64) -> Runs {
    let next = AtomicU64::new(first);
    let runs = Mutex::new(Runs::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let ended = one(seed);
                    runs.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, ended);
                }
            });
        }
    });
    runs.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// One seed, in a folder of its own.
fn one(seed: u64) -> Result<Judged> {
    let memory = Path::new(MEMORY);
    let folder = tempfile::Builder::new().prefix(&undo::name("")).tempdir_in(memory);
    let folder = folder.or_else(|_| tempfile::tempdir())?;
    undo::going_on()?;
    let path = folder.path().to_owned();
    let _undo = undo::later("a folder in memory", move || undo::remove(&path));
    let run = AssertUnwindSafe(|| simulation::run(seed, folder.path()));
    let ended = catch_unwind(run).map_err(|_| anyhow!("seed {seed}: the program panicked"))?;
    let ended = ended.with_context(|| format!("seed {seed}"))?;
    let (digest, figures, last) = (ended.digest, ended.figures, ended.last);
    let attempts = ended.history.carried.len();
    let held = course::check(&ended.history);
    Ok(Judged { seed, digest, figures, attempts, held, last })
}

/// The first seed, run a second time, led to the same events.
fn replays(first: Option<&Result<Judged>>, again: Result<Judged>) -> Result<String> {
    let again = again?;
    let Some(Ok(first)) = first else { bail!("its first run did not end") };
    ensure!(first.digest == again.digest, "seed {}: other events the second time", first.seed);
    ensure!(first.figures == again.figures, "seed {}: other figures", first.seed);
    Ok(format!("{} events", first.figures.events))
}

/// What a round was made of; or the seeds that failed, with what is needed to look at them.
fn held(runs: Runs) -> Result<String> {
    let mut failed = Vec::new();
    let (mut messages, mut attempts, mut crashes, mut commits) = (0, 0, 0, 0);
    for (seed, ended) in runs {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                failed.push(format!("{error:#}\n{}", replay(seed)));
                continue;
            }
        };
        crashes += ended.figures.crashes;
        commits += ended.figures.commits_failed;
        match ended.held {
            Ok(tally) => {
                messages += tally.accepted + tally.forwarded;
                attempts += ended.attempts;
            }
            Err(breaches) => {
                let told: Vec<&str> = breaches.iter().take(TOLD).map(String::as_str).collect();
                failed.push(format!(
                    "seed {seed}, broken promises: {}\n  {}\n{}\nthe last events:\n  {}",
                    breaches.len(),
                    told.join("\n  "),
                    replay(seed),
                    ended.last.join("\n  ")
                ));
            }
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(format!(
        "{messages} messages, {attempts} attempts, {crashes} crashes, {commits} commits failed"
    ))
}

/// The command that runs a seed again.
fn replay(seed: u64) -> String {
    format!("replay: amtsbote-conformance run simulation --rounds 1 --seed {seed}")
}
