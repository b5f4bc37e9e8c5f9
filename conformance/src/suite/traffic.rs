//! Clients at work while things go wrong: senders and readers that write down what they were told and
//! what they got, for the history checker. For suites that break a hub under load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use amtsbote_adapters::probe::Wired;
use amtsbote_archive::note::VerifierKey;
use amtsbote_archive::receipt::Receipt;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use anyhow::{Context, Result, anyhow, bail, ensure};
use reqwest::Method;
use tokio::task::JoinSet;

use super::crash::Random;
use super::native::answer;
use crate::history::timeline::{self, Entry, Known};
use crate::history::{At, Checker, Content, FINAL, Handed, Seen, Sent, Tally};
use crate::operations::Operator;
use crate::town::{Answer, Town};

/// Messages of one sender in one round; bounds the load.
pub(super) const MESSAGES: usize = 400;
/// The same, of one that goes on until it is told to end.
const MOST: usize = 4_000;
/// The pause of such a one after each message.
const PACE: std::time::Duration = std::time::Duration::from_millis(50);
/// Entries that a reader asks for at once.
const PAGE: u32 = 20;
/// Timelines that are read in one comparison.
pub(super) const TIMELINES: usize = 40;

/// What clients have seen so far. A clone sees the same.
#[derive(Clone, Default)]
pub(super) struct Traffic(Arc<Mutex<Notes>>);

/// Everything that was written down.
#[derive(Default)]
struct Notes {
    /// By transport id.
    sent: BTreeMap<String, Sent>,
    /// Messages of unknown outcome, to be repeated.
    unknown: BTreeMap<String, Wired>,
    /// The octets of the receipts, by transport id; a repeat that is the same is kept once.
    receipts: BTreeMap<String, Vec<u8>>,
    /// In the order in which they took place.
    handed: Vec<(At, Handed)>,
    /// Octets that were compared.
    octets: u64,
    /// Repeats that were answered with the stored receipt.
    repeats: u64,
}

/// Figures beside those of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Extent {
    /// Octets that readers got and that were compared.
    pub(super) octets: u64,
    /// Repeats that were answered with the stored receipt.
    pub(super) repeats: u64,
    /// Timelines that were followed from record to record.
    pub(super) timelines: usize,
    /// Attempts in them that were on record as repetitions.
    pub(super) flagged: usize,
    /// Receipts that clients hold and that verify.
    pub(super) receipts: usize,
}

impl Extent {
    /// A later look at the same clients: what it followed comes on top, what it counted takes the
    /// place of what was counted before.
    pub(super) fn follow(&mut self, later: Self) {
        self.timelines += later.timelines;
        self.flagged += later.flagged;
        (self.octets, self.repeats) = (later.octets, later.repeats);
    }
}

impl Traffic {
    fn seen(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().expect("no client panics while it writes down")
    }

    /// Somebody who sends notices, in turn to these readers; those of `relayed` are at the next hub.
    /// Ends by itself, at the latest when the node is gone.
    pub(super) fn send(
        &self,
        load: &mut JoinSet<Result<()>>,
        town: Arc<Town>,
        readers: Vec<(PartyId, bool)>,
        most: usize,
    ) {
        let traffic = self.clone();
        load.spawn(async move {
            for (reader, relayed) in readers.iter().cycle().take(most) {
                if !traffic.send_one(&town, reader, *relayed).await? {
                    break;
                }
            }
            Ok(())
        });
    }

    /// The same at an even pace until `done` says so: who is sending when something happens. `at_work`
    /// counts those who have not ended.
    pub(super) fn send_until(
        &self,
        load: &mut JoinSet<Result<()>>,
        town: Arc<Town>,
        readers: Vec<(PartyId, bool)>,
        done: Arc<AtomicBool>,
        at_work: Arc<AtomicUsize>,
    ) {
        let traffic = self.clone();
        at_work.fetch_add(1, Ordering::AcqRel);
        load.spawn(async move {
            let mut ended = Ok(true);
            for (reader, relayed) in readers.iter().cycle().take(MOST) {
                if done.load(Ordering::Acquire) || !matches!(ended, Ok(true)) {
                    break;
                }
                ended = traffic.send_one(&town, reader, *relayed).await;
                tokio::time::sleep(PACE).await;
            }
            at_work.fetch_sub(1, Ordering::AcqRel);
            ended.map(drop)
        });
    }

    /// Messages that senders hold a receipt of.
    pub(super) fn accepted(&self) -> usize {
        self.seen().receipts.len()
    }

    /// One message; whether the node still answers.
    pub(super) async fn send_one(
        &self,
        town: &Town,
        reader: &PartyId,
        relayed: bool,
    ) -> Result<bool> {
        let (metadata, wired) = town.notice(reader)?;
        let id = metadata.transport_id.to_string();
        let content = Content::of_octets(wired.parts.iter().map(|(_, _, octets)| &octets[..]));
        let sent = Sent {
            author: town.party.to_string(),
            transport_id: id.clone(),
            content,
            relayed,
            seen: Seen::Unknown,
            cancelled: false,
        };
        {
            let mut seen = self.seen();
            seen.sent.insert(id.clone(), sent);
            seen.unknown.insert(id.clone(), wired.clone());
        }
        match town.post(&wired).await {
            Ok(answer) => self.note(&id, answer)?,
            // The node is gone, or cannot be reached; whether it took this one is not known.
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Writes down what a sender was told.
    fn note(&self, id: &str, answer: Answer) -> Result<()> {
        let mut seen = self.seen();
        let (hub_id, receipt, repeated) = match answer {
            Answer::Accepted { hub_id, receipt, repeated } => (hub_id, receipt, repeated),
            // It says nothing about acceptance: repeated later.
            Answer::Refused(problem) if problem.code() == Some(Code::Internal) => return Ok(()),
            Answer::Refused(problem) if problem.code() == Some(Code::DiskFull) => {
                let sent = seen.sent.get_mut(id).context("nobody sent this")?;
                if sent.seen == Seen::Unknown {
                    sent.seen = Seen::Refused;
                }
                seen.unknown.remove(id);
                return Ok(());
            }
            // Good messages only are sent here.
            Answer::Refused(problem) => bail!("{id}: refused: {} {}", problem.code, problem.detail),
        };
        let digest = Digest(openssl::sha::sha256(&receipt));
        let sent = seen.sent.get_mut(id).context("nobody sent this")?;
        match &mut sent.seen {
            Seen::Accepted { hub_id: before, receipts } => {
                ensure!(*before == hub_id, "{id}: accepted as {before} and as {hub_id}");
                receipts.push(digest);
            }
            other => *other = Seen::Accepted { hub_id, receipts: vec![digest] },
        }
        seen.receipts.insert(id.to_owned(), receipt);
        seen.repeats += u64::from(repeated);
        seen.unknown.remove(id);
        Ok(())
    }

    /// The only reader of a town, which confirms what it gets; ends when the node is gone or `done`
    /// says so and nothing waits any more.
    pub(super) fn read(
        &self,
        load: &mut JoinSet<Result<()>>,
        at: At,
        town: Arc<Town>,
        done: Option<Arc<AtomicBool>>,
    ) {
        let traffic = self.clone();
        load.spawn(async move {
            let over = || done.as_ref().is_some_and(|done| done.load(Ordering::Acquire));
            // Each page begins anew: what is acknowledged is not shown again.
            loop {
                let last = over();
                let Ok(page) = town.client.inbox_page(&town.party, None, PAGE, 1).await else {
                    return Ok(());
                };
                if page.entries.is_empty() && last {
                    return Ok(());
                }
                for entry in page.entries {
                    let flagged = entry.state_detail.as_deref() == Some("acknowledgement");
                    if !traffic.take(at, &town, &entry.id, flagged).await? {
                        return Ok(());
                    }
                }
            }
        });
    }

    /// Fetches one message and confirms it; whether the node still answers.
    async fn take(&self, at: At, town: &Town, id: &HubId, flagged: bool) -> Result<bool> {
        let path = format!("/v1/inbox/{id}");
        let payload = match answer(town.request(Method::GET, &path)).await {
            Ok((200, _, octets)) => octets,
            // It was cancelled meanwhile.
            Ok((409, ..)) => return Ok(true),
            Ok((status, ..)) if status < 500 => bail!("{id}: the inbox shows it, then {status}"),
            Ok(_) | Err(_) => return Ok(false),
        };
        let digest = Digest(openssl::sha::sha256(&payload));
        let acknowledged = town.client.acknowledge(id, &digest).await.is_ok();
        let mut seen = self.seen();
        seen.octets += payload.len() as u64;
        let hub_id = id.to_string();
        let handed = Handed { hub_id, payload: digest, attachments: None, flagged, acknowledged };
        seen.handed.push((at, handed));
        Ok(true)
    }

    /// Every sender repeats under the same id what it does not know the outcome of, and once more
    /// when it knows.
    pub(super) async fn repeat_unknown(&self, towns: &[Arc<Town>]) -> Result<()> {
        let unknown = self.seen().unknown.clone();
        for (id, wired) in unknown {
            let author = self.seen().sent.get(&id).context("nobody sent this")?.author.clone();
            let town = towns.iter().find(|town| town.party.as_str() == author);
            let town = town.context("its author is not there")?;
            let first = town.post(&wired).await?;
            let accepted = matches!(first, Answer::Accepted { .. });
            self.note(&id, first)?;
            if accepted {
                let second = town.post(&wired).await?;
                let repeat = matches!(second, Answer::Accepted { repeated: true, .. });
                ensure!(repeat, "{id}: accepted twice");
                self.note(&id, second)?;
            }
        }
        Ok(())
    }

    /// The hubs' view beside that of the clients; timelines of a sample, the same for the same seed.
    pub(super) async fn compare(
        &self,
        first: &Operator,
        next: Option<&Operator>,
        seed: u64,
    ) -> Result<Result<(Tally, Extent), Vec<String>>> {
        let hubs = [Some((At::First, first)), next.map(|next| (At::Next, next))];
        let mut checker = Checker::default();
        let mut extent = Extent::default();
        {
            let seen = self.seen();
            seen.sent.values().for_each(|sent| checker.sent(sent));
            seen.handed.iter().for_each(|(at, handed)| checker.handed(*at, handed));
            (extent.octets, extent.repeats) = (seen.octets, seen.repeats);
        }
        let mut random = Random(seed);
        for (at, operator) in hubs.into_iter().flatten() {
            let mut listed = Vec::new();
            operator.each(|message| listed.push(message)).await?;
            listed.iter().for_each(|message| checker.listed(at, message));
            checker.figures(at, &operator.figures().await?);
            for _ in 0..TIMELINES.min(listed.len()) {
                let one = &listed[random.between(0..listed.len() as u64) as usize];
                let known = self.known(at, &one.hub_id, &one.state, one.content.payload);
                let entries = operator.timeline(&one.hub_id).await?;
                timeline::check(&known, &entries).into_iter().for_each(|said| checker.breach(said));
                extent.timelines += 1;
                let again = |entry: &&Entry| {
                    matches!(entry.evidence, Evidence::Attempt { repeated: true, .. })
                };
                extent.flagged += entries.iter().filter(again).count();
            }
        }
        Ok(checker.finish().map(|tally| (tally, extent)))
    }

    fn known(&self, at: At, hub_id: &str, state: &str, payload: Digest) -> Known {
        let seen = self.seen();
        let mine = seen.handed.iter().filter(|(hub, one)| *hub == at && one.hub_id == hub_id);
        let (mut handed, mut acknowledged) = (false, false);
        for (_, one) in mine {
            (handed, acknowledged) = (true, acknowledged || one.acknowledged);
        }
        let (hub_id, state) = (hub_id.to_owned(), state.to_owned());
        Known { hub_id, state, payload: Some(payload), handed, acknowledged }
    }

    /// Every receipt in a client's hand verifies under the hub's key; how many.
    pub(super) fn verify_receipts(&self, key: &VerifierKey) -> Result<usize> {
        let seen = self.seen();
        for (id, octets) in &seen.receipts {
            let receipt = Receipt::parse(octets)?;
            receipt.verify(key).with_context(|| format!("receipt of {id}"))?;
        }
        Ok(seen.receipts.len())
    }
}

/// Waits until nothing is under way any more at a hub: all have ended, or wait for their readers.
pub(super) async fn settled(operator: &Operator, patience: std::time::Duration) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let figures = operator.figures().await?;
        let open: u64 = figures
            .iter()
            .filter(|(word, _)| !FINAL.contains(&word.as_str()))
            .map(|(_, count)| count)
            .sum();
        if open == 0 {
            return Ok(());
        }
        ensure!(begun.elapsed() < patience, "still open after {patience:?}: {figures:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Breaches as one failure, the first of them told.
pub(super) fn told(breaches: Vec<String>) -> anyhow::Error {
    let first = breaches[..breaches.len().min(5)].join("; ");
    anyhow!("{} breaches, first: {first}", breaches.len())
}

/// The public key of a hub.
pub(super) async fn key(operator: &Operator) -> Result<VerifierKey> {
    let status = operator.get("/ops/v1/status").await?;
    let key = status["verifier"].as_str().context("the hub names no key")?;
    VerifierKey::parse(key).map_err(|error| anyhow!("{error}"))
}
