//! Senders and readers who use two nodes as one, and write down what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::Retry;
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::problem::Problem;
use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::content::notice;
use crate::history::{Content, Handed, Seen, Sent};
use crate::suite::native::answer;
use crate::town::{Answer, Town};

/// Senders of each town that work at the same time.
const SENDERS: usize = 2;
/// Most messages of one sender in one round; bounds the load.
const MESSAGES: usize = 60;
/// Every so many messages a large one, and the octets it has more.
const LARGE_EVERY: usize = 9;
const LARGE: usize = 100_000;
/// Longest that one request is waited for: a node that stands still answers nobody.
const REQUEST: Duration = Duration::from_secs(4);
/// Pause after a request that came to nothing.
const PAUSE: Duration = Duration::from_millis(300);
/// Longest that a message whose outcome is unknown is repeated until there is an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What clients have seen over all rounds.
#[derive(Default)]
pub(super) struct Seenings {
    /// By transport id.
    pub(super) sent: BTreeMap<String, Sent>,
    /// Messages of unknown outcome, to be repeated: number of the town, and octets.
    unknown: BTreeMap<String, (usize, Wired)>,
    /// Transport ids of what leaves by the peer.
    beyond: BTreeSet<String>,
    /// The octets of the receipts, by transport id.
    pub(super) receipts: BTreeMap<String, Vec<Vec<u8>>>,
    /// In the order in which they took place.
    pub(super) handed: Vec<Handed>,
}

/// One town, by way of each node.
pub(super) type Ways = [Town; 2];

/// The clients of a run.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) towns: Arc<Vec<Ways>>,
    /// Whose messages leave by the peer.
    pub(super) beyond: PartyId,
    seen: Arc<Mutex<Seenings>>,
    stop: Arc<AtomicBool>,
}

impl Clients {
    pub(super) fn new(towns: Vec<Ways>, beyond: PartyId) -> Self {
        let (seen, stop) = Default::default();
        Self { towns: Arc::new(towns), beyond, seen, stop }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seenings> {
        self.seen.lock().expect("no client panics while it writes down")
    }

    /// Transport ids of what leaves by the peer.
    pub(super) fn beyond_ids(&self) -> BTreeSet<String> {
        self.seen().beyond.clone()
    }

    /// Senders and readers of every town, until they are stopped.
    pub(super) fn begin(&self) -> JoinSet<Result<()>> {
        self.stop.store(false, Ordering::SeqCst);
        let mut load = JoinSet::new();
        for number in 0..self.towns.len() {
            for sender in 0..SENDERS {
                load.spawn(self.clone().send(number, sender));
            }
            load.spawn(self.clone().read(number));
        }
        load
    }

    /// Lets all of them end, and takes what went wrong.
    pub(super) async fn end(&self, mut load: JoinSet<Result<()>>) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = load.join_next().await {
            ended??;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    async fn send(self, number: usize, sender: usize) -> Result<()> {
        let next = self.towns[(number + 1) % self.towns.len()][0].party.clone();
        for n in 0..MESSAGES {
            if self.is_over() {
                return Ok(());
            }
            // Of one town every other one goes on to the other hub, which knows no other signer.
            let reader = if number == 0 && n % 2 == 1 { &self.beyond } else { &next };
            let (_, posted) = self.hand_in(number, reader, (n / 2 + sender) % 2).await?;
            if !posted {
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Hands one message in at a node. Says its id, and whether there was an answer.
    pub(super) async fn hand_in(
        &self,
        town: usize,
        reader: &PartyId,
        node: usize,
    ) -> Result<(String, bool)> {
        let (id, wired) = self.draft(town, reader)?;
        let answered = self.submit(&id, town, node, &wired).await?;
        Ok((id, answered))
    }

    /// Makes a message, and writes down that it is on its way.
    pub(super) fn draft(&self, town: usize, reader: &PartyId) -> Result<(String, Wired)> {
        let author = &self.towns[town][0];
        let metadata = author.metadata(reader);
        let large = self.seen().sent.len().is_multiple_of(LARGE_EVERY);
        let content: fn(&Metadata) -> Vec<u8> = if large { long_notice } else { notice };
        let id = metadata.transport_id.to_string();
        let wired = Draft { metadata, content: &content }.sign(&author.signer)?;
        let sent = Sent {
            author: author.party.to_string(),
            transport_id: id.clone(),
            content: Content::of_octets(wired.parts.iter().map(|(_, _, octets)| &octets[..])),
            // What arrived at the peer is compared at the end, by itself.
            relayed: false,
            seen: Seen::Unknown,
            cancelled: false,
        };
        let mut seen = self.seen();
        seen.sent.insert(id.clone(), sent);
        seen.unknown.insert(id.clone(), (town, wired.clone()));
        if *reader == self.beyond {
            seen.beyond.insert(id.clone());
        }
        Ok((id, wired))
    }

    /// Hands a message in at a node, for the first time or again. Says whether there was an answer.
    pub(super) async fn submit(
        &self,
        id: &str,
        town: usize,
        node: usize,
        wired: &Wired,
    ) -> Result<bool> {
        match post(&self.towns[town][node], wired).await? {
            Some(accepted) => self.note(id, accepted).map(|()| true),
            None => Ok(false),
        }
    }

    /// Writes down a positive answer.
    fn note(&self, id: &str, (hub_id, receipt): (String, Vec<u8>)) -> Result<()> {
        let mut seen = self.seen();
        let digest = Digest(openssl::sha::sha256(&receipt));
        let sent = seen.sent.get_mut(id).context("nobody sent this")?;
        match &mut sent.seen {
            Seen::Accepted { hub_id: before, receipts } => {
                ensure!(*before == hub_id, "{id}: accepted as {before} and as {hub_id}");
                receipts.push(digest);
            }
            other => *other = Seen::Accepted { hub_id, receipts: vec![digest] },
        }
        seen.receipts.entry(id.to_owned()).or_default().push(receipt);
        seen.unknown.remove(id);
        Ok(())
    }

    /// Collects at one node and confirms at the other: what one handed out, the other knows.
    async fn read(self, number: usize) -> Result<()> {
        let ways = &self.towns[number];
        let party = ways[0].party.clone();
        let mut turn = 0;
        while !self.is_over() {
            turn += 1;
            let (here, there) = (&ways[turn % 2], &ways[(turn + 1) % 2]);
            let page = timeout(REQUEST, here.client.inbox_page(&party, None, 20, 1)).await;
            let Ok(Ok(page)) = page else {
                sleep(PAUSE).await;
                continue;
            };
            for entry in page.entries {
                let path = format!("/v1/inbox/{}", entry.id);
                let fetched = timeout(REQUEST, answer(here.request(reqwest::Method::GET, &path)));
                let Ok(Ok((200, _, payload))) = fetched.await else { break };
                let digest = Digest(openssl::sha::sha256(&payload));
                let confirmed =
                    timeout(REQUEST, there.client.acknowledge(&entry.id, &digest)).await;
                self.seen().handed.push(Handed {
                    hub_id: entry.id.to_string(),
                    payload: digest,
                    attachments: None,
                    flagged: entry.state_detail.as_deref() == Some("acknowledgement"),
                    acknowledged: matches!(confirmed, Ok(Ok(_))),
                });
            }
        }
        Ok(())
    }

    /// Every sender repeats under the same id what it does not know the outcome of, at one node, then
    /// at the other; both give the same receipt.
    pub(super) async fn repeat_unknown(&self) -> Result<usize> {
        let unknown = self.seen().unknown.clone();
        for (turn, (id, (town, wired))) in unknown.iter().enumerate() {
            let ways = &self.towns[*town];
            for node in [turn % 2, (turn + 1) % 2] {
                let begun = Instant::now();
                let accepted = loop {
                    if let Some(accepted) = post(&ways[node], wired).await? {
                        break accepted;
                    }
                    ensure!(begun.elapsed() < PATIENCE, "{id}: no answer to a repetition");
                    sleep(PAUSE).await;
                };
                self.note(id, accepted)?;
            }
        }
        Ok(unknown.len())
    }
}

/// A notice too large for a row: it lies in the folder that the nodes share.
fn long_notice(metadata: &Metadata) -> Vec<u8> {
    let mut notice = notice(metadata);
    notice.extend_from_slice(format!("\n<!-- {} -->\n", "x".repeat(LARGE)).as_bytes());
    notice
}

/// Hands a message over; none where nobody answers, or the answer is to try again later.
async fn post(town: &Town, wired: &Wired) -> Result<Option<(String, Vec<u8>)>> {
    match timeout(REQUEST, town.post(wired)).await {
        Ok(Ok(Answer::Accepted { hub_id, receipt, .. })) => Ok(Some((hub_id, receipt))),
        Ok(Ok(Answer::Refused(problem))) if problem.retry == Retry::Later => Ok(None),
        // Good messages only are sent here.
        Ok(Ok(Answer::Refused(problem))) => {
            let Problem { code, detail, .. } = *problem;
            bail!("a good message was refused: {code} {detail}")
        }
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}
