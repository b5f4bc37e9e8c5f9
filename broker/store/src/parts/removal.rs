//! What became no message, removed while the store works: what was refused or broken off, what a
//! commit of unknown outcome did not keep, what former lives of nodes left behind.
//!
//! A name that is to be removed has a time in its row (`due`); one in use has none. One thread does
//! the work in turns: marks what was dropped meanwhile, removes at most [`BATCH`] parts that are due,
//! and forgets their names only then. So memory and statements are bounded whatever has piled up, and
//! a crash anywhere leaves nothing unknown. Under some names something may still arrive after the
//! removal: those are removed once more, later ([`super::Place::quiet`]).
//!
//! Nobody removes what another node may still refer to. A node says from time to time that it is at
//! work; what one has reserved that was silent for longer than [`GONE`], or that has begun a newer life,
//! others take over, in a transaction in which they have the log. An acceptance makes sure in its own
//! that its names are still its own ([`super::Reserved::refer`]).

mod rows;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use amtsbote_domain::ports::StoreError;

use super::names::{Names, not_reserved};
use super::{AWAY, Left, Places};
use crate::group::{Group, Receipts};
use crate::writer::{Task, WeakQueue};

pub(crate) use rows::former_life;
#[cfg(feature = "postgres")]
pub(crate) use rows::remove_all;

/// So many parts are removed in a turn, and so many taken over.
pub(super) const BATCH: usize = 128;
/// So many dropped parts wait to be marked at most; what comes on top is left to the next start.
const MARKS: usize = 4096;
/// How often it is looked for what is due, and said that this node is at work.
const TICK: Duration = Duration::from_secs(60);
/// A node that was silent for so long holds no names any more.
pub(crate) const GONE: Duration = Duration::from_secs(60 * 60);
/// How long after a failure, which doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// A part that was dropped.
#[derive(Clone)]
pub(super) struct Mark {
    pub(super) left: Left,
    /// That no message refers to it is known; else its row says whether one does.
    pub(super) sure: bool,
}

/// What is said to the thread.
#[derive(Default)]
pub(super) struct Removals {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    marks: Vec<Mark>,
    look: bool,
    ended: bool,
    /// Everything that is done from time to time is to be done now.
    #[cfg(test)]
    all: bool,
    /// Turns that have ended well.
    #[cfg(test)]
    turns: u64,
}

impl Removals {
    /// To be removed. Waits for nothing.
    pub(super) fn add(&self, mark: Mark) {
        let mut said = self.lock();
        if said.marks.len() >= MARKS {
            tracing::warn!(
                "more parts without a message than are remembered: some stay until the next start"
            );
            return;
        }
        // One that is not sure has time: the store has other things to find out now.
        said.look |= mark.sure;
        said.marks.push(mark);
        self.changed.notify_all();
    }

    /// The store closes.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Lets the thread look, and waits until it has.
    #[cfg(test)]
    pub(super) fn look(&self) {
        let mut said = self.lock();
        // One turn may be under way that has looked already.
        let enough = said.turns + 2;
        while said.turns < enough {
            (said.look, said.all) = (true, true);
            self.changed.notify_all();
            said = self
                .changed
                .wait_timeout(said, Duration::from_millis(20))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until something is said, at most so long. Takes the marks; none when the store closes.
    fn wait(&self, longest: Duration) -> Option<Vec<Mark>> {
        let said = self.lock();
        let (mut said, _) = self
            .changed
            .wait_timeout_while(said, longest, |said| !said.look && !said.ended)
            .unwrap_or_else(PoisonError::into_inner);
        said.look = false;
        (!said.ended).then(|| std::mem::take(&mut said.marks))
    }

    /// Whether what is done from time to time is to be done now.
    fn is_asked_for_all(&self) -> bool {
        #[cfg(test)]
        return std::mem::take(&mut self.lock().all);
        #[cfg(not(test))]
        false
    }

    fn turned(&self) {
        #[cfg(test)]
        {
            self.lock().turns += 1;
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        // A panic elsewhere cannot leave it half changed.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever removes: what it knows between two turns.
pub(super) struct Remover {
    places: Arc<Places>,
    names: Arc<Names>,
    /// What was dropped and is not marked yet.
    marks: Vec<Mark>,
    /// What became of the last batch, not recorded yet.
    settled: Arc<Vec<Settled>>,
    /// When it was last said that this node is at work.
    said: Option<Instant>,
    /// More is to be taken over than fits into a turn.
    more: bool,
    /// Nothing is removed before, because nothing could be.
    not_before: Instant,
    failures: u32,
}

/// What became of the removal of a part.
struct Settled {
    due: Due,
    removed: bool,
    /// How long until it is tried again, or removed once more.
    later: Duration,
}

/// A part that is to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    left: Left,
    /// It was removed before.
    again: bool,
}

/// What a turn found.
struct Found {
    due: Vec<Due>,
    /// As much was taken over as fits.
    more: bool,
    /// Others had taken over what this node held.
    given_up: bool,
}

impl Remover {
    pub(super) fn new(places: Arc<Places>, names: Arc<Names>) -> Self {
        Self {
            places,
            names,
            marks: Vec::new(),
            settled: Arc::default(),
            said: None,
            more: false,
            not_before: Instant::now(),
            failures: 0,
        }
    }

    /// Works until the store closes.
    pub(super) fn work(mut self, removals: &Removals, queue: &WeakQueue) {
        let mut longest = Duration::ZERO;
        while let Some(marks) = removals.wait(longest) {
            self.marks.extend(marks);
            if removals.is_asked_for_all() {
                self.said = None;
            }
            longest = match self.turn(&mut |task| queue.push(task)) {
                Ok(rest) => {
                    removals.turned();
                    rest
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    tracing::debug!(%error, "parts without a message wait to be removed");
                    self.pause()
                }
            };
        }
    }

    /// Everything that is due, at once; for a start without a thread.
    #[cfg(feature = "simulation")]
    pub(super) fn all(
        mut self,
        submit: &mut dyn FnMut(Box<dyn Task>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        while self.turn(submit)? == Duration::ZERO {}
        Ok(())
    }

    /// One turn; says how long until the next one, unless something is said before.
    fn turn(
        &mut self,
        submit: &mut dyn FnMut(Box<dyn Task>) -> Result<(), StoreError>,
    ) -> Result<Duration, StoreError> {
        let now = Instant::now();
        let say = self.said.is_none_or(|said| now.duration_since(said) >= TICK);
        let (sender, receiver) = sync_channel(1);
        submit(Box::new(Turn {
            marks: self.marks.clone(),
            settled: Arc::clone(&self.settled),
            say,
            take_over: say || self.more,
            most: if now >= self.not_before { BATCH } else { 0 },
            found: None,
            sender,
        }))?;
        let gone = |_| StoreError::Unavailable("the store is shutting down".to_owned());
        let Found { due, more, given_up } = receiver.recv().map_err(gone)??;
        if say {
            self.said = Some(now);
        }
        self.more = more;
        self.marks.clear();
        self.settled = Arc::default();
        if given_up {
            tracing::warn!("this node was silent for long: other nodes have taken its names over");
            self.names.forget();
        }
        if due.is_empty() {
            let rest = self.not_before.saturating_duration_since(now);
            return Ok(match self.more {
                true => Duration::ZERO,
                false if rest.is_zero() => TICK,
                false => rest.min(TICK),
            });
        }
        self.remove(due);
        Ok(Duration::ZERO)
    }

    fn remove(&mut self, due: Vec<Due>) {
        let left: Vec<Left> = due.iter().map(|due| due.left.clone()).collect();
        let (count, mut done) = (due.len(), 0);
        let results = self.places.remove(&left);
        self.failures = match results.iter().any(Result::is_ok) {
            true => 0,
            false => self.failures.saturating_add(1),
        };
        let pause = self.pause();
        let mut first = None;
        let settle = |(due, result): (Due, std::io::Result<()>)| {
            let removed = result.is_ok();
            done += usize::from(removed);
            let later = match &result {
                Ok(()) => self.places.quiet(&due.left),
                // The service is away, and all of it waits for that alone.
                Err(error) if error.kind() == AWAY => Duration::ZERO,
                // One that stays must not stand before the others for good.
                Err(_) => pause,
            };
            first = first.take().or(result.err());
            Settled { due, removed, later }
        };
        let settled = due.into_iter().zip(results).map(settle).collect();
        self.settled = Arc::new(settled);
        match first {
            Some(error) => {
                let waiting = count - done;
                tracing::warn!(%error, waiting, "parts without a message were not removed yet");
            }
            None => tracing::debug!(removed = done, "parts without a message were removed"),
        }
        if done == 0 {
            self.not_before = Instant::now() + pause;
        }
    }

    fn pause(&self) -> Duration {
        let doubled = PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        doubled.min(LONGEST_PAUSE)
    }
}

/// What a turn does in the database.
struct Turn {
    marks: Vec<Mark>,
    settled: Arc<Vec<Settled>>,
    /// That this node is at work is to be said.
    say: bool,
    take_over: bool,
    /// So many due parts are wanted.
    most: usize,
    found: Option<Found>,
    sender: SyncSender<Result<Found, StoreError>>,
}

impl Turn {
    fn turn(&self, group: &mut Group<'_>) -> Result<Found, StoreError> {
        let now = group.now().as_microsecond();
        for mark in &self.marks {
            rows::record(group.db, mark, now)?;
        }
        for settled in &*self.settled {
            rows::settle(group.db, settled, now)?;
        }
        if !self.marks.is_empty() || !self.settled.is_empty() {
            group.touch();
        }
        let (mut given_up, mut more) = (false, false);
        if let Some(life) = group.db.life().cloned() {
            if self.say {
                given_up = rows::say(group.db, &life, now)?;
                group.touch();
            }
            if self.take_over {
                let taken = rows::take_over(group.db, &life, now)?;
                more = taken >= BATCH as u64;
                if taken > 0 {
                    group.touch();
                }
            }
        }
        let due = match self.most {
            0 => Vec::new(),
            most => rows::due(group.db, now, most)?,
        };
        Ok(Found { due, more, given_up })
    }
}

impl Task for Turn {
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError> {
        self.found = Some(self.turn(group)?);
        Ok(())
    }

    fn finish(mut self: Box<Self>, outcome: Result<&Receipts, StoreError>) {
        let answer = match (outcome, self.found.take()) {
            (Ok(_), Some(found)) => Ok(found),
            (Ok(_), None) => Err(crate::writer::not_run()),
            // All of it can be done once more.
            (Err(error), _) => Err(not_reserved(error)),
        };
        // Whoever waited may have gone.
        let _ = self.sender.send(answer);
    }

    fn may_use_reserve(&self) -> bool {
        false
    }
}

/// Starts the thread.
pub(super) fn start(
    remover: Remover,
    removals: Arc<Removals>,
    queue: WeakQueue,
) -> std::io::Result<()> {
    // Nobody waits for it: it may be waiting for a network, and what it has not forgotten stays known.
    let work = move || remover.work(&removals, &queue);
    thread::Builder::new().name("store-removals".to_owned()).spawn(work).map(drop)
}
