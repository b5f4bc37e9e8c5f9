//! What can be asked of a store that no node has open: its files, or its server.

use std::path::Path;

use amtsbote_domain::wrapping::KeyId;

use crate::options::Database;
use crate::server::ServerFacts;
use crate::verify::{self, VerifyError};

/// `dir` is the folder of the node, as in [`StoreOptions`](crate::StoreOptions). On a server all of
/// it waits for a network: not to be called where tasks run.
impl Database {
    /// Whether several nodes may share it.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::File => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// The name of this node among those that share the store.
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::File => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(server) => Some(server.node()),
        }
    }

    /// Whether there is a store, of whatever schema. What a server says is known when it is asked.
    pub fn has_store(&self, dir: &Path) -> bool {
        self.is_shared() || verify::has_store(dir)
    }

    /// The wrapping keys that the store names; none where there is no store yet.
    pub fn named_keys(&self, dir: &Path) -> Result<Vec<KeyId>, VerifyError> {
        match self {
            Self::File => verify::named_keys(dir),
            #[cfg(feature = "postgres")]
            Self::Postgres(server) => verify::named_keys_of_server(server),
        }
    }

    /// What the server says of itself, if there is one. It must hold a store.
    pub fn server_facts(&self) -> Result<Option<ServerFacts>, VerifyError> {
        match self {
            Self::File => Ok(None),
            #[cfg(feature = "postgres")]
            Self::Postgres(server) => verify::facts_of_server(server).map(Some),
        }
    }
}
