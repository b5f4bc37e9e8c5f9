//! The procedure systems of the towns: each with its own certificate, its own signing key, its own
//! folder for what it collects.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use amtsbote_adapters::NativeClient;
use amtsbote_adapters::folder::FolderInbox;
use amtsbote_adapters::inbox::Inbox;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::text::Language;
use amtsbote_wire::signature::OpensslSigner;

use crate::config::client::{self, Authors};
use crate::node::region::Town;
use crate::outcome::{Context, Failure};

/// The procedure system of one town.
#[derive(Clone)]
pub(crate) struct System {
    /// Its party.
    pub(crate) party: PartyId,
    /// Its connection to the hub.
    pub(crate) client: NativeClient,
    /// Signs for the town.
    pub(crate) signer: Arc<OpensslSigner>,
    authors: Authors,
    folder: PathBuf,
}

impl System {
    /// Reads the client configuration that `init --dev` wrote for the town.
    pub(crate) fn open(dir: &Path, town: &Town, native: &str) -> Result<Self, Failure> {
        let file = dir.join("clients").join(format!("{}.toml", town.ags));
        let config = client::read(&file)?.at(native);
        Ok(Self {
            party: PartyId::parse(&town.party()).or_not_now("Beispielregion", "example region")?,
            client: config.native(Language::En)?,
            signer: Arc::new(config.signer()?),
            authors: config.authors()?,
            folder: dir.join("systems").join(&town.ags),
        })
    }

    /// The same system, asking for refusals in a language.
    pub(crate) fn collect(&self) -> Result<Collector, Failure> {
        std::fs::create_dir_all(&self.folder).or_not_now_at(&self.folder)?;
        let inbound = FolderInbox::open(&self.folder).or_not_now_at(&self.folder)?;
        Ok(Collector {
            system: self.clone(),
            inbound,
            acknowledged: Vec::new(),
            failed: Vec::new(),
        })
    }
}

/// Collects for one town.
pub(crate) struct Collector {
    system: System,
    inbound: FolderInbox,
    /// What was taken; its receipt was verified.
    pub(crate) acknowledged: Vec<HubId>,
    /// What could not be taken, and why.
    pub(crate) failed: Vec<(HubId, String)>,
}

impl Collector {
    /// Takes what one page lists: fetch, verify, keep, acknowledge, verify the receipt. Says how
    /// many were taken.
    pub(crate) async fn pass(&mut self, wait: u32) -> Result<usize, Failure> {
        const PAGE: u32 = 100;
        let mut inbox = Inbox {
            client: &self.system.client,
            party: &self.system.party,
            signers: &self.system.authors,
            inbound: self.inbound.clone(),
        };
        let page = inbox
            .take_page(None, PAGE, wait)
            .await
            .map_err(|error| crate::commands::send::failure(&error))?;
        let before = self.acknowledged.len();
        self.failed.clear();
        for taken in page.messages {
            match taken.result {
                Ok(_) => self.acknowledged.push(taken.id),
                Err(error) => self.failed.push((taken.id, error.to_string())),
            }
        }
        Ok(self.acknowledged.len() - before)
    }
}
