//! The port for message ids that the hub gives out, where a transport lets nobody choose their own.

use std::time::Duration;

use jiff::Timestamp;

use super::{Pending, StoreError};
use crate::identity::{AccountId, Transport, TransportId};

/// Most ids of one account, by all transports, that are given out and not yet used.
pub const MAX_IDS_OF_ACCOUNT: u32 = 10_000;
/// Longest time for which an id can be used.
pub const MAX_ID_LIFE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// What an id that a message names is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdStanding {
    /// It was given out to this account, and can be used until this time, by the store's clock.
    Open(Timestamp),
    /// A message of this account was accepted under it.
    Used,
    /// Never given out, or to another account, or its time is over: which of them nobody is told.
    Unknown,
}

/// Ids given out to accounts. An acceptance that says so
/// ([`Acceptance::issued`](super::Acceptance::issued)) takes its transport id in its own transaction: the
/// first one wins, a refusal or an acceptance that was rolled back leaves it as it was. That it was used
/// is on record as the acceptance itself; that it was given out is not evidence. One that was not used is
/// removed by [`Store::sweep`](super::Store::sweep) after its time.
pub trait IssuedIds: Send + Sync + 'static {
    /// Notes that an id was given out, for a time that is more than nothing and at most
    /// [`MAX_ID_LIFE`]; says until when, by the store's clock. Durable before it returns. Whoever calls
    /// draws the id, so that it cannot be guessed. Refused with [`StoreError::NoRoom`] when the account
    /// has as many as it may, and with [`StoreError::IdUsed`] when it has this one already, open or used.
    fn issue_id<'a>(
        &'a self,
        account: &'a AccountId,
        transport: Transport,
        id: &'a TransportId,
        lasts: Duration,
    ) -> Pending<'a, Result<Timestamp, StoreError>>;

    /// How an id stands now: for a refusal before a body is read (P8). The acceptance decides.
    fn id_standing<'a>(
        &'a self,
        account: &'a AccountId,
        transport: Transport,
        id: &'a TransportId,
    ) -> Pending<'a, Result<IdStanding, StoreError>>;
}
