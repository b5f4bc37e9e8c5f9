//! What time does to deliveries: leases that ended with an attempt open, expiries.

use amtsbote_domain::ports::StoreError;
use amtsbote_domain::state::Event;
use rusqlite::params;

use crate::error::database_error;
use crate::group::Group;
use crate::operation::change::{DeliveryRow, Why};

/// Most deliveries of either kind that one sweep changes.
pub(crate) const MAX_SWEPT: u32 = 1000;

/// Leases that ended with an attempt open.
pub(crate) const LOST: &str =
    "SELECT seq FROM delivery WHERE open_attempt = 1 AND lease_until <= ?1
     ORDER BY lease_until LIMIT ?2";

/// Expiries that have passed.
pub(crate) const EXPIRED: &str = "SELECT seq FROM delivery WHERE ends <= ?1 ORDER BY ends LIMIT ?2";

/// Makes lost attempts uncertain and ends what has expired. Says how many it changed.
pub(crate) fn sweep(group: &mut Group<'_>, limit: u32) -> Result<u32, StoreError> {
    let now = group.now().as_microsecond();
    let lost = change_all(group, LOST, now, limit, Event::AttemptLost)?;
    Ok(lost + change_all(group, EXPIRED, now, limit, Event::ExpiryReached)?)
}

/// On start-up: whoever held a lease is gone, so every open attempt is lost. Says how many it
/// changed; to be repeated until none.
pub(crate) fn lose_open_attempts(group: &mut Group<'_>) -> Result<u32, StoreError> {
    change_all(group, LOST, i64::MAX, MAX_SWEPT, Event::AttemptLost)
}

/// On start-up: leases without an attempt are free again. Says how many.
pub(crate) fn free_leases(group: &mut Group<'_>) -> Result<u32, StoreError> {
    let freed = group
        .db
        .execute(
            "UPDATE delivery SET lease_until = NULL, ready = coalesce(due, ?1)
             WHERE ready IS NOT NULL AND lease_until IS NOT NULL",
            [group.now().as_microsecond()],
        )
        .map_err(database_error)?;
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
    let found: Vec<i64> = group
        .db
        .prepare_cached(sql)
        .and_then(|mut sql| {
            sql.query_map(params![until, limit.min(MAX_SWEPT)], |row| row.get(0))?.collect()
        })
        .map_err(database_error)?;
    for &seq in &found {
        DeliveryRow::numbered(group.db, seq)?.change_and_record(group, event, Why::default())?;
    }
    Ok(found.len() as u32)
}
