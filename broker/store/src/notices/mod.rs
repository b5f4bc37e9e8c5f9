//! What Authors are to be told: intents beside the change that asks for them, and what became of each.

use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::notice::{About, Form, Kind, SERVICE, Told};
use amtsbote_domain::ports::{DueNotice, Entry, Instead, StoreError};
use jiff::Timestamp;

use crate::error::unreadable;
use crate::group::Group;
use crate::reader::PAGE;
use crate::rows::{deliveries, micros_up, read_evidence, read_state, read_time, seq_of};
use crate::sql::{Db, params};

/// Open intents whose time has come.
pub(crate) const DUE: &str = "SELECT message, kind, leaf FROM notice WHERE due <= ?1
     ORDER BY due, message LIMIT ?2";

/// Writes down that the Author is to be told from `at` on. What was asked for before stays as it is: it is
/// told once.
pub(crate) fn ask(
    group: &mut Group<'_>,
    message: i64,
    kind: Kind,
    at: Timestamp,
    leaf: Option<u64>,
) -> Result<(), StoreError> {
    let leaf = leaf.map(|leaf| leaf as i64);
    group.db.write(
        "INSERT INTO notice (message, kind, due, leaf, made) VALUES (?1, ?2, ?3, ?4, NULL)
         ON CONFLICT (message, kind) DO NOTHING",
        params![message, kind.as_str(), micros_up(at), leaf],
    )
}

/// The notice with the number `notice` is being accepted: its intent must be open, and still true.
pub(crate) fn made(
    group: &mut Group<'_>,
    about: &About,
    notice: i64,
    record: &Accepted,
) -> Result<(), StoreError> {
    let message = seq_of(group.db, &about.hub_id)?.ok_or(StoreError::NotFound)?;
    let sql = "SELECT state FROM delivery WHERE seq = ?1";
    let state: String = group.db.query_one(sql, params![message], |row| row.get(0))?;
    if !about.notice.holds(read_state(&state)?) {
        return Err(StoreError::NotFound);
    }
    let settled = group.db.execute(
        "UPDATE notice SET due = NULL, made = ?3
         WHERE message = ?1 AND kind = ?2 AND due IS NOT NULL",
        params![message, about.notice.as_str(), notice],
    )?;
    if settled == 0 {
        return Err(StoreError::NotFound);
    }
    let told = Told::Sent { by: record.hub_id.clone(), form: form(record) };
    tell(group, about.hub_id.clone(), message, about.notice, told)
}

/// The form of an accepted notice, by its service.
fn form(record: &Accepted) -> Form {
    match record.metadata.service.as_str() {
        SERVICE => Form::Generic,
        _ => Form::BusinessRejection,
    }
}

fn tell(
    group: &mut Group<'_>,
    hub_id: HubId,
    message: i64,
    notice: Kind,
    told: Told,
) -> Result<(), StoreError> {
    let evidence = Evidence::Noticed { hub_id, notice, told };
    group.append(&evidence, Some(message)).map(drop)
}

/// Settles an open intent without a notice.
pub(crate) fn settle(
    group: &mut Group<'_>,
    about: &HubId,
    kind: Kind,
    instead: Instead,
) -> Result<(), StoreError> {
    let message = seq_of(group.db, about)?.ok_or(StoreError::NotFound)?;
    let word = kind.as_str();
    let changed = match instead {
        Instead::Dropped => group.db.execute(
            "DELETE FROM notice WHERE message = ?1 AND kind = ?2 AND due IS NOT NULL",
            params![message, word],
        )?,
        Instead::Withheld(_) => group.db.execute(
            "UPDATE notice SET due = NULL WHERE message = ?1 AND kind = ?2 AND due IS NOT NULL",
            params![message, word],
        )?,
        Instead::Later(at) => group.db.execute(
            "UPDATE notice SET due = ?3 WHERE message = ?1 AND kind = ?2 AND due IS NOT NULL",
            params![message, word, micros_up(at)],
        )?,
    };
    if changed == 0 {
        return Ok(());
    }
    group.touch();
    match instead {
        Instead::Withheld(why) => tell(group, about.clone(), message, kind, Told::Withheld { why }),
        Instead::Dropped | Instead::Later(_) => Ok(()),
    }
}

/// Intents that are due, with the message and the record that asked for each.
pub(crate) fn due(db: &Db, limit: u32, now: Timestamp) -> Result<Vec<DueNotice>, StoreError> {
    let found: Vec<(i64, String, Option<i64>)> =
        db.query_all(DUE, params![now.as_microsecond(), limit.min(PAGE)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut due = Vec::with_capacity(found.len());
    for (message, kind, leaf) in found {
        let mut placed = deliveries(db, "WHERE m.seq = ?1", params![message])?;
        let about = placed.pop().ok_or_else(|| unreadable("the message of a notice"))?.delivery;
        let kind = Kind::parse(&kind).ok_or_else(|| unreadable("the kind of a notice"))?;
        let because = leaf.map(|leaf| entry(db, leaf)).transpose()?;
        due.push(DueNotice { about, kind, because });
    }
    Ok(due)
}

fn entry(db: &Db, leaf: i64) -> Result<Entry, StoreError> {
    let sql = "SELECT at, record FROM leaf WHERE idx = ?1";
    db.query_one(sql, params![leaf], |row| {
        let evidence = read_evidence(&row.get::<Vec<u8>>(1)?)?;
        Ok(Entry { index: leaf.unsigned_abs(), at: read_time(row.get(0)?)?, evidence })
    })
}

/// Whether a message that was accepted as a notice settled the intent that it names.
pub(crate) fn agree(db: &Db, seq: i64, accepted: &Accepted) -> Result<bool, StoreError> {
    let Some(about) = &accepted.about else { return Ok(true) };
    db.exists(
        "SELECT 1 FROM notice n JOIN message m ON m.seq = n.message
         WHERE m.hub_id = ?1 AND n.kind = ?2 AND n.made = ?3",
        params![about.hub_id.as_str(), about.notice.as_str(), seq],
    )
}
