//! MediateDelivery: a delivery that a passive recipient answers at once, through the intermediary.

use super::blocks::Blocks;
use super::certificates::NonIntermediaryCertificates;
use super::content_receiver;
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::process_card::{CardRule, ProcessCardBundle};
use super::quality_of_timestamp::QualityOfTimestamp;
use super::refusal::Refusal;
use super::values::{MessageId, subject};
use super::writing::Writing;

/// The order (`mediateDeliveryType`). Its content stands beside it, in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediateDelivery {
    /// What every order carries.
    pub head: OrderHead,
    /// How times are to be stamped.
    pub quality: QualityOfTimestamp,
    /// ContentReceiver: where the recipient is called.
    pub receiver: Option<String>,
    /// The id that the intermediary gave for it; without one there is no process card.
    pub message_id: Option<MessageId>,
    /// What it is about; only with a message id.
    pub subject: Option<String>,
}

impl MediateDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let quality = blocks.quality(0)?;
        let mut order = blocks.order()?;
        let receiver = content_receiver::read(&mut order, blocks.limits)?;
        let id = order.optional("MessageId");
        let message_id = id.map(|id| MessageId::read(&id)).transpose()?;
        let subject = match message_id {
            Some(_) => subject(order.optional("Subject"), blocks.limits)?,
            None => None,
        };
        order.end()?;
        Ok(Self { head, quality, receiver, message_id, subject })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        self.quality.write(out);
        out.block("osci:mediateDelivery", &out.kind.block_id(), &[], |xml| {
            content_receiver::write(xml, self.receiver.as_deref());
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

/// The answer (`responseToMediateDeliveryType`). The content of the recipient stands beside it, in
/// the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToMediateDelivery {
    /// What every answer carries.
    pub head: ResponseHead,
    /// What the intermediary says.
    pub feedback: Vec<Entry>,
    /// The process card of the delivery.
    pub request_card: Option<ProcessCardBundle>,
    /// The process card of the recipient's answer; only beside the other one.
    pub reply_card: Option<ProcessCardBundle>,
    /// The certificates that came with the answer of the recipient.
    pub certificates: Option<NonIntermediaryCertificates>,
}

impl ResponseToMediateDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let certificates = blocks.non_intermediary()?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let request_card =
            ProcessCardBundle::optional(&mut order, "RequestProcessCardBundle", blocks.limits)?;
        let reply_card = match request_card {
            Some(_) => {
                ProcessCardBundle::optional(&mut order, "ReplyProcessCardBundle", blocks.limits)?
            }
            None => None,
        };
        order.end()?;
        Ok(Self { head, feedback, request_card, reply_card, certificates })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci:responseToMediateDelivery", &out.kind.block_id(), &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            if let Some(card) = &self.request_card {
                card.write(xml, "osci:RequestProcessCardBundle", CardRule::RECEIVED);
            }
            if let Some(card) = &self.reply_card {
                if self.request_card.is_none() {
                    xml.refuse("ReplyProcessCardBundle", "only beside RequestProcessCardBundle");
                }
                card.write(xml, "osci:ReplyProcessCardBundle", CardRule::FORWARDED);
            }
        });
        self.head.end(self.certificates.as_ref(), out);
    }
}
