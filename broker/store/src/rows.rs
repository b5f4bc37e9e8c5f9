//! What rows mean: deliveries, states and records read back into the domain's words.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{Delivery, StoreError};
use amtsbote_domain::state::State;
use jiff::Timestamp;

use crate::error::unreadable;
use crate::sql::{Db, Row, Value, params};

/// The columns of [`RawDelivery`], from `message m`, `delivery d` and `leaf l`.
pub(crate) const DELIVERY: &str =
    "SELECT m.seq, m.accepted_at, d.state, d.since, d.due, d.revision,
        d.attempts, l.record, coalesce(d.channel, m.channel), d.by_hand
    FROM delivery d JOIN message m ON m.seq = d.seq JOIN leaf l ON l.idx = m.leaf";

/// A delivery with its place in the order of acceptance.
pub(crate) struct Placed {
    pub(crate) seq: i64,
    pub(crate) delivery: Delivery,
}

struct RawDelivery {
    seq: i64,
    accepted_at: i64,
    state: String,
    since: i64,
    due: Option<i64>,
    revision: i64,
    attempts: u32,
    record: Vec<u8>,
    channel: String,
    by_hand: bool,
}

/// Deliveries that `rest` selects and orders: what follows [`DELIVERY`].
pub(crate) fn deliveries(
    db: &Db,
    rest: &str,
    values: &[Value<'_>],
) -> Result<Vec<Placed>, StoreError> {
    db.query_all(&format!("{DELIVERY} {rest}"), values, |row| placed(raw_delivery(row)?))
}

fn raw_delivery(row: &Row<'_>) -> Result<RawDelivery, StoreError> {
    Ok(RawDelivery {
        seq: row.get(0)?,
        accepted_at: row.get(1)?,
        state: row.get(2)?,
        since: row.get(3)?,
        due: row.get(4)?,
        revision: row.get(5)?,
        attempts: row.get(6)?,
        record: row.get(7)?,
        channel: row.get(8)?,
        by_hand: row.get(9)?,
    })
}

fn placed(raw: RawDelivery) -> Result<Placed, StoreError> {
    let delivery = Delivery {
        record: read_accepted(&raw.record)?,
        accepted_at: read_time(raw.accepted_at)?,
        state: read_state(&raw.state)?,
        since: read_time(raw.since)?,
        due: raw.due.map(read_time).transpose()?,
        revision: raw.revision.unsigned_abs(),
        attempts: raw.attempts,
        channel: raw.channel,
        by_hand: raw.by_hand,
    };
    Ok(Placed { seq: raw.seq, delivery })
}

/// The evidence in a canonical record. What goes wrong is not told: it could name a value (P7).
pub(crate) fn read_evidence(record: &[u8]) -> Result<Evidence, StoreError> {
    serde_json::from_slice(record).map_err(|_| unreadable("a record"))
}

/// The record of an acceptance.
pub(crate) fn read_accepted(record: &[u8]) -> Result<Accepted, StoreError> {
    match read_evidence(record)? {
        Evidence::Accepted(accepted) => Ok(*accepted),
        _ => Err(unreadable("the record of an acceptance")),
    }
}

/// The column `state`.
pub(crate) fn read_state(text: &str) -> Result<State, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable("a state"))
}

/// What goes into the column `state`.
pub(crate) fn write_state(state: State) -> Result<String, StoreError> {
    serde_json::to_string(&state).map_err(|_| unreadable("a state"))
}

/// Microseconds since 1970 as a time.
pub(crate) fn read_time(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| unreadable("a time"))
}

/// A time as microseconds, rounded up: nothing may become due, or expire, early.
pub(crate) fn micros_up(at: Timestamp) -> i64 {
    let micros = at.as_microsecond();
    micros + i64::from(at.as_nanosecond() > i128::from(micros) * 1000)
}

/// A digest column.
pub(crate) fn read_digest(octets: &[u8]) -> Result<Digest, StoreError> {
    octets.try_into().map(Digest).map_err(|_| unreadable("a digest"))
}

/// The number of a message.
pub(crate) fn seq_of(db: &Db, hub_id: &HubId) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT seq FROM message WHERE hub_id = ?1";
    db.query_opt(sql, params![hub_id.as_str()], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_rounded_up() {
        for (nanos, micros) in
            [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (-1, 0), (-1000, -1)]
        {
            let at = Timestamp::from_nanosecond(nanos).expect("in range");
            assert_eq!(micros_up(at), micros, "{nanos}");
        }
    }

    #[test]
    fn a_repetition_is_part_of_the_state() {
        for (repeated, text) in [
            (false, r#"{"state":"in-delivery"}"#),
            (true, r#"{"state":"in-delivery","repeated":true}"#),
        ] {
            let state = State::InDelivery { repeated };
            assert_eq!(write_state(state).expect("writes"), text);
            assert_eq!(read_state(text).expect("reads"), state);
        }
    }

    proptest! {
        #[test]
        fn any_row_is_answered(octets: Vec<u8>, text: String) {
            prop_assert!(read_evidence(&octets).is_err());
            prop_assert!(read_state(&text).is_err());
            prop_assert_eq!(read_digest(&octets).is_ok(), octets.len() == 32);
        }
    }
}
