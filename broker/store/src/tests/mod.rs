//! What this store promises beyond the contract, and the contract itself.

mod approvals;
mod checking;
mod conversing;
mod failing;
mod filling;
mod migrating;
mod opening;
#[cfg(feature = "s3")]
mod parts;
#[cfg(feature = "postgres")]
mod postgres;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use amtsbote_archive::note::{LogKey, VerifierKey};
use amtsbote_domain::identity::HubId;
use rusqlite::{Connection, params};

use crate::contract::keys::DerivedKeys;
use crate::contract::{ManualClock, Subject};
use crate::parts::folder::path_in;
use crate::startup::PAYLOAD;
use crate::writer::database_path;
use crate::{SqliteStore, StoreOptions};

/// The log key of all tests in this process.
pub(crate) fn log_key() -> LogKey {
    static KEY: OnceLock<LogKey> = OnceLock::new();
    KEY.get_or_init(|| LogKey::generate("amtsbote/test/1").expect("a key")).clone()
}

pub(crate) fn options(dir: &Path, clock: Arc<ManualClock>) -> StoreOptions {
    let mut options = StoreOptions::new(dir, DerivedKeys::new([42; 32]), log_key(), clock);
    options.reserve_bytes = 1 << 20;
    options
}

/// The SQLite store as the contract sees it.
struct Sqlite;

impl Subject for Sqlite {
    type Store = SqliteStore;

    fn open(dir: &Path, clock: Arc<ManualClock>) -> SqliteStore {
        SqliteStore::open(options(dir, clock)).expect("opens")
    }

    fn verifier() -> VerifierKey {
        log_key().verifier().clone()
    }

    fn corrupt(dir: &Path, hub_id: &HubId, cid: &str) {
        corrupt_at(dir, hub_id, cid, |name| path_in(&dir.join(PAYLOAD), name));
    }
}

/// Changes a bit of a part, in its row or in the file that its place keeps under a name.
fn corrupt_at(dir: &Path, hub_id: &HubId, cid: &str, place: impl Fn(&str) -> PathBuf) {
    let db = Connection::open(database_path(dir)).expect("opens");
    let (rowid, file, body): (i64, Option<String>, Option<Vec<u8>>) = db
        .query_row(
            "SELECT rowid, file, body FROM payload WHERE cid = ?2
                AND message = (SELECT seq FROM message WHERE hub_id = ?1)",
            params![hub_id.as_str(), cid],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("the part");
    let flip = |octets: &mut Vec<u8>| {
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
    };
    if let Some(name) = file {
        let path = place(&name);
        let mut octets = std::fs::read(&path).expect("reads");
        flip(&mut octets);
        std::fs::write(&path, octets).expect("writes");
    } else {
        let mut octets = body.expect("octets in the row");
        flip(&mut octets);
        db.execute("UPDATE payload SET body = ?2 WHERE rowid = ?1", params![rowid, octets])
            .expect("changes");
    }
}

mod contract {
    use super::Sqlite;

    crate::store_contract!(Sqlite);
}

/// The numbers of the messages that the store has, all of them checked with their octets.
async fn checked(store: &SqliteStore) -> u64 {
    let report = store.verify(true).await.expect("can be checked");
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.head.as_ref().map_or(0, |head| head.size), report.log.leaves);
    report.messages
}
