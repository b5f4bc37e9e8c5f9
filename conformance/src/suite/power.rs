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
//! That the test can fail is shown as well: without this or that sync it must find losses. What a
//! disk does that lies about its own cache is not shown.

mod disk;
mod judge;
mod load;
mod replay;
mod trace;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use self::disk::{Disk, Image, Kept};
use self::judge::{Case, Verdict};
use self::load::Known;
use self::replay::{CALLS, Heeds, Replay, Spoken};
use self::trace::{Target, Trace};
use super::Settings;
use super::crash::Random;
use crate::node::Folder;
use crate::report::Report;
use crate::shipped::Shipped;

/// Longest time strace may take to write down the end.
const WRITTEN: Duration = Duration::from_secs(60);
/// Octets kept free by the node under test; less than usual, so that disks stay small.
const RESERVE: i64 = 1 << 20;
/// Answers that are taken for sent before their sync.
const EARLY: usize = 10;
/// Longest octets of one call that are written down; longer ones are an error later.
const LONGEST: &str = "16777216";
/// The database, below the node's folder.
const DATABASE: &str = "data/hub.db";
/// What SQLite commits to.
const WRITE_AHEAD_LOG: &str = "hub.db-wal";
/// What the model does not know: the log, opened by whoever starts the node, and the shared index,
/// which is made anew.
const NOT_MODELLED: [&str; 2] = ["node.log", "data/hub.db-shm"];

/// Everything that was learned from the traced node; not changed any more.
struct Experiment {
    shipped: Shipped,
    folder: PathBuf,
    /// The disk before the node's first start.
    before: Disk,
    trace: Trace,
    spoken: Spoken,
    known: Known,
    seed: u64,
    scratch: tempfile::TempDir,
}

/// A moment at which the power goes, before this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    step: usize,
    why: &'static str,
}

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
/// A payload that cannot be read.
const OCTETS: &str = r#""kind":"octets""#;

const NEEDED: [Needed; 5] = [
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
];

/// Runs the load once and cuts the power `settings.rounds` times.
pub async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let experiment = Arc::new(Experiment::run(settings).await.context("the traced node")?);
    let moments = experiment.moments();
    report.add(
        "model-ends-as-the-disk-did",
        moments.as_ref().map(|m| m.note.clone()).map_err(|error| anyhow!("{error:#}")),
    );
    let moments = moments?;
    let mut replay = experiment.replay(|_| true);
    for (number, cut) in moments.choose(&experiment, settings).into_iter().enumerate() {
        let ended = experiment.cut(&mut replay, cut).await;
        report.add(format!("cut-{:03}-{}", number + 1, cut.why), ended);
    }
    report.add("losses-found-with-answers-before-their-sync", experiment.too_early().await);
    for needed in NEEDED {
        let name = format!("losses-found-without-{}", needed.name);
        report.add(name, experiment.without(&needed).await);
    }
    Ok(())
}

impl Experiment {
    /// The node's first start, a load, and its stop, all under strace.
    async fn run(settings: &Settings) -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        // strace shows paths without symbolic links.
        let base = scratch.path().canonicalize()?;
        let (path, written) = (base.join("node"), base.join("trace"));
        let folder = Folder::init(&settings.shipped, &path)?;
        folder.edit("amtsbote.toml", |table| {
            let limits = table.entry("limits").or_insert_with(|| toml::Table::new().into());
            let limits = limits.as_table_mut().context("limits is no table")?;
            limits.insert("reserve_bytes".into(), RESERVE.into());
            Ok(())
        })?;
        let before = Disk::load(&path)?;
        let log = File::options().create(true).append(true).open(path.join("node.log"))?;
        let node = folder.serve_under(|command| traced(&command, &written, log))?;
        let known = load::run(&path, &node.native).await?;
        let process = node.pid();
        node.stop()?;
        wait_for_end(&written, process)?;
        let trace = Trace::parse(BufReader::new(File::open(&written)?).lines())?;
        ensure!(trace.ended, "the trace has no end");
        let spoken = Spoken::of(&trace);
        let (shipped, seed) = (settings.shipped.clone(), settings.seed);
        Ok(Self { shipped, folder: path, before, trace, spoken, known, seed, scratch })
    }

    fn replay(&self, heeds: Heeds) -> Replay<'_> {
        Replay::new(&self.trace, &self.folder, self.before.clone(), heeds)
    }

    /// Replays everything once: what the model has in the end must be what really lies there.
    fn moments(&self) -> Result<Moments> {
        let mut replay = self.replay(|_| true);
        let mut in_database = Vec::new();
        let mut before = 0;
        for step in 0..self.trace.steps.len() {
            replay.run_to(step + 1)?;
            if replay.changed.len() > before && replay.is_dirty(DATABASE) {
                in_database.push(step + 1);
            }
            before = replay.changed.len();
        }
        let model = replay.disk.after_power_cut(&mut Kept::Everything);
        let real = Disk::load(&self.folder)?.after_power_cut(&mut Kept::Nothing);
        same(&model, &real)?;
        let changes: Vec<usize> = replay.changed.iter().map(|step| step + 1).collect();
        let note = format!(
            "{} calls, {} changes, {} while the database itself is written; {} messages, {} taken; \
             {} files agree",
            self.trace.calls.len(),
            changes.len(),
            in_database.len(),
            self.known.messages.len(),
            self.known.taken.len(),
            real.len()
        );
        let heard = self.spoken.first().context("nothing was ever sent to a client")?;
        let starting = changes.iter().copied().filter(|step| *step < heard).collect();
        Ok(Moments { changes, in_database, starting, note })
    }

    /// One cut: what is left if nothing, everything, or some of what was not synced was kept.
    async fn cut(self: &Arc<Self>, replay: &mut Replay<'_>, cut: Cut) -> Result<String> {
        replay.run_to(cut.step)?;
        let chance = Random(self.seed.wrapping_add(cut.step as u64));
        let kept = [
            ("nothing", Kept::Nothing),
            ("everything", Kept::Everything),
            ("some", Kept::Some(chance)),
        ];
        let mut images: Vec<(String, Image)> = Vec::new();
        for (name, mut kept) in kept {
            let image = replay.disk.after_power_cut(&mut kept);
            match images.iter_mut().find(|(_, other)| *other == image) {
                Some((names, _)) => *names = format!("{names}={name}"),
                None => images.push((name.to_owned(), image)),
            }
        }
        let judges: Vec<_> = images
            .into_iter()
            .map(|(name, image)| {
                (name, tokio::spawn(self.clone().judge(cut.step, Arc::new(image))))
            })
            .collect();
        let mut notes = Vec::new();
        let mut breaches = Vec::new();
        for (name, judge) in judges {
            let verdict = judge.await??;
            breaches.extend(verdict.breaches.iter().map(|breach| format!("{name}: {breach}")));
            let accepted = verdict.tally.map_or(0, |tally| tally.accepted);
            notes.push(format!("{name}: {accepted} there, {} promised", verdict.promised));
        }
        ensure!(breaches.is_empty(), "power cut before step {}: {}", cut.step, breaches.join("; "));
        Ok(format!("step {}: {}", cut.step, notes.join("; ")))
    }

    /// The same with syncs left out, after everything was promised: losses must be found.
    async fn without(self: &Arc<Self>, needed: &Needed) -> Result<String> {
        let latest = self.known.messages.iter().map(|m| m.promise.at).max();
        let step = latest.and_then(|at| self.spoken.before(at)).context("nothing was promised")?;
        let mut replay = self.replay(needed.heeds);
        replay.run_to(step)?;
        let image = replay.disk.after_power_cut(&mut Kept::Nothing);
        let verdict = self.clone().judge(step, Arc::new(image)).await?;
        let found = verdict.breaches.join("; ");
        let shown = needed.shows.iter().any(|shown| found.contains(shown));
        ensure!(shown, "{} promises; found only: {found}", verdict.promised);
        Ok(shortened(&found))
    }

    /// The same with the power cut at the end of the last sync of the write-ahead log before an
    /// answer, as if the answer had been sent while it was done. That sync may have been another
    /// commit's, so several answers are tried; one loss shows that moments are told apart finely
    /// enough.
    async fn too_early(self: &Arc<Self>) -> Result<String> {
        let mut told: Vec<(usize, usize)> = Vec::new();
        let steps = &self.trace.steps;
        for message in &self.known.messages {
            let answer = self.spoken.before(message.promise.at).context("it was never told")?;
            let syncs = |step: &usize| {
                let call = &self.trace.calls[steps[*step].call];
                let log = |path: &Path| path.ends_with(WRITE_AHEAD_LOG);
                steps[*step].ends
                    && ["fsync", "fdatasync"].contains(&call.name.as_str())
                    && call.descriptor(0).is_ok_and(|(_, t)| matches!(t, Target::Path(p) if log(p)))
            };
            told.push(((0..answer).rev().find(syncs).context("it was never synced")?, answer));
        }
        told.sort_unstable();
        let mut replay = self.replay(|_| true);
        let mut found = 0;
        for (sync, answer) in told.iter().step_by(told.len() / EARLY) {
            replay.run_to(*sync)?;
            let image = replay.disk.after_power_cut(&mut Kept::Nothing);
            let verdict = self.clone().judge(*answer, Arc::new(image)).await?;
            found += usize::from(verdict.breaches.iter().any(|breach| breach.contains(LOST)));
        }
        ensure!(found > 0, "of {EARLY} answers before their sync none was found");
        Ok(format!("{found} of {EARLY}"))
    }

    /// Starting a node and waiting for it blocks, so it has a thread of its own.
    async fn judge(self: Arc<Self>, cut: usize, image: Arc<Image>) -> Result<Verdict> {
        let runtime = tokio::runtime::Handle::current();
        let judged = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir_in(self.scratch.path())?;
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
}

/// Moments that may be chosen.
struct Moments {
    /// After each change.
    changes: Vec<usize>,
    /// Of these, such that the database itself has changes that are not safe.
    in_database: Vec<usize>,
    /// Of these, before the node first spoke to anybody.
    starting: Vec<usize>,
    note: String,
}

impl Moments {
    /// In turn: with an answer on its way, at any time, while the database itself is written, during
    /// the first start.
    fn choose(&self, experiment: &Experiment, settings: &Settings) -> Vec<Cut> {
        let known = &experiment.known;
        let told = known.messages.iter().map(|message| message.promise.at);
        let told = told.chain(known.taken.iter().filter_map(|taken| taken.acknowledged));
        let told: Vec<usize> = told.filter_map(|at| experiment.spoken.before(at)).collect();
        let kinds = [
            ("answer", &told),
            ("any", &self.changes),
            ("checkpoint", &self.in_database),
            ("first-start", &self.starting),
        ];
        let mut random = Random(settings.seed);
        let mut cuts: Vec<Cut> = (0..settings.rounds as usize)
            .map(|round| [0, 1, 2, 0, 3][round % 5])
            .filter_map(|kind| {
                let (why, steps) = kinds[kind];
                let last = u64::try_from(steps.len()).ok().filter(|count| *count > 0)?;
                Some(Cut { step: steps[random.between(0..last) as usize], why })
            })
            .collect();
        cuts.sort();
        cuts
    }
}

/// The same command under strace, which stands aside: the process that is started is the node.
fn traced(command: &Command, written: &Path, log: File) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "--seccomp-bpf", "-yy", "-xx", "-ttt", "-s", LONGEST]);
    strace.args(["-e", "signal=none", "-e", "raw=read,readv", "-e"]);
    strace.arg(format!("trace={CALLS}")).arg("-o").arg(written).arg("--");
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    strace
}

/// strace is no child of ours: it has ended when the end of the process is written down.
fn wait_for_end(written: &Path, process: u32) -> Result<()> {
    let begun = Instant::now();
    loop {
        let mut file = File::open(written)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(200)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let tail = String::from_utf8_lossy(&tail).into_owned();
        let last = tail.lines().next_back().unwrap_or_default();
        if last.starts_with(&format!("{process} ")) && last.ends_with("+++") {
            return Ok(());
        }
        ensure!(begun.elapsed() < WRITTEN, "strace does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the model is what really lies there.
fn same(model: &Image, real: &Image) -> Result<()> {
    let known = |image: &Image| -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let all = image.iter().filter(|(path, _)| !NOT_MODELLED.iter().any(|n| path.ends_with(n)));
        all.map(|(path, octets)| (path.clone(), octets.clone())).collect()
    };
    let (model, real) = (known(model), known(real));
    for path in model.keys().chain(real.keys()) {
        let (model, real) = (model.get(path), real.get(path));
        ensure!(
            model == real,
            "{}: {} in the model, {} on the disk",
            path.display(),
            describe(model),
            describe(real)
        );
    }
    Ok(())
}

fn describe(entry: Option<&Option<Vec<u8>>>) -> String {
    match entry {
        None => "absent".to_owned(),
        Some(None) => "a folder".to_owned(),
        Some(Some(octets)) => format!("{} octets, SHA-256 {}", octets.len(), load::digest(octets)),
    }
}

/// Enough of a text for a note.
fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_differs_from_the_disk_is_found() {
        let image = |octets: &[u8]| Image::from([(PathBuf::from("a"), Some(octets.to_vec()))]);
        assert!(same(&image(b"x"), &image(b"x")).is_ok());
        assert!(same(&image(b"x"), &image(b"y")).is_err());
        assert!(same(&image(b"x"), &Image::new()).is_err());
        assert!(same(&Image::new(), &image(b"x")).is_err());
        let log = Image::from([(PathBuf::from("node.log"), Some(b"x".to_vec()))]);
        assert!(same(&log, &Image::new()).is_ok());
    }
}
