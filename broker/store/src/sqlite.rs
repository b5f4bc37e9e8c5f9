//! The store over its database: who is asked for what.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::clearing::{Act, Alone, Decided, Decision, Person, Proposal, Reason};
use amtsbote_domain::delivery::alternative::Detour;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::{AccountId, HubId, ProposalId};
use amtsbote_domain::notice::Kind;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{
    Acceptance, AcceptedReceipt, Case, CasePage, CaseQuery, Clearing, Clock, Delivery, DueNotice,
    Entry, Figures, InboxPage, Instead, Intake, Intent, Lease, NamingPage, NoticeBacklog, Notices,
    Pending, Place, Prior, ProposedTarget, Query, Sent, Slots, Store, StoreError, Waiting,
    WaitingPage,
};
use amtsbote_domain::state::{Event, State};
use amtsbote_domain::wrapping::{KeyId, WrappingKeys};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::clearing::{alone, cases, decide, proposals};
use crate::error::file_error;
use crate::group::{Group, ReceiptOf};
use crate::intake::SealedIntake;
use crate::keys;
use crate::naming;
use crate::notices;
use crate::operation::accept::Accept;
use crate::operation::{apply, detour, hand_out, lease, order, record, sweep};
use crate::options::{Database, OpenError, StoreOptions};
use crate::parts::Depot;
use crate::reader::{self, Readers, StoredPart};
use crate::reserve::Reserve;
use crate::server::ServerFacts;
use crate::sql::{Db, Source};
use crate::startup::{self, Lock, Opened};
use crate::verify::{self, VerifyError, VerifyReport};
use crate::writer::{Answer, Faults, Queue, Task, Work, Writer};

/// The hub's store: SQLite, sealed payload files and the head guard in one folder, which one process
/// has at a time; or a node's part in a store on PostgreSQL, beside others ([`Database`]). Dropping
/// it finishes what was begun and waits for the writer.
pub struct SqliteStore {
    dir: PathBuf,
    source: Source,
    /// None only while dropping.
    queue: Option<Queue>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    depot: Arc<Depot>,
    keys: Arc<dyn WrappingKeys>,
    reserve: Arc<Reserve>,
    clock: Arc<dyn Clock>,
    verifier: VerifierKey,
    inline_limit: usize,
    lost_attempts: u64,
    alone_hours: u32,
    /// Held as long as the store is open.
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the store in its folder, or makes it. Reads and writes files: call it where blocking
    /// is allowed. Refuses a log that is smaller or other than what was released; attempts that
    /// the last process left open become uncertain (P2); on a server, those that the last process of
    /// this node left open.
    pub fn open(options: StoreOptions) -> Result<Self, OpenError> {
        Self::open_with(options, None)
    }

    pub(crate) fn open_with(
        options: StoreOptions,
        faults: Option<Faults>,
    ) -> Result<Self, OpenError> {
        let (dir, inline_limit) = (options.dir.clone(), options.inline_limit);
        let (count, alone_hours) = (options.readers, options.alone_hours);
        #[cfg(feature = "simulation")]
        let simulated = options.simulated.clone();
        #[cfg(feature = "simulation")]
        let faults = faults.or_else(|| simulated.clone().map(crate::simulated::faults));
        let Opened { lock, writer, queue, waiting, source, depot, lost_attempts } =
            opened(options, faults)?;
        if threads(&queue) {
            depot.begin_removing(queue.weak())?;
        }
        #[cfg_attr(not(feature = "simulation"), allow(unused_mut))]
        let mut readers = Readers::new(source.clone(), count);
        #[cfg(feature = "simulation")]
        {
            readers.inline = simulated;
        }
        Ok(Self {
            readers: Arc::new(readers),
            source,
            depot,
            keys: Arc::clone(&writer.keys),
            reserve: Arc::clone(&writer.reserve),
            clock: Arc::clone(&writer.clock),
            verifier: writer.key.verifier().clone(),
            writer: work(writer, &queue, waiting)?,
            queue: Some(queue),
            dir,
            inline_limit,
            lost_attempts,
            alone_hours,
            _lock: lock,
        })
    }

    /// Records that the hub started, and how many attempts it found open. Returns the receipt.
    pub async fn started(&self, version: &str) -> Result<Vec<u8>, StoreError> {
        let open_attempts = self.lost_attempts;
        self.record(Evidence::Started { version: version.to_owned(), open_attempts }).await
    }

    /// Attempts that the last process left open and that opening made uncertain.
    pub fn lost_attempts(&self) -> u64 {
        self.lost_attempts
    }

    /// What verifies this store's heads and receipts.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Checks the whole log, every receipt and every delivery while the store works, on one
    /// snapshot; with `parts`, also every sealed octet.
    pub async fn verify(&self, parts: bool) -> Result<VerifyReport, VerifyError> {
        let (dir, verifier) = (self.dir.clone(), self.verifier.clone());
        let (source, places) = (self.source.clone(), Arc::clone(self.depot.places()));
        let keys = parts.then(|| Arc::clone(&self.keys));
        tokio::task::spawn_blocking(move || {
            verify::verify(&source, &dir, &places, &verifier, keys.as_deref())
        })
        .await
        .map_err(|_| VerifyError::Store("the check was broken off".to_owned()))?
    }

    /// The wrapping keys that the database names: all of them must be in the key store.
    pub async fn named_keys(&self) -> Result<Vec<KeyId>, StoreError> {
        self.readers.read(keys::named).await
    }

    /// What the server says of itself; none for a store in a file.
    pub async fn server_facts(&self) -> Result<Option<ServerFacts>, StoreError> {
        match &self.source {
            Source::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            Source::Postgres(_) => self.readers.read(crate::postgres::facts).await.map(Some),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits until it was looked for parts to remove.
    #[cfg(test)]
    pub(crate) fn look(&self) {
        self.depot.look();
    }

    /// Runs an operation on the writing thread.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        may_use_reserve: bool,
        work: impl FnMut(&mut Group<'_>) -> Result<Answer<T>, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (task, answer) = Work::task(may_use_reserve, work);
        self.queue()?.submit(task, answer).await
    }

    /// Asks a reading connection, at the time that counts for the database.
    pub(crate) async fn read_now<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db, Timestamp) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let clock = Arc::clone(&self.clock);
        self.readers.read(move |db| work(db, db.now(&*clock)?)).await
    }

    /// The keys at rest.
    pub(crate) fn keys(&self) -> Arc<dyn WrappingKeys> {
        Arc::clone(&self.keys)
    }

    fn queue(&self) -> Result<&Queue, StoreError> {
        self.queue
            .as_ref()
            .ok_or_else(|| StoreError::Unavailable("the store is shutting down".to_owned()))
    }

    /// New messages only while the reserve is whole and as much again is free.
    fn admit(&self) -> Result<(), StoreError> {
        match self.reserve.admits() {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Full),
            Err(error) => Err(file_error(error)),
        }
    }
}

/// Whether there may be threads: not within a simulation.
fn threads(
    #[cfg_attr(not(feature = "simulation"), allow(unused_variables))] queue: &Queue,
) -> bool {
    #[cfg(feature = "simulation")]
    return queue.inline.is_none();
    #[cfg(not(feature = "simulation"))]
    true
}

/// Lets the writer begin: on its thread, or within a simulation.
fn work(
    writer: Writer,
    #[cfg_attr(not(feature = "simulation"), allow(unused_variables))] queue: &Queue,
    waiting: mpsc::Receiver<Box<dyn Task>>,
) -> io::Result<Option<JoinHandle<()>>> {
    #[cfg(feature = "simulation")]
    if let Some(inline) = &queue.inline {
        Arc::clone(inline).begin(writer, waiting);
        return Ok(None);
    }
    writer.start(waiting).map(Some)
}

/// Opens on a thread of its own where the database is asked over a network: that waits by turning a
/// runtime, which nobody may do who runs in one.
fn opened(options: StoreOptions, faults: Option<Faults>) -> Result<Opened, OpenError> {
    match options.database {
        Database::File => startup::open(options, faults),
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => std::thread::scope(|threads| {
            let opening = threads.spawn(|| startup::open(options, faults));
            opening
                .join()
                .map_err(|_| OpenError::Database("opening ended in a panic".to_owned()))?
        }),
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Before the writer: whoever closes last merges the write-ahead log into the database and
        // removes it, and a connection that only reads cannot.
        self.readers.close();
        self.depot.close();
        self.queue = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the store ended in a panic");
        }
    }
}

impl Store for SqliteStore {
    fn intake(&self) -> Result<Box<dyn Intake>, StoreError> {
        self.admit()?;
        Ok(Box::new(SealedIntake::new(Arc::clone(&self.depot), self.inline_limit)?))
    }

    fn accept(&self, acceptance: Acceptance) -> Pending<'_, Result<AcceptedReceipt, StoreError>> {
        Box::pin(async move {
            self.admit()?;
            let (sender, answer) = oneshot::channel();
            let task = Accept::new(acceptance, &self.depot, sender)?;
            self.queue()?.submit(Box::new(task), answer).await
        })
    }

    fn prior<'a>(&'a self, sent: &'a Sent) -> Pending<'a, Result<Option<Prior>, StoreError>> {
        let sent = sent.clone();
        Box::pin(self.readers.read(move |db| reader::prior(db, &sent)))
    }

    fn record(&self, evidence: Evidence) -> Pending<'_, Result<Vec<u8>, StoreError>> {
        Box::pin(self.write(false, move |group| {
            let leaf = record::record(group, &evidence)?;
            Ok(Answer::WithReceipt(ReceiptOf::Leaf(leaf), Box::new(|receipt| receipt)))
        }))
    }

    fn waiting(&self, slots: Slots) -> Pending<'_, Result<Vec<Waiting>, StoreError>> {
        let clock = Arc::clone(&self.clock);
        Box::pin(self.readers.read(move |db| lease::waiting(db, &slots, db.now(&*clock)?)))
    }

    fn lease_due(
        &self,
        slots: Slots,
        duration: Duration,
    ) -> Pending<'_, Result<Vec<Lease>, StoreError>> {
        Box::pin(
            self.write(true, move |group| {
                lease::lease_due(group, &slots, duration).map(Answer::Now)
            }),
        )
    }

    fn begin_attempt<'a>(&'a self, lease: &'a Lease) -> Pending<'a, Result<u32, StoreError>> {
        let lease = lease.clone();
        Box::pin(
            self.write(true, move |group| lease::begin_attempt(group, &lease).map(Answer::Now)),
        )
    }

    fn settle<'a>(
        &'a self,
        lease: &'a Lease,
        event: Event,
        code: Option<Code>,
        proof: Option<Digest>,
    ) -> Pending<'a, Result<State, StoreError>> {
        let lease = lease.clone();
        Box::pin(self.write(true, move |group| {
            lease::settle(group, &lease, event, code, proof).map(Answer::Now)
        }))
    }

    fn give_back<'a>(
        &'a self,
        lease: &'a Lease,
        event: Option<Event>,
    ) -> Pending<'a, Result<(), StoreError>> {
        let lease = lease.clone();
        Box::pin(
            self.write(true, move |group| lease::give_back(group, &lease, event).map(Answer::Now)),
        )
    }

    fn detour<'a>(
        &'a self,
        hub_id: &'a HubId,
        detour: Detour,
    ) -> Pending<'a, Result<State, StoreError>> {
        let hub_id = hub_id.clone();
        Box::pin(
            self.write(true, move |group| detour::detour(group, &hub_id, &detour).map(Answer::Now)),
        )
    }

    fn waiting_for<'a>(
        &'a self,
        peer: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Result<WaitingPage, StoreError>> {
        let (peer, after) = (peer.to_owned(), after.map(str::to_owned));
        Box::pin(
            self.readers.read(move |db| detour::waiting_for(db, &peer, after.as_deref(), limit)),
        )
    }

    fn sweep(&self, limit: u32) -> Pending<'_, Result<u32, StoreError>> {
        Box::pin(self.write(true, move |group| sweep::sweep(group, limit).map(Answer::Now)))
    }

    fn uncertain(&self, limit: u32) -> Pending<'_, Result<Vec<Delivery>, StoreError>> {
        let clock = Arc::clone(&self.clock);
        Box::pin(self.readers.read(move |db| reader::uncertain(db, limit, db.now(&*clock)?)))
    }

    fn apply<'a>(
        &'a self,
        hub_id: &'a HubId,
        event: Event,
        by: Option<String>,
        proof: Option<Digest>,
    ) -> Pending<'a, Result<(State, Vec<u8>), StoreError>> {
        let hub_id = hub_id.clone();
        Box::pin(self.write(true, move |group| {
            let (state, receipt) = apply::apply(group, &hub_id, event, by.clone(), proof)?;
            Ok(Answer::WithReceipt(receipt, Box::new(move |receipt| (state, receipt))))
        }))
    }

    fn hand_out<'a>(
        &'a self,
        hub_id: &'a HubId,
        account: &'a AccountId,
    ) -> Pending<'a, Result<(), StoreError>> {
        let (hub_id, account) = (hub_id.clone(), account.clone());
        Box::pin(self.write(true, move |group| {
            hand_out::hand_out(group, &hub_id, &account).map(Answer::Now)
        }))
    }

    fn inbox<'a>(
        &'a self,
        reader: &'a PartyId,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Result<InboxPage, StoreError>> {
        let (reader, after) = (reader.clone(), after.map(str::to_owned));
        let clock = Arc::clone(&self.clock);
        Box::pin(
            self.readers.read(move |db| {
                reader::inbox(db, &reader, after.as_deref(), limit, db.now(&*clock)?)
            }),
        )
    }

    fn delivery<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Delivery, StoreError>> {
        let hub_id = hub_id.clone();
        Box::pin(self.readers.read(move |db| reader::delivery(db, &hub_id)))
    }

    fn place<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Place, StoreError>> {
        let hub_id = hub_id.clone();
        Box::pin(self.readers.read(move |db| order::place(db, &hub_id)))
    }

    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Result<Vec<HubId>, StoreError>> {
        let id = id.to_owned();
        Box::pin(self.readers.read(move |db| reader::find(db, &id)))
    }

    fn list(&self, query: Query) -> Pending<'_, Result<Vec<Delivery>, StoreError>> {
        Box::pin(self.readers.read(move |db| reader::list(db, &query)))
    }

    fn naming<'a>(
        &'a self,
        certificates: &'a BTreeSet<Digest>,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Result<NamingPage, StoreError>> {
        let (certificates, after) = (certificates.clone(), after.map(str::to_owned));
        let work = move |db: &Db| naming::naming(db, &certificates, after.as_deref(), limit);
        Box::pin(self.readers.read(work))
    }

    fn timeline<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Vec<Entry>, StoreError>> {
        let hub_id = hub_id.clone();
        Box::pin(self.readers.read(move |db| reader::timeline(db, &hub_id)))
    }

    fn receipt<'a>(
        &'a self,
        hub_id: &'a HubId,
        kind: &'a str,
    ) -> Pending<'a, Result<Vec<u8>, StoreError>> {
        let (hub_id, kind) = (hub_id.clone(), kind.to_owned());
        Box::pin(self.readers.read(move |db| reader::receipt(db, &hub_id, &kind)))
    }

    fn open_part<'a>(
        &'a self,
        hub_id: &'a HubId,
        cid: &'a str,
    ) -> Pending<'a, Result<Box<dyn io::Read + Send>, StoreError>> {
        let (hub_id, cid) = (hub_id.clone(), cid.to_owned());
        let (keys, places) = (Arc::clone(&self.keys), Arc::clone(self.depot.places()));
        Box::pin(async move {
            let found = move |db: &Db| StoredPart::find(db, &*keys, &hub_id, &cid);
            let part = self.readers.read(found).await?;
            // Not while a connection is held: the place may be slow.
            self.readers.block(move || part.open(&places)).await
        })
    }

    fn head(&self) -> Pending<'_, Result<String, StoreError>> {
        Box::pin(self.readers.read(reader::head))
    }

    fn tile(&self, level: u8, index: u64, width: u16) -> Pending<'_, Result<Vec<u8>, StoreError>> {
        Box::pin(self.readers.read(move |db| reader::tile(db, level, index, width)))
    }

    fn prove(&self, index: u64) -> Pending<'_, Result<Vec<u8>, StoreError>> {
        Box::pin(self.readers.read(move |db| reader::prove(db, index)))
    }

    fn figures(&self) -> Pending<'_, Result<Figures, StoreError>> {
        Box::pin(self.readers.read(reader::figures))
    }
}

impl Notices for SqliteStore {
    fn take_notices(
        &self,
        limit: u32,
        lease: Duration,
    ) -> Pending<'_, Result<Vec<Intent>, StoreError>> {
        let clock = Arc::clone(&self.clock);
        let due = move |db: &Db| notices::due(db, limit, db.now(&*clock)?);
        Box::pin(async move {
            // Most of the time there is nothing: nobody is kept from the log for that.
            let due = self.readers.read(due).await?;
            if due.is_empty() || lease.is_zero() {
                return Ok(due);
            }
            let take = move |group: &mut Group<'_>| notices::take(group, limit, lease);
            self.write(true, move |group| take(group).map(Answer::Now)).await
        })
    }

    fn notice<'a>(
        &'a self,
        intent: &'a Intent,
    ) -> Pending<'a, Result<Option<DueNotice>, StoreError>> {
        let intent = intent.clone();
        Box::pin(self.readers.read(move |db| notices::read(db, &intent)))
    }

    fn settle_notice<'a>(
        &'a self,
        about: &'a HubId,
        kind: Kind,
        instead: Instead,
    ) -> Pending<'a, Result<(), StoreError>> {
        let about = about.clone();
        Box::pin(self.write(true, move |group| {
            notices::settle(group, &about, kind, instead).map(Answer::Now)
        }))
    }

    fn set_aside_notice<'a>(&'a self, intent: &'a Intent) -> Pending<'a, Result<(), StoreError>> {
        let intent = intent.clone();
        let work = move |group: &mut Group<'_>| notices::set_aside(group, &intent);
        Box::pin(self.write(true, move |group| work(group).map(Answer::Now)))
    }

    fn notice_backlog(&self) -> Pending<'_, Result<NoticeBacklog, StoreError>> {
        let clock = Arc::clone(&self.clock);
        Box::pin(self.readers.read(move |db| notices::backlog(db, db.now(&*clock)?)))
    }
}

impl Clearing for SqliteStore {
    fn cases(&self, query: CaseQuery) -> Pending<'_, Result<CasePage, StoreError>> {
        Box::pin(self.readers.read(move |db| cases::cases(db, &query)))
    }

    fn case<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Case, StoreError>> {
        let hub_id = hub_id.clone();
        Box::pin(self.readers.read(move |db| cases::case(db, &hub_id)))
    }

    fn take<'a>(
        &'a self,
        hub_id: &'a HubId,
        person: &'a Person,
        over: Option<&'a Reason>,
    ) -> Pending<'a, Result<Case, StoreError>> {
        let (hub_id, person, over) = (hub_id.clone(), person.clone(), over.cloned());
        Box::pin(self.write(true, move |group| {
            cases::take(group, &hub_id, &person, over.as_ref()).map(Answer::Now)
        }))
    }

    fn hand_back<'a>(
        &'a self,
        hub_id: &'a HubId,
        person: &'a Person,
    ) -> Pending<'a, Result<Case, StoreError>> {
        let (hub_id, person) = (hub_id.clone(), person.clone());
        Box::pin(
            self.write(true, move |group| {
                cases::hand_back(group, &hub_id, &person).map(Answer::Now)
            }),
        )
    }

    fn alone<'a>(&'a self, person: &'a Person, act: Act) -> Pending<'a, Result<Alone, StoreError>> {
        let (person, clock, hours) = (person.clone(), Arc::clone(&self.clock), self.alone_hours);
        Box::pin(
            self.readers.read(move |db| alone::up_to(db, &person, act, hours, db.now(&*clock)?)),
        )
    }

    fn decide(&self, decision: Decision) -> Pending<'_, Result<Vec<Decided>, StoreError>> {
        let hours = self.alone_hours;
        Box::pin(
            self.write(true, move |group| decide::decide(group, &decision, hours).map(Answer::Now)),
        )
    }

    fn propose(
        &self,
        id: ProposalId,
        decision: Decision,
        digest: Digest,
    ) -> Pending<'_, Result<Proposal, StoreError>> {
        Box::pin(self.write(true, move |group| {
            proposals::propose(group, &id, &decision, digest).map(Answer::Now)
        }))
    }

    fn judge<'a>(
        &'a self,
        id: &'a ProposalId,
        person: &'a Person,
        granted: bool,
        digest: Digest,
        reason: &'a Reason,
    ) -> Pending<'a, Result<Proposal, StoreError>> {
        let (id, person, reason) = (id.clone(), person.clone(), reason.clone());
        Box::pin(self.write(true, move |group| {
            proposals::judge(group, &id, &person, granted, digest, &reason).map(Answer::Now)
        }))
    }

    fn carry_out(&self) -> Pending<'_, Result<bool, StoreError>> {
        Box::pin(self.write(true, move |group| proposals::carry_out(group).map(Answer::Now)))
    }

    fn proposals(&self, open: bool, limit: u32) -> Pending<'_, Result<Vec<Proposal>, StoreError>> {
        Box::pin(self.readers.read(move |db| proposals::list(db, open, limit)))
    }

    fn proposal<'a>(
        &'a self,
        id: &'a ProposalId,
        from: u32,
        limit: u32,
    ) -> Pending<'a, Result<(Proposal, Vec<ProposedTarget>), StoreError>> {
        let id = id.clone();
        Box::pin(self.readers.read(move |db| proposals::show(db, &id, from, limit)))
    }
}
