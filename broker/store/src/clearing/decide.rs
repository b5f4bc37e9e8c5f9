//! Carrying decisions out: each target for itself, none of them in the way of the others.

use amtsbote_domain::clearing::{
    Act, Alone, Decided, Decision, Granted, Grounds, NeedsTwo, Objection, Person, Reason, Target,
};
use amtsbote_domain::ports::{MAX_AT_ONCE, StoreError};

use super::alone;
use super::cases::taker;
use crate::error::misuse;
use crate::group::Group;
use crate::operation::change::{DeliveryRow, Why};

/// On whose word, for the evidence.
pub(crate) struct Word<'w> {
    pub(crate) act: Act,
    pub(crate) by: &'w Person,
    pub(crate) reason: &'w Reason,
    pub(crate) granted: Option<&'w Granted>,
    /// How many deliveries one person decided about, if more than one.
    pub(crate) together: Option<u32>,
    /// For how many one person decided so lately, these included; none under a grant.
    pub(crate) alone: Option<Alone>,
}

/// Carries the decision of one person out, unless with what they did alone in so many hours before it is
/// too much for one.
pub(crate) fn decide(
    group: &mut Group<'_>,
    decision: &Decision,
    hours: u32,
) -> Result<Vec<Decided>, StoreError> {
    if decision.targets.len() > MAX_AT_ONCE {
        return Err(misuse("more targets than one transaction takes"));
    }
    let Decision { act, by, reason, targets } = decision;
    let together = Some(targets.len() as u32).filter(|count| *count > 1);
    // Two who look at the same moment see the same sum: it counts as it stands in this transaction.
    let before = alone::up_to(group.db, by, *act, hours, group.now())?;
    if NeedsTwo::by_count(targets.len(), before).is_some() {
        return Err(Objection::Sum(before).into());
    }
    let alone = Some(Alone { count: before.count + targets.len() as u32, hours });
    let word = Word { act: *act, by, reason, granted: None, together, alone };
    let decided: Vec<Decided> =
        targets.iter().map(|target| decide_one(group, &word, target)).collect::<Result<_, _>>()?;
    let done = decided.iter().filter(|one| matches!(one, Decided::Done { .. })).count();
    if done > 0 {
        alone::count(group, by, *act, done as u32)?;
    }
    Ok(decided)
}

/// Carries it out for one target, if that is as it was seen.
pub(crate) fn decide_one(
    group: &mut Group<'_>,
    word: &Word<'_>,
    target: &Target,
) -> Result<Decided, StoreError> {
    let mut row = match DeliveryRow::of(group.db, &target.hub_id) {
        Err(StoreError::NotFound) => return Ok(Decided::NotFound),
        row => row?,
    };
    if row.revision != target.revision {
        return Ok(Decided::ChangedMeanwhile);
    }
    let taken = taker(group.db, row.seq)?;
    // Who granted may carry out what the taker proposed, and the other way round.
    let mine = |taken: &Person| {
        taken.is(word.by) || word.granted.is_some_and(|granted| taken.is(&granted.by))
    };
    if let Some(taken) = taken.filter(|taken| !mine(&taken.by)) {
        return Ok(Decided::TakenBy { name: taken.by.name });
    }
    if word.act.needs_way() != target.channel.is_some() {
        return Err(misuse("a way is named exactly where the act needs one"));
    }
    let collection = target.channel.as_deref() == Some("inbox");
    if !word.act.applies(row.state) {
        return Ok(Decided::NotApplicable);
    }
    if let Some(channel) = &target.channel {
        row.go_by(channel, word.act == Act::Reroute);
    }
    let grounds = Grounds {
        act: word.act,
        by: word.by.clone(),
        reason: word.reason.clone(),
        granted: word.granted.cloned(),
        together: word.together,
        alone: word.alone,
        channel: target.channel.clone(),
    };
    let why = Why { grounds: Some(Box::new(grounds)), ..Why::default() };
    row.change_and_record(group, word.act.event(collection), why)?;
    Ok(Decided::Done { state: row.state })
}
