//! The rows of names that are to be removed.

use amtsbote_domain::ports::StoreError;

use super::{BATCH, Due, GONE, Mark, Settled};
use crate::group::Group;
use crate::parts::Left;
#[cfg(feature = "postgres")]
use crate::parts::Places;
use crate::sql::{Db, Life, Row, params};

/// What is known of a part that was dropped.
pub(super) fn record(db: &Db, mark: &Mark, now: i64) -> Result<(), StoreError> {
    if mark.sure {
        return mark.left.rows().try_for_each(|row| condemn(db, &row, now));
    }
    // Where a message refers to it, there is no row any more.
    let reserved = match db.life() {
        None => db.execute(
            "UPDATE reserved_file SET due = ?2, again = 0 WHERE name = ?1 AND due IS NULL",
            params![mark.left.name, now],
        )?,
        Some(life) => db.execute(
            "UPDATE reserved_file SET due = ?2, again = 0
             WHERE name = ?1 AND due IS NULL AND holder = ?3",
            params![mark.left.name, now, life.number],
        )?,
    };
    match (reserved, &mark.left.upload) {
        (1.., Some(_)) => condemn(db, &mark.left.row(), now),
        _ => Ok(()),
    }
}

/// To be removed, whether it was recorded before or not.
fn condemn(db: &Db, row: &str, now: i64) -> Result<(), StoreError> {
    match db.life() {
        None => db.write(
            "INSERT INTO reserved_file (name, due, again) VALUES (?1, ?2, 0)
             ON CONFLICT (name) DO UPDATE SET due = ?2, again = 0",
            params![row, now],
        ),
        Some(life) => db.write(
            "INSERT INTO reserved_file (name, holder, due, again) VALUES (?1, ?3, ?2, 0)
             ON CONFLICT (name) DO UPDATE SET holder = ?3, due = ?2, again = 0",
            params![row, now, life.number],
        ),
    }
}

/// What became of a removal.
pub(super) fn settle(db: &Db, settled: &Settled, now: i64) -> Result<(), StoreError> {
    let Settled { due, removed, later } = settled;
    let row = due.left.row();
    if *removed && (due.again || later.is_zero()) {
        let sql = "DELETE FROM reserved_file WHERE name = ?1 AND due IS NOT NULL";
        return db.write(sql, params![row]);
    }
    let then = now.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX));
    let again = i64::from(*removed || due.again);
    let sql = "UPDATE reserved_file SET due = ?2, again = ?3 WHERE name = ?1 AND due IS NOT NULL";
    db.write(sql, params![row, then, again])
}

/// That this life is at work. True: it was silent for so long that others may have concluded it is not.
pub(super) fn say(db: &Db, life: &Life, now: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE node_life SET seen = ?2 WHERE life = ?1 AND seen >= ?3";
    let in_time = db.execute(sql, params![life.number, now, silent_since(now)])? > 0;
    if !in_time {
        let sql = "UPDATE node_life SET seen = ?2 WHERE life = ?1";
        db.execute(sql, params![life.number, now])?;
    }
    Ok(!in_time)
}

fn silent_since(now: i64) -> i64 {
    now.saturating_sub(i64::try_from(GONE.as_micros()).unwrap_or(i64::MAX))
}

/// Takes over names of lives that have ended: there is a newer one of the same node, or nothing was
/// heard of it for long.
pub(super) fn take_over(db: &Db, life: &Life, now: i64) -> Result<u64, StoreError> {
    db.execute(
        "UPDATE reserved_file SET holder = ?1, due = ?2, again = 0 WHERE name IN (
            SELECT name FROM reserved_file WHERE holder IN (
                SELECT l.life FROM node_life l WHERE l.life <> ?1 AND (l.seen < ?3 OR EXISTS (
                    SELECT 1 FROM node_life n WHERE n.name = l.name AND n.life > l.life)))
            LIMIT ?4)",
        params![life.number, now, silent_since(now), BATCH as i64],
    )
}

/// What is due first.
pub(super) fn due(db: &Db, now: i64, most: usize) -> Result<Vec<Due>, StoreError> {
    let read = |row: &Row<'_>| {
        let (name, again): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok(Due { left: Left::parse(&name)?, again: again != 0 })
    };
    match db.life() {
        None => db.query_all(
            "SELECT name, again FROM reserved_file WHERE due <= ?1 ORDER BY due LIMIT ?2",
            params![now, most as i64],
            read,
        ),
        Some(life) => db.query_all(
            "SELECT name, again FROM reserved_file WHERE holder = ?3 AND due <= ?1
             ORDER BY due LIMIT ?2",
            params![now, most as i64, life.number],
            read,
        ),
    }
}

/// What a former process reserved in a file of its own, none of it in use any more. On a server, lives
/// say whose something is.
pub(crate) fn former_life(group: &mut Group<'_>) -> Result<(), StoreError> {
    if group.db.life().is_none() {
        let sql = "UPDATE reserved_file SET due = ?1, again = 0 WHERE due IS NULL";
        if group.db.execute(sql, params![group.now().as_microsecond()])? > 0 {
            group.touch();
        }
    }
    Ok(())
}

/// Removes all that is reserved, while nobody works on the store.
#[cfg(feature = "postgres")]
pub(crate) fn remove_all(db: &Db, places: &Places) -> Result<(), StoreError> {
    loop {
        let sql = "SELECT name FROM reserved_file ORDER BY name LIMIT ?1";
        let rows: Vec<String> = db.query_all(sql, params![BATCH as i64], |row| row.get(0))?;
        if rows.is_empty() {
            return Ok(());
        }
        let left = rows.iter().map(|row| Left::parse(row)).collect::<Result<Vec<_>, _>>()?;
        for (row, result) in rows.iter().zip(places.remove(&left)) {
            result.map_err(crate::error::file_error)?;
            db.execute("DELETE FROM reserved_file WHERE name = ?1", params![*row])?;
        }
    }
}
