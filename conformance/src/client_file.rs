//! The client configurations that `init --dev` wrote, read as a stranger would read them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Longest time for one request.
const REQUEST: Duration = Duration::from_secs(60);

/// One client's file.
#[derive(Deserialize)]
pub(crate) struct ClientFile {
    ca: String,
    certificate: String,
    key: String,
    /// What the Author signs with, certificate and key; operators have none.
    pub(crate) signing_certificate: Option<String>,
    /// The key that goes with it.
    pub(crate) signing_key: Option<String>,
    /// For whom.
    pub(crate) party: Option<amtsbote_domain::party::PartyId>,
    /// The hub's key.
    pub(crate) verifier: String,
    #[serde(skip)]
    folder: PathBuf,
}

impl ClientFile {
    /// Reads `clients/NAME.toml` of a node's folder.
    pub(crate) fn load(node: &Path, name: &str) -> Result<Self> {
        let folder = node.join("clients");
        let text = std::fs::read_to_string(folder.join(format!("{name}.toml")))
            .with_context(|| format!("client configuration {name}"))?;
        Ok(Self { folder, ..toml::from_str(&text)? })
    }

    /// A file it names.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        std::fs::read(self.folder.join(name)).with_context(|| format!("client file {name}"))
    }

    /// Authority, certificate and key for TLS, PEM.
    pub(crate) fn tls(&self) -> Result<[Vec<u8>; 3]> {
        Ok([self.read(&self.ca)?, self.read(&self.certificate)?, self.read(&self.key)?])
    }

    /// A client that trusts this authority and no other.
    pub(crate) fn http(&self) -> Result<reqwest::Client> {
        let [ca, certificate, key] = self.tls()?;
        Ok(reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca)?])
            .identity(reqwest::Identity::from_pkcs8_pem(&certificate, &key)?)
            .no_proxy()
            .timeout(REQUEST)
            .build()?)
    }
}
