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
use amtsbote_domain::ports::{Clock, Store};
use amtsbote_domain::text::Language;
use amtsbote_trust::TrustError;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::{Book, Refresher};
use amtsbote_trust::tls::{Acceptor, ClientCertificate, acceptor};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::config::{DeliveryPolicy, Limits};
use crate::keys::KeysAtRest;
use crate::outlet::{Outlets, outlets};
use crate::quota::Quotas;
use crate::standing::{Standings, own_issuers};
use crate::stop::Stop;
use crate::tables::{Current, InForce, NotReread, Reread, Tables};

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

/// One running hub.
pub struct Hub {
    /// Its name.
    pub name: String,
    /// Where its data lie.
    pub data_dir: PathBuf,
    /// Durability.
    pub store: Arc<dyn Store>,
    /// The keys that wrap what the store keeps.
    pub(crate) keys: KeysAtRest,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What people may change while the hub runs.
    pub(crate) tables: Current<InForce>,
    /// The listeners' settings, replaced with the tables.
    pub(crate) doors: [Acceptor; 2],
    /// The issuers among which that of our own certificate is looked for.
    pub(crate) own_issuers: Arc<Current<Vec<Certificate>>>,
    /// What is known of revoked certificates.
    pub(crate) book: Arc<Book>,
    /// What fetches it.
    pub(crate) refresher: Refresher,
    /// Messages accepted under grace since the start.
    pub(crate) under_grace: AtomicU64,
    /// Where the tables come from; none for a node that only ever has those it started with.
    pub(crate) reread: Option<Arc<dyn Reread>>,
    /// Held by whoever reads the tables again.
    pub(crate) rereading: tokio::sync::Mutex<()>,
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
    /// Rings when there is new work for the worker.
    pub(crate) work: Notify,
    /// Rings when something new lies in an inbox.
    pub(crate) mail: Mail,
    /// That the worker is alive.
    pub(crate) pulse: Pulse,
    /// What strangers do.
    pub(crate) noise: Arc<Noise>,
    /// Whether the node stops.
    pub(crate) stop: Stop,
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

    /// The tables in force now.
    pub fn tables(&self) -> Arc<InForce> {
        self.tables.get()
    }

    /// Reads the tables again and puts them in force, all or none.
    pub async fn reload(self: &Arc<Self>) -> Result<(), NotReread> {
        let Some(source) = self.reread.clone() else {
            return Err(NotReread {
                de: "Dieser Knoten hat keine Dateien, die erneut gelesen werden könnten.".into(),
                en: "This node has no files that could be read again.".into(),
            });
        };
        // A task of its own: it goes on to its end although whoever asked for it has gone.
        let reading = tokio::spawn(self.clone().reread(source));
        let outcome = reading.await.unwrap_or_else(|_| Err(NotReread::fault()));
        match &outcome {
            Ok(()) => {
                tracing::info!("the tables were read again and are in force");
                self.work.notify_one();
            }
            Err(error) => {
                tracing::error!(%error, "the tables in force stay: they were not read again")
            }
        }
        outcome
    }
}

/// Tables that can be put in force.
struct Ready {
    tables: Tables,
    outlets: Outlets,
    standings: Standings,
}

impl Hub {
    /// One after the other: what was read first must not come into force last.
    async fn reread(self: Arc<Self>, source: Arc<dyn Reread>) -> Result<(), NotReread> {
        let _alone = self.rereading.lock().await;
        let hub = self.clone();
        let reading = tokio::task::spawn_blocking(move || hub.prepare(source.reread()?));
        let ready = reading.await.unwrap_or_else(|_| Err(NotReread::fault()))?;
        // Nobody is to be refused because a certificate came into force before the first word about
        // it was there.
        self.refresher.settle(FIRST_WORD).await;
        self.put_in_force(ready)
    }

    /// What can fail: nothing is in force yet. That more certificates are watched does no harm.
    fn prepare(&self, tables: Tables) -> Result<Ready, NotReread> {
        let outlets = outlets(&tables.peers).map_err(|error| NotReread::english(&error))?;
        let standings = Standings::new(tables.trust.clone(), self.book.clone());
        let watched = standings.watched(&tables, self.clock.now());
        let (identity, authorities) = (&tables.identity, &tables.client_authorities);
        acceptor(identity, authorities, ClientCertificate::Required).map_err(not_taken)?;
        self.refresher.watch(&watched).map_err(|error| NotReread {
            de: error.text(Language::De),
            en: error.text(Language::En),
        })?;
        Ok(Ready { tables, outlets, standings })
    }

    /// All of it. The listeners take settings that were made once already.
    fn put_in_force(&self, ready: Ready) -> Result<(), NotReread> {
        let Ready { tables, outlets, standings } = ready;
        self.own_issuers.replace(own_issuers(&tables.identity));
        for door in &self.doors {
            door.replace(&tables.identity, &tables.client_authorities).map_err(not_taken)?;
        }
        self.mail.know(&tables.directory);
        self.tables.replace(InForce::new(tables, outlets, standings));
        Ok(())
    }
}

/// TLS cannot work with what was read.
fn not_taken(error: TrustError) -> NotReread {
    NotReread { de: error.text(Language::De), en: error.text(Language::En) }
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
    fn know(&self, directory: &Directory) {
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
