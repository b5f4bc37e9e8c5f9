//! Several hosts: one that keeps silent or only reads does not keep the next one from being tried.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::tempdir;

use super::server::{Server, shared};
use super::{database, node_at};
use crate::contract::Draft;
use crate::tests::checked;
use crate::{OpenError, PostgresOptions, ServerAddress, ServerFault, SqliteStore};

/// Accepts every connection and never says a word. Ends with the process of the tests.
struct Silent {
    port: u16,
    held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        let held = Arc::<Mutex<Vec<TcpStream>>>::default();
        let connections = Arc::clone(&held);
        thread::spawn(move || {
            for client in listener.incoming() {
                connections.lock().expect("a list").push(client.expect("a connection"));
            }
        });
        Self { port, held }
    }

    /// How many have connected so far.
    fn asked(&self) -> usize {
        self.held.lock().expect("a list").len()
    }
}

/// A server that takes no changes.
fn reading(database: &str) -> Server {
    let server = Server::own();
    server.database(database);
    let reads = format!("ALTER DATABASE \"{database}\" SET default_transaction_read_only = on");
    server.sql("postgres", &reads);
    server
}

fn at(ports: &[u16], dir: &Path) -> PostgresOptions {
    let hosts = ports.iter().map(|port| ("127.0.0.1".to_owned(), *port)).collect();
    let (database, user) = (database(dir), "hub".to_owned());
    let address = ServerAddress { hosts, database, user, tls: false, authority: None };
    PostgresOptions::at(&address, "one", Some(dir.join("parts"))).expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_keeps_silent_does_not_keep_the_next_from_being_tried() {
    let dir = tempdir().expect("a folder");
    let name = database(dir.path());
    let reading = tokio::task::block_in_place(|| {
        shared().database(&name);
        reading(&name)
    });
    let silent = Silent::start();
    let ports = [silent.port, reading.port(), shared().port()];
    let store = SqliteStore::open(node_at(dir.path(), "one", at(&ports, dir.path())));
    let store = store.expect("opens");
    Draft::inbox(1).accepted(&store).await;
    assert_eq!(checked(&store).await, 1);
    assert!(silent.asked() > 0, "it was tried");
    // What is learnt once is not paid for by each connection.
    let asked = silent.asked();
    assert!(asked <= 2, "the silent host was asked {asked} times");
}

/// Where none will do, the one that said why counts, not the one that said nothing.
#[test]
fn what_a_server_says_counts_for_more_than_silence() {
    let dir = tempdir().expect("a folder");
    let reading = reading(&database(dir.path()));
    let silent = Silent::start();
    for ports in [[reading.port(), silent.port], [silent.port, reading.port()]] {
        let refused = SqliteStore::open(node_at(dir.path(), "one", at(&ports, dir.path())));
        let refused = refused.err().expect("is refused");
        let told = matches!(&refused, OpenError::Server(ServerFault::ReadOnly));
        assert!(told, "{refused}");
    }
}

/// The same where the address is one line, and stands beside addresses of its own.
#[test]
fn hosts_of_an_address_in_one_line_are_tried_one_by_one() {
    let dir = tempdir().expect("a folder");
    let name = database(dir.path());
    shared().database(&name);
    let silent = Silent::start();
    let (first, second) = (silent.port, shared().port());
    for (number, hosts) in [
        format!("127.0.0.1:{first},127.0.0.1:{second}/{name}?sslmode=disable"),
        format!(
            "one.invalid:{first},two.invalid:{second}/{name}?sslmode=disable&hostaddr=127.0.0.1,127.0.0.1"
        ),
    ]
    .iter()
    .enumerate()
    {
        let node = format!("n{number}");
        let address = format!("postgres://hub@{hosts}");
        let server = PostgresOptions::new(&address, &node, dir.path().join("parts"), None);
        let store = SqliteStore::open(node_at(dir.path(), &node, server.expect("an address")));
        drop(store.unwrap_or_else(|refused| panic!("{hosts}: {refused}")));
        assert_eq!(silent.asked(), number + 1, "each is asked once");
    }
}
