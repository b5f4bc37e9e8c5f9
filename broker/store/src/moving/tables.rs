//! The tables, row by row. Which there are, and in which order they can be filled, the source says; the
//! target must have the same.

use std::collections::BTreeSet;

use amtsbote_domain::ports::{Clock, StoreError};
use openssl::sha::Sha256;

use super::MoveError;
use crate::parts::name_in;
use crate::sql::{AsValue, Column, Db, Value, WALK, params};
use crate::startup::{ARRIVING, LOG_KEY, meta, set_meta};

/// What belongs to a database, or to the nodes on it, and not to the store; and conversations of the
/// moment, which partners begin anew.
const STAYS: [&str; 5] = ["migration", "meta", "node_life", "reserved_file", "session"];
/// What a column is called that says whose something is among the nodes of a server.
const HOLDER: &str = "holder";
/// Where names of parts stand.
const PARTS: &str = "payload";
const FILE: &str = "file";

/// A table that goes over.
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<String>,
    /// Positions of the key among the columns, in the order of the key.
    key: Vec<usize>,
    /// The column with names of parts, and whether they go to an object store.
    names: Option<(usize, bool)>,
}

/// A value on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Octets(Vec<u8>),
}

impl Column for Cell {
    fn read(value: Value<'_>) -> Result<Self, StoreError> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Octets(octets) => Self::Octets(octets.to_owned()),
        })
    }
}

impl AsValue for Cell {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text),
            Self::Octets(octets) => Value::Octets(octets),
        }
    }
}

/// Rows of a table, and SHA-256 over all of them in the order of their keys.
pub(super) type Digested = (u64, [u8; 32]);

/// What goes over, each table after those that it refers to. Parts get names of an object store, or of a
/// folder.
pub(super) fn plan(from: &Db, to: &Db, objects: bool) -> Result<Vec<Table>, MoveError> {
    let (mut names, wanted) = (names(from)?, names(to)?);
    if let Some(odd) = names.symmetric_difference(&wanted).next() {
        return Err(MoveError::Tables(odd.clone()));
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !names.is_empty() {
        let mut next = None;
        for name in &names {
            if refers(from, name)?.iter().all(|to| to == name || !names.contains(to)) {
                next = Some(name.clone());
                break;
            }
        }
        let name = next.ok_or_else(|| MoveError::Tables("all in a circle".to_owned()))?;
        ordered.push(table(from, to, &name, objects)?);
        names.remove(&name);
    }
    Ok(ordered)
}

/// The tables that go over.
fn names(db: &Db) -> Result<BTreeSet<String>, MoveError> {
    let sql = match db {
        Db::Sqlite(_) => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        }
        Db::Postgres(_) => {
            "SELECT relname::text FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
        }
    };
    let found: Vec<String> = db.query_all(sql, &[], |row| row.get(0))?;
    Ok(found.into_iter().filter(|name| !STAYS.contains(&name.as_str())).collect())
}

/// The tables that a table refers to.
fn refers(db: &Db, name: &str) -> Result<Vec<String>, MoveError> {
    let sql = match db {
        Db::Sqlite(_) => "SELECT \"table\" FROM pragma_foreign_key_list(?1)",
        Db::Postgres(_) => {
            "SELECT c.relname::text FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid
             WHERE f.contype = 'f' AND f.conrelid = to_regclass(?1)"
        }
    };
    Ok(db.query_all(sql, params![name], |row| row.get(0))?)
}

/// The columns that go over, each with its place in the key, from 1 on; 0 is none.
fn columns(db: &Db, name: &str) -> Result<Vec<(String, i64)>, MoveError> {
    let sql = match db {
        Db::Sqlite(_) => "SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid",
        // Its positions in the key are counted from 0.
        Db::Postgres(_) => {
            "SELECT a.attname::text,
                coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)::bigint
             FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
             WHERE a.attrelid = to_regclass(?1) AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum"
        }
    };
    let mut found: Vec<(String, i64)> =
        db.query_all(sql, params![name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.retain(|(column, _)| column != HOLDER);
    Ok(found)
}

fn table(from: &Db, to: &Db, name: &str, objects: bool) -> Result<Table, MoveError> {
    let found = columns(from, name)?;
    let same = |columns: &[(String, i64)]| -> BTreeSet<String> {
        columns.iter().map(|(column, _)| column.clone()).collect()
    };
    let mut key: Vec<(i64, usize)> =
        (0..).zip(&found).filter(|(_, (_, at))| *at > 0).map(|(n, (_, at))| (*at, n)).collect();
    key.sort_unstable();
    if same(&found) != same(&columns(to, name)?) || key.is_empty() {
        return Err(MoveError::Tables(name.to_owned()));
    }
    let key = key.into_iter().map(|(_, position)| position).collect();
    let columns: Vec<String> = found.into_iter().map(|(column, _)| column).collect();
    let names = match name {
        PARTS => columns.iter().position(|column| column == FILE).map(|column| (column, objects)),
        _ => None,
    };
    Ok(Table { name: name.to_owned(), columns, key, names })
}

impl Table {
    fn list(&self, columns: impl Iterator<Item = usize>) -> String {
        let quoted = |column: usize| format!("\"{}\"", self.columns[column]);
        columns.map(quoted).collect::<Vec<_>>().join(", ")
    }

    /// Hands every row to `each`, in the order of the key, with the names that parts have in the target.
    fn rows(
        &self,
        db: &Db,
        mut each: impl FnMut(&[Cell]) -> Result<(), MoveError>,
    ) -> Result<(), MoveError> {
        let width = self.columns.len();
        let (all, key) = (self.list(0..width), self.list(self.key.iter().copied()));
        let places: Vec<String> = (1..=self.key.len()).map(|n| format!("?{n}")).collect();
        let (places, last) = (places.join(", "), self.key.len() + 1);
        let name = &self.name;
        let first = format!("SELECT {all} FROM \"{name}\" ORDER BY {key} LIMIT ?1");
        let next = format!(
            "SELECT {all} FROM \"{name}\" WHERE ({key}) > ({places}) ORDER BY {key} LIMIT ?{last}"
        );
        let mut after: Vec<Cell> = Vec::new();
        loop {
            let limit = Cell::Integer(WALK);
            let values: Vec<Value<'_>> =
                after.iter().chain([&limit]).map(AsValue::as_value).collect();
            let sql = if after.is_empty() { &first } else { &next };
            let page = db.query_all(sql, &values, |row| {
                (0..width).map(|column| row.get::<Cell>(column)).collect::<Result<Vec<_>, _>>()
            })?;
            for row in &page {
                match self.names.map(|(column, objects)| (column, objects, &row[column])) {
                    Some((column, objects, Cell::Text(name))) => {
                        let mut renamed = row.clone();
                        renamed[column] = Cell::Text(name_in(objects, name));
                        each(&renamed)?;
                    }
                    _ => each(row)?,
                }
            }
            match page.last().filter(|_| page.len() as i64 == WALK) {
                Some(row) => after = self.key.iter().map(|column| row[*column].clone()).collect(),
                None => return Ok(()),
            }
        }
    }
}

/// Whether there is no row in any table that goes over.
pub(super) fn is_empty(db: &Db, plan: &[Table]) -> Result<bool, MoveError> {
    for table in plan {
        if db.exists(&format!("SELECT 1 FROM \"{}\" LIMIT 1", table.name), &[])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Copies all rows in one transaction, with the mark that they have not been taken over yet.
pub(super) fn copy(
    from: &Db,
    to: &Db,
    plan: &[Table],
    token: &[u8],
    clock: &dyn Clock,
    step: &mut dyn FnMut(&str),
) -> Result<Vec<Digested>, MoveError> {
    let log_key = meta(from, LOG_KEY).map_err(MoveError::Source)?;
    to.begin(clock)?;
    let copied = || -> Result<Vec<Digested>, MoveError> {
        let mut digests = Vec::new();
        for table in plan {
            step(&table.name);
            digests.push(copy_table(from, to, table)?);
        }
        set_meta(to, ARRIVING, token)?;
        if let Some(key) = log_key {
            set_meta(to, LOG_KEY, &key)?;
        }
        number_on(to)?;
        Ok(digests)
    };
    match copied() {
        Ok(digests) => Ok(to.commit().map(|()| digests)?),
        Err(error) => {
            // What went wrong is told; that the rest is taken back goes without saying.
            let _ = to.roll_back();
            Err(error)
        }
    }
}

fn copy_table(from: &Db, to: &Db, table: &Table) -> Result<Digested, MoveError> {
    let places: Vec<String> = (1..=table.columns.len()).map(|n| format!("?{n}")).collect();
    // Numbers that the server would give out itself are those of the source.
    let own = if matches!(to, Db::Sqlite(_)) { "" } else { "OVERRIDING SYSTEM VALUE " };
    let insert = format!(
        "INSERT INTO \"{}\" ({}) {own}VALUES ({})",
        table.name,
        table.list(0..table.columns.len()),
        places.join(", ")
    );
    let mut digest = Digest::default();
    table.rows(from, |row| {
        digest.add(row);
        let values: Vec<Value<'_>> = row.iter().map(AsValue::as_value).collect();
        Ok(to.write(&insert, &values)?)
    })?;
    Ok(digest.finish())
}

/// The server goes on to number rows where the source left off.
fn number_on(db: &Db) -> Result<(), MoveError> {
    if matches!(db, Db::Sqlite(_)) {
        return Ok(());
    }
    let numbered: Vec<(String, String)> = db.query_all(
        "SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
            AND a.attidentity <> '' AND c.relname <> 'node_life'",
        &[],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (table, column) in numbered {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'),
                coalesce(max(\"{column}\"), 1), max(\"{column}\") IS NOT NULL) FROM \"{table}\""
        );
        db.query_one(&sql, &[], |row| row.get::<i64>(0))?;
    }
    Ok(())
}

/// Reads every table again.
pub(super) fn digests(db: &Db, plan: &[Table]) -> Result<Vec<Digested>, MoveError> {
    let one = |table: &Table| {
        let mut digest = Digest::default();
        table.rows(db, |row| {
            digest.add(row);
            Ok(())
        })?;
        Ok(digest.finish())
    };
    plan.iter().map(one).collect()
}

struct Digest {
    rows: u64,
    hash: Sha256,
}

impl Default for Digest {
    fn default() -> Self {
        Self { rows: 0, hash: Sha256::new() }
    }
}

impl Digest {
    fn add(&mut self, row: &[Cell]) {
        self.rows += 1;
        for cell in row {
            // Kind and length in front tell where a value ends.
            let (kind, octets): (u8, &[u8]) = match cell {
                Cell::Null => (0, b""),
                Cell::Integer(number) => {
                    self.hash.update(&[1]);
                    self.hash.update(&number.to_be_bytes());
                    continue;
                }
                Cell::Text(text) => (2, text.as_bytes()),
                Cell::Octets(octets) => (3, octets),
            };
            self.hash.update(&[kind]);
            self.hash.update(&(octets.len() as u64).to_be_bytes());
            self.hash.update(octets);
        }
    }

    fn finish(self) -> Digested {
        (self.rows, self.hash.finish())
    }
}
