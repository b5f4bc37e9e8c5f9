//! The way out to another hub: the same envelope, the same octets, the same transport id, under
//! this hub's own client certificate.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::Retry;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Part;
use amtsbote_domain::ports::{ENVELOPE_CID, Pending, Store, StoreError};
use amtsbote_wire::native::hop;
use amtsbote_wire::native::multipart::{PartHeaders, TransferEncoding, Writer};
use amtsbote_wire::native::problem::{self, Problem};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::{Body, Certificate, Client, Identity, StatusCode};

use crate::config::PeerConfig;
use crate::outlet::{Outcome, Outlet, Parcel};
use crate::transport::octets;

/// Time for connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(15);
/// Longest silence of the peer.
const SILENCE: Duration = Duration::from_secs(60);
/// How long an unused connection is kept for the next message: shorter than any hub keeps it, which
/// by default is 10 s. A message that leaves at the moment in which the peer ends the connection would be
/// lost on the way, and the attempt uncertain.
const KEPT: Duration = Duration::from_secs(4);

/// Another hub that speaks the native transport.
pub(crate) struct NativePeer {
    client: Client,
    url: String,
}

impl NativePeer {
    /// A client that trusts this peer's authorities and no other: old and new ones side by side.
    pub(crate) fn new(config: &PeerConfig) -> Result<Self, reqwest::Error> {
        let (certificate, key) = &config.identity_pem;
        let client = Client::builder()
            .tls_certs_only(Certificate::from_pem_bundle(&config.authority_pem)?)
            .identity(Identity::from_pkcs8_pem(certificate, key)?)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .pool_idle_timeout(KEPT)
            .build()?;
        Ok(Self { client, url: format!("{}/v1/messages", config.url.trim_end_matches('/')) })
    }

    async fn send(&self, parcel: &Parcel) -> Result<Outcome, Failure> {
        let framed = frame(parcel).await?;
        let mut request = self
            .client
            .post(&self.url)
            .header("content-type", framed.content_type)
            .header("content-length", framed.length)
            .header(hop::SENDER, hop::sender(&parcel.record).to_string());
        // The envelope names all Readers; this delivery is for one.
        let metadata = &parcel.record.metadata;
        if !metadata.other_readers.is_empty() {
            request = request.header(hop::READER, metadata.reader.as_str().as_bytes());
        }
        let answer = request.body(framed.body).send().await;
        if framed.corrupt.load(Ordering::Acquire) {
            return Err(Failure::Corrupt);
        }
        judge(answer?).await
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
                    Failure::Corrupt => {
                        tracing::error!(%hub_id, "octets at rest were changed; delivery stops");
                        Outcome::Corrupt
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
    /// The octets at rest were changed; the peer cannot have taken them for whole.
    Corrupt,
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
        (_, Some(Retry::Later)) => Outcome::NotNow(problem.and_then(|problem| problem.retry_after)),
        (_, Some(Retry::Never | Retry::AfterFix)) => {
            Outcome::Refused(problem.and_then(|problem| problem.code()))
        }
        // Whoever answers without a document is no hub but a gateway in between: what it refused
        // it did not pass on; of everything else nobody knows.
        (StatusCode::TOO_MANY_REQUESTS, None) => Outcome::NotNow(None),
        (StatusCode::REQUEST_TIMEOUT, None) => Outcome::Lost,
        (status, None) if status.is_client_error() => Outcome::Refused(None),
        (_, None) => Outcome::Lost,
    })
}

async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if octets.len() + chunk.len() > problem::MAX_BYTES {
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
    corrupt: Arc<AtomicBool>,
}

/// The parts as they came in, streamed from the store. A part that was changed at rest breaks the
/// body off before its last octets (P4).
async fn frame(parcel: &Parcel) -> Result<Framed, Failure> {
    let record = &parcel.record;
    let envelope = octets::whole(parcel.store.as_ref(), &record.hub_id, ENVELOPE_CID).await;
    let envelope = envelope.map_err(|error| match error {
        StoreError::Corrupt(_) => Failure::Corrupt,
        other => Failure::NothingLeft(format!("envelope: {other}")),
    })?;
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

    let mut heads = writer.heads().iter().map(|head| Piece::Octets(head.clone().into()));
    let mut pieces: Vec<Piece> = heads.next().into_iter().collect();
    pieces.push(Piece::Octets(envelope.into()));
    for (head, part) in heads.zip(&record.parts) {
        pieces.extend([head, Piece::Part(part.clone())]);
    }
    pieces.push(Piece::Octets(writer.tail().to_vec().into()));
    let corrupt = Arc::new(AtomicBool::new(false));
    let (flag, store, hub_id) = (corrupt.clone(), parcel.store.clone(), record.hub_id.clone());
    let body = stream::iter(pieces)
        .then(move |piece| open(store.clone(), hub_id.clone(), piece))
        .try_flatten()
        .inspect_err(move |error| {
            if error.kind() == ErrorKind::InvalidData {
                flag.store(true, Ordering::Release);
            }
        });
    Ok(Framed {
        content_type: writer.content_type().to_owned(),
        length: writer.content_length(),
        body: Body::wrap_stream(body),
        corrupt,
    })
}

/// A piece of the body.
enum Piece {
    /// Ready octets.
    Octets(Bytes),
    /// A part, to be read from the store.
    Part(Part),
}

type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

async fn open(store: Arc<dyn Store>, hub_id: HubId, piece: Piece) -> io::Result<Pieces> {
    match piece {
        Piece::Octets(octets) => Ok(Box::pin(stream::iter([Ok(octets)]))),
        Piece::Part(part) => match store.open_part(&hub_id, &part.cid).await {
            Ok(reader) => Ok(Box::pin(octets::stream(reader, 0, part.size, part.size).await?)),
            Err(error @ StoreError::Corrupt(_)) => {
                Err(io::Error::new(ErrorKind::InvalidData, error))
            }
            Err(error) => Err(io::Error::other(error)),
        },
    }
}
