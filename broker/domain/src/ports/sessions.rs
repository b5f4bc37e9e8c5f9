//! The port for conversations: what a transport must remember between two requests.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::{Pending, StoreError};
use crate::identity::{AccountId, Transport};

/// Most octets remembered of one session.
pub const MAX_SESSION_OCTETS: usize = 16 * 1024;
/// Most open sessions of one account, by all transports.
pub const MAX_SESSIONS_OF_ACCOUNT: u32 = 64;
/// Most open sessions in all.
pub const MAX_SESSIONS: u32 = 10_000;
/// Longest time for which a session lasts from one step to the next.
pub const MAX_SESSION_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a transport calls a conversation: octets of its own choice, compared one by one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Vec<u8>);

/// Octets that cannot name a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session id: 1 to {max} octets", max = SessionId::MAX_BYTES)]
pub struct BadSessionId;

impl SessionId {
    /// Longest id in octets.
    pub const MAX_BYTES: usize = 64;

    /// Takes 1 to [`Self::MAX_BYTES`] octets.
    pub fn new(octets: &[u8]) -> Result<Self, BadSessionId> {
        if (1..=Self::MAX_BYTES).contains(&octets.len()) {
            Ok(Self(octets.to_owned()))
        } else {
            Err(BadSessionId)
        }
    }

    /// The octets.
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

/// Names one session. The account is part of the name: under the same id another account finds
/// nothing, and may open a session of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// With whom.
    pub account: AccountId,
    /// By which transport.
    pub transport: Transport,
    /// Which conversation.
    pub id: SessionId,
}

/// What is to be remembered until the next request.
#[derive(Clone, PartialEq, Eq)]
pub struct Remember {
    /// At most [`MAX_SESSION_OCTETS`]. They rest sealed, like content.
    pub octets: Vec<u8>,
    /// For how long, from now on by the store's clock: more than nothing, and at most
    /// [`MAX_SESSION_LIFE`].
    pub lasts: Duration,
}

impl fmt::Debug for Remember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what a partner said (P7).
        f.debug_struct("Remember")
            .field("octets", &self.octets.len())
            .field("lasts", &self.lasts)
            .finish()
    }
}

/// An open session.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// 1 when it was opened; one more after each step.
    pub revision: u64,
    /// What was remembered last.
    pub octets: Vec<u8>,
    /// When it ends, by the store's clock.
    pub ends: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("revision", &self.revision)
            .field("octets", &self.octets.len())
            .field("ends", &self.ends)
            .finish()
    }
}

/// What became of a step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It was taken; the session has this revision now.
    Turned(u64),
    /// Another step from the same revision, or a later one, was taken before. Nothing was changed.
    Overtaken,
    /// There is no such session, or it has ended. Nothing was changed.
    Gone,
}

/// What became of the wish to end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It is ended, and what was remembered is removed.
    Closed,
    /// A step from the same revision, or a later one, was taken before. Nothing was changed.
    Overtaken,
    /// There is no such session, or it has ended before.
    Gone,
}

/// Conversations of transports. What a node remembers here, every node of the same store can go on
/// with. A session whose end has come is not found any more; [`Store::sweep`](super::Store::sweep)
/// removes it. Sessions are no evidence and leave none, and a store that moves leaves them behind:
/// partners begin anew.
///
/// A step is taken from the revision that was read, and only once: of two requests at the same time
/// one wins, the other is told. What a step does to messages is not part of its transaction: do first
/// what may be done twice (an acknowledgement), take the step then, and answer last.
pub trait Sessions: Send + Sync + 'static {
    /// Opens a session at revision 1; says when it ends. Refused with
    /// [`StoreError::NoRoom`] when as many are open as there may be, of the account or in all, and
    /// with [`StoreError::IdUsed`] when one is open under this key.
    fn open_session<'a>(
        &'a self,
        key: &'a SessionKey,
        remember: Remember,
    ) -> Pending<'a, Result<Timestamp, StoreError>>;

    /// The session, if it is open. [`StoreError::Corrupt`]: what was remembered was changed, or the
    /// key that seals it was destroyed.
    fn session<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> Pending<'a, Result<Option<Session>, StoreError>>;

    /// Takes a step from this revision: what is remembered from now on, and for how long.
    fn turn_session<'a>(
        &'a self,
        key: &'a SessionKey,
        revision: u64,
        remember: Remember,
    ) -> Pending<'a, Result<Turn, StoreError>>;

    /// Ends a session that has this revision.
    fn end_session<'a>(
        &'a self,
        key: &'a SessionKey,
        revision: u64,
    ) -> Pending<'a, Result<Closing, StoreError>>;

    /// How many sessions are open.
    fn open_sessions(&self) -> Pending<'_, Result<u64, StoreError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_id_is_bounded() {
        for (length, good) in [(0, false), (1, true), (64, true), (65, false)] {
            assert_eq!(SessionId::new(&vec![0; length]).is_ok(), good, "{length}");
        }
        assert_eq!(SessionId::new(b"\xff1").expect("an id").as_octets(), b"\xff1");
    }

    #[test]
    fn what_is_remembered_is_not_shown() {
        let octets = b"geheim".to_vec();
        let remember = Remember { octets: octets.clone(), lasts: Duration::from_secs(1) };
        let session = Session { revision: 1, octets, ends: Timestamp::UNIX_EPOCH };
        for shown in [format!("{remember:?}"), format!("{session:?}")] {
            assert!(!shown.contains("geheim") && !shown.contains("103"), "{shown}");
        }
    }
}
