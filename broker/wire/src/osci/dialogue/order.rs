//! The orders, and in which kind of dialogue each may come.

use super::control::{Control, ConversationId, Demand, Demands};
use super::outcome::RefusalCode;

/// An order of OSCI-Transport 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// Asks for a message id.
    GetMessageId,
    /// Opens an explicit dialogue.
    InitDialog,
    /// Ends it.
    ExitDialog,
    /// Puts a delivery into a mailbox.
    StoreDelivery,
    /// Collects one.
    FetchDelivery,
    /// Asks for process cards.
    FetchProcessCard,
    /// Has a delivery handed to a recipient.
    ForwardDelivery,
    /// The same, with the recipient's answer.
    MediateDelivery,
    /// Puts a piece of a delivery into a mailbox.
    PartialStoreDelivery,
    /// Collects a piece of one.
    PartialFetchDelivery,
    /// From intermediary to recipient: accepts a delivery.
    AcceptDelivery,
    /// From intermediary to recipient: processes one and answers.
    ProcessDelivery,
}

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

impl Order {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::GetMessageId,
        Self::InitDialog,
        Self::ExitDialog,
        Self::StoreDelivery,
        Self::FetchDelivery,
        Self::FetchProcessCard,
        Self::ForwardDelivery,
        Self::MediateDelivery,
        Self::PartialStoreDelivery,
        Self::PartialFetchDelivery,
        Self::AcceptDelivery,
        Self::ProcessDelivery,
    ];

    /// Where it may come: by the schemas, what needs `Response` and `ConversationId` comes inside.
    pub fn place(self) -> Where {
        match self {
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
        }
    }

    /// Whether what it collects is received when the next order of the dialogue comes.
    pub fn collects(self) -> bool {
        matches!(self, Self::FetchDelivery | Self::PartialFetchDelivery)
    }

    /// What the client must find in the answer, and what must not be there. Observed at the
    /// reference library; for the two partial orders as for the whole ones.
    pub fn demands(self) -> Demands {
        use Demand::{Free, Must, MustNot};
        let (response, challenge, conversation, sequence) = match self {
            Self::GetMessageId | Self::StoreDelivery | Self::PartialStoreDelivery => {
                (Must, Free, Must, Must)
            }
            Self::InitDialog => (Must, Must, Must, MustNot),
            Self::ExitDialog => (Must, MustNot, Must, Must),
            Self::FetchDelivery
            | Self::FetchProcessCard
            | Self::MediateDelivery
            | Self::PartialFetchDelivery => (Must, Must, Must, Must),
            Self::ForwardDelivery => (Must, Free, Free, Must),
            Self::AcceptDelivery | Self::ProcessDelivery => (Must, MustNot, MustNot, MustNot),
        };
        Demands { response, challenge, conversation, sequence }
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

/// Where an order stands, by its control block alone.
pub fn place(order: Order, control: &Control) -> Result<Placed, RefusalCode> {
    if control.challenge.is_none() {
        return Err(RefusalCode::NoOrder);
    }
    let alone = control.response.is_none() && control.sequence.is_none();
    match (order.place(), &control.conversation) {
        (Where::Opens, None) if alone => Ok(Placed::Opens),
        // To whom a client sends is an intermediary, and that is never a recipient.
        (Where::Alone, _) => Err(RefusalCode::NoOrder),
        (Where::Anywhere | Where::Inside, Some(conversation)) => {
            Ok(Placed::Explicit(conversation.clone()))
        }
        // A Response without ConversationId is left over from an earlier dialogue: observed in a
        // ForwardDelivery that follows GetMessageId. It says nothing.
        (Where::Anywhere, None) if control.sequence == Some(0) => Ok(Placed::Implicit),
        (Where::Inside, None) => Err(RefusalCode::NeedsDialogue),
        (Where::Opens | Where::Anywhere, _) => Err(RefusalCode::OutOfTurn),
    }
}
