//! Reading again: what is on record, what comes into force, and that a node that stops waits for it.

use std::path::Path;
use std::sync::Mutex;

use amtsbote_domain::directory::Directory;
use amtsbote_domain::policy::Permissions;
use amtsbote_trust::policy::AlgorithmPolicy;
use amtsbote_trust::revocation::Settings;
use amtsbote_trust::testca::{KeyKind, Purpose, Span, TestCa};

use super::*;
use crate::config::DeliveryPolicy;
use crate::outlet::Outlets;
use crate::standing::TrustRules;
use crate::tables::Tables;
use crate::testing;

const DIGEST: Digest = Digest([0xab; 32]);

/// Hands out what lies there, once.
struct Shelf(Mutex<Option<Tables>>);

impl Reread for Shelf {
    fn reread(&self) -> Result<Tables, NotReread> {
        let tables = self.0.lock().expect("nobody panics").take();
        tables.ok_or_else(|| NotReread { de: "leer".into(), en: "empty".into() })
    }
}

fn tables(revocation: Settings) -> Tables {
    let day = |text: &str| text.parse().expect("an instant");
    let span = Span { from: day("2020-01-01T00:00:00Z"), until: day("2100-01-01T00:00:00Z") };
    let ca = TestCa::new("TEST", KeyKind::EcP256, span).expect("a CA");
    let own = ca.issue("TEST hub", Purpose::localhost(), KeyKind::EcP256, span).expect("issued");
    Tables {
        identity: own.identity().clone(),
        client_authorities: vec![],
        trust: TrustRules::default(),
        revocation,
        policy: Arc::new(AlgorithmPolicy::built_in()),
        directory: Directory::default(),
        permissions: Permissions::default(),
        delivery: Arc::default(),
        packs: Arc::default(),
        operators: vec![],
        peers: vec![],
        writes_as: None,
        intermediary: None,
        digest: DIGEST,
    }
}

/// A hub that reads this again.
fn hub(dir: &Path, tables: Option<Tables>) -> (Arc<Hub>, crate::stop::Stopper) {
    let (hub, stopper) = testing::hub(dir, DeliveryPolicy::default(), Outlets::default());
    let mut hub = Arc::into_inner(hub).expect("nobody else has it");
    hub.reread = Some(Arc::new(Shelf(Mutex::new(tables))));
    (Arc::new(hub), stopper)
}

/// How often a text occurs in the files of the store.
fn occurs(dir: &Path, text: &str) -> usize {
    let entries = std::fs::read_dir(dir).expect("a folder");
    let count = |path: &Path| match path.is_dir() {
        true => occurs(path, text),
        false => {
            let octets = match std::fs::read(path) {
                // The hub runs, and its journal comes and goes.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                read => read.expect("a file of the node"),
            };
            octets.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
        }
    };
    entries.map(|entry| count(&entry.expect("an entry").path())).sum()
}

#[tokio::test]
async fn who_had_the_tables_read_again_is_on_record_once_with_their_digest() {
    for (by, act) in [
        (By::Signal, format!("reload by signal: tables {DIGEST}")),
        (By::Operator(Digest([7; 32])), format!("reload: tables {DIGEST}")),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let (hub, _stopper) = hub(dir.path(), Some(tables(Settings::default())));
        let before = hub.store.figures().await.expect("figures").leaves;
        let doors: Vec<_> = hub.doors.iter().map(|door| door.get()).collect();
        hub.reload(by).await.expect("in force");
        assert_eq!(hub.store.figures().await.expect("figures").leaves, before + 1);
        assert!(occurs(dir.path(), &act) > 0, "{act}");
        assert_eq!(hub.tables().directory.parties().count(), 0, "the new directory is in force");
        for (door, before) in hub.doors.iter().zip(doors) {
            assert!(!Arc::ptr_eq(&door.get(), &before), "all doors are new");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_put_in_force_changes_nothing_and_is_on_record() {
    let proxy = Some("no address".to_owned());
    let wrong = Some(tables(Settings { proxy, ..Settings::default() }));
    for tables in [None, wrong] {
        let dir = tempfile::tempdir().expect("a folder");
        let (hub, _stopper) = hub(dir.path(), tables);
        let doors: Vec<_> = hub.doors.iter().map(|door| door.get()).collect();
        let before = hub.tables();
        hub.reload(By::Signal).await.expect_err("refused");
        assert!(Arc::ptr_eq(&hub.tables(), &before));
        for (door, before) in hub.doors.iter().zip(doors) {
            assert!(Arc::ptr_eq(&door.get(), &before));
        }
        assert!(occurs(dir.path(), "reload by signal: refused") > 0);
    }
}

#[tokio::test]
async fn a_node_that_stops_reads_nothing_again_and_is_alone_afterwards() {
    let dir = tempfile::tempdir().expect("a folder");
    let (hub, stopper) = hub(dir.path(), Some(tables(Settings::default())));
    let watching = hub.watching.clone();
    let first = watching.clone().lock_owned().await;
    let waiting = hub.reload(By::Signal);
    stopper.stop();
    // It queues for the lock, then we do.
    tokio::task::yield_now().await;
    drop(first);
    drop(watching.lock_owned().await);
    assert!(Arc::into_inner(hub).is_some(), "nobody else has the hub any more");
    waiting.await.expect_err("it stops");
}
