//! ProcessDelivery: the intermediary passes a delivery on to a passive recipient and waits for its
//! answer.

use super::blocks::Blocks;
use super::control_block;
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, RecipientHead};
use super::process_card::{CardRule, ProcessCardBundle};
use super::quality_of_timestamp::QualityOfTimestamp;
use super::refusal::Refusal;
use super::values::{MessageId, subject};
use super::writing::Writing;

/// The order (`processDeliveryType`). The content of the delivery stands beside it, in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessDelivery {
    /// What every order carries, and the certificates of the intermediary.
    pub head: OrderHead,
    /// MessageIdResponse: the id for the answer.
    pub message_id_response: Option<MessageId>,
    /// The process card as it is when the message is built: no reception.
    pub process_card: Option<ProcessCardBundle>,
}

impl ProcessDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let mut order = blocks.order()?;
        let id = order.optional("MessageIdResponse");
        let message_id_response = id.map(|id| MessageId::read(&id)).transpose()?;
        let process_card =
            ProcessCardBundle::optional(&mut order, "ProcessCardBundle", blocks.limits)?;
        order.end()?;
        Ok(Self { head, message_id_response, process_card })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci:processDelivery", &out.kind.block_id(), &[], |xml| {
            if let Some(id) = &self.message_id_response {
                xml.base64("osci:MessageIdResponse", &[], id.as_octets());
            }
            if let Some(card) = &self.process_card {
                card.write(xml, "osci:ProcessCardBundle", CardRule::FORWARDED);
            }
        });
        self.head.end(out);
    }
}

/// The answer (`responseToProcessDeliveryType`). Its content stands beside it, in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToProcessDelivery {
    /// What every answer of a recipient carries.
    pub head: RecipientHead,
    /// How the times of the answer are to be stamped.
    pub quality: QualityOfTimestamp,
    /// What the recipient says.
    pub feedback: Vec<Entry>,
    /// The id of the answer, as given in the order.
    pub message_id: Option<MessageId>,
    /// What the answer is about; only with a message id.
    pub subject: Option<String>,
}

impl ResponseToProcessDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = RecipientHead::read(blocks)?;
        let quality = blocks.quality(0)?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let id = order.optional("MessageId");
        let message_id = id.map(|id| MessageId::read(&id)).transpose()?;
        let subject = match message_id {
            Some(_) => subject(order.optional("Subject"), blocks.limits)?,
            None => None,
        };
        order.end()?;
        Ok(Self { head, quality, feedback, message_id, subject })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        control_block::write(&self.head.control, out);
        self.quality.write(out);
        out.block("osci:responseToProcessDelivery", &out.kind.block_id(), &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            if let Some(id) = &self.message_id {
                xml.base64("osci:MessageId", &[], id.as_octets());
            }
            if let Some(subject) = &self.subject {
                if self.message_id.is_none() {
                    xml.refuse("Subject", "only with a MessageId");
                }
                xml.text("osci:Subject", subject);
            }
        });
        self.head.end(out);
    }
}
