//! The statements of the store on PostgreSQL: one connection with a runtime of its own, which only
//! turns while somebody waits for an answer.
//!
//! Statements whose answer nobody needs yet are sent without waiting for it: a message costs three
//! round trips, not ten, while the log is locked. The server answers in order, and after a mistake it
//! refuses everything up to the end of the transaction; so whoever waits next is told of it.
//!
//! A connection that is lost takes its transaction with it and is made anew for the next one. What
//! became of a commit whose answer was lost is found out by [`Postgres::fate`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use amtsbote_domain::ports::StoreError;
use bytes::{BufMut, BytesMut};
use postgres_openssl::MakeTlsConnector;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error, Statement};

use super::hosts::{CONNECT, Candidate, Hosts};
use super::{Life, Row, Standing, Value};
use crate::error::unreadable;
use crate::server::ServerFault;

/// Whoever writes the first leaf holds this lock of the server. The number means nothing.
const FIRST_LEAF: i64 = 0x616d_7473_626f_7466;
/// Most statements that a connection keeps prepared.
const PREPARED: usize = 256;
/// Most questions sent whose answers were not looked at.
const SENT: usize = 64;
/// How long the end of a connection is waited for.
const GOODBYE: Duration = Duration::from_secs(1);

/// Begins to read. Who reads keeps the log from nobody, and may be waiting for an object store in
/// between; after an hour it hangs.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL idle_in_transaction_session_timeout = '1h'";
/// How long new tables may take, or whoever else makes them.
const MIGRATION: Duration = Duration::from_secs(6 * 60 * 60);

/// How to reach the database, and how long to wait for it.
pub(crate) struct Settings {
    pub(crate) hosts: Hosts,
    pub(crate) tls: MakeTlsConnector,
    /// The longest wait for the log, which one node after the other writes.
    pub(crate) lock_wait: Duration,
    /// The longest run of one statement.
    pub(crate) statement_time: Duration,
    /// Times of evidence and leases come from the database; else from the hub's clock.
    pub(crate) database_clock: bool,
}

/// What stands at the beginning of a transaction that has the log.
pub(crate) struct Begun {
    /// Leaves in the log, when the last was recorded, and the signed head; none in an empty log.
    pub(crate) head: Option<(i64, i64, String)>,
    /// The database's time in microseconds, where that counts.
    pub(crate) now: Option<i64>,
}

/// A connection.
pub(crate) struct Postgres {
    settings: Arc<Settings>,
    /// None only while dropping.
    runtime: Option<Runtime>,
    session: RefCell<Option<Session>>,
    life: Option<Life>,
    in_transaction: Cell<bool>,
    /// Tables are being made.
    migrating: Cell<bool>,
    /// A statement failed: the transaction can only go back.
    failed: Cell<bool>,
    /// Every answer is waited for.
    at_once: Cell<bool>,
    /// A statement that was not waited for failed, and so the transaction was taken back.
    taken_back: Cell<bool>,
    changes: Cell<u64>,
    /// The number of the newest transaction that had the log.
    transaction: RefCell<Option<String>>,
    /// What the newest answer said about the server itself, if that was a refusal.
    fault: RefCell<Option<ServerFault>>,
}

/// A question that was sent, and whose answer will be looked at later.
type Sent = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

struct Session {
    client: Arc<Client>,
    /// In the order of their questions.
    sent: Vec<Sent>,
    statements: HashMap<String, Statement>,
    driver: JoinHandle<()>,
}

impl Postgres {
    /// A connection, made when it is first needed.
    pub(crate) fn new(settings: &Arc<Settings>) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unavailable(&format!("no runtime: {error}")))?;
        Ok(Self {
            settings: Arc::clone(settings),
            runtime: Some(runtime),
            session: RefCell::default(),
            life: None,
            in_transaction: Cell::new(false),
            migrating: Cell::new(false),
            failed: Cell::new(false),
            at_once: Cell::new(false),
            taken_back: Cell::new(false),
            changes: Cell::new(0),
            transaction: RefCell::default(),
            fault: RefCell::default(),
        })
    }

    /// Writes in the name of this life from now on.
    pub(crate) fn live(&mut self, life: Life) {
        self.life = Some(life);
    }

    pub(crate) fn life(&self) -> Option<&Life> {
        self.life.as_ref()
    }

    pub(super) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let changed = self.with_statement(sql, async |client, statement| {
            client.execute(statement, &bound(values)).await
        })?;
        self.changes.set(self.changes.get() + changed);
        Ok(changed)
    }

    pub(super) fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let found = self.with_statement(sql, async |client, statement| {
            client.query(statement, &bound(values)).await
        })?;
        if sql.starts_with("INSERT ") {
            self.changes.set(self.changes.get() + found.len() as u64);
        }
        Ok(found)
    }

    /// Runs a statement of the transaction; what went wrong may be told later.
    pub(super) fn write(&self, sql: &str, values: &[Value<'_>]) -> Result<(), StoreError> {
        if self.at_once.get() || !self.in_transaction.get() || self.failed.get() {
            return self.execute(sql, values).map(drop);
        }
        let owned: Vec<Owned> = values.iter().map(Owned::from).collect();
        self.changes.set(self.changes.get() + 1);
        // The first time it is prepared, and that is waited for.
        let (client, statement) = match self.session.borrow().as_ref() {
            Some(session) => (Arc::clone(&session.client), session.statements.get(sql).cloned()),
            None => return Err(lost()),
        };
        let statement = match statement {
            Some(statement) => statement,
            None => self.with_statement(sql, async |_, statement| Ok(statement.clone()))?,
        };
        self.send(Box::pin(async move { client.execute_raw(&statement, owned).await.map(drop) }))
    }

    /// From now on, and until the next transaction, every mistake is told where it was made.
    pub(super) fn answer_at_once(&self) {
        self.at_once.set(true);
    }

    /// Sends a question in its turn; the answer is looked at with a later one.
    fn send(&self, mut question: Sent) -> Result<(), StoreError> {
        let runtime = self.runtime.as_ref().ok_or_else(lost)?;
        let many = {
            let mut held = self.session.borrow_mut();
            let session = held.as_mut().ok_or_else(lost)?;
            // The first step puts it into the queue of the connection.
            let first = runtime.block_on(poll_fn(|cx| Poll::Ready(question.as_mut().poll(cx))));
            match first {
                Poll::Pending => session.sent.push(question),
                Poll::Ready(answer) => session.sent.push(Box::pin(async { answer })),
            }
            session.sent.len() >= SENT
        };
        match many {
            true => self.with(async |_| Ok(())),
            false => Ok(()),
        }
    }

    /// Runs statements without values.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.with(async |session| session.client.batch_execute(sql).await)
    }

    /// Begins to make tables, one process after the other by this lock of the server. What a large table
    /// costs is no reason to give up; that somebody else reads one is.
    pub(crate) fn begin_migrating(&self, lock: i64) -> Result<(), StoreError> {
        self.migrating.set(true);
        let (longest, wait) = (MIGRATION.as_millis(), self.settings.lock_wait.as_millis());
        self.batch(&format!(
            "BEGIN; SET LOCAL statement_timeout = {longest}; SET LOCAL lock_timeout = {longest};
             SELECT pg_advisory_xact_lock({lock}); SET LOCAL lock_timeout = {wait}"
        ))
    }

    /// Ends that: keeps the tables, or takes them back.
    pub(crate) fn end_migrating(&self, keep: bool) -> Result<(), StoreError> {
        let ended = self.batch(if keep { "COMMIT" } else { "ROLLBACK" });
        self.migrating.set(false);
        ended
    }

    /// Begins a transaction that has the log: no other node writes until it has ended. Refused
    /// where a newer life of this node has begun.
    pub(super) fn begin(&self) -> Result<Begun, StoreError> {
        self.begin_by("BEGIN ISOLATION LEVEL READ COMMITTED", || {
            let begun = self.take_log();
            if begun.is_err() {
                // What went wrong is told; that the rest is taken back goes without saying.
                let _ = self.roll_back();
            }
            begun
        })
    }

    fn take_log(&self) -> Result<Begun, StoreError> {
        const HEAD: &str = "SELECT size, at, note FROM log_head WHERE one = 1 FOR UPDATE";
        const FACTS: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
            pg_current_xact_id()::text, (SELECT max(life) FROM node_life WHERE name = ?1)";
        let name = Value::Text(self.life.as_ref().map_or("", |life| &life.name));
        let facts = self.with_statement(FACTS, async |_, statement| Ok(statement.clone()))?;
        let (mut head, mut facts) = self.with_statement(HEAD, async |client, statement| {
            // The time is asked for when the log is there: the server answers in order.
            let values = [name];
            let values = bound(&values);
            tokio::try_join!(client.query(statement, &[]), client.query(&facts, &values))
        })?;
        if head.is_empty() {
            // Before the first leaf there is no row to lock. Not the table: whoever has asked for the
            // row has a lock on that already, and two of them would wait for each other.
            self.batch(&format!("SELECT pg_advisory_xact_lock({FIRST_LEAF})"))?;
            head = self.query(HEAD, &[])?;
            facts = self.query(FACTS, &[name])?;
        }
        let facts = Row::Postgres(facts.first().ok_or_else(|| unreadable("no answer"))?);
        *self.transaction.borrow_mut() = Some(facts.get(1)?);
        let newest: Option<i64> = facts.get(2)?;
        if self.life.as_ref().is_some_and(|life| newest != Some(life.number)) {
            return Err(unavailable("another process works under the name of this node"));
        }
        let head = match head.first().map(Row::Postgres) {
            Some(row) => Some((row.get(0)?, row.get(1)?, row.get(2)?)),
            None => None,
        };
        let now = self.settings.database_clock.then(|| facts.get(0)).transpose()?;
        Ok(Begun { head, now })
    }

    /// Begins to read on one snapshot.
    pub(super) fn begin_reading(&self) -> Result<(), StoreError> {
        self.begin_by(BEGIN_READING, || self.with(async |_| Ok(())))
    }

    /// Begins; `first` is the first thing that is waited for.
    fn begin_by<T>(
        &self,
        sql: &'static str,
        first: impl Fn() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begin = || {
            // One that is closed is seen to be so only when it is used.
            if self.is_lost() {
                self.session.take();
            }
            self.in_transaction.set(false);
            self.failed.set(false);
            self.at_once.set(false);
            self.taken_back.set(false);
            // Connects, where there is no connection.
            let client = self.with(async |session| Ok(Arc::clone(&session.client)))?;
            self.send(Box::pin(async move { client.batch_execute(sql).await }))?;
            self.in_transaction.set(true);
            first()
        };
        let had_connection = !self.is_lost();
        match begin() {
            // That the server was started again shows only now. Nothing has begun: once more.
            Err(_) if had_connection && self.is_lost() => begin(),
            begun => begun,
        }
    }

    pub(super) fn commit(&self) -> Result<(), StoreError> {
        if self.failed.get() {
            // The server would take it back and call that a success.
            return Err(unavailable("a statement of the transaction failed"));
        }
        self.taken_back.set(false);
        let committed = self.batch("COMMIT");
        self.in_transaction.set(false);
        committed
    }

    /// Whether the last commit failed because a statement before it had.
    pub(super) fn took_back(&self) -> bool {
        self.taken_back.get()
    }

    pub(super) fn roll_back(&self) -> Result<(), StoreError> {
        if self.standing() == Standing::Ended {
            self.in_transaction.set(false);
            return Ok(());
        }
        self.failed.set(false);
        let ended = self.batch("ROLLBACK");
        if ended.is_err() {
            // With the connection goes whatever is open in it.
            self.session.take();
        }
        self.in_transaction.set(false);
        self.failed.set(false);
        ended
    }

    pub(super) fn back_to_savepoint(&self) -> Result<(), StoreError> {
        self.failed.set(false);
        self.batch("ROLLBACK TO SAVEPOINT operation")
    }

    pub(super) fn standing(&self) -> Standing {
        if !self.in_transaction.get() || self.is_lost() {
            return Standing::Ended;
        }
        match self.failed.get() {
            true => Standing::Failed,
            false => Standing::Open,
        }
    }

    /// Whether there is no connection, or none that works.
    pub(crate) fn is_lost(&self) -> bool {
        self.session.borrow().as_ref().is_none_or(|session| session.client.is_closed())
    }

    /// What is wrong with the server itself, by its newest answer.
    pub(crate) fn fault(&self) -> Option<ServerFault> {
        self.fault.borrow().clone()
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Whether the newest transaction that had the log was committed. Waits until it has ended: no
    /// other can have the log before. None: the database does not know.
    pub(super) fn fate(&self) -> Result<Option<bool>, StoreError> {
        let transaction = self.transaction.borrow().clone();
        let Some(transaction) = transaction else { return Ok(None) };
        self.begin()?;
        let status =
            self.query("SELECT pg_xact_status(?1::text::xid8)", &[Value::Text(&transaction)]);
        let ended = self.roll_back();
        let status = status?;
        ended?;
        let status: Option<String> = match status.first() {
            Some(row) => Row::Postgres(row).get(0)?,
            None => None,
        };
        Ok(match status.as_deref() {
            Some("committed") => Some(true),
            Some("aborted") => Some(false),
            _ => None,
        })
    }

    /// The database's time in microseconds, where that counts.
    pub(super) fn now(&self) -> Result<Option<i64>, StoreError> {
        if !self.settings.database_clock {
            return Ok(None);
        }
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let found = self.query(sql, &[])?;
        found.first().map(|row| Row::Postgres(row).get(0)).transpose()
    }

    /// Asks with a prepared statement.
    fn with_statement<T>(
        &self,
        sql: &str,
        ask: impl AsyncFnOnce(&Client, &Statement) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        self.with(async |session| {
            let statement = match session.statements.get(sql) {
                Some(statement) => statement.clone(),
                None => {
                    let statement = session.client.prepare(&translated(sql)).await?;
                    if session.statements.len() >= PREPARED {
                        session.statements.clear();
                    }
                    session.statements.insert(sql.to_owned(), statement.clone());
                    statement
                }
            };
            ask(&session.client, &statement).await
        })
    }

    /// Asks, and draws the conclusions from what comes back. A transaction is never continued on
    /// another connection.
    fn with<T>(
        &self,
        ask: impl AsyncFnOnce(&mut Session) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let runtime = self.runtime.as_ref().ok_or_else(lost)?;
        let mut held = self.session.borrow_mut();
        if held.is_none() && self.in_transaction.get() {
            return Err(lost());
        }
        let patience = match self.migrating.get() {
            true => MIGRATION * 2,
            false => self.settings.lock_wait + self.settings.statement_time,
        };
        let answer = runtime.block_on(async {
            if held.is_none() {
                *held = Some(connect(&self.settings).await?);
            }
            match held.as_mut() {
                Some(session) => {
                    let answered = async {
                        let answer = ask(session).await;
                        // The first mistake is the one that counts.
                        for sent in session.sent.drain(..) {
                            sent.await.map_err(Failed::Earlier)?;
                        }
                        Ok::<_, Failed>(answer?)
                    };
                    timeout(patience, answered).await?
                }
                None => Err(Failed::Late),
            }
        });
        let error = match answer {
            Ok(answer) => {
                self.fault.take();
                return Ok(answer);
            }
            Err(error) => error,
        };
        *self.fault.borrow_mut() = error.of_the_server();
        self.failed.set(self.in_transaction.get());
        self.taken_back.set(matches!(&error, Failed::Earlier(error) if !ends_connection(error)));
        match error {
            Failed::Late => {
                // Whatever still comes on this connection belongs to a question given up.
                held.take();
                Err(unavailable("the database does not answer in time"))
            }
            Failed::Nowhere(error) => {
                Err(unavailable(&format!("its host cannot be found: {}", error.kind())))
            }
            Failed::Earlier(error) | Failed::Told(error) => {
                if ends_connection(&error)
                    || held.as_ref().is_some_and(|session| session.client.is_closed())
                {
                    held.take();
                }
                Err(told(&error))
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let session = self.session.take();
        if tokio::runtime::Handle::try_current().is_ok() {
            // Not where tasks run: there nobody may wait.
            drop(session);
            runtime.shutdown_background();
        } else if let Some(Session { client, sent, driver, .. }) = session {
            drop((sent, client));
            // Says goodbye; where nobody listens, the socket is closed all the same.
            let _ = runtime.block_on(async { timeout(GOODBYE, driver).await });
        }
    }
}

/// Why there is no answer.
enum Failed {
    Late,
    /// The name of a host leads nowhere.
    Nowhere(std::io::Error),
    /// To a statement before, whose answer was not waited for.
    Earlier(Error),
    Told(Error),
}

impl Failed {
    /// What it says about the server itself, if it does.
    fn of_the_server(&self) -> Option<ServerFault> {
        let error = match self {
            Self::Earlier(error) | Self::Told(error) => error,
            Self::Late => {
                return Some(ServerFault::Away("it does not answer in time".to_owned()));
            }
            Self::Nowhere(error) => return Some(ServerFault::Away(error.kind().to_string())),
        };
        if let Some(code) = error.code() {
            return match *code {
                SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                    Some(ServerFault::Login)
                }
                SqlState::INVALID_CATALOG_NAME => Some(ServerFault::NoDatabase),
                // A schema that the user may not see is none.
                SqlState::INSUFFICIENT_PRIVILEGE | SqlState::INVALID_SCHEMA_NAME => {
                    Some(ServerFault::Rights)
                }
                SqlState::READ_ONLY_SQL_TRANSACTION => Some(ServerFault::ReadOnly),
                SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => {
                    Some(ServerFault::Foreign)
                }
                SqlState::CANNOT_CONNECT_NOW
                | SqlState::ADMIN_SHUTDOWN
                | SqlState::CRASH_SHUTDOWN
                | SqlState::TOO_MANY_CONNECTIONS => {
                    Some(ServerFault::Away(format!("SQLSTATE {}", code.code())))
                }
                _ => None,
            };
        }
        // The kind of a failure shows in nothing but the beginning of its text.
        let text = error.to_string();
        if text.starts_with("error performing TLS handshake") {
            return Some(ServerFault::Tls);
        }
        // No password where the server wants one is a mistake of the configuration to the library.
        if text.starts_with("authentication error") || text.starts_with("invalid configuration") {
            return Some(ServerFault::Login);
        }
        let mut cause: &dyn StdError = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let io = cause.downcast_ref::<std::io::Error>()?;
        Some(match io.kind() {
            // A server that was asked whether it writes, and does not.
            std::io::ErrorKind::PermissionDenied => ServerFault::ReadOnly,
            kind => ServerFault::Away(kind.to_string()),
        })
    }
}

impl From<tokio::time::error::Elapsed> for Failed {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Late
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

/// Connects to the first host that takes changes. Where none will do, the first that said why counts for
/// more than those that nobody reached.
async fn connect(settings: &Settings) -> Result<Session, Failed> {
    let mut failed = None;
    let mut keep = |failure: Failed| {
        let silent =
            |failure: &Failed| matches!(failure.of_the_server(), None | Some(ServerFault::Away(_)));
        if failed.as_ref().is_none_or(silent) {
            failed = Some(failure);
        }
    };
    for host in settings.hosts.order() {
        let candidates = match settings.hosts.candidates(host).await {
            Ok(candidates) => candidates,
            Err(error) => {
                keep(Failed::Nowhere(error));
                continue;
            }
        };
        for candidate in candidates {
            match timeout(CONNECT, connect_to(&candidate, settings)).await {
                Ok(Ok(session)) => {
                    settings.hosts.remember(&candidate);
                    return Ok(session);
                }
                Ok(Err(error)) => keep(Failed::Told(error)),
                Err(_) => keep(Failed::Late),
            }
        }
    }
    Err(failed.unwrap_or(Failed::Late))
}

/// Connects, and sets what must hold for every transaction: a commit is answered when it is durable
/// (P1), and a node that hangs does not keep the log from the others for ever.
async fn connect_to(candidate: &Candidate, settings: &Settings) -> Result<Session, Error> {
    let (client, connection) = candidate.config.connect(settings.tls.clone()).await?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = %told(&error), "a connection to the database ended");
        }
    });
    let (lock, statement) = (settings.lock_wait.as_millis(), settings.statement_time.as_millis());
    client
        .batch_execute(&format!(
            "SET lock_timeout = {lock}; SET statement_timeout = {statement};
             SET idle_in_transaction_session_timeout = {lock};
             SELECT set_config('synchronous_commit', 'on', false)
                WHERE current_setting('synchronous_commit') <> 'remote_apply';
             SET client_min_messages = warning"
        ))
        .await?;
    Ok(Session { client: Arc::new(client), sent: Vec::new(), statements: HashMap::new(), driver })
}

/// The statement in PostgreSQL's words: `?1` is `$1`, and nobody is told which index to take.
pub(crate) fn translated(sql: &str) -> String {
    let sql = sql.replace(" NOT INDEXED", "").replace(" INDEXED BY delivery_uncertain", "");
    let mut rest = sql.as_str();
    let mut translated = String::with_capacity(sql.len());
    while let Some(at) = rest.find('?') {
        translated.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        translated.push(if rest.starts_with(|c: char| c.is_ascii_digit()) { '$' } else { '?' });
    }
    translated + rest
}

/// A value while its question is on its way.
#[derive(Debug)]
enum Owned {
    Null,
    Integer(i64),
    Text(String),
    Octets(Vec<u8>),
}

impl From<&Value<'_>> for Owned {
    fn from(value: &Value<'_>) -> Self {
        match *value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Octets(octets) => Self::Octets(octets.to_owned()),
        }
    }
}

impl ToSql for Owned {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Converted<IsNull> {
        let value = match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text),
            Self::Octets(octets) => Value::Octets(octets),
        };
        value.to_sql(ty, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn bound<'v>(values: &'v [Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn unavailable(what: &str) -> StoreError {
    StoreError::Unavailable(format!("database: {what}"))
}

fn lost() -> StoreError {
    unavailable("the connection is lost")
}

/// Whether the server has said with it that it hangs up, or the connection itself failed.
fn ends_connection(error: &Error) -> bool {
    error.code().is_none_or(|code| {
        [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(code)
    })
}

/// What the database or the connection said. Its own texts could hold values (P7): the code says
/// enough.
fn told(error: &Error) -> StoreError {
    match error.code() {
        Some(&SqlState::DISK_FULL) => StoreError::Full,
        Some(&(SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED)) => unreadable("the database"),
        Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            unavailable("another node keeps the log for too long")
        }
        Some(code) => unavailable(&format!("SQLSTATE {}", code.code())),
        None if error.is_closed() => lost(),
        None => {
            let mut cause: &dyn StdError = error;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            match cause.downcast_ref::<std::io::Error>() {
                Some(io) => unavailable(&format!("the connection failed: {}", io.kind())),
                None if cause.is::<OtherKind>() => unreadable("a value in the database"),
                None => unavailable("the connection failed"),
            }
        }
    }
}

/// A value of another kind than the column.
#[derive(Debug, thiserror::Error)]
#[error("a value of another kind")]
struct OtherKind;

type Converted<T> = Result<T, Box<dyn StdError + Sync + Send>>;

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Converted<IsNull> {
        match (*self, ty) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT8) => out.put_i64(number),
            (Value::Integer(number), &Type::INT4) => out.put_i32(number.try_into()?),
            (Value::Text(text), &Type::TEXT) => out.put_slice(text.as_bytes()),
            (Value::Octets(octets), &Type::BYTEA) => out.put_slice(octets),
            _ => return Err(OtherKind.into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Converted<Self> {
        Ok(match *ty {
            Type::INT8 => Self::Integer(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Self::Integer(i32::from_be_bytes(raw.try_into()?).into()),
            Type::TEXT => Self::Text(std::str::from_utf8(raw)?),
            Type::BYTEA => Self::Octets(raw),
            _ => return Err(OtherKind.into()),
        })
    }

    fn from_sql_null(_: &Type) -> Converted<Self> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_translated() {
        for (ours, theirs) in [
            ("SELECT 1", "SELECT 1"),
            ("a = ?1 AND b = ?12", "a = $1 AND b = $12"),
            ("FROM message NOT INDEXED\n GROUP", "FROM message\n GROUP"),
            ("FROM delivery INDEXED BY delivery_uncertain\n WHERE", "FROM delivery\n WHERE"),
        ] {
            assert_eq!(translated(ours), theirs);
        }
        let uncertain = translated(crate::reader::UNCERTAIN);
        assert!(!uncertain.contains("INDEXED"), "{uncertain}");
    }
}
