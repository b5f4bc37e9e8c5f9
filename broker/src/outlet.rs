//! The second half of a message's life: from a lease to what became of it.
//!
//! An [`Outlet`] speaks to the next node and knows no state; what its answer means for the
//! delivery is decided here and in `domain::state`.

use std::collections::HashMap;
use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::fault::Code;
use amtsbote_domain::ports::{Lease, Pending, Store, StoreError};
use amtsbote_domain::state::Event;

use crate::config::DeliveryPolicy;
use crate::hub::Hub;

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

/// A lease that may become an attempt.
pub(crate) struct Ready<'a> {
    pub(crate) parcel: Parcel,
    pub(crate) outlet: &'a dyn Outlet,
}

/// Judges the way again at delivery time (P10).
pub(crate) async fn prepare<'a>(
    hub: &Hub,
    outlets: &'a Outlets,
    lease: &Lease,
) -> Result<Option<Ready<'a>>, StoreError> {
    let record = hub.store.delivery(&lease.hub_id).await?.record;
    let way = hub.directory.way_to(
        &record.metadata.reader,
        &record.metadata.service,
        record.test,
        hub.clock.now(),
    );
    let outlet = match way {
        Ok(way) => match &way.channel {
            Channel::Peer(name) if *name == lease.peer => outlets.get(name),
            Channel::Peer(_) | Channel::Inbox => None,
        },
        Err(_) => None,
    };
    let Some(outlet) = outlet else {
        hub.store.give_back(lease, Some(Event::WayLost)).await?;
        return Ok(None);
    };
    let parcel = Parcel { record, store: hub.store.clone(), repeated: lease.repeated };
    Ok(Some(Ready { parcel, outlet: outlet.as_ref() }))
}

/// Lets the outlet try, for as long as one attempt may take.
pub(crate) async fn deliver(hub: &Hub, outlet: &dyn Outlet, parcel: Parcel) -> Outcome {
    tokio::time::timeout(hub.delivery.attempt, outlet.deliver(&parcel))
        .await
        .unwrap_or(Outcome::Lost)
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
    let (event, code, proof) = match outcome {
        Outcome::Confirmed(proof) => (Event::AttemptConfirmed, None, Some(proof)),
        Outcome::NotNow(_) if attempt >= hub.delivery.max_attempts => {
            (Event::AttemptsExhausted, None, None)
        }
        Outcome::NotNow(after) => {
            let retry_at = retry_at(&hub.delivery, lease, attempt, after, now);
            (Event::AttemptFailed { retry_at }, None, None)
        }
        Outcome::Refused(code) => (Event::AttemptRefused, code, None),
        Outcome::Lost => (Event::AttemptLost, None, None),
        Outcome::Corrupt => (Event::DigestMismatch, None, None),
    };
    hub.store.settle(lease, event, code, proof).await?;
    Ok(())
}

/// Doubling waits with up to a quarter of jitter, so that what failed together does not return
/// together; never before the peer asked for it. The jitter comes from the id: no randomness.
pub(crate) fn retry_at(
    policy: &DeliveryPolicy,
    lease: &Lease,
    attempt: u32,
    after: Option<u32>,
    now: Timestamp,
) -> Timestamp {
    let doubled = policy.first_wait.saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let wait = doubled.min(policy.longest_wait);
    let spread = lease
        .hub_id
        .as_str()
        .bytes()
        .fold(attempt, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
        % 256;
    let wait = wait + wait / 4 * spread / 256;
    let asked = std::time::Duration::from_secs(after.unwrap_or(0).into());
    now.checked_add(wait.max(asked)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn lease(id: &str) -> Lease {
        use amtsbote_domain::identity::{HubId, ServiceUri, TransportId};
        use amtsbote_domain::message::Metadata;
        use amtsbote_domain::party::PartyId;
        Lease {
            hub_id: HubId::parse(id).expect("an id"),
            number: 1,
            until: Timestamp::MAX,
            attempts: 0,
            repeated: false,
            peer: "p".into(),
            metadata: Metadata {
                author: PartyId::parse("ags:05766044").expect("a party"),
                reader: PartyId::parse("ags:05766020").expect("a party"),
                service: ServiceUri::parse("urn:a").expect("a service"),
                message_type: None,
                transport_id: TransportId::parse("t").expect("an id"),
                business_id: None,
                created: Timestamp::UNIX_EPOCH,
                not_before: None,
                expires: None,
                test: false,
            },
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_respect_the_peer() {
        let policy = DeliveryPolicy {
            first_wait: Duration::from_secs(4),
            longest_wait: Duration::from_secs(60),
            ..DeliveryPolicy::default()
        };
        let lease = lease("0197a2c4-0000-7000-8000-000000000001");
        let wait = |attempt, after| {
            retry_at(&policy, &lease, attempt, after, Timestamp::UNIX_EPOCH).as_second()
        };
        assert!((4..=5).contains(&wait(1, None)));
        assert!((8..=10).contains(&wait(2, None)));
        assert!((60..=75).contains(&wait(9, None)));
        assert!((60..=75).contains(&wait(u32::MAX, None)));
        assert_eq!(wait(1, Some(90)), 90);
    }
}
