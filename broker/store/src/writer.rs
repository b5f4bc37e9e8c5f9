//! The one thread that writes: group commit.
//!
//! It takes the operations that wait, runs them in one transaction (one that fails takes only
//! itself back), seals the group (nodes, one head, receipts), commits,
//! stores the head in the guard and only then answers anybody.
//!
//! When a commit fails, nothing in memory is believed any more: the tree is dropped and read
//! again. Pages of a failed commit may still lie in the write-ahead log, where a crash could
//! revive them; so a small transaction of its own, the fence, is committed over them before
//! anybody is told that nothing was kept. Until that succeeds the store is closed.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use amtsbote_archive::Hash;
use amtsbote_archive::guard::HeadGuard;
use amtsbote_archive::note::LogKey;
use amtsbote_archive::tree::Appender;
use amtsbote_domain::ports::{Clock, StoreError};
use amtsbote_domain::wrapping::WrappingKeys;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::group::{Group, NodeCache, ReceiptOf, Receipts};
use crate::reserve::Reserve;
use crate::sql::{Db, Elsewhere, Standing, params};

/// At most so many operations wait for the writer; more wait in their callers.
pub(crate) const QUEUE: usize = 1024;

/// An operation on its way through the writer.
pub(crate) trait Task: Send {
    /// Does the work. May be called again after its transaction was rolled back. An error takes this operation back and no other, except [`StoreError::Full`], which
    /// takes back the group.
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError>;

    /// Answers: after the commit, or with why there is nothing.
    fn finish(self: Box<Self>, outcome: Result<&Receipts, StoreError>);

    /// May use the reserve: it ends or goes on with what was accepted before.
    fn may_use_reserve(&self) -> bool;
}

/// What an operation answers, now or once its receipt exists.
pub(crate) enum Answer<T> {
    Now(T),
    WithReceipt(ReceiptOf, Box<dyn FnOnce(Vec<u8>) -> T + Send>),
}

/// An operation made of a function.
pub(crate) struct Work<T, F> {
    work: F,
    answer: Option<Answer<T>>,
    sender: oneshot::Sender<Result<T, StoreError>>,
    may_use_reserve: bool,
}

impl<T, F> Work<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut Group<'_>) -> Result<Answer<T>, StoreError> + Send + 'static,
{
    /// The task, and where its answer comes.
    pub(crate) fn task(
        may_use_reserve: bool,
        work: F,
    ) -> (Box<dyn Task>, oneshot::Receiver<Result<T, StoreError>>) {
        let (sender, receiver) = oneshot::channel();
        (Box::new(Self { work, answer: None, sender, may_use_reserve }), receiver)
    }
}

impl<T, F> Task for Work<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut Group<'_>) -> Result<Answer<T>, StoreError> + Send + 'static,
{
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError> {
        self.answer = Some((self.work)(group)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<&Receipts, StoreError>) {
        let Self { answer, sender, .. } = *self;
        let answer = outcome.and_then(|receipts| match answer {
            Some(Answer::Now(value)) => Ok(value),
            Some(Answer::WithReceipt(receipt, make)) => take_receipt(receipts, receipt).map(make),
            None => Err(not_run()),
        });
        // Whoever asked may have gone; what was done stays done.
        let _ = sender.send(answer);
    }

    fn may_use_reserve(&self) -> bool {
        self.may_use_reserve
    }
}

/// The octets of a receipt after the commit.
pub(crate) fn take_receipt(receipts: &Receipts, receipt: ReceiptOf) -> Result<Vec<u8>, StoreError> {
    match receipt {
        ReceiptOf::Stored(octets) => Ok(octets),
        ReceiptOf::Leaf(index) => receipts.get(&index).cloned().ok_or_else(not_run),
    }
}

pub(crate) fn not_run() -> StoreError {
    StoreError::Unavailable("the operation was not carried out".to_owned())
}

/// Where a test makes a commit fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) enum Fault {
    /// The commit fails and nothing of it is kept.
    NotKept,
    /// The commit reports an error although it was kept.
    Kept,
    /// The fence fails as well: the outcome cannot be known.
    Fence,
    /// The head guard cannot be written.
    Guard,
    /// The process ends when the keys have left the database, and nothing of it is committed.
    KeysExported,
    /// The process ends when that is committed, and they still stand in the write-ahead log.
    KeysInTheLog,
}

/// Asked before every commit and fence whether it fails.
pub(crate) type Faults = Arc<dyn Fn(Fault) -> bool + Send + Sync>;

/// Everything the writing thread holds.
pub(crate) struct Writer {
    pub(crate) db: Db,
    pub(crate) keys: Arc<dyn WrappingKeys>,
    pub(crate) key: LogKey,
    pub(crate) guard: HeadGuard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) reserve: Arc<Reserve>,
    pub(crate) group_limit: usize,
    pub(crate) log: Log,
    pub(crate) faults: Option<Faults>,
}

/// What the writer remembers of the log. Dropped and read again after a failure.
pub(crate) struct Log {
    tree: Appender,
    /// The newest head; empty before the first leaf.
    head: String,
    last: Timestamp,
    nodes: NodeCache,
    /// A head that was committed and is not yet in the guard: nothing goes on before it is.
    unguarded: Option<String>,
    /// A commit failed and no fence has succeeded since.
    unfenced: bool,
}

/// Why a whole group failed.
enum Failure {
    Full,
    /// Nothing of it was kept.
    NotKept(String),
    Unknown(String),
}

impl Failure {
    fn to_error(&self) -> StoreError {
        match self {
            Self::Full => StoreError::Full,
            Self::NotKept(why) => StoreError::Unavailable(why.clone()),
            Self::Unknown(why) => StoreError::OutcomeUnknown(why.clone()),
        }
    }

    fn from_begin(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            other => Self::NotKept(other.to_string()),
        }
    }
}

/// Why a run over a group ended early; its transaction was rolled back.
enum Stopped {
    Failed(Failure),
    /// A statement failed, or an operation after it had written, and there was no savepoint to go
    /// back to.
    Dirty,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A task with what its own run said.
struct Entry {
    task: Box<dyn Task>,
    error: Option<StoreError>,
}

impl Log {
    /// Reads the newest head and the right edge of the tree.
    pub(crate) fn read(db: &Db) -> Result<Self, StoreError> {
        Self::read_with(db, NodeCache::default())
    }

    fn read_with(db: &Db, nodes: NodeCache) -> Result<Self, StoreError> {
        let head = db.query_opt("SELECT size, at, note FROM log_head", &[], |row| {
            Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get(2)?))
        })?;
        let (size, at, head) = head.unwrap_or((0, i64::MIN, String::new()));
        let tree = Appender::load(size.unsigned_abs(), &nodes.over(db))?;
        let last = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MIN);
        Ok(Self { tree, head, last, nodes, unguarded: None, unfenced: false })
    }

    /// Goes on from where another node has left the log. What it had before stays in it: a log that
    /// got shorter, or changed without getting longer, is none to write to (P5).
    fn follow(&mut self, db: &Db, now: &Elsewhere) -> Result<(), StoreError> {
        if now.note == self.head {
            return Ok(());
        }
        if now.size.unsigned_abs() <= self.tree.size() {
            return Err(StoreError::Corrupt("the log was rolled back or changed".to_owned()));
        }
        let nodes = std::mem::take(&mut self.nodes);
        let unguarded = self.unguarded.take();
        *self = Self { unguarded, ..Self::read_with(db, nodes)? };
        Ok(())
    }

    /// The right edge.
    pub(crate) fn tree(&self) -> &Appender {
        &self.tree
    }
}

impl Writer {
    /// Starts the thread. It ends when every sender is gone, after what waited is done.
    pub(crate) fn start(
        mut self,
        mut queue: mpsc::Receiver<Box<dyn Task>>,
    ) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            while let Some(first) = queue.blocking_recv() {
                let mut tasks = vec![first];
                while tasks.len() < self.group_limit
                    && let Ok(task) = queue.try_recv()
                {
                    tasks.push(task);
                }
                self.run(tasks);
                if queue.is_empty() {
                    // Now, while nobody waits, instead of before the next commit. What goes wrong
                    // is tried again there, where it counts.
                    let _later = self.guard.sync();
                }
            }
            if let Err(error) = self.guard.sync() {
                tracing::warn!(kind = %error.kind(), "the head guard could not be synced");
            }
        })
    }

    /// Runs a group and answers everybody in it.
    pub(crate) fn run(&mut self, tasks: Vec<Box<dyn Task>>) {
        if let Err(error) = self.reserve.restore() {
            tracing::warn!(kind = %error.kind(), "the reserve could not be made again");
        }
        let mut entries: Vec<Entry> =
            tasks.into_iter().map(|task| Entry { task, error: None }).collect();
        let mut outcome = self.attempt(&mut entries);
        if matches!(outcome, Err(Failure::Full)) {
            let (urgent, others): (Vec<_>, Vec<_>) =
                entries.into_iter().partition(|entry| entry.task.may_use_reserve());
            answer(others, Err(&Failure::Full));
            entries = urgent;
            if !entries.is_empty() {
                self.give_up_reserve();
                outcome = self.attempt(&mut entries);
            }
        }
        answer(entries, outcome.as_ref());
    }

    fn give_up_reserve(&self) {
        match self.reserve.give_up() {
            Ok(true) => tracing::error!("no room left: the reserve is given up to settle"),
            Ok(false) => {}
            Err(error) => tracing::error!(kind = %error.kind(), "the reserve cannot be given up"),
        }
    }

    /// One transaction over all entries. On an error nothing was kept, unless it says otherwise.
    fn attempt(&mut self, entries: &mut [Entry]) -> Result<Receipts, Failure> {
        self.reopen()?;
        self.log.nodes.trim();
        match self.run_group(entries, false) {
            // Only one that has written must be taken back; only then are savepoints worth it.
            Err(Stopped::Dirty) => self.run_group(entries, true),
            ended => ended,
        }
        .map_err(|stopped| match stopped {
            Stopped::Failed(failure) => failure,
            Stopped::Dirty => Failure::NotKept("a savepoint was lost".to_owned()),
        })
    }

    fn run_group(&mut self, entries: &mut [Entry], savepoints: bool) -> Result<Receipts, Stopped> {
        let (now, elsewhere) = self.db.begin(&*self.clock).map_err(Failure::from_begin)?;
        if let Some(elsewhere) = &elsewhere
            && let Err(error) = self.log.follow(&self.db, elsewhere)
        {
            self.roll_back();
            return Err(Failure::from_begin(error).into());
        }
        let now = self.evidence_time(now);
        let mut group =
            Group::new(&self.db, &*self.keys, self.key.name(), self.log.tree.size(), now);
        if let Err(stopped) = run_all(&mut group, entries, savepoints) {
            self.roll_back();
            return Err(stopped);
        }
        if !group.is_changed() {
            self.db.roll_back().map_err(Failure::from_begin)?;
            return Ok(Receipts::new());
        }
        if !group.has_leaves() {
            self.commit(None)?;
            return Ok(Receipts::new());
        }
        match group.seal(&self.log.tree, &self.key, &self.log.nodes) {
            Err(_) if !savepoints && self.db.took_back() => {
                self.roll_back();
                Err(Stopped::Dirty)
            }
            Err(error) => {
                self.roll_back();
                Err(Failure::from_begin(error).into())
            }
            Ok(sealed) => {
                self.commit(Some(sealed.first))?;
                self.log.tree = sealed.tree;
                self.log.head.clone_from(&sealed.head);
                self.log.last = now;
                self.guard(sealed.head)?;
                Ok(sealed.receipts)
            }
        }
    }

    /// Evidence time: the clock's, in whole microseconds, never before what was recorded last.
    fn evidence_time(&self, now: Timestamp) -> Timestamp {
        let now = now.as_microsecond();
        Timestamp::from_microsecond(now).map_or(self.log.last, |now| now.max(self.log.last))
    }

    fn commit(&mut self, first: Option<(u64, Hash)>) -> Result<(), Stopped> {
        match self.try_commit() {
            Ok(()) => Ok(()),
            Err(_) if self.db.took_back() => {
                self.roll_back();
                Err(Stopped::Dirty)
            }
            Err(StoreError::Full) => {
                // The record that ends a commit was never written: nothing can revive it.
                self.roll_back();
                Err(Failure::Full.into())
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                Ok(self.after_failed_commit(first, &error)?)
            }
        }
    }

    fn try_commit(&self) -> Result<(), StoreError> {
        if self.fails(Fault::NotKept) {
            return Err(StoreError::Unavailable("made to fail".to_owned()));
        }
        self.db.commit()?;
        if self.fails(Fault::Kept) {
            return Err(StoreError::Unavailable("made to fail".to_owned()));
        }
        Ok(())
    }

    /// Finds out what became of a commit. Ok: it was kept after all.
    fn after_failed_commit(
        &mut self,
        first: Option<(u64, Hash)>,
        error: &StoreError,
    ) -> Result<(), Failure> {
        let was_open = self.db.standing() == Standing::Open;
        self.roll_back();
        self.log.unfenced = true;
        let kept = self.reopen().map_err(|failure| match failure {
            Failure::Full => Failure::Unknown("no room to find out".to_owned()),
            Failure::NotKept(why) | Failure::Unknown(why) => Failure::Unknown(why),
        })?;
        let Some((index, hash)) = first else {
            // No leaf tells the two cases apart. The database may know; a transaction that was
            // still open had not been committed, and now the fence lies over it; otherwise not to
            // know is the truth.
            return match (kept, was_open) {
                (Some(true), _) => Ok(()),
                (Some(false), _) | (None, true) => Err(Failure::NotKept(error.to_string())),
                (None, false) => Err(Failure::Unknown(error.to_string())),
            };
        };
        // Its salt makes a leaf unlike any other, whoever has written behind it since.
        let sql = "SELECT hash FROM leaf WHERE idx = ?1";
        let stored: Option<[u8; 32]> = self
            .db
            .query_opt(sql, params![index as i64], |row| row.get(0))
            .map_err(|error| Failure::Unknown(error.to_string()))?;
        match stored == Some(hash.0) {
            true => Ok(()),
            false => Err(Failure::NotKept(error.to_string())),
        }
    }

    /// Makes the store usable again where something was left over: fence first, then the log, then
    /// the guard. Says whether the last commit was kept, where the database knows.
    fn reopen(&mut self) -> Result<Option<bool>, Failure> {
        let mut kept = None;
        if self.log.unfenced {
            kept = self.fence().map_err(|error| Failure::NotKept(format!("closed: {error}")))?;
            let unguarded = self.log.unguarded.take();
            self.log = Log::read(&self.db).map_err(Failure::from_begin)?;
            self.log.unguarded = unguarded;
        }
        if let Some(head) = self.log.unguarded.take() {
            self.guard(head).map_err(|failure| Failure::NotKept(failure.to_error().to_string()))?;
        }
        Ok(kept)
    }

    fn fence(&self) -> Result<Option<bool>, StoreError> {
        if self.fails(Fault::Fence) {
            return Err(StoreError::Unavailable("made to fail".to_owned()));
        }
        self.db.fence()
    }

    fn guard(&mut self, head: String) -> Result<(), Failure> {
        let stored = match self.fails(Fault::Guard) {
            true => Err(std::io::ErrorKind::Other.into()),
            false => self.guard.store(&head),
        };
        stored.map_err(|error: std::io::Error| {
            tracing::error!(kind = %error.kind(), "the head guard cannot be written");
            self.log.unguarded = Some(head);
            Failure::Unknown("committed, but the head guard cannot be written".to_owned())
        })
    }

    /// Ends the transaction without a trace, in memory too.
    fn roll_back(&mut self) {
        if let Err(error) = self.db.roll_back() {
            tracing::error!(%error, "a transaction could not be rolled back");
            self.log.unfenced = true;
        }
        self.log.nodes.clear();
    }

    fn fails(&self, fault: Fault) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults(fault))
    }
}

/// Runs every entry, on demand in a savepoint of its own.
fn run_all(group: &mut Group<'_>, entries: &mut [Entry], savepoints: bool) -> Result<(), Stopped> {
    let mark_by = |command: fn(&Db) -> Result<(), StoreError>, group: &Group<'_>| match savepoints {
        false => Ok(()),
        true => command(group.db).map_err(Failure::from_begin),
    };
    for entry in entries {
        let (mark, changes) = (group.mark(), group.db.changes());
        mark_by(Db::savepoint, group)?;
        entry.error = entry.task.run(group).err();
        if let Some(error) = &entry.error {
            if matches!(error, StoreError::Full) {
                return Err(Failure::Full.into());
            }
            if group.db.standing() == Standing::Ended {
                // The database took the whole transaction back, not only this operation.
                return Err(Failure::NotKept(error.to_string()).into());
            }
            if !savepoints
                && (group.db.standing() != Standing::Open || group.db.changes() != changes)
            {
                return Err(Stopped::Dirty);
            }
            group.back_to(mark);
            mark_by(Db::back_to_savepoint, group)?;
        }
        mark_by(Db::release, group)?;
    }
    Ok(())
}

fn answer(entries: Vec<Entry>, outcome: Result<&Receipts, &Failure>) {
    for Entry { task, error } in entries {
        match (outcome, error) {
            (Ok(_), Some(error)) => task.finish(Err(error)),
            (Ok(receipts), None) => task.finish(Ok(receipts)),
            // What an operation found may be the work of another of its group, of which nothing
            // was kept: "other content", say. So its own error is not told either.
            (Err(failure), _) => task.finish(Err(failure.to_error())),
        }
    }
}

/// The sending side. The writer ends when it is dropped.
pub(crate) struct Queue {
    sender: mpsc::Sender<Box<dyn Task>>,
    /// In a simulation there is no thread to wait for.
    #[cfg(feature = "simulation")]
    pub(crate) inline: Option<Arc<crate::simulated::Inline>>,
}

/// The sending side for code that is not async and may outlive the store.
pub(crate) struct WeakQueue {
    sender: mpsc::WeakSender<Box<dyn Task>>,
    #[cfg(feature = "simulation")]
    inline: Option<Arc<crate::simulated::Inline>>,
}

impl Queue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Box<dyn Task>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let queue = Self {
            sender,
            #[cfg(feature = "simulation")]
            inline: None,
        };
        (queue, receiver)
    }

    /// Hands a task over and waits for its answer.
    pub(crate) async fn submit<T>(
        &self,
        task: Box<dyn Task>,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.sender.send(task).await.map_err(|_| closed())?;
        answer.await.map_err(|_| lost())?
    }

    /// A side that does not keep the writer alive.
    pub(crate) fn weak(&self) -> WeakQueue {
        WeakQueue {
            sender: self.sender.downgrade(),
            #[cfg(feature = "simulation")]
            inline: self.inline.clone(),
        }
    }
}

impl WeakQueue {
    /// Hands a task over without waiting for its answer. Waits while the queue is full.
    pub(crate) fn push(&self, mut task: Box<dyn Task>) -> Result<(), StoreError> {
        #[cfg(feature = "simulation")]
        if let Some(inline) = &self.inline {
            inline.run(vec![task]);
            return Ok(());
        }
        loop {
            let sender = self.sender.upgrade().ok_or_else(closed)?;
            match sender.try_send(task) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(closed()),
                Err(mpsc::error::TrySendError::Full(back)) => {
                    task = back;
                    thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is shutting down".to_owned())
}

/// The writer is gone with the operation in its hands.
fn lost() -> StoreError {
    StoreError::OutcomeUnknown("the writer ended".to_owned())
}

/// The path of the database in a store's folder.
pub(crate) fn database_path(dir: &std::path::Path) -> PathBuf {
    dir.join("hub.db")
}
