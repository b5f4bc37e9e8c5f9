//! Reading: connections of their own, each answer from one snapshot.

use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amtsbote_archive::checkpoint::Checkpoint;
use amtsbote_archive::record::Salt;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Delivery, Entry, Figures, InboxPage, Prior, Query, Sent, StoreError};
use amtsbote_domain::wrapping::WrappingKeys;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::error::{cipher_error, unreadable};
use crate::group::{StoredNodes, make_receipt, stored_receipt};
use crate::keys;
use crate::operation::accept::ACCEPTED;
use crate::parts::{Places, is_name};
use crate::prior::{SameId, same_id};
use crate::rows::{Placed, deliveries, micros_up, read_digest, read_evidence, read_time, seq_of};
use crate::seal::{Opener, Place};
use crate::sql::{Db, Source, Value, params};

/// Most deliveries in one answer.
pub(crate) const PAGE: u32 = 1000;

/// What stands in an inbox behind a cursor and is due and not expired.
pub(crate) const INBOX: &str =
    "WHERE d.inbox = ?1 AND d.seq > ?2 AND (d.due IS NULL OR d.due <= ?3)
        AND (d.ends IS NULL OR d.ends > ?3)
     ORDER BY d.seq LIMIT ?4";

/// What is uncertain and due. SQLite would rather walk all that is uncertain and sort it.
pub(crate) const UNCERTAIN: &str =
    "WHERE d.seq IN (SELECT seq FROM delivery INDEXED BY delivery_uncertain
        WHERE word = 'uncertain' AND due <= ?1 ORDER BY due LIMIT ?2)
     ORDER BY d.due";

/// The reading connections.
pub(crate) struct Readers {
    source: Source,
    idle: Mutex<Vec<Db>>,
    permits: Semaphore,
    /// In a simulation everything is read in turn, where it is asked for.
    #[cfg(feature = "simulation")]
    pub(crate) inline: Option<Arc<dyn crate::SimulatedDisk>>,
}

impl Readers {
    pub(crate) fn new(source: Source, count: usize) -> Self {
        Self {
            source,
            idle: Mutex::default(),
            permits: Semaphore::new(count.max(1)),
            #[cfg(feature = "simulation")]
            inline: None,
        }
    }

    /// Runs `work` on one snapshot, where blocking is allowed.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = |_| StoreError::Unavailable("the store is shutting down".to_owned());
        let _permit = self.permits.acquire().await.map_err(gone)?;
        let readers = Arc::clone(self);
        let work = move || {
            let idle = readers.connections().pop();
            let db = match idle {
                Some(db) => db,
                None => readers.source.reader()?,
            };
            let answer = db.snapshot(work);
            if !db.is_lost() {
                readers.connections().push(db);
            }
            answer
        };
        self.block(work).await
    }

    /// Runs what blocks where that is allowed; in a simulation here, when its disk has time.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        #[cfg(feature = "simulation")]
        if let Some(disk) = &self.inline {
            crate::simulated::wait(&**disk).await;
            return work();
        }
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| StoreError::Unavailable("a read was broken off".to_owned()))?
    }

    /// Closes the connections that are idle.
    pub(crate) fn close(&self) {
        self.connections().clear();
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Db>> {
        // A panic elsewhere cannot leave the list half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn prior(db: &Db, sent: &Sent) -> Result<Option<Prior>, StoreError> {
    let Some(SameId { seq, hub_id, content_digest }) = same_id(db, sent)? else { return Ok(None) };
    let receipt =
        stored_receipt(db, seq, ACCEPTED)?.ok_or_else(|| unreadable("a missing receipt"))?;
    Ok(Some(Prior { hub_id, content_digest, receipt }))
}

pub(crate) fn inbox(
    db: &Db,
    reader: &PartyId,
    after: Option<&str>,
    limit: u32,
    now: Timestamp,
) -> Result<InboxPage, StoreError> {
    let after = after.map_or(Ok(0), read_cursor)?;
    let limit = limit.clamp(1, PAGE);
    let found =
        deliveries(db, INBOX, params![reader.as_str(), after, now.as_microsecond(), limit + 1])?;
    Ok(page(found, limit as usize))
}

/// One more than the limit was asked for: whether it came says whether anything follows.
pub(crate) fn page(mut found: Vec<Placed>, limit: usize) -> InboxPage {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| format!("{:x}", last.seq));
    InboxPage { deliveries: found.into_iter().map(|placed| placed.delivery).collect(), next }
}

pub(crate) fn read_cursor(text: &str) -> Result<i64, StoreError> {
    i64::from_str_radix(text, 16).ok().filter(|seq| *seq >= 0).ok_or(StoreError::NotFound)
}

pub(crate) fn delivery(db: &Db, hub_id: &HubId) -> Result<Delivery, StoreError> {
    let found = deliveries(db, "WHERE m.hub_id = ?1", params![hub_id.as_str()])?;
    found.into_iter().next().map(|placed| placed.delivery).ok_or(StoreError::NotFound)
}

pub(crate) fn uncertain(db: &Db, limit: u32, now: Timestamp) -> Result<Vec<Delivery>, StoreError> {
    let found = deliveries(db, UNCERTAIN, params![now.as_microsecond(), limit.min(PAGE)])?;
    Ok(found.into_iter().map(|placed| placed.delivery).collect())
}

pub(crate) fn find(db: &Db, id: &str) -> Result<Vec<HubId>, StoreError> {
    db.query_all(
        "SELECT hub_id FROM message WHERE seq IN (
            SELECT seq FROM message WHERE hub_id = ?1
            UNION SELECT * FROM (SELECT seq FROM message WHERE transport_id = ?1
                ORDER BY seq DESC LIMIT 100) AS by_transport
            UNION SELECT * FROM (SELECT seq FROM message WHERE business_uuid = ?1
                ORDER BY seq DESC LIMIT 100) AS by_business)
         ORDER BY seq DESC LIMIT 100",
        params![id],
        |row| read_hub_id(&row.get::<String>(0)?),
    )
}

pub(crate) fn list(db: &Db, query: &Query) -> Result<Vec<Delivery>, StoreError> {
    let before = match &query.before {
        Some(hub_id) => seq_of(db, hub_id)?.ok_or(StoreError::NotFound)?,
        None => i64::MAX,
    };
    let first = query.since.map_or(Ok(0), |since| first_since(db, since))?;
    let limit = query.limit.clamp(1, PAGE);
    let mut found = match &query.party {
        None => list_by(db, query, None, first, before, limit)?,
        // Two walks along two indexes; a message to oneself is in both.
        Some(party) => {
            let mut both = list_by(db, query, Some(("author", party)), first, before, limit)?;
            both.extend(list_by(db, query, Some(("reader", party)), first, before, limit)?);
            both.sort_by_key(|placed| std::cmp::Reverse(placed.seq));
            both.dedup_by_key(|placed| placed.seq);
            both
        }
    };
    found.truncate(limit as usize);
    Ok(found.into_iter().map(|placed| placed.delivery).collect())
}

/// One walk, newest first, along the index of the first restriction there is; `+` keeps SQLite
/// from choosing another.
fn list_by(
    db: &Db,
    query: &Query,
    party: Option<(&str, &PartyId)>,
    first: i64,
    before: i64,
    limit: u32,
) -> Result<Vec<Placed>, StoreError> {
    let (service, state) = (query.service.as_deref(), query.state.as_deref());
    let mut values = params![first, before, limit].to_vec();
    let mut rest = "WHERE".to_owned();
    let mut restrict = |column: &str, value| {
        let plus = if values.len() > 3 { db.no_index() } else { "" };
        values.push(Value::Text(value));
        rest.push_str(&format!(" {plus}{column} = ?{} AND", values.len()));
    };
    if let Some((role, id)) = party {
        restrict(&format!("m.{role}"), id.as_str());
    }
    if let Some(service) = service {
        restrict("m.service", service);
    }
    let by_state = state.is_some() && party.is_none() && service.is_none();
    if let Some(state) = state {
        restrict("d.word", state);
    }
    let seq = if by_state { "d.seq" } else { "m.seq" };
    rest.push_str(&format!(" {seq} >= ?1 AND {seq} < ?2 ORDER BY {seq} DESC LIMIT ?3"));
    deliveries(db, &rest, &values)
}

/// The first message accepted at or after a time: times grow with the numbers.
pub(crate) fn first_since(db: &Db, since: Timestamp) -> Result<i64, StoreError> {
    let since = micros_up(since);
    let at_or_after = "SELECT seq, accepted_at FROM message WHERE seq >= ?1 ORDER BY seq LIMIT 1";
    let last: Option<i64> = db.query_one("SELECT max(seq) FROM message", &[], |row| row.get(0))?;
    let (mut low, mut high) = (0, last.unwrap_or(0) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> =
            db.query_opt(at_or_after, params![middle], |row| Ok((row.get(0)?, row.get(1)?)))?;
        match found {
            Some((seq, at)) if at < since => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

pub(crate) fn timeline(db: &Db, hub_id: &HubId) -> Result<Vec<Entry>, StoreError> {
    let seq = seq_of(db, hub_id)?.ok_or(StoreError::NotFound)?;
    let sql = "SELECT idx, at, record FROM leaf WHERE message = ?1 ORDER BY idx";
    db.query_all(sql, params![seq], |row| {
        let evidence = read_evidence(&row.get::<Vec<u8>>(2)?)?;
        let index = row.get::<i64>(0)?.unsigned_abs();
        Ok(Entry { index, at: read_time(row.get(1)?)?, evidence })
    })
}

pub(crate) fn receipt(db: &Db, hub_id: &HubId, kind: &str) -> Result<Vec<u8>, StoreError> {
    let seq = seq_of(db, hub_id)?.ok_or(StoreError::NotFound)?;
    stored_receipt(db, seq, kind)?.ok_or(StoreError::NotFound)
}

/// A part of a message as its row describes it.
pub(crate) struct StoredPart {
    place: Place,
    size: u64,
    sha256: Digest,
    rests: Rests,
}

/// Where the sealed octets of a part are.
enum Rests {
    Row(Vec<u8>),
    Under(String),
}

impl StoredPart {
    /// Finds a part. The place in the row says how it was sealed.
    pub(crate) fn find(
        db: &Db,
        keys: &dyn WrappingKeys,
        hub_id: &HubId,
        cid: &str,
    ) -> Result<Self, StoreError> {
        type Found = (String, Vec<u8>, u32, i64, Vec<u8>, Option<String>, Option<Vec<u8>>);
        let (key_id, wrapped, part, size, sha256, file, body): Found = db.query_one(
            "SELECT k.key_id, m.wrapped_key, p.part, p.size, p.sha256, p.file, p.body
             FROM message m JOIN payload p ON p.message = m.seq
                JOIN wrapping_key k ON k.id = m.period
             WHERE m.hub_id = ?1 AND p.cid = ?2",
            params![hub_id.as_str(), cid],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                ))
            },
        )?;
        let key = Arc::new(keys::unwrap(keys, &key_id, hub_id.as_str(), &wrapped)?);
        let rests = match (file, body) {
            (None, Some(body)) => Rests::Row(body),
            (Some(name), _) if is_name(&name) => Rests::Under(name),
            _ => return Err(unreadable("the row of a part")),
        };
        let place = Place { key, part, cid: cid.to_owned() };
        Ok(Self { place, size: size.unsigned_abs(), sha256: read_digest(&sha256)?, rests })
    }

    /// Reads it, authenticated. May wait for a disk or a network: not to be called while a
    /// connection to the database is held for others.
    pub(crate) fn open(self, places: &Places) -> Result<Box<dyn Read + Send>, StoreError> {
        let Self { place, size, sha256, rests } = self;
        let source: Box<dyn Read + Send> = match rests {
            Rests::Row(body) => Box::new(Cursor::new(body)),
            Rests::Under(name) => places.open(&name).map_err(missing_part)?,
        };
        Ok(Box::new(Opener::new(source, place, size, sha256).map_err(cipher_error)?))
    }
}

fn missing_part(error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::NotFound => unreadable("a part is missing in its place"),
        _ => crate::error::file_error(error),
    }
}

pub(crate) fn head(db: &Db) -> Result<String, StoreError> {
    db.query_one("SELECT note FROM log_head", &[], |row| row.get(0))
}

/// The hashes of a tile: 256 to a full one, each level of tiles eight levels of the tree apart.
pub(crate) fn tile(db: &Db, level: u8, index: u64, width: u16) -> Result<Vec<u8>, StoreError> {
    let first = index.checked_mul(256).and_then(|first| i64::try_from(first).ok());
    let (Some(first), 1..=256, 0..=7) = (first, width, level) else {
        return Err(StoreError::NotFound);
    };
    let end = first.saturating_add(i64::from(width));
    let sql = match level {
        0 => "SELECT hash FROM leaf WHERE ?1 = 0 AND idx >= ?2 AND idx < ?3 ORDER BY idx",
        _ => "SELECT hash FROM node WHERE level = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx",
    };
    let hashes: Vec<[u8; 32]> =
        db.query_all(sql, params![level * 8, first, end], |row| row.get(0))?;
    if hashes.len() != usize::from(width) {
        return Err(StoreError::NotFound);
    }
    Ok(hashes.concat())
}

pub(crate) fn prove(db: &Db, index: u64) -> Result<Vec<u8>, StoreError> {
    let head = head(db)?;
    let Checkpoint { size, .. } =
        Checkpoint::unverified(&head).map_err(|_| unreadable("the head"))?;
    let row = i64::try_from(index).map_err(|_| StoreError::NotFound)?;
    let (record, salt): (Vec<u8>, [u8; 32]) =
        db.query_one("SELECT record, salt FROM leaf WHERE idx = ?1", params![row], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let record = serde_json::from_slice(&record).map_err(|_| unreadable("a record"))?;
    make_receipt(index, size, record, Salt(salt), &head, &StoredNodes(db))
}

pub(crate) fn figures(db: &Db) -> Result<Figures, StoreError> {
    let sql = "SELECT word, count(*) FROM delivery GROUP BY word ORDER BY word";
    let deliveries: Vec<(String, i64)> =
        db.query_all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let leaves: Option<i64> = db.query_opt("SELECT size FROM log_head", &[], |row| row.get(0))?;
    let mut oldest: Option<i64> = None;
    for word in ["waiting", "in-delivery", "uncertain", "in-clearing"] {
        let sql = "SELECT min(seq) FROM delivery WHERE word = ?1";
        let first: Option<i64> = db.query_one(sql, params![word], |row| row.get(0))?;
        oldest = oldest.into_iter().chain(first).min();
    }
    let oldest_open = oldest
        .map(|seq| {
            let sql = "SELECT accepted_at FROM message WHERE seq = ?1";
            read_time(db.query_one(sql, params![seq], |row| row.get(0))?)
        })
        .transpose()?;
    Ok(Figures {
        deliveries: deliveries.into_iter().map(|(w, n)| (w, n.unsigned_abs())).collect(),
        leaves: leaves.unwrap_or(0).unsigned_abs(),
        oldest_open,
    })
}

fn read_hub_id(text: &str) -> Result<HubId, StoreError> {
    HubId::parse(text).map_err(|_| unreadable("a hub id"))
}
