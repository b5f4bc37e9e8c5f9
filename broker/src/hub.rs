//! What all steps share: the tables in force, the store, the clock.

use std::sync::Arc;

use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Directory;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::policy::Permissions;
use amtsbote_domain::ports::{Clock, Store};
use amtsbote_schemas::pack::PackSet;
use tokio::sync::Notify;

use crate::config::{DeliveryPolicy, Limits, Operator};
use crate::quota::Quotas;

/// One running hub.
pub struct Hub {
    /// Its name.
    pub name: String,
    /// Where its data lie.
    pub data_dir: std::path::PathBuf,
    /// Durability.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is reachable, and which accounts there are.
    pub directory: Directory,
    /// Who may send what to whom.
    pub permissions: Permissions,
    /// The standards.
    pub packs: Arc<PackSet>,
    /// People who may use the operations API.
    pub operators: Vec<Operator>,
    /// Bounds.
    pub limits: Limits,
    /// How deliveries are tried.
    pub delivery: DeliveryPolicy,
    /// The public half of the log's key: what a receipt is checked with.
    pub verifier: VerifierKey,
    /// What each account has under way.
    pub(crate) quotas: Quotas,
    /// Rings when there is new work for the worker.
    pub(crate) work: Notify,
    /// Rings when something new lies in an inbox.
    pub(crate) mail: Notify,
}

impl Hub {
    /// A fresh id; ids sort by time.
    pub(crate) fn new_id(&self) -> HubId {
        HubId::parse(&uuid::Uuid::now_v7().to_string()).expect("a UUID is a hub id")
    }

    /// What links a refusal in log, answer and evidence.
    pub(crate) fn new_error_id(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()
    }

    /// The operator with this certificate.
    pub(crate) fn operator(&self, certificate: &Digest) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.certificate == *certificate)
    }
}
