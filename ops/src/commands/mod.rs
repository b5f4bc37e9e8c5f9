//! The commands, one file each.

pub(crate) mod act;
pub(crate) mod approval;
pub(crate) mod archive;
pub(crate) mod bench;
pub(crate) mod cert;
pub(crate) mod clearing;
pub(crate) mod completion;
pub(crate) mod conformance;
pub(crate) mod demo;
pub(crate) mod directory;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod inbox;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod message;
#[cfg(feature = "postgres")]
pub(crate) mod migrate_store;
pub(crate) mod pack;
pub(crate) mod reload;
pub(crate) mod route;
pub(crate) mod schema;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod signature;
pub(crate) mod version;
pub(crate) mod why;

use std::future::Future;
use std::path::Path;

use crate::config::client::{self, ClientConfig};
use crate::operations::Operations;
use crate::outcome::{Context, Failure};

/// Runs a command that waits for others, on one thread.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_not_now("Laufzeitumgebung", "runtime")?
        .block_on(work)
}

/// The client configuration that flag, environment or home folder name.
fn client_config(config: Option<&Path>) -> Result<ClientConfig, Failure> {
    client::read(&crate::config::client_file(config)?)
}

/// The operations API that the client configuration names.
fn operations(config: Option<&Path>) -> Result<Operations, Failure> {
    Operations::new(&client_config(config)?)
}
