//! The refresher against `openssl ocsp`, lists of `openssl ca`, and servers that behave badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::Clock;
use amtsbote_trust::revocation::{
    Book, Folder, Grace, Guard, Kind, Nonce, Override, Place, Reason, Refresher, Refused, Settings,
    Standing, Unknown, Watched,
};
use amtsbote_trust::testca::{Issued, KeyKind, Purpose, Sources};
use jiff::SignedDuration;

use crate::peer::{Peer, Signer, peers_now};
use crate::server::{Reply, Server};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A clock that goes when it is told.
struct HandClock(AtomicI64);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(peers_now().as_second())))
    }

    fn turn(&self, by: SignedDuration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("an instant")
    }
}

/// Everything of one test.
struct Table {
    peer: Peer,
    server: Server,
    clock: Arc<HandClock>,
    book: Arc<Book>,
}

impl Table {
    fn new() -> Self {
        let (peer, server) = (Peer::new(KeyKind::EcP256), Server::start());
        Self { peer, server, clock: HandClock::new(), book: Arc::new(Book::new()) }
    }

    /// Allowed are the server of the test and these hosts.
    fn settings(&self, hosts: &[String]) -> Settings {
        let allowed_hosts = [&[self.server.host()][..], hosts].concat();
        Settings {
            guard: Guard { allowed_hosts, loopback: true },
            timeout: Duration::from_secs(10),
            ..Settings::default()
        }
    }

    fn refresher(&self, settings: Settings) -> Refresher {
        Refresher::new(settings, self.book.clone(), None, self.clock.clone()).expect("a refresher")
    }

    fn watched(&self, issued: &Issued) -> Watched {
        Watched {
            certificate: issued.certificate().clone(),
            issuer: self.peer.ca.certificate().clone(),
            staple: false,
        }
    }

    fn listed(&self, path: &str) -> Issued {
        let sources = Sources { lists: vec![self.server.url(path)], ..Sources::default() };
        self.peer.issue(Purpose::Client, &sources)
    }

    /// Serves a list that is as of now and fresh for so long.
    fn serve_list(&self, path: &str, lasting: SignedDuration) {
        let now = self.clock.now();
        self.server.set(path, Reply::Octets(self.peer.list(now, now + lasting, &[])));
    }

    fn standing(&self, issued: &Issued) -> Standing {
        let (now, grace) = (self.clock.now(), Grace::default());
        self.book.standing(issued.certificate(), self.peer.ca.certificate(), now, &grace)
    }
}

#[tokio::test]
async fn a_revocation_is_seen_with_the_next_list() {
    let table = Table::new();
    let (leaf, other) = (table.listed("/ca.crl"), table.listed("/ca.crl"));
    table.serve_list("/ca.crl", DAY * 7);
    let refresher = table.refresher(table.settings(&[]));
    assert_eq!(table.standing(&leaf), Standing::Unknown(Unknown::NeverObtained));
    refresher.watch(&[table.watched(&leaf), table.watched(&other)]).expect("watched");
    // One list serves both.
    assert_eq!(refresher.turn().await, 1);
    let start = table.clock.now();
    assert_eq!(table.standing(&leaf), Standing::Good { as_of: start });
    table.peer.revoke(leaf.certificate(), "keyCompromise");
    assert_eq!(refresher.turn().await, 0, "nothing is due");
    table.clock.turn(HOUR * 6);
    table.serve_list("/ca.crl", DAY * 7);
    assert_eq!(refresher.turn().await, 1);
    let seen = table.book.revoked_since(start + HOUR);
    assert_eq!(seen.len(), 1, "before anybody asked");
    assert_eq!(seen[0].seen, table.clock.now());
    assert_eq!(seen[0].fingerprint, leaf.certificate().fingerprint());
    let reason = Reason::KeyCompromise;
    assert!(matches!(table.standing(&leaf), Standing::Revoked { reason: r, .. } if r == reason));
    assert!(matches!(table.standing(&other), Standing::Good { .. }));
    let [report] = &refresher.inventory()[..] else { panic!("one source") };
    assert_eq!((report.kind, report.certificates, report.entries), (Kind::Crl, 2, 1));
    assert_eq!((report.successes, report.failures, report.last_failure), (2, 0, None));
}

#[tokio::test]
async fn a_responder_answers_goes_away_and_comes_back() {
    for (nonce, appointed) in [(Nonce::Off, false), (Nonce::Required, true)] {
        let table = Table::new();
        let officer = table.peer.issue(Purpose::OcspSigner, &Sources::default());
        let signer = if appointed { Signer::Appointed(&officer) } else { Signer::Authority };
        let responder = table.peer.responder(signer);
        let host = format!("127.0.0.1:{}", responder.port);
        let sources = Sources { ocsp: vec![format!("http://{host}/")], ..Sources::default() };
        let leaf = table.peer.issue(Purpose::Client, &sources);
        let gone = table.peer.issue(Purpose::Client, &sources);
        table.peer.revoke(gone.certificate(), "superseded");
        responder.reload(&table.peer.question(gone.certificate(), "-sha1"));
        let settings = Settings { nonce, concurrent: 1, ..table.settings(&[host]) };
        let refresher = table.refresher(settings);
        refresher.watch(&[table.watched(&leaf), table.watched(&gone)]).expect("watched");
        assert_eq!(refresher.turn().await, 2);
        assert!(
            matches!(table.standing(&leaf), Standing::Good { .. }),
            "{:?}",
            refresher.inventory()
        );
        let reason = Reason::Superseded;
        assert!(
            matches!(table.standing(&gone), Standing::Revoked { reason: r, .. } if r == reason)
        );

        drop(responder);
        table.clock.turn(DAY * 2);
        assert_eq!(refresher.turn().await, 2);
        assert!(matches!(table.standing(&leaf), Standing::Good { .. }));
        assert_eq!(refresher.counters().failing, 2);
        let report = &refresher.inventory()[0];
        assert_eq!(report.last_failure, Some((table.clock.now(), Refused::Unreachable)));
        assert!(report.next > table.clock.now() && report.next <= table.clock.now() + HOUR);
        table.clock.turn(DAY + HOUR);
        assert!(matches!(table.standing(&leaf), Standing::Grace { .. }));
        table.clock.turn(DAY);
        assert!(matches!(table.standing(&leaf), Standing::Unknown(Unknown::GraceOver { .. })));
        assert!(matches!(table.standing(&gone), Standing::Revoked { .. }));
    }
}

#[tokio::test]
async fn bad_servers_are_refused_with_their_reason() {
    let table = Table::new();
    let elsewhere = Server::start();
    let now = table.clock.now();
    let list = table.peer.list(now, now + DAY, &[]);
    elsewhere.set("/x", Reply::Octets(list.clone()));
    let stranger = Peer::new(KeyKind::EcP256).list(now, now + DAY, &[]);
    let stale = table.peer.list(now - DAY, now - HOUR, &[]);
    let early = table.peer.list(now + HOUR, now + DAY, &[]);
    table.server.set("/list", Reply::Octets(list.clone()));
    let settings = || Settings {
        max_list_bytes: 100_000,
        timeout: Duration::from_millis(1500),
        ..table.settings(&[])
    };
    let url = |path| table.server.url(path);
    for (name, reply, expected) in [
        ("tampered", Reply::Octets([&list[..200], b"AAAA", &list[204..]].concat()), None),
        ("other signer", Reply::Octets(stranger), Some(Refused::Signature)),
        ("stale", Reply::Octets(stale), Some(Refused::Stale)),
        ("early", Reply::Octets(early), Some(Refused::NotYet)),
        ("no list", Reply::Octets(b"<html>".to_vec()), Some(Refused::Malformed)),
        ("404", Reply::Status(404), Some(Refused::Status(404))),
        ("503", Reply::Status(503), Some(Refused::Status(503))),
        ("huge", Reply::Endless { announced: Some(1 << 40) }, Some(Refused::TooLarge)),
        ("endless", Reply::Endless { announced: None }, Some(Refused::TooLarge)),
        ("silent", Reply::Silent, Some(Refused::Timeout)),
        ("loop", Reply::Redirect(url("/loop")), Some(Refused::Redirect)),
        ("two hops", Reply::Redirect(url("/hop")), Some(Refused::Redirect)),
        ("elsewhere", Reply::Redirect(elsewhere.url("/x")), Some(Refused::Redirect)),
        ("inside", Reply::Redirect("http://169.254.169.254/x".into()), Some(Refused::Redirect)),
        ("file", Reply::Redirect("file:///etc/hosts".into()), Some(Refused::Redirect)),
    ] {
        let path = format!("/{}", name.replace(' ', "-"));
        table.server.set("/hop", Reply::Redirect(url("/list")));
        table.server.set("/loop", Reply::Redirect(url("/loop")));
        table.server.set(&path, reply);
        let leaf = table.listed(&path);
        let refresher = table.refresher(settings());
        refresher.watch(&[table.watched(&leaf)]).expect("watched");
        let begun = Instant::now();
        assert_eq!(refresher.turn().await, 1, "{name}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{name} took {:?}", begun.elapsed());
        let report = refresher.inventory().remove(0);
        let (_, why) = report.last_failure.unwrap_or_else(|| panic!("{name} passed"));
        assert!(expected.is_none_or(|expected| expected == why), "{name}: {why:?}");
        assert!(!matches!(table.standing(&leaf), Standing::Good { .. }), "{name}");
    }
    assert_eq!(elsewhere.requests(), 0);
    // One redirection to a host that is allowed is followed.
    table.server.set("/moved", Reply::Redirect("/list".into()));
    let leaf = table.listed("/moved");
    let refresher = table.refresher(settings());
    refresher.watch(&[table.watched(&leaf)]).expect("watched");
    refresher.turn().await;
    assert!(matches!(table.standing(&leaf), Standing::Good { .. }));
}

#[tokio::test]
async fn hosts_that_are_not_allowed_are_not_asked() {
    let table = Table::new();
    let leaf = table.listed("/ca.crl");
    table.serve_list("/ca.crl", DAY);
    let name = table.server.host().replace("127.0.0.1", "localhost");
    let by_name = table.peer.issue(
        Purpose::Client,
        &Sources { lists: vec![format!("http://{name}/ca.crl")], ..Sources::default() },
    );
    for (hosts, loopback, of, expected) in [
        (vec![], true, &leaf, Refused::Host),
        (vec!["127.0.0.1".to_owned()], true, &leaf, Refused::Host),
        (vec![table.server.host()], false, &leaf, Refused::Inside),
        // What a name resolves to is judged as well.
        (vec![name.clone()], false, &by_name, Refused::Inside),
    ] {
        let guard = Guard { allowed_hosts: hosts, loopback };
        let refresher = table.refresher(Settings { guard, ..table.settings(&[]) });
        refresher.watch(&[table.watched(of)]).expect("watched");
        assert_eq!(refresher.turn().await, 1);
        let why = refresher.inventory()[0].last_failure.map(|(_, why)| why);
        assert_eq!(why, Some(expected));
    }
    assert_eq!(table.server.requests(), 0);
    let guard = Guard { allowed_hosts: vec![name], loopback: true };
    let refresher = table.refresher(Settings { guard, ..table.settings(&[]) });
    refresher.watch(&[table.watched(&by_name)]).expect("watched");
    refresher.turn().await;
    assert!(matches!(table.standing(&by_name), Standing::Good { .. }));
}

#[tokio::test]
async fn the_configuration_names_sources_where_certificates_do_not() {
    let table = Table::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.crl");
    let leaf = table.peer.issue(Purpose::Client, &Sources::default());
    assert_eq!(table.standing(&leaf), Standing::NoSource);
    let own = |lists| Override {
        issuer: table.peer.ca.certificate().fingerprint(),
        lists,
        ocsp: Vec::new(),
    };
    let lists = vec![Place::File(file.clone()), Place::Url(table.server.url("/ca.crl"))];
    let refresher =
        table.refresher(Settings { overrides: vec![own(lists)], ..table.settings(&[]) });
    refresher.watch(&[table.watched(&leaf)]).expect("watched");
    refresher.turn().await;
    assert_eq!(table.standing(&leaf), Standing::Unknown(Unknown::NeverObtained));
    let now = table.clock.now();
    std::fs::write(&file, table.peer.list(now, now + DAY, &[])).expect("written");
    table.clock.turn(HOUR);
    assert_eq!(refresher.turn().await, 1);
    assert_eq!(table.standing(&leaf), Standing::Good { as_of: now });
    let requests = table.server.requests();
    assert_eq!(requests, 1, "only while the file was missing");
}

#[tokio::test]
async fn a_restart_does_not_begin_blind() {
    let mut table = Table::new();
    let home = tempfile::tempdir().expect("a folder");
    let folder = || Some(Folder::open(&home.path().join("revocation")).expect("a folder"));
    let responder = table.peer.responder(Signer::Authority);
    let host = format!("127.0.0.1:{}", responder.port);
    let leaf = table.listed("/ca.crl");
    let sources = Sources { ocsp: vec![format!("http://{host}/")], ..Sources::default() };
    let asked = table.peer.issue(Purpose::local_hub(), &sources);
    let gone = table.listed("/ca.crl");
    table.peer.revoke(gone.certificate(), "keyCompromise");
    responder.reload(&table.peer.question(gone.certificate(), "-sha1"));
    table.serve_list("/ca.crl", DAY);
    let watched = [
        table.watched(&leaf),
        table.watched(&gone),
        Watched { staple: true, ..table.watched(&asked) },
    ];
    let settings = table.settings(&[host]);
    let begin = |table: &Table| {
        let (book, clock) = (table.book.clone(), table.clock.clone());
        let refresher = Refresher::new(settings.clone(), book, folder(), clock);
        let refresher = refresher.expect("a refresher");
        refresher.watch(&watched).expect("watched");
        refresher
    };
    assert_eq!(begin(&table).turn().await, 2);
    let before = table.book.revoked_since(Timestamp::MIN);
    assert_eq!(before.len(), 1);
    drop(responder);
    table.server.set("/ca.crl", Reply::Status(503));

    table.book = Arc::new(Book::new());
    table.clock.turn(HOUR);
    let refresher = begin(&table);
    for of in [&leaf, &asked] {
        assert!(matches!(table.standing(of), Standing::Good { .. }));
    }
    assert!(matches!(table.standing(&gone), Standing::Revoked { .. }));
    assert_eq!(table.book.revoked_since(Timestamp::MIN), before);
    let (now, issuer) = (table.clock.now(), table.peer.ca.certificate());
    assert!(table.book.staple(asked.certificate(), issuer, now).is_some());
    refresher.turn().await;
    assert_eq!(refresher.counters().failing, 2);

    // A later list has forgotten the certificate; the hub has not, even after a restart.
    table.clock.turn(HOUR);
    let now = table.clock.now();
    let empty = amtsbote_trust::testca::List::new(now, now + DAY);
    let empty = table.peer.ca.sign_list(&empty).expect("signed");
    table.server.set("/ca.crl", Reply::Octets(empty));
    refresher.turn().await;
    table.book = Arc::new(Book::new());
    drop(begin(&table));
    assert!(matches!(table.standing(&gone), Standing::Revoked { .. }));

    // What was damaged on disk is passed over, never believed.
    for file in std::fs::read_dir(home.path().join("revocation")).expect("a folder") {
        let path = file.expect("a file").path();
        let mut octets = std::fs::read(&path).expect("octets");
        // Inside of what is signed in each of them.
        octets[60] ^= 1;
        std::fs::write(&path, octets).expect("written");
    }
    table.book = Arc::new(Book::new());
    let (book, clock) = (table.book.clone(), table.clock.clone());
    let damaged = Refresher::new(settings.clone(), book, folder(), clock);
    if let Ok(refresher) = damaged {
        refresher.watch(&watched).expect("watched");
    }
    assert!(!matches!(table.standing(&leaf), Standing::Good { .. }));
    assert!(!matches!(table.standing(&asked), Standing::Good { .. }));
}

#[tokio::test]
async fn what_is_no_longer_watched_is_forgotten_on_disk_and_new_ones_are_asked_at_once() {
    let table = Table::new();
    let home = tempfile::tempdir().expect("a folder");
    let folder = Some(Folder::open(home.path()).expect("a folder"));
    let (old, new) = (table.listed("/old.crl"), table.listed("/new.crl"));
    table.serve_list("/old.crl", DAY);
    table.serve_list("/new.crl", DAY);
    let files = || std::fs::read_dir(home.path()).expect("a folder").count();
    let (book, clock) = (table.book.clone(), table.clock.clone());
    let refresher = Refresher::new(table.settings(&[]), book, folder, clock).expect("a refresher");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(refresher.clone().run(async { drop(stopped.await) }));
    let until = async |done: &dyn Fn() -> bool| {
        for _ in 0..500 {
            if done() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it took too long: {:?}", refresher.inventory());
    };
    refresher.watch(&[table.watched(&old)]).expect("watched");
    until(&|| refresher.counters().successes == 1).await;
    refresher.watch(&[table.watched(&old), table.watched(&new)]).expect("watched");
    until(&|| refresher.counters().successes == 2).await;
    assert_eq!(refresher.counters().sources, 2);
    assert_eq!(files(), 2);
    refresher.watch(&[]).expect("watched");
    assert_eq!((refresher.counters().sources, files()), (0, 0));
    stop.send(()).expect("it runs");
    running.await.expect("it ends");
}
