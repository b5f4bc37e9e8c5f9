//! In which kind of dialogue each order may come.

use super::control::{Control, ConversationId};
use crate::osci::feedback::Code;
use crate::osci::message_type::MessageType;

/// Where an order may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// It opens an explicit dialogue.
    Opens,
    /// In a dialogue of its own, or in an explicit one.
    Anywhere,
    /// In an explicit dialogue only.
    Inside,
    /// Outside of any dialogue: an intermediary calls a recipient.
    Alone,
}

impl MessageType {
    /// Where an order may come: by the schemas, what needs `Response` and `ConversationId` comes
    /// inside. None for what is no order.
    pub fn in_dialogue(self) -> Option<Where> {
        Some(match self {
            Self::InitDialog => Where::Opens,
            Self::GetMessageId
            | Self::StoreDelivery
            | Self::ForwardDelivery
            | Self::PartialStoreDelivery => Where::Anywhere,
            Self::ExitDialog
            | Self::FetchDelivery
            | Self::FetchProcessCard
            | Self::MediateDelivery
            | Self::PartialFetchDelivery => Where::Inside,
            Self::AcceptDelivery | Self::ProcessDelivery => Where::Alone,
            Self::ResponseToGetMessageId
            | Self::ResponseToInitDialog
            | Self::ResponseToExitDialog
            | Self::ResponseToStoreDelivery
            | Self::ResponseToFetchDelivery
            | Self::ResponseToFetchProcessCard
            | Self::ResponseToForwardDelivery
            | Self::ResponseToAcceptDelivery
            | Self::ResponseToMediateDelivery
            | Self::ResponseToProcessDelivery
            | Self::ResponseToPartialStoreDelivery
            | Self::ResponseToPartialFetchDelivery
            | Self::MessageEncrypted
            | Self::MessageFault => return None,
        })
    }

    /// Whether it looks into a mailbox: what is answered is for its owner only.
    pub(super) fn looks_into_a_mailbox(self) -> bool {
        matches!(self, Self::FetchDelivery | Self::PartialFetchDelivery | Self::FetchProcessCard)
    }
}

/// Where an order stands that a supplier was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It opens an explicit dialogue.
    Opens,
    /// It is a dialogue of its own.
    Implicit,
    /// It belongs to this explicit dialogue.
    Explicit(ConversationId),
}

/// Where an order stands, by its control block alone. 9300: it is no order, or lacks what every order
/// has, or goes to somebody else; 9400: it stands where it must not; 9802: it may come in an explicit
/// dialogue only.
pub fn place(order: MessageType, control: &Control) -> Result<Placed, Code> {
    let place = order.in_dialogue().ok_or(Code::NotAnOrder)?;
    if control.challenge.is_none() {
        return Err(Code::NotAnOrder);
    }
    let alone = control.response.is_none() && control.sequence.is_none();
    match (place, &control.conversation) {
        (Where::Opens, None) if alone => Ok(Placed::Opens),
        // To whom a client sends is an intermediary, and that is never a recipient.
        (Where::Alone, _) => Err(Code::NotAnOrder),
        (Where::Anywhere | Where::Inside, Some(conversation)) => {
            Ok(Placed::Explicit(conversation.clone()))
        }
        // A Response without ConversationId is left over from an earlier dialogue: observed in a
        // ForwardDelivery that follows GetMessageId. It says nothing.
        (Where::Anywhere, None) if control.sequence == Some(0) => Ok(Placed::Implicit),
        (Where::Inside, None) => Err(Code::ExplicitDialogueRequired),
        (Where::Opens | Where::Anywhere, _) => Err(Code::DialogueMismatch),
    }
}
