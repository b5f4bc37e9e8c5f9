//! Collecting by choice: pages of several inboxes as one list, and confirmation of what was handed out.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{AccountId, HubId};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{
    Choice, Chosen, Collecting, InboxPage, MAX_INBOXES, MAX_NAMESAKES, Pending, StoreError,
};
use amtsbote_domain::state::{Event, State};
use jiff::Timestamp;

use crate::SqliteStore;
use crate::error::misuse;
use crate::group::{Group, ReceiptOf};
use crate::operation::apply;
use crate::operation::change::DeliveryRow;
use crate::operation::hand_out::was_handed_out;
use crate::reader::{INBOX, PAGE, first_since, page, read_cursor};
use crate::rows::deliveries;
use crate::sql::{Db, params};
use crate::writer::Answer;

/// Of a message, all that says whether it is to be seen.
pub(crate) const FACTS: &str =
    "SELECT m.seq, m.reader, d.inbox, d.word, coalesce(d.channel, m.channel), d.due, d.ends
     FROM message m JOIN delivery d ON d.seq = m.seq";

/// The message with this hub id.
const BY_HUB_ID: &str = "WHERE m.hub_id = ?1 AND m.seq > ?2 LIMIT ?3";

/// Messages with this transport id, the newest first.
pub(crate) const BY_TRANSPORT_ID: &str =
    "WHERE m.transport_id = ?1 AND m.seq > ?2 ORDER BY m.seq DESC LIMIT ?3";

/// One page.
pub(crate) fn choose(db: &Db, choice: &Choice, now: Timestamp) -> Result<InboxPage, StoreError> {
    let Choice { readers, chosen, after, limit } = choice;
    if readers.is_empty() || readers.len() > MAX_INBOXES {
        return Err(misuse("too few or too many Readers"));
    }
    let after = after.as_deref().map_or(Ok(0), read_cursor)?;
    let limit = (*limit).clamp(1, PAGE);
    let mut found = match chosen {
        Chosen::All => waiting(db, readers, after, limit, now)?,
        Chosen::Since(since) => {
            let before = first_since(db, *since)? - 1;
            waiting(db, readers, after.max(before), limit, now)?
        }
        Chosen::Named(id) => named(db, readers, id, after, now)?,
    };
    // One more than the page: it says whether anything follows.
    found.truncate(limit as usize + 1);
    let mut placed = Vec::with_capacity(found.len());
    for seq in found {
        placed.extend(deliveries(db, "WHERE m.seq = ?1", params![seq])?);
    }
    Ok(page(placed, limit as usize))
}

/// The first of each inbox behind a number, one more than the limit of each, in order.
fn waiting(
    db: &Db,
    readers: &[PartyId],
    after: i64,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let sql = format!("SELECT d.seq FROM delivery d {INBOX}");
    let (now, most) = (now.as_microsecond(), limit + 1);
    let mut found: Vec<i64> = Vec::new();
    for reader in readers {
        let inbox = reader.as_str();
        found
            .extend(db.query_all(&sql, params![inbox, after, now, most], |row| row.get::<i64>(0))?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What has this id behind a number and is to be seen, in order.
fn named(
    db: &Db,
    readers: &[PartyId],
    id: &str,
    after: i64,
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let now = now.as_microsecond();
    let is_for = |party: &str| readers.iter().any(|reader| reader.as_str() == party);
    let mut found: Vec<i64> = Vec::new();
    for by in [BY_HUB_ID, BY_TRANSPORT_ID] {
        db.for_each(&format!("{FACTS} {by}"), params![id, after, MAX_NAMESAKES], |row| {
            let (reader, inbox): (String, Option<String>) = (row.get(1)?, row.get(2)?);
            let (word, channel): (String, String) = (row.get(3)?, row.get(4)?);
            let (due, ends): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
            let waits = inbox.is_some_and(|inbox| is_for(&inbox))
                && due.is_none_or(|due| due <= now)
                && ends.is_none_or(|ends| ends > now);
            let was_read =
                word == State::Acknowledged.as_str() && channel == "inbox" && is_for(&reader);
            if waits || was_read {
                found.push(row.get(0)?);
            }
            Ok(())
        })?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Acknowledges what was handed to the account.
fn confirm(
    group: &mut Group<'_>,
    hub_id: &HubId,
    account: &AccountId,
) -> Result<(State, ReceiptOf), StoreError> {
    let row = DeliveryRow::of(group.db, hub_id)?;
    if !was_handed_out(group, row.seq, account)? {
        return Err(StoreError::NotFound);
    }
    let by = Some(format!("account:{account}"));
    apply::apply(group, hub_id, Event::Acknowledge, by, row.payload_digest.map(Digest))
}

impl Collecting for SqliteStore {
    fn choose(&self, choice: Choice) -> Pending<'_, Result<InboxPage, StoreError>> {
        Box::pin(self.read_now(move |db, now| choose(db, &choice, now)))
    }

    fn confirm<'a>(
        &'a self,
        hub_id: &'a HubId,
        account: &'a AccountId,
    ) -> Pending<'a, Result<(State, Vec<u8>), StoreError>> {
        let (hub_id, account) = (hub_id.clone(), account.clone());
        Box::pin(self.write(true, move |group| {
            let (state, receipt) = confirm(group, &hub_id, &account)?;
            Ok(Answer::WithReceipt(receipt, Box::new(move |receipt| (state, receipt))))
        }))
    }
}
