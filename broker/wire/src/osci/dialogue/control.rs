//! What a control block carries.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a message says about its dialogue (`ControlBlockTemplate`). Which of it must be there depends
/// on the message ([`MessageType::control`](crate::osci::MessageType::control)); whether it is right is
/// for the dialogue to judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// `Response`: the other side's last challenge.
    pub response: Option<Challenge>,
    /// `Challenge`: what the other side must answer with next time.
    pub challenge: Option<Challenge>,
    /// `ConversationId`: the dialogue.
    pub conversation: Option<ConversationId>,
    /// `SequenceNumber`: which order of the dialogue this is, from 0.
    pub sequence: Option<u64>,
}

/// The number of a dialogue: digits (`osci:Number`), kept as written. It is drawn by chance: who does
/// not know it cannot speak in the dialogue.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConversationId(String);

impl ConversationId {
    /// Most digits.
    pub const MAX_DIGITS: usize = 64;

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        (digits && (1..=Self::MAX_DIGITS).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ConversationId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text).ok_or("a conversation id has 1 to 64 digits")
    }
}

impl From<ConversationId> for String {
    fn from(id: ConversationId) -> Self {
        id.0
    }
}

/// A challenge or what answers it: any text (`xsd:string`). It is a secret between the two sides
/// and is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Challenge(String);

impl Challenge {
    /// Longest challenge in octets.
    pub const MAX_BYTES: usize = 256;
    /// Shortest challenge that we give ourselves, in octets: the reference library has 16.
    pub const MIN_OWN_BYTES: usize = 16;

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= Self::MAX_BYTES).then(|| Self(text.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the other one is the same, in a time that does not say where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && openssl::memcmp::eq(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl TryFrom<String> for Challenge {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text).ok_or("a challenge has at most 256 octets")
    }
}

impl From<Challenge> for String {
    fn from(challenge: Challenge) -> Self {
        challenge.0
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConversationId(..)")
    }
}

/// What is new in an answer: drawn by chance outside, anew for each order.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub(super) conversation: ConversationId,
    pub(super) challenge: Challenge,
}

impl Fresh {
    /// A number that no open dialogue has, and a challenge of at least
    /// [`Challenge::MIN_OWN_BYTES`]; none where it is shorter.
    pub fn new(conversation: ConversationId, challenge: Challenge) -> Option<Self> {
        let long = challenge.0.len() >= Challenge::MIN_OWN_BYTES;
        long.then_some(Self { conversation, challenge })
    }
}

/// Whether something stands in a control block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// It must be there.
    Must,
    /// It must not be there.
    MustNot,
    /// Either way.
    Free,
}

/// What the control block of a message must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demands {
    /// Of `Response`.
    pub response: Demand,
    /// Of `Challenge`.
    pub challenge: Demand,
    /// Of `ConversationId`.
    pub conversation: Demand,
    /// Of `SequenceNumber`.
    pub sequence: Demand,
}

impl Demands {
    /// Whether a control block is as demanded.
    pub fn hold(self, control: &Control) -> bool {
        self.broken(control).is_none()
    }

    /// The first rule that a control block breaks.
    pub(in crate::osci) fn broken(self, control: &Control) -> Option<&'static str> {
        let each = [
            (
                self.response,
                control.response.is_some(),
                "Response is missing",
                "Response may not stand in this message",
            ),
            (
                self.challenge,
                control.challenge.is_some(),
                "Challenge is missing",
                "Challenge may not stand in this message",
            ),
            (
                self.conversation,
                control.conversation.is_some(),
                "ConversationId is missing",
                "ConversationId may not stand in this message",
            ),
            (
                self.sequence,
                control.sequence.is_some(),
                "SequenceNumber is missing",
                "SequenceNumber may not stand in this message",
            ),
        ];
        each.into_iter().find_map(|(demand, there, missing, strange)| match demand {
            Demand::Must if !there => Some(missing),
            Demand::MustNot if there => Some(strange),
            _ => None,
        })
    }
}
