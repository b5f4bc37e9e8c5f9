//! A hub that is an Intermediary on loopback, and the partners that it knows.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use amtsbote_domain::delivery::Rules;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{
    Account, Channel, Directory, Mailbox, Partner, Party, Service, TrustedCertificate,
};
use amtsbote_domain::identity::{AccountId, ServiceUri};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::{Pattern, Permissions, Rule};
use amtsbote_domain::ports::Clock;
use amtsbote_domain::validity::Validity;
use amtsbote_trust::keystore::Identity;
use amtsbote_trust::policy::AlgorithmPolicy;
use amtsbote_trust::revocation::{Book, Settings};
use amtsbote_trust::testca::{KeyKind, Purpose, Span, TestCa};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::config::{DeliveryPolicy, Limits};
use crate::hub::{Hub, Noise};
use crate::outlet::Outlets;
use crate::standing::TrustRules;
use crate::stop::Stopper;
use crate::tables::{InForce, Intermediary, Tables};
use crate::testing;
use crate::transport::listener::Listener;

/// The service that Readers open for what comes this way.
pub(super) const SERVICE: &str = "urn:example:opaque";
/// Who sends.
pub(super) const AUTHOR: &str = "ags:05766044";
/// Who collects.
pub(super) const READER: &str = "ags:05758004";

/// Keys of one who signs and one for whom is encrypted.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) signature: Identity,
    pub(super) cipher: Identity,
}

/// Keys that take a while to make, made once.
pub(super) struct Keys {
    pub(super) hub: Pair,
    pub(super) author: Pair,
    pub(super) reader: Pair,
    pub(super) stranger: Pair,
}

impl Keys {
    pub(super) fn get() -> &'static Self {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(|| {
            let day = |text: &str| text.parse().expect("an instant");
            let span =
                Span { from: day("2020-01-01T00:00:00Z"), until: day("2100-01-01T00:00:00Z") };
            let ca = TestCa::new("TEST partners", KeyKind::EcP256, span).expect("a CA");
            let pair = |name: &str| {
                let issue = |purpose, kind| {
                    let issued = ca.issue(&format!("TEST {name}"), purpose, kind, span);
                    issued.expect("issued").identity().clone()
                };
                Pair {
                    signature: issue(Purpose::Signature, KeyKind::EcP256),
                    cipher: issue(Purpose::Encryption, KeyKind::Rsa3072),
                }
            };
            Keys {
                hub: pair("hub"),
                author: pair("author"),
                reader: pair("reader"),
                stranger: pair("stranger"),
            }
        })
    }
}

/// What a test may want otherwise.
pub(super) struct Wish {
    /// Policy of the Author's account.
    pub(super) signed: bool,
    pub(super) encrypted: bool,
    /// Whether anything is permitted.
    pub(super) permitted: bool,
    pub(super) limits: Limits,
}

impl Default for Wish {
    fn default() -> Self {
        Self { signed: true, encrypted: true, permitted: true, limits: Limits::default() }
    }
}

/// A hub at work.
pub(super) struct Ground {
    pub(super) hub: Arc<Hub>,
    pub(super) address: SocketAddr,
    stopper: Stopper,
    serving: JoinHandle<()>,
    _dir: TempDir,
}

/// The tables of such a hub.
pub(super) fn tables(wish: &Wish, own: &Pair, directory: Directory) -> Tables {
    let identity = own.signature.clone();
    let all = || Pattern::parse("*").expect("a pattern");
    let rule = Rule {
        name: "test:1".to_owned(),
        from: all(),
        to: all(),
        service: all(),
        types: None,
        validity: Validity::default(),
    };
    Tables {
        identity,
        client_authorities: vec![],
        trust: TrustRules::default(),
        revocation: Settings::default(),
        policy: Arc::new(AlgorithmPolicy::built_in()),
        directory,
        permissions: Permissions::new(wish.permitted.then_some(rule).into_iter().collect()),
        delivery: Arc::new(Rules::default()),
        packs: Arc::default(),
        operators: vec![],
        peers: vec![],
        writes_as: None,
        intermediary: Some(Intermediary {
            decryptor: Arc::new(Box::new(own.cipher.decryptor().expect("it decrypts"))),
            cipher: own.cipher.certificate().clone(),
            signer: Arc::new(Box::new(own.signature.signer().expect("it signs"))),
            signature: own.signature.certificate().clone(),
        }),
        digest: Digest([0; 32]),
    }
}

/// The Author and the Reader, each with an account of its own.
pub(super) fn directory(wish: &Wish) -> Directory {
    let keys = Keys::get();
    let trusted = |identity: &Identity| vec![identity.certificate().trusted()];
    let account = |name: &str, party: &str| account(name, party);
    let partner = |name: &str, pair: &Pair, (signed, encrypted)| Partner {
        account: AccountId::parse(name).expect("an account"),
        signature: trusted(&pair.signature),
        cipher: trusted(&pair.cipher),
        signed,
        encrypted,
    };
    let accounts = vec![account("author", AUTHOR), account("reader", READER)];
    let partners = vec![
        partner("author", &keys.author, (wish.signed, wish.encrypted)),
        partner("reader", &keys.reader, (true, true)),
    ];
    let mailboxes = vec![mailbox(READER, trusted(&keys.reader.cipher))];
    let parties = vec![party(AUTHOR, false), party(READER, true)];
    let directory = Directory::new(parties, accounts).expect("consistent");
    directory.with_partners(partners, mailboxes).expect("consistent")
}

pub(super) fn account(name: &str, party: &str) -> Account {
    Account {
        id: AccountId::parse(name).expect("an account"),
        certificates: vec![],
        parties: vec![PartyId::parse(party).expect("a party")],
        relay: false,
        legacy: None,
        grace: None,
    }
}

pub(super) fn mailbox(party: &str, certificates: Vec<TrustedCertificate>) -> Mailbox {
    Mailbox { party: PartyId::parse(party).expect("a party"), certificates }
}

pub(super) fn party(id: &str, collects: bool) -> Party {
    let service = Service {
        uri: ServiceUri::parse(SERVICE).expect("a service"),
        channel: Channel::Inbox,
        validity: Validity::default(),
        opaque: true,
        test: false,
    };
    Party {
        id: PartyId::parse(id).expect("a party"),
        name: "TEST".to_owned(),
        services: if collects { vec![service] } else { vec![] },
        certificates: vec![],
        legacy: None,
        grace: None,
    }
}

impl Ground {
    /// Begins to listen.
    pub(super) async fn begin(wish: Wish) -> Self {
        let directory = directory(&wish);
        let tables = tables(&wish, &Keys::get().hub, directory);
        Self::with(tables, wish.limits).await
    }

    /// The same with these tables.
    pub(super) async fn with(tables: Tables, limits: Limits) -> Self {
        Self::at(tables, limits, Arc::new(SystemClock)).await
    }

    /// The same by this clock.
    pub(super) async fn at(tables: Tables, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let policy = DeliveryPolicy::default();
        let (hub, stopper) = testing::hub(dir.path(), policy, Outlets::new());
        let mut hub = Arc::into_inner(hub).expect("nobody else has it");
        (hub.limits, hub.clock) = (limits, clock);
        hub.tables.replace(InForce::new(tables, Outlets::new(), Arc::new(Book::new())));
        let hub = Arc::new(hub);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let noise = Arc::new(Noise::default());
        let listener = Listener::bind(loopback, hub.doors[2].clone(), hub.limits, noise).await;
        let listener = listener.expect("bound");
        let address = listener.address().expect("an address");
        let router = super::super::router(hub.clone());
        let grace = Duration::from_secs(60);
        let serving = tokio::spawn(listener.serve(router, hub.stop.clone(), grace));
        Self { hub, address, stopper, serving, _dir: dir }
    }

    /// Stops listening.
    pub(super) async fn end(self) {
        self.stopper.stop();
        self.serving.await.expect("it ends");
    }
}
