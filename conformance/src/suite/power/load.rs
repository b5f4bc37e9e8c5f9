//! A bounded load, and what the clients wrote down: what they were promised, and when they knew.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_broker::clock::SystemClock;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::message::Metadata;
use amtsbote_domain::ports::Clock;
use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use tokio::task::JoinSet;

use crate::suite::native::answer;
use crate::town::{Answer, Town};

/// Towns that send to each other, in a ring.
pub(super) const TOWNS: [&str; 3] = ["05766044", "05766020", "05758012"];
/// Messages of each town.
const MESSAGES: usize = 100;
/// Every so many a message is too large to be kept in a row.
const LARGE_EVERY: usize = 4;
/// Octets that are added to a large one; rows keep up to 64 KiB.
const LARGE: usize = 100 * 1024;

/// A message and what its sender was told.
pub(super) struct Message {
    pub(super) transport_id: String,
    /// SHA-256.
    pub(super) payload: Digest,
    pub(super) large: bool,
    /// Number of the town that sent it.
    pub(super) author: usize,
    /// Its party.
    pub(super) author_party: String,
    /// The octets, for a repeat.
    pub(super) wired: Wired,
    pub(super) promise: Promise,
}

/// A positive answer.
pub(super) struct Promise {
    pub(super) hub_id: String,
    pub(super) receipt: Vec<u8>,
    /// When the sender had it, in microseconds since 1970.
    pub(super) at: i64,
}

/// A message that a reader fetched.
pub(super) struct Taken {
    pub(super) hub_id: String,
    /// SHA-256 of what came.
    pub(super) payload: Digest,
    /// When the reader had it.
    pub(super) fetched: i64,
    /// When the reader knew that its acknowledgement counts.
    pub(super) acknowledged: Option<i64>,
}

/// Everything that clients know.
#[derive(Default)]
pub(super) struct Known {
    pub(super) messages: Vec<Message>,
    pub(super) taken: Vec<Taken>,
}

type Shared = Arc<Mutex<Known>>;

/// Sends and reads until everything is sent. Every message must be accepted.
pub(super) async fn run(folder: &Path, native: &str) -> Result<Known> {
    let towns = towns(folder, native)?;
    let (known, sent) = (Shared::default(), Arc::new(AtomicBool::new(false)));
    let (mut senders, mut readers) = (JoinSet::new(), JoinSet::new());
    for number in 0..towns.len() {
        senders.spawn(send(towns.clone(), number, known.clone()));
        readers.spawn(read(towns.clone(), number, known.clone(), sent.clone()));
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    sent.store(true, Ordering::Release);
    while let Some(ended) = readers.join_next().await {
        ended??;
    }
    drop(towns);
    let known = Arc::into_inner(known).context("somebody still writes down")?;
    Ok(known.into_inner().expect("no client panics while it writes down"))
}

/// The towns as clients of a node.
pub(super) fn towns(folder: &Path, native: &str) -> Result<Arc<Vec<Town>>> {
    let towns: Result<Vec<Town>> =
        TOWNS.iter().map(|ags| Town::load(folder, ags, native)).collect();
    Ok(Arc::new(towns?))
}

async fn send(towns: Arc<Vec<Town>>, author: usize, known: Shared) -> Result<()> {
    let reader = &towns[(author + 1) % towns.len()].party;
    for number in 0..MESSAGES {
        let large = number % LARGE_EVERY == 0;
        let metadata = towns[author].metadata(reader);
        let transport_id = metadata.transport_id.to_string();
        let content = |metadata: &Metadata| content(metadata, large);
        let wired = Draft { metadata, content: &content }.sign(&towns[author].signer)?;
        let answered = towns[author].post(&wired).await?;
        let at = now();
        let Answer::Accepted { hub_id, receipt, repeated: false } = answered else {
            bail!("{transport_id}: a good message was not accepted: {answered:?}")
        };
        let payload = digest(&wired.parts[0].2);
        let author_party = towns[author].party.to_string();
        let promise = Promise { hub_id, receipt, at };
        let message =
            Message { transport_id, payload, large, author, author_party, wired, promise };
        known.lock().expect("no client panics").messages.push(message);
    }
    Ok(())
}

/// Fetches everything and acknowledges about every other message.
async fn read(
    towns: Arc<Vec<Town>>,
    number: usize,
    known: Shared,
    sent: Arc<AtomicBool>,
) -> Result<()> {
    let town = &towns[number];
    let mut seen = BTreeSet::new();
    while !sent.load(Ordering::Acquire) {
        for hub_id in inbox(town).await? {
            if !seen.insert(hub_id.clone()) {
                continue;
            }
            let octets = fetch(town, &hub_id).await?;
            let (fetched, digest) = (now(), digest(&octets));
            let acknowledged = match digest.0[0] % 2 {
                0 => Some(acknowledge(town, &hub_id, digest).await?),
                _ => None,
            };
            let taken = Taken { hub_id, payload: digest, fetched, acknowledged };
            known.lock().expect("no client panics").taken.push(taken);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn inbox(town: &Town) -> Result<Vec<String>> {
    let path = format!("/v1/inbox?party={}&limit=1000", town.party);
    let (status, _, octets) = answer(town.request(Method::GET, &path)).await?;
    ensure!(status == 200, "the inbox answers {status}");
    let page: serde_json::Value = serde_json::from_slice(&octets)?;
    let entries = page["entries"].as_array().context("no entries")?.iter();
    entries.map(|entry| Ok(entry["id"].as_str().context("no id")?.to_owned())).collect()
}

/// The payload of a message in the inbox.
pub(super) async fn fetch(town: &Town, hub_id: &str) -> Result<Vec<u8>> {
    let path = format!("/v1/inbox/{hub_id}");
    let (status, _, octets) = answer(town.request(Method::GET, &path)).await?;
    ensure!(status == 200, "{hub_id}: fetching is answered with {status}");
    Ok(octets)
}

async fn acknowledge(town: &Town, hub_id: &str, digest: Digest) -> Result<i64> {
    let path = format!("/v1/inbox/{hub_id}/acknowledge");
    let body = serde_json::json!({ "sha256": digest }).to_string();
    let request = town.request(Method::POST, &path).header("content-type", "application/json");
    let (status, ..) = answer(request.body(body)).await?;
    ensure!(status == 200, "{hub_id}: acknowledging is answered with {status}");
    Ok(now())
}

/// A good notice; a large one carries a long comment.
fn content(metadata: &Metadata, large: bool) -> Vec<u8> {
    let mut notice = crate::content::notice(metadata);
    if large {
        notice.extend_from_slice(b"<!--");
        notice.resize(notice.len() + LARGE, b'x');
        notice.extend_from_slice(b"-->");
    }
    notice
}

/// SHA-256.
pub(super) fn digest(octets: &[u8]) -> Digest {
    Digest(openssl::sha::sha256(octets))
}

fn now() -> i64 {
    SystemClock.now().as_microsecond()
}
