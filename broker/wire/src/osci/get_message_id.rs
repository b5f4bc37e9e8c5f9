//! GetMessageId: a client asks for an id for a delivery. Ids are made by the intermediary and used
//! once.

use super::blocks::Blocks;
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::refusal::Refusal;
use super::values::MessageId;
use super::writing::{Writing, Xml};

/// The order (`getMessageIdType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMessageId {
    /// What every order carries.
    pub head: OrderHead,
}

impl GetMessageId {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        blocks.order()?.end()?;
        Ok(Self { head })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        self.head.end(out);
    }

    pub(super) fn body(&self, xml: &mut Xml) {
        xml.empty("osci:getMessageId", &[]);
    }
}

/// The answer (`responseToGetMessageIdType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToGetMessageId {
    /// What every answer carries.
    pub head: ResponseHead,
    /// What the intermediary says.
    pub feedback: Vec<Entry>,
    /// The id, if there is one.
    pub message_id: Option<MessageId>,
}

impl ResponseToGetMessageId {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let id = order.optional("MessageId");
        let message_id = id.map(|id| MessageId::read(&id)).transpose()?;
        order.end()?;
        Ok(Self { head, feedback, message_id })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        self.head.end(None, out);
    }

    pub(super) fn body(&self, xml: &mut Xml) {
        xml.element("osci:responseToGetMessageId", &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            if let Some(id) = &self.message_id {
                xml.base64("osci:MessageId", &[], id.as_octets());
            }
        });
    }
}
