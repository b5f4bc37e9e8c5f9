//! The port for what Authors are told.

use jiff::Timestamp;

use super::{Delivery, Entry, Pending, StoreError};
use crate::identity::HubId;
use crate::notice::{Kind, Withheld};

/// A notice that is to be made now.
#[derive(Clone, Debug, PartialEq)]
pub struct DueNotice {
    /// The message, as it stands now.
    pub about: Delivery,
    /// What its Author is to be told.
    pub kind: Kind,
    /// The record of the change that asked for it; none where only time passed.
    pub because: Option<Entry>,
}

/// What becomes of an intent where no notice is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// There is no way to the Author: it is recorded so, and nobody tries again.
    Withheld(Withheld),
    /// It is not true any more, or this hub sends no notices: it is forgotten.
    Dropped,
    /// It is tried again from then on.
    Later(Timestamp),
}

/// Intents to tell Authors something. The store writes one in the same transaction in which a delivery
/// reaches a state that asks for it ([`Kind::of_change`]), never about a notice, and once for each message
/// and kind. An acceptance whose record says what it is about settles the intent in its own transaction;
/// where there is none that is open, and where it is not true any more, nothing is accepted
/// ([`StoreError::NotFound`]).
pub trait Notices: Send + Sync + 'static {
    /// Intents that are due, those first that have been so for longest; at most `limit`, and never
    /// more than a page of the store.
    fn notices_due(&self, limit: u32) -> Pending<'_, Result<Vec<DueNotice>, StoreError>>;

    /// Settles an open intent otherwise; one that is settled already stays as it is.
    fn settle_notice<'a>(
        &'a self,
        about: &'a HubId,
        kind: Kind,
        instead: Instead,
    ) -> Pending<'a, Result<(), StoreError>>;
}
