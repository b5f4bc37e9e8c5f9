//! InitDialog: a client opens an explicit dialogue. The answer names it, and asks the first challenge.

use super::blocks::Blocks;
use super::feedback::Entry;
use super::feedback_entry;
use super::head::{OrderHead, ResponseHead};
use super::refusal::Refusal;
use super::writing::{Writing, Xml};

/// The order (`initDialogType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitDialog {
    /// What every order carries.
    pub head: OrderHead,
}

impl InitDialog {
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
        xml.empty("osci:initDialog", &[]);
    }
}

/// The answer (`responseToInitDialogType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseToInitDialog {
    /// What every answer carries.
    pub head: ResponseHead,
    /// What the intermediary says.
    pub feedback: Vec<Entry>,
}

impl ResponseToInitDialog {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let head = ResponseHead::read(blocks)?;
        let mut order = blocks.order()?;
        let feedback = feedback_entry::read(&mut order, blocks.limits)?;
        order.end()?;
        Ok(Self { head, feedback })
    }

    pub(super) fn header(&self, out: &mut Writing) {
        self.head.begin(out);
        self.head.end(None, out);
    }

    pub(super) fn body(&self, xml: &mut Xml) {
        xml.element("osci:responseToInitDialog", &[], |xml| {
            feedback_entry::write(xml, "osci:Feedback", &self.feedback);
        });
    }
}
