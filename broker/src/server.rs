//! Starts and stops a node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use amtsbote_domain::ports::{Clock, StoreError};
use amtsbote_store::{OpenError, SqliteStore, StoreOptions};
use amtsbote_trust::TrustError;
use amtsbote_trust::revocation::{self, Book, Folder, Refresher};
use amtsbote_trust::wrapping::{WrappingError, WrappingFolder};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::config::{Contradiction, NodeConfig};
use crate::doors::{Door, acceptors};
use crate::hints;
use crate::hub::{FIRST_WORD, Hub, Mail, Noise, Pulse, Validations};
use crate::keys::KeysAtRest;
use crate::notice;
use crate::outlet::{BadPeer, outlets};
use crate::quota::Quotas;
use crate::stop::{self, Stopper};
use crate::tables::{Current, InForce};
use crate::transport::listener::Listener;
use crate::transport::{mailboxes, native, operations};
use crate::worker;

/// The folder below the data where lists and answers about certificates are kept.
const REVOCATION: &str = "revocation";
/// Time that requests and attempts under way get to end when the node stops.
const GRACE: Duration = Duration::from_secs(20);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot work.
    #[error("the configuration contradicts itself: {0}")]
    Contradiction(#[from] Contradiction),
    /// The wrapping keys cannot be used.
    #[error(transparent)]
    Keys(#[from] WrappingError),
    /// What is kept of revoked certificates cannot be read.
    #[error(transparent)]
    Revocations(TrustError),
    /// The same, or revocation cannot be asked about as configured.
    #[error("revocation: {0}")]
    Revocation(#[from] revocation::Refused),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The start could not be recorded.
    #[error("the start could not be recorded: {0}")]
    Record(#[from] StoreError),
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// An address could not be bound.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// A peer's configuration does not work.
    #[error(transparent)]
    Peer(#[from] BadPeer),
    /// Hints between nodes cannot be set up as configured.
    #[error("hints: {0}")]
    Hints(String),
    /// The program failed while it opened the store.
    #[error("opening the store ended in a fault of the program")]
    Panicked,
}

/// A node at work. Dropping it stops it as well, but waits for nothing.
pub struct Running {
    hub: Arc<Hub>,
    store: Arc<SqliteStore>,
    native: SocketAddr,
    operations: SocketAddr,
    intermediary: Option<SocketAddr>,
    stop: Stopper,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a node: takes its addresses, opens the store, mends what the last run left open, begins
/// to answer.
pub async fn start(config: NodeConfig) -> Result<Running, StartError> {
    let contradiction = config.limits.contradiction().or(config.delivery.contradiction());
    if let Some(contradiction) = contradiction {
        return Err(contradiction.into());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let book = Arc::new(Book::new());
    let acceptors = acceptors(&config.tables, &book, &clock);
    let acceptors = acceptors.map_err(|error| StartError::Tls(error.to_string()))?;
    let doors = acceptors.map(|acceptor| Arc::new(Current::new(acceptor)));
    let outlets = outlets(&config.tables.peers)?;

    let (hints, carrier) = hints::carrier(config.hints, config.log_key.verifier().name(), &clock)
        .map_err(StartError::Hints)?;

    // Before the store: what fails for a port that is taken leaves no trace in the log.
    let noise = Arc::new(Noise::default());
    let bind = async |address, door: &Door| {
        let listener = Listener::bind(address, door.clone(), config.limits, noise.clone()).await;
        let bound = listener.and_then(|listener| Ok((listener.address()?, listener)));
        bound.map_err(|error| StartError::Bind { address, error })
    };
    let (native, native_listener) = bind(config.native_address, &doors[0]).await?;
    let (operations, operations_listener) = bind(config.operations_address, &doors[1]).await?;
    let intermediary = match config.intermediary_address {
        Some(address) => Some(bind(address, &doors[2]).await?),
        None => None,
    };

    let verifier = config.log_key.verifier().clone();
    let data_dir: PathBuf = config.data_dir.clone();
    let (key_store, log_key) = (config.key_store, config.log_key);
    let node = config.database.node().map(str::to_owned);
    let (options_clock, limits) = (clock.clone(), config.limits);
    let open = move || -> Result<_, StartError> {
        // Held until the store is closed: no command changes the keys of a node at work.
        let keys = match config.database.is_shared() {
            true => WrappingFolder::open_shared(&key_store)?,
            false => WrappingFolder::open(&key_store)?,
        };
        let keys = Arc::new(keys);
        let mut options = StoreOptions::new(config.data_dir, keys.clone(), log_key, options_clock);
        options.database = config.database;
        options.reserve_bytes = limits.reserve_bytes;
        options.alone_hours = limits.alone_hours;
        options.large_parts = config.large_parts;
        Ok((Arc::new(SqliteStore::open(options)?), keys))
    };
    let (store, keys) =
        tokio::task::spawn_blocking(open).await.map_err(|_| StartError::Panicked)??;
    store.started(env!("CARGO_PKG_VERSION")).await?;

    let settings = config.tables.revocation.clone();
    let tables = InForce::new(config.tables, outlets, book.clone());
    let watch = tables.standings.watched(&tables, clock.now());
    let watching = watch.pairs();
    let refresher = {
        let folder = data_dir.join(REVOCATION);
        let (book, clock) = (book.clone(), clock.clone());
        let begin = move || -> Result<Refresher, StartError> {
            let folder = Folder::open(&folder).map_err(StartError::Revocations)?;
            let refresher = Refresher::new(settings, book, Some(folder), clock)?;
            refresher.watch(watch.list())?;
            Ok(refresher)
        };
        tokio::task::spawn_blocking(begin).await.map_err(|_| StartError::Panicked)??
    };

    let (stop, stopped) = stop::channel();
    let refreshing = tokio::spawn({
        let (refresher, stopped) = (refresher.clone(), stopped.clone());
        async move { refresher.run(stopped.said()).await }
    });
    // A node that starts for the first time knows nothing; it is not to refuse everybody for that.
    refresher.settle(FIRST_WORD).await;
    let hub = Arc::new(Hub {
        name: config.name,
        node,
        data_dir,
        store: store.clone(),
        keys: KeysAtRest::new(keys, store.clone()),
        clock,
        ids: Box::new(uuid::Uuid::now_v7),
        mail: Mail::new(&tables.directory),
        tables: Current::new(tables),
        doors,
        book,
        refresher,
        under_grace: AtomicU64::new(0),
        reread: config.reread,
        watching: Arc::new(tokio::sync::Mutex::new(watching)),
        limits: config.limits,
        delivery: config.delivery,
        verifier,
        quotas: Quotas::default(),
        validations: Validations::default(),
        gates: Default::default(),
        work: Notify::new(),
        hints,
        pulse: Pulse::default(),
        noise,
        stop: stopped.clone(),
    });
    let routers = (native::router(hub.clone()), operations::router(hub.clone()));
    let mut tasks = vec![
        refreshing,
        tokio::spawn(hub.clone().keep_watch(stopped.clone())),
        tokio::spawn(worker::run(hub.clone(), stopped.clone(), GRACE)),
        tokio::spawn(notice::run(hub.clone(), stopped.clone(), GRACE)),
        tokio::spawn(native_listener.serve(routers.0, stopped.clone(), GRACE)),
        tokio::spawn(operations_listener.serve(routers.1, stopped.clone(), GRACE)),
    ];
    let (intermediary, listener) = intermediary.unzip();
    tasks.extend(listener.map(|listener: Listener| {
        tokio::spawn(listener.serve(mailboxes(hub.clone()), stopped.clone(), GRACE))
    }));
    tasks.extend(carrier.map(|carrier| carrier.start(&hub, stopped)));
    tracing::info!(%native, %operations, "node is ready");
    Ok(Running { hub, store, native, operations, intermediary, stop, tasks })
}

impl Running {
    /// Where partners and procedure systems connect.
    pub fn native_address(&self) -> SocketAddr {
        self.native
    }

    /// Where operators and monitoring connect.
    pub fn operations_address(&self) -> SocketAddr {
        self.operations
    }

    /// Where the hub is an Intermediary, if it is one.
    pub fn intermediary_address(&self) -> Option<SocketAddr> {
        self.intermediary
    }

    /// The hub, for what runs in the same process.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Accepts nothing more, lets what is under way end, closes the store: after it nothing of the
    /// node touches its files.
    pub async fn stop(self) {
        self.stop.stop();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the node ended in a fault of the program");
            }
        }
        // Whoever reads the tables again has the store; it ends soon when it hears of the stop.
        drop(self.hub.watching.clone().lock_owned().await);
        drop(self.hub);
        match Arc::into_inner(self.store) {
            // It waits for its writer.
            Some(store) => {
                if tokio::task::spawn_blocking(move || drop(store)).await.is_err() {
                    tracing::error!("closing the store ended in a fault of the program");
                }
            }
            None => tracing::error!("the store is still in use and was not closed"),
        }
        tracing::info!("node has stopped");
    }
}
