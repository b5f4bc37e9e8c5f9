//! The message that has an id already (P3), and what counts as such where the scope of an account's ids
//! has changed since.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{HubId, Scope};
use amtsbote_domain::ports::{Sent, StoreError};

use crate::error::unreadable;
use crate::rows::read_digest;
use crate::sql::{Db, Row, params};

/// Of an ordinary account; where it relayed before, there may be several under the id. What was for one of
/// several Readers alone is not the message.
pub(crate) const OF_ACCOUNT: &str = "SELECT seq, hub_id, content_digest FROM message
     WHERE account = ?1 AND transport = ?2 AND transport_id = ?3 AND substr(scope, 1, 7) <> 'reader:'
     ORDER BY scope = '' DESC, content_digest = ?4 DESC, seq LIMIT 1";

/// Of an account that relays: within the scope, a coarser one, or that of an ordinary account; or with
/// the same content within any.
pub(crate) const OF_RELAYED: &str = "SELECT seq, hub_id, content_digest, scope, author FROM message
     WHERE account = ?1 AND transport = ?2 AND transport_id = ?3
        AND (scope IN (?4, ?5, '') OR content_digest = ?6)";

/// Within one scope and no other.
const EXACT: &str = "SELECT seq, hub_id, content_digest FROM message
     WHERE account = ?1 AND transport = ?2 AND transport_id = ?3 AND scope = ?4";

/// Whether there is any; most of the time there is none, and what comes in order would be sorted in a
/// table of its own, which costs more than looking.
pub(crate) const ANY: &str = "SELECT 1 FROM message
     WHERE account = ?1 AND transport = ?2 AND transport_id = ?3 LIMIT 1";

/// A message that was accepted under the id.
pub(crate) struct SameId {
    pub(crate) seq: i64,
    pub(crate) hub_id: HubId,
    pub(crate) content_digest: Digest,
}

/// Looks for it, as `Store::prior` says. Exact matches are what the constraint of the table forbids twice.
pub(crate) fn same_id(db: &Db, sent: &Sent) -> Result<Option<SameId>, StoreError> {
    let (account, transport, id) = key(sent);
    if !db.exists(ANY, params![account, transport, id])? {
        return Ok(None);
    }
    match &sent.scope {
        Scope::Account => of_account(db, sent),
        Scope::Relayed { author, sender } => {
            of_relayed(db, sent, author.as_str(), sender.is_some())
        }
        Scope::OfReader { within, .. } => match &**within {
            Scope::Relayed { author, sender } => {
                of_relayed(db, sent, author.as_str(), sender.is_some())
            }
            _ => exact(db, sent),
        },
    }
}

/// Whether the very scope has the id already: what the constraint of the table forbids.
pub(crate) fn is_taken(db: &Db, sent: &Sent) -> Result<bool, StoreError> {
    exact(db, sent).map(|found| found.is_some())
}

fn exact(db: &Db, sent: &Sent) -> Result<Option<SameId>, StoreError> {
    let (account, transport, id) = key(sent);
    let scope = sent.scope.to_string();
    db.query_opt(EXACT, params![account, transport, id, scope], found)
}

fn of_account(db: &Db, sent: &Sent) -> Result<Option<SameId>, StoreError> {
    let (account, transport, id) = key(sent);
    let values = params![account, transport, id, sent.content_digest.0];
    db.query_opt(OF_ACCOUNT, values, found)
}

/// What has no sender in its scope was accepted when nobody said one. Where nobody says one now, the same
/// content is the same message, whoever was said before: by another node of that hub, which is newer.
fn of_relayed(
    db: &Db,
    sent: &Sent,
    author: &str,
    narrowed: bool,
) -> Result<Option<SameId>, StoreError> {
    let (account, transport, id) = key(sent);
    let coarser = sent.scope.coarser().unwrap_or_else(|| sent.scope.clone());
    let scopes = [sent.scope.to_string(), coarser.to_string()];
    let values = params![account, transport, id, scopes[0], scopes[1], sent.content_digest.0];
    let all: Vec<(SameId, String, String)> =
        db.query_all(OF_RELAYED, values, |row| Ok((found(row)?, row.get(3)?, row.get(4)?)))?;
    let mut other = None;
    for (one, of, by) in all {
        let of = Scope::try_from(of).map_err(|_| unreadable("a scope"))?;
        // What is for one Reader is no repeat of what is for another, or for all of them.
        if of.reader() != sent.scope.reader() {
            continue;
        }
        if of == sent.scope {
            return Ok(Some(one));
        }
        let same = one.content_digest == sent.content_digest;
        let near = of.is_account() || of == coarser;
        let counts = by == author && if narrowed { near && same } else { near || same };
        // One with the same content before any other: it is the message.
        if counts && (same || other.is_none()) {
            other = Some(one);
        }
    }
    Ok(other)
}

fn key(sent: &Sent) -> (&str, &str, &str) {
    (sent.account.as_str(), sent.transport.as_str(), sent.id.as_str())
}

fn found(row: &Row<'_>) -> Result<SameId, StoreError> {
    let hub_id: String = row.get(1)?;
    Ok(SameId {
        seq: row.get(0)?,
        hub_id: HubId::parse(&hub_id).map_err(|_| unreadable("a hub id"))?,
        content_digest: read_digest(&row.get::<Vec<u8>>(2)?)?,
    })
}
