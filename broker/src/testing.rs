//! A hub on a store of its own, for tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use amtsbote_archive::note::LogKey;
use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::Rules;
use amtsbote_domain::delivery::lane::LaneName;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Account, Channel, Directory, Party, Service};
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::identity::{AccountId, HubId, Scope, ServiceUri, Transport, TransportId};
use amtsbote_domain::message::{ContentVerdict, Metadata, OpaqueReason, Part, SignatureFacts};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::Permissions;
use amtsbote_domain::ports::{Acceptance, Alone, ENVELOPE_CID};
use amtsbote_domain::state::{State, WaitingFor};
use amtsbote_domain::validity::Validity;
use amtsbote_store::{SqliteStore, StoreOptions};
use amtsbote_trust::keystore::Identity;
use amtsbote_trust::master::MasterKey;
use amtsbote_trust::policy::AlgorithmPolicy;
use amtsbote_trust::revocation::{self, Book, Refresher};
use amtsbote_trust::testca::{KeyKind, Purpose, Span, TestCa};
use amtsbote_trust::tls::Acceptor;
use amtsbote_trust::tls::ClientCertificate::{NotAsked, Optional, Required};
use amtsbote_trust::wrapping::{MASTER_KEY, WrappingFolder};
use tokio::sync::Notify;

use crate::clock::SystemClock;
use crate::config::{DeliveryPolicy, Limits};
use crate::hub::{Hub, Mail, Noise, Pulse, Validations};
use crate::keys::KeysAtRest;
use crate::notice::OwnParty;
use crate::outlet::Outlets;
use crate::quota::Quotas;
use crate::standing::TrustRules;
use crate::step::accepted::treated;
use crate::stop::{self, Stopper};
use crate::tables::{Current, InForce, Tables};

/// The peer that the directory has for the reader of every message that names no other.
pub(crate) const PEER: &str = "far";
/// A peer that the directory has for another reader.
pub(crate) const OTHER_PEER: &str = "near";
const SERVICE: &str = "urn:example:test";
const READER: &str = "ags:05766020";
const OTHER_READER: &str = "ags:05766040";

/// What a message says about itself.
pub(crate) fn metadata() -> Metadata {
    Metadata {
        author: PartyId::parse("ags:05766044").expect("a party"),
        reader: PartyId::parse(READER).expect("a party"),
        other_readers: vec![],
        service: ServiceUri::parse(SERVICE).expect("a service"),
        message_type: None,
        transport_id: TransportId::parse("t-1").expect("an id"),
        business_id: None,
        created: Timestamp::UNIX_EPOCH,
        not_before: None,
        expires: None,
        test: false,
    }
}

/// The record of a message for [`PEER`].
pub(crate) fn record(parts: Vec<Part>, envelope_sha256: Digest) -> Accepted {
    Accepted {
        hub_id: hub_id(1),
        account: AccountId::parse("lemgo").expect("an account"),
        account_certificate: None,
        scope: Scope::Account,
        metadata: metadata(),
        business_id: None,
        content_digest: Digest([1; 32]),
        envelope_sha256,
        parts,
        signature: SignatureFacts {
            certificate: Digest([3; 32]),
            subject: "CN=TEST".to_owned(),
            algorithm: "urn:example:none".to_owned(),
        },
        verdict: ContentVerdict::Opaque { reason: OpaqueReason::NoStandard },
        rule: "permissions.toml:1".to_owned(),
        channel: format!("peer:{PEER}"),
        test: false,
        applied: vec![],
        under_grace: vec![],
        same_business_id: vec![],
        siblings: vec![],
        about: None,
        came_by: None,
    }
}

/// The hub id of message `number`.
pub(crate) fn hub_id(number: u32) -> HubId {
    HubId::parse(&format!("0197a2c4-0000-7000-8000-{number:012x}")).expect("an id")
}

fn reader(id: &str, peer: &str) -> Party {
    Party {
        id: PartyId::parse(id).expect("a party"),
        name: "Detmold".to_owned(),
        services: vec![Service {
            uri: ServiceUri::parse(SERVICE).expect("a service"),
            channel: Channel::Peer(peer.to_owned()),
            validity: Validity::default(),
            opaque: true,
            test: false,
        }],
        certificates: vec![],
        legacy: None,
        grace: None,
    }
}

/// A party that signs, as the directory has it, and as the hub that writes in its name does.
pub(crate) fn own_party(id: &str) -> (Party, OwnParty) {
    let identity = issued(Purpose::Signature);
    let certificate = identity.certificate().clone();
    let party = Party {
        id: PartyId::parse(id).expect("a party"),
        name: "TEST".to_owned(),
        services: vec![],
        certificates: vec![certificate.trusted()],
        legacy: None,
        grace: None,
    };
    let signer = Arc::new(identity.signer().expect("it signs"));
    (party.clone(), OwnParty { id: party.id, signer, certificate })
}

/// A server's certificate and key.
fn identity() -> Identity {
    issued(Purpose::localhost())
}

fn issued(purpose: Purpose) -> Identity {
    let day = |text: &str| text.parse().expect("an instant");
    let span = Span { from: day("2020-01-01T00:00:00Z"), until: day("2100-01-01T00:00:00Z") };
    let ca = TestCa::new("TEST", KeyKind::EcP256, span).expect("a CA");
    let issued = ca.issue("TEST hub", purpose, KeyKind::EcP256, span);
    issued.expect("issued").identity().clone()
}

/// A hub whose directory has two readers, behind [`PEER`] and [`OTHER_PEER`].
pub(crate) fn hub(dir: &Path, delivery: DeliveryPolicy, outlets: Outlets) -> (Arc<Hub>, Stopper) {
    hub_with(dir, delivery, Rules::default(), outlets)
}

/// The same with rules about deliveries.
pub(crate) fn hub_with(
    dir: &Path,
    delivery: DeliveryPolicy,
    rules: Rules,
    outlets: Outlets,
) -> (Arc<Hub>, Stopper) {
    hub_writing(dir, delivery, rules, outlets, (vec![], vec![]), None)
}

/// The same with more parties and with accounts, and in whose name it writes to Authors.
pub(crate) fn hub_writing(
    dir: &Path,
    delivery: DeliveryPolicy,
    rules: Rules,
    outlets: Outlets,
    (more, accounts): (Vec<Party>, Vec<Account>),
    writes_as: Option<OwnParty>,
) -> (Arc<Hub>, Stopper) {
    let mut parties = vec![reader(READER, PEER), reader(OTHER_READER, OTHER_PEER)];
    parties.extend(more);
    let directory = Directory::new(parties, accounts).expect("consistent");
    let identity = identity();
    let book = Arc::new(Book::new());
    let refresher =
        Refresher::new(revocation::Settings::default(), book.clone(), None, Arc::new(SystemClock));
    let door = |required| Acceptor::new(&identity, &[], required, None).expect("settings");
    let doors =
        [Required, Optional, NotAsked].map(|required| Arc::new(Current::new(door(required))));
    let tables = Tables {
        identity: identity.clone(),
        client_authorities: vec![],
        trust: TrustRules::default(),
        revocation: revocation::Settings::default(),
        policy: Arc::new(AlgorithmPolicy::built_in()),
        directory,
        permissions: Permissions::default(),
        delivery: Arc::new(rules),
        packs: Arc::default(),
        operators: vec![],
        peers: vec![],
        writes_as,
        intermediary: None,
        digest: Digest([0; 32]),
    };
    let clock = Arc::new(SystemClock);
    let log_key = LogKey::generate("amtsbote/test/1").expect("a key");
    let verifier = log_key.verifier().clone();
    let key_store = dir.join("keys");
    std::fs::create_dir_all(&key_store).expect("a folder");
    if !key_store.join(MASTER_KEY).exists() {
        MasterKey::create(&key_store.join(MASTER_KEY)).expect("a key");
    }
    let keys = Arc::new(WrappingFolder::open(&key_store).expect("opens"));
    let mut options = StoreOptions::new(dir, keys.clone(), log_key, clock.clone());
    options.reserve_bytes = 1 << 20;
    let store = Arc::new(SqliteStore::open(options).expect("opens"));
    let (stopper, stop) = stop::channel();
    let hub = Hub {
        name: "test".to_owned(),
        node: None,
        data_dir: dir.to_owned(),
        store: store.clone(),
        keys: KeysAtRest::new(keys, store),
        clock,
        ids: Box::new(uuid::Uuid::now_v7),
        mail: Mail::new(&tables.directory),
        tables: Current::new(InForce::new(tables, outlets, book.clone())),
        doors,
        book,
        refresher: refresher.expect("settings"),
        under_grace: AtomicU64::new(0),
        reread: None,
        watching: Arc::default(),
        limits: Limits::default(),
        delivery,
        verifier,
        quotas: Quotas::default(),
        validations: Validations::default(),
        gates: Default::default(),
        work: Notify::new(),
        hints: Arc::new(Alone),
        pulse: Pulse::default(),
        noise: Arc::new(Noise::default()),
        stop,
    };
    (Arc::new(hub), stopper)
}

/// A message for [`PEER`], accepted.
pub(crate) async fn accepted(hub: &Hub) -> HubId {
    accepted_for(hub, 1, PEER).await
}

/// Message `number` for one of the two peers, accepted.
pub(crate) async fn accepted_for(hub: &Hub, number: u32, peer: &str) -> HubId {
    let reader = if peer == OTHER_PEER { OTHER_READER } else { READER };
    accept(hub, number, reader, format!("peer:{peer}"), WaitingFor::Turn).await
}

/// Message `number` for another reader, which goes to [`PEER`], accepted.
pub(crate) async fn accepted_to(hub: &Hub, number: u32, reader: &str) -> HubId {
    accept(hub, number, reader, format!("peer:{PEER}"), WaitingFor::Turn).await
}

/// Message `number` for an inbox, accepted.
pub(crate) async fn accepted_in_inbox(hub: &Hub, number: u32) -> HubId {
    accept(hub, number, READER, "inbox".to_owned(), WaitingFor::Collection).await
}

/// Message `number` for [`PEER`] in a lane of that name, accepted.
pub(crate) async fn accepted_in_lane(hub: &Hub, number: u32, lane: &str) -> HubId {
    let lane = Some(LaneName::parse(lane).expect("a lane"));
    let on = WaitingFor::Turn;
    let mut acceptance = acceptance(hub, number, READER, format!("peer:{PEER}"), on);
    acceptance.lane = lane;
    hub.store.accept(acceptance).await.expect("accepted").hub_id
}

/// Message `number` for [`PEER`] that ends at a time, accepted.
pub(crate) async fn accepted_until(hub: &Hub, number: u32, ends: Timestamp) -> HubId {
    let on = WaitingFor::Turn;
    let mut acceptance = acceptance(hub, number, READER, format!("peer:{PEER}"), on);
    acceptance.record.metadata.expires = Some(ends);
    hub.store.accept(acceptance).await.expect("accepted").hub_id
}

async fn accept(hub: &Hub, number: u32, reader: &str, channel: String, on: WaitingFor) -> HubId {
    let acceptance = acceptance(hub, number, reader, channel, on);
    hub.store.accept(acceptance).await.expect("accepted").hub_id
}

fn acceptance(hub: &Hub, number: u32, reader: &str, channel: String, on: WaitingFor) -> Acceptance {
    let mut intake = hub.store.intake().expect("room");
    let mut part = |cid, octets: &[u8]| {
        intake.begin(cid, "application/xml").expect("begins");
        intake.write(octets).expect("takes it");
        intake.end().expect("ends")
    };
    let envelope = part(ENVELOPE_CID, b"<envelope/>");
    let payload = part("payload", b"<payload/>");
    let mut record = record(vec![payload], envelope.sha256);
    record.hub_id = hub_id(number);
    record.metadata.transport_id = TransportId::parse(&format!("t-{number}")).expect("an id");
    record.channel = channel;
    record.metadata.reader = PartyId::parse(reader).expect("a party");
    let (lane, conversation) =
        treated(&hub.tables().delivery, &record.metadata, record.test, hub.clock.now());
    Acceptance {
        lane,
        conversation,
        record,
        transport: Transport::Native,
        intake,
        state: State::Waiting { on },
        due: None,
        warn: None,
        issued: false,
        others: vec![],
    }
}
