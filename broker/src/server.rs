//! Starts and stops a node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::ports::{Clock, StoreError};
use amtsbote_store::{OpenError, SqliteStore, StoreOptions};
use amtsbote_trust::tls::{self, ClientCertificate};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::config::NodeConfig;
use crate::hub::Hub;
use crate::outlet::{Outlet, Outlets};
use crate::quota::Quotas;
use crate::transport::listener::Listener;
use crate::transport::native::peer::NativePeer;
use crate::transport::{native, operations};
use crate::worker;

/// Time that requests under way get to end when the node stops.
const GRACE: Duration = Duration::from_secs(20);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
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

/// A node at work. Dropping it without [`Running::stop`] ends its tasks with the runtime.
pub struct Running {
    hub: Arc<Hub>,
    native: SocketAddr,
    operations: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a node: opens the store, mends what the last run left open, begins to listen.
pub async fn start(config: NodeConfig) -> Result<Running, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let acceptor = |required| {
        tls::acceptor(&config.identity, &config.client_authorities, required)
            .map_err(|error| StartError::Tls(error.to_string()))
    };
    let partners = acceptor(ClientCertificate::Required)?;
    let operators = acceptor(ClientCertificate::Optional)?;
    let mut outlets = Outlets::new();
    for peer in &config.peers {
        let outlet = NativePeer::new(peer).map_err(|error| StartError::Peer {
            name: peer.name.clone(),
            error: error.to_string(),
        })?;
        outlets.insert(peer.name.clone(), Arc::new(outlet) as Arc<dyn Outlet>);
    }

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
    store.started(env!("CARGO_PKG_VERSION")).await?;

    let hub = Arc::new(Hub {
        name: config.name,
        data_dir,
        store: Arc::new(store),
        clock,
        directory: config.directory,
        permissions: config.permissions,
        packs: config.packs,
        operators: config.operators,
        limits: config.limits,
        delivery: config.delivery,
        verifier,
        quotas: Quotas::default(),
        work: Notify::new(),
        mail: Notify::new(),
    });

    let (stop, stopped) = watch::channel(false);
    let bind = async |address, acceptor| {
        let listener = Listener::bind(address, acceptor, config.limits).await;
        let bound = listener.and_then(|listener| Ok((listener.address()?, listener)));
        bound.map_err(|error| StartError::Bind { address, error })
    };
    let (native_address, native_listener) = bind(config.native_address, partners).await?;
    let (operations_address, operations_listener) =
        bind(config.operations_address, operators).await?;
    let tasks = vec![
        tokio::spawn(worker::run(hub.clone(), Arc::new(outlets), stopped.clone())),
        tokio::spawn(native_listener.serve(native::router(hub.clone()), stopped.clone(), GRACE)),
        tokio::spawn(operations_listener.serve(
            operations::router(hub.clone()),
            stopped.clone(),
            GRACE,
        )),
    ];
    tracing::info!(native = %native_address, operations = %operations_address, "node is ready");
    Ok(Running { hub, native: native_address, operations: operations_address, stop, tasks })
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

    /// Accepts nothing more, lets what is under way end, closes the store.
    pub async fn stop(self) {
        // Nobody listens only when every task has ended already.
        let _all_ended = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the node ended in a fault of the program");
            }
        }
        tracing::info!("node has stopped");
    }
}
