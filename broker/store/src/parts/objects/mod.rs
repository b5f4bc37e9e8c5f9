//! An S3-compatible object store as the place: written once under random names, checked, then
//! referred to.
//!
//! What lies there is sealed, under names that say nothing; the service sees sizes and times. A small
//! part is one request; a large one is an upload in pieces, whose number is recorded before its first
//! piece leaves, so that a crash leaves no upload that nobody knows of. Either way the object is
//! looked at before anybody may refer to it (`draft.rs`).
//!
//! Callers may block, but they may not turn a runtime where one runs; so requests run on a small one of
//! their own, and callers wait for a channel.

mod crypto;
mod draft;
mod http;
mod mark;
mod options;
mod reader;

use std::future::Future;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, HeaderMap, HeaderValue, ObjectStoreExt, RetryConfig,
};
use tokio::runtime::Runtime;

use super::{AWAY, Begun, Draft, Left, OBJECT, Place};
use crate::options::OpenError;
use crypto::OpenSsl;
use draft::ObjectDraft;
use http::{Connector, Trouble};
use reader::ObjectReader;

pub(crate) use mark::are_used;
pub use options::ObjectOptions;
use options::refuse;

/// Octets of one piece of an upload: the least that services take for a piece that is not the last.
/// So many are in memory for each part that is being written.
pub(crate) const PIECE: usize = 5 << 20;
/// Octets asked for at a time: so many are in memory for each part that is being read.
pub(crate) const RANGE: usize = 4 << 20;
/// So many removals run at the same time.
const REMOVALS: usize = 16;

/// The bucket of a store.
pub(crate) struct Objects {
    client: Arc<Client>,
    quiet: Duration,
}

/// What all that is read and written shares.
struct Client {
    s3: AmazonS3,
    prefix: String,
    /// None once nobody needs it any more.
    runtime: RwLock<Option<Runtime>>,
}

impl Objects {
    /// A client of the bucket; nothing is asked yet.
    pub(crate) fn new(options: &ObjectOptions) -> Result<Self, OpenError> {
        // With the bucket in the host's name, that is what the address has to say.
        let address = match options.path_style {
            true => options.url.clone(),
            false => options.url.replacen("://", &format!("://{}.", options.bucket), 1),
        };
        let mut asked = HeaderMap::new();
        asked.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        let s3 = AmazonS3Builder::new()
            .with_endpoint(address)
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_virtual_hosted_style_request(!options.path_style)
            .with_access_key_id(&options.key_id)
            .with_secret_access_key(&options.secret)
            // Every piece says its own SHA-256, to be checked where it arrives.
            .with_checksum_algorithm(Checksum::SHA256)
            .with_disable_bulk_delete(true)
            .with_client_options(
                ClientOptions::new()
                    .with_allow_http(options.url.starts_with("http://"))
                    .with_default_headers(asked),
            )
            // All patience is in `http.rs`.
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 0,
                retry_timeout: Duration::ZERO,
            })
            .with_crypto_provider(Arc::new(OpenSsl))
            .with_http_connector(Connector::new(options)?)
            .build()
            .map_err(|_| refuse("the client could not be made"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("store-objects")
            .enable_all()
            .build()?;
        let (prefix, runtime) = (options.prefix.clone(), RwLock::new(Some(runtime)));
        let client = Arc::new(Client { s3, prefix, runtime });
        Ok(Self { client, quiet: options.patience.quiet })
    }
}

impl Client {
    /// Runs requests, and waits for them.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let (sender, receiver) = sync_channel(1);
        self.spawn(async move {
            // Whoever waited is there: it waits below.
            let _ = sender.send(work.await);
        });
        receiver.recv().map_err(|_| io::Error::other("the object store was let go"))?
    }

    /// Runs requests.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let runtime = self.runtime.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            runtime.spawn(work);
        }
    }

    /// The key of the object with this name.
    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}parts/{}", self.prefix, name.strip_prefix(OBJECT).unwrap_or(name)))
    }

    /// Ends an upload and removes the object; what is not there is no mistake.
    async fn remove(&self, left: &Left) -> object_store::Result<()> {
        let path = self.path(&left.name);
        if let Some(upload) = &left.upload {
            match self.s3.abort_multipart(&path, upload).await {
                // To some services an upload that has ended is somebody else's. Whether the key may
                // end uploads was tried when the store opened.
                Err(object_store::Error::PermissionDenied { .. }) => {}
                ended => gone(ended)?,
            }
        }
        gone(self.s3.delete(&path).await)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut runtime = self.runtime.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.take() {
            // It may be dropped where nobody may wait. What is not removed yet stays reserved.
            runtime.shutdown_background();
        }
    }
}

impl Place for Objects {
    fn begin(&self, name: &str, begun: Begun) -> io::Result<Box<dyn Draft>> {
        let path = self.client.path(name);
        Ok(Box::new(ObjectDraft::new(Arc::clone(&self.client), path, begun)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let path = self.client.path(name);
        Ok(Box::new(ObjectReader::open(Arc::clone(&self.client), path)?))
    }

    /// Never at once: whoever drops a part must not wait for a network. Nor is the name used again.
    fn discard(&self, _: &Left) -> bool {
        false
    }

    fn remove(&self, left: &[Left]) -> Vec<io::Result<()>> {
        let (client, waiting) = (Arc::clone(&self.client), left.to_vec());
        // When the service is away, it is not asked for each of them how long it will be.
        let away = Arc::new(AtomicBool::new(false));
        let removed = self.client.wait(async move {
            let removed = stream::iter(waiting).map(|left| {
                let (client, away) = (Arc::clone(&client), Arc::clone(&away));
                async move {
                    if away.load(Ordering::Relaxed) {
                        return Err(io::Error::new(AWAY, "the object store does not answer"));
                    }
                    let removed = client.remove(&left).await;
                    removed.map_err(|error| match trouble(&error) {
                        Some(trouble @ (Trouble::Away(_) | Trouble::Busy(..))) => {
                            away.store(true, Ordering::Relaxed);
                            io::Error::new(AWAY, trouble)
                        }
                        _ => failed(error),
                    })
                }
            });
            Ok(removed.buffered(REMOVALS).collect::<Vec<_>>().await)
        });
        removed.unwrap_or_else(|error| {
            let again = |_| Err(io::Error::other(error.to_string()));
            left.iter().map(again).collect()
        })
    }

    /// A request that was given up may still arrive.
    fn quiet(&self) -> Duration {
        self.quiet
    }
}

/// Nothing there is as good as removed.
fn gone(removed: object_store::Result<()>) -> object_store::Result<()> {
    match removed {
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// What a failed request means. Texts of the library would name hosts and keys.
fn failed(error: object_store::Error) -> io::Error {
    use object_store::Error;
    let kind = match &error {
        Error::NotFound { .. } => {
            return io::Error::new(io::ErrorKind::NotFound, "the bucket or the object is missing");
        }
        Error::Precondition { .. } => {
            return io::Error::new(io::ErrorKind::InvalidData, "the object was changed");
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            let text = "the object store refuses the key: its rights, its secret, or this clock";
            return io::Error::new(io::ErrorKind::PermissionDenied, text);
        }
        _ => trouble(&error),
    };
    match kind {
        Some(Trouble::Full) => io::Error::new(io::ErrorKind::StorageFull, Trouble::Full),
        Some(trouble) => io::Error::other(trouble),
        None => io::Error::other("the object store gave an answer that is none"),
    }
}

/// What went wrong below, if that is known.
fn trouble(error: &object_store::Error) -> Option<Trouble> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(now) = cause {
        if let Some(trouble) = now.downcast_ref::<Trouble>() {
            return Some(*trouble);
        }
        cause = now.source();
    }
    None
}
