//! What a service on a network can get wrong while parts come in and go out: nothing of it may be
//! taken for success, nothing may be kept of what failed, and what passes must be got over.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use amtsbote_domain::ports::{Intake, Store, StoreError};
use tempfile::{TempDir, tempdir};

use super::proxy::{Act, Proxy};
use super::server::{Bucket, shared};
use super::{Ground, WHILE};
use crate::contract::{Draft, PAYLOAD_CID, digest, octets, take_in};
use crate::parts::objects::{PIECE, RANGE};
use crate::tests::{checked, options};
use crate::{LargeParts, SqliteStore};

/// A store whose way to its bucket leads through a proxy.
pub(super) struct Rig {
    pub(super) dir: TempDir,
    pub(super) bucket: Bucket,
    pub(super) proxy: Proxy,
    pub(super) store: SqliteStore,
}

impl Rig {
    pub(super) fn new() -> Self {
        let dir = tempdir().expect("a folder");
        let (bucket, proxy) = (Bucket::new(dir.path()), Proxy::start(shared().port));
        let store = open(dir.path(), &bucket, &proxy);
        Self { dir, bucket, proxy, store }
    }

    /// The store closed and opened: what is left then is left for good.
    fn reopened(self) -> Self {
        let Self { dir, bucket, proxy, store } = self;
        drop(store);
        proxy.heal();
        let store = open(dir.path(), &bucket, &proxy);
        Self { dir, bucket, proxy, store }
    }

    pub(super) fn take_in(&self, size: usize) -> Result<Box<dyn Intake>, StoreError> {
        let mut intake = self.store.intake()?;
        take_in(&mut *intake, "large", &octets(9, size))?;
        Ok(intake)
    }

    async fn read(&self, draft: &Draft) -> Result<Vec<u8>, std::io::Error> {
        crate::contract::read_part(&self.store, &draft.hub_id(), PAYLOAD_CID).await
    }
}

pub(super) fn open(dir: &Path, bucket: &Bucket, proxy: &Proxy) -> SqliteStore {
    let mut options = options(dir, crate::contract::ManualClock::new());
    options.large_parts = LargeParts::Objects(Box::new(bucket.options_at(proxy.port)));
    SqliteStore::open(options).expect("opens")
}

pub(super) fn large(number: u32, size: usize) -> Draft {
    Draft { payload: octets(number, size), ..Draft::inbox(number) }
}

/// Sizes that go as one object, and as an upload.
const BOTH: [usize; 2] = [200_000, 2 * PIECE + 5];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_while_parts_come_in_is_told_and_nothing_is_kept() {
    let mut rig = Rig::new();
    large(1, 100_000).accepted(&rig.store).await;
    let mut small = 2..;
    for size in BOTH {
        // All of it fails; everything but the first request; for an upload, but the first two: one
        // object takes no more than two. What is still removed of the one before may be among them.
        for passes in 0..if size < PIECE { 2 } else { 3 } {
            let mut seen = 0;
            rig.proxy.set(move |_, _| {
                seen += 1;
                if seen <= passes { Act::Pass } else { Act::Cut }
            });
            let begun = Instant::now();
            let error = rig.take_in(size).err();
            let error = error.unwrap_or_else(|| panic!("{size} octets, {passes} passed"));
            assert!(
                matches!(&error, StoreError::Unavailable(why) if why.contains("object store")),
                "{error}"
            );
            assert!(begun.elapsed() < WHILE, "{:?}", begun.elapsed());
            // Small messages need no object store, and the log goes on.
            large(small.next().expect("a number"), 100).accepted(&rig.store).await;
        }
    }
    rig = rig.reopened();
    rig.bucket.has_in_the_end(1);
    assert_eq!(checked(&rig.store).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_comes_back_is_used_again() {
    let rig = Rig::new();
    for (number, size) in (1..).zip(BOTH) {
        for (step, method) in ["PUT", "HEAD", "GET"].into_iter().enumerate() {
            let draft = large(10 * number + step as u32, size);
            rig.proxy.next(2, method, "", Act::Cut);
            draft.accepted(&rig.store).await;
            rig.proxy.next(2, "GET", "", Act::Cut);
            assert!(rig.read(&draft).await.expect("reads") == draft.payload);
        }
    }
    assert_eq!(checked(&rig.store).await, 6);
}

/// The answer is lost when the work is done: whether it was is looked up.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_looked_up() {
    let rig = Rig::new();
    let upload = large(1, 2 * PIECE);
    for (method, path) in [("POST", "uploadId"), ("POST", "uploads"), ("PUT", "partNumber=1")] {
        rig.proxy.next(1, method, path, Act::LoseAnswer);
        upload.accept(&rig.store).await.expect(path);
    }
    rig.proxy.next(5, "POST", "uploadId", Act::LoseAnswer);
    large(2, 2 * PIECE).accepted(&rig.store).await;
    rig.proxy.next(5, "PUT", "parts", Act::LoseAnswer);
    large(3, 100_000).accepted(&rig.store).await;
    assert_eq!(checked(&rig.store).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_breaks_off_goes_on_where_it_was() {
    let rig = Rig::new();
    let draft = large(1, 3 * RANGE);
    draft.accepted(&rig.store).await;
    for act in [Act::HalfAnswer, Act::Cut, Act::LoseAnswer] {
        let mut part = rig.store.open_part(&draft.hub_id(), PAYLOAD_CID).await.expect("opens");
        let mut read = vec![0; RANGE / 2];
        part.read_exact(&mut read).expect("the first range is there");
        rig.proxy.next(3, "GET", "", act);
        part.read_to_end(&mut read).expect("goes on");
        assert_eq!(digest(&read), draft.digest());
    }
    // Away for good in the middle: an error that is no word against the octets.
    let mut part = rig.store.open_part(&draft.hub_id(), PAYLOAD_CID).await.expect("opens");
    let mut read = vec![0; RANGE / 2];
    part.read_exact(&mut read).expect("the first range is there");
    rig.proxy.set(|_, _| Act::Cut);
    let error = part.read_to_end(&mut read).expect_err("away");
    assert_ne!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert!(error.to_string().contains("does not answer"), "{error}");
    let away = rig.store.open_part(&draft.hub_id(), PAYLOAD_CID).await.err();
    assert!(matches!(away, Some(StoreError::Unavailable(_))), "{away:?}");
    rig.proxy.heal();
    assert!(rig.read(&draft).await.expect("reads") == draft.payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_service_says_so_and_nothing_is_kept() {
    let mut rig = Rig::new();
    for size in BOTH {
        for (status, body) in [
            (507, ""),
            (403, "<Error><Code>QuotaExceeded</Code></Error>"),
            (507, "<Error><Code>XMinioStorageFull</Code></Error>"),
        ] {
            rig.proxy.set(move |method, _| match method {
                "PUT" => Act::Answer(status, "x-a: b", body),
                _ => Act::Pass,
            });
            let refused = rig.take_in(size).err();
            assert!(matches!(refused, Some(StoreError::Full)), "{status} {body}: {refused:?}");
        }
    }
    rig.bucket.has_in_the_end(0);
    rig = rig.reopened();
    rig.bucket.has_in_the_end(0);
    large(1, 2 * PIECE).accepted(&rig.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_is_given_the_time_it_asks_for() {
    let rig = Rig::new();
    let busy = Act::Answer(503, "retry-after: 1", "<Error><Code>SlowDown</Code></Error>");
    for (number, size) in (1..).zip(BOTH) {
        rig.proxy.next(2, "PUT", "", busy.clone());
        let begun = Instant::now();
        large(number, size).accepted(&rig.store).await;
        assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    // One that asks for more than anybody can wait is told at once.
    rig.proxy.set(|_, _| Act::Answer(503, "retry-after: 3600", ""));
    let begun = Instant::now();
    let refused = rig.take_in(100_000).err();
    assert!(
        matches!(&refused, Some(StoreError::Unavailable(why)) if why.contains("503")),
        "{refused:?}"
    );
    assert!(begun.elapsed() < WHILE, "{:?}", begun.elapsed());
    rig.proxy.heal();
    assert_eq!(checked(&rig.store).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_service_is_waited_for_and_a_silent_one_is_not() {
    let Rig { dir, bucket, proxy, store } = Rig::new();
    drop(store);
    let mut options = options(dir.path(), crate::contract::ManualClock::new());
    let objects = bucket.options_at(proxy.port).impatient(Some(Duration::from_secs(8)));
    options.large_parts = LargeParts::Objects(Box::new(objects));
    let store = SqliteStore::open(options).expect("opens");
    let rig = Rig { dir, bucket, proxy, store };
    let slow = large(1, 2 * PIECE);
    rig.proxy.set(|_, _| Act::After(Duration::from_millis(300)));
    slow.accepted(&rig.store).await;
    assert!(rig.read(&slow).await.expect("reads") == slow.payload);
    rig.proxy.next(1, "PUT", "", Act::After(Duration::from_secs(300)));
    let begun = Instant::now();
    large(2, 100_000).accepted(&rig.store).await;
    assert!(begun.elapsed() < Duration::from_secs(250), "the second try is not silent");
}

/// The signature covers what is sent, and the seal what comes back.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_altered_on_the_way_is_noticed() {
    let rig = Rig::new();
    for size in BOTH {
        rig.proxy.set(|method, _| if method == "PUT" { Act::Alter } else { Act::Pass });
        let refused = rig.take_in(size).err();
        assert!(refused.is_some(), "{size} octets that were altered were taken");
    }
    rig.bucket.has_in_the_end(0);
    rig.proxy.heal();
    let draft = large(1, 2 * PIECE);
    draft.accepted(&rig.store).await;
    rig.proxy.next(1, "GET", "", Act::AlterAnswer);
    let error = rig.read(&draft).await.expect_err("altered");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    // It is not the object that is damaged.
    assert!(rig.read(&draft).await.expect("reads") == draft.payload);
}

/// A service that says yes and keeps something else is found out before anybody refers to it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_looked_at_before_it_counts() {
    let rig = Rig::new();
    for size in BOTH {
        let bucket = rig.bucket.clone();
        rig.proxy.set(move |method, path| {
            // Written, and asked for its size: now it changes at rest.
            if method == "HEAD" && path.contains("parts") {
                for file in bucket.parts() {
                    let octets = std::fs::read(&file).expect("reads");
                    std::fs::write(&file, &octets[..octets.len() - 1]).expect("writes");
                }
            }
            Act::Pass
        });
        let refused = rig.take_in(size).err();
        assert!(matches!(refused, Some(StoreError::Corrupt(_))), "{size}: {refused:?}");
    }
    // One that states no SHA-256 is read back.
    let bucket = rig.bucket.clone();
    rig.proxy.set(move |method, path| {
        if method == "GET" && path.contains("parts") {
            for file in bucket.parts() {
                let octets = super::flipped(&std::fs::read(&file).expect("reads"), 1000);
                std::fs::write(&file, octets).expect("writes");
            }
        }
        Act::Pass
    });
    let refused = rig.take_in(2 * PIECE).err();
    assert!(matches!(refused, Some(StoreError::Corrupt(_))), "{refused:?}");
    rig.bucket.has_in_the_end(0);
}

/// The writer waits for no network: what is refused is removed beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_removal_holds_up_nobody() {
    let rig = Rig::new();
    let kept = large(1, 100_000);
    kept.accepted(&rig.store).await;
    rig.proxy.set(|method, _| match method {
        "DELETE" => Act::After(Duration::from_secs(15)),
        _ => Act::Pass,
    });
    let begun = Instant::now();
    assert!(kept.accept(&rig.store).await.expect("a repeat").repeated);
    large(2, 100).accepted(&rig.store).await;
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    rig.proxy.heal();
    rig.bucket.has_in_the_end(1);
}
