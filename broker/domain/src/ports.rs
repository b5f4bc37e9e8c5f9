//! The ports of the hub: what it needs from the world, in its own words.

mod clearing;
mod collecting;
mod hints;
mod issued;
mod notices;
mod sessions;

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use crate::clearing::Objection;
use crate::delivery::alternative::Detour;
use crate::delivery::conversation::Conversation;
use crate::delivery::lane::LaneName;
use crate::digest::Digest;
use crate::evidence::{Accepted, Evidence};
use crate::identity::{AccountId, HubId, Scope, Transport, TransportId};
use crate::message::{Metadata, Part};
use crate::party::PartyId;
use crate::state::{Event, NotApplicable, State};

pub use self::clearing::{Case, CasePage, CaseQuery, Clearing, MAX_AT_ONCE, ProposedTarget, Taken};
pub use self::collecting::{Choice, Chosen, Collecting, MAX_INBOXES, MAX_NAMESAKES};
pub use self::hints::{Alone, Hint, HintReport, Hints};
pub use self::issued::{IdStanding, IssuedIds, MAX_ID_LIFE, MAX_IDS_OF_ACCOUNT};
pub use self::notices::{DueNotice, Instead, Intent, NoticeBacklog, Notices};
pub use self::sessions::{
    BadSessionId, Closing, MAX_SESSION_LIFE, MAX_SESSION_OCTETS, MAX_SESSIONS,
    MAX_SESSIONS_OF_ACCOUNT, Remember, Session, SessionId, SessionKey, Sessions, Turn,
};

/// An answer that is still on its way; keeps the traits usable behind `dyn`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The hub's clock. Domain code takes instants as arguments; whoever calls it asks here.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// What can go wrong in a store. It never means "maybe done" except where it says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room: nothing was written, and what was accepted before is safe.
    #[error("storage is full")]
    Full,
    /// The account used the transport id before, for other content.
    #[error("the transport id was used before for other content")]
    OtherContent,
    /// An id that must have been given out by the hub was not, or not to this account, or its time is
    /// over; nothing was written.
    #[error("the id was not given out to this account, or its time is over")]
    IdNotIssued,
    /// An id that can be used once was used before, whatever for; nothing was written.
    #[error("the id was used before")]
    IdUsed,
    /// As many as there may be; nothing was written.
    #[error("too many {0}")]
    NoRoom(Bound),
    /// There is nothing under that id.
    #[error("not found")]
    NotFound,
    /// The state table does not allow it.
    #[error(transparent)]
    NotApplicable(#[from] NotApplicable),
    /// The lease has ended or belongs to somebody else; nothing was written.
    #[error("the lease is over")]
    LeaseLost,
    /// A person's act was not taken; nothing was written.
    #[error(transparent)]
    Objection(#[from] Objection),
    /// The digest confirmed is not that of the payload; nothing was written.
    #[error("the digest does not agree")]
    DigestMismatch,
    /// Octets at rest do not have the digest taken at the door, or their seal is broken (P4).
    #[error("octets at rest were changed: {0}")]
    Corrupt(String),
    /// The store is shutting down, or a commit failed and nothing of it was kept.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The outcome of a commit is not known; the store is closed until it has read itself again.
    #[error("the outcome of a commit is unknown: {0}")]
    OutcomeUnknown(String),
}

/// What there may be only so many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Open sessions of one account ([`MAX_SESSIONS_OF_ACCOUNT`]).
    SessionsOfAccount,
    /// Open sessions in all ([`MAX_SESSIONS`]).
    Sessions,
    /// Ids given out to one account and not used ([`MAX_IDS_OF_ACCOUNT`]).
    IdsOfAccount,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SessionsOfAccount => "open sessions of one account",
            Self::Sessions => "open sessions",
            Self::IdsOfAccount => "ids of one account that were given out and not used",
        })
    }
}

/// A message while it comes in. Parts are written one after the other, sealed as they come
/// (data key per message, chunks with authentication), small ones kept in memory, large ones in
/// files reserved before. Dropping it removes every trace.
pub trait Intake: Send {
    /// Begins a part. Fails when one is open.
    fn begin(&mut self, cid: &str, media_type: &str) -> Result<(), StoreError>;
    /// Adds octets to the open part.
    fn write(&mut self, octets: &[u8]) -> Result<(), StoreError>;
    /// Ends the open part; says size and digest of what was written. After it the part cannot
    /// change. For a large part this syncs its file: call it where blocking is allowed.
    fn end(&mut self) -> Result<Part, StoreError>;
    /// Reads an ended part again, from its beginning.
    fn open(&self, cid: &str) -> Result<Box<dyn io::Read + Send>, StoreError>;
    /// For the store it came from.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// The content-id under which the envelope itself is kept among the parts.
pub const ENVELOPE_CID: &str = "envelope.xml";

/// Everything that becomes durable in the acceptance transaction.
pub struct Acceptance {
    /// What is recorded. `same_business_id` is filled by the store.
    pub record: Accepted,
    /// How it came in.
    pub transport: Transport,
    /// Its octets: the envelope under [`ENVELOPE_CID`], then the parts of the record.
    pub intake: Box<dyn Intake>,
    /// The state the delivery begins in: waiting for the hub's turn, or for collection.
    pub state: State,
    /// When it is first due: for the hub's turn, or visible for collection. None: at once.
    pub due: Option<Timestamp>,
    /// Which lane it goes in; none: the last.
    pub lane: Option<LaneName>,
    /// What it must stay in order with; none where no order is asked for.
    pub conversation: Option<Conversation>,
    /// From when its Author is to be told that it expires soon, if it then still waits.
    pub warn: Option<Timestamp>,
    /// Its transport id must be one that the hub gave out to the account for the transport
    /// ([`IssuedIds`]): it is used up with the acceptance. Then nothing is a repeat.
    pub issued: bool,
    /// The same for every other Reader of the message, at most [`MAX_READERS`] with the first: all of
    /// them are accepted with it, or nothing is.
    ///
    /// [`MAX_READERS`]: crate::message::MAX_READERS
    pub others: Vec<ForReader>,
}

/// A further Reader of a message that is accepted: a delivery with a record of its own, over the same
/// octets.
pub struct ForReader {
    /// What is recorded; of the same message, in the scope of its Reader
    /// ([`Scope::OfReader`]). `same_business_id` is filled by the store.
    pub record: Accepted,
    /// See [`Acceptance`], as all that follows.
    pub state: State,
    /// When it is first due.
    pub due: Option<Timestamp>,
    /// Which lane it goes in.
    pub lane: Option<LaneName>,
    /// What it must stay in order with.
    pub conversation: Option<Conversation>,
    /// From when its Author is to be told that it expires soon.
    pub warn: Option<Timestamp>,
}

/// The answer to an acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedReceipt {
    /// The hub's id.
    pub hub_id: HubId,
    /// The stored receipt; for a repeat the very same octets as the first time.
    pub receipt: Vec<u8>,
    /// It was accepted before: same account, transport, id, scope and content.
    pub repeated: bool,
}

/// By what an identical repeat is recognised (P3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who handed it in.
    pub account: AccountId,
    /// By which transport.
    pub transport: Transport,
    /// Under which id.
    pub id: TransportId,
    /// Within what that is one.
    pub scope: Scope,
    /// The digest that decides whether it is the same message.
    pub content_digest: Digest,
}

impl Sent {
    /// What is recognised in a record.
    pub fn of(record: &Accepted) -> Self {
        Self {
            account: record.account.clone(),
            transport: record.transport(),
            id: record.metadata.transport_id.clone(),
            scope: record.scope.clone(),
            content_digest: record.content_digest,
        }
    }
}

/// A prior acceptance under the same transport id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prior {
    /// The hub's id.
    pub hub_id: HubId,
    /// The content digest of what was accepted.
    pub content_digest: Digest,
    /// The stored receipt.
    pub receipt: Vec<u8>,
}

/// How many deliveries a caller of [`Store::lease_due`] has room for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// In all.
    pub free: u32,
    /// For one peer, what is under way to it included: one that does not answer must not take the
    /// place of all others (P8).
    pub per_peer: u32,
    /// Peers to which deliveries are under way, and how many.
    pub taken: Vec<(String, u32)>,
    /// How many of each lane of each peer, within all that; empty: the oldest of all lanes.
    pub shares: Vec<Share>,
}

/// How many deliveries for one peer may go out of some lanes that count as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The peer.
    pub peer: String,
    /// Names of the lanes; none for what has no lane.
    pub lanes: Vec<Option<LaneName>>,
    /// So many, the oldest first.
    pub count: u32,
}

/// What is due for one peer in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The peer.
    pub peer: String,
    /// The lane; none for what has none.
    pub lane: Option<LaneName>,
    /// So many, but never more than one beyond the room for the peer.
    pub count: u32,
}

/// Where a delivery stands among others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its lane, as it was accepted; none: the last.
    pub lane: Option<LaneName>,
    /// It stays in order with the others of its conversation.
    pub in_order: bool,
    /// The delivery of the same conversation that must end before this one can go; none where
    /// nothing is before it, or where it waits for nothing of the hub's.
    pub behind: Option<HubId>,
    /// So many of the same conversation wait until this one ends, at most [`MAX_HELD_BACK`].
    pub holds_back: u32,
}

/// Up to so many are counted.
pub const MAX_HELD_BACK: u32 = 1_000;

/// One page of the deliveries that wait for a peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaitingPage {
    /// Lane by lane, in each the one that is due first.
    pub deliveries: Vec<Delivery>,
    /// Continue after this; none when nothing followed at the time of the question.
    pub next: Option<String>,
}

impl Slots {
    /// `free` in all, whichever peers they are for.
    pub fn any(free: u32) -> Self {
        Self { free, per_peer: u32::MAX, taken: Vec::new(), shares: Vec::new() }
    }

    /// How many more may go to this peer.
    pub fn room_for(&self, peer: &str) -> u32 {
        let taken = self.taken.iter().find(|(name, _)| name == peer).map_or(0, |(_, count)| *count);
        self.per_peer.saturating_sub(taken).min(self.free)
    }
}

/// A lease: the right of one worker to deliver one message until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The message.
    pub hub_id: HubId,
    /// Unforgeable number of this lease; each lease of a delivery has a greater one.
    pub number: u64,
    /// When it ends, by the store's clock.
    pub until: Timestamp,
    /// Attempts made before.
    pub attempts: u32,
    /// The message may already have reached the peer: the next attempt repeats under the same id
    /// and says so.
    pub repeated: bool,
    /// What the message says about itself.
    pub metadata: Metadata,
    /// The peer's name.
    pub peer: String,
}

/// A message with its state, for lists and `message show`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// What was recorded when it was accepted.
    pub record: Accepted,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// When the hub looks at it again.
    pub due: Option<Timestamp>,
    /// Grows with every change; the `ETag`.
    pub revision: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// The way it is on: `inbox`, or `peer:` and a name. Where people decided otherwise it is not
    /// that of the record.
    pub channel: String,
    /// A person named that way: the directory is not asked again.
    pub by_hand: bool,
}

/// One line of a timeline: a record of the evidence log, with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Index of the leaf.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub evidence: Evidence,
}

/// What to list. Empty fields do not restrict.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Author or Reader.
    pub party: Option<PartyId>,
    /// The service.
    pub service: Option<String>,
    /// The state's word.
    pub state: Option<String>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Continue after this message (newest first).
    pub before: Option<HubId>,
    /// At most so many.
    pub limit: u32,
}

/// One page of an inbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InboxPage {
    /// In the order of acceptance.
    pub deliveries: Vec<Delivery>,
    /// Continue after this; none when nothing followed at the time of the question.
    pub next: Option<String>,
}

/// One page of the deliveries that name certain certificates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamingPage {
    /// In the order of acceptance; there may be none although others follow.
    pub deliveries: Vec<Delivery>,
    /// Continue after this; none when all that are open were looked at.
    pub next: Option<String>,
}

/// Figures for `doctor`, metrics and `/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Figures {
    /// Deliveries by the word of their state.
    pub deliveries: Vec<(String, u64)>,
    /// Leaves in the evidence log.
    pub leaves: u64,
    /// Acceptance time of the oldest delivery that has not ended.
    pub oldest_open: Option<Timestamp>,
}

/// Durability (P1 to P5). Every method that writes returns only when its transaction is durable:
/// after it a power cut loses nothing. An `Err` says that nothing was kept, except
/// [`StoreError::OutcomeUnknown`].
///
/// Leaves, heads and receipts are made in the same transaction as what they prove; nothing signed
/// is released before the commit. Concurrent writers share a commit (group commit).
pub trait Store: Clearing + Collecting + IssuedIds + Notices + Sessions {
    /// Begins to take a message in. Refuses with [`StoreError::Full`] below the reserve.
    fn intake(&self) -> Result<Box<dyn Intake>, StoreError>;

    /// Message, evidence and work item, in one transaction. The uniqueness of (account,
    /// transport, transport id, scope) is a constraint of that transaction: a second one with the
    /// same content digest gets the stored receipt, with another [`StoreError::OtherContent`]. What
    /// counts as a second one where the scope of an account has changed, [`Store::prior`] says.
    ///
    /// Where the id must be an issued one, it is taken in the same transaction, in whatever scope: one
    /// that a message was accepted under is [`StoreError::IdUsed`], also with the same content; one that
    /// is not open [`StoreError::IdNotIssued`].
    /// A message with several Readers has a delivery for each, all in that transaction; the answer, also
    /// to a repeat, is the receipt of the first. [`StoreError::OtherContent`] too where one of the others
    /// was accepted alone before.
    fn accept(&self, acceptance: Acceptance) -> Pending<'_, Result<AcceptedReceipt, StoreError>>;

    /// What was accepted under this id before, within the same scope; else within another that it may
    /// have had then. An account that relays may have been an ordinary one, or not have said
    /// within what the id was one: then it is the message of the same Author with the same content, and
    /// where the scope is the Author's, of any content. One that says it no more means the message of the
    /// same Author with the same content, whoever it was said of. An ordinary account may have relayed: then
    /// any message under the id, before others that of the same content.
    fn prior<'a>(&'a self, sent: &'a Sent) -> Pending<'a, Result<Option<Prior>, StoreError>>;

    /// Records an act that changes no delivery; returns the receipt over its leaf.
    fn record(&self, evidence: Evidence) -> Pending<'_, Result<Vec<u8>, StoreError>>;

    /// What waits for the hub's turn and is due, by peer and lane, where there is room. Looks at no
    /// more than the room for each peer and one, however much waits: the one says whether any is left.
    fn waiting(&self, slots: Slots) -> Pending<'_, Result<Vec<Waiting>, StoreError>>;

    /// Leases deliveries that wait for the hub's turn and are due for `duration`, as many as there
    /// are slots for each peer and in all, oldest first; by lanes where the slots name shares. A
    /// lease changes no state and is no attempt.
    ///
    /// Of one conversation at most one is leased or in delivery, and none before every one that was
    /// accepted earlier has ended or is held: also what is in clearing, uncertain, waits for
    /// another attempt or for its Reader holds back what came after it.
    fn lease_due(
        &self,
        slots: Slots,
        duration: Duration,
    ) -> Pending<'_, Result<Vec<Lease>, StoreError>>;

    /// Records the attempt (event `AttemptBegun`); only after it may the first byte leave (P2).
    fn begin_attempt<'a>(&'a self, lease: &'a Lease) -> Pending<'a, Result<u32, StoreError>>;

    /// Ends the attempt with what happened: state, evidence and receipt in one transaction.
    /// `proof` is the digest of what the peer answered.
    fn settle<'a>(
        &'a self,
        lease: &'a Lease,
        event: Event,
        code: Option<crate::fault::Code>,
        proof: Option<Digest>,
    ) -> Pending<'a, Result<State, StoreError>>;

    /// Gives a lease back before an attempt was begun, with `WayLost`, `DigestMismatch` or nothing.
    fn give_back<'a>(
        &'a self,
        lease: &'a Lease,
        event: Option<Event>,
    ) -> Pending<'a, Result<(), StoreError>>;

    /// Sends a delivery by another way: event `Detour`, with all its attempts before it. Only from the
    /// way that `detour` names, and only what cannot have arrived; not where a person named the way.
    /// A lease that is no attempt yet ends.
    fn detour<'a>(
        &'a self,
        hub_id: &'a HubId,
        detour: Detour,
    ) -> Pending<'a, Result<State, StoreError>>;

    /// What waits for the hub's turn to go to a peer and is not leased, due or not, after the
    /// cursor.
    fn waiting_for<'a>(
        &'a self,
        peer: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Result<WaitingPage, StoreError>>;

    /// Makes every delivery uncertain whose lease ended with an attempt open, ends those whose
    /// expiry has passed, removes sessions and issued ids whose time is over; at most `limit` of each.
    /// Says how many it changed or removed.
    fn sweep(&self, limit: u32) -> Pending<'_, Result<u32, StoreError>>;

    /// Up to `limit` deliveries that are uncertain and due, to be resolved by capability.
    fn uncertain(&self, limit: u32) -> Pending<'_, Result<Vec<Delivery>, StoreError>>;

    /// Applies an event that needs no lease: acknowledgement, cancellation, hold, release,
    /// the resolution of an uncertain delivery. `by` is the account or operator, `proof` the
    /// digest that an acknowledgement confirms: it must be that of the payload. Repeating an
    /// acknowledgement changes nothing and succeeds. Returns the new state and the receipt over
    /// the leaf (for a repeat, the stored one).
    fn apply<'a>(
        &'a self,
        hub_id: &'a HubId,
        event: Event,
        by: Option<String>,
        proof: Option<Digest>,
    ) -> Pending<'a, Result<(State, Vec<u8>), StoreError>>;

    /// Records that octets are about to be handed to an account (event `CollectionBegun`), once
    /// per delivery and account: durable before the first byte leaves (P2).
    fn hand_out<'a>(
        &'a self,
        hub_id: &'a HubId,
        account: &'a AccountId,
    ) -> Pending<'a, Result<(), StoreError>>;

    /// What waits for a reader at this moment, in order of acceptance, after the cursor.
    fn inbox<'a>(
        &'a self,
        reader: &'a PartyId,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Result<InboxPage, StoreError>>;

    /// One delivery.
    fn delivery<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Delivery, StoreError>>;

    /// Where a delivery stands among others.
    fn place<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Place, StoreError>>;

    /// Hub ids for a hub id, a transport id or a business id, newest first, at most 100.
    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Result<Vec<HubId>, StoreError>>;

    /// Deliveries, newest first.
    fn list(&self, query: Query) -> Pending<'_, Result<Vec<Delivery>, StoreError>>;

    /// Deliveries that have not ended and whose acceptance names one of these certificates, as the
    /// signer's or as the one that the account was connected by; in order of acceptance, after the
    /// cursor. One call looks at a bounded number of deliveries: a page may hold less than `limit`,
    /// even nothing, and still have a `next`.
    fn naming<'a>(
        &'a self,
        certificates: &'a BTreeSet<Digest>,
        after: Option<&'a str>,
        limit: u32,
    ) -> Pending<'a, Result<NamingPage, StoreError>>;

    /// All evidence about a message, in order.
    fn timeline<'a>(&'a self, hub_id: &'a HubId) -> Pending<'a, Result<Vec<Entry>, StoreError>>;

    /// A stored receipt of a message: `accepted`, `delivered`, `acknowledged` ... (the word of the
    /// state it proves; `accepted` for the acceptance).
    fn receipt<'a>(
        &'a self,
        hub_id: &'a HubId,
        kind: &'a str,
    ) -> Pending<'a, Result<Vec<u8>, StoreError>>;

    /// Reads a part of an accepted message; every chunk is authenticated before it is given out,
    /// and the end is an error when size or digest differ from those taken at the door (P4).
    fn open_part<'a>(
        &'a self,
        hub_id: &'a HubId,
        cid: &'a str,
    ) -> Pending<'a, Result<Box<dyn io::Read + Send>, StoreError>>;

    /// The newest signed head of the log, as a C2SP signed note.
    fn head(&self) -> Pending<'_, Result<String, StoreError>>;

    /// The hashes of a tile as C2SP tlog-tiles names it: level, index, and how many hashes of a
    /// partial one (256 for a full one).
    fn tile(&self, level: u8, index: u64, width: u16) -> Pending<'_, Result<Vec<u8>, StoreError>>;

    /// A receipt for any leaf under the newest head: record, index, inclusion proof, signed head.
    fn prove(&self, index: u64) -> Pending<'_, Result<Vec<u8>, StoreError>>;

    /// Figures.
    fn figures(&self) -> Pending<'_, Result<Figures, StoreError>>;
}
