//! Leases and attempts: who may deliver, that octets may leave, and what became of them (P2).

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::ports::{Lease, StoreError};
use amtsbote_domain::state::{Event, State};
use rusqlite::params;

use crate::error::database_error;
use crate::group::Group;
use crate::operation::change::{DeliveryRow, Why, not_applicable, time_of};
use crate::rows::read_accepted;

/// Most leases given out at once.
pub(crate) const MAX_LEASES: u32 = 1000;

/// What a worker may lease.
pub(crate) const DUE: &str =
    "SELECT seq FROM delivery WHERE ready <= ?1 AND (ends IS NULL OR ends > ?1)
     ORDER BY ready, seq LIMIT ?2";

/// Leases what is due and nobody has: `ready` is the end of the lease while there is one.
pub(crate) fn lease_due(
    group: &mut Group<'_>,
    limit: u32,
    duration: std::time::Duration,
) -> Result<Vec<Lease>, StoreError> {
    let now = group.now().as_microsecond();
    let length = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let until = now.saturating_add(length).min(jiff::Timestamp::MAX.as_microsecond());
    let due: Vec<i64> = group
        .db
        .prepare_cached(DUE)
        .and_then(|mut sql| {
            sql.query_map(params![now, limit.min(MAX_LEASES)], |row| row.get(0))?.collect()
        })
        .map_err(database_error)?;
    due.into_iter().map(|seq| lease_one(group, seq, until)).collect()
}

fn lease_one(group: &mut Group<'_>, seq: i64, until: i64) -> Result<Lease, StoreError> {
    let row = DeliveryRow::numbered(group.db, seq)?;
    let record: Vec<u8> = group
        .db
        .prepare_cached("SELECT record FROM leaf JOIN message ON leaf = idx WHERE seq = ?1")
        .and_then(|mut sql| sql.query_row([seq], |row| row.get(0)))
        .map_err(database_error)?;
    group
        .db
        .prepare_cached(
            "UPDATE delivery SET lease = lease + 1, lease_until = ?2, ready = ?2 WHERE seq = ?1",
        )
        .and_then(|mut sql| sql.execute(params![seq, until]))
        .map_err(database_error)?;
    group.touch();
    Ok(Lease {
        hub_id: row.hub_id()?,
        number: row.lease + 1,
        until: time_of(until)?,
        attempts: row.attempts,
        repeated: row.maybe_arrived,
        metadata: read_accepted(&record)?.metadata,
        peer: row.peer().to_owned(),
    })
}

/// Records the attempt; the lease must be live, and no attempt open.
pub(crate) fn begin_attempt(group: &mut Group<'_>, lease: &Lease) -> Result<u32, StoreError> {
    let mut row = DeliveryRow::of(group.db, &lease.hub_id)?;
    let now = group.now();
    let live = row.lease_until.is_some_and(|until| until > now.as_microsecond());
    if row.lease != lease.number || !live || row.open_attempt {
        return Err(StoreError::LeaseLost);
    }
    if row.is_expired(now) {
        return Err(not_applicable(row.state, Event::AttemptBegun));
    }
    row.attempts += 1;
    row.change(group, Event::AttemptBegun)?;
    let evidence = Evidence::Attempt {
        hub_id: row.hub_id()?,
        attempt: row.attempts,
        peer: row.peer().to_owned(),
        repeated: row.maybe_arrived,
    };
    group.append(&evidence, Some(row.seq))?;
    Ok(row.attempts)
}

/// Ends the attempt. A lease that has ended may still say what happened, as long as nobody has
/// concluded otherwise: the truth is worth more than the deadline.
pub(crate) fn settle(
    group: &mut Group<'_>,
    lease: &Lease,
    event: Event,
    code: Option<Code>,
    digest: Option<Digest>,
) -> Result<State, StoreError> {
    let mut row = DeliveryRow::of(group.db, &lease.hub_id)?;
    if row.lease != lease.number || !row.open_attempt {
        return Err(StoreError::LeaseLost);
    }
    row.change_and_record(group, event, Why { by: None, code, digest })?;
    Ok(row.state)
}

/// Gives the lease back before an attempt: with nothing, or with why there will be none.
pub(crate) fn give_back(
    group: &mut Group<'_>,
    lease: &Lease,
    event: Option<Event>,
) -> Result<(), StoreError> {
    let mut row = DeliveryRow::of(group.db, &lease.hub_id)?;
    if row.lease != lease.number || row.lease_until.is_none() || row.open_attempt {
        return Err(StoreError::LeaseLost);
    }
    match event {
        None => {
            group
                .db
                .prepare_cached("UPDATE delivery SET lease_until = NULL, ready = ?2 WHERE seq = ?1")
                .and_then(|mut sql| {
                    let ready = row.due.unwrap_or_else(|| group.now().as_microsecond());
                    sql.execute(params![row.seq, ready])
                })
                .map_err(database_error)?;
            group.touch();
            Ok(())
        }
        Some(event @ (Event::WayLost | Event::DigestMismatch)) => {
            row.change_and_record(group, event, Why::default()).map(drop)
        }
        Some(event) => Err(not_applicable(row.state, event)),
    }
}
