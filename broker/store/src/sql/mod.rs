//! The SQL that the store speaks, whatever database answers: one connection, values in, rows out.
//!
//! Operations and readers know only what is here. Statements are written once, with `?1`, `?2`, …;
//! they are prepared the first time and kept with the connection. Integers, flags, text and octets
//! are all that goes in or comes out; times are microseconds, flags 0 and 1.

#[cfg(feature = "postgres")]
pub(crate) mod hosts;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod sqlite;
mod value;

use std::path::PathBuf;
#[cfg(feature = "postgres")]
use std::sync::Arc;

use amtsbote_domain::ports::{Clock, StoreError};
use jiff::Timestamp;

use crate::error::database_error;
use crate::migrate;
use crate::server::ServerFault;
#[cfg(feature = "postgres")]
use postgres::{Postgres, Settings};

#[cfg(feature = "postgres")]
pub(crate) use value::Column;
pub(crate) use value::{AsValue, Row, Value, params};

/// Rows fetched at once where many are walked through.
pub(crate) const WALK: i64 = 256;

/// A connection to the database. Blocks; never to be used where blocking is not allowed.
pub(crate) enum Db {
    /// A file that this process has to itself.
    Sqlite(rusqlite::Connection),
    /// A server that several processes share.
    #[cfg(feature = "postgres")]
    Postgres(Box<Postgres>),
}

/// Where readers connect to.
#[derive(Clone)]
pub(crate) enum Source {
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Arc<Settings>),
}

/// A life of a node: from the start of its process to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// The node's name.
    pub(crate) name: String,
    /// Greater for each start.
    pub(crate) number: i64,
}

/// Another node has written since: the head as it is now.
pub(crate) struct Elsewhere {
    pub(crate) size: i64,
    pub(crate) note: String,
}

impl Source {
    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Db, StoreError> {
        match self {
            Self::Sqlite(path) => migrate::open_reader(path).map_err(database_error),
            #[cfg(feature = "postgres")]
            Self::Postgres(settings) => Ok(Db::Postgres(Box::new(Postgres::new(settings)?))),
        }
    }
}

/// How the transaction of a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can go on.
    Open,
    /// It can only go back, to a mark or to its beginning.
    #[cfg(feature = "postgres")]
    Failed,
    /// There is none, or none any more.
    Ended,
}

impl Db {
    /// Runs a statement; says how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(db) => sqlite::execute(db, sql, values),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.execute(sql, values),
        }
    }

    /// Runs a statement of a group's transaction of which nobody needs to know how many rows it
    /// changed. Where the database is asked over a network, what went wrong may only be told by a
    /// later statement, or by the commit.
    pub(crate) fn write(&self, sql: &str, values: &[Value<'_>]) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) => sqlite::execute(db, sql, values).map(drop),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.write(sql, values),
        }
    }

    /// Inserts a row into a table that numbers its rows in this column; says the number.
    pub(crate) fn insert(
        &self,
        #[cfg_attr(not(feature = "postgres"), allow(unused_variables))] column: &str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(db) => {
                sqlite::execute(db, sql, values)?;
                Ok(db.last_insert_rowid())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                let sql = format!("{sql} RETURNING {column}");
                self.query_one(&sql, values, |row| row.get(0))
            }
        }
    }

    /// The one row; [`StoreError::NotFound`] when there is none.
    pub(crate) fn query_one<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.query_opt(sql, values, read)?.ok_or(StoreError::NotFound)
    }

    /// The first row, if there is one.
    pub(crate) fn query_opt<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sqlite(db) => sqlite::query_opt(db, sql, values, read),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => {
                let rows = db.query(sql, values)?;
                rows.first().map(|row| read(&Row::Postgres(row))).transpose()
            }
        }
    }

    /// All rows. The statement bounds how many those can be.
    pub(crate) fn query_all<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.for_each(sql, values, |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Hands each row to `each`, which may ask the database itself.
    pub(crate) fn for_each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        #[cfg_attr(not(feature = "postgres"), allow(unused_mut))] mut each: impl FnMut(
            &Row<'_>,
        )
            -> Result<
            (),
            StoreError,
        >,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) => sqlite::for_each(db, sql, values, each),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => {
                db.query(sql, values)?.iter().try_for_each(|row| each(&Row::Postgres(row)))
            }
        }
    }

    /// Whether there is any row.
    pub(crate) fn exists(&self, sql: &str, values: &[Value<'_>]) -> Result<bool, StoreError> {
        self.query_opt(sql, values, |_| Ok(())).map(|found| found.is_some())
    }

    /// Walks through a table of any size in the order of a number, [`WALK`] rows at a time. The
    /// statement has the number in its first column, and takes the one to begin behind (`?1`) and
    /// the most rows to give (`?2`).
    pub(crate) fn walk<'d, T: 'd>(
        &'d self,
        sql: &'d str,
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError> + 'd,
    ) -> impl Iterator<Item = Result<T, StoreError>> + 'd {
        Walk { db: self, sql, read, page: Vec::new().into_iter(), after: Some(i64::MIN) }
    }

    /// Begins the transaction of a group. Nobody else writes until it has ended. Says the time of
    /// what is recorded in it, by the clock that counts for this database, and the head of the log
    /// where somebody else may have moved it.
    pub(crate) fn begin(
        &self,
        clock: &dyn Clock,
    ) -> Result<(Timestamp, Option<Elsewhere>), StoreError> {
        match self {
            Self::Sqlite(_) => {
                self.command("BEGIN IMMEDIATE")?;
                Ok((clock.now(), None))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => {
                let begun = db.begin()?;
                let (size, note) =
                    begun.head.map_or_else(Default::default, |(size, _, note)| (size, note));
                Ok((time(begun.now, clock), Some(Elsewhere { size, note })))
            }
        }
    }

    /// The time by the clock that counts for this database.
    pub(crate) fn now(&self, clock: &dyn Clock) -> Result<Timestamp, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(clock.now()),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => Ok(time(db.now()?, clock)),
        }
    }

    /// In the name of which life of which node this connection writes, where there are several.
    pub(crate) fn life(&self) -> Option<&Life> {
        match self {
            Self::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.life(),
        }
    }

    /// Ends it, durably.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => self.command("COMMIT"),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.commit(),
        }
    }

    /// Whether sealing or committing failed because a statement of an operation had failed before,
    /// which was not known then. Nothing of the transaction is kept.
    pub(crate) fn took_back(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.standing() == Standing::Failed || db.took_back(),
        }
    }

    /// Ends it without a trace. Nothing happens where it has ended already.
    pub(crate) fn roll_back(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) if db.is_autocommit() => Ok(()),
            Self::Sqlite(_) => self.command("ROLLBACK"),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.roll_back(),
        }
    }

    /// Sets a mark to go back to.
    pub(crate) fn savepoint(&self) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let Self::Postgres(db) = self {
            db.answer_at_once();
        }
        self.command("SAVEPOINT operation")
    }

    /// Goes back to the mark.
    pub(crate) fn back_to_savepoint(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => self.command("ROLLBACK TO SAVEPOINT operation"),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.back_to_savepoint(),
        }
    }

    /// Forgets the mark.
    pub(crate) fn release(&self) -> Result<(), StoreError> {
        self.command("RELEASE SAVEPOINT operation")
    }

    /// How the transaction stands.
    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self::Sqlite(db) if db.is_autocommit() => Standing::Ended,
            Self::Sqlite(_) => Standing::Open,
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.standing(),
        }
    }

    /// A number that grows whenever a row is changed.
    pub(crate) fn changes(&self) -> u64 {
        match self {
            Self::Sqlite(db) => db.total_changes(),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.changes(),
        }
    }

    /// Runs `work` on one snapshot.
    pub(crate) fn snapshot<T>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(_) => self.command("BEGIN")?,
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.begin_reading()?,
        }
        let answer = work(self);
        self.roll_back()?;
        answer
    }

    /// After a commit that failed: makes sure that nothing of it can come to life any more, or
    /// that it is there to be seen. Says whether it was kept, where the database itself knows.
    ///
    /// In a file, pages of a failed commit may still lie in the write-ahead log, where a crash
    /// could revive them; so a small transaction of its own is committed over them. A server ends
    /// every transaction one way or the other before the next can have the log.
    pub(crate) fn fence(&self) -> Result<Option<bool>, StoreError> {
        match self {
            Self::Sqlite(_) => {
                self.command("UPDATE meta SET value = randomblob(16) WHERE name = 'fence'")?;
                Ok(None)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.fate(),
        }
    }

    /// Whether this connection is of no use any more.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.is_lost(),
        }
    }

    /// What is wrong with the server itself, where the newest answer says so.
    pub(crate) fn fault(&self) -> Option<ServerFault> {
        match self {
            Self::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.fault(),
        }
    }

    /// What keeps the database from walking along the index of a column.
    pub(crate) fn no_index(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "+",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "",
        }
    }

    /// The database's own check of its file. A server checks its files itself.
    pub(crate) fn is_sound(&self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(_) => {
                let answer = |row: &Row<'_>| row.get::<String>(0);
                Ok(self.query_one("PRAGMA quick_check(1)", &[], answer)? == "ok")
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Runs statements without values.
    #[cfg(feature = "postgres")]
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.command(sql)
    }

    fn command(&self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) => sqlite::execute(db, sql, &[]).map(drop),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.batch(sql),
        }
    }
}

/// The database's time, or the hub's where the database has none that counts.
#[cfg(feature = "postgres")]
fn time(micros: Option<i64>, clock: &dyn Clock) -> Timestamp {
    micros.and_then(|at| Timestamp::from_microsecond(at).ok()).unwrap_or_else(|| clock.now())
}

/// See [`Db::walk`].
struct Walk<'d, T, F> {
    db: &'d Db,
    sql: &'d str,
    read: F,
    page: std::vec::IntoIter<T>,
    /// Where the next page begins; none behind the last, or after an error.
    after: Option<i64>,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T, StoreError>> Iterator for Walk<'_, T, F> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(item) = self.page.next() {
            return Some(Ok(item));
        }
        let mut last = None;
        let read = &mut self.read;
        let page = self.db.query_all(self.sql, params![self.after.take()?, WALK], |row| {
            last = Some(row.get(0)?);
            read(row)
        });
        match page {
            Ok(page) => {
                self.after = last.filter(|_| page.len() as i64 == WALK);
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}
