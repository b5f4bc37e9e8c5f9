//! Nodes that give each other hints through a real broker, which is also killed, stopped, purged,
//! filled with rubbish and never there. Nothing is asserted about how long anything takes.

mod server;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Hint, HintReport, Hints};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::{Mutex, MutexGuard, OnceCell, mpsc};
use tokio::task::JoinHandle;

use super::supervisor::Ears;
use super::topology::Topology;
use super::*;
use crate::clock::SystemClock;
use crate::config::{DeliveryPolicy, HintSettings};
use crate::outlet::Outlets;
use crate::stop::{self, Stopper};
use crate::{hub::Hub, testing};

use self::server::{Server, shared};
use std::sync::Arc;

/// Longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(180);

/// As short as it makes sense, so that losses are noticed soon.
fn brisk() -> Timing {
    Timing {
        answer: Duration::from_secs(20),
        confirm: Duration::from_secs(20),
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        steady: Duration::from_secs(1),
        renew: Duration::from_millis(200),
        everything: Duration::from_millis(50),
    }
}

/// One for those that do harm to it, one after the other.
async fn own() -> MutexGuard<'static, Server> {
    static OWN: OnceCell<Mutex<Server>> = OnceCell::const_new();
    let start = async || Mutex::new(started(Server::start).await);
    OWN.get_or_init(start).await.lock().await
}

async fn started<T: Send + 'static>(start: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(start).await.expect("it starts")
}

/// The name of a hub that no other test has.
fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn inbox(number: u32) -> Hint {
    Hint::Inbox(PartyId::parse(&format!("ags:{number:08}")).expect("a party"))
}

/// A node: what it tells with, and what it heard.
struct Node {
    hints: Arc<dyn Hints>,
    heard: mpsc::UnboundedReceiver<Hint>,
    stopper: Stopper,
    running: JoinHandle<()>,
}

impl Node {
    fn start(settings: HintSettings, hub: &str, timing: Timing) -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        let ears = move |hint: &Hint| drop(sender.send(hint.clone()));
        Self::with(settings, hub, timing, Arc::new(ears), heard)
    }

    fn with(
        settings: HintSettings,
        hub: &str,
        timing: Timing,
        ears: Ears,
        heard: mpsc::UnboundedReceiver<Hint>,
    ) -> Self {
        let log = format!("amtsbote/{hub}/1");
        let clock = Arc::new(SystemClock);
        let (hints, supervisor) =
            Supervisor::new(settings, &log, clock, timing).expect("can be used");
        let (stopper, stop) = stop::channel();
        let running = tokio::spawn(supervisor.run(ears, stop));
        Self { hints, heard, stopper, running }
    }

    fn report(&self) -> HintReport {
        self.hints.report().expect("it has others")
    }

    /// Waits until the report is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&HintReport) -> bool) -> HintReport {
        let begun = Instant::now();
        loop {
            let report = self.report();
            if wanted(&report) {
                return report;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {report:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn connected(&self) -> HintReport {
        self.until("it connects", |report| {
            report.tells_since.is_some() && report.hears_since.is_some()
        })
        .await
    }

    /// Waits until this hint is heard; says what was heard before it.
    async fn hears(&mut self, hint: &Hint) -> Vec<Hint> {
        let mut before = Vec::new();
        let wait = async {
            loop {
                match self.heard.recv().await.expect("it runs") {
                    heard if heard == *hint => return,
                    other => before.push(other),
                }
            }
        };
        let came = tokio::time::timeout(PATIENCE, wait).await;
        assert!(came.is_ok(), "{hint:?} was not heard");
        before
    }

    /// Also hints about work.
    async fn works(&self) {
        self.connected().await;
        self.until("it works", |report| report.works_since.is_some()).await;
    }

    /// Tells it again and again until the other has heard it: what may be lost once is no failure.
    async fn until_heard(&self, hint: &Hint, other: &mut Self) {
        let tell = async {
            loop {
                self.hints.announce(hint.clone());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            _ = other.hears(hint) => {}
            () = tell => {}
        }
    }

    async fn stop(self) {
        self.stopper.stop();
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("it stops").expect("it does not panic");
    }
}

async fn pair(settings: HintSettings, hub: &str, timing: Timing) -> (Node, Node) {
    let node = || Node::start(settings.clone(), hub, timing);
    let (a, b) = (node(), node());
    a.works().await;
    b.works().await;
    (a, b)
}

/// A connection of somebody else.
struct Stranger {
    _connection: Connection,
    channel: Channel,
    topology: Topology,
}

impl Stranger {
    async fn at(settings: &HintSettings, hub: &str) -> Self {
        let address = format!("amqp://guest:guest@127.0.0.1:{}/%2f", settings.port);
        let connection = Connection::connect(&address, ConnectionProperties::default()).await;
        let connection = connection.expect("connects");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { _connection: connection, channel, topology: Topology::new(hub) }
    }

    async fn send(&self, key: &str, octets: &[u8]) {
        assert!(self.is_taken(key, octets).await);
    }

    async fn is_taken(&self, key: &str, octets: &[u8]) -> bool {
        let exchange = topology::name(&self.topology.exchange);
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = self.channel.basic_publish(exchange, key.into(), options, octets, properties);
        sent.await.expect("sent").await.expect("an answer").is_ack()
    }

    /// How many hints wait in the shared queue.
    async fn waiting(&self) -> u32 {
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = topology::name(&self.topology.work);
        let queue = self.channel.queue_declare(queue, look, FieldTable::default()).await;
        queue.expect("it is there").message_count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_tells_the_other_hears() {
    let (settings, hub) = (started(|| shared().settings()).await, name());
    let (a, mut b) = pair(settings.clone(), &hub, brisk()).await;
    let mut elsewhere = Node::start(settings, &name(), brisk());
    elsewhere.connected().await;
    // Who connects looks everywhere first.
    assert_eq!(b.hears(&Hint::Everything).await, []);
    assert_eq!(elsewhere.hears(&Hint::Everything).await, []);

    a.hints.announce(inbox(1));
    a.hints.announce(inbox(2));
    assert!(b.hears(&inbox(2)).await.iter().all(|hint| *hint == inbox(1)));
    // Work is for one node, which may be the one that told it.
    a.until_heard(&Hint::Work, &mut b).await;
    let told = a.until("confirmed", |report| report.sent >= 3).await;
    assert_eq!((told.dropped, told.failures, &told.last_failure), (0, 0, &None));
    assert_eq!(told.heard, 0, "its own hints are not heard again");
    assert!(b.report().heard >= 3);
    assert_eq!(elsewhere.report().heard, 0, "a hub of another name hears none of it");

    b.stop().await;
    a.stop().await;
    elsewhere.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_at_one_hub_is_woken_by_the_other() {
    let settings = started(|| shared().settings()).await;
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let mut nodes = Vec::new();
    for dir in &dirs {
        let (hub, stopper) =
            testing::hub(dir.path(), DeliveryPolicy::default(), Outlets::default());
        let mut hub = Arc::into_inner(hub).expect("nobody else has it");
        let (clock, log) = (hub.clock.clone(), hub.verifier.name().to_owned());
        let (hints, supervisor) =
            Supervisor::new(settings.clone(), &log, clock, brisk()).expect("can be used");
        hub.hints = hints;
        let hub = Arc::new(hub);
        let ears: Arc<Hub> = hub.clone();
        let hear = move |hint: &Hint| ears.hear(hint);
        let running = tokio::spawn(supervisor.run(Arc::new(hear), hub.stop.clone()));
        nodes.push((hub, stopper, running));
    }
    let wait = async {
        let connected = |hub: &Hub| {
            let report = hub.hints.report().expect("it has others");
            report.tells_since.is_some() && report.hears_since.is_some()
        };
        while !nodes.iter().all(|(hub, ..)| connected(hub)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("they connect");
    let reader = testing::metadata().reader;
    let [(a, ..), (b, ..)] = &nodes[..] else { unreachable!("there are two") };
    // What `Hub::tell` does after a commit, and what a waiting inbox waits for.
    let sign = b.mail.sign(&reader);
    a.tell(Hint::Inbox(reader));
    tokio::time::timeout(PATIENCE, sign).await.expect("it is woken");
    for (hub, stopper, running) in nodes {
        stopper.stop();
        running.await.expect("it does not panic");
        assert!(Arc::into_inner(hub).is_some(), "nothing of it is left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_is_counted_acknowledged_and_passed_over() {
    let (settings, hub) = (started(|| shared().settings()).await, name());
    let mut node = Node::start(settings.clone(), &hub, brisk());
    node.works().await;
    let stranger = Stranger::at(&settings, &hub).await;
    let other_log =
        format!(r#"{{"log":"amtsbote/{hub}/2","node":"x","look":"everything"}}"#).into_bytes();
    let large = vec![b'x'; 3 << 20];
    let rubbish: [&[u8]; 4] = [b"", b"\xff\x00rubbish", b"{}", &other_log];
    for key in ["work", "bells"] {
        for octets in rubbish {
            stranger.send(key, octets).await;
        }
    }
    stranger.send("work", &large).await;
    assert!(!stranger.is_taken("bells", &large).await, "larger than the whole queue");
    // Made up by somebody who may write there: all it can do is make the node look.
    let forged =
        format!(r#"{{"log":"amtsbote/{hub}/1","node":"x","look":"inbox","party":"ags:00000009"}}"#);
    stranger.send("bells", forged.as_bytes()).await;
    node.hears(&inbox(9)).await;
    let report = node.until("all of it", |report| report.ignored == 9).await;
    assert_eq!((report.heard, report.failures), (1, 0));
    // What was not acknowledged would be back in the queue.
    node.stop().await;
    let begun = Instant::now();
    while stranger.waiting().await > 0 {
        assert!(begun.elapsed() < PATIENCE, "hints stay behind");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purged_and_deleted_queues_and_exchanges_are_made_good() {
    let (settings, hub) = (started(|| shared().settings()).await, name());
    let (a, mut b) = pair(settings.clone(), &hub, brisk()).await;
    let stranger = Stranger::at(&settings, &hub).await;
    let (work, exchange) =
        (topology::name(&stranger.topology.work), topology::name(&stranger.topology.exchange));
    for round in 0..2 {
        let purged = stranger.channel.queue_purge(work.clone(), Default::default()).await;
        purged.expect("purged");
        a.until_heard(&Hint::Work, &mut b).await;

        let deleted = stranger.channel.queue_delete(work.clone(), Default::default()).await;
        deleted.expect("deleted");
        // While it is away one hint for all takes its place.
        b.works().await;
        a.until_heard(&Hint::Work, &mut b).await;

        let deleted = stranger.channel.exchange_delete(exchange.clone(), Default::default()).await;
        deleted.expect("deleted");
        a.until_heard(&inbox(round), &mut b).await;
        a.until_heard(&Hint::Work, &mut b).await;
    }
    // The deleted queue ended the connections that heard it, and they came back.
    assert!(b.report().failures > 0);
    b.connected().await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hints_and_a_slow_node_need_no_more_room_than_a_few() {
    const COUNT: u32 = 10_000;
    let (settings, hub) = (started(|| shared().settings()).await, name());
    let a = Node::start(settings.clone(), &hub, brisk());
    let (sender, heard) = mpsc::unbounded_channel();
    let slow = move |hint: &Hint| {
        std::thread::sleep(Duration::from_millis(3));
        drop(sender.send(hint.clone()));
    };
    let mut b = Node::with(settings.clone(), &hub, brisk(), Arc::new(slow), heard);
    a.works().await;
    b.works().await;
    b.hears(&Hint::Everything).await;
    for number in 0..COUNT {
        a.hints.announce(inbox(number));
        if number % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // Each was confirmed or dropped; one for all of those follows, and counts as sent too.
    let report =
        a.until("nothing waits", |report| report.sent + report.dropped > u64::from(COUNT)).await;
    assert!(report.dropped > 0, "the post has room for {POST}: {report:?}");
    b.hears(&Hint::Everything).await;
    // The same for a queue that nobody hears.
    let stranger = Stranger::at(&settings, &hub).await;
    b.stop().await;
    a.stop().await;
    for _ in 0..QUEUE_LENGTH + 200 {
        stranger.send("work", b"rubbish").await;
    }
    assert!(stranger.waiting().await <= u32::try_from(QUEUE_LENGTH).expect("a number"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_finds_no_room_in_the_queue_of_a_node_is_told_by_one_hint_for_all() {
    let (settings, hub) = (started(|| shared().settings()).await, name());
    let a = Node::start(settings.clone(), &hub, brisk());
    let (sender, heard) = mpsc::unbounded_channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let stands_still = move |hint: &Hint| {
        if matches!(hint, Hint::Inbox(_)) {
            // Until the other end is gone.
            gate.lock().expect("the gate").recv().expect_err("nothing is sent");
        }
        drop(sender.send(hint.clone()));
    };
    let mut b = Node::with(settings, &hub, brisk(), Arc::new(stands_still), heard);
    a.works().await;
    b.works().await;
    b.hears(&Hint::Everything).await;
    // What the queue holds, and what it has handed out.
    let room = u32::try_from(QUEUE_LENGTH).expect("a number") + u32::from(PREFETCH);
    for number in 0..room + 200 {
        a.hints.announce(inbox(number));
        let told = u64::from(number) + 1;
        if told.is_multiple_of(50) {
            // Nothing is to overflow but the queue.
            a.until("it is told", |report| report.sent + report.dropped >= told).await;
        }
    }
    a.until("some find no room", |report| report.dropped >= 150).await;
    drop(open);
    b.hears(&Hint::Everything).await;
    b.stop().await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_never_there_holds_nobody_up() {
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = free.local_addr().expect("it").port();
    drop(free);
    let mut node = Node::start(server::at(port), &name(), brisk());
    for number in 0..5_000 {
        node.hints.announce(inbox(number));
    }
    let report = node.until("it tries", |report| report.failures > 3).await;
    assert_eq!((report.tells_since, report.hears_since, report.sent), (None, None, 0));
    assert_eq!(report.dropped, 5_000 - u64::try_from(POST).expect("a number"));
    assert!(report.last_failure.is_some());
    assert!(node.heard.try_recv().is_err());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_get_no_answer_are_closed() {
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = silent.local_addr().expect("it").port();
    let timing = Timing { answer: Duration::from_millis(100), ..brisk() };
    let node = Node::start(server::at(port), &name(), timing);
    for _ in 0..6 {
        let (mut socket, _) = silent.accept().await.expect("it connects");
        // The library's thread would wait for as long as the socket is open.
        let mut nowhere = tokio::io::sink();
        let end = tokio::io::copy(&mut socket, &mut nowhere);
        let octets = tokio::time::timeout(PATIENCE, end).await.expect("it is closed");
        // The greeting and no more; on a busy machine it may be closed before that.
        assert!([0, 8].contains(&octets.expect("an end")));
    }
    assert!(node.report().last_failure.expect("why").1.contains("no answer"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_believed_only_under_the_named_authority() {
    let (good, bad) = started(|| (shared().encrypted(true), shared().encrypted(false))).await;
    let hub = name();
    let (a, mut b) = pair(good.clone(), &hub, brisk()).await;
    a.hints.announce(inbox(1));
    b.hears(&inbox(1)).await;
    let wrong_name = HintSettings { host: "127.0.0.2".to_owned(), ..good.clone() };
    let no_identity = good.tls.clone().map(|(authorities, _)| (authorities, None));
    let no_identity = HintSettings { tls: no_identity, ..good };
    let wrong_password =
        HintSettings { password: "other".to_owned(), ..started(|| shared().settings()).await };
    // The broker answers there too: what is wrong is the name alone.
    let there = ("127.0.0.2", wrong_name.port);
    drop(tokio::net::TcpStream::connect(there).await.expect("somebody listens"));
    for (settings, what, why) in [
        (bad, "another authority", "certificate verify failed"),
        (wrong_name, "another name", "certificate verify failed"),
        (no_identity, "no certificate", ""),
        (wrong_password, "another password", "ACCESS"),
    ] {
        let node = Node::start(settings, &hub, brisk());
        let report = node.until(what, |report| report.failures > 1).await;
        assert_eq!((report.tells_since, report.hears_since), (None, None), "{what}");
        let said = report.last_failure.expect("why").1;
        assert!(said.contains(why), "{what}: {said}");
        node.stop().await;
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_is_used_again() {
    let mut server = own().await;
    let timing = Timing { answer: Duration::from_secs(5), ..brisk() };
    let (a, mut b) = pair(server.settings(), &name(), timing).await;
    a.hints.announce(inbox(1));
    b.hears(&inbox(1)).await;
    let sent = a.until("confirmed", |report| report.sent > 0).await.sent;
    server.kill();
    for node in [&a, &b] {
        let away =
            |report: &HintReport| report.tells_since.is_none() && report.hears_since.is_none();
        node.until("it notices", away).await;
    }
    // Nobody waits, and nothing is lost: it is in the store.
    a.hints.announce(inbox(2));
    let server = started({
        let mut server = server;
        move || {
            server.run();
            server
        }
    })
    .await;
    b.connected().await;
    // What was told meanwhile is told by one hint for all.
    let back = a.until("it makes up for it", |report| report.sent > sent).await;
    assert!(back.dropped > 0 && back.tells_since.is_some(), "{back:?}");
    b.hears(&Hint::Everything).await;
    a.until_heard(&inbox(3), &mut b).await;
    // A queue that was killed so young may come back without a leader; then it is made anew.
    a.works().await;
    b.works().await;
    a.until_heard(&Hint::Work, &mut b).await;
    a.stop().await;
    b.stop().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_withholds_its_confirms_is_left_and_found_again() {
    let server = own().await;
    let timing =
        Timing { confirm: Duration::from_millis(300), answer: Duration::from_secs(2), ..brisk() };
    let hub = name();
    let patient = Timing { renew: Duration::from_secs(3_600), ..timing };
    let (a, mut b) = pair(server.settings(), &hub, patient).await;
    server.signal("STOP");
    a.hints.announce(inbox(1));
    let left = a.until("it gives up", |report| report.tells_since.is_none()).await;
    a.until("it tries again", |report| report.failures > left.failures).await;
    server.signal("CONT");
    b.connected().await;
    a.connected().await;
    // It counts as not passed on when the next connection begins, at the latest.
    a.until("it says what it did not pass on", |report| report.dropped > 0).await;
    // The hint that was under way may have arrived or not: one for all follows.
    b.hears(&Hint::Everything).await;
    a.until_heard(&inbox(2), &mut b).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_short_of_memory_takes_no_hints_and_goes_on_delivering() {
    let server = own().await;
    let hub = name();
    let (a, mut b) = pair(server.settings(), &hub, brisk()).await;
    let before = a.report();
    tokio::task::block_in_place(|| server.control(&["set_vm_memory_high_watermark", "0.0000001"]));
    // It says so when it gets something to keep.
    let full = u64::try_from(POST).expect("a number");
    let mut number = 0;
    while a.report().dropped < full {
        a.hints.announce(inbox(number));
        number += 1;
        if number % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let blocked = a.report();
    assert_eq!(blocked.tells_since, before.tells_since, "it waits, and does not begin anew");
    assert!(b.report().hears_since.is_some());
    tokio::task::block_in_place(|| server.control(&["set_vm_memory_high_watermark", "0.4"]));
    let after = a.until("it goes on", |report| report.sent > blocked.sent).await;
    assert_eq!(after.tells_since, before.tells_since);
    a.until_heard(&inbox(100_000), &mut b).await;
    a.stop().await;
    b.stop().await;
}
