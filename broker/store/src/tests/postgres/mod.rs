//! The store on PostgreSQL: the whole contract, and what only several nodes can get wrong.

mod commits;
mod conversing;
mod folder;
mod hosts;
mod migrating;
mod moving;
mod plans;
mod proxy;
mod server;
mod sharing;
mod tls;

use std::path::Path;
use std::sync::Arc;

use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::identity::HubId;

use super::{log_key, options};
use crate::contract::{ManualClock, Subject};
use crate::options::Database;
use crate::parts::folder::path_in;
use crate::{PostgresOptions, SqliteStore, StoreOptions};

pub(super) use server::{Server, shared};
pub(super) use sharing::Gate;

/// The database of a test, named after its folder.
fn database(dir: &Path) -> String {
    let name = dir.file_name().expect("a name").to_str().expect("in UTF-8");
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// A node on a database. Its own folder, and the one that it shares, lie in the folder of the test.
pub(super) fn node(
    server: &Server,
    dir: &Path,
    name: &str,
    clock: Arc<ManualClock>,
) -> StoreOptions {
    server.database(&database(dir));
    let postgres = server.options(&database(dir), name, &dir.join("shared"));
    let mut options = options(&dir.join(name), clock);
    options.database = Database::Postgres(Box::new(postgres.clock_of_the_store()));
    options
}

/// A node that names no folder for parts.
#[cfg(feature = "s3")]
pub(super) fn without_folder(dir: &Path, name: &str) -> StoreOptions {
    shared().database(&database(dir));
    let address = crate::ServerAddress {
        hosts: vec![("127.0.0.1".to_owned(), shared().port())],
        database: database(dir),
        user: "hub".to_owned(),
        tls: false,
        authority: None,
    };
    node_at(dir, name, PostgresOptions::at(&address, name, None).expect("an address"))
}

/// Another server than the shared one, or another way to it.
fn node_at(dir: &Path, name: &str, server: PostgresOptions) -> StoreOptions {
    let mut options = options(&dir.join(name), ManualClock::new());
    options.database = Database::Postgres(Box::new(server));
    options
}

/// PostgreSQL as the contract sees it: one node.
struct OnPostgres;

impl Subject for OnPostgres {
    type Store = SqliteStore;

    fn open(dir: &Path, clock: Arc<ManualClock>) -> SqliteStore {
        SqliteStore::open(node(shared(), dir, "one", clock)).expect("opens")
    }

    fn verifier() -> VerifierKey {
        log_key().verifier().clone()
    }

    fn corrupt(dir: &Path, hub_id: &HubId, cid: &str) {
        let which = format!(
            "cid = '{cid}' AND message = (SELECT seq FROM message WHERE hub_id = '{hub_id}')"
        );
        let file = shared()
            .sql(&database(dir), &format!("SELECT coalesce(file, '') FROM payload WHERE {which}"));
        if file.is_empty() {
            let flipped = "set_byte(body, length(body) / 2, get_byte(body, length(body) / 2) # 1)";
            shared()
                .sql(&database(dir), &format!("UPDATE payload SET body = {flipped} WHERE {which}"));
        } else {
            let path = path_in(&dir.join("shared"), &file);
            let mut octets = std::fs::read(&path).expect("reads");
            let middle = octets.len() / 2;
            octets[middle] ^= 1;
            std::fs::write(&path, octets).expect("writes");
        }
    }

    fn spoil_record(dir: &Path, hub_id: &HubId) {
        let which = format!("idx = (SELECT leaf FROM message WHERE hub_id = '{hub_id}')");
        let sql = format!("UPDATE leaf SET record = decode('00', 'hex') WHERE {which}");
        shared().sql(&database(dir), &sql);
    }
}

mod contract {
    use super::OnPostgres;

    crate::store_contract!(OnPostgres);
}
