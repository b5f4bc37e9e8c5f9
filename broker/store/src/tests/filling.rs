//! Full: refused in time, what was accepted goes on, and nothing is lost.

#[path = "../../../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use amtsbote_domain::ports::{Slots, Store, StoreError};
use amtsbote_domain::state::{Event, State};
use tempfile::{TempDir, tempdir};

use super::{checked, options};
use crate::SqliteStore;
use crate::contract::{Draft, ManualClock, octets};

/// A small disk of its own in memory; only root can have one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(mebibytes: u32) -> Option<Self> {
        let dir = tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a reading thread may still be closing its connection.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(options(dir, ManualClock::new())).expect("opens")
}

/// Fills the disk but for some octets.
fn fill(disk: &Path, leave: u64) {
    let facts = rustix::fs::statvfs(disk).expect("asks the file system");
    let free = facts.f_bavail * facts.f_frsize;
    let octets = vec![1; free.saturating_sub(leave) as usize];
    std::fs::write(disk.join("filler"), octets).expect("fills");
}

/// Waits until nothing comes in any more: for a moment the store remembers that there was ample room.
async fn refuses(store: &SqliteStore) {
    let refused = async {
        while !matches!(store.intake().err(), Some(StoreError::Full)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused).await.expect("it refuses");
}

#[tokio::test]
async fn on_a_full_disk_nothing_comes_in_and_what_is_in_goes_on() {
    let Some(disk) = SmallDisk::mount(24) else {
        skipped::skipped("only root can mount a small disk");
        return;
    };
    let store = open(&disk.path());
    Draft::inbox(1).accepted(&store).await;
    Draft::peer(2).accepted(&store).await;
    let lease =
        store.lease_due(Slots::any(1), Duration::from_secs(60)).await.expect("leases").remove(0);
    store.begin_attempt(&lease).await.expect("begins");
    let mut coming = store.intake().expect("there is room");
    coming.begin("large", "text/plain").expect("begins");

    // Below the reserve: refused at the door, while settling still finds room.
    fill(disk.0.path(), 700_000);
    refuses(&store).await;
    let refused = coming.write(&octets(1, 2_000_000));
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    drop(coming);
    store
        .hand_out(&Draft::inbox(1).hub_id(), &crate::contract::account("lemgo"))
        .await
        .expect("goes on");

    // No room at all: the reserve is given up, and what was accepted still ends.
    std::fs::remove_file(disk.0.path().join("filler")).expect("removes");
    fill(disk.0.path(), 0);
    assert!(disk.path().join("reserve").exists());
    let state = store.settle(&lease, Event::AttemptConfirmed, None, None).await;
    assert_eq!(state.expect("goes on"), State::Delivered);
    let digest = Some(Draft::inbox(1).digest());
    let answer = store.apply(&Draft::inbox(1).hub_id(), Event::Acknowledge, None, digest).await;
    assert_eq!(answer.expect("goes on").0, State::Acknowledged);
    assert!(!disk.path().join("reserve").exists(), "it was needed");
    assert!(matches!(store.intake().err(), Some(StoreError::Full)));

    // Room again: the reserve comes back, and messages come in.
    std::fs::remove_file(disk.0.path().join("filler")).expect("removes");
    store.sweep(1).await.expect("sweeps");
    assert!(disk.path().join("reserve").exists());
    Draft::inbox(3).accepted(&store).await;
    assert_eq!(checked(&store).await, 3);
    drop(store);
    assert_eq!(checked(&open(&disk.path())).await, 3);
}

#[tokio::test]
async fn a_full_database_refuses_and_keeps_what_it_has() {
    let dir = tempdir().expect("a folder");
    let mut limited = options(dir.path(), ManualClock::new());
    limited.max_pages = Some(150);
    let store = SqliteStore::open(limited).expect("opens");
    let mut accepted = 0;
    let error = loop {
        let draft = Draft { payload: octets(accepted, 20_000), ..Draft::inbox(accepted) };
        match draft.accept(&store).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 1000, "it never gets full");
    };
    assert!(matches!(error, StoreError::Full), "{error}");
    assert!(accepted > 3, "{accepted}");
    // Here the reserve does not help, and to say so changes nothing.
    let (draft, mut tries) = (Draft::inbox(0), 0);
    let full = loop {
        let event = if tries % 2 == 0 { Event::Hold } else { Event::Release };
        match store.apply(&draft.hub_id(), event, None, None).await {
            Ok(_) => tries += 1,
            Err(error) => break error,
        }
        assert!(tries < 10_000, "it never gets full");
    };
    assert!(matches!(full, StoreError::Full), "{full}");
    let held = store.delivery(&draft.hub_id()).await.expect("is there").state != draft.state();
    assert_eq!(held, tries % 2 == 1);
    assert_eq!(checked(&store).await, u64::from(accepted));
    drop(store);
    let store = open(dir.path());
    assert_eq!(checked(&store).await, u64::from(accepted));
    Draft::inbox(accepted).accepted(&store).await;
}
