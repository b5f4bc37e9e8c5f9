//! What people decide: the selection as it stands, what an act would do to it, and doing it.
//!
//! Nothing here changes a state: it asks the store, which asks the table of states.

use std::collections::HashSet;

use amtsbote_domain::Timestamp;
use amtsbote_domain::clearing::{
    Act, Decided, Decision, MAX_TARGETS, NeedsTwo, Objection, Person, Proposal, Reason, Target,
    canonical,
};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Channel, NoWay, Way};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::{HubId, ProposalId};
use amtsbote_domain::ports::{CaseQuery, Delivery, Hint, MAX_AT_ONCE, StoreError};
use openssl::sha::sha256;
use serde::Serialize;

use crate::hub::Hub;
use crate::step::refused::store_fault;
use crate::step::routed::no_way;
use crate::tables::InForce;

/// Cases that are read at once while a selection is made.
const PAGE: u32 = 500;

/// What somebody wants done.
pub(crate) struct Wish {
    pub(crate) act: Act,
    /// The way, where the person names it.
    pub(crate) channel: Option<Channel>,
    pub(crate) which: Which,
}

/// To which deliveries.
pub(crate) enum Which {
    /// To these.
    These(Vec<HubId>),
    /// To every case that the query finds.
    Cases(Box<CaseQuery>),
}

/// What an act would do, on what stands now.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) act: Act,
    /// What would be changed, as it was seen.
    pub(crate) targets: Vec<Target>,
    /// What would not be, and why.
    pub(crate) left_out: Vec<LeftOut>,
    /// Why another person must grant it, if one must.
    pub(crate) needs_two: Option<NeedsTwo>,
}

/// A delivery that an act does not reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    /// Which.
    pub(crate) hub_id: HubId,
    /// Why, as a refusal would say it.
    pub(crate) code: Code,
}

/// What became of a wish.
pub(crate) enum Done {
    /// Carried out: what became of each.
    Now(Vec<(HubId, Decided)>),
    /// It waits for another person, for this reason.
    Proposed(Box<Proposal>, NeedsTwo),
}

impl Plan {
    /// The selection and the act, as a person decides about them.
    fn decision(&self, by: Person, reason: Reason) -> Decision {
        Decision { act: self.act, by, reason, targets: self.targets.clone() }
    }

    /// What a decision about this plan names: act and targets.
    pub(crate) fn digest(&self) -> Digest {
        Digest(sha256(&canonical(self.act, &self.targets)))
    }
}

/// Looks at everything the wish names and says what would be done, if this person wants it.
pub(crate) async fn plan(hub: &Hub, wish: Wish, by: &Person) -> Result<Plan, Fault> {
    let mut plan =
        Plan { act: wish.act, targets: Vec::new(), left_out: Vec::new(), needs_two: None };
    if wish.act == Act::Reroute && wish.channel.is_none() {
        return Err(Fault::new(Code::MalformedRequest).at("channel"));
    }
    if wish.act != Act::Reroute && wish.channel.is_some() {
        return Err(Fault::new(Code::MalformedRequest).at("channel"));
    }
    let (now, tables) = (hub.clock.now(), hub.tables());
    match &wish.which {
        Which::These(ids) => {
            if ids.len() > MAX_TARGETS {
                return Err(too_many());
            }
            let mut seen = HashSet::new();
            // Named twice, it is one delivery: who grants must see the true number.
            for hub_id in ids.iter().filter(|hub_id| seen.insert(*hub_id)) {
                match hub.store.delivery(hub_id).await {
                    Ok(delivery) => consider(&mut plan, &tables, &wish, &delivery, now),
                    Err(StoreError::NotFound) => {
                        plan.left_out.push(LeftOut { hub_id: hub_id.clone(), code: Code::NotFound })
                    }
                    Err(error) => return Err(store_fault(&error)),
                }
            }
        }
        Which::Cases(query) => {
            let mut query = CaseQuery { limit: PAGE, after: None, ..(**query).clone() };
            let mut looked_at = 0;
            loop {
                let page = hub.store.cases(query.clone()).await.map_err(|e| store_fault(&e))?;
                looked_at += page.cases.len();
                if looked_at > MAX_TARGETS {
                    return Err(too_many());
                }
                for case in &page.cases {
                    consider(&mut plan, &tables, &wish, &case.delivery, now);
                }
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
        }
    }
    if plan.needs_two.is_none() && !plan.targets.is_empty() {
        let before = hub.store.alone(by, plan.act).await.map_err(|e| store_fault(&e))?;
        plan.needs_two = NeedsTwo::by_count(plan.targets.len(), before);
    }
    Ok(plan)
}

fn too_many() -> Fault {
    Fault::new(Code::TooLarge).because(format_args!("at most {MAX_TARGETS} deliveries"))
}

/// Puts one delivery on one side or the other.
fn consider(plan: &mut Plan, tables: &InForce, wish: &Wish, delivery: &Delivery, now: Timestamp) {
    let hub_id = delivery.record.hub_id.clone();
    let way = match wish.act.applies(delivery.state) {
        true => way(tables, wish, delivery, now),
        false => Err(Code::StateForbids),
    };
    match way {
        Ok(channel) => {
            if wish.act.is_grave(delivery.state) {
                plan.needs_two = Some(NeedsTwo::Grave);
            }
            plan.targets.push(Target { hub_id, revision: delivery.revision, channel });
        }
        Err(code) => plan.left_out.push(LeftOut { hub_id, code }),
    }
}

/// Where it would go, if the act sends it anywhere.
fn way(
    tables: &InForce,
    wish: &Wish,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Option<String>, Code> {
    if !wish.act.needs_way() {
        return Ok(None);
    }
    let record = &delivery.record;
    let (reader, service) = (&record.metadata.reader, &record.metadata.service);
    let by_directory = tables.way_to(reader, service, record.test, now).map(|(way, _)| way);
    let by_hand = wish.channel.clone().filter(|_| may_go_by_hand(record.test, &by_directory));
    let channel = match (by_hand, by_directory) {
        (Some(channel), _) => channel,
        (None, Ok(way)) => way.channel,
        (None, Err(reason)) => return Err(no_way(reason).code),
    };
    let open = match &channel {
        Channel::Peer(name) => tables.outlets.contains_key(name),
        // Somebody must be able to collect it.
        Channel::Inbox => {
            tables.directory.accounts().iter().any(|account| account.may_collect_for(reader))
        }
    };
    if open { Ok(Some(channel.to_string())) } else { Err(Code::NoSuchWay) }
}

/// Whether people may name a way where the directory says this (P11): none brings test and production
/// together, and a test message goes only where the directory has a test system for it.
pub(crate) fn may_go_by_hand(test: bool, by_directory: &Result<Way, NoWay>) -> bool {
    match by_directory {
        Ok(_) => true,
        Err(NoWay::TestAndProduction) => false,
        Err(NoWay::UnknownReader | NoWay::ServiceNotOffered | NoWay::NotAtThisTime) => !test,
    }
}

/// Does what was planned, or keeps it for another person.
pub(crate) async fn act(hub: &Hub, plan: Plan, by: Person, reason: Reason) -> Result<Done, Fault> {
    let fault = |error| store_fault(&error);
    let (digest, needs_two) = (plan.digest(), plan.needs_two);
    let decision = plan.decision(by, reason);
    if let Some(why) = needs_two {
        return propose(hub, decision, digest, why).await;
    }
    let mut done = Vec::new();
    for targets in decision.targets.chunks(MAX_AT_ONCE) {
        let part = Decision { targets: targets.to_vec(), ..decision.clone() };
        let decided = match hub.store.decide(part).await {
            // Meanwhile the person did the same elsewhere. Nothing of this was done: what one may do
            // alone is one piece.
            Err(StoreError::Objection(Objection::Sum(before))) if done.is_empty() => {
                return propose(hub, decision, digest, NeedsTwo::Sum(before)).await;
            }
            decided => decided.map_err(fault)?,
        };
        done.extend(targets.iter().map(|target| target.hub_id.clone()).zip(decided));
    }
    wake(hub);
    Ok(Done::Now(done))
}

/// Keeps it for another person.
async fn propose(
    hub: &Hub,
    decision: Decision,
    digest: Digest,
    why: NeedsTwo,
) -> Result<Done, Fault> {
    let id = ProposalId::parse(&(hub.ids)().to_string()).map_err(|_| Fault::new(Code::Internal))?;
    let proposed = hub.store.propose(id, decision, digest).await;
    proposed.map(|one| Done::Proposed(Box::new(one), why)).map_err(|error| store_fault(&error))
}

/// Grants or denies a proposal; what was granted is begun at once, and the worker goes on with it.
pub(crate) async fn judge(
    hub: &Hub,
    id: &ProposalId,
    person: &Person,
    granted: bool,
    digest: Digest,
    reason: &Reason,
) -> Result<Proposal, StoreError> {
    hub.store.judge(id, person, granted, digest, reason).await?;
    if granted {
        hub.store.carry_out().await?;
        wake(hub);
    }
    hub.store.proposal(id, 0, 1).await.map(|(proposal, _)| proposal)
}

/// Deliveries may be due again, and lie in inboxes again.
fn wake(hub: &Hub) {
    hub.tell(Hint::Everything);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_person_brings_test_and_production_together() {
        let way = Ok(Way { channel: Channel::Inbox, opaque: false });
        for (test, by_directory, may) in [
            (false, way.clone(), true),
            (true, way, true),
            (false, Err(NoWay::TestAndProduction), false),
            (true, Err(NoWay::TestAndProduction), false),
            (false, Err(NoWay::UnknownReader), true),
            (false, Err(NoWay::ServiceNotOffered), true),
            (false, Err(NoWay::NotAtThisTime), true),
            (true, Err(NoWay::UnknownReader), false),
            (true, Err(NoWay::ServiceNotOffered), false),
            (true, Err(NoWay::NotAtThisTime), false),
        ] {
            assert_eq!(may_go_by_hand(test, &by_directory), may, "{test} {by_directory:?}");
        }
    }
}
