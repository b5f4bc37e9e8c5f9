//! ProcessCardBundle: the process card of a delivery (`ProcessCardBundleTemplate`).

use super::element::{Children, Element};
use super::inspection_report::Inspection;
use super::limits::Limits;
use super::refusal::Refusal;
use super::values::{DateTime, MessageId, subject};
use super::writing::Xml;

/// A time that somebody vouches for (`TimestampType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stamped {
    /// What the clock of the intermediary said.
    Plain(DateTime),
    /// A token of a time-stamping authority.
    Cryptographic {
        /// A URI that says what kind of token it is.
        algorithm: Option<String>,
        /// The token, e.g. in DER (RFC 3161).
        token: Vec<u8>,
    },
}

impl Stamped {
    pub(super) fn read(
        element: Element,
        name: &'static str,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let mut children = element.into_children(name)?;
        let found = if let Some(plain) = children.optional("Plain") {
            Self::Plain(date_time(&plain, "Plain", limits)?)
        } else {
            let rule = "Plain or Cryptographic is missing";
            let cryptographic = children.required("Cryptographic", rule)?;
            let algorithm = cryptographic.attribute("Algorithm").map(str::to_owned);
            let token = cryptographic.base64("Cryptographic", limits.token_bytes)?;
            Self::Cryptographic { algorithm, token }
        };
        children.end()?;
        Ok(found)
    }

    pub(super) fn write(&self, xml: &mut Xml, name: &'static str) {
        xml.element(name, &[], |xml| match self {
            Self::Plain(at) => xml.text("osci:Plain", at.as_str()),
            Self::Cryptographic { algorithm, token } => {
                let algorithm = algorithm.as_deref().map(|uri| ("Algorithm", uri));
                xml.base64_lines("osci:Cryptographic", algorithm.as_slice(), token);
            }
        });
    }
}

/// A time in the text of an element.
pub(super) fn date_time(
    element: &Element,
    name: &'static str,
    limits: &Limits,
) -> Result<DateTime, Refusal> {
    let text = element.trimmed(name, limits.value_bytes)?;
    DateTime::parse(text).ok_or_else(|| element.refusal(name, "a time: 2026-01-31T12:00:00Z"))
}

/// What happened to a delivery, and which certificates were inspected on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessCardBundle {
    /// The delivery.
    pub message_id: MessageId,
    /// RecentModification: when the card was written to last.
    pub recent_modification: DateTime,
    /// Creation: the order was received.
    pub creation: Option<Stamped>,
    /// Forwarding: the message to the recipient was fully built.
    pub forwarding: Option<Stamped>,
    /// Reception: the recipient has it.
    pub reception: Option<Stamped>,
    /// The subject of the delivery.
    pub subject: Option<String>,
    /// InspectionReport.
    pub inspections: Vec<Inspection>,
}

/// Which times a card has: Creation always, the two others as the schema of each message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CardRule {
    pub(super) forwarding: Times,
    pub(super) reception: Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Never,
    Optional,
    Always,
}

impl CardRule {
    /// `ProcessCardType` of the answer to StoreDelivery.
    pub(super) const STORED: Self = Self { forwarding: Times::Never, reception: Times::Never };
    /// Of the message that goes to the recipient: it is built, and not yet received.
    pub(super) const FORWARDED: Self = Self { forwarding: Times::Always, reception: Times::Never };
    /// Of a card that shows what is known by now.
    pub(super) const ANY: Self = Self { forwarding: Times::Optional, reception: Times::Optional };
    /// Of what was answered.
    pub(super) const RECEIVED: Self = Self { forwarding: Times::Always, reception: Times::Always };
}

impl ProcessCardBundle {
    pub(super) fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let mut bundle = element.into_children("ProcessCardBundle")?;
        let id = bundle.required("MessageId", "MessageId is missing")?;
        let message_id = MessageId::read(&id)?;
        let card = bundle.required("ProcessCard", "ProcessCard is missing")?;
        let report = bundle.required("InspectionReport", "InspectionReport is missing")?;
        bundle.end()?;
        let rule = "RecentModification is missing";
        let modified = card.demand("RecentModification", "ProcessCard", rule)?;
        let modified = DateTime::parse(modified);
        let recent_modification =
            modified.ok_or_else(|| card.refusal("ProcessCard", "RecentModification: a time"))?;
        let mut card = card.into_children("ProcessCard")?;
        let time = |card: &mut Children, name| {
            card.optional(name).map(|found| Stamped::read(found, name, limits)).transpose()
        };
        let creation = time(&mut card, "Creation")?;
        let forwarding = time(&mut card, "Forwarding")?;
        let reception = time(&mut card, "Reception")?;
        let subject = subject(card.optional("Subject"), limits)?;
        card.end()?;
        let mut report = report.into_children("InspectionReport")?;
        let bound = (limits.inspections, "inspections of a report");
        let inspections =
            report.many("Inspection", bound, |found| Inspection::read(found, limits))?;
        report.end()?;
        Ok(Self {
            message_id,
            recent_modification,
            creation,
            forwarding,
            reception,
            subject,
            inspections,
        })
    }

    /// Reads the next child if it is a bundle, under whatever name.
    pub(super) fn optional(
        children: &mut Children,
        name: &'static str,
        limits: &Limits,
    ) -> Result<Option<Self>, Refusal> {
        children.optional(name).map(|found| Self::read(found, limits)).transpose()
    }

    pub(super) fn write(&self, xml: &mut Xml, name: &'static str, rule: CardRule) {
        let fits = |times, there: bool| match times {
            Times::Never => !there,
            Times::Optional => true,
            Times::Always => there,
        };
        let all = self.creation.is_some()
            && fits(rule.forwarding, self.forwarding.is_some())
            && fits(rule.reception, self.reception.is_some());
        if !all {
            xml.refuse("ProcessCard", "the times that the schema demands in this message");
        }
        let modified = [("RecentModification", self.recent_modification.as_str())];
        xml.element(name, &[], |xml| {
            xml.base64("osci:MessageId", &[], self.message_id.as_octets());
            xml.element("osci:ProcessCard", &modified, |xml| {
                let times = [
                    ("osci:Creation", &self.creation),
                    ("osci:Forwarding", &self.forwarding),
                    ("osci:Reception", &self.reception),
                ];
                for (name, time) in times {
                    if let Some(time) = time {
                        time.write(xml, name);
                    }
                }
                if let Some(subject) = &self.subject {
                    xml.text("osci:Subject", subject);
                }
            });
            xml.element("osci:InspectionReport", &[], |xml| {
                for inspection in &self.inspections {
                    inspection.write(xml);
                }
            });
        });
    }
}
