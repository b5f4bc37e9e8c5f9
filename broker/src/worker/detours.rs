//! Other ways, when the one that a delivery is on is out: decided here by the rules in force, changed
//! by the store, which writes the evidence.
//!
//! Three times is it looked at: before an attempt, after one that failed, and for what waits while
//! nothing goes to its peer, a page at a time.

use std::collections::BTreeMap;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::alternative::{Detour, Seen};
use amtsbote_domain::delivery::breaker::Standing;
use amtsbote_domain::directory::Channel;
use amtsbote_domain::ports::{Delivery, Hint, Lease, StoreError};
use amtsbote_domain::state::{State, WaitingFor};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::hub::Hub;
use crate::tables::InForce;

/// Deliveries that are looked at in one step for each peer to which nothing goes.
const PAGE: u32 = 256;
/// Detours at the same time, in one commit if the store likes.
const TOGETHER: usize = 64;

/// The way on, for a delivery that is leased and has not been tried. What is leased although the
/// peer is half open is to find out whether it is there: it is not sent elsewhere for that.
pub(crate) fn before(
    hub: &Hub,
    tables: &InForce,
    lease: &Lease,
    delivery: &Delivery,
    now: Timestamp,
) -> Option<Detour> {
    let seen = Seen { failed: lease.attempts, may_have_arrived: lease.repeated, ..Seen::default() };
    let probes = |standing| !matches!(standing, Standing::Open { .. });
    wanted(hub, tables, delivery, seen, probes, now)
}

/// The way on after attempt `number`, in which nothing arrived.
pub(crate) async fn after(
    hub: &Hub,
    lease: &Lease,
    number: u32,
    now: Timestamp,
) -> Result<Option<Detour>, StoreError> {
    let (tables, about) = (hub.tables(), &lease.metadata);
    let chosen = tables.delivery.policy(&about.service, &about.reader, now);
    if lease.repeated || chosen.policy.alternatives.iter().next().is_none() {
        return Ok(None);
    }
    let delivery = hub.store.delivery(&lease.hub_id).await?;
    let seen = Seen { failed: number, ..Seen::default() };
    Ok(wanted(hub, &tables, &delivery, seen, |_| false, now))
}

/// What the rules say. `probes` says of a breaker that what is asked about is to find out.
fn wanted(
    hub: &Hub,
    tables: &InForce,
    delivery: &Delivery,
    seen: Seen,
    probes: impl Fn(Standing) -> bool,
    now: Timestamp,
) -> Option<Detour> {
    // A way that a person named stays.
    let current = Channel::parse(&delivery.channel).filter(|_| !delivery.by_hand)?;
    let Channel::Peer(peer) = &current else { return None };
    let record = &delivery.record;
    // Rules name ways of production: no test is sent there (P11).
    if record.test {
        return None;
    }
    let (reader, service) = (&record.metadata.reader, &record.metadata.service);
    let chosen = tables.delivery.policy(service, reader, now);
    chosen.policy.alternatives.iter().next()?;
    // Where the directory has no way at all, a person decides.
    tables.way_to(reader, service, record.test, now).ok()?;
    let traffic = &tables.delivery.traffic;
    let look = hub.gates.look(traffic, peer, now);
    let seen = Seen {
        open_for: look.open_for(now).filter(|_| !probes(look.standing)),
        maintenance_until: look.maintenance.map(|maintenance| maintenance.until),
        ends: record.metadata.expires,
        ..seen
    };
    let is_out = |channel: &Channel| match channel {
        Channel::Peer(peer) => {
            !tables.outlets.contains_key(peer) || hub.gates.look(traffic, peer, now).is_out()
        }
        Channel::Inbox => {
            !tables.directory.accounts().iter().any(|account| account.may_collect_for(reader))
        }
    };
    chosen.policy.alternatives.detour(&current, &seen, is_out, chosen.rule)
}

/// Sends it that way. Says whether it went; somebody may have been faster.
pub(crate) async fn go(
    hub: &Hub,
    delivery: &amtsbote_domain::identity::HubId,
    reader: &amtsbote_domain::party::PartyId,
    detour: Detour,
) -> Result<bool, StoreError> {
    let (from, to, rule) = (detour.from.clone(), detour.to.clone(), detour.rule.clone());
    match hub.store.detour(delivery, detour).await {
        Ok(state) => {
            tracing::warn!(hub_id = %delivery, from, to, rule, "the way is out: it goes by another");
            hub.tell(match state {
                State::Waiting { on: WaitingFor::Collection } => Hint::Inbox(reader.clone()),
                _ => Hint::Work,
            });
            Ok(true)
        }
        Err(error @ StoreError::NotApplicable(_)) => {
            tracing::debug!(%error, "somebody was faster");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// How far what waits for each peer was looked at.
#[derive(Default)]
pub(super) struct Rounds(BTreeMap<String, String>);

impl Rounds {
    /// Looks at a page of what waits for each peer to which nothing goes. Says whether anything took
    /// another way: then there may be more.
    pub(super) async fn go_on(&mut self, hub: &Hub) -> Result<bool, StoreError> {
        let (tables, now) = (hub.tables(), hub.clock.now());
        let mut policies = tables.delivery.policies.all();
        if policies.all(|policy| policy.alternatives.iter().next().is_none()) {
            self.0.clear();
            return Ok(false);
        }
        let shut = hub.gates.shut(&tables.delivery.traffic, now);
        self.0.retain(|peer, _| shut.contains(peer));
        let mut any = false;
        for peer in shut {
            let after = self.0.get(&peer).map(String::as_str);
            let page = hub.store.waiting_for(&peer, after, PAGE).await?;
            match page.next {
                Some(next) => drop(self.0.insert(peer, next)),
                None => drop(self.0.remove(&peer)),
            }
            let found = page.deliveries.into_iter().filter_map(|delivery| {
                let seen = Seen {
                    failed: delivery.attempts,
                    may_have_arrived: delivery.state != State::Waiting { on: WaitingFor::Turn },
                    ..Seen::default()
                };
                let detour = wanted(hub, &tables, &delivery, seen, |_| false, now)?;
                Some((delivery.record.hub_id, delivery.record.metadata.reader, detour))
            });
            let went: Vec<bool> =
                stream::iter(found.collect::<Vec<_>>())
                    .map(|(hub_id, reader, detour)| async move {
                        go(hub, &hub_id, &reader, detour).await
                    })
                    .buffer_unordered(TOGETHER)
                    .try_collect()
                    .await?;
            any |= went.contains(&true);
        }
        Ok(any)
    }
}
