//! The way out to another hub: the same envelope, the same octets, the same transport id, under
//! this hub's own client certificate.

use std::io::Read;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Retry};
use amtsbote_domain::ports::{ENVELOPE_CID, Pending};
use amtsbote_wire::native::multipart::{PartHeaders, TransferEncoding, Writer};
use amtsbote_wire::native::problem::{self, Problem};
use bytes::Bytes;
use reqwest::{Body, Certificate, Client, Identity, StatusCode};

use crate::config::PeerConfig;
use crate::outlet::{Outcome, Outlet, Parcel};

/// Time for connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(15);
/// Longest silence of the peer.
const SILENCE: Duration = Duration::from_secs(60);
/// Octets of an answer.
const ANSWER_BYTES: usize = 1 << 20;
/// Octets read from the store at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Another hub that speaks the native transport.
pub(crate) struct NativePeer {
    client: Client,
    url: String,
}

impl NativePeer {
    /// A client that trusts this peer's authority and no other.
    pub(crate) fn new(config: &PeerConfig) -> Result<Self, reqwest::Error> {
        let (certificate, key) = &config.identity_pem;
        let client = Client::builder()
            .tls_certs_only([Certificate::from_pem(&config.authority_pem)?])
            .identity(Identity::from_pkcs8_pem(certificate, key)?)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()?;
        Ok(Self { client, url: format!("{}/v1/messages", config.url.trim_end_matches('/')) })
    }

    async fn send(&self, parcel: &Parcel) -> Result<Outcome, Failure> {
        let framed = frame(parcel).await?;
        let corrupt = framed.corrupt.clone();
        let answer = self
            .client
            .post(&self.url)
            .header("content-type", framed.content_type)
            .header("content-length", framed.length)
            .body(framed.body)
            .send()
            .await;
        if corrupt.load(std::sync::atomic::Ordering::Acquire) {
            return Ok(Outcome::Corrupt);
        }
        let answer = answer.map_err(Failure::from)?;
        judge(answer).await
    }
}

impl Outlet for NativePeer {
    fn deliver<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Outcome> {
        Box::pin(async move {
            self.send(parcel).await.unwrap_or_else(|failure| {
                let hub_id = &parcel.record.hub_id;
                let repeated = parcel.repeated;
                match failure {
                    Failure::NothingLeft(reason) => {
                        tracing::warn!(%hub_id, repeated, reason, "peer not reached");
                        Outcome::NotNow(None)
                    }
                    Failure::NoAnswer(reason) => {
                        tracing::warn!(%hub_id, repeated, reason, "no answer from the peer");
                        Outcome::Lost
                    }
                }
            })
        })
    }

    /// The same id and content get the same receipt (P3): every hub of this kind promises it.
    fn is_idempotent(&self) -> bool {
        true
    }
}

/// Why there is no answer.
enum Failure {
    /// No octet of the message can have reached the peer.
    NothingLeft(String),
    /// The peer may have it.
    NoAnswer(String),
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        // The connection was not made: everything else may have carried octets.
        if error.is_connect() || error.is_builder() {
            Self::NothingLeft(error.without_url().to_string())
        } else {
            Self::NoAnswer(error.without_url().to_string())
        }
    }
}

/// What the answer means. A hub that says "later" has kept nothing.
async fn judge(answer: reqwest::Response) -> Result<Outcome, Failure> {
    let status = answer.status();
    let octets = bounded(answer).await?;
    if status == StatusCode::CREATED || status == StatusCode::OK {
        return Ok(Outcome::Confirmed(Digest(openssl::sha::sha256(&octets))));
    }
    let problem = Problem::parse(&octets).ok();
    let retry = problem.as_ref().map(|problem| problem.retry);
    Ok(match (status, retry) {
        // An error inside the peer says nothing about acceptance.
        (StatusCode::INTERNAL_SERVER_ERROR, _) => Outcome::Lost,
        (_, Some(Retry::Later)) => {
            Outcome::NotNow(problem.and_then(|problem| problem.retry_after))
        }
        (_, Some(Retry::Never | Retry::AfterFix)) => Outcome::Refused(problem.and_then(code)),
        (status, None) if status.is_client_error() => Outcome::Refused(None),
        // Whoever answered was no hub: a gateway in between, perhaps after it passed things on.
        (_, None) => Outcome::Lost,
    })
}

fn code(problem: Problem) -> Option<Code> {
    problem.code()
}

async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if octets.len() + chunk.len() > ANSWER_BYTES.min(problem::MAX_BYTES) {
            return Err(Failure::NoAnswer("the answer is too long".to_owned()));
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

struct Framed {
    content_type: String,
    length: u64,
    body: Body,
    /// Set when the octets at rest were found changed while they were sent.
    corrupt: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

/// The parts as they came in, streamed from the store. The reader compares size and digest with
/// those taken at the door before it gives the last octets out (P4).
async fn frame(parcel: &Parcel) -> Result<Framed, Failure> {
    let record = &parcel.record;
    let envelope = read_envelope(parcel).await?;
    let head = |cid: &str, media_type: &str| PartHeaders {
        content_id: cid.to_owned(),
        content_type: media_type.to_owned(),
        transfer_encoding: TransferEncoding::Binary,
    };
    let mut parts = vec![(head(ENVELOPE_CID, "application/xml"), envelope.len() as u64)];
    parts.extend(record.parts.iter().map(|part| (head(&part.cid, &part.media_type), part.size)));
    let boundary = format!("amtsbote-{}", uuid::Uuid::new_v4().simple());
    let writer = Writer::new(&boundary, &parts)
        .map_err(|error| Failure::NothingLeft(format!("cannot be framed: {error}")))?;

    let corrupt = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
    let (store, hub_id) = (parcel.store.clone(), record.hub_id.clone());
    let cids: Vec<String> = record.parts.iter().map(|part| part.cid.clone()).collect();
    let (framing, flag) = (writer.clone(), corrupt.clone());
    tokio::spawn(async move {
        let sent = async {
            send(&sender, framing.heads()[0].clone()).await?;
            send(&sender, envelope).await?;
            for (cid, head) in cids.iter().zip(&framing.heads()[1..]) {
                send(&sender, head.clone()).await?;
                let reader = store
                    .open_part(&hub_id, cid)
                    .await
                    .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
                let sender = sender.clone();
                tokio::task::spawn_blocking(move || pump(reader, &sender))
                    .await
                    .map_err(std::io::Error::other)??;
            }
            send(&sender, framing.tail().to_vec()).await
        };
        if let Err(error) = sent.await {
            if error.kind() == std::io::ErrorKind::InvalidData {
                tracing::error!(%hub_id, %error, "octets at rest were changed; delivery stops");
                flag.store(true, std::sync::atomic::Ordering::Release);
            }
            // The body fails, so the peer cannot take what it got for whole. Nobody may listen.
            let _gone = sender.send(Err(error)).await;
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    Ok(Framed {
        content_type: writer.content_type().to_owned(),
        length: writer.content_length(),
        body: Body::wrap_stream(stream),
        corrupt,
    })
}

async fn read_envelope(parcel: &Parcel) -> Result<Vec<u8>, Failure> {
    let trouble = |error: String| Failure::NothingLeft(format!("envelope: {error}"));
    let reader = parcel
        .store
        .open_part(&parcel.record.hub_id, ENVELOPE_CID)
        .await
        .map_err(|error| trouble(error.to_string()))?;
    let read = tokio::task::spawn_blocking(move || {
        let mut octets = Vec::new();
        reader.take(ANSWER_BYTES as u64).read_to_end(&mut octets).map(|_| octets)
    });
    read.await
        .map_err(|error| trouble(error.to_string()))?
        .map_err(|error| trouble(error.to_string()))
}

async fn send(
    sender: &tokio::sync::mpsc::Sender<std::io::Result<Bytes>>,
    octets: Vec<u8>,
) -> std::io::Result<()> {
    let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    sender.send(Ok(octets.into())).await.map_err(gone)
}

/// Moves a part into the body, one chunk late: the last one leaves only when the reader has said
/// that all of it is as it was at the door.
fn pump(
    mut reader: Box<dyn Read + Send>,
    sender: &tokio::sync::mpsc::Sender<std::io::Result<Bytes>>,
) -> std::io::Result<()> {
    let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let mut held: Option<Vec<u8>> = None;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = reader.read(&mut chunk)?;
        chunk.truncate(read);
        if let Some(ready) = held.take() {
            sender.blocking_send(Ok(ready.into())).map_err(gone)?;
        }
        if read == 0 {
            return Ok(());
        }
        held = Some(chunk);
    }
}
