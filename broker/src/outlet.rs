//! The second half of a message's life: from a lease to what became of it.
//!
//! An [`Outlet`] speaks to the next node and knows no state; what its answer means for the
//! delivery is decided here and in `domain::state`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::breaker;
use amtsbote_domain::delivery::policy::Policy;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Way;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::fault::Code;
use amtsbote_domain::ports::{Delivery, Lease, Pending, Store, StoreError};
use amtsbote_domain::state::Event;

use crate::clearing::may_go_by_hand;
use crate::config::PeerConfig;
use crate::hub::Hub;
use crate::tables::InForce;
use crate::transport::native::peer::NativePeer;
use crate::worker::detours;

/// One message for the next node.
pub(crate) struct Parcel {
    /// What was recorded when it was accepted.
    pub(crate) record: Accepted,
    /// Where its octets are.
    pub(crate) store: Arc<dyn Store>,
    /// It may have arrived before: the same id is sent again.
    pub(crate) repeated: bool,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The peer has it and said so; the digest is that of its receipt.
    Confirmed(Digest),
    /// Nothing left, or the peer says that it kept nothing and wants it again later, not before
    /// so many seconds.
    NotNow(Option<u32>),
    /// The peer refused it for good, with its code if it has one of ours.
    Refused(Option<Code>),
    /// Octets left, no answer came.
    Lost,
    /// The octets at rest were not those taken at the door; the peer cannot have accepted them.
    Corrupt,
}

impl Outcome {
    /// What it says about the peer.
    pub(crate) fn about_peer(&self) -> breaker::Outcome {
        match self {
            Self::Confirmed(_) => breaker::Outcome::Confirmed,
            Self::NotNow(None) => breaker::Outcome::NothingLeft,
            Self::NotNow(Some(seconds)) => breaker::Outcome::Overloaded(*seconds),
            Self::Refused(_) => breaker::Outcome::Refused,
            Self::Lost => breaker::Outcome::Lost,
            Self::Corrupt => breaker::Outcome::OwnFault,
        }
    }
}

/// A way out of the hub.
pub(crate) trait Outlet: Send + Sync {
    /// Sends it. The caller bounds the time; a call that is dropped counts as [`Outcome::Lost`].
    fn deliver<'a>(&'a self, parcel: &'a Parcel) -> Pending<'a, Outcome>;

    /// The peer answers a repetition under the same id as it did the first time, so an uncertain
    /// delivery may be sent again (P2).
    fn is_idempotent(&self) -> bool;
}

/// All ways out, by the name of the peer.
pub(crate) type Outlets = HashMap<String, Arc<dyn Outlet>>;

/// A peer with which no connection can be made as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("peer {name}: {error}")]
pub struct BadPeer {
    name: String,
    error: String,
}

/// The ways to these peers.
pub(crate) fn outlets(peers: &[PeerConfig]) -> Result<Outlets, BadPeer> {
    let mut outlets = Outlets::new();
    for peer in peers {
        let outlet = NativePeer::new(peer)
            .map_err(|error| BadPeer { name: peer.name.clone(), error: error.to_string() })?;
        outlets.insert(peer.name.clone(), Arc::new(outlet));
    }
    Ok(outlets)
}

/// A lease that may become an attempt.
pub(crate) struct Ready {
    pub(crate) parcel: Parcel,
    pub(crate) outlet: Arc<dyn Outlet>,
}

/// Judges the way again at delivery time (P10).
pub(crate) async fn prepare(hub: &Hub, lease: &Lease) -> Result<Option<Ready>, StoreError> {
    let delivery = hub.store.delivery(&lease.hub_id).await?;
    let record = &delivery.record;
    let tables = hub.tables();
    let (reader, service) = (&record.metadata.reader, &record.metadata.service);
    let now = hub.clock.now();
    let way = tables.way_to(reader, service, record.test, now).map(|(way, _)| way);
    // A way that people named, by two, need not be the directory's; test and production stay apart.
    let open = match delivery.by_hand {
        true => may_go_by_hand(record.test, &way),
        false => way.is_ok_and(|way| is_open(&tables, &delivery, &way, now)),
    };
    let outlet = tables.outlets.get(&lease.peer).filter(|_| open).cloned();
    let Some(outlet) = outlet else {
        hub.store.give_back(lease, Some(Event::WayLost)).await?;
        return Ok(None);
    };
    if let Some(detour) = detours::before(hub, &tables, lease, &delivery, now) {
        detours::go(hub, &lease.hub_id, reader, detour).await?;
        return Ok(None);
    }
    let record = delivery.record;
    let parcel = Parcel { record, store: hub.store.clone(), repeated: lease.repeated };
    Ok(Some(Ready { parcel, outlet }))
}

/// Whether a delivery may still go by the way it is on: that of the directory, or one that its rule
/// names and a detour brought it to.
fn is_open(tables: &InForce, delivery: &Delivery, way: &Way, now: Timestamp) -> bool {
    let about = &delivery.record.metadata;
    let detoured = delivery.channel != delivery.record.channel;
    let named = || {
        let policy = tables.delivery.policy(&about.service, &about.reader, now).policy;
        policy.alternatives.iter().any(|way| way.channel.to_string() == delivery.channel)
    };
    way.channel.to_string() == delivery.channel || (detoured && named())
}

/// Lets the outlet try, for as long as one attempt may take and never beyond the lease: after it
/// somebody else may try.
pub(crate) async fn deliver(
    hub: &Hub,
    lease: &Lease,
    outlet: &dyn Outlet,
    parcel: Parcel,
) -> Outcome {
    let left = lease.until.duration_since(hub.clock.now());
    let time = hub.delivery.attempt.min(Duration::try_from(left).unwrap_or_default());
    tokio::time::timeout(time, outlet.deliver(&parcel)).await.unwrap_or(Outcome::Lost)
}

/// Records what became of the attempt.
pub(crate) async fn settle(
    hub: &Hub,
    lease: &Lease,
    attempt: u32,
    outcome: Outcome,
) -> Result<(), StoreError> {
    let now = hub.clock.now();
    tracing::info!(hub_id = %lease.hub_id, peer = lease.peer, attempt, ?outcome, "attempt ended");
    let mut detour = None;
    let (event, code, proof) = match outcome {
        Outcome::Confirmed(proof) => (Event::AttemptConfirmed, None, Some(proof)),
        Outcome::NotNow(after) => {
            let (tables, about) = (hub.tables(), &lease.metadata);
            let policy = tables.delivery.policy(&about.service, &about.reader, now).policy;
            let retry_at = policy.waits.retry_at(&lease.hub_id, attempt, after, now);
            // What became of the attempt is worth more than where it goes on.
            detour = detours::after(hub, lease, attempt, now).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "it was not found out whether there is another way");
                None
            });
            let event = match detour {
                // There is another way before a person must decide.
                Some(_) => Event::AttemptFailed { retry_at },
                None => not_now(policy, lease.repeated, attempt, retry_at),
            };
            (event, None, None)
        }
        Outcome::Refused(code) => (Event::AttemptRefused, code, None),
        Outcome::Lost => (Event::AttemptLost, None, None),
        Outcome::Corrupt => (Event::DigestMismatch, None, None),
    };
    hub.store.settle(lease, event, code, proof).await?;
    if let Some(detour) = detour {
        // The next lease asks again.
        if let Err(error) = detours::go(hub, &lease.hub_id, &lease.metadata.reader, detour).await {
            tracing::warn!(%error, "another way could not be taken");
        }
    }
    Ok(())
}

/// That this attempt did not arrive says nothing about an earlier one that may have (P2): when no
/// further one can follow, such a delivery is as uncertain as before.
fn not_now(policy: &Policy, repeated: bool, attempt: u32, retry_at: Timestamp) -> Event {
    match (attempt >= policy.attempts, repeated) {
        (true, true) => Event::AttemptLost,
        (true, false) => Event::AttemptsExhausted,
        (false, _) => Event::AttemptFailed { retry_at },
    }
}

/// What becomes of an uncertain delivery (P2): it is sent again where the peer is idempotent and
/// there is an attempt left for it; else a person decides. Its expiry does not count: a peer that
/// has the message answers with its receipt even then.
pub(crate) fn resolve(
    policy: &Policy,
    outlets: &Outlets,
    delivery: &Delivery,
    now: Timestamp,
) -> Event {
    let record = &delivery.record;
    let peer = delivery.channel.strip_prefix("peer:").and_then(|name| outlets.get(name));
    let idempotent = peer.is_some_and(|outlet| outlet.is_idempotent());
    let retry_at = policy.waits.retry_at(&record.hub_id, delivery.attempts.max(1), None, now);
    if idempotent && delivery.attempts < policy.attempts {
        Event::ResendAllowed { retry_at }
    } else {
        Event::OutcomeUnknowable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::state::State;

    use crate::testing::{self, PEER};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    struct Peer {
        idempotent: bool,
    }

    impl Outlet for Peer {
        fn deliver<'a>(&'a self, _: &'a Parcel) -> Pending<'a, Outcome> {
            Box::pin(async { Outcome::Lost })
        }

        fn is_idempotent(&self) -> bool {
            self.idempotent
        }
    }

    #[test]
    fn what_may_have_arrived_is_never_called_exhausted() {
        let policy = Policy { attempts: 3, ..Policy::default() };
        let event = |repeated, attempt| not_now(&policy, repeated, attempt, at(10));
        assert_eq!(event(false, 2), Event::AttemptFailed { retry_at: at(10) });
        assert_eq!(event(false, 3), Event::AttemptsExhausted);
        assert_eq!(event(true, 2), Event::AttemptFailed { retry_at: at(10) });
        assert_eq!(event(true, 3), Event::AttemptLost);
    }

    #[test]
    fn doubt_is_resolved_by_capability_while_attempts_are_left() {
        let policy = Policy { attempts: 3, ..Policy::default() };
        let outlets = |idempotent| -> Outlets {
            let peer: Arc<dyn Outlet> = Arc::new(Peer { idempotent });
            [(PEER.to_owned(), peer)].into()
        };
        let event = |outlets: &Outlets, attempts, expires| {
            let mut record = testing::record(vec![], Digest([0; 32]));
            record.metadata.expires = expires;
            let (state, since) = (State::Uncertain, at(0));
            let delivery = Delivery {
                channel: record.channel.clone(),
                by_hand: false,
                record,
                accepted_at: since,
                state,
                since,
                due: None,
                revision: 3,
                attempts,
            };
            resolve(&policy, outlets, &delivery, at(100))
        };
        let again = |outlets: &Outlets, attempts, expires| {
            matches!(
                event(outlets, attempts, expires),
                Event::ResendAllowed { retry_at } if retry_at > at(100)
            )
        };
        assert!(again(&outlets(true), 1, None));
        assert!(again(&outlets(true), 2, Some(at(1_000))));
        assert!(again(&outlets(true), 2, Some(at(99))), "an expiry that has passed does not count");
        for (peers, attempts, expires) in
            [(outlets(false), 1, None), (Outlets::new(), 1, None), (outlets(true), 3, None)]
        {
            assert_eq!(event(&peers, attempts, expires), Event::OutcomeUnknowable, "{attempts}");
        }
    }
}
