//! What one person did alone of one act lately: many small acts count as one large one.

use amtsbote_domain::clearing::{ALONE_HOURS_ALLOWED, Act, Alone, Person};
use amtsbote_domain::ports::StoreError;
use jiff::{SignedDuration, Timestamp};

use crate::group::Group;
use crate::sql::{Db, params};

/// What counts. A second certificate of a person counts as theirs, as does another name under theirs.
pub(crate) const COUNTED: &str = "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM done_alone
     WHERE act = ?1 AND at > ?2 AND (name = ?3 OR certificate = ?4)";

/// For how many deliveries this person did this act within so many hours up to `now`.
pub(crate) fn up_to(
    db: &Db,
    person: &Person,
    act: Act,
    hours: u32,
    now: Timestamp,
) -> Result<Alone, StoreError> {
    let since = before(now, hours);
    let act = act.as_str();
    let values = params![act, since, person.name, person.certificate.0];
    let count: i64 = db.query_one(COUNTED, values, |row| row.get(0))?;
    Ok(Alone { count: u32::try_from(count).unwrap_or(u32::MAX), hours })
}

/// Counts what was done, and lets go what no span reaches any more: the table holds the acts of a
/// week.
pub(crate) fn count(
    group: &mut Group<'_>,
    person: &Person,
    act: Act,
    count: u32,
) -> Result<(), StoreError> {
    let (now, gone) = (group.now(), before(group.now(), *ALONE_HOURS_ALLOWED.end()));
    let db = group.db;
    db.execute("DELETE FROM done_alone WHERE act = ?1 AND at <= ?2", params![act.as_str(), gone])?;
    db.write(
        "INSERT INTO done_alone (act, name, certificate, at, count) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![act.as_str(), person.name, person.certificate.0, now.as_microsecond(), count],
    )?;
    group.touch();
    Ok(())
}

/// So many hours before; what lies exactly there does not count any more.
fn before(now: Timestamp, hours: u32) -> i64 {
    let span = SignedDuration::from_hours(i64::from(hours));
    now.checked_sub(span).unwrap_or(Timestamp::MIN).as_microsecond()
}
