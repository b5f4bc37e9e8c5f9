//! What is stored of a delivery beside its state: in which lists it stands, and so who will see it.

use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::state::{State, WaitingFor};
use jiff::Timestamp;

use crate::operation::change::{Lists, peer_of};
use crate::operation::order::is_for_a_worker;
use crate::rows::micros_up;
use crate::sql::Row;

/// In which state a message comes in: it waits for whoever collects or carries it.
pub(super) fn accepted_as(accepted: &Accepted) -> State {
    State::Waiting {
        on: match accepted.channel == Channel::Inbox.as_str() {
            true => WaitingFor::Collection,
            false => WaitingFor::Turn,
        },
    }
}

/// What is stored of a delivery.
pub(super) struct Stored {
    pub(super) state: String,
    word: String,
    pub(super) attempts: u32,
    pub(super) channel: Option<String>,
    peer: String,
    inbox: Option<String>,
    ready: Option<i64>,
    ends: Option<i64>,
    queue: Option<String>,
    conversation: Option<String>,
    cause: Option<String>,
    open_attempt: bool,
}

impl Stored {
    pub(super) const SELECT: &str =
        "SELECT state, word, attempts, channel, peer, inbox, ready, ends, queue,
            conversation, cause, open_attempt
         FROM delivery WHERE seq = ?1";

    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            state: row.get(0)?,
            word: row.get(1)?,
            attempts: row.get(2)?,
            channel: row.get(3)?,
            peer: row.get(4)?,
            inbox: row.get(5)?,
            ready: row.get(6)?,
            ends: row.get(7)?,
            queue: row.get(8)?,
            conversation: row.get(9)?,
            cause: row.get(10)?,
            open_attempt: row.get(11)?,
        })
    }

    /// Whether it stands where its state belongs: what is in no list would never be delivered, and what is
    /// in another one, to somebody else. In a conversation its order says what is ready.
    pub(super) fn agrees(&self, state: State, accepted: &Accepted, channel: &str) -> bool {
        let metadata = &accepted.metadata;
        let conversation = self.conversation.as_deref();
        let expires = metadata.expires.map(micros_up);
        let reader = metadata.reader.as_str();
        let lists = Lists::new(state, reader, conversation, None, expires, Timestamp::UNIX_EPOCH);
        let cause = match state {
            State::InClearing { cause } => Some(cause.as_str()),
            _ => None,
        };
        let ready = match conversation {
            None => self.ready.is_some() == lists.ready.is_some(),
            Some(_) => self.ready.is_none() || is_for_a_worker(state),
        };
        ready
            && self.word == state.as_str()
            && self.peer == peer_of(channel)
            && self.inbox.as_deref() == lists.inbox
            && self.ends == lists.ends
            && self.queue.as_deref() == lists.queue
            && self.cause.as_deref() == cause
            && self.open_attempt == matches!(state, State::InDelivery { .. })
    }
}
