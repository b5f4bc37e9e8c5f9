//! AcceptDelivery: the intermediary passes a delivery on to a passive recipient.

use super::blocks::Blocks;
use super::control_block;
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, RecipientHead};
use super::process_card::{CardRule, ProcessCardBundle};
use super::refusal::Refusal;
use super::writing::Writing;

/// The order (`acceptDeliveryType`). The content of the delivery stands beside it, in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptDelivery {
    /// What every order carries, and the certificates of the intermediary.
    pub head: OrderHead,
    /// The process card as it is when the message is built: no reception.
    pub process_card: ProcessCardBundle,
}

impl AcceptDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let mut order = blocks.order()?;
        let card = order.required("ProcessCardBundle", "ProcessCardBundle is missing")?;
        let process_card = ProcessCardBundle::read(card, blocks.limits)?;
        order.end()?;
        Ok(Self { head, process_card })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci:acceptDelivery", &out.kind.block_id(), &[], |xml| {
            self.process_card.write(xml, "osci:ProcessCardBundle", CardRule::FORWARDED);
        });
        self.head.end(out);
    }
}

/// The answer (`responseToAcceptDeliveryType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToAcceptDelivery {
    /// What every answer of a recipient carries.
    pub head: RecipientHead,
    /// What the recipient says.
    pub feedback: Vec<Entry>,
}

impl ResponseToAcceptDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = RecipientHead::read(blocks)?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        order.end()?;
        Ok(Self { head, feedback })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        control_block::write(&self.head.control, out);
        out.block("osci:responseToAcceptDelivery", &out.kind.block_id(), &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
        });
        self.head.end(out);
    }
}
