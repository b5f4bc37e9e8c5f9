//! The port for what Authors are told.

use std::time::Duration;

use jiff::Timestamp;

use super::{Delivery, Entry, Pending, StoreError};
use crate::identity::HubId;
use crate::notice::{Kind, Withheld};

/// An intent to tell an Author something, as the store names it. Known before anything of it is read, so
/// that one that cannot be read does not stand in the way of the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// The number of the message in the store.
    pub message: u64,
    /// The word for what its Author is to be told.
    pub kind: String,
}

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
    /// It is not true any more: it is forgotten.
    Dropped,
    /// It is tried again from then on.
    Later(Timestamp),
}

/// Intents that are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoticeBacklog {
    /// Due now, and in nobody's hands.
    pub due: u64,
    /// Since when the oldest of them is.
    pub since: Option<Timestamp>,
    /// Set aside, because they cannot be read.
    pub set_aside: u64,
}

/// Intents to tell Authors something. The store writes one in the same transaction in which a delivery
/// reaches a state that asks for it ([`Kind::of_change`]), never about a notice, and once for each message
/// and kind. An acceptance whose record says what it is about settles the intent in its own transaction;
/// where there is none that is open, and where it is not true any more, nothing is accepted
/// ([`StoreError::NotFound`]).
pub trait Notices: Send + Sync + 'static {
    /// Takes intents that are due, those first that have been so for longest; at most `limit`, and never
    /// more than a page of the store. For the time of `lease` nobody else gets them; whatever is not
    /// settled by then is due again. With a lease of nothing they are only looked at.
    fn take_notices(
        &self,
        limit: u32,
        lease: Duration,
    ) -> Pending<'_, Result<Vec<Intent>, StoreError>>;

    /// What an intent is about; none when it was settled meanwhile. [`StoreError::Corrupt`]: it cannot be
    /// read, and that will not change by itself.
    fn notice<'a>(
        &'a self,
        intent: &'a Intent,
    ) -> Pending<'a, Result<Option<DueNotice>, StoreError>>;

    /// Settles an open intent otherwise; one that is settled already stays as it is.
    fn settle_notice<'a>(
        &'a self,
        about: &'a HubId,
        kind: Kind,
        instead: Instead,
    ) -> Pending<'a, Result<(), StoreError>>;

    /// Sets an intent aside that cannot be read: it is not due any more, is counted, and it is on record
    /// ([`Withheld::Unreadable`]) where so much of it can be read.
    fn set_aside_notice<'a>(&'a self, intent: &'a Intent) -> Pending<'a, Result<(), StoreError>>;

    /// How many wait.
    fn notice_backlog(&self) -> Pending<'_, Result<NoticeBacklog, StoreError>>;
}
