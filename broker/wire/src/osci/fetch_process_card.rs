//! FetchProcessCard: a client asks what became of deliveries, by it or to it.

use super::blocks::Blocks;
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::process_card::{CardRule, ProcessCardBundle};
use super::refusal::Refusal;
use super::selection::ProcessCardCriteria;
use super::writing::{Writing, Xml};

/// The order (`fetchProcessCardType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchProcessCard {
    /// What every order carries.
    pub head: OrderHead,
    /// Which process cards are meant.
    pub criteria: ProcessCardCriteria,
}

impl FetchProcessCard {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = OrderHead::read(blocks)?;
        let criteria = ProcessCardCriteria::read(blocks.element()?, blocks.limits)?;
        Ok(Self { head, criteria })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        self.head.end(out);
    }

    pub(super) fn body(&self, xml: &mut Xml) {
        self.criteria.write(xml);
    }
}

/// The answer (`responseToFetchProcessCardType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToFetchProcessCard {
    /// What every answer carries.
    pub head: ResponseHead,
    /// What the intermediary says.
    pub feedback: Vec<Entry>,
    /// Which process cards were asked for.
    ///
    /// The schema looks strictly at what stands in this `fetchProcessCard` and knows only two things
    /// that may: the time of reception without attributes, or one message id. Other criteria are
    /// repeated all the same, as the reference library does; such an answer is not valid
    /// against `ResponseToFetchProcessCard.xsd`, and none could be.
    pub criteria: ProcessCardCriteria,
    /// The process cards.
    pub process_cards: Vec<ProcessCardBundle>,
}

impl ResponseToFetchProcessCard {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        let criteria = order.required("fetchProcessCard", "fetchProcessCard is missing")?;
        let criteria = ProcessCardCriteria::read(criteria, blocks.limits)?;
        let bound = (blocks.limits.process_cards, "process cards of an answer");
        let process_cards = order.many("ProcessCardBundle", bound, |found| {
            ProcessCardBundle::read(found, blocks.limits)
        })?;
        order.end()?;
        Ok(Self { head, feedback, criteria, process_cards })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        self.head.end(None, out);
    }

    pub(super) fn body(&self, xml: &mut Xml) {
        xml.element("osci:responseToFetchProcessCard", &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
            self.criteria.write(xml);
            for card in &self.process_cards {
                card.write(xml, "osci:ProcessCardBundle", CardRule::ANY);
            }
        });
    }
}
