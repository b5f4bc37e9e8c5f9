//! What all steps share: the tables in force, the store, the clock, the signs they give each other.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::Directory;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Clock, Hints, Store};
use amtsbote_trust::revocation::{Book, Refresher};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::config::{DeliveryPolicy, Limits};
use crate::doors::Door;
use crate::keys::KeysAtRest;
use crate::quota::Quotas;
use crate::standing::Pairs;
use crate::stop::Stop;
use crate::tables::{Current, InForce, Reread};
use crate::worker::gates::Gates;

/// Validations of small payloads at the same time. They need a processor and a compiled schema set
/// each; more of them at once only make every one slower.
const SMALL_VALIDATIONS: usize = 4;
/// Validations of large payloads at the same time; they take seconds and must not keep the small
/// ones waiting.
const LARGE_VALIDATIONS: usize = 2;
/// Octets of a payload from which it is a large one.
const LARGE_PAYLOAD: u64 = 1 << 20;

/// How long new tables, and a node that starts, wait for the first word about certificates that are
/// new; then they go without.
pub(crate) const FIRST_WORD: Duration = Duration::from_secs(5);

/// Places for validations; whoever finds none free waits.
pub(crate) struct Validations {
    small: Semaphore,
    large: Semaphore,
}

impl Default for Validations {
    fn default() -> Self {
        Self { small: Semaphore::new(SMALL_VALIDATIONS), large: Semaphore::new(LARGE_VALIDATIONS) }
    }
}

impl Validations {
    /// A place for a payload of so many octets, given back when dropped.
    pub(crate) async fn place(&self, octets: u64) -> SemaphorePermit<'_> {
        let places = if octets < LARGE_PAYLOAD { &self.small } else { &self.large };
        places.acquire().await.expect("the semaphores are never closed")
    }
}

/// Makes fresh ids that sort by time.
pub(crate) type Ids = Box<dyn Fn() -> uuid::Uuid + Send + Sync>;

/// One running hub.
pub struct Hub {
    /// Its name: that of the log, the same on all nodes of a store.
    pub name: String,
    /// The name of this node, where several share the store.
    pub node: Option<String>,
    /// Where its data lie.
    pub data_dir: PathBuf,
    /// Durability.
    pub store: Arc<dyn Store>,
    /// The keys that wrap what the store keeps.
    pub(crate) keys: KeysAtRest,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where fresh ids come from.
    pub(crate) ids: Ids,
    /// What people may change while the hub runs.
    pub(crate) tables: Current<InForce>,
    /// The listeners' settings, replaced with the tables.
    pub(crate) doors: [Door; 3],
    /// What is known of revoked certificates.
    pub(crate) book: Arc<Book>,
    /// What fetches it.
    pub(crate) refresher: Refresher,
    /// Messages accepted under grace since the start.
    pub(crate) under_grace: AtomicU64,
    /// Where the tables come from; none for a node that only ever has those it started with.
    pub(crate) reread: Option<Arc<dyn Reread>>,
    /// What the refresher watches; held by whoever changes that, or the tables.
    pub(crate) watching: Arc<tokio::sync::Mutex<Pairs>>,
    /// Bounds.
    pub limits: Limits,
    /// How deliveries are tried.
    pub delivery: DeliveryPolicy,
    /// The public half of the log's key: what a receipt is checked with.
    pub verifier: VerifierKey,
    /// What each account has under way.
    pub(crate) quotas: Quotas,
    /// Places for validations.
    pub(crate) validations: Validations,
    /// What each peer bears at the moment.
    pub(crate) gates: Gates,
    /// Rings when there is new work for the worker.
    pub(crate) work: Notify,
    /// Rings when something new lies in an inbox.
    pub(crate) mail: Mail,
    /// Tells the other nodes of a store where to look.
    pub(crate) hints: Arc<dyn Hints>,
    /// That the worker is alive.
    pub(crate) pulse: Pulse,
    /// What strangers do.
    pub(crate) noise: Arc<Noise>,
    /// Whether the node stops.
    pub(crate) stop: Stop,
}

impl Hub {
    /// What this node is called where people are told what it sees.
    pub(crate) fn known_as(&self) -> &str {
        self.node.as_ref().unwrap_or(&self.name)
    }

    /// A fresh id; ids sort by time.
    pub(crate) fn new_id(&self) -> HubId {
        HubId::parse(&(self.ids)().to_string()).expect("a UUID is a hub id")
    }

    /// What links a refusal in log, answer and evidence.
    pub(crate) fn new_error_id(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()
    }

    /// The tables in force now.
    pub fn tables(&self) -> Arc<InForce> {
        self.tables.get()
    }
}

/// One bell per inbox: a message wakes those who wait for its Reader, and nobody else.
pub(crate) struct Mail(RwLock<HashMap<PartyId, Arc<Notify>>>);

impl Mail {
    /// Bells for all parties of a directory; no other party gets a message.
    pub(crate) fn new(directory: &Directory) -> Self {
        let mail = Self(RwLock::default());
        mail.know(directory);
        mail
    }

    /// Hangs up bells for parties that are new; those that left keep theirs, somebody may wait.
    pub(crate) fn know(&self, directory: &Directory) {
        let mut bells = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for party in directory.parties() {
            bells.entry(party.id.clone()).or_default();
        }
    }

    fn bell(&self, reader: &PartyId) -> Option<Arc<Notify>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(reader).cloned()
    }

    /// Something new lies in this inbox.
    pub(crate) fn ring(&self, reader: &PartyId) {
        if let Some(bell) = self.bell(reader) {
            bell.notify_waiters();
        }
    }

    /// Something new may lie in any inbox.
    pub(crate) fn ring_all(&self) {
        let bells = self.0.read().unwrap_or_else(PoisonError::into_inner);
        bells.values().for_each(|bell| bell.notify_waiters());
    }

    /// Returns when something new lies in this inbox. Counts from the call, not from the first
    /// poll.
    pub(crate) fn sign(&self, reader: &PartyId) -> impl Future<Output = ()> + Send + use<> {
        let sign = self.bell(reader).map(Notify::notified_owned);
        async {
            match sign {
                Some(sign) => sign.await,
                None => std::future::pending().await,
            }
        }
    }
}

/// When the worker last went round.
#[derive(Default)]
pub(crate) struct Pulse(AtomicI64);

impl Pulse {
    /// It goes round now.
    pub(crate) fn beat(&self, now: Timestamp) {
        self.0.store(now.as_second(), Ordering::Relaxed);
    }

    /// Seconds since it last did.
    pub(crate) fn silence(&self, now: Timestamp) -> i64 {
        now.as_second().saturating_sub(self.0.load(Ordering::Relaxed)).max(0)
    }
}

/// How often strangers knocked: handshakes that failed, certificates of no account (P8).
#[derive(Default)]
pub(crate) struct Noise(AtomicU64);

impl Noise {
    /// Once more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So often since the node started.
    pub(crate) fn counted(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
