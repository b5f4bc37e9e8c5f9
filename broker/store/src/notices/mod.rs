//! What Authors are to be told: intents beside the change that asks for them, and what became of each.

use std::time::Duration;

use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::notice::{About, Form, Kind, SERVICE, Told, Withheld};
use amtsbote_domain::ports::{DueNotice, Entry, Instead, Intent, NoticeBacklog, StoreError};
use jiff::Timestamp;

use crate::error::unreadable;
use crate::group::Group;
use crate::reader::PAGE;
use crate::rows::{deliveries, micros_up, read_evidence, read_state, read_time, seq_of};
use crate::sql::{Db, Row, params};

/// When an intent is due that cannot be read: never. It stays open, so that it is counted, and so that
/// it can be told after all when the store was mended.
const SET_ASIDE: i64 = i64::MAX;

/// Open intents whose time has come.
pub(crate) const DUE: &str = "SELECT message, kind FROM notice WHERE due <= ?1
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

/// Which intents are due.
pub(crate) fn due(db: &Db, limit: u32, now: Timestamp) -> Result<Vec<Intent>, StoreError> {
    db.query_all(DUE, params![now.as_microsecond(), limit.min(PAGE)], |row| {
        Ok(Intent { message: row.get::<i64>(0)?.unsigned_abs(), kind: row.get(1)? })
    })
}

/// Takes those that are due: for the time of the lease they are not.
pub(crate) fn take(
    group: &mut Group<'_>,
    limit: u32,
    lease: Duration,
) -> Result<Vec<Intent>, StoreError> {
    let now = group.now();
    let length = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
    let until = now.as_microsecond().saturating_add(length).min(SET_ASIDE - 1);
    let taken = due(group.db, limit, now)?;
    for Intent { message, kind } in &taken {
        group.db.write(
            "UPDATE notice SET due = ?3 WHERE message = ?1 AND kind = ?2 AND due IS NOT NULL",
            params![*message as i64, kind.as_str(), until],
        )?;
        group.touch();
    }
    Ok(taken)
}

/// What an open intent is about, with the record that asked for it.
pub(crate) fn read(db: &Db, intent: &Intent) -> Result<Option<DueNotice>, StoreError> {
    let message = intent.message as i64;
    let leaf: Option<Option<i64>> = db.query_opt(
        "SELECT leaf FROM notice WHERE message = ?1 AND kind = ?2 AND due IS NOT NULL",
        params![message, intent.kind.as_str()],
        |row| row.get(0),
    )?;
    let Some(leaf) = leaf else { return Ok(None) };
    let kind = Kind::parse(&intent.kind).ok_or_else(|| unreadable("the kind of a notice"))?;
    let mut placed = deliveries(db, "WHERE m.seq = ?1", params![message])?;
    let about = placed.pop().ok_or_else(|| unreadable("the message of a notice"))?.delivery;
    let because = leaf.map(|leaf| entry(db, leaf)).transpose()?;
    Ok(Some(DueNotice { about, kind, because }))
}

/// Sets an open intent aside. Its message and its kind are on record where they can be read.
pub(crate) fn set_aside(group: &mut Group<'_>, intent: &Intent) -> Result<(), StoreError> {
    let (message, word) = (intent.message as i64, intent.kind.as_str());
    let changed = group.db.execute(
        "UPDATE notice SET due = ?3
         WHERE message = ?1 AND kind = ?2 AND due IS NOT NULL AND due <> ?3",
        params![message, word, SET_ASIDE],
    )?;
    if changed == 0 {
        return Ok(());
    }
    group.touch();
    let sql = "SELECT hub_id FROM message WHERE seq = ?1";
    let hub_id: Option<String> = group.db.query_opt(sql, params![message], |row| row.get(0))?;
    let hub_id = hub_id.and_then(|id| HubId::parse(&id).ok());
    match (hub_id, Kind::parse(word)) {
        (Some(hub_id), Some(kind)) => {
            tell(group, hub_id, message, kind, Told::Withheld { why: Withheld::Unreadable })
        }
        _ => Ok(()),
    }
}

/// How many are open: due, and set aside.
pub(crate) fn backlog(db: &Db, now: Timestamp) -> Result<NoticeBacklog, StoreError> {
    let counted = |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<Option<i64>>(1)?));
    let sql = "SELECT count(*), min(due) FROM notice WHERE due <= ?1";
    let (due, since) = db.query_one(sql, params![now.as_microsecond()], counted)?;
    let sql = "SELECT count(*), min(due) FROM notice WHERE due = ?1";
    let (set_aside, _) = db.query_one(sql, params![SET_ASIDE], counted)?;
    Ok(NoticeBacklog {
        due: due.unsigned_abs(),
        since: since.map(read_time).transpose()?,
        set_aside: set_aside.unsigned_abs(),
    })
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
