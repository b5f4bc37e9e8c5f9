//! The port for Readers that choose what they collect, and confirm it without a digest of their own.

use jiff::Timestamp;

use super::{InboxPage, Pending, StoreError};
use crate::identity::{AccountId, HubId};
use crate::party::PartyId;
use crate::state::State;

/// Most Readers in one question.
pub const MAX_INBOXES: usize = 64;
/// Most messages under one transport id, the newest ones, among which a question looks.
pub const MAX_NAMESAKES: u32 = 1_000;

/// Which deliveries of some inboxes are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Chosen {
    /// All that can be collected now.
    #[default]
    All,
    /// Those of them accepted at this time or later.
    Since(Timestamp),
    /// Those with this hub id or transport id: what can be collected now, and what was collected and
    /// acknowledged before (its state says so), which may be read again.
    Named(String),
}

/// What to list of the inboxes of some Readers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Whose inboxes: 1 to [`MAX_INBOXES`]. Whoever asks has seen that the account may read for them.
    pub readers: Vec<PartyId>,
    /// Which deliveries.
    pub chosen: Chosen,
    /// Continue after this: the `next` of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// Collecting by choice.
pub trait Collecting: Send + Sync + 'static {
    /// What waits in these inboxes at this moment, as one list in the order of acceptance. The first one
    /// is the one that waits longest; a page with a `next` is not all there is. Changes nothing.
    fn choose(&self, choice: Choice) -> Pending<'_, Result<InboxPage, StoreError>>;

    /// Acknowledges for an account what [`Store::hand_out`](super::Store::hand_out) recorded that it was
    /// handed: where a transport says by its next request that all of it arrived, and no digest. As
    /// `apply` with `Acknowledge` and the digest of the payload otherwise: evidence, receipt, a repetition
    /// changes nothing. [`StoreError::NotFound`]: nothing of it was ever handed to this account.
    fn confirm<'a>(
        &'a self,
        hub_id: &'a HubId,
        account: &'a AccountId,
    ) -> Pending<'a, Result<(State, Vec<u8>), StoreError>>;
}
