//! The store in a simulation: no thread of its own and no clock but that of the runtime, so that
//! one seed always leads to one course of events. The disk is the simulation's: it says how long it
//! takes and what goes wrong. Operations, group commit, readers and SQL are those of every store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amtsbote_domain::ports::StoreError;
use tokio::sync::mpsc;

use crate::writer::{Fault, Faults, Task, Writer};

/// What a simulation decides about a disk.
pub trait SimulatedDisk: Send + Sync + 'static {
    /// How long the next read, or the next group of writes, has to wait for it.
    fn delay(&self) -> Duration;

    /// Whether this goes wrong now. Asked once each time it could.
    fn fails(&self, point: DiskFault) -> bool;

    /// The power is off: nothing reaches the disk any more. Nobody hears of what is answered then.
    fn is_off(&self) -> bool;
}

/// What can go wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// A commit fails and nothing of it is kept.
    NotKept,
    /// A commit reports an error although it was kept.
    Kept,
    /// After a commit that failed, what was kept cannot be found out.
    Fence,
    /// The head guard cannot be written.
    Guard,
}

/// What the writer asks before it commits.
pub(crate) fn faults(disk: Arc<dyn SimulatedDisk>) -> Faults {
    Arc::new(move |fault| {
        let point = match fault {
            Fault::NotKept => DiskFault::NotKept,
            Fault::Kept => DiskFault::Kept,
            Fault::Fence => DiskFault::Fence,
            Fault::Guard => DiskFault::Guard,
            Fault::KeysExported | Fault::KeysInTheLog => return false,
        };
        disk.fails(point)
    })
}

/// Waits for the disk; lets others go first in any case.
pub(crate) async fn wait(disk: &dyn SimulatedDisk) {
    match disk.delay() {
        Duration::ZERO => tokio::task::yield_now().await,
        delay => tokio::time::sleep(delay).await,
    }
}

/// The writer without its thread.
pub(crate) struct Inline {
    disk: Arc<dyn SimulatedDisk>,
    writer: Mutex<Option<Writer>>,
}

impl Inline {
    /// Until [`Inline::begin`] nothing can be written.
    pub(crate) fn new(disk: Arc<dyn SimulatedDisk>) -> Arc<Self> {
        Arc::new(Self { disk, writer: Mutex::default() })
    }

    /// Takes groups from the queue in a task of the runtime, as the thread would; it ends when every
    /// sender is gone.
    pub(crate) fn begin(self: Arc<Self>, writer: Writer, mut queue: mpsc::Receiver<Box<dyn Task>>) {
        let limit = writer.group_limit;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        tokio::spawn(async move {
            while let Some(first) = queue.recv().await {
                wait(&*self.disk).await;
                let mut tasks = vec![first];
                while tasks.len() < limit
                    && let Ok(task) = queue.try_recv()
                {
                    tasks.push(task);
                }
                self.run(tasks);
            }
        });
    }

    /// Runs a group at once, for whoever must not wait.
    pub(crate) fn run(&self, tasks: Vec<Box<dyn Task>>) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.as_mut().filter(|_| !self.disk.is_off()) {
            Some(writer) => writer.run(tasks),
            None => {
                for task in tasks {
                    task.finish(Err(StoreError::Unavailable("the power is off".to_owned())));
                }
            }
        }
    }
}
