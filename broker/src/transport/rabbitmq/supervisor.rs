//! Keeps hints going: two connections, each begun anew for as long as the node runs.
//!
//! One tells and one hears, because a broker that is short of memory or disk stops to read from
//! connections that send: those that hear must not stand still with them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use amtsbote_archive::origin::Origin;
use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::{Clock, Hint, HintReport, Hints};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::HintSettings;
use crate::stop::Stop;

use super::form::Own;
use super::link::{Broken, Place};
use super::listener::Listener;
use super::pace::Pace;
use super::teller::Teller;
use super::topology::Topology;
use super::{POST, Timing};

/// What is to be done with a hint that was heard; it must not take long.
pub(crate) type Ears = Arc<dyn Fn(&Hint) + Send + Sync>;

/// What both ends of the post and both connections share.
pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) own: Own,
    pub(super) topology: Topology,
    pub(super) timing: Timing,
    clock: Arc<dyn Clock>,
    pub(super) figures: Figures,
    /// Hints were dropped: one for all of them is due.
    pub(super) missed: AtomicBool,
    /// Rings when hints were dropped.
    pub(super) overflowed: Notify,
    /// Rings when a hint found no queue.
    pub(super) astray: Notify,
}

/// Counters, and how it stands.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) sent: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) heard: AtomicU64,
    pub(super) ignored: AtomicU64,
    failures: AtomicU64,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    since: [Option<Timestamp>; 3],
    last_failure: Option<(Timestamp, String)>,
}

/// What there is to keep up: a connection that tells, one that hears, and on that one the queue that
/// all nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Tells = 0,
    Hears = 1,
    Works = 2,
}

impl Shared {
    /// A connection is in use from now on.
    pub(super) fn begun(&self, role: Role) {
        tracing::info!(?role, "hints between nodes: connected");
        self.standing(|standing| standing.since[role as usize] = Some(self.clock.now()));
    }

    /// One ended, or did not come about.
    pub(super) fn ended(&self, role: Role, broken: Option<Broken>) {
        let now = self.clock.now();
        if broken.is_some() {
            self.figures.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.standing(|standing| {
            let was = standing.since[role as usize].take();
            let Some(broken) = broken else { return };
            // Once for each loss; that it stays away is seen in doctor and metrics.
            if was.is_some() || standing.last_failure.is_none() {
                tracing::warn!(?role, %broken, "hints between nodes: no connection; nodes look by themselves");
            }
            standing.last_failure = Some((now, broken.to_string()));
        });
    }

    fn standing(&self, act: impl FnOnce(&mut Standing)) {
        act(&mut self.figures.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// So many hints were not told each for itself.
    pub(super) fn dropped(&self, count: u64) {
        self.figures.dropped.fetch_add(count, Ordering::Relaxed);
        self.missed.store(true, Ordering::Release);
    }
}

/// The end of the post that the hub has.
struct Announcer {
    post: mpsc::Sender<Hint>,
    shared: Arc<Shared>,
}

impl Hints for Announcer {
    fn announce(&self, hint: Hint) {
        // Full, or nobody takes anything any more: nobody waits for that.
        if self.post.try_send(hint).is_err() {
            self.shared.dropped(1);
            self.shared.overflowed.notify_one();
        }
    }

    fn report(&self) -> Option<HintReport> {
        let figures = &self.shared.figures;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut report = HintReport {
            sent: count(&figures.sent),
            dropped: count(&figures.dropped),
            heard: count(&figures.heard),
            ignored: count(&figures.ignored),
            failures: count(&figures.failures),
            ..HintReport::default()
        };
        self.shared.standing(|standing| {
            [report.tells_since, report.hears_since, report.works_since] = standing.since;
            report.last_failure = standing.last_failure.clone();
        });
        Some(report)
    }
}

/// Both connections, not yet begun.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    post: mpsc::Receiver<Hint>,
}

impl Supervisor {
    /// For a node that writes this log; with what the hub tells its hints to. Nothing is connected
    /// yet: a broker that is away is no reason not to start.
    pub(crate) fn new(
        settings: HintSettings,
        log: &str,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Result<(Arc<dyn Hints>, Self), String> {
        let origin = Origin::parse(log).map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared {
            place: Place::new(settings)?,
            own: Own { log: log.to_owned(), node: Uuid::new_v4().simple().to_string() },
            topology: Topology::new(origin.node()),
            timing,
            clock,
            figures: Figures::default(),
            missed: AtomicBool::new(false),
            overflowed: Notify::new(),
            astray: Notify::new(),
        });
        let (sender, post) = mpsc::channel(POST);
        let announcer = Announcer { post: sender, shared: shared.clone() };
        Ok((Arc::new(announcer), Self { shared, post }))
    }

    /// Runs until `stop` says so.
    pub(crate) async fn run(self, ears: Ears, stop: Stop) {
        let Self { shared, post } = self;
        let teller = Teller::new(shared.clone(), post);
        let listener = Listener::new(shared.clone(), ears);
        tokio::join!(
            keep_up(&shared, Role::Tells, teller, &stop),
            keep_up(&shared, Role::Hears, listener, &stop),
        );
    }
}

/// One of the two connections.
pub(super) trait Serve {
    /// Connects and works until the connection ends, which is an error, or `stop` says so.
    fn serve(&mut self, stop: &Stop) -> impl Future<Output = Result<(), Broken>> + Send;
}

/// Begins anew, after a pause, until `stop` says so.
async fn keep_up(shared: &Shared, role: Role, mut connection: impl Serve, stop: &Stop) {
    let mut pace = Pace::default();
    loop {
        let begun = Instant::now();
        let ended = connection.serve(stop).await;
        shared.ended(role, ended.err());
        if stop.is_said() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pace.after(begun.elapsed(), &shared.timing)) => {}
            () = stop.said() => return,
        }
    }
}
