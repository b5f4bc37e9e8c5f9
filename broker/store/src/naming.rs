//! Which open deliveries name certain certificates: what a revocation hits.

use std::collections::BTreeSet;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::ports::{NamingPage, StoreError};
use amtsbote_domain::state::{ClearingCause, State, WaitingFor};
use serde::Deserialize;

use crate::error::unreadable;
use crate::reader::{PAGE, read_cursor};
use crate::rows::deliveries;
use crate::sql::{Db, params};

/// Most deliveries that one call looks at, so that it ends within a second however many are open.
#[cfg(not(test))]
const LOOKED_AT: usize = 10_000;
/// Few, so that the contract's test sees what happens then.
#[cfg(test)]
const LOOKED_AT: usize = 3;

/// Deliveries in a state, in the order of acceptance; answered from the index alone.
pub(crate) const IN_STATE: &str =
    "SELECT seq FROM delivery WHERE word = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// The record of an acceptance.
pub(crate) const RECORD: &str =
    "SELECT l.record FROM message m JOIN leaf l ON l.idx = m.leaf WHERE m.seq = ?1";

/// One of each state from which a delivery goes on.
const OPEN: [State; 4] = [
    State::Waiting { on: WaitingFor::Turn },
    State::InDelivery { repeated: false },
    State::Uncertain,
    State::InClearing { cause: ClearingCause::Refused },
];

/// The certificates that the record of an acceptance names, and nothing else of it.
#[derive(Deserialize)]
struct Named {
    signature: Signer,
    #[serde(default)]
    account_certificate: Option<Digest>,
}

#[derive(Deserialize)]
struct Signer {
    certificate: Digest,
}

/// A page of open deliveries that name one of these certificates.
pub(crate) fn naming(
    db: &Db,
    certificates: &BTreeSet<Digest>,
    after: Option<&str>,
    limit: u32,
) -> Result<NamingPage, StoreError> {
    let after = after.map_or(Ok(0), read_cursor)?;
    let limit = limit.clamp(1, PAGE) as usize;
    let (open, more) = open_after(db, after)?;
    let mut page = NamingPage::default();
    for (at, seq) in open.iter().enumerate() {
        let octets: Vec<u8> = db.query_one(RECORD, params![*seq], |row| row.get(0))?;
        let named: Named = serde_json::from_slice(&octets).map_err(|_| unreadable("a record"))?;
        let by_account = named.account_certificate.is_some_and(|c| certificates.contains(&c));
        if by_account || certificates.contains(&named.signature.certificate) {
            let found = deliveries(db, "WHERE m.seq = ?1", params![*seq])?;
            page.deliveries.extend(found.into_iter().map(|placed| placed.delivery));
        }
        let last = at + 1 == open.len();
        if (last && more) || (!last && page.deliveries.len() == limit) {
            page.next = Some(format!("{seq:x}"));
            break;
        }
    }
    Ok(page)
}

/// The first open deliveries behind a place, and whether others follow.
fn open_after(db: &Db, after: i64) -> Result<(Vec<i64>, bool), StoreError> {
    let mut open: Vec<i64> = Vec::new();
    for state in OPEN {
        let most = LOOKED_AT as i64 + 1;
        open.append(
            &mut db.query_all(IN_STATE, params![state.as_str(), after, most], |row| row.get(0))?,
        );
    }
    open.sort_unstable();
    let more = open.len() > LOOKED_AT;
    open.truncate(LOOKED_AT);
    Ok((open, more))
}
