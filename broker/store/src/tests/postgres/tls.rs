//! The way to the server: TLS that is checked, a password that is not told.

use std::path::Path;

use tempfile::tempdir;

use super::server::{Server, shared};
use super::{database, node_at};
use crate::contract::Draft;
use crate::tests::checked;
use crate::{OpenError, PostgresOptions, SqliteStore};

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
    for refused in [
        // Nobody vouches for it; the password is wrong.
        open(dir.path(), &server, None, PASSWORD).err(),
        open(dir.path(), &server, Some(&authority), "canary-of-another").err(),
    ] {
        let refused = refused.expect("is refused");
        assert!(matches!(refused, OpenError::Database(_)), "{refused}");
        assert!(!refused.to_string().contains("canary"), "{refused}");
    }
    let store = open(dir.path(), &server, Some(&authority), PASSWORD).expect("opens");
    Draft::inbox(1).accepted(&store).await;
    assert_eq!(checked(&store).await, 1);
    let without = server.log();
    assert!(!without.contains("canary"), "{without}");
}

/// A server that speaks no TLS gets no word from us, unless the address says so.
#[test]
fn a_server_without_tls_is_refused() {
    let dir = tempdir().expect("a folder");
    shared().database(&database(dir.path()));
    let refused = open(dir.path(), shared(), None, PASSWORD).err().expect("is refused");
    assert!(matches!(refused, OpenError::Database(_)), "{refused}");
}
