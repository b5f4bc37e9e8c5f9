//! The way to the server: TLS that is checked, a password that is not told.

use std::path::Path;

use tempfile::tempdir;

use super::server::{Server, shared};
use super::{database, node_at};
use crate::contract::Draft;
use crate::tests::checked;
use crate::{
    Database, OpenError, PostgresOptions, ServerAddress, ServerFacts, ServerFault, SqliteStore,
    VerifyError,
};

const PASSWORD: &str = "canary-of-the-password";

fn open(
    dir: &Path,
    server: &Server,
    authority: Option<&Path>,
    password: &str,
) -> Result<SqliteStore, OpenError> {
    let address = format!("postgres://hub@localhost:{}/postgres", server.port());
    let options = PostgresOptions::new(&address, "one", dir.join("shared"), authority)?;
    SqliteStore::open(node_at(dir, "one", options.password(password)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_known_before_the_password_is_said() {
    let dir = tempdir().expect("a folder");
    let server = tokio::task::block_in_place(|| Server::with_tls(PASSWORD));
    let authority = server.certificate();
    for (refused, fault) in [
        // Nobody vouches for it; the password is wrong.
        (open(dir.path(), &server, None, PASSWORD).err(), ServerFault::Tls),
        (
            open(dir.path(), &server, Some(&authority), "canary-of-another").err(),
            ServerFault::Login,
        ),
    ] {
        let refused = refused.expect("is refused");
        assert!(matches!(&refused, OpenError::Server(told) if *told == fault), "{refused}");
        assert!(!refused.to_string().contains("canary"), "{refused}");
    }
    let store = open(dir.path(), &server, Some(&authority), PASSWORD).expect("opens");
    Draft::inbox(1).accepted(&store).await;
    assert_eq!(checked(&store).await, 1);
    let without = server.log();
    assert!(!without.contains("canary"), "{without}");
}

/// An authority that is named takes the place of the system's, and does not only join them.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_authority_vouches() {
    let server = tokio::task::block_in_place(|| Server::with_tls(PASSWORD));
    let tls = crate::postgres::trusting(Some(&server.certificate())).expect("is read");
    assert_eq!(tls.build().into_context().cert_store().all_certificates().len(), 1);
}

/// A server that speaks no TLS gets no word from us, unless the address says so.
#[test]
fn a_server_without_tls_is_refused() {
    let dir = tempdir().expect("a folder");
    shared().database(&database(dir.path()));
    let refused = open(dir.path(), shared(), None, PASSWORD).err().expect("is refused");
    assert!(matches!(refused, OpenError::Server(ServerFault::Tls)), "{refused}");
}

/// What is wrong with a server is told as what it is, and nothing is begun on it.
#[test]
fn a_server_that_will_not_do_is_told_from_others() {
    let dir = tempdir().expect("a folder");
    let own = database(dir.path());
    let [foreign, poor] = ["foreign", "poor"].map(|name| format!("{own}{name}"));
    for name in [&own, &foreign, &poor] {
        shared().database(name);
    }
    shared().sql(&foreign, "CREATE TABLE t (a int)");
    shared().sql(
        &poor,
        &format!("CREATE ROLE \"{poor}\" LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC"),
    );
    let at = |user: &str, port: u16, name: &str| {
        let hosts = vec![("127.0.0.1".to_owned(), port)];
        let (database, user) = (name.to_owned(), user.to_owned());
        let address = ServerAddress { hosts, database, user, tls: false, authority: None };
        PostgresOptions::at(&address, "one", Some(dir.path().join("parts"))).expect("an address")
    };
    let port = shared().port();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let nobody = free.local_addr().expect("a port").port();
    drop(free);
    for (server, wanted) in [
        (at("hub", nobody, &own), ServerFault::Away("connection refused".to_owned())),
        (at("hub", port, &format!("{own}x")), ServerFault::NoDatabase),
        (at("hub", port, &foreign), ServerFault::Foreign),
        (at(&poor, port, &poor), ServerFault::Rights),
    ] {
        let refused = SqliteStore::open(node_at(dir.path(), "one", server)).err();
        let refused = refused.expect("is refused");
        let told = matches!(&refused, OpenError::Server(told) if *told == wanted);
        assert!(told, "{refused} is not {wanted}");
        assert!(!dir.path().join("parts").exists(), "{wanted}");
    }
    // For those who only read, an empty database is no store.
    let empty = Database::Postgres(Box::new(at("hub", port, &own))).named_keys(dir.path());
    let VerifyError::Open(OpenError::Server(fault)) = empty.expect_err("is refused") else {
        panic!("told as something else")
    };
    assert_eq!(fault, ServerFault::Empty);
    let store = SqliteStore::open(node_at(dir.path(), "one", at("hub", port, &own)));
    let store = store.expect("opens");
    // Two that are not there: one was until lately, the other was given up.
    let micros = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let day = 86_400_000_000_i64;
    for (name, days) in [("lately", 3), ("given-up", 300)] {
        let at = format!("{micros} - {}", day * days);
        shared().sql(&own, &format!("INSERT INTO node_life (name, at) VALUES ('{name}', {at})"));
    }
    let asked = || {
        let facts = Database::Postgres(Box::new(at("hub", port, &own))).server_facts();
        facts.expect("says").expect("a server")
    };
    let facts = asked();
    assert_eq!((facts.off.as_slice(), facts.standby), (&[][..], false), "{facts:?}");
    let nodes = |facts: &ServerFacts| -> Vec<(String, bool)> {
        facts.nodes.iter().map(|node| (node.name.clone(), node.connected)).collect()
    };
    let lately = ("lately".to_owned(), false);
    assert_eq!(nodes(&facts), [lately.clone(), ("one".to_owned(), true)]);
    drop(store);
    let begun = std::time::Instant::now();
    // The server needs a moment to see the end of a connection.
    while nodes(&asked()) != [lately.clone(), ("one".to_owned(), false)] {
        assert!(begun.elapsed().as_secs() < 60, "{:?}", asked());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
