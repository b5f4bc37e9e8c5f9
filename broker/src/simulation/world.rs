//! What all of a run share: chance, time, what happened.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::Clock;
use jiff::SignedDuration;
use openssl::sha::Sha256;
use tokio::time::Instant;
use uuid::Uuid;

use super::history::History;
use super::random::Random;

/// Events that are told of a run that failed.
const LAST: usize = 50;

/// One run.
pub(super) struct World {
    random: Mutex<Random>,
    trace: Mutex<Trace>,
    began: Instant,
    /// Nothing goes wrong any more.
    calm: AtomicBool,
    /// How bad the weather is: how often something goes wrong, in halves.
    weather: u64,
    history: Mutex<History>,
    figures: Mutex<Figures>,
    /// The farthest that a clock ever went ahead, in milliseconds.
    ahead: AtomicI64,
}

/// What happened, in words: a digest over all of it, and the last of it.
struct Trace {
    digest: Sha256,
    last: VecDeque<String>,
}

/// What a run was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Figures {
    /// Events in its trace.
    pub events: u64,
    /// Times that a hub went down.
    pub crashes: u64,
    /// Commits that went wrong.
    pub commits_failed: u64,
    /// Times that a clock jumped.
    pub jumps: u64,
    /// Requests, answers and connections that were lost.
    pub lost: u64,
    /// Requests that came twice.
    pub doubled: u64,
    /// Files that were changed at rest, or torn.
    pub torn: u64,
    /// Lies of partners.
    pub lies: u64,
    /// Acts of people.
    pub acts: u64,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// At its beginning, and calm.
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let mut random = Random::new(seed);
        Arc::new(Self {
            weather: random.between(1, 6),
            random: Mutex::new(random),
            trace: Mutex::new(Trace { digest: Sha256::new(), last: VecDeque::new() }),
            began: Instant::now(),
            calm: AtomicBool::new(true),
            history: Mutex::default(),
            figures: Mutex::default(),
            ahead: AtomicI64::new(0),
        })
    }

    /// From here on things go wrong, or no longer do.
    pub(super) fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::Relaxed);
        self.note(if calm { "all is healed" } else { "trouble begins" });
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&self, low: u64, high: u64) -> u64 {
        locked(&self.random).between(low, high)
    }

    /// So often in a thousand.
    pub(super) fn chance(&self, of_thousand: u64) -> bool {
        self.between(1, 1000) <= of_thousand
    }

    /// Something goes wrong so often in a thousand, while things go wrong; in good weather half as
    /// often, in bad weather three times.
    pub(super) fn trouble(&self, of_thousand: u64) -> bool {
        !self.is_calm() && self.chance((of_thousand * self.weather / 2).min(900))
    }

    /// Milliseconds.
    pub(super) async fn pause(&self, low: u64, high: u64) {
        tokio::time::sleep(Duration::from_millis(self.between(low, high))).await;
    }

    /// Since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells an event. What is told must follow from the seed alone.
    pub(super) fn note(&self, event: impl AsRef<str>) {
        let at = self.elapsed().as_millis();
        let line = format!("{:>5}.{:03} s  {}", at / 1000, at % 1000, event.as_ref());
        let mut trace = locked(&self.trace);
        trace.digest.update(line.as_bytes());
        trace.digest.update(b"\n");
        if trace.last.len() == LAST {
            trace.last.pop_front();
        }
        trace.last.push_back(line);
        self.count(|figures| figures.events += 1);
    }

    /// The digest over all events so far, and the last ones.
    pub(super) fn told(&self) -> ([u8; 32], Vec<String>) {
        let trace = locked(&self.trace);
        (trace.digest.clone().finish(), trace.last.iter().cloned().collect())
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut locked(&self.figures));
    }

    pub(super) fn figures(&self) -> Figures {
        *locked(&self.figures)
    }

    /// What is remembered for the checker.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        locked(&self.history)
    }

    /// A promise was broken, seen as it happened.
    pub(super) fn breach(&self, what: String) {
        self.note(format!("BREACH: {what}"));
        self.history().seen.push(what);
    }

    /// A fresh id that follows from the seed.
    pub(super) fn id(&self) -> Uuid {
        let mut random = locked(&self.random);
        let mut octets = [0; 10];
        octets[..8].copy_from_slice(&random.next().to_be_bytes());
        octets[8..].copy_from_slice(&random.next().to_be_bytes()[..2]);
        let at = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        uuid::Builder::from_unix_timestamp_millis(START_MS + at, &octets).into_uuid()
    }
}

/// The beginning of every run: 4 May 2026, 06:00 UTC, in milliseconds.
const START_MS: u64 = 1_777_874_400_000;

/// The instant at which every run begins.
pub(super) fn start() -> Timestamp {
    Timestamp::from_millisecond(START_MS as i64).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A hub's clock: the runtime's time, and how far it is off.
pub(super) struct SimClock {
    world: Arc<World>,
    off_ms: AtomicI64,
}

impl SimClock {
    pub(super) fn new(world: Arc<World>) -> Arc<Self> {
        Arc::new(Self { world, off_ms: AtomicI64::new(0) })
    }

    /// It jumps by so many milliseconds.
    pub(super) fn jump(&self, by_ms: i64) {
        let off = self.off_ms.fetch_add(by_ms, Ordering::Relaxed) + by_ms;
        self.world.ahead.fetch_max(off, Ordering::Relaxed);
    }

    /// It is put right: never before what any hub has seen.
    pub(super) fn heal(&self) {
        self.off_ms.store(self.world.ahead.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.world.elapsed().as_millis()).unwrap_or(i64::MAX);
        let off = SignedDuration::from_millis(elapsed + self.off_ms.load(Ordering::Relaxed));
        start().checked_add(off).unwrap_or(Timestamp::MAX)
    }
}
