//! What an order makes of a dialogue: the answer, a refusal, and what else has happened.

use serde::{Deserialize, Serialize};

use super::control::{Control, ConversationId};
use super::sign_in::SignIn;
use super::supplier::Dialogue;

/// Longest name of such a delivery in octets.
pub const MAX_HANDED_OUT_BYTES: usize = 512;

/// What an order made of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The dialogue as it is now; none where it has ended.
    pub after: Option<Dialogue>,
    /// What must be recorded with it, in one transaction.
    pub effects: Vec<Effect>,
    /// The answer.
    pub outcome: Result<Taken, Refusal>,
}

/// What has happened besides the order itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// An explicit dialogue was opened.
    Opened(ConversationId),
    /// The client has received these: this is the next order of the same dialogue.
    Received(Vec<HandedOut>),
    /// A dialogue has ended.
    Ended(ConversationId, Ending),
}

/// Why a dialogue has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// ExitDialog.
    Exit,
    /// No order for too long, or open for too long.
    TimedOut,
    /// Too many refused orders.
    Failures,
    /// The client opened one too many; this was its oldest.
    Replaced,
}

/// An order that the dialogue takes. Whether it succeeds is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What the control block of the answer carries.
    pub answer: Control,
    /// How the dialogue stands after it.
    pub stands: Stands,
    /// The certificates that count for the order.
    pub client: SignIn,
}

/// How a dialogue stands after an order, for the feedback of one that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// 0800.
    Ended,
    /// 0801.
    Open,
}

impl Stands {
    /// The four digits.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ended => "0800",
            Self::Open => "0801",
        }
    }
}

/// Why an order was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: RefusalCode,
    /// The control block of an answer with feedback; none where the answer is a SOAP fault.
    pub answer: Option<Control>,
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self { code, answer: None }
    }
}

/// The standard's code for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// 9000, a fault: no room for another dialogue now, or its number is taken.
    NoRoom,
    /// 9300, a fault: the order lacks what every order has, or goes to somebody else.
    NoOrder,
    /// 9400, a fault: conversation id, sequence number or response is not right. Also for a dialogue
    /// that has ended, a repeated order, and a client who is not the one that signed in.
    OutOfTurn,
    /// 9802, in the feedback: the order is allowed in an explicit dialogue only.
    NeedsDialogue,
}

impl RefusalCode {
    /// The four digits.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoRoom => "9000",
            Self::NoOrder => "9300",
            Self::OutOfTurn => "9400",
            Self::NeedsDialogue => "9802",
        }
    }
}

/// A delivery that was handed out and not yet received: by the hub's name for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HandedOut(String);

impl HandedOut {
    /// Takes a name of at most [`MAX_HANDED_OUT_BYTES`].
    pub fn new(name: &str) -> Option<Self> {
        (1..=MAX_HANDED_OUT_BYTES).contains(&name.len()).then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HandedOut {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::new(&text).ok_or("the name of a delivery has 1 to 512 octets")
    }
}

impl From<HandedOut> for String {
    fn from(name: HandedOut) -> Self {
        name.0
    }
}

/// A delivery was not entered as handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHandedOut {
    /// The order taken last collects nothing.
    #[error("the order taken last collects no delivery")]
    NotCollecting,
    /// There are too many.
    #[error("more than allowed: deliveries handed out in one answer")]
    TooMany,
}
