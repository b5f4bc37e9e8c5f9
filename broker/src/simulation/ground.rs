//! What no run changes: certificates, rules, and who is reachable how.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use amtsbote_domain::delivery::Rules;
use amtsbote_domain::delivery::breaker;
use amtsbote_domain::delivery::policy::{Policies, Policy};
use amtsbote_domain::delivery::traffic::{Limits as PeerLimits, Traffic};
use amtsbote_domain::delivery::wait::Waits;
use amtsbote_domain::directory::{Account, Channel, Directory, Party, Service};
use amtsbote_domain::identity::{AccountId, ServiceUri};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::{Pattern, Permissions, Rule};
use amtsbote_domain::validity::Validity;
use amtsbote_trust::keystore::Identity;
use amtsbote_trust::policy::AlgorithmPolicy;
use amtsbote_trust::revocation::{self, Book, Refresher};
use amtsbote_trust::testca::{KeyKind, Purpose, Span, TestCa};
use amtsbote_trust::tls::Acceptor;
use amtsbote_trust::tls::ClientCertificate::{NotAsked, Optional, Required};

use crate::clock::SystemClock;
use crate::doors::Door;
use crate::tables::Current;

/// The service of every message.
pub(super) const SERVICE: &str = "urn:example:simulation";
pub(super) const LEMGO: &str = "ags:05766044";
pub(super) const BUENDE: &str = "ags:05758004";
pub(super) const PARTNERS: [&str; 3] = ["ags:05770032", "ags:05770036", "ags:05770044"];

/// The account of another system of Lemgo, which uses the same ids.
pub(super) const SECOND_SYSTEM: &str = "fach-lemgo-2";

/// Who is reachable how, as one of the hubs sees it.
pub(super) fn directory(lippe: bool) -> Directory {
    let to = |name: &str| Channel::Peer(name.to_owned());
    let mut all = vec![
        reachable(LEMGO, if lippe { Channel::Inbox } else { to("lippe") }),
        reachable(BUENDE, if lippe { to("herford") } else { Channel::Inbox }),
    ];
    for (n, partner) in PARTNERS.iter().enumerate() {
        let way = if lippe { to(&format!("partner-{n}")) } else { to("lippe") };
        all.push(reachable(partner, way));
    }
    let (own, other, of) = match lippe {
        true => ("fach-lemgo", "hub-herford", LEMGO),
        false => ("fach-buende", "hub-lippe", BUENDE),
    };
    let mut accounts = vec![account(own, vec![party(of)], false), account(other, vec![], true)];
    if lippe {
        accounts.push(account(SECOND_SYSTEM, vec![party(LEMGO)], false));
    }
    Directory::new(all, accounts).expect("free of contradiction")
}

fn reachable(id: &str, channel: Channel) -> Party {
    let service = Service {
        uri: ServiceUri::parse(SERVICE).expect("a service"),
        channel,
        validity: Validity::default(),
        opaque: true,
        test: false,
    };
    Party {
        id: party(id),
        name: "TEST".to_owned(),
        services: vec![service],
        certificates: vec![Ground::get().identity.certificate().trusted()],
        legacy: None,
        grace: None,
    }
}

fn account(name: &str, parties: Vec<PartyId>, relay: bool) -> Account {
    let id = account_id(name);
    Account { id, certificates: vec![], parties, relay, legacy: None, grace: None }
}

pub(super) fn party(text: &str) -> PartyId {
    PartyId::parse(text).expect("a party")
}

pub(super) fn account_id(text: &str) -> AccountId {
    AccountId::parse(text).expect("an account")
}

/// Everybody may send everything to everybody.
pub(super) fn permissions() -> Permissions {
    let all = || Pattern::parse("*").expect("a pattern");
    Permissions::new(vec![Rule {
        name: "simulation:1".to_owned(),
        from: all(),
        to: all(),
        service: all(),
        types: None,
        validity: Validity::default(),
    }])
}

pub(super) fn rules() -> Rules {
    let policy = Policy {
        attempts: 5,
        waits: Waits { first: Duration::from_secs(4), longest: Duration::from_secs(60) },
        ..Policy::default()
    };
    let breaker = breaker::Settings {
        longest_pause: Duration::from_secs(60),
        patience: Duration::from_secs(90),
        ..breaker::Settings::default()
    };
    let limits = PeerLimits { breaker, ..PeerLimits::default() };
    Rules {
        policies: Policies::new(vec![], policy).expect("a policy that can work"),
        traffic: Traffic::new(vec![], limits),
        ..Rules::default()
    }
}

/// What no run changes, made once for all of them.
pub(super) struct Ground {
    pub(super) identity: Identity,
    pub(super) policy: Arc<AlgorithmPolicy>,
    pub(super) doors: [Door; 3],
    pub(super) book: Arc<Book>,
    pub(super) refresher: Refresher,
}

impl Ground {
    pub(super) fn get() -> &'static Self {
        static GROUND: OnceLock<Ground> = OnceLock::new();
        GROUND.get_or_init(|| {
            let day = |text: &str| text.parse().expect("an instant");
            let span =
                Span { from: day("2020-01-01T00:00:00Z"), until: day("2100-01-01T00:00:00Z") };
            let ca = TestCa::new("TEST simulation", KeyKind::EcP256, span).expect("a CA");
            let issued = ca.issue("TEST author", Purpose::localhost(), KeyKind::EcP256, span);
            let identity = issued.expect("issued").identity().clone();
            let book = Arc::new(Book::new());
            let settings = revocation::Settings::default();
            let refresher = Refresher::new(settings, book.clone(), None, Arc::new(SystemClock));
            let door = |required| Acceptor::new(&identity, &[], required, None).expect("settings");
            let doors = [Required, Optional, NotAsked]
                .map(|required| Arc::new(Current::new(door(required))));
            Self {
                policy: Arc::new(AlgorithmPolicy::built_in()),
                doors,
                book,
                refresher: refresher.expect("settings"),
                identity,
            }
        })
    }
}
