//! A PostgreSQL server as the database: how it is named, and what opening it does.
//!
//! Nodes are equal. Each has a folder of its own with its lock, its head guard and its reserve, and
//! a name; each start of it is a new life. Large parts lie in a folder that all nodes share, or in an
//! object store.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::ports::{Clock, StoreError};
use openssl::rand::rand_bytes;
use openssl::sha::sha256;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::options::{LargeParts, OpenError};
use crate::parts::folder::MARK;
use crate::rows::read_time;
use crate::server::{NodeFacts, ServerFacts, ServerFault};
use crate::sql::hosts::{CONNECT, Hosts};
use crate::sql::postgres::{Postgres, Settings};
use crate::sql::{Db, Life, Row, params};
use crate::startup::{FOLDER, meta, set_meta};

/// Every migration, in order; the first has number 1. They are numbered apart from those of SQLite.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/postgres/0001_first.sql"),
    include_str!("migrations/postgres/0002_scope.sql"),
    include_str!("migrations/postgres/0003_removals.sql"),
    include_str!("migrations/postgres/0004_readers.sql"),
    include_str!("migrations/postgres/0005_sessions.sql"),
    include_str!("migrations/postgres/0006_done_alone.sql"),
];

/// Whoever migrates holds this lock of the server. The number means nothing.
const MIGRATING: i64 = 0x616d_7473_626f_7465;

/// The oldest server that will do, as it numbers itself: it knows what became of a transaction.
const OLDEST: i64 = 130_000;

/// Longest name of a node, in octets.
const NAME: usize = 64;

/// Where a PostgreSQL server is, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Names or addresses, or folders of sockets (`/…`), each with its port. Of several the first
    /// that takes changes.
    pub hosts: Vec<(String, u16)>,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// Whether TLS is spoken; never over a socket of this machine.
    pub tls: bool,
    /// PEM file with those who may vouch for the server; without one, the system's.
    pub authority: Option<PathBuf>,
}

impl ServerAddress {
    /// Whether what is said never leaves this machine.
    pub fn is_on_this_machine(&self) -> bool {
        self.hosts.iter().all(|(host, _)| {
            host.starts_with('/')
                || host == "localhost"
                || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        })
    }
}

/// A PostgreSQL server, and who works on it.
#[derive(Clone)]
pub struct PostgresOptions {
    config: Config,
    tls: MakeTlsConnector,
    node: String,
    payload: Option<PathBuf>,
    /// The longest wait for the log, which one node after the other writes; also the longest that a
    /// node which hangs can keep it from the others. Whole milliseconds.
    pub lock_wait: Duration,
    /// The longest run of one statement. Whole milliseconds.
    pub statement_time: Duration,
    pub(crate) database_clock: bool,
}

impl PostgresOptions {
    /// A server by its address, `postgres://user@host:port/database`; TLS is asked for unless the
    /// address says `sslmode=disable` or the host is the folder of a socket. `authority` is a PEM
    /// file with those who may vouch for the server; without one, the system's. `node` names this
    /// node among the others. `payload` is the folder, shared by all nodes, for parts above the
    /// limit for rows.
    ///
    /// Waits at most 10 s for the log and 30 s for a statement.
    pub fn new(
        address: &str,
        node: &str,
        payload: impl Into<PathBuf>,
        authority: Option<&Path>,
    ) -> Result<Self, OpenError> {
        // What a parser says about an address could hold a password.
        let config: Config =
            address.parse().map_err(|_| refuse("the address of the server cannot be read"))?;
        if config.get_password().is_some() {
            return Err(refuse("the password stands in the address: it belongs into a file"));
        }
        if config.get_hosts().is_empty() {
            return Err(refuse("the address names no host"));
        }
        Self::of(config, node, Some(payload.into()), authority)
    }

    /// The same by its parts. Without the folder where parts lie in an object store.
    pub fn at(
        address: &ServerAddress,
        node: &str,
        payload: Option<PathBuf>,
    ) -> Result<Self, OpenError> {
        let mut config = Config::new();
        for (host, port) in &address.hosts {
            config.host(host).port(*port);
        }
        if config.get_hosts().is_empty() {
            return Err(refuse("the address names no host"));
        }
        if !address.tls {
            config.ssl_mode(SslMode::Disable);
        }
        config.dbname(&address.database).user(&address.user);
        Self::of(config, node, payload, address.authority.as_deref())
    }

    fn of(
        mut config: Config,
        node: &str,
        payload: Option<PathBuf>,
        authority: Option<&Path>,
    ) -> Result<Self, OpenError> {
        let by_socket = |host: &&Host| matches!(host, Host::Unix(_));
        let sockets = config.get_hosts().iter().filter(by_socket).count();
        // One setting counts for all hosts: without TLS none of them may be elsewhere.
        if sockets != 0 && sockets != config.get_hosts().len() {
            return Err(refuse(
                "a socket of this machine and a host by the network cannot be mixed",
            ));
        }
        if sockets != 0 {
            config.ssl_mode(SslMode::Disable);
        } else if config.get_ssl_mode() != SslMode::Disable {
            config.ssl_mode(SslMode::Require);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if node.is_empty() || node.len() > NAME || !node.chars().all(plain) {
            return Err(refuse("the name of the node is not of 1 to 64 letters, digits, - . _"));
        }
        // Of several the one that takes changes; a standby alone is refused.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(CONNECT).application_name(format!("amtsbote {node}"));
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(20));
        Ok(Self {
            config,
            tls: connector(authority)?,
            node: node.to_owned(),
            payload,
            lock_wait: Duration::from_secs(10),
            statement_time: Duration::from_secs(30),
            database_clock: true,
        })
    }

    /// With a password, read from wherever secrets are kept: never from an argument.
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.config.password(password);
        self
    }

    /// Evidence and leases by the clock that the store is given, for tests that move it.
    #[cfg(any(test, feature = "contract"))]
    pub fn clock_of_the_store(mut self) -> Self {
        self.database_clock = false;
        self
    }

    /// The name of this node.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// The folder of the payload files, where one is named.
    pub(crate) fn payload(&self) -> Option<&Path> {
        self.payload.as_deref()
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::new(Settings {
            hosts: Hosts::new(self.config.clone()),
            tls: self.tls.clone(),
            lock_wait: self.lock_wait,
            statement_time: self.statement_time,
            database_clock: self.database_clock,
        })
    }

    /// Connects and brings the tables up to date. No life begins: nobody is to work.
    pub(crate) fn prepare(
        &self,
        clock: &dyn Clock,
        large_parts: &LargeParts,
    ) -> Result<Db, OpenError> {
        let db = self.connect(&self.settings(), clock)?;
        self.check_place(&db, large_parts)?;
        Ok(db)
    }

    /// Beside an object store the folder counts only where it was used before.
    fn check_place(&self, db: &Db, large_parts: &LargeParts) -> Result<(), OpenError> {
        if !matches!(large_parts, LargeParts::Folder) && meta(db, FOLDER)?.is_none() {
            return Ok(());
        }
        match &self.payload {
            Some(folder) => check_folder(db, folder),
            None => Err(OpenError::Server(ServerFault::NoFolder)),
        }
    }

    fn connect(&self, settings: &Arc<Settings>, clock: &dyn Clock) -> Result<Db, OpenError> {
        let db = Db::Postgres(Box::new(Postgres::new(settings).map_err(crate::startup::refused)?));
        check_server(&db)?;
        migrate(&db, clock)?;
        Ok(db)
    }

    /// Connects, brings the tables up to date and begins a new life of this node.
    pub(crate) fn open(
        &self,
        settings: &Arc<Settings>,
        clock: &dyn Clock,
        large_parts: &LargeParts,
    ) -> Result<Db, OpenError> {
        let db = self.connect(settings, clock)?;
        let refused = |error| told(&db, error);
        // With the log in hand: what a former life was committing has ended when this one begins, so
        // that what is found to be left behind is.
        let (now, _) = db.begin(clock).map_err(refused)?;
        let number = db
            .insert(
                "life",
                "INSERT INTO node_life (name, at, seen) VALUES (?1, ?2, ?2)",
                params![self.node, now.as_microsecond()],
            )
            .map_err(refused)?;
        db.commit().map_err(refused)?;
        let Db::Postgres(mut postgres) = db else { return Err(refuse("not a server")) };
        postgres.live(Life { name: self.node.clone(), number });
        let db = Db::Postgres(postgres);
        self.check_place(&db, large_parts)?;
        Ok(db)
    }
}

fn connector(authority: Option<&Path>) -> Result<MakeTlsConnector, OpenError> {
    Ok(MakeTlsConnector::new(trusting(authority)?.build()))
}

/// TLS with servers for which these authorities vouch, else those of the system.
pub(crate) fn trusting(authority: Option<&Path>) -> Result<SslConnectorBuilder, OpenError> {
    let failed = |_| refuse("TLS cannot be set up");
    let mut tls = SslConnector::builder(SslMethod::tls()).map_err(failed)?;
    tls.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(failed)?;
    if let Some(authority) = authority {
        let unreadable = |_| refuse("the file with the authorities of the server cannot be read");
        // In place of those of the system.
        let none = X509StoreBuilder::new().map_err(failed)?.build();
        tls.set_cert_store(none);
        tls.set_ca_file(authority).map_err(unreadable)?;
    }
    Ok(tls)
}

fn refuse(what: &str) -> OpenError {
    OpenError::Database(what.to_owned())
}

/// What went wrong on opening: about the server itself, or else about the statement.
pub(crate) fn told(db: &Db, error: StoreError) -> OpenError {
    db.fault().map_or_else(|| crate::startup::refused(error), OpenError::Server)
}

/// What keeps commits through a power cut.
const DURABLE: [&str; 2] = ["fsync", "full_page_writes"];

/// A node that is not connected and was started last so many days ago, or longer, is not told any more.
const RETIRED: i64 = 90;

/// Nodes that are connected, and those that were started not too long ago. The server keeps no more of a
/// connection's name.
const NODES: &str = "SELECT * FROM (
        SELECT name, max(at) AS at, EXISTS (
            SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = left('amtsbote ' || name, 63) AND pid <> pg_backend_pid()
        )::int AS connected FROM node_life GROUP BY name
    ) AS node
    WHERE connected = 1 OR at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
        - ?1::bigint * 86400000000
    ORDER BY name";

/// What the server says of itself.
pub(crate) fn facts(db: &Db) -> Result<ServerFacts, StoreError> {
    let text = |row: &Row<'_>| row.get::<String>(0);
    let ask = |name: &str| db.query_one("SELECT current_setting(?1)", params![name], text);
    let mut off = Vec::new();
    for setting in DURABLE {
        if ask(setting)? != "on" {
            off.push(setting);
        }
    }
    // What holds where no session has set anything else.
    let reset = "SELECT reset_val FROM pg_settings WHERE name = ?1";
    Ok(ServerFacts {
        version: ask("server_version")?,
        off,
        synchronous_commit: db.query_one(reset, params!["synchronous_commit"], text)?,
        standby: !ask("synchronous_standby_names")?.trim().is_empty(),
        nodes: db.query_all(NODES, params![RETIRED], |row| {
            let started = read_time(row.get(1)?)?;
            Ok(NodeFacts { name: row.get(0)?, started, connected: row.get(2)? })
        })?,
    })
}

/// A server that loses commits in a power cut is none for us (P1).
fn check_server(db: &Db) -> Result<(), OpenError> {
    let ask = |name: &str| {
        let sql = "SELECT current_setting(?1)";
        db.query_one(sql, params![name], |row| row.get::<String>(0))
            .map_err(|error| told(db, error))
    };
    if ask("server_version_num")?.parse().is_ok_and(|version: i64| version < OLDEST) {
        return Err(OpenError::Server(ServerFault::Old));
    }
    for setting in DURABLE {
        if ask(setting)? != "on" {
            return Err(OpenError::Server(ServerFault::Unsafe(setting)));
        }
    }
    if ask("server_encoding")? != "UTF8" {
        return Err(refuse("the database is not in UTF-8"));
    }
    Ok(())
}

/// Runs what has not run; nodes that start at the same time do it one after the other.
fn migrate(db: &Db, clock: &dyn Clock) -> Result<(), OpenError> {
    let refused = |error| told(db, error);
    let Db::Postgres(server) = db else { return Err(refuse("not a server")) };
    let change = || -> Result<(), OpenError> {
        server.begin_migrating(MIGRATING).map_err(refused)?;
        if is_foreign(db).map_err(refused)? {
            return Err(OpenError::Server(ServerFault::Foreign));
        }
        // Only where it is not there: a user who may not make tables can work on those made.
        if !is_ours(db).map_err(refused)? {
            db.batch(
                "CREATE TABLE migration (
                    version BIGINT NOT NULL PRIMARY KEY,
                    sha256  BYTEA  NOT NULL,
                    at      BIGINT NOT NULL
                )",
            )
            .map_err(refused)?;
        }
        let done = agree(db)?;
        for (version, sql) in MIGRATIONS.iter().enumerate().skip(done) {
            db.batch(sql).map_err(refused)?;
            db.execute(
                "INSERT INTO migration (version, sha256, at) VALUES (?1, ?2, ?3)",
                params![
                    version as i64 + 1,
                    sha256(sql.as_bytes()),
                    db.now(clock).map_err(refused)?.as_microsecond()
                ],
            )
            .map_err(refused)?;
        }
        Ok(())
    };
    match change() {
        Ok(()) => server.end_migrating(true).map_err(refused),
        Err(error) => {
            // The connection is given up with the error; this only frees the lock sooner.
            let _ = server.end_migrating(false);
            Err(error)
        }
    }
}

/// Whether there is the table in which a hub notes its migrations.
fn is_ours(db: &Db) -> Result<bool, StoreError> {
    db.exists("SELECT 1 WHERE to_regclass('migration') IS NOT NULL", &[])
}

/// Whether there are tables, and none in which a hub notes its migrations.
fn is_foreign(db: &Db) -> Result<bool, StoreError> {
    db.exists(
        "SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace
            AND relkind IN ('r', 'p') AND to_regclass('migration') IS NULL LIMIT 1",
        &[],
    )
}

/// How many migrations ran; refused where they are not those of this program.
fn agree(db: &Db) -> Result<usize, OpenError> {
    let refused = |error| told(db, error);
    let recorded: Vec<(i64, Vec<u8>)> = db
        .query_all("SELECT version, sha256 FROM migration ORDER BY version", &[], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(refused)?;
    if recorded.len() > MIGRATIONS.len() {
        let (found, known) = (recorded.len() as u32, MIGRATIONS.len() as u32);
        return Err(OpenError::NewerSchema { found, known });
    }
    for (number, ((version, digest), sql)) in (1..).zip(recorded.iter().zip(MIGRATIONS)) {
        if i64::from(number) != *version || digest[..] != sha256(sql.as_bytes()) {
            return Err(OpenError::OtherMigration { version: number });
        }
    }
    Ok(recorded.len())
}

/// Refuses a database that this program does not know, for those who only read.
pub(crate) fn check(db: &Db) -> Result<(), OpenError> {
    if !is_ours(db).map_err(|error| told(db, error))? {
        let foreign = is_foreign(db).map_err(|error| told(db, error))?;
        let fault = if foreign { ServerFault::Foreign } else { ServerFault::Empty };
        return Err(OpenError::Server(fault));
    }
    let (found, known) = (agree(db)? as u32, MIGRATIONS.len() as u32);
    if found < known {
        return Err(OpenError::OlderSchema { found, known });
    }
    Ok(())
}

/// Whether the folder is the one that all nodes of this store use: a node with another one would
/// accept what no other can deliver.
fn check_folder(db: &Db, folder: &Path) -> Result<(), OpenError> {
    fs::create_dir_all(folder)?;
    let place = folder.join(MARK);
    let known = match meta(db, FOLDER)? {
        Some(known) => known,
        None => {
            let mut octets = [0; 16];
            rand_bytes(&mut octets).map_err(|_| refuse("no random octets"))?;
            let name: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            // Of nodes that start at the same time, the first one wins.
            set_meta(db, FOLDER, name.as_bytes())?;
            let known = meta(db, FOLDER)?.ok_or_else(|| refuse("no folder"))?;
            if known == name.as_bytes() {
                fs::write(&place, &known)?;
                fs::File::open(&place)?.sync_all()?;
                crate::parts::folder::sync_folder(folder)?;
            }
            known
        }
    };
    match fs::read(&place) {
        Ok(found) if found == known => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Err(OpenError::Server(ServerFault::OtherFolder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(address: &str, node: &str) -> Result<PostgresOptions, OpenError> {
        PostgresOptions::new(address, node, "payload", None)
    }

    fn refusal(address: &str, node: &str) -> String {
        options(address, node).err().expect("is refused").to_string()
    }

    #[test]
    fn tls_is_left_out_only_where_somebody_says_so() {
        for (address, mode) in [
            ("postgres://hub@db.example/hub", SslMode::Require),
            ("postgres://hub@db.example/hub?sslmode=prefer", SslMode::Require),
            ("postgres://hub@db.example/hub?sslmode=disable", SslMode::Disable),
            ("postgres://hub@%2Frun%2Fpostgresql/hub", SslMode::Disable),
        ] {
            let options = options(address, "a").expect("is read");
            assert_eq!(options.config.get_ssl_mode(), mode, "{address}");
        }
    }

    /// One setting counts for all hosts: the socket must not take TLS away from the others.
    #[test]
    fn a_socket_and_a_host_elsewhere_are_not_mixed() {
        let hosts = ["/run/postgresql", "db.example"];
        let address = ServerAddress {
            hosts: hosts.map(|host| (host.to_owned(), 5432)).to_vec(),
            database: "hub".to_owned(),
            user: "hub".to_owned(),
            tls: true,
            authority: None,
        };
        let refused =
            PostgresOptions::at(&address, "a", Some("payload".into())).err().expect("is refused");
        assert!(refused.to_string().contains("cannot be mixed"), "{refused}");
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_told() {
        let refused = refusal("postgres://hub:canary@db.example/hub", "a");
        assert!(refused.contains("password") && !refused.contains("canary"), "{refused}");
        let refused = refusal("postgres://hub:canary@db.example:canary/hub", "a");
        assert!(!refused.contains("canary"), "{refused}");
    }

    #[test]
    fn names_of_nodes_are_plain() {
        for bad in ["", "a b", "ä", &"a".repeat(65)] {
            assert!(refusal("postgres://hub@db.example/hub", bad).contains("name"), "{bad}");
        }
    }
}
