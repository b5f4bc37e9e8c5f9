//! ControlBlock: where a message stands in its dialogue (`ControlBlockTemplate`).

use super::element::Element;
use super::limits::Limits;
use super::message_type::MessageType as T;
use super::refusal::{DIALOGUE, Refusal};
use super::values::{ConversationId, whole_number};
use super::writing::Writing;

/// What a message says about its dialogue. Which of it must be there depends on the message
/// ([`super::MessageType`]); whether it is right is for the dialogue to judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlBlock {
    /// The last challenge of the other side.
    pub response: Option<String>,
    /// What the other side must send back.
    pub challenge: Option<String>,
    /// The dialogue.
    pub conversation_id: Option<ConversationId>,
    /// The number of the order in it, from 0.
    pub sequence_number: Option<u64>,
}

/// Whether something stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Never,
    Optional,
    Always,
}
use Presence::{Always, Never, Optional};

/// Response, Challenge, ConversationId, SequenceNumber (`ControlBlockType` of each schema).
fn rule(kind: T) -> [Presence; 4] {
    match kind {
        T::GetMessageId
        | T::StoreDelivery
        | T::ForwardDelivery
        // The schema of chunks includes that of StoreDelivery.
        | T::PartialStoreDelivery => [Optional, Always, Optional, Always],
        T::InitDialog | T::AcceptDelivery | T::ProcessDelivery => [Never, Always, Never, Never],
        T::ExitDialog
        | T::FetchDelivery
        | T::FetchProcessCard
        | T::MediateDelivery
        | T::PartialFetchDelivery
        | T::ResponseToFetchDelivery
        | T::ResponseToFetchProcessCard
        | T::ResponseToMediateDelivery
        | T::ResponseToPartialFetchDelivery => [Always; 4],
        T::ResponseToGetMessageId
        | T::ResponseToStoreDelivery
        | T::ResponseToPartialStoreDelivery => [Always, Optional, Always, Always],
        T::ResponseToInitDialog => [Always, Always, Always, Never],
        T::ResponseToExitDialog => [Always, Never, Always, Always],
        T::ResponseToForwardDelivery => [Always, Optional, Optional, Optional],
        T::ResponseToAcceptDelivery | T::ResponseToProcessDelivery => [Always, Never, Never, Never],
        T::MessageEncrypted | T::MessageFault => [Never; 4],
    }
}

impl ControlBlock {
    pub(super) fn read(element: Element, kind: T, limits: &Limits) -> Result<Self, Refusal> {
        const NAME: &str = "ControlBlock";
        let place = element.place();
        let refusal = |rule| Refusal::Form { place, element: NAME, rule, code: DIALOGUE };
        let conversation_id = element.attribute("ConversationId").map(|text| {
            let text = text.trim_matches(super::element::is_space);
            ConversationId::parse(text).ok_or_else(|| refusal("ConversationId: 1 to 64 digits"))
        });
        let sequence_number = element.attribute("SequenceNumber").map(|text| {
            whole_number(text).ok_or_else(|| refusal("SequenceNumber: a number of digits"))
        });
        let (conversation_id, sequence_number) =
            (conversation_id.transpose()?, sequence_number.transpose()?);
        let mut children = element.into_children(NAME)?;
        let mut string = |name: &'static str| {
            let found = children.optional(name);
            found.map(|element| element.string(name, limits.value_bytes)).transpose()
        };
        let (response, challenge) = (string("Response")?, string("Challenge")?);
        children.end()?;
        let block = Self { response, challenge, conversation_id, sequence_number };
        block.against(kind).map_or(Ok(()), |rule| Err(refusal(rule)))?;
        Ok(block)
    }

    pub(super) fn write(&self, out: &mut Writing) {
        if let Some(rule) = self.against(out.kind) {
            out.refuse_form("ControlBlock", rule);
        }
        let number = self.sequence_number.map(|number| number.to_string());
        let mut attributes = Vec::new();
        if let Some(id) = &self.conversation_id {
            attributes.push(("ConversationId", id.as_str()));
        }
        if let Some(number) = &number {
            attributes.push(("SequenceNumber", number.as_str()));
        }
        out.block("osci:ControlBlock", "controlblock", &attributes, |xml| {
            for (name, value) in
                [("osci:Response", &self.response), ("osci:Challenge", &self.challenge)]
            {
                if let Some(value) = value {
                    xml.text(name, value);
                }
            }
        });
    }

    /// The rule that it breaks in a message of this type.
    fn against(&self, kind: T) -> Option<&'static str> {
        let there = [
            self.response.is_some(),
            self.challenge.is_some(),
            self.conversation_id.is_some(),
            self.sequence_number.is_some(),
        ];
        const MISSING: [&str; 4] = [
            "Response is missing",
            "Challenge is missing",
            "ConversationId is missing",
            "SequenceNumber is missing",
        ];
        const STRANGE: [&str; 4] = [
            "Response may not stand in this message",
            "Challenge may not stand in this message",
            "ConversationId may not stand in this message",
            "SequenceNumber may not stand in this message",
        ];
        let rules = rule(kind);
        (0..4).find_map(|n| match (rules[n], there[n]) {
            (Always, false) => Some(MISSING[n]),
            (Never, true) => Some(STRANGE[n]),
            _ => None,
        })
    }
}
