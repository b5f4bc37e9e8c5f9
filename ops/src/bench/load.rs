//! Clients that hand over prepared messages, and the floors beside them.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use amtsbote_adapters::NativeClient;
use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_domain::identity::{MessageUuid, ServiceUri, TransportId};
use amtsbote_domain::message::Metadata;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::demo::content::{Story, Version};
use crate::demo::systems::System;
use crate::node::region::{Region, SERVICE, Town};
use crate::outcome::{Context, Failure};
use crate::time;

/// How long requests took, in milliseconds, and all of them together, in seconds.
pub(crate) struct Timed {
    pub(crate) each_ms: Vec<f64>,
    pub(crate) seconds: f64,
}

impl Timed {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.each_ms.len() as f64 / self.seconds
    }
}

/// Signed notices from one town to another, each with a payload of `octets`.
pub(crate) fn prepare(
    system: &System,
    region: &Region,
    count: usize,
    octets: usize,
) -> Result<Vec<Wired>, Failure> {
    let towns = [&region.towns[0], &region.towns[1]];
    (0..count).map(|number| Ok(message(system, towns, number, octets)?.1)).collect()
}

/// One signed notice from a town, whose system it is, to another, with a payload of at least so many
/// octets.
pub(crate) fn message(
    system: &System,
    [author, reader]: [&Town; 2],
    number: usize,
    octets: usize,
) -> Result<(Metadata, Wired), Failure> {
    let uuid = Uuid::new_v4().to_string();
    let metadata = Metadata {
        author: system.party.clone(),
        reader: amtsbote_domain::party::PartyId::parse(&reader.party())
            .or_not_now("Beispielregion", "example region")?,
        other_readers: vec![],
        service: ServiceUri::parse(SERVICE).or_not_now("Dienst", "service")?,
        message_type: None,
        transport_id: TransportId::parse(&uuid).or_not_now("Kennung", "id")?,
        business_id: Some(MessageUuid::parse(&uuid).or_not_now("Kennung", "id")?),
        created: time::now(),
        not_before: None,
        expires: None,
        test: false,
    };
    let story = Story {
        number,
        version: Version::V1_1,
        author: author.clone(),
        reader: reader.clone(),
        uuid,
        answer: false,
        attachment: None,
    };
    let content = |metadata: &Metadata| pad(story.xml(metadata), octets);
    let draft = Draft { metadata: metadata.clone(), content: &content };
    let wired = draft.sign(system.signer.as_ref()).or_not_now("Signatur", "signature")?;
    Ok((metadata, wired))
}

/// Brings a document to a length with a comment behind its root element.
fn pad(mut xml: Vec<u8>, octets: usize) -> Vec<u8> {
    const FRAME: usize = "<!---->\n".len();
    let missing = octets.saturating_sub(xml.len() + FRAME);
    if missing == 0 {
        return xml;
    }
    xml.extend_from_slice(b"<!--");
    xml.resize(xml.len() + missing, b'.');
    xml.extend_from_slice(b"-->\n");
    xml
}

/// Hands all messages over with `clients` at the same time, each on a connection of its own.
pub(crate) async fn submit(
    client: &NativeClient,
    messages: Vec<Wired>,
    clients: usize,
) -> Result<Timed, Failure> {
    let messages = Arc::new(messages);
    let all = messages.len();
    let work = move |client: NativeClient, n: usize| {
        let messages = messages.clone();
        async move { client.submit_wired(&messages[n]).await.map(|_| ()) }
    };
    at_once(client, all, clients, work).await
}

/// Hands the messages over at this many a second, over at most so many connections. Each counts from
/// the moment it was due: what has to wait for one that hangs is not left out of the figures.
pub(crate) async fn paced(
    client: &NativeClient,
    messages: Vec<Wired>,
    per_second: f64,
    connections: usize,
) -> Result<Timed, Failure> {
    let (messages, begun) = (Arc::new(messages), tokio::time::Instant::now());
    let next = Arc::new(AtomicUsize::new(0));
    let mut set = JoinSet::new();
    for _ in 0..connections {
        let (client, messages, next) = (client.clone(), messages.clone(), next.clone());
        set.spawn(async move {
            let mut each_ms = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(message) = messages.get(n) else { return Ok(each_ms) };
                let due = begun + Duration::from_secs_f64(n as f64 / per_second);
                tokio::time::sleep_until(due).await;
                client.submit_wired(message).await?;
                each_ms.push(due.elapsed().as_secs_f64() * 1_000.0);
            }
        });
    }
    let each_ms = all_of(set).await?;
    Ok(Timed { each_ms, seconds: begun.elapsed().as_secs_f64() })
}

/// What all of them took.
async fn all_of(
    mut set: JoinSet<Result<Vec<f64>, amtsbote_adapters::ClientError>>,
) -> Result<Vec<f64>, Failure> {
    let mut each_ms = Vec::new();
    while let Some(ended) = set.join_next().await {
        let ended = ended.or_not_now("Last", "load")?;
        each_ms.extend(ended.map_err(|error| crate::commands::send::failure(&error))?);
    }
    Ok(each_ms)
}

/// The floor of the transport: the same hub answers a request that does nothing.
pub(crate) async fn bare_requests(
    client: &NativeClient,
    count: usize,
    clients: usize,
) -> Result<Timed, Failure> {
    let work = |client: NativeClient, _| async move { client.limits().await.map(|_| ()) };
    at_once(client, count, clients, work).await
}

async fn at_once<F>(
    client: &NativeClient,
    count: usize,
    clients: usize,
    work: impl Fn(NativeClient, usize) -> F + Clone + Send + 'static,
) -> Result<Timed, Failure>
where
    F: Future<Output = Result<(), amtsbote_adapters::ClientError>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut set = JoinSet::new();
    for _ in 0..clients {
        let (client, next, work) = (client.clone(), next.clone(), work.clone());
        set.spawn(async move {
            let mut each_ms = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return Ok(each_ms);
                }
                let sent = Instant::now();
                work(client.clone(), n).await?;
                each_ms.push(sent.elapsed().as_secs_f64() * 1_000.0);
            }
        });
    }
    let each_ms = all_of(set).await?;
    Ok(Timed { each_ms, seconds: begun.elapsed().as_secs_f64() })
}

/// The floor of durability: appending so many octets to a file and syncing it, one after the other.
pub(crate) fn synced_appends(folder: &Path, count: usize, octets: usize) -> Result<Timed, Failure> {
    let path = folder.join("floor");
    let mut file = std::fs::File::create(&path).or_not_now_at(&path)?;
    let block = vec![b'.'; octets];
    let mut each_ms = Vec::with_capacity(count);
    let begun = Instant::now();
    for _ in 0..count {
        let one = Instant::now();
        file.write_all(&block).and_then(|()| file.sync_data()).or_not_now_at(&path)?;
        each_ms.push(one.elapsed().as_secs_f64() * 1_000.0);
    }
    let seconds = begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path).or_not_now_at(&path)?;
    Ok(Timed { each_ms, seconds })
}
