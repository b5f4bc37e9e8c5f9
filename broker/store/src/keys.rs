//! Data keys, wrapped: each by the key of its message's tenant and period, which lies in the key
//! store. The database has the name of that key under a number, nothing that opens anything.

use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::wrapping::{KeyError, KeyId, Period, Tenant, WrappingKeys};
use rusqlite::Connection;

use crate::error::unreadable;
use crate::group::Group;
use crate::migrate::database;
use crate::options::OpenError;
use crate::secret::Secret;
use crate::sql::{Db, params};

/// Wraps the data key of a message; says under which number, and the wrapped key. The wrapping key
/// is durable in the key store before the transaction that refers to it can be committed.
pub(crate) fn wrap(
    group: &Group<'_>,
    record: &Accepted,
    key: &Secret,
) -> Result<(i64, Vec<u8>), StoreError> {
    wrap_for(group, &Tenant::of(record), record.hub_id.as_str(), key)
}

/// Wraps a key by that of a tenant, bound to what it is for.
pub(crate) fn wrap_for(
    group: &Group<'_>,
    tenant: &Tenant,
    context: &str,
    key: &Secret,
) -> Result<(i64, Vec<u8>), StoreError> {
    let now = group.now();
    let wrapped = group.keys.wrap(tenant, now, context.as_bytes(), key.octets());
    let (id, wrapped) = wrapped.map_err(key_error)?;
    let id = id.to_string();
    let sql = "SELECT id FROM wrapping_key WHERE key_id = ?1";
    if let Some(number) = group.db.query_opt(sql, params![id], |row| row.get(0))? {
        return Ok((number, wrapped));
    }
    let number = group.db.insert(
        "id",
        "INSERT INTO wrapping_key (key_id, made_at) VALUES (?1, ?2)",
        params![id, now.as_microsecond()],
    )?;
    Ok((number, wrapped))
}

/// A data key, wrapped under the key of this name; that of a message is bound to its hub id.
pub(crate) fn unwrap(
    keys: &dyn WrappingKeys,
    key_id: &str,
    context: &str,
    wrapped: &[u8],
) -> Result<Secret, StoreError> {
    let id = KeyId::parse(key_id).ok_or_else(|| unreadable("the name of a key"))?;
    let mut key = Secret::new([0; 32]);
    keys.unwrap(&id, context.as_bytes(), wrapped, key.octets_mut()).map_err(key_error)?;
    Ok(key)
}

/// The keys that the database names.
pub(crate) fn named(db: &Db) -> Result<Vec<KeyId>, StoreError> {
    db.query_all("SELECT key_id FROM wrapping_key ORDER BY id", &[], |row| {
        KeyId::parse(&row.get::<String>(0)?).ok_or_else(|| unreadable("the name of a key"))
    })
}

/// Whether every key that the database names opens, or was destroyed on purpose. Without one of
/// them content that was accepted could not be delivered: better not to start than to find out
/// message by message.
pub(crate) fn check(db: &Db, keys: &dyn WrappingKeys) -> Result<(), OpenError> {
    let named = named(db).map_err(|error| OpenError::Database(error.to_string()))?;
    for id in named {
        match keys.check(&id) {
            Ok(()) | Err(KeyError::Destroyed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Refuses a key store whose master key is another one. That a single key is missing shows at the
/// parts that need it.
pub(crate) fn same_master(db: &Db, keys: &dyn WrappingKeys) -> Result<(), OpenError> {
    let named = named(db).map_err(|error| OpenError::Database(error.to_string()))?;
    let other = |id: KeyId| match keys.check(&id) {
        Err(error @ KeyError::OtherMaster(_)) => Some(error),
        _ => None,
    };
    named.into_iter().find_map(other).map_or(Ok(()), |error| Err(error.into()))
}

/// Whether the content of a message is gone on purpose: its wrapping key was destroyed.
pub(crate) fn is_erased(
    db: &Db,
    keys: &dyn WrappingKeys,
    message: i64,
) -> Result<bool, StoreError> {
    let name: Option<String> = db.query_opt(
        "SELECT k.key_id FROM message m JOIN wrapping_key k ON k.id = m.period
         WHERE m.seq = ?1",
        params![message],
        |row| row.get(0),
    )?;
    let id = name.as_deref().and_then(KeyId::parse);
    Ok(id.is_some_and(|id| matches!(keys.check(&id), Err(KeyError::Destroyed(_)))))
}

/// Hands the keys that a database of the first schema holds to the key store, and notes their new
/// names for the migration. Done again after a kill, it finds the same names.
pub(crate) fn export(db: &Connection, keys: &dyn WrappingKeys) -> Result<(), OpenError> {
    db.execute_batch("CREATE TEMP TABLE exported_key (number INTEGER PRIMARY KEY, key_id TEXT)")
        .map_err(database)?;
    let mut held = db.prepare("SELECT id, period, wrapped FROM period_key").map_err(database)?;
    let mut rows = held.query([]).map_err(database)?;
    while let Some(row) = rows.next().map_err(database)? {
        let get = || -> rusqlite::Result<(i64, String, Vec<u8>)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        };
        let (number, period, wrapped) = get().map_err(database)?;
        let period = Period::parse(&period)
            .ok_or_else(|| OpenError::Database("a period that is none".to_owned()))?;
        let id = keys.adopt(&period, &wrapped)?;
        db.execute(
            "INSERT INTO exported_key (number, key_id) VALUES (?1, ?2)",
            rusqlite::params![number, id.to_string()],
        )
        .map_err(database)?;
    }
    Ok(())
}

/// What the key store says, in the words of the port.
pub(crate) fn key_error(error: KeyError) -> StoreError {
    match error {
        KeyError::Full => StoreError::Full,
        KeyError::Unavailable(why) => StoreError::Unavailable(format!("key store: {why}")),
        KeyError::Changed | KeyError::NotOurs => unreadable("a data key"),
        KeyError::Destroyed(_) => unreadable("erased: its key was destroyed"),
        KeyError::Missing(_)
        | KeyError::OtherMaster(_)
        | KeyError::Damaged(_)
        | KeyError::OpenToOthers(_) => unreadable("a wrapping key"),
    }
}
