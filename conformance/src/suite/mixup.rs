//! Very many small messages with distinct content through concurrent senders and readers at two hubs,
//! every octet compared (P3, P4): several accounts and services, attachments, ids that two accounts
//! share, contents that two ids share, repeats at the same moment, withdrawals in between.
//!
//! Contents follow from a seed and a number ([`script`]); what is kept is what the history checker
//! keeps, some hundred octets a message.

mod ground;
mod script;

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use amtsbote_adapters::ClientError;
use amtsbote_adapters::probe::Wired;
use amtsbote_adapters::receipt;
use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Retry};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::Clock as _;
use amtsbote_wire::native::status::InboxEntry;
use anyhow::{Context, Result, bail, ensure};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use tokio::task::JoinSet;

use self::ground::{Ground, People};
use self::script::{Plan, Script};
use super::Settings;
use super::crash::Random;
use super::native::answer;
use super::traffic;
use crate::history::timeline::{self, Known};
use crate::history::{At, Checker, Content, Handed, Seen, Sent, Tally};
use crate::node::Node;
use crate::operations::Operator;
use crate::report::Report;
use crate::town::{Answer, Town};

/// Messages on their way in at the same time.
const SENDERS: usize = 16;
/// Messages that one reader fetches at the same time.
const FETCHES: usize = 4;
/// Entries that a reader asks for at once.
const PAGE: u32 = 200;
/// A sender repeats so often after a connection that broke, or "later".
const TRIES: u32 = 100;
/// Every so many receipts is verified by its sender.
const VERIFIED: u64 = 16;
/// Every so many envelopes is fetched by its reader.
const ENVELOPES: u64 = 16;
/// Timelines that are followed at each hub.
const TIMELINES: usize = 100;
/// Longest that nothing may end while something is open.
const PATIENCE: Duration = Duration::from_secs(120);
/// Progress is told so often.
const TOLD: Duration = Duration::from_secs(10);

/// What all clients share.
struct Run {
    script: Script,
    people: People,
    messages: u64,
    next: AtomicU64,
    done: AtomicBool,
    checker: Mutex<Checker>,
    figures: Figures,
    key: VerifierKey,
}

/// What was counted.
#[derive(Default)]
struct Figures {
    sent: AtomicU64,
    taken: AtomicU64,
    octets: AtomicU64,
    repeats: AtomicU64,
    later: AtomicU64,
    cancelled: AtomicU64,
    broken: AtomicU64,
}

/// Runs the whole, then looks at what both hubs say.
pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let ground = Ground::init(settings, scratch.path())?;
    let (near, far) = (ground.pair.near.serve()?, ground.pair.far.serve()?);
    let operators = [(&ground.pair.near, &near), (&ground.pair.far, &far)];
    let operators = operators.map(|(folder, node)| Operator::load(folder.path(), &node.operations));
    let [first, next] = operators;
    let (first, next) = (first?, next?);
    let people = ground.people(&near, &far)?;
    let run = Arc::new(Run {
        script: Script {
            seed: settings.seed,
            begun: amtsbote_broker::clock::SystemClock.now(),
            authors: people.writing(),
            readers: people.reading(),
        },
        people,
        messages: settings.messages,
        next: AtomicU64::new(0),
        done: AtomicBool::new(false),
        checker: Mutex::new(Checker::default()),
        figures: Figures::default(),
        key: traffic::key(&first).await?,
    });

    let begun = Instant::now();
    let passed = run.pass(&first).await.map(|()| run.tell(begun));
    let went = passed.is_ok();
    report.add("every-octet-compared", passed);
    if !went {
        return Ok(());
    }
    let run = Arc::into_inner(run).context("somebody is still at work")?;
    let judged = run.judge(&first, &next, settings.seed).await;
    report.add("history-of-both-hubs", judged);
    report.add("memory-and-processor", cost(&near, &far));
    near.stop()?;
    far.stop()?;
    report
        .add("archive-of-the-first", ground.pair.near.verify_archive().map(|all| all.to_string()));
    report.add("archive-of-the-next", ground.pair.far.verify_archive().map(|all| all.to_string()));
    Ok(())
}

impl Run {
    /// Sends and reads everything.
    async fn pass(self: &Arc<Self>, first: &Operator) -> Result<()> {
        let mut readers = JoinSet::new();
        for (number, (at, town)) in self.people.readers.iter().enumerate() {
            readers.spawn(self.clone().read(number, *at, town.clone()));
        }
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            senders.spawn(self.clone().send());
        }
        let mut progress = tokio::time::interval(TOLD);
        progress.tick().await;
        let begun = Instant::now();
        while !senders.is_empty() {
            tokio::select! {
                Some(ended) = senders.join_next() => ended??,
                // A reader ends early only when something is wrong.
                Some(ended) = readers.join_next() => ended??,
                _ = progress.tick() => say(&format!("mixup: {}", self.tell(begun))),
            }
        }
        // What was forwarded has arrived when nothing is open at the first hub any more.
        let (mut open, mut since) = (u64::MAX, Instant::now());
        loop {
            let figures = first.figures().await?;
            let now = figures
                .iter()
                .filter(|(word, _)| !crate::history::FINAL.contains(&word.as_str()))
                .map(|(_, count)| count)
                .sum();
            if now == 0 {
                break;
            }
            if now < open {
                (open, since) = (now, Instant::now());
            }
            ensure!(since.elapsed() < PATIENCE, "still open: {figures:?}");
            tokio::select! {
                Some(ended) = readers.join_next() => ended??,
                _ = progress.tick() => say(&format!("mixup: {}", self.tell(begun))),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
        self.done.store(true, Ordering::Release);
        while let Some(ended) = readers.join_next().await {
            ended??;
        }
        Ok(())
    }

    fn tell(&self, begun: Instant) -> String {
        let count = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let Figures { sent, taken, octets, repeats, later, cancelled, broken } = &self.figures;
        let took = begun.elapsed().as_secs_f64();
        format!(
            "{} of {} sent, {} withdrawn, {} repeats, {} collected, {} octets compared, {} times \
             \"later\", {} connections broke; {took:.0} s, {:.0}/s",
            count(sent),
            self.messages,
            count(cancelled),
            count(repeats),
            count(taken),
            count(octets),
            count(later),
            count(broken),
            count(taken) as f64 / took.max(0.001),
        )
    }

    /// Sends one message after the other until all are sent.
    async fn send(self: Arc<Self>) -> Result<()> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.messages {
                return Ok(());
            }
            let plan = self.script.plan(number);
            self.send_one(&plan).await.with_context(|| format!("message {number}"))?;
        }
    }

    async fn send_one(&self, plan: &Plan) -> Result<()> {
        let author = &self.people.authors[plan.author];
        let town = if plan.other_account { &self.people.other_account } else { author };
        let wired = self.script.wired(plan, &author.signer)?;
        let content = Content::of_octets(wired.parts.iter().map(|(_, _, octets)| &octets[..]));
        let answers = join_all((0..plan.posts).map(|_| self.post(town, &wired))).await;
        let (mut id, mut receipts, mut fresh) = (None, Vec::new(), 0);
        for answer in answers {
            let (hub_id, receipt, repeated) = answer?;
            ensure!(
                id.get_or_insert(hub_id.clone()) == &hub_id,
                "two hub ids for one message (P3)"
            );
            fresh += usize::from(!repeated);
            receipts.push(Digest(openssl::sha::sha256(&receipt)));
            if plan.number.is_multiple_of(VERIFIED) {
                receipt::check(receipt, &self.key)?;
            }
        }
        ensure!(fresh <= 1, "{fresh} of the same message were new (P3)");
        self.figures.repeats.fetch_add(receipts.len() as u64 - 1, Ordering::Relaxed);
        let hub_id = id.context("nobody answered")?;
        let cancelled = plan.cancel && self.cancel(town, &hub_id).await?;
        let said = self.script.metadata(plan);
        let sent = Sent {
            author: said.author.to_string(),
            transport_id: said.transport_id.to_string(),
            content,
            relayed: self.people.readers[plan.reader].0 == At::Next,
            seen: Seen::Accepted { hub_id, receipts },
            cancelled,
        };
        self.checker.lock().expect("no client panics").sent(&sent);
        self.figures.sent.fetch_add(1, Ordering::Relaxed);
        self.figures.cancelled.fetch_add(u64::from(cancelled), Ordering::Relaxed);
        Ok(())
    }

    /// Hands it in until the hub takes it: hub id, receipt, whether it was a repeat.
    async fn post(&self, town: &Town, wired: &Wired) -> Result<(String, Vec<u8>, bool)> {
        let mut last = None;
        for _ in 0..TRIES {
            let wait = match town.post(wired).await {
                Ok(Answer::Accepted { hub_id, receipt, repeated }) => {
                    return Ok((hub_id, receipt, repeated));
                }
                Ok(Answer::Refused(problem)) if problem.retry == Retry::Later => {
                    self.figures.later.fetch_add(1, Ordering::Relaxed);
                    let wait = problem.retry_after.unwrap_or(1);
                    last = Some(anyhow::anyhow!("{} {}", problem.code, problem.detail));
                    Duration::from_secs(wait.into())
                }
                Ok(Answer::Refused(problem)) => {
                    bail!("refused: {} {}", problem.code, problem.detail)
                }
                Err(error) => {
                    last = Some(error);
                    Duration::from_millis(200)
                }
            };
            tokio::time::sleep(wait).await;
        }
        Err(last.context("never tried")?)
    }

    /// Whether the hub withdrew it: it may have begun to leave.
    async fn cancel(&self, town: &Town, hub_id: &str) -> Result<bool> {
        match town.client.cancel(&HubId::parse(hub_id)?).await {
            Ok(status) => {
                ensure!(status.state == "cancelled", "withdrawn, yet {}", status.state);
                Ok(true)
            }
            Err(ClientError::Refused(problem)) if problem.code() == Some(Code::StateForbids) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what waits for one party until everything is done and nothing waits.
    async fn read(self: Arc<Self>, reader: usize, at: At, town: Arc<Town>) -> Result<()> {
        loop {
            let last = self.done.load(Ordering::Acquire);
            let look = || async { Ok(town.client.inbox_page(&town.party, None, PAGE, 1).await?) };
            let page = self.steadily(look).await?;
            if page.entries.is_empty() && last {
                return Ok(());
            }
            let take = |entry: InboxEntry| {
                let (run, town) = (&self, &town);
                async move {
                    let taken = run.take(reader, at, town, &entry).await;
                    taken.with_context(|| format!("{} ({})", entry.id, entry.transport_id))
                }
            };
            let all = stream::iter(page.entries).map(take).buffer_unordered(FETCHES);
            all.try_collect::<()>().await?;
        }
    }

    /// Fetches one message, compares every octet, confirms it.
    async fn take(&self, reader: usize, at: At, town: &Town, entry: &InboxEntry) -> Result<()> {
        let plans = self.script.under(&entry.author, entry.transport_id.as_str());
        ensure!(!plans.is_empty(), "an id that nobody used (P1)");
        let mut parts = Vec::new();
        for part in &entry.parts {
            let path = format!("/v1/inbox/{}/parts/{}", entry.id, part.cid);
            let (status, _, octets) =
                self.steadily(|| answer(town.request(Method::GET, &path))).await?;
            if status == 409 && plans.iter().any(|plan| plan.cancel) {
                // Withdrawn between the list and the hand-over.
                return Ok(());
            }
            ensure!(status == 200, "the inbox shows it, then {status}");
            parts.push(octets);
        }
        let is = |plan: &&Plan| {
            let wanted = self.script.parts(plan);
            plan.reader == reader
                && wanted.len() == parts.len()
                && wanted.iter().zip(&parts).all(|((_, _, wanted), found)| wanted == found)
        };
        let plan =
            plans.iter().find(is).context("other octets than were sent to this reader (P4)")?;
        if plan.number.is_multiple_of(ENVELOPES) {
            self.envelope(town, entry).await?;
        }
        let flagged = entry.state_detail.as_deref() == Some("acknowledgement");
        let content = Content::of_octets(parts.iter().map(|octets| &octets[..]));
        // Whoever reads twice is told that it was handed over before.
        let acknowledged = flagged || !plan.twice;
        if acknowledged {
            let confirm = || async {
                Ok(town.client.acknowledge(&entry.id, &content.payload).await.map(drop)?)
            };
            self.steadily(confirm).await?;
            self.figures.taken.fetch_add(1, Ordering::Relaxed);
        }
        let size: usize = parts.iter().map(Vec::len).sum();
        self.figures.octets.fetch_add(size as u64, Ordering::Relaxed);
        let handed = Handed {
            hub_id: entry.id.to_string(),
            payload: content.payload,
            attachments: Some(content.attachments),
            flagged,
            acknowledged,
        };
        self.checker.lock().expect("no client panics").handed(at, &handed);
        Ok(())
    }

    /// The signed envelope that goes with it is the one of this message.
    async fn envelope(&self, town: &Town, entry: &InboxEntry) -> Result<()> {
        let fetch = || async { Ok(town.client.fetch_envelope(&entry.id).await?) };
        let octets = self.steadily(fetch).await?;
        ensure!(
            Digest(openssl::sha::sha256(&octets)) == entry.envelope_sha256,
            "other envelope (P4)"
        );
        let text = String::from_utf8(octets)?;
        for said in [entry.transport_id.as_str(), entry.author.as_str(), entry.reader.as_str()] {
            ensure!(text.contains(said), "the envelope of another message (P4)");
        }
        Ok(())
    }

    /// Asks again where the connection broke; nothing that a reader asks happens twice by that.
    async fn steadily<T, F>(&self, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        for _ in 1..TRIES {
            match ask().await {
                Err(error) if is_broken(&error) => {
                    self.figures.broken.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                answered => return answered,
            }
        }
        ask().await
    }

    /// What the hubs say, against all of it.
    async fn judge(self, first: &Operator, next: &Operator, seed: u64) -> Result<String> {
        let mut checker = self.checker.into_inner().expect("no client panics");
        let mut random = Random(seed);
        let mut followed = 0;
        for (at, operator) in [(At::First, first), (At::Next, next)] {
            // A sample of known size from a list of unknown length, the same for the same seed.
            let (mut sample, mut seen) = (Vec::new(), 0);
            operator
                .each(|message| {
                    seen += 1;
                    checker.listed(at, &message);
                    if sample.len() < TIMELINES {
                        sample.push(message);
                    } else if let place = random.between(0..seen) as usize
                        && place < TIMELINES
                    {
                        sample[place] = message;
                    }
                })
                .await?;
            checker.figures(at, &operator.figures().await?);
            for message in sample {
                let acknowledged = message.state == "acknowledged";
                let known = Known {
                    hub_id: message.hub_id,
                    state: message.state,
                    payload: Some(message.content.payload),
                    handed: acknowledged,
                    acknowledged,
                };
                let entries = operator.timeline(&known.hub_id).await?;
                timeline::check(&known, &entries).into_iter().for_each(|said| checker.breach(said));
                followed += 1;
            }
        }
        let tally: Tally = checker.finish().map_err(traffic::told)?;
        ensure!(tally.sent as u64 == self.messages && tally.open == 0, "{tally:?}");
        Ok(format!("{}; {followed} timelines followed", serde_json::to_string(&tally)?))
    }
}

/// The most memory that each process has had (P8), and the processor time that it took.
fn cost(near: &Node, far: &Node) -> Result<String> {
    let most = |pid: &str| -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        Ok(line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?.parse()?)
    };
    // In hundredths of a second, as Linux has counted it for user programs ever since.
    let took = |pid: &str| -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, rest) = status.rsplit_once(") ").context("no name")?;
        let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<u64>);
        Ok(ticks.sum::<Result<u64, _>>()? / 100)
    };
    let (first, next) = (near.pid().to_string(), far.pid().to_string());
    let mut told = Vec::new();
    for (name, pid) in [("first hub", &*first), ("next hub", &*next), ("this suite", "self")] {
        told.push(format!("{name} {} MiB at most, {} s", most(pid)? / 1024, took(pid)?));
    }
    Ok(told.join("; "))
}

/// The connection could not be made, or broke before the answer.
fn is_broken(error: &anyhow::Error) -> bool {
    let by_client = |error: &ClientError| {
        use ClientError::{Interrupted, OutcomeUnknown, Unreachable};
        matches!(error, Interrupted(_) | OutcomeUnknown(_) | Unreachable(_))
    };
    error.downcast_ref::<ClientError>().is_some_and(by_client)
        || error.downcast_ref::<reqwest::Error>().is_some_and(|error| error.status().is_none())
}

/// Progress, for people. Whoever closed standard error does not want to know.
fn say(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}
