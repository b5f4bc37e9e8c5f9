//! One suite of tests for every implementation of the store's port.
//!
//! An implementation names itself with [`Subject`] and calls [`store_contract!`](crate::store_contract);
//! it is finished when the suite is green. The tests use the port alone, and a clock they move by
//! hand; nothing depends on the time of day or on how long anything takes.

pub mod accepting;
pub mod choosing;
pub mod clearing;
pub mod collecting;
pub mod delivering;
pub mod evidence;
pub mod issued;
pub mod keeping;
pub mod keys;
pub mod naming;
pub mod notices;
pub mod ordering;
pub mod readers;
pub mod sessions;

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use amtsbote_archive::note::VerifierKey;
use amtsbote_archive::receipt::Receipt;
use amtsbote_domain::delivery::conversation::Conversation;
use amtsbote_domain::delivery::lane::LaneName;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::{
    AccountId, BusinessId, HubId, MessageUuid, Scope, ServiceUri, Transport, TransportId,
};
use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason, Part, SignatureFacts};
use amtsbote_domain::notice::About;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{
    Acceptance, AcceptedReceipt, Clock, ENVELOPE_CID, ForReader, Intake, Store, StoreError,
};
use amtsbote_domain::state::{State, WaitingFor};
use jiff::{SignedDuration, Timestamp};

/// The implementation under test.
pub trait Subject: 'static {
    /// The store.
    type Store: Store;

    /// Opens the store in a folder, or makes it. Two at the same time are never asked for.
    fn open(dir: &Path, clock: Arc<ManualClock>) -> Self::Store;

    /// What verifies its heads and receipts.
    fn verifier() -> VerifierKey;

    /// Changes one bit of the sealed octets of a part. The store is closed.
    fn corrupt(dir: &Path, hub_id: &HubId, cid: &str);

    /// Puts something into the place of the record of an acceptance that is none. The store is closed.
    fn spoil_record(dir: &Path, hub_id: &HubId) {
        spoil_record(dir, hub_id);
    }
}

/// Puts something into the place of the record of an acceptance that is none, in the file of a folder.
pub fn spoil_record(dir: &Path, hub_id: &HubId) {
    let db = rusqlite::Connection::open(crate::writer::database_path(dir)).expect("opens");
    let sql = "UPDATE leaf SET record = x'00'
         WHERE idx = (SELECT leaf FROM message WHERE hub_id = ?1)";
    let changed = db.execute(sql, rusqlite::params![hub_id.as_str()]).expect("changes");
    assert_eq!(changed, 1, "the record of {hub_id}");
}

/// A clock that moves only when told to.
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// Stands at noon of 23 November 2026.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(START)))
    }

    /// Moves it, forwards or backwards, by seconds.
    pub fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += SignedDuration::from_secs(seconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the clocks of the suite begin.
pub const START: Timestamp = Timestamp::constant(1_795_435_200, 0);

/// An instant some seconds after the start.
pub fn after(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

/// A message of the suite: everything a test may want to be different.
#[derive(Clone)]
pub struct Draft {
    /// Makes the hub id, the transport id and the content.
    pub number: u32,
    /// Who hands it in.
    pub account: &'static str,
    /// The client certificate it is handed in by.
    pub account_certificate: Option<Digest>,
    /// Within what its transport id is one.
    pub scope: Scope,
    /// Who wrote it.
    pub author: &'static str,
    /// Its transport id, if not made of the number.
    pub transport_id: Option<String>,
    /// Who is to read it.
    pub reader: &'static str,
    /// Who else is to read it; each has the id of [`Draft::hub_id_for`].
    pub other_readers: Vec<&'static str>,
    /// The payload.
    pub payload: Vec<u8>,
    /// An attachment.
    pub attachment: Option<Vec<u8>>,
    /// `inbox`, or `peer:` and a name.
    pub channel: &'static str,
    /// The business id's second half.
    pub business_id: Option<&'static str>,
    /// First due.
    pub due: Option<Timestamp>,
    /// Expiry.
    pub expires: Option<Timestamp>,
    /// The lane it goes in.
    pub lane: Option<&'static str>,
    /// It stays in order with the others of its Author, Reader and service.
    pub in_order: bool,
    /// From when its Author is to be told that it expires soon.
    pub warn: Option<Timestamp>,
    /// For a notice: what it is about.
    pub about: Option<About>,
    /// Its transport id must be one that the hub gave out.
    pub issued: bool,
}

/// The content-id of every payload.
pub const PAYLOAD_CID: &str = "payload";
/// The content-id of every attachment.
pub const ATTACHMENT_CID: &str = "attachment";
/// The reader of every message that names no other.
pub const READER: &str = "ags:05766044";
/// The certificate that signs every message.
pub const SIGNER: Digest = Digest([5; 32]);
/// The author of every message that names no other.
pub const AUTHOR: &str = "ags:05766048";

impl Draft {
    /// Message `number` for the inbox of [`READER`].
    pub fn inbox(number: u32) -> Self {
        Self {
            number,
            account: "lage",
            account_certificate: None,
            scope: Scope::Account,
            author: AUTHOR,
            transport_id: None,
            reader: READER,
            other_readers: vec![],
            payload: format!("<payload number=\"{number}\"/>").into_bytes(),
            attachment: None,
            channel: "inbox",
            business_id: None,
            due: None,
            expires: None,
            lane: None,
            in_order: false,
            warn: None,
            about: None,
            issued: false,
        }
    }

    /// Message `number` for the peer `krz`.
    pub fn peer(number: u32) -> Self {
        Self { channel: "peer:krz", ..Self::inbox(number) }
    }

    /// Its hub id.
    pub fn hub_id(&self) -> HubId {
        let text = format!("019f0000-0000-7000-8000-{:012x}", self.number);
        HubId::parse(&text).expect("a hub id")
    }

    /// The hub id of its delivery to the `n`th Reader, from 0.
    pub fn hub_id_for(&self, n: usize) -> HubId {
        let text = format!("019f0000-0000-7000-8{n:03x}-{:012x}", self.number);
        HubId::parse(&text).expect("a hub id")
    }

    /// Its transport id.
    pub fn transport_id(&self) -> TransportId {
        let made = || format!("id-{}", self.number);
        TransportId::parse(&self.transport_id.clone().unwrap_or_else(made)).expect("an id")
    }

    /// Its payload's digest: what an acknowledgement confirms.
    pub fn digest(&self) -> Digest {
        digest(&self.payload)
    }

    /// The state its delivery begins in.
    pub fn state(&self) -> State {
        let inbox = self.channel == "inbox";
        State::Waiting { on: if inbox { WaitingFor::Collection } else { WaitingFor::Turn } }
    }

    fn envelope(&self) -> Vec<u8> {
        format!("<envelope number=\"{}\"/>", self.number).into_bytes()
    }

    fn record(&self, parts: Vec<Part>) -> Accepted {
        let author = PartyId::parse(self.author).expect("a party");
        let uuid = self.business_id.map(|id| MessageUuid::parse(id).expect("a business id"));
        let contents = [&self.payload[..], self.attachment.as_deref().unwrap_or_default()];
        Accepted {
            hub_id: self.hub_id(),
            account: account(self.account),
            account_certificate: self.account_certificate,
            scope: self.scope.clone(),
            metadata: Metadata {
                author: author.clone(),
                reader: PartyId::parse(self.reader).expect("a party"),
                other_readers: self
                    .other_readers
                    .iter()
                    .map(|reader| PartyId::parse(reader).expect("a party"))
                    .collect(),
                service: ServiceUri::parse("urn:example:ummeldung").expect("a service"),
                message_type: None,
                transport_id: self.transport_id(),
                business_id: uuid.clone(),
                created: START,
                not_before: self.due,
                expires: self.expires,
                test: false,
            },
            business_id: uuid.map(|uuid| BusinessId { author, uuid }),
            content_digest: digest(&contents.concat()),
            envelope_sha256: digest(&self.envelope()),
            parts,
            signature: SignatureFacts {
                certificate: SIGNER,
                subject: "CN=Stadt Lage".to_owned(),
                algorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256".to_owned(),
            },
            verdict: ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
            rule: "1".to_owned(),
            channel: self.channel.to_owned(),
            test: false,
            applied: vec![],
            under_grace: vec![],
            same_business_id: Vec::new(),
            siblings: vec![],
            about: self.about.clone().map(Box::new),
            came_by: None,
        }
    }

    /// Takes it in, part by part, as the door does.
    pub fn acceptance(&self, mut intake: Box<dyn Intake>) -> Result<Acceptance, StoreError> {
        take_in(&mut *intake, ENVELOPE_CID, &self.envelope())?;
        let mut parts = vec![take_in(&mut *intake, PAYLOAD_CID, &self.payload)?];
        if let Some(attachment) = &self.attachment {
            parts.push(take_in(&mut *intake, ATTACHMENT_CID, attachment)?);
        }
        let record = self.record(parts);
        let others = (1..).zip(&record.metadata.other_readers);
        let others = others.map(|(n, reader)| self.for_reader(n, reader, &record)).collect();
        let transport = self.about.as_ref().map_or(Transport::Native, |_| Transport::Hub);
        Ok(Acceptance {
            lane: self.lane.map(|name| LaneName::parse(name).expect("a lane")),
            conversation: self.in_order.then(|| Conversation::of(&record.metadata, record.test)),
            record,
            transport,
            intake,
            state: self.state(),
            due: self.due,
            warn: self.warn,
            issued: self.issued,
            others,
        })
    }

    /// Its delivery to one of its other Readers.
    fn for_reader(&self, n: usize, reader: &PartyId, first: &Accepted) -> ForReader {
        let record = Accepted {
            hub_id: self.hub_id_for(n),
            scope: first.scope.clone().of_reader(reader.clone()),
            metadata: first.metadata.for_reader(reader).expect("one of the Readers"),
            ..first.clone()
        };
        ForReader {
            lane: self.lane.map(|name| LaneName::parse(name).expect("a lane")),
            conversation: self.in_order.then(|| Conversation::of(&record.metadata, record.test)),
            record,
            state: self.state(),
            due: self.due,
            warn: self.warn,
        }
    }

    /// Hands it in.
    pub async fn accept(&self, store: &impl Store) -> Result<AcceptedReceipt, StoreError> {
        store.accept(self.acceptance(store.intake()?)?).await
    }

    /// Hands it in; it must be accepted as new.
    pub async fn accepted(&self, store: &impl Store) -> AcceptedReceipt {
        let receipt = self.accept(store).await.expect("is accepted");
        assert!(!receipt.repeated, "message {} was accepted before", self.number);
        assert_eq!(receipt.hub_id, self.hub_id());
        receipt
    }
}

/// Writes one part in uneven pieces.
pub fn take_in(intake: &mut dyn Intake, cid: &str, octets: &[u8]) -> Result<Part, StoreError> {
    intake.begin(cid, "application/xml")?;
    for piece in octets.chunks(50_000) {
        intake.write(piece)?;
    }
    intake.end()
}

/// The account of this name.
pub fn account(name: &str) -> AccountId {
    AccountId::parse(name).expect("an account")
}

/// SHA-256.
pub fn digest(octets: &[u8]) -> Digest {
    Digest(openssl::sha::sha256(octets))
}

/// Octets that differ from place to place and from message to message.
pub fn octets(seed: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Reads a whole part.
pub async fn read_part(
    store: &impl Store,
    hub_id: &HubId,
    cid: &str,
) -> Result<Vec<u8>, std::io::Error> {
    let mut part = store.open_part(hub_id, cid).await.map_err(std::io::Error::other)?;
    let mut octets = Vec::new();
    part.read_to_end(&mut octets)?;
    Ok(octets)
}

/// The state of a message.
pub async fn state_of(store: &impl Store, draft: &Draft) -> State {
    store.delivery(&draft.hub_id()).await.expect("is there").state
}

/// Verifies a receipt and says which record it proves.
pub fn proven(receipt: &[u8], verifier: &VerifierKey) -> Evidence {
    let receipt = Receipt::parse(receipt).expect("a receipt");
    let verified = receipt.verify(verifier).expect("it verifies");
    serde_json::from_value(verified.record.clone()).expect("evidence")
}

/// The whole suite for one [`Subject`]. The calling package needs `tokio` and `tempfile`.
#[macro_export]
macro_rules! store_contract {
    ($subject:ty) => {
        $crate::store_contract!(@tests $subject;
            accepting: a_repeat_gets_the_stored_receipt;
            accepting: an_id_is_one_within_its_scope;
            accepting: a_scope_may_change_and_a_repeat_stays_one;
            accepting: of_sixteen_at_once_one_is_accepted;
            accepting: of_sixteen_contents_under_one_id_one_is_accepted;
            accepting: what_is_read_is_what_came_in;
            accepting: an_intake_can_be_read_before_acceptance;
            accepting: an_intake_refuses_wrong_use;
            accepting: octets_that_are_not_those_of_the_record_are_refused;
            accepting: a_business_id_links_and_drops_nothing;
            accepting: two_hundred_at_once_are_not_mixed_up;
            collecting: the_inbox_keeps_the_order_of_acceptance;
            collecting: the_inbox_shows_what_is_due_and_not_expired;
            collecting: handing_out_is_recorded_once_for_each_account;
            collecting: what_cannot_be_collected_is_not_handed_out;
            collecting: octets_that_changed_are_not_handed_out_again;
            collecting: an_acknowledgement_needs_the_right_digest;
            collecting: acknowledgements_at_once_are_one;
            collecting: a_late_acknowledgement_is_still_the_truth;
            delivering: a_lease_has_one_holder;
            delivering: leases_are_shared_among_peers;
            delivering: an_attempt_needs_a_live_lease;
            delivering: a_lost_attempt_is_uncertain_and_a_stale_lease_cannot_settle;
            delivering: a_failed_attempt_waits_for_its_time;
            delivering: a_lease_can_be_given_back;
            delivering: expiry_ends_only_what_has_not_left;
            delivering: what_may_have_arrived_is_ended_by_neither_time_nor_author;
            delivering: cancelling_ends_only_what_has_not_left;
            delivering: what_is_held_and_released_is_still_not_early;
            delivering: events_of_the_worker_need_its_lease;
            ordering: lanes_are_told_and_leased_by_shares;
            ordering: of_a_conversation_one_goes_at_a_time;
            ordering: what_has_not_ended_holds_back_what_came_after;
            ordering: what_is_released_waits_for_what_went_on;
            ordering: a_detour_changes_the_way_on_record;
            ordering: what_waits_for_a_peer_is_told_page_by_page;
            ordering: order_holds_through_any_history;
            clearing: cases_are_found_oldest_first;
            clearing: two_people_cannot_act_on_one_case;
            clearing: a_decision_leaves_alone_what_has_changed;
            clearing: one_person_does_not_split_a_large_act;
            clearing: a_way_that_people_name_is_kept;
            clearing: a_proposal_needs_another_person;
            clearing: a_proposal_is_judged_once_and_in_time;
            clearing: a_grant_is_carried_out_piece_by_piece;
            readers: each_reader_has_a_delivery_of_its_own;
            readers: a_repeat_gets_the_receipt_of_the_first_reader;
            readers: one_reader_after_the_other_may_be_relayed;
            readers: readers_of_another_message_are_not_accepted;
            evidence: receipts_verify_and_stay_the_same;
            evidence: every_leaf_can_be_proven;
            evidence: tiles_hold_the_hashes_of_the_tree;
            evidence: time_never_runs_backwards;
            evidence: acts_without_a_delivery_are_recorded;
            evidence: lists_and_figures_agree;
            naming: open_deliveries_are_found_by_certificate;
            notices: a_bad_ending_leaves_an_intent;
            notices: a_notice_is_accepted_once_with_its_intent;
            notices: nobody_is_told_about_a_notice;
            notices: what_is_not_true_any_more_is_not_told;
            notices: who_cannot_be_told_is_on_record;
            notices: a_warning_comes_in_time_and_only_while_it_waits;
            notices: intents_come_in_pages_and_survive;
            notices: what_one_has_taken_another_leaves;
            notices: what_cannot_be_read_is_set_aside;
            sessions: a_session_goes_on_step_by_step;
            sessions: of_sixteen_steps_one_wins;
            sessions: a_session_ends_in_time;
            sessions: sessions_of_an_account_are_bounded;
            sessions: a_session_is_not_misused;
            sessions: sessions_survive_without_evidence;
            issued: an_id_is_used_once;
            issued: an_id_is_for_one_account_and_a_time;
            issued: ids_are_swept_after_their_time;
            issued: of_sixteen_uses_one_is_accepted;
            issued: an_acceptance_that_fails_uses_no_id;
            issued: ids_survive;
            choosing: several_inboxes_are_one_list;
            choosing: one_is_chosen_by_its_id;
            choosing: a_choice_is_bounded;
            choosing: what_was_handed_out_is_confirmed;
            keeping: everything_is_there_after_reopening;
            keeping: an_open_attempt_is_uncertain_after_reopening;
            keeping: a_changed_bit_is_found;
        );
    };
    (@tests $subject:ty; $($module:ident: $name:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let dir = tempfile::tempdir().expect("a temporary folder");
                $crate::contract::$module::$name::<$subject>(dir.path()).await;
            }
        )*
    };
}
