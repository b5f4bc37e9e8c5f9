//! Other ways: a delivery goes on by the next one that its rule names, with evidence; and what waits
//! for a peer, to be looked at while that one is out.

use amtsbote_domain::delivery::alternative::Detour;
use amtsbote_domain::directory::Channel;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{StoreError, WaitingPage};
use amtsbote_domain::state::{Event, State};

use super::order::read_lane;
use crate::error::misuse;
use crate::group::Group;
use crate::operation::change::{DeliveryRow, Why, not_applicable};
use crate::reader::PAGE;
use crate::rows::deliveries;
use crate::sql::{Db, params};

/// What waits for a peer and nobody has, behind a cursor, in the order of the index.
pub(crate) const WAITING_FOR: &str = "WHERE d.peer = ?1 AND d.ready IS NOT NULL
        AND (d.lane, d.ready, d.seq) > (?2, ?3, ?4) AND d.lease_until IS NULL
     ORDER BY d.lane, d.ready, d.seq LIMIT ?5";

/// Changes the way. The state says that nothing can have arrived; see `domain::state`. A lease that
/// is no attempt yet ends with the change: whoever holds it finds it lost.
pub(crate) fn detour(
    group: &mut Group<'_>,
    hub_id: &HubId,
    detour: &Detour,
) -> Result<State, StoreError> {
    let to = Channel::parse(&detour.to).ok_or_else(|| misuse("a detour that leads nowhere"))?;
    let mut row = DeliveryRow::of(group.db, hub_id)?;
    let event = Event::Detour { collection: to == Channel::Inbox };
    if row.channel != detour.from || row.by_hand || row.is_expired(group.now()) {
        return Err(not_applicable(row.state, event));
    }
    row.go_by(&detour.to, false);
    let why = Why { detour: Some(Box::new(detour.clone())), ..Why::default() };
    row.change_and_record(group, event, why)?;
    Ok(row.state)
}

/// One page of what waits for a peer.
pub(crate) fn waiting_for(
    db: &Db,
    peer: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<WaitingPage, StoreError> {
    let (lane, ready, seq) = after.map_or(Ok((String::new(), i64::MIN, i64::MIN)), cursor)?;
    let limit = limit.clamp(1, PAGE);
    let found = deliveries(db, WAITING_FOR, params![peer, lane, ready, seq, limit])?;
    let next = match found.last().filter(|_| found.len() == limit as usize) {
        None => None,
        Some(last) => db.query_opt(
            "SELECT lane, ready FROM delivery WHERE seq = ?1 AND ready IS NOT NULL",
            params![last.seq],
            |row| {
                let (lane, ready): (String, i64) = (row.get(0)?, row.get(1)?);
                Ok(format!("{lane}/{ready}/{}", last.seq))
            },
        )?,
    };
    let deliveries = found.into_iter().map(|placed| placed.delivery).collect();
    Ok(WaitingPage { deliveries, next })
}

/// Made by nobody but us: whoever invents one gets nothing.
fn cursor(text: &str) -> Result<(String, i64, i64), StoreError> {
    let mut parts = text.splitn(3, '/');
    let mut part = || parts.next().ok_or(StoreError::NotFound);
    let lane = part()?.to_owned();
    read_lane(&lane)?;
    let mut number = || part()?.parse::<i64>().map_err(|_| StoreError::NotFound);
    Ok((lane, number()?, number()?))
}
