//! Power cuts, as far as they can be shown on a running machine (P1).
//!
//! SIGKILL alone cannot fail that promise: the kernel keeps what a dead process wrote. So a node
//! works under strace, clients write down what they are promised and when, and afterwards every
//! write and every sync is replayed on a model of a disk ([`disk`]) that forgets, or tears, what
//! was not synced. At chosen moments the power goes: the remains are written into a folder, the
//! shipped binary starts there, and must still have everything that a client had been told before.
//!
//! A client's knowledge counts from the last octets that the node had begun to send when the
//! client had its answer: with an answer that leaves before its sync, the sync does not count.
//!
//! That the test can fail is shown as well: without this or that sync it must find losses
//! ([`losses`]). What a disk does that lies about its own cache is not shown.

mod disk;
mod judge;
mod load;
mod losses;
mod moments;
mod replay;
mod trace;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};

use self::disk::{Disk, Image, Kept};
use self::judge::{Case, Verdict};
use self::load::Known;
use self::moments::{Cut, Moments};
use self::replay::{Replay, Spoken};
use self::watch::{Watched, Watching};
use super::Settings;
use super::crash::Random;
use crate::node::Folder;
use crate::report::Report;
use crate::shipped::Shipped;

/// Octets kept free by the node under test; less than usual, so that disks stay small.
const RESERVE: i64 = 1 << 20;
/// Power cuts while a node starts again after one.
const SECOND_CUTS: usize = 6;

/// Everything that was learned from one life of a node; not changed any more.
struct Experiment {
    shipped: Shipped,
    watched: Watched,
    spoken: Spoken,
    known: Known,
    seed: u64,
    /// A folder for everything, its path without symbolic links.
    base: PathBuf,
    _scratch: tempfile::TempDir,
}

/// Runs the load once and cuts the power `settings.rounds` times.
pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let experiment = Arc::new(Experiment::run(settings).await.context("the traced node")?);
    let moments = Moments::of(&experiment);
    let agrees = moments.as_ref().map(|m| m.note.clone()).map_err(|error| anyhow!("{error:#}"));
    report.add("model-ends-as-the-disk-did", agrees);
    let Ok(moments) = moments else { return Ok(()) };
    let mut random = Random(settings.seed);
    let mut replay = experiment.watched.replay(|_| true);
    for (number, cut) in moments.choose(settings.rounds, &mut random).into_iter().enumerate() {
        let ended = experiment.cut(&mut replay, cut).await;
        report.add(format!("cut-{:03}-{}", number + 1, cut.why), ended);
    }
    let again = experiment.cut_again(moments.middle(), &mut random).await;
    report.add("cut-again-while-starting", again);
    losses::run(&experiment, report).await;
    Ok(())
}

impl Experiment {
    /// The node's first start, a load, and its stop, all under strace.
    async fn run(settings: &Settings) -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let base = scratch.path().canonicalize()?;
        let folder = Folder::init(&settings.shipped, &base.join("node"))?;
        folder.edit("amtsbote.toml", |table| {
            let limits = table.entry("limits").or_insert_with(|| toml::Table::new().into());
            let limits = limits.as_table_mut().context("limits is no table")?;
            limits.insert("reserve_bytes".into(), RESERVE.into());
            Ok(())
        })?;
        let watching = Watching::begin(&folder, base.join("trace"))?;
        let known = load::run(folder.path(), &watching.node.native).await?;
        let watched = watching.end()?;
        let spoken = Spoken::of(&watched.trace);
        let (shipped, seed) = (settings.shipped.clone(), settings.seed);
        Ok(Self { shipped, watched, spoken, known, seed, base, _scratch: scratch })
    }

    /// One cut: what is left if nothing, everything, or some of what was not synced was kept.
    async fn cut(self: &Arc<Self>, replay: &mut Replay<'_>, cut: Cut) -> Result<String> {
        replay.run_to(cut.step)?;
        let judged = self.judge_all(remains(&replay.disk, self.chance(cut.step)), cut.step).await;
        Ok(format!("step {}: {}", cut.step, judged?))
    }

    /// A cut, and further ones while the node starts on what it left: the promises are those of
    /// the first.
    async fn cut_again(self: &Arc<Self>, first: usize, random: &mut Random) -> Result<String> {
        let mut replay = self.watched.replay(|_| true);
        replay.run_to(first)?;
        let image = replay.disk.after_power_cut(&mut Kept::Some(self.chance(first)));
        let path = self.base.join("again");
        judge::materialise(&image, &path)?;
        let folder = Folder::existing(&self.shipped, &path);
        let watched = Watching::begin(&folder, self.base.join("trace-again"))?.end()?;
        let mut replay = watched.replay(|_| true);
        replay.run_to(watched.trace.steps.len())?;
        watched.agrees(&replay)?;
        let changes: Vec<usize> = replay.changed.iter().map(|step| step + 1).collect();
        let mut cuts: Vec<usize> =
            (0..SECOND_CUTS).filter_map(|_| moments::one_of(&changes, random)).collect();
        cuts.sort_unstable();
        let mut replay = watched.replay(|_| true);
        let mut notes = Vec::new();
        for cut in cuts {
            replay.run_to(cut)?;
            let judged = self.judge_all(remains(&replay.disk, self.chance(cut)), first).await;
            let judged = judged.with_context(|| format!("second cut before step {cut}"))?;
            notes.push(format!("then {cut} of {}: {judged}", watched.trace.steps.len()));
        }
        ensure!(!notes.is_empty(), "starting changed nothing");
        Ok(format!("step {first}, {}", notes.join("; ")))
    }

    /// Judges disks at the same time; `cut` says what had been promised.
    async fn judge_all(
        self: &Arc<Self>,
        images: Vec<(String, Image)>,
        cut: usize,
    ) -> Result<String> {
        let judges: Vec<_> = images
            .into_iter()
            .map(|(name, image)| (name, tokio::spawn(self.clone().judge(cut, image))))
            .collect();
        let (mut notes, mut breaches) = (Vec::new(), Vec::new());
        for (name, judge) in judges {
            let verdict = judge.await??;
            breaches.extend(verdict.breaches.iter().map(|breach| format!("{name}: {breach}")));
            let accepted = verdict.tally.map_or(0, |tally| tally.accepted);
            notes.push(format!("{name}: {accepted} there, {} promised", verdict.promised));
        }
        ensure!(breaches.is_empty(), "power cut before step {cut}: {}", breaches.join("; "));
        Ok(notes.join("; "))
    }

    /// Starting a node and waiting for it blocks, so it has a thread of its own.
    async fn judge(self: Arc<Self>, cut: usize, image: Image) -> Result<Verdict> {
        let runtime = tokio::runtime::Handle::current();
        let judged = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir_in(&self.base)?;
            let case = Case {
                shipped: &self.shipped,
                known: &self.known,
                spoken: &self.spoken,
                cut,
                seed: self.seed.wrapping_add(cut as u64),
            };
            runtime.block_on(case.judge(&image, &folder.path().join("node")))
        });
        judged.await?
    }

    /// What chance does at a step, the same for the same seed.
    fn chance(&self, step: usize) -> Random {
        Random(self.seed.wrapping_add(step as u64))
    }
}

/// What may be left, each once.
fn remains(disk: &Disk, chance: Random) -> Vec<(String, Image)> {
    let kept = [
        ("nothing", Kept::Nothing),
        ("everything", Kept::Everything),
        ("some", Kept::Some(chance)),
    ];
    let mut images: Vec<(String, Image)> = Vec::new();
    for (name, mut kept) in kept {
        let image = disk.after_power_cut(&mut kept);
        match images.iter_mut().find(|(_, other)| *other == image) {
            Some((names, _)) => *names = format!("{names}={name}"),
            None => images.push((name.to_owned(), image)),
        }
    }
    images
}
