//! Fetches lists and answers in the background, at most some at once, before they run out.
//!
//! A source that fails is asked again after pauses that grow; the others go on. Nothing here
//! decides about a message: that is asked of the [`Book`].

mod now;

pub use now::Asked;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::Clock;
use openssl::rand::rand_bytes;
use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};

use super::book::{Book, MAX_WATCHED, Taken, about};
use super::certificate::CertificateId;
use super::crl::MAX_CRL_BYTES;
use super::error::Refused;
use super::fetch::{Fetcher, Service};
use super::folder::{Folder, read_file};
use super::ocsp::{MAX_ANSWER_BYTES, Question};
use super::sources::{self, Key, Kind, Place, Report, Settings, Task, Watched};

/// Most exchanges at once, whatever the settings say.
pub const MAX_CONCURRENT: usize = 64;
/// How long the refresher sleeps at most before it looks at the clock again.
const TICK: Duration = Duration::from_secs(1);

/// Exchanges since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// That brought something.
    pub successes: u64,
    /// That did not.
    pub failures: u64,
    /// Sources whose last exchange failed.
    pub failing: usize,
    /// Sources.
    pub sources: usize,
}

/// The refresher. Clones are handles to the same one.
#[derive(Clone)]
pub struct Refresher(Arc<Inner>);

/// Settings that work: what asks over the network under them is made already.
#[derive(Debug)]
pub struct Ready {
    settings: Settings,
    fetcher: Fetcher,
}

impl Ready {
    /// Refuses what cannot work, the address of a proxy that is none.
    pub fn new(settings: Settings) -> Result<Self, Refused> {
        let proxy = settings.proxy.as_deref();
        let fetcher = Fetcher::new(settings.guard.clone(), settings.timeout, proxy)?;
        Ok(Self { settings, fetcher })
    }
}

struct Inner {
    /// An exchange under way ends under the settings it began with.
    ready: RwLock<Arc<Ready>>,
    book: Arc<Book>,
    folder: Option<Folder>,
    clock: Arc<dyn Clock>,
    sources: Mutex<BTreeMap<Key, Source>>,
    changed: Notify,
    /// The revision of the book's revocations that lies in the folder, and the one that could not be
    /// written.
    kept: Mutex<(u64, Option<u64>)>,
    totals: Mutex<(u64, u64)>,
}

struct Source {
    task: Task,
    report: Report,
    busy: bool,
    /// To be asked once more when the exchange under way has ended: it began too early to count.
    again: bool,
}

impl Refresher {
    /// One that knows no certificates yet. Remembered revocations are read from the folder at once;
    /// if they cannot be read, that is an error: they must not be lost without anybody noticing.
    pub fn new(
        settings: Settings,
        book: Arc<Book>,
        folder: Option<Folder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Refused> {
        let ready = RwLock::new(Arc::new(Ready::new(settings)?));
        if let Some(folder) = &folder {
            folder.restore_revoked(&book)?;
        }
        Ok(Self(Arc::new(Inner {
            kept: Mutex::new((book.revision(), None)),
            ready,
            book,
            folder,
            clock,
            sources: Mutex::default(),
            changed: Notify::new(),
            totals: Mutex::default(),
        })))
    }

    /// The certificates to watch from now on, in place of those of before; sources that are new are
    /// asked at once. Reads what the folder has about them: not to be called where blocking hurts.
    pub fn watch(&self, watched: &[Watched]) -> Result<(), Refused> {
        if watched.len() > MAX_WATCHED {
            return Err(Refused::Full);
        }
        self.watch_these(watched);
        Ok(())
    }

    /// The same under other settings from now on; on an error the old ones stay. A source that has
    /// never brought anything counts as new: it may have been the settings.
    pub fn reconfigure(&self, ready: Ready, watched: &[Watched]) -> Result<(), Refused> {
        if watched.len() > MAX_WATCHED {
            return Err(Refused::Full);
        }
        let inner = &self.0;
        let longest = ready.settings.rhythm.longest;
        *inner.ready.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ready);
        {
            let now = inner.clock.now();
            let latest = now.checked_add(longest).unwrap_or(Timestamp::MAX);
            let mut sources = inner.sources();
            sources.retain(|_, source| source.busy || source.report.successes > 0);
            for source in sources.values_mut() {
                source.report.next = source.report.next.min(latest);
                // What is under way began under the settings of before.
                source.again = source.busy;
            }
        }
        self.watch_these(watched);
        Ok(())
    }

    fn watch_these(&self, watched: &[Watched]) {
        let inner = &self.0;
        let (now, ready) = (inner.clock.now(), inner.ready());
        let mut known = BTreeMap::new();
        let mut configured = BTreeSet::new();
        for Watched { certificate, issuer, .. } in watched {
            let Ok(id) = CertificateId::of(certificate, issuer) else { continue };
            known.insert(id, about(certificate));
            if ready.settings.overrides.iter().any(|own| own.issuer == issuer.fingerprint()) {
                configured.insert(id.issuer);
            }
        }
        inner.book.watch(known, configured, now);
        if let Some(folder) = &inner.folder {
            folder.restore(&inner.book, watched, now);
            folder.tidy(watched);
        }
        inner.set_sources(sources::of(watched, &ready.settings), now);
        inner.changed.notify_one();
    }

    /// Works until `stop` ends. What is under way then is given up.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut under_way = JoinSet::new();
        loop {
            self.start_due(&mut under_way);
            tokio::select! {
                () = &mut stop => return,
                Some(_) = under_way.join_next() => {}
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            self.keep_revoked().await;
        }
    }

    /// Asks every source that is due, and waits for all of them. Returns how many were asked.
    pub async fn turn(&self) -> usize {
        let mut under_way = JoinSet::new();
        let mut count = 0;
        loop {
            count += self.start_due(&mut under_way);
            if under_way.join_next().await.is_none() {
                self.keep_revoked().await;
                return count;
            }
        }
    }

    /// How every source is doing, sorted by kind and issuer.
    pub fn inventory(&self) -> Vec<Report> {
        self.0.sources().values().map(|source| source.report.clone()).collect()
    }

    /// Figures for metrics.
    pub fn counters(&self) -> Counters {
        let (successes, failures) = *lock(&self.0.totals);
        let sources = self.0.sources();
        let failing = sources.values().filter(|source| source.report.failures_in_a_row > 0).count();
        Counters { successes, failures, failing, sources: sources.len() }
    }

    /// Starts what is due, the longest overdue first, as long as there is room.
    fn start_due(&self, under_way: &mut JoinSet<()>) -> usize {
        let inner = &self.0;
        let room = inner
            .ready()
            .settings
            .concurrent
            .clamp(1, MAX_CONCURRENT)
            .saturating_sub(under_way.len());
        let now = inner.clock.now();
        let mut sources = inner.sources();
        let mut due: Vec<_> = sources
            .iter_mut()
            .filter(|(_, source)| !source.busy && source.report.next <= now)
            .collect();
        due.sort_by_key(|(_, source)| source.report.next);
        let mut count = 0;
        for (key, source) in due.into_iter().take(room) {
            source.busy = true;
            let busy = Busy { inner: inner.clone(), key: key.clone() };
            let task = source.task.clone();
            under_way.spawn(async move {
                let result = busy.inner.exchange(&busy.key, &task).await;
                busy.inner.note(&busy.key, result);
            });
            count += 1;
        }
        count
    }

    /// Writes remembered revocations to the folder if there are others than before.
    async fn keep_revoked(&self) {
        let inner = self.0.clone();
        let (Some(folder), revision) = (inner.folder.clone(), inner.book.revision()) else {
            return;
        };
        if lock(&inner.kept).0 == revision {
            return;
        }
        let book = inner.book.clone();
        let written =
            spawn_blocking(move || folder.keep_revoked(&book.revoked_since(Timestamp::MIN))).await;
        let mut kept = lock(&inner.kept);
        match written {
            Ok(Ok(())) => *kept = (revision, None),
            // Tried again with every tick, said once.
            _ if kept.1 != Some(revision) => {
                kept.1 = Some(revision);
                tracing::error!("revoked certificates cannot be kept in their folder");
            }
            _ => {}
        }
    }
}

impl Inner {
    fn ready(&self) -> Arc<Ready> {
        Arc::clone(&self.ready.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<Key, Source>> {
        lock(&self.sources)
    }

    /// Sources that stay keep their state.
    fn set_sources(&self, tasks: BTreeMap<Key, Task>, now: Timestamp) {
        let mut sources = self.sources();
        let mut before = std::mem::take(&mut *sources);
        for (key, task) in tasks {
            let source = match before.remove(&key) {
                Some(mut source) => {
                    source.report.certificates = task.certificates;
                    source.task = task;
                    source
                }
                None => {
                    Source { report: report(&key, &task, now), task, busy: false, again: false }
                }
            };
            sources.insert(key, source);
        }
    }

    /// Tries the places of a source in their order until one brings something that counts.
    async fn exchange(&self, key: &Key, task: &Task) -> Result<Taken, Refused> {
        let mut result = Err(Refused::Address);
        for place in &key.places {
            result = match key.kind {
                Kind::Crl => self.fetch_list(key, place, task).await,
                Kind::Ocsp => self.ask(place, task).await,
            };
            if result.is_ok() {
                break;
            }
        }
        result
    }

    async fn fetch_list(&self, key: &Key, place: &Place, task: &Task) -> Result<Taken, Refused> {
        let ready = self.ready();
        let limit = ready.settings.max_list_bytes.min(MAX_CRL_BYTES);
        let fetched = match place {
            Place::Url(url) => Some(ready.fetcher.get(url, limit).await?),
            Place::File(_) => None,
        };
        let (book, folder, issuer) = (self.book.clone(), self.folder.clone(), task.issuer.clone());
        let (id, places, place) = (key.issuer, key.places.clone(), place.clone());
        let now = self.clock.now();
        blocking(move || {
            let octets = match (fetched, place) {
                (Some(octets), _) => octets,
                (None, Place::File(path)) => {
                    let octets = read_file(&path, limit).map_err(|_| Refused::File)?;
                    octets.ok_or(Refused::TooLarge)?
                }
                (None, Place::Url(_)) => return Err(Refused::Address),
            };
            let taken = book.take_list(&octets, &issuer, now)?;
            keep(folder.as_ref().map(|folder| folder.keep_list(&id, &places, &octets)));
            Ok(taken)
        })
        .await
    }

    async fn ask(&self, place: &Place, task: &Task) -> Result<Taken, Refused> {
        let Place::Url(url) = place else { return Err(Refused::Address) };
        let Task { certificate, issuer, nonce: rule, .. } = task.clone();
        let question = Question::new(&certificate, &issuer, rule)?;
        let octets = self
            .ready()
            .fetcher
            .ask(Service::Ocsp, url, question.to_der()?, MAX_ANSWER_BYTES)
            .await?;
        let (nonce, book, folder) = (question.nonce, self.book.clone(), self.folder.clone());
        let now = self.clock.now();
        blocking(move || {
            let question = Question { certificate: &certificate, issuer: &issuer, nonce, rule };
            let taken = book.take_answer(&octets, &question, now)?;
            let id = CertificateId::of(&certificate, &issuer)?;
            keep(folder.as_ref().map(|folder| folder.keep_answer(&id, &octets)));
            Ok(taken)
        })
        .await
    }

    /// Writes down how an exchange ended, and when the next one is due.
    fn note(&self, key: &Key, result: Result<Taken, Refused>) {
        let (now, rhythm) = (self.clock.now(), self.ready().settings.rhythm);
        let mut chance = [0];
        // Without randomness sources are asked a little later, nothing worse.
        drop(rand_bytes(&mut chance));
        {
            let mut totals = lock(&self.totals);
            match result {
                Ok(_) => totals.0 += 1,
                Err(_) => totals.1 += 1,
            }
        }
        let mut sources = self.sources();
        let Some(Source { report, again, .. }) = sources.get_mut(key) else { return };
        match result {
            Ok(Taken { as_of, fresh_until, entries }) => {
                report.successes += 1;
                report.failures_in_a_row = 0;
                report.last_success = Some(now);
                (report.as_of, report.fresh_until) = (Some(as_of), Some(fresh_until));
                report.entries = entries;
                report.next = rhythm.after_success(now, as_of, fresh_until, chance[0]);
            }
            Err(why) => {
                report.failures += 1;
                report.failures_in_a_row = report.failures_in_a_row.saturating_add(1);
                report.last_failure = Some((now, why));
                let failures = report.failures_in_a_row;
                report.next = rhythm.after_failure(now, failures, chance[0]);
                tracing::warn!(issuer = %report.issuer, reason = %why, failures, "revocation source");
            }
        }
        if std::mem::take(again) {
            report.next = now;
        }
    }
}

/// A source that is being asked; it is free again however the exchange ends.
struct Busy {
    inner: Arc<Inner>,
    key: Key,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(source) = self.inner.sources().get_mut(&self.key) {
            source.busy = false;
        }
    }
}

/// Lists are large and disks slow: neither belongs among the tasks of the network.
async fn blocking(
    work: impl FnOnce() -> Result<Taken, Refused> + Send + 'static,
) -> Result<Taken, Refused> {
    spawn_blocking(work).await.unwrap_or(Err(Refused::Engine))
}

/// What is in the book counts even where the folder fails.
fn keep(written: Option<Result<(), Refused>>) {
    if let Some(Err(_)) = written {
        tracing::error!("a revocation list or answer cannot be kept in its folder");
    }
}

fn report(key: &Key, task: &Task, now: Timestamp) -> Report {
    Report {
        kind: key.kind,
        issuer: task.issuer.subject().to_owned(),
        subject: key.about.map(|_| task.certificate.subject().to_owned()),
        places: key.places.iter().map(Place::text).collect(),
        certificates: task.certificates,
        as_of: None,
        fresh_until: None,
        entries: 0,
        last_success: None,
        last_failure: None,
        failures_in_a_row: 0,
        successes: 0,
        failures: 0,
        next: now,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
