//! What a customer can do to two real hubs, and what holds: SIGKILL at random moments under load, a hub
//! that stands still beyond its leases, lines that drop, swallow and break, a link of a network of its
//! own that goes down, a slow disk, a full one. Afterwards one line for each promise.
//!
//! Power cuts are the suite `power`; several nodes on one database are another's.

mod shown;
mod space;
mod wire;
mod words;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use amtsbote_domain::party::PartyId;
use anyhow::{Context, Result, anyhow, ensure};
use tokio::task::JoinSet;

use self::shown::Shown;
use self::space::Space;
use self::wire::{Line, Wire};
use self::words::{PROMISES, Sum, Words};
use super::Settings;
use super::crash::Random;
use super::relay::Pair;
use super::traffic::{self, Traffic};
use crate::history::At;
use crate::node::{Folder, Node};
use crate::operations::Operator;
use crate::report::Report;
use crate::town::Town;

/// Towns that send; each to the next one, the first beyond that to [`BEYOND`] at the next hub.
const TOWNS: [&str; 3] = ["05766044", "05758012", "05770032"];
/// The reader at the next hub.
const BEYOND: &str = "05766020";
/// Kills where nobody says how many.
const KILLS: u32 = 3;
/// An accident comes so many milliseconds after the load has begun.
const ACCIDENT_MS: std::ops::Range<u64> = 200..2_500;
/// Longer than the lease that the pair of hubs is set up with, and than an attempt.
const BEYOND_LEASE: Duration = Duration::from_millis(7_500);
/// How long a line does something bad; longer than an attempt.
const OUTAGE: Duration = Duration::from_secs(5);
/// Longest that the hubs may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(240);
/// What every sync of the slow disk takes, in microseconds.
const SYNC_US: u32 = 40_000;
/// How long there is load on the slow disk.
const SLOWLY: Duration = Duration::from_secs(4);
/// Messages that are timed one at a time, on the slow disk and before.
const PROBES: usize = 10;
/// Memory that no hub needs, in MiB.
const MEMORY_MIB: u64 = 768;

/// Two hubs, what lies between them, and what clients have seen.
struct World {
    pair: Pair,
    wire: Wire,
    space: Option<Space>,
    traffic: Traffic,
    random: Random,
    sum: Sum,
}

/// Clients at work.
struct Load {
    tasks: JoinSet<Result<()>>,
    done: Arc<AtomicBool>,
    /// Senders that have not ended.
    at_work: Arc<AtomicUsize>,
    /// What was accepted before.
    before: usize,
}

/// All accidents, one after the other.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let words = Words(settings.language);
    let times = settings.kill.unwrap_or(KILLS);
    let scratch = tempfile::tempdir()?;
    let mut sum = Sum::default();
    match Space::make() {
        Ok(space) => {
            let path = scratch.path().join("space");
            let mut world = World::start(settings, &path, Some(space)).await?;
            let ended = world.link_down().await;
            world.tell(report, "link-down-in-a-network-of-its-own", ended, words);
            sum.add(&world.sum);
        }
        Err(why) => report.skip(
            "link-down-in-a-network-of-its-own",
            format!("{}: {why:#}", words.t("hier nicht erlaubt", "not allowed here")),
        ),
    }

    let mut world = World::start(settings, &scratch.path().join("line"), None).await?;
    let ended = world.hub_killed(times).await;
    world.tell(report, "hub-killed-under-load", ended, words);
    let ended = world.recipient_killed(times.div_ceil(2)).await;
    world.tell(report, "recipient-killed-under-load", ended, words);
    let ended = world.stopped(times.div_ceil(8)).await;
    world.tell(report, "hub-stands-still-beyond-its-leases", ended, words);
    let ended = world.line().await;
    world.tell(report, "line-drops-swallows-breaks", ended, words);
    match slow_disk_possible() {
        true => {
            let ended = world.slow_disk().await;
            world.tell(report, "slow-disk", ended, words);
        }
        false => report.skip(
            "slow-disk",
            words.t(
                "strace darf hier nicht verlangsamen (Debian-Paket strace)",
                "strace cannot slow anything down here (Debian package strace)",
            ),
        ),
    }
    sum.add(&world.sum);
    drop(world);

    let failed = report.failed();
    super::disk::run(settings, report).await?;
    if report.failed() > failed {
        sum.broken.get_or_insert_with(|| "full-disk".to_owned());
    }
    for (tag, name) in PROMISES {
        report.add(name, judged(tag, &sum, words));
    }
    Ok(())
}

/// Whether a breach is one of this promise: promises stand at its end, in brackets.
fn names(breach: &str, tag: &str) -> bool {
    let promise = tag.trim_matches(['(', ')']);
    let at_its_end = breach.rsplit_once('(').map(|(_, end)| end.trim_end_matches(')'));
    at_its_end.is_some_and(|end| end.split(", ").any(|one| one == promise))
}

/// Whether one promise held. Where any case did not end as it must, no line says that it did.
fn judged(tag: &str, sum: &Sum, words: Words) -> Result<String> {
    let broken: Vec<&String> = sum.breaches.iter().filter(|one| names(one, tag)).collect();
    if let Some(first) = broken.first() {
        let count = broken.len();
        let text = words.t("Verstöße, der erste", "breaches, the first");
        return Err(anyhow!("{count} {text}: {first}"));
    }
    if let Some(broken) = &sum.broken {
        let text = words.t("nicht zu Ende geprüft", "not judged to the end");
        return Err(anyhow!("{text}: {broken}"));
    }
    ensure!(tag != "(P8)" || sum.memory <= MEMORY_MIB, "{} MiB", sum.memory);
    Ok(words.promise(tag, sum))
}

impl World {
    async fn start(settings: &Settings, path: &Path, space: Option<Space>) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let wire = Wire::new().await?;
        let pair = Pair::init(settings, path, Some(wire.port))?;
        wire.leads_to(pair.port);
        if let Some(space) = &space {
            space.certify(&pair.far)?;
            let native = format!("{}:{}", space.address, pair.port);
            pair.far.edit("amtsbote.toml", |table| {
                let listen = table["listen"].as_table_mut().context("no listen")?;
                listen.insert("native".into(), native.clone().into());
                listen.insert("operations".into(), format!("{}:0", space.address).into());
                Ok(())
            })?;
            pair.near.edit("amtsbote.toml", |table| {
                let peer = table["peer"][0].as_table_mut().context("no peer")?;
                peer.insert("url".into(), format!("https://{native}").into());
                Ok(())
            })?;
        }
        let random = Random(settings.seed);
        let (traffic, sum) = (Traffic::default(), Sum::default());
        Ok(Self { pair, wire, space, traffic, random, sum })
    }

    /// Writes down how an accident ended, and what shows that it took place.
    fn tell(&mut self, report: &mut Report, name: &str, ended: Result<Shown>, words: Words) {
        if ended.is_err() {
            self.sum.broken.get_or_insert_with(|| name.to_owned());
        }
        let tally = self.sum.tally;
        let note = words.t(
            format!(
                "bisher {} angenommen, {} davon weitergeleitet, alle am Ende, nichts verloren oder \
                 vertauscht",
                tally.accepted, tally.forwarded
            ),
            format!(
                "so far {} accepted, {} of them forwarded, all have ended, nothing lost or mixed up",
                tally.accepted, tally.forwarded
            ),
        );
        report.add(name, ended.map(|shown| format!("{}; {note}", shown.text(words))));
    }

    fn near(&self) -> Result<Node> {
        tokio::task::block_in_place(|| self.pair.near.serve())
    }

    fn far(&self) -> Result<Node> {
        tokio::task::block_in_place(|| match &self.space {
            None => self.pair.far.serve(),
            Some(space) => {
                let log = log(&self.pair.far)?;
                self.pair.far.serve_under(|command| space.inside(&command, log))
            }
        })
    }

    /// Senders of every town, and the only reader of every town at its hub.
    fn load(&self, near: &Node, far: &Node) -> Result<Load> {
        let mut load = self.readers(near, far)?;
        let towns = self.towns(near)?;
        for (number, town) in towns.iter().enumerate() {
            let reader = towns[(number + 1) % towns.len()].party.clone();
            let mut readers = vec![(reader, false)];
            let Load { tasks, done, at_work, .. } = &mut load;
            if number == 0 {
                readers.push((PartyId::parse(&format!("ags:{BEYOND}"))?, true));
                let (town, readers) = (town.clone(), readers.clone());
                self.traffic.send_until(tasks, town, readers, done.clone(), at_work.clone());
            }
            self.traffic.send_until(tasks, town.clone(), readers, done.clone(), at_work.clone());
        }
        Ok(load)
    }

    fn readers(&self, near: &Node, far: &Node) -> Result<Load> {
        let (done, at_work, before) = (Arc::default(), Arc::default(), self.traffic.accepted());
        let mut load = Load { tasks: JoinSet::new(), done, at_work, before };
        for town in self.towns(near)? {
            self.traffic.read(&mut load.tasks, At::First, town, Some(load.done.clone()));
        }
        let beyond = Arc::new(Town::load(self.pair.far.path(), BEYOND, &far.native)?);
        self.traffic.read(&mut load.tasks, At::Next, beyond, Some(load.done.clone()));
        Ok(load)
    }

    fn towns(&self, near: &Node) -> Result<Vec<Arc<Town>>> {
        let town = |ags: &&str| Ok(Arc::new(Town::load(self.pair.near.path(), ags, &near.native)?));
        TOWNS.iter().map(town).collect()
    }

    async fn some_time(&mut self) {
        let wait = self.random.between(ACCIDENT_MS);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// Waits until the load has been accepted from; then all senders are at work. How many that are.
    async fn under_load(&self, load: &Load) -> Result<usize> {
        let begun = tokio::time::Instant::now();
        while self.traffic.accepted() == load.before {
            ensure!(begun.elapsed() < PATIENCE, "nothing is accepted: there is no load");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let at_work = load.at_work.load(Ordering::Acquire);
        ensure!(at_work > 0, "all senders have ended: there is no load");
        Ok(at_work)
    }

    /// SIGKILL of the hub that accepts and forwards.
    async fn hub_killed(&mut self, times: u32) -> Result<Shown> {
        let (mut near, far) = (self.near()?, self.far()?);
        let mut senders = usize::MAX;
        for _ in 0..times {
            let load = self.load(&near, &far)?;
            self.some_time().await;
            senders = senders.min(self.under_load(&load).await?);
            near.kill()?;
            self.sum.kills += 1;
            load.end().await?;
            near = self.near().context("after a kill")?;
            self.traffic.repeat_unknown(&self.towns(&near)?).await?;
        }
        self.rest(near, far).await?;
        Ok(Shown::Killed { times, senders })
    }

    /// SIGKILL of the hub that it forwards to.
    async fn recipient_killed(&mut self, times: u32) -> Result<Shown> {
        let (near, mut far) = (self.near()?, self.far()?);
        let mut senders = usize::MAX;
        for _ in 0..times {
            let load = self.load(&near, &far)?;
            self.some_time().await;
            senders = senders.min(self.under_load(&load).await?);
            far.kill()?;
            self.sum.kills += 1;
            far = self.far().context("after a kill")?;
            load.end().await?;
        }
        self.rest(near, far).await?;
        Ok(Shown::Killed { times, senders })
    }

    /// The hub stands still while messages that it has sent have arrived and it does not know; when it
    /// goes on, its leases are over.
    async fn stopped(&mut self, times: u32) -> Result<Shown> {
        let (near, far) = (self.near()?, self.far()?);
        let (mut still, mut kept) = (Duration::MAX, u64::MAX);
        for _ in 0..times {
            let load = self.load(&near, &far)?;
            self.under_load(&load).await?;
            let before = self.wire.met(Line::SwallowsAnswers);
            self.wire.does(Line::SwallowsAnswers);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            signal(&near, "STOP")?;
            shown::stands_still(&near).await?;
            let begun = tokio::time::Instant::now();
            tokio::time::sleep(BEYOND_LEASE).await;
            self.wire.does(Line::Passes);
            tokio::time::sleep(Duration::from_millis(300)).await;
            shown::stands_still(&near).await?;
            still = still.min(begun.elapsed());
            signal(&near, "CONT")?;
            kept = kept.min(self.wire.met(Line::SwallowsAnswers) - before);
            ensure!(kept > 0, "no answer was under way when the hub was stopped");
            self.sum.outages += 1;
            load.end().await?;
        }
        self.rest(near, far).await?;
        Ok(Shown::Stopped { times, still, kept })
    }

    /// The line between the hubs misbehaves in every way under load.
    async fn line(&mut self) -> Result<Shown> {
        let (near, far) = (self.near()?, self.far()?);
        let mut met = [0; 3];
        for (line, met) in
            [Line::Drops, Line::SwallowsAnswers, Line::Breaks].into_iter().zip(&mut met)
        {
            let load = self.load(&near, &far)?;
            self.some_time().await;
            self.under_load(&load).await?;
            let before = self.wire.met(line);
            self.wire.does(line);
            tokio::time::sleep(OUTAGE).await;
            self.wire.does(Line::Passes);
            *met = self.wire.met(line) - before;
            ensure!(*met > 0, "{line:?}: nothing was under way on the line");
            self.sum.outages += 1;
            load.end().await?;
        }
        self.rest(near, far).await?;
        Ok(Shown::Line { met })
    }

    /// The link to the network of the next hub goes down under load, and up again.
    async fn link_down(&mut self) -> Result<Shown> {
        let (near, far) = (self.near()?, self.far()?);
        let load = self.load(&near, &far)?;
        self.some_time().await;
        self.under_load(&load).await?;
        let space = self.space.as_ref().context("no network of its own")?;
        let address = (space.address.as_str(), self.pair.port);
        ensure!(shown::reached(address).await, "the next hub was not reached before");
        space.link(false)?;
        let begun = tokio::time::Instant::now();
        let mut tries = 0;
        while begun.elapsed() < OUTAGE {
            ensure!(
                !shown::reached(address).await,
                "the link is down, and the next hub is reached"
            );
            tries += 1;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let operator = Operator::load(self.pair.near.path(), &near.operations)?;
        let waiting = shown::waiting(&operator).await?;
        ensure!(waiting > 0, "nothing was to go over the link");
        space.link(true)?;
        self.sum.outages += 1;
        load.end().await?;
        self.rest(near, far).await?;
        Ok(Shown::Link { tries, waiting })
    }

    /// Every sync of the hub takes its time; acceptance waits for it and nothing else.
    async fn slow_disk(&mut self) -> Result<Shown> {
        let near = self.near()?;
        let usual = self.acceptances(&near).await?;
        tokio::task::block_in_place(|| near.stop())?;
        let log = log(&self.pair.near)?;
        let written = self.pair.near.path().join("syncs");
        let slowly = || self.pair.near.serve_under(|command| slow(&command, &written, log.into()));
        let near = tokio::task::block_in_place(slowly)?;
        let slowed = self.acceptances(&near).await?;
        let least = Duration::from_micros(SYNC_US.into());
        ensure!(
            slowed >= least,
            "accepted within {slowed:?}, although every sync was to take {least:?}: the disk was not slow"
        );
        let far = self.far()?;
        let before = self.sum.tally.accepted;
        let load = self.load(&near, &far)?;
        tokio::time::sleep(SLOWLY).await;
        self.sum.outages += 1;
        load.end().await?;
        self.rest(near, far).await?;
        ensure!(self.sum.tally.accepted > before, "nothing was accepted on a slow disk");
        let syncs = shown::delayed(&std::fs::read_to_string(&written)?);
        ensure!(syncs > 0, "no sync was held up: the disk was not slow");
        Ok(Shown::Slow { syncs, usual, slowed })
    }

    /// The quickest of some acceptances, one at a time: each waits for at least one sync.
    async fn acceptances(&self, near: &Node) -> Result<Duration> {
        let towns = self.towns(near)?;
        let [from, to, ..] = &towns[..] else { anyhow::bail!("too few towns") };
        let mut quickest = Duration::MAX;
        for _ in 0..PROBES {
            let begun = tokio::time::Instant::now();
            let answered = self.traffic.send_one(from, &to.party, false).await?;
            ensure!(answered, "the hub does not answer");
            quickest = quickest.min(begun.elapsed());
        }
        Ok(quickest)
    }

    /// Everything comes to rest; then both hubs must say what the clients know, and their archives
    /// verify.
    async fn rest(&mut self, near: Node, far: Node) -> Result<()> {
        self.wire.does(Line::Passes);
        let load = self.readers(&near, &far)?;
        self.traffic.repeat_unknown(&self.towns(&near)?).await?;
        let first = Operator::load(self.pair.near.path(), &near.operations)?;
        let next = Operator::load(self.pair.far.path(), &far.operations)?;
        traffic::settled(&first, PATIENCE).await.context("the first hub")?;
        traffic::settled(&next, PATIENCE).await.context("the next hub")?;
        load.end().await?;
        let seed = self.random.0;
        match self.traffic.compare(&first, Some(&next), seed).await? {
            Ok((tally, extent)) => {
                self.sum.tally = tally;
                self.sum.extent.follow(extent);
            }
            Err(breaches) => {
                self.sum.breaches.extend(breaches.iter().cloned());
                return Err(traffic::told(breaches));
            }
        }
        let key = traffic::key(&first).await?;
        let receipts = self.traffic.verify_receipts(&key);
        self.sum.extent.receipts = self.proof(receipts)?;
        self.sum.memory = self.sum.memory.max(most(&near)?).max(most(&far)?);
        tokio::task::block_in_place(|| near.stop().and_then(|()| far.stop()))?;
        self.sum.leaves = 0;
        for found in [self.pair.near.verify_archive(), self.pair.far.verify_archive()] {
            self.sum.leaves += self.proof(found)?["leaves"].as_u64().unwrap_or(0);
        }
        Ok(())
    }

    /// A proof that does not hold is a breach.
    fn proof<T>(&mut self, found: Result<T>) -> Result<T> {
        found.inspect_err(|error| self.sum.breaches.push(format!("{error:#} (P5)")))
    }
}

impl Load {
    /// Senders have sent, readers have read what waits.
    async fn end(mut self) -> Result<()> {
        self.done.store(true, Ordering::Release);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// The most memory that a process has had, in MiB.
fn most(node: &Node) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<u64>()? / 1024)
}

fn signal(node: &Node, name: &str) -> Result<()> {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(node.pid().to_string()).status()?;
    ensure!(sent.success(), "SIG{name} could not be sent");
    Ok(())
}

/// The same command under strace, which holds every sync up and else stands aside: the process that is
/// started is the node.
fn slow(command: &Command, written: &Path, log: Stdio) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "--seccomp-bpf", "-e", "signal=none"]);
    strace.args(["-e", "trace=fsync,fdatasync", "-o"]).arg(written);
    strace.arg("-e").arg(format!("inject=fsync,fdatasync:delay_exit={SYNC_US}"));
    strace.arg("--").arg(command.get_program()).args(command.get_args());
    environment(command, &mut strace);
    strace.stderr(log);
    strace
}

fn slow_disk_possible() -> bool {
    let tried = slow(&Command::new("true"), Path::new("/dev/null"), Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Where what a node says is kept, for a command that stands in for its own.
fn log(folder: &Folder) -> Result<File> {
    Ok(File::options().create(true).append(true).open(folder.log())?)
}

/// What a command that stands in for another takes over from it.
fn environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    to.stdin(Stdio::null()).stdout(Stdio::null());
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::text::Language;

    #[test]
    fn a_breach_counts_for_each_promise_that_it_names() {
        let breach = "x: handed over again without saying so (P2, P3)";
        assert!(names(breach, "(P2)") && names(breach, "(P3)") && !names(breach, "(P1)"));
        assert!(!names("x: evidence time runs backwards (P10)", "(P1)"));
        assert!(!names("and 7 more", "(P1)"));
    }

    #[test]
    fn a_promise_that_was_broken_is_not_told_as_kept() {
        let english = Words(Language::En);
        let mut sum = Sum::default();
        for (tag, _) in PROMISES {
            assert!(judged(tag, &sum, english).is_ok(), "{tag}");
        }
        sum.breaches.push("x: accepted, then lost (P1)".to_owned());
        assert!(judged("(P1)", &sum, english).is_err());
        assert!(judged("(P2)", &sum, english).is_ok());
        sum.broken = Some("slow-disk".to_owned());
        assert!(judged("(P2)", &sum, english).is_err());
        let fat = Sum { memory: MEMORY_MIB + 1, ..Sum::default() };
        assert!(judged("(P8)", &fat, english).is_err());
        assert!(judged("(P4)", &fat, english).is_ok());
    }

    #[test]
    fn every_promise_is_told_in_both_languages() {
        let sum = Sum::default();
        for (tag, name) in PROMISES {
            let [german, english] =
                [Language::De, Language::En].map(|language| Words(language).promise(tag, &sum));
            assert_ne!(german, english, "{name}");
            assert!(name.starts_with(&tag[1..3]), "{name}");
        }
    }
}
