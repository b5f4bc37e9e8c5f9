//! Large parts in their places: what must hold in every place, and what only a service on a network
//! can get wrong.

mod faults;
mod leaving;
#[cfg(feature = "postgres")]
mod moving;
#[cfg(feature = "postgres")]
mod nodes;
mod opening;
mod proxy;
mod server;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{Intake, Store, StoreError};
use rusqlite::Connection;
use tempfile::tempdir;

use super::{checked, corrupt_at, log_key, options};
use crate::contract::{Draft, ManualClock, PAYLOAD_CID, Subject, digest, octets, take_in};
use crate::parts::objects::{PIECE, RANGE};
use crate::startup::PAYLOAD;
use crate::writer::database_path;
use crate::{LargeParts, ProblemKind, SqliteStore, StoreOptions};

use server::{Bucket, shared};

/// Longest wait for what happens in the background.
const WHILE: Duration = Duration::from_secs(60);

/// A place under test.
trait Ground: Clone {
    fn new(dir: &Path) -> Self;

    fn large_parts(&self) -> LargeParts;

    /// Files at rest, finished and unfinished.
    fn at_rest(&self) -> Vec<PathBuf>;

    /// Everything that the place has, to be looked through.
    fn everything(&self) -> PathBuf;

    fn options(&self, dir: &Path) -> StoreOptions {
        let mut options = options(dir, ManualClock::new());
        options.large_parts = self.large_parts();
        options
    }

    fn open(&self, dir: &Path) -> SqliteStore {
        SqliteStore::open(self.options(dir)).expect("opens")
    }

    /// What is removed may be removed in the background.
    fn has_in_the_end(&self, count: usize) {
        let begun = Instant::now();
        while self.at_rest().len() != count {
            assert!(begun.elapsed() < WHILE, "{count} wanted: {:?}", self.at_rest());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The folder of the store.
#[derive(Clone)]
struct InFolder(PathBuf);

impl Ground for InFolder {
    fn new(dir: &Path) -> Self {
        Self(dir.join(PAYLOAD))
    }

    fn large_parts(&self) -> LargeParts {
        LargeParts::Folder
    }

    fn at_rest(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(&self.0).into_iter().flatten();
        let files =
            folders.flat_map(|folder| fs::read_dir(folder.expect("one").path()).expect("one"));
        files.map(|file| file.expect("a file").path()).collect()
    }

    fn everything(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Ground for Bucket {
    fn new(dir: &Path) -> Self {
        shared().bucket(dir)
    }

    fn large_parts(&self) -> LargeParts {
        LargeParts::Objects(Box::new(self.options()))
    }

    fn at_rest(&self) -> Vec<PathBuf> {
        self.parts().into_iter().chain(self.uploads()).collect()
    }

    fn everything(&self) -> PathBuf {
        Bucket::everything(self)
    }
}

/// The sizes around every edge there is: chunk of the seal, piece of an upload, range of a read.
fn sizes() -> Vec<usize> {
    let edges = [1 << 16, RANGE, PIECE, 2 * PIECE];
    let around = edges.into_iter().flat_map(|edge| [edge - 1000, edge - 1, edge, edge + 1]);
    [0, 1, 100].into_iter().chain(around).chain([64 << 20]).collect()
}

async fn octets_of_every_size_come_back<G: Ground>(dir: &Path) {
    let ground = G::new(dir);
    let mut options = ground.options(dir);
    // Whatever has any octets goes there.
    options.inline_limit = 0;
    let store = SqliteStore::open(options).expect("opens");
    let most = octets(7, 64 << 20);
    for (number, size) in (1..).zip(sizes()) {
        let draft = Draft { payload: most[..size].to_vec(), ..Draft::inbox(number) };
        draft.accepted(&store).await;
        let mut part = store.open_part(&draft.hub_id(), PAYLOAD_CID).await.expect("opens");
        let mut read = Vec::new();
        part.read_to_end(&mut read).expect("reads");
        assert!(read == draft.payload, "{size} octets");
    }
    let count = sizes().len();
    // The envelopes lie there too; the part without octets has nothing to lie there.
    assert_eq!(ground.at_rest().len(), 2 * count - 1);
    assert_eq!(checked(&store).await, count as u64);
}

/// Everything that an intake can be left at, with what lies there for it at that moment.
fn steps() -> [fn(&mut dyn Intake); 4] {
    [
        |intake| intake.begin("large", "text/plain").expect("begins"),
        |intake| {
            intake.begin("large", "text/plain").expect("begins");
            intake.write(&octets(1, 200_000)).expect("writes");
        },
        |intake| {
            intake.begin("large", "text/plain").expect("begins");
            // An upload with a piece that has arrived.
            intake.write(&octets(1, PIECE + 200_000)).expect("writes");
        },
        |intake| {
            take_in(intake, "large", &octets(1, 300_000)).expect("is taken in");
            take_in(intake, "larger", &octets(2, 2 * PIECE)).expect("is taken in");
        },
    ]
}

async fn what_is_dropped_leaves_nothing<G: Ground>(dir: &Path) {
    let ground = G::new(dir);
    let store = ground.open(dir);
    let kept = Draft { payload: octets(3, 2 * PIECE), ..Draft::inbox(1) };
    kept.accepted(&store).await;
    for step in steps() {
        let mut intake = store.intake().expect("there is room");
        step(&mut *intake);
        drop(intake);
        ground.has_in_the_end(1);
    }
    let other = Draft { payload: octets(4, 100_000), ..kept.clone() };
    let refused = other.accept(&store).await;
    assert!(matches!(refused, Err(StoreError::OtherContent)), "{refused:?}");
    assert!(kept.accept(&store).await.expect("a repeat").repeated);
    ground.has_in_the_end(1);
    assert_eq!(checked(&store).await, 1);
}

async fn what_a_crash_leaves_is_removed_at_the_next_start<G: Ground>(dir: &Path) {
    let ground = G::new(dir);
    let kept = Draft { payload: octets(3, 2 * PIECE), ..Draft::inbox(1) };
    kept.accepted(&ground.open(dir)).await;
    let mut found = Vec::new();
    for step in steps() {
        let store = ground.open(dir);
        let mut intake = store.intake().expect("there is room");
        step(&mut *intake);
        // Nobody cleans up.
        std::mem::forget(intake);
        found.push(ground.at_rest().len() - 1);
        drop(store);
        let store = ground.open(dir);
        ground.has_in_the_end(1);
        assert_eq!(checked(&store).await, 1);
    }
    assert!(found[2] > 0 && found[3] == 2, "there was something: {found:?}");
    let db = Connection::open(database_path(dir)).expect("opens");
    let rows = "SELECT count(*) FROM reserved_file WHERE name LIKE '%/%'";
    let rows: i64 = db.query_row(rows, [], |row| row.get(0)).expect("a count");
    assert_eq!(rows, 0, "no upload is remembered any more");
}

async fn what_changed_at_rest_is_not_given_out<G: Ground>(dir: &Path) {
    let ground = G::new(dir);
    let store = ground.open(dir);
    let draft = Draft { payload: octets(5, 2 * RANGE), ..Draft::inbox(1) };
    let untouched = Draft { payload: octets(6, 100_000), ..Draft::inbox(2) };
    draft.accepted(&store).await;
    let place = ground.at_rest().remove(0);
    untouched.accepted(&store).await;
    let whole = fs::read(&place).expect("reads");
    let (end, middle) = (whole.len(), whole.len() / 2);
    let changes: [(&str, Option<Vec<u8>>); 7] = [
        ("a bit at the beginning", Some(flipped(&whole, 20))),
        ("a bit in the middle", Some(flipped(&whole, middle))),
        ("a bit at the end", Some(flipped(&whole, end - 1))),
        ("cut off", Some(whole[..middle].to_vec())),
        ("empty", Some(Vec::new())),
        ("longer", Some([&whole[..], b"x"].concat())),
        ("gone", None),
    ];
    for (what, octets) in changes {
        match octets {
            Some(octets) => fs::write(&place, octets).expect("writes"),
            None => fs::remove_file(&place).expect("removes"),
        }
        let read = match store.open_part(&draft.hub_id(), PAYLOAD_CID).await {
            Err(error) => Err(error),
            Ok(mut part) => {
                let mut read = Vec::new();
                let end = part.read_to_end(&mut read);
                assert!(draft.payload.starts_with(&read), "{what}");
                let end = end.expect_err(what);
                assert!(part.read(&mut [0; 10]).is_err(), "{what}: nothing comes afterwards");
                Err::<(), _>(crate::error::file_error(end))
            }
        };
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{what}: {:?}", read.err());
        let report = store.verify(true).await.expect("can be checked");
        let kinds: Vec<_> = report.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [ProblemKind::Octets], "{what}");
    }
    fs::write(&place, whole).expect("writes");
    assert_eq!(checked(&store).await, 2);
}

async fn what_rests_says_nothing<G: Ground>(dir: &Path) {
    let ground = G::new(dir);
    let store = ground.open(dir);
    let canary = b"canary-canary-canary";
    let large = [&octets(1, 90_000)[..], canary, &octets(2, PIECE)].concat();
    let draft = Draft { payload: large, ..Draft::inbox(1) };
    draft.accepted(&store).await;
    let (mut folders, mut looked_at) = (vec![ground.everything()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(!name.contains(draft.hub_id().as_str()), "{name}");
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let octets = fs::read(&path).expect("reads");
            looked_at += octets.len();
            let found = octets.windows(canary.len()).any(|window| window == canary);
            assert!(!found, "{name}");
        }
    }
    assert!(looked_at > PIECE, "the octets were among what was looked at");
}

fn flipped(octets: &[u8], at: usize) -> Vec<u8> {
    let mut changed = octets.to_vec();
    changed[at] ^= 1;
    changed
}

/// The suite for one place.
macro_rules! parts_contract {
    ($module:ident, $ground:ty; $($name:ident)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let dir = tempfile::tempdir().expect("a temporary folder");
                    super::$name::<$ground>(dir.path()).await;
                }
            )*
        }
    };
    ($module:ident, $ground:ty) => {
        parts_contract!($module, $ground;
            octets_of_every_size_come_back
            what_is_dropped_leaves_nothing
            what_a_crash_leaves_is_removed_at_the_next_start
            what_changed_at_rest_is_not_given_out
            what_rests_says_nothing
        );
    };
}

parts_contract!(in_a_folder, super::InFolder);
parts_contract!(in_objects, super::Bucket);

/// The store with its large parts in a bucket, as the contract sees it.
struct OnObjects;

impl Subject for OnObjects {
    type Store = SqliteStore;

    fn open(dir: &Path, clock: Arc<ManualClock>) -> SqliteStore {
        let mut options = options(dir, clock);
        options.large_parts = Bucket::new(dir).large_parts();
        SqliteStore::open(options).expect("opens")
    }

    fn verifier() -> VerifierKey {
        log_key().verifier().clone()
    }

    fn corrupt(dir: &Path, hub_id: &HubId, cid: &str) {
        corrupt_at(dir, hub_id, cid, |name| Bucket::new(dir).part(name));
    }
}

mod contract {
    use super::OnObjects;

    crate::store_contract!(OnObjects);
}

/// What began in a folder is read there when new parts go to a bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_on_from_its_folder() {
    let dir = tempdir().expect("a folder");
    let (folder, bucket) = (InFolder::new(dir.path()), Bucket::new(dir.path()));
    let old = Draft { payload: octets(1, 100_000), ..Draft::inbox(1) };
    old.accepted(&folder.open(dir.path())).await;
    let new = Draft { payload: octets(2, 100_000), ..Draft::inbox(2) };
    let store = bucket.open(dir.path());
    new.accepted(&store).await;
    assert_eq!((folder.at_rest().len(), bucket.at_rest().len()), (1, 1));
    for draft in [&old, &new] {
        let mut part = store.open_part(&draft.hub_id(), PAYLOAD_CID).await.expect("opens");
        let mut read = Vec::new();
        part.read_to_end(&mut read).expect("reads");
        assert_eq!(digest(&read), draft.digest());
    }
    assert_eq!(checked(&store).await, 2);
    drop(store);
    let at = |large_parts| {
        crate::verify_at(
            &crate::Database::File,
            &large_parts,
            dir.path(),
            log_key().verifier(),
            Some(&*crate::contract::keys::DerivedKeys::new([42; 32])),
        )
    };
    let report = at(bucket.large_parts()).expect("can be checked");
    assert!(report.holds() && report.parts == Some(4), "{report:?}");
    let unnamed = at(LargeParts::Folder).expect_err("one is not named").to_string();
    assert!(unnamed.contains("not named"), "{unnamed}");
}
