//! Ids given out to accounts: taken by the acceptance that names one, in its transaction (P3).

use std::time::Duration;

use amtsbote_domain::identity::{AccountId, Transport, TransportId};
use amtsbote_domain::ports::{
    Bound, IdStanding, IssuedIds, MAX_ID_LIFE, MAX_IDS_OF_ACCOUNT, Pending, StoreError,
};
use jiff::Timestamp;

use crate::SqliteStore;
use crate::group::Group;
use crate::rows::read_time;
use crate::sessions::{BEFORE_ONE_IS_ADDED, check_life, end, is_full};
use crate::sql::{Db, params};
use crate::writer::Answer;

/// Whether a message was accepted under an id, in whatever scope.
pub(crate) const USED: &str =
    "SELECT 1 FROM message WHERE account = ?1 AND transport = ?2 AND transport_id = ?3 LIMIT 1";

/// Until when an id can be used.
const UNTIL: &str = "SELECT ends FROM issued_id
     WHERE account = ?1 AND transport = ?2 AND id = ?3 AND ends > ?4";

/// Ids of an account that can be used.
pub(crate) const OF_ACCOUNT: &str =
    "SELECT count(*) FROM issued_id WHERE account = ?1 AND ends > ?2";

/// Ids whose time is over.
pub(crate) const ENDED: &str = "SELECT account, transport, id FROM issued_id
     WHERE ends <= ?1 ORDER BY ends LIMIT ?2";

fn standing(
    db: &Db,
    account: &AccountId,
    transport: Transport,
    id: &TransportId,
    now: Timestamp,
) -> Result<IdStanding, StoreError> {
    let (account, transport, id) = (account.as_str(), transport.as_str(), id.as_str());
    let now = now.as_microsecond();
    if db.exists(USED, params![account, transport, id])? {
        return Ok(IdStanding::Used);
    }
    match db.query_opt(UNTIL, params![account, transport, id, now], |row| read_time(row.get(0)?))? {
        Some(until) => Ok(IdStanding::Open(until)),
        None => Ok(IdStanding::Unknown),
    }
}

/// Takes an id for a message that is about to be written. Refuses before anything is.
pub(crate) fn take(
    group: &mut Group<'_>,
    account: &AccountId,
    transport: Transport,
    id: &TransportId,
) -> Result<(), StoreError> {
    match standing(group.db, account, transport, id, group.now())? {
        IdStanding::Used => Err(StoreError::IdUsed),
        IdStanding::Unknown => Err(StoreError::IdNotIssued),
        IdStanding::Open(_) => group.db.write(
            "DELETE FROM issued_id WHERE account = ?1 AND transport = ?2 AND id = ?3",
            params![account.as_str(), transport.as_str(), id.as_str()],
        ),
    }
}

fn issue(
    group: &mut Group<'_>,
    account: &AccountId,
    transport: Transport,
    id: &TransportId,
    lasts: Duration,
) -> Result<Timestamp, StoreError> {
    let now = group.now();
    if standing(group.db, account, transport, id, now)? != IdStanding::Unknown {
        return Err(StoreError::IdUsed);
    }
    let of_account = (account.as_str(), now.as_microsecond());
    if is_full(group.db, OF_ACCOUNT, params![of_account.0, of_account.1], MAX_IDS_OF_ACCOUNT)? {
        return Err(StoreError::NoRoom(Bound::IdsOfAccount));
    }
    remove_ended(group, BEFORE_ONE_IS_ADDED)?;
    let ends = end(now, lasts);
    // One that has ended may still stand there.
    group.db.write(
        "INSERT INTO issued_id (account, transport, id, ends) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account, transport, id) DO UPDATE SET ends = ?4",
        params![account.as_str(), transport.as_str(), id.as_str(), ends],
    )?;
    group.touch();
    read_time(ends)
}

/// Removes ids whose time is over, those first for which it has been so for longest. Says how many.
pub(crate) fn remove_ended(group: &mut Group<'_>, limit: u32) -> Result<u32, StoreError> {
    let now = group.now().as_microsecond();
    let sql = format!("DELETE FROM issued_id WHERE (account, transport, id) IN ({ENDED})");
    let removed = group.db.execute(&sql, params![now, limit])?;
    if removed > 0 {
        group.touch();
    }
    Ok(removed as u32)
}

impl IssuedIds for SqliteStore {
    fn issue_id<'a>(
        &'a self,
        account: &'a AccountId,
        transport: Transport,
        id: &'a TransportId,
        lasts: Duration,
    ) -> Pending<'a, Result<Timestamp, StoreError>> {
        let (account, id) = (account.clone(), id.clone());
        Box::pin(async move {
            check_life(lasts, MAX_ID_LIFE)?;
            self.write(false, move |group| {
                issue(group, &account, transport, &id, lasts).map(Answer::Now)
            })
            .await
        })
    }

    fn id_standing<'a>(
        &'a self,
        account: &'a AccountId,
        transport: Transport,
        id: &'a TransportId,
    ) -> Pending<'a, Result<IdStanding, StoreError>> {
        let (account, id) = (account.clone(), id.clone());
        Box::pin(self.read_now(move |db, now| standing(db, &account, transport, &id, now)))
    }
}
