//! Octets leave for a Reader's account: recorded before the first one does (P2).

use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::{AccountId, HubId};
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::state::{Event, State};

use crate::group::Group;
use crate::operation::change::{DeliveryRow, not_applicable};
use crate::sql::params;

/// Records the hand-out once per delivery and account. Refused where the delivery cannot be
/// collected. What is acknowledged may be read again.
pub(crate) fn hand_out(
    group: &mut Group<'_>,
    hub_id: &HubId,
    account: &AccountId,
) -> Result<(), StoreError> {
    let mut row = DeliveryRow::of(group.db, hub_id)?;
    let now = group.now();
    let acknowledged = row.state == State::Acknowledged && row.channel == "inbox";
    if !acknowledged {
        amtsbote_domain::state::next(row.state, Event::CollectionBegun, now)?;
        if row.due.is_some_and(|due| due > now.as_microsecond()) {
            return Err(StoreError::NotFound);
        }
        if row.is_expired(now) {
            return Err(not_applicable(row.state, Event::CollectionBegun));
        }
    }
    if was_handed_out(group, row.seq, account)? {
        return Ok(());
    }
    if !acknowledged {
        row.change(group, Event::CollectionBegun)?;
    }
    let sql = "INSERT INTO handed_out (message, account, at) VALUES (?1, ?2, ?3)";
    group.db.write(sql, params![row.seq, account.as_str(), now.as_microsecond()])?;
    let evidence = Evidence::HandedOut { hub_id: hub_id.clone(), account: account.clone() };
    group.append(&evidence, Some(row.seq)).map(drop)
}

pub(crate) fn was_handed_out(
    group: &Group<'_>,
    seq: i64,
    account: &AccountId,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM handed_out WHERE message = ?1 AND account = ?2";
    group.db.exists(sql, params![seq, account.as_str()])
}
