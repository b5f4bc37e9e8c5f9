//! SelectionRule: which deliveries or process cards are meant.

use super::element::{Children, Element};
use super::limits::Limits;
use super::process_card::date_time;
use super::refusal::Refusal;
use super::values::{DateTime, MessageId, whole_number, words};
use super::writing::Xml;

/// Which delivery is meant (`SelectionRule` of `order.xsd`); none means the one that waits longest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliverySelection {
    /// The first one received at this time or later.
    ReceptionOfDelivery(DateTime),
    /// This one.
    MessageId(MessageId),
}

impl DeliverySelection {
    /// The next child, if it is a rule.
    pub(super) fn optional(
        children: &mut Children,
        limits: &Limits,
    ) -> Result<Option<Self>, Refusal> {
        children.optional("SelectionRule").map(|found| Self::read(found, limits)).transpose()
    }

    fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let mut children = element.into_children("SelectionRule")?;
        let found = if let Some(at) = children.optional("ReceptionOfDelivery") {
            Self::ReceptionOfDelivery(date_time(&at, "ReceptionOfDelivery", limits)?)
        } else {
            let rule = "ReceptionOfDelivery or MessageId is missing";
            Self::MessageId(MessageId::read(&children.required("MessageId", rule)?)?)
        };
        children.end()?;
        Ok(found)
    }

    pub(super) fn write(rule: Option<&Self>, xml: &mut Xml) {
        let Some(rule) = rule else { return };
        xml.element("osci:SelectionRule", &[], |xml| match rule {
            Self::ReceptionOfDelivery(at) => xml.text("osci:ReceptionOfDelivery", at.as_str()),
            Self::MessageId(id) => xml.base64("osci:MessageId", &[], id.as_octets()),
        });
    }
}

words! {
    /// Whose process cards are meant.
    SelectionRole {
        /// Those of deliveries to the client.
        Addressee "Addressee",
        /// Those of deliveries by the client.
        Originator "Originator",
    }
}

/// A time from which on process cards are meant (`SelectionDateType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionDate {
    /// From this time on.
    pub at: DateTime,
    /// NoReception: only deliveries that were not yet received.
    pub no_reception: Option<bool>,
    /// Role: only those of this role.
    pub role: Option<SelectionRole>,
}

/// Which process cards are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessCardSelection {
    /// Those of deliveries received from a time on.
    ReceptionOfDelivery(SelectionDate),
    /// Those written to from a time on.
    RecentModification(SelectionDate),
    /// Those of these deliveries; one at least.
    MessageIds(Vec<MessageId>),
}

/// Which process cards are meant, and how many at most (`fetchProcessCardType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessCardCriteria {
    /// Which; none means all of the client.
    pub selection: Option<ProcessCardSelection>,
    /// Quantity: how many at most; never 0.
    pub limit: Option<u64>,
}

impl ProcessCardCriteria {
    /// What the children of a `fetchProcessCard` say.
    pub(super) fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let mut children = element.into_children("fetchProcessCard")?;
        let rule = children.optional("SelectionRule");
        let selection = rule.map(|found| ProcessCardSelection::read(found, limits)).transpose()?;
        let limit = children.optional("Quantity").map(|quantity| {
            let number = quantity.attribute("Limit").and_then(whole_number);
            let number = number.filter(|number| *number > 0);
            let number =
                number.ok_or_else(|| quantity.refusal("Quantity", "Limit: a positive number"))?;
            quantity.empty("Quantity").map(|()| number)
        });
        let limit = limit.transpose()?;
        children.end()?;
        Ok(Self { selection, limit })
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        if self.limit == Some(0) {
            xml.refuse("Quantity", "Limit: a positive number");
        }
        xml.element("osci:fetchProcessCard", &[], |xml| {
            if let Some(selection) = &self.selection {
                xml.element("osci:SelectionRule", &[], |xml| selection.write(xml));
            }
            if let Some(limit) = self.limit {
                xml.empty("osci:Quantity", &[("Limit", &limit.to_string())]);
            }
        });
    }
}

impl ProcessCardSelection {
    fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        let mut children = element.into_children("SelectionRule")?;
        let found = if let Some(date) = children.optional("ReceptionOfDelivery") {
            Self::ReceptionOfDelivery(SelectionDate::read(&date, "ReceptionOfDelivery", limits)?)
        } else if let Some(date) = children.optional("RecentModification") {
            Self::RecentModification(SelectionDate::read(&date, "RecentModification", limits)?)
        } else {
            let bound = (limits.message_ids, "message ids of a selection");
            let ids = children.many("MessageId", bound, |id| MessageId::read(&id))?;
            if ids.is_empty() {
                let rule = "ReceptionOfDelivery, RecentModification or MessageId is missing";
                return Err(children.refusal(rule));
            }
            Self::MessageIds(ids)
        };
        children.end()?;
        Ok(found)
    }

    fn write(&self, xml: &mut Xml) {
        match self {
            Self::ReceptionOfDelivery(date) => date.write(xml, "osci:ReceptionOfDelivery"),
            Self::RecentModification(date) => date.write(xml, "osci:RecentModification"),
            Self::MessageIds(ids) => {
                if ids.is_empty() {
                    xml.refuse("SelectionRule", "one MessageId at least");
                }
                for id in ids {
                    xml.base64("osci:MessageId", &[], id.as_octets());
                }
            }
        }
    }
}

impl SelectionDate {
    fn read(element: &Element, name: &'static str, limits: &Limits) -> Result<Self, Refusal> {
        let no_reception = element.attribute("NoReception").map(|text| match text.trim() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(element.refusal(name, "NoReception: true or false")),
        });
        let role = element.attribute("Role").map(|text| {
            let role = SelectionRole::parse(text);
            role.ok_or_else(|| element.refusal(name, "Role: Addressee or Originator"))
        });
        let (no_reception, role) = (no_reception.transpose()?, role.transpose()?);
        Ok(Self { at: date_time(element, name, limits)?, no_reception, role })
    }

    fn write(&self, xml: &mut Xml, name: &'static str) {
        let no_reception = self.no_reception.map(|flag| if flag { "true" } else { "false" });
        let attributes: Vec<_> = no_reception
            .map(|flag| ("NoReception", flag))
            .into_iter()
            .chain(self.role.map(|role| ("Role", role.as_str())))
            .collect();
        xml.text_with(name, &attributes, self.at.as_str());
    }
}
