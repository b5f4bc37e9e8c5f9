//! Leases and attempts: who may deliver, that octets may leave, and what became of them (P2).

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::ports::{Lease, Slots, StoreError};
use amtsbote_domain::state::{Event, State};

use crate::group::Group;
use crate::operation::change::{DeliveryRow, Why, not_applicable, time_of};
use crate::rows::read_accepted;
use crate::sql::params;

/// Most leases given out at once.
pub(crate) const MAX_LEASES: u32 = 1000;

/// The next peer, by name, with anything that waits for its turn or is leased.
pub(crate) const NEXT_PEER: &str =
    "SELECT peer FROM delivery WHERE ready IS NOT NULL AND peer > ?1 ORDER BY peer LIMIT 1";

/// What a worker may lease for one peer.
pub(crate) const DUE: &str = "SELECT ready, seq FROM delivery
     WHERE peer = ?1 AND ready <= ?2 AND (ends IS NULL OR ends > ?2)
     ORDER BY ready, seq LIMIT ?3";

/// Leases what is due and nobody has: `ready` is the end of the lease while there is one. What it
/// looks at grows with the slots and the peers, not with the backlog.
pub(crate) fn lease_due(
    group: &mut Group<'_>,
    slots: &Slots,
    duration: std::time::Duration,
) -> Result<Vec<Lease>, StoreError> {
    let now = group.now().as_microsecond();
    let length = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let until = now.saturating_add(length).min(jiff::Timestamp::MAX.as_microsecond());
    let mut due = Vec::new();
    let mut peer = String::new();
    while let Some(next) = next_peer(group, &peer)? {
        peer = next;
        due.extend(due_for(group, &peer, now, slots.room_for(&peer).min(MAX_LEASES))?);
    }
    due.sort_unstable();
    due.truncate(slots.free.min(MAX_LEASES) as usize);
    due.into_iter().map(|(_, seq)| lease_one(group, seq, until)).collect()
}

fn next_peer(group: &Group<'_>, after: &str) -> Result<Option<String>, StoreError> {
    group.db.query_opt(NEXT_PEER, params![after], |row| row.get(0))
}

/// Since when it is due, and which, oldest first.
fn due_for(
    group: &Group<'_>,
    peer: &str,
    now: i64,
    limit: u32,
) -> Result<Vec<(i64, i64)>, StoreError> {
    group.db.query_all(DUE, params![peer, now, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The number of the life that takes leases, where there are several nodes.
fn life(group: &Group<'_>) -> Option<i64> {
    group.db.life().map(|life| life.number)
}

fn lease_one(group: &mut Group<'_>, seq: i64, until: i64) -> Result<Lease, StoreError> {
    let row = DeliveryRow::numbered(group.db, seq)?;
    let record: Vec<u8> = group.db.query_one(
        "SELECT l.record FROM leaf l JOIN message m ON m.leaf = l.idx WHERE m.seq = ?1",
        params![seq],
        |row| row.get(0),
    )?;
    match life(group) {
        None => group.db.write(
            "UPDATE delivery SET lease = lease + 1, lease_until = ?2, ready = ?2 WHERE seq = ?1",
            params![seq, until],
        )?,
        Some(holder) => group.db.write(
            "UPDATE delivery SET lease = lease + 1, lease_until = ?2, ready = ?2, holder = ?3
             WHERE seq = ?1",
            params![seq, until, holder],
        )?,
    };
    group.touch();
    Ok(Lease {
        hub_id: row.hub_id()?,
        number: row.lease + 1,
        until: time_of(until)?,
        attempts: row.attempts,
        repeated: row.is_repeat(),
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
    let repeated = row.is_repeat();
    row.attempts += 1;
    row.change(group, Event::AttemptBegun)?;
    let evidence = Evidence::Attempt {
        hub_id: row.hub_id()?,
        attempt: row.attempts,
        peer: row.peer().to_owned(),
        repeated,
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
    row.change_and_record(group, event, Why { code, digest, ..Why::default() })?;
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
            let ready = row.due.unwrap_or_else(|| group.now().as_microsecond());
            let sql = "UPDATE delivery SET lease_until = NULL, ready = ?2 WHERE seq = ?1";
            group.db.write(sql, params![row.seq, ready])?;
            group.touch();
            Ok(())
        }
        Some(event @ (Event::WayLost | Event::DigestMismatch)) => {
            row.change_and_record(group, event, Why::default()).map(drop)
        }
        Some(event) => Err(not_applicable(row.state, event)),
    }
}
