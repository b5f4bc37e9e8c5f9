//! Which way a notice goes, what becomes of it without one, and that it is told once.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use amtsbote_domain::clearing::{Act, Decision, Person, Reason, Target};
use amtsbote_domain::delivery::Rules;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Account, Channel, Party, Service};
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::{AccountId, HubId, ServiceUri};
use amtsbote_domain::notice::{Form, SERVICE, Told, Withheld};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Delivery, Pending};
use amtsbote_domain::state::{State, WaitingFor};
use amtsbote_domain::validity::Validity;
use amtsbote_wire::signature::{SignError, SignatureAlgorithm, Signer};
use tempfile::tempdir;
use tokio::sync::Notify;

use super::*;
use crate::config::DeliveryPolicy;
use crate::keys::Grade;
use crate::outlet::{self, Outlet, Parcel};
use crate::stop::Stopper;
use crate::testing::{self, PEER};

const HUB: &str = "kop:test";

fn author() -> PartyId {
    testing::metadata().author
}

/// The Author collects here.
fn collects() -> Account {
    Account {
        id: AccountId::parse("lemgo").expect("an account"),
        certificates: vec![],
        parties: vec![author()],
        relay: false,
        legacy: None,
        grace: None,
    }
}

/// The Author as the directory has it, with one service.
fn offers(uri: &str, channel: Channel, test: bool) -> Party {
    let (party, _) = testing::own_party(author().as_str());
    let service = Service {
        uri: ServiceUri::parse(uri).expect("a service"),
        channel,
        validity: Validity::default(),
        opaque: true,
        test,
    };
    Party { services: vec![service], ..party }
}

/// A hub that writes in its own name, and these besides.
fn hub(dir: &Path, mut parties: Vec<Party>, accounts: Vec<Account>) -> (Arc<Hub>, Stopper) {
    let (party, own) = testing::own_party(HUB);
    parties.push(party);
    let policy = DeliveryPolicy::default();
    let (rules, others) = (Rules::default(), (parties, accounts));
    testing::hub_writing(dir, policy, rules, [].into(), others, Some(own))
}

/// A message that a person on the operator's side has withdrawn.
async fn withdrawn(hub: &Hub, number: u32) -> HubId {
    let hub_id = testing::accepted_in_inbox(hub, number).await;
    let revision = hub.store.delivery(&hub_id).await.expect("is there").revision;
    let decision = Decision {
        act: Act::Cancel,
        by: Person { name: "anna".to_owned(), certificate: Digest([9; 32]) },
        reason: Reason::parse("TEST").expect("a reason"),
        targets: vec![Target { hub_id: hub_id.clone(), revision, channel: None }],
    };
    hub.store.decide(decision).await.expect("is decided");
    hub_id
}

/// How many intents are due and in nobody's hands.
async fn due(hub: &Hub) -> usize {
    hub.store.take_notices(10, Duration::ZERO).await.expect("a page").len()
}

/// What the history of a message says of telling its Author.
async fn told(hub: &Hub, hub_id: &HubId) -> Vec<Told> {
    let timeline = hub.store.timeline(hub_id).await.expect("a timeline");
    let told = timeline.into_iter().filter_map(|entry| match entry.evidence {
        Evidence::Noticed { told, .. } => Some(told),
        _ => None,
    });
    told.collect()
}

/// The one notice about a message.
async fn notice(hub: &Hub, hub_id: &HubId) -> Delivery {
    match &told(hub, hub_id).await[..] {
        [Told::Sent { by, form: Form::Generic }] => hub.store.delivery(by).await.expect("is there"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_author_who_collects_here_finds_it_in_the_inbox() {
    let dir = tempdir().expect("a folder");
    let (hub, _stopper) = hub(dir.path(), vec![], vec![collects()]);
    let original = withdrawn(&hub, 1).await;
    assert!(!tell_all(&hub).await.expect("takes them"), "nothing is left");
    let found = notice(&hub, &original).await;
    assert_eq!(found.state, State::Waiting { on: WaitingFor::Collection });
    let record = &found.record;
    assert_eq!(record.metadata.author.as_str(), HUB);
    assert_eq!((&record.metadata.reader, record.channel.as_str()), (&author(), "inbox"));
    assert_eq!(record.metadata.service.as_str(), SERVICE);
    let about = record.about.as_deref().expect("it says what it is about");
    assert_eq!((&about.hub_id, about.notice), (&original, Kind::Cancelled));
    let page = hub.store.inbox(&author(), None, 10).await.expect("a page");
    assert_eq!(page.deliveries.len(), 1);
    // Asked again, it is not told again.
    assert!(!tell_all(&hub).await.expect("takes them"));
    assert_eq!(told(&hub, &original).await.len(), 1);
}

#[tokio::test]
async fn an_author_behind_another_hub_is_told_by_the_directorys_way() {
    let dir = tempdir().expect("a folder");
    let peer = Channel::Peer(PEER.to_owned());
    let (hub, _stopper) = hub(dir.path(), vec![offers(SERVICE, peer, false)], vec![]);
    let original = withdrawn(&hub, 1).await;
    tell_all(&hub).await.expect("takes them");
    let found = notice(&hub, &original).await;
    assert_eq!(found.state, State::Waiting { on: WaitingFor::Turn });
    assert_eq!(found.channel, format!("peer:{PEER}"));
}

#[tokio::test]
async fn without_a_way_it_is_on_record_and_nobody_tries_again() {
    let production = || offers("urn:example:other", Channel::Inbox, false);
    let test = || offers(SERVICE, Channel::Inbox, true);
    for (parties, accounts, why) in [
        (vec![], vec![], Withheld::UnknownAuthor),
        (vec![production()], vec![], Withheld::ServiceNotOffered),
        (vec![test()], vec![collects()], Withheld::TestAndProduction),
    ] {
        let dir = tempdir().expect("a folder");
        let (hub, _stopper) = hub(dir.path(), parties, accounts);
        let original = withdrawn(&hub, 1).await;
        for _ in 0..2 {
            tell_all(&hub).await.expect("takes them");
            assert_eq!(told(&hub, &original).await, [Told::Withheld { why }]);
        }
        assert_eq!(due(&hub).await, 0);
    }
}

/// Nobody is told in nobody's name; what there is to tell waits, and `doctor` says how much.
#[tokio::test]
async fn a_hub_without_a_party_tells_nobody_and_forgets_nothing() {
    let dir = tempdir().expect("a folder");
    let (policy, rules) = (DeliveryPolicy::default(), Rules::default());
    let others = (vec![], vec![collects()]);
    let (hub, _stopper) = testing::hub_writing(dir.path(), policy, rules, [].into(), others, None);
    let original = withdrawn(&hub, 1).await;
    assert!(!tell_all(&hub).await.expect("goes round"));
    assert_eq!(told(&hub, &original).await, []);
    assert_eq!(due(&hub).await, 1);
    let backlog = hub.store.notice_backlog().await.expect("is counted");
    let found = finding(None, &hub.tables().directory, Some(&backlog), hub.clock.now());
    assert_eq!(found.grade, Grade::Look);
    assert!(found.de.ends_with("warten: 1") && found.en.ends_with("wait: 1"), "{found:?}");
}

/// One that cannot be read stops no other, and does not come again.
#[tokio::test]
async fn what_cannot_be_read_stops_no_other() {
    let dir = tempdir().expect("a folder");
    let (hub, _stopper) = hub(dir.path(), vec![], vec![collects()]);
    let bad = withdrawn(&hub, 1).await;
    let good = withdrawn(&hub, 2).await;
    amtsbote_store::contract::spoil_record(dir.path(), &bad);
    assert!(!tell_all(&hub).await.expect("takes them"));
    notice(&hub, &good).await;
    let backlog = hub.store.notice_backlog().await.expect("is counted");
    assert_eq!((backlog.due, backlog.set_aside), (0, 1));
    let tables = hub.tables();
    let found =
        finding(tables.writes_as.as_ref(), &tables.directory, Some(&backlog), hub.clock.now());
    assert_eq!(found.grade, Grade::Grave);
    assert!(found.en.contains("cannot be read in the database: 1"), "{found:?}");
}

/// A key that does not answer. The real one stands behind it.
struct Stuck {
    signer: Arc<dyn Signer + Send + Sync>,
    released: Mutex<mpsc::Receiver<()>>,
}

impl Signer for Stuck {
    fn certificate_der(&self) -> &[u8] {
        self.signer.certificate_der()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.signer.algorithm()
    }

    fn sign(&self, signed_info: &[u8]) -> Result<Vec<u8>, SignError> {
        // Until the test lets go of the other end.
        let _end = self.released.lock().expect("nobody panics").recv();
        self.signer.sign(signed_info)
    }
}

/// Says that a message came.
#[derive(Default)]
struct Tells {
    came: Notify,
}

impl Outlet for Tells {
    fn deliver<'a>(&'a self, _: &'a Parcel) -> Pending<'a, outlet::Outcome> {
        self.came.notify_one();
        Box::pin(async { outlet::Outcome::NotNow(None) })
    }

    fn is_idempotent(&self) -> bool {
        true
    }
}

/// A key in a token, or an object store, that keeps silent: what is due is delivered all the same, and a
/// node that stops does not wait for it longer than it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_do_not_wait_for_what_is_to_be_told() {
    let dir = tempdir().expect("a folder");
    let (party, own) = testing::own_party(HUB);
    let (release, released) = mpsc::channel();
    let stuck = Stuck { signer: own.signer.clone(), released: Mutex::new(released) };
    let own = OwnParty { signer: Arc::new(stuck), ..own };
    let policy = DeliveryPolicy::default();
    let (rules, others) = (Rules::default(), (vec![party], vec![collects()]));
    let tells = Arc::new(Tells::default());
    let outlets = [(PEER.to_owned(), tells.clone() as Arc<dyn Outlet>)].into();
    let (hub, stopper) =
        testing::hub_writing(dir.path(), policy, rules, outlets, others, Some(own));
    for number in 1..=16 {
        withdrawn(&hub, number).await;
    }
    let worker = tokio::spawn(crate::worker::run(hub.clone(), hub.stop.clone(), Duration::ZERO));
    let notices = tokio::spawn(run(hub.clone(), hub.stop.clone(), Duration::ZERO));
    // They are in somebody's hands, and stay there.
    while due(&hub).await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    testing::accepted_for(&hub, 100, PEER).await;
    hub.work.notify_one();
    // Eight of them at a time would take twice the limit.
    tokio::time::timeout(LIMIT, tells.came.notified()).await.expect("it waits for them");
    stopper.stop();
    notices.await.expect("has ended");
    worker.await.expect("has ended");
    drop(release);
}

#[tokio::test]
async fn what_the_directory_would_not_trust_does_not_leave() {
    let dir = tempdir().expect("a folder");
    let (party, _) = testing::own_party(HUB);
    let (_, other) = testing::own_party(HUB);
    let (policy, rules) = (DeliveryPolicy::default(), Rules::default());
    let others = (vec![party], vec![collects()]);
    let (hub, _stopper) =
        testing::hub_writing(dir.path(), policy, rules, [].into(), others, Some(other));
    let original = withdrawn(&hub, 1).await;
    assert!(!tell_all(&hub).await.expect("takes them"));
    assert_eq!(told(&hub, &original).await, []);
    // It waits, and keeps nobody busy meanwhile.
    assert_eq!(due(&hub).await, 0);
    let tables = hub.tables();
    let found = finding(tables.writes_as.as_ref(), &tables.directory, None, hub.clock.now());
    assert_eq!(found.grade, Grade::Grave, "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_tell_it_one_does() {
    let dir = tempdir().expect("a folder");
    let (hub, _stopper) = hub(dir.path(), vec![], vec![collects()]);
    let mut originals = Vec::new();
    for number in 1..=12 {
        originals.push(withdrawn(&hub, number).await);
    }
    let told = tokio::join!(tell_all(&hub), tell_all(&hub), tell_all(&hub));
    assert!([told.0, told.1, told.2].into_iter().all(|told| told.is_ok()));
    for original in &originals {
        notice(&hub, original).await;
    }
    let page = hub.store.inbox(&author(), None, 100).await.expect("a page");
    assert_eq!(page.deliveries.len(), originals.len());
}
