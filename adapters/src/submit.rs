//! Handing a message over to the hub: digests, signed envelope, streamed body, verified receipt.
//!
//! Files are read twice, once for their digests and once to be sent, through the same open file;
//! memory does not grow with them. If a file changes in between, the hub finds that it is not what
//! was signed, and refuses.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::{Metadata, Part};
use amtsbote_domain::ports::ENVELOPE_CID;
use amtsbote_wire::native::digest::sha256;
use amtsbote_wire::native::envelope::write_signed;
use amtsbote_wire::native::multipart::{PartHeaders, TransferEncoding, Writer};
use amtsbote_wire::signature::Signer;
use bytes::Bytes;
use futures_util::{Stream, stream};
use openssl::sha::Sha256;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Method, Response};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::answer;
use crate::client::{MAX_DOCUMENT_BYTES, NativeClient, header};
use crate::error::{ClientError, causes, certificate_refused};
use crate::receipt::{self, Sent};

/// Octets of a file in memory at one time.
const CHUNK_BYTES: usize = 128 * 1024;

/// Where the octets of a part are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In memory.
    Octets(Bytes),
    /// In a regular file, however large.
    File(PathBuf),
}

/// A part to be sent.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its Content-ID, unique in the message.
    pub cid: String,
    /// Its media type.
    pub media_type: String,
    /// Its octets.
    pub source: Source,
}

/// A message to be sent.
pub struct Submission<'a> {
    /// What it says about itself. The transport id is chosen by the sender: a repetition under the
    /// same id is answered with the same receipt.
    pub metadata: &'a Metadata,
    /// What it is about.
    pub payload: Content,
    /// What goes with it.
    pub attachments: Vec<Content>,
    /// Signs for the Author.
    pub signer: &'a (dyn Signer + Sync),
}

/// The hub has the message.
#[derive(Clone, Debug)]
pub struct SubmitOutcome {
    /// The hub's id.
    pub hub_id: HubId,
    /// The verified receipt, as the hub gave it; to be kept.
    pub receipt: Vec<u8>,
    /// What the hub recorded.
    pub accepted: Accepted,
    /// It had the message before.
    pub repeated: bool,
    /// The HTTP status: 201, or 200 for a repetition.
    pub status: u16,
}

impl NativeClient {
    /// Submits a message and verifies that the receipt is about this very message.
    ///
    /// [`ClientError::OutcomeUnknown`] means: repeat under the same transport id.
    pub async fn submit(&self, submission: Submission<'_>) -> Result<SubmitOutcome, ClientError> {
        let Submission { metadata, payload, attachments, signer } = submission;
        let (mut parts, mut segments) = (Vec::new(), Vec::new());
        for content in std::iter::once(payload).chain(attachments) {
            let (part, segment) = measure(content).await?;
            parts.push(part);
            segments.push(segment);
        }
        let envelope = write_signed(metadata, &parts, signer)
            .map_err(|error| ClientError::Message(error.to_string()))?;
        let envelope_sha256 = sha256(&envelope);
        let framing = frame(envelope.len() as u64, &parts)?;
        segments.insert(0, Segment::Octets(envelope.into()));
        let response = self.send(&framing, segments).await?;
        let status = response.status().as_u16();
        let repeated = match status {
            201 => false,
            200 => true,
            _ => return Err(unless_refused(self.refusal(response).await)),
        };
        let hub_id = header(&response, LOCATION.as_str()).and_then(answer::location);
        let octets = self.body(response, MAX_DOCUMENT_BYTES).await.map_err(unless_refused)?;
        let checked = receipt::check(octets, &self.hub_key)?;
        let sent = Sent {
            metadata,
            parts: &parts,
            envelope_sha256: (!repeated).then_some(envelope_sha256),
            hub_id: hub_id.as_ref(),
        };
        let accepted = receipt::is_acceptance_of(&checked.evidence, &sent)?.clone();
        let hub_id = accepted.hub_id.clone();
        Ok(SubmitOutcome { hub_id, receipt: checked.octets, accepted, repeated, status })
    }

    /// Sends the body and waits for the head of the answer, as long as something moves.
    async fn send(
        &self,
        framing: &Writer,
        segments: Vec<Segment>,
    ) -> Result<Response, ClientError> {
        let progress = Arc::new(Progress::default());
        let body = Body::wrap_stream(octets(framing, segments, progress.clone()));
        let request = self
            .request(Method::POST, &["messages"])
            .header(CONTENT_TYPE, framing.content_type())
            .header(CONTENT_LENGTH, framing.content_length())
            .body(body)
            .send();
        let mut request = std::pin::pin!(request);
        loop {
            let before = progress.sent();
            match timeout(self.timeouts.idle, &mut request).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(lost(error, &progress)),
                Err(_) if progress.sent() != before => {}
                Err(_) => return Err(silence(&progress, self.timeouts.idle.as_secs())),
            }
        }
    }
}

/// An answer that is neither a receipt nor a refusal does not say whether the hub has the message.
fn unless_refused(error: ClientError) -> ClientError {
    match error {
        refused @ ClientError::Refused(_) => refused,
        other => ClientError::OutcomeUnknown(other.to_string()),
    }
}

fn lost(error: reqwest::Error, progress: &Progress) -> ClientError {
    if progress.source_failed.load(Ordering::Relaxed) {
        // The body was never complete, so the hub has not taken the message.
        return ClientError::Local(io::Error::other(causes(error)));
    }
    if progress.sent() == 0 || certificate_refused(&error) {
        return ClientError::Unreachable(causes(error));
    }
    ClientError::OutcomeUnknown(causes(error))
}

fn silence(progress: &Progress, seconds: u64) -> ClientError {
    let text = format!("no answer for {seconds} s");
    match progress.sent() {
        0 => ClientError::Unreachable(text),
        _ => ClientError::OutcomeUnknown(text),
    }
}

/// What has left so far: octets given to the connection count, whether or not they arrived.
#[derive(Default)]
struct Progress {
    octets: AtomicU64,
    source_failed: AtomicBool,
}

impl Progress {
    fn sent(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }
}

fn frame(envelope_size: u64, parts: &[Part]) -> Result<Writer, ClientError> {
    let headers = |cid: &str, media_type: &str| PartHeaders {
        content_id: cid.to_owned(),
        content_type: media_type.to_owned(),
        transfer_encoding: TransferEncoding::Binary,
    };
    let envelope = (headers(ENVELOPE_CID, "application/xml"), envelope_size);
    let others = parts.iter().map(|part| (headers(&part.cid, &part.media_type), part.size));
    let all: Vec<(PartHeaders, u64)> = std::iter::once(envelope).chain(others).collect();
    let boundary = format!("amtsbote-{}", uuid::Uuid::new_v4().simple());
    Writer::new(&boundary, &all).map_err(|error| ClientError::Message(error.to_string()))
}

/// A stretch of the body.
enum Segment {
    Octets(Bytes),
    /// So many octets from where the file stands.
    File {
        file: File,
        left: u64,
    },
}

async fn measure(content: Content) -> Result<(Part, Segment), ClientError> {
    let Content { cid, media_type, source } = content;
    let (size, sha256, segment) = match source {
        Source::Octets(octets) => (octets.len() as u64, sha256(&octets), Segment::Octets(octets)),
        Source::File(path) => {
            let measured = blocking(move || {
                let mut file = File::open(path)?;
                let (size, digest) = digest(&mut file)?;
                file.rewind()?;
                Ok((size, digest, file))
            });
            let (left, digest, file) = measured.await?;
            (left, digest, Segment::File { file, left })
        }
    };
    Ok((Part { cid, media_type, size, sha256 }, segment))
}

/// Size and digest of what a reader holds.
pub(crate) fn digest(reader: &mut impl Read) -> io::Result<(u64, Digest)> {
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok((size, Digest(hash.finish()))),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The body: heads and parts in turn, then the end.
fn octets(
    framing: &Writer,
    segments: Vec<Segment>,
    progress: Arc<Progress>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut all: Vec<Segment> = Vec::new();
    for (head, part) in framing.heads().iter().zip(segments) {
        all.push(Segment::Octets(Bytes::copy_from_slice(head)));
        all.push(part);
    }
    all.push(Segment::Octets(Bytes::copy_from_slice(framing.tail())));
    all.reverse();
    stream::try_unfold(all, move |mut rest| {
        let progress = progress.clone();
        async move {
            let next = next(&mut rest).await;
            match &next {
                Ok(Some(octets)) => {
                    progress.octets.fetch_add(octets.len() as u64, Ordering::Relaxed);
                }
                Ok(None) => {}
                Err(_) => progress.source_failed.store(true, Ordering::Relaxed),
            }
            next.map(|octets| octets.map(|octets| (octets, rest)))
        }
    })
}

/// The next octets of what is left; the segments stand in reverse.
async fn next(rest: &mut Vec<Segment>) -> io::Result<Option<Bytes>> {
    while let Some(segment) = rest.pop() {
        match segment {
            Segment::Octets(octets) if octets.is_empty() => {}
            Segment::Octets(octets) => return Ok(Some(octets)),
            Segment::File { left: 0, .. } => {}
            Segment::File { mut file, left } => {
                let (file, octets) = blocking(move || {
                    let mut octets = vec![0; left.min(CHUNK_BYTES as u64) as usize];
                    // A file that became shorter ends here, with an error.
                    file.read_exact(&mut octets)?;
                    Ok((file, octets))
                })
                .await?;
                rest.push(Segment::File { file, left: left - octets.len() as u64 });
                return Ok(Some(octets.into()));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "submit_tests.rs"]
mod tests;
