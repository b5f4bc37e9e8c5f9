//! What time does to deliveries: leases that ended with an attempt open, expiries. And to sessions and
//! ids that were given out: their end.

use amtsbote_domain::ports::StoreError;
use amtsbote_domain::state::Event;

use crate::group::Group;
use crate::issued;
use crate::operation::change::{DeliveryRow, Why};
use crate::sessions;
use crate::sql::params;

/// Most of each kind that one sweep changes or removes.
pub(crate) const MAX_SWEPT: u32 = 1000;

/// Leases that ended with an attempt open.
pub(crate) const LOST: &str =
    "SELECT seq FROM delivery WHERE open_attempt = 1 AND lease_until <= ?1
     ORDER BY lease_until LIMIT ?2";

/// Expiries that have passed.
pub(crate) const EXPIRED: &str = "SELECT seq FROM delivery WHERE ends <= ?1 ORDER BY ends LIMIT ?2";

/// Makes lost attempts uncertain and ends what has expired; removes what is over. Says how many it
/// changed or removed.
pub(crate) fn sweep(group: &mut Group<'_>, limit: u32) -> Result<u32, StoreError> {
    let now = group.now().as_microsecond();
    let lost = change_all(group, LOST, now, limit, Event::AttemptLost)?;
    let expired = change_all(group, EXPIRED, now, limit, Event::ExpiryReached)?;
    let limit = limit.min(MAX_SWEPT);
    let over = sessions::remove_ended(group, limit)? + issued::remove_ended(group, limit)?;
    Ok(lost + expired + over)
}

/// What a former life of a node has left open. A lease of another node is none of our business
/// before it ends.
pub(crate) const LEFT_OPEN: &str =
    "SELECT seq FROM delivery WHERE open_attempt = 1 AND lease_until IS NOT NULL
        AND holder IN (SELECT life FROM node_life WHERE name = ?1 AND life < ?2)
     ORDER BY lease_until LIMIT ?3";

/// On start-up: whoever held a lease in this node's name is gone, so its open attempts are lost. Says
/// how many it changed; to be repeated until none.
pub(crate) fn lose_open_attempts(group: &mut Group<'_>) -> Result<u32, StoreError> {
    let Some(life) = group.db.life() else {
        return change_all(group, LOST, i64::MAX, MAX_SWEPT, Event::AttemptLost);
    };
    let values = params![life.name, life.number, MAX_SWEPT];
    let found: Vec<i64> = group.db.query_all(LEFT_OPEN, values, |row| row.get(0))?;
    change_each(group, &found, Event::AttemptLost)
}

/// On start-up: its leases without an attempt are free again. Says how many.
pub(crate) fn free_leases(group: &mut Group<'_>) -> Result<u32, StoreError> {
    let now = group.now().as_microsecond();
    let freed = match group.db.life() {
        None => group.db.execute(
            "UPDATE delivery SET lease_until = NULL, ready = coalesce(due, ?1)
             WHERE ready IS NOT NULL AND lease_until IS NOT NULL",
            params![now],
        )?,
        Some(life) => group.db.execute(
            "UPDATE delivery SET lease_until = NULL, ready = coalesce(due, ?1)
             WHERE ready IS NOT NULL AND lease_until IS NOT NULL
                AND holder IN (SELECT life FROM node_life WHERE name = ?2 AND life < ?3)",
            params![now, life.name, life.number],
        )?,
    };
    if freed > 0 {
        group.touch();
    }
    Ok(freed as u32)
}

fn change_all(
    group: &mut Group<'_>,
    sql: &str,
    until: i64,
    limit: u32,
    event: Event,
) -> Result<u32, StoreError> {
    let limit = limit.min(MAX_SWEPT);
    let found: Vec<i64> = group.db.query_all(sql, params![until, limit], |row| row.get(0))?;
    change_each(group, &found, event)
}

fn change_each(group: &mut Group<'_>, found: &[i64], event: Event) -> Result<u32, StoreError> {
    for &seq in found {
        DeliveryRow::numbered(group.db, seq)?.change_and_record(group, event, Why::default())?;
    }
    Ok(found.len() as u32)
}
