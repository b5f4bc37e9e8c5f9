//! What is in clearing, and who has taken it.

use amtsbote_domain::clearing::{Objection, Person, Reason};
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{Case, CasePage, CaseQuery, StoreError, Taken};
use amtsbote_domain::state::State;

use super::person;
use crate::error::unreadable;
use crate::group::Group;
use crate::operation::change::DeliveryRow;
use crate::reader::PAGE;
use crate::rows::{Placed, deliveries, micros_up, read_time};
use crate::sql::{Db, Value, params};

/// Cases that wait longest first, behind a cursor.
pub(crate) fn cases(db: &Db, query: &CaseQuery) -> Result<CasePage, StoreError> {
    let after = query.after.as_deref().map(cursor).transpose()?;
    let limit = query.limit.clamp(1, PAGE);
    let mut rest = String::from("WHERE d.cause IS NOT NULL");
    let mut values: Vec<Value<'_>> = Vec::new();
    let mut with = |condition: &str, value| {
        values.push(value);
        rest.push_str(" AND ");
        rest.push_str(&condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(cause) = query.cause {
        with("d.cause = ?", Value::Text(cause.as_str()));
    }
    if let Some(party) = &query.party {
        with("(m.author = ? OR m.reader = ?)", Value::Text(party.as_str()));
    }
    if let Some(service) = &query.service {
        with("m.service = ?", Value::Text(service));
    }
    if let Some(channel) = &query.channel {
        with("coalesce(d.channel, m.channel) = ?", Value::Text(channel));
    }
    if let Some(since) = query.since {
        with("d.since >= ?", Value::Integer(micros_up(since)));
    }
    if let Some(certificate) = &query.taken_by {
        let taken = "d.seq IN (SELECT seq FROM taken_case WHERE certificate = ?)";
        with(taken, Value::Octets(&certificate.0));
    }
    if let Some((since, seq)) = after {
        values.extend([Value::Integer(since), Value::Integer(seq)]);
        let (n, m) = (values.len() - 1, values.len());
        rest.push_str(&format!(" AND d.since >= ?{n} AND (d.since > ?{n} OR d.seq > ?{m})"));
    }
    // One more than asked for says whether anything follows.
    values.push(Value::Integer(i64::from(limit) + 1));
    rest.push_str(&format!(" ORDER BY d.since, d.seq LIMIT ?{}", values.len()));
    let mut found = deliveries(db, &rest, &values)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| {
        let since = micros_up(last.delivery.since);
        format!("{since}-{}", last.seq)
    });
    let cases = found.into_iter().map(|placed| with_taker(db, placed)).collect::<Result<_, _>>()?;
    Ok(CasePage { cases, next })
}

fn cursor(text: &str) -> Result<(i64, i64), StoreError> {
    let parts = text
        .split_once('-')
        .and_then(|(since, seq)| Some((since.parse::<i64>().ok()?, seq.parse::<i64>().ok()?)));
    // Made by nobody but us: whoever invents one gets nothing.
    parts.filter(|(since, seq)| *since >= 0 && *seq >= 0).ok_or(StoreError::NotFound)
}

/// One case.
pub(crate) fn case(db: &Db, hub_id: &HubId) -> Result<Case, StoreError> {
    let mut found = deliveries(db, "WHERE m.hub_id = ?1", params![hub_id.as_str()])?;
    let placed = found.pop().ok_or(StoreError::NotFound)?;
    if !matches!(placed.delivery.state, State::InClearing { .. }) {
        return Err(Objection::NoCase.into());
    }
    with_taker(db, placed)
}

fn with_taker(db: &Db, placed: Placed) -> Result<Case, StoreError> {
    let taken = taker(db, placed.seq)?;
    Ok(Case { delivery: placed.delivery, taken })
}

/// Who has taken the case of this number.
pub(crate) fn taker(db: &Db, seq: i64) -> Result<Option<Taken>, StoreError> {
    let sql = "SELECT name, certificate, at FROM taken_case WHERE seq = ?1";
    db.query_opt(sql, params![seq], |row| {
        let by = person(row.get(0)?, &row.get::<Vec<u8>>(1)?)?;
        Ok(Taken { by, at: read_time(row.get(2)?)? })
    })
}

/// Takes the case; from another person only with a reason.
pub(crate) fn take(
    group: &mut Group<'_>,
    hub_id: &HubId,
    person: &Person,
    over: Option<&Reason>,
) -> Result<Case, StoreError> {
    let row = open_case(group, hub_id)?;
    match taker(group.db, row.seq)? {
        Some(taken) if taken.by.is(person) => return case(group.db, hub_id),
        Some(taken) if over.is_none() => return Err(Objection::TakenBy(taken.by.name).into()),
        _ => {}
    }
    group.db.write(
        "INSERT INTO taken_case (seq, name, certificate, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (seq) DO UPDATE SET name = ?2, certificate = ?3, at = ?4",
        params![row.seq, person.name, person.certificate.0, group.now().as_microsecond()],
    )?;
    noted(group, &row, hub_id, person, "clearing take", over)
}

/// Gives the case back.
pub(crate) fn hand_back(
    group: &mut Group<'_>,
    hub_id: &HubId,
    person: &Person,
) -> Result<Case, StoreError> {
    let row = open_case(group, hub_id)?;
    match taker(group.db, row.seq)? {
        Some(taken) if taken.by.is(person) => {}
        Some(taken) => return Err(Objection::TakenBy(taken.by.name).into()),
        None => return Err(Objection::NotTaken.into()),
    }
    forget(group, row.seq)?;
    noted(group, &row, hub_id, person, "clearing release", None)
}

/// Nobody has this case any more.
pub(crate) fn forget(group: &mut Group<'_>, seq: i64) -> Result<(), StoreError> {
    group.db.write("DELETE FROM taken_case WHERE seq = ?1", params![seq])
}

fn open_case(group: &Group<'_>, hub_id: &HubId) -> Result<DeliveryRow, StoreError> {
    let row = DeliveryRow::of(group.db, hub_id)?;
    match row.state {
        State::InClearing { .. } => Ok(row),
        _ => Err(Objection::NoCase.into()),
    }
}

fn noted(
    group: &mut Group<'_>,
    row: &DeliveryRow,
    hub_id: &HubId,
    person: &Person,
    act: &str,
    reason: Option<&Reason>,
) -> Result<Case, StoreError> {
    let evidence = Evidence::Operator {
        certificate: person.certificate,
        name: Some(person.name.clone()),
        act: act.to_owned(),
        hub_id: Some(hub_id.clone()),
        reason: reason.cloned(),
    };
    group.append(&evidence, Some(row.seq))?;
    case(group.db, hub_id).map_err(|error| match error {
        StoreError::NotFound => unreadable("a case"),
        other => other,
    })
}
