//! Reserved names: made ahead, many in one commit, until a message refers to them.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use amtsbote_domain::ports::StoreError;
use openssl::rand::rand_bytes;

use super::Left;
use crate::error::cipher_error;
use crate::group::{Group, Receipts};
use crate::sql::params;
use crate::writer::{Task, WeakQueue};

/// So many names are reserved at once: one commit for many parts.
const NAMES: usize = 64;
/// With fewer left, the next ones are reserved ahead, so that hardly anybody waits.
const FEW: usize = 16;

/// Why a message cannot refer to a name any more.
pub(super) const GONE: &str = "the place of a part was given up meanwhile";

/// Reserved names that nobody uses.
pub(super) struct Names {
    prefix: &'static str,
    pool: Mutex<Pool>,
    changed: Condvar,
}

#[derive(Default)]
struct Pool {
    free: Vec<String>,
    /// More are on their way.
    coming: bool,
    /// The last attempt to reserve some failed.
    failed: Option<StoreError>,
}

impl Names {
    /// An empty stock of names that begin like this.
    pub(super) fn new(prefix: &'static str) -> Self {
        Self { prefix, pool: Mutex::default(), changed: Condvar::new() }
    }

    /// A reserved name. Waits for a commit only where names are used up faster than reserved.
    pub(super) fn take(self: &Arc<Self>, queue: &WeakQueue) -> Result<String, StoreError> {
        loop {
            let mut pool = self.lock();
            let name = pool.free.pop();
            let order = pool.free.len() < FEW && !pool.coming;
            pool.coming |= order;
            if order {
                // Not under the lock: the writer takes it too, and may have to make room first.
                drop(pool);
                let names = Arc::clone(self);
                let ordered = queue.push(Box::new(ReserveNames { names, made: Vec::new() }));
                pool = self.lock();
                if name.is_none() {
                    ordered?;
                }
            }
            if let Some(name) = name {
                return Ok(name);
            }
            while pool.coming {
                pool = self.wait(pool);
            }
            if pool.free.is_empty()
                && let Some(error) = pool.failed.take()
            {
                return Err(error);
            }
        }
    }

    /// Nothing is under it any more: it can be used again.
    pub(super) fn give_back(&self, name: String) {
        self.lock().free.push(name);
    }

    /// Those that wait to be used are not ours any more.
    pub(super) fn forget(&self) {
        self.lock().free.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        // A panic elsewhere cannot leave the pool half changed.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'p>(&self, pool: MutexGuard<'p, Pool>) -> MutexGuard<'p, Pool> {
        self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the reservation because a message refers to the name. Refused where it is not ours any more.
pub(super) fn release(group: &Group<'_>, left: &Left) -> Result<(), StoreError> {
    for row in left.rows() {
        let ended = match group.db.life() {
            None => group.db.execute(
                "DELETE FROM reserved_file WHERE name = ?1 AND due IS NULL",
                params![row],
            )?,
            Some(life) => group.db.execute(
                "DELETE FROM reserved_file WHERE name = ?1 AND due IS NULL AND holder = ?2",
                params![row, life.number],
            )?,
        };
        if ended == 0 {
            return Err(StoreError::Unavailable(GONE.to_owned()));
        }
    }
    Ok(())
}

/// Reserves one row more, and waits until that is durable.
pub(super) fn record(queue: &WeakQueue, row: String) -> Result<(), StoreError> {
    let (sender, receiver) = sync_channel(1);
    queue.push(Box::new(Record { row, sender }))?;
    let gone = |_| StoreError::Unavailable("the store is shutting down".to_owned());
    receiver.recv().map_err(gone)?
}

fn insert(group: &Group<'_>, row: &str) -> Result<(), StoreError> {
    match group.db.life() {
        None => {
            group.db.write("INSERT INTO reserved_file (name, due) VALUES (?1, NULL)", params![row])
        }
        Some(life) => group.db.write(
            "INSERT INTO reserved_file (name, holder, due) VALUES (?1, ?2, NULL)",
            params![row, life.number],
        ),
    }
}

/// Nothing of a message depends on a reservation: one that was made unknowingly is freed at the next
/// start.
pub(super) fn not_reserved(error: StoreError) -> StoreError {
    match error {
        StoreError::OutcomeUnknown(why) => StoreError::Unavailable(why),
        other => other,
    }
}

/// Reserves names ahead.
struct ReserveNames {
    names: Arc<Names>,
    made: Vec<String>,
}

impl Task for ReserveNames {
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError> {
        self.made.clear();
        for _ in 0..NAMES {
            let mut octets = [0; 16];
            rand_bytes(&mut octets).map_err(cipher_error)?;
            let random: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            let name = format!("{}{random}", self.names.prefix);
            insert(group, &name)?;
            self.made.push(name);
        }
        group.touch();
        Ok(())
    }

    fn finish(mut self: Box<Self>, outcome: Result<&Receipts, StoreError>) {
        match outcome {
            Ok(_) => self.names.lock().free.append(&mut self.made),
            Err(error) => self.names.lock().failed = Some(not_reserved(error)),
        }
    }

    fn may_use_reserve(&self) -> bool {
        false
    }
}

impl Drop for ReserveNames {
    fn drop(&mut self) {
        // However it ended, even unanswered when the writer is gone: nobody must wait for it.
        self.names.lock().coming = false;
        self.names.changed.notify_all();
    }
}

/// Reserves one row.
struct Record {
    row: String,
    sender: SyncSender<Result<(), StoreError>>,
}

impl Task for Record {
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError> {
        insert(group, &self.row)?;
        group.touch();
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<&Receipts, StoreError>) {
        // Whoever waited may have gone.
        let _ = self.sender.send(outcome.map(drop).map_err(not_reserved));
    }

    fn may_use_reserve(&self) -> bool {
        false
    }
}
