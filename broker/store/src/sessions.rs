//! Sessions: what a transport remembers between two requests, sealed, with a revision that one step wins.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::ports::{
    Bound, Closing, MAX_SESSION_LIFE, MAX_SESSION_OCTETS, MAX_SESSIONS, MAX_SESSIONS_OF_ACCOUNT,
    Pending, Remember, Session, SessionKey, Sessions, StoreError, Turn,
};
use amtsbote_domain::wrapping::{Tenant, WrappingKeys};
use jiff::Timestamp;

use crate::SqliteStore;
use crate::error::{cipher_error, file_error, misuse};
use crate::group::Group;
use crate::keys;
use crate::rows::{read_digest, read_time};
use crate::seal::{Opener, Place, Sealer};
use crate::secret::Secret;
use crate::sql::{Db, params};
use crate::writer::Answer;

/// Most rows whose time is over that are removed before one is added. A row is added only where fewer are
/// open than may be; so there are never more rows than that, whether anybody sweeps or not.
pub(crate) const BEFORE_ONE_IS_ADDED: u32 = 100;

/// The revision of an open session.
const REVISION: &str = "SELECT revision FROM session
     WHERE account = ?1 AND transport = ?2 AND id = ?3 AND ends > ?4";

/// Open sessions of an account.
pub(crate) const OF_ACCOUNT: &str = "SELECT count(*) FROM session WHERE account = ?1 AND ends > ?2";

/// Open sessions.
pub(crate) const OPEN: &str = "SELECT count(*) FROM session WHERE ends > ?1";

/// Sessions whose time is over.
pub(crate) const ENDED: &str = "SELECT account, transport, id FROM session
     WHERE ends <= ?1 ORDER BY ends LIMIT ?2";

/// What is remembered, as it rests.
struct Sealed {
    ends: i64,
    period: i64,
    wrapped: Vec<u8>,
    size: i64,
    sha256: Digest,
    body: Vec<u8>,
}

/// What the data key and the octets of a session are bound to: this session at this revision, and nothing
/// that is a message.
fn context(key: &SessionKey, revision: i64) -> String {
    let id: String = key.id.as_octets().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("session {} {} {id} {revision}", key.account, key.transport.as_str())
}

/// Seals under a fresh key: a step that was taken back has used up no nonce of the next one.
fn seal(
    group: &Group<'_>,
    key: &SessionKey,
    revision: i64,
    remember: &Remember,
) -> Result<Sealed, StoreError> {
    let data_key = Arc::new(Secret::random().map_err(cipher_error)?);
    let context = context(key, revision);
    let (period, wrapped) = keys::wrap_for(group, &Tenant::shared(), &context, &data_key)?;
    let place = Place { key: data_key, part: 0, cid: context };
    let mut body = Vec::new();
    let mut sealer = Sealer::new(place, &mut body).map_err(cipher_error)?;
    sealer.write(&remember.octets, &mut body).map_err(cipher_error)?;
    let (size, sha256) = sealer.finish(&mut body).map_err(cipher_error)?;
    let ends = end(group.now(), remember.lasts);
    Ok(Sealed { ends, period, wrapped, size: size as i64, sha256, body })
}

/// When something ends that lasts so long from now on, in microseconds.
pub(crate) fn end(now: Timestamp, lasts: Duration) -> i64 {
    let length = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
    now.as_microsecond().saturating_add(length.max(1))
}

/// Refuses what breaks the contract of the port.
fn check(remember: &Remember) -> Result<(), StoreError> {
    if remember.octets.len() > MAX_SESSION_OCTETS {
        return Err(misuse("too much to remember of a session"));
    }
    check_life(remember.lasts, MAX_SESSION_LIFE)
}

/// Something lasts longer than not at all, and no longer than it may.
pub(crate) fn check_life(lasts: Duration, longest: Duration) -> Result<(), StoreError> {
    if lasts.is_zero() || lasts > longest {
        return Err(misuse("a time that is none, or too long"));
    }
    Ok(())
}

/// The key as its columns.
fn columns(key: &SessionKey) -> (&str, &str, &[u8]) {
    (key.account.as_str(), key.transport.as_str(), key.id.as_octets())
}

fn revision(group: &Group<'_>, key: &SessionKey) -> Result<Option<i64>, StoreError> {
    let ((account, transport, id), now) = (columns(key), group.now().as_microsecond());
    group.db.query_opt(REVISION, params![account, transport, id, now], |row| row.get(0))
}

/// Whether a count has reached its limit.
pub(crate) fn is_full(
    db: &Db,
    sql: &str,
    values: &[crate::sql::Value<'_>],
    limit: u32,
) -> Result<bool, StoreError> {
    let open: i64 = db.query_one(sql, values, |row| row.get(0))?;
    Ok(open >= i64::from(limit))
}

/// All that can refuse comes before anything is written.
fn open(
    group: &mut Group<'_>,
    key: &SessionKey,
    remember: &Remember,
) -> Result<Timestamp, StoreError> {
    if revision(group, key)?.is_some() {
        return Err(StoreError::IdUsed);
    }
    let now = group.now().as_microsecond();
    let (account, transport, id) = columns(key);
    if is_full(group.db, OF_ACCOUNT, params![account, now], MAX_SESSIONS_OF_ACCOUNT)? {
        return Err(StoreError::NoRoom(Bound::SessionsOfAccount));
    }
    if is_full(group.db, OPEN, params![now], MAX_SESSIONS)? {
        return Err(StoreError::NoRoom(Bound::Sessions));
    }
    remove_ended(group, BEFORE_ONE_IS_ADDED)?;
    let sealed = seal(group, key, 1, remember)?;
    // One that has ended may still stand there.
    group.db.write(
        "INSERT INTO session (account, transport, id, revision, ends, period, wrapped_key, size,
            sha256, body)
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (account, transport, id) DO UPDATE SET revision = 1, ends = ?4, period = ?5,
            wrapped_key = ?6, size = ?7, sha256 = ?8, body = ?9",
        params![
            account,
            transport,
            id,
            sealed.ends,
            sealed.period,
            sealed.wrapped,
            sealed.size,
            sealed.sha256.0,
            sealed.body,
        ],
    )?;
    group.touch();
    read_time(sealed.ends)
}

fn turn(
    group: &mut Group<'_>,
    key: &SessionKey,
    from: u64,
    remember: &Remember,
) -> Result<Turn, StoreError> {
    let Some(found) = revision(group, key)? else { return Ok(Turn::Gone) };
    if found.unsigned_abs() != from {
        return Ok(Turn::Overtaken);
    }
    let next = found.saturating_add(1);
    let (account, transport, id) = columns(key);
    let sealed = seal(group, key, next, remember)?;
    group.db.write(
        "UPDATE session SET revision = ?4, ends = ?5, period = ?6, wrapped_key = ?7, size = ?8,
            sha256 = ?9, body = ?10
         WHERE account = ?1 AND transport = ?2 AND id = ?3",
        params![
            account,
            transport,
            id,
            next,
            sealed.ends,
            sealed.period,
            sealed.wrapped,
            sealed.size,
            sealed.sha256.0,
            sealed.body,
        ],
    )?;
    group.touch();
    Ok(Turn::Turned(next.unsigned_abs()))
}

fn close(group: &mut Group<'_>, key: &SessionKey, from: u64) -> Result<Closing, StoreError> {
    let Some(found) = revision(group, key)? else { return Ok(Closing::Gone) };
    if found.unsigned_abs() != from {
        return Ok(Closing::Overtaken);
    }
    let (account, transport, id) = columns(key);
    group.db.write(
        "DELETE FROM session WHERE account = ?1 AND transport = ?2 AND id = ?3",
        params![account, transport, id],
    )?;
    group.touch();
    Ok(Closing::Closed)
}

/// Removes sessions whose time is over, those first for which it has been so for longest. Says how many.
pub(crate) fn remove_ended(group: &mut Group<'_>, limit: u32) -> Result<u32, StoreError> {
    let now = group.now().as_microsecond();
    let sql = format!("DELETE FROM session WHERE (account, transport, id) IN ({ENDED})");
    let removed = group.db.execute(&sql, params![now, limit])?;
    if removed > 0 {
        group.touch();
    }
    Ok(removed as u32)
}

fn read(
    db: &Db,
    keys: &dyn WrappingKeys,
    key: &SessionKey,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let ((account, transport, id), now) = (columns(key), now.as_microsecond());
    let found = db.query_opt(
        "SELECT s.revision, s.ends, k.key_id, s.wrapped_key, s.size, s.sha256, s.body
         FROM session s JOIN wrapping_key k ON k.id = s.period
         WHERE s.account = ?1 AND s.transport = ?2 AND s.id = ?3 AND s.ends > ?4",
        params![account, transport, id, now],
        |row| {
            let sealed = Sealed {
                ends: row.get(1)?,
                period: 0,
                wrapped: row.get(3)?,
                size: row.get(4)?,
                sha256: read_digest(&row.get::<Vec<u8>>(5)?)?,
                body: row.get(6)?,
            };
            Ok((row.get::<i64>(0)?, row.get::<String>(2)?, sealed))
        },
    )?;
    let Some((revision, key_id, sealed)) = found else { return Ok(None) };
    let context = context(key, revision);
    let data_key = Arc::new(keys::unwrap(keys, &key_id, &context, &sealed.wrapped)?);
    let place = Place { key: data_key, part: 0, cid: context };
    let mut octets = Vec::new();
    Opener::new(&sealed.body[..], place, sealed.size.unsigned_abs(), sealed.sha256)
        .map_err(cipher_error)?
        .read_to_end(&mut octets)
        .map_err(file_error)?;
    let revision = revision.unsigned_abs();
    Ok(Some(Session { revision, octets, ends: read_time(sealed.ends)? }))
}

impl Sessions for SqliteStore {
    fn open_session<'a>(
        &'a self,
        key: &'a SessionKey,
        remember: Remember,
    ) -> Pending<'a, Result<Timestamp, StoreError>> {
        let key = key.clone();
        Box::pin(async move {
            check(&remember)?;
            // New work, like a new message.
            self.write(false, move |group| open(group, &key, &remember).map(Answer::Now)).await
        })
    }

    fn session<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> Pending<'a, Result<Option<Session>, StoreError>> {
        let (key, keys) = (key.clone(), self.keys());
        Box::pin(self.read_now(move |db, now| read(db, &*keys, &key, now)))
    }

    fn turn_session<'a>(
        &'a self,
        key: &'a SessionKey,
        revision: u64,
        remember: Remember,
    ) -> Pending<'a, Result<Turn, StoreError>> {
        let key = key.clone();
        Box::pin(async move {
            check(&remember)?;
            // A conversation that was begun can be brought to its end.
            let turn = move |group: &mut Group<'_>| {
                turn(group, &key, revision, &remember).map(Answer::Now)
            };
            self.write(true, turn).await
        })
    }

    fn end_session<'a>(
        &'a self,
        key: &'a SessionKey,
        revision: u64,
    ) -> Pending<'a, Result<Closing, StoreError>> {
        let key = key.clone();
        Box::pin(self.write(true, move |group| close(group, &key, revision).map(Answer::Now)))
    }

    fn open_sessions(&self) -> Pending<'_, Result<u64, StoreError>> {
        Box::pin(self.read_now(|db, now| {
            let now = now.as_microsecond();
            let open: i64 = db.query_one(OPEN, params![now], |row| row.get(0))?;
            Ok(open.unsigned_abs())
        }))
    }
}
