//! A hub's disk: how long it takes, which commits fail and how, and when the power goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use amtsbote_store::{DiskFault, SimulatedDisk};
use tokio::sync::Notify;

use super::world::World;

/// The folder of a hub and what goes wrong with it, for one life.
pub(super) struct Disk {
    world: Arc<World>,
    node: &'static str,
    off: AtomicBool,
    /// Rings when the power fails by itself.
    pub(super) died: Notify,
    /// After a commit that failed, so often more nothing can be found out.
    blind: AtomicU64,
}

impl Disk {
    /// For a new life.
    pub(super) fn new(world: &Arc<World>, node: &'static str) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            node,
            off: AtomicBool::new(false),
            died: Notify::new(),
            blind: AtomicU64::new(0),
        })
    }

    fn fail(&self, what: &str) -> bool {
        self.world.count(|figures| figures.commits_failed += 1);
        self.world.note(format!("{}: {what}", self.node));
        true
    }

    /// Nothing is written from here on.
    pub(super) fn turn_off(&self) {
        self.off.store(true, Ordering::Relaxed);
    }
}

impl SimulatedDisk for Disk {
    fn delay(&self) -> Duration {
        let slow = self.world.trouble(20);
        Duration::from_millis(match self.world.between(0, 3) {
            _ if slow => self.world.between(1, 20_000),
            0 => 0,
            most => self.world.between(0, most * 4),
        })
    }

    fn fails(&self, point: DiskFault) -> bool {
        if self.is_off() {
            return point == DiskFault::Fence;
        }
        match point {
            DiskFault::NotKept | DiskFault::Kept => {
                if !self.world.trouble(12) {
                    return false;
                }
                let kept = point == DiskFault::Kept;
                match self.world.between(0, 2) {
                    // The answer never leaves.
                    0 => {
                        self.turn_off();
                        self.died.notify_one();
                        self.fail(if kept {
                            "power fails after a commit"
                        } else {
                            "power fails before a commit"
                        })
                    }
                    1 => {
                        self.blind.store(self.world.between(1, 3), Ordering::Relaxed);
                        self.fail(if kept {
                            "a commit is kept, nobody knows"
                        } else {
                            "a commit is lost, nobody knows"
                        })
                    }
                    _ => self.fail(if kept {
                        "a commit fails and is kept"
                    } else {
                        "a commit fails"
                    }),
                }
            }
            DiskFault::Fence => {
                let blind = self.blind.load(Ordering::Relaxed);
                self.blind.store(blind.saturating_sub(1), Ordering::Relaxed);
                blind > 0
            }
            DiskFault::Guard => {
                self.world.trouble(3) && self.fail("the head guard cannot be written")
            }
        }
    }

    fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }
}
