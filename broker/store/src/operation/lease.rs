//! Leases and attempts: who may deliver, that octets may leave, and what became of them (P2).

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::ports::{Lease, Share, Slots, StoreError, Waiting};
use amtsbote_domain::state::{Event, State};
use jiff::Timestamp;

use crate::group::Group;
use crate::operation::change::{DeliveryRow, Why, not_applicable, time_of};
use crate::operation::order::{read_lane, write_lane};
use crate::rows::read_accepted;
use crate::sql::{Db, Row, params};

/// Most leases given out at once.
pub(crate) const MAX_LEASES: u32 = 1000;

/// The next peer, by name, with anything that waits for its turn or is leased.
pub(crate) const NEXT_PEER: &str =
    "SELECT peer FROM delivery WHERE ready IS NOT NULL AND peer > ?1 ORDER BY peer LIMIT 1";

/// The next lane of a peer, by name; what has no lane has an empty one.
pub(crate) const NEXT_LANE: &str = "SELECT lane FROM delivery
     WHERE ready IS NOT NULL AND peer = ?1 AND lane > ?2 ORDER BY lane LIMIT 1";

/// What a worker may lease for one peer out of one lane.
pub(crate) const DUE: &str = "SELECT ready, seq FROM delivery
     WHERE peer = ?1 AND lane = ?2 AND ready <= ?3 AND (ends IS NULL OR ends > ?3)
     ORDER BY ready, seq LIMIT ?4";

/// What is due for each peer and lane, where there is room. What it looks at grows with the slots, the
/// peers and the lanes, not with the backlog.
pub(crate) fn waiting(db: &Db, slots: &Slots, now: Timestamp) -> Result<Vec<Waiting>, StoreError> {
    let now = now.as_microsecond();
    let mut found = Vec::new();
    for peer in peers(db) {
        let peer = peer?;
        let room = slots.room_for(&peer).min(MAX_LEASES);
        if room == 0 {
            continue;
        }
        for lane in lanes(db, &peer) {
            let lane = lane?;
            let count = due_for(db, &peer, &[&lane], now, room + 1)?.len() as u32;
            if count > 0 {
                found.push(Waiting { peer: peer.clone(), lane: read_lane(&lane)?, count });
            }
        }
    }
    Ok(found)
}

/// Leases what is due and nobody has: `ready` is the end of the lease while there is one. What it
/// looks at grows with the slots, the peers and the lanes, not with the backlog.
pub(crate) fn lease_due(
    group: &mut Group<'_>,
    slots: &Slots,
    duration: std::time::Duration,
) -> Result<Vec<Lease>, StoreError> {
    let now = group.now().as_microsecond();
    let length = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let until = now.saturating_add(length).min(Timestamp::MAX.as_microsecond());
    let mut due = Vec::new();
    if slots.shares.is_empty() {
        for peer in peers(group.db) {
            let peer = peer?;
            let lanes = lanes(group.db, &peer).collect::<Result<Vec<_>, _>>()?;
            due.extend(due_for(group.db, &peer, &lanes, now, slots.room_for(&peer))?);
        }
    }
    for Share { peer, lanes, count } in &slots.shares {
        let lanes: Vec<_> = lanes.iter().map(|lane| write_lane(lane.as_ref())).collect();
        due.extend(due_for(group.db, peer, &lanes, now, *count)?);
    }
    due.sort_unstable();
    // Whoever names a lane twice gets it once.
    due.dedup();
    due.truncate(slots.free.min(MAX_LEASES) as usize);
    due.into_iter().map(|(_, seq)| lease_one(group, seq, until)).collect()
}

/// Every peer that anything waits for, by name.
fn peers(db: &Db) -> impl Iterator<Item = Result<String, StoreError>> {
    let next = |after: &str| {
        db.query_opt(NEXT_PEER, params![after], |row| row.get::<String>(0)).transpose()
    };
    std::iter::successors(next(""), move |last| next(last.as_ref().ok()?))
}

/// Every lane of a peer that anything waits in, by name; that of what has none in any case.
fn lanes<'d>(db: &'d Db, peer: &str) -> impl Iterator<Item = Result<String, StoreError>> + use<'d> {
    let peer = peer.to_owned();
    let next = move |after: &str| {
        db.query_opt(NEXT_LANE, params![peer, after], |row| row.get::<String>(0)).transpose()
    };
    std::iter::successors(Some(Ok(String::new())), move |last| next(last.as_ref().ok()?))
}

/// Since when it is due, and which: the oldest out of these lanes together.
fn due_for(
    db: &Db,
    peer: &str,
    lanes: &[impl AsRef<str>],
    now: i64,
    limit: u32,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let limit = limit.min(MAX_LEASES + 1);
    let mut due: Vec<(i64, i64)> = Vec::new();
    for lane in lanes {
        let lane = lane.as_ref();
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        due.extend(db.query_all(DUE, params![peer, lane, now, limit], read)?);
    }
    due.sort_unstable();
    due.truncate(limit as usize);
    Ok(due)
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
        node: group.db.life().map(|life| life.name.clone()),
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
