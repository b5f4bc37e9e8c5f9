//! The dialogue as the client leads it.

use serde::{Deserialize, Serialize};

use super::control::{Challenge, Control, ConversationId};
use super::order::Where;
use super::outcome::Stands;
use crate::osci::message_type::MessageType;

/// One line of orders to one supplier: implicit dialogues one after the other, or an explicit one.
/// After each order comes its answer, or word that none came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDialogue {
    open: Option<Open>,
    pending: Option<Pending>,
}

/// An explicit dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    conversation: ConversationId,
    /// What the supplier wants to be answered.
    challenge: Challenge,
    /// The number of the next order.
    sequence: u64,
}

/// An order whose answer is still to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    /// By its name in the standard where it rests.
    #[serde(with = "by_name")]
    order: MessageType,
    challenge: Challenge,
}

/// An order that cannot be given now. The error is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// The answer to the order before is still to come.
    #[error("the answer to the order before is still to come")]
    AnswerPending,
    /// It needs an explicit dialogue, and none is open.
    #[error("the order needs an explicit dialogue, and none is open")]
    NeedsDialogue,
    /// One is open, and the order opens one, or belongs to none.
    #[error("an explicit dialogue is open, in which the order has no place")]
    DialogueOpen,
    /// It is no order.
    #[error("this message is no order")]
    NoOrder,
    /// The challenge is too short.
    #[error("a challenge of ours has at least 16 octets")]
    WeakChallenge,
}

/// An answer that is not the one to our order. What became of the order is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// No order is pending.
    #[error("an answer came to which there is no order")]
    NoOrder,
    /// Something is missing in its control block, or must not be there.
    #[error("the control block of the answer lacks something, or has too much")]
    Form,
    /// It does not answer our challenge.
    #[error("the answer does not answer our challenge")]
    Response,
    /// It belongs to another dialogue, or to another order of it.
    #[error("the answer belongs to another dialogue, or to another order")]
    Conversation,
}

impl ClientDialogue {
    /// Before the first order.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an explicit dialogue is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The control block for an order; `challenge` is drawn anew.
    pub fn order(&mut self, order: MessageType, challenge: Challenge) -> Result<Control, Misuse> {
        if self.pending.is_some() {
            return Err(Misuse::AnswerPending);
        }
        if challenge.as_str().len() < Challenge::MIN_OWN_BYTES {
            return Err(Misuse::WeakChallenge);
        }
        let place = order.in_dialogue().ok_or(Misuse::NoOrder)?;
        let own = Some(challenge.clone());
        let control = match (place, &self.open) {
            (Where::Opens | Where::Alone, None) => Control { challenge: own, ..Control::default() },
            (Where::Anywhere, None) => {
                Control { challenge: own, sequence: Some(0), ..Control::default() }
            }
            (Where::Inside, None) => return Err(Misuse::NeedsDialogue),
            (Where::Anywhere | Where::Inside, Some(open)) => Control {
                response: Some(open.challenge.clone()),
                challenge: own,
                conversation: Some(open.conversation.clone()),
                sequence: Some(open.sequence),
            },
            (Where::Opens | Where::Alone, Some(_)) => return Err(Misuse::DialogueOpen),
        };
        self.pending = Some(Pending { order, challenge });
        Ok(control)
    }

    /// Takes the control block of the answer, once the answer itself was found sound. A wrong one
    /// ends an explicit dialogue: nothing that comes later could be believed.
    pub fn answer(&mut self, control: &Control) -> Result<Stands, AnswerFault> {
        let Some(pending) = self.pending.take() else { return Err(AnswerFault::NoOrder) };
        let open = self.open.take();
        let order = pending.order;
        if !order.response().is_some_and(|answer| answer.control().hold(control)) {
            return Err(AnswerFault::Form);
        }
        if !control.response.as_ref().is_some_and(|own| own.is(&pending.challenge)) {
            return Err(AnswerFault::Response);
        }
        let sequence = match (&open, order.in_dialogue()) {
            (Some(open), _) => {
                let named = control.conversation.as_ref();
                // ForwardDelivery may come back without the number of the dialogue.
                if named.is_some_and(|named| *named != open.conversation) {
                    return Err(AnswerFault::Conversation);
                }
                Some(open.sequence)
            }
            (None, Some(Where::Anywhere)) => Some(0),
            (None, _) => None,
        };
        if control.sequence != sequence {
            return Err(AnswerFault::Conversation);
        }
        self.open = match (order, open) {
            (MessageType::InitDialog, _) => {
                let both = control.conversation.clone().zip(control.challenge.clone());
                both.map(|(conversation, challenge)| Open { conversation, challenge, sequence: 0 })
            }
            (MessageType::ExitDialog, _) | (_, None) => None,
            // Without a challenge to answer there is no next order.
            (_, Some(open)) => control.challenge.clone().map(|challenge| Open {
                challenge,
                sequence: open.sequence + 1,
                ..open
            }),
        };
        Ok(if self.open.is_some() { Stands::Open } else { Stands::Ended })
    }

    /// No answer came, or a fault, or feedback that says the dialogue has ended: whether the order
    /// was executed is not known here, and an explicit dialogue is over.
    pub fn lost(&mut self) {
        *self = Self::default();
    }
}

/// An order by its name in the standard.
mod by_name {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::osci::message_type::MessageType;

    pub(super) fn serialize<S: Serializer>(order: &MessageType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(order.name())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(d: D) -> Result<MessageType, D::Error> {
        let name = String::deserialize(d)?;
        let order = MessageType::from_name(&name).filter(|kind| kind.in_dialogue().is_some());
        order.ok_or_else(|| serde::de::Error::custom("an order of OSCI-Transport"))
    }
}
