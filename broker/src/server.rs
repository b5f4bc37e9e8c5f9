//! Starts and stops a node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::ports::{Clock, StoreError};
use amtsbote_store::{OpenError, SqliteStore, StoreOptions};
use amtsbote_trust::tls::{self, ClientCertificate};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::config::{Contradiction, NodeConfig, PeerConfig};
use crate::hub::{Hub, Mail, Noise, Pulse, Validations};
use crate::outlet::Outlets;
use crate::quota::Quotas;
use crate::stop::{self, Stopper};
use crate::transport::listener::Listener;
use crate::transport::native::peer::NativePeer;
use crate::transport::{native, operations};
use crate::worker;

/// Time that requests and attempts under way get to end when the node stops.
const GRACE: Duration = Duration::from_secs(20);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot work.
    #[error("the configuration contradicts itself: {0}")]
    Contradiction(#[from] Contradiction),
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
    #[error("peer {name}: {error}")]
    Peer {
        /// Which.
        name: String,
        /// Why.
        error: String,
    },
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
    let acceptor = |required| {
        tls::acceptor(&config.identity, &config.client_authorities, required)
            .map_err(|error| StartError::Tls(error.to_string()))
    };
    let (partners, operators) =
        (acceptor(ClientCertificate::Required)?, acceptor(ClientCertificate::Optional)?);
    let outlets = outlets(&config.peers)?;

    // Before the store: what fails for a port that is taken leaves no trace in the log.
    let noise = Arc::new(Noise::default());
    let bind = async |address, acceptor| {
        let listener = Listener::bind(address, acceptor, config.limits, noise.clone()).await;
        let bound = listener.and_then(|listener| Ok((listener.address()?, listener)));
        bound.map_err(|error| StartError::Bind { address, error })
    };
    let (native, native_listener) = bind(config.native_address, partners).await?;
    let (operations, operations_listener) = bind(config.operations_address, operators).await?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let verifier = config.log_key.verifier().clone();
    let data_dir: PathBuf = config.data_dir.clone();
    let mut options = StoreOptions::new(
        config.data_dir,
        amtsbote_store::MasterKey::new(*config.master_key.octets()),
        config.log_key,
        clock.clone(),
    );
    options.reserve_bytes = config.limits.reserve_bytes;
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(options))
        .await
        .map_err(|_| StartError::Panicked)??;
    let store = Arc::new(store);
    store.started(env!("CARGO_PKG_VERSION")).await?;

    let (stop, stopped) = stop::channel();
    let hub = Arc::new(Hub {
        name: config.name,
        data_dir,
        store: store.clone(),
        clock,
        mail: Mail::new(&config.directory),
        directory: config.directory,
        permissions: config.permissions,
        packs: config.packs,
        operators: config.operators,
        limits: config.limits,
        delivery: config.delivery,
        verifier,
        quotas: Quotas::default(),
        validations: Validations::default(),
        work: Notify::new(),
        pulse: Pulse::default(),
        noise,
        stop: stopped.clone(),
    });
    let routers = (native::router(hub.clone()), operations::router(hub.clone()));
    let tasks = vec![
        tokio::spawn(worker::run(hub.clone(), Arc::new(outlets), stopped.clone(), GRACE)),
        tokio::spawn(native_listener.serve(routers.0, stopped.clone(), GRACE)),
        tokio::spawn(operations_listener.serve(routers.1, stopped, GRACE)),
    ];
    tracing::info!(%native, %operations, "node is ready");
    Ok(Running { hub, store, native, operations, stop, tasks })
}

fn outlets(peers: &[PeerConfig]) -> Result<Outlets, StartError> {
    let mut outlets = Outlets::new();
    for peer in peers {
        let outlet = NativePeer::new(peer).map_err(|error| StartError::Peer {
            name: peer.name.clone(),
            error: error.to_string(),
        })?;
        outlets.insert(peer.name.clone(), Arc::new(outlet));
    }
    Ok(outlets)
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
