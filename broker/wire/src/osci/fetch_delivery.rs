//! FetchDelivery: a client takes a delivery out of its mailbox. The next order in the same dialogue
//! says that it has it.

use super::blocks::Blocks;
use super::certificates::NonIntermediaryCertificates;
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::process_card::{CardRule, ProcessCardBundle};
use super::refusal::Refusal;
use super::selection::DeliverySelection;
use super::writing::Writing;

/// The order (`fetchDeliveryType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchDelivery {
    /// What every order carries.
    pub head: OrderHead,
    /// Which delivery is meant.
    pub selection: Option<DeliverySelection>,
}

impl FetchDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let mut order = blocks.order()?;
        let selection = DeliverySelection::optional(&mut order, blocks.limits)?;
        order.end()?;
        Ok(Self { head, selection })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci:fetchDelivery", &out.kind.block_id(), &[], |xml| {
            DeliverySelection::write(self.selection.as_ref(), xml);
        });
        self.head.end(out);
    }
}

/// The answer (`responseToFetchDeliveryType`). The content stands beside it, in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToFetchDelivery {
    /// What every answer carries.
    pub head: ResponseHead,
    /// What the intermediary says.
    pub feedback: Vec<Entry>,
    /// Which delivery was asked for.
    pub selection: Option<DeliverySelection>,
    /// The process card, if there is a delivery.
    pub process_card: Option<ProcessCardBundle>,
    /// The certificates that came with the delivery.
    pub certificates: Option<NonIntermediaryCertificates>,
}

impl ResponseToFetchDelivery {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let certificates = blocks.non_intermediary()?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let request = order.required("fetchDelivery", "fetchDelivery is missing")?;
        let mut request = request.into_children("fetchDelivery")?;
        let selection = DeliverySelection::optional(&mut request, blocks.limits)?;
        request.end()?;
        let process_card =
            ProcessCardBundle::optional(&mut order, "ProcessCardBundle", blocks.limits)?;
        order.end()?;
        Ok(Self { head, feedback, selection, process_card, certificates })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        out.block("osci:responseToFetchDelivery", &out.kind.block_id(), &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            xml.element("osci:fetchDelivery", &[], |xml| {
                DeliverySelection::write(self.selection.as_ref(), xml);
            });
            if let Some(card) = &self.process_card {
                card.write(xml, "osci:ProcessCardBundle", CardRule::FORWARDED);
            }
        });
        self.head.end(self.certificates.as_ref(), out);
    }
}
