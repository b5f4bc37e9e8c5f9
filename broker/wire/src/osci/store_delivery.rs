//! StoreDelivery: a delivery into the mailbox of the Addressee.

use super::blocks::Blocks;
use super::feedback::{Code, Entry};
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::process_card::{CardRule, ProcessCardBundle};
use super::quality_of_timestamp::QualityOfTimestamp;
use super::refusal::Refusal;
use super::values::{MessageId, subject};
use super::writing::Writing;

/// The order (`storeDeliveryType`). Its content stands beside it, in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDelivery {
    /// What every order carries. The cipher certificate of the Addressee names the mailbox.
    pub head: OrderHead,
    /// How times are to be stamped; both must be there.
    pub quality: QualityOfTimestamp,
    /// The id that the intermediary gave for it.
    pub message_id: MessageId,
    /// What it is about.
    pub subject: Option<String>,
}

impl StoreDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let quality = blocks.quality(2)?;
        let mut order = blocks.order()?;
        let id = order.optional("MessageId");
        let missing = || order.refusal_with("MessageId is missing", Code::MessageIdMissing);
        let message_id = MessageId::read(&id.ok_or_else(missing)?)?;
        let subject = subject(order.optional("Subject"), blocks.limits)?;
        order.end()?;
        Ok(Self { head, quality, message_id, subject })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        self.quality.write_both(out);
        out.block("osci:storeDelivery", &out.kind.block_id(), &[], |xml| {
            xml.base64("osci:MessageId", &[], self.message_id.as_octets());
            if let Some(subject) = &self.subject {
                xml.text("osci:Subject", subject);
            }
        });
        if self.head.certificates.is_none() {
            out.refuse_form("NonIntermediaryCertificates", "names the Addressee");
        }
        self.head.end(out);
    }
}

/// The answer (`responseToStoreDeliveryType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToStoreDelivery {
    /// What every answer carries.
    pub head: ResponseHead,
    /// What the intermediary says.
    pub feedback: Vec<Entry>,
    /// The process card, if the delivery was accepted: its creation, and nothing later.
    pub process_card: Option<ProcessCardBundle>,
}

impl ResponseToStoreDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let process_card =
            ProcessCardBundle::optional(&mut order, "ProcessCardBundle", blocks.limits)?;
        order.end()?;
        Ok(Self { head, feedback, process_card })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci:responseToStoreDelivery", &out.kind.block_id(), &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            if let Some(card) = &self.process_card {
                card.write(xml, "osci:ProcessCardBundle", CardRule::STORED);
            }
        });
        self.head.end(None, out);
    }
}
