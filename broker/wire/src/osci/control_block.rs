//! ControlBlock: where a message stands in its dialogue (`ControlBlockTemplate`). What it says is a
//! [`Control`].

use super::dialogue::{Challenge, Control, ConversationId, Demand, Demands};
use super::element::Element;
use super::feedback::Code;
use super::limits::Limits;
use super::message_type::MessageType;
use super::refusal::Refusal;
use super::values::whole_number;
use super::writing::Writing;

use Demand::{Free, Must, MustNot};

/// Response, Challenge, ConversationId, SequenceNumber.
const fn demands(all: [Demand; 4]) -> Demands {
    let [response, challenge, conversation, sequence] = all;
    Demands { response, challenge, conversation, sequence }
}

impl MessageType {
    /// What its control block carries (`ControlBlockType` of each schema). For answers it is what the
    /// reference library demands as a client, too: it wants a SequenceNumber in the answer to
    /// ForwardDelivery, which the schema leaves open.
    pub fn control(self) -> Demands {
        demands(match self {
            Self::GetMessageId
            | Self::StoreDelivery
            | Self::ForwardDelivery
            // The schema of chunks includes that of StoreDelivery.
            | Self::PartialStoreDelivery => [Free, Must, Free, Must],
            Self::InitDialog | Self::AcceptDelivery | Self::ProcessDelivery => {
                [MustNot, Must, MustNot, MustNot]
            }
            Self::ExitDialog
            | Self::FetchDelivery
            | Self::FetchProcessCard
            | Self::MediateDelivery
            | Self::PartialFetchDelivery
            | Self::ResponseToFetchDelivery
            | Self::ResponseToFetchProcessCard
            | Self::ResponseToMediateDelivery
            | Self::ResponseToPartialFetchDelivery => [Must; 4],
            Self::ResponseToGetMessageId
            | Self::ResponseToStoreDelivery
            | Self::ResponseToPartialStoreDelivery => [Must, Free, Must, Must],
            Self::ResponseToInitDialog => [Must, Must, Must, MustNot],
            Self::ResponseToExitDialog => [Must, MustNot, Must, Must],
            Self::ResponseToForwardDelivery => [Must, Free, Free, Must],
            Self::ResponseToAcceptDelivery | Self::ResponseToProcessDelivery => {
                [Must, MustNot, MustNot, MustNot]
            }
            Self::MessageEncrypted | Self::MessageFault => [MustNot; 4],
        })
    }

    /// What a control block must carry to be read. An order that may come in an explicit dialogue only
    /// and names none is answered by the dialogue (9802); and the schema does not demand what the
    /// reference library does.
    fn control_read(self) -> Demands {
        match self {
            Self::ExitDialog
            | Self::FetchDelivery
            | Self::FetchProcessCard
            | Self::MediateDelivery
            | Self::PartialFetchDelivery => demands([Free, Must, Free, Free]),
            Self::ResponseToForwardDelivery => Demands { sequence: Free, ..self.control() },
            _ => self.control(),
        }
    }
}

pub(super) fn read(
    element: Element,
    kind: MessageType,
    limits: &Limits,
) -> Result<Control, Refusal> {
    const NAME: &str = "ControlBlock";
    let place = element.place();
    let refusal = |rule| Refusal::Form { place, element: NAME, rule, code: Code::DialogueMismatch };
    let conversation = element.attribute("ConversationId").map(|text| {
        let text = text.trim_matches(super::element::is_space);
        ConversationId::parse(text).ok_or_else(|| refusal("ConversationId: 1 to 64 digits"))
    });
    let sequence = element.attribute("SequenceNumber").map(|text| {
        whole_number(text).ok_or_else(|| refusal("SequenceNumber: a number of digits"))
    });
    let (conversation, sequence) = (conversation.transpose()?, sequence.transpose()?);
    let mut children = element.into_children(NAME)?;
    let mut challenge = |name: &'static str| {
        let found = children.optional(name);
        let text = found.map(|element| element.string(name, limits.value_bytes)).transpose()?;
        let rule = "Response and Challenge have at most 256 octets";
        text.map(|text| Challenge::parse(&text).ok_or_else(|| refusal(rule))).transpose()
    };
    let (response, challenge) = (challenge("Response")?, challenge("Challenge")?);
    children.end()?;
    let control = Control { response, challenge, conversation, sequence };
    kind.control_read().broken(&control).map_or(Ok(control), |rule| Err(refusal(rule)))
}

pub(super) fn write(control: &Control, out: &mut Writing) {
    if let Some(rule) = out.kind.control().broken(control) {
        out.refuse_form("ControlBlock", rule);
    }
    let number = control.sequence.map(|number| number.to_string());
    let mut attributes = Vec::new();
    if let Some(id) = &control.conversation {
        attributes.push(("ConversationId", id.as_str()));
    }
    if let Some(number) = &number {
        attributes.push(("SequenceNumber", number.as_str()));
    }
    out.block("osci:ControlBlock", "controlblock", &attributes, |xml| {
        for (name, value) in
            [("osci:Response", &control.response), ("osci:Challenge", &control.challenge)]
        {
            if let Some(value) = value {
                xml.text(name, value.as_str());
            }
        }
    });
}
