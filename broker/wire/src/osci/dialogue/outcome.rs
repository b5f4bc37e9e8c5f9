//! What an order makes of a dialogue: the answer, a refusal, and what else has happened.

use super::control::{Control, ConversationId};
use super::sign_in::{Certificate, Mailbox, Shown, SignIn};
use super::supplier::Dialogue;
use crate::osci::feedback::Code;

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
    pub outcome: Result<Taken, NotTaken>,
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
    /// For which certificate the answer must be encrypted; none where it must leave in clear. The
    /// dialogue counts on it: who answers the challenge has shown that it can read it.
    pub seal: Option<Certificate>,
    /// How the dialogue stands after it.
    pub stands: Stands,
    /// The certificates that count for the order: under which it is signed, and for which the client
    /// wants its answers encrypted.
    pub client: SignIn,
    /// How it was shown who the client is.
    pub shown: Shown,
}

impl Taken {
    /// The mailbox into which the order may look; none where nothing was shown.
    pub fn mailbox(&self) -> Option<Mailbox<'_>> {
        let cipher = self.client.cipher.as_ref()?;
        match (self.shown, &self.client.signature) {
            (shown, _) if shown.is_sealed() => Some(Mailbox::Of(cipher)),
            (Shown::Signed { .. }, Some(signature)) => {
                Some(Mailbox::IfSigners { cipher, signature })
            }
            _ => None,
        }
    }
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
    /// What the feedback says.
    pub fn code(self) -> Code {
        match self {
            Self::Ended => Code::DoneDialogueEnded,
            Self::Open => Code::DoneDialogueOpen,
        }
    }
}

/// Why an order was not taken, and what is answered.
///
/// | code | when |
/// |---|---|
/// | 9000, a fault | there is no room for another dialogue now, or its number is taken |
/// | 9300, a fault | it is no order, or lacks what every order has, or goes to somebody else |
/// | 9400, a fault | conversation id, sequence number or response is not right; also for a dialogue that has ended, a repeated order, a client who is not the one that signed in, and what comes in clear where it must be encrypted |
/// | 9500, a fault | the answer would have to be encrypted, and there is no certificate for it |
/// | 9600, feedback | it looks into a mailbox, and nobody has shown whose it is |
/// | 9802, feedback | it is allowed in an explicit dialogue only |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// The code.
    pub code: Code,
    /// The control block of an answer with feedback; none where the answer is a SOAP fault.
    pub answer: Option<Control>,
    /// For which certificate that answer must be encrypted; faults never are.
    pub seal: Option<Certificate>,
}

impl From<Code> for NotTaken {
    fn from(code: Code) -> Self {
        Self { code, answer: None, seal: None }
    }
}

/// A delivery that was handed out and not yet received: by the hub's name for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// A delivery was not entered as handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHandedOut {
    /// The order taken last collects nothing of this kind.
    #[error("the order taken last collects no delivery, or a chunk of one instead of all of it")]
    NotCollecting,
    /// There are too many.
    #[error("more than allowed: deliveries handed out in one answer")]
    TooMany,
}
