//! The statements of the store on SQLite. Nothing is copied on the way in.

use amtsbote_domain::ports::StoreError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Rows, ToSql, params_from_iter};

use super::{Row, Value};
use crate::error::database_error;

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Octets(octets) => ValueRef::Blob(octets),
        }))
    }
}

pub(super) fn execute(db: &Connection, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
    db.prepare_cached(sql)
        .and_then(|mut sql| sql.execute(params_from_iter(values)))
        .map(|rows| rows as u64)
        .map_err(database_error)
}

pub(super) fn query_opt<T>(
    db: &Connection,
    sql: &str,
    values: &[Value<'_>],
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut sql = db.prepare_cached(sql).map_err(database_error)?;
    let mut rows = rows(&mut sql, values)?;
    match rows.next().map_err(database_error)? {
        None => Ok(None),
        Some(row) => read(&Row::Sqlite(row)).map(Some),
    }
}

pub(super) fn for_each(
    db: &Connection,
    sql: &str,
    values: &[Value<'_>],
    mut each: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut sql = db.prepare_cached(sql).map_err(database_error)?;
    let mut rows = rows(&mut sql, values)?;
    while let Some(row) = rows.next().map_err(database_error)? {
        each(&Row::Sqlite(row))?;
    }
    Ok(())
}

fn rows<'s>(
    sql: &'s mut CachedStatement<'_>,
    values: &[Value<'_>],
) -> Result<Rows<'s>, StoreError> {
    sql.query(params_from_iter(values)).map_err(database_error)
}
