//! Order within a conversation: of those that have not ended the first alone may be leased.
//!
//! What stands behind it is in no list that a worker looks at, so a hundred thousand that wait cost
//! a lease nothing. Whatever changes a delivery calls [`arrange`]: one look at the first of the
//! conversation and one at what is going now, each by an index.
//!
//! A person may hold a delivery and release it when one behind it has gone on: then that one is
//! called back if its attempt has not begun; if it has, the released one waits for its end.

use amtsbote_domain::delivery::lane::LaneName;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{MAX_HELD_BACK, Place, StoreError};
use amtsbote_domain::state::{State, WaitingFor};

use crate::error::unreadable;
use crate::group::Group;
use crate::rows::read_state;
use crate::sql::{Db, Row, params};

/// The first of a conversation that comes before what was accepted later.
pub(crate) const FIRST: &str =
    "SELECT seq, state, due FROM delivery WHERE queue = ?1 ORDER BY seq LIMIT 1";

/// What of a conversation is leased, in delivery, or could be leased; the index lets there be one.
pub(crate) const GOING: &str = "SELECT seq, open_attempt FROM delivery
     WHERE conversation = ?1
        AND conversation IS NOT NULL AND (ready IS NOT NULL OR lease_until IS NOT NULL)";

/// The next ones behind a delivery; those that a Reader collects wait for nothing of ours.
pub(crate) const BEHIND: &str =
    "SELECT inbox FROM delivery WHERE queue = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// Whether a delivery in this state comes before what was accepted later.
pub(crate) fn is_in_line(state: State) -> bool {
    !state.is_final() && !matches!(state, State::Waiting { on: WaitingFor::Release { .. } })
}

/// Whether a worker could lease it.
pub(crate) fn is_for_a_worker(state: State) -> bool {
    matches!(state, State::Waiting { on: WaitingFor::Turn | WaitingFor::Repeat })
}

/// Lets the first of a conversation go, if it can, and nothing else.
pub(crate) fn arrange(group: &mut Group<'_>, conversation: &str) -> Result<(), StoreError> {
    let first = first(group.db, conversation)?;
    if let Some((seq, open_attempt)) = going(group.db, conversation)? {
        // Octets may be leaving: what became of them comes first.
        if open_attempt || first.as_ref().is_some_and(|first| first.seq == seq) {
            return Ok(());
        }
        let sql = "UPDATE delivery SET ready = NULL, lease_until = NULL WHERE seq = ?1";
        group.db.write(sql, params![seq])?;
    }
    if let Some(First { seq, state, due }) = first
        && is_for_a_worker(state)
    {
        let ready = due.unwrap_or(group.now().as_microsecond());
        group.db.write("UPDATE delivery SET ready = ?2 WHERE seq = ?1", params![seq, ready])?;
    }
    Ok(())
}

struct First {
    seq: i64,
    state: State,
    due: Option<i64>,
}

fn first(db: &Db, conversation: &str) -> Result<Option<First>, StoreError> {
    db.query_opt(FIRST, params![conversation], |row| {
        let state: String = row.get(1)?;
        Ok(First { seq: row.get(0)?, state: read_state(&state)?, due: row.get(2)? })
    })
}

fn going(db: &Db, conversation: &str) -> Result<Option<(i64, bool)>, StoreError> {
    db.query_opt(GOING, params![conversation], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Where a delivery stands among others.
pub(crate) fn place(db: &Db, hub_id: &HubId) -> Result<Place, StoreError> {
    type Found = (i64, String, String, Option<String>, Option<String>);
    let (seq, state, lane, conversation, queue): Found = db.query_one(
        "SELECT d.seq, d.state, d.lane, d.conversation, d.queue
         FROM message m JOIN delivery d ON d.seq = m.seq WHERE m.hub_id = ?1",
        params![hub_id.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    let mut place =
        Place { lane: read_lane(&lane)?, in_order: conversation.is_some(), ..Place::default() };
    let Some(queue) = queue else { return Ok(place) };
    let waits = |row: &Row<'_>| Ok(row.get::<Option<String>>(0)?.is_none());
    let behind = db.query_all(BEHIND, params![queue, seq, MAX_HELD_BACK], waits)?;
    place.holds_back = behind.into_iter().filter(|waits| *waits).count() as u32;
    if is_for_a_worker(read_state(&state)?) {
        let first = first(db, &queue)?.map(|first| first.seq).filter(|first| *first != seq);
        // The first one itself may wait for one that went on while it was held.
        let going = || going(db, &queue).map(|found| found.map(|(going, _)| going));
        let before = match first {
            Some(first) => Some(first),
            None => going()?.filter(|going| *going != seq),
        };
        place.behind = before.map(|before| hub_id_of(db, before)).transpose()?;
    }
    Ok(place)
}

fn hub_id_of(db: &Db, seq: i64) -> Result<HubId, StoreError> {
    db.query_one("SELECT hub_id FROM message WHERE seq = ?1", params![seq], |row| {
        HubId::parse(&row.get::<String>(0)?).map_err(|_| unreadable("a hub id"))
    })
}

/// The column `lane`.
pub(crate) fn read_lane(text: &str) -> Result<Option<LaneName>, StoreError> {
    match text {
        "" => Ok(None),
        name => LaneName::parse(name).map(Some).map_err(|_| unreadable("a lane")),
    }
}

/// What goes into the column `lane`.
pub(crate) fn write_lane(lane: Option<&LaneName>) -> &str {
    lane.map_or("", LaneName::as_str)
}
